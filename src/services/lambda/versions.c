/* Published versions: "Manage Lambda function versions", Developer Guide. */
#include "services/lambda/configure.h"
#include "services/lambda/create.h"
#include "store/record.h"

RESULT version_check_steady(struct call *call, const struct lambda_name *name,
                            const struct lambda_version *version)
{
    struct lambda_name plain = *name;
    plain.qualifier = (struct str){0};
    if (str_eq(version->state, STR("Pending")))
        return call_fail(call, LAMBDA_RESOURCE_CONFLICT,
                         "The operation cannot be performed at this time. The function is "
                         "currently in the following state: Pending");
    if (str_eq(version->update_status, STR("InProgress")))
        return call_fail(call, LAMBDA_RESOURCE_CONFLICT,
                         "The operation cannot be performed at this time. An update is in progress "
                         "for resource: %.*s",
                         PRSTR(lambda_name_arn(call, &plain)));
    return RESULT_OK;
}

/* What a version is, without what says when and how it came about. */
static RESULT version_content(struct call *call, const struct lambda_version *version,
                              struct str *out)
{
    struct lambda_version plain = *version;
    struct buf text;
    plain.version = plain.revision_id = plain.build = (struct str){0};
    if (!str_is_absent(version->described))
        plain.description = version->described;
    if (str_is_empty(plain.description))
        plain.description = (struct str){0};
    plain.described = (struct str){0};
    plain.state = plain.state_reason = plain.state_reason_code = (struct str){0};
    plain.update_status = plain.update_reason = plain.update_reason_code = (struct str){0};
    plain.modified_ms = plain.settles_ms = 0;
    buf_init(&text, call->arena, 256 * 1024);
    TRY(record_encode(&text, &lambda_model, LAMBDA_SHAPE_version, &plain));
    *out = buf_str(&text);
    return RESULT_OK;
}

/* "Lambda doesn't publish a version if the function's configuration and code haven't changed since
 * the last version." */
static RESULT version_is_same(struct call *call, const struct lambda_version *a,
                              const struct lambda_version *b, bool *same)
{
    struct str first, second;
    TRY(version_content(call, a, &first));
    TRY(version_content(call, b, &second));
    *same = str_eq(first, second);
    return RESULT_OK;
}

/* *out: the version as it stands published, a new one or the last. */
static RESULT version_publish(struct call *call, const struct lambda_name *name,
                              struct lambda_function *function, const struct lambda_version *latest,
                              struct str description, struct lambda_version *out)
{
    bool found = false, same = false;
    if (!str_is_empty(function->published))
        TRY(version_get(call, name, function->published, out, &found));
    if (found)
        TRY(version_is_same(call, out, latest, &same));
    if (same)
        return RESULT_OK;
    *out = *latest;
    out->version = str_format(call->arena, "%lld", (long long)function->next_version);
    out->revision_id = lambda_revision(call);
    out->described = str_is_absent(latest->description) ? STR("") : latest->description;
    if (!str_is_absent(description))
        out->description = description;
    if (!str_eq(out->state, STR("Pending"))) {
        out->state = STR("Pending");
        out->state_reason = STR("The function is being created.");
        out->state_reason_code = STR("Creating");
        out->settles_ms = call->now_ms + LAMBDA_SETTLES_MS;
    }
    out->update_status = STR("Successful");
    function->next_version++;
    function->published = out->version;
    TRY(version_use_code(call, out));
    TRY(account_add(call, name, 0, out->code_size, 0));
    TRY(version_put(call, name, out));
    /* Publishing is a change of $LATEST too: whoever knew it as it was does not any more. */
    struct lambda_version again = *latest;
    again.revision_id = lambda_revision(call);
    TRY(version_put(call, name, &again));
    return function_put(call, name, function);
}

RESULT create_answer(struct call *call, const struct lambda_name *name,
                     struct lambda_function *function, const struct lambda_version *version,
                     bool publish, struct lambda_FunctionConfiguration *out)
{
    struct lambda_version published = *version;
    struct lambda_name shown = *name;
    shown.qualifier = (struct str){0};
    if (publish) {
        TRY(version_publish(call, name, function, version, (struct str){0}, &published));
        shown.qualifier = published.version;
    }
    return configuration_show(call, name, lambda_name_arn(call, &shown), &published, true, out);
}

RESULT lambda_PublishVersion(struct call *call, const struct lambda_PublishVersionRequest *in,
                             struct lambda_FunctionConfiguration *out)
{
    struct lambda_name name;
    struct lambda_target target;
    struct lambda_version published;
    TRY(lambda_name_unqualified(call, in->FunctionName, &name));
    TRY(lambda_find(call, &name, &target));
    if (!str_is_absent(in->PublishTo))
        return call_fail(call, WIRE_NOT_IMPLEMENTED,
                         "Kumoniwa has no capacity providers: PublishTo is not implemented.");
    TRY(version_check_steady(call, &name, &target.version));
    if (!str_is_empty(in->CodeSha256) && !str_eq(in->CodeSha256, target.version.code_sha256))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "CodeSHA256 (%.*s) is different from current CodeSHA256 in $LATEST "
                         "(%.*s). Please try again with the CodeSHA256 in $LATEST.",
                         PRSTR(in->CodeSha256), PRSTR(target.version.code_sha256));
    TRY(version_check_revision(call, in->RevisionId, target.version.revision_id));
    TRY(version_publish(call, &name, &target.function, &target.version, in->Description,
                        &published));
    struct lambda_name shown = name;
    shown.qualifier = published.version;
    return configuration_show(call, &name, lambda_name_arn(call, &shown), &published, true, out);
}

RESULT version_check_revision(struct call *call, struct str given, struct str have)
{
    if (str_is_empty(given) || str_eq(given, have))
        return RESULT_OK;
    return call_fail(call, LAMBDA_PRECONDITION_FAILED,
                     "The Revision Id provided does not match the latest Revision Id. Call the "
                     "GetFunction/GetAlias API to retrieve the latest Revision Id");
}

void version_forget(struct call *call, const struct lambda_name *name,
                    const struct lambda_version *version)
{
    struct functions *functions = lambda_functions(call);
    const struct lambda_target target = {.name = *name, .version = *version};
    if (functions != NULL)
        functions_forget(functions, lambda_spec_key(call, &target));
}
