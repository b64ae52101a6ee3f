/* What a lifecycle configuration may say: "PutBucketLifecycleConfiguration", Amazon S3 API
 * Reference, and "Lifecycle configuration elements", Amazon S3 User Guide. */
#include "services/s3/flow_int.h"
#include "services/s3/lifecycle.h"

enum { RULES_MAX = 1000, ID_MAX = 255, IA_DAYS_MIN = 30, NEWER_MAX = 100 };
#define DAY_MS INT64_C(86400000)
#define CLASSES "STANDARD_IA ONEZONE_IA INTELLIGENT_TIERING GLACIER_IR GLACIER DEEP_ARCHIVE"

static bool is_infrequent(struct str class)
{
    return flow_is_one_of(class, STR("STANDARD_IA ONEZONE_IA"));
}

/* --- filters --- */

static RESULT check_tag(struct call *call, const struct s3_Tag *tag)
{
    if (str_is_empty(tag->Key) || str_is_absent(tag->Value))
        return flow_fail_xml(call);
    if (tag->Key.len > 128 * 4 || tag->Value.len > 256 * 4)
        return call_fail(call, S3_INVALID_TAG, "The TagKey you have provided is invalid");
    return RESULT_OK;
}

static RESULT check_sizes(struct call *call, struct opt_long greater, struct opt_long less)
{
    if ((greater.set && greater.value < 0) || (less.set && less.value < 1))
        return flow_fail_argument(call, "'ObjectSizeGreaterThan' and 'ObjectSizeLessThan' must be "
                                        "positive");
    if (greater.set && less.set && less.value <= greater.value)
        return flow_fail_request(call, "'ObjectSizeLessThan' has to be a value greater than "
                                       "'ObjectSizeGreaterThan'.");
    return RESULT_OK;
}

static RESULT check_and(struct call *call, const struct s3_LifecycleRuleAndOperator *all)
{
    size_t count = (size_t)!str_is_absent(all->Prefix) + all->Tags.len +
                   all->ObjectSizeGreaterThan.set + all->ObjectSizeLessThan.set;
    if (count < 2)
        return flow_fail_xml(call);
    for (size_t i = 0; i < all->Tags.len; i++) {
        TRY(check_tag(call, &all->Tags.items[i]));
        for (size_t j = 0; j < i; j++)
            if (str_eq(all->Tags.items[i].Key, all->Tags.items[j].Key))
                return flow_fail_request(call, "Duplicate Tag Keys are not allowed.");
    }
    return check_sizes(call, all->ObjectSizeGreaterThan, all->ObjectSizeLessThan);
}

static RESULT check_filter(struct call *call, const struct s3_LifecycleRuleFilter *filter)
{
    int count = !str_is_absent(filter->Prefix) + (filter->Tag != NULL) + (filter->And != NULL) +
                filter->ObjectSizeGreaterThan.set + filter->ObjectSizeLessThan.set;
    if (count > 1)
        return flow_fail_xml(call);
    if (filter->Tag != NULL)
        TRY(check_tag(call, filter->Tag));
    if (filter->And != NULL)
        TRY(check_and(call, filter->And));
    return check_sizes(call, filter->ObjectSizeGreaterThan, filter->ObjectSizeLessThan);
}

static bool filters_tags(const struct s3_LifecycleRule *rule)
{
    const struct s3_LifecycleRuleFilter *filter = rule->Filter;
    return filter != NULL &&
           (filter->Tag != NULL || (filter->And != NULL && filter->And->Tags.len > 0));
}

static bool filters_sizes(const struct s3_LifecycleRule *rule)
{
    const struct s3_LifecycleRuleFilter *filter = rule->Filter;
    return filter != NULL && (filter->ObjectSizeGreaterThan.set || filter->ObjectSizeLessThan.set ||
                              (filter->And != NULL && (filter->And->ObjectSizeGreaterThan.set ||
                                                       filter->And->ObjectSizeLessThan.set)));
}

