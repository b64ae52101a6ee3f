/* What is kept: items, their index entries, expiries and counts, through a whole life. */
#include "service/dynamodb_support.h"

#include "base/rng.h"
#include "gen/dynamodbstreams.h"

enum { SEED = 20120810 };

/* --- tables */

static void test_deleting_leaves_nothing(void **state)
{
    struct loopback *lo = *state;
    ddb_table(lo);
    for (int n = 0; n < 1200; n++)
        DDB(lo, PutItem,
            "{'TableName':'tab','Item':{'pk':{'S':'p%d'},'sk':{'N':'%d'},'g':{'S':'x'},"
            "'h':{'N':'1'}}}",
            n % 7, n);
    assert_int_equal(ddb_stored(lo, "ddb"), 2400);
    assert_holds(DDB(lo, DeleteTable, "{'TableName':'tab'}"), "'TableStatus':'DELETING'");
    assert_answer(DDB(lo, GetItem, "{'TableName':'tab','Key':{'pk':{'S':'p'},'sk':{'N':'1'}}}"),
                  "ResourceNotFoundException: Requested resource not found");
    loopback_deliver(lo);
    assert_int_equal(ddb_stored(lo, "ddb"), 0);
    assert_int_equal(ddb_stored(lo, "ddb-n"), 0);
    assert_answer(DDB(lo, DescribeTable, "{'TableName':'tab'}"),
                  "ResourceNotFoundException: Requested resource not found: Table: tab not found");
    ddb_table(lo);
    assert_holds(DDB(lo, Scan, "{'TableName':'tab'}"), "'Count':0");
}

static void test_longest_keys(void **state)
{
    struct loopback *lo = *state;
    char partition[2049], sort[1025];
    memset(partition, 'p', sizeof partition);
    memset(sort, 's', sizeof sort);
    partition[2048] = sort[1024] = 0;
    DDB(lo, CreateTable,
        "{'TableName':'long','BillingMode':'PAY_PER_REQUEST','AttributeDefinitions':["
        "{'AttributeName':'pk','AttributeType':'S'},{'AttributeName':'sk','AttributeType':'S'},"
        "{'AttributeName':'g','AttributeType':'S'},{'AttributeName':'h','AttributeType':'S'}],"
        "'KeySchema':[{'AttributeName':'pk','KeyType':'HASH'},"
        "{'AttributeName':'sk','KeyType':'RANGE'}],'GlobalSecondaryIndexes':[{'IndexName':"
        "'global','KeySchema':[{'AttributeName':'g','KeyType':'HASH'},"
        "{'AttributeName':'h','KeyType':'RANGE'}],'Projection':{'ProjectionType':'KEYS_ONLY'}}]}");
    loopback_deliver(lo);
    assert_answer(DDB(lo, PutItem,
                      "{'TableName':'long','Item':{'pk':{'S':'%s'},'sk':{'S':'%s'},'g':{'S':'%s'},"
                      "'h':{'S':'%s'}}}",
                      partition, sort, partition, sort),
                  "{}");
    assert_holds(DDB(lo, GetItem, "{'TableName':'long','Key':{'pk':{'S':'%s'},'sk':{'S':'%s'}}}",
                     partition, sort),
                 "'Item'");
    assert_holds(DDB(lo, Query,
                     "{'TableName':'long','IndexName':'global','KeyConditionExpression':"
                     "'g = :g AND begins_with(h, :h)','ExpressionAttributeValues':{':g':{'S':'%s'},"
                     "':h':{'S':'sss'}}}",
                     partition),
                 "'Count':1");
    assert_holds(DDB(lo, PutItem, "{'TableName':'long','Item':{'pk':{'S':'%sx'},'sk':{'S':'s'}}}",
                     partition),
                 "ValidationException: One or more parameter values were invalid: Size of hashkey "
                 "has exceeded the maximum size limit of2048 bytes");
    /* Bytes that the store's keys escape take twice the room. */
    memset(partition, 0, sizeof partition);
    struct str zeros = STR("\\u0000");
    struct buf long_zeros;
    buf_init(&long_zeros, lo->arena, 16 * 1024);
    for (int i = 0; i < 1024; i++)
        buf_append(&long_zeros, zeros);
    assert_answer(DDB(lo, PutItem,
                      "{'TableName':'long','Item':{'pk':{'S':'%.*s'},'sk':{'S':'%.*s'},"
                      "'g':{'S':'%.*s'},'h':{'S':'%.*s'}}}",
                      PRSTR(buf_str(&long_zeros)), PRSTR(buf_str(&long_zeros)),
                      PRSTR(buf_str(&long_zeros)), PRSTR(buf_str(&long_zeros))),
                  "{}");
    assert_holds(DDB(lo, Scan, "{'TableName':'long','Select':'COUNT'}"), "'Count':2");
}

