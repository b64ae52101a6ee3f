/* Lifecycle: "Managing the lifecycle of objects", "Lifecycle configuration elements", Amazon S3
 * User Guide. A job of each bucket that has rules runs at midnight UTC and walks the bucket in
 * bounded steps, each in its own transaction, which also says where the next one goes on. Midnights
 * that nobody saw, because the clock was advanced or the program did not run, are made up for one
 * after another, as far as something was due: what expired becomes noncurrent on its own day. */
#ifndef KUMONIWA_SERVICES_S3_LIFECYCLE_H
#define KUMONIWA_SERVICES_S3_LIFECYCLE_H

#include "services/s3/s3_int.h"

/* --- lifecycle_rules.c: what a configuration may say --- */

RESULT lifecycle_check(struct call *call, struct s3_BucketLifecycleConfiguration *in);

/* --- lifecycle_due.c: what the rules want, from facts alone --- */

/* An instant and a number of days: the midnight UTC at or after their sum. */
int64_t lifecycle_day(int64_t from_ms, int64_t days);
bool lifecycle_is_enabled(const struct s3_LifecycleRule *rule);
struct str lifecycle_prefix(const struct s3_LifecycleRule *rule);
bool lifecycle_matches(const struct s3_LifecycleRule *rule, struct str key,
                       const struct s3_object *object);

struct lifecycle_facts {
    struct str key;
    const struct s3_object *object;
    struct str minimum; /* TransitionDefaultMinimumObjectSize */
    int64_t now_ms;
    bool noncurrent;
    int64_t noncurrent_ms; /* since when */
    int64_t newer;         /* noncurrent versions newer than this one */
    bool alone;            /* a delete marker and the key's only version */
    int64_t *next_ms;      /* lowered to when the next thing is due; may be NULL */
};
enum lifecycle_action { LIFECYCLE_KEEP, LIFECYCLE_EXPIRE, LIFECYCLE_TRANSITION };
/* *storage_class: of a transition. */
enum lifecycle_action lifecycle_decide(const struct s3_LifecycleRules *rules,
                                       const struct lifecycle_facts *facts,
                                       struct str *storage_class);

/* --- lifecycle.c --- */

/* When a current version expires, by which rule; *rule_id absent: never. */
RESULT lifecycle_expires(struct call *call, const struct s3_bucket *bucket, struct str key,
                         const struct s3_object *object, int64_t *at_ms, struct str *rule_id);
/* x-amz-expiration of a current version; absent: no rule expires it. */
RESULT lifecycle_expiration(struct call *call, const struct s3_bucket *bucket, struct str key,
                            const struct s3_object *object, struct str *header);
/* x-amz-abort-date and x-amz-abort-rule-id of an upload; not set: no rule aborts it. */
RESULT lifecycle_abort(struct call *call, const struct s3_bucket *bucket, struct str key,
                       int64_t initiated_ms, struct opt_time *date, struct str *rule_id);

/* --- lifecycle_run.c --- */

/* The bucket's job, for the next midnight; jobs of older configurations stop by themselves. Sets
 * lifecycle_epoch: the caller writes the bucket. */
RESULT lifecycle_start(struct call *call, struct s3_bucket *bucket);
/* "s3.lifecycle" */
RESULT lifecycle_deliver(struct call *call, const struct outbox_item *item);

#endif
