/* x-amz-copy-source of CopyObject and UploadPartCopy. */
#ifndef KUMONIWA_SERVICES_S3_COPY_SOURCE_H
#define KUMONIWA_SERVICES_S3_COPY_SOURCE_H

#include "cloud/call.h"

/* "/BUCKET/KEY?versionId=ID", the first '/' may be missing; or the ARN of an access point with
 * "/object/KEY" behind it, which is then *bucket. False when it is neither. version_id absent: the
 * newest. */
bool copy_source_read(struct call *call, struct str text, struct str *bucket, struct str *key,
                      struct str *version_id);

#endif
