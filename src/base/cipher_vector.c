/* AES-256-GCM by Intel's multi-buffer library, which uses the processor's widest instructions (AES
 * on four blocks at once, AVX-512), where OpenSSL 3.0 goes one by one: three times as fast for a
 * chunk, and no context to allocate for a small message. Loaded when it is wanted; where there is
 * none, or another release than the one whose header this was built with, OpenSSL does it. */
#include "base/cipher_int.h"

#if __has_include(<intel-ipsec-mb.h>)

#include <dlfcn.h>
#include <stdatomic.h>
#include <string.h>

#define LINUX /* the header aligns its structures by it */
#include <intel-ipsec-mb.h>
#include <openssl/crypto.h>

#include "base/arena.h"

struct functions {
    struct cipher_maker maker; /* first: what a cipher points to */
    aes_gcm_pre_t prepare;
    aes_gcm_init_t init;
    aes_gcm_enc_dec_update_t seal, open;
    aes_gcm_enc_dec_finalize_t seal_end, open_end;
};

struct running {
    struct cipher base;
    bool sealing;
    struct gcm_context_data context;
    struct gcm_key_data key;
    void *memory; /* what heap_alloc() gave: the key wants an alignment that it does not promise */
};

static struct running *running_of(struct cipher *cipher)
{
    return (struct running *)cipher;
}

static const struct functions *functions_of(const struct cipher *cipher)
{
    return (const struct functions *)cipher->maker;
}

static void drop(struct cipher *cipher)
{
    void *memory = running_of(cipher)->memory;
    cipher_forget(cipher, sizeof(struct running));
    heap_free(memory);
}

static void begin(struct cipher *cipher, bool seal, const uint8_t nonce[CIPHER_NONCE],
                  struct str aad)
{
    struct running *running = running_of(cipher);
    running->sealing = seal;
    functions_of(cipher)->init(&running->key, &running->context, nonce, cipher_bytes(aad), aad.len);
}

static void update(struct cipher *cipher, struct str text, char *out)
{
    struct running *running = running_of(cipher);
    const struct functions *f = functions_of(cipher);
    (running->sealing ? f->seal : f->open)(&running->key, &running->context, (uint8_t *)out,
                                           cipher_bytes(text), text.len);
}

static void end(struct cipher *cipher, uint8_t tag[CIPHER_TAG])
{
    struct running *running = running_of(cipher);
    functions_of(cipher)->seal_end(&running->key, &running->context, tag, CIPHER_TAG);
}

static bool check(struct cipher *cipher, const uint8_t tag[CIPHER_TAG])
{
    uint8_t wanted[CIPHER_TAG];
    struct running *running = running_of(cipher);
    functions_of(cipher)->open_end(&running->key, &running->context, wanted, CIPHER_TAG);
    return CRYPTO_memcmp(wanted, tag, CIPHER_TAG) == 0;
}

/* Of a library that is there: its functions for this machine. */
static bool choose(void *library, struct functions *out)
{
    const char *(*version)(void);
    IMB_MGR *(*alloc)(uint64_t flags);
    void (*init)(IMB_MGR * manager, IMB_ARCH * chosen);
    void (*free_manager)(IMB_MGR * manager);
    const struct {
        const char *name;
        void *place;
    } wanted[] = {{"imb_get_version_str", &version},
                  {"alloc_mb_mgr", &alloc},
                  {"init_mb_mgr_auto", &init},
                  {"free_mb_mgr", &free_manager}};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        void *found = dlsym(library, wanted[i].name);
        if (found == NULL)
            return false;
        memcpy(wanted[i].place, &found, sizeof found);
    }
    if (strcmp(version(), IMB_VERSION_STR) != 0)
        return false;
    IMB_MGR *manager = alloc(0);
    if (manager == NULL)
        return false;
    init(manager, NULL);
    bool wide = (manager->features & IMB_FEATURE_VAES) != 0;
    out->prepare = manager->gcm256_pre;
    out->init = manager->gcm256_init;
    out->seal = manager->gcm256_enc_update;
    out->open = manager->gcm256_dec_update;
    out->seal_end = manager->gcm256_enc_finalize;
    out->open_end = manager->gcm256_dec_finalize;
    free_manager(manager);
    return wide;
}

static struct cipher *make(const uint8_t key[CIPHER_KEY]);

/* Once: the functions, or a table without any. Never freed. */
static const struct functions *functions(void)
{
    static const struct functions *_Atomic chosen;
    const struct functions *known = atomic_load_explicit(&chosen, memory_order_acquire);
    if (known != NULL)
        return known;
    struct functions *mine = heap_alloc(sizeof *mine);
    void *library = dlopen("libIPSec_MB.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library != NULL && choose(library, mine))
        mine->maker = (struct cipher_maker){.make = make,
                                            .drop = drop,
                                            .begin = begin,
                                            .update = update,
                                            .end = end,
                                            .check = check};
    if (atomic_compare_exchange_strong(&chosen, &known, mine))
        return mine;
    heap_free(mine);
    return known;
}

static struct cipher *make(const uint8_t key[CIPHER_KEY])
{
    const struct functions *f = functions();
    char *memory = heap_alloc(sizeof(struct running) + _Alignof(struct running));
    size_t off = (uintptr_t)memory % _Alignof(struct running);
    struct running *running = (void *)(memory + (off == 0 ? 0 : _Alignof(struct running) - off));
    running->base.maker = &f->maker;
    running->memory = memory;
    f->prepare(key, &running->key);
    return &running->base;
}

const struct cipher_maker *cipher_vector(void)
{
    const struct functions *f = functions();
    return f->maker.make == NULL ? NULL : &f->maker;
}

#else

const struct cipher_maker *cipher_vector(void)
{
    return NULL;
}

#endif
