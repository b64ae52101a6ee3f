/* Trust policies of roles ("Principal element: role and user principals", IAM User Guide). A user
 * or role that a document names is meant, not whoever bears its name later: the role keeps the ids
 * of those whom it named. A document shows, and is decided by, the ARN that such a principal has
 * now, or its id when it is gone, which nobody made anew has. */
#include "auth/policy.h"
#include "base/vec.h"
#include "cloud/arn.h"
#include "services/iam/iam_int.h"
#include "wire/json_text.h"

enum { TRUST_SIZE_MAX = 2048 };

struct trust {
    struct call *call;
    struct str_map *principals;
    size_t cap;
};

/* One that is not there is refused in the own account; of others, which may be anybody's, nothing
 * is known. */
static RESULT trust_principal(struct trust *trust, struct str text)
{
    struct call as = *trust->call;
    struct arn arn;
    struct iam_entity entity;
    bool found = true;
    if (!arn_parse(text, &arn) || !str_eq(arn.service, STR("iam")) ||
        !arn_is_account(arn.account) ||
        !(str_starts_with(arn.resource, STR("user/")) ||
          str_starts_with(arn.resource, STR("role/"))))
        return RESULT_OK;
    as.account = arn.account;
    TRY(iam_entity_by_arn(&as, text, &entity, &found));
    if (!found && str_eq(arn.account, trust->call->account))
        return call_fail(trust->call, IAM_MALFORMED_POLICY_DOCUMENT,
                         "Invalid principal in policy: \"AWS\":\"%.*s\"", PRSTR(text));
    struct str_map_entry entry = {text, entity.id};
    if (found)
        VEC_PUSH(trust->call->arena, trust->principals->items, trust->principals->len, trust->cap,
                 entry);
    return RESULT_OK;
}

static RESULT trust_principals(struct trust *trust, struct str raw)
{
    struct str item = raw, rest = raw, text;
    bool array = json_kind_of(raw) == JSON_ARRAY;
    while (!array || json_next_item(&rest, &item)) {
        if (json_string(trust->call->arena, item, &text))
            TRY(trust_principal(trust, text));
        if (!array)
            break;
    }
    return RESULT_OK;
}

RESULT iam_trust_take(struct call *call, struct str document, struct str_map *principals)
{
    struct trust trust = {call, principals, 0};
    struct iam_statements walk = {0};
    const struct policy *compiled;
    struct str reason, item, principal, aws;
    *principals = (struct str_map){0};
    if (policy_compile(call->arena, document, POLICY_FORM_TRUST, &compiled, &reason) != RESULT_OK)
        return call_fail(call, IAM_MALFORMED_POLICY_DOCUMENT, "%.*s", PRSTR(reason));
    if (iam_document_size(document) > TRUST_SIZE_MAX)
        return iam_quota(call, "ACLSizePerRole", TRUST_SIZE_MAX);
    while (iam_next_statement(call->arena, document, &walk, &item))
        if ((json_member(call->arena, item, STR("Principal"), &principal) ||
             json_member(call->arena, item, STR("NotPrincipal"), &principal)) &&
            json_kind_of(principal) == JSON_OBJECT &&
            json_member(call->arena, principal, STR("AWS"), &aws))
            TRY(trust_principals(&trust, aws));
    return RESULT_OK;
}

/* Every "old" that is a whole string of the document. */
static struct str trust_replace(struct call *call, struct str text, struct str old, struct str new)
{
    struct str quoted = str_format(call->arena, "\"%.*s\"", PRSTR(old));
    struct buf out;
    buf_init(&out, call->arena, SIZE_MAX);
    for (;;) {
        size_t at = str_find(text, quoted);
        if (at == SIZE_MAX)
            break;
        buf_append(&out, str_slice(text, 0, at));
        buf_append_format(&out, "\"%.*s\"", PRSTR(new));
        text = str_slice(text, at + quoted.len, text.len);
    }
    buf_append(&out, text);
    return buf_str(&out);
}

RESULT iam_trust_now(struct call *call, const struct iam_role *role, struct str *document)
{
    *document = role->trust;
    for (size_t i = 0; i < role->principals.len; i++) {
        struct str was = role->principals.items[i].key, now = role->principals.items[i].value;
        struct call as = *call;
        struct iam_entity entity;
        struct arn arn;
        bool found;
        if (!arn_parse(was, &arn))
            continue;
        as.account = arn.account;
        TRY(iam_entity_by_id(&as, now, &entity, &found));
        if (found)
            now = iam_entity_arn(&as, &entity);
        if (!str_eq(was, now))
            *document = trust_replace(call, *document, was, now);
    }
    return RESULT_OK;
}
