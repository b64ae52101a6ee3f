/* Processes that end at writes of what a table has done for it afterwards: an index that is filled,
 * expired items, an import, an export, a replica that is made, a table that goes. Started again,
 * each ends as if nothing had happened. */
#include "service/dynamodb_support.h"

#include "cloud/object_io.h"
#include "gen/s3.h"
#include "support/crash.h"

enum { ITEMS = 300 };

struct job {
    const char *name;
    int stride; /* of the writes that it ends at */
    void (*before)(struct loopback *lo);
    void (*ask)(struct loopback *lo); /* once; again only when nothing of it is there */
    bool (*is_asked)(struct loopback *lo);
    struct str (*shown)(struct loopback *lo);
};

/* The work of the test that runs: children inherit it. */
static const struct job *job_of(struct loopback *lo, const struct job *set)
{
    static const struct job *now;
    (void)lo;
    if (set != NULL)
        now = set;
    return now;
}

static bool answers(struct loopback *lo, struct str answer, const char *part)
{
    (void)lo;
    return str_find(answer, str_from_c(part)) != SIZE_MAX;
}

/* --- the table: half of its items have gone by a minute later */

static void fill(struct loopback *lo)
{
    ddb_table(lo);
    for (int i = 0; i < ITEMS; i += 25) {
        struct buf batch;
        buf_init(&batch, lo->arena, 64 * 1024);
        for (int n = i; n < i + 25; n++)
            buf_append_format(&batch,
                              "%s{'PutRequest':{'Item':{'pk':{'S':'p%d'},'sk':{'N':'%d'},'g':{'S':"
                              "'x'},'h':{'N':'%d'},'k':{'S':'k%d'},'ttl':{'N':'%lld'}}}}",
                              n > i ? "," : "", n % 7, n, n, n % 5,
                              (long long)(loopback_now(lo) / 1000 + (n % 2 == 0 ? 30 : 3000)));
        assert_holds(
            DDB(lo, BatchWriteItem, "{'RequestItems':{'tab':[%.*s]}}", PRSTR(buf_str(&batch))),
            "'UnprocessedItems':{}");
    }
}

static struct str scanned(struct loopback *lo, const char *table)
{
    static const char *const indexes[] = {"", ",'IndexName':'global'", ",'IndexName':'local'"};
    struct str text = STR("");
    for (size_t i = 0; i < 3; i++)
        text =
            str_concat(lo->arena, text, DDB(lo, Scan, "{'TableName':'%s'%s}", table, indexes[i]));
    return text;
}

/* --- an index */

static void index_ask(struct loopback *lo)
{
    assert_holds(DDB(lo, UpdateTable,
                     "{'TableName':'tab','AttributeDefinitions':[{'AttributeName':'k',"
                     "'AttributeType':'S'}],'GlobalSecondaryIndexUpdates':[{'Create':{'IndexName':"
                     "'late','KeySchema':[{'AttributeName':'k','KeyType':'HASH'}],'Projection':{"
                     "'ProjectionType':'ALL'}}}]}"),
                 "'Backfilling':true");
}

static bool index_is_asked(struct loopback *lo)
{
    return answers(lo, DDB(lo, DescribeTable, "{'TableName':'tab'}"), "'IndexName':'late'");
}

static struct str index_shown(struct loopback *lo)
{
    struct str table = DDB(lo, DescribeTable, "{'TableName':'tab'}");
    assert_int_equal(str_find(table, STR("Backfilling")), SIZE_MAX);
    assert_holds(table, "'ItemCount':300");
    return str_concat(lo->arena, scanned(lo, "tab"),
                      DDB(lo, Scan, "{'TableName':'tab','IndexName':'late'}"));
}

/* --- time to live */

static void ttl_before(struct loopback *lo)
{
    fill(lo);
    loopback_advance(lo, 60000);
}

static void ttl_ask(struct loopback *lo)
{
    assert_holds(DDB(lo, UpdateTimeToLive,
                     "{'TableName':'tab','TimeToLiveSpecification':{'AttributeName':'ttl',"
                     "'Enabled':true}}"),
                 "'Enabled':true");
}

static bool ttl_is_asked(struct loopback *lo)
{
    return !answers(lo, DDB(lo, DescribeTimeToLive, "{'TableName':'tab'}"), "DISABLED");
}

