#include "auth/jwt.h"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "base/encode.h"
#include "base/result.h"
#include "wire/json_text.h"

enum { RSA_BITS_MIN = 2048, TOKEN_MAX = 64 * 1024 };

/* --- the token --- */

static bool jwt_text(struct arena *arena, struct str object, const char *name, struct str *out)
{
    struct str raw;
    return json_member(arena, object, str_from_c(name), &raw) && json_string(arena, raw, out);
}

bool jwt_parse(struct arena *arena, struct str token, struct jwt *out)
{
    struct str head, rest, payload, signature, header;
    struct jwt jwt = {0};
    if (token.len > TOKEN_MAX || !str_cut(token, '.', &head, &rest) ||
        !str_cut(rest, '.', &payload, &signature) || str_find_char(signature, '.') != SIZE_MAX)
        return false;
    if (!base64url_decode(arena, head, &header) || !base64url_decode(arena, payload, &jwt.claims) ||
        !base64url_decode(arena, signature, &jwt.signature))
        return false;
    if (!json_is_valid(header) || json_kind_of(header) != JSON_OBJECT ||
        !json_is_valid(jwt.claims) || json_kind_of(jwt.claims) != JSON_OBJECT ||
        !jwt_text(arena, header, "alg", &jwt.algorithm))
        return false;
    (void)jwt_text(arena, header, "kid", &jwt.key_id);
    jwt.signed_part = str_slice(token, 0, head.len + 1 + payload.len);
    *out = jwt;
    return true;
}

/* --- algorithms --- */

struct algorithm {
    struct str name;
    bool ec;
    const char *curve; /* RFC 7518, 6.2.1.1 */
    const char *group; /* the same by OpenSSL's name */
    size_t half;       /* bytes of a coordinate, and of half a signature */
    const EVP_MD *(*digest)(void);
};

static const struct algorithm algorithms[] = {
    {STR_INIT("RS256"), false, NULL, NULL, 0, EVP_sha256},
    {STR_INIT("RS384"), false, NULL, NULL, 0, EVP_sha384},
    {STR_INIT("RS512"), false, NULL, NULL, 0, EVP_sha512},
    {STR_INIT("ES256"), true, "P-256", "prime256v1", 32, EVP_sha256},
    {STR_INIT("ES384"), true, "P-384", "secp384r1", 48, EVP_sha384},
    {STR_INIT("ES512"), true, "P-521", "secp521r1", 66, EVP_sha512},
};

static const struct algorithm *algorithm_of(struct str name)
{
    for (size_t i = 0; i < sizeof algorithms / sizeof algorithms[0]; i++)
        if (str_eq(algorithms[i].name, name))
            return &algorithms[i];
    return NULL;
}

/* --- keys --- */

static bool jwk_bytes(struct arena *arena, struct str jwk, const char *name, struct str *out)
{
    struct str text;
    return jwt_text(arena, jwk, name, &text) && base64url_decode(arena, text, out) && out->len > 0;
}

static EVP_PKEY *key_of_params(const char *type, OSSL_PARAM_BLD *builder)
{
    EVP_PKEY *key = NULL;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (params != NULL && context != NULL && EVP_PKEY_fromdata_init(context) == 1)
        (void)EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params);
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    return key;
}

static EVP_PKEY *key_rsa(struct arena *arena, struct str jwk)
{
    struct str n, e;
    if (!jwk_bytes(arena, jwk, "n", &n) || !jwk_bytes(arena, jwk, "e", &e) || n.len > 2048 ||
        e.len > 8)
        return NULL;
    BIGNUM *modulus = BN_bin2bn((const unsigned char *)n.ptr, (int)n.len, NULL);
    BIGNUM *exponent = BN_bin2bn((const unsigned char *)e.ptr, (int)e.len, NULL);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    EVP_PKEY *key = NULL;
    ASSERT(modulus != NULL && exponent != NULL && builder != NULL);
    if (BN_num_bits(modulus) >= RSA_BITS_MIN &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus) == 1 &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent) == 1)
        key = key_of_params("RSA", builder);
    OSSL_PARAM_BLD_free(builder);
    BN_free(modulus);
    BN_free(exponent);
    return key;
}

