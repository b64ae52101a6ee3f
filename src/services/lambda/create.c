/* CreateFunction. */
#include <sys/stat.h>

#include "base/digest.h"
#include "base/encode.h"
#include "services/lambda/configure.h"
#include "services/lambda/create.h"

/* --- where code comes from --- */

/* A root file system of this machine, as it stands. */
static RESULT source_root(struct call *call, const struct source_request *in,
                          struct source_code *out)
{
    uint8_t sum[SHA256_SIZE];
    struct buf text;
    struct stat found;
    struct str folder = str_slice(in->image_uri, sizeof "rootfs:" - 1, in->image_uri.len);
    if (str_find(folder, STR("/../")) != SIZE_MAX ||
        stat(str_to_c(call->arena, folder), &found) < 0 || !S_ISDIR(found.st_mode))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Source image %.*s does not exist. Provide a valid source image. (It is "
                         "not the absolute path of a folder of this machine.)",
                         PRSTR(in->image_uri));
    digest_sha256(in->image_uri, sum);
    buf_init(&text, call->arena, 128);
    hex_encode(&text, str_make((const char *)sum, sizeof sum));
    *out = (struct source_code){.image_uri = in->image_uri, .sha256 = buf_str(&text)};
    return RESULT_OK;
}

static RESULT source_image(struct call *call, const struct source_request *in,
                           struct source_code *out)
{
    struct code_stored stored;
    if (str_is_empty(in->image_uri))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Please provide ImageUri when updating or creating a function with "
                         "packageType Image.");
    if (str_starts_with(in->image_uri, STR("rootfs:/")))
        return source_root(call, in, out);
    const struct code_source source = {.image_uri = in->image_uri};
    TRY(code_take(call, &source, &stored));
    *out =
        (struct source_code){.stored = stored, .sha256 = stored.sha256, .image_uri = in->image_uri};
    return RESULT_OK;
}

/* A folder of this machine that is the code as it stands, changes and all. */
static RESULT source_hot(struct call *call, const struct source_request *in,
                         struct source_code *out)
{
    struct stat found;
    uint8_t sum[SHA256_SIZE];
    struct buf text;
    struct str folder = in->s3_key;
    if (!str_starts_with(folder, STR("/")) || str_find(folder, STR("/../")) != SIZE_MAX ||
        stat(str_to_c(call->arena, folder), &found) < 0 || !S_ISDIR(found.st_mode))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Hot reload: \"%.*s\" is not the absolute path of a folder of this "
                         "machine.",
                         PRSTR(folder));
    digest_sha256(folder, sum);
    buf_init(&text, call->arena, 64);
    base64_encode(&text, str_make((const char *)sum, sizeof sum));
    *out = (struct source_code){.hot_folder = folder, .sha256 = buf_str(&text)};
    return RESULT_OK;
}

static RESULT source_refuse(struct call *call, const struct source_request *in)
{
    if (str_eq(in->storage_mode, STR("REFERENCE")))
        return call_fail(call, WIRE_NOT_IMPLEMENTED,
                         "Kumoniwa does not implement S3ObjectStorageMode REFERENCE yet.");
    if (!str_is_empty(in->kms_key))
        return call_fail(call, WIRE_NOT_IMPLEMENTED,
                         "Kumoniwa does not implement SourceKMSKeyArn yet.");
    return RESULT_OK;
}

RESULT source_take(struct call *call, const struct source_request *in, struct source_code *out)
{
    struct code_stored stored;
    bool of_s3 = !str_is_empty(in->s3_bucket) || !str_is_empty(in->s3_key);
    TRY(source_refuse(call, in));
    if (in->image) {
        if (of_s3 || !str_is_absent(in->zip))
            return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                             "Please don't provide ZipFile or S3 location when the function's "
                             "packageType is Image.");
        return source_image(call, in, out);
    }
    if (!str_is_absent(in->image_uri))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Please don't provide ImageUri when updating or creating a function with "
                         "packageType Zip.");
    if (of_s3 && !str_is_absent(in->zip))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Please do not provide other FunctionCode parameters when providing a "
                         "ZipFile.");
    if (of_s3 && (str_is_empty(in->s3_bucket) || str_is_empty(in->s3_key)))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Please provide both S3Bucket and S3Key.");
    if (!of_s3 && str_is_absent(in->zip))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Please provide a source for function code.");
    if (str_eq(in->s3_bucket, STR("hot-reload")))
        return source_hot(call, in, out);
    const struct code_source source = {
        .zip = in->zip, .bucket = in->s3_bucket, .key = in->s3_key, .version_id = in->s3_version};
    TRY(code_take(call, &source, &stored));
    *out = (struct source_code){.stored = stored, .sha256 = stored.sha256, .size = stored.size};
    return RESULT_OK;
}

void source_set(const struct source_code *source, struct lambda_version *version)
{
    version->code = source->stored.id;
    version->code_sha256 = source->sha256;
    version->code_size = source->size;
    version->image_uri = source->image_uri;
    version->hot_folder = source->hot_folder;
}

RESULT version_use_code(struct call *call, const struct lambda_version *version)
{
    if (!str_is_empty(version->code))
        TRY(code_use_again(call, version->code));
    for (size_t i = 0; i < version->layer_codes.len; i++)
        TRY(code_use_again(call, version->layer_codes.items[i]));
    return RESULT_OK;
}

RESULT version_release_code(struct call *call, const struct lambda_version *version)
{
    TRY(code_release(call, version->code));
    for (size_t i = 0; i < version->layer_codes.len; i++)
        TRY(code_release(call, version->layer_codes.items[i]));
    return RESULT_OK;
}

