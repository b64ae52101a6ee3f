/* What may be changed how often, and how far: throughput, classes, modes, accounts, encryption. */
#include "service/dynamodb_support.h"

#include "services/dynamodb/dynamodb_int.h"

static struct str create(struct loopback *lo, const char *name, const char *more)
{
    struct str answer = DDB(lo, CreateTable,
                            "{'TableName':'%s','AttributeDefinitions':[{'AttributeName':'pk',"
                            "'AttributeType':'S'}],'KeySchema':[{'AttributeName':'pk','KeyType':"
                            "'HASH'}]%s}",
                            name, more);
    loopback_deliver(lo);
    return answer;
}

static struct str update(struct loopback *lo, const char *what)
{
    struct str answer = DDB(lo, UpdateTable, "{'TableName':'tab',%s}", what);
    loopback_deliver(lo);
    return answer;
}

static struct str units(struct loopback *lo, int read)
{
    return update(lo, str_to_c(lo->arena, str_format(lo->arena,
                                                     "'ProvisionedThroughput':{'ReadCapacityUnits':"
                                                     "%d,'WriteCapacityUnits':5}",
                                                     read)));
}

#define PROVISIONED ",'ProvisionedThroughput':{'ReadCapacityUnits':100,'WriteCapacityUnits':5}"

/* 2026-11-21, a Saturday, at midnight: four decreases, then one an hour: 27 in the day. */
static void test_decreases(void **state)
{
    struct loopback *lo = *state;
    create(lo, "tab", PROVISIONED);
    for (int n = 0; n < 4; n++)
        assert_holds(units(lo, 99 - n), "'TableStatus':'UPDATING'");
    assert_answer(
        units(lo, 90),
        "LimitExceededException: Subscriber limit exceeded: Provisioned throughput decreases are "
        "limited within a given UTC day. After the first 4 decreases, each subsequent decrease in "
        "the same UTC day can be performed at most once every 3600 seconds. Number of decreases "
        "today: 4. Last decrease at Saturday, November 21, 2026 12:00:00 AM UTC. Next decrease can "
        "be made at Saturday, November 21, 2026 1:00:00 AM UTC");
    assert_holds(units(lo, 97), "'TableStatus':'UPDATING'"); /* more is fine */
    int done = 4;
    for (int hour = 1; hour < 24; hour++) {
        loopback_advance(lo, 3600 * 1000);
        assert_holds(units(lo, 97 - hour), "'TableStatus':'UPDATING'");
        done++;
        assert_holds(units(lo, 10), "LimitExceededException");
    }
    assert_int_equal(done, 27);
    assert_holds(DDB(lo, DescribeTable, "{'TableName':'tab'}"), "'NumberOfDecreasesToday':27");
    loopback_advance(lo, 3600 * 1000);
    assert_holds(DDB(lo, DescribeTable, "{'TableName':'tab'}"), "'NumberOfDecreasesToday':0");
    for (int n = 0; n < 4; n++)
        assert_holds(units(lo, 60 - n), "'TableStatus':'UPDATING'");
    assert_holds(units(lo, 10), "Number of decreases today: 4.");
}

static void test_modes_and_classes(void **state)
{
    struct loopback *lo = *state;
    create(lo, "tab", PROVISIONED);
    for (int n = 0; n < 4; n++) {
        assert_holds(update(lo, "'BillingMode':'PAY_PER_REQUEST'"), "'TableName'");
        assert_holds(update(lo, "'BillingMode':'PROVISIONED'" PROVISIONED), "'TableName'");
        loopback_advance(lo, 1000);
    }
    assert_holds(update(lo, "'BillingMode':'PAY_PER_REQUEST'"),
                 "LimitExceededException: Subscriber limit exceeded: Update to PayPerRequest mode");
    loopback_advance(lo, 24 * 3600 * 1000 - 3500);
    assert_holds(update(lo, "'BillingMode':'PAY_PER_REQUEST'"), "'TableName'");
    assert_holds(update(lo, "'TableClass':'STANDARD_INFREQUENT_ACCESS'"), "'TableName'");
    assert_holds(update(lo, "'TableClass':'STANDARD_INFREQUENT_ACCESS'"), "'TableName'");
    assert_holds(update(lo, "'TableClass':'STANDARD'"), "'TableName'");
    assert_holds(update(lo, "'TableClass':'STANDARD_INFREQUENT_ACCESS'"),
                 "LimitExceededException: Subscriber limit exceeded: Updates to TableClass are "
                 "limited to 2 times in 30 day(s)");
    loopback_advance(lo, INT64_C(30) * 24 * 3600 * 1000);
    assert_holds(update(lo, "'TableClass':'STANDARD_INFREQUENT_ACCESS'"), "'TableName'");
}