/* --- indexes follow their items, whatever is written */

struct model_item {
    bool present;
    int g, h, l, v;
};
enum { MODEL_ITEMS = 24 };

static void random_put(struct loopback *lo, struct model_item *item, int n)
{
    item->present = true;
    item->g = (int)rng_below(4) - 1;
    item->h = (int)rng_below(3) - 1;
    item->l = (int)rng_below(3) - 1;
    item->v = (int)rng_below(2);
    char text[256];
    int len = 0;
    text[0] = 0;
    if (item->g >= 0)
        len += snprintf(text + len, sizeof text - (size_t)len, ",'g':{'S':'g%d'}", item->g);
    if (item->h >= 0)
        len += snprintf(text + len, sizeof text - (size_t)len, ",'h':{'N':'%d'}", item->h);
    if (item->l >= 0)
        len += snprintf(text + len, sizeof text - (size_t)len, ",'l':{'B':'AAA%d'}", item->l);
    snprintf(text + len, sizeof text - (size_t)len, ",'v':{'N':'%d'}", item->v);
    assert_answer(DDB(lo, PutItem,
                      "{'TableName':'tab','Item':{'pk':{'S':'p%d'},'sk':{'N':'%d'}%s}}", n % 3, n,
                      text),
                  "{}");
}

static void random_step(struct loopback *lo, struct model_item *items)
{
    int n = (int)rng_below(MODEL_ITEMS);
    struct model_item *item = &items[n];
    switch (rng_below(4)) {
    case 0:
    case 1:
        random_put(lo, item, n);
        break;
    case 2:
        assert_answer(DDB(lo, DeleteItem,
                          "{'TableName':'tab','Key':{'pk':{'S':'p%d'},'sk':{'N':'%d'}}}", n % 3, n),
                      "{}");
        *item = (struct model_item){0};
        break;
    default: {
        bool was = item->present;
        if (!was)
            *item = (struct model_item){.present = true, .l = -1};
        item->g = (int)rng_below(3);
        item->h = -1;
        item->v = 9;
        assert_answer(DDB(lo, UpdateItem,
                          "{'TableName':'tab','Key':{'pk':{'S':'p%d'},'sk':{'N':'%d'}},"
                          "'UpdateExpression':'SET g = :g, v = :v REMOVE h',"
                          "'ExpressionAttributeValues':{':g':{'S':'g%d'},':v':{'N':'9'}}}",
                          n % 3, n, item->g),
                      "{}");
    }
    }
}

