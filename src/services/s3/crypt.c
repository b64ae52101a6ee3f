/* Objects' keys, and what is sealed with them: crypt.h says how. */
#include "services/s3/crypt.h"

#include "base/cipher.h"
#include "base/encode.h"
#include "base/rng.h"
#include "services/s3/crypt_int.h"

enum { LAYER_SEAL = CIPHER_NONCE + CIPHER_TAG };

static struct str text_of(const uint8_t *bytes, size_t size)
{
    return str_make((const char *)bytes, size);
}

bool crypt_is_customers(const struct s3_object *object)
{
    return object->sealing != NULL && str_eq(object->sealing->algorithm, STR("SSE-C"));
}

struct str crypt_shown_algorithm(const struct s3_object *object)
{
    if (!object->sealed || crypt_is_customers(object))
        return (struct str){0};
    return object->sealing == NULL ? STR("AES256") : object->sealing->algorithm;
}

bool crypt_hides_md5(const struct crypt *crypt)
{
    return crypt->sealing != NULL;
}

struct str crypt_etag(struct call *call, const struct crypt *crypt, const uint8_t md5[MD5_SIZE])
{
    uint8_t other[MD5_SIZE];
    if (!crypt_hides_md5(crypt))
        return s3_hex(call->arena, md5, MD5_SIZE);
    rng_bytes(other, sizeof other);
    return s3_hex(call->arena, other, sizeof other);
}

void crypt_note(const struct crypt *crypt, struct s3_object *object)
{
    object->sealing = crypt->sealing;
    object->sealed = true;
}

/* --- the bucket's keys --- */

void crypt_own_key(struct call *call, const struct s3_bucket *bucket, uint8_t key[32])
{
    struct str purpose = str_format(call->arena, "s3/bucket/%lld", (long long)bucket->id);
    keys_derive(call->cloud, purpose, key);
}

static struct key crypt_bucket_keys(struct call *call, const struct s3_bucket *bucket)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("s3-bucket-key"));
    key_i64(&key, bucket->id);
    return key;
}

/* "Reducing the cost of SSE-KMS with Amazon S3 Bucket Keys": the context is the bucket's ARN. */
static struct str_map context_of(struct call *call, const struct s3_bucket *bucket, struct str key,
                                 const struct s3_sealing *sealing, bool of_bucket)
{
    size_t count = of_bucket ? 0 : sealing->context.len;
    struct str_map context = {ARENA_ARRAY(call->arena, count + 1, struct str_map_entry), 0};
    for (size_t i = 0; i < count; i++)
        context.items[context.len++] = sealing->context.items[i];
    struct str arn = str_concat(call->arena, STR("arn:aws:s3:::"), bucket->name);
    if (!sealing->bucket_key)
        arn = str_format(call->arena, "%.*s/%.*s", PRSTR(arn), PRSTR(key));
    context.items[context.len++] = (struct str_map_entry){STR("aws:s3:arn"), arn};
    return context;
}

RESULT crypt_fail_key(struct call *call, const struct keys_problem *problem)
{
    switch (problem->fault) {
    case KEYS_DISABLED:
        return call_fail(call, S3_KMS_DISABLED, "%.*s", PRSTR(problem->message));
    case KEYS_NOT_FOUND:
        return call_fail(call, S3_KMS_NOT_FOUND, "%.*s", PRSTR(problem->message));
    case KEYS_INVALID_CIPHERTEXT:
    case KEYS_FINE:
        break;
    }
    return FAULT("an object's key does not open");
}

/* by: whoever reads must be allowed to decrypt with it; NULL: who writes was asked already. */
static RESULT take_key(struct call *call, enum result result, const struct keys_problem *problem,
                       const struct keys_key *by, struct str secret, uint8_t key[32])
{
    if (result == RESULT_ERROR)
        return crypt_fail_key(call, problem);
    TRY(result);
    if (secret.len != 32)
        return FAULT("an object's key of %zu bytes", secret.len);
    memcpy(key, secret.ptr, 32);
    return by == NULL ? RESULT_OK : crypt_permit(call, by, "kms:Decrypt");
}

