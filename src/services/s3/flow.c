#include "services/s3/flow_int.h"

#include "base/rng.h"
#include "store/record.h"

RESULT flow_fail_xml(struct call *call)
{
    return call_fail(call, WIRE_SERIALIZATION,
                     "The XML you provided was not well-formed or did not validate against our "
                     "published schema");
}

RESULT flow_fail_argument(struct call *call, const char *message)
{
    return call_fail(call, WIRE_INVALID_PARAMETER_VALUE, "%s", message);
}

RESULT flow_fail_request(struct call *call, const char *message)
{
    return call_fail(call, WIRE_VALIDATION, "%s", message);
}

bool flow_is_one_of(struct str word, struct str words)
{
    struct str one;
    while (!str_is_absent(words)) {
        str_cut(words, ' ', &one, &words);
        if (str_eq(one, word))
            return true;
    }
    return false;
}

struct str flow_make_id(struct arena *arena)
{
    char id[36];
    rng_uuid(id);
    return s3_base64(arena, (const uint8_t *)id, sizeof id);
}

RESULT flow_job(struct call *call, struct str topic, int64_t due_ms, uint16_t shape,
                const void *record)
{
    struct buf bytes;
    buf_init(&bytes, call->arena, SIZE_MAX);
    TRY(record_encode(&bytes, &s3_model, shape, record));
    return job_schedule(call, topic, due_ms, buf_str(&bytes), NULL);
}

RESULT flow_go_on(struct call *call, struct str topic, int64_t bucket_id, uint16_t shape,
                  const void *record)
{
    struct buf bytes;
    buf_init(&bytes, call->arena, SIZE_MAX);
    TRY(record_encode(&bytes, &s3_model, shape, record));
    struct str lane = str_format(call->arena, "%.*s/%lld", PRSTR(topic), (long long)bucket_id);
    return outbox_post(call, topic, lane, buf_str(&bytes));
}
