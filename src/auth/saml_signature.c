#include "auth/saml_signature.h"

#include <limits.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/digest.h"
#include "base/encode.h"
#include "base/result.h"

#define DSIG "http://www.w3.org/2000/09/xmldsig#"
#define EXCLUSIVE "http://www.w3.org/2001/10/xml-exc-c14n#"
#define ENVELOPED DSIG "enveloped-signature"

/* --- algorithms, by their names in XML --- */

struct method {
    const char *name;
    bool ec;
    const EVP_MD *(*digest)(void);
};
static const struct method signature_methods[] = {
    {"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", false, EVP_sha256},
    {"http://www.w3.org/2001/04/xmldsig-more#rsa-sha384", false, EVP_sha384},
    {"http://www.w3.org/2001/04/xmldsig-more#rsa-sha512", false, EVP_sha512},
    {DSIG "rsa-sha1", false, EVP_sha1},
    {"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256", true, EVP_sha256},
    {"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384", true, EVP_sha384},
    {"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512", true, EVP_sha512},
};
static const struct method digest_methods[] = {
    {"http://www.w3.org/2001/04/xmlenc#sha256", false, EVP_sha256},
    {"http://www.w3.org/2001/04/xmldsig-more#sha384", false, EVP_sha384},
    {"http://www.w3.org/2001/04/xmlenc#sha512", false, EVP_sha512},
    {DSIG "sha1", false, EVP_sha1},
};

static const struct method *method_of(const struct method *methods, size_t count, struct str name)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(str_from_c(methods[i].name), name))
            return &methods[i];
    return NULL;
}

/* --- parts --- */

struct signature {
    xmlNodePtr node, info;
    struct str info_prefixes, prefixes; /* InclusiveNamespaces of SignedInfo, of the reference */
    const struct method *method, *digest;
    struct str digest_value, value; /* decoded */
};

static bool decode(struct arena *arena, struct str text, struct str *out)
{
    struct buf packed;
    buf_init(&packed, arena, text.len + 1);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
            buf_append_char(&packed, c);
    }
    return base64_decode(arena, buf_str(&packed), out);
}

static struct str algorithm(const struct xml *xml, struct arena *arena, const xmlNode *node)
{
    return xml_attribute(xml, arena, node, "Algorithm");
}

static struct str inclusive(const struct xml *xml, struct arena *arena, const xmlNode *node)
{
    return xml_attribute(xml, arena, xml_child(node, EXCLUSIVE, "InclusiveNamespaces"),
                         "PrefixList");
}

/* Enveloped and exclusive, nothing else. */
static bool transforms_taken(const struct xml *xml, struct arena *arena, const xmlNode *reference,
                             struct signature *out)
{
    const xmlNode *transforms = xml_child(reference, DSIG, "Transforms");
    bool enveloped = false, exclusive = false;
    for (const xmlNode *at = xml_child(transforms, DSIG, "Transform"); at != NULL;
         at = xml_next(at, DSIG, "Transform")) {
        struct str name = algorithm(xml, arena, at);
        if (str_eq(name, STR(ENVELOPED))) {
            enveloped = true;
        } else if (str_eq(name, STR(EXCLUSIVE))) {
            exclusive = true;
            out->prefixes = inclusive(xml, arena, at);
        } else {
            return false;
        }
    }
    return enveloped && exclusive;
}