static void test_warm_and_maximum(void **state)
{
    struct loopback *lo = *state;
    create(lo, "tab", ",'BillingMode':'PAY_PER_REQUEST'");
    assert_holds(update(lo, "'WarmThroughput':{'ReadUnitsPerSecond':13000}"),
                 "'WarmThroughput':{'ReadUnitsPerSecond':13000,'WriteUnitsPerSecond':4000");
    assert_answer(update(lo, "'WarmThroughput':{'ReadUnitsPerSecond':12000}"),
                  "ValidationException: One or more parameter values were invalid: Requested "
                  "ReadUnitsPerSecond for WarmThroughput is lower than the current "
                  "ReadUnitsPerSecond: 13000. Decreasing warm throughput is not supported");
    assert_holds(update(lo, "'WarmThroughput':{'WriteUnitsPerSecond':5000}"),
                 "'WarmThroughput':{'ReadUnitsPerSecond':13000,'WriteUnitsPerSecond':5000");
    assert_holds(update(lo, "'OnDemandThroughput':{'MaxReadRequestUnits':7}"),
                 "'OnDemandThroughput':{'MaxReadRequestUnits':7,'MaxWriteRequestUnits':-1}");
    assert_holds(update(lo, "'OnDemandThroughput':{'MaxWriteRequestUnits':8}"),
                 "'OnDemandThroughput':{'MaxReadRequestUnits':7,'MaxWriteRequestUnits':8}");
    assert_holds(update(lo, "'OnDemandThroughput':{'MaxWriteRequestUnits':0}"),
                 "ValidationException");
    assert_holds(update(lo, "'OnDemandThroughput':{}"), "ValidationException");
}

/* As it stands while its items are read. */
static void build_again(struct loopback *lo)
{
    struct object_io_caller caller;
    struct call call = ddb_s3_call(lo, &caller);
    struct dynamodb_table table;
    bool found;
    assert_int_equal(table_find(&call, STR("tab"), &table, &found), RESULT_OK);
    table.indexes.items[0].backfilling = true;
    table.indexes.items[0].status = DYNAMODB_INDEX_STATUS_CREATING;
    assert_int_equal(table_put(&call, &table), RESULT_OK);
    assert_int_equal(call_commit(&call), RESULT_OK);
}

#define BUILD(name)                                                                                \
    "'AttributeDefinitions':[{'AttributeName':'g','AttributeType':'S'}],"                          \
    "'GlobalSecondaryIndexUpdates':[{'Create':{'IndexName':'" name "','KeySchema':["               \
    "{'AttributeName':'g','KeyType':'HASH'}],'Projection':{'ProjectionType':'ALL'}}}]"

