/* What answers are made of beyond the items themselves: items that updates do not make, starting
 * keys, sizes of strings, names of tables, empty batches, how often time to live may change. */
#include "service/dynamodb_support.h"

static void test_removals_make_no_item(void **state)
{
    struct loopback *lo = *state;
    ddb_table(lo);
    DDB(lo, UpdateTable,
        "{'TableName':'tab','StreamSpecification':{'StreamEnabled':true,'StreamViewType':'NEW_"
        "IMAGE'}}");
    loopback_deliver(lo);
    static const char *const removals[] = {
        "'UpdateExpression':'REMOVE x'",
        "'UpdateExpression':'DELETE x :s REMOVE y','ExpressionAttributeValues':{':s':{'SS':['a']}}",
        "'AttributeUpdates':{'x':{'Action':'DELETE'}}",
    };
    for (size_t i = 0; i < sizeof removals / sizeof removals[0]; i++) {
        assert_answer(DDB(lo, UpdateItem,
                          "{'TableName':'tab','Key':{'pk':{'S':'a'},'sk':{'N':'1'}},'ReturnValues':"
                          "'ALL_NEW',%s}",
                          removals[i]),
                      "{}");
        assert_answer(DDB(lo, GetItem, "{'TableName':'tab','Key':{'pk':{'S':'a'},'sk':{'N':'1'}}}"),
                      "{}");
    }
    assert_int_equal(ddb_stored(lo, "ddb-s"), 0);
    /* All else makes one, nothing at all too. */
    assert_holds(DDB(lo, UpdateItem,
                     "{'TableName':'tab','Key':{'pk':{'S':'a'},'sk':{'N':'1'}},'ReturnValues':"
                     "'ALL_NEW'}"),
                 "'pk':{'S':'a'}");
    assert_holds(DDB(lo, UpdateItem,
                     "{'TableName':'tab','Key':{'pk':{'S':'b'},'sk':{'N':'1'}},'ReturnValues':"
                     "'ALL_NEW','UpdateExpression':'REMOVE x ADD n "
                     ":n','ExpressionAttributeValues':{':n':{'N':'1'}}}"),
                 "'n':{'N':'1'}");
    assert_int_equal(ddb_stored(lo, "ddb-s"), 2);
}

static struct str query(struct loopback *lo, const char *condition, const char *start,
                        const char *more)
{
    return DDB(lo, Query,
               "{'TableName':'tab','KeyConditionExpression':'pk = :p AND sk %s','Select':'COUNT',"
               "'ExpressionAttributeValues':{':p':{'S':'a'},':s':{'N':'3'}},'ExclusiveStartKey':{"
               "'pk':{'S':'%c'},'sk':{'N':'%s'}}%s}",
               condition, start[0], start + 1, more);
}

static void test_starting_keys(void **state)
{
    static const char predicate[] =
        "ValidationException: The provided starting key does not match the range key predicate";
    static const char backward[] = ",'ScanIndexForward':false";
    struct loopback *lo = *state;
    ddb_table(lo);
    for (int i = 1; i <= 5; i++)
        DDB(lo, PutItem, "{'TableName':'tab','Item':{'pk':{'S':'a'},'sk':{'N':'%d'}}}", i);
    assert_answer(query(lo, "> :s", "a4", ""), "{'Count':1,'ScannedCount':1}");
    assert_answer(query(lo, ">= :s", "a3", ""), "{'Count':2,'ScannedCount':2}");
    assert_answer(query(lo, "< :s", "a2", backward), "{'Count':1,'ScannedCount':1}");
    assert_answer(query(lo, "> :s", "a2", ""), predicate);
    assert_answer(query(lo, "> :s", "a2", backward), predicate);
    assert_answer(query(lo, ">= :s", "a2", ""), predicate);
    assert_answer(query(lo, "< :s", "a4", ""), predicate);
    assert_answer(query(lo, "= :s", "a4", ""), predicate);
    assert_answer(query(lo, "> :s", "b4", ""),
                  "ValidationException: The provided starting key is outside query boundaries "
                  "based on provided conditions");
    assert_answer(DDB(lo, Scan,
                      "{'TableName':'tab','ExclusiveStartKey':{'pk':{'S':'a'},'sk':{'N':'1'}},"
                      "'TotalSegments':1000000,'Segment':0}"),
                  "ValidationException: The provided starting key is invalid: Invalid "
                  "ExclusiveStartKey. Please use ExclusiveStartKey with correct Segment. "
                  "TotalSegments: 1000000 Segment: 0");
    assert_answer(
        DDB(lo, Scan, "{'TableName':'tab','ExclusiveStartKey':{'pk':{'S':''},'sk':{'N':'1'}}}"),
        "ValidationException: The provided starting key is invalid: One or more "
        "parameter values are not valid. The AttributeValue for a key attribute cannot "
        "contain an empty string value. Key: pk");
}

