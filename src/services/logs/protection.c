/* PutDataProtectionPolicy, GetDataProtectionPolicy, DeleteDataProtectionPolicy: what of a group's
 * events is masked, from when on. A policy that follows another leaves it in force for the events
 * that came before. */
#include "base/vec.h"
#include "cloud/authorize.h"
#include "services/logs/logs_int.h"
#include "services/logs/mask.h"
#include "store/record.h"
#include "wire/json_text.h"

/* "Constraints for custom data identifiers", User Guide; "PutDataProtectionPolicy". */
enum { DOCUMENT_MAX = 30720, CUSTOM_MAX = 10, CUSTOM_NAME_MAX = 128, CUSTOM_REGEX_MAX = 200 };

static struct key protection_key(struct arena *arena, uint64_t group)
{
    return log_key_of(arena, STR("logs-protection"), group);
}

static struct key account_key(struct arena *arena, struct str account, struct str region)
{
    struct key key;
    key_init(&key, arena);
    key_str(&key, STR("logs"));
    key_str(&key, account);
    key_str(&key, region);
    key_str(&key, STR("protection"));
    return key;
}

/* --- the document --- */

struct custom {
    struct str name, expression;
};
struct policy_text {
    struct custom custom[CUSTOM_MAX];
    size_t custom_count;
    struct str_list audited, masked; /* identifiers of the two statements */
    bool audits, masks;
    struct str problem; /* absent: none */
    bool unbuilt;       /* AWS has it, this does not */
};

static bool fails(struct policy_text *policy, struct str problem)
{
    policy->problem = problem;
    return false;
}

static bool is_object(struct str raw)
{
    return json_kind_of(str_trim(raw)) == JSON_OBJECT;
}

static bool is_empty_object(struct arena *arena, struct str raw)
{
    struct str rest = str_trim(raw), name, value;
    return is_object(raw) && !json_next_member(arena, &rest, &name, &value);
}

static bool is_custom_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-'))
            return false;
    }
    return name.len > 0 && name.len <= CUSTOM_NAME_MAX;
}

/* "Regex ... can contain" these. */
static bool is_custom_regex(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              str_find_char(STR("_#=@/;,- ^$?[]{}|\\*+."), c) != SIZE_MAX))
            return false;
    }
    return text.len > 0 && text.len <= CUSTOM_REGEX_MAX;
}

static bool read_custom(struct arena *arena, struct str raw, struct policy_text *policy)
{
    struct str list, item, name, expression;
    if (!json_member(arena, raw, STR("CustomDataIdentifier"), &list))
        return true;
    list = str_trim(list);
    while (json_next_item(&list, &item)) {
        item = str_trim(item);
        if (!is_object(item) || !json_member(arena, item, STR("Name"), &name) ||
            !json_member(arena, item, STR("Regex"), &expression) ||
            !json_string(arena, name, &name) || !json_string(arena, expression, &expression))
            return fails(policy, STR("a custom data identifier needs Name and Regex"));
        if (policy->custom_count == CUSTOM_MAX)
            return fails(policy, STR("there can be at most 10 custom data identifiers"));
        if (!is_custom_name(name))
            return fails(policy, STR("the name of a custom data identifier is not valid"));
        struct str problem;
        if (!is_custom_regex(expression) ||
            data_identifier_custom(arena, expression, &problem) == NULL)
            return fails(policy, STR("the regex of a custom data identifier is not valid"));
        policy->custom[policy->custom_count++] = (struct custom){name, expression};
    }
    return true;
}

static bool read_identifiers(struct arena *arena, struct str raw, struct str_list *out)
{
    size_t cap = 0;
    raw = str_trim(raw);
    if (json_kind_of(raw) != JSON_ARRAY)
        return false;
    for (struct str item, text; json_next_item(&raw, &item);) {
        if (!json_string(arena, item, &text))
            return false;
        VEC_PUSH(arena, out->items, out->len, cap, text);
    }
    return out->len > 0;
}

