/* Versions of layers: published, shown, deleted. */
#include "services/lambda/layers.h"

/* --- showing --- */

static struct lambda_LayerVersionContentOutput *
layer_content(struct call *call, const struct lambda_layer_version *version)
{
    struct lambda_LayerVersionContentOutput *content =
        ARENA_NEW(call->arena, struct lambda_LayerVersionContentOutput);
    content->Location = code_location(call, version->code);
    content->CodeSha256 = version->code_sha256;
    content->CodeSize = opt_long(version->code_size);
    return content;
}

static RESULT layer_show(struct call *call, const struct layer_name *name,
                         const struct lambda_layer_version *version,
                         struct lambda_GetLayerVersionResponse *out)
{
    struct layer_name plain = *name, full = *name;
    plain.version = 0;
    full.version = version->version;
    *out = (struct lambda_GetLayerVersionResponse){
        .Content = layer_content(call, version),
        .LayerArn = layer_arn(call, &plain),
        .LayerVersionArn = layer_arn(call, &full),
        .Description = str_is_absent(version->description) ? STR("") : version->description,
        .CreatedDate = lambda_timestamp(call, version->created_ms),
        .Version = opt_long(version->version),
        .CompatibleArchitectures = version->architectures,
        .CompatibleRuntimes = version->runtimes,
        .LicenseInfo = version->license,
    };
    return RESULT_OK;
}

/* --- publishing --- */

static RESULT layer_own_name(struct call *call, struct str text, struct layer_name *name)
{
    if (!layer_name_parse(call, text, name) || name->version != 0 || name->name.len > 140 ||
        !str_eq(name->region, call->region))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE, "Invalid Layer name: %.*s",
                         PRSTR(text));
    return RESULT_OK;
}

static RESULT layer_source(struct call *call, const struct lambda_LayerVersionContentInput *in,
                           struct code_stored *stored)
{
    const struct code_source source = {.zip = in->ZipFile,
                                       .bucket = in->S3Bucket,
                                       .key = in->S3Key,
                                       .version_id = in->S3ObjectVersion};
    bool of_s3 = !str_is_empty(in->S3Bucket) || !str_is_empty(in->S3Key);
    if (str_eq(in->S3ObjectStorageMode, STR("REFERENCE")))
        return call_fail(call, WIRE_NOT_IMPLEMENTED,
                         "Kumoniwa does not implement S3ObjectStorageMode REFERENCE yet.");
    if (of_s3 == !str_is_absent(in->ZipFile) ||
        (of_s3 && (str_is_empty(in->S3Bucket) || str_is_empty(in->S3Key))))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Please provide either ZipFile, or both S3Bucket and S3Key, as the "
                         "layer's content.");
    return code_take(call, &source, stored);
}

RESULT lambda_PublishLayerVersion(struct call *call,
                                  const struct lambda_PublishLayerVersionRequest *in,
                                  struct lambda_PublishLayerVersionResponse *out)
{
    struct layer_name name;
    struct lambda_layer layer;
    struct code_stored stored;
    struct lambda_GetLayerVersionResponse shown;
    bool found;
    TRY(layer_own_name(call, in->LayerName, &name));
    TRY(layer_source(call, in->Content, &stored));
    const struct lambda_name place = {.account = name.account, .region = name.region};
    struct key key = layer_key(call, &name, STR("layer"));
    TRY(call_get_record_copy(call, &key, &lambda_model, LAMBDA_SHAPE_layer, &layer, &found));
    layer.name = name.name;
    name.version = ++layer.last_version;
    const struct lambda_layer_version version = {
        .name = name.name,
        .version = name.version,
        .description = in->Description,
        .created_ms = call->now_ms,
        .code = stored.id,
        .code_sha256 = stored.sha256,
        .code_size = stored.size,
        .runtimes = in->CompatibleRuntimes,
        .architectures = in->CompatibleArchitectures,
        .license = in->LicenseInfo,
    };
    TRY(code_use(call, &stored));
    TRY(account_add(call, &place, 0, stored.size, 0));
    TRY(call_put_record(call, &key, &lambda_model, LAMBDA_SHAPE_layer, &layer));
    TRY(layer_version_put(call, &name, &version));
    TRY(layer_show(call, &name, &version, &shown));
    *out = (struct lambda_PublishLayerVersionResponse){
        .Content = shown.Content,
        .LayerArn = shown.LayerArn,
        .LayerVersionArn = shown.LayerVersionArn,
        .Description = shown.Description,
        .CreatedDate = shown.CreatedDate,
        .Version = shown.Version,
        .CompatibleArchitectures = shown.CompatibleArchitectures,
        .CompatibleRuntimes = shown.CompatibleRuntimes,
        .LicenseInfo = shown.LicenseInfo,
    };
    return RESULT_OK;
}

/* --- getting, deleting --- */

RESULT layer_version_find(struct call *call, struct str text, int64_t number,
                          struct layer_name *name, struct lambda_layer_version *version)
{
    bool found = false;
    if (!layer_name_parse(call, text, name) || (number > 0) == (name->version > 0))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE, "Invalid Layer name: %.*s",
                         PRSTR(text));
    if (number > 0)
        name->version = number;
    if (str_eq(name->region, call->region))
        TRY(layer_version_get(call, name, version, &found));
    if (!found)
        return call_fail(call, LAMBDA_RESOURCE_NOT_FOUND,
                         "The resource you requested does not exist.");
    return RESULT_OK;
}

RESULT layer_number_check(struct call *call, int64_t number)
{
    if (number > 0)
        return RESULT_OK;
    return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE, "Layer Version Cannot be less than 1.");
}

RESULT lambda_GetLayerVersion(struct call *call, const struct lambda_GetLayerVersionRequest *in,
                              struct lambda_GetLayerVersionResponse *out)
{
    struct layer_name name;
    struct lambda_layer_version version;
    TRY(layer_number_check(call, in->VersionNumber.value));
    TRY(layer_version_find(call, in->LayerName, in->VersionNumber.value, &name, &version));
    return layer_show(call, &name, &version, out);
}

RESULT lambda_GetLayerVersionByArn(struct call *call,
                                   const struct lambda_GetLayerVersionByArnRequest *in,
                                   struct lambda_GetLayerVersionResponse *out)
{
    struct layer_name name;
    struct lambda_layer_version version;
    TRY(layer_version_find(call, in->Arn, 0, &name, &version));
    return layer_show(call, &name, &version, out);
}

/* Functions that have it keep it: "you can't create functions that use it any more". */
RESULT lambda_DeleteLayerVersion(struct call *call,
                                 const struct lambda_DeleteLayerVersionRequest *in,
                                 struct lambda_DeleteLayerVersionResult *out)
{
    struct layer_name name;
    struct lambda_layer_version version;
    bool found;
    (void)out;
    TRY(layer_number_check(call, in->VersionNumber.value));
    TRY(layer_own_name(call, in->LayerName, &name));
    name.version = in->VersionNumber.value;
    TRY(layer_version_get(call, &name, &version, &found));
    if (!found)
        return RESULT_OK;
    const struct lambda_name place = {.account = name.account, .region = name.region};
    struct key key = layer_version_key(call, &name);
    TRY(code_release(call, version.code));
    TRY(account_add(call, &place, 0, -version.code_size, 0));
    return kv_delete(call->txn, key_bytes(&key), NULL);
}
