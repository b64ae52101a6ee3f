/* The compiled policies of users and roles, so that a request costs one look at a counter and not
 * one at each policy. An entry counts as long as the counter of its account stands where it stood:
 * ("identities", ACCOUNT) gets a new random number in every transaction that changes
 * identities. Any thread; bounded: a principal that falls on the slot of another takes its place.
 */
#ifndef KUMONIWA_CLOUD_IDENTITY_CACHE_H
#define KUMONIWA_CLOUD_IDENTITY_CACHE_H

#include "cloud/identity.h"

struct identity_cache;

struct identity_compiled {
    bool known;    /* false: nobody keeps this principal */
    struct str id; /* AIDA..., AROA...; absent: not known */
    const struct policy_attached *items;
    size_t len;
};

struct identity_cache *identity_cache_new(void);
void identity_cache_free(struct identity_cache *cache);

/* Of a user, a session of a user or a role, or a federated user (whose policies are its user's).
 * Held until released. */
RESULT identity_cache_take(struct identity_cache *cache, struct call *call,
                           const struct principal *who, const struct identity_compiled **out);
void identity_cache_release(struct identity_cache *cache, const struct identity_compiled *held);

/* Within a writing transaction: what was known of the account's identities is known no longer. */
RESULT identity_changed(struct call *call);

/* A policy that allows nothing: in place of one that cannot be read. */
const struct policy *identity_cache_nothing(const struct identity_cache *cache);

#endif
