/* Global tables: what one region writes all have, the last writer wins, members come and go. */
#include "service/dynamodb_support.h"

#include "base/rng.h"
#include "gen/dynamodbstreams.h"

enum { SEED = 2019, ITEMS = 1200, STEPS = 600 };

static const char *const regions[] = {"us-east-1", "eu-west-1", "ap-southeast-2"};

static void in(struct loopback *lo, int region)
{
    lo->region = str_from_c(regions[region]);
}

static void put(struct loopback *lo, const char *table, int key, int value)
{
    assert_answer(DDB(lo, PutItem,
                      "{'TableName':'%s','Item':{'pk':{'S':'p%d'},'g':{'S':'x%d'},"
                      "'v':{'N':'%d'}}}",
                      table, key, value % 3, value),
                  "{}");
}

static void create(struct loopback *lo, const char *name, const char *view)
{
    DDB(lo, CreateTable,
        "{'TableName':'%s','BillingMode':'PAY_PER_REQUEST','AttributeDefinitions':["
        "{'AttributeName':'pk','AttributeType':'S'}],'KeySchema':[{'AttributeName':'pk',"
        "'KeyType':'HASH'}],'StreamSpecification':{'StreamEnabled':true,'StreamViewType':'%s'}}",
        name, view);
    loopback_deliver(lo);
}

static struct str add(struct loopback *lo, int region)
{
    return DDB(lo, UpdateTable,
               "{'TableName':'tab','ReplicaUpdates':[{'Create':{'RegionName':'%s'}}]}",
               regions[region]);
}

static struct str scan(struct loopback *lo, int region, const char *more)
{
    in(lo, region);
    struct str answer = DDB(lo, Scan, "{'TableName':'tab'%s}", more);
    assert_int_equal(str_find(answer, STR("LastEvaluatedKey")), SIZE_MAX);
    return answer;
}

static void check_alike(struct loopback *lo, int members)
{
    struct str first = scan(lo, 0, "");
    for (int i = 1; i < members; i++)
        assert_answer(scan(lo, i, ""), str_to_c(lo->arena, first));
    in(lo, 0);
}

static void test_a_replica_gets_all(void **state)
{
    struct loopback *lo = *state;
    create(lo, "tab", "NEW_AND_OLD_IMAGES");
    for (int i = 0; i < ITEMS; i++)
        put(lo, "tab", i, i);
    struct str answer = add(lo, 1);
    assert_holds(answer, "'GlobalTableVersion':'2019.11.21'");
    assert_holds(answer, "'Replicas':[{'RegionName':'eu-west-1','ReplicaStatus':'CREATING'");
    for (int i = 0; i < ITEMS; i += 2) /* before anything is copied */
        put(lo, "tab", i, i + 1);
    for (int i = 1; i < ITEMS; i += 4)
        DDB(lo, DeleteItem, "{'TableName':'tab','Key':{'pk':{'S':'p%d'}}}", i);
    in(lo, 1);
    assert_holds(DDB(lo, GetItem, "{'TableName':'tab','Key':{'pk':{'S':'p0'}}}"),
                 "ResourceNotFoundException");
    in(lo, 0);
    loopback_deliver(lo);
    assert_holds(DDB(lo, DescribeTable, "{'TableName':'tab'}"),
                 "'Replicas':[{'RegionName':'eu-west-1','ReplicaStatus':'ACTIVE'");
    check_alike(lo, 2);
    in(lo, 1);
    answer = DDB(lo, DescribeTable, "{'TableName':'tab'}");
    assert_holds(answer, "'TableStatus':'ACTIVE'");
    assert_holds(answer, "'Replicas':[{'RegionName':'us-east-1','ReplicaStatus':'ACTIVE'");
    assert_holds(answer, "'TableArn':'arn:aws:dynamodb:eu-west-1:000000000000:table/tab'");
    assert_holds(answer, "'ItemCount':900");
}

