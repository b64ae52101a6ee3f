/* What an environment of a version is made of. "Lambda execution role", "Defined runtime
 * environment variables", AWS Lambda Developer Guide. */
#include "cloud/authorize.h"
#include "cloud/credentials.h"
#include "cloud/session.h"
#include "services/lambda/lambda_int.h"

/* The credentials of an environment last this long; one that is older is not used again. */
enum { SESSION_S = 12 * 3600 };

/* Everything that changes a version gives it another revision; a folder just changes. */
struct str lambda_spec_key(struct call *call, const struct lambda_target *target)
{
    const struct lambda_version *version = &target->version;
    struct str hot =
        str_is_empty(version->hot_folder) ? STR("") : lambda_hot_stamp(call, version->hot_folder);
    return str_format(call->arena, "%.*s/%.*s/%.*s/%lld/%.*s/%.*s%.*s", PRSTR(target->name.account),
                      PRSTR(target->name.region), PRSTR(version->name),
                      (long long)version->function_id, PRSTR(version->version),
                      PRSTR(version->build), PRSTR(hot));
}

static RESULT may(struct call *call, const struct principal *who, const char *action,
                  struct str resource, bool *allowed)
{
    const struct authorize_ask ask = {
        .who = who,
        .action = str_from_c(action),
        .resource = resource,
        .owner = who->account,
    };
    return authorize_may(call, &ask, allowed);
}

/* As on AWS, a function's log is what its role may write. */
static RESULT ask_for_log(struct call *call, const struct lambda_target *target,
                          const struct principal *role, struct function_spec *out)
{
    struct str group =
        str_format(call->arena, "arn:%.*s:logs:%.*s:%.*s:log-group:%.*s", PRSTR(call->partition),
                   PRSTR(target->name.region), PRSTR(target->name.account), PRSTR(out->log_group));
    struct str streams = str_concat(call->arena, group, STR(":log-stream:*"));
    bool puts, creates;
    TRY(may(call, role, "logs:PutLogEvents", streams, &puts));
    TRY(may(call, role, "logs:CreateLogStream", str_concat(call->arena, group, STR(":*")),
            &creates));
    out->logged = puts && creates;
    return may(call, role, "logs:CreateLogGroup", str_concat(call->arena, group, STR(":*")),
               &out->makes_group);
}

static RESULT assume_role(struct call *call, const struct lambda_target *target,
                          struct function_spec *out)
{
    struct credentials credentials;
    struct lambda_name plain = target->name;
    bool found;
    /* "Using source function ARN to control function access behavior", Developer Guide: what the
     * function itself asks for, and its log, is known to come from it. */
    plain.qualifier = (struct str){0};
    struct str_map_entry source = {STR("lambda:SourceFunctionArn"), lambda_name_arn(call, &plain)};
    TRY(session_for_role(call,
                         &(struct session_for_service){
                             .claims = {&source, 1},
                             .role_arn = target->version.role,
                             .session_name = target->version.name,
                             .service = STR("lambda.amazonaws.com"),
                             .duration_s = SESSION_S,
                         },
                         &credentials, &found));
    if (!found)
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "The role defined for the function cannot be assumed by Lambda.");
    out->access_key = credentials.principal.access_key;
    out->secret_key = credentials.secret;
    out->session_token = credentials.session_token;
    out->expires_ms = credentials.expires_ms;
    return ask_for_log(call, target, &credentials.principal, out);
}

static RESULT open_environment(struct call *call, const struct lambda_target *target,
                               struct function_spec *out)
{
    struct str_map variables;
    struct str code = {0}, problem = {0};
    TRY(environment_open(call, &target->name, &target->version, &variables, &code, &problem));
    if (!str_is_absent(problem))
        return call_fail(call,
                         str_eq(code, STR("KMSDisabledException")) ? LAMBDA_KMS_DISABLED
                                                                   : LAMBDA_KMS_NOT_FOUND,
                         "%.*s", PRSTR(problem));
    struct str *items = ARENA_ARRAY(call->arena, variables.len + 1, struct str);
    for (size_t i = 0; i < variables.len; i++)
        items[i] = str_format(call->arena, "%.*s=%.*s", PRSTR(variables.items[i].key),
                              PRSTR(variables.items[i].value));
    out->environment = items;
    out->environment_count = variables.len;
    return RESULT_OK;
}

