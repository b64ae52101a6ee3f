/* Exports to S3 and imports from it. */
#include "service/dynamodb_support.h"

#include "base/gzip.h"
#include "cloud/object_io.h"
#include "gen/s3.h"

enum { ITEMS = 5000 };
#define MINUTE_MS (INT64_C(60) * 1000)

static const char *part(struct loopback *lo, struct str answer, const char *before)
{
    size_t at = str_find(answer, str_from_c(before));
    if (at == SIZE_MAX)
        fail_msg("no %s in %.*s", before, PRSTR(answer));
    struct str rest = str_slice(answer, at + strlen(before), answer.len);
    return str_to_c(lo->arena, str_slice(rest, 0, str_find_char(rest, '\'')));
}

/* --- S3 by hand */

static void bucket(struct loopback *lo)
{
    const struct s3_CreateBucketRequest in = {.Bucket = STR("bucket")};
    lo->protocol = WIRE_PROTOCOL_REST_XML;
    loopback_ok(loopback_call(lo, &s3_model, S3_OP_CreateBucket, &in));
    lo->protocol = WIRE_PROTOCOL_JSON;
}

static void put_object(struct loopback *lo, const char *key, struct str bytes)
{
    struct object_io_caller caller;
    struct call call = ddb_s3_call(lo, &caller);
    struct object_io_stored stored;
    struct object_io_problem problem;
    const struct object_io_put put = {.bucket = STR("bucket"), .key = str_from_c(key)};
    assert_int_equal(object_io_put_bytes(&call, &caller, &put, bytes, &stored, &problem),
                     RESULT_OK);
    assert_int_equal(call_commit(&call), RESULT_OK);
}

static struct str get_object(struct loopback *lo, struct str key)
{
    struct object_io_caller caller;
    struct call call = ddb_s3_call(lo, &caller);
    struct object_io_reader *reader;
    struct object_io_found found;
    struct object_io_problem problem;
    size_t got;
    const struct object_io_get get = {.bucket = STR("bucket"), .key = key};
    if (object_io_open(&call, &caller, &get, &reader, &found, &problem) != RESULT_OK)
        fail_msg("%.*s: %.*s", PRSTR(key), PRSTR(problem.code));
    char *bytes = arena_alloc(lo->arena, found.size + 1);
    assert_int_equal(object_io_read(reader, bytes, found.size + 1, &got), RESULT_OK);
    assert_int_equal(got, found.size);
    kv_abort(call.txn);
    arena_free(call.arena);
    return str_make(bytes, got);
}

static RESULT read_bytes(void *context, uint64_t offset, char *room, size_t size, size_t *got)
{
    struct str piece = str_slice(*(struct str *)context, (size_t)offset, (size_t)offset + size);
    *got = piece.len;
    memcpy(room, piece.ptr, piece.len);
    return RESULT_OK;
}

static struct str unpacked(struct loopback *lo, struct str packed)
{
    const struct gunzip_source source = {read_bytes, &packed};
    const struct gunzip_point start = {0};
    struct gunzip *gunzip;
    const size_t room = 16 * 1024 * 1024;
    char *bytes = arena_alloc_raw(lo->arena, room);
    size_t got;
    assert_int_equal(gunzip_open(lo->arena, &source, &start, &gunzip), RESULT_OK);
    assert_int_equal(gunzip_read(gunzip, bytes, room, &got), RESULT_OK);
    return str_make(bytes, got);
}

/* All data files that a manifest of files names, in its order. */
static struct str exported(struct loopback *lo, struct str manifest, size_t *files)
{
    struct str all = STR(""), line;
    *files = 0;
    while (str_cut(manifest, '\n', &line, &manifest)) {
        size_t at = str_find(line, STR("\"dataFileS3Key\":\""));
        assert_int_not_equal(at, SIZE_MAX);
        struct str key = str_slice(line, at + 17, line.len - 2);
        all = str_concat(lo->arena, all, unpacked(lo, get_object(lo, key)));
        ++*files;
    }
    return all;
}

static size_t count(struct str text, const char *what)
{
    size_t n = 0;
    for (size_t at; (at = str_find(text, str_from_c(what))) != SIZE_MAX; n++)
        text = str_slice(text, at + 1, text.len);
    return n;
}

/* --- tests */

