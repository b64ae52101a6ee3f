#include "services/dynamodb/meter.h"

#include <pthread.h>

/* "DynamoDB currently retains up to 5 minutes (300 seconds) of unused read and write capacity". */
enum { BURST_S = 300 };

/* Units that are left. Consumption is known when it has happened: it may go below zero, and the
 * next one waits until that is made good. */
struct bucket {
    double left;
    int64_t at_ms;
    int64_t rate; /* units a second; 0: not used yet */
};
struct meter {
    struct meter *next; /* in its slot */
    int64_t table, index;
    struct bucket reads, writes;
    struct hot_keys *hot[METER_GRAPHS];
};
enum { SLOTS = 256 };
struct meters {
    pthread_mutex_t lock;
    struct meter *slots[SLOTS]; /* by table: few have meters */
};

void *meters_new(void)
{
    struct meters *meters = heap_alloc(sizeof *meters);
    ASSERT(pthread_mutex_init(&meters->lock, NULL) == 0);
    return meters;
}

static void meter_forget_keys(struct meter *meter)
{
    for (size_t i = 0; i < METER_GRAPHS; i++) {
        hot_keys_free(meter->hot[i]);
        meter->hot[i] = NULL;
    }
}

void meters_free(void *memory)
{
    struct meters *meters = memory;
    for (size_t i = 0; i < SLOTS; i++) {
        while (meters->slots[i] != NULL) {
            struct meter *meter = meters->slots[i];
            meters->slots[i] = meter->next;
            meter_forget_keys(meter);
            heap_free(meter);
        }
    }
    ASSERT(pthread_mutex_destroy(&meters->lock) == 0);
    heap_free(meters);
}

static struct meters *meters_lock(const struct call *call)
{
    struct meters *meters = cloud_memory(call->cloud, &dynamodb_model);
    ASSERT(pthread_mutex_lock(&meters->lock) == 0);
    return meters;
}

static void meters_unlock(struct meters *meters)
{
    ASSERT(pthread_mutex_unlock(&meters->lock) == 0);
}

static struct meter *meter_of(struct meters *meters, int64_t table, int64_t index)
{
    struct meter **slot = &meters->slots[(uint64_t)table % SLOTS];
    for (struct meter *meter = *slot; meter != NULL; meter = meter->next)
        if (meter->table == table && meter->index == index)
            return meter;
    struct meter *meter = heap_alloc(sizeof *meter);
    *meter = (struct meter){.next = *slot, .table = table, .index = index};
    *slot = meter;
    return meter;
}

void meter_forget(struct call *call, int64_t table, int64_t index)
{
    struct meters *meters = meters_lock(call);
    struct meter **at = &meters->slots[(uint64_t)table % SLOTS];
    while (*at != NULL) {
        struct meter *meter = *at;
        if (meter->table == table && (index < 0 || meter->index == index))
            meter_forget_keys(meter);
        if (meter->table == table && index < 0) {
            *at = meter->next;
            heap_free(meter);
        } else {
            at = &meter->next;
        }
    }
    meters_unlock(meters);
}

/* --- throughput
 * -------------------------------------------------------------------------------------------------------
 */

/* Units a second, and for how many seconds they gather; 0: as many as one likes. */
struct limit {
    int64_t rate, burst_s;
};

static struct limit limit_of(const struct dynamodb_table *table, const struct dynamodb_index *index,
                             bool reads)
{
    int64_t units, maximum;
    if (index == NULL) {
        units = reads ? table->read_units : table->write_units;
        maximum = reads ? table->read_maximum : table->write_maximum;
    } else {
        units = reads ? index->read_units : index->write_units;
        maximum = reads ? index->read_maximum : index->write_maximum;
    }
    if (!table->on_demand)
        return (struct limit){units, BURST_S};
    return (struct limit){maximum > 0 ? maximum : 0, 1};
}

static bool is_limited(const struct dynamodb_table *table)
{
    if (!table->on_demand || table->read_maximum > 0 || table->write_maximum > 0)
        return true;
    for (size_t i = 0; i < table->indexes.len; i++)
        if (table->indexes.items[i].read_maximum > 0 || table->indexes.items[i].write_maximum > 0)
            return true;
    return false;
}

static bool bucket_fill(struct bucket *bucket, struct limit limit, int64_t now_ms)
{
    double most = (double)limit.rate * (double)limit.burst_s;
    if (bucket->rate == 0)
        bucket->left = most;
    else if (now_ms > bucket->at_ms)
        bucket->left += (double)bucket->rate * (double)(now_ms - bucket->at_ms) / 1000;
    if (bucket->left > most)
        bucket->left = most;
    bucket->rate = limit.rate;
    bucket->at_ms = now_ms;
    return bucket->left > 0;
}

/* Calls visit() with every bucket that a consumption touches; local indexes use their table's. */
struct touch {
    const struct dynamodb_table *table;
    const struct dynamodb_index *index;
    struct bucket *bucket;
    double units;
};

