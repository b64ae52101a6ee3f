/* Compiled policies by their text, so that a policy is compiled once and not per request. Any
 * thread; bounded: a policy that falls on the slot of another takes its place. */
#ifndef KUMONIWA_CLOUD_POLICY_CACHE_H
#define KUMONIWA_CLOUD_POLICY_CACHE_H

#include "auth/policy.h"

struct policy_cache;
struct policy_cache_entry;

struct policy_cache *policy_cache_new(void);
void policy_cache_free(struct policy_cache *cache);

/* Holds the policy until it is released; *policy is NULL when the text does not compile (services
 * check before they keep one). */
struct policy_cache_entry *policy_cache_take(struct policy_cache *cache, struct str text,
                                             enum policy_form form, const struct policy **policy);
void policy_cache_release(struct policy_cache *cache, struct policy_cache_entry *entry);

#endif
