/* Query and ec2 requests as form bodies. The first byte chooses the operation. */
#include "fuzz/fuzz.h"
#include "gen/cloudwatch.h"
#include "gen/ec2.h"
#include "gen/iam.h"
#include "gen/sns.h"
#include "gen/sqs.h"
#include "wire/wire_int.h"

static const struct {
    const struct wire_model *model;
    struct str operation;
    enum wire_protocol protocol;
} targets[] = {
    {&sqs_model, STR_INIT("SendMessageBatch"), WIRE_PROTOCOL_QUERY},
    {&sqs_model, STR_INIT("CreateQueue"), WIRE_PROTOCOL_QUERY},
    {&sqs_model, STR_INIT("ReceiveMessage"), WIRE_PROTOCOL_QUERY},
    {&iam_model, STR_INIT("CreateRole"), WIRE_PROTOCOL_QUERY},
    {&iam_model, STR_INIT("SimulateCustomPolicy"), WIRE_PROTOCOL_QUERY},
    {&sns_model, STR_INIT("Publish"), WIRE_PROTOCOL_QUERY},
    {&cloudwatch_model, STR_INIT("PutMetricData"), WIRE_PROTOCOL_QUERY},
    {&ec2_model, STR_INIT("RunInstances"), WIRE_PROTOCOL_EC2},
    {&ec2_model, STR_INIT("DescribeInstances"), WIRE_PROTOCOL_EC2},
};

static int operation_index(const struct wire_model *model, struct str name)
{
    for (uint32_t i = 0; i < model->operation_count; i++)
        if (str_eq(wire_string(model, model->operations[i].name), name))
            return (int)i;
    ASSERT(false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t target = data[0] % (sizeof(targets) / sizeof(targets[0]));
    const struct wire_model *model = targets[target].model;
    struct wire_route route = {.model = model,
                               .operation = operation_index(model, targets[target].operation),
                               .protocol = targets[target].protocol};
    struct wire_request request = {.method = STR("POST"),
                                   .path = STR("/123456789012/q"),
                                   .host = STR("h"),
                                   .body = str_make((const char *)data + 1, size - 1)};
    const struct wire_operation *operation = &model->operations[route.operation];
    struct arena *arena = arena_new(0);
    struct wire_failure failure = {0};
    void *value = arena_alloc(arena, model->shapes[operation->input].size);

    if (wire_query_read(arena, &route, &request, value, &failure) != RESULT_OK) {
        ASSERT(failure.message.len > 0);
    } else {
        struct buf out;
        buf_init(&out, arena, 1 << 26);
        ASSERT(wire_json_write(&out, model, operation->input, value) == RESULT_OK);
    }
    arena_free(arena);
    return 0;
}
