/* Filter patterns: the examples of "Filter pattern syntax ...", and what is refused. */
#include "service/logs_support.h"
#include "services/logs/pattern.h"

static const char *const lines[] = {
    "[ERROR 400] BAD REQUEST",
    "[ERROR 401] UNAUTHORIZED REQUEST",
    "[ERROR 419] MISSING ARGUMENTS",
    "[WARN] low disk",
    "[INFO] all is well",
    "127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] \"GET /index.html HTTP/1.0\" 200 1534",
    "127.0.0.1 - frank [10/Oct/2000:13:35:22 -0700] \"GET /about.css HTTP/1.0\" 404 5324",
    "{\"eventType\":\"UpdateTrail\",\"sourceIPAddress\":\"111.111.111.111\",\"arrayKey\":["
    "\"value\","
    "\"another\"],\"objectList\":[{\"name\":\"a\",\"id\":1},{\"name\":\"b\",\"id\":2}],\"count\":"
    "12,"
    "\"none\":null,\"yes\":true,\"no\":false,\"odd.name\":\"x\",\"latency\":0.25}",
};
enum { LINES = sizeof lines / sizeof lines[0] };

/* Which of the lines match, as digits. */
static const struct {
    const char *pattern, *lines;
} cases[] = {
    {"", "01234567"},
    {"ERROR", "012"},
    {"ERROR ARGUMENTS", "2"},
    {"?ERROR ?WARN", "0123"},
    {"ERROR -BAD", "12"},
    {"-ERROR", "34567"},
    {"\"BAD REQUEST\"", "0"},
    {"\"[ERROR 4\"", "012"},
    {"%AUTHORIZED%", "1"},
    {"%[45]19|WARN%", "23"},
    {"?WARN ERROR", "012"},
    {"-\"BAD REQUEST\" ERROR", "12"},
    {"{ $.eventType = \"UpdateTrail\" }", "7"},
    {"{ $.eventType = UpdateTrail }", "7"},
    {"{ $.eventType = \"Update*\" }", "7"},
    {"{ $.eventType != \"UpdateTrail\" }", ""},
    {"{ $.missing != \"x\" }", ""},
    {"{ $.sourceIPAddress = 111.111.* }", "7"},
    {"{ $.sourceIPAddress != 123.123.* }", "7"},
    {"{ $.arrayKey[0] = \"value\" }", "7"},
    {"{ $.arrayKey[1] = \"value\" }", ""},
    {"{ $.arrayKey[*] = \"another\" }", "7"},
    {"{ $.objectList[1].id = 2 }", "7"},
    {"{ $.objectList[*].id > 1 }", "7"},
    {"{ $.objectList[*].id > 2 }", ""},
    {"{ $.count >= 12 && $.count < 13 }", "7"},
    {"{ $.count = 1* }", "7"},
    {"{ $.count = 12.0 }", "7"},
    {"{ $.latency < 3e-1 }", "7"},
    {"{ $.none IS NULL }", "7"},
    {"{ $.count IS NULL }", ""},
    {"{ $.yes IS TRUE && $.no IS FALSE }", "7"},
    {"{ $.yes IS FALSE }", ""},
    {"{ $.other NOT EXISTS }", "7"},
    {"{ $.count NOT EXISTS }", ""},
    {"{ $.count EXISTS }", "7"},
    {"{ ($.count = 1) || ($.eventType = %Trail$% && $.yes IS TRUE) }", "7"},
    {"{ $.['odd.name'] = \"x\" }", "7"},
    {"{ $.eventType = \"nothing\" || $.count = 12 }", "7"},
    {"[ip, id, user, timestamp, request, status_code, size]", "56"},
    {"[ip, id, user, timestamp, request = *.html*, status_code, size]", "5"},
    {"[..., status_code = 4*, size]", "6"},
    {"[..., size > 2000]", "6"},
    {"[ip = 127.*, ...]", "56"},
    {"[w1 = %ERROR%, ...]", "012"},
    {"[w1 != %ERROR%, w2 = BAD || w2 = low, w3]", "3"},
    {"[ip, id, user, timestamp, request, status_code = 404 || status_code = 410, size]", "6"},
    {"[ip, id, user, timestamp, request, (status_code = 404 && status_code > 400), size]", "6"},
    {"[]", "01234567"},
};

