/* Between the files of S3 Control. */
#ifndef KUMONIWA_SERVICES_S3CONTROL_S3CONTROL_INT_H
#define KUMONIWA_SERVICES_S3CONTROL_S3CONTROL_INT_H

#include "cloud/access_point.h"
#include "gen/s3control.h"
#include "services/s3control/s3control.h"

/* The bits that S3 reads (services/s3/access.h). */
enum {
    ACCESS_SET = 1 << 0,
    ACCESS_BLOCK_ACLS = 1 << 1,
    ACCESS_IGNORE_ACLS = 1 << 2,
    ACCESS_BLOCK_POLICY = 1 << 3,
    ACCESS_RESTRICT = 1 << 4,
    ACCESS_ALL = (1 << 5) - 1,
};
int64_t public_access_bits(const struct s3control_PublicAccessBlockConfiguration *wanted);
const struct s3control_PublicAccessBlockConfiguration *public_access_shown(struct call *call,
                                                                           int64_t bits);

/* x-amz-account-id: the caller's own account, or one that policies let it into. */
RESULT account_check(struct call *call, struct str account);

/* --- bucket.c --- */

struct bucket_found {
    struct str region; /* absent: it is not there, or not the owner's */
    uint32_t error;    /* then what S3 said */
    struct str message;
};
RESULT bucket_head(struct call *call, struct str bucket, struct str owner,
                   struct bucket_found *found);

/* name: a name, or an ARN of one; fails with NoSuchAccessPoint. */
RESULT point_open(struct call *call, struct str account, struct str name,
                  struct access_point *point);

#endif
