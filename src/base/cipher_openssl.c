/* AES-256-GCM by OpenSSL, for any machine. */
#include <limits.h>
#include <stdatomic.h>

#include <openssl/evp.h>

#include "base/arena.h"
#include "base/cipher_int.h"
#include "base/result.h"

struct running {
    struct cipher base;
    EVP_CIPHER_CTX *context;
    bool started, sealing; /* the key is in the context, for that direction */
    uint8_t key[CIPHER_KEY];
};

static struct running *running_of(struct cipher *cipher)
{
    return (struct running *)cipher;
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

static struct cipher *make(const uint8_t key[CIPHER_KEY])
{
    struct running *running = heap_alloc(sizeof *running);
    running->base.maker = &cipher_openssl;
    running->context = EVP_CIPHER_CTX_new();
    ASSERT(running->context != NULL);
    memcpy(running->key, key, CIPHER_KEY);
    return &running->base;
}

static void drop(struct cipher *cipher)
{
    struct running *running = running_of(cipher);
    EVP_CIPHER_CTX_free(running->context);
    cipher_forget(running->key, sizeof running->key);
    heap_free(running);
}

static void update(struct cipher *cipher, struct str text, char *out)
{
    int written;
    ASSERT(text.len <= INT_MAX);
    must(EVP_CipherUpdate(running_of(cipher)->context, (uint8_t *)out, &written, cipher_bytes(text),
                          (int)text.len));
}

static void begin(struct cipher *cipher, bool seal, const uint8_t nonce[CIPHER_NONCE],
                  struct str aad)
{
    struct running *running = running_of(cipher);
    bool again = running->started && running->sealing == seal;
    must(EVP_CipherInit_ex(running->context, again ? NULL : gcm(), NULL,
                           again ? NULL : running->key, nonce, seal ? 1 : 0));
    running->started = true;
    running->sealing = seal;
    if (aad.len > 0)
        update(cipher, aad, NULL);
}

static void end(struct cipher *cipher, uint8_t tag[CIPHER_TAG])
{
    int written;
    uint8_t nothing[CIPHER_BLOCK];
    EVP_CIPHER_CTX *context = running_of(cipher)->context;
    must(EVP_CipherFinal_ex(context, nothing, &written));
    must(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, CIPHER_TAG, tag));
}

static bool check(struct cipher *cipher, const uint8_t tag[CIPHER_TAG])
{
    int written;
    uint8_t nothing[CIPHER_BLOCK], copy[CIPHER_TAG];
    EVP_CIPHER_CTX *context = running_of(cipher)->context;
    memcpy(copy, tag, sizeof copy);
    must(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, CIPHER_TAG, copy));
    return EVP_CipherFinal_ex(context, nothing, &written) == 1;
}

const struct cipher_maker cipher_openssl = {
    .make = make,
    .drop = drop,
    .begin = begin,
    .update = update,
    .end = end,
    .check = check,
};
