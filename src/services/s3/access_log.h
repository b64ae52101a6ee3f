/* Server access logs: "Logging requests with server access logging" and "Amazon S3 server access
 * log format", Amazon S3 User Guide. A request of a bucket with logging leaves a line once it has
 * been answered; a job gathers lines into objects of the target bucket. */
#ifndef KUMONIWA_SERVICES_S3_ACCESS_LOG_H
#define KUMONIWA_SERVICES_S3_ACCESS_LOG_H

#include "services/s3/s3_int.h"

/* Notes at the call that this bucket has a log. The line of the request goes into that of the
 * bucket that the request's path names. */
void access_log_note(struct call *call, const struct s3_bucket *bucket);
/* A further line of the same request ("REST.COPY.OBJECT_GET", "BATCH.DELETE.OBJECT"), if the bucket
 * has a log. */
struct access_line {
    const char *operation;
    struct str key, version_id;
    struct str error; /* absent: none */
    uint16_t status;  /* 0: the answer's */
    int64_t size;
};
void access_log_also(struct call *call, const struct s3_bucket *bucket,
                     const struct access_line *line);
/* The service's `ended` hook. */
void access_log_ended(const struct call *call, const struct call_end *end);
/* What lifecycle has done ("Logging lifecycle actions"), in the transaction that does it. */
RESULT access_log_lifecycle(struct call *call, const struct s3_bucket *bucket,
                            const char *operation, struct str key, const struct s3_object *object);
/* "s3.logs", payload a log_job. */
RESULT access_log_deliver(struct call *call, const struct outbox_item *item);

/* --- access_log_line.c: one line, newline included --- */

/* also: of a further line; NULL: of the request itself. */
struct str access_log_line(struct arena *arena, const struct s3_bucket *bucket,
                           const struct call *call, const struct call_end *end,
                           const struct access_line *also);
/* A routed path, "/BUCKET/KEY"; absent key: of the bucket. */
void access_log_path(struct str path, struct str *bucket, struct str *key);
/* Of what nobody asked for. object NULL: an upload. */
struct str access_log_own_line(struct call *call, const struct s3_bucket *bucket,
                               const char *operation, struct str key,
                               const struct s3_object *object);

#endif
