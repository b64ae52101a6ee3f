/* Throughput, hot keys, item collections. */
#include "service/dynamodb_support.h"

#include "services/dynamodb/hot_keys.h"

/* "slow": 2 read and 1 write units, and a global index "by-g" on g with 1 and 1. */
static void slow_table(struct loopback *lo)
{
    struct str answer = DDB(
        lo, CreateTable,
        "{'TableName':'slow','AttributeDefinitions':[{'AttributeName':'pk','AttributeType':'S'},"
        "{'AttributeName':'g','AttributeType':'S'}],'KeySchema':[{'AttributeName':'pk','KeyType':"
        "'HASH'}],'ProvisionedThroughput':{'ReadCapacityUnits':2,'WriteCapacityUnits':1},"
        "'GlobalSecondaryIndexes':[{'IndexName':'by-g','KeySchema':[{'AttributeName':'g','KeyType':"
        "'HASH'}],'Projection':{'ProjectionType':'ALL'},'ProvisionedThroughput':{"
        "'ReadCapacityUnits':1,'WriteCapacityUnits':1}}]}");
    assert_holds(answer, "'TableStatus':'CREATING'");
    loopback_deliver(lo);
}

#define EXCEEDED                                                                                   \
    "ProvisionedThroughputExceededException: The level of configured provisioned throughput for "  \
    "the table was exceeded. Consider increasing your provisioning level with the UpdateTable "    \
    "API."

static struct str put(struct loopback *lo, int n, const char *more)
{
    return DDB(lo, PutItem, "{'TableName':'slow','Item':{'pk':{'S':'p%d'}%s}}", n, more);
}

static void test_provisioned(void **state)
{
    struct loopback *lo = *state;
    slow_table(lo);
    for (int n = 0; n < 300; n++)
        assert_answer(put(lo, n, ""), "{}");
    assert_answer(put(lo, 300, ""), EXCEEDED);
    struct dynamodb_AttributeValue value = {.S = STR("x")};
    struct dynamodb_PutItemInputAttributeMap_entry entry = {STR("pk"), value};
    struct dynamodb_PutItemInput in = {.TableName = STR("slow"), .Item = {&entry, 1}};
    struct loopback_reply reply = loopback_call(lo, &dynamodb_model, DYNAMODB_OP_PutItem, &in);
    const struct dynamodb_ProvisionedThroughputExceededException *detail = reply.detail;
    assert_true(str_eq(detail->ThrottlingReasons.items[0].reason,
                       STR("TableWriteProvisionedThroughputExceeded")));
    assert_true(str_eq(detail->ThrottlingReasons.items[0].resource,
                       STR("arn:aws:dynamodb:us-east-1:000000000000:table/slow")));
    /* What was refused was not written, and reads go on. */
    assert_answer(DDB(lo, GetItem, "{'TableName':'slow','Key':{'pk':{'S':'x'}}}"), "{}");
    loopback_advance(lo, 1500);
    assert_answer(put(lo, 300, ""), "{}");
    assert_answer(put(lo, 301, ""), "{}"); /* half a unit is left: it may be overdrawn */
    assert_answer(put(lo, 302, ""), EXCEEDED);
    loopback_advance(lo, 400);
    assert_answer(put(lo, 302, ""), EXCEEDED);
    loopback_advance(lo, 1000);
    assert_answer(put(lo, 302, ""), "{}");
    /* An index that has nothing left holds its table's writes back. */
    loopback_advance(lo, 600 * 1000);
    DDB(lo, UpdateTable,
        "{'TableName':'slow','ProvisionedThroughput':{'ReadCapacityUnits':2,'WriteCapacityUnits':"
        "50}}");
    loopback_deliver(lo);
    for (int n = 0; n < 300; n++)
        assert_answer(put(lo, n, ",'g':{'S':'x'}"), "{}");
    assert_answer(put(lo, 300, ",'g':{'S':'x'}"),
                  "ProvisionedThroughputExceededException: The level of configured provisioned "
                  "throughput for one or more global secondary indexes of the table was exceeded. "
                  "Consider increasing your provisioning level for the under-provisioned global "
                  "secondary indexes with the UpdateTable API");
    assert_answer(put(lo, 301, ""), "{}"); /* it is not touched by this one */
    /* On demand there is no end. */
    DDB(lo, UpdateTable, "{'TableName':'slow','BillingMode':'PAY_PER_REQUEST'}");
    loopback_deliver(lo);
    for (int n = 0; n < 1000; n++)
        assert_answer(put(lo, n, ",'g':{'S':'x'}"), "{}");
}