static bool read_audit(struct arena *arena, struct str audit, struct policy_text *policy)
{
    struct str destination;
    if (!is_object(audit) || !json_member(arena, audit, STR("FindingsDestination"), &destination) ||
        !is_object(destination))
        return fails(policy, STR("Audit needs a FindingsDestination"));
    if (!is_empty_object(arena, destination)) {
        policy->unbuilt = true;
        return fails(policy, STR("a FindingsDestination that is not empty"));
    }
    return true;
}

static bool read_statement(struct arena *arena, struct str raw, struct policy_text *policy)
{
    struct str identifiers, operation, action, config;
    struct str_list list = {0};
    if (!is_object(raw) || !json_member(arena, raw, STR("DataIdentifier"), &identifiers) ||
        !read_identifiers(arena, identifiers, &list))
        return fails(policy, STR("a statement needs a list of data identifiers"));
    if (!json_member(arena, raw, STR("Operation"), &operation) || !is_object(operation))
        return fails(policy, STR("a statement needs an Operation"));
    if (json_member(arena, operation, STR("Audit"), &action)) {
        if (policy->audits)
            return fails(policy, STR("there can be only one statement with Audit"));
        policy->audits = true;
        policy->audited = list;
        return read_audit(arena, action, policy);
    }
    if (!json_member(arena, operation, STR("Deidentify"), &action) || !is_object(action) ||
        !json_member(arena, action, STR("MaskConfig"), &config) || !is_empty_object(arena, config))
        return fails(policy, STR("an Operation is Audit, or Deidentify with an empty MaskConfig"));
    if (policy->masks)
        return fails(policy, STR("there can be only one statement with Deidentify"));
    policy->masks = true;
    policy->masked = list;
    return true;
}

static bool same_lists(const struct str_list *a, const struct str_list *b)
{
    for (size_t i = 0; i < a->len; i++) {
        bool found = false;
        for (size_t at = 0; at < b->len; at++)
            found |= str_eq(a->items[i], b->items[at]);
        if (!found)
            return false;
    }
    return a->len == b->len;
}

/* NULL: *policy says why. */
static const struct data_identifier *identifier_of(struct arena *arena, struct str text,
                                                   struct policy_text *policy)
{
    struct str prefix = STR("arn:aws:dataprotection::aws:data-identifier/"), problem;
    for (size_t i = 0; i < policy->custom_count; i++)
        if (str_eq(policy->custom[i].name, text))
            return data_identifier_custom(arena, policy->custom[i].expression, &problem);
    if (!str_starts_with(text, prefix)) {
        (void)fails(policy,
                    str_format(arena, "the data identifier %.*s is not known", PRSTR(text)));
        return NULL;
    }
    const struct data_identifier *found =
        data_identifier_managed(arena, str_slice(text, prefix.len, text.len));
    if (found == NULL) {
        policy->unbuilt = true;
        (void)fails(policy, str_format(arena, "the data identifier %.*s", PRSTR(text)));
    }
    return found;
}

/* What it masks, in *identifiers. */
static bool policy_read(struct arena *arena, struct str document, struct policy_text *policy,
                        const struct data_identifier *const **identifiers)
{
    struct str version, raw, statements, item;
    *policy = (struct policy_text){0};
    if (!json_is_valid(document) || !is_object(document))
        return fails(policy, STR("it is not a JSON object"));
    if (!json_member(arena, document, STR("Version"), &raw) || !json_string(arena, raw, &version) ||
        !str_eq(version, STR("2021-06-01")))
        return fails(policy, STR("its Version must be 2021-06-01"));
    if (!json_member(arena, document, STR("Name"), &raw) || json_kind_of(raw) != JSON_STRING)
        return fails(policy, STR("it needs a Name"));
    if (json_member(arena, document, STR("Configuration"), &raw) &&
        !read_custom(arena, str_trim(raw), policy))
        return false;
    if (!json_member(arena, document, STR("Statement"), &statements))
        return fails(policy, STR("it needs a Statement"));
    for (statements = str_trim(statements); json_next_item(&statements, &item);)
        if (!read_statement(arena, str_trim(item), policy))
            return false;
    if (!policy->audits || !policy->masks)
        return fails(policy, STR("it needs a statement with Audit and one with Deidentify"));
    if (!same_lists(&policy->audited, &policy->masked))
        return fails(policy, STR("the data identifiers of both statements must be the same"));
    const struct data_identifier **list =
        ARENA_ARRAY(arena, policy->masked.len, const struct data_identifier *);
    for (size_t i = 0; i < policy->masked.len; i++)
        if ((list[i] = identifier_of(arena, policy->masked.items[i], policy)) == NULL)
            return false;
    *identifiers = list;
    return true;
}