static void test_attribute_names(void **state)
{
    static const char large[] =
        "ValidationException: Attribute name is too large, must be less than 65536 bytes";
    struct loopback *lo = *state;
    ddb_table(lo);
    char *name = arena_alloc(lo->arena, 65537);
    memset(name, 'n', 65535);
#define KEYS "{'TableName':'tab','Key':{'pk':{'S':'a'},'sk':{'N':'1'}},"
    for (int more = 0; more < 2; more++) {
        const char *expected = more == 0 ? "{}" : large;
        name[65535] = more == 0 ? '\0' : 'n';
        assert_answer(DDB(lo, PutItem,
                          "{'TableName':'tab','Item':{'pk':{'S':'a'},'sk':{'N':'1'},'%s':{'S':"
                          "'x'}}}",
                          name),
                      expected);
        assert_answer(DDB(lo, PutItem,
                          "{'TableName':'tab','Item':{'pk':{'S':'a'},'sk':{'N':'1'},'m':{'L':[{"
                          "'M':{'%s':{'S':'x'}}}]}}}",
                          name),
                      expected);
        assert_answer(DDB(lo, UpdateItem,
                          KEYS "'UpdateExpression':'SET #n = :v','ExpressionAttributeNames':{'#n':"
                               "'%s'},'ExpressionAttributeValues':{':v':{'S':'x'}}}",
                          name),
                      expected);
        assert_answer(
            DDB(lo, UpdateItem, KEYS "'AttributeUpdates':{'%s':{'Action':'DELETE'}}}", name),
            expected);
    }
    assert_holds(DDB(lo, UpdateItem,
                     KEYS "'UpdateExpression':'REMOVE #n','ExpressionAttributeNames':{'#n':''}}"),
                 "ExpressionAttributeNames contains invalid value: ");
    assert_holds(DDB(lo, UpdateItem,
                     KEYS "'UpdateExpression':'REMOVE #n','ExpressionAttributeNames':{'#%.255s':"
                          "'x'}}",
                     name),
                 "ExpressionAttributeNames contains invalid key: The key is too long");
}

static void test_sizes(void **state)
{
    struct loopback *lo = *state;
    ddb_table(lo);
    /* One of two bytes and one of four, which is two in UTF-16. */
    DDB(lo, PutItem,
        "{'TableName':'tab','Item':{'pk':{'S':'a'},'sk':{'N':'1'},'x':{'S':'"
        "\xc3\xa9\xf0\x9d\x84\x9e'"
        "}"
        "}}");
    assert_holds(DDB(lo, Scan,
                     "{'TableName':'tab','Select':'COUNT','FilterExpression':'size(x) = :3',"
                     "'ExpressionAttributeValues':{':3':{'N':'3'}}}"),
                 "'Count':1");
    char large[4098];
    memset(large, 'a', 4097);
    large[4097] = '\0';
    assert_answer(DDB(lo, Scan, "{'TableName':'tab','FilterExpression':'%s'}", large),
                  "ValidationException: Invalid FilterExpression: Expression size has exceeded the "
                  "maximum allowed size; expression size: 4097");
    assert_answer(
        DDB(lo, Query, "{'TableName':'tab','KeyConditionExpression':'a','FilterExpression':'%s'}",
            large),
        "ValidationException: Invalid FilterExpression: Expression size has exceeded the maximum "
        "allowed size;");
    assert_answer(DDB(lo, GetItem,
                      "{'TableName':'tab','Key':{'pk':{'S':'a'}},'ProjectionExpression':'%s'}",
                      large),
                  "ValidationException: Invalid ProjectionExpression: Expression size has exceeded "
                  "the maximum allowed size;");
}

#define NAME(value, more)                                                                          \
    "Value '" value "' at 'tableName' failed to satisfy constraint: Member must " more

