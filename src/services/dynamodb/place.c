/* Keys of items and of index entries, and what requests' keys must be. README.md draws them.
 *
 * Partitions are ordered by a hash of their value, as AWS orders them: a segment of a parallel Scan
 * is a range of hashes. What need not be kept in order is replaced by its digest where it is long,
 * so that every key stays below the store's 4 KiB. */
#include "base/digest.h"
#include "services/dynamodb/dynamodb_int.h"

enum { PLAIN_MAX = 256, ENCODED_MAX = 8 * 1024 };

static struct str partition_name(const struct place *place)
{
    return place->index == NULL ? place->table->partition : place->index->partition;
}

static struct str sort_name(const struct place *place)
{
    return place->index == NULL ? place->table->sort : place->index->sort;
}

static struct str_list more_partition(const struct place *place)
{
    return place->index == NULL ? (struct str_list){0} : place->index->more_partition;
}

static struct str_list more_sort(const struct place *place)
{
    return place->index == NULL ? (struct str_list){0} : place->index->more_sort;
}

static struct key place_under(const struct place *place, int64_t index)
{
    struct key key = table_key(place->call, "ddb", place->table);
    key_u64(&key, (uint64_t)index);
    return key;
}

struct key place_prefix(const struct place *place)
{
    return place_under(place, place->index == NULL ? 0 : place->index->id);
}

static struct str encoded(struct arena *arena, const struct dynamodb_AttributeValue *value)
{
    if (value->S.ptr != NULL)
        return value->S;
    if (value->B.ptr != NULL)
        return value->B;
    struct buf buf;
    buf_init(&buf, arena, ENCODED_MAX);
    value_key_encode(&buf, value);
    return buf_str(&buf);
}

/* Bytes whose order does not matter: the plain ones behind 'p', or their digest behind 'd'. */
static void add_unordered(struct key *key, struct str bytes)
{
    char memory[1 + PLAIN_MAX];
    if (bytes.len <= PLAIN_MAX) {
        memory[0] = 'p';
        if (bytes.len > 0)
            memcpy(memory + 1, bytes.ptr, bytes.len);
        key_str(key, str_make(memory, 1 + bytes.len));
        return;
    }
    uint8_t digest[SHA256_SIZE];
    digest_sha256(bytes, digest);
    memory[0] = 'd';
    memcpy(memory + 1, digest, SHA256_SIZE);
    key_str(key, str_make(memory, 1 + SHA256_SIZE));
}

/* FNV-1a, its halves mixed (murmur3's finaliser): part of the format, so it stands here. */
static uint32_t place_hash(struct str bytes)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < bytes.len; i++)
        h = (h ^ (unsigned char)bytes.ptr[i]) * UINT64_C(1099511628211);
    h ^= h >> 33;
    h *= UINT64_C(0xff51afd7ed558ccd);
    h ^= h >> 33;
    return (uint32_t)(h >> 32);
}

struct key place_part(const struct place *place, uint64_t part)
{
    struct key key = place_prefix(place);
    key_i64(&key, (int64_t)part);
    return key;
}

/* Several values are one text, each behind its length. */
static struct str joined(struct arena *arena, const struct dynamodb_AttributeValue *const *values,
                         size_t count)
{
    struct buf both;
    buf_init(&both, arena, KEY_ATTRIBUTES_MAX * ENCODED_MAX);
    for (size_t i = 0; i < count; i++) {
        struct str bytes = encoded(arena, values[i]);
        buf_append_u64(&both, bytes.len);
        buf_append_char(&both, ':');
        buf_append(&both, bytes);
    }
    return buf_str(&both);
}

struct key place_partition(const struct place *place,
                           const struct dynamodb_AttributeValue *const *values, size_t count)
{
    struct arena *arena = place->call->arena;
    struct str bytes = count == 1 ? encoded(arena, values[0]) : joined(arena, values, count);
    struct key key = place_part(place, place_hash(bytes));
    add_unordered(&key, bytes);
    return key;
}

void place_add_sort(struct key *key, const struct dynamodb_AttributeValue *sort)
{
    key_str(key, encoded(key->arena, sort));
}

