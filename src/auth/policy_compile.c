/* Documents into statements, with AWS's words for what is wrong ("IAM JSON policy elements
 * reference", "Grammar of the IAM JSON policy language", "IAM policy validation"; IAM User Guide).
 */
#include "auth/policy_int.h"
#include "base/vec.h"
#include "wire/json_text.h"

struct compiler {
    struct arena *arena;
    enum policy_form form;
    bool variables; /* Version 2012-10-17 */
    bool foreign;   /* an action that no role's trust is about was named */
    struct str *reason;
};

static enum result compile_refuse(struct compiler *compiler, struct str reason)
{
    *compiler->reason = reason;
    return RESULT_ERROR;
}

static enum result compile_syntax(struct compiler *compiler)
{
    return compile_refuse(compiler, compiler->form == POLICY_FORM_TRUST
                                        ? STR("This policy contains invalid Json")
                                        : STR("Syntax errors in policy."));
}

uint32_t policy_hash(struct str text)
{
    /* FNV-1a, its high bits mixed. */
    uint32_t hash = 2166136261U;
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.ptr[i]) * 16777619U;
    return hash ^ hash >> 15 ^ hash << 13;
}

struct text_list {
    struct str *items;
    size_t len, cap;
};

/* A string or an array of strings; other scalars as they stand, where the grammar takes them
 * (condition values). */
static enum result compile_texts(struct compiler *compiler, struct str raw, bool scalars,
                                 struct text_list *out)
{
    struct str item = raw, rest = raw, text;
    bool array = json_kind_of(raw) == JSON_ARRAY;
    *out = (struct text_list){0};
    while (!array || json_next_item(&rest, &item)) {
        enum json_kind kind = json_kind_of(item);
        if (kind == JSON_STRING)
            ASSERT(json_string(compiler->arena, item, &text));
        else if (scalars && (kind == JSON_BOOL || kind == JSON_NUMBER))
            text = item;
        else
            return compile_syntax(compiler);
        VEC_PUSH(compiler->arena, out->items, out->len, out->cap, text);
        if (!array)
            break;
    }
    return RESULT_OK;
}

/* --- Action --- */

static enum result compile_action(struct compiler *compiler, struct str text,
                                  struct policy_action *out, uint64_t *services)
{
    struct policy_pattern pattern =
        pattern_compile(compiler->arena, str_lower(compiler->arena, text), true, false);
    *out = (struct policy_action){.name = pattern.text, .form = (uint8_t)pattern.form};
    if (pattern.form == PATTERN_ANY) {
        *services = UINT64_MAX;
        return RESULT_OK;
    }
    struct str vendor, name;
    if (!str_cut(text, ':', &vendor, &name))
        return compile_refuse(compiler,
                              STR("Actions/Conditions must be prefaced by a vendor, e.g., "
                                  "iam, sdb, ec2, etc."));
    if (str_find_char(name, ':') != SIZE_MAX)
        return compile_refuse(compiler, STR("Actions/Condition can contain only one colon."));
    for (size_t i = 0; i < vendor.len; i++) {
        char c = vendor.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || (c == '*' && compiler->form == POLICY_FORM_RESOURCE)))
            return compile_refuse(
                compiler, str_format(compiler->arena, "Vendor %.*s is not valid", PRSTR(vendor)));
    }
    if (vendor.len == 0 || name.len == 0)
        return compile_refuse(
            compiler, str_format(compiler->arena, "Vendor %.*s is not valid", PRSTR(vendor)));
    struct str low = str_lower(compiler->arena, vendor);
    *services |=
        str_find_char(vendor, '*') != SIZE_MAX ? UINT64_MAX : policy_service_bit(policy_hash(low));
    if (pattern.form == PATTERN_LITERAL)
        out->hash = policy_hash(pattern.text);
    return RESULT_OK;
}

