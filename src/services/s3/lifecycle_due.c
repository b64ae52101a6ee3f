/* What lifecycle rules want of one version: no store, no clock, facts only. */
#include "services/s3/flow_int.h"
#include "services/s3/lifecycle.h"

#define DAY_MS INT64_C(86400000)
enum { MINIMUM_SIZE = 128 * 1024 };

int64_t lifecycle_day(int64_t from_ms, int64_t days)
{
    int64_t at = from_ms + days * DAY_MS;
    return (at + DAY_MS - 1) / DAY_MS * DAY_MS;
}

bool lifecycle_is_enabled(const struct s3_LifecycleRule *rule)
{
    return str_eq(rule->Status, STR("Enabled"));
}

struct str lifecycle_prefix(const struct s3_LifecycleRule *rule)
{
    struct str prefix = rule->Prefix;
    const struct s3_LifecycleRuleFilter *filter = rule->Filter;
    if (filter != NULL)
        prefix = filter->And != NULL ? filter->And->Prefix : filter->Prefix;
    return str_is_absent(prefix) ? STR("") : prefix;
}

static bool has_tag(const struct s3_object *object, const struct s3_Tag *tag)
{
    for (size_t i = 0; i < object->tags.len; i++)
        if (str_eq(object->tags.items[i].key, tag->Key))
            return str_eq(object->tags.items[i].value, tag->Value);
    return false;
}

static void size_limits(const struct s3_LifecycleRule *rule, struct opt_long *greater,
                        struct opt_long *less)
{
    const struct s3_LifecycleRuleFilter *filter = rule->Filter;
    *greater = *less = (struct opt_long){0};
    if (filter == NULL)
        return;
    *greater =
        filter->And != NULL ? filter->And->ObjectSizeGreaterThan : filter->ObjectSizeGreaterThan;
    *less = filter->And != NULL ? filter->And->ObjectSizeLessThan : filter->ObjectSizeLessThan;
}

bool lifecycle_matches(const struct s3_LifecycleRule *rule, struct str key,
                       const struct s3_object *object)
{
    const struct s3_LifecycleRuleFilter *filter = rule->Filter;
    struct opt_long greater, less;
    if (!str_starts_with(key, lifecycle_prefix(rule)))
        return false;
    if (filter == NULL)
        return true;
    if (filter->Tag != NULL && !has_tag(object, filter->Tag))
        return false;
    for (size_t i = 0; filter->And != NULL && i < filter->And->Tags.len; i++)
        if (!has_tag(object, &filter->And->Tags.items[i]))
            return false;
    size_limits(rule, &greater, &less);
    if ((greater.set || less.set) && object->delete_marker)
        return false;
    return (!greater.set || object->size > greater.value) &&
           (!less.set || object->size < less.value);
}

/* --- transitions --- */

/* "Supported transitions": downwards only. */
static int class_rank(struct str class)
{
    static const struct str order[] = {
        STR_INIT("STANDARD"),    STR_INIT("STANDARD_IA"), STR_INIT("INTELLIGENT_TIERING"),
        STR_INIT("ONEZONE_IA"),  STR_INIT("GLACIER_IR"),  STR_INIT("GLACIER"),
        STR_INIT("DEEP_ARCHIVE")};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
        if (str_eq(class, order[i]))
            return (int)i;
    return 0; /* absent, REDUCED_REDUNDANCY */
}

static bool class_may_follow(struct str from, struct str to)
{
    if (str_eq(from, STR("ONEZONE_IA")) && str_eq(to, STR("GLACIER_IR")))
        return false;
    return class_rank(to) > class_rank(from);
}

/* "Minimum object sizes": a filter by size goes before the bucket's default. */
static bool is_large_enough(const struct s3_LifecycleRule *rule,
                            const struct lifecycle_facts *facts, struct str class)
{
    struct opt_long greater, less;
    size_limits(rule, &greater, &less);
    if (greater.set || less.set || facts->object->size >= MINIMUM_SIZE)
        return true;
    return str_eq(facts->minimum, STR("varies_by_storage_class")) &&
           flow_is_one_of(class, STR("GLACIER DEEP_ARCHIVE"));
}

