/* JSON Web Tokens, the verifying side (RFC 7515, 7517, 7518, 7519): RS256/384/512 and
 * ES256/384/512. Pure: no I/O, no clock. `none` and HMAC are refused: a provider's keys are public.
 */
#ifndef KUMONIWA_AUTH_JWT_H
#define KUMONIWA_AUTH_JWT_H

#include "base/arena.h"
#include "base/str.h"

struct jwt {
    struct str algorithm; /* "RS256" */
    struct str key_id;    /* absent: not said */
    struct str claims;    /* the payload: a JSON object */
    struct str signed_part, signature;
};

/* Reads the three parts. False: it is no such token. What is given is in the arena or borrowed. */
bool jwt_parse(struct arena *arena, struct str token, struct jwt *out);

enum jwt_verdict {
    JWT_GOOD,
    JWT_NO_KEY, /* the set has none of this id that can be used with this algorithm */
    JWT_FORGED, /* the signature is not of that key */
};
/* By the set of keys (RFC 7517): {"keys": [...]}. */
enum jwt_verdict jwt_verify(struct arena *arena, const struct jwt *token, struct str jwks);

#endif
