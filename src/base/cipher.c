#include "base/cipher.h"

#include <limits.h>
#include <stdatomic.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/arena.h"
#include "base/result.h"
#include "base/rng.h"

struct cipher {
    EVP_CIPHER_CTX *context;
    bool started, sealing; /* the key is in the context, for that direction */
    uint8_t key[CIPHER_KEY];
};

static const uint8_t *bytes_of(struct str text)
{
    return (const uint8_t *)(text.ptr == NULL ? "" : text.ptr);
}

/* OpenSSL refuses only what this file never asks for, or for want of memory. */
static void must(int good)
{
    ASSERT(good == 1);
}

/* EVP_aes_256_gcm() is looked up among all algorithms each time it is used, which takes longer than
 * opening a small message. Never freed. */
static const EVP_CIPHER *gcm(void)
{
    static EVP_CIPHER *_Atomic fetched;
    EVP_CIPHER *known = atomic_load_explicit(&fetched, memory_order_acquire);
    if (known != NULL)
        return known;
    EVP_CIPHER *mine = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    ASSERT(mine != NULL);
    if (atomic_compare_exchange_strong(&fetched, &known, mine))
        return mine;
    EVP_CIPHER_free(mine);
    return known;
}

static void start(EVP_CIPHER_CTX *context, bool seal, const uint8_t *key, const uint8_t *nonce)
{
    must(EVP_CipherInit_ex(context, key == NULL ? NULL : gcm(), NULL, key, nonce, seal ? 1 : 0));
}

static void update(EVP_CIPHER_CTX *context, struct str text, char *out)
{
    int written;
    ASSERT(text.len <= INT_MAX);
    must(EVP_CipherUpdate(context, (uint8_t *)out, &written, bytes_of(text), (int)text.len));
}

static void get_tag(EVP_CIPHER_CTX *context, uint8_t tag[CIPHER_TAG])
{
    int written;
    uint8_t nothing[CIPHER_BLOCK];
    must(EVP_CipherFinal_ex(context, nothing, &written));
    must(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, CIPHER_TAG, tag));
}

static bool check_tag(EVP_CIPHER_CTX *context, const uint8_t tag[CIPHER_TAG])
{
    int written;
    uint8_t nothing[CIPHER_BLOCK], copy[CIPHER_TAG];
    memcpy(copy, tag, sizeof copy);
    must(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, CIPHER_TAG, copy));
    return EVP_CipherFinal_ex(context, nothing, &written) == 1;
}

void cipher_seal(const uint8_t key[CIPHER_KEY], const uint8_t nonce[CIPHER_NONCE], struct str aad,
                 struct str text, char *out, uint8_t tag[CIPHER_TAG])
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    ASSERT(context != NULL);
    start(context, true, key, nonce);
    if (aad.len > 0)
        update(context, aad, NULL);
    update(context, text, out);
    get_tag(context, tag);
    EVP_CIPHER_CTX_free(context);
}

bool cipher_open(const uint8_t key[CIPHER_KEY], const uint8_t nonce[CIPHER_NONCE], struct str aad,
                 struct str text, char *out, const uint8_t tag[CIPHER_TAG])
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    ASSERT(context != NULL);
    start(context, false, key, nonce);
    if (aad.len > 0)
        update(context, aad, NULL);
    update(context, text, out);
    bool good = check_tag(context, tag);
    EVP_CIPHER_CTX_free(context);
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
    if (!cipher_open(key, bytes_of(box), aad, inside, out, bytes_of(box) + box.len - CIPHER_TAG))
        return false;
    *text = str_make(out, inside.len);
    return true;
}

struct cipher *cipher_new(const uint8_t key[CIPHER_KEY])
{
    struct cipher *cipher = heap_alloc(sizeof *cipher);
    cipher->context = EVP_CIPHER_CTX_new();
    ASSERT(cipher->context != NULL);
    memcpy(cipher->key, key, CIPHER_KEY);
    return cipher;
}

void cipher_free(struct cipher *cipher)
{
    if (cipher == NULL)
        return;
    EVP_CIPHER_CTX_free(cipher->context);
    cipher_forget(cipher->key, sizeof cipher->key);
    heap_free(cipher);
}

void cipher_begin(struct cipher *cipher, bool seal, const uint8_t nonce[CIPHER_NONCE])
{
    bool again = cipher->started && cipher->sealing == seal;
    start(cipher->context, seal, again ? NULL : cipher->key, nonce);
    cipher->started = true;
    cipher->sealing = seal;
}

void cipher_update(struct cipher *cipher, struct str text, char *out)
{
    update(cipher->context, text, out);
}

void cipher_end_seal(struct cipher *cipher, uint8_t tag[CIPHER_TAG])
{
    get_tag(cipher->context, tag);
}

bool cipher_end_open(struct cipher *cipher, const uint8_t tag[CIPHER_TAG])
{
    return check_tag(cipher->context, tag);
}

void cipher_ctr(const uint8_t key[CIPHER_KEY], const uint8_t first[CIPHER_BLOCK], char *bytes,
                size_t size)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    ASSERT(context != NULL);
    must(EVP_EncryptInit_ex(context, EVP_aes_256_ctr(), NULL, key, first));
    update(context, str_make(bytes, size), bytes);
    EVP_CIPHER_CTX_free(context);
}

void cipher_forget(void *memory, size_t size)
{
    OPENSSL_cleanse(memory, size);
}
