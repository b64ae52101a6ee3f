/* Where results and failures go: "Capturing records of Lambda asynchronous invocations", "Adding a
 * dead-letter queue", "Retain discarded records for a DynamoDB event source", AWS Lambda Developer
 * Guide. What the target refuses is dropped, as Lambda does (DestinationDeliveryFailures). */
#include "base/log.h"
#include "base/rng.h"
#include "base/time.h"
#include "cloud/arn.h"
#include "cloud/credentials.h"
#include "cloud/object_io.h"
#include "gen/sqs.h"
#include "services/lambda/events_int.h"
#include "store/record.h"
#include "wire/wire.h"

enum { MESSAGE_MAX = 1024 };

/* "2026-11-21T05:15:00.000Z" */
static struct str event_timestamp(struct arena *arena, int64_t ms)
{
    struct civil_time t = time_to_civil(ms);
    return str_format(arena, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", t.year, t.month, t.day, t.hour,
                      t.minute, t.second, t.millisecond);
}

RESULT event_role(struct call *call, struct str role_arn, struct str function,
                  struct principal *out, bool *found)
{
    const struct session_for_service request = {.role_arn = role_arn,
                                                .session_name = function,
                                                .service = STR("lambda.amazonaws.com"),
                                                .duration_s = 3600};
    struct credentials credentials;
    TRY(session_for_role(call, &request, &credentials, found));
    if (*found)
        *out = credentials.principal;
    return RESULT_OK;
}

/* --- records --- */

static void record_text(struct buf *out, const char *name, struct str value)
{
    if (str_is_absent(value))
        return;
    buf_append_format(out, ",\"%s\":", name);
    wire_json_write_string(out, value);
}

/* JSON as it is: what is passed was checked when it came. */
static void record_json(struct buf *out, const char *name, struct str value)
{
    if (str_is_absent(value))
        return;
    buf_append_format(out, ",\"%s\":", name);
    buf_append(out, str_is_empty(value) ? STR("{}") : value);
}

static struct str record_write(struct call *call, const struct destination_record *record,
                               bool with_payload)
{
    struct buf out;
    buf_init(&out, call->arena, SIZE_MAX);
    buf_append_c(&out, "{\"version\":\"1.0\"");
    record_text(&out, "timestamp", event_timestamp(call->arena, call->now_ms));
    buf_append_c(&out, ",\"requestContext\":{\"requestId\":");
    wire_json_write_string(&out, record->request_id);
    record_text(&out, "functionArn", record->function_arn);
    record_text(&out, "condition", record->condition);
    buf_append_format(&out, ",\"approximateInvokeCount\":%lld}", (long long)record->invoke_count);
    record_json(&out, "requestPayload", record->request_payload);
    if (record->responded) {
        buf_append_format(&out, ",\"responseContext\":{\"statusCode\":%lld",
                          (long long)record->status);
        record_text(&out, "executedVersion", record->executed_version);
        record_text(&out, "functionError", record->function_error);
        buf_append_char(&out, '}');
        record_json(&out, "responsePayload", record->response_payload);
    }
    if (!str_is_absent(record->batch)) {
        buf_append_char(&out, ',');
        wire_json_write_string(&out, record->batch_name);
        buf_append_char(&out, ':');
        buf_append(&out, record->batch);
    }
    if (with_payload)
        record_text(&out, "payload", record->payload);
    buf_append_char(&out, '}');
    return buf_str(&out);
}

static RESULT delivery_post(struct call *call, const struct lambda_delivery *delivery)
{
    struct buf bytes;
    buf_init(&bytes, call->arena, SIZE_MAX);
    TRY(record_encode(&bytes, &lambda_model, LAMBDA_SHAPE_delivery, delivery));
    return outbox_post(call, STR("lambda.destination"),
                       str_concat(call->arena, STR("lambda/destination/"), delivery->target),
                       buf_str(&bytes));
}

static bool target_is(struct str target, const char *service)
{
    struct arn arn;
    return arn_parse(target, &arn) && str_eq(arn.service, str_from_c(service));
}