static void test_reads(void **state)
{
    struct loopback *lo = *state;
    slow_table(lo);
    for (int n = 0; n < 3; n++)
        put(lo, n, ",'g':{'S':'x'}");
    for (int n = 0; n < 600; n++)
        assert_holds(
            DDB(lo, GetItem, "{'TableName':'slow','ConsistentRead':true,'Key':{'pk':{'S':'p1'}}}"),
            "'Item'");
    assert_answer(DDB(lo, GetItem, "{'TableName':'slow','Key':{'pk':{'S':'p1'}}}"), EXCEEDED);
    assert_answer(DDB(lo, Scan, "{'TableName':'slow'}"), EXCEEDED);
    assert_answer(DDB(lo, ExecuteStatement, "{'Statement':'SELECT * FROM slow'}"), EXCEEDED);
    assert_answer(DDB(lo, BatchGetItem, "{'RequestItems':{'slow':{'Keys':[{'pk':{'S':'p1'}}]}}}"),
                  EXCEEDED);
    assert_holds(DDB(lo, BatchExecuteStatement,
                     "{'Statements':[{'Statement':'SELECT * FROM slow WHERE pk = ?','Parameters':"
                     "[{'S':'p1'}]}]}"),
                 "'Code':'ProvisionedThroughputExceeded'");
    assert_holds(DDB(lo, TransactGetItems,
                     "{'TransactItems':[{'Get':{'TableName':'slow','Key':{'pk':{'S':'p1'}}}}]}"),
                 "TransactionCanceledException: Transaction cancelled, please refer cancellation "
                 "reasons for specific reasons [ProvisionedThroughputExceeded]");
    /* The index has units of its own. */
    assert_holds(DDB(lo, Scan, "{'TableName':'slow','IndexName':'by-g'}"), "'Count':3");
    loopback_advance(lo, 500);
    assert_holds(DDB(lo, BatchGetItem,
                     "{'RequestItems':{'slow':{'ConsistentRead':true,'Keys':[{'pk':{'S':'p0'}},"
                     "{'pk':{'S':'p1'}},{'pk':{'S':'p2'}}]}}}"),
                 "'UnprocessedKeys':{'slow':{'Keys':[{'pk':{'S':'p1'}},{'pk':{'S':'p2'}}],"
                 "'ConsistentRead':true}}");
}

static void test_batches_and_transactions(void **state)
{
    struct loopback *lo = *state;
    slow_table(lo);
    for (int n = 0; n < 298; n++)
        put(lo, n, "");
    static const char request[] =
        "{'RequestItems':{'slow':[{'PutRequest':{'Item':{'pk':{'S':'a'}}}},"
        "{'PutRequest':{'Item':{'pk':{'S':'b'}}}},"
        "{'DeleteRequest':{'Key':{'pk':{'S':'p1'}}}}]}}";
    assert_answer(DDB(lo, BatchWriteItem, request),
                  "{'UnprocessedItems':{'slow':[{'DeleteRequest':{'Key':{'pk':{'S':'p1'}}}}]}}");
    assert_answer(DDB(lo, BatchWriteItem, request), EXCEEDED);
    assert_holds(DDB(lo, GetItem, "{'TableName':'slow','Key':{'pk':{'S':'b'}}}"), "'Item'");
    assert_holds(DDB(lo, GetItem, "{'TableName':'slow','Key':{'pk':{'S':'p1'}}}"), "'Item'");
    assert_holds(DDB(lo, TransactWriteItems,
                     "{'TransactItems':[{'Put':{'TableName':'slow','Item':{'pk':{'S':'c'}}}},"
                     "{'Delete':{'TableName':'slow','Key':{'pk':{'S':'b'}}}}]}"),
                 "TransactionCanceledException: Transaction cancelled, please refer cancellation "
                 "reasons for specific reasons [ProvisionedThroughputExceeded, None]");
    assert_answer(DDB(lo, GetItem, "{'TableName':'slow','Key':{'pk':{'S':'c'}}}"), "{}");
    assert_holds(DDB(lo, BatchExecuteStatement,
                     "{'Statements':[{'Statement':'DELETE FROM slow WHERE pk = ?','Parameters':"
                     "[{'S':'p1'}]}]}"),
                 "'Code':'ProvisionedThroughputExceeded'");
    assert_holds(DDB(lo, GetItem, "{'TableName':'slow','Key':{'pk':{'S':'p1'}}}"), "'Item'");
}

