/* Replication: "Replicating objects within and across Regions", Amazon S3 User Guide. A version
 * that a rule wants is marked PENDING in the transaction that makes it, which also posts it; the
 * outbox carries the versions of one key over in order. */
#ifndef KUMONIWA_SERVICES_S3_REPLICATION_H
#define KUMONIWA_SERVICES_S3_REPLICATION_H

#include "services/s3/changes.h"

/* Of a version that is about to be written: sets its replication_status, unless it has one.
 * "REPLICA" and "" stay and keep it from being carried on. */
RESULT replicate_mark(struct call *call, const struct s3_bucket *bucket, struct str key,
                      struct s3_object *object);
/* Of a version whose tags are about to be written: PENDING again, if it has been replicated. */
void replicate_mark_again(const struct s3_bucket *bucket, struct s3_object *object);
/* Posts what has been marked. */
RESULT replicate_changed(struct call *call, const struct s3_bucket *bucket,
                         const struct s3_change *change);
/* "s3.replicate" */
RESULT replicate_deliver(struct call *call, const struct outbox_item *item);

#endif