/* --- records --- */

static RESULT masks_read(struct arena *arena, struct kv_txn *txn, const struct key *all,
                         bool of_account, struct log_masks **masks)
{
    struct kv_cursor *cursor;
    TRY(kv_cursor_open(txn, arena, key_bytes(all), false, &cursor));
    for (;;) {
        struct str key, value;
        struct logs_protection protection;
        struct policy_text policy;
        const struct data_identifier *const *identifiers = NULL;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        TRY(record_decode_copy(arena, &logs_model, LOGS_SHAPE_protection, value, &protection));
        bool there = !str_is_absent(protection.document);
        if (there && !policy_read(arena, protection.document, &policy, &identifiers))
            return FAULT("the data protection policy of a log group is broken");
        if (*masks == NULL)
            *masks = log_masks_new(arena);
        log_masks_add(*masks, of_account, protection.since_ms, identifiers,
                      there ? policy.masked.len : 0);
    }
    kv_cursor_close(cursor);
    return RESULT_OK;
}

RESULT log_masks_load(struct arena *arena, struct kv_txn *txn, struct str account,
                      struct str region, const struct logs_group *group, struct log_masks **out)
{
    struct key own = protection_key(arena, (uint64_t)group->id);
    struct key all = account_key(arena, account, region);
    struct log_masks *masks = NULL;
    TRY(masks_read(arena, txn, &own, false, &masks));
    /* "It applies only to log groups in the Standard log class." */
    if (str_eq(group->class, LOGS_LOG_GROUP_CLASS_STANDARD))
        TRY(masks_read(arena, txn, &all, true, &masks));
    *out = masks;
    return RESULT_OK;
}

/* The policy that is in force; document absent: none is. */
static RESULT protection_find(struct call *call, struct key all, struct logs_protection *out)
{
    struct kv_cursor *cursor;
    struct str key, value;
    *out = (struct logs_protection){0};
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&all), true, &cursor));
    TRY(kv_next(cursor, &key, &value));
    kv_cursor_close(cursor);
    return str_is_absent(key)
               ? RESULT_OK
               : record_decode_copy(call->arena, &logs_model, LOGS_SHAPE_protection, value, out);
}

static RESULT protection_put(struct call *call, struct key key, struct str document)
{
    const struct logs_protection protection = {document, call->now_ms};
    key_i64(&key, call->now_ms);
    return call_put_record(call, &key, &logs_model, LOGS_SHAPE_protection, &protection);
}

RESULT protection_masks(struct call *call, const struct logs_group *group, bool unmask,
                        const struct log_masks **out)
{
    struct log_masks *masks = NULL;
    if (unmask) {
        const struct authorize_ask ask = {
            .action = STR("logs:Unmask"),
            .resource = group_arn(call, group->name),
            .owner = call->account,
        };
        TRY(authorize_ask(call, &ask));
    } else {
        TRY(log_masks_load(call->arena, call->txn, call->account, call->region, group, &masks));
    }
    *out = masks;
    return RESULT_OK;
}