/* What a role's trust may be about. Wildcards are left to the evaluation. */
static bool is_trust_action(struct str action)
{
    static const struct str names[] = {
        STR_INIT("sts:TagSession"), STR_INIT("sts:SetSourceIdentity"), STR_INIT("sts:SetContext")};
    struct str assume = STR("sts:AssumeRole");
    if (str_find_char(action, '*') != SIZE_MAX || str_find_char(action, '?') != SIZE_MAX)
        return str_eq(action, STR("*")) || str_eq_nocase(str_slice(action, 0, 4), STR("sts:"));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (str_eq_nocase(action, names[i]))
            return true;
    return str_eq_nocase(str_slice(action, 0, assume.len), assume);
}

static enum result compile_actions(struct compiler *compiler, struct str raw, bool negative,
                                   struct policy_statement *out)
{
    struct text_list texts;
    TRY(compile_texts(compiler, raw, false, &texts));
    if (out->actions != NULL)
        return compile_syntax(compiler); /* Action and NotAction */
    if (texts.len == 0)
        return compile_refuse(compiler, STR("Policy statement must contain actions."));
    struct policy_action *actions = ARENA_ARRAY(compiler->arena, texts.len, struct policy_action);
    for (size_t i = 0; i < texts.len; i++) {
        TRY(compile_action(compiler, texts.items[i], &actions[i], &out->services));
        compiler->foreign = compiler->foreign || (!negative && !is_trust_action(texts.items[i]));
    }
    out->actions = actions;
    out->action_count = texts.len;
    out->not_action = negative;
    if (negative)
        out->services = UINT64_MAX;
    return RESULT_OK;
}

/* --- Resource --- */

/* Documents of identities name resources of any service, so that IAM checks their form. */
static enum result compile_check_resource(struct compiler *compiler, struct str text)
{
    struct str part[5], rest = text;
    if (str_eq(text, STR("*")))
        return RESULT_OK;
    if (!str_starts_with(text, STR("arn:")) && !str_starts_with(text, STR("arn:*")) &&
        !(compiler->variables && str_starts_with(text, STR("${"))))
        return compile_refuse(compiler, str_format(compiler->arena,
                                                   "Resource %.*s must be in ARN format or \"*\".",
                                                   PRSTR(text)));
    for (int i = 0; i < 5; i++)
        if (!str_cut(rest, ':', &part[i], &rest))
            return str_ends_with(text, STR("*"))
                       ? RESULT_OK
                       : compile_refuse(compiler, STR("The policy failed legacy parsing"));
    if (str_find_char(part[1], '*') == SIZE_MAX && str_find_char(part[1], '$') == SIZE_MAX &&
        !str_starts_with(part[1], STR("aws")))
        return compile_refuse(compiler,
                              str_format(compiler->arena,
                                         "Partition \"%.*s\" is not valid for resource \"%.*s\".",
                                         PRSTR(part[1]), PRSTR(text)));
    if (str_eq(part[2], STR("iam")) && part[3].len > 0 && !str_eq(part[3], STR("*")))
        return compile_refuse(compiler,
                              str_format(compiler->arena,
                                         "IAM resource %.*s cannot contain region information.",
                                         PRSTR(text)));
    return RESULT_OK;
}

static enum result compile_resources(struct compiler *compiler, struct str raw, bool negative,
                                     struct policy_statement *out)
{
    struct text_list texts;
    if (compiler->form == POLICY_FORM_TRUST)
        return compile_refuse(compiler, STR("Has prohibited field Resource"));
    TRY(compile_texts(compiler, raw, false, &texts));
    if (out->resources != NULL)
        return compile_syntax(compiler);
    if (texts.len == 0)
        return compile_refuse(compiler, STR("Policy statement must contain resources."));
    struct policy_pattern *resources =
        ARENA_ARRAY(compiler->arena, texts.len, struct policy_pattern);
    for (size_t i = 0; i < texts.len; i++) {
        if (compiler->form != POLICY_FORM_RESOURCE)
            TRY(compile_check_resource(compiler, texts.items[i]));
        resources[i] = pattern_compile(compiler->arena, texts.items[i], true, compiler->variables);
        out->any_resource = out->any_resource || resources[i].form == PATTERN_ANY;
    }
    out->resources = resources;
    out->resource_count = texts.len;
    out->not_resource = negative;
    out->any_resource = out->any_resource && !negative;
    return RESULT_OK;
}

/* --- Principal --- */

