/* Looking into JSON texts that no shape describes (policies, redrive policies, filters): cursors
 * over text, no tree. Every function takes the raw text of one value; raw texts are borrowed. Check
 * a text once with json_is_valid(), then walk it. */
#ifndef KUMONIWA_WIRE_JSON_TEXT_H
#define KUMONIWA_WIRE_JSON_TEXT_H

#include "base/arena.h"
#include "base/str.h"

/* One whole JSON value (RFC 8259), nested at most 64 deep, white space around it allowed. */
bool json_is_valid(struct str text);

enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };
enum json_kind json_kind_of(struct str raw);

/* Walks an object or array: start with *rest = the raw text; false at the end (or when raw is not
 * of that kind). */
bool json_next_member(struct arena *arena, struct str *rest, struct str *name, struct str *raw);
bool json_next_item(struct str *rest, struct str *raw);

/* The member of that name (the last one counts), or false. */
bool json_member(struct arena *arena, struct str object, struct str name, struct str *raw);

/* The decoded text of a string; false when raw is none. */
bool json_string(struct arena *arena, struct str raw, struct str *out);
/* An integer, also one written as a string of digits. */
bool json_integer(struct str raw, int64_t *out);

#endif
