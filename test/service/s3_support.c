#include "service/s3_support.h"

#include <stdlib.h>

int s3_setup(void **state)
{
    struct loopback *lo = calloc(1, sizeof *lo);
    loopback_open(lo);
    lo->protocol = WIRE_PROTOCOL_REST_XML;
    *state = lo;
    return 0;
}

int s3_teardown(void **state)
{
    loopback_close(*state);
    free(*state);
    return 0;
}

void s3_bucket(struct loopback *lo, const char *name, bool versioned)
{
    loopback_ok(S3_CALL(lo, CreateBucket, .Bucket = str_from_c(name)));
    struct s3_VersioningConfiguration on = {.Status = STR("Enabled")};
    if (versioned)
        loopback_ok(S3_CALL(lo, PutBucketVersioning, .Bucket = str_from_c(name),
                            .VersioningConfiguration = &on));
}

struct str s3_put(struct loopback *lo, const char *bucket, struct str key)
{
    const struct s3_PutObjectOutput *out =
        loopback_ok(S3_CALL(lo, PutObject, .Bucket = str_from_c(bucket), .Key = key));
    return out->VersionId;
}

struct s3_counts s3_count(struct loopback *lo, const char *bucket)
{
    struct s3_counts counts = {0};
    const struct s3_ListObjectsV2Output *list =
        loopback_ok(S3_CALL(lo, ListObjectsV2, .Bucket = str_from_c(bucket)));
    counts.keys = list->Contents.len;
    const struct s3_ListObjectVersionsOutput *versions =
        loopback_ok(S3_CALL(lo, ListObjectVersions, .Bucket = str_from_c(bucket)));
    counts.versions = versions->Versions.len;
    counts.markers = versions->DeleteMarkers.len;
    return counts;
}

struct str s3_queue(struct loopback *lo, const char *name)
{
    struct str arn = str_format(lo->arena, "arn:aws:sqs:us-east-1:000000000000:%s", name);
    struct str_map_entry policy = {
        STR("Policy"),
        str_format(lo->arena,
                   "{\"Statement\":{\"Effect\":\"Allow\",\"Principal\":{\"Service\":"
                   "\"s3.amazonaws.com\"},\"Action\":\"sqs:SendMessage\",\"Resource\":\"%.*s\"}}",
                   PRSTR(arn))};
    struct sqs_CreateQueueRequest in = {.QueueName = str_from_c(name),
                                        .Attributes = {.items = &policy, .len = 1}};
    loopback_ok(loopback_call(lo, &sqs_model, SQS_OP_CreateQueue, &in));
    return arn;
}

struct str s3_receive(struct loopback *lo, const char *queue)
{
    struct str url = str_format(lo->arena, "http://localhost:4566/000000000000/%s", queue);
    struct sqs_ReceiveMessageRequest in = {.QueueUrl = url};
    const struct sqs_ReceiveMessageResult *out =
        loopback_ok(loopback_call(lo, &sqs_model, SQS_OP_ReceiveMessage, &in));
    if (out->Messages.len == 0)
        return (struct str){0};
    struct sqs_DeleteMessageRequest gone = {.QueueUrl = url,
                                            .ReceiptHandle = out->Messages.items[0].ReceiptHandle};
    struct str body = out->Messages.items[0].Body;
    loopback_ok(loopback_call(lo, &sqs_model, SQS_OP_DeleteMessage, &gone));
    return body;
}
