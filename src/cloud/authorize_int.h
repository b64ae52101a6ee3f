/* Between authorize.c and authorize_keys.c. */
#ifndef KUMONIWA_CLOUD_AUTHORIZE_INT_H
#define KUMONIWA_CLOUD_AUTHORIZE_INT_H

#include "auth/policy.h"
#include "cloud/call.h"

/* What the keys of one request are read from. */
struct authorize_request {
    struct call *call;
    const void *in;
    const struct service_hooks *hooks; /* NULL: none */
    struct str owner;                  /* of the resource; absent: the principal's account */
};

/* A policy_context's find: the global condition keys ("AWS global condition context keys", IAM User
 * Guide), then the service's own. */
bool authorize_key(void *request, struct str key, struct policy_values *out);

/* A string member of the request, by its name or with "Name" or "Id" after it, without case; absent
 * when there is none. */
struct str authorize_member(const struct call *call, const void *in, struct str name);

#endif
