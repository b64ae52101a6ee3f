/* Event stream frames with the models of S3 and Kinesis. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/encode.h"
#include "gen/kinesis.h"
#include "gen/s3.h"
#include "wire/shape.h"
#include "wire/wire_case.h"

/* The event stream among an output's members. */
static uint16_t stream_shape(const struct wire_route *route)
{
    const struct wire_model *model = route->model;
    const struct wire_shape *output = shape_at(model, model->operations[route->operation].output);
    for (size_t i = 0; i < output->member_count; i++) {
        uint16_t shape = shape_members(model, output)[i].shape;
        if (shape_at(model, shape)->flags & WIRE_SHAPE_EVENT_STREAM)
            return shape;
    }
    fail_msg("no event stream");
    return 0;
}

static struct str encode(struct arena *arena, const struct wire_route *route, const char *event,
                         const char *json)
{
    const struct wire_model *model = route->model;
    uint16_t stream = stream_shape(route);
    const struct wire_shape *shape = shape_at(model, stream);
    const struct wire_member *members = shape_members(model, shape);
    for (uint16_t i = 0; i < shape->member_count; i++) {
        if (!str_eq(member_name(model, &members[i]), str_from_c(event)))
            continue;
        void *value = arena_alloc(arena, shape_at(model, members[i].shape)->size);
        struct wire_failure failure = {0};
        struct str frame = {0};
        assert_int_equal(
            wire_json_decode(arena, model, members[i].shape, str_from_c(json), value, &failure),
            RESULT_OK);
        assert_int_equal(wire_encode_event(arena, route, stream, i, value, &frame), RESULT_OK);
        return frame;
    }
    fail_msg("no event %s", event);
    return (struct str){0};
}

static struct wire_frame decode(struct arena *arena, struct str bytes)
{
    struct wire_frame frame = {0};
    size_t used = 0;
    assert_int_equal(wire_decode_frame(arena, bytes, &frame, &used), WIRE_FRAME_WHOLE);
    assert_int_equal(used, bytes.len);
    return frame;
}

static void check_header(struct arena *arena, const struct wire_frame *frame, const char *name,
                         const char *value)
{
    case_assert_str(arena, wire_frame_string(frame, str_from_c(name)), value);
}

static void test_event_without_payload(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct wire_route route = case_route(&s3_model, WIRE_PROTOCOL_REST_XML, "SelectObjectContent");
    struct buf hex;
    buf_init(&hex, arena, 1 << 12);
    hex_encode(&hex, encode(arena, &route, "End", "{}"));
    /* the CRCs are zlib's of these very bytes */
    case_assert_str(arena, buf_str(&hex),
                    "00000038"
                    "00000028"
                    "c1c684d4"
                    "0b3a6576656e742d74797065070003456e64"
                    "0d3a6d6573736167652d747970650700056576656e74"
                    "fe2cee99");
    arena_free(arena);
}

static void test_payloads_of_events(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct wire_route route = case_route(&s3_model, WIRE_PROTOCOL_REST_XML, "SelectObjectContent");
    struct wire_frame frame =
        decode(arena, encode(arena, &route, "Records", "{\"Payload\":\"YSxiCg==\"}"));
    check_header(arena, &frame, ":message-type", "event");
    check_header(arena, &frame, ":event-type", "Records");
    check_header(arena, &frame, ":content-type", "application/octet-stream");
    case_assert_str(arena, frame.payload, "a,b\n");
    frame = decode(arena, encode(arena, &route, "Stats",
                                 "{\"Details\":{\"BytesScanned\":1,\"BytesReturned\":2}}"));
    check_header(arena, &frame, ":content-type", "text/xml");
    case_assert_str(
        arena, frame.payload,
        "<Stats><BytesScanned>1</BytesScanned><BytesReturned>2</BytesReturned></Stats>");
    arena_free(arena);
}

static void test_events_and_exceptions_in_json(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct wire_route route = case_route(&kinesis_model, WIRE_PROTOCOL_JSON, "SubscribeToShard");
    struct wire_frame frame = decode(
        arena,
        encode(arena, &route, "SubscribeToShardEvent",
               "{\"Records\":[],\"ContinuationSequenceNumber\":\"1\",\"MillisBehindLatest\":0}"));
    check_header(arena, &frame, ":event-type", "SubscribeToShardEvent");
    check_header(arena, &frame, ":content-type", "application/json");
    case_assert_str(
        arena, frame.payload,
        "{\"Records\":[],\"ContinuationSequenceNumber\":\"1\",\"MillisBehindLatest\":0}");
    frame =
        decode(arena, encode(arena, &route, "ResourceInUseException", "{\"message\":\"busy\"}"));
    check_header(arena, &frame, ":message-type", "exception");
    check_header(arena, &frame, ":exception-type", "ResourceInUseException");
    case_assert_str(arena, frame.payload, "{\"message\":\"busy\"}");
    arena_free(arena);
}

static void test_initial_response_and_errors(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct wire_route route = case_route(&kinesis_model, WIRE_PROTOCOL_JSON, "SubscribeToShard");
    uint16_t output = kinesis_model.operations[route.operation].output;
    void *value = arena_alloc(arena, kinesis_model.shapes[output].size);
    struct str bytes;
    assert_int_equal(wire_encode_initial_response(arena, &route, value, &bytes), RESULT_OK);
    struct wire_frame frame = decode(arena, bytes);
    check_header(arena, &frame, ":event-type", "initial-response");
    case_assert_str(arena, frame.payload, "{}");
    assert_int_equal(wire_encode_event_error(arena, STR("InternalError"), STR("m"), &bytes),
                     RESULT_OK);
    frame = decode(arena, bytes);
    check_header(arena, &frame, ":message-type", "error");
    check_header(arena, &frame, ":error-code", "InternalError");
    check_header(arena, &frame, ":error-message", "m");
    arena_free(arena);
}

static void test_broken_frames(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct wire_route route = case_route(&s3_model, WIRE_PROTOCOL_REST_XML, "SelectObjectContent");
    struct str good = encode(arena, &route, "Records", "{\"Payload\":\"YSxiCg==\"}");
    struct wire_frame frame;
    size_t used = 99;
    for (size_t len = 0; len < good.len; len++) {
        struct str part = str_copy(arena, str_slice(good, 0, len));
        assert_int_equal(wire_decode_frame(arena, part, &frame, &used), WIRE_FRAME_PARTIAL);
    }
    for (size_t i = 0; i < good.len; i++) {
        char *bytes = arena_alloc(arena, good.len);
        memcpy(bytes, good.ptr, good.len);
        bytes[i] = (char)(bytes[i] ^ 0x10);
        assert_int_equal(wire_decode_frame(arena, str_make(bytes, good.len), &frame, &used),
                         WIRE_FRAME_BROKEN);
    }
    assert_int_equal(used, 99);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_event_without_payload),
        cmocka_unit_test(test_payloads_of_events),
        cmocka_unit_test(test_events_and_exceptions_in_json),
        cmocka_unit_test(test_initial_response_and_errors),
        cmocka_unit_test(test_broken_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