static void check_counts(struct loopback *lo, const struct model_item *items)
{
    int all = 0, global = 0, local = 0;
    for (int n = 0; n < MODEL_ITEMS; n++) {
        all += items[n].present;
        global += items[n].present && items[n].g >= 0 && items[n].h >= 0;
        local += items[n].present && items[n].l >= 0;
    }
    struct str table = DDB(lo, DescribeTable, "{'TableName':'tab'}");
    char text[64];
    static const char *const indexes[] = {"", ",'IndexName':'global'", ",'IndexName':'local'"};
    const int expected[] = {all, global, local};
    for (size_t i = 0; i < 3; i++) {
        snprintf(text, sizeof text, "'Count':%d", expected[i]);
        assert_holds(DDB(lo, Scan, "{'TableName':'tab'%s,'Select':'COUNT'}", indexes[i]), text);
        snprintf(text, sizeof text, "'ItemCount':%d", expected[i]);
        assert_holds(table, text);
    }
    assert_int_equal(ddb_stored(lo, "ddb"), (size_t)(all + global + local));
}

static void check_entries(struct loopback *lo, const struct model_item *items)
{
    for (int g = 0; g < 3; g++) {
        struct str answer = DDB(lo, Query,
                                "{'TableName':'tab','IndexName':'global',"
                                "'KeyConditionExpression':'g = :g','ExpressionAttributeValues':"
                                "{':g':{'S':'g%d'}}}",
                                g);
        int expected = 0;
        for (int n = 0; n < MODEL_ITEMS; n++) {
            const struct model_item *item = &items[n];
            if (!item->present || item->g != g || item->h < 0)
                continue;
            char text[96];
            expected++;
            snprintf(text, sizeof text, "'pk':{'S':'p%d'},'sk':{'N':'%d'},'v':{'N':'%d'}", n % 3, n,
                     item->v);
            assert_holds(answer, text);
        }
        char count[32];
        snprintf(count, sizeof count, "'Count':%d", expected);
        assert_holds(answer, count);
    }
}