static struct str ttl_shown(struct loopback *lo)
{
    loopback_advance(lo, 3600 * 1000);
    loopback_deliver(lo);
    struct str table = DDB(lo, DescribeTable, "{'TableName':'tab'}");
    assert_holds(table, "'ItemCount':0");
    assert_int_equal(ddb_stored(lo, "ddb"), 0);
    return scanned(lo, "tab");
}

/* --- S3 */

static void bucket(struct loopback *lo)
{
    const struct s3_CreateBucketRequest in = {.Bucket = STR("bucket")};
    lo->protocol = WIRE_PROTOCOL_REST_XML;
    loopback_ok(loopback_call(lo, &s3_model, S3_OP_CreateBucket, &in));
    lo->protocol = WIRE_PROTOCOL_JSON;
}

static void import_before(struct loopback *lo)
{
    struct object_io_caller caller;
    struct object_io_stored stored;
    struct object_io_problem problem;
    struct buf lines;
    buf_init(&lines, lo->arena, 1 << 20);
    for (int i = 0; i < 3000; i++)
        buf_append_format(&lines, "{\"Item\":{\"pk\":{\"S\":\"p%d\"},\"v\":{\"S\":\"%0300d\"}}}\n",
                          i, i);
    bucket(lo);
    struct call call = ddb_s3_call(lo, &caller);
    const struct object_io_put put = {.bucket = STR("bucket"), .key = STR("in/lines")};
    assert_int_equal(object_io_put_bytes(&call, &caller, &put, buf_str(&lines), &stored, &problem),
                     RESULT_OK);
    assert_int_equal(call_commit(&call), RESULT_OK);
}

static void import_ask(struct loopback *lo)
{
    assert_holds(DDB(lo, ImportTable,
                     "{'ClientToken':'once','S3BucketSource':{'S3Bucket':'bucket','S3KeyPrefix':"
                     "'in/'},'InputFormat':'DYNAMODB_JSON','TableCreationParameters':{'TableName':"
                     "'back','AttributeDefinitions':[{'AttributeName':'pk','AttributeType':'S'}],"
                     "'KeySchema':[{'AttributeName':'pk','KeyType':'HASH'}],'BillingMode':"
                     "'PAY_PER_REQUEST'}}"),
                 "'ImportStatus'");
}

static bool import_is_asked(struct loopback *lo)
{
    return answers(lo, DDB(lo, ListImports, "{}"), "ImportArn");
}

static struct str import_shown(struct loopback *lo)
{
    assert_holds(DDB(lo, ListImports, "{}"), "'ImportStatus':'COMPLETED'");
    assert_holds(DDB(lo, DescribeTable, "{'TableName':'back'}"), "'ItemCount':3000");
    return DDB(lo, Scan, "{'TableName':'back','Select':'COUNT'}");
}

static void export_before(struct loopback *lo)
{
    bucket(lo);
    fill(lo);
    DDB(lo, UpdateContinuousBackups,
        "{'TableName':'tab','PointInTimeRecoverySpecification':{'PointInTimeRecoveryEnabled':true}"
        "}");
}

static void export_ask(struct loopback *lo)
{
    struct str table = DDB(lo, DescribeTable, "{'TableName':'tab'}");
    struct str rest = str_slice(table, str_find(table, STR("'TableArn':'")) + 12, table.len);
    assert_holds(DDB(lo, ExportTableToPointInTime,
                     "{'ClientToken':'once','TableArn':'%.*s','S3Bucket':'bucket'}",
                     PRSTR(str_slice(rest, 0, str_find_char(rest, '\'')))),
                 "'ExportStatus'");
}

static bool export_is_asked(struct loopback *lo)
{
    return answers(lo, DDB(lo, ListExports, "{}"), "ExportArn");
}

static struct str export_shown(struct loopback *lo)
{
    struct str list = DDB(lo, ListExports, "{}");
    assert_holds(list, "'ExportStatus':'COMPLETED'");
    struct str rest = str_slice(list, str_find(list, STR("'ExportArn':'")) + 13, list.len);
    struct str one = DDB(lo, DescribeExport, "{'ExportArn':'%.*s'}",
                         PRSTR(str_slice(rest, 0, str_find_char(rest, '\''))));
    assert_holds(one, "'ItemCount':300");
    return STR("300");
}

