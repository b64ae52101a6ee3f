/* Between the files of DynamoDB. */
#ifndef KUMONIWA_SERVICES_DYNAMODB_DYNAMODB_INT_H
#define KUMONIWA_SERVICES_DYNAMODB_DYNAMODB_INT_H

#include "cloud/call.h"
#include "cloud/outbox.h"
#include "gen/dynamodb.h"
#include "services/dynamodb/dynamodb.h"
#include "services/dynamodb/expression.h"
#include "services/dynamodb/legacy.h"
#include "services/dynamodb/value.h"

/* "Quotas in Amazon DynamoDB", Developer Guide. */
enum {
    DYNAMODB_PAGE_SIZE = 1024 * 1024,
    DYNAMODB_BATCH_GET_SIZE = 16 * 1024 * 1024,
    DYNAMODB_TRANSACTION_SIZE = 4 * 1024 * 1024,
    DYNAMODB_GLOBAL_INDEXES_MAX = 20,
    DYNAMODB_LOCAL_INDEXES_MAX = 5,
    DYNAMODB_INCLUDED_MAX = 100, /* over all indexes of a table */
    DYNAMODB_UNITS_MAX = 40000,
    DYNAMODB_ACCOUNT_UNITS_MAX = 80000,
    DYNAMODB_TABLES_MAX = 2500,
    DYNAMODB_TOKEN_MS = 10 * 60 * 1000,
    /* "Understanding DynamoDB warm throughput": what a new table in on-demand mode has. */
    DYNAMODB_WARM_READ = 12000,
    DYNAMODB_WARM_WRITE = 4000,
};

#define DYNAMODB_ERROR(call, ...) call_fail((call), DYNAMODB_VALIDATION, __VA_ARGS__)
/* Turns what a pure function found wrong into the call's error. */
#define CHECK(call, failure, expression)                                                           \
    do {                                                                                           \
        enum result check_result_ = (expression);                                                  \
        if (check_result_ == RESULT_ERROR)                                                         \
            return dynamodb_refuse((call), &(failure));                                            \
        TRY(check_result_);                                                                        \
    } while (0)
RESULT dynamodb_refuse(struct call *call, const struct value_failure *failure);

/* --- table.c: finding and keeping tables
 * ------------------------------------------------------------------------ */

struct arn;
/* What TableName says; false: neither a table's name nor its ARN. */
bool table_parse_name(const struct call *call, struct str text, struct arn *out);
/* The same, of this region, or an error. */
RESULT table_read_name(struct call *call, struct str text, struct arn *out);
/* By name or ARN, of whatever account; *table's strings are in the arena. */
RESULT table_find(struct call *call, struct str name, struct dynamodb_table *table, bool *found);
/* The same for operations on tables: "Requested resource not found: Table: x not found". */
RESULT table_get(struct call *call, struct str name, struct dynamodb_table *table);
/* The service fills it, from S3, a backup or a replica: nobody may use it yet. */
bool table_is_being_made(const struct dynamodb_table *table);
/* Items may be read and written: it does not go, and is not being filled by the service. */
bool table_is_usable(const struct dynamodb_table *table);
/* The same without asking whether the principal may (access.h): a table that is being deleted is
 * none. */
RESULT table_open(struct call *call, struct str name, struct dynamodb_table *table);
RESULT table_put(struct call *call, const struct dynamodb_table *table);
/* SSESpecification into table->sse_key. */
RESULT table_read_sse(struct call *call, const struct dynamodb_SSESpecification *in,
                      struct dynamodb_table *table);
/* StreamSpecification, checked. */
RESULT table_read_stream(struct call *call, const struct dynamodb_StreamSpecification *in,
                         bool *enabled);
RESULT table_check_protection(struct call *call, const struct dynamodb_table *table);
RESULT table_forget(struct call *call, const struct dynamodb_table *table);
struct key table_prefix(struct call *call);
struct str table_arn(struct arena *arena, const struct dynamodb_table *table);
enum value_type table_type(const struct dynamodb_table *table, struct str attribute);
/* Key attributes of the table (index NULL) or of an index. */
struct key_schema table_schema(const struct dynamodb_table *table,
                               const struct dynamodb_index *index);
struct dynamodb_index *table_index(const struct dynamodb_table *table, struct str name);
/* (prefix, table id): of what is kept under a table's id. */
struct key table_key(struct call *call, const char *kind, const struct dynamodb_table *table);

/* --- schema.c: what CreateTable and UpdateTable say of keys and indexes
 * ----------------------------------------- */

/* Into table->attributes, the keys and the indexes. */
RESULT schema_read(struct call *call, const struct dynamodb_CreateTableInput *in,
                   struct dynamodb_table *table);
