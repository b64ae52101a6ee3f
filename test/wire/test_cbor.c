/* The CBOR format: RFC 8949's forms, what is refused, and SQS's requests and replies over
 * rpc-v2-cbor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/encode.h"
#include "gen/sqs.h"
#include "wire/canonical.h"
#include "wire/sample_model.h"
#include "wire/wire_case.h"
#include "wire/wire_int.h"

static struct str bytes_of(struct arena *arena, const char *hex)
{
    struct str bytes;
    assert_true(hex_decode(arena, str_from_c(hex), &bytes));
    return bytes;
}

/* Hexadecimal CBOR of a sample, read and said in JSON. */
static void check_read(const char *hex, const char *json)
{
    struct arena *arena = arena_new(0);
    const struct wire_model *model = sample_model(arena);
    struct sample sample = {0};
    struct wire_failure failure = {0};
    if (wire_cbor_read(arena, model, SAMPLE_SHAPE, bytes_of(arena, hex), &sample, &failure) !=
        RESULT_OK)
        fail_msg("%s: %.*s", hex, PRSTR(failure.message));
    struct buf out;
    buf_init(&out, arena, 1 << 20);
    assert_int_equal(wire_json_write(&out, model, SAMPLE_SHAPE, &sample), RESULT_OK);
    case_assert_str(arena, buf_str(&out), json);
    arena_free(arena);
}

static void check_refused(const char *hex, const char *message)
{
    struct arena *arena = arena_new(0);
    struct sample sample = {0};
    struct wire_failure failure = {0};
    if (wire_cbor_read(arena, sample_model(arena), SAMPLE_SHAPE, bytes_of(arena, hex), &sample,
                       &failure) != RESULT_ERROR)
        fail_msg("taken: %s", hex);
    assert_int_equal(failure.error, WIRE_SERIALIZATION);
    if (message != NULL)
        case_assert_str(arena, failure.message, message);
    arena_free(arena);
}

/* JSON to a sample to CBOR and back to JSON; hex NULL: any bytes. */
static void check_written(const char *json, const char *hex)
{
    struct arena *arena = arena_new(0);
    const struct wire_model *model = sample_model(arena);
    struct sample sample = {0}, back = {0};
    struct wire_failure failure = {0};
    struct buf out, again, text;
    buf_init(&out, arena, 1 << 20);
    buf_init(&text, arena, 1 << 20);
    buf_init(&again, arena, 1 << 20);
    assert_int_equal(
        wire_json_read(arena, model, SAMPLE_SHAPE, str_from_c(json), &sample, &failure), RESULT_OK);
    assert_int_equal(wire_cbor_write(&out, model, SAMPLE_SHAPE, &sample), RESULT_OK);
    if (hex != NULL) {
        hex_encode(&text, buf_str(&out));
        case_assert_str(arena, buf_str(&text), hex);
    }
    assert_int_equal(wire_cbor_read(arena, model, SAMPLE_SHAPE, buf_str(&out), &back, &failure),
                     RESULT_OK);
    assert_int_equal(wire_json_write(&again, model, SAMPLE_SHAPE, &back), RESULT_OK);
    case_assert_str(arena, buf_str(&again), json);
    arena_free(arena);
}

static void test_written(void **state)
{
    (void)state;
    check_written("{}", "a0");
    check_written("{\"text\":\"abc\"}", "a16474657874"
                                        "63616263");
    check_written("{\"blob\":\"AQI=\"}", "a164626c6f62"
                                         "420102");
    check_written("{\"flag\":true}", "a164666c6167"
                                     "f5");
    check_written("{\"whole\":23}", "a16577686f6c65"
                                    "17");
    check_written("{\"whole\":24}", "a16577686f6c65"
                                    "1818");
    check_written("{\"whole\":-1}", "a16577686f6c65"
                                    "20");
    check_written("{\"whole\":256}", "a16577686f6c65"
                                     "190100");
    check_written("{\"whole\":-65537}", "a16577686f6c65"
                                        "3a00010000");
    check_written("{\"large\":9223372036854775807}", "a1656c61726765"
                                                     "1b7fffffffffffffff");
    check_written("{\"large\":-9223372036854775808}", "a1656c61726765"
                                                      "3b7fffffffffffffff");
    check_written("{\"single\":1.5}", "a16673696e676c65"
                                      "fa3fc00000");
    check_written("{\"real\":1.1}", "a1647265616c"
                                    "fb3ff199999999999a");
    check_written("{\"real\":\"NaN\"}", NULL);
    check_written("{\"single\":\"-Infinity\"}", NULL);
    check_written("{\"at\":1}", "a1626174"
                                "c101");
    check_written("{\"at\":1.5}", "a1626174"
                                  "c1fb3ff8000000000000");
    check_written("{\"number\":18}", NULL);
    check_written("{\"names\":[\"a\",\"b\"]}", "a1656e616d6573"
                                               "8261616162");
    check_written("{\"sparse_names\":[null,\"a\"]}", "a16c7370617273655f6e616d6573"
                                                     "82f66161");
    check_written("{\"counts\":{\"a\":1}}", "a166636f756e7473"
                                            "a1616101");
    check_written("{\"sparse_counts\":{\"a\":null,\"b\":2}}", NULL);
    check_written("{\"inner\":{\"inners\":[{},{\"text\":\"\"}]},\"choice\":{\"right\":1}}", NULL);
}

