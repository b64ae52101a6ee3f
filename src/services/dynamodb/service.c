/* What DynamoDB gives the cloud besides its operations. */
#include "cloud/trail.h"
#include "services/dynamodb/backup.h"
#include "services/dynamodb/history.h"
#include "services/dynamodb/meter.h"
#include "services/dynamodb/replica.h"
#include "services/dynamodb/transfer.h"

static const struct outbox_handler dynamodb_handlers[] = {
    {STR_INIT("dynamodb.step"), table_deliver_step},
    {STR_INIT("dynamodb.fill"), fill_deliver},
    {STR_INIT("dynamodb.drop"), store_deliver_drop},
    {STR_INIT("dynamodb.ttl"), ttl_deliver},
    {STR_INIT("dynamodb.token"), token_deliver},
    {STR_INIT("dynamodb.trim"), stream_deliver_trim},
    {STR_INIT("dynamodb.history"), history_deliver_trim},
    {STR_INIT("dynamodb.forget"), history_deliver_forget},
    {STR_INIT("dynamodb.backup"), backup_deliver},
    {STR_INIT("dynamodb.expire"), backup_deliver_expire},
    {STR_INIT("dynamodb.restore"), restore_deliver},
    {STR_INIT("dynamodb.once"), once_deliver},
    {STR_INIT("dynamodb.export"), export_deliver},
    {STR_INIT("dynamodb.import"), import_deliver},
    {STR_INIT("dynamodb.import-notes"), import_notes_deliver},
    {STR_INIT("dynamodb.replicate"), replica_deliver},
    {STR_INIT("dynamodb.replica"), replica_deliver_copy},
    {STR_INIT("dynamodb.tombstone"), replica_deliver_forget},
};

static const struct service_page dynamodb_pages[] = {
    {STR_INIT("/_kumoniwa/dynamodb/hot-keys"), insights_page},
};

/* Operations on items: access.h. */
static const uint32_t dynamodb_asking[] = {
    DYNAMODB_OP_BatchExecuteStatement,
    DYNAMODB_OP_BatchGetItem,
    DYNAMODB_OP_BatchWriteItem,
    DYNAMODB_OP_DeleteItem,
    DYNAMODB_OP_ExecuteStatement,
    DYNAMODB_OP_ExecuteTransaction,
    DYNAMODB_OP_GetItem,
    DYNAMODB_OP_PutItem,
    DYNAMODB_OP_Query,
    DYNAMODB_OP_Scan,
    DYNAMODB_OP_TransactGetItems,
    DYNAMODB_OP_TransactWriteItems,
    DYNAMODB_OP_UpdateItem,
};

static const uint32_t dynamodb_unlocking[] = {
    DYNAMODB_OP_DeleteResourcePolicy,
    DYNAMODB_OP_GetResourcePolicy,
    DYNAMODB_OP_PutResourcePolicy,
};

static const uint32_t dynamodb_data_operations[] = {DYNAMODB_OP_BatchExecuteStatement,
                                                    DYNAMODB_OP_BatchGetItem,
                                                    DYNAMODB_OP_BatchWriteItem,
                                                    DYNAMODB_OP_DeleteItem,
                                                    DYNAMODB_OP_ExecuteStatement,
                                                    DYNAMODB_OP_ExecuteTransaction,
                                                    DYNAMODB_OP_GetItem,
                                                    DYNAMODB_OP_PutItem,
                                                    DYNAMODB_OP_Query,
                                                    DYNAMODB_OP_Scan,
                                                    DYNAMODB_OP_TransactGetItems,
                                                    DYNAMODB_OP_TransactWriteItems,
                                                    DYNAMODB_OP_UpdateItem};
/* "responseElements": null, in each of the examples. */
static bool dynamodb_is_silent(uint32_t operation)
{
    (void)operation;
    return true;
}

static const struct trail_data dynamodb_trail_data = {
    .tell = dynamodb_tell,
    .resources = dynamodb_told_tables,
    .is_silent = dynamodb_is_silent,
    .type = STR_INIT("AWS::DynamoDB::Table"),
    .operations = dynamodb_data_operations,
    .count = sizeof dynamodb_data_operations / sizeof dynamodb_data_operations[0],
};

const struct service_hooks dynamodb_hooks = {
    .model = &dynamodb_model,
    .trail_data = &dynamodb_trail_data,
    .handlers = dynamodb_handlers,
    .handler_count = sizeof dynamodb_handlers / sizeof dynamodb_handlers[0],
    .pages = dynamodb_pages,
    .page_count = sizeof dynamodb_pages / sizeof dynamodb_pages[0],
    .memory_new = meters_new,
    .memory_free = meters_free,
    .resource_policy = policy_hook,
    .condition_key = policy_condition_key,
    .asking = dynamodb_asking,
    .asking_count = sizeof dynamodb_asking / sizeof dynamodb_asking[0],
    .unlocking = dynamodb_unlocking,
    .unlocking_count = sizeof dynamodb_unlocking / sizeof dynamodb_unlocking[0],
};

/* "DynamoDB endpoints": clients that discover endpoints come back to where they are. */
RESULT dynamodb_DescribeEndpoints(struct call *call,
                                  const struct dynamodb_DescribeEndpointsRequest *in,
                                  struct dynamodb_DescribeEndpointsResponse *out)
{
    (void)in;
    struct str address = call->endpoint;
    size_t scheme = str_find(address, STR("://"));
    if (scheme != SIZE_MAX)
        address = str_slice(address, scheme + 3, address.len);
    out->Endpoints.items = ARENA_ARRAY(call->arena, 1, struct dynamodb_Endpoint);
    out->Endpoints.len = 1;
    out->Endpoints.items[0].Address = address;
    out->Endpoints.items[0].CachePeriodInMinutes = opt_long(1440);
    return RESULT_OK;
}

RESULT dynamodb_DescribeLimits(struct call *call, const struct dynamodb_DescribeLimitsInput *in,
                               struct dynamodb_DescribeLimitsOutput *out)
{
    (void)call, (void)in;
    out->AccountMaxReadCapacityUnits = opt_long(DYNAMODB_ACCOUNT_UNITS_MAX);
    out->AccountMaxWriteCapacityUnits = opt_long(DYNAMODB_ACCOUNT_UNITS_MAX);
    out->TableMaxReadCapacityUnits = opt_long(DYNAMODB_UNITS_MAX);
    out->TableMaxWriteCapacityUnits = opt_long(DYNAMODB_UNITS_MAX);
    return RESULT_OK;
}