/* Provisioned indexes have units of their own; one index at a time is built. */
static void test_indexes(void **state)
{
    struct loopback *lo = *state;
    create(lo, "tab", ",'BillingMode':'PAY_PER_REQUEST'");
    assert_holds(update(lo, BUILD("one")), "'TableName'");
    assert_answer(update(lo, "'BillingMode':'PROVISIONED'" PROVISIONED),
                  "ValidationException: One or more parameter values were invalid: "
                  "ProvisionedThroughput must be specified for index: one");
    build_again(lo);
    assert_answer(update(lo, BUILD("two")),
                  "LimitExceededException: Subscriber limit exceeded: Only 1 online index can be "
                  "created or deleted simultaneously per table");
    assert_holds(update(lo, "'GlobalSecondaryIndexUpdates':[{'Delete':{'IndexName':'one'}}]"),
                 "'TableName'");
    assert_holds(update(lo, BUILD("two")), "'TableName'");
    assert_holds(update(lo, "'BillingMode':'PROVISIONED','GlobalSecondaryIndexUpdates':[{'Update':"
                            "{'IndexName':'two','ProvisionedThroughput':{'ReadCapacityUnits':2,"
                            "'WriteCapacityUnits':3}}}]" PROVISIONED),
                 "'ReadCapacityUnits':2,'WriteCapacityUnits':3");
}

static void test_account(void **state)
{
    struct loopback *lo = *state;
    static const char most[] =
        ",'ProvisionedThroughput':{'ReadCapacityUnits':40000,'WriteCapacityUnits':1}";
    assert_answer(DDB(lo, DescribeLimits, "{}"),
                  "{'AccountMaxReadCapacityUnits':80000,'AccountMaxWriteCapacityUnits':80000,"
                  "'TableMaxReadCapacityUnits':40000,'TableMaxWriteCapacityUnits':40000}");
    assert_holds(create(lo, "one", most), "'TableName'");
    assert_holds(create(lo, "two", most), "'TableName'");
    assert_holds(create(lo, "tab", PROVISIONED), "LimitExceededException: Subscriber limit");
    assert_holds(create(lo, "tab", ",'BillingMode':'PAY_PER_REQUEST'"), "'TableName'");
    assert_holds(update(lo, "'BillingMode':'PROVISIONED'" PROVISIONED), "LimitExceededException");
    lo->region = STR("eu-west-1");
    assert_holds(create(lo, "tab", PROVISIONED), "'TableName'");
}

static void test_encryption(void **state)
{
    struct loopback *lo = *state;
    struct str answer = create(lo, "tab", ",'BillingMode':'PAY_PER_REQUEST'");
    assert_true(str_find(answer, STR("SSEDescription")) == SIZE_MAX);
    assert_answer(
        update(lo, "'SSESpecification':{'Enabled':false}"),
        "ValidationException: One or more parameter values were invalid: Table is already "
        "encrypted by default.");
    assert_holds(update(lo, "'SSESpecification':{'Enabled':true,'SSEType':'KMS'}"),
                 "'SSEDescription':{'Status':'ENABLED','SSEType':'KMS','KMSMasterKeyArn':"
                 "'arn:aws:kms:us-east-1:000000000000:key/");
    assert_answer(
        update(lo, "'SSESpecification':{'Enabled':true,'KMSMasterKeyId':"
                   "'alias/aws/dynamodb'}"),
        "ValidationException: One or more parameter values were invalid: Table is already "
        "encrypted by given KMSMasterKeyId");
    assert_holds(update(lo, "'SSESpecification':{'Enabled':true,'KMSMasterKeyId':"
                            "'12345678-1234-1234-1234-123456789012'}"),
                 "ValidationException: One or more parameter values were invalid: KMS validation "
                 "error: ");
    assert_holds(update(lo, "'SSESpecification':{'Enabled':true,'SSEType':'AES256'}"),
                 "SSEType AES256 is not supported");
    assert_holds(update(lo, "'SSESpecification':{'Enabled':false}"), "'TableName'");
    assert_true(str_find(DDB(lo, DescribeTable, "{'TableName':'tab'}"), STR("SSEDescription")) ==
                SIZE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DDB_TEST(test_decreases), DDB_TEST(test_modes_and_classes), DDB_TEST(test_warm_and_maximum),
        DDB_TEST(test_indexes),   DDB_TEST(test_account),           DDB_TEST(test_encryption),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
