/* S3 objects, written and read by other services: exports and imports, logs, code from a bucket.
 * From an outbox handler, inside its transaction: what is written lives from that transaction's
 * commit on (a file that no commit made alive is swept at the next start), and S3 is asked as the
 * principal that wanted it, so its policies decide.
 *
 * Whatever S3 refuses (no such bucket, access denied) it refuses before it writes: after
 * RESULT_ERROR the caller's transaction may go on, to note the failure. `problem` then says which,
 * by S3's own error name. Any other result but RESULT_OK must end the transaction. */
#ifndef KUMONIWA_CLOUD_OBJECT_IO_H
#define KUMONIWA_CLOUD_OBJECT_IO_H

#include "cloud/call.h"

/* Who asks. account: whose bucket names and permissions count; the principal's. */
struct object_io_caller {
    struct principal principal;
    struct str source_arn, source_account; /* the resource that caused it; absent: none */
};
struct object_io_problem {
    struct str code, message; /* "NoSuchBucket" */
};

/* A principal as bytes and back, to keep it with a job until the job asks S3 in its name. The
 * bytes are in the arena; what is read is borrowed from them. */
RESULT object_io_principal_keep(struct call *call, struct str *bytes);
RESULT object_io_principal_read(struct arena *arena, struct str bytes, struct principal *out);

/* --- writing
 * -------------------------------------------------------------------------------------------------
 */

/* The content of an object to be: small in memory, a blob beyond. Ends with the call's arena; what
 * was not put is forgotten. */
struct object_io_writer;
struct object_io_writer *object_io_writer_new(struct call *call);
RESULT object_io_write(struct object_io_writer *writer, struct str bytes);

struct object_io_put {
    struct str bucket, key;
    struct str content_type, content_encoding;
    struct str expected_owner; /* of the bucket; absent: any */
    struct str acl;            /* canned; absent: none */
    struct str kms_key;        /* SSE-KMS with this one; absent: as the bucket says */
    struct str_map metadata;
};
struct object_io_stored {
    struct str etag; /* without quotes */
    struct str version_id;
    uint64_t size;
    uint8_t md5[MD5_SIZE];
};
/* PutObject of what was written; the writer is done, whatever the result. */
RESULT object_io_put(struct object_io_writer *writer, const struct object_io_caller *caller,
                     const struct object_io_put *in, struct object_io_stored *out,
                     struct object_io_problem *problem);
/* The same of bytes at hand. */
RESULT object_io_put_bytes(struct call *call, const struct object_io_caller *caller,
                           const struct object_io_put *in, struct str bytes,
                           struct object_io_stored *out, struct object_io_problem *problem);

/* --- reading
 * -------------------------------------------------------------------------------------------------
 */

struct object_io_get {
    struct str bucket, key;
    struct str version_id;     /* absent: the newest */
    struct str expected_owner; /* of the bucket; absent: any */
};
struct object_io_found {
    uint64_t size;
    struct str etag; /* without quotes */
    struct str content_type, content_encoding, version_id;
    int64_t modified_ms;
};
/* GetObject. Descriptors are closed with the call's arena. The reader is good within the call's
 * transaction; a blob that it has open stays readable even when the object goes. */
struct object_io_reader;
RESULT object_io_open(struct call *call, const struct object_io_caller *caller,
                      const struct object_io_get *in, struct object_io_reader **out,
                      struct object_io_found *found, struct object_io_problem *problem);
/* The next bytes; *got 0: the end. */
RESULT object_io_read(struct object_io_reader *reader, char *room, size_t size, size_t *got);
/* Reading goes on there; beyond the end: at the end. */
void object_io_seek(struct object_io_reader *reader, uint64_t offset);

/* --- listing
 * -------------------------------------------------------------------------------------------------
 */

struct object_io_list {
    struct str bucket, prefix;
    struct str after; /* keys beyond this one; absent: all */
    struct str expected_owner;
};
struct object_io_name {
    struct str key;
    uint64_t size;
};
/* One page of ListObjectsV2, up to 1,000 names in order, copied into the arena. */
RESULT object_io_list(struct call *call, const struct object_io_caller *caller,
                      const struct object_io_list *in, struct object_io_name **out, size_t *count,
                      bool *more, struct object_io_problem *problem);

#endif