static void fill(struct loopback *lo, int from, int to)
{
    for (int i = from; i < to; i++)
        assert_answer(DDB(lo, PutItem,
                          "{'TableName':'tab','Item':{'pk':{'S':'p%d'},'sk':{'N':'%d'},"
                          "'v':{'S':'%0400d'},'m':{'M':{'l':{'L':[{'BOOL':true},{'NULL':true}]},"
                          "'b':{'B':'aGk='},'ns':{'NS':['1.50','2']}}}}}",
                          i % 50, i, i),
                      "{}");
}

static void pitr(struct loopback *lo)
{
    assert_holds(DDB(lo, UpdateContinuousBackups,
                     "{'TableName':'tab','PointInTimeRecoverySpecification':"
                     "{'PointInTimeRecoveryEnabled':true}}"),
                 "ENABLED");
}

#define TABLE_ARN "arn:aws:dynamodb:us-east-1:000000000000:table/tab"

static void import_again(struct loopback *lo, const char *summary_key)
{
    const char *prefix = str_to_c(
        lo->arena, str_format(lo->arena, "%.*s/data/",
                              PRSTR(str_slice(str_from_c(summary_key), 0,
                                              str_find_last_char(str_from_c(summary_key), '/')))));
    struct str import =
        DDB(lo, ImportTable,
            "{'S3BucketSource':{'S3Bucket':'bucket','S3KeyPrefix':'%s'},'InputFormat':"
            "'DYNAMODB_JSON','InputCompressionType':'GZIP','TableCreationParameters':{'TableName':"
            "'back','AttributeDefinitions':[{'AttributeName':'pk','AttributeType':'S'},"
            "{'AttributeName':'sk','AttributeType':'N'}],'KeySchema':[{'AttributeName':'pk',"
            "'KeyType':'HASH'},{'AttributeName':'sk','KeyType':'RANGE'}],'BillingMode':"
            "'PAY_PER_REQUEST'}}",
            prefix);
    assert_holds(import, "'ImportStatus':'IN_PROGRESS'");
    assert_holds(DDB(lo, Scan, "{'TableName':'back'}"), "ResourceNotFoundException");
    assert_holds(DDB(lo, UpdateTimeToLive,
                     "{'TableName':'back','TimeToLiveSpecification':{'AttributeName':'t',"
                     "'Enabled':true}}"),
                 "ResourceInUseException");
    loopback_deliver(lo);
    import = DDB(lo, DescribeImport, "{'ImportArn':'%s'}", part(lo, import, "'ImportArn':'"));
    assert_holds(import, "'ImportStatus':'COMPLETED'");
    assert_holds(import, "'ErrorCount':0");
    assert_holds(import, "'ImportedItemCount':5000");
    for (int i = ITEMS; i < ITEMS + 10; i++)
        DDB(lo, DeleteItem, "{'TableName':'tab','Key':{'pk':{'S':'p%d'},'sk':{'N':'%d'}}}", i % 50,
            i);
    assert_holds(DDB(lo, DescribeTable, "{'TableName':'back'}"), "'TableStatus':'ACTIVE'");
    assert_answer(DDB(lo, Query,
                      "{'TableName':'back','KeyConditionExpression':'pk=:p',"
                      "'ExpressionAttributeValues':{':p':{'S':'p7'}}}"),
                  str_to_c(lo->arena, DDB(lo, Query,
                                          "{'TableName':'tab','KeyConditionExpression':'pk=:p',"
                                          "'ExpressionAttributeValues':{':p':{'S':'p7'}}}")));
}

