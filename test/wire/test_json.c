/* The JSON format: what is read, what is refused and with which words, what is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/rng.h"
#include "gen/dynamodb.h"
#include "gen/lambda.h"
#include "gen/sqs.h"
#include "wire/json_text.h"
#include "wire/sample_model.h"
#include "wire/wire_case.h"
#include "wire/wire_int.h"

/* --- the sample, there and back --- */

static void check_round(const char *text, const char *expected)
{
    struct arena *arena = arena_new(0);
    const struct wire_model *model = sample_model(arena);
    struct sample sample = {0};
    struct wire_failure failure = {0};
    if (wire_json_read(arena, model, SAMPLE_SHAPE, str_from_c(text), &sample, &failure) !=
        RESULT_OK)
        fail_msg("%s: %.*s", text, PRSTR(failure.message));
    struct buf out;
    buf_init(&out, arena, 1 << 20);
    assert_int_equal(wire_json_write(&out, model, SAMPLE_SHAPE, &sample), RESULT_OK);
    case_assert_str(arena, buf_str(&out), expected);
    arena_free(arena);
}

static void check_same(const char *text)
{
    check_round(text, text);
}

static void check_refused(const char *text, const char *message)
{
    struct arena *arena = arena_new(0);
    const struct wire_model *model = sample_model(arena);
    struct sample sample = {0};
    struct wire_failure failure = {0};
    /* An exact copy, so that reading past the end is seen. */
    struct str copy = str_copy(arena, str_from_c(text));
    if (wire_json_read(arena, model, SAMPLE_SHAPE, copy, &sample, &failure) != RESULT_ERROR)
        fail_msg("taken: %s", text);
    assert_int_equal(failure.error, WIRE_SERIALIZATION);
    if (message != NULL)
        case_assert_str(arena, failure.message, message);
    arena_free(arena);
}

static void test_scalars(void **state)
{
    (void)state;
    check_same("{}");
    check_round("", "{}");
    check_round(" \t\r\n{ \"text\" : \"a\" } \n", "{\"text\":\"a\"}");
    check_same("{\"text\":\"\"}");
    check_same("{\"blob\":\"\"}");
    check_same("{\"blob\":\"Zm9vYmE=\"}");
    check_same("{\"flag\":false}");
    check_same("{\"flag\":true,\"tiny\":-128,\"small\":32767,\"whole\":-2147483648,"
               "\"large\":-9223372036854775808}");
    check_same("{\"large\":9223372036854775807}");
    check_round("{\"whole\":1.0,\"large\":1e3}", "{\"whole\":1,\"large\":1000}");
    check_same("{\"document\":{\"a\":[1, null,\"x\"]},\"number\":123456789012345678901234567890}");
    check_round("{\"document\": [ ]  }", "{\"document\":[ ]}");
    check_round("{\"text\":null,\"inner\":null,\"choice\":null,\"names\":null}", "{}");
    check_round("{\"text\":\"a\",\"text\":\"b\"}", "{\"text\":\"b\"}");
    check_round("{\"nothing\":{\"a\":[true,false,null,-1.5e+3,\"\\u00e9\"]},\"flag\":true}",
                "{\"flag\":true}");
    check_round("{\"header\":5,\"flag\":true}", "{\"flag\":true}");
}

static void test_floating(void **state)
{
    (void)state;
    check_same("{\"real\":0}");
    check_same("{\"real\":-0}");
    check_same("{\"real\":0.1}");
    check_same("{\"real\":-1.5}");
    check_same("{\"real\":123456.789012}");
    check_same("{\"real\":5e-324}");
    check_same("{\"real\":1.7976931348623157e+308}");
    check_same("{\"real\":0.30000000000000004}");
    check_same("{\"single\":1.1}");
    check_same("{\"single\":3.4028235e+38}");
    check_round("{\"real\":1E2}", "{\"real\":100}");
    check_same("{\"real\":\"NaN\"}");
    check_same("{\"single\":\"Infinity\",\"real\":\"-Infinity\"}");
    check_refused("{\"real\":\"1.5\"}", "STRING_VALUE can not be converted to a Double");
    check_refused("{\"real\":1e400}", "Numeric value (1e400) out of range of double");
    check_refused("{\"real\":Infinity}", NULL);
    check_refused("{\"single\":3.41e38}", "Numeric value (3.41e38) out of range of float");
    check_refused("{\"single\":-1e300}", "Numeric value (-1e300) out of range of float");
}

