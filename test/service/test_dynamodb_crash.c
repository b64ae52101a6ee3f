/* Processes that end at every single write of the store: an item, its index entries, its stream
 * record, its history and what goes to replicas are all there, or none; and what was acknowledged
 * is kept. */
#include "service/dynamodb_support.h"

#include <unistd.h>

#include "gen/dynamodbstreams.h"
#include "support/crash.h"
#include "wire/wire.h"

/* --- the work: each step is one request */

#define ITEM(pk, sk, g, v)                                                                         \
    "{'pk':{'S':'" pk "'},'sk':{'N':'" sk "'},'g':{'S':'" g "'},'h':{'N':'1'},'l':{'B':'aGk='},"   \
    "'v':{'S':'" v "'}}"
#define KEY(pk, sk) "{'pk':{'S':'" pk "'},'sk':{'N':'" sk "'}}"

static const struct step {
    uint32_t operation;
    const char *request;
} steps[] = {
    {DYNAMODB_OP_PutItem, "{'TableName':'tab','Item':" ITEM("a", "1", "x", "one") "}"},
    {DYNAMODB_OP_PutItem, "{'TableName':'tab','Item':" ITEM("a", "2", "x", "two") "}"},
    {DYNAMODB_OP_PutItem, "{'TableName':'tab','Item':" ITEM("a", "1", "y", "one again") "}"},
    {DYNAMODB_OP_UpdateItem,
     "{'TableName':'tab','Key':" KEY(
         "a", "2") ",'UpdateExpression':"
                   "'SET g=:g REMOVE l','ExpressionAttributeValues':{':g':{'S':'z'}}}"},
    {DYNAMODB_OP_TransactWriteItems,
     "{'TransactItems':[{'Put':{'TableName':'tab','Item':" ITEM(
         "b", "1", "x",
         "three") "}},"
                  "{'Delete':{'TableName':'tab','Key':" KEY(
                      "a", "1") "}},"
                                "{'Update':{'TableName':'tab','Key':" KEY(
                                    "b",
                                    "2") ",'UpdateExpression':'SET v=:v',"
                                         "'ExpressionAttributeValues':{':v':{'S':'made'}}}}]}"},
    {DYNAMODB_OP_BatchWriteItem,
     "{'RequestItems':{'tab':[{'PutRequest':{'Item':" ITEM(
         "c", "1", "q", "four") "}},"
                                "{'PutRequest':{'Item':" ITEM(
                                    "c", "2", "q",
                                    "five") "}},"
                                            "{'DeleteRequest':{'Key':" KEY("a", "2") "}}]}}"},
    {DYNAMODB_OP_DeleteItem, "{'TableName':'tab','Key':" KEY("b", "1") "}"},
    {DYNAMODB_OP_PutItem, "{'TableName':'tab','Item':" ITEM("a", "1", "x", "back") "}"},
};
enum { STEPS = sizeof steps / sizeof steps[0] };

static void prepare(struct loopback *lo)
{
    ddb_table(lo);
    DDB(lo, UpdateTable,
        "{'TableName':'tab','StreamSpecification':{'StreamEnabled':true,'StreamViewType':"
        "'NEW_AND_OLD_IMAGES'}}");
    loopback_deliver(lo);
    DDB(lo, UpdateContinuousBackups,
        "{'TableName':'tab','PointInTimeRecoverySpecification':{'PointInTimeRecoveryEnabled':true}"
        "}");
    DDB(lo, UpdateTable,
        "{'TableName':'tab','ReplicaUpdates':[{'Create':{'RegionName':'eu-west-1'}}]}");
    loopback_deliver(lo);
}

static void run_step(struct loopback *lo, int i)
{
    struct str answer = ddb_call(lo, steps[i].operation, "%s", steps[i].request);
    if (answer.ptr[0] != '{')
        fail_msg("step %d: %.*s", i, PRSTR(answer));
}

/* --- what there is, as one text */

