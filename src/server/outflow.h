/* A reply's payload that is made of several pieces, or is announced and not sent. */
#ifndef KUMONIWA_SERVER_OUTFLOW_H
#define KUMONIWA_SERVER_OUTFLOW_H

#include "server/request.h"

/* Makes *body pull the pieces of call->stream. A blob is opened when its turn comes: one that is
 * collected before ends the connection, so that what arrives is never taken for the whole. */
void outflow_begin(struct request *request, struct http_body *body);

#endif