/* Writes anywhere, delivered now and then: in the end all say the same. */
static void test_all_agree(void **state)
{
    struct loopback *lo = *state;
    create(lo, "tab", "NEW_AND_OLD_IMAGES");
    add(lo, 1);
    loopback_deliver(lo);
    add(lo, 2);
    loopback_deliver(lo);
    print_message("seed %d\n", SEED);
    rng_set_seed(SEED);
    for (int i = 0; i < STEPS; i++) {
        int key = (int)rng_below(20);
        in(lo, (int)rng_below(3));
        if (rng_below(4) == 0)
            DDB(lo, DeleteItem, "{'TableName':'tab','Key':{'pk':{'S':'p%d'}}}", key);
        else
            put(lo, "tab", key, i);
        if (rng_below(10) == 0)
            loopback_deliver(lo);
    }
    loopback_deliver(lo);
    check_alike(lo, 3);
    assert_true(ddb_stored(lo, "ddb-r") > 0);
    for (int i = 0; i < 20; i++)
        DDB(lo, DeleteItem, "{'TableName':'tab','Key':{'pk':{'S':'p%d'}}}", i);
    loopback_deliver(lo);
    loopback_advance(lo, INT64_C(2) * 3600 * 1000);
    loopback_deliver(lo);
    assert_int_equal(ddb_stored(lo, "ddb-r"), 0); /* what is gone is forgotten */
}

/* The later write wins although it arrives first. */
static void test_last_writer_wins(void **state)
{
    struct loopback *lo = *state;
    create(lo, "tab", "NEW_AND_OLD_IMAGES");
    add(lo, 1);
    loopback_deliver(lo);
    put(lo, "tab", 1, 10);
    in(lo, 1);
    put(lo, "tab", 1, 20);
    loopback_deliver(lo);
    check_alike(lo, 2);
    assert_holds(scan(lo, 0, ""), "'v':{'N':'20'}");
}

static void test_settings_go_along(void **state)
{
    struct loopback *lo = *state;
    create(lo, "tab", "NEW_AND_OLD_IMAGES");
    add(lo, 1);
    loopback_deliver(lo);
    for (int i = 0; i < 50; i++)
        put(lo, "tab", i, i);
    loopback_deliver(lo);
    assert_holds(DDB(lo, UpdateTable,
                     "{'TableName':'tab','AttributeDefinitions':[{'AttributeName':'g',"
                     "'AttributeType':'S'}],'GlobalSecondaryIndexUpdates':[{'Create':{'IndexName':"
                     "'idx','KeySchema':[{'AttributeName':'g','KeyType':'HASH'}],'Projection':"
                     "{'ProjectionType':'ALL'}}}]}"),
                 "'IndexName':'idx'");
    DDB(lo, UpdateTimeToLive,
        "{'TableName':'tab','TimeToLiveSpecification':{'AttributeName':'ttl','Enabled':true}}");
    loopback_deliver(lo);
    assert_answer(scan(lo, 1, ",'IndexName':'idx'"),
                  str_to_c(lo->arena, scan(lo, 0, ",'IndexName':'idx'")));
    in(lo, 1);
    assert_holds(DDB(lo, DescribeTimeToLive, "{'TableName':'tab'}"),
                 "'TimeToLiveStatus':'ENABLED'");
    assert_holds(
        DDB(lo, UpdateTable, "{'TableName':'tab','StreamSpecification':{'StreamEnabled':false}}"),
        "ValidationException");
}

/* Removals in the stream of a region; *by_service: those that say so. */
static size_t removals(struct loopback *lo, int region, size_t *by_service)
{
    in(lo, region);
    const struct dynamodbstreams_ListStreamsOutput *streams = loopback_ok(
        loopback_call(lo, &dynamodbstreams_model, DYNAMODBSTREAMS_OP_ListStreams,
                      &(struct dynamodbstreams_ListStreamsInput){.TableName = STR("tab")}));
    struct str arn = streams->Streams.items[0].StreamArn;
    const struct dynamodbstreams_DescribeStreamOutput *described =
        loopback_ok(loopback_call(lo, &dynamodbstreams_model, DYNAMODBSTREAMS_OP_DescribeStream,
                                  &(struct dynamodbstreams_DescribeStreamInput){.StreamArn = arn}));
    const struct dynamodbstreams_ShardDescriptionList *shards =
        &described->StreamDescription->Shards;
    size_t count = 0;
    *by_service = 0;
    for (size_t i = 0; i < shards->len; i++) {
        const struct dynamodbstreams_GetShardIteratorOutput *at = loopback_ok(
            loopback_call(lo, &dynamodbstreams_model, DYNAMODBSTREAMS_OP_GetShardIterator,
                          &(struct dynamodbstreams_GetShardIteratorInput){
                              .StreamArn = arn,
                              .ShardId = shards->items[i].ShardId,
                              .ShardIteratorType = STR("TRIM_HORIZON")}));
        const struct dynamodbstreams_GetRecordsOutput *got = loopback_ok(loopback_call(
            lo, &dynamodbstreams_model, DYNAMODBSTREAMS_OP_GetRecords,
            &(struct dynamodbstreams_GetRecordsInput){.ShardIterator = at->ShardIterator}));
        for (size_t r = 0; r < got->Records.len; r++) {
            bool removed = str_eq(got->Records.items[r].eventName, STR("REMOVE"));
            count += removed;
            *by_service += removed && got->Records.items[r].userIdentity != NULL;
        }
    }
    return count;
}

