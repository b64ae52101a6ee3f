/* JSON bodies: what is read must, once written, be read again as the same; what the model's
 * constraints say of it must be said without harm. The first byte chooses the shape. */
#include "fuzz/fuzz.h"
#include "gen/cognito_idp.h"
#include "gen/dynamodb.h"
#include "gen/events.h"
#include "gen/lambda.h"
#include "gen/pipes.h"
#include "gen/sqs.h"
#include "wire/sample_model.h"
#include "wire/wire_int.h"

static const struct {
    const struct wire_model *model;
    struct str operation;
} targets[] = {
    {&sqs_model, STR_INIT("SendMessageBatch")},  {&dynamodb_model, STR_INIT("BatchWriteItem")},
    {&events_model, STR_INIT("PutTargets")},     {&pipes_model, STR_INIT("CreatePipe")},
    {&lambda_model, STR_INIT("CreateFunction")}, {&cognito_idp_model, STR_INIT("CreateUserPool")},
};
enum { TARGETS = sizeof(targets) / sizeof(targets[0]) };

static int find_operation(const struct wire_model *model, struct str operation)
{
    for (uint32_t i = 0; i < model->operation_count; i++)
        if (str_eq(wire_string(model, model->operations[i].name), operation))
            return (int)i;
    ASSERT(false);
    return -1;
}

static struct str write(struct arena *arena, const struct wire_model *model, uint16_t shape,
                        const void *value)
{
    struct buf out;
    buf_init(&out, arena, 1 << 26);
    ASSERT(wire_json_write(&out, model, shape, value) == RESULT_OK);
    return buf_str(&out);
}

/* The value that was read, or NULL. */
static const void *there_and_back(struct arena *arena, const struct wire_model *model,
                                  uint16_t shape, struct str text)
{
    struct wire_failure failure = {0};
    void *value = arena_alloc(arena, model->shapes[shape].size);
    if (wire_json_read(arena, model, shape, text, value, &failure) != RESULT_OK) {
        ASSERT(failure.message.len > 0);
        return NULL;
    }
    struct str first = write(arena, model, shape, value);
    void *again = arena_alloc(arena, model->shapes[shape].size);
    ASSERT(wire_json_read(arena, model, shape, first, again, &failure) == RESULT_OK);
    ASSERT(str_eq(first, write(arena, model, shape, again)));
    return value;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t target = data[0] % (TARGETS + 1u);
    struct arena *arena = arena_new(0);
    struct str text = str_make((const char *)data + 1, size - 1);
    if (target == TARGETS) {
        (void)there_and_back(arena, sample_model(arena), SAMPLE_SHAPE, text);
    } else {
        const struct wire_model *model = targets[target].model;
        struct wire_route route = {.model = model,
                                   .operation = find_operation(model, targets[target].operation),
                                   .protocol = WIRE_PROTOCOL_JSON};
        const void *value =
            there_and_back(arena, model, model->operations[route.operation].input, text);
        struct wire_patterns *patterns = wire_patterns_new();
        struct wire_failure failure = {0};
        if (value != NULL && wire_validate(arena, patterns, &route, value, &failure) != RESULT_OK)
            ASSERT(failure.message.len > 0);
        wire_patterns_free(patterns);
    }
    arena_free(arena);
    return 0;
}
