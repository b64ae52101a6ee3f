/* AWS Signature Version 2, the verifying side, of what S3 still takes: requests signed in the query
 * string ("Signing and authenticating REST requests (AWS signature version 2)", Amazon S3 User
 * Guide), and the policies of forms. boto3 makes both by default: presigned URLs and posts of a
 * client whose signature version nobody chose. Pure. */
#ifndef KUMONIWA_AUTH_SIGV2_H
#define KUMONIWA_AUTH_SIGV2_H

#include "auth/sigv4.h"

enum { SIGV2_SIGNATURE_SIZE = 28 };

/* The query's AWSAccessKeyId, Signature, Expires and x-amz-security-token into out, whose form is
 * SIGV4_V2_QUERY. RESULT_ERROR: *problem says why. */
RESULT sigv2_parse_query(struct arena *arena, const struct wire_request *request, struct sigv4 *out,
                         struct sigv4_problem *problem);

/* bucket_in_host: what stands before the path in the signed resource; absent for path style. */
RESULT sigv2_verify_query(struct arena *arena, const struct sigv4 *signature,
                          const struct wire_request *request, struct str bucket_in_host,
                          struct str secret, int64_t now_ms, int64_t ahead_ms,
                          struct sigv4_problem *problem);

/* Base64 of the HMAC-SHA1: of a form's policy as it came, for example. */
void sigv2_sign(struct str secret, struct str text, char out[SIGV2_SIGNATURE_SIZE]);

#endif