static EVP_PKEY *key_ec(struct arena *arena, struct str jwk, const struct algorithm *algorithm)
{
    unsigned char point[1 + 2 * 66];
    struct str curve, x, y;
    size_t half = algorithm->half;
    if (!jwt_text(arena, jwk, "crv", &curve) || !str_eq(curve, str_from_c(algorithm->curve)) ||
        !jwk_bytes(arena, jwk, "x", &x) || !jwk_bytes(arena, jwk, "y", &y) || x.len != half ||
        y.len != half)
        return NULL;
    point[0] = 4; /* not compressed: SEC 1, 2.3.3 */
    memcpy(point + 1, x.ptr, half);
    memcpy(point + 1 + half, y.ptr, half);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    EVP_PKEY *key = NULL;
    ASSERT(builder != NULL);
    if (OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, algorithm->group, 0) ==
            1 &&
        OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * half) ==
            1)
        key = key_of_params("EC", builder);
    OSSL_PARAM_BLD_free(builder);
    return key;
}

/* NULL: this key is of another kind, for another use or with another algorithm. */
static EVP_PKEY *key_of(struct arena *arena, struct str jwk, const struct algorithm *algorithm)
{
    struct str type, use, named;
    if (!jwt_text(arena, jwk, "kty", &type) ||
        !str_eq(type, algorithm->ec ? STR("EC") : STR("RSA")) ||
        (jwt_text(arena, jwk, "use", &use) && !str_eq(use, STR("sig"))) ||
        (jwt_text(arena, jwk, "alg", &named) && !str_eq(named, algorithm->name)))
        return NULL;
    return algorithm->ec ? key_ec(arena, jwk, algorithm) : key_rsa(arena, jwk);
}

/* --- signatures --- */

/* r and s side by side, to DER; the length, 0 when they are no signature (RFC 7518, 3.4). */
static int ec_to_der(struct str raw, size_t half, unsigned char **der)
{
    if (raw.len != 2 * half)
        return 0;
    ECDSA_SIG *signature = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn((const unsigned char *)raw.ptr, (int)half, NULL);
    BIGNUM *s = BN_bin2bn((const unsigned char *)raw.ptr + half, (int)half, NULL);
    ASSERT(signature != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(signature, r, s) == 1);
    int len = i2d_ECDSA_SIG(signature, der);
    ECDSA_SIG_free(signature);
    return len > 0 ? len : 0;
}

static bool signature_good(const struct jwt *token, const struct algorithm *algorithm,
                           EVP_PKEY *key)
{
    unsigned char *der = NULL;
    const unsigned char *signature = (const unsigned char *)token->signature.ptr;
    size_t len = token->signature.len;
    if (algorithm->ec) {
        len = (size_t)ec_to_der(token->signature, algorithm->half, &der);
        signature = der;
    }
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    ASSERT(context != NULL);
    bool good =
        len > 0 && EVP_DigestVerifyInit(context, NULL, algorithm->digest(), NULL, key) == 1 &&
        EVP_DigestVerify(context, signature, len, (const unsigned char *)token->signed_part.ptr,
                         token->signed_part.len) == 1;
    EVP_MD_CTX_free(context);
    OPENSSL_free(der);
    return good;
}

enum jwt_verdict jwt_verify(struct arena *arena, const struct jwt *token, struct str jwks)
{
    const struct algorithm *algorithm = algorithm_of(token->algorithm);
    enum jwt_verdict verdict = JWT_NO_KEY;
    struct str keys, jwk, id;
    if (algorithm == NULL || !json_is_valid(jwks) || !json_member(arena, jwks, STR("keys"), &keys))
        return JWT_NO_KEY;
    while (verdict != JWT_GOOD && json_next_item(&keys, &jwk)) {
        if (!str_is_absent(token->key_id) &&
            (!jwt_text(arena, jwk, "kid", &id) || !str_eq(id, token->key_id)))
            continue;
        EVP_PKEY *key = key_of(arena, jwk, algorithm);
        if (key == NULL)
            continue;
        verdict = signature_good(token, algorithm, key) ? JWT_GOOD : JWT_FORGED;
        EVP_PKEY_free(key);
    }
    return verdict;
}
