#include "services/s3/copy_source.h"

#include "base/encode.h"
#include "wire/params.h"

static bool place_read(struct str text, struct str *bucket, struct str *key)
{
    struct str mark = STR("/object/");
    if (!str_starts_with(text, STR("arn:")))
        return str_cut(text, '/', bucket, key);
    size_t at = str_find(text, mark);
    if (at == SIZE_MAX)
        return false;
    *bucket = str_slice(text, 0, at);
    *key = str_slice(text, at + mark.len, text.len);
    return true;
}

bool copy_source_read(struct call *call, struct str text, struct str *bucket, struct str *key,
                      struct str *version_id)
{
    struct wire_params params = {0};
    *version_id = (struct str){0};
    if (str_is_absent(text))
        return false;
    size_t mark = str_find(text, STR("?versionId="));
    struct str query = mark == SIZE_MAX ? (struct str){0} : str_slice(text, mark + 1, text.len);
    if (mark != SIZE_MAX)
        text = str_slice(text, 0, mark);
    if (str_starts_with(text, STR("/")))
        text = str_slice(text, 1, text.len);
    if (!percent_decode(call->arena, text, false, &text) || !place_read(text, bucket, key) ||
        str_is_empty(*bucket) || str_is_empty(*key) ||
        (mark != SIZE_MAX && !wire_params_read(call->arena, query, &params)))
        return false;
    const struct wire_param *version = wire_params_find(&params, STR("versionId"));
    if (version != NULL)
        *version_id = version->value;
    return true;
}
