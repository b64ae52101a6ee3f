#include "wire/params.h"

#include "base/encode.h"

bool wire_params_read(struct arena *arena, struct str text, struct wire_params *params)
{
    size_t count = text.len > 0;
    for (size_t i = 0; i < text.len; i++)
        count += text.ptr[i] == '&';
    if (count == 0)
        return true;

    struct wire_param *items = arena_alloc_raw(arena, (params->len + count) * sizeof(*items));
    if (params->len > 0)
        memcpy(items, params->items, params->len * sizeof(*items));
    size_t len = params->len;
    struct str pair, rest = text, key, value;
    while (!str_is_absent(rest)) {
        str_cut(rest, '&', &pair, &rest);
        if (pair.len == 0)
            continue;
        str_cut(pair, '=', &key, &value);
        if (!percent_decode(arena, key, true, &key))
            return false;
        if (!str_is_absent(value) && !percent_decode(arena, value, true, &value))
            return false;
        items[len++] = (struct wire_param){.key = key, .value = value};
    }
    params->items = items;
    params->len = len;
    return true;
}

const struct wire_param *wire_params_find(const struct wire_params *params, struct str key)
{
    for (size_t i = 0; i < params->len; i++)
        if (str_eq(params->items[i].key, key))
            return &params->items[i];
    return NULL;
}
