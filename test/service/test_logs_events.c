/* Events there and back: order, pages, tokens, segments, retention, limits. */
#include <stdlib.h>

#include "service/logs_support.h"

enum { BATCHES = 500, PER_BATCH = 12 };

static uint64_t seed = 20261121;

static uint64_t draw(uint64_t bound)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % bound;
}

struct known {
    int64_t ms;
    int number;
};

static int by_time(const void *a, const void *b)
{
    const struct known *left = a, *right = b;
    if (left->ms != right->ms)
        return left->ms < right->ms ? -1 : 1;
    return left->number - right->number;
}

static void new_stream(struct loopback *lo, const char *name)
{
    LOGS_DO(lo, CreateLogStream, .logGroupName = STR("g"), .logStreamName = str_from_c(name));
}

/* Batches at random times of three days, in whatever order; some segments, some tail. */
static size_t fill(struct loopback *lo, struct known *known)
{
    size_t count = 0;
    static char filler[400];
    memset(filler, 'x', sizeof filler - 1);
    for (int batch = 0; batch < BATCHES; batch++) {
        struct logs_InputLogEvent events[PER_BATCH];
        int64_t ms = LOOPBACK_NOW - 3 * 86400000 + (int64_t)draw(3 * 86400) * 1000;
        for (size_t i = 0; i < PER_BATCH; i++) {
            ms += (int64_t)draw(3);
            known[count] = (struct known){ms, (int)count};
            events[i] = (struct logs_InputLogEvent){
                .timestamp = opt_long(ms),
                .message = str_format(lo->arena, "%zu %.*s", count, (int)draw(400), filler)};
            count++;
        }
        LOGS_OK(lo, PutLogEvents, .logGroupName = STR("g"), .logStreamName = STR("s"),
                .logEvents = {events, PER_BATCH});
        if (draw(40) == 0)
            loopback_deliver(lo);
    }
    return count;
}

static int number_of(struct str message)
{
    struct str head, rest;
    int64_t number;
    assert_true(str_cut(message, ' ', &head, &rest));
    assert_true(str_to_i64(head, &number));
    return (int)number;
}

static void test_there_and_back(void **state)
{
    struct loopback *lo = *state;
    struct known *known = heap_alloc(sizeof *known * BATCHES * PER_BATCH);
    LOGS_DO(lo, CreateLogGroup, .logGroupName = STR("g"));
    new_stream(lo, "s");
    size_t count = fill(lo, known);
    loopback_reopen(lo);
    qsort(known, count, sizeof *known, by_time);
    /* Forward. */
    struct str token = {0};
    size_t seen = 0;
    for (;;) {
        const struct logs_GetLogEventsResponse *page =
            LOGS_OK(lo, GetLogEvents, .logGroupName = STR("g"), .logStreamName = STR("s"),
                    .limit = opt_int(97), .startFromHead = opt_bool(true), .nextToken = token);
        for (size_t i = 0; i < page->events.len; i++, seen++) {
            assert_int_equal(page->events.items[i].timestamp.value, known[seen].ms);
            assert_int_equal(number_of(page->events.items[i].message), known[seen].number);
        }
        if (str_eq(page->nextForwardToken, token)) {
            assert_int_equal(page->events.len, 0);
            break;
        }
        token = page->nextForwardToken;
    }
    assert_int_equal(seen, count);
    /* Backward from there. */
    token = (struct str){0};
    for (;;) {
        const struct logs_GetLogEventsResponse *page =
            LOGS_OK(lo, GetLogEvents, .logGroupName = STR("g"), .logStreamName = STR("s"),
                    .limit = opt_int(89), .nextToken = token);
        for (size_t i = page->events.len; i-- > 0;) {
            seen--;
            assert_int_equal(number_of(page->events.items[i].message), known[seen].number);
        }
        if (str_eq(page->nextBackwardToken, token))
            break;
        token = page->nextBackwardToken;
    }
    assert_int_equal(seen, 0);
    /* Any window. */
    for (int i = 0; i < 60; i++) {
        size_t from = draw(count), to = from + draw(300), expected = 0;
        if (to >= count)
            to = count - 1;
        for (size_t k = 0; k < count; k++)
            expected += known[k].ms >= known[from].ms && known[k].ms < known[to].ms;
        const struct logs_GetLogEventsResponse *page =
            LOGS_OK(lo, GetLogEvents, .logGroupName = STR("g"), .logStreamName = STR("s"),
                    .startTime = opt_long(known[from].ms), .endTime = opt_long(known[to].ms),
                    .startFromHead = opt_bool(i % 2 == 0));
        assert_int_equal(page->events.len, expected);
    }
    heap_free(known);
}

