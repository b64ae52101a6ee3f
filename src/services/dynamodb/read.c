/* Query and Scan: one walk over a range of keys, in pages. */
#include "services/dynamodb/access.h"
#include "services/dynamodb/meter.h"
#include "services/dynamodb/reading.h"

/* --- the walk
 * ---------------------------------------------------------------------------------------------------------
 */

RESULT reading_seek(struct reading *r, struct kv_cursor **cursor)
{
    TRY(kv_cursor_open(r->call->txn, r->call->arena, key_bytes(&r->prefix), r->backward, cursor));
    struct str from = r->backward ? r->to : r->from;
    return str_is_absent(from) ? RESULT_OK : kv_cursor_seek(*cursor, from);
}

/* The next key within the bounds; absent at the end. */
RESULT reading_next(const struct reading *r, struct kv_cursor *cursor, struct str *key,
                    struct str *value)
{
    do {
        TRY(kv_next(cursor, key, value));
        /* Walking back begins at the last key <= `to`, which does not belong. */
    } while (r->backward && !str_is_absent(*key) && !str_is_absent(r->to) &&
             str_cmp(*key, r->to) >= 0);
    if (str_is_absent(*key))
        return RESULT_OK;
    bool beyond = r->backward ? !str_is_absent(r->from) && str_cmp(*key, r->from) < 0
                              : !str_is_absent(r->to) && str_cmp(*key, r->to) >= 0;
    if (beyond)
        *key = (struct str){0};
    return RESULT_OK;
}

/* The whole item behind a local index's entry. */
static RESULT reading_fetch_item(struct reading *r, struct dynamodb_AttributeMap *item)
{
    const struct place own = {r->call, &r->table, NULL};
    struct dynamodb_AttributeMap key = place_key_of(&own, item);
    struct stored stored;
    TRY(store_get(r->call, &r->table, &key, false, &stored));
    if (!stored.found)
        return FAULT("an index entry has no item");
    r->capacity.units += capacity_read(stored.size, r->consistent);
    *item = stored.item;
    return RESULT_OK;
}

RESULT reading_take(struct reading *r, struct str value)
{
    struct arena *arena = r->call->arena;
    struct dynamodb_AttributeMap item;
    size_t size;
    TRY(codec_decode(arena, value, &item, &size));
    r->bytes += size;
    r->scanned++;
    r->last = item;
    if (r->fetch != FETCH_NOTHING)
        TRY(reading_fetch_item(r, &item));
    if (r->filter != NULL && !condition_holds(arena, r->filter, &item))
        return RESULT_OK;
    r->count++;
    if (r->count_only)
        return RESULT_OK;
    if (r->statement != NULL && r->statement->columns != NULL)
        item = partiql_columns(arena, r->statement, &item);
    else if (r->projection != NULL)
        item = projection_apply(arena, r->projection, &item);
    else if (r->fetch != FETCH_TO_SHOW)
        item = r->last; /* "all attributes that have been projected into the index" */
    if (r->items.len == r->cap) {
        size_t cap = r->cap == 0 ? 16 : 2 * r->cap;
        r->items.items = arena_grow(arena, r->items.items, r->cap * sizeof item, cap * sizeof item);
        r->cap = cap;
    }
    r->items.items[r->items.len++] = item;
    return RESULT_OK;
}

void reading_begin(struct reading *r)
{
    r->capacity = capacity_new(r->call->arena, &r->table, true);
    r->items.items = arena_alloc_raw(r->call->arena, 16 * sizeof r->items.items[0]);
    r->cap = 16;
}

bool reading_full(const struct reading *r)
{
    return r->scanned > 0 &&
           ((r->limit.set && r->scanned >= r->limit.value) || r->bytes >= DYNAMODB_PAGE_SIZE);
}

RESULT reading_walk(struct reading *r)
{
    struct kv_cursor *cursor;
    struct str key, value;
    TRY(reading_seek(r, &cursor));
    for (;;) {
        /* A page that is full says so without looking whether anything follows. */
        r->more = reading_full(r);
        if (r->more)
            break;
        TRY(reading_next(r, cursor, &key, &value));
        if (str_is_absent(key))
            break;
        TRY(reading_take(r, value));
    }
    return RESULT_OK;
}