/* --- actions --- */

static RESULT check_expiration(struct call *call, const struct s3_LifecycleRule *rule)
{
    const struct s3_LifecycleExpiration *expiration = rule->Expiration;
    if (expiration == NULL)
        return RESULT_OK;
    if (expiration->Days.set + expiration->Date.set + expiration->ExpiredObjectDeleteMarker.set !=
        1)
        return flow_fail_xml(call);
    if (expiration->Days.set && expiration->Days.value <= 0)
        return flow_fail_argument(call, "'Days' for Expiration action must be a positive integer");
    if (expiration->Date.set && expiration->Date.ms % DAY_MS != 0)
        return flow_fail_argument(call, "'Date' must be at midnight GMT");
    if (expiration->ExpiredObjectDeleteMarker.set && filters_tags(rule))
        return flow_fail_request(call, "ExpiredObjectDeleteMarker cannot be specified with Tags.");
    return RESULT_OK;
}

static RESULT fail_infrequent(struct call *call, const char *what, struct str class)
{
    return call_fail(call, WIRE_INVALID_PARAMETER_VALUE,
                     "'%s' in Transition action must be greater than or equal to 30 for "
                     "storageClass '%.*s'",
                     what, PRSTR(class));
}

static RESULT check_transition(struct call *call, const struct s3_LifecycleRule *rule, size_t which)
{
    const struct s3_Transition *one = &rule->Transitions.items[which];
    struct str prefix = lifecycle_prefix(rule);
    if (!flow_is_one_of(one->StorageClass, STR(CLASSES)) || one->Days.set + one->Date.set != 1)
        return flow_fail_xml(call);
    if (one->Days.set && one->Days.value < 0)
        return flow_fail_argument(call, "'Days' for Transition action must be nonnegative");
    if (one->Date.set && one->Date.ms % DAY_MS != 0)
        return flow_fail_argument(call, "'Date' must be at midnight GMT");
    if (one->Days.set && one->Days.value < IA_DAYS_MIN && is_infrequent(one->StorageClass))
        return fail_infrequent(call, "Days", one->StorageClass);
    for (size_t i = 0; i < which; i++)
        if (str_eq(rule->Transitions.items[i].StorageClass, one->StorageClass))
            return call_fail(call, WIRE_VALIDATION,
                             "'StorageClass' must be different for 'Transition' actions in same "
                             "'Rule' with prefix '%.*s'",
                             PRSTR(prefix));
    return RESULT_OK;
}

/* "Supported transitions": down the waterfall, never up. */
static size_t class_rank(struct str name)
{
    static const struct str order[] = {STR_INIT("STANDARD_IA"), STR_INIT("INTELLIGENT_TIERING"),
                                       STR_INIT("ONEZONE_IA"),  STR_INIT("GLACIER_IR"),
                                       STR_INIT("GLACIER"),     STR_INIT("DEEP_ARCHIVE")};
    size_t rank = 0;
    while (rank < sizeof order / sizeof order[0] && !str_eq(order[rank], name))
        rank++;
    return rank;
}

static RESULT check_before_expiry(struct call *call, const struct s3_LifecycleRule *rule,
                                  const struct s3_Transition *one)
{
    const struct s3_LifecycleExpiration *expiration = rule->Expiration;
    if (expiration == NULL || expiration->ExpiredObjectDeleteMarker.set)
        return RESULT_OK;
    struct str prefix = lifecycle_prefix(rule);
    if (one->Days.set && expiration->Days.value <= one->Days.value)
        return call_fail(call, WIRE_INVALID_PARAMETER_VALUE,
                         "'Days' in the Expiration action for filter '(prefix=%.*s)' must be "
                         "greater than 'Days' in the Transition action",
                         PRSTR(prefix));
    if (one->Date.set && expiration->Date.ms <= one->Date.ms)
        return call_fail(call, WIRE_INVALID_PARAMETER_VALUE,
                         "'Date' in the Expiration action for filter '(prefix=%.*s)' must be "
                         "later than 'Date' in the Transition action",
                         PRSTR(prefix));
    return RESULT_OK;
}

