#include "services/iam/pem.h"

#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <time.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/result.h"

enum { RSA_BITS_MIN = 2048, RSA_BITS_MAX = 16384 };

static BIO *bio_of(struct str text)
{
    return text.len > INT_MAX ? NULL : BIO_new_mem_buf(text.ptr, (int)text.len);
}

/* Never asks for a passphrase. */
static int no_passphrase(char *buffer, int size, int writing, void *context)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)context;
    return -1;
}

/* --- certificates --- */

static X509 *read_one(BIO *bio)
{
    return bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
}

static size_t count_certificates(struct str text)
{
    BIO *bio = bio_of(text);
    size_t count = 0;
    for (X509 *certificate; (certificate = read_one(bio)) != NULL; count++)
        X509_free(certificate);
    BIO_free(bio);
    return count;
}

bool pem_is_chain(struct str text)
{
    return count_certificates(text) > 0;
}

bool pem_read_certificate(struct str text, struct pem_certificate *out)
{
    unsigned char *der = NULL;
    struct tm time;
    if (count_certificates(text) != 1)
        return false;
    BIO *bio = bio_of(text);
    X509 *certificate = read_one(bio);
    BIO_free(bio);
    if (certificate == NULL)
        return false;
    bool good = ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &time) == 1;
    int len = i2d_X509(certificate, &der);
    if (good && len > 0) {
        out->expires_ms = (int64_t)timegm(&time) * 1000;
        digest_sha256(str_make((const char *)der, (size_t)len), out->digest);
    }
    OPENSSL_free(der);
    X509_free(certificate);
    return good && len > 0;
}

static EVP_PKEY *read_private_key(struct str text)
{
    BIO *bio = bio_of(text);
    EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    return key;
}

bool pem_is_private_key(struct str text)
{
    EVP_PKEY *key = read_private_key(text);
    EVP_PKEY_free(key);
    return key != NULL;
}

bool pem_matches(struct str certificate, struct str private_key)
{
    BIO *bio = bio_of(certificate);
    X509 *x509 = read_one(bio);
    EVP_PKEY *key = read_private_key(private_key);
    bool matches = x509 != NULL && key != NULL && X509_check_private_key(x509, key) == 1;
    EVP_PKEY_free(key);
    X509_free(x509);
    BIO_free(bio);
    return matches;
}

/* --- SSH keys --- */

/* RFC 4253, 6.6: string "ssh-rsa", mpint e, mpint n. */
static bool take_field(struct str *rest, struct str *field)
{
    if (rest->len < 4)
        return false;
    const uint8_t *p = (const uint8_t *)rest->ptr;
    size_t len = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
    if (len > rest->len - 4)
        return false;
    *field = str_slice(*rest, 4, 4 + len);
    *rest = str_slice(*rest, 4 + len, rest->len);
    return true;
}

static EVP_PKEY *key_of_numbers(struct str e, struct str n)
{
    BIGNUM *exponent = BN_bin2bn((const unsigned char *)e.ptr, (int)e.len, NULL);
    BIGNUM *modulus = BN_bin2bn((const unsigned char *)n.ptr, (int)n.len, NULL);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY *key = NULL;
    ASSERT(exponent != NULL && modulus != NULL && builder != NULL && context != NULL);
    if (OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus) == 1 &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent) == 1) {
        OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
        if (params != NULL && EVP_PKEY_fromdata_init(context) == 1)
            (void)EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params);
        OSSL_PARAM_free(params);
    }
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_BLD_free(builder);
    BN_free(modulus);
    BN_free(exponent);
    return key;
}

static EVP_PKEY *key_of_ssh(struct arena *arena, struct str text)
{
    struct str kind, rest, body, comment, bytes, name, e, n;
    if (!str_cut(text, ' ', &kind, &rest) || !str_eq(kind, STR("ssh-rsa")))
        return NULL;
    str_cut(str_trim(rest), ' ', &body, &comment);
    if (!base64_decode(arena, body, &bytes) || !take_field(&bytes, &name) ||
        !str_eq(name, STR("ssh-rsa")) || !take_field(&bytes, &e) || !take_field(&bytes, &n) ||
        bytes.len != 0 || e.len > 16 || n.len > RSA_BITS_MAX / 8 + 1)
        return NULL;
    return key_of_numbers(e, n);
}

static EVP_PKEY *key_of_pem(struct str text)
{
    BIO *bio = bio_of(text);
    EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    return key;
}

static void put_field(struct buf *out, struct str bytes)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        buf_append_char(out, (char)(bytes.len >> shift));
    buf_append(out, bytes);
}

/* An mpint: a zero before a first bit that is set. */
static void put_number(struct arena *arena, struct buf *out, const BIGNUM *number)
{
    size_t len = (size_t)BN_num_bytes(number);
    char *bytes = arena_alloc(arena, len + 1);
    BN_bn2bin(number, (unsigned char *)bytes + 1);
    bool sign = (bytes[1] & 0x80) != 0;
    put_field(out, str_make(sign ? bytes : bytes + 1, sign ? len + 1 : len));
}

static void show_ssh(struct arena *arena, EVP_PKEY *key, struct ssh_key *out)
{
    BIGNUM *e = NULL, *n = NULL;
    uint8_t digest[MD5_SIZE];
    struct buf blob, text, print;
    ASSERT(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) == 1 &&
           EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n) == 1);
    buf_init(&blob, arena, 8192);
    put_field(&blob, STR("ssh-rsa"));
    put_number(arena, &blob, e);
    put_number(arena, &blob, n);
    BN_free(e);
    BN_free(n);
    buf_init(&text, arena, 16384);
    buf_append(&text, STR("ssh-rsa "));
    base64_encode(&text, buf_str(&blob));
    out->ssh = buf_str(&text);
    digest_md5(buf_str(&blob), digest);
    buf_init(&print, arena, 64);
    for (size_t i = 0; i < sizeof digest; i++)
        buf_append_format(&print, "%s%02x", i == 0 ? "" : ":", digest[i]);
    out->fingerprint = buf_str(&print);
}

static void show_pem(struct arena *arena, EVP_PKEY *key, struct ssh_key *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    ASSERT(bio != NULL && PEM_write_bio_PUBKEY(bio, key) == 1);
    long len = BIO_get_mem_data(bio, &text);
    out->pem = str_copy(arena, str_make(text, (size_t)len));
    BIO_free(bio);
}

enum ssh_problem ssh_key_read(struct arena *arena, struct str text, struct ssh_key *out)
{
    struct str body = str_trim(text);
    bool pem = str_starts_with(body, STR("-----BEGIN"));
    if (!pem && !str_starts_with(body, STR("ssh-rsa ")))
        return SSH_UNKNOWN_ENCODING;
    EVP_PKEY *key = pem ? key_of_pem(body) : key_of_ssh(arena, body);
    bool good = key != NULL && EVP_PKEY_is_a(key, "RSA") == 1 &&
                EVP_PKEY_get_bits(key) >= RSA_BITS_MIN && EVP_PKEY_get_bits(key) <= RSA_BITS_MAX;
    if (good) {
        show_ssh(arena, key, out);
        show_pem(arena, key, out);
    }
    EVP_PKEY_free(key);
    return good ? SSH_GOOD : SSH_INVALID;
}
