/* A bucket's default encryption, and another kind for an object that is there. */
#include "services/s3/annotation.h"
#include "services/s3/crypt_int.h"
#include "services/s3/settings.h"

static RESULT fail_xml(struct call *call)
{
    return call_fail(call, WIRE_SERIALIZATION,
                     "The XML you provided was not well-formed or did not validate against our "
                     "published schema");
}

/* What AWS shows of a bucket that was never told ("Setting default server-side encryption
 * behavior for Amazon S3 buckets"). */
static struct s3_ServerSideEncryptionRule *rule_default(struct call *call, bool blocked)
{
    struct s3_ServerSideEncryptionRule *rule =
        ARENA_NEW(call->arena, struct s3_ServerSideEncryptionRule);
    struct str *type = ARENA_NEW(call->arena, struct str);
    *type = blocked ? STR("SSE-C") : STR("NONE");
    rule->ApplyServerSideEncryptionByDefault =
        ARENA_NEW(call->arena, struct s3_ServerSideEncryptionByDefault);
    rule->ApplyServerSideEncryptionByDefault->SSEAlgorithm = STR("AES256");
    rule->BucketKeyEnabled = opt_bool(false);
    rule->BlockedEncryptionTypes = ARENA_NEW(call->arena, struct s3_BlockedEncryptionTypes);
    rule->BlockedEncryptionTypes->EncryptionType = (struct str_list){type, 1};
    return rule;
}

RESULT s3_GetBucketEncryption(struct call *call, const struct s3_GetBucketEncryptionRequest *in,
                              struct s3_GetBucketEncryptionOutput *out)
{
    struct s3_bucket bucket;
    struct s3_ServerSideEncryptionConfiguration *all =
        ARENA_NEW(call->arena, struct s3_ServerSideEncryptionConfiguration);
    bool found;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(setting_get(call, &bucket, S3_SETTING_ENCRYPTION, (struct str){0}, all, &found));
    if (!found)
        all->Rules = (struct s3_ServerSideEncryptionRules){rule_default(call, true), 1};
    out->ServerSideEncryptionConfiguration = all;
    return RESULT_OK;
}

static RESULT check_default(struct call *call, const struct s3_ServerSideEncryptionByDefault *one)
{
    bool kms =
        str_eq(one->SSEAlgorithm, STR("aws:kms")) || str_eq(one->SSEAlgorithm, STR("aws:kms:dsse"));
    if (!kms && !str_eq(one->SSEAlgorithm, STR("AES256")))
        return fail_xml(call);
    if (!kms && !str_is_absent(one->KMSMasterKeyID))
        return call_fail(call, WIRE_INVALID_PARAMETER_VALUE,
                         "a KMSMasterKeyID is not applicable if the default sse algorithm is not "
                         "aws:kms or aws:kms:dsse");
    return RESULT_OK;
}

static RESULT check_blocked(struct call *call, const struct str_list *types)
{
    if (types->len != 1)
        return fail_xml(call);
    return str_eq(types->items[0], STR("NONE")) || str_eq(types->items[0], STR("SSE-C"))
               ? RESULT_OK
               : fail_xml(call);
}

RESULT s3_PutBucketEncryption(struct call *call, const struct s3_PutBucketEncryptionRequest *in,
                              struct s3_PutBucketEncryptionResult *out)
{
    (void)out;
    struct s3_bucket bucket;
    const struct s3_ServerSideEncryptionRule *before;
    const struct s3_ServerSideEncryptionConfiguration *given =
        in->ServerSideEncryptionConfiguration;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(s3_check_body(call));
    if (given == NULL || given->Rules.len != 1)
        return fail_xml(call);
    struct s3_ServerSideEncryptionRule *rule = &given->Rules.items[0];
    TRY(crypt_rule(call, &bucket, &before));
    struct s3_ServerSideEncryptionRule *plain =
        rule_default(call, crypt_blocks_customers(call, before));
    /* What the rule leaves out stays as it is. */
    if (rule->ApplyServerSideEncryptionByDefault == NULL)
        rule->ApplyServerSideEncryptionByDefault = before != NULL
                                                       ? before->ApplyServerSideEncryptionByDefault
                                                       : plain->ApplyServerSideEncryptionByDefault;
    TRY(check_default(call, rule->ApplyServerSideEncryptionByDefault));
    if (rule->BlockedEncryptionTypes == NULL)
        rule->BlockedEncryptionTypes = plain->BlockedEncryptionTypes;
    TRY(check_blocked(call, &rule->BlockedEncryptionTypes->EncryptionType));
    if (!rule->BucketKeyEnabled.set)
        rule->BucketKeyEnabled = opt_bool(false);
    return setting_put(call, &bucket, S3_SETTING_ENCRYPTION, (struct str){0}, given);
}

