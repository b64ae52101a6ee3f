#include "services/s3/flow_int.h"

#include "base/rng.h"

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
