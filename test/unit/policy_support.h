/* What tests of the policy evaluator share. */
#ifndef KUMONIWA_TEST_UNIT_POLICY_SUPPORT_H
#define KUMONIWA_TEST_UNIT_POLICY_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "auth/policy.h"

enum { POLICY_KEYS_MAX = 16, POLICY_VALUES_MAX = 4 };

/* The keys of a request; a policy_context's self. */
struct policy_key {
    struct str name;
    struct str values[POLICY_VALUES_MAX];
    size_t len;
};
struct policy_keys {
    struct policy_key items[POLICY_KEYS_MAX];
    size_t len;
};
bool policy_keys_find(void *self, struct str key, struct policy_values *out);
/* "aws:username=bob", "aws:TagKeys=a|b"; "k=" is a key without a value, "k='" one with an empty
 * value. */
void policy_keys_read(struct policy_keys *keys, const char *const *texts, size_t count);

/* The document must compile. */
const struct policy *policy_read(struct arena *arena, enum policy_form form, const char *text);

#endif
