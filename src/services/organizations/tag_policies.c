/* Tag policies: what their documents may say, and what they refuse ("Tag policy syntax and
 * examples", "Enforce tagging consistency", "Services and resource types that support enforcement",
 * AWS Organizations User Guide). */
#include "services/organizations/organizations_int.h"
#include "wire/json_text.h"

static const struct str all_supported = STR_INIT("ALL_SUPPORTED");

/* --- documents --- */

/* Of the services that are built, the types of resources whose tags can be enforced; those of
 * services that are not here are taken as they stand. */
static const struct {
    struct str service, types;
} enforceable[] = {
    {STR_INIT("cloudtrail"), STR_INIT("trail")},
    {STR_INIT("dynamodb"), STR_INIT("table")},
    {STR_INIT("iam"),
     STR_INIT("instance-profile mfa oidc-provider policy saml-provider server-certificate")},
    {STR_INIT("logs"), STR_INIT("log-group")},
    {STR_INIT("organizations"), STR_INIT("account ou policy root")},
    {STR_INIT("s3"), STR_INIT("bucket")},
    {STR_INIT("sqs"), STR_INIT("queue")},
};

static bool listed(struct str words, struct str word)
{
    struct str first, rest = words;
    while (str_cut(rest, ' ', &first, &words)) {
        if (str_eq(first, word))
            return true;
        rest = words;
    }
    return str_eq(rest, word);
}

static bool type_is_known(struct str text, bool enforced)
{
    struct str service, type;
    if (!str_cut(text, ':', &service, &type) || str_is_empty(service) || str_is_empty(type) ||
        str_find_char(service, '*') != SIZE_MAX)
        return false;
    if (str_eq(type, all_supported) || str_eq(type, STR("*")))
        return true;
    for (size_t i = 0; enforced && i < sizeof enforceable / sizeof enforceable[0]; i++)
        if (str_eq(enforceable[i].service, service))
            return listed(enforceable[i].types, type);
    return str_find_char(type, '*') == SIZE_MAX;
}

/* "You can use one wildcard per tag value." */
static bool value_is_fine(struct str value)
{
    size_t star = str_find_char(value, '*');
    return str_utf8_length(value) <= 256 &&
           (star == SIZE_MAX ||
            str_find_char(str_slice(value, star + 1, value.len), '*') == SIZE_MAX);
}

static bool operators_are_fine(struct arena *arena, struct str raw)
{
    struct str item, name;
    if (json_kind_of(raw) != JSON_ARRAY)
        return false;
    while (json_next_item(&raw, &item))
        if (!json_string(arena, item, &name) ||
            !listed(STR("@@all @@none @@assign @@append @@remove"), name))
            return false;
    return true;
}

enum setting { SETTING_KEY, SETTING_VALUES, SETTING_ENFORCED, SETTING_REQUIRED };

static bool setting_is_fine(enum setting setting, struct str text, struct str policy_key)
{
    switch (setting) {
    case SETTING_KEY:
        return str_eq_nocase(text, policy_key);
    case SETTING_VALUES:
        return value_is_fine(text);
    case SETTING_ENFORCED:
    case SETTING_REQUIRED:
        break;
    }
    return type_is_known(text, setting == SETTING_ENFORCED);
}

/* {"@@assign": [...]} and the like. */
static const char *setting_fault(struct arena *arena, enum setting setting, struct str raw,
                                 struct str policy_key)
{
    struct str name, value, item, text;
    if (json_kind_of(raw) != JSON_OBJECT)
        return "A setting of a tag is an object of operators.";
    while (json_next_member(arena, &raw, &name, &value)) {
        if (str_eq(name, STR("@@operators_allowed_for_child_policies"))) {
            if (!operators_are_fine(arena, value))
                return "A child control operator is not known.";
            continue;
        }
        bool list = json_kind_of(value) == JSON_ARRAY;
        if (!listed(setting == SETTING_KEY ? STR("@@assign") : STR("@@assign @@append @@remove"),
                    name))
            return "An operator is not known.";
        if (list == (setting == SETTING_KEY))
            return "The value of an operator is of the wrong kind.";
        if (!list &&
            (!json_string(arena, value, &text) || !setting_is_fine(setting, text, policy_key)))
            return "The tag key must be the policy key, but for its case.";
        while (list && json_next_item(&value, &item))
            if (!json_string(arena, item, &text) || !setting_is_fine(setting, text, policy_key))
                return "A value of a list is not allowed there.";
    }
    return NULL;
}