static void expiring(struct loopback *lo, const char *key, int seconds)
{
    assert_answer(DDB(lo, PutItem,
                      "{'TableName':'tab','Item':{'pk':{'S':'%s'},'ttl':{'N':'%lld'}}}", key,
                      (long long)(loopback_now(lo) / 1000 + seconds)),
                  "{}");
}

/* One region removes what expires, and the others hear of it; when it has left, another does. */
static void test_expiry(void **state)
{
    struct loopback *lo = *state;
    size_t here, there;
    create(lo, "tab", "NEW_AND_OLD_IMAGES");
    add(lo, 1);
    loopback_deliver(lo);
    DDB(lo, UpdateTimeToLive,
        "{'TableName':'tab','TimeToLiveSpecification':{'AttributeName':'ttl','Enabled':true}}");
    loopback_deliver(lo);
    expiring(lo, "soon", 60);
    expiring(lo, "later", 7200);
    loopback_deliver(lo);
    loopback_advance(lo, 61 * 1000);
    loopback_deliver(lo);
    assert_holds(scan(lo, 0, ""), "'Count':1,");
    check_alike(lo, 2);
    assert_int_equal(removals(lo, 0, &here), 1);
    assert_int_equal(removals(lo, 1, &there), 1);
    assert_int_equal(here, 0);
    assert_int_equal(there, 1); /* eu-west-1 */
    in(lo, 0);
    DDB(lo, UpdateTable,
        "{'TableName':'tab','ReplicaUpdates':[{'Delete':{'RegionName':'eu-west-1'}}]}");
    loopback_deliver(lo);
    loopback_advance(lo, 7300 * 1000);
    loopback_deliver(lo);
    assert_holds(scan(lo, 0, ""), "'Count':0,");
    assert_int_equal(removals(lo, 0, &here), 2);
    assert_int_equal(here, 1);
}

static void test_members_leave(void **state)
{
    struct loopback *lo = *state;
    create(lo, "tab", "NEW_AND_OLD_IMAGES");
    add(lo, 1);
    loopback_deliver(lo);
    add(lo, 2);
    loopback_deliver(lo);
    put(lo, "tab", 1, 1);
    assert_holds(DDB(lo, UpdateTable,
                     "{'TableName':'tab','ReplicaUpdates':[{'Delete':{'RegionName':"
                     "'eu-west-1'}}]}"),
                 "'Replicas':[{'RegionName':'ap-southeast-2'");
    loopback_deliver(lo);
    in(lo, 1);
    assert_holds(DDB(lo, DescribeTable, "{'TableName':'tab'}"), "ResourceNotFoundException");
    in(lo, 2);
    struct str answer = DDB(lo, DescribeTable, "{'TableName':'tab'}");
    assert_holds(answer, "'Replicas':[{'RegionName':'us-east-1'");
    assert_int_equal(str_find(answer, STR("eu-west-1")), SIZE_MAX);
    DDB(lo, DeleteTable, "{'TableName':'tab'}");
    loopback_deliver(lo);
    in(lo, 0);
    answer = DDB(lo, DescribeTable, "{'TableName':'tab'}");
    assert_int_equal(str_find(answer, STR("Replicas")), SIZE_MAX);
    put(lo, "tab", 1, 2);
    loopback_deliver(lo);
    DDB(lo, DeleteTable, "{'TableName':'tab'}");
    loopback_deliver(lo);
    assert_int_equal(ddb_stored(lo, "ddb") + ddb_stored(lo, "ddb-n") + ddb_stored(lo, "ddb-r"), 0);
}

