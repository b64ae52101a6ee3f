/* JSON Web Tokens, the issuing side (RFC 7515, 7517, 7518): RS256 with 2,048 bits and ES384. Pure:
 * no I/O, no clock. jwt.h verifies. */
#ifndef KUMONIWA_AUTH_JWT_SIGN_H
#define KUMONIWA_AUTH_JWT_SIGN_H

#include "base/arena.h"
#include "base/result.h"
#include "base/str.h"

enum jwt_kind { JWT_RS256, JWT_ES384 };

struct jwt_key {
    struct str private_der;
    struct str jwk; /* the public half: a JSON object, with this kid */
};
/* Takes up to some tenths of a second for RSA. */
RESULT jwt_key_make(struct arena *arena, enum jwt_kind kind, struct str kid, struct jwt_key *out);
/* claims: a JSON object. */
RESULT jwt_sign(struct arena *arena, enum jwt_kind kind, struct str kid, struct str private_der,
                struct str claims, struct str *token);

#endif
