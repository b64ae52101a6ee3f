/* Simple values as text: what XML, query, headers, query strings and labels share. */
#ifndef KUMONIWA_WIRE_TEXT_H
#define KUMONIWA_WIRE_TEXT_H

#include "base/arena.h"
#include "base/buf.h"
#include "wire/desc.h"

/* Reads a simple value (no list, map, structure). Strings borrow from text, which must live as long
 * as the value. White space around numbers, booleans and timestamps is no part of them. `time` is
 * the format that the protocol prefers there; the member's own goes before it. False: the text is
 * not of the type, or no valid UTF-8. */
bool wire_text_read(struct arena *arena, const struct wire_shape *shape,
                    const struct wire_member *member, enum wire_time_format time, struct str text,
                    void *place);

/* The opposite, appended to out without any escaping. */
void wire_text_write(struct buf *out, const struct wire_shape *shape,
                     const struct wire_member *member, enum wire_time_format time,
                     const void *place);

/* "integer", "boolean", "timestamp"...: for messages. */
const char *wire_text_type(const struct wire_shape *shape);

static inline bool wire_is_simple(const struct wire_shape *shape)
{
    return shape->type < WIRE_LIST;
}

#endif
