/* When principals were last seen, told to who keeps identities (identity_table.used) and not for
 * every request: at most once a quarter of an hour of cloud time for one principal, access key,
 * service and region. What was told is remembered in a table of fixed size; what falls out of it is
 * told again. */
#ifndef KUMONIWA_CLOUD_IDENTITY_USE_H
#define KUMONIWA_CLOUD_IDENTITY_USE_H

#include "cloud/call.h"

struct identity_uses;
struct identity_uses *identity_uses_new(struct arena *arena);

/* After a call that was let through; call->txn has ended. Begins a writing transaction of its own
 * when there is something to tell; that it fails changes nothing for the call. */
void identity_used(struct call *call);

#endif
