/* Whether the call's principal may do what it asks: the place where every operation passes, inside
 * its transaction and before its function. */
#ifndef KUMONIWA_CLOUD_AUTHORIZE_H
#define KUMONIWA_CLOUD_AUTHORIZE_H

#include "cloud/call.h"

/* What the operations of all services need, from their iam.list, and the policies that have been
 * compiled. */
struct authorizer;
struct authorizer *authorizer_new(struct arena *arena, const struct service_hooks *const *hooks);
void authorizer_free(struct authorizer *authorizer);

/* RESULT_ERROR with AccessDenied when not. */
RESULT authorize_call(struct call *call, const void *in);

#endif
