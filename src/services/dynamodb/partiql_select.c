/* SELECT ("PartiQL select statements for DynamoDB"). */
#include "base/digest.h"
#include "cloud/paging.h"
#include "services/dynamodb/partiql_run.h"
#include "services/dynamodb/reading.h"
#include "store/record.h"

/* "The IN operator: up to 50 hash attribute values". */
enum { PARTITIONS_MAX = 50 };

struct selecting {
    struct reading *r;
    struct key_schema schema;
    bool by_partition; /* false: everything is scanned */
    struct partiql_partitions partitions;
    struct dynamodb_AttributeMap
        start; /* where the page before ended; absent: from the beginning */
    bool partitions_backward;
    bool merged; /* ordered by the sort key across partitions */
};

/* --- ORDER BY
 * ---------------------------------------------------------------------------------------------------------
 */

static RESULT select_order(struct selecting *s, const struct partiql_statement *statement)
{
    struct call *call = s->r->call;
    bool by_sort = false, by_partition = false;
    if (statement->order_len > 0 && statement->where == NULL)
        return DYNAMODB_ERROR(
            call, "Must have WHERE clause in the statement when using ORDER BY clause.");
    if (statement->order_len > 0 && !s->by_partition)
        return DYNAMODB_ERROR(call, "Must have at least one non-optional hash key condition in "
                                    "WHERE clause when using ORDER BY clause.");
    for (size_t i = 0; i < statement->order_len; i++) {
        const struct partiql_order *order = &statement->order[i];
        if (str_eq(order->name, s->schema.partition[0].name)) {
            s->partitions_backward = order->descending;
            by_partition = true;
        } else if (s->schema.sort_len > 0 && str_eq(order->name, s->schema.sort[0].name)) {
            s->r->backward = order->descending;
            s->merged = !by_partition && s->partitions.count > 1;
            by_sort = true;
        } else {
            return DYNAMODB_ERROR(
                call, "Attribute %.*s in ORDER BY clause must be part of the primary key",
                PRSTR(order->name));
        }
    }
    /* DESC of the partition key alone turns what stands in the partitions around, too. */
    if (by_partition && !by_sort)
        s->r->backward = s->partitions_backward;
    return RESULT_OK;
}

/* --- where a page goes on
 * --------------------------------------------------------------------------------------------- */

/* A token says which statement it is of, and the last key: SHA-256, then the key as codec.c has it.
 */
static RESULT select_digest(struct call *call, const struct dynamodb_ExecuteStatementInput *in,
                            struct str *out)
{
    const struct dynamodb_ExecuteStatementInput asked = {.Statement = in->Statement,
                                                         .Parameters = in->Parameters};
    uint8_t *digest = arena_alloc(call->arena, SHA256_SIZE);
    struct buf bytes;
    buf_init(&bytes, call->arena, SIZE_MAX);
    TRY(record_encode(&bytes, &dynamodb_model, DYNAMODB_SHAPE_ExecuteStatementInput, &asked));
    digest_sha256(buf_str(&bytes), digest);
    *out = str_make((const char *)digest, SHA256_SIZE);
    return RESULT_OK;
}

static RESULT select_start(struct selecting *s, const struct dynamodb_ExecuteStatementInput *in)
{
    struct call *call = s->r->call;
    struct str position, digest;
    size_t size;
    if (str_is_absent(in->NextToken))
        return RESULT_OK;
    if (!paging_position(call, in->NextToken, &position))
        return DYNAMODB_ERROR(call, "NextToken does not match request");
    TRY(select_digest(call, in, &digest));
    if (!str_starts_with(position, digest))
        return DYNAMODB_ERROR(call, "NextToken does not match request");
    return codec_decode(call->arena, str_slice(position, SHA256_SIZE, position.len), &s->start,
                        &size);
}

static RESULT select_next(struct selecting *s, const struct dynamodb_ExecuteStatementInput *in,
                          struct dynamodb_ExecuteStatementOutput *out)
{
    struct call *call = s->r->call;
    struct dynamodb_AttributeMap last = reading_last(s->r);
    struct str digest, key;
    if (last.items == NULL)
        return RESULT_OK;
    TRY(select_digest(call, in, &digest));
    TRY(codec_encode(call->arena, &last, 0, &key));
    out->NextToken = paging_token(call, str_concat(call->arena, digest, key));
    out->LastEvaluatedKey.items = (void *)last.items;
    out->LastEvaluatedKey.len = last.len;
    return RESULT_OK;
}

/* --- the walks
 * --------------------------------------------------------------------------------------------------------
 */

/* The bounds of the i-th partition. */
static RESULT select_bounds(struct selecting *s, size_t i)
{
    struct reading *r = s->r;
    struct value_failure failure;
    struct key_condition condition;
    const struct condition *keys =
        partiql_key_condition(r->call->arena, &s->schema, &s->partitions, i);
    CHECK(r->call, failure,
          key_condition_resolve(r->call->arena, keys, &s->schema, &condition, &failure));
    r->from = r->to = (struct str){0};
    reading_bounds(r, &condition);
    return RESULT_OK;
}

/* The partition that the page before ended in; 0 when there is none. */
static size_t select_partition(const struct selecting *s)
{
    const struct dynamodb_AttributeValue *value =
        s->start.items == NULL ? NULL : item_get(&s->start, s->schema.partition[0].name);
    for (size_t i = 0; value != NULL && i < s->partitions.count; i++)
        if (value_compare(s->partitions.values[i], value) == 0)
            return i;
    return 0;
}

