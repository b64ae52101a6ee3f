/* Lines of other parts of the cloud: kept, in order, made room for, lost in sight. */
#include <pthread.h>

#include "cloud/log_sink.h"
#include "service/logs_support.h"

enum { THREADS = 4, LINES = 2000 };

static struct log_line line_of(struct loopback *lo, struct str stream, struct str text)
{
    return (struct log_line){.account = lo->account,
                             .region = lo->region,
                             .group = STR("/aws/lambda/f"),
                             .stream = stream,
                             .time_ms = loopback_now(lo),
                             .text = text,
                             .create_group = true};
}

static const struct logs_GetLogEventsResponse *events_of(struct loopback *lo, struct str stream)
{
    return LOGS_OK(lo, GetLogEvents, .logGroupName = STR("/aws/lambda/f"), .logStreamName = stream,
                   .startFromHead = opt_bool(true));
}

static void flush(struct loopback *lo)
{
    assert_int_equal(log_sink_flush(lo->cloud->log_sink), RESULT_OK);
}

static void test_kept_in_order(void **state)
{
    struct loopback *lo = *state;
    struct log_line line = line_of(lo, STR("a"), STR("one"));
    log_sink_put(lo->cloud->log_sink, &line);
    line.text = STR("");
    log_sink_put(lo->cloud->log_sink, &line);
    line.text = STR("two");
    log_sink_put(lo->cloud->log_sink, &line);
    line.text = STR("before");
    line.time_ms -= 1000;
    log_sink_put(lo->cloud->log_sink, &line);
    flush(lo);
    const struct logs_GetLogEventsResponse *page = events_of(lo, STR("a"));
    assert_int_equal(page->events.len, 3);
    assert_true(str_eq(page->events.items[0].message, STR("before")));
    assert_true(str_eq(page->events.items[1].message, STR("one")));
    assert_true(str_eq(page->events.items[2].message, STR("two")));
    assert_int_equal(page->events.items[0].timestamp.value, LOOPBACK_NOW - 1000);
}

static void test_group_is_not_made_unasked(void **state)
{
    struct loopback *lo = *state;
    struct log_line line = line_of(lo, STR("a"), STR("one"));
    line.create_group = false;
    log_sink_put(lo->cloud->log_sink, &line);
    flush(lo);
    LOGS_FAILS(lo, "ResourceNotFoundException", NULL, GetLogEvents,
               .logGroupName = STR("/aws/lambda/f"), .logStreamName = STR("a"));
    LOGS_DO(lo, CreateLogGroup, .logGroupName = STR("/aws/lambda/f"));
    log_sink_put(lo->cloud->log_sink, &line);
    flush(lo);
    assert_int_equal(events_of(lo, STR("a"))->events.len, 1);
}

struct writer {
    struct loopback *lo;
    struct str stream;
};

static void *write_lines(void *context)
{
    struct writer *writer = context;
    struct log_line line = line_of(writer->lo, writer->stream, (struct str){0});
    for (int i = 0; i < LINES; i++) {
        char text[20];
        snprintf(text, sizeof text, "%d", i);
        line.text = str_from_c(text);
        log_sink_put(writer->lo->cloud->log_sink, &line);
    }
    return NULL;
}

/* With the cloud's own threads running; its end keeps what is left. */
static void test_many_threads(void **state)
{
    struct loopback *lo = *state;
    struct writer writers[THREADS];
    pthread_t threads[THREADS];
    assert_int_equal(cloud_start(lo->cloud), RESULT_OK);
    for (int i = 0; i < THREADS; i++) {
        writers[i] = (struct writer){lo, str_format(lo->arena, "stream-%d", i)};
        pthread_create(&threads[i], NULL, write_lines, &writers[i]);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    loopback_reopen(lo);
    for (int i = 0; i < THREADS; i++) {
        const struct logs_GetLogEventsResponse *page = events_of(lo, writers[i].stream);
        assert_int_equal(page->events.len, LINES);
        for (int at = 0; at < LINES; at++) {
            int64_t number;
            assert_true(str_to_i64(page->events.items[at].message, &number));
            assert_int_equal(number, at);
        }
    }
}

static void test_too_many_are_counted(void **state)
{
    struct loopback *lo = *state;
    enum { SIZE = 100000, COUNT = 100 };
    char *text = arena_alloc(lo->arena, SIZE);
    memset(text, 'x', SIZE);
    struct log_line line = line_of(lo, STR("a"), str_make(text, SIZE));
    for (int i = 0; i < COUNT; i++)
        log_sink_put(lo->cloud->log_sink, &line);
    flush(lo);
    int64_t lost = 0, seen = 0;
    struct str token = {0};
    for (;;) {
        const struct logs_GetLogEventsResponse *page =
            LOGS_OK(lo, GetLogEvents, .logGroupName = STR("/aws/lambda/f"),
                    .logStreamName = STR("a"), .startFromHead = opt_bool(true), .nextToken = token);
        for (size_t i = 0; i < page->events.len; i++) {
            struct str head, rest;
            if (page->events.items[i].message.len == SIZE)
                seen++;
            else if (str_cut(page->events.items[i].message, ' ', &head, &rest))
                assert_true(str_to_i64(head, &lost));
        }
        if (page->events.len == 0)
            break;
        token = page->nextForwardToken;
    }
    assert_int_equal(seen, LOG_SINK_BYTES / (SIZE + 50));
    assert_int_equal(seen + lost, COUNT);
    line.text = STR("afterwards");
    log_sink_put(lo->cloud->log_sink, &line);
    flush(lo);
}

static void test_any_text(void **state)
{
    struct loopback *lo = *state;
    size_t size = 2 * LOG_SINK_EVENT_MAX;
    char *text = arena_alloc(lo->arena, size);
    for (size_t i = 0; i + 1 < size; i += 2)
        memcpy(text + i, "\xc3\xa4", 2); /* of two bytes: a cut in the middle would show */
    struct log_line line = line_of(lo, STR("a"), str_make(text, size));
    log_sink_put(lo->cloud->log_sink, &line);
    line.text = STR("a\xff\xc3z");
    line.stream = STR("b");
    log_sink_put(lo->cloud->log_sink, &line);
    flush(lo);
    const struct logs_GetLogEventsResponse *page = events_of(lo, STR("b"));
    assert_true(str_eq(page->events.items[0].message, STR("a\xef\xbf\xbd\xef\xbf\xbdz")));
    page = events_of(lo, STR("a"));
    assert_int_equal(page->events.items[0].message.len, LOG_SINK_EVENT_MAX);
    assert_true(str_is_utf8(page->events.items[0].message));
    page =
        LOGS_OK(lo, GetLogEvents, .logGroupName = STR("/aws/lambda/f"), .logStreamName = STR("a"),
                .startFromHead = opt_bool(true), .nextToken = page->nextForwardToken);
    assert_int_equal(page->events.items[0].message.len, size - LOG_SINK_EVENT_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOGS_TEST(test_kept_in_order), LOGS_TEST(test_group_is_not_made_unasked),
        LOGS_TEST(test_many_threads),  LOGS_TEST(test_too_many_are_counted),
        LOGS_TEST(test_any_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