static void test_refusals(void **state)
{
    struct loopback *lo = *state;
    create(lo, "tab", "KEYS_ONLY");
    assert_holds(add(lo, 1), "ValidationException");
    assert_holds(add(lo, 0), "Cannot add, delete, or update the local region");
    DDB(lo, UpdateTable, "{'TableName':'tab','StreamSpecification':{'StreamEnabled':false}}");
    loopback_deliver(lo);
    DDB(lo, UpdateTable,
        "{'TableName':'tab','StreamSpecification':{'StreamEnabled':true,'StreamViewType':"
        "'NEW_AND_OLD_IMAGES'}}");
    loopback_deliver(lo);
    in(lo, 1);
    create(lo, "tab", "NEW_AND_OLD_IMAGES");
    in(lo, 0);
    assert_holds(add(lo, 1), "already existed as tables");
    assert_holds(DDB(lo, UpdateTable,
                     "{'TableName':'tab','ReplicaUpdates':[{'Delete':{'RegionName':"
                     "'eu-west-1'}}]}"),
                 "ValidationException");
    assert_holds(DDB(lo, UpdateTable,
                     "{'TableName':'tab','MultiRegionConsistency':'STRONG',"
                     "'ReplicaUpdates':[{'Create':{'RegionName':'eu-west-1'}}]}"),
                 "is not implemented");
}

static void test_overrides(void **state)
{
    struct loopback *lo = *state;
    create(lo, "tab", "NEW_AND_OLD_IMAGES");
    struct str answer =
        DDB(lo, UpdateTable,
            "{'TableName':'tab','ReplicaUpdates':[{'Create':{'RegionName':'eu-west-1',"
            "'TableClassOverride':'STANDARD_INFREQUENT_ACCESS','OnDemandThroughputOverride':"
            "{'MaxReadRequestUnits':7},'KMSMasterKeyId':'alias/aws/dynamodb'}}]}");
    assert_holds(answer, "'OnDemandThroughputOverride':{'MaxReadRequestUnits':7}");
    assert_holds(answer, "'KMSMasterKeyId':'alias/aws/dynamodb'");
    loopback_deliver(lo);
    in(lo, 1);
    answer = DDB(lo, DescribeTable, "{'TableName':'tab'}");
    assert_holds(answer, "'TableClass':'STANDARD_INFREQUENT_ACCESS'");
    assert_holds(answer, "'MaxReadRequestUnits':7");
    assert_holds(answer, "'KMSMasterKeyArn':'arn:aws:kms:eu-west-1:");
}

static struct str change(struct loopback *lo, const char *what)
{
    struct str answer = DDB(lo, UpdateTable, "{'TableName':'tab',%s}", what);
    loopback_deliver(lo);
    return answer;
}

static struct str described(struct loopback *lo, int region)
{
    in(lo, region);
    struct str answer = DDB(lo, DescribeTable, "{'TableName':'tab'}");
    in(lo, 0);
    return answer;
}