static void test_tokens_wait_at_the_end(void **state)
{
    struct loopback *lo = *state;
    LOGS_DO(lo, CreateLogGroup, .logGroupName = STR("g"));
    new_stream(lo, "s");
    new_stream(lo, "other");
    const struct logs_GetLogEventsResponse *page =
        LOGS_OK(lo, GetLogEvents, .logGroupName = STR("g"), .logStreamName = STR("s"));
    assert_int_equal(page->events.len, 0);
    struct str token = page->nextForwardToken;
    logs_put(lo, "s", LOOPBACK_NOW, "one");
    page = LOGS_OK(lo, GetLogEvents, .logGroupName = STR("g"), .logStreamName = STR("s"),
                   .nextToken = token);
    assert_int_equal(page->events.len, 1);
    struct str end = page->nextForwardToken;
    page = LOGS_OK(lo, GetLogEvents, .logGroupName = STR("g"), .logStreamName = STR("s"),
                   .nextToken = end);
    assert_int_equal(page->events.len, 0);
    assert_true(str_eq(page->nextForwardToken, end));
    page = LOGS_OK(lo, GetLogEvents, .logGroupName = STR("g"), .logStreamName = STR("s"),
                   .nextToken = page->nextBackwardToken);
    assert_int_equal(page->events.len, 1);
    LOGS_FAILS(lo, "InvalidParameterException", "The specified nextToken is invalid.", GetLogEvents,
               .logGroupName = STR("g"), .logStreamName = STR("other"), .nextToken = end);
    LOGS_FAILS(lo, "InvalidParameterException", NULL, GetLogEvents, .logGroupName = STR("g"),
               .logStreamName = STR("s"), .nextToken = STR("f/12/s"));
}

