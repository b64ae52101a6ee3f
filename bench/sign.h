/* AWS Signature Version 4 in the Authorization header, for a client that signs every request it
 * sends: "Create a signed AWS API request" in the IAM User Guide. The day's signing key is kept as
 * two SHA-256 states (HMAC's inner and outer), so that a signature costs the digests that its own
 * text needs. */
#ifndef KUMONIWA_BENCH_SIGN_H
#define KUMONIWA_BENCH_SIGN_H

/* The plain SHA256_CTX can be copied; OpenSSL 3 calls that interface deprecated but keeps it. */
#define OPENSSL_API_COMPAT 0x10100000L
#include <openssl/sha.h>

#include "bytes.h"

struct request {
    struct str method;
    struct str path;         /* begins with '/', of '/' and unreserved characters only */
    struct str query;        /* in canonical form, without '?'; empty: none */
    struct str content_type; /* empty: none */
    struct str target;       /* X-Amz-Target; empty: none */
    struct str body;
};

struct signer {
    struct str access_key, secret, region, service;
    struct str host; /* the Host header, with the port when it is not the default */
    int64_t second;  /* of date; 0: nothing computed yet */
    char date[17];   /* 20261121T053000Z */
    struct bytes scope;
    SHA256_CTX inner, outer;
    struct bytes canonical; /* scratch */
};

/* The strings are borrowed for the life of the signer. */
void signer_init(struct signer *signer, struct str access_key, struct str secret, struct str region,
                 struct str service, struct str host);
void signer_release(struct signer *signer);

/* Replaces *head by the whole signed request head, ending in the empty line; the body follows it.
 */
void sign_request(struct signer *signer, const struct request *request, struct bytes *head);

#endif
