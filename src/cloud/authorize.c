#include "cloud/authorize.h"

#include <stdatomic.h>

#include "base/log.h"
#include "base/vec.h"
#include "cloud/authorize_int.h"
#include "cloud/identity.h"
#include "cloud/policy_cache.h"

/* One line of iam.list. */
struct authorize_rule {
    struct str action;   /* "sqs:SendMessage" */
    struct str resource; /* "arn:{partition}:sqs:{region}:{account}:{queue}" */
};
struct authorize_rules {
    const struct authorize_rule *items;
    size_t len;
};
/* The rules of one service, read when its first request comes: a service that is never called costs
 * no memory. */
struct authorize_table {
    struct arena *arena;
    const struct authorize_rules *operations; /* by index */
};
struct authorize_service {
    const struct service_hooks *hooks;
    _Atomic(struct authorize_table *) table;
};

static const struct identity_table nobody;

struct authorizer {
    struct authorize_service *services;
    size_t service_count;
    struct policy_cache *policies;
    const struct identity_table *identity;
    const struct policy *administrator; /* what principals may whose policies nobody keeps */
};

/* --- what operations need --- */

static struct authorize_rules authorize_read_rules(struct arena *arena, struct str text)
{
    struct authorize_rule *rules = NULL;
    size_t len = 0, cap = 0;
    while (!str_is_empty(text)) {
        struct str line, keys;
        struct authorize_rule rule;
        str_cut(text, '\n', &line, &text);
        str_cut(line, ' ', &rule.action, &rule.resource);
        str_cut(rule.resource, ' ', &rule.resource, &keys);
        VEC_PUSH(arena, rules, len, cap, rule);
    }
    return (struct authorize_rules){rules, len};
}

static struct authorize_table *authorize_table_new(const struct wire_model *model)
{
    struct arena *arena = arena_new(0);
    struct authorize_table *table = ARENA_NEW(arena, struct authorize_table);
    struct authorize_rules *operations =
        ARENA_ARRAY(arena, model->operation_count, struct authorize_rules);
    for (size_t o = 0; o < model->operation_count; o++)
        operations[o] = authorize_read_rules(arena, wire_string(model, model->operations[o].iam));
    *table = (struct authorize_table){arena, operations};
    return table;
}

static const struct authorize_rules *authorize_rules_of(struct authorize_service *service,
                                                        uint32_t operation)
{
    struct authorize_table *table = atomic_load_explicit(&service->table, memory_order_acquire);
    if (table == NULL) {
        struct authorize_table *made = authorize_table_new(service->hooks->model);
        if (atomic_compare_exchange_strong(&service->table, &table, made))
            table = made;
        else
            arena_free(made->arena);
    }
    return &table->operations[operation];
}

const struct identity_table *identity_of(const struct cloud *cloud)
{
    return cloud->authorizer->identity;
}

struct authorizer *authorizer_new(struct arena *arena, const struct service_hooks *const *hooks)
{
    struct authorizer *authorizer = ARENA_NEW(arena, struct authorizer);
    struct str reason;
    size_t count = 0;
    while (hooks[count] != NULL)
        count++;
    authorizer->identity = &nobody;
    authorizer->services = ARENA_ARRAY(arena, count, struct authorize_service);
    for (size_t i = 0; i < count; i++) {
        authorizer->services[i].hooks = hooks[i];
        if (hooks[i]->identity != NULL)
            authorizer->identity = hooks[i]->identity;
    }
    authorizer->service_count = count;
    authorizer->policies = policy_cache_new();
    ASSERT(policy_compile(arena,
                          STR("{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\","
                              "\"Action\":\"*\",\"Resource\":\"*\"}}"),
                          POLICY_FORM_MANAGED, &authorizer->administrator, &reason) == RESULT_OK);
    return authorizer;
}

void authorizer_free(struct authorizer *authorizer)
{
    for (size_t i = 0; i < authorizer->service_count; i++)
        if (authorizer->services[i].table != NULL)
            arena_free(authorizer->services[i].table->arena);
    policy_cache_free(authorizer->policies);
}

