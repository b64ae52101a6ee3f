/* Resource policies as lists of statements: of functions and of versions of layers. */
#include "services/lambda/policies.h"

#include "base/vec.h"
#include "cloud/arn.h"
#include "cloud/identity.h"
#include "wire/json_text.h"

enum { POLICY_MAX = 20480 }; /* "Lambda quotas": resource-based policy */

RESULT policy_fail_revision(struct call *call, struct str given, struct str have)
{
    if (str_is_empty(given) || str_eq(given, have))
        return RESULT_OK;
    return call_fail(call, LAMBDA_PRECONDITION_FAILED,
                     "The Revision Id provided does not match the latest Revision Id. Call the "
                     "GetPolicy API to retrieve the latest Revision Id");
}

/* --- principals --- */

static RESULT principal_fail(struct call *call)
{
    return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                     "The provided principal was invalid. Please check the principal and try "
                     "again.");
}

/* A role or user must be there, when its account is one that is kept here. */
static RESULT principal_exists(struct call *call, struct str text, const struct arn *arn,
                               bool *exists)
{
    const struct identity_table *identity = identity_of(call->cloud);
    struct identity_role role;
    struct str id, name;
    struct str_map tags;
    size_t slash = str_find_last_char(arn->resource, '/');
    *exists = true;
    if (str_starts_with(arn->resource, STR("role/")) && identity->role != NULL)
        return identity->role(call, text, &role, exists);
    if (str_starts_with(arn->resource, STR("user/")) && identity->user != NULL) {
        name = str_slice(arn->resource, slash + 1, arn->resource.len);
        return identity->user(call, arn->account, name, &id, &tags, exists);
    }
    return RESULT_OK;
}

/* "s3.amazonaws.com", "states.us-east-1.amazonaws.com"; of Alexa's two kinds of skills those of its
 * own domain. Which services there are is not known here. */
static bool principal_is_service(struct str text)
{
    static const struct str ends[] = {STR_INIT(".amazonaws.com"), STR_INIT(".amazonaws.com.cn")};
    struct str name = {0}, label;
    if (str_eq(text, STR("alexa-appkit.amazon.com")) ||
        str_eq(text, STR("alexa-connectedhome.amazon.com")))
        return true;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (str_ends_with(text, ends[i]))
            name = str_slice(text, 0, text.len - ends[i].len);
    if (str_is_empty(name))
        return false;
    while (!str_is_absent(name)) {
        (void)str_cut(name, '.', &label, &name);
        if (str_is_empty(label))
            return false;
        for (size_t i = 0; i < label.len; i++) {
            char c = label.ptr[i];
            if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-')
                return false;
        }
    }
    return true;
}

/* "AWS JSON policy elements: Principal": an account, a user, a role, a session. */
static bool principal_is_somebody(const struct arn *arn)
{
    static const struct {
        const char *service, *kind;
    } kinds[] = {
        {"iam", "user/"}, {"iam", "role/"}, {"sts", "assumed-role/"}, {"sts", "federated-user/"}};
    if (!arn_is_account(arn->account) || arn->region.len > 0 ||
        str_find_char(arn->resource, '*') != SIZE_MAX)
        return false;
    if (str_eq(arn->service, STR("iam")) && str_eq(arn->resource, STR("root")))
        return true;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct str kind = str_from_c(kinds[i].kind);
        if (str_eq(arn->service, str_from_c(kinds[i].service)) &&
            str_starts_with(arn->resource, kind) && arn->resource.len > kind.len)
            return true;
    }
    return false;
}

/* As a policy has it: {"Service":"s3.amazonaws.com"}. */
static RESULT policy_principal(struct call *call, struct str text, struct buf *out)
{
    struct arn arn;
    bool exists;
    if (str_eq(text, STR("*"))) {
        buf_append(out, STR("\"*\""));
        return RESULT_OK;
    }
    if (arn_is_account(text)) {
        buf_append_format(out, "{\"AWS\":\"arn:%.*s:iam::%.*s:root\"}", PRSTR(call->partition),
                          PRSTR(text));
        return RESULT_OK;
    }
    bool service = principal_is_service(text);
    if (!service) {
        if (!arn_parse(text, &arn) || !principal_is_somebody(&arn))
            return principal_fail(call);
        TRY(principal_exists(call, text, &arn, &exists));
        if (!exists)
            return principal_fail(call);
    }
    buf_append(out, service ? STR("{\"Service\":") : STR("{\"AWS\":"));
    wire_json_write_string(out, text);
    buf_append_char(out, '}');
    return RESULT_OK;
}

