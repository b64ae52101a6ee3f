#include "auth/jwt_sign.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "base/encode.h"

enum { RSA_BITS = 2048, HALF = 48 /* bytes of a coordinate of P-384 */, SIGNATURE_MAX = 512 };

static const struct {
    const char *name;
    const EVP_MD *(*digest)(void);
} kinds[] = {
    [JWT_RS256] = {"RS256", EVP_sha256},
    [JWT_ES384] = {"ES384", EVP_sha384},
};

/* --- keys --- */

/* A number of the key as JWKs have it: `size` bytes, or as few as it needs when that is 0. */
static bool key_number(struct arena *arena, const EVP_PKEY *key, const char *name, int size,
                       struct str *out)
{
    BIGNUM *number = NULL;
    struct buf text;
    if (EVP_PKEY_get_bn_param(key, name, &number) != 1)
        return false;
    int len = size == 0 ? BN_num_bytes(number) : size;
    unsigned char *bytes = arena_alloc(arena, (size_t)len + 1);
    bool good = BN_bn2binpad(number, bytes, len) == len;
    BN_free(number);
    buf_init(&text, arena, 4 * (size_t)len + 8);
    base64url_encode(&text, str_make((const char *)bytes, (size_t)len));
    *out = buf_str(&text);
    return good;
}

static bool key_describe(struct arena *arena, enum jwt_kind kind, const EVP_PKEY *key,
                         struct str kid, struct str *jwk)
{
    struct str first, second;
    bool rsa = kind == JWT_RS256;
    if (!key_number(arena, key, rsa ? OSSL_PKEY_PARAM_RSA_N : OSSL_PKEY_PARAM_EC_PUB_X,
                    rsa ? 0 : HALF, &first) ||
        !key_number(arena, key, rsa ? OSSL_PKEY_PARAM_RSA_E : OSSL_PKEY_PARAM_EC_PUB_Y,
                    rsa ? 0 : HALF, &second))
        return false;
    *jwk = rsa ? str_format(arena,
                            "{\"kty\":\"RSA\",\"use\":\"sig\",\"alg\":\"RS256\",\"kid\":\"%.*s\","
                            "\"n\":\"%.*s\",\"e\":\"%.*s\"}",
                            PRSTR(kid), PRSTR(first), PRSTR(second))
               : str_format(arena,
                            "{\"kty\":\"EC\",\"use\":\"sig\",\"alg\":\"ES384\",\"kid\":\"%.*s\","
                            "\"crv\":\"P-384\",\"x\":\"%.*s\",\"y\":\"%.*s\"}",
                            PRSTR(kid), PRSTR(first), PRSTR(second));
    return true;
}

RESULT jwt_key_make(struct arena *arena, enum jwt_kind kind, struct str kid, struct jwt_key *out)
{
    EVP_PKEY *pair = kind == JWT_RS256 ? EVP_RSA_gen(RSA_BITS) : EVP_EC_gen("P-384");
    int size = pair == NULL ? 0 : i2d_PrivateKey(pair, NULL);
    bool good = size > 0;
    if (good) {
        unsigned char *bytes = arena_alloc(arena, (size_t)size), *next = bytes;
        good =
            i2d_PrivateKey(pair, &next) == size && key_describe(arena, kind, pair, kid, &out->jwk);
        out->private_der = str_make((const char *)bytes, (size_t)size);
    }
    EVP_PKEY_free(pair);
    return good ? RESULT_OK : FAULT("a key pair could not be made");
}

/* --- tokens --- */

/* An ECDSA signature of OpenSSL is DER; a token's is both numbers, one after the other. */
static bool signature_plain(const unsigned char *der, size_t len, unsigned char out[2 * HALF])
{
    ECDSA_SIG *parts = d2i_ECDSA_SIG(NULL, &der, (long)len);
    bool good = parts != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(parts), out, HALF) == HALF &&
                BN_bn2binpad(ECDSA_SIG_get0_s(parts), out + HALF, HALF) == HALF;
    ECDSA_SIG_free(parts);
    return good;
}

static bool sign_with(EVP_PKEY *key, enum jwt_kind kind, struct str text,
                      unsigned char out[SIGNATURE_MAX], size_t *len)
{
    unsigned char plain[2 * HALF];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    *len = SIGNATURE_MAX;
    bool good = context != NULL &&
                EVP_DigestSignInit(context, NULL, kinds[kind].digest(), NULL, key) == 1 &&
                EVP_DigestSign(context, out, len, (const unsigned char *)text.ptr, text.len) == 1;
    EVP_MD_CTX_free(context);
    if (good && kind == JWT_ES384) {
        good = signature_plain(out, *len, plain);
        memcpy(out, plain, sizeof plain);
        *len = sizeof plain;
    }
    return good;
}

RESULT jwt_sign(struct arena *arena, enum jwt_kind kind, struct str kid, struct str private_der,
                struct str claims, struct str *token)
{
    unsigned char signature[SIGNATURE_MAX];
    const unsigned char *next = (const unsigned char *)private_der.ptr;
    size_t len = 0;
    struct buf out;
    struct str header = str_format(arena, "{\"kid\":\"%.*s\",\"typ\":\"JWT\",\"alg\":\"%s\"}",
                                   PRSTR(kid), kinds[kind].name);
    buf_init(&out, arena, 2 * (header.len + claims.len + SIGNATURE_MAX));
    base64url_encode(&out, header);
    buf_append_char(&out, '.');
    base64url_encode(&out, claims);
    EVP_PKEY *key = d2i_AutoPrivateKey(NULL, &next, (long)private_der.len);
    bool good = key != NULL && sign_with(key, kind, buf_str(&out), signature, &len);
    EVP_PKEY_free(key);
    if (!good)
        return FAULT("a token could not be signed");
    buf_append_char(&out, '.');
    base64url_encode(&out, str_make((const char *)signature, len));
    *token = buf_str(&out);
    return RESULT_OK;
}