/* Days between a transition and one further down: 30 from an infrequent class on. */
static int64_t days_between(struct str from, struct str to)
{
    return is_infrequent(from) && !is_infrequent(to) ? IA_DAYS_MIN : 0;
}

static RESULT check_followers(struct call *call, const struct s3_TransitionList *list,
                              const struct s3_Transition *a, struct str prefix)
{
    for (size_t i = 0; i < list->len; i++) {
        const struct s3_Transition *b = &list->items[i];
        if (class_rank(b->StorageClass) <= class_rank(a->StorageClass))
            continue;
        if (b->Date.set ? b->Date.ms < a->Date.ms : b->Days.value < a->Days.value)
            return call_fail(call, WIRE_INVALID_PARAMETER_VALUE,
                             "'%s' in the '%.*s' transition action for filter '(prefix=%.*s)' must "
                             "be %s than '%s' in the '%.*s' transition action",
                             b->Date.set ? "Date" : "Days", PRSTR(b->StorageClass), PRSTR(prefix),
                             b->Date.set ? "later" : "greater", b->Date.set ? "Date" : "Days",
                             PRSTR(a->StorageClass));
        int64_t between = days_between(a->StorageClass, b->StorageClass);
        if (b->Date.set ? b->Date.ms < a->Date.ms + between * DAY_MS
                        : b->Days.value < a->Days.value + between)
            return call_fail(call, WIRE_INVALID_PARAMETER_VALUE,
                             "'%s' in the '%.*s' transition action for filter '(prefix=%.*s)' must "
                             "be 30 days more than '%s' in the '%.*s' transition action",
                             b->Date.set ? "Date" : "Days", PRSTR(b->StorageClass), PRSTR(prefix),
                             b->Date.set ? "Date" : "Days", PRSTR(a->StorageClass));
    }
    return RESULT_OK;
}

/* Each class before what may follow it; all before the expiry. */
static RESULT check_order(struct call *call, const struct s3_LifecycleRule *rule)
{
    struct str prefix = lifecycle_prefix(rule);
    const struct s3_TransitionList *list = &rule->Transitions;
    for (size_t i = 0; i < list->len; i++) {
        const struct s3_Transition *a = &list->items[i];
        bool dated = a->Date.set;
        if (list->items[0].Date.set != dated)
            return call_fail(call, WIRE_VALIDATION,
                             "Found mixed 'Date' and 'Days' based Transition actions in lifecycle "
                             "rule for prefix '%.*s'",
                             PRSTR(prefix));
        if (rule->Expiration != NULL && !rule->Expiration->ExpiredObjectDeleteMarker.set &&
            rule->Expiration->Date.set != dated)
            return call_fail(call, WIRE_VALIDATION,
                             "Found mixed 'Date' and 'Days' based Expiration and Transition "
                             "actions in lifecycle rule for filter '(prefix=%.*s)'",
                             PRSTR(prefix));
        TRY(check_before_expiry(call, rule, a));
        TRY(check_followers(call, list, a, prefix));
    }
    return RESULT_OK;
}

static RESULT check_newer(struct call *call, const struct s3_LifecycleRule *rule,
                          struct opt_int newer)
{
    if (!newer.set)
        return RESULT_OK;
    if (rule->Filter == NULL)
        return flow_fail_xml(call);
    if (newer.value < 1 || newer.value > NEWER_MAX)
        return flow_fail_argument(call, "'NewerNoncurrentVersions' must be a positive integer, at "
                                        "most 100");
    return RESULT_OK;
}

/* As check_order(); versions beyond a number of newer ones are others, so that only transitions
 * that say the same of it are compared. */