static void test_text_is_json(void **state)
{
    (void)state;
    assert_true(json_is_valid(STR(" [1, {}] ")));
    assert_false(json_is_valid((struct str){0}));
    assert_false(json_is_valid(STR("")));
    assert_false(json_is_valid(STR("[1] 2")));
}

/* Whatever double is written reads back as itself. */
static void test_doubles_at_random(void **state)
{
    (void)state;
    enum { ROUNDS = 20000 };
    static const uint64_t seed = 20261121;
    struct arena *arena = arena_new(0);
    print_message("seed %llu\n", (unsigned long long)seed);
    rng_set_seed(seed);
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t bits = rng_u64();
        double value, back;
        memcpy(&value, &bits, sizeof(value));
        if (i % 2 == 0)
            value = (double)(int64_t)(bits >> 20) / 1000;
        struct buf out;
        buf_init(&out, arena, 64);
        wire_write_double(&out, value, false);
        assert_true(wire_read_double(buf_str(&out), &back));
        assert_true(value == back || (value != value && back != back));
        arena_reset(arena);
    }
    rng_set_seed(0);
    arena_free(arena);
}

static void test_times(void **state)
{
    (void)state;
    check_same("{\"at\":1398796238}");
    check_same("{\"at\":1398796238.123}");
    check_same("{\"at\":-1.5}");
    check_same("{\"at\":0.001}");
    check_round("{\"at\":1398796238.1239}", "{\"at\":1398796238.123}");
    check_round("{\"at\":1.398796238E9}", "{\"at\":1398796238}");
    check_round("{\"at\":\"2014-04-29T18:30:38Z\"}", "{\"at\":1398796238}");
    check_round("{\"at\":\"Tue, 29 Apr 2014 18:30:38 GMT\"}", "{\"at\":1398796238}");
    check_round("{\"at_iso\":1398796238,\"at_http\":1398796238}",
                "{\"at_iso\":\"2014-04-29T18:30:38Z\","
                "\"at_http\":\"Tue, 29 Apr 2014 18:30:38 GMT\"}");
    check_refused("{\"at\":\"1398796238\"}",
                  "STRING_VALUE can not be converted to milliseconds since epoch");
    check_refused("{\"at\":\"yesterday\"}",
                  "STRING_VALUE can not be converted to milliseconds since epoch");
    check_refused("{\"at\":true}", "TRUE_VALUE can not be converted to milliseconds since epoch");
    check_refused("{\"at\":1e300}", NULL);
}

static void test_strings(void **state)
{
    (void)state;
    check_same("{\"text\":\"abcdefg\"}");
    check_same("{\"text\":\"abcdefghijklmnop\\\"qrstuvwxyz\"}");
    check_same("{\"text\":\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001F\"}");
    check_round("{\"text\":\"\\/\\u0041\\u00e9\\u20AC\\ud83d\\ude39\"}",
                "{\"text\":\"/A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\xb9\"}");
    check_same("{\"text\":\"\xc3\xa9 1234567 \xf0\x9f\x98\xb9\"}");
    check_round("{\"t\\u0065xt\":\"x\"}", "{\"text\":\"x\"}");
    check_round("{\"text\":\"\\u0000\"}", "{\"text\":\"\\u0000\"}");
    check_refused("{\"text\":\"\\ud83d\"}", NULL);
    check_refused("{\"text\":\"\\ude39\\ud83d\"}", NULL);
    check_refused("{\"text\":\"\\ud83d\\u0041\"}", NULL);
    check_refused("{\"text\":\"\\x\"}", NULL);
    check_refused("{\"text\":\"\\u12\"}", NULL);
    check_refused("{\"text\":\"\\u12@4\"}", NULL);
    check_refused("{\"text\":\"\\", NULL);
    check_refused("{\"text\":\"\\\"", NULL);
    check_refused("{\"text\":\"a\nb\"}", NULL);
    check_refused("{\"text\":\"a\\nb\nc\"}", NULL);
    check_refused("{\"text\":\"\xff\"}", "Invalid UTF-8 in a string value");
    check_refused("{\"text\":\"12345678\xc3\"}", "Invalid UTF-8 in a string value");
    check_refused("{\"text\":\"\\n\xc0\x80\"}", "Invalid UTF-8 in a string value");
    check_refused("{\"nothing\":\"\xff\"}", "Invalid UTF-8 in a string value");
}