RESULT policy_statement_begin(struct call *call, struct str sid, struct str principal,
                              struct str action, struct str resource, struct buf *out)
{
    buf_append(out, STR("{\"Sid\":"));
    wire_json_write_string(out, sid);
    buf_append(out, STR(",\"Effect\":\"Allow\",\"Principal\":"));
    TRY(policy_principal(call, principal, out));
    buf_append(out, STR(",\"Action\":"));
    wire_json_write_string(out, action);
    buf_append(out, STR(",\"Resource\":"));
    wire_json_write_string(out, resource);
    return RESULT_OK;
}

/* --- statements --- */

static struct str policy_document(struct call *call, const struct lambda_policy *policy)
{
    struct buf text;
    buf_init(&text, call->arena, 16 * 1024 * 1024);
    buf_append(&text, STR("{\"Version\":\"2012-10-17\",\"Id\":\"default\",\"Statement\":["));
    for (size_t i = 0; i < policy->statements.len; i++) {
        buf_append(&text, i > 0 ? STR(",") : STR(""));
        buf_append(&text, policy->statements.items[i].text);
    }
    buf_append(&text, STR("]}"));
    return buf_str(&text);
}

RESULT policy_add(struct call *call, struct lambda_policy *policy, struct str sid, struct str text)
{
    struct lambda_statement *items =
        ARENA_ARRAY(call->arena, policy->statements.len + 1, struct lambda_statement);
    for (size_t i = 0; i < policy->statements.len; i++) {
        items[i] = policy->statements.items[i];
        if (str_eq(items[i].sid, sid))
            return call_fail(call, LAMBDA_RESOURCE_CONFLICT,
                             "The statement id (%.*s) provided already exists. Please provide a "
                             "new statement id, or remove the existing statement.",
                             PRSTR(sid));
    }
    items[policy->statements.len] = (struct lambda_statement){sid, text};
    policy->statements.items = items;
    policy->statements.len++;
    policy->text = policy_document(call, policy);
    policy->revision_id = lambda_revision(call);
    if (policy->text.len > POLICY_MAX)
        return call_fail(call, LAMBDA_POLICY_LENGTH_EXCEEDED,
                         "The final policy size (%zu) is bigger than the limit (%d).",
                         policy->text.len, POLICY_MAX);
    return RESULT_OK;
}

bool policy_remove(struct call *call, struct lambda_policy *policy, struct str sid)
{
    size_t kept = 0, before = policy->statements.len;
    for (size_t i = 0; i < before; i++)
        if (!str_eq(policy->statements.items[i].sid, sid))
            policy->statements.items[kept++] = policy->statements.items[i];
    policy->statements.len = kept;
    policy->text = policy_document(call, policy);
    policy->revision_id = lambda_revision(call);
    return kept < before;
}

/* A whole document: each statement keeps its text; one without a Sid has none. */
RESULT policy_take(struct call *call, struct str document, struct lambda_policy *out)
{
    const struct policy *compiled;
    struct str reason, raw, statements, rest;
    size_t cap = 0;
    if (document.len > POLICY_MAX)
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "The final policy size (%zu) is bigger than the limit (%d).", document.len,
                         POLICY_MAX);
    if (policy_compile(call->arena, document, POLICY_FORM_RESOURCE, &compiled, &reason) !=
        RESULT_OK)
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "The provided policy is not valid: %.*s", PRSTR(reason));
    *out = (struct lambda_policy){.text = document, .revision_id = lambda_revision(call)};
    if (!json_member(call->arena, document, STR("Statement"), &statements))
        return RESULT_OK;
    rest = statements;
    bool list = json_kind_of(statements) == JSON_ARRAY;
    while (list ? json_next_item(&rest, &raw) : out->statements.len == 0) {
        struct lambda_statement statement = {STR(""), list ? raw : statements};
        struct str sid;
        if (json_member(call->arena, statement.text, STR("Sid"), &sid))
            (void)json_string(call->arena, sid, &statement.sid);
        VEC_PUSH(call->arena, out->statements.items, out->statements.len, cap, statement);
    }
    return RESULT_OK;
}