RESULT protection_check(struct call *call, struct str document)
{
    const struct data_identifier *const *identifiers;
    struct policy_text policy;
    if (str_utf8_length(document) > DOCUMENT_MAX)
        return call_fail(call, LOGS_LIMIT_EXCEEDED,
                         "A data protection policy can have at most %d characters.", DOCUMENT_MAX);
    if (policy_read(call->arena, document, &policy, &identifiers))
        return RESULT_OK;
    if (policy.unbuilt)
        return call_fail(call, LOGS_NOT_IMPLEMENTED,
                         "Of data protection policies, this is not implemented: %.*s.",
                         PRSTR(policy.problem));
    return call_fail(call, LOGS_INVALID_PARAMETER, "The data protection policy is not valid: %.*s.",
                     PRSTR(policy.problem));
}

RESULT protection_of_account(struct call *call, struct str document)
{
    return protection_put(call, account_key(call->arena, call->account, call->region), document);
}

/* --- operations --- */

RESULT logs_PutDataProtectionPolicy(struct call *call,
                                    const struct logs_PutDataProtectionPolicyRequest *in,
                                    struct logs_PutDataProtectionPolicyResponse *out)
{
    struct logs_group group;
    TRY(group_find_either(call, (struct str){0}, in->logGroupIdentifier, &group));
    if (!str_eq(group.class, LOGS_LOG_GROUP_CLASS_STANDARD))
        return call_fail(call, LOGS_INVALID_PARAMETER,
                         "Data protection policies are supported only for log groups of the "
                         "Standard log class.");
    TRY(protection_check(call, in->policyDocument));
    TRY(protection_put(call, protection_key(call->arena, (uint64_t)group.id), in->policyDocument));
    out->logGroupIdentifier = in->logGroupIdentifier;
    out->policyDocument = in->policyDocument;
    out->lastUpdatedTime = opt_long(call->now_ms);
    return RESULT_OK;
}

RESULT logs_GetDataProtectionPolicy(struct call *call,
                                    const struct logs_GetDataProtectionPolicyRequest *in,
                                    struct logs_GetDataProtectionPolicyResponse *out)
{
    struct logs_protection protection;
    struct logs_group group;
    TRY(group_find_either(call, (struct str){0}, in->logGroupIdentifier, &group));
    TRY(protection_find(call, protection_key(call->arena, (uint64_t)group.id), &protection));
    out->logGroupIdentifier = in->logGroupIdentifier;
    if (str_is_absent(protection.document)) /* it answers without a document */
        return RESULT_OK;
    out->policyDocument = protection.document;
    out->lastUpdatedTime = opt_long(protection.since_ms);
    return RESULT_OK;
}

RESULT logs_DeleteDataProtectionPolicy(struct call *call,
                                       const struct logs_DeleteDataProtectionPolicyRequest *in,
                                       struct logs_DeleteDataProtectionPolicyResult *out)
{
    struct logs_protection protection;
    struct logs_group group;
    (void)out;
    TRY(group_find_either(call, (struct str){0}, in->logGroupIdentifier, &group));
    TRY(protection_find(call, protection_key(call->arena, (uint64_t)group.id), &protection));
    return str_is_absent(protection.document)
               ? RESULT_OK
               : protection_put(call, protection_key(call->arena, (uint64_t)group.id),
                                (struct str){0});
}

RESULT protection_show(struct call *call, const struct logs_group *group, struct logs_LogGroup *out)
{
    struct logs_protection own, all;
    TRY(protection_find(call, protection_key(call->arena, (uint64_t)group->id), &own));
    TRY(protection_find(call, account_key(call->arena, call->account, call->region), &all));
    if (own.since_ms != 0)
        out->dataProtectionStatus = str_is_absent(own.document)
                                        ? LOGS_DATA_PROTECTION_STATUS_DELETED
                                        : LOGS_DATA_PROTECTION_STATUS_ACTIVATED;
    if (!str_is_absent(all.document) && str_eq(group->class, LOGS_LOG_GROUP_CLASS_STANDARD)) {
        out->inheritedProperties.items = ARENA_NEW(call->arena, struct str);
        out->inheritedProperties.items[0] = LOGS_INHERITED_PROPERTY_ACCOUNT_DATA_PROTECTION;
        out->inheritedProperties.len = 1;
    }
    return RESULT_OK;
}
