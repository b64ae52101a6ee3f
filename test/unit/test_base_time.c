#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/rng.h"
#include "base/time.h"

static void test_clocks(void **state)
{
    (void)state;
    assert_true(time_wall_ms() > INT64_C(1700000000000));
    uint64_t before = time_monotonic_ns();
    assert_true(time_monotonic_ns() >= before);
}

/* Every day from 1600 to 2500 against the C library's calendar. */
static void test_every_day(void **state)
{
    (void)state;
    int64_t last = INT64_C(16725225600); /* 2500-01-01 */
    for (int64_t seconds = -INT64_C(11676096000); seconds < last; seconds += 86400) {
        time_t t = (time_t)(seconds + 3661);
        struct tm tm;
        gmtime_r(&t, &tm);
        struct civil_time civil = time_to_civil(((int64_t)t) * 1000 + 7);
        assert_int_equal(civil.year, tm.tm_year + 1900);
        assert_int_equal(civil.month, tm.tm_mon + 1);
        assert_int_equal(civil.day, tm.tm_mday);
        assert_int_equal(civil.hour, 1);
        assert_int_equal(civil.minute, 1);
        assert_int_equal(civil.second, 1);
        assert_int_equal(civil.millisecond, 7);
        assert_int_equal(civil.weekday, tm.tm_wday);
        assert_true(time_from_civil(&civil) == (int64_t)t * 1000 + 7);
    }
}

static void test_before_the_epoch(void **state)
{
    (void)state;
    struct civil_time civil = time_to_civil(-1);
    assert_int_equal(civil.year, 1969);
    assert_int_equal(civil.month, 12);
    assert_int_equal(civil.day, 31);
    assert_int_equal(civil.second, 59);
    assert_int_equal(civil.millisecond, 999);
    assert_int_equal(civil.weekday, 3);
    assert_true(time_from_civil(&civil) == -1);
}

static void test_round_trip(void **state)
{
    (void)state;
    rng_set_seed(9);
    for (int i = 0; i < 100000; i++) {
        int64_t ms = (int64_t)(rng_u64() >> 2) - (INT64_C(1) << 61);
        struct civil_time civil = time_to_civil(ms);
        assert_true(time_from_civil(&civil) == ms);
    }
}

static void test_months_carry(void **state)
{
    (void)state;
    struct civil_time late = {.year = 2026, .month = 14, .day = 1};
    struct civil_time same = {.year = 2027, .month = 2, .day = 1};
    assert_true(time_from_civil(&late) == time_from_civil(&same));
    struct civil_time early = {.year = 2026, .month = 0, .day = 1};
    struct civil_time december = {.year = 2025, .month = 12, .day = 1};
    assert_true(time_from_civil(&early) == time_from_civil(&december));
}

typedef void formatter(struct buf *out, int64_t ms);

static void assert_text(formatter *format, int64_t ms, const char *expected)
{
    char memory[64];
    struct buf buf;
    buf_init_fixed(&buf, memory, sizeof(memory) - 1);
    format(&buf, ms);
    memory[buf.len] = '\0';
    assert_string_equal(memory, expected);
}

static void test_formats(void **state)
{
    (void)state;
    int64_t t = INT64_C(1795238100000);
    assert_text(time_format_iso8601, t, "2026-11-21T05:15:00Z");
    assert_text(time_format_iso8601, t + 70, "2026-11-21T05:15:00.070Z");
    assert_text(time_format_http, t, "Sat, 21 Nov 2026 05:15:00 GMT");
    assert_text(time_format_http, t + 123, "Sat, 21 Nov 2026 05:15:00.123 GMT");
    assert_text(time_format_basic, t + 999, "20261121T051500Z");
    assert_text(time_format_iso8601, 0, "1970-01-01T00:00:00Z");
    assert_text(time_format_iso8601, -1, "1969-12-31T23:59:59.999Z");
    assert_text(time_format_iso8601, INT64_C(-62167219200000), "0000-01-01T00:00:00Z");
    assert_text(time_format_iso8601, INT64_C(253402300799999), "9999-12-31T23:59:59.999Z");
    assert_text(time_format_iso8601, INT64_C(253402300800000), "+000010000-01-01T00:00:00Z");
    assert_text(time_format_iso8601, INT64_MAX, "+292278994-08-17T07:12:55.807Z");
    assert_text(time_format_http, INT64_MIN, "Sun, 16 May -292275055 16:47:04.192 GMT");
}

typedef bool parser(struct str s, int64_t *ms);

static void assert_parsed(parser *parse, const char *text, int64_t expected)
{
    int64_t ms;
    if (!parse(str_from_c(text), &ms))
        fail_msg("%s is a time", text);
    if (ms != expected)
        fail_msg("%s became %lld", text, (long long)ms);
}

static void assert_refused(parser *parse, const char *const *texts, size_t count)
{
    int64_t ms = 77;
    for (size_t i = 0; i < count; i++)
        if (parse(str_from_c(texts[i]), &ms) || ms != 77)
            fail_msg("%s is no time", texts[i]);
    assert_false(parse((struct str){0}, &ms));
}

/* Every prefix of a time, and a time with anything after it, is no time. */
static void assert_whole(parser *parse, const char *text)
{
    int64_t ms;
    char memory[64];
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++)
        assert_false(parse(str_make(text, i), &ms));
    memcpy(memory, text, len);
    for (int c = 0; c < 256; c++) {
        memory[len] = (char)c;
        assert_false(parse(str_make(memory, len + 1), &ms));
    }
}