static bool is_due(const struct lifecycle_facts *facts, int64_t due_ms)
{
    if (due_ms <= facts->now_ms)
        return true;
    if (facts->next_ms != NULL && due_ms < *facts->next_ms)
        *facts->next_ms = due_ms;
    return false;
}

/* The lowest class that is due. */
static void want_transition(const struct s3_LifecycleRule *rule,
                            const struct lifecycle_facts *facts, struct str *best)
{
    struct str from = str_is_absent(*best) ? facts->object->storage_class : *best;
    for (size_t i = 0; !facts->noncurrent && i < rule->Transitions.len; i++) {
        const struct s3_Transition *one = &rule->Transitions.items[i];
        int64_t due = one->Date.set ? one->Date.ms
                                    : lifecycle_day(facts->object->modified_ms, one->Days.value);
        if (class_may_follow(from, one->StorageClass) &&
            is_large_enough(rule, facts, one->StorageClass) && is_due(facts, due))
            from = *best = one->StorageClass;
    }
    for (size_t i = 0; facts->noncurrent && i < rule->NoncurrentVersionTransitions.len; i++) {
        const struct s3_NoncurrentVersionTransition *one =
            &rule->NoncurrentVersionTransitions.items[i];
        int64_t due = lifecycle_day(facts->noncurrent_ms, one->NoncurrentDays.value);
        bool beyond =
            !one->NewerNoncurrentVersions.set || facts->newer >= one->NewerNoncurrentVersions.value;
        if (beyond && class_may_follow(from, one->StorageClass) &&
            is_large_enough(rule, facts, one->StorageClass) && is_due(facts, due))
            from = *best = one->StorageClass;
    }
}

/* --- expiry --- */

static bool wants_current_gone(const struct s3_LifecycleExpiration *expiration,
                               const struct lifecycle_facts *facts)
{
    if (expiration == NULL)
        return false;
    int64_t modified_ms = facts->object->modified_ms;
    bool due = expiration->Date.set
                   ? is_due(facts, expiration->Date.ms)
                   : expiration->Days.set &&
                         is_due(facts, lifecycle_day(modified_ms, expiration->Days.value));
    if (!facts->object->delete_marker)
        return due;
    /* An expired object delete marker goes with either form. */
    return facts->alone && (due || (expiration->ExpiredObjectDeleteMarker.set &&
                                    expiration->ExpiredObjectDeleteMarker.value));
}

static bool wants_noncurrent_gone(const struct s3_NoncurrentVersionExpiration *expiration,
                                  const struct lifecycle_facts *facts)
{
    return expiration != NULL && expiration->NoncurrentDays.set &&
           (!expiration->NewerNoncurrentVersions.set ||
            facts->newer >= expiration->NewerNoncurrentVersions.value) &&
           is_due(facts, lifecycle_day(facts->noncurrent_ms, expiration->NoncurrentDays.value));
}

enum lifecycle_action lifecycle_decide(const struct s3_LifecycleRules *rules,
                                       const struct lifecycle_facts *facts,
                                       struct str *storage_class)
{
    struct str best = {0};
    /* What waits to be replicated is left alone ("Lifecycle and replication"). */
    if (flow_is_one_of(facts->object->replication_status, STR("PENDING FAILED")))
        return LIFECYCLE_KEEP;
    /* It came after the midnight that is made up for. */
    if (!is_due(facts, facts->object->modified_ms))
        return LIFECYCLE_KEEP;
    for (size_t i = 0; i < rules->len; i++) {
        const struct s3_LifecycleRule *rule = &rules->items[i];
        if (!lifecycle_is_enabled(rule) || !lifecycle_matches(rule, facts->key, facts->object))
            continue;
        bool gone = facts->noncurrent
                        ? wants_noncurrent_gone(rule->NoncurrentVersionExpiration, facts)
                        : wants_current_gone(rule->Expiration, facts);
        if (gone)
            return LIFECYCLE_EXPIRE; /* goes before a transition */
        if (!facts->object->delete_marker)
            want_transition(rule, facts, &best);
    }
    if (str_is_absent(best))
        return LIFECYCLE_KEEP;
    *storage_class = best;
    return LIFECYCLE_TRANSITION;
}
