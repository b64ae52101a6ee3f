/* What happens to objects: the one place through which every change goes, in its own transaction.
 * Who puts, completes, copies, deletes, tags, restores or expires calls s3_changed() when it has
 * written; notifications and replication follow from it. "Event message structure" and "Supported
 * event types for SQS, SNS, and Lambda", Amazon S3 User Guide. */
#ifndef KUMONIWA_SERVICES_S3_CHANGES_H
#define KUMONIWA_SERVICES_S3_CHANGES_H

#include "services/s3/s3_int.h"

/* The order is that of a table in changes.c. */
enum s3_change_kind {
    S3_CREATED_PUT,
    S3_CREATED_POST,
    S3_CREATED_COPY,
    S3_CREATED_MULTIPART,
    S3_REMOVED,      /* a version, for good */
    S3_MARKER_MADE,  /* a delete marker */
    S3_RESTORE_POST, /* asked for */
    S3_RESTORE_COMPLETED,
    S3_RESTORE_DELETED, /* the restored copy has expired */
    S3_EXPIRED,         /* by lifecycle: a version, for good */
    S3_EXPIRED_MARKER,  /* by lifecycle: a delete marker made */
    S3_TRANSITIONED,
    S3_TIERED, /* Intelligent-Tiering archived it */
    S3_REPLICATION_FAILED,
    S3_REPLICATION_LATE,
    S3_REPLICATION_CAUGHT_UP,
    S3_REPLICATION_NOT_TRACKED,
    S3_TAGGING_PUT,
    S3_TAGGING_DELETED,
    S3_ACL_PUT,
    S3_RETENTION_PUT,
    S3_ANNOTATION_PUT,
    S3_ANNOTATION_DELETED,
    S3_CHANGE_KINDS
};

struct s3_change {
    enum s3_change_kind kind;
    struct str key;
    const struct s3_object *object; /* as it is now; removed: as it was */
    /* Of some kinds only. */
    int64_t restored_until_ms;    /* S3_RESTORE_COMPLETED, S3_RESTORE_DELETED */
    struct str rule_id, target;   /* replication: the rule, the destination bucket's ARN */
    struct str reason, operation; /* replication: failureReason, s3Operation */
    int64_t requested_ms;         /* replication */
};

/* Reads nothing where the bucket has neither notifications nor replication. */
RESULT s3_changed(struct call *call, const struct s3_bucket *bucket,
                  const struct s3_change *change);

/* --- notify.c --- */

/* Where notifications may go: one row for each service. To add one (Lambda, SNS, EventBridge): its
 * row in notify_targets[] with a function that makes the service's call through call_invoke(), and
 * the refusal of its configurations in PutBucketNotificationConfiguration falls away by itself. */
struct notify_sending {
    struct str target;          /* ARN */
    struct str body;            /* JSON */
    struct str bucket, account; /* for aws:SourceArn, aws:SourceAccount */
    bool test;                  /* at configuration time: s3:TestEvent */
    struct str trace;           /* trace header of what caused it; absent: none */
};
struct notify_target {
    struct str service; /* of the ARN */
    /* RESULT_ERROR: *problem says what PutBucketNotificationConfiguration answers; nothing was
     * written then. */
    RESULT (*send)(struct call *call, const struct notify_sending *sending, struct str *problem);
};
/* "s3.notify": hands one notification over. */
RESULT notify_deliver(struct call *call, const struct outbox_item *item);

#endif
