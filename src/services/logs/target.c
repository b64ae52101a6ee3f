/* Records of subscriptions on their way: "Using CloudWatch Logs subscription filters", User Guide.
 */
#include "base/encode.h"
#include "base/gzip.h"
#include "cloud/arn.h"
#include "services/logs/filters.h"
#include "wire/shape.h"

/* Which model and operation; absent: the service is not here. No header of it is needed: its input
 * is filled in by the names of its members. */
static bool find_operation(struct str service, struct str name, const struct wire_model **model,
                           uint32_t *operation)
{
    for (size_t i = 0; i < wire_model_count; i++) {
        if (!str_eq(wire_models[i]->name, service))
            continue;
        *model = wire_models[i];
        for (uint32_t at = 0; at < (*model)->operation_count; at++) {
            *operation = at;
            if (str_eq(wire_string(*model, (*model)->operations[at].name), name))
                return (*model)->functions[at] != NULL;
        }
    }
    return false;
}

static void set_text(const struct wire_model *model, uint16_t shape, void *in, struct str name,
                     struct str value)
{
    const struct wire_shape *input = shape_at(model, shape);
    const struct wire_member *members = shape_members(model, input);
    for (uint16_t i = 0; i < input->member_count; i++)
        if (str_eq(member_name(model, &members[i]), name))
            *(struct str *)member_place(&members[i], in) = value;
}

RESULT target_check(struct call *call, struct str text, struct target_problem *problem)
{
    static const struct {
        struct str service, unbuilt;
    } others[] = {
        {STR_INIT("kinesis"), STR_INIT("Kinesis Data Streams are not built.")},
        {STR_INIT("firehose"), STR_INIT("Firehose is not built.")},
        {STR_INIT("logs"), STR_INIT("Destinations across accounts (PutDestination) are not built: "
                                    "they lead to Kinesis and Firehose.")},
        {STR_INIT("es"), STR_INIT("OpenSearch is not built.")},
    };
    const struct wire_model *model;
    uint32_t operation;
    struct arn arn;
    *problem = (struct target_problem){.message = STR("Invalid destinationArn: not an ARN.")};
    if (!arn_parse(text, &arn))
        return RESULT_ERROR;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (str_eq(others[i].service, arn.service)) {
            *problem = (struct target_problem){.message = others[i].unbuilt, .unbuilt = true};
            return RESULT_ERROR;
        }
    problem->message = STR("Invalid destinationArn: no destination of subscription filters.");
    if (!str_eq(arn.service, STR("lambda")) || !str_starts_with(arn.resource, STR("function:")))
        return RESULT_ERROR;
    if (find_operation(STR("lambda"), STR("Invoke"), &model, &operation)) {
        problem->message = STR("destinationArn must be of the same account and region as the log "
                               "group.");
        return str_eq(arn.account, call->account) && str_eq(arn.region, call->region)
                   ? RESULT_OK
                   : RESULT_ERROR;
    }
    *problem = (struct target_problem){.message = STR("Lambda is not built."), .unbuilt = true};
    return RESULT_ERROR;
}

RESULT target_pack(struct call *call, struct str record, struct str *payload)
{
    struct buf packed, text;
    buf_init(&packed, call->arena, SIZE_MAX);
    buf_init(&text, call->arena, SIZE_MAX);
    TRY(gzip_pack(record, &packed));
    buf_append(&text, STR("{\"awslogs\":{\"data\":\""));
    base64_encode(&text, buf_str(&packed));
    buf_append(&text, STR("\"}}"));
    *payload = buf_str(&text);
    return RESULT_OK;
}

/* What a failed invocation means. */
static bool is_for_good(const struct wire_model *model, uint32_t error)
{
    static const struct str names[] = {
        STR_INIT("ResourceNotFoundException"), STR_INIT("InvalidParameterValueException"),
        STR_INIT("RequestTooLargeException"), STR_INIT("InvalidRequestContentException")};
    struct str name = wire_string(model, model->errors[error].name);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (str_eq(name, names[i]))
            return true;
    return error == WIRE_ACCESS_DENIED;
}

RESULT target_send(struct call *call, struct str arn, struct str source_arn, struct str record,
                   struct target_problem *problem)
{
    /* A function's policy may name either principal. */
    const struct str names[] = {
        STR("logs.amazonaws.com"),
        str_format(call->arena, "logs.%.*s.amazonaws.com", PRSTR(call->region))};
    const struct wire_model *model;
    uint32_t operation, error = 0;
    const void *out;
    enum result result = RESULT_ERROR;
    struct str payload;
    if (!find_operation(STR("lambda"), STR("Invoke"), &model, &operation))
        return FAULT("a subscription to a service that is not here");
    uint16_t shape = model->operations[operation].input;
    void *in = arena_alloc(call->arena, model->shapes[shape].size);
    TRY(target_pack(call, record, &payload));
    set_text(model, shape, in, STR("FunctionName"), arn);
    set_text(model, shape, in, STR("InvocationType"), STR("Event"));
    set_text(model, shape, in, STR("Payload"), payload);
    for (size_t i = 0; i < sizeof names / sizeof names[0] && result == RESULT_ERROR; i++) {
        const struct call_invocation invocation = {
            .model = model,
            .operation = operation,
            .in = in,
            .principal = {.kind = PRINCIPAL_SERVICE, .account = call->account, .name = names[i]},
            .account = call->account,
            .region = call->region,
            .source_arn = source_arn,
            .source_account = call->account,
        };
        result = call_invoke(call, &invocation, &out, &error, &problem->message);
        if (result == RESULT_ERROR && error != WIRE_ACCESS_DENIED)
            break;
    }
    problem->later = result == RESULT_ERROR && !is_for_good(model, error);
    return result;
}