/* A string without escapes stays where it is. */
static void test_strings_are_borrowed(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    static const char text[] = "{\"text\":\"abc\",\"names\":[\"d\\ne\"]}";
    struct sample sample = {0};
    struct wire_failure failure;
    assert_int_equal(wire_json_read(arena, sample_model(arena), SAMPLE_SHAPE, str_from_c(text),
                                    &sample, &failure),
                     RESULT_OK);
    assert_ptr_equal(sample.text.ptr, text + 9);
    case_assert_str(arena, sample.names.items[0], "d\ne");
    arena_free(arena);
}

static void test_collections(void **state)
{
    (void)state;
    check_same("{\"names\":[]}");
    check_same("{\"counts\":{}}");
    check_same("{\"names\":[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\",\"i\"]}");
    check_round("{\"names\":[null,\"a\",null]}", "{\"names\":[\"a\"]}");
    check_same("{\"sparse_names\":[null,\"a\",null]}");
    check_round("{\"counts\":{\"a\":1,\"b\":null,\"\":3}}", "{\"counts\":{\"a\":1,\"\":3}}");
    check_same("{\"sparse_counts\":{\"a\":1,\"b\":null}}");
    check_round("{\"counts\":{\"a\":1,\"b\":2,\"a\":3}}", "{\"counts\":{\"a\":3,\"b\":2}}");
    check_same("{\"inner\":{\"inner\":{\"text\":\"x\"}},\"inners\":[{},{\"text\":\"y\"}]}");
    check_same("{\"choice\":{\"left\":\"x\"}}");
    check_round("{\"choice\":{\"__type\":\"Choice\",\"left\":null,\"right\":1}}",
                "{\"choice\":{\"right\":1}}");
    check_refused("{\"choice\":{\"left\":\"x\",\"right\":1}}", NULL);
    check_refused("{\"choice\":{}}", NULL);
    /* Locations mean something at the top alone. */
    check_same("{\"inner\":{\"header\":\"x\"}}");
}

/* Maps with many keys find equal ones as small maps do. */
static void test_equal_keys_of_a_large_map(void **state)
{
    (void)state;
    enum { KEYS = 1000 };
    struct arena *arena = arena_new(0);
    struct buf text;
    buf_init(&text, arena, 1 << 20);
    buf_append(&text, STR("{\"counts\":{"));
    for (int i = 0; i < 2 * KEYS; i++)
        buf_append_format(&text, "%s\"k%d\":%d", i == 0 ? "" : ",", i % KEYS, i);
    buf_append(&text, STR("}}"));
    struct sample sample = {0};
    struct wire_failure failure;
    assert_int_equal(
        wire_json_read(arena, sample_model(arena), SAMPLE_SHAPE, buf_str(&text), &sample, &failure),
        RESULT_OK);
    assert_int_equal(sample.counts.len, KEYS);
    assert_int_equal(sample.counts.items[KEYS - 1].value.value, 2 * KEYS - 1);
    arena_free(arena);
}

static void test_refused_types(void **state)
{
    (void)state;
    check_refused("{\"text\":1}", "NUMBER_VALUE can not be converted to a String");
    check_refused("{\"text\":1.5}", "DECIMAL_VALUE can not be converted to a String");
    check_refused("{\"text\":true}", "TRUE_VALUE can not be converted to a String");
    check_refused("{\"text\":[]}", "Start of list found where not expected");
    check_refused("{\"text\":{}}", "Start of structure or map found where not expected.");
    check_refused("{\"whole\":\"1\"}", "STRING_VALUE can not be converted to an Integer");
    check_refused("{\"whole\":1.5}", "DECIMAL_VALUE can not be converted to an Integer");
    check_refused("{\"large\":false}", "FALSE_VALUE can not be converted to a Long");
    check_refused("{\"flag\":\"true\"}", "STRING_VALUE can not be converted to a Boolean");
    check_refused("{\"flag\":0}", "NUMBER_VALUE can not be converted to a Boolean");
    check_refused("{\"tiny\":128}", "Numeric value (128) out of range of Java byte");
    check_refused("{\"small\":-32769}", NULL);
    check_refused("{\"whole\":2147483648}", "Numeric value (2147483648) out of range of int "
                                            "(-2147483648 - 2147483647)");
    check_refused("{\"large\":9223372036854775808}", NULL);
    check_refused("{\"large\":1e19}", NULL);
    check_refused("{\"blob\":\"a\"}",
                  "Base64 encoded length is expected a multiple of 4 bytes but found: 1");
    check_refused("{\"blob\":\"a===\"}", "Invalid Base64 encoded value");
    check_refused("{\"names\":\"x\"}", "Expected list or null");
    check_refused("{\"names\":{}}", "Start of structure or map found where not expected.");
    check_refused("{\"counts\":1}", "Expected map or null");
    check_refused("{\"inner\":\"x\"}", "Expected structure or null");
    check_refused("{\"inner\":[]}", "Start of list found where not expected");
    check_refused("[]", "Start of list found where not expected");
    check_refused("\"x\"", "Expected structure or null");
}