static void test_empty_names(void **state)
{
    struct loopback *lo = *state;
    static const char refused[] =
        "ValidationException: Attribute names must be at least one character long";
    ddb_table(lo);
    assert_answer(
        DDB(lo, PutItem, "{'TableName':'tab','Item':{'pk':{'S':'a'},'sk':{'N':'1'},'':{'S':'x'}}}"),
        refused);
    assert_answer(DDB(lo, PutItem,
                      "{'TableName':'tab','Item':{'pk':{'S':'a'},'sk':{'N':'1'},"
                      "'m':{'L':[{'M':{'':{'S':'x'}}}]}}}"),
                  refused);
    assert_answer(DDB(lo, GetItem, KEYS "'ConsistentRead':true}"), "{}");
}

static void test_names(void **state)
{
    struct loopback *lo = *state;
    assert_answer(DDB(lo, GetItem, "{'TableName':'ab','Key':{}}"),
                  "ValidationException: 1 validation error detected: " NAME(
                      "ab", "have length greater than or equal to 3"));
    assert_answer(DDB(lo, GetItem, "{'TableName':'a;b','Key':{}}"),
                  "ValidationException: 1 validation error detected: " NAME(
                      "a;b", "satisfy regular expression pattern: [a-zA-Z0-9_.-]+"));
    assert_answer(
        DDB(lo, DescribeTable, "{'TableName':';'}"),
        "ValidationException: 2 validation errors detected: " NAME(
            ";", "have length greater than or equal to 3") "; " NAME(";",
                                                                     "satisfy regular expression "
                                                                     "pattern: "
                                                                     "[a-zA-Z0-9_.-]+"));
    char large[257];
    memset(large, 'a', 256);
    large[256] = '\0';
    assert_holds(DDB(lo, DescribeTable, "{'TableName':'%s'}", large),
                 "at 'tableName' failed to satisfy constraint: Member must have length less than "
                 "or equal to 255");
}

static void test_batches(void **state)
{
    struct loopback *lo = *state;
    ddb_table(lo);
    assert_answer(DDB(lo, BatchGetItem, "{'RequestItems':{}}"),
                  "ValidationException: 1 validation error detected: Value at 'RequestItems' "
                  "failed to satisfy constraint: Member must have length greater than or equal to "
                  "1");
    assert_answer(DDB(lo, BatchWriteItem, "{'RequestItems':{}}"),
                  "ValidationException: The requestItems parameter is required for BatchWriteItem");
    assert_answer(
        DDB(lo, BatchGetItem,
            "{'RequestItems':{'tab':{'Keys':[{'pk':{'S':'a'},'sk':{'N':'1'}}],'"
            "ProjectionExpression':"
            "'x'},'other':{'Keys':[{'pk':{'S':'a'}}],'AttributesToGet':['x']}}}"),
        "ValidationException: Can not use both expression and non-expression parameters in the "
        "same request: Non-expression parameters: {AttributesToGet} Expression parameters: "
        "{ProjectionExpression}");
    assert_answer(DDB(lo, BatchGetItem,
                      "{'RequestItems':{'none':{'Keys':[{'pk':{'S':'a'}},{'pk':{'S':'a'}}]}}}"),
                  "ValidationException: Provided list of item keys contains duplicates");
    assert_answer(DDB(lo, BatchGetItem,
                      "{'RequestItems':{'none':{'Keys':[{'pk':{'S':'a'}},{'pk':{'S':'b'}}]}}}"),
                  "ResourceNotFoundException: Requested resource not found");
    DDB(lo, PutItem, "{'TableName':'tab','Item':{'pk':{'S':'a'},'sk':{'N':'1'}}}");
    assert_answer(
        DDB(lo, TransactGetItems,
            "{'TransactItems':[{'Get':{'TableName':'tab','Key':{'pk':{'S':'a'},'sk':{'N':'1'}},"
            "'ProjectionExpression':'x'}}]}"),
        "{'Responses':[{}]}");
    assert_answer(
        DDB(lo, TransactGetItems,
            "{'TransactItems':[{'Get':{'TableName':'tab','Key':{'pk':{'S':'a'},'sk':{'N':'1'}},"
            "'ExpressionAttributeNames':{'#x':'x'}}}]}"),
        "ValidationException: ExpressionAttributeNames can only be specified when using "
        "expressions");
}

static struct str expire(struct loopback *lo, const char *enabled)
{
    return DDB(lo, UpdateTimeToLive,
               "{'TableName':'tab','TimeToLiveSpecification':{'AttributeName':'ttl','Enabled':%s}}",
               enabled);
}