static RESULT check_noncurrent_order(struct call *call,
                                     const struct s3_NoncurrentVersionTransitionList *list,
                                     const struct s3_NoncurrentVersionTransition *a)
{
    for (const struct s3_NoncurrentVersionTransition *b = list->items; b != a; b++)
        if (str_eq(a->StorageClass, b->StorageClass))
            return call_fail(call, WIRE_VALIDATION,
                             "'StorageClass' must be different for 'NoncurrentVersionTransition' "
                             "actions in same 'Rule'");
    for (size_t i = 0; i < list->len; i++) {
        const struct s3_NoncurrentVersionTransition *b = &list->items[i];
        bool alike = a->NewerNoncurrentVersions.set == b->NewerNoncurrentVersions.set &&
                     a->NewerNoncurrentVersions.value == b->NewerNoncurrentVersions.value;
        if (alike && class_rank(b->StorageClass) > class_rank(a->StorageClass) &&
            b->NoncurrentDays.value < a->NoncurrentDays.value)
            return call_fail(call, WIRE_INVALID_PARAMETER_VALUE,
                             "'NoncurrentDays' in the '%.*s' transition action must be greater "
                             "than 'NoncurrentDays' in the '%.*s' transition action",
                             PRSTR(b->StorageClass), PRSTR(a->StorageClass));
    }
    return RESULT_OK;
}

static RESULT check_noncurrent(struct call *call, const struct s3_LifecycleRule *rule)
{
    const struct s3_NoncurrentVersionExpiration *expiration = rule->NoncurrentVersionExpiration;
    const struct s3_NoncurrentVersionTransitionList *list = &rule->NoncurrentVersionTransitions;
    if (expiration != NULL) {
        if (!expiration->NoncurrentDays.set)
            return flow_fail_xml(call);
        if (expiration->NoncurrentDays.value <= 0)
            return flow_fail_argument(call, "'NoncurrentDays' for NoncurrentVersionExpiration "
                                            "action must be a positive integer");
        TRY(check_newer(call, rule, expiration->NewerNoncurrentVersions));
    }
    for (size_t i = 0; i < list->len; i++) {
        const struct s3_NoncurrentVersionTransition *one = &list->items[i];
        if (!flow_is_one_of(one->StorageClass, STR(CLASSES)) || !one->NoncurrentDays.set)
            return flow_fail_xml(call);
        if (one->NoncurrentDays.value < 0)
            return flow_fail_argument(call, "'NoncurrentDays' for NoncurrentVersionTransition "
                                            "action must be nonnegative");
        if (one->NoncurrentDays.value < IA_DAYS_MIN && is_infrequent(one->StorageClass))
            return fail_infrequent(call, "NoncurrentDays", one->StorageClass);
        if (expiration != NULL && expiration->NoncurrentDays.value <= one->NoncurrentDays.value)
            return flow_fail_argument(call,
                                      "'NoncurrentDays' in the NoncurrentVersionExpiration action "
                                      "must be greater than 'NoncurrentDays' in the "
                                      "NoncurrentVersionTransition action");
        TRY(check_newer(call, rule, one->NewerNoncurrentVersions));
    }
    for (size_t i = 0; i < list->len; i++)
        TRY(check_noncurrent_order(call, list, &list->items[i]));
    return RESULT_OK;
}

static RESULT check_abort(struct call *call, const struct s3_LifecycleRule *rule)
{
    const struct s3_AbortIncompleteMultipartUpload *abort = rule->AbortIncompleteMultipartUpload;
    if (abort == NULL)
        return RESULT_OK;
    if (!abort->DaysAfterInitiation.set)
        return flow_fail_xml(call);
    if (abort->DaysAfterInitiation.value <= 0)
        return flow_fail_argument(call, "'DaysAfterInitiation' for AbortIncompleteMultipartUpload "
                                        "action must be a positive integer");
    if (filters_tags(rule))
        return flow_fail_request(call,
                                 "AbortIncompleteMultipartUpload cannot be specified with Tags.");
    if (filters_sizes(rule))
        return flow_fail_request(
            call, "AbortIncompleteMultipartUpload cannot be specified with Object Size.");
    return RESULT_OK;
}

