/* The asymmetric form of Signature Version 4: ECDSA over P-256, without a region in its scope, for
 * requests that may be answered in several regions ("AWS Signature Version 4A", AWS Signature
 * Version 4 for API requests, IAM User Guide; "Making requests through a Multi-Region Access
 * Point", Amazon S3 User Guide). The key pair follows from the access key, so that who knows the
 * secret can verify. */
#ifndef KUMONIWA_AUTH_SIGV4A_H
#define KUMONIWA_AUTH_SIGV4A_H

#include "base/digest.h"
#include "base/str.h"

#define SIGV4A_ALGORITHM "AWS4-ECDSA-P256-SHA256"

enum { SIGV4A_SCALAR = 32, SIGV4A_POINT = 65 };
enum {
    SIGV4A_SIGNATURE_MAX = 144
}; /* hexadecimal digits of a DER signature; chunks pad with '*' */

struct sigv4a_key {
    uint8_t scalar[SIGV4A_SCALAR]; /* private */
    uint8_t point[SIGV4A_POINT];   /* public, uncompressed */
};
/* The pair of an access key. Costs a multiplication on the curve, some tens of microseconds. */
void sigv4a_derive(struct str access_key, struct str secret, struct sigv4a_key *key);
/* The same from its private half. */
void sigv4a_complete(struct sigv4a_key *key);
/* Whether the signature, in hexadecimal digits, is one of SHA-256 of the text. */
bool sigv4a_verify(const struct sigv4a_key *key, struct str text, struct str signature);

#endif
