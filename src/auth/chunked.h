/* aws-chunked bodies: Content-Encoding aws-chunked, x-amz-content-sha256 one of
 *   STREAMING-AWS4-HMAC-SHA256-PAYLOAD            signed chunks
 *   STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER    signed chunks and trailer
 *   STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD          the same two by Signature Version 4A, whose
 *   STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER  signatures are padded to 144 digits by '*'
 *   STREAMING-UNSIGNED-PAYLOAD-TRAILER            unsigned chunks, trailer
 * A push decoder: pieces of the wire go in, pieces of the payload come out, each chunk's signature
 * is checked when the chunk is whole (what was handed out before is then void: the caller
 * discards). Memory is bounded by one chunk header (16 KiB); chunks need not be whole in memory. */
#ifndef KUMONIWA_AUTH_CHUNKED_H
#define KUMONIWA_AUTH_CHUNKED_H

#include "auth/sigv4.h"

struct chunked;

/* Whether a payload hash names one of these. */
bool chunked_is(struct str payload_hash);

/* signing_key, seed signature, time and scope come from the request's own (verified) signature. In
 * the arena. signing_key NULL: the request's signature was not verified, and its chunks' are not
 * either (they must be there). */
struct chunked *chunked_new(struct arena *arena, const struct sigv4 *signature,
                            const uint8_t signing_key[SHA256_SIZE]);

/* Feeds wire bytes; calls emit(context, payload) for what they hold. RESULT_ERROR: *problem
 * (SIGV4_MISMATCH, SIGV4_MALFORMED). Results of emit other than RESULT_OK are passed on. */
RESULT chunked_feed(struct chunked *chunked, struct str wire,
                    RESULT (*emit)(void *context, struct str payload), void *context,
                    struct sigv4_problem *problem);

/* After the last byte: RESULT_ERROR unless the final chunk (and trailer) has come. Trailers:
 * lower-case names. */
RESULT chunked_end(struct chunked *chunked, const struct wire_header **trailers, size_t *count,
                   struct sigv4_problem *problem);
/* Payload bytes so far; must equal x-amz-decoded-content-length in the end. */
uint64_t chunked_payload_size(const struct chunked *chunked);

#endif