/* The bucket's key under that KMS key; made when there is none. */
static RESULT bucket_key_get(struct call *call, const struct s3_bucket *bucket,
                             const struct s3_sealing *sealing, const struct keys_key *make_with,
                             uint8_t out[32])
{
    struct key key = crypt_bucket_keys(call, bucket);
    struct s3_bucket_key record;
    struct keys_problem problem = {0};
    struct keys_key by;
    struct str secret = {0};
    bool found;
    key_str(&key, sealing->key_arn);
    struct str_map context = context_of(call, bucket, STR(""), sealing, true);
    TRY(call_get_record_copy(call, &key, &s3_model, S3_SHAPE_bucket_key, &record, &found));
    if (found) {
        enum result result = keys_open(call, record.sealed_key, &context, &secret, &by, &problem);
        return take_key(call, result, &problem, make_with == NULL ? &by : NULL, secret, out);
    }
    if (make_with == NULL)
        return FAULT("an object without its bucket's key");
    keys_generate(call, make_with, &context, out, &record.sealed_key);
    record.made_ms = call->now_ms;
    return call_put_record(call, &key, &s3_model, S3_SHAPE_bucket_key, &record);
}

RESULT crypt_drop_bucket(struct call *call, const struct s3_bucket *bucket)
{
    struct key key = crypt_bucket_keys(call, bucket);
    size_t deleted;
    return kv_delete_prefix(call->txn, key_bytes(&key), SIZE_MAX, &deleted);
}

/* A new object's key under a KMS key. */
RESULT crypt_make_kms(struct call *call, const struct s3_bucket *bucket, struct str key,
                      const struct keys_key *by, struct crypt *crypt)
{
    struct s3_sealing *sealing = crypt->sealing;
    if (sealing->bucket_key) {
        uint8_t cover[32];
        TRY(bucket_key_get(call, bucket, sealing, by, cover));
        rng_bytes(crypt->key, sizeof crypt->key);
        sealing->sealed_key =
            cipher_box(call->arena, cover, STR("object"), text_of(crypt->key, sizeof crypt->key));
        return RESULT_OK;
    }
    struct str_map context = context_of(call, bucket, key, sealing, false);
    keys_generate(call, by, &context, crypt->key, &sealing->sealed_key);
    return RESULT_OK;
}

RESULT crypt_open_kms(struct call *call, const struct s3_bucket *bucket, struct str key,
                      struct crypt *crypt)
{
    const struct s3_sealing *sealing = crypt->sealing;
    struct keys_problem problem = {0};
    struct keys_key by;
    struct str secret = {0};
    if (sealing->bucket_key) {
        uint8_t cover[32];
        TRY(bucket_key_get(call, bucket, sealing, NULL, cover));
        if (!cipher_unbox(call->arena, cover, STR("object"), sealing->sealed_key, &secret) ||
            secret.len != 32)
            return FAULT("an object's key does not open");
        memcpy(crypt->key, secret.ptr, 32);
        return RESULT_OK;
    }
    struct str_map context = context_of(call, bucket, key, sealing, false);
    enum result result = keys_open(call, sealing->sealed_key, &context, &secret, &by, &problem);
    return take_key(call, result, &problem, &by, secret, crypt->key);
}

/* --- the customer's key --- */

/* Two uses of one key and salt: the object's key, and what tells that it is the right one. */
void crypt_of_customer(struct call *call, struct str customers, struct str salt, const char *use,
                       uint8_t out[32])
{
    struct str text = str_format(call->arena, "%s/", use);
    digest_hmac_sha256(customers, str_concat(call->arena, text, salt), out);
}

/* --- pieces --- */

struct blob_key crypt_blob_key(const struct s3_piece *piece)
{
    struct blob_key key = {0};
    key.layers = (unsigned)(piece->sealed_key.len / sizeof key.bytes[0]);
    if (piece->sealed_key.len > 0 && piece->sealed_key.len <= sizeof key.bytes)
        memcpy(key.bytes, piece->sealed_key.ptr, piece->sealed_key.len);
    return key;
}