static void test_maximum_on_demand(void **state)
{
    struct loopback *lo = *state;
    ddb_table(lo);
    DDB(lo, UpdateTable,
        "{'TableName':'tab','OnDemandThroughput':{'MaxReadRequestUnits':-1,'MaxWriteRequestUnits':"
        "2}}");
    loopback_deliver(lo);
    static const char item[] = "{'TableName':'tab','Item':{'pk':{'S':'p'},'sk':{'N':'1'}}}";
    assert_answer(DDB(lo, PutItem, item), "{}");
    assert_answer(DDB(lo, PutItem, item), "{}");
    assert_answer(DDB(lo, PutItem, item),
                  "ThrottlingException: Throughput exceeds the maximum OnDemandThroughput "
                  "configured on table or index");
    assert_holds(DDB(lo, Scan, "{'TableName':'tab'}"), "'Count':1");
    loopback_advance(lo, 1000);
    assert_answer(DDB(lo, PutItem, item), "{}");
}

/* "A single operation can retrieve up to 16 MB of data": the rest is left for another. */
static void test_sixteen_megabytes(void **state)
{
    struct loopback *lo = *state;
    static char value[390 * 1024 + 1];
    struct buf keys;
    memset(value, 'v', sizeof value - 1);
    buf_init(&keys, lo->arena, 64 * 1024);
    ddb_table(lo);
    for (int n = 0; n < 45; n++) {
        DDB(lo, PutItem,
            "{'TableName':'tab','Item':{'pk':{'S':'p'},'sk':{'N':'%d'},'v':{'S':'%s'}}}", n, value);
        buf_append_format(&keys, "%s{'pk':{'S':'p'},'sk':{'N':'%d'}}", n == 0 ? "" : ",", n);
    }
    struct str answer = DDB(lo, BatchGetItem,
                            "{'RequestItems':{'tab':{'ProjectionExpression':'sk','Keys':[%.*s]}}}",
                            PRSTR(buf_str(&keys)));
    /* 16 MiB hold 42 items of 390 KiB and a little, whatever is shown of them. */
    assert_holds(answer, "{'sk':{'N':'41'}}]}");
    assert_holds(answer, "'UnprocessedKeys':{'tab':{'Keys':[{'pk':{'S':'p'},'sk':{'N':'42'}},"
                         "{'pk':{'S':'p'},'sk':{'N':'43'}},{'pk':{'S':'p'},'sk':{'N':'44'}}],"
                         "'ProjectionExpression':'sk'}}");
}

/* --- hot keys */

static void test_sketch(void **state)
{
    (void)state;
    struct hot_keys *hot = hot_keys_new();
    char text[32];
    double total = 0;
    /* One key among a hundred thousand others that each come once. */
    for (int n = 0; n < 100000; n++) {
        int len = snprintf(text, sizeof text, "key %d", n);
        hot_keys_add(hot, 60000, str_make(text, (size_t)len), 1);
        total += 1;
        if (n % 20 != 0)
            continue;
        hot_keys_add(hot, 60000, STR("hot"), 1);
        total += 1;
    }
    const struct hot_minute *minute = hot_keys_minute(hot, 1);
    assert_int_equal(minute->len, HOT_KEYS);
    assert_true(minute->total == total);
    assert_true(str_eq(str_make(minute->keys[0].ptr, minute->keys[0].len), STR("hot")));
    assert_true(minute->keys[0].weight - minute->keys[0].error <= 5000 &&
                minute->keys[0].weight >= 5000);
    assert_null(hot_keys_minute(hot, 2));
    hot_keys_add(hot, 60000 * (1 + HOT_MINUTES), STR("later"), 1);
    assert_null(hot_keys_minute(hot, 1));
    hot_keys_free(hot);
}

static struct str page(struct loopback *lo, const char *query)
{
    extern const struct service_hooks dynamodb_hooks;
    struct wire_request request = {
        .method = STR("GET"), .path = dynamodb_hooks.pages[0].path, .query = str_from_c(query)};
    struct call call = {.arena = lo->arena,
                        .cloud = lo->cloud,
                        .model = &dynamodb_model,
                        .account = lo->account,
                        .region = lo->region,
                        .partition = STR("aws"),
                        .principal = {.kind = PRINCIPAL_SERVICE},
                        .request = &request,
                        .now_ms = loopback_now(lo)};
    struct wire_response response = {0};
    assert_int_equal(kv_begin(lo->cloud->kv, false, &call.txn), RESULT_OK);
    assert_int_equal(dynamodb_hooks.pages[0].answer(&call, &response), RESULT_OK);
    kv_abort(call.txn);
    char *copy = arena_alloc_raw(lo->arena, response.body.len);
    for (size_t i = 0; i < response.body.len; i++)
        copy[i] = response.body.ptr[i] == '"' ? '\'' : response.body.ptr[i];
    return str_make(copy, response.body.len);
}

