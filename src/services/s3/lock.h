/* Object Lock: versions that may not be removed. "Locking objects with Object Lock", Amazon S3 User
 * Guide. A bucket has it or not: its setting S3_SETTING_OBJECT_LOCK is there. */
#ifndef KUMONIWA_SERVICES_S3_LOCK_H
#define KUMONIWA_SERVICES_S3_LOCK_H

#include "services/s3/s3_int.h"

/* What the headers of a request that writes ask for. */
struct lock_wish {
    struct str mode;
    struct opt_time until;
    struct str legal_hold;
    struct str event_hold;
    struct opt_int days, years; /* of the event hold */
};
#define LOCK_WISH(in)                                                                              \
    ((struct lock_wish){(in)->ObjectLockMode, (in)->ObjectLockRetainUntilDate,                     \
                        (in)->ObjectLockLegalHoldStatus, (in)->ObjectLockEventHold,                \
                        (in)->ObjectLockEventHoldDurationDays,                                     \
                        (in)->ObjectLockEventHoldDurationYears})

bool lock_is_on(const struct s3_bucket *bucket);
/* With CreateBucket: versioning goes on, too. */
RESULT lock_enable(struct call *call, struct s3_bucket *bucket);
/* Checks what is asked, and notes it. */
RESULT lock_ask(struct call *call, const struct s3_bucket *bucket, const struct lock_wish *wish,
                struct s3_object *object);
/* The bucket's default for an object that asked for no retention, as it becomes one. */
RESULT lock_default(struct call *call, const struct s3_bucket *bucket, struct s3_object *object);

/* That a part of an object that will be locked comes with a digest. */
RESULT lock_check_part(struct call *call, const struct s3_bucket *bucket,
                       const struct s3_object *object);

/* Until when it is retained, seen from now: an event hold that is on moves it ahead. */
int64_t lock_retain_until(const struct s3_object *object, int64_t now_ms);
/* A released hold's retention begins now: of what was held until now. */
void lock_release(struct s3_object *object, int64_t now_ms);
bool lock_is_held(const struct s3_object *object); /* by an event hold */
int64_t lock_hold_days(const struct s3_object *object);

/* Nobody may remove it now. governed: who may bypass governance, does. Lifecycle asks without. */
bool lock_protects(const struct s3_object *object, int64_t now_ms, bool governed);
/* Removing a version on request: fails with AccessDenied when it is protected. bypass: the header
 * x-amz-bypass-governance-retention. */
RESULT lock_check_removal(struct call *call, const struct s3_bucket *bucket, struct str key,
                          const struct s3_object *object, bool bypass);
/* The header is for buckets that have Object Lock. */
RESULT lock_check_bypass(struct call *call, const struct s3_bucket *bucket, struct opt_bool bypass);

/* `call` is the caller's. */
#define LOCK_SHOW(out, o)                                                                          \
    do {                                                                                           \
        (out)->ObjectLockMode = (o)->lock_mode;                                                    \
        int64_t until_ = lock_retain_until((o), call->now_ms);                                     \
        if (until_ != 0)                                                                           \
            (out)->ObjectLockRetainUntilDate = opt_time(until_);                                   \
        (out)->ObjectLockEventHold = (o)->event_hold;                                              \
        if (lock_is_held(o) && (o)->hold_days > 0)                                                 \
            (out)->ObjectLockEventHoldDurationDays = opt_int((int32_t)(o)->hold_days);             \
        if (lock_is_held(o) && (o)->hold_years > 0)                                                \
            (out)->ObjectLockEventHoldDurationYears = opt_int((int32_t)(o)->hold_years);           \
        if (!str_is_absent((o)->legal_hold))                                                       \
            (out)->ObjectLockLegalHoldStatus = (o)->legal_hold;                                    \
    } while (0)

#endif
