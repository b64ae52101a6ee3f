/* The key pairs that digest files are signed with, one for each region and thirty days, made when
 * first needed ("Validating CloudTrail log file integrity", AWS CloudTrail User Guide). A private
 * key stands in the store in a box under the data directory's secret. */
#include <pthread.h>

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "base/cipher.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/vec.h"
#include "cloud/work.h"
#include "services/cloudtrail/cloudtrail_int.h"
#include "store/record.h"

enum { KEY_BITS = 2048, DER_MAX = 4096 };
#define HOUR_MS (INT64_C(3600) * 1000)
#define VALID_MS (INT64_C(30) * 24 * HOUR_MS)

static struct key signing_prefix(struct call *call, struct str region)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("cloudtrail-signing"));
    key_str(&key, region);
    return key;
}

static RESULT signing_all(struct call *call, struct str region, struct cloudtrail_signing_key **out,
                          size_t *count)
{
    struct key prefix = signing_prefix(call, region);
    struct kv_cursor *cursor;
    struct str key, value;
    size_t cap = 0;
    *out = NULL;
    *count = 0;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (;;) {
        struct cloudtrail_signing_key one;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        TRY(record_decode_copy(call->arena, &cloudtrail_model, CLOUDTRAIL_SHAPE_signing_key, value,
                               &one));
        VEC_PUSH(call->arena, *out, *count, cap, one);
    }
    kv_cursor_close(cursor);
    return RESULT_OK;
}

/* --- a pair in reserve: made on a thread of its own, not while the store has its one writer --- */

struct signing_spare {
    pthread_mutex_t lock;
    bool making;
    EVP_PKEY *pair; /* NULL: not yet */
    struct work_slice slice;
};

struct signing_spare *signing_spare_new(void)
{
    struct signing_spare *spare = heap_alloc(sizeof *spare);
    *spare = (struct signing_spare){0};
    ASSERT(pthread_mutex_init(&spare->lock, NULL) == 0);
    return spare;
}

void signing_spare_free(struct signing_spare *spare)
{
    ASSERT(pthread_mutex_destroy(&spare->lock) == 0);
    EVP_PKEY_free(spare->pair);
    heap_free(spare);
}

static void spare_make(struct work_slice *slice)
{
    struct signing_spare *spare = (void *)((char *)slice - offsetof(struct signing_spare, slice));
    EVP_PKEY *pair = EVP_RSA_gen(KEY_BITS);
    ASSERT(pthread_mutex_lock(&spare->lock) == 0);
    spare->pair = pair;
    spare->making = false;
    ASSERT(pthread_mutex_unlock(&spare->lock) == 0);
}

/* NULL: it is being made. */
static EVP_PKEY *spare_take(struct call *call)
{
    struct signing_spare *spare = signing_spare_of(call);
    ASSERT(pthread_mutex_lock(&spare->lock) == 0);
    EVP_PKEY *pair = spare->pair;
    bool begin = pair == NULL && !spare->making;
    spare->pair = NULL;
    spare->making = spare->making || begin;
    ASSERT(pthread_mutex_unlock(&spare->lock) == 0);
    spare->slice.run = spare_make;
    if (!begin || work_post(call->cloud, &spare->slice))
        return pair;
    spare_make(&spare->slice); /* there are no threads: nobody else asks either */
    pair = spare->pair;
    spare->pair = NULL;
    return pair;
}

/* --- making one --- */

static void signing_secret(const struct call *call, uint8_t secret[CIPHER_KEY])
{
    cloud_derive(call->cloud, STR("cloudtrail signing keys"), secret);
}

typedef int key_writer(const EVP_PKEY *key, unsigned char **out);

static struct str key_der(struct arena *arena, const EVP_PKEY *key, key_writer *writer)
{
    char *room = arena_alloc(arena, DER_MAX);
    union {
        char *text;
        unsigned char *next;
    } at = {.text = room};
    int size = writer(key, NULL);
    if (size <= 0 || size > DER_MAX || writer(key, &at.next) != size)
        return (struct str){0};
    return str_make(room, (size_t)size);
}