/* "aws/lambda/async/FUNCTION/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-UUID" */
static struct str object_key(struct call *call, struct str prefix)
{
    struct civil_time t = time_to_civil(call->now_ms);
    char uuid[36];
    rng_uuid(uuid);
    return str_format(call->arena, "%.*s/%04d/%02d/%02d/%04d-%02d-%02dT%02d.%02d.%02d-%.36s",
                      PRSTR(prefix), t.year, t.month, t.day, t.year, t.month, t.day, t.hour,
                      t.minute, t.second, uuid);
}

RESULT destination_post(struct call *call, struct str target_arn, struct str role_arn,
                        struct str function, struct str prefix,
                        const struct destination_record *record)
{
    bool object = target_is(target_arn, "s3");
    const struct lambda_delivery delivery = {
        .target = target_arn,
        .role = role_arn,
        .function = function,
        .body = record_write(call, record, object),
        .key = object ? object_key(call, prefix) : (struct str){0},
        .source_arn = record->function_arn,
    };
    return delivery_post(call, &delivery);
}

RESULT destination_bury(struct call *call, struct str target_arn, struct str role_arn,
                        struct str function, struct str payload, struct str request_id,
                        int64_t status, struct str message)
{
    size_t len = message.len;
    if (len > MESSAGE_MAX) { /* not in the middle of a character */
        len = MESSAGE_MAX;
        while (len > 0 && ((unsigned char)message.ptr[len] & 0xc0U) == 0x80U)
            len--;
    }
    const struct lambda_delivery delivery = {
        .target = target_arn,
        .role = role_arn,
        .function = function,
        .body = str_is_empty(payload) ? STR("{}") : payload,
        .request_id = request_id,
        .status = status,
        .message = str_slice(message, 0, len),
    };
    return delivery_post(call, &delivery);
}

/* --- sending --- */

struct sending {
    const struct lambda_delivery *delivery;
    struct arn arn;
    struct principal role;
    struct str problem; /* with RESULT_ERROR */
};

static RESULT send_invoke(struct call *call, struct sending *sending, struct call_invocation *how)
{
    const void *out;
    uint32_t error;
    how->principal = sending->role;
    how->account = sending->arn.account;
    how->region = sending->arn.region;
    how->source_arn = sending->delivery->source_arn;
    how->source_account = call->account;
    return call_invoke(call, how, &out, &error, &sending->problem);
}

static RESULT send_to_queue(struct call *call, struct sending *sending)
{
    const struct lambda_delivery *delivery = sending->delivery;
    struct sqs_MessageBodyAttributeMap_entry attributes[] = {
        {.key = STR("RequestID"),
         .value = {.StringValue = delivery->request_id, .DataType = STR("String")}},
        {.key = STR("ErrorCode"),
         .value = {.StringValue = str_format(call->arena, "%lld", (long long)delivery->status),
                   .DataType = STR("Number")}},
        {.key = STR("ErrorMessage"),
         .value = {.StringValue = delivery->message, .DataType = STR("String")}},
    };
    bool dead = !str_is_absent(delivery->request_id);
    const struct sqs_SendMessageRequest in = {
        .QueueUrl = str_format(call->arena, "%.*s/%.*s/%.*s", PRSTR(call->cloud->endpoint),
                               PRSTR(sending->arn.account), PRSTR(sending->arn.resource)),
        .MessageBody = delivery->body,
        .MessageAttributes = {dead ? attributes : NULL, !dead                             ? 0
                                                        : str_is_empty(delivery->message) ? 2U
                                                                                          : 3U},
    };
    struct call_invocation how = {.model = &sqs_model, .operation = SQS_OP_SendMessage, .in = &in};
    return send_invoke(call, sending, &how);
}

