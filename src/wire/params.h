/* Parameters of query strings and form bodies: key=value pairs between '&', percent-encoded. */
#ifndef KUMONIWA_WIRE_PARAMS_H
#define KUMONIWA_WIRE_PARAMS_H

#include "base/arena.h"
#include "base/result.h"
#include "base/str.h"

struct wire_param {
    struct str key;
    struct str value; /* absent when no '=' stood there */
};

struct wire_params {
    struct wire_param *items;
    size_t len;
};

/* Appends to *params (zeroed before the first call), in the order of the text. Decoded strings
 * borrow from the text where nothing was encoded. False on a broken escape. */
bool wire_params_read(struct arena *arena, struct str text, struct wire_params *params);

/* The first of that key, or NULL. */
const struct wire_param *wire_params_find(const struct wire_params *params, struct str key);

#endif