static const struct dynamodb_AttributeValue *must_get(const struct dynamodb_AttributeMap *item,
                                                      struct str name)
{
    const struct dynamodb_AttributeValue *value = item_get(item, name);
    ASSERT(value != NULL);
    return value;
}

/* The table's own key, which tells entries with the same index key apart. */
static void add_table_key(const struct place *place, struct key *key,
                          const struct dynamodb_AttributeMap *item)
{
    struct arena *arena = place->call->arena;
    struct str sort = {0};
    struct str partition = encoded(arena, must_get(item, place->table->partition));
    if (!str_is_absent(place->table->sort))
        sort = encoded(arena, must_get(item, place->table->sort));
    struct buf both;
    buf_init(&both, arena, ENCODED_MAX);
    buf_append_u64(&both, partition.len);
    buf_append_char(&both, ':');
    buf_append(&both, partition);
    buf_append(&both, sort);
    add_unordered(key, buf_str(&both));
}

void place_add_partition(const struct place *place, struct key *key,
                         const struct dynamodb_AttributeMap *item)
{
    add_unordered(key, encoded(place->call->arena, must_get(item, place->table->partition)));
}

struct key place_item(const struct place *place, const struct dynamodb_AttributeMap *item)
{
    const struct dynamodb_AttributeValue *values[KEY_ATTRIBUTES_MAX];
    size_t count = 0;
    struct str_list more = more_partition(place);
    values[count++] = must_get(item, partition_name(place));
    for (size_t i = 0; i < more.len; i++)
        values[count++] = must_get(item, more.items[i]);
    struct key key = place_partition(place, values, count);
    struct str sort = sort_name(place);
    more = more_sort(place);
    if (!str_is_absent(sort))
        place_add_sort(&key, must_get(item, sort));
    for (size_t i = 0; i < more.len; i++)
        place_add_sort(&key, must_get(item, more.items[i]));
    if (place->index != NULL)
        add_table_key(place, &key, item);
    return key;
}

static bool has_typed(const struct dynamodb_table *table, const struct dynamodb_AttributeMap *item,
                      struct str name)
{
    const struct dynamodb_AttributeValue *value = item_get(item, name);
    return value != NULL && value_type(value) == table_type(table, name);
}

bool place_has(const struct place *place, const struct dynamodb_AttributeMap *item)
{
    struct str sort = sort_name(place);
    struct str_list more[] = {more_partition(place), more_sort(place)};
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < more[k].len; i++)
            if (!has_typed(place->table, item, more[k].items[i]))
                return false;
    return has_typed(place->table, item, partition_name(place)) &&
           (str_is_absent(sort) || has_typed(place->table, item, sort));
}

struct key place_expiry_prefix(const struct place *place)
{
    return place_under(place, place->table->ttl_index);
}

struct key place_expiry(const struct place *place, int64_t second,
                        const struct dynamodb_AttributeMap *item)
{
    struct key key = place_expiry_prefix(place);
    key_i64(&key, second);
    add_table_key(place, &key, item);
    return key;
}

static void take_names(const struct dynamodb_AttributeMap *item, const struct key_attribute *names,
                       size_t count, struct dynamodb_AttributeMap *key)
{
    for (size_t i = 0; i < count; i++) {
        const struct dynamodb_AttributeValue *value = item_get(item, names[i].name);
        if (value != NULL && item_get(key, names[i].name) == NULL)
            key->items[key->len++] = (struct dynamodb_AttributeMap_entry){names[i].name, *value};
    }
}

struct dynamodb_AttributeMap place_key_of(const struct place *place,
                                          const struct dynamodb_AttributeMap *item)
{
    const struct key_schema schemas[] = {table_schema(place->table, place->index),
                                         table_schema(place->table, NULL)};
    struct dynamodb_AttributeMap key = {.items =
                                            ARENA_ARRAY(place->call->arena, 4 * KEY_ATTRIBUTES_MAX,
                                                        struct dynamodb_AttributeMap_entry)};
    for (size_t i = 0; i < (place->index == NULL ? 1U : 2U); i++) {
        take_names(item, schemas[i].partition, schemas[i].partition_len, &key);
        take_names(item, schemas[i].sort, schemas[i].sort_len, &key);
    }
    return key;
}

/* --- checks
 * -----------------------------------------------------------------------------------------------------------
 */