static void test_read(void **state)
{
    (void)state;
    check_read("a0", "{}");
    check_read("bfff", "{}");
    check_read("", "{}");
    /* indefinite map, text in pieces */
    check_read("bf6474657874"
               "7f6161626263ff"
               "ff",
               "{\"text\":\"abc\"}");
    check_read("a17f62746562787"
               "4ff6161",
               "{\"text\":\"a\"}");
    check_read("a164626c6f62"
               "5f4101"
               "4102ff",
               "{\"blob\":\"AQI=\"}");
    check_read("a1656e616d6573"
               "9f6161f66162ff",
               "{\"names\":[\"a\",\"b\"]}");
    check_read("a16c7370617273655f6e616d6573"
               "9ff6ff",
               "{\"sparse_names\":[null]}");
    /* null and undefined members */
    check_read("a26474657874"
               "f6"
               "64666c6167"
               "f7",
               "{}");
}

static void test_read_numbers(void **state)
{
    (void)state;
    /* floats of all widths, integers where floats are wanted */
    check_read("a1647265616c"
               "f93c00",
               "{\"real\":1}");
    check_read("a1647265616c"
               "f93e00",
               "{\"real\":1.5}");
    check_read("a1647265616c"
               "f90001",
               "{\"real\":5.9604644775390625e-08}");
    check_read("a1647265616c"
               "f97c00",
               "{\"real\":\"Infinity\"}");
    check_read("a1647265616c"
               "f9fc00",
               "{\"real\":\"-Infinity\"}");
    check_read("a1647265616c"
               "f97e00",
               "{\"real\":\"NaN\"}");
    check_read("a1647265616c"
               "fa3fc00000",
               "{\"real\":1.5}");
    check_read("a1647265616c"
               "05",
               "{\"real\":5}");
    check_read("a1647265616c"
               "24",
               "{\"real\":-5}");
    /* timestamps: integers, floats, long forms of the tag */
    check_read("a1626174"
               "c11a5f5e1000",
               "{\"at\":1600000000}");
    check_read("a1626174"
               "d801fb3ff8000000000000",
               "{\"at\":1.5}");
    check_read("a1626174"
               "c120",
               "{\"at\":-1}");
    /* what the model does not know is skipped, whatever it is */
    check_read("a2617a"
               "bf6161"
               "9f01"
               "c2420102"
               "f97e00"
               "ff"
               "ff"
               "64666c6167"
               "f4",
               "{\"flag\":false}");
    /* long forms of small numbers */
    check_read("a16577686f6c65"
               "1b0000000000000001",
               "{\"whole\":1}");
}

static void test_refused(void **state)
{
    (void)state;
    check_refused("80", "Expected a structure but found a list");
    check_refused("f6", "Expected a structure but found a simple value");
    check_refused("a0a0", "CBOR data goes on behind its end");
    check_refused("a1", "Unexpected end of CBOR data");
    check_refused("bf", "Unexpected end of CBOR data");
    check_refused("a16474657874", "Unexpected end of CBOR data");
    check_refused("a1647465787461", "Unexpected end of CBOR data");
    check_refused("a164746578747bffffffffffffffff", "Unexpected end of CBOR data");
    check_refused("bbffffffffffffffff", "Unexpected end of CBOR data");
    check_refused("a1656e616d65739bffffffffffffffff", "Unexpected end of CBOR data");
    check_refused("a10101", "Expected a text string but found a positive integer");
    check_refused("a1647465787401", "Expected a text string but found a positive integer");
    check_refused("a1647465787441"
                  "61",
                  "Expected a text string but found a byte string");
    check_refused("a16474657874"
                  "61ff",
                  "Invalid UTF-8 in a text string");
    check_refused("a164626c6f62"
                  "6161",
                  "Expected a byte string but found a text string");
    check_refused("a164666c616701", "Expected a boolean but found a positive integer");
    check_refused("a16577686f6c65"
                  "fb3ff0000000000000",
                  "Expected an integer but found a floating point number");
    check_refused("a16577686f6c65"
                  "1a80000000",
                  "Numeric value out of range");
    check_refused("a1656c61726765"
                  "1bffffffffffffffff",
                  "Numeric value out of range");
    check_refused("a1656c61726765"
                  "3bffffffffffffffff",
                  "Numeric value out of range");
    check_refused("a16673696e676c65"
                  "fb7fefffffffffffff",
                  "Numeric value out of range");
    check_refused("a162617401", "Expected a timestamp (tag 1) but found a positive integer");
    check_refused("a1626174c001", "Expected a timestamp (tag 1) but found a tagged value");
    check_refused("a1626174c1fb7ff0000000000000", "Timestamp out of range");
    check_refused("a1626174c1f97e00", "Timestamp out of range");
}

