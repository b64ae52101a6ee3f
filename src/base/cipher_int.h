/* Between the files of cipher: two makers of the same running GCM. A struct cipher begins with its
 * maker's table. */
#ifndef KUMONIWA_BASE_CIPHER_INT_H
#define KUMONIWA_BASE_CIPHER_INT_H

#include "base/cipher.h"

struct cipher_maker {
    struct cipher *(*make)(const uint8_t key[CIPHER_KEY]);
    void (*drop)(struct cipher *cipher); /* nothing of the key stays behind */
    void (*begin)(struct cipher *cipher, bool seal, const uint8_t nonce[CIPHER_NONCE],
                  struct str aad);
    void (*update)(struct cipher *cipher, struct str text, char *out);
    void (*end)(struct cipher *cipher, uint8_t tag[CIPHER_TAG]); /* of what was sealed */
    bool (*check)(struct cipher *cipher, const uint8_t tag[CIPHER_TAG]);
};

struct cipher {
    const struct cipher_maker *maker;
};

/* cipher_openssl.c */
extern const struct cipher_maker cipher_openssl;

/* cipher_vector.c. NULL where the machine or its packages have none. */
const struct cipher_maker *cipher_vector(void);

static inline const uint8_t *cipher_bytes(struct str text)
{
    return (const uint8_t *)(text.ptr == NULL ? "" : text.ptr);
}

#endif