RESULT reading_finish(struct reading *r, const struct dynamodb_AttributeValue *const *partition)
{
    const struct key_schema schema = table_schema(&r->table, r->place.index);
    struct dynamodb_AttributeMap key = {.items = ARENA_ARRAY(r->call->arena, KEY_ATTRIBUTES_MAX,
                                                             struct dynamodb_AttributeMap_entry)};
    double units = capacity_read(r->bytes, r->consistent);
    if (r->place.index == NULL)
        r->capacity.units += units;
    else
        capacity_add_index(&r->capacity, r->place.index, units);
    for (size_t i = 0; partition != NULL && i < schema.partition_len; i++)
        key.items[key.len++] =
            (struct dynamodb_AttributeMap_entry){schema.partition[i].name, *partition[i]};
    return meter_take(r->call, &r->capacity, r->place.index, partition == NULL ? NULL : &key);
}

static RESULT reading_run(struct reading *r, const struct dynamodb_AttributeValue *const *partition)
{
    reading_begin(r);
    TRY(reading_walk(r));
    return reading_finish(r, partition);
}

/* --- bounds
 * -----------------------------------------------------------------------------------------------------------
 */

struct str reading_after(struct arena *arena, struct str key, char c)
{
    return str_concat(arena, key, str_make(&c, 1));
}

void reading_lower(struct reading *r, struct str bound)
{
    if (str_is_absent(r->from) || str_cmp(bound, r->from) > 0)
        r->from = str_copy(r->call->arena, bound);
}

void reading_upper(struct reading *r, struct str bound)
{
    if (str_is_absent(r->to) || str_cmp(bound, r->to) < 0)
        r->to = str_copy(r->call->arena, bound);
}

/* ExclusiveStartKey: the key attributes of the place and of the table, no others. */
RESULT reading_start(struct reading *r, struct dynamodb_AttributeMap start)
{
    struct call *call = r->call;
    const struct place own = {call, &r->table, NULL};
    struct value_failure failure;
    if (start.items == NULL)
        return RESULT_OK;
    CHECK(call, failure, item_check(call->arena, start, &failure));
    if (!place_has(&r->place, &start) || !place_has(&own, &start) ||
        place_key_of(&r->place, &start).len != start.len)
        return DYNAMODB_ERROR(call, "The provided starting key is invalid%s",
                              r->query || place_has(&own, &start)
                                  ? ""
                                  : ": The provided key element does not match the schema");
    for (size_t i = 0; i < start.len; i++)
        if (value_check_key(call->arena, start.items[i].key, &start.items[i].value, false,
                            &failure) != RESULT_OK)
            return DYNAMODB_ERROR(call, "The provided starting key is invalid: %.*s",
                                  PRSTR(failure.message));
    struct key key = place_item(&r->place, &start);
    struct str bytes = key_bytes(&key), prefix = key_bytes(&r->prefix);
    bool elsewhere = !str_starts_with(bytes, prefix);
    bool outside = (!str_is_absent(r->from) && str_cmp(bytes, r->from) < 0) ||
                   (!str_is_absent(r->to) && str_cmp(bytes, r->to) >= 0);
    if (elsewhere && r->query)
        return DYNAMODB_ERROR(call, "The provided starting key is outside query boundaries based "
                                    "on provided conditions");
    if (outside && r->query)
        return DYNAMODB_ERROR(call,
                              "The provided starting key does not match the range key predicate");
    if (elsewhere || outside)
        return DYNAMODB_ERROR(call,
                              "The provided starting key is invalid: Invalid ExclusiveStartKey. "
                              "Please use ExclusiveStartKey with correct Segment. TotalSegments: "
                              "%d Segment: %d",
                              r->total.value, r->segment.value);
    if (r->backward)
        reading_upper(r, bytes);
    else
        reading_lower(r, reading_after(call->arena, bytes, 0));
    return RESULT_OK;
}

/* --- what may be selected
 * --------------------------------------------------------------------------------------------- */