static void test_switching_insights(void **state)
{
    struct loopback *lo = *state;
    ddb_table(lo);
    assert_answer(DDB(lo, DescribeContributorInsights, "{'TableName':'tab'}"),
                  "{'TableName':'tab','ContributorInsightsStatus':'DISABLED'}");
    assert_answer(DDB(lo, ListContributorInsights, "{}"), "{'ContributorInsightsSummaries':[]}");
    assert_answer(DDB(lo, UpdateContributorInsights,
                      "{'TableName':'tab','ContributorInsightsAction':'ENABLE'}"),
                  "{'TableName':'tab','ContributorInsightsStatus':'ENABLING',"
                  "'ContributorInsightsMode':'ACCESSED_AND_THROTTLED_KEYS'}");
    DDB(lo, UpdateContributorInsights,
        "{'TableName':'tab','IndexName':'global','ContributorInsightsAction':'ENABLE'}");
    assert_holds(
        DDB(lo, UpdateContributorInsights,
            "{'TableName':'tab','IndexName':'local','ContributorInsightsAction':'ENABLE'}"),
        "ResourceNotFoundException");
    assert_holds(DDB(lo, DescribeContributorInsights, "{'TableName':'tab'}"),
                 "'ContributorInsightsRuleList':['DynamoDBContributorInsights-PKC-tab-"
                 "1795219200000','DynamoDBContributorInsights-PKT-tab-1795219200000',"
                 "'DynamoDBContributorInsights-SKC-tab-1795219200000'");
    struct str list = DDB(lo, ListContributorInsights, "{'MaxResults':1}");
    assert_holds(list, "'NextToken':'");
    struct str tail = str_slice(list, str_find(list, STR("'NextToken':'")) + 13, list.len);
    list = DDB(lo, ListContributorInsights, "{'MaxResults':1,'NextToken':'%.*s'}",
               PRSTR(str_slice(tail, 0, str_find_char(tail, '\''))));
    assert_answer(list, "{'ContributorInsightsSummaries':[{'TableName':'tab','IndexName':'global',"
                        "'ContributorInsightsStatus':'ENABLED','ContributorInsightsMode':"
                        "'ACCESSED_AND_THROTTLED_KEYS'}]}");
    assert_answer(DDB(lo, UpdateContributorInsights,
                      "{'TableName':'tab','ContributorInsightsAction':'DISABLE'}"),
                  "{'TableName':'tab','ContributorInsightsStatus':'DISABLING',"
                  "'ContributorInsightsMode':'ACCESSED_AND_THROTTLED_KEYS'}");
}

static void test_insights(void **state)
{
    struct loopback *lo = *state;
    ddb_table(lo);
    DDB(lo, UpdateContributorInsights, "{'TableName':'tab','ContributorInsightsAction':'ENABLE'}");
    DDB(lo, UpdateContributorInsights,
        "{'TableName':'tab','IndexName':'global','ContributorInsightsAction':'ENABLE'}");
    for (int n = 0; n < 10; n++)
        DDB(lo, PutItem,
            "{'TableName':'tab','Item':{'pk':{'S':'p%d'},'sk':{'N':'%d'},'g':{'S':'G'},'h':{'N':"
            "'1'}}}",
            n % 3 == 0 ? 0 : n, n % 2);
    DDB(lo, Query,
        "{'TableName':'tab','KeyConditionExpression':'pk = :p','ConsistentRead':true,"
        "'ExpressionAttributeValues':{':p':{'S':'p0'}}}");
    struct str shown = page(lo, "table=tab");
    assert_holds(shown, "{'table':'tab','status':'ENABLED','minutes':[{'minute':'2026-11-21T00:00:"
                        "00");
    assert_holds(shown, "'mostAccessed':[{'key':{'pk':{'S':'p0'}},'units':5},");
    assert_holds(shown, "'mostAccessedItems':[{'key':{'pk':{'S':'p0'},'sk':{'N':'0'}},'units':2}");
    assert_holds(page(lo, "table=tab&index=global"),
                 "'mostAccessed':[{'key':{'g':{'S':'G'}},'units':");
    assert_holds(page(lo, "table=none"), "{'message':'Requested resource not found");
    DDB(lo, UpdateContributorInsights,
        "{'TableName':'tab','ContributorInsightsAction':'ENABLE','ContributorInsightsMode':"
        "'THROTTLED_KEYS'}");
    DDB(lo, UpdateTable,
        "{'TableName':'tab','OnDemandThroughput':{'MaxReadRequestUnits':1,'MaxWriteRequestUnits':"
        "1}}");
    loopback_deliver(lo);
    loopback_advance(lo, 60000);
    for (int n = 0; n < 3; n++)
        DDB(lo, GetItem,
            "{'TableName':'tab','ConsistentRead':true,'Key':{'pk':{'S':'p0'},'sk':{'N':'0'}}}");
    shown = page(lo, "table=tab");
    assert_holds(shown, "'minutes':[{'minute':'2026-11-21T00:01:00");
    assert_holds(shown, "'mostThrottled':[{'key':{'pk':{'S':'p0'}},'times':2}]");
    assert_true(str_find(str_slice(shown, 0, str_find(shown, STR("T00:00:00"))),
                         STR("mostAccessed")) == SIZE_MAX);
    DDB(lo, UpdateContributorInsights, "{'TableName':'tab','ContributorInsightsAction':'DISABLE'}");
    assert_holds(page(lo, "table=tab"), "{'table':'tab','status':'DISABLED','minutes':[]}");
}