/* "Settings that are synchronized between replicas": all but what a member has of its own. */
static void test_settings_are_shared(void **state)
{
    struct loopback *lo = *state;
    create(lo, "tab", "NEW_AND_OLD_IMAGES");
    change(lo, "'ReplicaUpdates':[{'Create':{'RegionName':'eu-west-1','OnDemandThroughputOverride':"
               "{'MaxReadRequestUnits':7}}},{'Create':{'RegionName':'ap-southeast-2',"
               "'TableClassOverride':'STANDARD'}}]");
    change(lo, "'OnDemandThroughput':{'MaxReadRequestUnits':99,'MaxWriteRequestUnits':88}");
    assert_holds(described(lo, 1), "{'MaxReadRequestUnits':7,'MaxWriteRequestUnits':88}");
    assert_holds(described(lo, 2), "{'MaxReadRequestUnits':99,'MaxWriteRequestUnits':88}");
    change(lo, "'WarmThroughput':{'ReadUnitsPerSecond':15000}");
    assert_holds(described(lo, 1), "'WarmThroughput':{'ReadUnitsPerSecond':15000");
    assert_holds(described(lo, 0), "'WarmThroughput':{'ReadUnitsPerSecond':15000,"
                                   "'WriteUnitsPerSecond':4000,'Status':'ACTIVE'},");
    change(lo, "'TableClass':'STANDARD_INFREQUENT_ACCESS'");
    assert_holds(described(lo, 1), "'TableClass':'STANDARD_INFREQUENT_ACCESS'");
    assert_holds(described(lo, 2), "'TableClassSummary':{'TableClass':'STANDARD'");
    change(lo, "'SSESpecification':{'Enabled':true}");
    assert_holds(described(lo, 1), "'KMSMasterKeyArn':'arn:aws:kms:eu-west-1:");
    change(lo, "'ReplicaUpdates':[{'Update':{'RegionName':'eu-west-1','KMSMasterKeyId':"
               "'alias/aws/dynamodb'}}]");
    assert_holds(described(lo, 0), "'KMSMasterKeyId':'alias/aws/dynamodb'");
    assert_holds(change(lo, "'SSESpecification':{'Enabled':false}"), "'TableName'");
    assert_int_equal(str_find(described(lo, 0), STR("KMSMasterKeyId")), SIZE_MAX);
    assert_int_equal(str_find(described(lo, 1), STR("KMSMasterKeyArn")), SIZE_MAX);
    change(lo, "'BillingMode':'PROVISIONED','ProvisionedThroughput':{'ReadCapacityUnits':5,"
               "'WriteCapacityUnits':5}");
    change(lo, "'ReplicaUpdates':[{'Update':{'RegionName':'eu-west-1','"
               "ProvisionedThroughputOverride':{'ReadCapacityUnits':9}}}]");
    /* What the member has already is no error of the request. */
    assert_holds(change(lo, "'ProvisionedThroughput':{'ReadCapacityUnits':9,"
                            "'WriteCapacityUnits':5}"),
                 "'TableName'");
    change(lo, "'ProvisionedThroughput':{'ReadCapacityUnits':4,'WriteCapacityUnits':6}");
    assert_holds(described(lo, 1), "'ReadCapacityUnits':9,'WriteCapacityUnits':6");
    assert_holds(described(lo, 2), "'ReadCapacityUnits':4,'WriteCapacityUnits':6");
    change(lo, "'BillingMode':'PAY_PER_REQUEST'");
    assert_holds(described(lo, 1), "'ReadCapacityUnits':0,'WriteCapacityUnits':0");
    assert_holds(change(lo, "'BillingMode':'PROVISIONED','ProvisionedThroughput':"
                            "{'ReadCapacityUnits':5,'WriteCapacityUnits':5}"),
                 "'TableName'");
    assert_holds(described(lo, 1), "'ReadCapacityUnits':9,'WriteCapacityUnits':5");
}

/* What a member had of its own about an index goes with the index. */
static void test_overrides_of_an_index_that_goes(void **state)
{
    struct loopback *lo = *state;
    create(lo, "tab", "NEW_AND_OLD_IMAGES");
    change(lo, "'AttributeDefinitions':[{'AttributeName':'g','AttributeType':'S'}],"
               "'GlobalSecondaryIndexUpdates':[{'Create':{'IndexName':'idx','KeySchema':["
               "{'AttributeName':'g','KeyType':'HASH'}],'Projection':{'ProjectionType':'ALL'}}}]");
    change(lo, "'ReplicaUpdates':[{'Create':{'RegionName':'eu-west-1','GlobalSecondaryIndexes':["
               "{'IndexName':'idx','OnDemandThroughputOverride':{'MaxReadRequestUnits':7}}]}}]");
    change(lo, "'OnDemandThroughput':{'MaxReadRequestUnits':99,'MaxWriteRequestUnits':88}");
    assert_holds(described(lo, 1), "'OnDemandThroughput':{'MaxReadRequestUnits':7,");
    assert_holds(change(lo, "'ReplicaUpdates':[{'Update':{'RegionName':'eu-west-1',"
                            "'OnDemandThroughputOverride':{'MaxReadRequestUnits':-5}}}]"),
                 "MaxReadRequestUnits must be at least 1, or -1 for no maximum: -5");
    assert_holds(described(lo, 0), "'OnDemandThroughputOverride':{'MaxReadRequestUnits':7}");
    change(lo, "'GlobalSecondaryIndexUpdates':[{'Delete':{'IndexName':'idx'}}]");
    assert_int_equal(str_find(described(lo, 0), STR("'idx'")), SIZE_MAX);
    assert_holds(change(lo, "'OnDemandThroughput':{'MaxReadRequestUnits':50}"), "'TableName'");
    assert_holds(described(lo, 1), "'MaxReadRequestUnits':50");
}

