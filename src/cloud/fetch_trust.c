#include "cloud/fetch_trust.h"

#include <limits.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "base/digest.h"
#include "base/encode.h"
#include "base/result.h"

static X509 *certificate_of(struct str pem)
{
    if (pem.len > INT_MAX)
        return NULL;
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    X509 *certificate = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    return certificate;
}

/* trusted NULL: this machine's authorities. */
static bool chain_good(STACK_OF(X509) * chain, X509 *trusted)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    ASSERT(store != NULL && context != NULL);
    if (trusted == NULL)
        (void)X509_STORE_set_default_paths(store);
    else
        (void)X509_STORE_add_cert(store, trusted);
    bool good = X509_STORE_CTX_init(context, store, sk_X509_value(chain, 0), chain) == 1;
    if (good && trusted != NULL)
        X509_STORE_CTX_set_flags(context, X509_V_FLAG_PARTIAL_CHAIN);
    good = good && X509_STORE_CTX_set_purpose(context, X509_PURPOSE_SSL_SERVER) == 1 &&
           X509_verify_cert(context) == 1;
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    return good;
}

static bool digest_listed(struct arena *arena, X509 *certificate,
                          const struct str_list *thumbprints)
{
    unsigned char *der = NULL;
    uint8_t digest[SHA1_SIZE];
    struct buf hex;
    int len = i2d_X509(certificate, &der);
    if (len <= 0)
        return false;
    digest_sha1(str_make((const char *)der, (size_t)len), digest);
    OPENSSL_free(der);
    buf_init(&hex, arena, 2 * SHA1_SIZE + 1);
    hex_encode(&hex, str_make((const char *)digest, sizeof digest));
    for (size_t i = 0; i < thumbprints->len; i++)
        if (str_eq_nocase(buf_str(&hex), thumbprints->items[i]))
            return true;
    return false;
}

bool fetch_trusts(struct arena *arena, const struct str_list *chain,
                  const struct str_list *thumbprints)
{
    STACK_OF(X509) *certificates = sk_X509_new_null();
    ASSERT(certificates != NULL);
    for (size_t i = 0; i < chain->len; i++) {
        X509 *certificate = certificate_of(chain->items[i]);
        if (certificate != NULL)
            sk_X509_push(certificates, certificate);
    }
    int count = sk_X509_num(certificates);
    bool good = count > 0 && chain_good(certificates, NULL);
    for (int i = count - 1; i >= 0 && !good; i--) {
        X509 *trusted = sk_X509_value(certificates, i);
        good = digest_listed(arena, trusted, thumbprints) && chain_good(certificates, trusted);
    }
    sk_X509_pop_free(certificates, X509_free);
    return good;
}