/* The beginning of its time is an hour's, so that it was valid when the digest's hour began. */
static RESULT signing_make(struct call *call, struct str region, int64_t at_ms, EVP_PKEY *pair,
                           struct cloudtrail_signing_key *out)
{
    uint8_t secret[CIPHER_KEY], md5[MD5_SIZE];
    struct buf fingerprint;
    struct str private_der = key_der(call->arena, pair, i2d_PrivateKey);
    struct str public_der = key_der(call->arena, pair, i2d_PublicKey); /* PKCS#1 */
    EVP_PKEY_free(pair);
    if (str_is_absent(private_der) || str_is_absent(public_der))
        return FAULT("an RSA key could not be written");
    signing_secret(call, secret);
    digest_md5(public_der, md5);
    buf_init(&fingerprint, call->arena, 2 * MD5_SIZE);
    hex_encode(&fingerprint, str_make((const char *)md5, sizeof md5));
    *out = (struct cloudtrail_signing_key){
        .fingerprint = buf_str(&fingerprint),
        .public_key = public_der,
        .private_key = cipher_box(call->arena, secret, region, private_der),
        .from_ms = at_ms / HOUR_MS * HOUR_MS - HOUR_MS,
    };
    out->to_ms = out->from_ms + VALID_MS;
    cipher_forget(secret, sizeof secret);
    cipher_forget((void *)(uintptr_t)private_der.ptr, private_der.len);
    struct key key = signing_prefix(call, region);
    key_i64(&key, out->from_ms);
    return call_put_record(call, &key, &cloudtrail_model, CLOUDTRAIL_SHAPE_signing_key, out);
}

RESULT signing_key_at(struct call *call, struct str region, int64_t at_ms,
                      struct cloudtrail_signing_key *out, bool *later)
{
    struct cloudtrail_signing_key *keys;
    size_t count;
    *later = false;
    TRY(signing_all(call, region, &keys, &count));
    for (size_t i = count; i-- > 0;)
        if (keys[i].from_ms <= at_ms && at_ms < keys[i].to_ms) {
            *out = keys[i];
            return RESULT_OK;
        }
    EVP_PKEY *pair = spare_take(call);
    *later = pair == NULL;
    return *later ? RESULT_OK : signing_make(call, region, at_ms, pair, out);
}

/* --- signing --- */

static bool sign_with(EVP_PKEY *pair, struct str text, uint8_t *out, size_t *size)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = context != NULL &&
                EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, pair) == 1 &&
                EVP_DigestSign(context, out, size, (const unsigned char *)text.ptr, text.len) == 1;
    EVP_MD_CTX_free(context);
    return good;
}

/* SHA256withRSA: PKCS#1, version 1.5. */
RESULT signing_sign(struct call *call, struct str region, const struct cloudtrail_signing_key *key,
                    struct str text, struct str *signature)
{
    uint8_t secret[CIPHER_KEY], bytes[KEY_BITS / 8];
    size_t size = sizeof bytes;
    struct str der;
    signing_secret(call, secret);
    bool opened = cipher_unbox(call->arena, secret, region, key->private_key, &der);
    cipher_forget(secret, sizeof secret);
    if (!opened)
        return FAULT("a signing key does not open");
    const unsigned char *next = (const unsigned char *)der.ptr;
    EVP_PKEY *pair = d2i_AutoPrivateKey(NULL, &next, (long)der.len);
    bool good = pair != NULL && sign_with(pair, text, bytes, &size);
    EVP_PKEY_free(pair);
    cipher_forget((void *)(uintptr_t)der.ptr, der.len);
    if (!good)
        return FAULT("a digest could not be signed");
    struct buf hex;
    buf_init(&hex, call->arena, 2 * sizeof bytes);
    hex_encode(&hex, str_make((const char *)bytes, size));
    *signature = buf_str(&hex);
    return RESULT_OK;
}

/* --- ListPublicKeys --- */

RESULT cloudtrail_ListPublicKeys(struct call *call,
                                 const struct cloudtrail_ListPublicKeysRequest *in,
                                 struct cloudtrail_ListPublicKeysResponse *out)
{
    struct cloudtrail_signing_key *keys;
    size_t count;
    int64_t from_ms = in->StartTime.set ? in->StartTime.ms : call->now_ms;
    int64_t to_ms = in->EndTime.set ? in->EndTime.ms : call->now_ms;
    if (!str_is_empty(in->NextToken))
        return call_fail(call, CLOUDTRAIL_INVALID_TOKEN, "Invalid token specified.");
    if (from_ms > to_ms)
        return call_fail(call, CLOUDTRAIL_INVALID_TIME_RANGE,
                         "The start time must be before the end time.");
    TRY(signing_all(call, call->region, &keys, &count));
    out->PublicKeyList.items = ARENA_ARRAY(call->arena, count + 1, struct cloudtrail_PublicKey);
    for (size_t i = 0; i < count; i++)
        if (keys[i].from_ms <= to_ms && keys[i].to_ms > from_ms)
            out->PublicKeyList.items[out->PublicKeyList.len++] = (struct cloudtrail_PublicKey){
                .Value = keys[i].public_key,
                .ValidityStartTime = opt_time(keys[i].from_ms),
                .ValidityEndTime = opt_time(keys[i].to_ms),
                .Fingerprint = keys[i].fingerprint,
            };
    return RESULT_OK;
}
