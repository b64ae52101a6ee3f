/* A request body that streams to disk: aws-chunked framing is taken off and checked, the digest
 * taken, the bytes written to a blob that is published when everything about them was true. */
#ifndef KUMONIWA_SERVER_INTAKE_H
#define KUMONIWA_SERVER_INTAKE_H

#include "server/request.h"

/* The body is a form for S3, which is signed in itself. */
bool intake_is_form(const struct request *request);
/* After the signature over the head was verified. */
RESULT intake_begin(struct request *request);
/* RESULT_PARK: the exchange is suspended; the piece comes again. */
RESULT intake_take(struct request *request, struct str piece);
/* RESULT_PARK: the exchange is suspended, and the same is to be called again. Publishes the blob
 * into call->payload. The trailers of an aws-chunked body join request->wire.headers. */
RESULT intake_end(struct request *request);
/* Throws away what was written, when the request fails or is over; harmless afterwards and before.
 * A blob that the operation's transaction made its own (`kept`) stays. */
void intake_release(struct request *request, bool kept);

/* Ends the framing of an aws-chunked body, buffered or streamed: its trailers join
 * request->wire.headers. */
struct chunked;
RESULT intake_end_chunks(struct request *request, struct chunked *chunked);

#endif