bool crypt_wants_layer(const struct crypt *crypt, const struct s3_manifest *manifest)
{
    for (size_t i = 0; i < manifest->pieces.len; i++) {
        const struct s3_piece *piece = &manifest->pieces.items[i];
        if (!str_is_absent(piece->blob_id) && crypt_blob_key(piece).layers < crypt->layers)
            return true;
    }
    return false;
}

/* Outer layer first when opening. */
static const uint8_t *layer_key(const struct crypt *crypt, unsigned layer)
{
    return layer == 0 ? crypt->key : crypt->own;
}

static void seal_bytes(struct call *call, const struct crypt *crypt, struct s3_piece *piece)
{
    size_t size = piece->bytes.len;
    char *out = arena_alloc_raw(call->arena, size + 1);
    char *seals = arena_alloc_raw(call->arena, LAYER_SEAL * (size_t)crypt->layers);
    struct str text = piece->bytes;
    for (unsigned layer = 0; layer < crypt->layers; layer++) {
        uint8_t *seal = (uint8_t *)seals + LAYER_SEAL * (size_t)layer;
        rng_bytes(seal, CIPHER_NONCE);
        cipher_seal(layer_key(crypt, layer), seal, STR("body"), text, out, seal + CIPHER_NONCE);
        text = str_make(out, size);
    }
    piece->bytes = text;
    piece->sealed_key = str_make(seals, LAYER_SEAL * (size_t)crypt->layers);
}

static RESULT unseal_bytes(struct call *call, const struct crypt *crypt, struct s3_piece *piece)
{
    size_t size = piece->bytes.len;
    char *out = arena_alloc_raw(call->arena, size + 1);
    struct str text = piece->bytes;
    if (piece->sealed_key.len != LAYER_SEAL * (size_t)crypt->layers)
        return FAULT("an object's bytes have %zu bytes of seals", piece->sealed_key.len);
    for (unsigned layer = crypt->layers; layer-- > 0;) {
        const uint8_t *seal = (const uint8_t *)piece->sealed_key.ptr + LAYER_SEAL * (size_t)layer;
        if (!cipher_open(layer_key(crypt, layer), seal, STR("body"), text, out,
                         seal + CIPHER_NONCE))
            return FAULT("an object's bytes were altered in the store");
        text = str_make(out, size);
    }
    piece->bytes = str_slice(text, (size_t)piece->offset, (size_t)(piece->offset + piece->length));
    piece->offset = 0;
    piece->sealed_key = (struct str){0};
    return RESULT_OK;
}

RESULT crypt_seal(struct call *call, const struct crypt *crypt, struct s3_manifest *manifest)
{
    for (size_t i = 0; i < manifest->pieces.len; i++) {
        struct s3_piece *piece = &manifest->pieces.items[i];
        if (!str_is_absent(piece->bytes)) {
            seal_bytes(call, crypt, piece);
            continue;
        }
        for (unsigned layer = 0; layer < crypt->layers && piece->sealed_key.len > 0; layer++)
            piece->sealed_key = cipher_box(call->arena, layer_key(crypt, layer), STR("data key"),
                                           piece->sealed_key);
    }
    return RESULT_OK;
}

RESULT crypt_unseal(struct call *call, const struct crypt *crypt, struct s3_manifest *manifest)
{
    for (size_t i = 0; i < manifest->pieces.len; i++) {
        struct s3_piece *piece = &manifest->pieces.items[i];
        if (piece->sealed_key.len == 0)
            continue;
        if (!str_is_absent(piece->bytes)) {
            TRY(unseal_bytes(call, crypt, piece));
            continue;
        }
        for (unsigned layer = crypt->layers; layer-- > 0;)
            if (!cipher_unbox(call->arena, layer_key(crypt, layer), STR("data key"),
                              piece->sealed_key, &piece->sealed_key))
                return FAULT("a data key does not open");
    }
    return RESULT_OK;
}
