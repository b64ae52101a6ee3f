/* CBOR bodies: what is read must, once written, be read again as the same. The first byte chooses
 * the shape. */
#include "fuzz/fuzz.h"
#include "gen/cloudwatch.h"
#include "gen/sqs.h"
#include "wire/sample_model.h"
#include "wire/wire_int.h"

static uint16_t input_of(const struct wire_model *model, struct str operation)
{
    for (uint32_t i = 0; i < model->operation_count; i++)
        if (str_eq(wire_string(model, model->operations[i].name), operation))
            return model->operations[i].input;
    ASSERT(false);
    return 0;
}

static struct str write(struct arena *arena, const struct wire_model *model, uint16_t shape,
                        const void *value)
{
    struct buf out;
    buf_init(&out, arena, 1 << 26);
    ASSERT(wire_cbor_write(&out, model, shape, value) == RESULT_OK);
    return buf_str(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct arena *arena = arena_new(0);
    const struct wire_model *model = sample_model(arena);
    uint16_t shape = SAMPLE_SHAPE;
    if (data[0] % 3 == 1) {
        model = &sqs_model;
        shape = input_of(model, STR("SendMessageBatch"));
    } else if (data[0] % 3 == 2) {
        model = &cloudwatch_model;
        shape = input_of(model, STR("PutMetricData"));
    }
    struct str bytes = str_make((const char *)data + 1, size - 1);
    struct wire_failure failure = {0};
    void *value = arena_alloc(arena, model->shapes[shape].size);
    if (wire_cbor_read(arena, model, shape, bytes, value, &failure) != RESULT_OK) {
        ASSERT(failure.message.len > 0);
    } else {
        struct str first = write(arena, model, shape, value);
        void *again = arena_alloc(arena, model->shapes[shape].size);
        ASSERT(wire_cbor_read(arena, model, shape, first, again, &failure) == RESULT_OK);
        ASSERT(str_eq(first, write(arena, model, shape, again)));
    }
    arena_free(arena);
    return 0;
}
