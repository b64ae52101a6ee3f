/* The decision ("Policy evaluation logic", "Cross-account policy evaluation logic", IAM User
 * Guide). README.md of this folder tells the order. */
#include "auth/policy_int.h"
#include "base/buf.h"

enum { ACTION_MAX = 192, LEVELS = 32 };

/* How a resource's policy names who asks: the more narrowly, the less else has to allow. */
enum named {
    NAMED_NOT,
    NAMED_ACCOUNT, /* its account, which is to decide for itself */
    NAMED_WIDELY,  /* everybody, or the role of a session: boundary and session still limit */
    NAMED_EXACTLY,
};

struct evaluation {
    struct arena *scratch;
    const struct policy_question *question;
    struct str action; /* in lower case */
    uint32_t hash;
    uint64_t service;
    struct policy_pairs resource; /* of the question's */
};

/* --- whether a statement speaks of the question --- */

static bool action_listed(const struct evaluation *e, const struct policy_statement *statement)
{
    for (size_t i = 0; i < statement->action_count; i++) {
        const struct policy_action *action = &statement->actions[i];
        bool matches = false;
        switch ((enum policy_pattern_form)action->form) {
        case PATTERN_ANY:
            matches = true;
            break;
        case PATTERN_LITERAL:
            matches = action->hash == e->hash && str_eq(action->name, e->action);
            break;
        case PATTERN_PREFIX:
            matches = str_starts_with(e->action, action->name);
            break;
        case PATTERN_GLOB:
        case PATTERN_VARIABLE:
            matches = pattern_glob(action->name, e->action);
            break;
        }
        if (matches)
            return true;
    }
    return false;
}

/* Whether it is worth looking further: whatever the action, another resource is meant. */
static bool resource_possible(const struct evaluation *e, const struct policy_statement *statement)
{
    if (statement->any_resource || statement->not_resource)
        return true;
    for (size_t i = 0; i < statement->resource_count; i++)
        if (pairs_within(statement->resources[i].pairs, e->resource))
            return true;
    return false;
}

/* A resource that cannot be known because a variable has no value never helps a statement. */
static bool resource_applies(const struct evaluation *e, const struct policy_statement *statement)
{
    if (statement->any_resource)
        return true;
    for (size_t i = 0; i < statement->resource_count; i++) {
        struct policy_pattern pattern;
        if (!pattern_expand(e->scratch, &e->question->context, &statement->resources[i],
                            &pattern)) {
            if (statement->not_resource)
                return false;
        } else if (pattern_matches(&pattern, e->question->resource, false)) {
            return !statement->not_resource;
        }
    }
    return statement->not_resource;
}

static enum named principal_named(const struct policy_principal *who,
                                  const struct policy_principal_entry *entry)
{
    bool of_role = who->kind == POLICY_BY_ROLE;
    struct str id, session;
    switch (entry->form) {
    case PRINCIPAL_ANYBODY:
        return NAMED_WIDELY;
    case PRINCIPAL_OF_ACCOUNT:
        return str_eq(who->account, entry->text) && !str_is_empty(entry->text) ? NAMED_ACCOUNT
                                                                               : NAMED_NOT;
    case PRINCIPAL_OF_ARN:
        if (of_role && str_eq(who->role_arn, entry->text))
            return NAMED_WIDELY;
        return str_eq(who->arn, entry->text) ? NAMED_EXACTLY : NAMED_NOT;
    case PRINCIPAL_OF_ID:
        if (of_role && str_cut(who->user_id, ':', &id, &session) && str_eq(id, entry->text))
            return NAMED_WIDELY;
        return str_eq(who->user_id, entry->text) ? NAMED_EXACTLY : NAMED_NOT;
    case PRINCIPAL_OF_SERVICE:
        return who->kind == POLICY_BY_SERVICE && str_eq(who->service, entry->text) ? NAMED_EXACTLY
                                                                                   : NAMED_NOT;
    case PRINCIPAL_OF_FEDERATION:
        return !str_is_empty(who->federated) && str_eq(who->federated, entry->text) ? NAMED_EXACTLY
                                                                                    : NAMED_NOT;
    case PRINCIPAL_OF_CANONICAL:
        return !str_is_empty(who->canonical) && str_eq(who->canonical, entry->text) ? NAMED_ACCOUNT
                                                                                    : NAMED_NOT;
    }
    return NAMED_NOT;
}

/* Everything that somebody is must be excepted: user and account; session, role and account ("IAM
 * JSON policy elements: NotPrincipal"). */