/* --- rules --- */

static RESULT check_rule(struct call *call, const struct s3_LifecycleRule *rule)
{
    if (!flow_is_one_of(rule->Status, STR("Enabled Disabled")) ||
        (rule->Filter == NULL) == str_is_absent(rule->Prefix))
        return flow_fail_xml(call);
    if (rule->ID.len > ID_MAX)
        return flow_fail_argument(call, "ID length should not exceed allowed limit of 255");
    if (rule->Expiration == NULL && rule->Transitions.len == 0 &&
        rule->NoncurrentVersionTransitions.len == 0 && rule->NoncurrentVersionExpiration == NULL &&
        rule->AbortIncompleteMultipartUpload == NULL)
        return flow_fail_request(call, "At least one action needs to be specified in a rule");
    if (lifecycle_prefix(rule).len > S3_KEY_MAX)
        return flow_fail_request(call, "The maximum size of a prefix is 1024.");
    if (rule->Filter != NULL)
        TRY(check_filter(call, rule->Filter));
    TRY(check_expiration(call, rule));
    for (size_t i = 0; i < rule->Transitions.len; i++)
        TRY(check_transition(call, rule, i));
    TRY(check_order(call, rule));
    TRY(check_noncurrent(call, rule));
    return check_abort(call, rule);
}

/* Rules of the first generation (Prefix outside of Filter) must not meet in one action. */
static RESULT check_pair(struct call *call, const struct s3_LifecycleRule *a,
                         const struct s3_LifecycleRule *b)
{
    if (!str_is_absent(a->ID) && str_eq(a->ID, b->ID))
        return flow_fail_argument(call,
                                  "Rule ID must be unique. Found same ID for more than one rule");
    if ((a->Filter == NULL) != (b->Filter == NULL))
        return flow_fail_request(call, "Base level prefix cannot be used in Lifecycle V2, prefixes "
                                       "are only supported in the Filter.");
    struct str p = lifecycle_prefix(a), q = lifecycle_prefix(b);
    if (a->Filter != NULL || (!str_starts_with(p, q) && !str_starts_with(q, p)))
        return RESULT_OK;
    const char *action = NULL;
    if (a->Expiration != NULL && b->Expiration != NULL)
        action = "Expiration";
    else if (a->Transitions.len > 0 && b->Transitions.len > 0)
        action = "Transition";
    else if (a->NoncurrentVersionExpiration != NULL && b->NoncurrentVersionExpiration != NULL)
        action = "NoncurrentVersionExpiration";
    else if (a->AbortIncompleteMultipartUpload != NULL && b->AbortIncompleteMultipartUpload != NULL)
        action = "AbortIncompleteMultipartUpload";
    if (action == NULL)
        return RESULT_OK;
    return call_fail(call, WIRE_VALIDATION,
                     "Found overlapping prefixes '%.*s' and '%.*s' for same action type '%s'",
                     PRSTR(q), PRSTR(p), action);
}

RESULT lifecycle_check(struct call *call, struct s3_BucketLifecycleConfiguration *in)
{
    if (in == NULL || in->Rules.len == 0 || in->Rules.len > RULES_MAX)
        return flow_fail_xml(call);
    for (size_t i = 0; i < in->Rules.len; i++) {
        if (str_is_empty(in->Rules.items[i].ID))
            in->Rules.items[i].ID = (struct str){0};
        TRY(check_rule(call, &in->Rules.items[i]));
        for (size_t j = 0; j < i; j++)
            TRY(check_pair(call, &in->Rules.items[i], &in->Rules.items[j]));
    }
    for (size_t i = 0; i < in->Rules.len; i++)
        if (str_is_absent(in->Rules.items[i].ID))
            in->Rules.items[i].ID = flow_make_id(call->arena);
    return RESULT_OK;
}