RESULT schema_read_attributes(struct call *call, struct dynamodb_AttributeDefinitions definitions,
                              struct dynamodb_table *table);
/* A key schema whose attributes the table defines; path: what the request calls it. several: each
 * part may have KEY_ATTRIBUTES_MAX attributes. */
struct schema_key {
    bool several;
    struct str partition[KEY_ATTRIBUTES_MAX], sort[KEY_ATTRIBUTES_MAX];
    size_t partition_len, sort_len;
};
RESULT schema_read_key(struct call *call, struct dynamodb_KeySchema schema, const char *path,
                       const struct dynamodb_table *table, struct schema_key *out);
/* A global index to be added to the table's. */
RESULT schema_add_global(struct call *call, const struct dynamodb_GlobalSecondaryIndex *in,
                         struct dynamodb_table *table);
/* Definitions that no key uses any more go. */
void schema_drop_unused(struct dynamodb_table *table);
RESULT schema_check_units(struct call *call, const struct dynamodb_ProvisionedThroughput *units,
                          const struct dynamodb_OnDemandThroughput *maximum, bool on_demand,
                          struct str index);
/* Each global index has units of its own where they are provisioned. */
RESULT schema_check_index_units(struct call *call, const struct dynamodb_table *table);

/* --- describe.c
 * -------------------------------------------------------------------------------------------------
 */

RESULT describe_table(struct call *call, const struct dynamodb_table *table,
                      struct dynamodb_TableDescription **out);
/* What DeleteTable tells: neither keys nor indexes ("DeleteTable", API reference, sample response).
 */
void describe_only_deleted(struct dynamodb_TableDescription *description);

/* --- limits.c: quotas
 * -------------------------------------------------------------------------------------------- */

/* What a table and an index alike keep of their provisioned throughput. */
struct limit_units {
    int64_t *read, *write, *increased_ms, *decreased_ms, *decreases;
};
#define LIMIT_UNITS(of)                                                                            \
    ((struct limit_units){&(of)->read_units, &(of)->write_units, &(of)->increased_ms,              \
                          &(of)->decreased_ms, &(of)->decreases})
/* Decreases are limited within a day. */
RESULT limit_change_units(struct call *call, struct limit_units *units, int64_t read,
                          int64_t write);
bool limit_is_today(const struct call *call, int64_t ms); /* the same UTC day */
RESULT limit_change_class(struct call *call, struct dynamodb_table *table, struct str class);
/* To on demand. */
RESULT limit_change_mode(struct call *call, struct dynamodb_table *table);
/* Each member alone may be given; NULL: nothing is. */
RESULT limit_read_warm(struct call *call, const struct dynamodb_WarmThroughput *in, bool on_demand,
                       int64_t read_units, int64_t write_units, int64_t *warm_read,
                       int64_t *warm_write);
RESULT limit_read_maximum(struct call *call, const struct dynamodb_OnDemandThroughput *in,
                          int64_t *read, int64_t *write);
/* All of the account's tables in the region, with this one as it will be. */
RESULT limit_check_account(struct call *call, const struct dynamodb_table *changed);

/* --- codec.c: items as bytes
 * ------------------------------------------------------------------------------------ */

/* size: the item's, by AWS's arithmetic; kept with it. */
RESULT codec_encode(struct arena *arena, const struct dynamodb_AttributeMap *item, size_t size,
                    struct str *out);
/* Strings are borrowed from bytes. RESULT_FAULT on broken bytes. */
RESULT codec_decode(struct arena *arena, struct str bytes, struct dynamodb_AttributeMap *item,
                    size_t *size);

/* --- place.c: keys of items and of index entries
 * ----------------------------------------------------------------- */

/* What is read or written: the table itself (index NULL) or an index. */
struct place {
    struct call *call;
    const struct dynamodb_table *table;
    const struct dynamodb_index *index;
};
/* ("ddb", table id, index id) */
struct key place_prefix(const struct place *place);
/* All of the partition that the values, one for each attribute of its key, name. */
struct key place_partition(const struct place *place,
                           const struct dynamodb_AttributeValue *const *values, size_t count);
/* The bytes of the table's partition, in no order. */
void place_add_partition(const struct place *place, struct key *key,
                         const struct dynamodb_AttributeMap *item);
