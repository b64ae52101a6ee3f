/* What the files of SigV4 share. */
#ifndef KUMONIWA_AUTH_SIGV4_INT_H
#define KUMONIWA_AUTH_SIGV4_INT_H

#include "auth/sigv4.h"
#include "auth/sigv4a.h"

enum { SIGV4_HEX_SIZE = 2 * SHA256_SIZE };

/* A signing key with the two states of HMAC that have already taken it in, so that a signature
 * costs the message's blocks and two more. Plain memory: may be copied. */
struct sigv4_key {
    uint8_t bytes[SHA256_SIZE];
    struct digest inner;
    struct digest outer;
    struct sigv4a_key pair; /* of an access key, in place of these */
};

struct sigv4_key_name {
    struct str secret;
    struct str date;
    struct str region;
    struct str service;
};

void sigv4_key_prepare(struct sigv4_key *key, const uint8_t bytes[SHA256_SIZE]);
void sigv4_key_derive(struct sigv4_key *key, const struct sigv4_key_name *name);
/* HMAC of the text, in 64 lower-case digits. */
void sigv4_key_sign(const struct sigv4_key *key, struct str text, char out[SIGV4_HEX_SIZE]);

bool sigv4_keys_find(struct sigv4_keys *keys, const struct sigv4_key_name *name,
                     struct sigv4_key *out);
/* Call it for verified requests alone: a stranger must not be able to push out others' keys. */
void sigv4_keys_put(struct sigv4_keys *keys, const struct sigv4_key_name *name,
                    const struct sigv4_key *key);

void sigv4_hex(const uint8_t digest[SHA256_SIZE], char out[SIGV4_HEX_SIZE]);
bool sigv4_is_hex_digest(struct str s);

struct sigv4_canonical {
    const struct wire_request *request;
    struct str signed_headers; /* as given; sorted and lowered here when they are not */
    struct str payload_hash;
    bool s3;            /* the path is encoded once and not normalised */
    bool presigned;     /* X-Amz-Signature is not part of the query */
    bool plus_is_space; /* how a raw '+' in the query is read */
    /* Out, in the arena. */
    struct str text;
    struct str sorted_headers;
    bool *is_signed; /* one for each of the request's headers */
};
void sigv4_canonicalize(struct arena *arena, struct sigv4_canonical *canonical);

/* Appends "AWS4-HMAC-SHA256", time, scope and a digest's hex: the string to sign. */
struct str sigv4_string_to_sign(struct arena *arena, const struct sigv4 *signature,
                                struct str canonical_request);

RESULT sigv4_refuse(struct sigv4_problem *problem, enum sigv4_fault fault, struct str message);
/* As S3 says it: in the header the header is malformed, in the query the X-Amz-Credential. */
RESULT sigv4_refuse_part(struct arena *arena, const struct sigv4 *signature,
                         struct sigv4_problem *problem, enum sigv4_fault fault, struct str what);

#endif