static void test_filter_is_interleaved_and_paged(void **state)
{
    struct loopback *lo = *state;
    LOGS_DO(lo, CreateLogGroup, .logGroupName = STR("g"));
    for (int s = 0; s < 5; s++)
        new_stream(lo, str_to_c(lo->arena, str_format(lo->arena, "s%d", s)));
    for (int i = 0; i < 200; i++)
        logs_put(lo, str_to_c(lo->arena, str_format(lo->arena, "s%d", i % 5)),
                 LOOPBACK_NOW - 1000 + i / 2,
                 str_to_c(lo->arena, str_format(lo->arena, "%s %d", i % 3 ? "WARN" : "ERROR", i)));
    for (int backward = 0; backward < 2; backward++) {
        struct str token = {0}, id = {0};
        size_t seen = 0;
        do {
            const struct logs_FilterLogEventsResponse *page = LOGS_OK(
                lo, FilterLogEvents, .logGroupName = STR("g"), .filterPattern = STR("ERROR"),
                .limit = opt_int(7), .nextToken = token, .startTime = opt_long(LOOPBACK_NOW - 2000),
                .startFromHead = backward ? opt_bool(false) : (struct opt_bool){0});
            for (size_t i = 0; i < page->events.len; i++, seen++) {
                struct str now = page->events.items[i].eventId;
                assert_true(str_starts_with(page->events.items[i].message, STR("ERROR")));
                assert_int_equal(now.len, 56);
                assert_true(str_is_absent(id) || (str_cmp(id, now) < 0) == (backward == 0));
                id = now;
            }
            token = page->nextToken;
        } while (!str_is_absent(token));
        assert_int_equal(seen, 67);
    }
    struct str names[] = {STR("s1"), STR("s3")};
    assert_int_equal(
        LOGS_OK(lo, FilterLogEvents, .logGroupName = STR("g"), .logStreamNames = {names, 2})
            ->events.len,
        80);
    assert_int_equal(
        LOGS_OK(lo, FilterLogEvents, .logGroupName = STR("g"), .logStreamNamePrefix = STR("s4"))
            ->events.len,
        40);
    assert_int_equal(LOGS_OK(lo, FilterLogEvents, .logGroupName = STR("g"),
                             .startTime = opt_long(LOOPBACK_NOW - 1000),
                             .endTime = opt_long(LOOPBACK_NOW - 1000))
                         ->events.len,
                     2);
    LOGS_FAILS(lo, "InvalidParameterException", NULL, FilterLogEvents, .logGroupName = STR("g"),
               .logStreamNames = {names, 2}, .logStreamNamePrefix = STR("s"));
    LOGS_FAILS(lo, "InvalidParameterException", NULL, FilterLogEvents, .logGroupName = STR("g"),
               .filterPattern = STR("{ $.a"));
    LOGS_FAILS(lo, "ResourceNotFoundException", "The specified log group does not exist.",
               FilterLogEvents, .logGroupName = STR("h"));
}

/* A reply ends at a mebibyte, and nothing is left out between two of them. */
static void test_long_events_are_paged(void **state)
{
    struct loopback *lo = *state;
    enum { SIZE = 300000, COUNT = 8 };
    char *text = heap_alloc(SIZE + 1);
    struct str token = {0};
    size_t seen = 0;
    memset(text, 'x', SIZE);
    LOGS_DO(lo, CreateLogGroup, .logGroupName = STR("g"));
    new_stream(lo, "s");
    for (int i = 0; i < COUNT; i++) {
        text[0] = (char)('0' + i);
        logs_put(lo, "s", LOOPBACK_NOW + i, text);
    }
    do {
        const struct logs_FilterLogEventsResponse *page =
            LOGS_OK(lo, FilterLogEvents, .logGroupName = STR("g"), .nextToken = token);
        assert_true(page->events.len <= 3);
        for (size_t i = 0; i < page->events.len; i++)
            assert_int_equal(page->events.items[i].message.ptr[0], '0' + (int)seen++);
        token = page->nextToken;
    } while (!str_is_absent(token));
    assert_int_equal(seen, COUNT);
    heap_free(text);
}