static void test_there_and_back(void **state)
{
    struct loopback *lo = *state;
    size_t files;
    bucket(lo);
    ddb_table(lo);
    pitr(lo);
    fill(lo, 0, ITEMS);
    struct str first = DDB(lo, ExportTableToPointInTime,
                           "{'TableArn':'" TABLE_ARN "','S3Bucket':'bucket','S3Prefix':'out',"
                           "'ClientToken':'once'}");
    assert_holds(first, "'ExportStatus':'IN_PROGRESS'");
    fill(lo, ITEMS, ITEMS + 10); /* after the moment */
    loopback_deliver(lo);
    const char *arn = part(lo, first, "'ExportArn':'");
    struct str done = DDB(lo, DescribeExport, "{'ExportArn':'%s'}", arn);
    assert_holds(done, "'ExportStatus':'COMPLETED'");
    assert_holds(done, "'ItemCount':5000");
    assert_holds(DDB(lo, ExportTableToPointInTime,
                     "{'TableArn':'" TABLE_ARN "','S3Bucket':'bucket','S3Prefix':'out',"
                     "'ClientToken':'once'}"),
                 arn);
    assert_holds(DDB(lo, ExportTableToPointInTime,
                     "{'TableArn':'" TABLE_ARN "','S3Bucket':'other','ClientToken':'once'}"),
                 "ExportConflictException");
    const char *summary_key = part(lo, done, "'ExportManifest':'");
    struct str summary = get_object(lo, str_from_c(summary_key));
    assert_holds(summary, "\"itemCount\":5000,\"outputFormat\":\"DYNAMODB_JSON\"");
    size_t at = str_find(summary, STR("\"manifestFilesS3Key\":\"")) + 22;
    struct str rest = str_slice(summary, at, summary.len);
    struct str manifest = get_object(lo, str_slice(rest, 0, str_find_char(rest, '"')));
    struct str all = exported(lo, manifest, &files);
    assert_true(files > 1);
    assert_int_equal(count(all, "{\"Item\":{"), ITEMS);
    import_again(lo, summary_key);
}

static void test_incremental(void **state)
{
    struct loopback *lo = *state;
    size_t files;
    bucket(lo);
    ddb_table(lo);
    pitr(lo);
    fill(lo, 0, 4);
    loopback_advance(lo, MINUTE_MS);
    int64_t from = loopback_now(lo) / 1000;
    fill(lo, 10, 11); /* inserted, changed again */
    DDB(lo, UpdateItem,
        "{'TableName':'tab','Key':{'pk':{'S':'p10'},'sk':{'N':'10'}},'UpdateExpression':'SET v=:v',"
        "'ExpressionAttributeValues':{':v':{'S':'latest'}}}");
    DDB(lo, UpdateItem,
        "{'TableName':'tab','Key':{'pk':{'S':'p1'},'sk':{'N':'1'}},'UpdateExpression':'SET v=:v',"
        "'ExpressionAttributeValues':{':v':{'S':'changed'}}}");
    DDB(lo, DeleteItem, "{'TableName':'tab','Key':{'pk':{'S':'p2'},'sk':{'N':'2'}}}");
    fill(lo, 20, 21); /* inserted, and gone again */
    DDB(lo, DeleteItem, "{'TableName':'tab','Key':{'pk':{'S':'p20'},'sk':{'N':'20'}}}");
    loopback_advance(lo, 20 * MINUTE_MS);
    int64_t to = loopback_now(lo) / 1000;
    fill(lo, 30, 31);
    assert_holds(DDB(lo, ExportTableToPointInTime,
                     "{'TableArn':'" TABLE_ARN "','S3Bucket':'bucket','ExportType':"
                     "'INCREMENTAL_EXPORT','IncrementalExportSpecification':{'ExportFromTime':%lld,"
                     "'ExportToTime':%lld}}",
                     (long long)from, (long long)from + 60),
                 "less than 15 minutes");
    struct str answer = DDB(lo, ExportTableToPointInTime,
                            "{'TableArn':'" TABLE_ARN "','S3Bucket':'bucket','ExportType':"
                            "'INCREMENTAL_EXPORT','IncrementalExportSpecification':"
                            "{'ExportFromTime':%lld,'ExportToTime':%lld}}",
                            (long long)from, (long long)to);
    loopback_deliver(lo);
    const char *arn = part(lo, answer, "'ExportArn':'");
    answer = DDB(lo, DescribeExport, "{'ExportArn':'%s'}", arn);
    assert_holds(answer, "'ExportStatus':'COMPLETED'");
    const char *key = part(lo, answer, "'ExportManifest':'");
    struct str folder = str_slice(str_from_c(key), 0, str_find_last_char(str_from_c(key), '/'));
    struct str manifest =
        get_object(lo, str_concat(lo->arena, folder, STR("/manifest-files.json")));
    struct str all = exported(lo, manifest, &files);
    assert_int_equal(count(all, "{\"Metadata\":{\"WriteTimestampMicros\":{\"N\":\""), 3);
    assert_int_equal(count(all, "\"OldImage\""), 2);
    assert_int_equal(count(all, "\"NewImage\""), 2);
    assert_holds(all, "\"latest\"");
    assert_holds(all, "\"changed\"");
    assert_int_equal(count(all, "\"p20\""), 0);
    assert_int_equal(count(all, "\"p30\""), 0);
    assert_holds(DDB(lo, ListExports, "{'TableArn':'" TABLE_ARN "'}"), "INCREMENTAL_EXPORT");
}