/* An AWS principal: an account by number or root ARN, somebody by ARN or by unique id. */
static bool principal_of_aws(struct str text, struct policy_principal_entry *out)
{
    struct str part[5], rest = text;
    *out = (struct policy_principal_entry){PRINCIPAL_OF_ARN, text};
    if (str_eq(text, STR("*"))) {
        out->form = PRINCIPAL_ANYBODY;
        return true;
    }
    if (text.len == 12 && str_is_digits(text)) {
        out->form = PRINCIPAL_OF_ACCOUNT;
        return true;
    }
    if (text.len >= 16 &&
        (str_starts_with(text, STR("AIDA")) || str_starts_with(text, STR("AROA")))) {
        out->form = PRINCIPAL_OF_ID;
        return true;
    }
    for (int i = 0; i < 5; i++)
        if (!str_cut(rest, ':', &part[i], &rest))
            return false;
    if (!str_eq(part[0], STR("arn")) || part[4].len != 12 || !str_is_digits(part[4]) ||
        str_find_char(text, '*') != SIZE_MAX || part[3].len > 0 || rest.len == 0 ||
        !(str_eq(part[2], STR("iam")) || str_eq(part[2], STR("sts"))))
        return false;
    if (str_eq(part[2], STR("iam")) && str_eq(rest, STR("root")))
        *out = (struct policy_principal_entry){PRINCIPAL_OF_ACCOUNT, part[4]};
    return true;
}

/* "AWS service principals", IAM User Guide. */
static bool is_service_name(struct str text)
{
    return str_eq(text, STR("*")) || str_ends_with(text, STR(".amazonaws.com")) ||
           str_ends_with(text, STR(".amazonaws.com.cn")) || str_ends_with(text, STR(".amazon.com"));
}

static bool principal_entry(struct str type, struct str text, struct policy_principal_entry *out)
{
    out->text = text;
    if (str_eq(type, STR("AWS")))
        return principal_of_aws(text, out);
    if (text.len == 0)
        return false;
    bool service = str_eq(type, STR("Service"));
    if (service && !is_service_name(text))
        return false;
    if (service)
        out->form = PRINCIPAL_OF_SERVICE;
    else if (str_eq(type, STR("Federated")))
        out->form = PRINCIPAL_OF_FEDERATION;
    else if (str_eq(type, STR("CanonicalUser")))
        out->form = PRINCIPAL_OF_CANONICAL;
    else
        return false;
    return true;
}

static enum result compile_principals(struct compiler *compiler, struct str raw, bool negative,
                                      struct policy_statement *out)
{
    struct policy_principal_entry *entries = NULL, entry = {PRINCIPAL_ANYBODY, STR("*")};
    size_t len = 0, cap = 0;
    struct str rest = raw, type, value, text;
    if (compiler->form == POLICY_FORM_MANAGED || compiler->form == POLICY_FORM_INLINE)
        return compile_refuse(compiler, STR("Policy document should not specify a principal."));
    if (out->principals != NULL)
        return compile_syntax(compiler);
    if (json_kind_of(raw) == JSON_STRING) {
        ASSERT(json_string(compiler->arena, raw, &text));
        if (!str_eq(text, STR("*")))
            return compile_refuse(
                compiler,
                str_format(compiler->arena, "Invalid principal in policy: \"%.*s\"", PRSTR(text)));
        VEC_PUSH(compiler->arena, entries, len, cap, entry);
    } else if (json_kind_of(raw) != JSON_OBJECT) {
        return compile_syntax(compiler);
    }
    while (json_kind_of(raw) == JSON_OBJECT &&
           json_next_member(compiler->arena, &rest, &type, &value)) {
        struct text_list texts;
        TRY(compile_texts(compiler, value, false, &texts));
        for (size_t i = 0; i < texts.len; i++) {
            if (!principal_entry(type, texts.items[i], &entry))
                return compile_refuse(compiler,
                                      str_format(compiler->arena,
                                                 "Invalid principal in policy: \"%.*s\":\"%.*s\"",
                                                 PRSTR(type), PRSTR(texts.items[i])));
            VEC_PUSH(compiler->arena, entries, len, cap, entry);
        }
    }
    if (len == 0)
        return compile_refuse(compiler, STR("Missing required field Principal cannot be empty!"));
    out->principals = entries;
    out->principal_count = len;
    out->not_principal = negative;
    return RESULT_OK;
}