static void test_parse_iso8601(void **state)
{
    (void)state;
    int64_t t = INT64_C(1795238100000);
    assert_parsed(time_parse_iso8601, "2026-11-21T05:15:00Z", t);
    assert_parsed(time_parse_iso8601, "2026-11-21T05:15:00.5Z", t + 500);
    assert_parsed(time_parse_iso8601, "2026-11-21T05:15:00.123Z", t + 123);
    assert_parsed(time_parse_iso8601, "2026-11-21T05:15:00.123999999999999Z", t + 123);
    assert_parsed(time_parse_iso8601, "2026-11-21T14:15:00+09:00", t);
    assert_parsed(time_parse_iso8601, "2026-11-21T01:45:00.001-03:30", t + 1);
    assert_parsed(time_parse_iso8601, "2026-11-21T05:15:00-00:00", t);
    assert_parsed(time_parse_iso8601, "2024-02-29T00:00:00Z", INT64_C(1709164800000));
    assert_parsed(time_parse_iso8601, "0000-01-01T00:00:00Z", INT64_C(-62167219200000));
    assert_parsed(time_parse_iso8601, "9999-12-31T23:59:59.999Z", INT64_C(253402300799999));
    static const char *const bad[] = {"2026-11-21",
                                      "2026-11-21T05:15Z",
                                      "2026-11-21 05:15:00Z",
                                      "2026-11-21t05:15:00z",
                                      "2026-13-21T05:15:00Z",
                                      "2026-00-21T05:15:00Z",
                                      "2026-11-31T05:15:00Z",
                                      "2026-02-29T05:15:00Z",
                                      "1900-02-29T05:15:00Z",
                                      "2026-11-00T05:15:00Z",
                                      "2026-11-21T24:00:00Z",
                                      "2026-11-21T05:60:00Z",
                                      "2026-11-21T05:15:60Z",
                                      "2026-11-21T05:15:00.Z",
                                      "2026-11-21T05:15:00,5Z",
                                      "2026-11-21T05:15:00",
                                      "2026-11-21T05:15:00+0900",
                                      "2026-11-21T05:15:00+24:00",
                                      "2026-1-21T05:15:00Z",
                                      "+2026-11-21T05:15:00Z",
                                      "-026-11-21T05:15:00Z",
                                      " 2026-11-21T05:15:00Z",
                                      "2026-11-21T05:15:00+09:60",
                                      "2026-11-21T0 :15:00Z"};
    assert_refused(time_parse_iso8601, bad, sizeof(bad) / sizeof(bad[0]));
    assert_whole(time_parse_iso8601, "2026-11-21T05:15:00Z");
}

static void test_parse_http(void **state)
{
    (void)state;
    int64_t t = INT64_C(1795238100000);
    assert_parsed(time_parse_http, "Sat, 21 Nov 2026 05:15:00 GMT", t);
    assert_parsed(time_parse_http, "Sat, 21 Nov 2026 05:15:00.25 GMT", t + 250);
    assert_parsed(time_parse_http, "Thu, 01 Jan 1970 00:00:00 GMT", 0);
    static const char *const bad[] = {
        "Sun, 21 Nov 2026 05:15:00 GMT", "sat, 21 Nov 2026 05:15:00 GMT",
        "Sat, 21 nov 2026 05:15:00 GMT", "Sat, 1 Nov 2026 05:15:00 GMT",
        "Sat 21 Nov 2026 05:15:00 GMT",  "Sat, 21 Nov 2026 05:15:00 UTC",
        "Sat, 21 Nov 26 05:15:00 GMT",   "Mon, 30 Feb 2026 05:15:00 GMT",
        "Sat, 21 Nov 2026 05:15:00",     "Sat, 21 Foo 2026 05:15:00 GMT"};
    assert_refused(time_parse_http, bad, sizeof(bad) / sizeof(bad[0]));
    assert_whole(time_parse_http, "Sat, 21 Nov 2026 05:15:00 GMT");
}

static void test_parse_basic(void **state)
{
    (void)state;
    assert_parsed(time_parse_basic, "20261121T051500Z", INT64_C(1795238100000));
    static const char *const bad[] = {
        "20261121T051500",  "20261121t051500Z",     "20261121T0515000Z",   "20261321T051500Z",
        "20260229T051500Z", "20261121T051500.000Z", "2026-11-21T05:15:00Z"};
    assert_refused(time_parse_basic, bad, sizeof(bad) / sizeof(bad[0]));
    assert_whole(time_parse_basic, "20261121T051500Z");
}

/* What is written is read back. */
static void test_written_is_read(void **state)
{
    (void)state;
    rng_set_seed(13);
    for (int i = 0; i < 20000; i++) {
        int64_t ms = (int64_t)rng_below(INT64_C(253402300800000));
        char memory[64];
        struct buf buf;
        int64_t back;
        buf_init_fixed(&buf, memory, sizeof(memory));
        time_format_iso8601(&buf, ms);
        assert_true(time_parse_iso8601(buf_str(&buf), &back) && back == ms);
        buf_clear(&buf);
        time_format_http(&buf, ms);
        assert_true(time_parse_http(buf_str(&buf), &back) && back == ms);
        buf_clear(&buf);
        time_format_basic(&buf, ms);
        assert_true(time_parse_basic(buf_str(&buf), &back) && back == ms - ms % 1000);
    }
}

int main(void)
{
    printf("seeds: 9, 13\n");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clocks),           cmocka_unit_test(test_every_day),
        cmocka_unit_test(test_before_the_epoch), cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_months_carry),     cmocka_unit_test(test_formats),
        cmocka_unit_test(test_parse_iso8601),    cmocka_unit_test(test_parse_http),
        cmocka_unit_test(test_parse_basic),      cmocka_unit_test(test_written_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