static enum signature_verdict signature_parts(const struct xml *xml, struct arena *arena,
                                              xmlNodePtr element, struct signature *out)
{
    out->node = xml_child(element, DSIG, "Signature");
    if (out->node == NULL)
        return SIGNATURE_NONE;
    out->info = xml_child(out->node, DSIG, "SignedInfo");
    const xmlNode *how = xml_child(out->info, DSIG, "CanonicalizationMethod");
    const xmlNode *reference = xml_child(out->info, DSIG, "Reference");
    struct str id = xml_attribute(xml, arena, element, "ID");
    struct str uri = xml_attribute(xml, arena, reference, "URI");
    if (out->info == NULL || reference == NULL || str_is_empty(id) ||
        xml_next(reference, DSIG, "Reference") != NULL ||
        xml_next(out->node, DSIG, "Signature") != NULL ||
        !str_eq(uri, str_concat(arena, STR("#"), id)))
        return SIGNATURE_FORGED;
    out->method = method_of(signature_methods, sizeof signature_methods / sizeof *signature_methods,
                            algorithm(xml, arena, xml_child(out->info, DSIG, "SignatureMethod")));
    out->digest = method_of(digest_methods, sizeof digest_methods / sizeof *digest_methods,
                            algorithm(xml, arena, xml_child(reference, DSIG, "DigestMethod")));
    out->info_prefixes = inclusive(xml, arena, how);
    if (!str_eq(algorithm(xml, arena, how), STR(EXCLUSIVE)) || out->method == NULL ||
        out->digest == NULL || !transforms_taken(xml, arena, reference, out))
        return SIGNATURE_UNSUPPORTED;
    struct str digest = xml_text(xml, arena, xml_child(reference, DSIG, "DigestValue"));
    struct str value = xml_text(xml, arena, xml_child(out->node, DSIG, "SignatureValue"));
    return decode(arena, digest, &out->digest_value) && decode(arena, value, &out->value)
               ? SIGNATURE_GOOD
               : SIGNATURE_FORGED;
}

/* --- checks --- */

static bool digest_good(const struct xml *xml, struct arena *arena, xmlNodePtr element,
                        const struct signature *signature)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    struct str text = xml_canonical(xml, arena, element, signature->node, signature->prefixes);
    return !str_is_absent(text) &&
           EVP_Digest(text.ptr, text.len, digest, &len, signature->digest->digest(), NULL) == 1 &&
           signature->digest_value.len == len &&
           digest_equal(digest, (const uint8_t *)signature->digest_value.ptr, len);
}

/* XML has r and s side by side, OpenSSL wants DER. */
static struct str der_of(struct arena *arena, struct str raw)
{
    size_t half = raw.len / 2;
    unsigned char *der = NULL;
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn((const unsigned char *)raw.ptr, (int)half, NULL);
    BIGNUM *s = BN_bin2bn((const unsigned char *)raw.ptr + half, (int)(raw.len - half), NULL);
    ASSERT(pair != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(pair, r, s) == 1);
    int len = i2d_ECDSA_SIG(pair, &der);
    struct str out =
        len <= 0 ? (struct str){0} : str_copy(arena, str_make((const char *)der, (size_t)len));
    OPENSSL_free(der);
    ECDSA_SIG_free(pair);
    return out;
}

static bool signed_by(const struct signature *signature, struct str text, struct str value,
                      struct str certificate)
{
    const unsigned char *der = (const unsigned char *)certificate.ptr;
    X509 *x509 = certificate.len > LONG_MAX ? NULL : d2i_X509(NULL, &der, (long)certificate.len);
    EVP_PKEY *key = x509 == NULL ? NULL : X509_get_pubkey(x509);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    ASSERT(context != NULL);
    bool good = key != NULL && EVP_PKEY_is_a(key, signature->method->ec ? "EC" : "RSA") == 1 &&
                EVP_DigestVerifyInit(context, NULL, signature->method->digest(), NULL, key) == 1 &&
                EVP_DigestVerify(context, (const unsigned char *)value.ptr, value.len,
                                 (const unsigned char *)text.ptr, text.len) == 1;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    X509_free(x509);
    return good;
}

enum signature_verdict signature_verify(const struct xml *xml, struct arena *arena,
                                        xmlNodePtr element, const struct str_list *certificates)
{
    struct signature signature = {0};
    enum signature_verdict verdict = signature_parts(xml, arena, element, &signature);
    if (verdict != SIGNATURE_GOOD)
        return verdict;
    struct str text = xml_canonical(xml, arena, signature.info, NULL, signature.info_prefixes);
    struct str value = signature.value;
    if (str_is_absent(text) || value.len == 0 || value.len > 4096 ||
        !digest_good(xml, arena, element, &signature))
        return SIGNATURE_FORGED;
    if (signature.method->ec)
        value = der_of(arena, value);
    for (size_t i = 0; i < certificates->len; i++)
        if (signed_by(&signature, text, value, certificates->items[i]))
            return SIGNATURE_GOOD;
    return SIGNATURE_FORGED;
}
