/* Between intake.c and intake_digest.c. */
#ifndef KUMONIWA_SERVER_INTAKE_INT_H
#define KUMONIWA_SERVER_INTAKE_INT_H

#include "auth/chunked.h"
#include "server/request.h"

struct form;
struct intake {
    struct form *form;          /* S3: the body is a form; NULL: it is not */
    struct blob_writer *writer; /* NULL while in memory, and once published or discarded */
    struct blob_store *blobs;
    struct chunked *chunked; /* NULL: plain bytes */
    struct buf memory;
    struct digest sha256;
    bool check_sha256;
    bool s3;
    struct digest md5, checksum, crc64nvme; /* S3; the last when `checksum` is another */
    bool checksum_chosen;
    bool checksum_in_trailer;
    bool wants_crc64;    /* a part's CRC64NVME joins the whole's, whatever the client chose */
    struct lanes *lanes; /* a large one; NULL: the connection's thread does it all */
    uint64_t size;
    bool published;
    struct blob_id id;
    struct blob_key key; /* what S3's blobs are sealed with */
};

/* Chooses the checksum that the head names, or CRC64NVME; refuses heads that name none that exists,
 * or several ("Checking object integrity for data uploads", Amazon S3 User Guide). */
RESULT intake_digest_begin(struct request *request, struct intake *intake);
RESULT intake_digest_update(struct intake *intake, struct str payload);
/* The same in two halves, for two threads: the MD5; all the others. */
RESULT intake_digest_md5(void *intake, struct str payload);
RESULT intake_digest_rest(void *intake, struct str payload);
/* Compares with Content-MD5 and x-amz-checksum-*; fills the digests of *payload. */
RESULT intake_digest_end(struct request *request, struct intake *intake,
                         struct call_payload *payload);

#endif