/* --- Condition --- */

static enum result compile_condition(struct compiler *compiler, struct str op, struct str key,
                                     struct str raw, struct policy_condition *out)
{
    struct text_list texts;
    *out = (struct policy_condition){.key = key};
    if (!condition_operator(op, out))
        return compile_refuse(
            compiler, str_format(compiler->arena, "Invalid Condition type : %.*s.", PRSTR(op)));
    if (str_find_char(key, ':') == SIZE_MAX)
        return compile_refuse(compiler,
                              STR("Actions/Conditions must be prefaced by a vendor, e.g., "
                                  "iam, sdb, ec2, etc."));
    TRY(compile_texts(compiler, raw, true, &texts));
    struct policy_pattern *values = ARENA_ARRAY(compiler->arena, texts.len, struct policy_pattern);
    for (size_t i = 0; i < texts.len; i++)
        values[i] = condition_value(compiler->arena, out, texts.items[i], compiler->variables);
    out->values = values;
    out->value_count = texts.len;
    return RESULT_OK;
}

static enum result compile_conditions(struct compiler *compiler, struct str raw,
                                      struct policy_statement *out)
{
    struct policy_condition *conditions = NULL, condition;
    size_t len = 0, cap = 0;
    struct str operators = raw, op, keys, key, values;
    if (json_kind_of(raw) != JSON_OBJECT)
        return compile_syntax(compiler);
    while (json_next_member(compiler->arena, &operators, &op, &keys)) {
        if (json_kind_of(keys) != JSON_OBJECT)
            return compile_syntax(compiler);
        while (json_next_member(compiler->arena, &keys, &key, &values)) {
            TRY(compile_condition(compiler, op, key, values, &condition));
            VEC_PUSH(compiler->arena, conditions, len, cap, condition);
        }
    }
    out->conditions = conditions;
    out->condition_count = len;
    return RESULT_OK;
}

/* --- statements --- */

static enum result compile_sid(struct compiler *compiler, struct str raw,
                               struct policy_statement *out)
{
    if (!json_string(compiler->arena, raw, &out->sid))
        return compile_syntax(compiler);
    if (compiler->form == POLICY_FORM_RESOURCE)
        return RESULT_OK; /* services take more than IAM does */
    for (size_t i = 0; i < out->sid.len; i++) {
        char c = out->sid.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')))
            return compile_refuse(
                compiler, STR("Statement IDs (SID) must be alpha-numeric. Check that your input "
                              "satisfies the regular expression [0-9A-Za-z]*"));
    }
    return RESULT_OK;
}

static enum result compile_element(struct compiler *compiler, struct str name, struct str raw,
                                   struct policy_statement *out, bool *effect)
{
    struct str text;
    bool negative = str_starts_with(name, STR("Not"));
    struct str positive = negative ? str_slice(name, 3, name.len) : name;
    if (str_eq(positive, STR("Action")))
        return compile_actions(compiler, raw, negative, out);
    if (str_eq(positive, STR("Resource")))
        return compile_resources(compiler, raw, negative, out);
    if (str_eq(positive, STR("Principal")))
        return compile_principals(compiler, raw, negative, out);
    if (str_eq(name, STR("Condition")))
        return compile_conditions(compiler, raw, out);
    if (str_eq(name, STR("Sid")))
        return compile_sid(compiler, raw, out);
    if (!str_eq(name, STR("Effect")) || !json_string(compiler->arena, raw, &text))
        return compile_syntax(compiler);
    out->deny = str_eq(text, STR("Deny"));
    *effect = true;
    return out->deny || str_eq(text, STR("Allow")) ? RESULT_OK : compile_syntax(compiler);
}