static bool principal_excepted(const struct policy_principal *who,
                               const struct policy_statement *statement)
{
    bool account = who->kind == POLICY_BY_SERVICE || who->kind == POLICY_BY_NOBODY;
    bool role = who->kind != POLICY_BY_ROLE, self = who->kind == POLICY_BY_ROOT;
    for (size_t i = 0; i < statement->principal_count; i++) {
        const struct policy_principal_entry *entry = &statement->principals[i];
        if (entry->form == PRINCIPAL_ANYBODY)
            return true;
        switch (principal_named(who, entry)) {
        case NAMED_NOT:
            break;
        case NAMED_ACCOUNT:
            account = true;
            break;
        case NAMED_WIDELY:
            role = true;
            break;
        case NAMED_EXACTLY:
            self = true;
            break;
        }
    }
    return account && role && self;
}

/* NAMED_NOT: the statement is not about who asks. */
static enum named statement_names(const struct evaluation *e,
                                  const struct policy_statement *statement)
{
    const struct policy_principal *who = &e->question->principal;
    enum named best = NAMED_NOT;
    if (statement->principal_count == 0)
        return NAMED_EXACTLY;
    if (statement->not_principal)
        return principal_excepted(who, statement) ? NAMED_NOT : NAMED_WIDELY;
    for (size_t i = 0; i < statement->principal_count; i++) {
        enum named named = principal_named(who, &statement->principals[i]);
        best = named > best ? named : best;
    }
    return best;
}

static enum named statement_applies(const struct evaluation *e,
                                    const struct policy_statement *statement)
{
    if ((statement->services & e->service) == 0 || !resource_possible(e, statement) ||
        action_listed(e, statement) == statement->not_action || !resource_applies(e, statement))
        return NAMED_NOT;
    enum named named = statement_names(e, statement);
    for (size_t i = 0; i < statement->condition_count && named != NAMED_NOT; i++)
        if (!policy_condition_holds(e->scratch, &e->question->context, &statement->conditions[i]))
            return NAMED_NOT;
    return named;
}

/* --- what all policies say together --- */

/* What was found of one kind of policy. */
struct found {
    const struct policy_attached *policy;
    const struct policy_statement *statement;
    enum named named;
    uint32_t levels; /* at which there are such policies */
    uint32_t allowing;
};

static bool found_allows(const struct found *found)
{
    return (found->levels & ~found->allowing) == 0;
}

/* True: explicitly denied, *out says by what. */
static bool look_at(const struct evaluation *e, const struct policy_attached *attached,
                    struct found *found, struct policy_answer *out)
{
    uint32_t level = UINT32_C(1) << (attached->level % LEVELS);
    found->levels |= level;
    for (size_t i = 0; i < attached->policy->count; i++) {
        const struct policy_statement *statement = &attached->policy->statements[i];
        enum named named = statement_applies(e, statement);
        if (named == NAMED_NOT)
            continue;
        if (statement->deny) {
            *out = (struct policy_answer){POLICY_DENIED_EXPLICITLY, attached->kind, attached,
                                          statement};
            return true;
        }
        found->allowing |= level;
        if (named > found->named) {
            found->named = named;
            found->policy = attached;
            found->statement = statement;
        }
    }
    return false;
}

static void deny(struct policy_answer *out, enum policy_kind kind)
{
    *out = (struct policy_answer){.verdict = POLICY_DENIED_IMPLICITLY, .kind = kind};
}

static void allow(struct policy_answer *out, enum policy_kind kind, const struct found *found)
{
    *out = (struct policy_answer){POLICY_ALLOWED, kind, found->policy, found->statement};
}

/* The principal's own side: identity policies, within the boundary and the session. */
static bool own_side(const struct policy_question *question, const struct found *found,
                     bool identity_needed, struct policy_answer *out)
{
    if (question->principal.kind == POLICY_BY_ROOT)
        identity_needed = false;
    if (identity_needed && found[POLICY_IDENTITY].named == NAMED_NOT) {
        deny(out, POLICY_IDENTITY);
        return false;
    }
    if (!found_allows(&found[POLICY_BOUNDARY])) {
        deny(out, POLICY_BOUNDARY);
        return false;
    }
    if (!found_allows(&found[POLICY_SESSION])) {
        deny(out, POLICY_SESSION);
        return false;
    }
    return true;
}

static void decide(const struct policy_question *question, const struct found *found,
                   struct policy_answer *out)
{
    const struct policy_principal *who = &question->principal;
    const struct found *resource = &found[POLICY_RESOURCE];
    bool stranger = who->kind == POLICY_BY_NOBODY || who->kind == POLICY_BY_SERVICE;
    bool own =
        !stranger && (str_is_absent(question->owner) || str_eq(question->owner, who->account));
    if (!found_allows(&found[POLICY_RCP]))
        deny(out, POLICY_RCP);
    else if (!found_allows(&found[POLICY_SCP]))
        deny(out, POLICY_SCP);
    else if (resource->named == NAMED_NOT && (!own || question->needs_resource_policy))
        deny(out, POLICY_RESOURCE);
    else if (stranger || (own && resource->named == NAMED_EXACTLY))
        allow(out, POLICY_RESOURCE, resource);
    else if (own_side(question, found, !own || resource->named < NAMED_WIDELY, out)) {
        bool by_resource =
            found[POLICY_IDENTITY].named == NAMED_NOT && resource->named != NAMED_NOT;
        enum policy_kind kind = by_resource ? POLICY_RESOURCE : POLICY_IDENTITY;
        allow(out, kind, &found[kind]);
    }
}

