/* Processes that end at every single write of the store: in the middle of puts, of packing, of a
 * sweep by the retention, of filters, of an export. What was acknowledged is there, once; so is
 * what functions printed. */
#include <unistd.h>
#include <zlib.h>

#include "cloud/log_sink.h"
#include "service/logs_support.h"
#include "service/s3_support.h"
#include "support/crash.h"

/* What the child tells. */
struct report {
    enum { PUT, PUTTING, PRINTED, EXPORTED } kind; /* PUTTING: a put begins */
    int number;
    char task[36]; /* EXPORTED */
};
enum { NUMBERS = 100, REPORTS_MAX = 200, LARGE = 100000, GZIP = 31 };
#define HOUR_MS (INT64_C(3600) * 1000)

static const char lambda_group[] = "/aws/lambda/f";

/* --- the child --- */

static void tell(int pipe_end, struct report report)
{
    crash_tell(pipe_end, &report, sizeof report);
}

/* Two events in one batch: its number, and its number with a filler. */
static void put(struct loopback *lo, const char *group, int number, int64_t ms, int pipe_end)
{
    char *text = arena_alloc(lo->arena, LARGE);
    memset(text, 'x', LARGE);
    text[0] = (char)('0' + number / 10);
    text[1] = (char)('0' + number % 10);
    struct logs_InputLogEvent events[] = {
        {.timestamp = opt_long(ms), .message = str_make(text, 2)},
        {.timestamp = opt_long(ms), .message = str_make(text, LARGE)},
    };
    tell(pipe_end, (struct report){.kind = PUTTING, .number = number});
    LOGS_OK(lo, PutLogEvents, .logGroupName = str_from_c(group), .logStreamName = STR("s"),
            .logEvents = {events, 2});
    tell(pipe_end, (struct report){.kind = PUT, .number = number});
}

static void print(struct loopback *lo, const char *stream, int number, int pipe_end)
{
    struct log_line line = {.account = lo->account,
                            .region = lo->region,
                            .group = str_from_c(lambda_group),
                            .stream = str_from_c(stream),
                            .time_ms = loopback_now(lo),
                            .text = str_format(lo->arena, "%02d printed", number),
                            .create_group = true};
    log_sink_put(lo->cloud->log_sink, &line);
    tell(pipe_end, (struct report){.kind = PRINTED, .number = number});
}

static void export(struct loopback *lo, int pipe_end)
{
    const struct logs_CreateExportTaskResponse *made = LOGS_OK(
        lo, CreateExportTask, .logGroupName = STR("g"), .from = opt_long(LOOPBACK_NOW - HOUR_MS),
        .to = opt_long(LOOPBACK_NOW + HOUR_MS), .destination = STR("bucket"));
    struct report report = {.kind = EXPORTED};
    assert_int_equal(made->taskId.len, sizeof report.task);
    memcpy(report.task, made->taskId.ptr, sizeof report.task);
    tell(pipe_end, report);
}

static void work(struct loopback *lo, int pipe_end)
{
    for (int i = 0; i < 6; i++) {
        put(lo, "g", i, LOOPBACK_NOW + i, pipe_end);
        print(lo, i % 2 ? "a" : "b", 30 + i, pipe_end);
        if (i % 3 == 2)
            loopback_deliver(lo); /* packs, counts */
    }
    assert_int_equal(log_sink_flush(lo->cloud->log_sink), RESULT_OK);
    for (int i = 6; i < 9; i++)
        print(lo, "a", 30 + i, pipe_end);
    export(lo, pipe_end);
    loopback_deliver(lo);
    for (int i = 20; i < 23; i++)
        put(lo, "short", i, LOOPBACK_NOW - 22 * HOUR_MS, pipe_end);
    loopback_deliver(lo);
    loopback_advance(lo, 3 * HOUR_MS); /* those are beyond the retention now */
    put(lo, "short", 23, LOOPBACK_NOW, pipe_end);
    loopback_deliver(lo);
    assert_int_equal(log_sink_flush(lo->cloud->log_sink), RESULT_OK);
}

/* --- the parent --- */

/* How often each number is there; small and large alike. */
static void count_events(struct loopback *lo, const char *group, int seen[NUMBERS])
{
    struct str token = {0};
    int64_t bytes = 0;
    memset(seen, 0, NUMBERS * sizeof *seen);
    do {
        const struct logs_FilterLogEventsResponse *page =
            LOGS_OK(lo, FilterLogEvents, .logGroupName = str_from_c(group), .nextToken = token);
        for (size_t i = 0; i < page->events.len; i++) {
            struct str message = page->events.items[i].message;
            seen[(message.ptr[0] - '0') * 10 + message.ptr[1] - '0'] += message.len > 2 ? 10 : 1;
            bytes += (int64_t)message.len + 26;
        }
        token = page->nextToken;
    } while (!str_is_absent(token));
    assert_int_equal(LOGS_OK(lo, DescribeLogGroups, .logGroupNamePrefix = str_from_c(group))
                         ->logGroups.items[0]
                         .storedBytes.value,
                     bytes);
}