RESULT place_check_key(struct call *call, const struct dynamodb_table *table,
                       struct dynamodb_AttributeMap key)
{
    struct value_failure failure;
    const struct place place = {call, table, NULL};
    if (key.len != (str_is_absent(table->sort) ? 1 : 2) || !place_has(&place, &key))
        return DYNAMODB_ERROR(call, "The provided key element does not match the schema");
    for (size_t i = 0; i < key.len; i++)
        CHECK(call, failure,
              value_check_key(call->arena, key.items[i].key, &key.items[i].value,
                              str_eq(key.items[i].key, table->sort), &failure));
    return RESULT_OK;
}

static RESULT check_own(struct call *call, const struct dynamodb_table *table,
                        const struct dynamodb_AttributeMap *item, struct str name, bool is_sort)
{
    struct value_failure failure;
    if (str_is_absent(name))
        return RESULT_OK;
    const struct dynamodb_AttributeValue *value = item_get(item, name);
    if (value == NULL)
        return DYNAMODB_ERROR(
            call, "One or more parameter values were invalid: Missing the key %.*s in the item",
            PRSTR(name));
    enum value_type expected = table_type(table, name), actual = value_type(value);
    if (expected != actual)
        return DYNAMODB_ERROR(call,
                              "One or more parameter values were invalid: Type mismatch for key "
                              "%.*s expected: %.*s actual: %.*s",
                              PRSTR(name), PRSTR(value_type_name(expected)),
                              PRSTR(value_type_name(actual)));
    CHECK(call, failure, value_check_key(call->arena, name, value, is_sort, &failure));
    return RESULT_OK;
}

static size_t key_length(const struct dynamodb_AttributeValue *value)
{
    return value->S.ptr != NULL ? value->S.len : value->B.ptr != NULL ? value->B.len : 1;
}

static RESULT fail_empty_indexed(struct call *call, const struct dynamodb_index *index,
                                 struct str name, const struct dynamodb_AttributeValue *value)
{
    return DYNAMODB_ERROR(
        call,
        "One or more parameter values are not valid. A value specified for a secondary index key "
        "is not supported. The AttributeValue for a key attribute cannot contain an empty %s "
        "value. IndexName: %.*s, IndexKey: %.*s",
        value->S.ptr != NULL ? "string" : "binary", PRSTR(index->name), PRSTR(name));
}

static RESULT check_indexed(struct call *call, const struct dynamodb_table *table,
                            const struct dynamodb_index *index,
                            const struct dynamodb_AttributeMap *item, struct str name, bool is_sort,
                            const struct dynamodb_AttributeMap *before)
{
    const struct dynamodb_AttributeValue *value = str_is_absent(name) ? NULL : item_get(item, name);
    if (value == NULL)
        return RESULT_OK;
    /* What stood there before the index did is not the update's fault. */
    bool update = before != NULL;
    const struct dynamodb_AttributeValue *old = update ? item_get(before, name) : NULL;
    if (old != NULL && value_equal(call->arena, old, value))
        return RESULT_OK;
    enum value_type expected = table_type(table, name), actual = value_type(value);
    if (expected != actual && update)
        return DYNAMODB_ERROR(call, "The update expression attempted to update the secondary index "
                                    "key to unsupported type");
    if (expected != actual)
        return DYNAMODB_ERROR(call,
                              "One or more parameter values were invalid: Type mismatch for Index "
                              "Key %.*s Expected: %.*s Actual: %.*s IndexName: %.*s",
                              PRSTR(name), PRSTR(value_type_name(expected)),
                              PRSTR(value_type_name(actual)), PRSTR(index->name));
    const char *what = actual == VALUE_B ? "binary" : "string";
    if (key_length(value) == 0 && update)
        return DYNAMODB_ERROR(call,
                              "The update expression attempted to update a secondary index key to "
                              "a value that is not supported. The AttributeValue for a key "
                              "attribute cannot contain an empty %s value.",
                              what);
    if (key_length(value) == 0)
        return fail_empty_indexed(call, index, name, value);
    size_t limit = is_sort ? KEY_SORT_SIZE_MAX : KEY_PARTITION_SIZE_MAX;
    if (key_length(value) > limit && is_sort)
        return DYNAMODB_ERROR(call, "One or more parameter values were invalid: Aggregated size "
                                    "of all range keys has exceeded the size limit of 1024 bytes");
    if (key_length(value) > limit)
        return DYNAMODB_ERROR(call, "One or more parameter values were invalid: Size of hashkey "
                                    "has exceeded the maximum size limit of2048 bytes");
    return RESULT_OK;
}

