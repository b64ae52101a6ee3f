/* UpdateFunctionCode, UpdateFunctionConfiguration. */
#include "services/lambda/configure.h"
#include "services/lambda/create.h"

/* $LATEST, that may be changed now by somebody who knows it as it is. */
static RESULT update_find(struct call *call, struct str text, struct str revision,
                          struct lambda_target *out)
{
    struct lambda_name name;
    TRY(lambda_name_unqualified(call, text, &name));
    TRY(lambda_find(call, &name, out));
    TRY(version_check_steady(call, &name, &out->version));
    return version_check_revision(call, revision, out->version.revision_id);
}

static void update_begin(struct call *call, const struct lambda_name *name,
                         struct lambda_version *version)
{
    version_forget(call, name, version);
    version->modified_ms = call->now_ms;
    version->revision_id = version->build = lambda_revision(call);
    version->update_status = STR("InProgress");
    version->update_reason = STR("The function is being created.");
    version->update_reason_code = STR("Creating");
    version->settles_ms = call->now_ms + LAMBDA_SETTLES_MS;
}

/* --- code --- */

static RESULT update_code_check(struct call *call,
                                const struct lambda_UpdateFunctionCodeRequest *in)
{
    if (!str_is_absent(in->PublishTo))
        return call_fail(call, WIRE_NOT_IMPLEMENTED,
                         "Kumoniwa has no capacity providers: PublishTo is not implemented.");
    return RESULT_OK;
}

static RESULT update_code_put(struct call *call, struct lambda_target *target,
                              const struct source_code *source)
{
    struct lambda_version *version = &target->version;
    struct str old = version->code;
    int64_t old_size = version->code_size;
    source_set(source, version);
    update_begin(call, &target->name, version);
    if (!str_is_empty(source->stored.id))
        TRY(code_use(call, &source->stored));
    TRY(code_release(call, old));
    TRY(account_add(call, &target->name, 0, version->code_size - old_size, 0));
    return version_put(call, &target->name, version);
}

RESULT lambda_UpdateFunctionCode(struct call *call,
                                 const struct lambda_UpdateFunctionCodeRequest *in,
                                 struct lambda_FunctionConfiguration *out)
{
    struct lambda_target target;
    struct source_code source;
    TRY(update_code_check(call, in));
    TRY(update_find(call, in->FunctionName, in->RevisionId, &target));
    const struct source_request request = {
        .image = str_eq(target.version.package_type, STR("Image")),
        .zip = in->ZipFile,
        .s3_bucket = in->S3Bucket,
        .s3_key = in->S3Key,
        .s3_version = in->S3ObjectVersion,
        .storage_mode = in->S3ObjectStorageMode,
        .kms_key = in->SourceKMSKeyArn,
        .image_uri = in->ImageUri,
    };
    TRY(source_take(call, &request, &source));
    if (in->Architectures.len > 0)
        target.version.architecture = in->Architectures.items[0];
    architecture_note(&target.version);
    TRY(version_check_size(call, &target.version, source.stored.unzipped));
    if (in->DryRun.value) {
        source_set(&source, &target.version);
        return configuration_show(call, &target.name, target.invoked_arn, &target.version, true,
                                  out);
    }
    TRY(update_code_put(call, &target, &source));
    return create_answer(call, &target.name, &target.function, &target.version, in->Publish.value,
                         out);
}

/* --- configuration --- */

static RESULT update_check_package(struct call *call,
                                   const struct lambda_UpdateFunctionConfigurationRequest *in,
                                   bool image)
{
    if (image && (!str_is_absent(in->Handler) || !str_is_absent(in->Runtime) || in->Layers.len > 0))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Please don't provide Handler or Runtime or Layer when the intended "
                         "function PackageType is Image.");
    if (!image && in->ImageConfig != NULL)
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Please don't provide ImageConfig when updating a function with "
                         "packageType Zip.");
    return RESULT_OK;
}

/* The new layers first: what both lists name must not go in between. */
static RESULT update_layer_uses(struct call *call, const struct str_list *old,
                                const struct str_list *now)
{
    for (size_t i = 0; i < now->len; i++)
        TRY(code_use_again(call, now->items[i]));
    for (size_t i = 0; i < old->len; i++)
        TRY(code_release(call, old->items[i]));
    return RESULT_OK;
}

RESULT
lambda_UpdateFunctionConfiguration(struct call *call,
                                   const struct lambda_UpdateFunctionConfigurationRequest *in,
                                   struct lambda_FunctionConfiguration *out)
{
    const struct settings settings = SETTINGS_OF(in);
    struct lambda_target target;
    TRY(update_find(call, in->FunctionName, in->RevisionId, &target));
    struct lambda_version *version = &target.version;
    struct str_list old = version->layer_codes;
    bool image = str_eq(version->package_type, STR("Image"));
    TRY(update_check_package(call, in, image));
    TRY(configure(call, &target.name, &settings, version));
    if (in->Layers.items != NULL) {
        TRY(version_check_size(call, version, str_is_empty(version->code) ? 0 : -1));
        TRY(update_layer_uses(call, &old, &version->layer_codes));
    }
    update_begin(call, &target.name, version);
    TRY(version_put(call, &target.name, version));
    return configuration_show(call, &target.name, target.invoked_arn, version, true, out);
}
