/* What S3 asks of the policies of buckets and access points beyond the policy language ("Bucket
 * policies for Amazon S3", "Configuring IAM policies for using access points", Amazon S3 User
 * Guide). */
#ifndef KUMONIWA_CLOUD_BUCKET_POLICY_H
#define KUMONIWA_CLOUD_BUCKET_POLICY_H

#include "cloud/call.h"

/* What the policy is to guard: one of these. */
struct policy_guarded {
    struct str bucket;
    struct str point_arn; /* of an access point */
};

/* RESULT_ERROR: *reason is what S3 says with MalformedPolicy. */
RESULT bucket_policy_check(struct call *call, const struct policy_guarded *guarded, struct str text,
                           bool *is_public, struct str *reason);

#endif