static void test_export_refusals(void **state)
{
    struct loopback *lo = *state;
    ddb_table(lo);
    assert_holds(
        DDB(lo, ExportTableToPointInTime, "{'TableArn':'" TABLE_ARN "','S3Bucket':'bucket'}"),
        "PointInTimeRecoveryUnavailableException");
    pitr(lo);
    assert_holds(DDB(lo, ExportTableToPointInTime,
                     "{'TableArn':'" TABLE_ARN "','S3Bucket':'bucket','ExportTime':1}"),
                 "InvalidExportTimeException");
    assert_holds(DDB(lo, ExportTableToPointInTime,
                     "{'TableArn':'" TABLE_ARN "','S3Bucket':'bucket','ExportFormat':'ION'}"),
                 "ExportFormat ION is not implemented");
    struct str answer =
        DDB(lo, ExportTableToPointInTime, "{'TableArn':'" TABLE_ARN "','S3Bucket':'nowhere'}");
    const char *arn = part(lo, answer, "'ExportArn':'");
    loopback_deliver(lo);
    answer = DDB(lo, DescribeExport, "{'ExportArn':'%s'}", arn);
    assert_holds(answer, "'ExportStatus':'FAILED'");
    assert_holds(answer, "'FailureCode':'S3NoSuchBucket'");
    assert_holds(
        DDB(lo, DescribeExport, "{'ExportArn':'" TABLE_ARN "/export/01234567890123-a1b2'}"),
        "ExportNotFoundException");
    DDB(lo, DeleteTable, "{'TableName':'tab'}"); /* nothing holds it */
    loopback_deliver(lo);
    assert_holds(DDB(lo, DescribeTable, "{'TableName':'tab'}"), "ResourceNotFoundException");
}

#define PARAMETERS                                                                                 \
    "'TableCreationParameters':{'TableName':'made','AttributeDefinitions':[{'AttributeName':'id'," \
    "'AttributeType':'N'}],'KeySchema':[{'AttributeName':'id','KeyType':'HASH'}],'BillingMode':"   \
    "'PAY_PER_REQUEST'}"

static struct str import(struct loopback *lo, const char *prefix, const char *more)
{
    struct str answer =
        DDB(lo, ImportTable,
            "{'S3BucketSource':{'S3Bucket':'bucket','S3KeyPrefix':'%s'},%s," PARAMETERS "}", prefix,
            more);
    const char *arn = part(lo, answer, "'ImportArn':'");
    loopback_deliver(lo);
    return DDB(lo, DescribeImport, "{'ImportArn':'%s'}", arn);
}

static void test_csv(void **state)
{
    struct loopback *lo = *state;
    bucket(lo);
    put_object(lo, "csv/1.csv",
               STR("id,name,note\r\n1,Ann,\"says \"\"hi\"\", often\"\r\n2,Ben,\"two\nlines\"\r\n"
                   "x,Bad,number\r\n3,short\r\n\r\n"));
    put_object(lo, "csv/2.csv", STR("name,id,note\nCid,4,"));
    put_object(lo, "csv/folder/", STR(""));
    struct str answer = import(lo, "csv/", "'InputFormat':'CSV'");
    assert_holds(answer, "'ImportStatus':'COMPLETED'");
    assert_holds(answer, "'ErrorCount':2");
    assert_holds(answer, "'ProcessedItemCount':5");
    assert_holds(answer, "'ImportedItemCount':3");
    assert_answer(DDB(lo, GetItem, "{'TableName':'made','Key':{'id':{'N':'1'}}}"),
                  "{'Item':{'id':{'N':'1'},'name':{'S':'Ann'},"
                  "'note':{'S':'says \\'hi\\', often'}}}");
    assert_answer(DDB(lo, GetItem, "{'TableName':'made','Key':{'id':{'N':'2'}}}"),
                  "{'Item':{'id':{'N':'2'},'name':{'S':'Ben'},'note':{'S':'two\\nlines'}}}");
    assert_answer(DDB(lo, GetItem, "{'TableName':'made','Key':{'id':{'N':'4'}}}"),
                  "{'Item':{'name':{'S':'Cid'},'id':{'N':'4'},'note':{'S':''}}}");
}