/* From this part of the space of partitions on; part 2^32 is the end. */
struct key place_part(const struct place *place, uint64_t part);
void place_add_sort(struct key *key, const struct dynamodb_AttributeValue *sort);
/* Of an item, which has the place's key attributes (of the right types: see place_has). */
struct key place_item(const struct place *place, const struct dynamodb_AttributeMap *item);
bool place_has(const struct place *place, const struct dynamodb_AttributeMap *item);
/* ("ddb", table id, expiry index, second, item) */
struct key place_expiry(const struct place *place, int64_t second,
                        const struct dynamodb_AttributeMap *item);
struct key place_expiry_prefix(const struct place *place);

/* A request's Key against the table's keys. */
RESULT place_check_key(struct call *call, const struct dynamodb_table *table,
                       struct dynamodb_AttributeMap key);
/* An item's key attributes, those of indexes too. before: what UpdateItem found (in whose words the
 * rest is then told); NULL: the item is put. */
RESULT place_check_item(struct call *call, const struct dynamodb_table *table,
                        const struct dynamodb_AttributeMap *item,
                        const struct dynamodb_AttributeMap *before);
/* No key attribute, nor an index's, is empty: what transactions refuse as a whole. */
RESULT place_check_empty(struct call *call, const struct dynamodb_table *table,
                         const struct dynamodb_AttributeMap *item);
/* The key attributes alone, of the table and of the place. */
struct dynamodb_AttributeMap place_key_of(const struct place *place,
                                          const struct dynamodb_AttributeMap *item);

/* --- capacity.c
 * ---------------------------------------------------------------------------------------------------
 */

struct capacity {
    const struct dynamodb_table *table;
    bool reads;
    double units;             /* of the table */
    double *index;            /* by position in table->indexes */
    int64_t collection_bytes; /* of a write's item collection; with local indexes */
};
struct capacity capacity_new(struct arena *arena, const struct dynamodb_table *table, bool reads);
double capacity_read(size_t size, bool consistent); /* 4 KiB a unit, half for eventual reads */
double capacity_write(size_t size);                 /* 1 KiB a unit */
void capacity_add_index(struct capacity *capacity, const struct dynamodb_index *index,
                        double units);
/* NULL for NONE. transactional: reads and writes are told apart. */
struct dynamodb_ConsumedCapacity *capacity_shown(struct arena *arena,
                                                 const struct capacity *capacity, struct str wanted,
                                                 bool transactional);

/* Adds up what several writes or reads of one table consumed. */
void capacity_sum(struct capacity *sum, const struct capacity *one);

/* Capacity by table, in the order in which tables come up. */
struct bill {
    struct capacity *items;
    size_t len, cap;
};
struct capacity *bill_of(struct arena *arena, struct bill *bill, const struct dynamodb_table *table,
                         bool reads);
struct dynamodb_ConsumedCapacityMultiple bill_shown(struct arena *arena, const struct bill *bill,
                                                    struct str wanted, bool transactional);

/* --- store.c: items and everything that follows from them
 * ------------------------------------------------------ */

struct stored {
    bool found;
    struct dynamodb_AttributeMap item;
    size_t size;
    struct str bytes;
};
/* keep: copied into the arena, so that writes may follow. */
RESULT store_get(struct call *call, const struct dynamodb_table *table,
                 const struct dynamodb_AttributeMap *key, bool keep, struct stored *out);
/* One change of one item, its index entries, its expiry and its table's counts. */
struct change {
    const struct dynamodb_table *table;
    const struct stored *old;                /* what store_get() kept */
    const struct dynamodb_AttributeMap *new; /* NULL: it goes */
    size_t new_size;
    bool by_service;    /* time to live */
    int64_t replicated; /* sequence of the change in another region that this follows; 0: none,
                           -1: the copy that a new replica begins with */
};
RESULT store_write(struct call *call, const struct change *change, struct capacity *capacity);
struct counts {
    int64_t items, bytes;
};
/* index NULL: the table's. */
RESULT store_counts(struct call *call, const struct dynamodb_table *table,
                    const struct dynamodb_index *index, struct counts *out);
RESULT store_drop(struct call *call, int64_t table, int64_t index); /* index -1: all */
RESULT store_deliver_drop(struct call *call, const struct outbox_item *item);
/* Entries of an index for an item that stands already; back-filling. */
RESULT store_fill(struct call *call, const struct dynamodb_table *table,
                  const struct dynamodb_index *index, const struct dynamodb_AttributeMap *item);

/* --- jobs of tables: status changes, back-filling, time to live
 * ------------------------------------------------- */