/* --- a replica */

static void replica_ask(struct loopback *lo)
{
    assert_holds(
        DDB(lo, UpdateTable,
            "{'TableName':'tab','ReplicaUpdates':[{'Create':{'RegionName':'eu-west-1'}}]}"),
        "'ReplicaStatus':'CREATING'");
}

static bool replica_is_asked(struct loopback *lo)
{
    return answers(lo, DDB(lo, DescribeTable, "{'TableName':'tab'}"), "'RegionName':'eu-west-1'");
}

static void replica_before(struct loopback *lo)
{
    fill(lo);
    DDB(lo, UpdateTable,
        "{'TableName':'tab','StreamSpecification':{'StreamEnabled':true,'StreamViewType':"
        "'NEW_AND_OLD_IMAGES'}}");
    loopback_deliver(lo);
}

static struct str replica_shown(struct loopback *lo)
{
    struct str here = scanned(lo, "tab");
    assert_holds(DDB(lo, DescribeTable, "{'TableName':'tab'}"), "'ReplicaStatus':'ACTIVE'");
    lo->region = STR("eu-west-1");
    struct str there = scanned(lo, "tab");
    lo->region = STR("us-east-1");
    assert_answer(there, str_to_c(lo->arena, here));
    return there;
}

/* --- a table that goes */

static void delete_ask(struct loopback *lo)
{
    assert_holds(DDB(lo, DeleteTable, "{'TableName':'tab'}"), "'TableStatus':'DELETING'");
}

static bool delete_is_asked(struct loopback *lo)
{
    return !answers(lo, DDB(lo, DescribeTable, "{'TableName':'tab'}"), "'TableStatus':'ACTIVE'");
}

static struct str delete_shown(struct loopback *lo)
{
    assert_holds(DDB(lo, DescribeTable, "{'TableName':'tab'}"), "ResourceNotFoundException");
    assert_int_equal(ddb_stored(lo, "ddb") + ddb_stored(lo, "ddb-n") + ddb_stored(lo, "ddb-c"), 0);
    return STR("gone");
}

/* --- ending */

static void run_job(struct loopback *lo, int tell)
{
    (void)tell;
    job_of(lo, NULL)->ask(lo);
    loopback_deliver(lo);
}

static void check_job(const struct job *job)
{
    struct loopback model = {0};
    loopback_open(&model);
    job->before(&model);
    (void)job_of(&model, job);
    run_job(&model, -1);
    struct str expected = job->shown(&model);
    bool lived = false;
    int writes = 0;
    for (; !lived; writes += job->stride) {
        struct loopback lo = {0};
        loopback_open(&lo);
        job->before(&lo);
        lived = crash_at(&lo, writes, run_job, NULL);
        loopback_deliver(&lo);
        if (!job->is_asked(&lo))
            run_job(&lo, -1);
        struct str found = job->shown(&lo);
        if (str_find(expected, STR("'ttl'")) == SIZE_MAX)
            assert_answer(found, str_to_c(lo.arena, expected));
        else
            assert_int_equal(found.len, expected.len); /* the seconds differ */
        loopback_close(&lo);
    }
    print_message("%s: ended at every %dth of %d writes\n", job->name, job->stride,
                  writes - job->stride);
    assert_true(writes > 8 * job->stride);
    loopback_close(&model);
}

#define JOB_TEST(title, stride, prepare, what)                                                     \
    static void test_##what(void **state)                                                          \
    {                                                                                              \
        static const struct job job = {title,      stride,          prepare,                       \
                                       what##_ask, what##_is_asked, what##_shown};                 \
        (void)state;                                                                               \
        check_job(&job);                                                                           \
    }
JOB_TEST("filling an index", 29, fill, index)
JOB_TEST("time to live", 61, ttl_before, ttl)
JOB_TEST("an import", 307, import_before, import)
JOB_TEST("an export", 2, export_before, export)
JOB_TEST("a new replica", 61, replica_before, replica)
JOB_TEST("a table that goes", 29, fill, delete)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_index),   cmocka_unit_test(test_ttl),
        cmocka_unit_test(test_import),  cmocka_unit_test(test_export),
        cmocka_unit_test(test_replica), cmocka_unit_test(test_delete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
