/* Session policies, tags and MFA ("Session policies", "Passing session tags in AWS STS",
 * "Configuring MFA-protected API access", IAM User Guide). */
#include "base/vec.h"
#include "cloud/identity.h"
#include "services/sts/sts_int.h"

enum { PLAIN_MAX = 2048, PACKED_MAX = 2048, ARNS_MAX = 10, TAGS_MAX = 50 };

/* --- tags --- */

static bool tag_listed(const struct str_map *tags, struct str key)
{
    for (size_t i = 0; i < tags->len; i++)
        if (str_eq_nocase(tags->items[i].key, key))
            return true;
    return false;
}

static bool name_listed(const struct str_list *names, struct str name)
{
    for (size_t i = 0; i < names->len; i++)
        if (str_eq_nocase(names->items[i], name))
            return true;
    return false;
}

static RESULT take_inherited(struct call *call, const struct session *from,
                             const struct sts_parts *parts, struct session *session, size_t *caps)
{
    for (size_t i = 0; i < from->tags.len; i++) {
        const struct str_map_entry *tag = &from->tags.items[i];
        if (!name_listed(&from->transitive, tag->key))
            continue;
        for (size_t j = 0; j < parts->tags->len; j++)
            if (str_eq_nocase(parts->tags->items[j].Key, tag->key))
                return call_fail(call, STS_INVALID_PARAMETER_VALUE,
                                 "One of the specified transitive tag keys can't be set because it "
                                 "conflicts with a transitive tag key from the calling session.");
        VEC_PUSH(call->arena, session->tags.items, session->tags.len, caps[0], *tag);
        VEC_PUSH(call->arena, session->transitive.items, session->transitive.len, caps[1],
                 tag->key);
    }
    return RESULT_OK;
}

static RESULT take_tags(struct call *call, const struct sts_parts *parts,
                        const struct session *from, struct session *session)
{
    static const struct sts_tagListType none;
    static const struct str_list nothing;
    const struct sts_tagListType *tags = parts->tags == NULL ? &none : parts->tags;
    const struct str_list *transitive = parts->transitive == NULL ? &nothing : parts->transitive;
    struct sts_parts given = {.tags = tags};
    size_t caps[2] = {0, 0};
    if (from != NULL)
        TRY(take_inherited(call, from, &given, session, caps));
    for (size_t i = 0; i < tags->len; i++) {
        struct str_map_entry tag = {tags->items[i].Key, tags->items[i].Value};
        if (str_is_absent(tag.value))
            tag.value = STR("");
        if (tag_listed(&session->tags, tag.key))
            return call_fail(call, STS_INVALID_PARAMETER_VALUE,
                             "Duplicate tag keys found. Please note that Tag keys are case "
                             "insensitive.");
        if (str_eq_nocase(str_slice(tag.key, 0, 4), STR("aws:")))
            return call_fail(call, STS_INVALID_PARAMETER_VALUE,
                             "Tag keys beginning with 'aws:' are reserved for system use.");
        VEC_PUSH(call->arena, session->tags.items, session->tags.len, caps[0], tag);
    }
    for (size_t i = 0; i < transitive->len; i++) {
        if (!tag_listed(&session->tags, transitive->items[i]))
            return call_fail(call, STS_INVALID_PARAMETER_VALUE,
                             "The specified transitive tag key must be included in the requested "
                             "tags.");
        if (!name_listed(&session->transitive, transitive->items[i]))
            VEC_PUSH(call->arena, session->transitive.items, session->transitive.len, caps[1],
                     transitive->items[i]);
    }
    if (session->tags.len > TAGS_MAX)
        return call_fail(call, STS_INVALID_PARAMETER_VALUE,
                         "The number of session tags exceeds the limit of %d.", TAGS_MAX);
    return RESULT_OK;
}

/* --- policies --- */

static RESULT take_policy(struct call *call, struct str document, struct session *session)
{
    const struct policy *policy;
    struct str reason;
    struct arena *scratch = arena_new_child(call->arena);
    enum result result = policy_compile(scratch, document, POLICY_FORM_INLINE, &policy, &reason);
    if (result == RESULT_ERROR)
        return call_fail(call, STS_MALFORMED_POLICY_DOCUMENT, "%.*s", PRSTR(reason));
    arena_free(scratch);
    TRY(result);
    session->policies.items = ARENA_NEW(call->arena, struct str);
    session->policies.items[0] = document;
    session->policies.len = 1;
    return RESULT_OK;
}

