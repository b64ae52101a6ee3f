/* Item collections: all items of a partition and their entries in local indexes, at most 10 GB
 * ("Item collections", "Item collection size limit", Developer Guide). Counted for tables with
 * local indexes alone, in the transaction of each change.
 *
 *   ("ddb-c", table id, partition) -> bytes, decimal */
#include "services/dynamodb/dynamodb_int.h"

#define COLLECTION_MAX (INT64_C(10) << 30)

bool collection_is_kept(const struct dynamodb_table *table)
{
    for (size_t i = 0; i < table->indexes.len; i++)
        if (!table->indexes.items[i].global)
            return true;
    return false;
}

static struct key collection_key(struct call *call, const struct dynamodb_table *table,
                                 const struct dynamodb_AttributeMap *item)
{
    const struct place place = {call, table, NULL};
    struct key key = table_key(call, "ddb-c", table);
    place_add_partition(&place, &key, item);
    return key;
}

static RESULT collection_size(struct call *call, const struct dynamodb_table *table,
                              const struct dynamodb_AttributeMap *item, int64_t *bytes)
{
    struct key key = collection_key(call, table, item);
    struct str text;
    *bytes = 0;
    TRY(kv_get(call->txn, key_bytes(&key), &text));
    if (!str_is_absent(text) && !str_to_i64(text, bytes))
        return FAULT("an item collection's size is broken");
    return RESULT_OK;
}

RESULT collection_add(struct call *call, const struct dynamodb_table *table,
                      const struct dynamodb_AttributeMap *item, int64_t bytes, int64_t *total)
{
    struct key key = collection_key(call, table, item);
    TRY(collection_size(call, table, item, total));
    *total += bytes;
    if (bytes == 0)
        return RESULT_OK;
    if (*total <= 0)
        return kv_delete(call->txn, key_bytes(&key), NULL);
    return kv_put(call->txn, key_bytes(&key), str_format(call->arena, "%lld", (long long)*total));
}

/* Before the entries of indexes are made: as if each held the whole item. */
RESULT collection_check(struct call *call, struct item_write *write)
{
    const struct dynamodb_table *table = &write->table;
    int64_t grows = (int64_t)write->after_size - (int64_t)write->old.size, local = 0;
    if (!collection_is_kept(table))
        return RESULT_OK;
    TRY(collection_size(call, table, &write->key, &write->capacity.collection_bytes));
    for (size_t i = 0; i < table->indexes.len; i++)
        local += !table->indexes.items[i].global;
    if (write->after != NULL && grows > 0 &&
        write->capacity.collection_bytes + grows * (1 + local) > COLLECTION_MAX)
        return call_fail(call, DYNAMODB_ITEM_COLLECTION_SIZE_LIMIT_EXCEEDED,
                         "Collection size exceeded.");
    return RESULT_OK;
}
