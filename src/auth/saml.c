#include "auth/saml.h"

#include "auth/saml_signature.h"
#include "base/buf.h"
#include "base/encode.h"
#include "base/vec.h"

#define PROTOCOL "urn:oasis:names:tc:SAML:2.0:protocol"
#define ASSERTION "urn:oasis:names:tc:SAML:2.0:assertion"
#define METADATA "urn:oasis:names:tc:SAML:2.0:metadata"
#define DSIG "http://www.w3.org/2000/09/xmldsig#"

/* --- metadata --- */

struct identity_provider {
    struct str entity;
    struct str_list certificates; /* DER */
    size_t cap;
};

static void take_certificate(const struct xml *xml, struct arena *arena, const xmlNode *node,
                             struct identity_provider *out)
{
    struct str text = xml_text(xml, arena, node), der;
    struct buf packed;
    buf_init(&packed, arena, text.len + 1);
    for (size_t i = 0; i < text.len; i++)
        if (strchr(" \r\n\t", text.ptr[i]) == NULL)
            buf_append_char(&packed, text.ptr[i]);
    if (base64_decode(arena, buf_str(&packed), &der))
        VEC_PUSH(arena, out->certificates.items, out->certificates.len, out->cap, der);
}

/* Keys for signing, and those that do not say what for. */
static void take_provider(const struct xml *xml, struct arena *arena, xmlNodePtr root,
                          struct identity_provider *out)
{
    out->entity = xml_attribute(xml, arena, root, "entityID");
    for (const xmlNode *idp = xml_child(root, METADATA, "IDPSSODescriptor"); idp != NULL;
         idp = xml_next(idp, METADATA, "IDPSSODescriptor"))
        for (const xmlNode *key = xml_child(idp, METADATA, "KeyDescriptor"); key != NULL;
             key = xml_next(key, METADATA, "KeyDescriptor")) {
            struct str use = xml_attribute(xml, arena, key, "use");
            const xmlNode *info = xml_child(key, DSIG, "KeyInfo");
            if (!str_is_absent(use) && !str_eq(use, STR("signing")))
                continue;
            for (const xmlNode *data = xml_child(info, DSIG, "X509Data"); data != NULL;
                 data = xml_next(data, DSIG, "X509Data"))
                take_certificate(xml, arena, xml_child(data, DSIG, "X509Certificate"), out);
        }
}

/* --- the assertion --- */

static struct str_list values_of(const struct xml *xml, struct arena *arena, const xmlNode *parent,
                                 const char *name)
{
    struct str_list list = {0};
    size_t cap = 0;
    for (const xmlNode *at = xml_child(parent, ASSERTION, name); at != NULL;
         at = xml_next(at, ASSERTION, name))
        VEC_PUSH(arena, list.items, list.len, cap, xml_text(xml, arena, at));
    return list;
}

static void take_attributes(const struct xml *xml, struct arena *arena, const xmlNode *assertion,
                            struct saml_assertion *out)
{
    size_t cap = 0;
    for (const xmlNode *all = xml_child(assertion, ASSERTION, "AttributeStatement"); all != NULL;
         all = xml_next(all, ASSERTION, "AttributeStatement"))
        for (const xmlNode *at = xml_child(all, ASSERTION, "Attribute"); at != NULL;
             at = xml_next(at, ASSERTION, "Attribute")) {
            struct saml_attribute one = {
                .name = xml_attribute(xml, arena, at, "Name"),
                .values = values_of(xml, arena, at, "AttributeValue"),
            };
            VEC_PUSH(arena, out->attributes, out->attribute_count, cap, one);
        }
}

