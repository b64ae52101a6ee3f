/* What policy documents say, read and not evaluated: for simulation, the access advisor and lists
 * of context keys. */
#include "base/vec.h"
#include "services/iam/iam_int.h"
#include "wire/json_text.h"

/* --- which there are --- */

static void documents_add(struct call *call, struct iam_documents *out,
                          const struct iam_document *document)
{
    VEC_PUSH(call->arena, out->items, out->len, out->cap, *document);
}

static RESULT documents_managed(struct call *call, struct str arn, bool boundary, struct str holder,
                                struct iam_documents *out)
{
    struct iam_managed policy;
    bool found;
    TRY(iam_managed_find(call, call->account, arn, &policy, &found));
    struct iam_document document = {
        .name = policy.name,
        .arn = arn,
        .type = policy.of_aws ? STR("aws-managed") : STR("user-managed"),
        .holder = holder,
        .text = policy.document,
        .boundary = boundary,
    };
    if (found)
        documents_add(call, out, &document);
    return RESULT_OK;
}

/* holder: absent for the entity's own. */
static RESULT documents_held(struct call *call, const struct iam_entity *entity, struct str holder,
                             struct iam_documents *out)
{
    static const struct str types[] = {
        [IAM_USERS] = STR_INIT("user"),
        [IAM_GROUPS] = STR_INIT("group"),
        [IAM_ROLES] = STR_INIT("role"),
    };
    struct iam_holdings holdings;
    bool found;
    TRY(iam_holdings_get(call, call->account, entity->id, &holdings, &found));
    for (size_t i = 0; i < holdings.inlined.len; i++) {
        struct iam_document document = {
            .name = holdings.inlined.items[i].name,
            .type = types[entity->kind],
            .holder = holder,
            .text = holdings.inlined.items[i].document,
        };
        documents_add(call, out, &document);
    }
    for (size_t i = 0; i < holdings.attached.len; i++)
        TRY(documents_managed(call, holdings.attached.items[i], false, holder, out));
    if (!str_is_absent(holdings.boundary))
        TRY(documents_managed(call, holdings.boundary, true, holder, out));
    for (size_t i = 0; i < holdings.groups.len; i++) {
        struct iam_entity group;
        TRY(iam_entity_by_id(call, holdings.groups.items[i], &group, &found));
        if (found)
            TRY(documents_held(call, &group, group.id, out));
    }
    return RESULT_OK;
}

RESULT iam_documents_of(struct call *call, const struct iam_entity *entity,
                        struct iam_documents *out)
{
    return documents_held(call, entity, (struct str){0}, out);
}

/* --- statements --- */

bool iam_next_statement(struct arena *arena, struct str text, struct iam_statements *walk,
                        struct str *raw)
{
    if (!walk->begun) {
        walk->begun = true;
        if (!json_member(arena, str_trim(text), STR("Statement"), &walk->rest))
            return false;
        walk->single = json_kind_of(walk->rest) == JSON_OBJECT;
        *raw = walk->rest;
        if (walk->single)
            return true;
    }
    return !walk->single && json_next_item(&walk->rest, raw);
}

/* Whether a list of actions, or one, speaks of the service. all: every action of it. */
static bool actions_name(struct arena *arena, struct str raw, struct str service, bool all)
{
    struct str item = raw, rest = raw, text, vendor, name;
    bool array = json_kind_of(raw) == JSON_ARRAY;
    while (!array || json_next_item(&rest, &item)) {
        if (json_string(arena, item, &text)) {
            if (str_eq(text, STR("*")))
                return true;
            if (str_cut(text, ':', &vendor, &name) && str_eq_nocase(vendor, service) &&
                (!all || str_eq(name, STR("*"))))
                return true;
        }
        if (!array)
            break;
    }
    return false;
}

bool iam_document_grants(struct arena *arena, struct str text, struct str service)
{
    struct iam_statements walk = {0};
    struct str statement, raw, effect;
    while (iam_next_statement(arena, text, &walk, &statement)) {
        if (!json_member(arena, statement, STR("Effect"), &raw) ||
            !json_string(arena, raw, &effect) || !str_eq(effect, STR("Allow")))
            continue;
        if (json_member(arena, statement, STR("Action"), &raw) &&
            actions_name(arena, raw, service, false))
            return true;
        if (json_member(arena, statement, STR("NotAction"), &raw) &&
            !actions_name(arena, raw, service, true))
            return true;
    }
    return false;
}

static bool resources_are_all(struct arena *arena, struct str statement)
{
    struct str raw, text;
    if (!json_member(arena, statement, STR("Resource"), &raw))
        return false;
    if (json_kind_of(raw) == JSON_ARRAY && !json_next_item(&raw, &raw))
        return false;
    return json_string(arena, raw, &text) && str_eq(text, STR("*"));
}

bool iam_document_bars(struct arena *arena, struct str text, struct str service)
{
    struct iam_statements walk = {0};
    struct str statement, raw, effect;
    while (iam_next_statement(arena, text, &walk, &statement)) {
        if (!json_member(arena, statement, STR("Effect"), &raw) ||
            !json_string(arena, raw, &effect) || !str_eq(effect, STR("Deny")) ||
            json_member(arena, statement, STR("Condition"), &raw) ||
            !resources_are_all(arena, statement))
            continue;
        if (json_member(arena, statement, STR("Action"), &raw) &&
            actions_name(arena, raw, service, true))
            return true;
        if (json_member(arena, statement, STR("NotAction"), &raw) &&
            !actions_name(arena, raw, service, false))
            return true;
    }
    return false;
}

/* --- context keys --- */

static void keys_add(struct arena *arena, struct str name, struct str_list *out, size_t *cap)
{
    for (size_t i = 0; i < out->len; i++)
        if (str_eq_nocase(out->items[i], name))
            return;
    VEC_PUSH(arena, out->items, out->len, *cap, str_copy(arena, name));
}

/* "${aws:username}", "${aws:PrincipalTag/team, 'none'}"; "${*}" and the like are signs. */
static void keys_of_variables(struct arena *arena, struct str raw, struct str_list *out,
                              size_t *cap)
{
    for (;;) {
        struct str name, rest, key, fallback;
        size_t at = str_find(raw, STR("${"));
        if (at == SIZE_MAX)
            return;
        raw = str_slice(raw, at + 2, raw.len);
        if (!str_cut(raw, '}', &name, &rest))
            return;
        raw = rest;
        str_cut(name, ',', &key, &fallback);
        key = str_trim(key);
        if (str_find_char(key, ':') != SIZE_MAX)
            keys_add(arena, key, out, cap);
    }
}

void iam_document_keys(struct arena *arena, struct str text, struct str_list *out, size_t *cap)
{
    struct iam_statements walk = {0};
    struct str statement, version, conditions, operator_name, keys, key, values;
    bool variables = json_member(arena, str_trim(text), STR("Version"), &version) &&
                     str_eq(version, STR("\"2012-10-17\""));
    while (iam_next_statement(arena, text, &walk, &statement)) {
        if (variables)
            keys_of_variables(arena, statement, out, cap);
        if (!json_member(arena, statement, STR("Condition"), &conditions))
            continue;
        while (json_next_member(arena, &conditions, &operator_name, &keys))
            while (json_next_member(arena, &keys, &key, &values))
                keys_add(arena, key, out, cap);
    }
}
