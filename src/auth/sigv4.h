/* AWS Signature Version 4, the verifying side: header, presigned query and chunked forms. Pure: no
 * I/O, no clock of its own, no idea of services. Follows "AWS Signature Version 4 for API requests"
 * (IAM User Guide), "Authenticating Requests" and "aws-chunked" (Amazon S3 API Reference). */
#ifndef KUMONIWA_AUTH_SIGV4_H
#define KUMONIWA_AUTH_SIGV4_H

#include "base/arena.h"
#include "base/digest.h"
#include "base/result.h"
#include "wire/wire.h"

enum { SIGV4_SKEW_MS = 15 * 60 * 1000 }; /* a signer's clock may be wrong by so much */

enum sigv4_form {
    SIGV4_NONE,      /* no sign of a signature */
    SIGV4_HEADER,    /* Authorization: AWS4-HMAC-SHA256 ..., or AWS4-ECDSA-P256-SHA256 */
    SIGV4_PRESIGNED, /* X-Amz-Algorithm=AWS4-HMAC-SHA256 & ... in the query string */
    SIGV4_V2, /* the older "AWS AKID:signature" or Signature= parameter: named, not verified here */
    SIGV4_V2_QUERY, /* S3's older presigned URLs: auth/sigv2.h */
    SIGV4_BEARER,   /* Authorization: Bearer ... */
};

struct sigv4 {
    enum sigv4_form form;
    struct str access_key;
    struct str date;   /* 20261121, of the scope */
    struct str region; /* of an asymmetric one: the region set, "us-east-1,eu-*" */
    struct str service;
    struct str time; /* 20261121T051500Z */
    int64_t time_ms;
    int64_t expires_s;         /* presigned (15 minutes when it does not say); 0 otherwise */
    struct str signed_headers; /* "host;x-amz-date" */
    struct str signature;      /* 64 hex digits */
    struct str security_token; /* absent: long-term credentials */
    struct str payload_hash;   /* x-amz-content-sha256 as sent, or absent */
    bool asymmetric;           /* AWS4-ECDSA-P256-SHA256: auth/sigv4a.h; the signature is DER */
};

/* What is wrong; the caller turns it into the service's error with the message made here. */
enum sigv4_fault {
    SIGV4_OK,
    SIGV4_INCOMPLETE, /* IncompleteSignature: the message lists what is missing, in AWS's words */
    SIGV4_MALFORMED,  /* a part that is there has the wrong form */
    SIGV4_EXPIRED,    /* presigned: past X-Amz-Expires ("Request has expired") */
    SIGV4_SKEWED,     /* more than 15 minutes from the clock */
    SIGV4_BAD_SCOPE,  /* date of scope does not match time; wrong region/service/terminator */
    SIGV4_MISMATCH,   /* the signature is another */
    SIGV4_BAD_PAYLOAD_HASH,   /* x-amz-content-sha256 is not the body's */
    SIGV4_UNSIGNED_HEADER,    /* host or an x-amz-* header that must be signed is not */
    SIGV4_UNSUPPORTED,        /* an algorithm that nobody knows */
    SIGV4_TWO_FORMS,          /* in the header and in the query */
    SIGV4_NO_DATE,            /* none, or none that can be read, beside a signature in the header */
    SIGV4_NO_PAYLOAD_HASH,    /* S3 wants x-amz-content-sha256 */
    SIGV4_WRONG_PAYLOAD_HASH, /* and it says nothing that it may say */
    SIGV4_BAD_CHUNK,          /* the framing of aws-chunked, or its end before the last chunk */
    SIGV4_SMALL_CHUNK,        /* in the middle */
    SIGV4_BAD_TRAILER,
};

struct sigv4_problem {
    enum sigv4_fault fault;
    struct str message; /* AWS's words */
    struct str
        canonical_request; /* on SIGV4_MISMATCH, for the error's body (S3) and message (others) */
    struct str string_to_sign;
    struct str detail; /* SIGV4_UNSIGNED_HEADER: which; SIGV4_BAD_PAYLOAD_HASH: what was computed */
};

/* Reads the signature's parts. RESULT_ERROR: *problem says why, and of *out the form is
 * set alone. form SIGV4_NONE is RESULT_OK. */
RESULT sigv4_parse(struct arena *arena, const struct wire_request *request, struct sigv4 *out,
                   struct sigv4_problem *problem);

/* Signing keys by (secret, date, region, service), small and bounded, thread safe: deriving one
 * costs four HMACs. */
struct sigv4_keys;
struct sigv4_keys *sigv4_keys_new(void);
void sigv4_keys_free(struct sigv4_keys *keys);

struct sigv4_rules {
    int64_t now_ms;
    int64_t ahead_ms; /* by how much the cloud's clock is ahead of the signer's: of a signature in
                         the header, where signers may go by either */
    bool s3; /* path is signed as it stands (no normalisation, encoded once); payload hash header
                needed */
    struct str secret;  /* of the access key */
    struct str service; /* the signing name that the scope must carry; absent: any */
    bool skip_time;     /* vectors */
};

/* keys: may be NULL. body_sha256: of the body as it came, or NULL when it is streamed (then
 * payload_hash is what was signed: the caller compares it once the body is through, or the chunks
 * are verified). signing_key (32 bytes, may be NULL) is given out for verifying chunks; of an
 * asymmetric signature the private scalar. */
RESULT sigv4_verify(struct arena *arena, struct sigv4_keys *keys, const struct sigv4 *signature,
                    const struct wire_request *request, const struct sigv4_rules *rules,
                    const uint8_t *body_sha256, uint8_t *signing_key,
                    struct sigv4_problem *problem);

/* That a URL signed in advance, of either version, has not come to its end: what nobody's secret is
 * needed for. */
RESULT sigv4_check_expiry(const struct sigv4 *signature, int64_t now_ms, int64_t ahead_ms,
                          struct sigv4_problem *problem);

/* The body is not what x-amz-content-sha256 says: computed, in hexadecimal digits. */
RESULT sigv4_refuse_hash(struct arena *arena, struct str computed, struct sigv4_problem *problem);

/* The signature over a form's policy, its base64 text, by the scope of *signature: 64 hex digits
 * ("Calculating a signature", Authenticating Requests in Browser-Based Uploads Using POST). */
void sigv4_sign_policy(const struct sigv4 *signature, struct str secret, struct str policy,
                       char out[64]);

/* Signs a request as a client does (the program's own calls, tests, presigned URLs): the
 * Authorization value. */
struct str sigv4_sign(struct arena *arena, const struct wire_request *request,
                      struct str access_key, struct str secret, struct str region,
                      struct str service, int64_t now_ms, struct str signed_headers,
                      struct str payload_hash, bool s3);

#endif