static void test_time_to_live_within_the_hour(void **state)
{
    struct loopback *lo = *state;
    ddb_table(lo);
    assert_holds(expire(lo, "true"), "'Enabled':true");
    loopback_advance(lo, 3599 * 1000);
    assert_answer(expire(lo, "false"),
                  "ValidationException: Time to live has been modified multiple times within a "
                  "fixed interval");
    loopback_advance(lo, 1000);
    assert_holds(expire(lo, "false"), "'Enabled':false");
    assert_answer(expire(lo, "false"), "ValidationException: TimeToLive is already disabled");
}

/* "AttributeDefinitions" of UpdateTable may name what no key needs: it is forgotten. */
static void test_definitions_that_nothing_uses(void **state)
{
    struct loopback *lo = *state;
    ddb_table(lo);
    struct str answer =
        DDB(lo, UpdateTable,
            "{'TableName':'tab','AttributeDefinitions':[{'AttributeName':'n','AttributeType':'N'},"
            "{'AttributeName':'unused','AttributeType':'S'}],'GlobalSecondaryIndexUpdates':["
            "{'Create':{'IndexName':'new','KeySchema':[{'AttributeName':'n','KeyType':'HASH'}],"
            "'Projection':{'ProjectionType':'ALL'}}}]}");
    assert_holds(answer, "{'AttributeName':'n','AttributeType':'N'}]");
    assert_true(str_find(answer, STR("unused")) == SIZE_MAX);
}

static void test_throughput_of_an_index_that_does_not_change(void **state)
{
    struct loopback *lo = *state;
    DDB(lo, CreateTable,
        "{'TableName':'fixed','AttributeDefinitions':[{'AttributeName':'pk','AttributeType':'S'}],"
        "'KeySchema':[{'AttributeName':'pk','KeyType':'HASH'}],'ProvisionedThroughput':{"
        "'ReadCapacityUnits':1,'WriteCapacityUnits':1},'GlobalSecondaryIndexes':[{'IndexName':"
        "'same','KeySchema':[{'AttributeName':'pk','KeyType':'HASH'}],'Projection':{"
        "'ProjectionType':'ALL'},'ProvisionedThroughput':{'ReadCapacityUnits':2,"
        "'WriteCapacityUnits':3}}]}");
    loopback_deliver(lo);
    assert_answer(DDB(lo, UpdateTable,
                      "{'TableName':'fixed','GlobalSecondaryIndexUpdates':[{'Update':{'IndexName':"
                      "'same','ProvisionedThroughput':{'ReadCapacityUnits':2,"
                      "'WriteCapacityUnits':3}}}]}"),
                  "ValidationException: The provisioned throughput for the index same will not "
                  "change. The requested value equals the current value. Current "
                  "ReadCapacityUnits provisioned for the index: 2. Requested ReadCapacityUnits: 2. "
                  "Current WriteCapacityUnits provisioned for the index: 3. Requested "
                  "WriteCapacityUnits: 3. Refer to the Amazon DynamoDB Developer Guide for current "
                  "limits and how to request higher limits.");
}

static void test_descriptions(void **state)
{
    struct loopback *lo = *state;
    ddb_table(lo);
    assert_answer(DDB(lo, DescribeKinesisStreamingDestination, "{'TableName':'tab'}"),
                  "{'TableName':'tab','KinesisDataStreamDestinations':[]}");
    assert_answer(DDB(lo, DescribeKinesisStreamingDestination, "{'TableName':'none'}"),
                  "ResourceNotFoundException: Requested resource not found: Table: none not found");
    struct str deleted = DDB(lo, DeleteTable, "{'TableName':'tab'}");
    assert_holds(deleted, "'TableStatus':'DELETING'");
    assert_holds(deleted, "'TableId'");
    static const char *const untold[] = {"KeySchema", "AttributeDefinitions", "CreationDateTime",
                                         "SecondaryIndexes", "WarmThroughput"};
    for (size_t i = 0; i < sizeof untold / sizeof untold[0]; i++)
        assert_true(str_find(deleted, str_from_c(untold[i])) == SIZE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DDB_TEST(test_removals_make_no_item),
        DDB_TEST(test_starting_keys),
        DDB_TEST(test_attribute_names),
        DDB_TEST(test_sizes),
        DDB_TEST(test_empty_names),
        DDB_TEST(test_names),
        DDB_TEST(test_batches),
        DDB_TEST(test_time_to_live_within_the_hour),
        DDB_TEST(test_definitions_that_nothing_uses),
        DDB_TEST(test_throughput_of_an_index_that_does_not_change),
        DDB_TEST(test_descriptions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
