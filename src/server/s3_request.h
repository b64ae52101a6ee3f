/* What is S3's alone about a request before its operation is known: the bucket in the host, headers
 * in the query string. */
#ifndef KUMONIWA_SERVER_S3_REQUEST_H
#define KUMONIWA_SERVER_S3_REQUEST_H

#include "server/request.h"

/* The bucket that a host names, without its port: "Virtual hosting of buckets", Amazon S3 User
 * Guide, on AWS's own hosts and those that end like them, and BUCKET.localhost, where neither the
 * signature's service (absent: unsigned) nor the name says that it is another service's. Absent for
 * path style. */
struct str s3_bucket_of_host(struct str host, struct str service, const struct wire_index *index);

/* BUCKET.s3-website-REGION.amazonaws.com, BUCKET.s3-website.localhost and the like ("Website
 * endpoints", Amazon S3 User Guide): what stands before the path of a page then, as a virtual
 * host's bucket does (models/overlays/s3.json, GetWebsitePage). Absent: the host is none. */
struct str s3_website_of_host(struct arena *arena, struct str host);

/* A presigned URL's x-amz-* parameters count as the headers that they stand for ("Authenticating
 * Requests: Using Query Parameters"), but for the signature's own and for checksums: signers
 * without a body to sign put an empty one's there, and S3 does not look at them. Call it when the
 * signature is verified. */
RESULT s3_take_query_headers(struct request *request);

/* MethodNotAllowed: of a resource that has not the request's method. */
RESULT s3_refuse_method(struct request *request);

/* A request for a bucket or an object that names a subresource (?acl, ?policy) under a method that
 * the subresource has not: what it would do to the bucket or the object itself was not asked for.
 */
RESULT s3_check_subresource(struct request *request);

#endif