RESULT s3_DeleteBucketEncryption(struct call *call,
                                 const struct s3_DeleteBucketEncryptionRequest *in,
                                 struct s3_DeleteBucketEncryptionResult *out)
{
    (void)out;
    struct s3_bucket bucket;
    const struct s3_ServerSideEncryptionRule *before;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(crypt_rule(call, &bucket, &before));
    if (before == NULL)
        return RESULT_OK;
    const struct s3_ServerSideEncryptionConfiguration plain = {
        .Rules = {rule_default(call, crypt_blocks_customers(call, before)), 1}};
    return setting_put(call, &bucket, S3_SETTING_ENCRYPTION, (struct str){0}, &plain);
}

/* --- UpdateObjectEncryption --- */

/* "Updating server-side encryption for existing data": from SSE-S3 or SSE-KMS to SSE-KMS; nothing
 * else of the object changes. */
static RESULT update_check(struct call *call, const struct s3_UpdateObjectEncryptionRequest *in,
                           const struct s3_object *object)
{
    struct str algorithm = object->sealing == NULL ? STR("") : object->sealing->algorithm;
    if (in->ObjectEncryption == NULL || in->ObjectEncryption->SSEKMS == NULL ||
        str_is_empty(in->ObjectEncryption->SSEKMS->KMSKeyArn))
        return fail_xml(call);
    if (!str_starts_with(in->ObjectEncryption->SSEKMS->KMSKeyArn, STR("arn:")))
        return call_fail(call, WIRE_INVALID_PARAMETER_VALUE,
                         "The KMS key must be given by the ARN of a key.");
    if (!object->sealed || str_eq(algorithm, STR("SSE-C")) ||
        str_eq(algorithm, STR("aws:kms:dsse")))
        return call_fail(call, WIRE_VALIDATION,
                         "The encryption type of the object cannot be updated: only objects "
                         "encrypted with SSE-S3 or SSE-KMS can be.");
    return RESULT_OK;
}

/* The data keys of all its pieces go into boxes under the new key. */
static RESULT update_content(struct call *call, const struct crypt *from, const struct crypt *to,
                             struct s3_object *object)
{
    struct s3_manifest pieces;
    TRY(content_pieces(call, object, &pieces));
    TRY(crypt_unseal(call, from, &pieces));
    TRY(crypt_seal(call, to, &pieces));
    crypt_note(to, object);
    if (object->manifest != 0)
        return content_put_manifest(call, object->manifest, &pieces);
    object->body = pieces.pieces.items[0].bytes;
    object->sealed_key = pieces.pieces.items[0].sealed_key;
    return RESULT_OK;
}

RESULT s3_UpdateObjectEncryption(struct call *call,
                                 const struct s3_UpdateObjectEncryptionRequest *in,
                                 struct s3_UpdateObjectEncryptionResponse *out)
{
    (void)out;
    struct s3_bucket bucket;
    struct object_place place;
    struct s3_object object;
    struct crypt from, to;
    const struct crypt_customer nobody = {0};
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(s3_check_body(call));
    TRY(object_open(call, &bucket, in->Key, in->VersionId, &object));
    TRY(object_find(call, &bucket, in->Key, in->VersionId, &place));
    TRY(update_check(call, in, &object));
    const struct s3_SSEKMSEncryption *kms = in->ObjectEncryption->SSEKMS;
    const struct crypt_wish wish = {
        .algorithm = STR("aws:kms"),
        .kms_key = kms->KMSKeyArn,
        .bucket_key = opt_bool(kms->BucketKeyEnabled.value),
    };
    TRY(crypt_open(call, &bucket, in->Key, &object, &nobody, &from));
    TRY(crypt_new(call, &bucket, in->Key, &wish, &to));
    TRY(update_content(call, &from, &to, &place.object));
    TRY(annotations_copy(call, &object, &from, &to, &place.object));
    TRY(annotations_drop(call, &object));
    return object_update(call, &bucket, in->Key, &place);
}
