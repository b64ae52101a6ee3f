/* What S3 gives the cloud besides its operations. */
#include "cloud/trail.h"
#include "services/s3/access.h"
#include "services/s3/access_log.h"
#include "services/s3/archive.h"
#include "services/s3/changes.h"
#include "services/s3/inventory.h"
#include "services/s3/lifecycle.h"
#include "services/s3/replication.h"

static const struct outbox_handler s3_handlers[] = {
    {STR_INIT("s3.drop"), s3_deliver_drop},        {STR_INIT("s3.notify"), notify_deliver},
    {STR_INIT("s3.lifecycle"), lifecycle_deliver}, {STR_INIT("s3.logs"), access_log_deliver},
    {STR_INIT("s3.restore"), archive_deliver},     {STR_INIT("s3.replicate"), replicate_deliver},
    {STR_INIT("s3.inventory"), inventory_deliver},
};

static const uint32_t s3_data_operations[] = {S3_OP_AbortMultipartUpload,
                                              S3_OP_CompleteMultipartUpload,
                                              S3_OP_CopyObject,
                                              S3_OP_CreateMultipartUpload,
                                              S3_OP_DeleteObject,
                                              S3_OP_DeleteObjectAnnotation,
                                              S3_OP_DeleteObjectTagging,
                                              S3_OP_DeleteObjects,
                                              S3_OP_GetObject,
                                              S3_OP_GetObjectAcl,
                                              S3_OP_GetObjectAnnotation,
                                              S3_OP_GetObjectAttributes,
                                              S3_OP_GetObjectLegalHold,
                                              S3_OP_GetObjectRetention,
                                              S3_OP_GetObjectTagging,
                                              S3_OP_HeadObject,
                                              S3_OP_ListMultipartUploads,
                                              S3_OP_ListObjectAnnotations,
                                              S3_OP_ListObjectVersions,
                                              S3_OP_ListObjects,
                                              S3_OP_ListObjectsV2,
                                              S3_OP_ListParts,
                                              S3_OP_PostObject,
                                              S3_OP_PutObject,
                                              S3_OP_PutObjectAcl,
                                              S3_OP_PutObjectAnnotation,
                                              S3_OP_PutObjectLegalHold,
                                              S3_OP_PutObjectRetention,
                                              S3_OP_PutObjectTagging,
                                              S3_OP_RestoreObject,
                                              S3_OP_SelectObjectContent,
                                              S3_OP_UploadPart,
                                              S3_OP_UploadPartCopy};
static const struct trail_data s3_trail_data = {
    .type = STR_INIT("AWS::S3::Object"),
    .operations = s3_data_operations,
    .count = sizeof s3_data_operations / sizeof s3_data_operations[0],
};

const struct service_hooks s3_hooks = {
    .model = &s3_model,
    .trail_data = &s3_trail_data,
    .authorize = s3_authorize,
    .policy_of_arn = s3_policy_of_arn,
    .cross_origin = s3_cross_origin,
    .ended = access_log_ended,
    .handlers = s3_handlers,
    .handler_count = sizeof s3_handlers / sizeof s3_handlers[0],
};