RESULT reading_find_place(struct reading *r, struct str index_name)
{
    struct call *call = r->call;
    r->place = (struct place){call, &r->table, NULL};
    if (str_is_absent(index_name))
        return RESULT_OK;
    const struct dynamodb_index *index = table_index(&r->table, index_name);
    if (index == NULL)
        return DYNAMODB_ERROR(call, "The table does not have the specified index: %.*s",
                              PRSTR(index_name));
    r->place.index = index;
    if (index->global && r->consistent)
        return DYNAMODB_ERROR(call,
                              "Consistent reads are not supported on global secondary indexes");
    if (index->backfilling)
        return DYNAMODB_ERROR(call, "Cannot read from backfilling global secondary index: %.*s",
                              PRSTR(index_name));
    return RESULT_OK;
}

static bool reading_projects(const struct reading *r, struct str name)
{
    const struct dynamodb_index *index = r->place.index;
    if (str_eq(index->projection, DYNAMODB_PROJECTION_TYPE_ALL) || str_eq(name, index->partition) ||
        str_eq(name, index->sort) || str_eq(name, r->table.partition) ||
        str_eq(name, r->table.sort))
        return true;
    const struct str_list lists[] = {index->included, index->more_partition, index->more_sort};
    for (size_t k = 0; k < 3; k++)
        for (size_t i = 0; i < lists[k].len; i++)
            if (str_eq(name, lists[k].items[i]))
                return true;
    return false;
}

/* Attributes that an expression names but the index lacks: a local index reads the item, a global
 * one refuses. */
static RESULT reading_need(struct reading *r, struct str_list names)
{
    for (size_t i = 0; i < names.len; i++) {
        if (reading_projects(r, names.items[i]))
            continue;
        if (r->place.index->global)
            return DYNAMODB_ERROR(r->call,
                                  "One or more parameter values were invalid: Global secondary "
                                  "index %.*s does not project [%.*s]",
                                  PRSTR(r->place.index->name), PRSTR(names.items[i]));
        if (r->fetch == FETCH_NOTHING)
            r->fetch = FETCH_TO_LOOK;
    }
    return RESULT_OK;
}

RESULT reading_select(struct reading *r, const char *parameter)
{
    struct call *call = r->call;
    const struct dynamodb_index *index = r->place.index;
    bool projects = r->projection != NULL;
    bool all = str_eq(r->select, DYNAMODB_SELECT_ALL_ATTRIBUTES);
    bool specific = str_eq(r->select, DYNAMODB_SELECT_SPECIFIC_ATTRIBUTES);
    r->count_only = str_eq(r->select, DYNAMODB_SELECT_COUNT);
    if (specific && !projects)
        return DYNAMODB_ERROR(call, "Must specify the AttributesToGet or ProjectionExpression "
                                    "when choosing to get SPECIFIC_ATTRIBUTES");
    if (!str_is_absent(r->select) && !specific && projects)
        return DYNAMODB_ERROR(call, "Cannot specify the %s when choosing to get %s", parameter,
                              r->count_only ? "only the Count"
                              : all         ? "ALL_ATTRIBUTES"
                                            : "ALL_PROJECTED_ATTRIBUTES");
    if (str_eq(r->select, DYNAMODB_SELECT_ALL_PROJECTED_ATTRIBUTES) && index == NULL)
        return DYNAMODB_ERROR(call,
                              "ALL_PROJECTED_ATTRIBUTES can be used only when %s using an "
                              "IndexName",
                              r->query ? "Querying" : "Scanning");
    if (index == NULL || str_eq(index->projection, DYNAMODB_PROJECTION_TYPE_ALL))
        return RESULT_OK;
    if (all && index->global)
        return DYNAMODB_ERROR(call,
                              "One or more parameter values were invalid: Select type "
                              "ALL_ATTRIBUTES is not supported for global secondary index %.*s "
                              "because its projection type is not ALL",
                              PRSTR(index->name));
    r->fetch = all ? FETCH_TO_SHOW : FETCH_NOTHING;
    if (r->projection != NULL)
        TRY(reading_need(r, projection_attributes(call->arena, r->projection)));
    if (r->filter != NULL)
        TRY(reading_need(r, condition_attributes(call->arena, r->filter)));
    return RESULT_OK;
}