static void take_assertion(const struct xml *xml, struct arena *arena, const xmlNode *assertion,
                           struct saml_assertion *out)
{
    const xmlNode *subject = xml_child(assertion, ASSERTION, "Subject");
    const xmlNode *name = xml_child(subject, ASSERTION, "NameID");
    const xmlNode *confirmation = xml_child(subject, ASSERTION, "SubjectConfirmation");
    const xmlNode *data = xml_child(confirmation, ASSERTION, "SubjectConfirmationData");
    const xmlNode *conditions = xml_child(assertion, ASSERTION, "Conditions");
    *out = (struct saml_assertion){
        .issuer = xml_text(xml, arena, xml_child(assertion, ASSERTION, "Issuer")),
        .subject = xml_text(xml, arena, name),
        .subject_format = xml_attribute(xml, arena, name, "Format"),
        .name_qualifier = xml_attribute(xml, arena, name, "NameQualifier"),
        .recipient = xml_attribute(xml, arena, data, "Recipient"),
        .confirmed_until = xml_attribute(xml, arena, data, "NotOnOrAfter"),
        .not_before = xml_attribute(xml, arena, conditions, "NotBefore"),
        .not_on_or_after = xml_attribute(xml, arena, conditions, "NotOnOrAfter"),
        .audiences = values_of(xml, arena, xml_child(conditions, ASSERTION, "AudienceRestriction"),
                               "Audience"),
    };
    take_attributes(xml, arena, assertion, out);
}

/* The one assertion right under the response. */
static enum saml_verdict find_assertion(const struct xml *xml, struct arena *arena, xmlNodePtr root,
                                        xmlNodePtr *out)
{
    if (!xml_is(root, PROTOCOL, "Response"))
        return SAML_UNREADABLE;
    const xmlNode *status = xml_child(xml_child(root, PROTOCOL, "Status"), PROTOCOL, "StatusCode");
    if (!str_eq(xml_attribute(xml, arena, status, "Value"),
                STR("urn:oasis:names:tc:SAML:2.0:status:Success")))
        return SAML_FAILED;
    if (xml_child(root, ASSERTION, "EncryptedAssertion") != NULL)
        return SAML_UNSUPPORTED;
    *out = xml_child(root, ASSERTION, "Assertion");
    if (*out == NULL || xml_next(*out, ASSERTION, "Assertion") != NULL)
        return SAML_UNREADABLE;
    return SAML_GOOD;
}

static enum saml_verdict verify(const struct xml *xml, struct arena *arena, xmlNodePtr root,
                                xmlNodePtr metadata, struct saml_assertion *out)
{
    struct identity_provider provider = {0};
    xmlNodePtr assertion = NULL;
    enum saml_verdict verdict = find_assertion(xml, arena, root, &assertion);
    if (verdict != SAML_GOOD)
        return verdict;
    take_provider(xml, arena, metadata, &provider);
    struct str issuer = xml_text(xml, arena, xml_child(assertion, ASSERTION, "Issuer"));
    if (str_is_empty(issuer) || !str_eq(issuer, provider.entity))
        return SAML_WRONG_IDP;
    enum signature_verdict own = signature_verify(xml, arena, assertion, &provider.certificates);
    enum signature_verdict whole =
        own == SIGNATURE_NONE ? signature_verify(xml, arena, root, &provider.certificates) : own;
    if (whole == SIGNATURE_UNSUPPORTED)
        return SAML_UNSUPPORTED;
    if (whole != SIGNATURE_GOOD)
        return SAML_FORGED;
    take_assertion(xml, arena, assertion, out);
    return SAML_GOOD;
}

enum saml_verdict saml_read(struct arena *arena, struct str response, struct str metadata,
                            struct saml_assertion *out)
{
    struct xml xml;
    enum saml_verdict verdict = SAML_UNREADABLE;
    if (!xml_load(&xml))
        return SAML_NO_LIBRARY;
    xmlDocPtr doc = xml_parse(&xml, response), about = xml_parse(&xml, metadata);
    if (doc != NULL && about != NULL)
        verdict = verify(&xml, arena, xml.root(doc), xml.root(about), out);
    if (doc != NULL)
        xml.free_doc(doc);
    if (about != NULL)
        xml.free_doc(about);
    return verdict;
}

const struct str_list *saml_values(const struct saml_assertion *assertion, struct str name)
{
    for (size_t i = 0; i < assertion->attribute_count; i++)
        if (str_eq(assertion->attributes[i].name, name))
            return &assertion->attributes[i].values;
    return NULL;
}