/* lower: room for the action in lower case. */
static void evaluation_begin(struct evaluation *e, struct arena *scratch,
                             const struct policy_question *question, char lower[ACTION_MAX])
{
    struct str vendor, rest;
    size_t len = question->action.len < ACTION_MAX ? question->action.len : ACTION_MAX;
    for (size_t i = 0; i < len; i++) {
        char c = question->action.ptr[i];
        lower[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    *e = (struct evaluation){.scratch = scratch, .question = question};
    e->action = str_make(lower, len);
    e->hash = policy_hash(e->action);
    e->resource = pattern_pairs(question->resource);
    str_cut(e->action, ':', &vendor, &rest);
    e->service = policy_service_bit(policy_hash(vendor));
}

void policy_evaluate(struct arena *scratch, const struct policy_question *question,
                     struct policy_answer *out)
{
    char lower[ACTION_MAX];
    struct evaluation e;
    struct found found[POLICY_KINDS] = {0};
    evaluation_begin(&e, scratch, question, lower);
    for (size_t i = 0; i < question->count; i++)
        if (look_at(&e, &question->policies[i], &found[question->policies[i].kind], out))
            return;
    decide(question, found, out);
}

/* --- why --- */

static void statement_explain(const struct evaluation *e, const struct policy_statement *statement,
                              struct policy_reason *out)
{
    *out = (struct policy_reason){.statement = statement, .deny = statement->deny};
    if (action_listed(e, statement) == statement->not_action)
        out->miss = POLICY_MISS_ACTION;
    else if (!resource_applies(e, statement))
        out->miss = POLICY_MISS_RESOURCE;
    else if (statement_names(e, statement) == NAMED_NOT)
        out->miss = POLICY_MISS_PRINCIPAL;
    for (size_t i = 0; i < statement->condition_count && out->miss == POLICY_MISS_NONE; i++) {
        const struct policy_condition *condition = &statement->conditions[i];
        struct policy_values values;
        if (policy_condition_holds(e->scratch, &e->question->context, condition))
            continue;
        out->miss = POLICY_MISS_CONDITION;
        out->key = condition->key;
        out->key_is_there =
            e->question->context.find(e->question->context.self, condition->key, &values);
    }
}

void policy_explain(struct arena *scratch, const struct policy_question *question,
                    void (*told)(void *self, const struct policy_attached *policy,
                                 const struct policy_reason *reason),
                    void *self)
{
    char lower[ACTION_MAX];
    struct evaluation e;
    evaluation_begin(&e, scratch, question, lower);
    for (size_t p = 0; p < question->count; p++) {
        const struct policy *policy = question->policies[p].policy;
        for (size_t i = 0; i < policy->count; i++) {
            struct policy_reason reason;
            statement_explain(&e, &policy->statements[i], &reason);
            told(self, &question->policies[p], &reason);
        }
    }
}

/* --- words --- */

struct str policy_kind_name(enum policy_kind kind)
{
    static const struct str names[] = {
        [POLICY_IDENTITY] = STR_INIT("identity-based policy"),
        [POLICY_RESOURCE] = STR_INIT("resource-based policy"),
        [POLICY_BOUNDARY] = STR_INIT("permissions boundary"),
        [POLICY_SESSION] = STR_INIT("session policy"),
        [POLICY_SCP] = STR_INIT("service control policy"),
        [POLICY_RCP] = STR_INIT("resource control policy"),
    };
    return names[kind];
}

struct str policy_denial_text(struct arena *arena, const struct policy_question *question,
                              const struct policy_answer *answer)
{
    struct str who = question->principal.arn, action = question->action;
    struct str kind = policy_kind_name(answer->kind);
    if (question->principal.kind == POLICY_BY_SERVICE)
        who = question->principal.service;
    else if (str_is_empty(who))
        who = STR("anonymous");
    struct buf text;
    buf_init(&text, arena, SIZE_MAX);
    buf_append_format(&text, "User: %.*s is not authorized to perform: %.*s", PRSTR(who),
                      PRSTR(action));
    if (!str_is_empty(question->resource) && !str_eq(question->resource, STR("*")))
        buf_append_format(&text, " on resource: %.*s", PRSTR(question->resource));
    if (answer->verdict == POLICY_DENIED_EXPLICITLY)
        buf_append_format(&text, " with an explicit deny in %s %.*s",
                          answer->kind == POLICY_IDENTITY ? "an" : "a", PRSTR(kind));
    else
        buf_append_format(&text, " because no %.*s allows the %.*s action", PRSTR(kind),
                          PRSTR(action));
    return buf_str(&text);
}
