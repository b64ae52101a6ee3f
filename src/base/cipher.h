/* AES-256: GCM for what must be whole, CTR as a second layer. NIST SP 800-38D: a
 * nonce is used once with a key; whoever calls sees to it. */
#ifndef KUMONIWA_BASE_CIPHER_H
#define KUMONIWA_BASE_CIPHER_H

#include "base/str.h"

enum { CIPHER_KEY = 32, CIPHER_NONCE = 12, CIPHER_TAG = 16, CIPHER_BLOCK = 16 };

/* A message at once. `out` has room for the text, and may be its own place. */
void cipher_seal(const uint8_t key[CIPHER_KEY], const uint8_t nonce[CIPHER_NONCE], struct str aad,
                 struct str text, char *out, uint8_t tag[CIPHER_TAG]);
/* False: it was altered, or sealed otherwise; then out holds nothing of worth. */
bool cipher_open(const uint8_t key[CIPHER_KEY], const uint8_t nonce[CIPHER_NONCE], struct str aad,
                 struct str text, char *out, const uint8_t tag[CIPHER_TAG]);

/* The same with a nonce drawn at random and all in one string: nonce, text, tag. At most 2^32 of
 * these with a key. In the arena. */
enum { CIPHER_BOX = CIPHER_NONCE + CIPHER_TAG };
struct str cipher_box(struct arena *arena, const uint8_t key[CIPHER_KEY], struct str aad,
                      struct str text);
bool cipher_unbox(struct arena *arena, const uint8_t key[CIPHER_KEY], struct str aad,
                  struct str box, struct str *text);

/* Many messages with one key, each in pieces. From the heap. */
struct cipher;
struct cipher *cipher_new(const uint8_t key[CIPHER_KEY]);
void cipher_free(struct cipher *cipher); /* NULL is fine */
void cipher_begin(struct cipher *cipher, bool seal, const uint8_t nonce[CIPHER_NONCE],
                  struct str aad);
void cipher_update(struct cipher *cipher, struct str text, char *out);
void cipher_end_seal(struct cipher *cipher, uint8_t tag[CIPHER_TAG]);
bool cipher_end_open(struct cipher *cipher, const uint8_t tag[CIPHER_TAG]);

/* CTR, in place; the way back is the same. The counter is the last eight bytes of the block. */
void cipher_ctr(const uint8_t key[CIPHER_KEY], const uint8_t first[CIPHER_BLOCK], char *bytes,
                size_t size);

/* What held a key. */
void cipher_forget(void *memory, size_t size);

#endif
