/* Whether the call's principal may do what it asks: the place where every operation passes, inside
 * its transaction and before its function. */
#ifndef KUMONIWA_CLOUD_AUTHORIZE_H
#define KUMONIWA_CLOUD_AUTHORIZE_H

#include "cloud/call.h"

/* RESULT_ERROR with AccessDenied when not. */
RESULT authorize_call(struct call *call, const void *in);

#endif