static const char *tag_fault(struct arena *arena, struct str policy_key, struct str raw)
{
    static const struct {
        struct str name;
        enum setting setting;
    } settings[] = {
        {STR_INIT("tag_key"), SETTING_KEY},
        {STR_INIT("tag_value"), SETTING_VALUES},
        {STR_INIT("enforced_for"), SETTING_ENFORCED},
        {STR_INIT("report_required_tag_for"), SETTING_REQUIRED},
    };
    enum { SETTINGS = sizeof settings / sizeof settings[0] };
    struct str name, value;
    if (json_kind_of(raw) != JSON_OBJECT)
        return "A policy key holds an object.";
    while (json_next_member(arena, &raw, &name, &value)) {
        size_t i = 0;
        if (str_eq(name, STR("@@operators_allowed_for_child_policies"))) {
            if (!operators_are_fine(arena, value))
                return "A child control operator is not known.";
            continue;
        }
        while (i < SETTINGS && !str_eq(settings[i].name, name))
            i++;
        if (i == SETTINGS)
            return "A policy key holds an element that is not known.";
        const char *fault = setting_fault(arena, settings[i].setting, value, policy_key);
        if (fault != NULL)
            return fault;
    }
    return NULL;
}

const char *org_tag_policy_fault(struct arena *arena, struct str content)
{
    struct str top = content, name, tags, key, raw;
    while (json_next_member(arena, &top, &name, &tags)) {
        if (!str_eq(name, STR("tags")) || json_kind_of(tags) != JSON_OBJECT)
            return "The element at its top is \"tags\", an object.";
        while (json_next_member(arena, &tags, &key, &raw)) {
            if (str_eq(key, STR("@@operators_allowed_for_child_policies"))) {
                if (!operators_are_fine(arena, raw))
                    return "A child control operator is not known.";
                continue;
            }
            const char *fault = tag_fault(arena, key, raw);
            if (fault != NULL)
                return fault;
        }
    }
    return NULL;
}

/* --- what they refuse --- */

static bool value_matches(struct str pattern, struct str value)
{
    size_t star = str_find_char(pattern, '*');
    if (star == SIZE_MAX)
        return str_eq(pattern, value);
    return value.len >= pattern.len - 1 && str_starts_with(value, str_slice(pattern, 0, star)) &&
           str_ends_with(value, str_slice(pattern, star + 1, pattern.len));
}

/* An effective value is a list, or one string. */
static bool any_of(struct arena *arena, struct str raw, struct str text,
                   bool (*matches)(struct str pattern, struct str text))
{
    struct str item, pattern;
    if (json_string(arena, raw, &pattern))
        return matches(pattern, text);
    if (json_kind_of(raw) != JSON_ARRAY)
        return false;
    while (json_next_item(&raw, &item))
        if (json_string(arena, item, &pattern) && matches(pattern, text))
            return true;
    return false;
}

static bool type_matches(struct str pattern, struct str type)
{
    struct str service, kind, of, rest;
    if (!str_cut(pattern, ':', &service, &kind) || !str_cut(type, ':', &of, &rest))
        return false;
    return str_eq(service, of) &&
           (str_eq(kind, rest) || str_eq(kind, all_supported) || str_eq(kind, STR("*")));
}

/* "If case treatment isn't defined, lowercase is the default case treatment for tag keys." A rule
 * without values lets every value pass. */
static bool rule_refuses(struct arena *arena, struct str policy_key, struct str rule,
                         struct str type, const struct str_map_entry *tag)
{
    struct str raw, key = {0};
    if (!str_eq_nocase(policy_key, tag->key) ||
        !json_member(arena, rule, STR("enforced_for"), &raw) ||
        !any_of(arena, raw, type, type_matches))
        return false;
    if (!json_member(arena, rule, STR("tag_key"), &raw) || !json_string(arena, raw, &key))
        key = str_lower(arena, policy_key);
    if (!str_eq(key, tag->key))
        return true;
    return json_member(arena, rule, STR("tag_value"), &raw) &&
           !any_of(arena, raw, tag->value, value_matches);
}

RESULT org_tag_refused(struct call *call, struct str account, struct str type,
                       const struct str_map *tags, struct str *key)
{
    struct organizations_organization org;
    struct str effective, rules, rest, name, rule;
    bool found;
    if (!type_is_known(type, true))
        return RESULT_OK;
    TRY(org_of_account(call, account, &org, &found));
    if (!found)
        return RESULT_OK;
    TRY(org_effective(call, &org, account, STR("TAG_POLICY"), &effective));
    if (str_is_absent(effective) || !json_member(call->arena, effective, STR("tags"), &rules))
        return RESULT_OK;
    for (size_t i = 0; i < tags->len; i++)
        for (rest = rules; json_next_member(call->arena, &rest, &name, &rule);)
            if (rule_refuses(call->arena, name, rule, type, &tags->items[i])) {
                *key = tags->items[i].key;
                return RESULT_OK;
            }
    return RESULT_OK;
}