static bool was_told(const struct report *reports, size_t count, unsigned kind, int number)
{
    for (size_t i = 0; i < count; i++)
        if (reports[i].kind == kind && reports[i].number == number)
            return true;
    return false;
}

static void check_puts(const struct report *reports, size_t count, const int seen[NUMBERS],
                       int from, int to)
{
    for (int i = from; i < to; i++) {
        if (was_told(reports, count, PUT, i))
            assert_int_equal(seen[i], 11);
        else if (was_told(reports, count, PUTTING, i))
            assert_true(seen[i] == 11 || seen[i] == 0);
        else
            assert_int_equal(seen[i], 0);
    }
}

/* Lines in the object. */
static size_t lines_in(struct str packed)
{
    z_stream stream = {.next_in = (unsigned char *)(uintptr_t)packed.ptr,
                       .avail_in = (uInt)packed.len};
    char room[16384];
    size_t lines = 0;
    int status = Z_OK;
    assert_int_equal(inflateInit2(&stream, GZIP), Z_OK);
    while (status == Z_OK) {
        stream.next_out = (unsigned char *)room;
        stream.avail_out = sizeof room;
        status = inflate(&stream, Z_NO_FLUSH);
        for (size_t i = 0; i < sizeof room - stream.avail_out; i++)
            lines += room[i] == '\n';
    }
    assert_int_equal(status, Z_STREAM_END);
    inflateEnd(&stream);
    return lines;
}

static void check_export(struct loopback *lo, const struct report *told, const int seen[NUMBERS])
{
    const struct logs_ExportTask *task =
        LOGS_OK(lo, DescribeExportTasks, .taskId = str_make(told->task, sizeof told->task))
            ->exportTasks.items;
    size_t lines = 0, expected = 0;
    assert_text(task->status->code, STR("COMPLETED"));
    const struct s3_ListObjectsV2Output *list =
        loopback_ok(S3_CALL(lo, ListObjectsV2, .Bucket = STR("bucket"),
                            .Prefix = str_format(lo->arena, "exportedlogs/%.36s/", told->task)));
    for (size_t i = 0; i < list->Contents.len; i++) {
        struct loopback_reply reply =
            S3_CALL(lo, GetObject, .Bucket = STR("bucket"), .Key = list->Contents.items[i].Key);
        loopback_ok(reply);
        lines += lines_in(reply.stream);
    }
    for (int i = 0; i < 6; i++)
        expected += seen[i] == 11 ? 2 : 0;
    assert_int_equal(lines, expected);
}

static void verify(struct loopback *lo, struct str told, bool lived)
{
    struct report reports[REPORTS_MAX];
    size_t count = told.len / sizeof reports[0];
    (void)lived;
    assert_true(count <= REPORTS_MAX && told.len % sizeof reports[0] == 0);
    memcpy(reports, told.ptr, told.len);
    int seen[NUMBERS];
    loopback_deliver(lo);
    assert_int_equal(log_sink_flush(lo->cloud->log_sink), RESULT_OK);
    loopback_deliver(lo);
    count_events(lo, "g", seen);
    check_puts(reports, count, seen, 0, 6);
    for (size_t i = 0; i < count; i++)
        if (reports[i].kind == EXPORTED)
            check_export(lo, &reports[i], seen);
    struct str page = logs_metrics(lo);
    int events = 0;
    for (int i = 0; i < 6; i++)
        events += seen[i] == 11 ? 2 : 0;
    if (events > 0 &&
        str_find(page, str_format(lo->arena, "\"SampleCount\":%d,", events)) == SIZE_MAX)
        fail_msg("%d values are not in %.*s", events, PRSTR(page));
    if (was_told(reports, count, PRINTED, 30)) {
        count_events(lo, lambda_group, seen);
        for (int i = 30; i < 39; i++)
            assert_int_equal(seen[i], was_told(reports, count, PRINTED, i) ? 10 : 0);
    }
    /* Beyond the retention, and then only one is left of the four. */
    loopback_advance(lo, 3 * HOUR_MS);
    for (int i = 0; i < 4; i++) {
        loopback_advance(lo, HOUR_MS);
        loopback_deliver(lo);
    }
    count_events(lo, "short", seen);
    check_puts(reports, count, seen, 23, 24);
    for (int i = 20; i < 23; i++)
        assert_int_equal(seen[i], 0);
}

