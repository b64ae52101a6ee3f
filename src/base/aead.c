#include "base/aead.h"

#include <limits.h>
#include <openssl/evp.h>

#include "base/arena.h"
#include "base/result.h"
#include "base/rng.h"

static const uint8_t *aead_bytes(struct str s)
{
    return (const uint8_t *)s.ptr;
}

struct str aead_seal(struct arena *arena, const uint8_t key[AEAD_KEY_SIZE], struct str about,
                     struct str plain)
{
    ASSERT(plain.len < INT_MAX / 2 && about.len < INT_MAX / 2);
    uint8_t *out = arena_alloc_raw(arena, plain.len + AEAD_EXTRA);
    uint8_t *body = out + AEAD_NONCE_SIZE;
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int done;
    ASSERT(context != NULL);
    rng_bytes(out, AEAD_NONCE_SIZE);
    ASSERT(EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), NULL, key, out) == 1);
    ASSERT(EVP_EncryptUpdate(context, NULL, &done, aead_bytes(about), (int)about.len) == 1);
    ASSERT(EVP_EncryptUpdate(context, body, &done, aead_bytes(plain), (int)plain.len) == 1);
    ASSERT(EVP_EncryptFinal_ex(context, body + done, &done) == 1);
    ASSERT(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, AEAD_TAG_SIZE, body + plain.len) ==
           1);
    EVP_CIPHER_CTX_free(context);
    return str_make((const char *)out, plain.len + AEAD_EXTRA);
}

bool aead_open(struct arena *arena, const uint8_t key[AEAD_KEY_SIZE], struct str about,
               struct str sealed, struct str *plain)
{
    if (sealed.len < AEAD_EXTRA || sealed.len > INT_MAX / 2)
        return false;
    size_t len = sealed.len - AEAD_EXTRA;
    const uint8_t *body = aead_bytes(sealed) + AEAD_NONCE_SIZE;
    uint8_t *out = arena_alloc_raw(arena, len + 1), tag[AEAD_TAG_SIZE];
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int done;
    ASSERT(context != NULL);
    memcpy(tag, body + len, sizeof tag);
    ASSERT(EVP_DecryptInit_ex(context, EVP_aes_256_gcm(), NULL, key, aead_bytes(sealed)) == 1);
    ASSERT(EVP_DecryptUpdate(context, NULL, &done, aead_bytes(about), (int)about.len) == 1);
    ASSERT(EVP_DecryptUpdate(context, out, &done, body, (int)len) == 1);
    ASSERT(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, AEAD_TAG_SIZE, tag) == 1);
    bool good = EVP_DecryptFinal_ex(context, out + done, &done) == 1;
    EVP_CIPHER_CTX_free(context);
    if (good)
        *plain = str_make((const char *)out, len);
    return good;
}