struct dynamodb_AttributeMap reading_last(const struct reading *r)
{
    if (!r->more)
        return (struct dynamodb_AttributeMap){0};
    return place_key_of(&r->place, &r->last);
}

#define READING_ANSWER(r, out)                                                                     \
    do {                                                                                           \
        struct dynamodb_AttributeMap last_ = reading_last(r);                                      \
        (out)->Count = opt_int((r)->count);                                                        \
        (out)->ScannedCount = opt_int((r)->scanned);                                               \
        if (!(r)->count_only)                                                                      \
            (out)->Items = (r)->items;                                                             \
        (out)->LastEvaluatedKey.items = (void *)last_.items;                                       \
        (out)->LastEvaluatedKey.len = last_.len;                                                   \
        (out)->ConsumedCapacity =                                                                  \
            capacity_shown((r)->call->arena, &(r)->capacity, (r)->capacity_wanted, false);         \
    } while (0)

/* --- Query
 * -----------------------------------------------------------------------------------------------------------
 */

/* The partition, and the sort key's attributes that are known. */
static struct key reading_prefix(const struct reading *r, const struct key_condition *condition)
{
    struct key key = place_partition(&r->place, condition->partition, condition->partition_len);
    for (size_t i = 0; i < condition->equal_len; i++)
        place_add_sort(&key, condition->equal[i]);
    return key;
}

/* The sort key's condition as bounds. Behind a sort key's element come elements that begin with a
 * byte below 0xFF: appending 0xFF goes behind all keys with that very sort key. */
void reading_bounds(struct reading *r, const struct key_condition *condition)
{
    struct arena *arena = r->call->arena;
    r->prefix = reading_prefix(r, condition);
    if (condition->relation == KEY_ANY)
        return;
    struct key low = reading_prefix(r, condition);
    struct key high = reading_prefix(r, condition);
    place_add_sort(&low, condition->sort);
    place_add_sort(&high,
                   condition->relation == KEY_BETWEEN ? condition->sort_high : condition->sort);
    struct str at = key_bytes(&low);
    switch (condition->relation) {
    case KEY_ANY:
        break;
    case KEY_EQ:
        reading_lower(r, at);
        reading_upper(r, reading_after(arena, at, (char)0xff));
        break;
    case KEY_LT:
        reading_upper(r, at);
        break;
    case KEY_LE:
        reading_upper(r, reading_after(arena, at, (char)0xff));
        break;
    case KEY_GT:
        reading_lower(r, reading_after(arena, at, (char)0xff));
        break;
    case KEY_GE:
        reading_lower(r, at);
        break;
    case KEY_BETWEEN:
        reading_lower(r, at);
        reading_upper(r, reading_after(arena, key_bytes(&high), (char)0xff));
        break;
    case KEY_BEGINS_WITH: {
        /* Without the end of the element; longer strings go on there. */
        struct str beginning = str_slice(at, 0, at.len - 1);
        reading_lower(r, beginning);
        struct buf end;
        buf_init(&end, arena, KV_KEY_MAX);
        buf_append(&end, beginning);
        /* The first string that does not begin so: the last byte that can grow, grown. */
        size_t len = beginning.len;
        while (len > 0 && (unsigned char)beginning.ptr[len - 1] == 0xff)
            len--;
        if (len == 0)
            break;
        end.len = len;
        end.ptr[len - 1] = (char)(end.ptr[len - 1] + 1);
        reading_upper(r, buf_str(&end));
        break;
    }
    }
}

/* What Query and Scan both say, in expressions or in the parameters before them. */
struct asked {
    struct str_list attributes;
    struct dynamodb_FilterConditionMap conditions;
    const char *conditions_name; /* QueryFilter, ScanFilter */
    struct str operator;
    struct str projection, filter;
    struct str_map names;
    struct dynamodb_ExpressionAttributeValueMap values;
    bool key_conditions; /* KeyConditions are there */
    struct str key_condition;
};

