/* XML bodies: what is read must, once written, be read again as the same. The first byte chooses
 * the operation. */
#include "fuzz/fuzz.h"
#include "gen/cloudfront.h"
#include "gen/route53.h"
#include "gen/s3.h"
#include "wire/shape.h"
#include "wire/wire_int.h"

static const struct {
    const struct wire_model *model;
    struct str operation;
} targets[] = {
    {&s3_model, STR_INIT("PutBucketLifecycleConfiguration")},
    {&s3_model, STR_INIT("PutBucketAcl")},
    {&s3_model, STR_INIT("DeleteObjects")},
    {&s3_model, STR_INIT("CompleteMultipartUpload")},
    {&s3_model, STR_INIT("PutBucketNotificationConfiguration")},
    {&s3_model, STR_INIT("SelectObjectContent")},
    {&route53_model, STR_INIT("ChangeResourceRecordSets")},
    {&cloudfront_model, STR_INIT("CreateDistribution")},
};

static uint16_t body_shape(const struct wire_model *model, struct str operation)
{
    for (uint32_t i = 0; i < model->operation_count; i++) {
        if (!str_eq(wire_string(model, model->operations[i].name), operation))
            continue;
        const struct wire_shape *input = shape_at(model, model->operations[i].input);
        if (input->payload == 0)
            return model->operations[i].input;
        return shape_members(model, input)[input->payload - 1].shape;
    }
    ASSERT(false);
}

static struct str write(struct arena *arena, const struct wire_model *model, uint16_t shape,
                        const void *value)
{
    struct buf out;
    buf_init(&out, arena, 1 << 24);
    ASSERT(wire_xml_write(&out, model, shape, model->shapes[shape].name, 0, value) == RESULT_OK);
    return buf_str(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t target = data[0] % (sizeof(targets) / sizeof(targets[0]));
    const struct wire_model *model = targets[target].model;
    uint16_t shape = body_shape(model, targets[target].operation);
    struct arena *arena = arena_new(0);
    struct wire_failure failure = {0};
    void *value = arena_alloc(arena, model->shapes[shape].size);
    struct str text = str_make((const char *)data + 1, size - 1);

    if (wire_xml_read(arena, model, shape, (struct str){0}, text, value, &failure) != RESULT_OK) {
        ASSERT(failure.message.len > 0);
    } else {
        struct str first = write(arena, model, shape, value);
        void *again = arena_alloc(arena, model->shapes[shape].size);
        ASSERT(wire_xml_read(arena, model, shape, (struct str){0}, first, again, &failure) ==
               RESULT_OK);
        ASSERT(str_eq(first, write(arena, model, shape, again)));
    }
    arena_free(arena);
    return 0;
}