static void test_refused_grammar(void **state)
{
    (void)state;
    static const char *const broken[] = {
        "{",
        "}",
        "{]",
        "{\"text\"",
        "{\"text\":",
        "{\"text\":}",
        "{\"text\":\"a\"",
        "{\"text\":\"a\",}",
        "{\"text\":\"a\" \"b\"}",
        "{,\"text\":\"a\"}",
        "{text:\"a\"}",
        "{'text':\"a\"}",
        "{\"text\":'a'}",
        "{\"text\":\"a\"}x",
        "{\"text\":\"a\"}{}",
        "{\"whole\":01}",
        "{\"whole\":-}",
        "{\"whole\":+1}",
        "{\"real\":1.}",
        "{\"real\":.5}",
        "{\"real\":1e}",
        "{\"real\":0x1}",
        "{\"flag\":tru}",
        "{\"flag\":trueish}",
        "{\"flag\":nul}",
        "{\"names\":[\"a\",]}",
        "{\"names\":[,\"a\"]}",
        "{\"names\":[\"a\"}",
        "{\"names\":[",
        "{\"document\":[1,}",
        "{\"document\":}",
        "{\"nothing\":[1 2]}",
        "{\"nothing\":{\"a\"}}",
        "\xef\xbb\xbf{}",
        "{}/**/",
    };
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
        check_refused(broken[i], NULL);
    check_refused("{\"text\":\n  ?}", "Unexpected character ('?' (code 63)) at line: 2, column: 3");
    check_refused("{\"text\":\"abc", "Unexpected end-of-input");
}

static struct str nested(struct arena *arena, const char *open, const char *close, int depth)
{
    struct buf out;
    buf_init(&out, arena, 1 << 20);
    for (int i = 0; i < depth; i++)
        buf_append_c(&out, open);
    buf_append_c(&out, "{}");
    for (int i = 0; i < depth; i++)
        buf_append_c(&out, close);
    return buf_str(&out);
}

static void test_depth(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    static const struct {
        const char *open, *close;
    } forms[] = {{"{\"inner\":", "}"}, {"{\"document\":", "}"}, {"{\"nothing\":", "}"}};
    for (size_t i = 0; i < 3; i++) {
        struct wire_failure failure;
        struct sample sample = {0};
        const struct wire_model *model = sample_model(arena);
        struct str good = nested(arena, forms[i].open, forms[i].close, WIRE_DEPTH_MAX - 1);
        struct str bad = nested(arena, forms[i].open, forms[i].close, WIRE_DEPTH_MAX);
        assert_int_equal(wire_json_read(arena, model, SAMPLE_SHAPE, good, &sample, &failure),
                         RESULT_OK);
        assert_int_equal(wire_json_read(arena, model, SAMPLE_SHAPE, bad, &sample, &failure),
                         RESULT_ERROR);
    }
    arena_free(arena);
}

/* Many empty structures in a small body do not become a large piece of memory. */
static void test_amplification(void **state)
{
    (void)state;
    enum { ITEMS = 200000 };
    struct arena *arena = arena_new(0);
    struct buf text;
    struct sample sample = {0};
    struct wire_failure failure;
    buf_init(&text, arena, 4 << 20);
    buf_append(&text, STR("{\"inners\":["));
    for (int i = 0; i < ITEMS; i++)
        buf_append(&text, i == 0 ? STR("{}") : STR(",{}"));
    buf_append(&text, STR("]}"));
    struct arena *small = arena_new(0);
    assert_int_equal(
        wire_json_read(small, sample_model(arena), SAMPLE_SHAPE, buf_str(&text), &sample, &failure),
        RESULT_ERROR);
    assert_true(arena_footprint(small) < 3 * wire_decode_budget(text.len));
    arena_free(small);
    arena_free(arena);
}

/* --- real services --- */

static void check_request(const struct wire_model *model, const char *operation, const char *body,
                          const char *expected)
{
    struct arena *arena = arena_new(0);
    struct wire_route route = case_route(model, WIRE_PROTOCOL_JSON, operation);
    struct wire_request request = {
        .method = STR("POST"), .path = STR("/"), .body = str_from_c(body)};
    struct wire_failure failure;
    struct str input = case_input(arena, &route, &request, &failure);
    case_assert_str(arena, str_is_absent(input) ? failure.message : input, expected);
    arena_free(arena);
}