static void test_what_is_refused(void **state)
{
    struct loopback *lo = *state;
    LOGS_DO(lo, CreateLogGroup, .logGroupName = STR("g"));
    LOGS_FAILS(lo, "ResourceAlreadyExistsException", "The specified log group already exists",
               CreateLogGroup, .logGroupName = STR("g"));
    LOGS_FAILS(lo, "NotImplemented", NULL, CreateLogGroup, .logGroupName = STR("k"),
               .kmsKeyId = STR("arn:aws:kms:us-east-1:000000000000:key/1"));
    new_stream(lo, "s");
    LOGS_FAILS(lo, "ResourceAlreadyExistsException", "The specified log stream already exists",
               CreateLogStream, .logGroupName = STR("g"), .logStreamName = STR("s"));
    struct logs_InputLogEvent events[3] = {
        {.timestamp = opt_long(LOOPBACK_NOW), .message = STR("b")},
        {.timestamp = opt_long(LOOPBACK_NOW - 1), .message = STR("a")},
    };
    LOGS_FAILS(lo, "InvalidParameterException",
               "Log events in a single PutLogEvents request must be in chronological order.",
               PutLogEvents, .logGroupName = STR("g"), .logStreamName = STR("s"),
               .logEvents = {events, 2});
    events[0].timestamp.value = LOOPBACK_NOW - 86400001;
    events[1].timestamp.value = LOOPBACK_NOW;
    LOGS_FAILS(lo, "InvalidParameterException",
               "The batch of log events in a single PutLogEvents request cannot span more than 24 "
               "hours.",
               PutLogEvents, .logGroupName = STR("g"), .logStreamName = STR("s"),
               .logEvents = {events, 2});
    char *large = heap_alloc(1048576);
    memset(large, 'x', 1048576);
    events[0].message = str_make(large, 1048576 - 25);
    LOGS_FAILS(lo, "InvalidParameterException",
               "Log event too large: 1048577 bytes exceeds limit of 1048576", PutLogEvents,
               .logGroupName = STR("g"), .logStreamName = STR("s"), .logEvents = {events, 1});
    events[0].timestamp = events[1].timestamp;
    events[0].message = str_make(large, 1048576 - 26);
    LOGS_FAILS(lo, "InvalidParameterException",
               "Upload too large: 1048603 bytes exceeds limit of 1048576", PutLogEvents,
               .logGroupName = STR("g"), .logStreamName = STR("s"), .logEvents = {events, 2});
    LOGS_OK(lo, PutLogEvents, .logGroupName = STR("g"), .logStreamName = STR("s"),
            .logEvents = {events, 1});
    heap_free(large);
    /* Too old, fine, too new. */
    events[0] =
        (struct logs_InputLogEvent){opt_long(LOOPBACK_NOW - 15 * INT64_C(86400000)), STR("old")};
    events[1] = (struct logs_InputLogEvent){opt_long(LOOPBACK_NOW), STR("fine")};
    events[2] = (struct logs_InputLogEvent){opt_long(LOOPBACK_NOW + 3 * 3600000), STR("new")};
    const struct logs_PutLogEventsResponse *put =
        LOGS_OK(lo, PutLogEvents, .logGroupName = STR("g"), .logStreamName = STR("s"),
                .logEvents = {events, 3}, .sequenceToken = STR("whatever"));
    assert_int_equal(put->rejectedLogEventsInfo->tooOldLogEventEndIndex.value, 1);
    assert_int_equal(put->rejectedLogEventsInfo->tooNewLogEventStartIndex.value, 2);
    assert_false(put->rejectedLogEventsInfo->expiredLogEventEndIndex.set);
    assert_int_equal(put->nextSequenceToken.len, 56);
}

static size_t left(struct loopback *lo)
{
    return LOGS_OK(lo, GetLogEvents, .logGroupName = STR("g"), .logStreamName = STR("s"),
                   .startFromHead = opt_bool(true))
        ->events.len;
}

static int64_t stored(struct loopback *lo)
{
    return LOGS_OK(lo, DescribeLogGroups, .logGroupNamePrefix = STR("g"))
        ->logGroups.items[0]
        .storedBytes.value;
}

static void test_retention_goes_by_the_clock(void **state)
{
    struct loopback *lo = *state;
    LOGS_DO(lo, CreateLogGroup, .logGroupName = STR("g"));
    new_stream(lo, "s");
    logs_put(lo, "s", LOOPBACK_NOW, "one");
    LOGS_FAILS(lo, "InvalidParameterException", NULL, PutRetentionPolicy, .logGroupName = STR("g"),
               .retentionInDays = opt_int(2));
    LOGS_DO(lo, PutRetentionPolicy, .logGroupName = STR("g"), .retentionInDays = opt_int(1));
    assert_int_equal(left(lo), 1);
    assert_int_equal(stored(lo), 29);
    loopback_advance(lo, 86400000);
    assert_int_equal(left(lo), 1);
    loopback_advance(lo, 1000);
    assert_int_equal(left(lo), 0); /* at once, for who reads */
    for (int i = 0; i < 4; i++) {
        loopback_advance(lo, 3600000);
        loopback_deliver(lo);
    }
    assert_int_equal(stored(lo), 0);
    logs_put(lo, "s", loopback_now(lo), "two");
    assert_int_equal(left(lo), 1);
    LOGS_DO(lo, DeleteRetentionPolicy, .logGroupName = STR("g"));
    loopback_advance(lo, INT64_C(86400000) * 9);
    loopback_deliver(lo);
    assert_int_equal(left(lo), 1);
}