/* keys: NULL of Scan, which has none. */
static RESULT asked_parse(struct call *call, const struct asked *in,
                          const struct dynamodb_KeyConditions *conditions, struct reading *r,
                          const struct condition **keys)
{
    struct value_failure failure;
    struct expression_scope scope;
    struct arena *arena = call->arena;
    const struct expression_parameter parameters[] = {
        {"AttributesToGet", in->attributes.items != NULL, false, false},
        {in->conditions_name, in->conditions.items != NULL, false, false},
        {"ConditionalOperator", !str_is_absent(in->operator), false, false},
        {"KeyConditions", in->key_conditions, false, false},
        {"ProjectionExpression", !str_is_absent(in->projection), true, false},
        {"FilterExpression", !str_is_absent(in->filter), true, true},
        {"KeyConditionExpression", !str_is_absent(in->key_condition), true, true},
    };
    CHECK(call, failure,
          expression_check_parameters(arena, parameters, keys == NULL ? 6 : 7, in->names,
                                      in->values, &failure));
    CHECK(call, failure, expression_scope_init(&scope, arena, in->names, in->values, &failure));
    scope.scans = keys == NULL;
    if (!str_is_absent(in->filter))
        CHECK(call, failure, condition_parse(&scope, EXPRESSION_FILTER, in->filter, &r->filter));
    else
        CHECK(call, failure,
              legacy_filter(arena, in->conditions, in->operator, & r->filter, &failure));
    if (!str_is_absent(in->projection))
        CHECK(call, failure, projection_parse(&scope, in->projection, &r->projection));
    else
        CHECK(call, failure, legacy_projection(arena, in->attributes, &r->projection, &failure));
    if (keys != NULL && !str_is_absent(in->key_condition))
        CHECK(call, failure, key_condition_parse(&scope, in->key_condition, keys));
    else if (keys != NULL)
        CHECK(call, failure, legacy_key_conditions(arena, *conditions, keys, &failure));
    CHECK(call, failure, expression_scope_finish(&scope));
    return RESULT_OK;
}

static RESULT query_parse(struct call *call, const struct dynamodb_QueryInput *in,
                          struct reading *r, const struct condition **keys)
{
    const struct asked asked = {
        .attributes = in->AttributesToGet,
        .conditions = in->QueryFilter,
        .conditions_name = "QueryFilter",
        .operator= in->ConditionalOperator,
        .projection = in->ProjectionExpression,
        .filter = in->FilterExpression,
        .names = in->ExpressionAttributeNames,
        .values = in->ExpressionAttributeValues,
        .key_conditions = in->KeyConditions.items != NULL,
        .key_condition = in->KeyConditionExpression,
    };
    *keys = NULL;
    TRY(asked_parse(call, &asked, &in->KeyConditions, r, keys));
    if (*keys == NULL)
        return DYNAMODB_ERROR(call, "Either the KeyConditions or KeyConditionExpression parameter "
                                    "must be specified in the request.");
    return RESULT_OK;
}

RESULT dynamodb_Query(struct call *call, const struct dynamodb_QueryInput *in,
                      struct dynamodb_QueryOutput *out)
{
    struct reading *r = ARENA_NEW(call->arena, struct reading);
    struct value_failure failure;
    const struct condition *keys;
    struct key_condition condition;
    r->call = call;
    r->query = true;
    r->select = in->Select;
    r->consistent = in->ConsistentRead.value;
    r->backward = in->ScanIndexForward.set && !in->ScanIndexForward.value;
    r->limit = in->Limit;
    r->capacity_wanted = in->ReturnConsumedCapacity;
    TRY(query_parse(call, in, r, &keys));
    struct access access = {
        .action = STR("dynamodb:Query"),
        .index = in->IndexName,
        .key_condition = keys,
        .condition = r->filter,
        .projection = r->projection,
        .select = in->Select,
        .capacity = in->ReturnConsumedCapacity,
    };
    TRY(access_open(call, &access, in->TableName, &r->table));
    TRY(reading_find_place(r, in->IndexName));
    TRY(reading_select(r, str_is_absent(in->ProjectionExpression) ? "AttributesToGet"
                                                                  : "ProjectionExpression"));
    const struct key_schema schema = table_schema(&r->table, r->place.index);
    CHECK(call, failure, key_condition_resolve(call->arena, keys, &schema, &condition, &failure));
    if (r->filter != NULL) {
        struct str names[2 * KEY_ATTRIBUTES_MAX];
        struct str_list list = {.items = names};
        for (size_t i = 0; i < schema.partition_len; i++)
            names[list.len++] = schema.partition[i].name;
        for (size_t i = 0; i < schema.sort_len; i++)
            names[list.len++] = schema.sort[i].name;
        CHECK(call, failure,
              filter_check_keys(call->arena, r->filter,
                                str_is_absent(in->FilterExpression) ? "QueryFilter"
                                                                    : "Filter Expression",
                                list, &failure));
    }
    reading_bounds(r, &condition);
    TRY(reading_start(r, ITEM_OF(in->ExclusiveStartKey)));
    TRY(reading_run(r, condition.partition));
    READING_ANSWER(r, out);
    return RESULT_OK;
}

