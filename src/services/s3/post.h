/* Between post.c and post_policy.c. */
#ifndef KUMONIWA_SERVICES_S3_POST_H
#define KUMONIWA_SERVICES_S3_POST_H

#include "services/s3/s3_int.h"

/* Whether the form's policy allows what it posts: "POST Policy", Amazon S3 API Reference. The
 * fields are the request's headers; key: as the object will have it. */
RESULT post_check_policy(struct call *call, struct str policy, struct str bucket, struct str key);

#endif