static void test_requests(void **state)
{
    (void)state;
    check_request(
        &sqs_model, "SendMessage",
        "{\"QueueUrl\":\"http://q/1\",\"MessageBody\":\"hello\",\"DelaySeconds\":5,"
        "\"MessageAttributes\":{\"a\":{\"DataType\":\"Binary\",\"BinaryValue\":\"AQI=\"}}}",
        "{\"DelaySeconds\":5,\"MessageAttributes\":{\"a\":{\"BinaryValue\":\"AQI=\","
        "\"DataType\":\"Binary\"}},\"MessageBody\":\"hello\","
        "\"QueueUrl\":\"http://q/1\"}");
    check_request(&sqs_model, "ReceiveMessage",
                  "{\"QueueUrl\":\"q\",\"MaxNumberOfMessages\":\"10\"}",
                  "STRING_VALUE can not be converted to an Integer");
    check_request(&dynamodb_model, "PutItem",
                  "{\"TableName\":\"t\",\"Item\":{\"k\":{\"M\":{\"l\":{\"L\":[{\"N\":\"1\"},"
                  "{\"NULL\":true},{\"B\":\"AA==\"}]}}}}}",
                  "{\"Item\":{\"k\":{\"M\":{\"l\":{\"L\":[{\"N\":\"1\"},{\"NULL\":true},"
                  "{\"B\":\"AA==\"}]}}}},\"TableName\":\"t\"}");
    check_request(&dynamodb_model, "PutItem", "{\"TableName\":\"t\",\"Item\":{\"k\":{\"N\":1}}}",
                  "NUMBER_VALUE cannot be converted to String");
}

static void test_replies(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct wire_route route = case_route(&sqs_model, WIRE_PROTOCOL_JSON, "SendMessage");
    struct wire_response response =
        case_output(arena, &route, STR("{\"MessageId\":\"m\",\"MD5OfMessageBody\":\"d\"}"));
    assert_int_equal(response.status, 200);
    case_assert_str(arena, case_header(&response, "content-type"), "application/x-amz-json-1.0");
    case_assert_str(arena, case_header(&response, "x-amzn-requestid"), "id-1");
    case_assert_str(arena, response.body, "{\"MD5OfMessageBody\":\"d\",\"MessageId\":\"m\"}");
    /* An operation without output answers nothing at all: Amazon SQS API Reference, DeleteMessage.
     */
    route = case_route(&sqs_model, WIRE_PROTOCOL_JSON, "DeleteMessage");
    response = case_output(arena, &route, STR("{}"));
    case_assert_str(arena, response.body, "");
    route = case_route(&lambda_model, WIRE_PROTOCOL_REST_JSON, "GetAccountSettings");
    response = case_output(arena, &route, STR("{\"AccountUsage\":{\"FunctionCount\":4}}"));
    case_assert_str(arena, case_header(&response, "content-type"), "application/json");
    case_assert_str(arena, response.body, "{\"AccountUsage\":{\"FunctionCount\":4}}");
    arena_free(arena);
}

/* Clients that leave an idempotency token out get one. */
static void test_idempotency_token(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct wire_route route = case_route(&dynamodb_model, WIRE_PROTOCOL_JSON, "TransactWriteItems");
    struct wire_request request = {.method = STR("POST"), .path = STR("/"), .body = STR("{}")};
    struct wire_failure failure;
    struct str input = case_input(arena, &route, &request, &failure);
    assert_int_equal(input.len, sizeof("{\"ClientRequestToken\":\"\"}") - 1 + 36);
    request.body = STR("{\"ClientRequestToken\":\"mine\"}");
    case_assert_str(arena, case_input(arena, &route, &request, &failure),
                    "{\"ClientRequestToken\":\"mine\"}");
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scalars),
        cmocka_unit_test(test_floating),
        cmocka_unit_test(test_text_is_json),
        cmocka_unit_test(test_doubles_at_random),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_strings_are_borrowed),
        cmocka_unit_test(test_collections),
        cmocka_unit_test(test_equal_keys_of_a_large_map),
        cmocka_unit_test(test_refused_types),
        cmocka_unit_test(test_refused_grammar),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_amplification),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_replies),
        cmocka_unit_test(test_idempotency_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