RESULT version_check_size(struct call *call, const struct lambda_version *version, int64_t own)
{
    int64_t layers = 0;
    struct lambda_code code;
    bool found;
    if (str_eq(version->package_type, STR("Image")))
        return RESULT_OK; /* images.c: 10 GB */
    if (own < 0) {
        TRY(code_get(call, version->code, &code, &found));
        own = code.unzipped;
    }
    for (size_t i = 0; i < version->layer_codes.len; i++) {
        TRY(code_get(call, version->layer_codes.items[i], &code, &found));
        layers += code.unzipped;
    }
    if (layers > CODE_UNZIPPED_MAX)
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Layers consume more than the available size of %d bytes",
                         CODE_UNZIPPED_MAX);
    int64_t total = own + layers;
    if (total > CODE_UNZIPPED_MAX)
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Function code combined with layers exceeds the maximum allowed size of "
                         "%d bytes. The actual size is %lld bytes.",
                         CODE_UNZIPPED_MAX, (long long)total);
    return RESULT_OK;
}

/* --- CreateFunction --- */

static RESULT create_check(struct call *call, const struct lambda_CreateFunctionRequest *in,
                           bool image)
{
    if (image && (!str_is_absent(in->Handler) || !str_is_absent(in->Runtime) || in->Layers.len > 0))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Please don't provide Handler or Runtime or Layer when the intended "
                         "function PackageType is Image.");
    if (!image && (str_is_absent(in->Handler) || str_is_absent(in->Runtime)))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Runtime and Handler are mandatory parameters for functions created with "
                         "deployment packages.");
    if (!image && in->ImageConfig != NULL)
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Please don't provide ImageConfig when creating a function with "
                         "packageType Zip.");
    if (image && !str_is_empty(in->CodeSigningConfigArn))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Code signing is not supported for functions created with container "
                         "images.");
    if (!str_is_absent(in->PublishTo))
        return call_fail(call, WIRE_NOT_IMPLEMENTED,
                         "Kumoniwa has no capacity providers: PublishTo is not implemented.");
    return RESULT_OK;
}

static struct lambda_version create_defaults(const struct lambda_CreateFunctionRequest *in,
                                             bool image)
{
    return (struct lambda_version){
        .version = STR("$LATEST"),
        .timeout_s = 3,
        .memory_mb = 128,
        .tmp_mb = 512,
        .tracing = STR("PassThrough"),
        .snap_start = STR("None"),
        .package_type = image ? STR("Image") : STR("Zip"),
        .architecture = in->Architectures.len > 0 ? in->Architectures.items[0] : STR("x86_64"),
        .update_runtime_on = STR("Auto"),
    };
}

static RESULT create_put(struct call *call, const struct lambda_name *name,
                         struct lambda_function *function, struct lambda_version *version,
                         const struct source_code *source)
{
    uint64_t id;
    TRY(call_sequence(call, &id));
    function->id = version->function_id = (int64_t)id;
    if (!str_is_empty(source->stored.id))
        TRY(code_use(call, &source->stored));
    for (size_t i = 0; i < version->layer_codes.len; i++)
        TRY(code_use_again(call, version->layer_codes.items[i]));
    TRY(account_add(call, name, 1, version->code_size, 0));
    TRY(function_put(call, name, function));
    return version_put(call, name, version);
}

RESULT lambda_CreateFunction(struct call *call, const struct lambda_CreateFunctionRequest *in,
                             struct lambda_FunctionConfiguration *out)
{
    bool image = str_eq(in->PackageType, STR("Image")), found;
    struct settings settings = SETTINGS_OF(in);
    const struct source_request request = {
        .image = image,
        .zip = in->Code->ZipFile,
        .s3_bucket = in->Code->S3Bucket,
        .s3_key = in->Code->S3Key,
        .s3_version = in->Code->S3ObjectVersion,
        .storage_mode = in->Code->S3ObjectStorageMode,
        .kms_key = in->Code->SourceKMSKeyArn,
        .image_uri = in->Code->ImageUri,
    };
    struct lambda_name name;
    struct lambda_function function;
    struct lambda_version version = create_defaults(in, image);
    struct source_code source;
    settings.tenancy = in->TenancyConfig != NULL;
    TRY(lambda_name_unqualified(call, in->FunctionName, &name));
    TRY(create_check(call, in, image));
    TRY(tags_given(call, in, "lambda:function", name.account, lambda_name_arn(call, &name),
                   &in->Tags));
    version.name = name.function;
    TRY(configure(call, &name, &settings, &version));
    TRY(function_get(call, &name, &function, &found));
    if (found)
        return call_fail(call, LAMBDA_RESOURCE_CONFLICT, "Function already exist: %.*s",
                         PRSTR(name.function));
    TRY(source_take(call, &request, &source));
    source_set(&source, &version);
    TRY(version_check_size(call, &version, source.stored.unzipped));
    version.modified_ms = call->now_ms;
    version.revision_id = version.build = lambda_revision(call);
    version.state = STR("Pending");
    version.state_reason = STR("The function is being created.");
    version.state_reason_code = STR("Creating");
    version.update_status = STR("Successful");
    version.settles_ms = call->now_ms + LAMBDA_SETTLES_MS;
    function = (struct lambda_function){
        .name = name.function,
        .tags = in->Tags,
        .next_version = 1,
        .reserved = -1,
        .recursive_loop = STR("Terminate"),
        .created_ms = call->now_ms,
    };
    if (!str_is_empty(in->CodeSigningConfigArn))
        TRY(code_signing_join(call, &name, in->CodeSigningConfigArn, &function));
    TRY(create_put(call, &name, &function, &version, &source));
    architecture_note(&version);
    return create_answer(call, &name, &function, &version, in->Publish.value, out);
}