static void test_csv_options(void **state)
{
    struct loopback *lo = *state;
    bucket(lo);
    put_object(lo, "x", STR("7;seven\n8;\"e;ight\"\n"));
    struct str answer = import(lo, "x",
                               "'InputFormat':'CSV','InputFormatOptions':{'Csv':{'Delimiter':';',"
                               "'HeaderList':['id','word']}}");
    assert_holds(answer, "'ImportedItemCount':2");
    assert_answer(DDB(lo, GetItem, "{'TableName':'made','Key':{'id':{'N':'8'}}}"),
                  "{'Item':{'id':{'N':'8'},'word':{'S':'e;ight'}}}");
}

/* Large enough for several portions; taken up inside of the packed stream. */
static void test_packed_portions(void **state)
{
    struct loopback *lo = *state;
    struct buf text, packed;
    bucket(lo);
    buf_init(&text, lo->arena, 8 * 1024 * 1024);
    for (int i = 0; i < 20000; i++)
        buf_append_format(&text, "{\"Item\":{\"id\":{\"N\":\"%d\"},\"v\":{\"S\":\"%0*d\"}}}\n", i,
                          i % 200 + 1, i * 7919);
    buf_append(&text, STR("not json\n{\"Item\":{\"id\":{\"S\":\"no number\"}}}\n{\"NoItem\":1}\n"));
    buf_init(&packed, lo->arena, 8 * 1024 * 1024);
    assert_int_equal(gzip_pack(buf_str(&text), &packed), RESULT_OK);
    put_object(lo, "big.gz", buf_str(&packed));
    struct str answer =
        import(lo, "big", "'InputFormat':'DYNAMODB_JSON','InputCompressionType':'GZIP'");
    assert_holds(answer, "'ImportStatus':'COMPLETED'");
    assert_holds(answer, "'ErrorCount':3");
    assert_holds(answer, "'ImportedItemCount':20000");
    assert_holds(answer,
                 str_to_c(lo->arena, str_format(lo->arena, "'ProcessedSizeBytes':%zu", text.len)));
    assert_holds(DDB(lo, DescribeTable, "{'TableName':'made'}"), "'ItemCount':20000");
}

static void test_import_failures(void **state)
{
    struct loopback *lo = *state;
    struct str answer = import(lo, "x", "'InputFormat':'CSV'");
    assert_holds(answer, "'ImportStatus':'FAILED'");
    assert_holds(answer, "'FailureCode':'S3NoSuchBucket'");
    assert_holds(DDB(lo, DescribeTable, "{'TableName':'made'}"), "ResourceNotFoundException");
    bucket(lo);
    assert_holds(import(lo, "x", "'InputFormat':'CSV'"), "'FailureCode':'S3NoSuchKey'");
    put_object(lo, "x", STR("this is not gzip"));
    assert_holds(import(lo, "x", "'InputFormat':'CSV','InputCompressionType':'GZIP'"),
                 "'FailureCode':'ItemValidationError'");
    put_object(lo, "y", STR("id,a,a\n1,2,3\n"));
    assert_holds(import(lo, "y", "'InputFormat':'CSV'"), "'FailureCode':'ItemValidationError'");
    assert_holds(DDB(lo, ImportTable,
                     "{'S3BucketSource':{'S3Bucket':'bucket'},'InputFormat':'CSV',"
                     "'InputFormatOptions':{'Csv':{'HeaderList':['a','a']}}," PARAMETERS "}"),
                 "ValidationException");
    assert_holds(DDB(lo, ImportTable,
                     "{'S3BucketSource':{'S3Bucket':'bucket'},'InputFormat':'ION'," PARAMETERS "}"),
                 "InputFormat ION is not implemented");
    assert_holds(DDB(lo, ImportTable,
                     "{'S3BucketSource':{'S3Bucket':'bucket'},'InputFormat':'CSV',"
                     "'InputCompressionType':'ZSTD'," PARAMETERS "}"),
                 "InputCompressionType ZSTD is not implemented");
    assert_holds(DDB(lo, ListImports, "{'PageSize':2}"), "'NextToken'");
    loopback_advance(lo, INT64_C(91) * 24 * 60 * MINUTE_MS);
    assert_answer(DDB(lo, ListImports, "{}"), "{'ImportSummaryList':[]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DDB_TEST(test_there_and_back),  DDB_TEST(test_incremental),
        DDB_TEST(test_export_refusals), DDB_TEST(test_csv),
        DDB_TEST(test_csv_options),     DDB_TEST(test_packed_portions),
        DDB_TEST(test_import_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