static struct str region_items(struct loopback *lo)
{
    static const char *const indexes[] = {"", ",'IndexName':'global'", ",'IndexName':'local'"};
    struct str text = STR("");
    for (size_t i = 0; i < 3; i++)
        text = str_concat(lo->arena, text, DDB(lo, Scan, "{'TableName':'tab'%s}", indexes[i]));
    struct str table = DDB(lo, DescribeTable, "{'TableName':'tab'}");
    struct str counts = str_slice(table, str_find(table, STR("'TableSizeBytes'")), SIZE_MAX);
    return str_concat(lo->arena, text, str_slice(counts, 0, 50));
}

static struct str stream_text(struct loopback *lo)
{
    const struct wire_model *model = &dynamodbstreams_model;
    const struct dynamodbstreams_ListStreamsInput list = {.TableName = STR("tab")};
    const struct dynamodbstreams_ListStreamsOutput *streams =
        loopback_ok(loopback_call(lo, model, DYNAMODBSTREAMS_OP_ListStreams, &list));
    const struct dynamodbstreams_DescribeStreamInput describe = {
        .StreamArn = streams->Streams.items[0].StreamArn};
    const struct dynamodbstreams_DescribeStreamOutput *described =
        loopback_ok(loopback_call(lo, model, DYNAMODBSTREAMS_OP_DescribeStream, &describe));
    const struct dynamodbstreams_GetShardIteratorInput ask = {
        .StreamArn = describe.StreamArn,
        .ShardId = described->StreamDescription->Shards.items[0].ShardId,
        .ShardIteratorType = STR("TRIM_HORIZON")};
    const struct dynamodbstreams_GetShardIteratorOutput *iterator =
        loopback_ok(loopback_call(lo, model, DYNAMODBSTREAMS_OP_GetShardIterator, &ask));
    const struct dynamodbstreams_GetRecordsInput get = {.ShardIterator = iterator->ShardIterator};
    const struct dynamodbstreams_GetRecordsOutput *got =
        loopback_ok(loopback_call(lo, model, DYNAMODBSTREAMS_OP_GetRecords, &get));
    struct buf text;
    buf_init(&text, lo->arena, 1024 * 1024);
    for (size_t i = 0; i < got->Records.len; i++) {
        const struct dynamodbstreams_Record *record = &got->Records.items[i];
        const struct dynamodbstreams_AttributeMap *const maps[] = {
            &record->dynamodb->Keys, &record->dynamodb->OldImage, &record->dynamodb->NewImage};
        buf_append(&text, record->eventName);
        for (size_t m = 0; m < 3; m++)
            assert_int_equal(
                wire_json_encode(&text, model, DYNAMODBSTREAMS_SHAPE_AttributeMap, maps[m]),
                RESULT_OK);
    }
    return buf_str(&text);
}

/* Everything that a change writes, after what is on its way has arrived. */
static struct str fingerprint(struct loopback *lo)
{
    loopback_deliver(lo);
    struct str text = str_concat(lo->arena, region_items(lo), stream_text(lo));
    lo->region = STR("eu-west-1");
    struct str there = region_items(lo);
    lo->region = STR("us-east-1");
    return str_format(lo->arena, "%.*s\n%.*s\nhistory %zu %zu", PRSTR(text), PRSTR(there),
                      ddb_stored(lo, "ddb-p"), ddb_stored(lo, "ddb-q"));
}

/* --- ending at a write */

/* A byte for each step that is acknowledged. */
static void run_steps(struct loopback *lo, int tell)
{
    for (int i = 0; i < STEPS; i++) {
        run_step(lo, i);
        if (write(tell, "x", 1) != 1)
            _exit(1);
        if (i % 3 == 2)
            loopback_deliver(lo);
    }
}

static void test_every_write(void **state)
{
    (void)state;
    struct loopback model = {0};
    struct str expected[STEPS + 1];
    loopback_open(&model);
    prepare(&model);
    expected[0] = fingerprint(&model);
    for (int i = 0; i < STEPS; i++) {
        run_step(&model, i);
        expected[i + 1] = fingerprint(&model);
    }
    bool lived = false;
    int writes = 0, unknown = 0;
    for (; !lived; writes++) {
        struct loopback lo = {0};
        struct str told;
        loopback_open(&lo);
        prepare(&lo);
        lived = crash_at(&lo, writes, run_steps, &told);
        int done = (int)told.len;
        struct str found = fingerprint(&lo);
        bool acknowledged = str_eq(found, expected[done]);
        bool one_more = done < STEPS && str_eq(found, expected[done + 1]);
        if (!acknowledged && !one_more)
            fail_msg("write %d, %d steps acknowledged: expected\n%.*s\nor one step more, found\n"
                     "%.*s",
                     writes, done, PRSTR(expected[done]), PRSTR(found));
        unknown += !acknowledged;
        loopback_close(&lo);
    }
    print_message("ended at each of %d writes; %d steps were done and not acknowledged\n",
                  writes - 1, unknown);
    assert_true(writes > 20);
    loopback_close(&model);
}

