/* Capacity units ("DynamoDB read and write operations", Developer Guide). */
#include "base/vec.h"
#include "services/dynamodb/dynamodb_int.h"

struct capacity capacity_new(struct arena *arena, const struct dynamodb_table *table, bool reads)
{
    return (struct capacity){
        .table = table,
        .reads = reads,
        .index = table->indexes.len == 0 ? NULL : ARENA_ARRAY(arena, table->indexes.len, double),
    };
}

double capacity_read(size_t size, bool consistent)
{
    size_t blocks = (size + 4095) / 4096;
    double units = size == 0 ? 1 : (double)blocks;
    return consistent ? units : units / 2;
}

double capacity_write(size_t size)
{
    size_t blocks = (size + 1023) / 1024;
    return size == 0 ? 1 : (double)blocks;
}

void capacity_add_index(struct capacity *capacity, const struct dynamodb_index *index, double units)
{
    capacity->index[index - capacity->table->indexes.items] += units;
}

void capacity_sum(struct capacity *sum, const struct capacity *one)
{
    sum->units += one->units;
    for (size_t i = 0; i < sum->table->indexes.len; i++)
        sum->index[i] += one->index[i];
}

static struct dynamodb_Capacity capacity_part(const struct capacity *capacity, double units,
                                              bool transactional)
{
    struct dynamodb_Capacity part = {.CapacityUnits = opt_double(units)};
    if (transactional && capacity->reads)
        part.ReadCapacityUnits = opt_double(units);
    else if (transactional)
        part.WriteCapacityUnits = opt_double(units);
    return part;
}

static struct dynamodb_SecondaryIndexesCapacityMap capacity_indexes(struct arena *arena,
                                                                    const struct capacity *capacity,
                                                                    bool global, bool transactional)
{
    const struct dynamodb_list_index *indexes = &capacity->table->indexes;
    struct dynamodb_SecondaryIndexesCapacityMap map = {0};
    for (size_t i = 0; i < indexes->len; i++) {
        if (indexes->items[i].global != global || capacity->index[i] == 0)
            continue;
        if (map.items == NULL)
            map.items =
                ARENA_ARRAY(arena, indexes->len, struct dynamodb_SecondaryIndexesCapacityMap_entry);
        map.items[map.len].key = indexes->items[i].name;
        map.items[map.len++].value = capacity_part(capacity, capacity->index[i], transactional);
    }
    return map;
}

struct dynamodb_ConsumedCapacity *capacity_shown(struct arena *arena,
                                                 const struct capacity *capacity, struct str wanted,
                                                 bool transactional)
{
    bool indexes = str_eq(wanted, DYNAMODB_RETURN_CONSUMED_CAPACITY_INDEXES);
    if (!indexes && !str_eq(wanted, DYNAMODB_RETURN_CONSUMED_CAPACITY_TOTAL))
        return NULL;
    struct dynamodb_ConsumedCapacity *out = ARENA_NEW(arena, struct dynamodb_ConsumedCapacity);
    double total = capacity->units;
    for (size_t i = 0; i < capacity->table->indexes.len; i++)
        total += capacity->index[i];
    struct dynamodb_Capacity all = capacity_part(capacity, total, transactional);
    out->TableName = capacity->table->name;
    out->CapacityUnits = all.CapacityUnits;
    out->ReadCapacityUnits = all.ReadCapacityUnits;
    out->WriteCapacityUnits = all.WriteCapacityUnits;
    if (indexes) {
        out->Table = ARENA_NEW(arena, struct dynamodb_Capacity);
        *out->Table = capacity_part(capacity, capacity->units, transactional);
        out->LocalSecondaryIndexes = capacity_indexes(arena, capacity, false, transactional);
        out->GlobalSecondaryIndexes = capacity_indexes(arena, capacity, true, transactional);
    }
    return out;
}

struct capacity *bill_of(struct arena *arena, struct bill *bill, const struct dynamodb_table *table,
                         bool reads)
{
    for (size_t i = 0; i < bill->len; i++)
        if (bill->items[i].table->id == table->id)
            return &bill->items[i];
    VEC_PUSH(arena, bill->items, bill->len, bill->cap, capacity_new(arena, table, reads));
    return &bill->items[bill->len - 1];
}

struct dynamodb_ConsumedCapacityMultiple bill_shown(struct arena *arena, const struct bill *bill,
                                                    struct str wanted, bool transactional)
{
    struct dynamodb_ConsumedCapacityMultiple list = {0};
    size_t cap = 0;
    for (size_t i = 0; i < bill->len; i++) {
        struct dynamodb_ConsumedCapacity *one =
            capacity_shown(arena, &bill->items[i], wanted, transactional);
        if (one != NULL)
            VEC_PUSH(arena, list.items, list.len, cap, *one);
    }
    return list;
}