static void test_streams_and_protection(void **state)
{
    struct loopback *lo = *state;
    DDB(lo, CreateTable,
        "{'TableName':'tab','BillingMode':'PAY_PER_REQUEST','AttributeDefinitions':["
        "{'AttributeName':'pk','AttributeType':'S'}],'KeySchema':[{'AttributeName':'pk',"
        "'KeyType':'HASH'}]}");
    loopback_deliver(lo);
    assert_answer(change(lo, "'MultiRegionConsistency':'EVENTUAL'"),
                  "ValidationException: One or more parameter values were invalid: "
                  "MultiRegionConsistency can only be specified when ReplicaUpdates create a "
                  "replica");
    assert_holds(change(lo, "'MultiRegionConsistency':'EVENTUAL','ReplicaUpdates':[{'Create':"
                            "{'RegionName':'eu-west-1'}}]"),
                 "'StreamViewType':'NEW_AND_OLD_IMAGES'");
    assert_holds(described(lo, 1), "'MultiRegionConsistency':'EVENTUAL'");
    assert_holds(described(lo, 1), "'GlobalTableSettingsReplicationMode':'ENABLED_WITH_OVERRIDES'");
    assert_holds(described(lo, 1), "'StreamViewType':'NEW_AND_OLD_IMAGES'");
    put(lo, "tab", 1, 1);
    loopback_deliver(lo);
    check_alike(lo, 2);
    assert_answer(change(lo, "'StreamSpecification':{'StreamEnabled':false}"),
                  "ValidationException: One or more parameter values were invalid: Disabling "
                  "Stream is not allowed for a Global Table replica.");
    in(lo, 1);
    change(lo, "'DeletionProtectionEnabled':true");
    in(lo, 0);
    assert_answer(change(lo, "'ReplicaUpdates':[{'Delete':{'RegionName':'eu-west-1'}}]"),
                  "ValidationException: Resource cannot be deleted as it is currently protected "
                  "against deletion. Disable deletion protection first.");
    assert_holds(described(lo, 1), "'TableStatus':'ACTIVE'");
}

static void test_joined_by_name(void **state)
{
    struct loopback *lo = *state;
    for (int i = 0; i < 3; i++) {
        in(lo, i);
        create(lo, "tab", "NEW_AND_OLD_IMAGES");
    }
    in(lo, 0);
    assert_holds(DDB(lo, CreateGlobalTable,
                     "{'GlobalTableName':'tab','ReplicationGroup':[{'RegionName':'us-east-1'},"
                     "{'RegionName':'eu-west-1'}]}"),
                 "'GlobalTableArn':'arn:aws:dynamodb::000000000000:global-table/tab'");
    put(lo, "tab", 1, 1);
    loopback_deliver(lo);
    assert_holds(scan(lo, 1, ""), "'Count':1");
    assert_holds(DDB(lo, DescribeTable, "{'TableName':'tab'}"),
                 "'GlobalTableVersion':'2017.11.29'");
    assert_holds(DDB(lo, ListGlobalTables, "{'RegionName':'eu-west-1'}"),
                 "'GlobalTables':[{'GlobalTableName':'tab','ReplicationGroup':[{'RegionName':"
                 "'us-east-1'},{'RegionName':'eu-west-1'}]}]");
    assert_answer(DDB(lo, ListGlobalTables, "{'RegionName':'ap-southeast-2'}"),
                  "{'GlobalTables':[]}");
    assert_holds(DDB(lo, CreateGlobalTable,
                     "{'GlobalTableName':'tab','ReplicationGroup':[{'RegionName':'us-east-1'}]}"),
                 "GlobalTableAlreadyExistsException");
    assert_holds(DDB(lo, DescribeGlobalTable, "{'GlobalTableName':'none'}"),
                 "GlobalTableNotFoundException");
    assert_holds(DDB(lo, UpdateGlobalTable,
                     "{'GlobalTableName':'tab','ReplicaUpdates':[{'Create':{'RegionName':"
                     "'eu-west-1'}}]}"),
                 "ReplicaAlreadyExistsException");
    assert_holds(DDB(lo, UpdateGlobalTable,
                     "{'GlobalTableName':'tab','ReplicaUpdates':[{'Delete':{'RegionName':"
                     "'eu-west-1'}}]}"),
                 "'ReplicationGroup':[{'RegionName':'us-east-1'");
    in(lo, 0);
    put(lo, "tab", 2, 2);
    loopback_deliver(lo);
    assert_holds(scan(lo, 1, ""), "'Count':1"); /* by itself again */
    assert_holds(DDB(lo, DescribeGlobalTableSettings, "{'GlobalTableName':'tab'}"),
                 "'ReplicaSettings':[{'RegionName':'us-east-1','ReplicaStatus':'ACTIVE'");
}

