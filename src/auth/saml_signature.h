/* XML signatures of one element, enveloped in it. */
#ifndef KUMONIWA_AUTH_SAML_SIGNATURE_H
#define KUMONIWA_AUTH_SAML_SIGNATURE_H

#include "auth/saml_xml.h"
#include "wire/types.h"

enum signature_verdict { SIGNATURE_GOOD, SIGNATURE_NONE, SIGNATURE_FORGED, SIGNATURE_UNSUPPORTED };

/* By one of the certificates (DER). The one reference must be to the element itself, by its ID;
 * taken are exclusive canonicalisation, RSA and ECDSA with SHA-256, 384, 512 and RSA with SHA-1. */
enum signature_verdict signature_verify(const struct xml *xml, struct arena *arena,
                                        xmlNodePtr element, const struct str_list *certificates);

#endif