static size_t touches(struct call *call, struct meters *meters, const struct capacity *capacity,
                      struct touch *out)
{
    const struct dynamodb_table *table = capacity->table;
    double units = capacity->units;
    size_t count = 0;
    for (size_t i = 0; i <= table->indexes.len; i++) {
        const struct dynamodb_index *index =
            i == table->indexes.len ? NULL : &table->indexes.items[i];
        if (index != NULL && !index->global) {
            units += capacity->index[i];
            continue;
        }
        double own = index == NULL ? units : capacity->index[i];
        struct limit limit = limit_of(table, index, capacity->reads);
        if (own <= 0 || limit.rate == 0)
            continue;
        struct meter *meter = meter_of(meters, table->id, index == NULL ? 0 : index->id);
        struct bucket *bucket = capacity->reads ? &meter->reads : &meter->writes;
        (void)bucket_fill(bucket, limit, call->now_ms);
        out[count++] = (struct touch){table, index, bucket, own};
    }
    return count;
}

static RESULT meter_fail(struct call *call, const struct dynamodb_table *table,
                         const struct dynamodb_index *index, bool reads)
{
    struct dynamodb_ThrottlingReasonList reasons = {
        .items = ARENA_ARRAY(call->arena, 1, struct dynamodb_ThrottlingReason), .len = 1};
    reasons.items[0].reason =
        str_format(call->arena, "%s%s%sThroughputExceeded", index == NULL ? "Table" : "Index",
                   reads ? "Read" : "Write", table->on_demand ? "MaxOnDemand" : "Provisioned");
    reasons.items[0].resource = table_arn(call->arena, table);
    if (index != NULL)
        reasons.items[0].resource = str_format(
            call->arena, "%.*s/index/%.*s", PRSTR(reasons.items[0].resource), PRSTR(index->name));
    if (table->on_demand) {
        struct dynamodb_ThrottlingException *detail =
            ARENA_NEW(call->arena, struct dynamodb_ThrottlingException);
        detail->throttlingReasons = reasons;
        return call_fail_with(call, DYNAMODB_THROTTLING, detail,
                              "Throughput exceeds the maximum OnDemandThroughput configured on "
                              "table or index");
    }
    struct dynamodb_ProvisionedThroughputExceededException *detail =
        ARENA_NEW(call->arena, struct dynamodb_ProvisionedThroughputExceededException);
    detail->ThrottlingReasons = reasons;
    if (index == NULL)
        return call_fail_with(call, DYNAMODB_PROVISIONED_THROUGHPUT_EXCEEDED, detail,
                              "The level of configured provisioned throughput for the table was "
                              "exceeded. Consider increasing your provisioning level with the "
                              "UpdateTable API.");
    return call_fail_with(call, DYNAMODB_PROVISIONED_THROUGHPUT_EXCEEDED, detail,
                          "The level of configured provisioned throughput for one or more global "
                          "secondary indexes of the table was exceeded. Consider increasing your "
                          "provisioning level for the under-provisioned global secondary indexes "
                          "with the UpdateTable API");
}

/* *refused: what has nothing left. */
static bool take(struct call *call, const struct capacity *capacity, bool asking,
                 struct touch *refused)
{
    struct touch *all = ARENA_ARRAY(call->arena, capacity->table->indexes.len + 1, struct touch);
    struct meters *meters = meters_lock(call);
    size_t count = touches(call, meters, capacity, all);
    bool admitted = true;
    for (size_t i = 0; i < count && admitted && asking; i++) {
        admitted = all[i].bucket->left > 0;
        *refused = all[i];
    }
    for (size_t i = 0; i < count && admitted; i++)
        all[i].bucket->left -= all[i].units;
    meters_unlock(meters);
    return admitted;
}

/* The first that has nothing left; false: all have. */
static bool find_empty(struct call *call, const struct dynamodb_table *table, bool reads,
                       const struct dynamodb_index **index)
{
    if (!is_limited(table))
        return false;
    struct meters *meters = meters_lock(call);
    bool empty = false;
    for (size_t i = 0; i <= table->indexes.len && !empty; i++) {
        *index = i == 0 ? NULL : &table->indexes.items[i - 1];
        struct limit limit = limit_of(table, *index, reads);
        if (limit.rate == 0 || (*index != NULL && (reads || !(*index)->global)))
            continue;
        struct meter *meter = meter_of(meters, table->id, *index == NULL ? 0 : (*index)->id);
        empty = !bucket_fill(reads ? &meter->reads : &meter->writes, limit, call->now_ms);
    }
    meters_unlock(meters);
    return empty;
}

bool meter_admits(struct call *call, const struct dynamodb_table *table, bool reads)
{
    const struct dynamodb_index *index;
    return !find_empty(call, table, reads, &index);
}

/* --- insights
 * ---------------------------------------------------------------------------------------------------------
 */

