/* Server access logs: "Logging requests with server access logging" and "Amazon S3 server access
 * log format", Amazon S3 User Guide. A request of a bucket with logging leaves a line once it has
 * been answered; a job gathers lines into objects of the target bucket. */
#ifndef KUMONIWA_SERVICES_S3_ACCESS_LOG_H
#define KUMONIWA_SERVICES_S3_ACCESS_LOG_H

#include "services/s3/s3_int.h"

/* Notes at the call that this bucket's log wants it: the first bucket that a request names. */
void access_log_note(struct call *call, const struct s3_bucket *bucket);
/* The service's `ended` hook. */
void access_log_ended(const struct call *call, const struct call_end *end);
/* What lifecycle has done ("Logging lifecycle actions"), in the transaction that does it. */
RESULT access_log_lifecycle(struct call *call, const struct s3_bucket *bucket,
                            const char *operation, struct str key, const struct s3_object *object);
/* "s3.logs", payload a log_job. */
RESULT access_log_deliver(struct call *call, const struct outbox_item *item);

/* access_log_line.c: one line, newline included. */
struct str access_log_line(struct arena *arena, const struct s3_bucket *bucket,
                           const struct call *call, const struct call_end *end);
/* Of what nobody asked for. object NULL: an upload. */
struct str access_log_own_line(struct call *call, const struct s3_bucket *bucket,
                               const char *operation, struct str key,
                               const struct s3_object *object);

#endif
