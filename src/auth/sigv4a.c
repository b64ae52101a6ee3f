#include "auth/sigv4a.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/params.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/result.h"

enum { TRIES = 254 };

/* --- the key: NIST SP 800-108, the counter mode with HMAC-SHA-256, and FIPS 186-4, B.4.2 --- */

/* A big-endian number, less than the order of P-256 minus one. */
static bool is_below_order(const uint8_t number[SIGV4A_SCALAR])
{
    static const uint8_t order_minus_two[SIGV4A_SCALAR] = {
        0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF,
        0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xBC, 0xE6, 0xFA, 0xAD, 0xA7, 0x17,
        0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x4F};
    return memcmp(number, order_minus_two, SIGV4A_SCALAR) <= 0;
}

static void add_one(uint8_t number[SIGV4A_SCALAR])
{
    for (size_t i = SIGV4A_SCALAR; i-- > 0;)
        if (++number[i] != 0)
            return;
}

void sigv4a_derive(struct str access_key, struct str secret, struct sigv4a_key *pair)
{
    uint8_t *scalar = pair->scalar;
    struct arena *arena = arena_new(0);
    struct str key = str_concat(arena, STR("AWS4A"), secret);
    for (unsigned counter = 1; counter <= TRIES; counter++) {
        struct buf input;
        buf_init(&input, arena, access_key.len + 64);
        buf_append(&input, STR("\0\0\0\1" SIGV4A_ALGORITHM "\0"));
        buf_append(&input, access_key);
        buf_append_char(&input, (char)counter);
        buf_append(&input, STR("\0\0\1\0")); /* bits of the key */
        digest_hmac_sha256(key, buf_str(&input), scalar);
        if (is_below_order(scalar))
            break;
    }
    add_one(scalar);
    arena_free(arena);
    sigv4a_complete(pair);
}

/* --- the public half --- */

void sigv4a_complete(struct sigv4a_key *key)
{
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    EC_POINT *made = EC_POINT_new(group);
    BIGNUM *number = BN_bin2bn(key->scalar, SIGV4A_SCALAR, NULL);
    ASSERT(EC_POINT_mul(group, made, number, NULL, NULL, NULL) == 1);
    ASSERT(EC_POINT_point2oct(group, made, POINT_CONVERSION_UNCOMPRESSED, key->point, SIGV4A_POINT,
                              NULL) == SIGV4A_POINT);
    BN_clear_free(number);
    EC_POINT_free(made);
    EC_GROUP_free(group);
}

static EVP_PKEY *public_key(const struct sigv4a_key *key)
{
    char group[] = SN_X9_62_prime256v1;
    uint8_t point[SIGV4A_POINT];
    EVP_PKEY *made = NULL;
    memcpy(point, key->point, sizeof point);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    ASSERT(EVP_PKEY_fromdata_init(context) == 1 &&
           EVP_PKEY_fromdata(context, &made, EVP_PKEY_PUBLIC_KEY, params) == 1);
    EVP_PKEY_CTX_free(context);
    return made;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
}

bool sigv4a_verify(const struct sigv4a_key *key, struct str text, struct str signature)
{
    uint8_t der[SIGV4A_SIGNATURE_MAX / 2];
    if (signature.len == 0 || signature.len % 2 != 0 || signature.len > 2 * sizeof der)
        return false;
    for (size_t i = 0; i < signature.len; i += 2) {
        int high = hex_value(signature.ptr[i]), low = hex_value(signature.ptr[i + 1]);
        if (high < 0 || low < 0)
            return false;
        der[i / 2] = (uint8_t)(high << 4 | low);
    }
    EVP_PKEY *public = public_key(key);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good =
        EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, public) == 1 &&
        EVP_DigestVerify(context, der, signature.len / 2, (const uint8_t *)text.ptr, text.len) == 1;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(public);
    ERR_clear_error(); /* what does not match is no fault of this thread's next call */
    return good;
}