static struct str insights_of(const struct place *place)
{
    return place->index == NULL ? place->table->insights : place->index->insights;
}

static void count_one(struct call *call, struct meter *meter, enum meter_graph graph,
                      const struct dynamodb_AttributeMap *key, double weight)
{
    struct str bytes;
    if (codec_encode(call->arena, key, 0, &bytes) != RESULT_OK)
        return; /* a count less */
    if (meter->hot[graph] == NULL)
        meter->hot[graph] = hot_keys_new();
    hot_keys_add(meter->hot[graph], call->now_ms, bytes, weight);
}

static void count(struct call *call, const struct place *place,
                  const struct dynamodb_AttributeMap *item, double units, bool throttled)
{
    struct str mode = insights_of(place);
    if (str_is_absent(mode) ||
        (!throttled && str_eq(mode, DYNAMODB_CONTRIBUTOR_INSIGHTS_MODE_THROTTLED_KEYS)))
        return;
    struct dynamodb_AttributeMap_entry entries[2 * KEY_ATTRIBUTES_MAX];
    struct dynamodb_AttributeMap key = {.items = entries};
    const struct key_schema schema = table_schema(place->table, place->index);
    for (size_t i = 0; i < schema.partition_len + schema.sort_len; i++) {
        struct str name = i < schema.partition_len ? schema.partition[i].name
                                                   : schema.sort[i - schema.partition_len].name;
        const struct dynamodb_AttributeValue *value = item_get(item, name);
        if (value == NULL)
            break;
        entries[key.len++] = (struct dynamodb_AttributeMap_entry){name, *value};
    }
    if (key.len < schema.partition_len)
        return;
    const struct dynamodb_AttributeMap partition = {.items = entries, .len = schema.partition_len};
    struct meters *meters = meters_lock(call);
    struct meter *meter =
        meter_of(meters, place->table->id, place->index == NULL ? 0 : place->index->id);
    count_one(call, meter, throttled ? METER_PARTITION_THROTTLED : METER_PARTITION_ACCESSED,
              &partition, throttled ? 1 : units);
    if (schema.sort_len > 0 && key.len == schema.partition_len + schema.sort_len)
        count_one(call, meter, throttled ? METER_SORT_THROTTLED : METER_SORT_ACCESSED, &key,
                  throttled ? 1 : units);
    meters_unlock(meters);
}

void meter_count(struct call *call, const struct place *place,
                 const struct dynamodb_AttributeMap *item, double units)
{
    count(call, place, item, units, false);
}

static double units_of(const struct capacity *capacity, const struct dynamodb_index *index)
{
    return index == NULL ? capacity->units
                         : capacity->index[index - capacity->table->indexes.items];
}

RESULT meter_take(struct call *call, const struct capacity *capacity,
                  const struct dynamodb_index *index, const struct dynamodb_AttributeMap *key)
{
    const struct dynamodb_table *table = capacity->table;
    const struct place place = {call, table, index};
    struct touch refused;
    bool admitted = !is_limited(table) || take(call, capacity, true, &refused);
    if (key != NULL)
        count(call, &place, key, units_of(capacity, index), !admitted);
    return admitted ? RESULT_OK : meter_fail(call, table, refused.index, capacity->reads);
}

void meter_spend(struct call *call, const struct capacity *capacity,
                 const struct dynamodb_index *index, const struct dynamodb_AttributeMap *key)
{
    const struct place place = {call, capacity->table, index};
    struct touch ignored;
    if (is_limited(capacity->table))
        (void)take(call, capacity, false, &ignored);
    if (key != NULL)
        count(call, &place, key, units_of(capacity, index), false);
}

RESULT meter_refuse(struct call *call, const struct dynamodb_table *table, bool reads,
                    const struct dynamodb_AttributeMap *key)
{
    const struct place place = {call, table, NULL};
    const struct dynamodb_index *index;
    if (!find_empty(call, table, reads, &index))
        return RESULT_OK;
    count(call, &place, key, 1, true);
    return meter_fail(call, table, index, reads);
}

size_t meter_rows(struct call *call, const struct dynamodb_table *table,
                  const struct dynamodb_index *index, enum meter_graph graph, int64_t minute,
                  struct meter_row **rows)
{
    size_t len = 0;
    *rows = ARENA_ARRAY(call->arena, HOT_KEYS, struct meter_row);
    struct meters *meters = meters_lock(call);
    struct meter *meter = meter_of(meters, table->id, index == NULL ? 0 : index->id);
    const struct hot_minute *found =
        meter->hot[graph] == NULL ? NULL : hot_keys_minute(meter->hot[graph], minute);
    for (; found != NULL && len < found->len; len++)
        (*rows)[len] = (struct meter_row){
            .key = str_copy(call->arena, str_make(found->keys[len].ptr, found->keys[len].len)),
            .weight = found->keys[len].weight,
        };
    meters_unlock(meters);
    return len;
}
