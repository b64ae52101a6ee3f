/* Order-preserving tuples, the store's keys. Each element is a type byte and an encoding whose
 * memcmp order is the value's order; a tuple that is a prefix of another sorts before it,
 * element-wise.
 *
 *   0x02 string/bytes   0x00 in it becomes 0x00 0xFF; ends with 0x00
 *   0x03 u64            1 length byte n (0-8), n big-endian bytes: small numbers are short
 *   0x04 i64            8 big-endian bytes, sign bit flipped
 *
 *     struct key key;
 *     key_init(&key, call->arena);
 *     key_str(&key, STR("sqs")); key_str(&key, call->account); key_u64(&key, id);
 *     kv_get(txn, key_bytes(&key), &value);
 */
#ifndef KUMONIWA_STORE_KEY_H
#define KUMONIWA_STORE_KEY_H

#include "base/arena.h"
#include "store/kv.h"

struct key {
    uint16_t len;
    bool overflow; /* more than KV_KEY_MAX: key_bytes() is absent and kv_* refuse it */
    bool large;    /* bytes are in `big` */
    char small[190];
    char *big; /* in the arena */
    struct arena *arena;
};

void key_init(struct key *key, struct arena *arena); /* arena: only touched beyond 190 bytes */
void key_str(struct key *key, struct str s);
void key_u64(struct key *key, uint64_t n);
void key_i64(struct key *key, int64_t n);
struct str key_bytes(const struct key *key);

/* Reading back, element by element; false when the next element is not of that type (or none is
 * left). */
struct key_reader {
    struct str rest;
    struct arena *arena; /* for strings that hold escaped zeros */
};
struct key_reader key_read(struct arena *arena, struct str bytes);
bool key_next_str(struct key_reader *reader, struct str *out);
bool key_next_u64(struct key_reader *reader, uint64_t *out);
bool key_next_i64(struct key_reader *reader, int64_t *out);

#endif