static enum result compile_statement(struct compiler *compiler, struct str raw,
                                     struct policy_statement *out)
{
    struct str rest = raw, name, value;
    bool effect = false;
    if (json_kind_of(raw) != JSON_OBJECT)
        return compile_syntax(compiler);
    *out = (struct policy_statement){.sid = STR("")};
    while (json_next_member(compiler->arena, &rest, &name, &value))
        TRY(compile_element(compiler, name, value, out, &effect));
    if (!effect)
        return compile_syntax(compiler);
    if (out->actions == NULL)
        return compile_refuse(compiler, STR("Policy statement must contain actions."));
    bool identity = compiler->form == POLICY_FORM_MANAGED || compiler->form == POLICY_FORM_INLINE;
    if (out->resources == NULL && identity)
        return compile_refuse(compiler, STR("Policy statement must contain resources."));
    if (out->principals == NULL && !identity)
        return compile_refuse(compiler, STR("Missing required field Principal"));
    if (compiler->form == POLICY_FORM_TRUST && compiler->foreign)
        return compile_refuse(compiler,
                              STR("AssumeRole policy may only specify STS AssumeRole actions."));
    if (out->resources == NULL)
        out->any_resource = true;
    return RESULT_OK;
}

/* Sids are few; what is long is searched once per document. */
static bool sid_stands_before(const struct policy_statement *statements, size_t len, struct str sid)
{
    for (size_t i = 0; i < len && sid.len > 0; i++)
        if (str_eq(statements[i].sid, sid))
            return true;
    return false;
}

static enum result compile_statements(struct compiler *compiler, struct str raw,
                                      struct policy *policy)
{
    struct policy_statement *statements = NULL, statement;
    size_t len = 0, cap = 0;
    struct str rest = raw, item = raw;
    bool array = json_kind_of(raw) == JSON_ARRAY;
    while (!array || json_next_item(&rest, &item)) {
        TRY(compile_statement(compiler, item, &statement));
        if (sid_stands_before(statements, len, statement.sid))
            return compile_refuse(compiler,
                                  STR("Statement IDs (SID) in a single policy must be unique."));
        statement.position = (uint32_t)len + 1;
        VEC_PUSH(compiler->arena, statements, len, cap, statement);
        if (!array)
            break;
    }
    if (len == 0 && compiler->form != POLICY_FORM_RESOURCE)
        return compile_syntax(compiler);
    policy->statements = statements;
    policy->count = len;
    return RESULT_OK;
}

/* Version decides how statements read, wherever it stands. */
static enum result compile_version(struct compiler *compiler, struct str document)
{
    struct str raw, version = STR("2008-10-17");
    if (json_member(compiler->arena, document, STR("Version"), &raw) &&
        !json_string(compiler->arena, raw, &version))
        return compile_refuse(compiler, STR("The policy must contain a valid version string"));
    compiler->variables = str_eq(version, STR("2012-10-17"));
    if (!compiler->variables && !str_eq(version, STR("2008-10-17")))
        return compile_refuse(compiler, STR("The policy must contain a valid version string"));
    if (!compiler->variables && compiler->form == POLICY_FORM_MANAGED)
        return compile_refuse(compiler,
                              STR("Policy document must be version 2012-10-17 or greater."));
    return RESULT_OK;
}

RESULT policy_compile(struct arena *arena, struct str text, enum policy_form form,
                      const struct policy **out, struct str *reason)
{
    struct compiler compiler = {.arena = arena, .form = form, .reason = reason};
    struct str rest, name, raw, statements = {0}, id;
    text = str_trim(text);
    if (!json_is_valid(text) || json_kind_of(text) != JSON_OBJECT)
        return compile_syntax(&compiler);
    TRY(compile_version(&compiler, text));
    rest = text;
    while (json_next_member(arena, &rest, &name, &raw)) {
        if (str_eq(name, STR("Statement")))
            statements = raw;
        else if (str_eq(name, STR("Id")) ? !json_string(arena, raw, &id)
                                         : !str_eq(name, STR("Version")))
            return compile_syntax(&compiler);
    }
    if (str_is_absent(statements))
        return compile_syntax(&compiler);
    struct policy *policy = ARENA_NEW(arena, struct policy);
    TRY(compile_statements(&compiler, statements, policy));
    *out = policy;
    return RESULT_OK;
}

struct str policy_statement_sid(const struct policy_statement *statement)
{
    return statement->sid;
}

size_t policy_statement_position(const struct policy_statement *statement)
{
    return statement->position;
}
