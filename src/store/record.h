/* Records: a C struct described by a wire_shape (of a model, or hand-declared in
 * src/services/NAME/NAME.records or src/cloud/cloud.records) to bytes and back. Members are tagged
 * (wire_member.tag), so that a record written by an older program is readable by a newer one and
 * the other way round: unknown tags are kept out of the way (skipped), missing ones are absent, and
 * a member whose type changed is converted where the value allows (int <-> long <-> string of
 * digits, bool -> int) and absent otherwise.
 *
 *   record  := version byte (1), member*
 *   member  := varint(tag << 3 | form), then by form:
 *     0 varint      integers (zigzag), booleans, timestamps
 *     1 8 bytes     doubles, little-endian
 *     2 bytes       varint length, bytes: strings, blobs, documents
 *     3 structure   varint length, member*
 *     4 list        varint byte length, varint count, item form byte, items (forms 0, 1 bare; 2, 3,
 * 4, 5 with length) 5 map         varint byte length, varint count, value form byte, (varint
 * length, key bytes, value)* an absent item of a sparse list or map: item form byte | 0x08, and a
 * presence byte before each item
 *
 * Every length and count is checked against what is left: bytes of a broken disk yield
 * RESULT_FAULT, never a wild read. */
#ifndef KUMONIWA_STORE_RECORD_H
#define KUMONIWA_STORE_RECORD_H

#include "base/buf.h"
#include "wire/desc.h"

RESULT record_encode(struct buf *out, const struct wire_model *model, uint16_t shape,
                     const void *record);

/* Into *record (zeroed first by this function). Strings and blobs are borrowed from bytes; lists,
 * maps and structures are in the arena. */
RESULT record_decode(struct arena *arena, const struct wire_model *model, uint16_t shape,
                     struct str bytes, void *record);

/* The same with strings copied into the arena: the value may outlive the transaction. */
RESULT record_decode_copy(struct arena *arena, const struct wire_model *model, uint16_t shape,
                          struct str bytes, void *record);

#endif