/* --- jobs that go on
 */

enum { COPIED = 525, STRIDE = 97 };

static void fill(struct loopback *lo)
{
    ddb_table(lo);
    for (int i = 0; i < COPIED; i += 25) {
        struct buf batch;
        buf_init(&batch, lo->arena, 64 * 1024);
        for (int n = i; n < i + 25; n++)
            buf_append_format(&batch,
                              "%s{'PutRequest':{'Item':{'pk':{'S':'p%d'},'sk':{'N':'%d'},"
                              "'g':{'S':'x'},'h':{'N':'%d'}}}}",
                              n > i ? "," : "", n % 7, n, n);
        struct str answer =
            DDB(lo, BatchWriteItem, "{'RequestItems':{'tab':[%.*s]}}", PRSTR(buf_str(&batch)));
        assert_holds(answer, "'UnprocessedItems':{}");
    }
}

static struct str backup_arn(struct loopback *lo)
{
    struct str list = DDB(lo, ListBackups, "{}");
    size_t at = str_find(list, STR("'BackupArn':'"));
    if (at == SIZE_MAX)
        return (struct str){0};
    struct str rest = str_slice(list, at + 13, list.len);
    return str_slice(rest, 0, str_find_char(rest, '\''));
}

static void back_up_and_restore(struct loopback *lo)
{
    if (str_is_absent(backup_arn(lo)))
        DDB(lo, CreateBackup, "{'TableName':'tab','BackupName':'one'}");
    loopback_deliver(lo);
    DDB(lo, RestoreTableFromBackup, "{'TargetTableName':'again','BackupArn':'%.*s'}",
        PRSTR(backup_arn(lo)));
    loopback_deliver(lo);
}

static void copy_in_child(struct loopback *lo, int tell)
{
    (void)tell;
    back_up_and_restore(lo);
}

/* A backup and a restore go on where they were, and leave nothing that nobody knows. */
static void test_copies_go_on(void **state)
{
    (void)state;
    bool lived = false;
    int writes = 0;
    for (; !lived; writes += STRIDE) {
        struct loopback lo = {0};
        loopback_open(&lo);
        fill(&lo);
        struct str then = DDB(&lo, Scan, "{'TableName':'tab','IndexName':'global'}");
        lived = crash_at(&lo, writes, copy_in_child, NULL);
        loopback_deliver(&lo);
        if (str_starts_with(DDB(&lo, DescribeTable, "{'TableName':'again'}"), STR("Resource")))
            back_up_and_restore(&lo);
        assert_answer(DDB(&lo, Scan, "{'TableName':'again','IndexName':'global'}"),
                      str_to_c(lo.arena, then));
        assert_holds(DDB(&lo, DescribeTable, "{'TableName':'again'}"), "'ItemCount':525");
        DDB(&lo, DeleteBackup, "{'BackupArn':'%.*s'}", PRSTR(backup_arn(&lo)));
        DDB(&lo, DeleteTable, "{'TableName':'again'}");
        DDB(&lo, DeleteTable, "{'TableName':'tab'}");
        loopback_deliver(&lo);
        assert_int_equal(ddb_stored(&lo, "ddb") + ddb_stored(&lo, "ddb-n") +
                             ddb_stored(&lo, "ddb-p") + ddb_stored(&lo, "ddb-q"),
                         0);
        loopback_close(&lo);
    }
    print_message("ended at every %dth of %d writes\n", STRIDE, writes - STRIDE);
    assert_true(writes > 5 * STRIDE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_write),
        cmocka_unit_test(test_copies_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
