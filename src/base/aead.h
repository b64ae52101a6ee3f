/* Authenticated encryption: AES-256-GCM, over OpenSSL. Pure and thread safe. */
#ifndef KUMONIWA_BASE_AEAD_H
#define KUMONIWA_BASE_AEAD_H

#include "base/str.h"

/* What sealing adds: a random nonce before, a tag behind. */
enum { AEAD_KEY_SIZE = 32, AEAD_NONCE_SIZE = 12, AEAD_TAG_SIZE = 16 };
enum { AEAD_EXTRA = AEAD_NONCE_SIZE + AEAD_TAG_SIZE };

/* plain.len + AEAD_EXTRA bytes in the arena. `about` is covered, not carried. A key seals at most
 * 2^32 texts (random nonces): derive one for each purpose. */
struct str aead_seal(struct arena *arena, const uint8_t key[AEAD_KEY_SIZE], struct str about,
                     struct str plain);
/* False: not sealed with this key about this; *plain is untouched. */
bool aead_open(struct arena *arena, const uint8_t key[AEAD_KEY_SIZE], struct str about,
               struct str sealed, struct str *plain);

#endif