static void test_streams_in_both_orders(void **state)
{
    struct loopback *lo = *state;
    LOGS_DO(lo, CreateLogGroup, .logGroupName = STR("g"));
    static const char *const names[] = {"a", "b", "bb", "c"};
    for (size_t i = 0; i < 4; i++)
        new_stream(lo, names[i]);
    for (size_t i = 0; i < 4; i++)
        logs_put(lo, names[i], LOOPBACK_NOW - (int64_t)i * 1000, "x");
    const struct logs_DescribeLogStreamsResponse *page;
    for (int order = 0; order < 4; order++) {
        static const char *const expected[] = {"abbbc", "cbbba", "cbbba", "abbbc"};
        struct str token = {0};
        char seen[32] = "";
        struct buf text;
        buf_init_fixed(&text, seen, sizeof seen);
        do {
            page = LOGS_OK(lo, DescribeLogStreams, .logGroupName = STR("g"),
                           .orderBy = order < 2 ? STR("LogStreamName") : STR("LastEventTime"),
                           .descending = opt_bool(order % 2 == 1), .limit = opt_int(1),
                           .nextToken = token);
            assert_true(page->logStreams.len <= 1);
            if (page->logStreams.len == 1)
                buf_append(&text, page->logStreams.items[0].logStreamName);
            token = page->nextToken;
        } while (!str_is_absent(token));
        assert_true(str_eq(buf_str(&text), str_from_c(expected[order])));
    }
    page = LOGS_OK(lo, DescribeLogStreams, .logGroupName = STR("g"),
                   .logStreamNamePrefix = STR("b"), .descending = opt_bool(true));
    assert_int_equal(page->logStreams.len, 2);
    assert_int_equal(page->logStreams.items[0].lastEventTimestamp.value, LOOPBACK_NOW - 2000);
    LOGS_FAILS(lo, "InvalidParameterException",
               "Cannot order by LastEventTime with a logStreamNamePrefix.", DescribeLogStreams,
               .logGroupName = STR("g"), .logStreamNamePrefix = STR("b"),
               .orderBy = STR("LastEventTime"));
    LOGS_DO(lo, DeleteLogStream, .logGroupName = STR("g"), .logStreamName = STR("b"));
    loopback_deliver(lo);
    assert_int_equal(LOGS_OK(lo, DescribeLogStreams, .logGroupName = STR("g"))->logStreams.len, 3);
    assert_int_equal(stored(lo), 3 * 27);
    LOGS_DO(lo, DeleteLogGroup, .logGroupName = STR("g"));
    loopback_deliver(lo);
    LOGS_DO(lo, CreateLogGroup, .logGroupName = STR("g"));
    assert_int_equal(LOGS_OK(lo, DescribeLogStreams, .logGroupName = STR("g"))->logStreams.len, 0);
    assert_int_equal(stored(lo), 0);
}

int main(void)
{
    printf("seed %llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        LOGS_TEST(test_there_and_back),
        LOGS_TEST(test_tokens_wait_at_the_end),
        LOGS_TEST(test_filter_is_interleaved_and_paged),
        LOGS_TEST(test_long_events_are_paged),
        LOGS_TEST(test_what_is_refused),
        LOGS_TEST(test_retention_goes_by_the_clock),
        LOGS_TEST(test_streams_in_both_orders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