static int64_t number_after(struct str text, const char *name)
{
    int64_t n = 0;
    size_t at = str_find(text, str_from_c(name));
    assert_true(at != SIZE_MAX);
    for (at += strlen(name); at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9'; at++)
        n = 10 * n + (text.ptr[at] - '0');
    return n;
}

/* Item collections are the table and its local index, partition by partition. */
static void check_collections(struct loopback *lo)
{
    struct str seen = DDB(lo, DescribeTable, "{'TableName':'tab'}");
    struct str local = str_slice(seen, str_find(seen, STR("'LocalSecondaryIndexes'")), seen.len);
    int64_t sum = 0, one;
    struct kv_txn *txn;
    struct kv_cursor *cursor;
    struct str key, value;
    struct key prefix;
    key_init(&prefix, lo->arena);
    key_str(&prefix, STR("ddb-c"));
    assert_int_equal(kv_begin(lo->cloud->kv, false, &txn), RESULT_OK);
    assert_int_equal(kv_cursor_open(txn, lo->arena, key_bytes(&prefix), false, &cursor), RESULT_OK);
    for (;;) {
        assert_int_equal(kv_next(cursor, &key, &value), RESULT_OK);
        if (str_is_absent(key))
            break;
        assert_true(str_to_i64(value, &one) && one > 0);
        sum += one;
    }
    kv_abort(txn);
    assert_int_equal(sum, number_after(seen, "'TableSizeBytes':") +
                              number_after(local, "'IndexSizeBytes':"));
}

static void test_indexes_follow(void **state)
{
    struct loopback *lo = *state;
    struct model_item items[MODEL_ITEMS] = {{0}};
    print_message("seed %d\n", SEED);
    rng_set_seed(SEED);
    ddb_table(lo);
    for (int step = 0; step < 600; step++) {
        random_step(lo, items);
        if (step % 20 == 0) {
            check_counts(lo, items);
            check_entries(lo, items);
            check_collections(lo);
        }
    }
    for (int n = 0; n < MODEL_ITEMS; n++)
        DDB(lo, DeleteItem, "{'TableName':'tab','Key':{'pk':{'S':'p%d'},'sk':{'N':'%d'}}}", n % 3,
            n);
    assert_int_equal(ddb_stored(lo, "ddb-c"), 0);
    rng_set_seed(0);
}

/* An index that is made while writing goes on ends like one that was there from the beginning. */
static void test_filling_meets_writes(void **state)
{
    struct loopback *lo = *state;
    ddb_table(lo);
    for (int n = 0; n < 900; n++)
        DDB(lo, PutItem,
            "{'TableName':'tab','Item':{'pk':{'S':'p%d'},'sk':{'N':'%d'},'c':{'S':'old'}}}", n, n);
    assert_holds(
        DDB(lo, UpdateTable,
            "{'TableName':'tab','AttributeDefinitions':[{'AttributeName':'c','AttributeType':'S'}],"
            "'GlobalSecondaryIndexUpdates':[{'Create':{'IndexName':'color','KeySchema':["
            "{'AttributeName':'c','KeyType':'HASH'}],'Projection':{'ProjectionType':'ALL'}}}]}"),
        "'Backfilling':true");
    assert_answer(
        DDB(lo, Query,
            "{'TableName':'tab','IndexName':'color','KeyConditionExpression':'c = :c',"
            "'ExpressionAttributeValues':{':c':{'S':'old'}}}"),
        "ValidationException: Cannot read from backfilling global secondary index: color");
    for (int n = 0; n < 900; n += 3)
        DDB(lo, UpdateItem,
            "{'TableName':'tab','Key':{'pk':{'S':'p%d'},'sk':{'N':'%d'}},'UpdateExpression':"
            "'SET c = :c','ExpressionAttributeValues':{':c':{'S':'new'}}}",
            n, n);
    for (int n = 1; n < 900; n += 3)
        DDB(lo, DeleteItem, "{'TableName':'tab','Key':{'pk':{'S':'p%d'},'sk':{'N':'%d'}}}", n, n);
    loopback_deliver(lo);
    static const char *const colors[] = {"old", "new"};
    for (size_t i = 0; i < 2; i++)
        assert_holds(DDB(lo, Query,
                         "{'TableName':'tab','IndexName':'color','KeyConditionExpression':'c = :c',"
                         "'ExpressionAttributeValues':{':c':{'S':'%s'}},'Select':'COUNT'}",
                         colors[i]),
                     "'Count':300");
    assert_holds(DDB(lo, DescribeTable, "{'TableName':'tab'}"), "'ItemCount':600");
}

/* An item that an index cannot hold may be updated elsewhere, but not made worse. */
static void test_updates_beside_an_index(void **state)
{
    struct loopback *lo = *state;
    ddb_table(lo);
    DDB(lo, PutItem, "{'TableName':'tab','Item':{'pk':{'S':'p'},'sk':{'N':'1'},'c':{'N':'1'}}}");
    DDB(lo, UpdateTable,
        "{'TableName':'tab','AttributeDefinitions':[{'AttributeName':'c','AttributeType':'S'}],"
        "'GlobalSecondaryIndexUpdates':[{'Create':{'IndexName':'color','KeySchema':["
        "{'AttributeName':'c','KeyType':'HASH'}],'Projection':{'ProjectionType':'ALL'}}}]}");
    loopback_deliver(lo);
    static const char update[] = "{'TableName':'tab','Key':{'pk':{'S':'p'},'sk':{'N':'1'}},"
                                 "'UpdateExpression':'SET #a = :v','ExpressionAttributeNames':{"
                                 "'#a':'";
    static const char values[] = "'},'ExpressionAttributeValues':{':v':{'N':'2'}}}";
    assert_answer(DDB(lo, UpdateItem, "%s%s%s", update, "v", values), "{}");
    assert_answer(DDB(lo, UpdateItem, "%s%s%s", update, "c", values),
                  "ValidationException: The update expression attempted to update the secondary "
                  "index key to unsupported type");
    assert_holds(DDB(lo, Scan, "{'TableName':'tab','IndexName':'color'}"), "'Count':0");
}

/* --- time */

static void test_items_expire(void **state)
{
    struct loopback *lo = *state;
    ddb_table(lo);
    long long now = loopback_now(lo) / 1000;
    DDB(lo, PutItem,
        "{'TableName':'tab','Item':{'pk':{'S':'before'},'sk':{'N':'1'},'ttl':{'N':'%lld'}}}",
        now + 60);
    assert_holds(
        DDB(lo, UpdateTimeToLive,
            "{'TableName':'tab','TimeToLiveSpecification':{'AttributeName':'ttl','Enabled':true}}"),
        "'Enabled':true");
    assert_answer(
        DDB(lo, UpdateTimeToLive,
            "{'TableName':'tab','TimeToLiveSpecification':{'AttributeName':'ttl','Enabled':true}}"),
        "ValidationException: TimeToLive is already enabled");
    DDB(lo, PutItem,
        "{'TableName':'tab','Item':{'pk':{'S':'after'},'sk':{'N':'1'},'ttl':{'N':'%lld.5'},"
        "'g':{'S':'x'},'h':{'N':'1'}}}",
        now + 30);
    DDB(lo, PutItem,
        "{'TableName':'tab','Item':{'pk':{'S':'text'},'sk':{'N':'1'},'ttl':{'S':'1'}}}");
    DDB(lo, PutItem,
        "{'TableName':'tab','Item':{'pk':{'S':'moved'},'sk':{'N':'1'},'ttl':{'N':'%lld'}}}",
        now + 10);
    DDB(lo, UpdateItem,
        "{'TableName':'tab','Key':{'pk':{'S':'moved'},'sk':{'N':'1'}},'UpdateExpression':'SET #t = "
        ":t',"
        "'ExpressionAttributeNames':{'#t':'ttl'},'ExpressionAttributeValues':{':t':{'N':'%lld'}}}",
        now + 100);
    loopback_deliver(lo);
    static const struct {
        int64_t advance_ms;
        const char *count;
    } steps[] = {
        {29000, "'Count':4"}, {2000, "'Count':3"}, {30000, "'Count':2"}, {40000, "'Count':1"}};
    for (size_t i = 0; i < 4; i++) {
        loopback_advance(lo, steps[i].advance_ms);
        loopback_deliver(lo);
        assert_holds(DDB(lo, Scan, "{'TableName':'tab','Select':'COUNT'}"), steps[i].count);
    }
    assert_int_equal(ddb_stored(lo, "ddb"), 1); /* neither entries nor expiries are left */
}

static void test_tokens_are_forgotten(void **state)
{
    struct loopback *lo = *state;
    ddb_table(lo);
    static const char add[] =
        "{'ClientRequestToken':'tok','TransactItems':[{'Update':{'TableName':'tab','Key':{"
        "'pk':{'S':'c'},'sk':{'N':'0'}},'UpdateExpression':'ADD n :one',"
        "'ExpressionAttributeValues':{':one':{'N':'1'}}}}]}";
    static const char get[] = "{'TableName':'tab','Key':{'pk':{'S':'c'},'sk':{'N':'0'}}}";
    assert_answer(DDB(lo, TransactWriteItems, "%s", add), "{}");
    loopback_advance(lo, 9 * 60 * 1000);
    loopback_deliver(lo);
    assert_answer(DDB(lo, TransactWriteItems, "%s", add), "{}");
    assert_holds(DDB(lo, GetItem, "%s", get), "'n':{'N':'1'}");
    loopback_advance(lo, 60 * 1000);
    loopback_deliver(lo);
    assert_answer(DDB(lo, TransactWriteItems, "%s", add), "{}");
    assert_holds(DDB(lo, GetItem, "%s", get), "'n':{'N':'2'}");
}

/* --- streams */

/* What an expiry writes says so; records and ended streams go after a day. */
static void test_streams_by_the_clock(void **state)
{
    struct loopback *lo = *state;
    ddb_table(lo);
    DDB(lo, UpdateTable,
        "{'TableName':'tab','StreamSpecification':{'StreamEnabled':true,'StreamViewType':'KEYS_"
        "ONLY'}}");
    loopback_deliver(lo);
    DDB(lo, UpdateTimeToLive,
        "{'TableName':'tab','TimeToLiveSpecification':{'AttributeName':'ttl','Enabled':true}}");
    DDB(lo, PutItem,
        "{'TableName':'tab','Item':{'pk':{'S':'p'},'sk':{'N':'1'},'ttl':{'N':'%lld'}}}",
        (long long)loopback_now(lo) / 1000 + 60);
    loopback_advance(lo, 61000);
    loopback_deliver(lo);
    assert_int_equal(ddb_stored(lo, "ddb-s"), 2);
    struct dynamodbstreams_ListStreamsInput list = {.TableName = STR("tab")};
    struct loopback_reply reply =
        loopback_call(lo, &dynamodbstreams_model, DYNAMODBSTREAMS_OP_ListStreams, &list);
    const struct dynamodbstreams_ListStreamsOutput *streams = loopback_ok(reply);
    assert_int_equal(streams->Streams.len, 1);
    struct str arn = streams->Streams.items[0].StreamArn;
    struct dynamodbstreams_DescribeStreamInput describe = {.StreamArn = arn};
    reply = loopback_call(lo, &dynamodbstreams_model, DYNAMODBSTREAMS_OP_DescribeStream, &describe);
    const struct dynamodbstreams_DescribeStreamOutput *described = loopback_ok(reply);
    struct dynamodbstreams_GetShardIteratorInput ask = {
        .StreamArn = arn,
        .ShardId = described->StreamDescription->Shards.items[0].ShardId,
        .ShardIteratorType = STR("TRIM_HORIZON"),
    };
    reply = loopback_call(lo, &dynamodbstreams_model, DYNAMODBSTREAMS_OP_GetShardIterator, &ask);
    const struct dynamodbstreams_GetShardIteratorOutput *iterator = loopback_ok(reply);
    struct dynamodbstreams_GetRecordsInput get = {.ShardIterator = iterator->ShardIterator};
    reply = loopback_call(lo, &dynamodbstreams_model, DYNAMODBSTREAMS_OP_GetRecords, &get);
    const struct dynamodbstreams_GetRecordsOutput *got = loopback_ok(reply);
    assert_int_equal(got->Records.len, 2);
    assert_null(got->Records.items[0].userIdentity);
    assert_answer(got->Records.items[1].userIdentity->PrincipalId, "dynamodb.amazonaws.com");
    assert_null(got->Records.items[1].dynamodb->OldImage.items);
    loopback_advance(lo, 16 * 60 * 1000);
    loopback_error(loopback_call(lo, &dynamodbstreams_model, DYNAMODBSTREAMS_OP_GetRecords, &get),
                   "ExpiredIteratorException", NULL);
    DDB(lo, DeleteTable, "{'TableName':'tab'}");
    loopback_deliver(lo);
    assert_int_equal(ddb_stored(lo, "ddb-s"), 2);
    for (int hour = 0; hour < 26; hour++) {
        loopback_advance(lo, 3600 * 1000);
        loopback_deliver(lo);
    }
    assert_int_equal(ddb_stored(lo, "ddb-s"), 0);
    assert_int_equal(ddb_stored(lo, "dynamodbstreams"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DDB_TEST(test_deleting_leaves_nothing),
        DDB_TEST(test_longest_keys),
        DDB_TEST(test_indexes_follow),
        DDB_TEST(test_filling_meets_writes),
        DDB_TEST(test_items_expire),
        DDB_TEST(test_updates_beside_an_index),
        DDB_TEST(test_tokens_are_forgotten),
        DDB_TEST(test_streams_by_the_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