static void prepare(struct loopback *lo)
{
    static const char *const groups[] = {"g", "short"};
    for (size_t i = 0; i < 2; i++) {
        LOGS_DO(lo, CreateLogGroup, .logGroupName = str_from_c(groups[i]));
        LOGS_DO(lo, CreateLogStream, .logGroupName = str_from_c(groups[i]),
                .logStreamName = STR("s"));
    }
    LOGS_DO(lo, PutRetentionPolicy, .logGroupName = STR("short"), .retentionInDays = opt_int(1));
    struct logs_MetricTransformation value = {
        .metricNamespace = STR("App"), .metricName = STR("All"), .metricValue = STR("1")};
    LOGS_DO(lo, PutMetricFilter, .logGroupName = STR("g"), .filterName = STR("all"),
            .filterPattern = STR(""), .metricTransformations = {&value, 1});
    s3_bucket(lo, "bucket", false);
    loopback_ok(
        S3_CALL(lo, PutBucketPolicy, .Bucket = STR("bucket"),
                .Policy = STR("{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\","
                              "\"Principal\":{\"Service\":\"logs.us-east-1.amazonaws.com\"},"
                              "\"Action\":[\"s3:GetBucketAcl\",\"s3:PutObject\"],\"Resource\":["
                              "\"arn:aws:s3:::bucket\",\"arn:aws:s3:::bucket/*\"]}]}")));
}

static void test_every_write(void **state)
{
    (void)state;
    crash_at_every_write(30, prepare, work, verify);
}

/* --- files of lines that a crash left --- */

static struct str spool_name(struct loopback *lo, const char *number)
{
    return str_format(lo->arena, "%s/lines-%s.spool", lo->directory, number);
}

/* A name beside, under which the file stays. */
static void keep_file(struct loopback *lo)
{
    assert_int_equal(link(str_to_c(lo->arena, spool_name(lo, "1")),
                          str_to_c(lo->arena, str_format(lo->arena, "%s/kept", lo->directory))),
                     0);
}

static void file_back(struct loopback *lo, const char *number)
{
    assert_int_equal(link(str_to_c(lo->arena, str_format(lo->arena, "%s/kept", lo->directory)),
                          str_to_c(lo->arena, spool_name(lo, number))),
                     0);
}

static void nothing_told(struct loopback *lo, int pipe_end)
{
    for (int i = 0; i < 3; i++)
        print(lo, i == 1 ? "a" : "b", i, pipe_end);
    keep_file(lo);
    if (log_sink_flush(lo->cloud->log_sink) != RESULT_OK)
        _exit(1);
}

/* The store has them, but the file was not removed yet: they do not come twice. Of a number that
 * the store does not know they are others. */
static void test_kept_but_not_removed(void **state)
{
    struct loopback *lo = *state;
    int seen[NUMBERS];
    assert_true(crash_at(lo, 1000, nothing_told, NULL));
    for (int round = 1; round <= 2; round++) {
        loopback_stop(lo);
        file_back(lo, round == 1 ? "1" : "7");
        loopback_start(lo);
        assert_int_equal(log_sink_flush(lo->cloud->log_sink), RESULT_OK);
        count_events(lo, lambda_group, seen);
        for (int i = 0; i < 3; i++)
            assert_int_equal(seen[i], round * 10);
        assert_int_not_equal(
            access(str_to_c(lo->arena, spool_name(lo, round == 1 ? "1" : "7")), F_OK), 0);
    }
}

static void put_file(struct loopback *lo, const char *number, const void *bytes, size_t size)
{
    FILE *file = fopen(str_to_c(lo->arena, spool_name(lo, number)), "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

/* Files that are cut, empty, or none of ours are no obstacle. */
static void test_broken_files(void **state)
{
    struct loopback *lo = *state;
    static const char cut[40] = "kumolog1\x10";
    static const char lane[48] = "kumolog1\x20\0\0\0\0\0\0\0\xff\xff\0\0\0\0\0\0";
    static const char line[48] = "kumolog1\x20\0\0\0\0\0\0\0\x04\0\0\0\xff\xff\xff\xff"
                                 "\0\0\0\0\0\0\0\0\x01";
    static const char names[48] = "kumolog1\x20\0\0\0\0\0\0\0\x04\0\0\0\xff\xff\xff\xff";
    loopback_stop(lo);
    put_file(lo, "3", "", 0);
    put_file(lo, "4", "kumolog1", 8);
    put_file(lo, "5", cut, sizeof cut);
    put_file(lo, "6", lane, sizeof lane);
    put_file(lo, "7", line, sizeof line);
    put_file(lo, "8", names, sizeof names);
    put_file(lo, "9", "something else, and long enough", 31);
    loopback_start(lo);
    assert_int_equal(log_sink_flush(lo->cloud->log_sink), RESULT_OK);
    struct log_line next = {.account = lo->account,
                            .region = lo->region,
                            .group = STR("g"),
                            .stream = STR("s"),
                            .time_ms = LOOPBACK_NOW,
                            .text = STR("00 fine"),
                            .create_group = true};
    log_sink_put(lo->cloud->log_sink, &next);
    assert_int_equal(access(str_to_c(lo->arena, spool_name(lo, "10")), F_OK), 0);
    assert_int_equal(log_sink_flush(lo->cloud->log_sink), RESULT_OK);
    int seen[NUMBERS];
    count_events(lo, "g", seen);
    assert_int_equal(seen[0], 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_write),
        LOGS_TEST(test_kept_but_not_removed),
        LOGS_TEST(test_broken_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