static RESULT send_to_function(struct call *call, struct sending *sending)
{
    const struct lambda_InvocationRequest in = {
        .FunctionName = sending->delivery->target,
        .InvocationType = LAMBDA_INVOCATION_TYPE_EVENT,
        .Payload = sending->delivery->body,
    };
    struct call_invocation how = {.model = &lambda_model, .operation = LAMBDA_OP_Invoke, .in = &in};
    return send_invoke(call, sending, &how);
}

static RESULT send_to_bucket(struct call *call, struct sending *sending)
{
    const struct object_io_caller caller = {.principal = sending->role,
                                            .source_arn = sending->delivery->source_arn,
                                            .source_account = call->account};
    const struct object_io_put in = {.bucket = sending->arn.resource,
                                     .key = sending->delivery->key,
                                     .content_type = STR("application/json")};
    struct object_io_stored stored;
    struct object_io_problem problem = {0};
    enum result result =
        object_io_put_bytes(call, &caller, &in, sending->delivery->body, &stored, &problem);
    sending->problem = problem.message;
    return result;
}

static const struct destination_kind {
    struct str service;
    RESULT (*send)(struct call *call, struct sending *sending);
} destination_kinds[] = {
    {STR_INIT("sqs"), send_to_queue},
    {STR_INIT("lambda"), send_to_function},
    {STR_INIT("s3"), send_to_bucket},
};

static const struct destination_kind *destination_kind_of(struct str target, struct arn *arn)
{
    if (!arn_parse(target, arn))
        return NULL;
    for (size_t i = 0; i < sizeof destination_kinds / sizeof destination_kinds[0]; i++)
        if (str_eq(destination_kinds[i].service, arn->service))
            return &destination_kinds[i];
    return NULL;
}

RESULT destination_deliver(struct call *call, const struct outbox_item *item)
{
    struct lambda_delivery delivery;
    struct sending sending = {.delivery = &delivery};
    bool found;
    TRY(record_decode_copy(call->arena, &lambda_model, LAMBDA_SHAPE_delivery, item->payload,
                           &delivery));
    const struct destination_kind *kind = destination_kind_of(delivery.target, &sending.arn);
    if (kind == NULL)
        return FAULT("a result of a function goes nowhere: %.*s", PRSTR(delivery.target));
    TRY(event_role(call, delivery.role, delivery.function, &sending.role, &found));
    enum result result = RESULT_ERROR;
    if (found)
        result = kind->send(call, &sending);
    else
        sending.problem = STR("its execution role does not exist");
    if (result != RESULT_ERROR)
        return result;
    log_line(LOG_WARN, "lambda: what function %.*s sends to %.*s is dropped: %.*s",
             PRSTR(delivery.function), PRSTR(delivery.target), PRSTR(sending.problem));
    return RESULT_OK;
}

/* --- configurations --- */

RESULT destination_check(struct call *call, struct str target_arn, bool failure, bool batches)
{
    struct arn arn;
    if (!arn_parse(target_arn, &arn) || str_is_empty(arn.resource))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "The provided destination config DestinationConfig(%s) is invalid.",
                         failure ? "OnFailure" : "OnSuccess");
    if (str_eq(arn.service, STR("sns")) || str_eq(arn.service, STR("events")))
        return call_fail(call, WIRE_NOT_IMPLEMENTED,
                         "Destinations in %s are not implemented: SQS, Lambda and S3 are.",
                         str_eq(arn.service, STR("sns")) ? "Amazon SNS" : "Amazon EventBridge");
    bool known = destination_kind_of(target_arn, &arn) != NULL;
    if (batches && str_eq(arn.service, STR("lambda")))
        known = false;
    /* "Amazon S3 bucket (on-failure destination only)"; FIFO queues are none. */
    if (str_eq(arn.service, STR("s3")) && !failure)
        known = false;
    if (known && !(str_eq(arn.service, STR("sqs")) && str_ends_with(arn.resource, STR(".fifo"))))
        return RESULT_OK;
    return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                     "The provided destination config DestinationConfig(%s) is invalid: %.*s "
                     "cannot be a destination.",
                     failure ? "OnFailure" : "OnSuccess", PRSTR(target_arn));
}
