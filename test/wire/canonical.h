/* One text for every way of writing the same JSON, XML or CBOR, so that tests compare values and
 * not spaces. Written apart from src/wire, whose work is judged with it. All: absent when the text
 * is not well-formed. */
#ifndef KUMONIWA_TEST_WIRE_CANONICAL_H
#define KUMONIWA_TEST_WIRE_CANONICAL_H

#include "base/str.h"

/* Keys sorted, no spaces, numbers as doubles print. Empty text is {}. Top-level keys in `drop`
 * (ended by NULL; or NULL) are left out, without case. */
struct str canonical_json(struct arena *arena, struct str text, const char *const *drop);
/* The canonical value of one top-level key; absent when it is not there. */
struct str canonical_json_member(struct arena *arena, struct str text, const char *key);
/* In the notation of canonical_json, byte strings as h'..', tags as N(..). */
struct str canonical_cbor(struct arena *arena, struct str bytes, const char *const *drop);
struct str canonical_cbor_member(struct arena *arena, struct str bytes, const char *key);
/* Children sorted by name (equal names keep their order), spaces between elements dropped, without
 * the root's default namespace and without the elements that carry request ids. */
struct str canonical_xml(struct arena *arena, struct str text);

#endif
