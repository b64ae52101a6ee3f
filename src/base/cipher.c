#include "base/cipher.h"

#include <limits.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/arena.h"
#include "base/cipher_int.h"
#include "base/result.h"
#include "base/rng.h"

struct cipher *cipher_new(const uint8_t key[CIPHER_KEY])
{
    const struct cipher_maker *maker = cipher_vector();
    return (maker == NULL ? &cipher_openssl : maker)->make(key);
}

void cipher_free(struct cipher *cipher)
{
    if (cipher != NULL)
        cipher->maker->drop(cipher);
}

void cipher_begin(struct cipher *cipher, bool seal, const uint8_t nonce[CIPHER_NONCE],
                  struct str aad)
{
    cipher->maker->begin(cipher, seal, nonce, aad);
}

void cipher_update(struct cipher *cipher, struct str text, char *out)
{
    cipher->maker->update(cipher, text, out);
}

void cipher_end_seal(struct cipher *cipher, uint8_t tag[CIPHER_TAG])
{
    cipher->maker->end(cipher, tag);
}

bool cipher_end_open(struct cipher *cipher, const uint8_t tag[CIPHER_TAG])
{
    return cipher->maker->check(cipher, tag);
}

void cipher_seal(const uint8_t key[CIPHER_KEY], const uint8_t nonce[CIPHER_NONCE], struct str aad,
                 struct str text, char *out, uint8_t tag[CIPHER_TAG])
{
    struct cipher *cipher = cipher_new(key);
    cipher_begin(cipher, true, nonce, aad);
    cipher_update(cipher, text, out);
    cipher_end_seal(cipher, tag);
    cipher_free(cipher);
}

bool cipher_open(const uint8_t key[CIPHER_KEY], const uint8_t nonce[CIPHER_NONCE], struct str aad,
                 struct str text, char *out, const uint8_t tag[CIPHER_TAG])
{
    struct cipher *cipher = cipher_new(key);
    cipher_begin(cipher, false, nonce, aad);
    cipher_update(cipher, text, out);
    bool good = cipher_end_open(cipher, tag);
    cipher_free(cipher);
    return good;
}

struct str cipher_box(struct arena *arena, const uint8_t key[CIPHER_KEY], struct str aad,
                      struct str text)
{
    char *box = arena_alloc_raw(arena, text.len + CIPHER_BOX);
    uint8_t *nonce = (uint8_t *)box, *tag = (uint8_t *)box + CIPHER_NONCE + text.len;
    rng_bytes(nonce, CIPHER_NONCE);
    cipher_seal(key, nonce, aad, text, box + CIPHER_NONCE, tag);
    return str_make(box, text.len + CIPHER_BOX);
}

bool cipher_unbox(struct arena *arena, const uint8_t key[CIPHER_KEY], struct str aad,
                  struct str box, struct str *text)
{
    if (box.len < CIPHER_BOX)
        return false;
    struct str inside = str_slice(box, CIPHER_NONCE, box.len - CIPHER_TAG);
    char *out = arena_alloc_raw(arena, inside.len + 1);
    if (!cipher_open(key, cipher_bytes(box), aad, inside, out,
                     cipher_bytes(box) + box.len - CIPHER_TAG))
        return false;
    *text = str_make(out, inside.len);
    return true;
}

/* OpenSSL refuses only what is never asked for here, or for want of memory. */
void cipher_ctr(const uint8_t key[CIPHER_KEY], const uint8_t first[CIPHER_BLOCK], char *bytes,
                size_t size)
{
    int written;
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    ASSERT(context != NULL && size <= INT_MAX);
    int good = EVP_EncryptInit_ex(context, EVP_aes_256_ctr(), NULL, key, first);
    ASSERT(good == 1);
    good =
        EVP_EncryptUpdate(context, (uint8_t *)bytes, &written, (const uint8_t *)bytes, (int)size);
    ASSERT(good == 1);
    EVP_CIPHER_CTX_free(context);
}

void cipher_forget(void *memory, size_t size)
{
    OPENSSL_cleanse(memory, size);
}