/* --- item collections */

static struct str collection_put(struct loopback *lo, int n)
{
    return DDB(lo, PutItem,
               "{'TableName':'tab','ReturnItemCollectionMetrics':'SIZE','Item':{'pk':{'S':'c'},"
               "'sk':{'N':'%d'},'l':{'B':'AAAA'}}}",
               n);
}

static void test_collections(void **state)
{
    struct loopback *lo = *state;
    ddb_table(lo);
    assert_answer(collection_put(lo, 1),
                  "{'ItemCollectionMetrics':{'ItemCollectionKey':{'pk':{'S':'c'}},"
                  "'SizeEstimateRangeGB':[0,1]}}");
    assert_int_equal(ddb_stored(lo, "ddb-c"), 1);
    DDB(lo, DeleteItem, "{'TableName':'tab','Key':{'pk':{'S':'c'},'sk':{'N':'1'}}}");
    assert_int_equal(ddb_stored(lo, "ddb-c"), 0);
    collection_put(lo, 1);
    /* As if 10 GB less 40 bytes were there. */
    struct kv_txn *txn;
    struct kv_cursor *cursor;
    struct str key, value;
    struct key prefix;
    key_init(&prefix, lo->arena);
    key_str(&prefix, STR("ddb-c"));
    assert_int_equal(kv_begin(lo->cloud->kv, true, &txn), RESULT_OK);
    assert_int_equal(kv_cursor_open(txn, lo->arena, key_bytes(&prefix), false, &cursor), RESULT_OK);
    assert_int_equal(kv_next(cursor, &key, &value), RESULT_OK);
    /* pk c, sk 1, l of three bytes: 3 + 4 + 4; so has its entry. */
    assert_true(str_eq(value, STR("22")));
    assert_int_equal(kv_put(txn, str_copy(lo->arena, key), STR("10737418200")), RESULT_OK);
    assert_int_equal(kv_commit(txn), RESULT_OK);
    assert_holds(collection_put(lo, 2), "'SizeEstimateRangeGB':[9,10]");
    assert_answer(collection_put(lo, 3),
                  "ItemCollectionSizeLimitExceededException: Collection size exceeded.");
    assert_holds(collection_put(lo, 2), "'SizeEstimateRangeGB':[9,10]");
    assert_holds(DDB(lo, TransactWriteItems,
                     "{'TransactItems':[{'Put':{'TableName':'tab','Item':{'pk':{'S':'c'},'sk':{'N':"
                     "'4'},'l':{'B':'AAAA'}}}}]}"),
                 "specific reasons [ItemCollectionSizeLimitExceeded]");
    assert_holds(DDB(lo, PutItem,
                     "{'TableName':'tab','Item':{'pk':{'S':'d'},'sk':{'N':'4'},'l':{'B':'AAAA'}}}"),
                 "{}");
    DDB(lo, DeleteTable, "{'TableName':'tab'}");
    loopback_deliver(lo);
    assert_int_equal(ddb_stored(lo, "ddb-c"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DDB_TEST(test_provisioned),
        DDB_TEST(test_reads),
        DDB_TEST(test_batches_and_transactions),
        DDB_TEST(test_maximum_on_demand),
        DDB_TEST(test_sixteen_megabytes),
        cmocka_unit_test(test_sketch),
        DDB_TEST(test_switching_insights),
        DDB_TEST(test_insights),
        DDB_TEST(test_collections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