/* Capacity and class of all members in one request; nothing changes when a part of it is wrong. */
static void test_settings_by_name(void **state)
{
    struct loopback *lo = *state;
    for (int i = 0; i < 2; i++) {
        in(lo, i);
        create(lo, "tab", "NEW_AND_OLD_IMAGES");
    }
    in(lo, 0);
    DDB(lo, CreateGlobalTable,
        "{'GlobalTableName':'tab','ReplicationGroup':[{'RegionName':'us-east-1'},"
        "{'RegionName':'eu-west-1'}]}");
    loopback_deliver(lo);
    assert_holds(DDB(lo, UpdateGlobalTableSettings, "{'GlobalTableName':'other'}"),
                 "GlobalTableNotFoundException");
    assert_holds(DDB(lo, UpdateGlobalTableSettings, "{'GlobalTableName':'tab'}"),
                 "ValidationException");
    assert_holds(DDB(lo, UpdateGlobalTableSettings,
                     "{'GlobalTableName':'tab','ReplicaSettingsUpdate':[{'RegionName':"
                     "'ap-southeast-2','ReplicaTableClass':'STANDARD'}]}"),
                 "ReplicaNotFoundException");
    assert_holds(DDB(lo, UpdateGlobalTableSettings,
                     "{'GlobalTableName':'tab','GlobalTableBillingMode':'PROVISIONED',"
                     "'GlobalTableProvisionedWriteCapacityUnits':7,"
                     "'GlobalTableGlobalSecondaryIndexSettingsUpdate':[{'IndexName':'none',"
                     "'ProvisionedWriteCapacityUnits':5}]}"),
                 "IndexNotFoundException");
    assert_holds(DDB(lo, UpdateGlobalTableSettings,
                     "{'GlobalTableName':'tab',"
                     "'GlobalTableProvisionedWriteCapacityAutoScalingSettingsUpdate':{}}"),
                 "NotImplemented");
    assert_holds(DDB(lo, UpdateGlobalTableSettings,
                     "{'GlobalTableName':'tab','GlobalTableBillingMode':'PROVISIONED',"
                     "'GlobalTableProvisionedWriteCapacityUnits':7,'ReplicaSettingsUpdate':["
                     "{'RegionName':'us-east-1','ReplicaProvisionedReadCapacityUnits':3},"
                     "{'RegionName':'eu-west-1','ReplicaProvisionedReadCapacityUnits':4,"
                     "'ReplicaTableClass':'STANDARD_INFREQUENT_ACCESS'}]}"),
                 "'ReplicaStatus':'UPDATING'");
    loopback_deliver(lo);
    struct str answer = DDB(lo, DescribeGlobalTableSettings, "{'GlobalTableName':'tab'}");
    assert_holds(answer, "'ReplicaStatus':'ACTIVE'");
    assert_holds(answer, "'ReplicaProvisionedReadCapacityUnits':3,"
                         "'ReplicaProvisionedWriteCapacityUnits':7");
    assert_holds(answer, "'ReplicaProvisionedReadCapacityUnits':4,"
                         "'ReplicaProvisionedWriteCapacityUnits':7");
    assert_holds(answer, "'TableClass':'STANDARD_INFREQUENT_ACCESS'");
    in(lo, 1);
    assert_holds(DDB(lo, DescribeTable, "{'TableName':'tab'}"), "'WriteCapacityUnits':7");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DDB_TEST(test_a_replica_gets_all),
        DDB_TEST(test_all_agree),
        DDB_TEST(test_last_writer_wins),
        DDB_TEST(test_settings_go_along),
        DDB_TEST(test_expiry),
        DDB_TEST(test_members_leave),
        DDB_TEST(test_refusals),
        DDB_TEST(test_overrides),
        DDB_TEST(test_settings_are_shared),
        DDB_TEST(test_overrides_of_an_index_that_goes),
        DDB_TEST(test_streams_and_protection),
        DDB_TEST(test_joined_by_name),
        DDB_TEST(test_settings_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