static void test_matches(void **state)
{
    struct arena *arena = arena_new(0);
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pattern *pattern;
        struct str problem;
        char got[LINES + 1] = "";
        size_t len = 0;
        assert_true(log_pattern_parse(arena, str_from_c(cases[i].pattern), &pattern, &problem));
        for (size_t line = 0; line < LINES; line++)
            if (log_pattern_matches(pattern, arena, str_from_c(lines[line])))
                got[len++] = (char)('0' + line);
        if (strcmp(got, cases[i].lines) != 0)
            print_error("%s\n", cases[i].pattern);
        assert_string_equal(got, cases[i].lines);
    }
    arena_free(arena);
}

static void test_refused(void **state)
{
    static const char *const wrong[] = {
        "{",
        "{ }",
        "{ $ = 1 }",
        "{ $.a }",
        "{ $.a = }",
        "{ $.a = 1",
        "{ $.a = 1 } x",
        "{ a = 1 }",
        "{ $.a > x }",
        "{ $.a IS x }",
        "{ $.a NOT x }",
        "{ ($.a = 1 }",
        "{ $.a[ = 1 }",
        "[",
        "[a",
        "[a, ..., ...]",
        "[a = 1 && b = 2]",
        "[a] x",
        "\"open",
        "%open",
        "%%",
        "%a!b%",
        "%(a)%",
        "%a% %b% %c%",
        "a.b",
        "?",
        "-",
        "{ $.a = %[% }",
    };
    struct arena *arena = arena_new(0);
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct pattern *pattern;
        struct str problem = {0};
        if (log_pattern_parse(arena, str_from_c(wrong[i]), &pattern, &problem))
            fail_msg("%s was taken", wrong[i]);
        assert_false(str_is_empty(problem));
    }
    arena_free(arena);
}

static void test_values(void **state)
{
    struct loopback *lo = *state;
    struct str messages[LINES];
    for (size_t i = 0; i < LINES; i++)
        messages[i] = str_from_c(lines[i]);
    const struct logs_TestMetricFilterResponse *out =
        LOGS_OK(lo, TestMetricFilter, .filterPattern = STR("[ip, id, user, when, request, status]"),
                .logEventMessages = {messages, LINES});
    assert_int_equal(out->matches.len, 0);
    out = LOGS_OK(lo, TestMetricFilter,
                  .filterPattern = STR("[ip, id, user, when, request, status = 404, size]"),
                  .logEventMessages = {messages, LINES});
    assert_int_equal(out->matches.len, 1);
    assert_int_equal(out->matches.items[0].eventNumber.value, 7);
    const struct str_map *values = &out->matches.items[0].extractedValues;
    assert_int_equal(values->len, 7);
    assert_true(str_eq(values->items[3].key, STR("$when")));
    assert_true(str_eq(values->items[3].value, STR("10/Oct/2000:13:35:22 -0700")));
    assert_true(str_eq(values->items[6].value, STR("5324")));
    out = LOGS_OK(lo, TestMetricFilter, .filterPattern = STR("{ $.objectList[1].name = b }"),
                  .logEventMessages = {messages, LINES});
    values = &out->matches.items[0].extractedValues;
    assert_int_equal(values->len, 1);
    assert_true(str_eq(values->items[0].key, STR("$.objectList[1].name")));
    assert_true(str_eq(values->items[0].value, STR("b")));
    LOGS_FAILS(lo, "InvalidParameterException", NULL, TestMetricFilter, .filterPattern = STR("{"),
               .logEventMessages = {messages, 1});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matches),
        cmocka_unit_test(test_refused),
        LOGS_TEST(test_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