static void test_malformed(void **state)
{
    (void)state;
    check_refused("a16577686f6c65"
                  "1f",
                  NULL); /* an integer of indefinite length */
    check_refused("a16577686f6c65"
                  "1c",
                  "Malformed CBOR: reserved additional information 28");
    check_refused("a1617aff", NULL); /* a break where a value stands */
    check_refused("a1617adf01", NULL);
    check_refused("a16474657874"
                  "7f4161ff",
                  NULL); /* bytes within a text */
    check_refused("a16474657874"
                  "7f7f6161ffff",
                  NULL);
    check_refused("a16663686f696365a0", NULL); /* unions */
    check_refused("a16663686f696365a2646c65667461"
                  "61"
                  "65726967687401",
                  NULL);
    check_refused("a168646f63756d656e7401", "Documents cannot be sent as CBOR");
}

/* Depth is bounded, also of tags and of what is skipped. */
static void test_depth(void **state)
{
    (void)state;
    static const unsigned char openers[] = {0x81, 0xc6, 0x9f};
    struct arena *arena = arena_new(0);
    for (size_t kind = 0; kind < sizeof(openers); kind++) {
        struct buf deep;
        struct sample sample = {0};
        struct wire_failure failure;
        buf_init(&deep, arena, 1 << 20);
        buf_append(&deep, STR("\xa1\x61z"));
        for (int i = 0; i < 100000; i++)
            buf_append_char(&deep, (char)openers[kind]);
        assert_int_equal(wire_cbor_read(arena, sample_model(arena), SAMPLE_SHAPE, buf_str(&deep),
                                        &sample, &failure),
                         RESULT_ERROR);
        case_assert_str(arena, failure.message, "Nesting exceeds the maximum depth of 128");
    }
    arena_free(arena);
}

static void test_sqs(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct wire_route route = case_route(&sqs_model, WIRE_PROTOCOL_CBOR, "SendMessage");
    struct wire_request request = {
        .method = STR("POST"),
        .path = STR("/service/AmazonSQS/operation/SendMessage"),
        /* {"QueueUrl": "q", "MessageBody": "hi", "DelaySeconds": 5} */
        .body = bytes_of(arena, "bf68517565756555726c61716b4d657373616765426f6479626869"
                                "6c44656c61795365636f6e647305ff"),
    };
    struct wire_failure failure;
    case_assert_str(arena, case_input(arena, &route, &request, &failure),
                    "{\"DelaySeconds\":5,\"MessageBody\":\"hi\",\"QueueUrl\":\"q\"}");
    struct wire_response response =
        case_output(arena, &route, STR("{\"MessageId\":\"m\",\"MD5OfMessageBody\":\"d\"}"));
    case_assert_str(arena, case_header(&response, "content-type"), "application/cbor");
    case_assert_str(arena, case_header(&response, "smithy-protocol"), "rpc-v2-cbor");
    case_assert_str(arena, canonical_cbor(arena, response.body, NULL),
                    "{\"MD5OfMessageBody\":\"d\",\"MessageId\":\"m\"}");
    route = case_route(&sqs_model, WIRE_PROTOCOL_CBOR, "DeleteMessage");
    response = case_output(arena, &route, STR("{}"));
    case_assert_str(arena, response.body, "");
    assert_true(str_is_absent(case_header(&response, "content-type")));
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written),      cmocka_unit_test(test_read),
        cmocka_unit_test(test_read_numbers), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_malformed),    cmocka_unit_test(test_depth),
        cmocka_unit_test(test_sqs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
