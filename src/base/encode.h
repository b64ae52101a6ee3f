/* Base64, hexadecimal and percent encodings. */
#ifndef KUMONIWA_BASE_ENCODE_H
#define KUMONIWA_BASE_ENCODE_H

#include "base/buf.h"

void base64_encode(struct buf *out, struct str bytes); /* standard alphabet, padded (RFC 4648, 4) */
void base64url_encode(struct buf *out, struct str bytes); /* no padding (RFC 4648, 5) */
/* Strict standard alphabet, padding required; false when the text is not base64. */
bool base64_decode(struct arena *arena, struct str text, struct str *bytes);
bool base64url_decode(struct arena *arena, struct str text, struct str *bytes);

void hex_encode(struct buf *out, struct str bytes); /* lower case */
bool hex_decode(struct arena *arena, struct str text, struct str *bytes);

/* RFC 3986: all but A-Z a-z 0-9 - . _ ~ becomes %XX (upper case); '/' too unless keep_slash. */
void percent_encode(struct buf *out, struct str s, bool keep_slash);
/* False on a broken escape. plus_is_space: as in form bodies and query strings. Returns s itself
 * when there is nothing to decode. */
bool percent_decode(struct arena *arena, struct str s, bool plus_is_space, struct str *out);

#endif