static bool is_empty_key(const struct dynamodb_table *table,
                         const struct dynamodb_AttributeMap *item, struct str name)
{
    const struct dynamodb_AttributeValue *value = str_is_absent(name) ? NULL : item_get(item, name);
    return value != NULL && value_type(value) == table_type(table, name) && key_length(value) == 0;
}

static RESULT check_none_empty(struct call *call, const struct dynamodb_table *table,
                               const struct dynamodb_index *index,
                               const struct dynamodb_AttributeMap *item,
                               const struct key_attribute *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is_empty_key(table, item, names[i].name))
            return fail_empty_indexed(call, index, names[i].name, item_get(item, names[i].name));
    return RESULT_OK;
}

RESULT place_check_empty(struct call *call, const struct dynamodb_table *table,
                         const struct dynamodb_AttributeMap *item)
{
    const struct str own[] = {table->partition, table->sort};
    struct value_failure failure;
    for (size_t i = 0; i < 2; i++)
        if (is_empty_key(table, item, own[i]))
            CHECK(call, failure,
                  value_check_key(call->arena, own[i], item_get(item, own[i]), i == 1, &failure));
    for (size_t i = 0; i < table->indexes.len; i++) {
        const struct dynamodb_index *index = &table->indexes.items[i];
        const struct key_schema schema = table_schema(table, index);
        TRY(check_none_empty(call, table, index, item, schema.partition, schema.partition_len));
        TRY(check_none_empty(call, table, index, item, schema.sort, schema.sort_len));
    }
    return RESULT_OK;
}

static RESULT fail_size(struct call *call, bool is_sort)
{
    if (is_sort)
        return DYNAMODB_ERROR(call, "One or more parameter values were invalid: Aggregated size "
                                    "of all range keys has exceeded the size limit of 1024 bytes");
    return DYNAMODB_ERROR(call, "One or more parameter values were invalid: Size of hashkey has "
                                "exceeded the maximum size limit of2048 bytes");
}

/* The further attributes of an index's key, and the sizes of all together. */
static RESULT check_several(struct call *call, const struct dynamodb_table *table,
                            const struct dynamodb_index *index,
                            const struct dynamodb_AttributeMap *item,
                            const struct dynamodb_AttributeMap *before)
{
    const struct str_list more[] = {index->more_partition, index->more_sort};
    const struct str first[] = {index->partition, index->sort};
    for (size_t k = 0; k < 2; k++) {
        const struct dynamodb_AttributeValue *value =
            str_is_absent(first[k]) ? NULL : item_get(item, first[k]);
        size_t size = value == NULL ? 0 : key_length(value);
        for (size_t i = 0; i < more[k].len; i++) {
            TRY(check_indexed(call, table, index, item, more[k].items[i], k == 1, before));
            value = item_get(item, more[k].items[i]);
            size += value == NULL ? 0 : key_length(value);
        }
        if (size > (k == 1 ? (size_t)KEY_SORT_SIZE_MAX : (size_t)KEY_PARTITION_SIZE_MAX))
            return fail_size(call, k == 1);
    }
    return RESULT_OK;
}

RESULT place_check_item(struct call *call, const struct dynamodb_table *table,
                        const struct dynamodb_AttributeMap *item,
                        const struct dynamodb_AttributeMap *before)
{
    if (before == NULL) {
        TRY(check_own(call, table, item, table->partition, false));
        TRY(check_own(call, table, item, table->sort, true));
    }
    for (size_t i = 0; i < table->indexes.len; i++) {
        const struct dynamodb_index *index = &table->indexes.items[i];
        if (index->global)
            TRY(check_indexed(call, table, index, item, index->partition, false, before));
        TRY(check_indexed(call, table, index, item, index->sort, true, before));
        if (index->more_partition.len > 0 || index->more_sort.len > 0)
            TRY(check_several(call, table, index, item, before));
    }
    return RESULT_OK;
}