static struct authorize_service *authorize_service(const struct call *call)
{
    const struct authorizer *authorizer = call->cloud->authorizer;
    for (size_t i = 0; i < authorizer->service_count; i++)
        if (authorizer->services[i].hooks->model == call->model)
            return &authorizer->services[i];
    return NULL;
}

/* --- one question --- */

/* The ARN that a template means for this request: what the request does not name is '*'. */
static struct str authorize_resource(const struct call *call, const void *in, struct str template)
{
    struct buf out;
    buf_init(&out, call->arena, 4096);
    while (!str_is_empty(template)) {
        struct str before, name, rest, value;
        bool found = str_cut(template, '{', &before, &rest);
        buf_append(&out, before);
        if (!found || !str_cut(rest, '}', &name, &template))
            break;
        if (str_eq(name, STR("partition")))
            value = call->partition;
        else if (str_eq(name, STR("region")))
            value = call->region;
        else if (str_eq(name, STR("account")))
            value = call->account;
        else
            value = authorize_member(call, in, name);
        buf_append(&out, str_is_empty(value) ? STR("*") : value);
    }
    return buf_str(&out);
}

static struct policy_principal authorize_principal(const struct principal *who)
{
    static const enum policy_principal_kind kinds[] = {
        [PRINCIPAL_ANONYMOUS] = POLICY_BY_NOBODY,    [PRINCIPAL_ROOT] = POLICY_BY_ROOT,
        [PRINCIPAL_USER] = POLICY_BY_USER,           [PRINCIPAL_ROLE_SESSION] = POLICY_BY_ROLE,
        [PRINCIPAL_FEDERATED] = POLICY_BY_FEDERATED, [PRINCIPAL_SERVICE] = POLICY_BY_SERVICE,
    };
    struct policy_principal out = {
        .kind = kinds[who->kind],
        .account = who->account,
        .arn = who->arn,
        .user_id = who->user_id,
    };
    if (who->kind == PRINCIPAL_SERVICE) {
        out.account = (struct str){0};
        out.service = who->name;
    }
    return out;
}

/* What guards the resource that a request is about. */
struct authorize_guard {
    struct str arn, owner, policy; /* absent: not known, the caller's, none */
};

static RESULT authorize_refuse(struct call *call, const struct policy_question *question,
                               const struct policy_answer *answer)
{
    struct str text = policy_denial_text(call->arena, question, answer);
    if (answer->statement != NULL)
        log_line(LOG_DEBUG, "iam: statement %zu \"%.*s\" of %.*s denies",
                 policy_statement_position(answer->statement),
                 PRSTR(policy_statement_sid(answer->statement)), PRSTR(answer->policy->name));
    if (call->cloud->iam == IAM_AUDIT) {
        log_line(LOG_WARN, "iam audit: %.*s", PRSTR(text));
        return RESULT_OK;
    }
    return call_fail(call, WIRE_ACCESS_DENIED, "%.*s", PRSTR(text));
}

/* Everything that one rule's decision needs of a request. */
struct authorize_policies {
    struct policy_attached *attached;
    struct policy_cache_entry **held;
    size_t count, held_count;
};

static void authorize_attach(struct call *call, struct authorize_policies *policies,
                             enum policy_kind kind, struct str name, struct str document)
{
    struct policy_cache *cache = call->cloud->authorizer->policies;
    const struct policy *policy;
    policies->held[policies->held_count++] = policy_cache_take(
        cache, document, kind == POLICY_RESOURCE ? POLICY_FORM_RESOURCE : POLICY_FORM_INLINE,
        &policy);
    if (policy != NULL)
        policies->attached[policies->count++] = (struct policy_attached){kind, policy, name, 0};
}

static void authorize_gather(struct call *call, const struct authorize_guard *guard,
                             const struct identity_policies *own,
                             struct authorize_policies *policies)
{
    policies->attached = ARENA_ARRAY(call->arena, own->len + 2, struct policy_attached);
    policies->held = ARENA_ARRAY(call->arena, own->len + 2, struct policy_cache_entry *);
    enum principal_kind kind = call->principal.kind;
    if (!own->known &&
        (kind == PRINCIPAL_USER || kind == PRINCIPAL_ROLE_SESSION || kind == PRINCIPAL_FEDERATED))
        policies->attached[policies->count++] =
            (struct policy_attached){POLICY_IDENTITY, call->cloud->authorizer->administrator,
                                     STR("arn:aws:iam::aws:policy/AdministratorAccess"), 0};
    for (size_t i = 0; i < own->len; i++)
        authorize_attach(call, policies, own->items[i].kind, own->items[i].name,
                         own->items[i].document);
    if (!str_is_empty(guard->policy))
        authorize_attach(call, policies, POLICY_RESOURCE, guard->arn, guard->policy);
}