static RESULT take_arns(struct call *call, const struct sts_policyDescriptorListType *arns,
                        struct str account, struct session *session)
{
    const struct identity_table *identity = identity_of(call->cloud);
    if (arns->len > ARNS_MAX)
        return call_fail(call, STS_VALIDATION,
                         "The number of managed session policies exceeds the limit of %d.",
                         ARNS_MAX);
    session->policy_arns.items = ARENA_ARRAY(call->arena, arns->len, struct str);
    for (size_t i = 0; i < arns->len; i++) {
        struct str document, arn = arns->items[i].arn;
        bool found = false;
        if (!str_is_absent(arn) && identity->managed_policy != NULL)
            TRY(identity->managed_policy(call, account, arn, &document, &found));
        if (!found)
            return call_fail(call, STS_VALIDATION,
                             "Policy ARN %.*s does not exist or is not attachable.", PRSTR(arn));
        session->policy_arns.items[session->policy_arns.len++] = arn;
    }
    return RESULT_OK;
}

/* --- their size --- */

static struct str packed_text(struct call *call, const struct session *session)
{
    struct buf text;
    buf_init(&text, call->arena, 256 * 1024);
    for (size_t i = 0; i < session->policies.len; i++)
        buf_append(&text, session->policies.items[i]);
    for (size_t i = 0; i < session->policy_arns.len; i++) {
        buf_append_char(&text, '\0');
        buf_append(&text, session->policy_arns.items[i]);
    }
    for (size_t i = 0; i < session->tags.len; i++) {
        buf_append_char(&text, '\0');
        buf_append(&text, session->tags.items[i].key);
        buf_append_char(&text, '\0');
        buf_append(&text, session->tags.items[i].value);
    }
    return buf_str(&text);
}

static RESULT take_size(struct call *call, const struct session *session, struct opt_int *packed)
{
    size_t plain = 0;
    for (size_t i = 0; i < session->policies.len; i++)
        plain += session->policies.items[i].len;
    for (size_t i = 0; i < session->policy_arns.len; i++)
        plain += session->policy_arns.items[i].len;
    struct str text = packed_text(call, session);
    if (text.len == 0)
        return RESULT_OK;
    size_t size = session_deflate(call->arena, text).len;
    if (plain > PLAIN_MAX)
        size = plain;
    int percent = (int)((size * 100 + PACKED_MAX - 1) / PACKED_MAX);
    if (percent > 100 && session->policies.len + session->policy_arns.len == 0)
        return call_fail(call, STS_PACKED_POLICY_TOO_LARGE,
                         "Packed size of session tags consumes %d%% of allotted space.", percent);
    if (percent > 100)
        return call_fail(call, STS_PACKED_POLICY_TOO_LARGE,
                         "Packed policy consumes %d%% of allotted space, please use smaller "
                         "policy.",
                         percent);
    *packed = opt_int(percent);
    return RESULT_OK;
}

RESULT sts_take_parts(struct call *call, const struct sts_parts *parts, struct str account,
                      const struct session *from, struct session *session, struct opt_int *packed)
{
    TRY(take_tags(call, parts, from, session));
    if (!str_is_absent(parts->policy))
        TRY(take_policy(call, parts->policy, session));
    if (parts->arns != NULL && parts->arns->len > 0)
        TRY(take_arns(call, parts->arns, account, session));
    return take_size(call, session, packed);
}

/* --- MFA --- */

RESULT sts_take_mfa(struct call *call, struct str serial, struct str code, struct session *session)
{
    const struct identity_table *identity = identity_of(call->cloud);
    const struct principal *who = &call->principal;
    enum identity_mfa verdict = IDENTITY_MFA_UNKNOWN;
    if (str_is_absent(serial) && str_is_absent(code))
        return RESULT_OK;
    if (str_is_absent(serial) || str_is_absent(code))
        return call_fail(call, STS_ACCESS_DENIED,
                         "MultiFactorAuthentication failed, must provide both MFA serial number "
                         "and one time pass code.");
    struct str user = who->kind == PRINCIPAL_USER ? who->name : (struct str){0};
    if (identity->check_mfa != NULL && (who->kind == PRINCIPAL_USER || who->kind == PRINCIPAL_ROOT))
        TRY(identity->check_mfa(call, who->account, user, serial, code, &verdict));
    if (verdict == IDENTITY_MFA_BAD)
        return call_fail(call, STS_ACCESS_DENIED,
                         "MultiFactorAuthentication failed with invalid MFA one time pass code. ");
    if (verdict == IDENTITY_MFA_UNKNOWN)
        return call_fail(call, STS_ACCESS_DENIED,
                         "MultiFactorAuthentication failed, unable to validate MFA code.  Please "
                         "verify your MFA serial number is valid and associated with this user.");
    session->mfa = true;
    session->mfa_ms = call->now_ms;
    return RESULT_OK;
}