/* One partition after the other. */
static RESULT select_partitions(struct selecting *s)
{
    struct reading *r = s->r;
    size_t count = s->partitions.count, first = select_partition(s);
    if (s->start.items == NULL && s->partitions_backward)
        first = count - 1;
    size_t left = s->partitions_backward ? first + 1 : count - first;
    for (size_t n = 0; n < left && !r->more; n++) {
        TRY(select_bounds(s, s->partitions_backward ? first - n : first + n));
        if (n == 0)
            TRY(reading_start(r, s->start));
        TRY(reading_walk(r));
    }
    return RESULT_OK;
}

/* All partitions side by side, the next by sort key each time. Behind a partition's prefix keys
 * have the sort key's order; of equal ones the earlier partition comes first. */
struct lane {
    struct kv_cursor *cursor;
    struct reading bounds;
    struct str key, value, order;
};

static RESULT lane_next(struct lane *lane)
{
    TRY(reading_next(&lane->bounds, lane->cursor, &lane->key, &lane->value));
    lane->order = str_is_absent(lane->key)
                      ? (struct str){0}
                      : str_slice(lane->key, key_bytes(&lane->bounds.prefix).len, lane->key.len);
    return RESULT_OK;
}

static RESULT lane_open(struct selecting *s, size_t i, struct str after, size_t after_partition,
                        struct lane *out)
{
    struct arena *arena = s->r->call->arena;
    TRY(select_bounds(s, i));
    out->bounds = *s->r;
    if (!str_is_absent(after)) {
        struct str at = str_concat(arena, key_bytes(&s->r->prefix), after);
        bool behind = i <= after_partition; /* it has yielded its item with that very sort key */
        if (s->r->backward)
            reading_upper(&out->bounds, behind ? at : reading_after(arena, at, 0));
        else
            reading_lower(&out->bounds, behind ? reading_after(arena, at, 0) : at);
    }
    TRY(reading_seek(&out->bounds, &out->cursor));
    return lane_next(out);
}

static RESULT select_merged(struct selecting *s)
{
    struct reading *r = s->r;
    size_t count = s->partitions.count, from = select_partition(s);
    struct lane *lanes = ARENA_ARRAY(r->call->arena, count, struct lane);
    struct str after = {0};
    if (s->start.items != NULL) {
        TRY(select_bounds(s, from));
        struct key key = place_item(&r->place, &s->start);
        struct str bytes = key_bytes(&key);
        after = str_copy(r->call->arena, str_slice(bytes, key_bytes(&r->prefix).len, bytes.len));
    }
    for (size_t i = 0; i < count; i++)
        TRY(lane_open(s, i, after, from, &lanes[i]));
    for (;;) {
        struct lane *next = NULL;
        r->more = reading_full(r);
        for (size_t i = 0; i < count && !r->more; i++) {
            if (str_is_absent(lanes[i].key))
                continue;
            int sign = next == NULL ? -1 : str_cmp(lanes[i].order, next->order);
            if (next == NULL || (r->backward ? sign > 0 : sign < 0))
                next = &lanes[i];
        }
        if (next == NULL)
            return RESULT_OK;
        TRY(reading_take(r, next->value));
        TRY(lane_next(next));
    }
}

static RESULT select_scan(struct selecting *s)
{
    s->r->prefix = place_prefix(&s->r->place);
    TRY(reading_start(s->r, s->start));
    return reading_walk(s->r);
}

/* --- the statement
 * --------------------------------------------------------------------------------------------------
 */

static RESULT select_plan(struct selecting *s, const struct partiql_statement *statement)
{
    struct reading *r = s->r;
    TRY(reading_find_place(r, statement->index));
    TRY(reading_select(r, "ProjectionExpression"));
    s->schema = table_schema(&r->table, r->place.index);
    s->by_partition =
        partiql_partitions(r->call->arena, statement->where, &s->schema, &s->partitions);
    if (s->by_partition && s->partitions.count > PARTITIONS_MAX)
        return DYNAMODB_ERROR(r->call, "The number of hash key values in the WHERE clause exceeds "
                                       "the limit of 50");
    return select_order(s, statement);
}

RESULT partiql_select(struct call *call, const struct dynamodb_ExecuteStatementInput *in,
                      const struct partiql_statement *statement,
                      struct dynamodb_ExecuteStatementOutput *out)
{
    struct reading *r = ARENA_NEW(call->arena, struct reading);
    struct selecting s = {.r = r};
    r->call = call;
    r->consistent = in->ConsistentRead.value;
    r->limit = in->Limit;
    r->statement = statement;
    r->projection = statement->projection;
    r->filter = statement->where;
    TRY(partiql_open(call, statement, (struct str){0}, in->ReturnConsumedCapacity, &r->table));
    TRY(select_plan(&s, statement));
    TRY(select_start(&s, in));
    reading_begin(r);
    if (!s.by_partition)
        TRY(select_scan(&s));
    else if (s.merged)
        TRY(select_merged(&s));
    else
        TRY(select_partitions(&s));
    TRY(reading_finish(r, s.partitions.count == 1 ? s.partitions.values : NULL));
    out->Items = r->items;
    out->ConsumedCapacity =
        capacity_shown(call->arena, &r->capacity, in->ReturnConsumedCapacity, false);
    return select_next(&s, in, out);
}