static RESULT authorize_rule(struct authorize_request *request, const struct authorize_rule *rule,
                             const struct authorize_guard *guard,
                             const struct authorize_policies *policies, bool first)
{
    struct call *call = request->call;
    struct policy_question question = {
        .principal = authorize_principal(&call->principal),
        .action = rule->action,
        .owner = guard->owner,
        .context = {authorize_key, request},
        .policies = policies->attached,
        .count = policies->count,
    };
    struct policy_answer answer;
    /* The service names the resource of the first line. */
    question.resource = first && !str_is_absent(guard->arn)
                            ? guard->arn
                            : authorize_resource(call, request->in, rule->resource);
    policy_evaluate(call->arena, &question, &answer);
    if (answer.verdict == POLICY_ALLOWED)
        return RESULT_OK;
    return authorize_refuse(call, &question, &answer);
}

/* "No permissions are required to perform this operation": GetCallerIdentity, AWS Security Token
 * Service API Reference. */
static bool authorize_is_free(const struct authorize_rules *rules)
{
    return rules->len == 1 && str_eq(rules->items[0].action, STR("sts:GetCallerIdentity"));
}

/* --- every call --- */

/* A policy that denies everybody can be mended by the owner's root user ("Tasks that require root
 * user credentials", IAM User Guide). */
static bool authorize_unlocks(const struct call *call, const struct service_hooks *hooks)
{
    if (call->principal.kind != PRINCIPAL_ROOT)
        return false;
    for (size_t i = 0; i < hooks->unlocking_count; i++)
        if (hooks->unlocking[i] == call->operation)
            return true;
    return false;
}

/* A service does as it likes with what is its own; with what others keep, by their policies. */
static bool authorize_is_service_itself(const struct call *call)
{
    struct str name, rest;
    if (call->principal.kind != PRINCIPAL_SERVICE)
        return false;
    return !str_cut(call->principal.name, '.', &name, &rest) ||
           str_eq(name, call->model->signing_name);
}

RESULT authorize_call(struct call *call, const void *in)
{
    if (call->cloud->iam == IAM_OFF || authorize_is_service_itself(call))
        return RESULT_OK;
    struct authorize_service *service = authorize_service(call);
    if (service == NULL)
        return RESULT_OK;
    const struct service_hooks *hooks = service->hooks;
    struct authorize_guard guard = {0};
    if (hooks->resource_policy != NULL)
        TRY(hooks->resource_policy(call, in, &guard.arn, &guard.owner, &guard.policy));
    bool own = str_is_absent(guard.owner) || (call->principal.kind != PRINCIPAL_SERVICE &&
                                              str_eq(guard.owner, call->principal.account));
    struct identity_policies policies = {0};
    const struct identity_table *identity = identity_of(call->cloud);
    if (identity->policies != NULL && call->principal.kind == PRINCIPAL_USER)
        TRY(identity->policies(call, &call->principal, &policies));
    if (own && !policies.known && (str_is_empty(guard.policy) || authorize_unlocks(call, hooks)))
        return RESULT_OK; /* who has no policies that anybody keeps may all in its account */
    const struct authorize_rules *rules = authorize_rules_of(service, call->operation);
    if (authorize_is_free(rules))
        return RESULT_OK;
    struct authorize_request request = {call, in, hooks, guard.owner};
    struct authorize_policies gathered = {0};
    enum result result = RESULT_OK;
    authorize_gather(call, &guard, &policies, &gathered);
    for (size_t i = 0; i < rules->len && result == RESULT_OK; i++)
        result = authorize_rule(&request, &rules->items[i], &guard, &gathered, i == 0);
    for (size_t i = 0; i < gathered.held_count; i++)
        policy_cache_release(call->cloud->authorizer->policies, gathered.held[i]);
    return result;
}
