/* Who sent a request: parses and verifies its signature and names the principal. */
#ifndef KUMONIWA_SERVER_AUTHENTICATE_H
#define KUMONIWA_SERVER_AUTHENTICATE_H

#include "server/request.h"

/* Reads request->signature from the headers or the query string. */
RESULT authenticate_parse(struct request *request);

/* Fills call->principal, account and region. body_sha256: of the whole body, or NULL when it
 * streams. */
RESULT authenticate_verify(struct request *request, const uint8_t *body_sha256);

/* Turns a problem of the signature into the service's error. */
RESULT authenticate_refuse(struct request *request, const struct sigv4_problem *problem);

/* The sender of a form, by its fields, which stand for the request's headers: whoever signed its
 * policy; nobody where there is none ("POST Object", Amazon S3 API Reference). */
RESULT authenticate_form(struct request *request);

#endif
