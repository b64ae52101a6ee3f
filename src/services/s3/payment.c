/* Who pays, transfer acceleration, attribute-based access control: what a bucket says and requests
 * obey (access_needs.c, access_keys.c). */
#include "services/s3/access.h"
#include "services/s3/settings.h"

static RESULT malformed(struct call *call)
{
    return call_fail(call, WIRE_SERIALIZATION,
                     "The XML you provided was not well-formed or did not validate against our "
                     "published schema");
}

/* --- "Using Requester Pays general purpose buckets": the setting is there while they do --- */

RESULT s3_PutBucketRequestPayment(struct call *call,
                                  const struct s3_PutBucketRequestPaymentRequest *in,
                                  struct s3_PutBucketRequestPaymentResult *out)
{
    (void)out;
    struct s3_bucket bucket;
    bool existed;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(s3_check_body(call));
    const struct s3_RequestPaymentConfiguration *wanted = in->RequestPaymentConfiguration;
    if (wanted == NULL)
        return malformed(call);
    if (str_eq(wanted->Payer, STR("Requester")))
        return setting_put(call, &bucket, S3_SETTING_REQUEST_PAYMENT, (struct str){0}, wanted);
    if (str_eq(wanted->Payer, STR("BucketOwner")))
        return setting_delete(call, &bucket, S3_SETTING_REQUEST_PAYMENT, (struct str){0}, &existed);
    return malformed(call);
}

RESULT s3_GetBucketRequestPayment(struct call *call,
                                  const struct s3_GetBucketRequestPaymentRequest *in,
                                  struct s3_GetBucketRequestPaymentOutput *out)
{
    struct s3_bucket bucket;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    out->Payer = setting_is_there(&bucket, S3_SETTING_REQUEST_PAYMENT) ? STR("Requester")
                                                                       : STR("BucketOwner");
    return RESULT_OK;
}

/* --- "Configuring fast, secure file transfers using Amazon S3 Transfer Acceleration" --- */

RESULT
s3_PutBucketAccelerateConfiguration(struct call *call,
                                    const struct s3_PutBucketAccelerateConfigurationRequest *in,
                                    struct s3_PutBucketAccelerateConfigurationResult *out)
{
    (void)out;
    struct s3_bucket bucket;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(s3_check_body(call));
    const struct s3_AccelerateConfiguration *wanted = in->AccelerateConfiguration;
    if (wanted == NULL ||
        (!str_eq(wanted->Status, STR("Enabled")) && !str_eq(wanted->Status, STR("Suspended"))))
        return malformed(call);
    if (str_find_char(bucket.name, '.') != SIZE_MAX)
        return call_fail(call, WIRE_VALIDATION,
                         "S3 Transfer Acceleration is not supported for buckets with periods (.) "
                         "in their names");
    return setting_put(call, &bucket, S3_SETTING_ACCELERATE, (struct str){0}, wanted);
}

RESULT
s3_GetBucketAccelerateConfiguration(struct call *call,
                                    const struct s3_GetBucketAccelerateConfigurationRequest *in,
                                    struct s3_GetBucketAccelerateConfigurationOutput *out)
{
    struct s3_bucket bucket;
    struct s3_AccelerateConfiguration kept;
    bool found;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(setting_get(call, &bucket, S3_SETTING_ACCELERATE, (struct str){0}, &kept, &found));
    if (found)
        out->Status = kept.Status;
    return RESULT_OK;
}

/* --- "Enabling ABAC in general purpose buckets": tags of the bucket take part in policies --- */

RESULT s3_PutBucketAbac(struct call *call, const struct s3_PutBucketAbacRequest *in,
                        struct s3_PutBucketAbacResult *out)
{
    (void)out;
    struct s3_bucket bucket;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(s3_check_body(call));
    const struct s3_AbacStatus *wanted = in->AbacStatus;
    if (wanted == NULL ||
        (!str_eq(wanted->Status, STR("Enabled")) && !str_eq(wanted->Status, STR("Disabled"))))
        return malformed(call);
    bucket.abac = str_eq(wanted->Status, STR("Enabled"));
    return bucket_put(call, &bucket);
}

RESULT s3_GetBucketAbac(struct call *call, const struct s3_GetBucketAbacRequest *in,
                        struct s3_GetBucketAbacOutput *out)
{
    struct s3_bucket bucket;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    out->AbacStatus = ARENA_NEW(call->arena, struct s3_AbacStatus);
    out->AbacStatus->Status = bucket.abac ? STR("Enabled") : STR("Disabled");
    return RESULT_OK;
}
