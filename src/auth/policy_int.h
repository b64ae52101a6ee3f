/* Between the files of the policy evaluator. */
#ifndef KUMONIWA_AUTH_POLICY_INT_H
#define KUMONIWA_AUTH_POLICY_INT_H

#include "auth/policy.h"

/* --- policy_pattern.c --- */

enum policy_pattern_form {
    PATTERN_ANY,      /* "*" alone */
    PATTERN_LITERAL,  /* */
    PATTERN_PREFIX,   /* a literal, then one '*' */
    PATTERN_GLOB,     /* wildcards anywhere */
    PATTERN_VARIABLE, /* "${...}" in it: becomes one of the others for each request */
};

/* In text, WILD_MANY stands for '*' and WILD_ONE for '?': bytes that no UTF-8 text has. */
#define WILD_MANY '\xFF'
#define WILD_ONE '\xFE'

/* Which pairs of neighbouring bytes stand in a text, a bit for each of 128 hashes. A pattern cannot
 * match what lacks one of its own: that refuses most statements without comparing anything. */
struct policy_pairs {
    uint64_t bits[2];
};
struct policy_pairs pattern_pairs(struct str text); /* those around wildcards are left out */
static inline bool pairs_within(struct policy_pairs some, struct policy_pairs all)
{
    return ((some.bits[0] & ~all.bits[0]) | (some.bits[1] & ~all.bits[1])) == 0;
}

struct policy_pattern {
    struct str text; /* PREFIX: without the wildcard; VARIABLE: as the document has it */
    enum policy_pattern_form form;
    bool wild;                 /* VARIABLE: '*' and '?' are wildcards once expanded */
    struct policy_pairs pairs; /* of pattern_compile(), none of ANY and VARIABLE */
};

/* variables: whether "${" begins one (Version 2012-10-17). wild: whether '*' and '?' mean
 * anything. */
struct policy_pattern pattern_compile(struct arena *arena, struct str text, bool wild,
                                      bool variables);
/* The pattern without variables; false when one has no single value in this request. Returns in
 * *out the pattern itself when it has none. */
bool pattern_expand(struct arena *scratch, const struct policy_context *context,
                    const struct policy_pattern *pattern, struct policy_pattern *out);
/* Of an expanded pattern. nocase: literals only. */
bool pattern_matches(const struct policy_pattern *pattern, struct str subject, bool nocase);
bool pattern_glob(struct str pattern, struct str subject);

/* --- policy_condition.c --- */

struct policy_condition {
    struct str key;
    uint8_t op;  /* enum condition_operator of policy_condition.c */
    uint8_t set; /* enum condition_set */
    bool negated;
    bool if_exists;
    const struct policy_pattern *values;
    size_t value_count;
};

/* "ForAnyValue:StringNotLikeIfExists" into the condition's operator; false: there is no such. */
bool condition_operator(struct str name, struct policy_condition *out);
/* One value of the document, as the operator wants it. */
struct policy_pattern condition_value(struct arena *arena, const struct policy_condition *condition,
                                      struct str text, bool variables);
/* Holds only where the key is there and has one of the values. */
bool condition_narrows(const struct policy_condition *condition);
bool policy_condition_holds(struct arena *scratch, const struct policy_context *context,
                            const struct policy_condition *condition);

/* --- what policy_compile() makes --- */

/* An action of the document, in lower case. */
struct policy_action {
    struct str name; /* whole: "sqs:send*", wildcards as in a pattern */
    uint32_t hash;   /* literal: of the whole */
    uint8_t form;    /* enum policy_pattern_form */
};

enum policy_principal_form {
    PRINCIPAL_ANYBODY,
    PRINCIPAL_OF_ACCOUNT, /* text: its number */
    PRINCIPAL_OF_ARN,
    PRINCIPAL_OF_ID, /* AIDA..., AROA... */
    PRINCIPAL_OF_SERVICE,
    PRINCIPAL_OF_FEDERATION,
    PRINCIPAL_OF_CANONICAL,
};
struct policy_principal_entry {
    enum policy_principal_form form;
    struct str text;
};

struct policy_statement {
    uint64_t services; /* a bit per hash of a vendor that it may speak of: most are passed over by
                          this alone */
    bool deny;
    bool not_action, not_resource, not_principal;
    bool any_resource; /* "*", or there is no Resource */
    uint32_t position;
    const struct policy_action *actions;
    size_t action_count;
    const struct policy_pattern *resources;
    size_t resource_count;
    const struct policy_principal_entry *principals; /* none: not asked */
    size_t principal_count;
    const struct policy_condition *conditions;
    size_t condition_count;
    struct str sid;
};

struct policy {
    const struct policy_statement *statements;
    size_t count;
};

/* Of lower-case text. */
uint32_t policy_hash(struct str text);
static inline uint64_t policy_service_bit(uint32_t hash)
{
    return UINT64_C(1) << (hash >> 26);
}

#endif