RESULT table_deliver_step(struct call *call, const struct outbox_item *item);
RESULT table_want_step(struct call *call, const struct dynamodb_table *table);
RESULT fill_deliver(struct call *call, const struct outbox_item *item);
/* Has the entries of an index (or of expiries) made for all items that stand. */
RESULT fill_begin(struct call *call, const struct dynamodb_table *table, int64_t index);
RESULT ttl_deliver(struct call *call, const struct outbox_item *item);
/* An item's expiry has changed; absent maps: there is none. */
RESULT ttl_write(struct call *call, const struct change *change);
RESULT ttl_fill(struct call *call, const struct dynamodb_table *table,
                const struct dynamodb_AttributeMap *item);

/* --- stream.c
 * ------------------------------------------------------------------------------------------------------
 */

struct str stream_label(struct arena *arena, const struct dynamodb_table *table);
struct str stream_arn(struct arena *arena, const struct dynamodb_table *table);
/* The caller puts the table. */
RESULT stream_begin(struct call *call, struct dynamodb_table *table, struct str view);
RESULT stream_end(struct call *call, struct dynamodb_table *table);
RESULT stream_write(struct call *call, const struct change *change);
RESULT stream_deliver_trim(struct call *call, const struct outbox_item *item);

/* --- resource_policy.c
 * -------------------------------------------------------------------------------------------- */

/* Absent: none. */
RESULT policy_of_table(struct call *call, const struct dynamodb_table *table, struct str *document);
/* With a new table, which the caller puts. */
RESULT policy_create(struct call *call, struct dynamodb_table *table, struct str document);
/* The table's and its streams'. */
RESULT policy_forget(struct call *call, const struct dynamodb_table *table);
/* See struct service_hooks. */
RESULT policy_hook(struct call *call, const void *in, struct str *arn, struct str *owner,
                   struct str *document);
RESULT policy_condition_key(struct call *call, const void *in, struct str key, struct str *value);

/* --- collection.c
 * --------------------------------------------------------------------------------------------------
 */

/* The table has local indexes. */
bool collection_is_kept(const struct dynamodb_table *table);
/* To the size of the item's partition; *total: what it is then. */
RESULT collection_add(struct call *call, const struct dynamodb_table *table,
                      const struct dynamodb_AttributeMap *item, int64_t bytes, int64_t *total);
struct item_write;
/* RESULT_ERROR when the collection would be larger than 10 GB. */
RESULT collection_check(struct call *call, struct item_write *write);

/* Of a table that is made after another one: its indexes are its own. */
void insights_forget(struct dynamodb_table *table);
/* insights.c: GET /_kumoniwa/dynamodb/hot-keys */
RESULT insights_page(struct call *call, struct wire_response *response);

/* trail.c: a data call as CloudTrail tells of it; see struct trail_data. */
struct str_list dynamodb_told_tables(struct call *call, struct arena *arena, uint32_t operation,
                                     const void *in);
struct str dynamodb_tell(struct call *call, struct arena *arena, uint32_t operation,
                         const void *in);

/* --- item.c
 * --------------------------------------------------------------------------------------------------------
 */

/* One write of an item, however it was asked for. */
struct item_write {
    enum { ITEM_PUT, ITEM_DELETE, ITEM_UPDATE, ITEM_CHECK } kind;
    struct dynamodb_table table;
    struct dynamodb_AttributeMap key;          /* the item itself for ITEM_PUT */
    const struct condition *condition;         /* NULL: none */
    const struct update *update;               /* NULL: none */
    bool if_found;                             /* without an item the condition is not asked */
    struct stored old;                         /* after item_write_read() */
    const struct dynamodb_AttributeMap *after; /* NULL: none */
    struct dynamodb_AttributeMap after_room;
    size_t after_size;
    struct capacity capacity;
};
/* Old item read, condition judged (*holds), the new item made and checked. */
RESULT item_write_read(struct call *call, struct item_write *write, bool *holds);
RESULT item_write_do(struct call *call, struct item_write *write);
/* ConditionalCheckFailedException, with the item when that is wanted. */
RESULT item_refused(struct call *call, const struct item_write *write, struct str wanted);
/* Checks the table's demands on the key or item. */
RESULT item_write_check(struct call *call, struct item_write *write);
struct dynamodb_ItemCollectionMetrics *
item_metrics(struct call *call, const struct item_write *write, struct str wanted);
RESULT token_deliver(struct call *call, const struct outbox_item *item);
/* A transaction's or an operation's expressions. */
struct item_expressions {
    struct str condition, update;
    struct str_map names;
    struct dynamodb_ExpressionAttributeValueMap values;
};
RESULT item_parse(struct call *call, const struct item_expressions *in,
                  const struct condition **condition, const struct update **update);
/* ProjectionExpression, or else AttributesToGet; NULL: neither. */
RESULT item_parse_projection(struct call *call, struct str expression, struct str_map names,
                             struct str_list attributes_to_get, const struct projection **out);

#endif