/* --- Scan
 * -------------------------------------------------------------------------------------------------------------
 */

static RESULT scan_parse(struct call *call, const struct dynamodb_ScanInput *in, struct reading *r)
{
    const struct asked asked = {
        .attributes = in->AttributesToGet,
        .conditions = in->ScanFilter,
        .conditions_name = "ScanFilter",
        .operator= in->ConditionalOperator,
        .projection = in->ProjectionExpression,
        .filter = in->FilterExpression,
        .names = in->ExpressionAttributeNames,
        .values = in->ExpressionAttributeValues,
    };
    return asked_parse(call, &asked, NULL, r, NULL);
}

static RESULT scan_check_segment(struct call *call, struct opt_int segment, struct opt_int total)
{
    if (segment.set && !total.set)
        return DYNAMODB_ERROR(call, "The TotalSegments parameter is required but was not present "
                                    "in the request when Segment parameter is present");
    if (total.set && !segment.set)
        return DYNAMODB_ERROR(call, "The Segment parameter is required but was not present in the "
                                    "request when parameter TotalSegments is present");
    if (segment.set && segment.value >= total.value)
        return DYNAMODB_ERROR(call,
                              "The Segment parameter is zero-based and must be less than "
                              "parameter TotalSegments: Segment: %d is not less than "
                              "TotalSegments: %d",
                              segment.value, total.value);
    return RESULT_OK;
}

/* A segment is a range of the partitions' hashes. */
static void scan_bounds(struct reading *r)
{
    r->prefix = place_prefix(&r->place);
    if (!r->total.set)
        return;
    uint64_t all = UINT64_C(1) << 32, n = (uint64_t)r->total.value, i = (uint64_t)r->segment.value;
    struct key from = place_part(&r->place, (all * i + n - 1) / n);
    struct key to = place_part(&r->place, (all * (i + 1) + n - 1) / n);
    reading_lower(r, key_bytes(&from));
    reading_upper(r, key_bytes(&to));
}

RESULT dynamodb_Scan(struct call *call, const struct dynamodb_ScanInput *in,
                     struct dynamodb_ScanOutput *out)
{
    struct reading *r = ARENA_NEW(call->arena, struct reading);
    r->call = call;
    r->select = in->Select;
    r->consistent = in->ConsistentRead.value;
    r->limit = in->Limit;
    r->segment = in->Segment;
    r->total = in->TotalSegments;
    r->capacity_wanted = in->ReturnConsumedCapacity;
    TRY(scan_check_segment(call, in->Segment, in->TotalSegments));
    TRY(scan_parse(call, in, r));
    struct access access = {
        .action = STR("dynamodb:Scan"),
        .index = in->IndexName,
        .condition = r->filter,
        .projection = r->projection,
        .select = in->Select,
        .capacity = in->ReturnConsumedCapacity,
    };
    TRY(access_open(call, &access, in->TableName, &r->table));
    TRY(reading_find_place(r, in->IndexName));
    TRY(reading_select(r, str_is_absent(in->ProjectionExpression) ? "AttributesToGet"
                                                                  : "ProjectionExpression"));
    scan_bounds(r);
    TRY(reading_start(r, ITEM_OF(in->ExclusiveStartKey)));
    TRY(reading_run(r, NULL));
    READING_ANSWER(r, out);
    return RESULT_OK;
}
