#include "auth/policy_words.h"

#include <arpa/inet.h>

#include "auth/policy_int.h"
#include "base/buf.h"

/* --- reading --- */

/* The bytes that stand for wildcards inside become the document's again. */
static struct str words_of(struct arena *arena, const struct policy_pattern *pattern)
{
    struct buf out;
    if (pattern->form == PATTERN_ANY)
        return STR("*");
    if (pattern->form == PATTERN_LITERAL || pattern->form == PATTERN_VARIABLE)
        return pattern->text;
    buf_init(&out, arena, SIZE_MAX);
    for (size_t i = 0; i < pattern->text.len; i++) {
        char c = pattern->text.ptr[i];
        buf_append_char(&out, c == WILD_MANY ? '*' : c == WILD_ONE ? '?' : c);
    }
    if (pattern->form == PATTERN_PREFIX)
        buf_append_char(&out, '*');
    return buf_str(&out);
}

static struct policy_party party_of(const struct policy_principal_entry *entry)
{
    static const enum policy_party_kind kinds[] = {
        [PRINCIPAL_ANYBODY] = POLICY_PARTY_ANYBODY,
        [PRINCIPAL_OF_ACCOUNT] = POLICY_PARTY_ACCOUNT,
        [PRINCIPAL_OF_ARN] = POLICY_PARTY_ARN,
        [PRINCIPAL_OF_ID] = POLICY_PARTY_ID,
        [PRINCIPAL_OF_SERVICE] = POLICY_PARTY_SERVICE,
        [PRINCIPAL_OF_FEDERATION] = POLICY_PARTY_FEDERATED,
        [PRINCIPAL_OF_CANONICAL] = POLICY_PARTY_CANONICAL,
    };
    return (struct policy_party){kinds[entry->form], entry->text};
}

size_t policy_statement_count(const struct policy *policy)
{
    return policy->count;
}

void policy_statement_words(struct arena *arena, const struct policy *policy, size_t statement,
                            struct policy_words *out)
{
    ASSERT(statement < policy->count);
    const struct policy_statement *from = &policy->statements[statement];
    *out = (struct policy_words){
        .deny = from->deny,
        .not_action = from->not_action,
        .not_resource = from->not_resource,
        .not_principal = from->not_principal,
        .actions = {ARENA_ARRAY(arena, from->action_count + 1, struct str), from->action_count},
        .resources = {ARENA_ARRAY(arena, from->resource_count + 1, struct str),
                      from->resource_count},
        .party_count = from->principal_count,
        .keys = {ARENA_ARRAY(arena, from->condition_count + 1, struct str), from->condition_count},
    };
    for (size_t i = 0; i < from->condition_count; i++)
        out->keys.items[i] = from->conditions[i].key;
    for (size_t i = 0; i < from->action_count; i++) {
        struct policy_pattern pattern = {.text = from->actions[i].name,
                                         .form = (enum policy_pattern_form)from->actions[i].form};
        out->actions.items[i] = words_of(arena, &pattern);
    }
    for (size_t i = 0; i < from->resource_count; i++)
        out->resources.items[i] = words_of(arena, &from->resources[i]);
    struct policy_party *parties =
        ARENA_ARRAY(arena, from->principal_count + 1, struct policy_party);
    for (size_t i = 0; i < from->principal_count; i++)
        parties[i] = party_of(&from->principals[i]);
    out->parties = parties;
}

bool policy_glob(struct arena *scratch, struct str pattern, struct str text)
{
    struct policy_pattern compiled = pattern_compile(scratch, pattern, true, false);
    return pattern_matches(&compiled, text, false);
}

/* --- public --- */

static bool address_is_private(const unsigned char *bytes)
{
    return bytes[0] == 10 || (bytes[0] == 172 && (bytes[1] & 0xF0) == 16) ||
           (bytes[0] == 192 && bytes[1] == 168);
}

/* "Broad IP address ranges", broader than /8 and /32 (IPv6), are public; RFC 1918's are not. */
static bool range_is_narrow(struct arena *scratch, struct str range)
{
    struct str address, length;
    unsigned char bytes[16];
    int64_t bits;
    bool cut = str_cut(range, '/', &address, &length);
    const char *text = str_to_c(scratch, address);
    if (inet_pton(AF_INET, text, bytes) == 1)
        return !cut || address_is_private(bytes) || (str_to_i64(length, &bits) && bits >= 8);
    return inet_pton(AF_INET6, text, bytes) == 1 &&
           (!cut || (str_to_i64(length, &bits) && bits >= 32));
}

static bool value_is_fixed(const struct policy_pattern *value)
{
    return value->form == PATTERN_LITERAL && str_find_char(value->text, '*') == SIZE_MAX &&
           str_find(value->text, STR("${")) == SIZE_MAX;
}

/* arn:aws:s3:REGION:ACCOUNT:accesspoint/...: wildcards may stand for anything but the account. */
static bool access_point_is_fixed(struct arena *scratch, const struct policy_pattern *value)
{
    struct str rest = words_of(scratch, value), part;
    for (int i = 0; i < 5; i++)
        if (!str_cut(rest, ':', &part, &rest))
            return false;
    return part.len == 12 && str_find_char(part, '*') == SIZE_MAX &&
           str_find_char(part, '?') == SIZE_MAX && value->form != PATTERN_VARIABLE;
}

static bool condition_excludes_public(struct arena *scratch,
                                      const struct policy_condition *condition)
{
    static const char keys[] =
        " aws:principalaccount aws:principalarn aws:principalorgid aws:principalorgpaths "
        "aws:principalservicename aws:sourceaccount aws:sourcearn aws:sourceowner aws:sourcevpc "
        "aws:sourcevpce aws:userid s3:dataaccesspointaccount "
        "s3:x-amz-server-side-encryption-aws-kms-key-id ";
    if (!condition_narrows(condition) || condition->value_count == 0)
        return false;
    bool range = str_eq_nocase(condition->key, STR("aws:SourceIp"));
    bool point = str_eq_nocase(condition->key, STR("s3:DataAccessPointArn"));
    struct str key = str_lower(scratch, condition->key);
    bool fixed = str_find(str_from_c(keys), str_format(scratch, " %.*s ", PRSTR(key))) != SIZE_MAX;
    for (size_t i = 0; i < condition->value_count; i++) {
        const struct policy_pattern *value = &condition->values[i];
        if (!(range && range_is_narrow(scratch, value->text)) &&
            !(point && access_point_is_fixed(scratch, value)) && !(fixed && value_is_fixed(value)))
            return false;
    }
    return true;
}

static bool statement_is_public(struct arena *scratch, const struct policy_statement *statement)
{
    bool anybody = statement->not_principal;
    if (statement->deny)
        return false;
    for (size_t i = 0; i < statement->principal_count; i++)
        anybody = anybody || statement->principals[i].form == PRINCIPAL_ANYBODY;
    for (size_t i = 0; i < statement->condition_count && anybody; i++)
        anybody = !condition_excludes_public(scratch, &statement->conditions[i]);
    return anybody;
}

bool policy_is_public(struct arena *scratch, const struct policy *policy)
{
    for (size_t i = 0; i < policy->count; i++)
        if (statement_is_public(scratch, &policy->statements[i]))
            return true;
    return false;
}