static void set_log(struct call *call, const struct lambda_version *version,
                    struct function_spec *out)
{
    const struct lambda_LoggingConfig *logging = version->logging;
    if (logging != NULL) {
        out->log_group = logging->LogGroup;
        out->log_json = str_eq(logging->LogFormat, STR("JSON"));
        out->log_level = logging->ApplicationLogLevel;
        out->platform_level = logging->SystemLogLevel;
    }
    if (str_is_empty(out->log_group))
        out->log_group = str_concat(call->arena, STR("/aws/lambda/"), version->name);
}

static struct str_list either(const struct str_list *own, const struct str_list *image)
{
    return own->len > 0 ? *own : *image;
}

/* "Container image settings": each of the three takes the place of the image's own. */
static void set_words(struct call *call, const struct lambda_ImageConfig *own,
                      const struct lambda_code *image, struct function_spec *out)
{
    static const struct lambda_ImageConfig none;
    if (own == NULL)
        own = &none;
    struct str_list entry = either(&own->EntryPoint, &image->entry_point);
    struct str_list command = either(&own->Command, &image->command);
    struct str *words = ARENA_ARRAY(call->arena, entry.len + command.len + 1, struct str);
    for (size_t i = 0; i < entry.len; i++)
        words[i] = entry.items[i];
    for (size_t i = 0; i < command.len; i++)
        words[entry.len + i] = command.items[i];
    out->command = (struct str_list){words, entry.len + command.len};
    out->workdir = str_is_empty(own->WorkingDirectory) ? image->workdir : own->WorkingDirectory;
    out->image_environment = image->variables.items;
    out->image_environment_count = image->variables.len;
}

/* What was unpacked for /var/task is a whole system. */
static RESULT set_image(struct call *call, const struct lambda_version *version,
                        struct function_spec *out)
{
    struct lambda_code image = {0};
    bool found;
    if (!str_eq(version->package_type, STR("Image")))
        return RESULT_OK;
    if (str_is_empty(version->code)) {
        out->root = str_slice(version->image_uri, sizeof "rootfs:" - 1, version->image_uri.len);
    } else {
        TRY(code_get(call, version->code, &image, &found));
        out->root = out->task;
    }
    out->task = (struct str){0};
    set_words(call, version->image, &image, out);
    return RESULT_OK;
}

RESULT lambda_spec(struct call *call, const struct lambda_target *target, struct function_spec *out)
{
    const struct lambda_version *version = &target->version;
    struct lambda_name qualified = target->name;
    struct function_spec spec = {0};
    TRY(lambda_code_ready(call, target, &spec.task, &spec.opt));
    spec.key = lambda_spec_key(call, target);
    qualified.qualifier = (struct str){0};
    spec.pool = lambda_name_arn(call, &qualified);
    qualified.qualifier = version->version;
    spec.arn = lambda_name_arn(call, &qualified);
    spec.account = target->name.account;
    spec.region = target->name.region;
    spec.name = version->name;
    spec.version = version->version;
    spec.runtime = version->runtime;
    spec.handler = version->handler;
    spec.memory_mb = version->memory_mb > 0 ? (uint32_t)version->memory_mb : 128;
    spec.tmp_mb = version->tmp_mb > 0 ? (uint32_t)version->tmp_mb : 512;
    spec.timeout_ms = version->timeout_s > 0 ? (uint32_t)version->timeout_s * 1000 : 3000;
    spec.outside = lambda_outside(call);
    set_log(call, version, &spec);
    TRY(set_image(call, version, &spec));
    TRY(open_environment(call, target, &spec));
    TRY(assume_role(call, target, &spec));
    *out = spec;
    return RESULT_OK;
}
