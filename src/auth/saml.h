/* SAML 2.0 responses, the verifying side (saml-core-2.0-os; XML Signature Syntax and Processing;
 * Exclusive XML Canonicalization 1.0). Pure: no I/O, no clock. The XML library is loaded with the
 * first response: linked, it would cost every start.
 *
 * What is given out was signed: the assertion is the very element that the verified signature
 * stands in, or stands within the response whose signature was verified; there is exactly one of
 * it. Documents with a DOCTYPE are refused. */
#ifndef KUMONIWA_AUTH_SAML_H
#define KUMONIWA_AUTH_SAML_H

#include "base/arena.h"
#include "wire/types.h"

enum saml_verdict {
    SAML_GOOD,
    SAML_UNREADABLE,  /* no response with one assertion */
    SAML_FAILED,      /* its status is not Success */
    SAML_WRONG_IDP,   /* the issuer is not the metadata's entity */
    SAML_FORGED,      /* no signature that a certificate of the metadata made */
    SAML_UNSUPPORTED, /* encrypted, or signed by an algorithm that is not taken */
    SAML_NO_LIBRARY,
};

struct saml_attribute {
    struct str name;
    struct str_list values;
};
struct saml_assertion {
    struct str issuer;
    struct str subject, subject_format, name_qualifier; /* NameID; format: the whole URI */
    struct str recipient;                               /* of SubjectConfirmationData */
    struct str not_before, not_on_or_after;             /* of Conditions; absent: not said */
    struct str confirmed_until; /* NotOnOrAfter of SubjectConfirmationData */
    struct str_list audiences;
    struct saml_attribute *attributes;
    size_t attribute_count;
};

/* Strings in the arena. */
enum saml_verdict saml_read(struct arena *arena, struct str response, struct str metadata,
                            struct saml_assertion *out);
/* NULL: there is none of the name. */
const struct str_list *saml_values(const struct saml_assertion *assertion, struct str name);

#endif
