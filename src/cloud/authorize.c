#include "cloud/authorize.h"

#include "base/encode.h"
#include "base/log.h"
#include "cloud/arn.h"
#include "cloud/authorize_int.h"
#include "cloud/authorize_message.h"
#include "cloud/denials.h"
#include "cloud/identity_cache.h"
#include "cloud/policy_cache.h"

static const struct identity_table nobody;

struct authorizer {
    struct authorize_services *services;
    struct policy_cache *policies;
    const struct identity_table *identity;
    struct identity_cache *identities;
    const struct policy *administrator; /* what principals may whose policies nobody keeps */
};

const struct identity_table *identity_of(const struct cloud *cloud)
{
    return cloud->authorizer->identity;
}

struct str identity_issuer(struct call *call, struct str id)
{
    return str_format(call->arena, "%.*s%s%.*s", PRSTR(call->cloud->endpoint), IDENTITY_ISSUER_PATH,
                      PRSTR(id));
}

struct authorizer *authorizer_new(struct arena *arena, const struct service_hooks *const *hooks)
{
    struct authorizer *authorizer = ARENA_NEW(arena, struct authorizer);
    struct str reason;
    authorizer->identity = &nobody;
    for (size_t i = 0; hooks[i] != NULL; i++)
        if (hooks[i]->identity != NULL)
            authorizer->identity = hooks[i]->identity;
    authorizer->services = authorize_services_new(arena, hooks);
    authorizer->policies = policy_cache_new();
    authorizer->identities = identity_cache_new();
    ASSERT(policy_compile(arena,
                          STR("{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\","
                              "\"Action\":\"*\",\"Resource\":\"*\"}}"),
                          POLICY_FORM_MANAGED, &authorizer->administrator, &reason) == RESULT_OK);
    return authorizer;
}

void authorizer_free(struct authorizer *authorizer)
{
    authorize_services_free(authorizer->services);
    policy_cache_free(authorizer->policies);
    identity_cache_free(authorizer->identities);
}

/* --- whose policies --- */

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
    if (who->session != NULL) {
        out.role_arn = who->session->role_arn;
        out.federated = who->session->federated_provider;
    }
    if (who->kind == PRINCIPAL_SERVICE) {
        out.account = (struct str){0};
        out.service = who->name;
    }
    return out;
}

static bool authorize_has_policies(const struct principal *who)
{
    return who->kind == PRINCIPAL_USER || who->kind == PRINCIPAL_ROLE_SESSION ||
           (who->kind == PRINCIPAL_FEDERATED && !str_is_absent(who->session->user_name));
}

/* Everything that decides one call. */
struct authorize_policies {
    struct policy_attached *attached;
    size_t count;
    struct policy_cache_entry **held;
    size_t held_count;
    const struct identity_compiled *own; /* NULL: the principal is of a kind without policies */
    size_t organization;                 /* how many of them are of the principal's organization */
    bool linked;                         /* a service-linked role */
};

static void authorize_attach(struct call *call, struct authorize_policies *policies,
                             const struct policy_attached *attached, struct str document,
                             enum policy_form form)
{
    struct authorizer *authorizer = call->cloud->authorizer;
    struct policy_attached item = *attached;
    policies->held[policies->held_count++] =
        policy_cache_take(authorizer->policies, document, form, &item.policy);
    if (item.policy == NULL)
        item.policy = identity_cache_nothing(authorizer->identities);
    policies->attached[policies->count++] = item;
}

static void authorize_attach_view(struct call *call, struct authorize_policies *policies,
                                  const struct organization_view *view, enum policy_kind kind)
{
    for (size_t i = 0; i < view->len; i++) {
        const struct organization_policy *item = &view->items[i];
        struct policy_attached attached = {.kind = kind, .name = item->name, .level = item->level};
        if (item->kind == kind)
            authorize_attach(call, policies, &attached, item->document,
                             kind == POLICY_RCP ? POLICY_FORM_RESOURCE : POLICY_FORM_INLINE);
    }
}

/* A federated user may nothing that no session policy allows ("GetFederationToken"). */
static RESULT authorize_attach_session(struct call *call, const struct principal *who,
                                       struct authorize_policies *policies)
{
    const struct session *session = who->session;
    const struct identity_table *identity = identity_of(call->cloud);
    struct policy_attached attached = {.kind = POLICY_SESSION, .name = STR("session policy")};
    for (size_t i = 0; i < session->policies.len; i++)
        authorize_attach(call, policies, &attached, session->policies.items[i], POLICY_FORM_INLINE);
    for (size_t i = 0; i < session->policy_arns.len; i++) {
        struct str document = {0};
        bool found = false;
        attached.name = session->policy_arns.items[i];
        if (identity->managed_policy != NULL)
            TRY(identity->managed_policy(call, who->account, attached.name, &document, &found));
        /* One that is gone allows nothing. */
        authorize_attach(call, policies, &attached, found ? document : STR(""), POLICY_FORM_INLINE);
    }
    if (session_is_root_task(who)) /* whose policy only denies */
        policies->attached[policies->count++] = (struct policy_attached){
            POLICY_SESSION, call->cloud->authorizer->administrator, STR("session policy"), 0};
    if (who->kind == PRINCIPAL_FEDERATED && session->policies.len + session->policy_arns.len == 0)
        authorize_attach(call, policies, &attached, STR(""), POLICY_FORM_INLINE);
    return RESULT_OK;
}

/* A resource's policy is attached apart: it may differ from question to question. */
static RESULT authorize_gather(struct call *call, const struct principal *who,
                               struct authorize_policies *policies)
{
    struct authorizer *authorizer = call->cloud->authorizer;
    const struct session *session = who->session;
    size_t own = 0;
    size_t of_session = session == NULL ? 0 : session->policies.len + session->policy_arns.len + 1;
    struct organization_view view = {0};
    policies->linked = authorize_is_linked(who);
    if (who->kind != PRINCIPAL_SERVICE && who->kind != PRINCIPAL_ANONYMOUS && !policies->linked)
        TRY(authorize_view(call, who->account, &view));
    policies->organization = view.len;
    of_session += view.len;
    if (authorize_has_policies(who)) {
        TRY(identity_cache_take(authorizer->identities, call, who, &policies->own));
        own = policies->own->len;
        struct str id = who->kind == PRINCIPAL_ROLE_SESSION ? session->role_id
                        : who->kind == PRINCIPAL_FEDERATED  ? session->user_id
                                                            : who->user_id;
        bool changed = !policies->own->known || !str_eq(policies->own->id, id);
        if (session != NULL && session->kept && changed) /* deleted since, or made anew */
            return call_fail(call, WIRE_INVALID_CLIENT_TOKEN,
                             "The security token included in the request is invalid.");
    }
    policies->attached = ARENA_ARRAY(call->arena, own + of_session + 3, struct policy_attached);
    policies->held = ARENA_ARRAY(call->arena, of_session + 1, struct policy_cache_entry *);
    if (own > 0)
        memcpy(policies->attached, policies->own->items, own * sizeof *policies->attached);
    policies->count = own;
    bool unkept = policies->own != NULL && !policies->own->known;
    if (unkept || (who->kind == PRINCIPAL_FEDERATED && policies->own == NULL))
        policies->attached[policies->count++] =
            (struct policy_attached){POLICY_IDENTITY, authorizer->administrator,
                                     STR("arn:aws:iam::aws:policy/AdministratorAccess"), 0};
    authorize_attach_view(call, policies, &view, POLICY_SCP);
    return session == NULL ? RESULT_OK : authorize_attach_session(call, who, policies);
}

static void authorize_release(struct call *call, struct authorize_policies *policies)
{
    struct authorizer *authorizer = call->cloud->authorizer;
    for (size_t i = 0; i < policies->held_count; i++)
        policy_cache_release(authorizer->policies, policies->held[i]);
    identity_cache_release(authorizer->identities, policies->own);
}

/* --- one question --- */

/* A resource, and what guards it. */
struct authorize_guard {
    struct str arn, owner, policy; /* absent: not known, the caller's, none */
    enum policy_form form;
    bool needed; /* the policy must allow */
};

/* A trust policy's refusal says nothing of the policy. */
static struct str authorize_text(struct call *call, const struct policy_question *question,
                                 const struct policy_answer *answer)
{
    if (!question->needs_resource_policy || answer->kind != POLICY_RESOURCE)
        return policy_denial_text(call->arena, question, answer);
    struct str who = question->principal.arn, action = question->action;
    if (question->principal.kind == POLICY_BY_SERVICE)
        who = question->principal.service;
    return str_format(call->arena,
                      "User: %.*s is not authorized to perform: %.*s on resource: %.*s", PRSTR(who),
                      PRSTR(action), PRSTR(question->resource));
}

static RESULT authorize_refuse(struct call *call, const struct policy_question *question,
                               const struct policy_answer *answer)
{
    struct str text = authorize_text(call, question, answer);
    denials_note(call, question, answer);
    if (answer->statement != NULL)
        log_line(LOG_DEBUG, "iam: statement %zu \"%.*s\" of %.*s denies",
                 policy_statement_position(answer->statement),
                 PRSTR(policy_statement_sid(answer->statement)), PRSTR(answer->policy->name));
    if (call->cloud->iam == IAM_AUDIT) {
        log_line(LOG_WARN, "iam audit: %.*s", PRSTR(text));
        return RESULT_OK;
    }
    if ((call->model->protocols & WIRE_PROTOCOL_EC2) != 0) {
        struct str sealed = authorize_message(call, question, answer);
        return call_fail(call, WIRE_ACCESS_DENIED,
                         "You are not authorized to perform this operation. %.*s. Encoded "
                         "authorization failure message: %.*s",
                         PRSTR(text), PRSTR(sealed));
    }
    return call_fail(call, WIRE_ACCESS_DENIED, "%.*s", PRSTR(text));
}

/* The resource control policies of the resource's account, in room made for them. */
static RESULT authorize_attach_rcps(struct authorize_request *request, struct str action,
                                    const struct authorize_guard *guard,
                                    struct authorize_policies *policies)
{
    struct call *call = request->call;
    struct organization_view view;
    if (policies->linked)
        return RESULT_OK;
    TRY(authorize_view(call, str_is_absent(guard->owner) ? call->account : guard->owner, &view));
    size_t count = authorize_view_count(&view, POLICY_RCP, action);
    if (count == 0)
        return RESULT_OK;
    struct policy_attached *attached =
        ARENA_ARRAY(call->arena, policies->count + count, struct policy_attached);
    struct policy_cache_entry **held =
        ARENA_ARRAY(call->arena, policies->held_count + count, struct policy_cache_entry *);
    memcpy(attached, policies->attached, policies->count * sizeof *attached);
    memcpy(held, policies->held, policies->held_count * sizeof *held);
    policies->attached = attached;
    policies->held = held;
    authorize_attach_view(call, policies, &view, POLICY_RCP);
    return RESULT_OK;
}

/* Attaches the resource's policy and evaluates; the answer holds until authorize_forget(). */
static RESULT authorize_question(struct authorize_request *request, struct str action,
                                 const struct authorize_guard *guard,
                                 struct authorize_policies *policies,
                                 struct policy_question *question, struct policy_answer *answer)
{
    request->owner = guard->owner;
    if (!str_is_empty(guard->policy)) {
        struct policy_attached attached = {.kind = POLICY_RESOURCE, .name = guard->arn};
        authorize_attach(request->call, policies, &attached, guard->policy, guard->form);
    }
    TRY(authorize_attach_rcps(request, action, guard, policies));
    *question = (struct policy_question){
        .principal = authorize_principal(request->who),
        .action = action,
        .resource = guard->arn,
        .owner = guard->owner,
        .context = {authorize_key, request},
        .policies = policies->attached,
        .count = policies->count,
        .needs_resource_policy = guard->needed,
    };
    /* Few policies name anybody so: nobody else pays for the id. */
    if (arn_is_account(question->principal.account) &&
        str_find(guard->policy, STR("CanonicalUser")) != SIZE_MAX)
        question->principal.canonical =
            account_canonical_id(request->call->arena, question->principal.account);
    policy_evaluate(request->call->arena, question, answer);
    return RESULT_OK;
}

/* What one resource brought makes room for the next one's. */
static void authorize_forget(struct call *call, struct authorize_policies *policies, size_t count)
{
    for (; policies->count > count; policies->count--) {
        policies->held_count--;
        policy_cache_release(call->cloud->authorizer->policies,
                             policies->held[policies->held_count]);
    }
}

static RESULT authorize_decide(struct authorize_request *request, struct str action,
                               const struct authorize_guard *guard,
                               struct authorize_policies *policies)
{
    struct policy_question question;
    struct policy_answer answer;
    size_t count = policies->count;
    enum result result = authorize_question(request, action, guard, policies, &question, &answer);
    if (result == RESULT_OK && answer.verdict != POLICY_ALLOWED)
        result = authorize_refuse(request->call, &question, &answer);
    authorize_forget(request->call, policies, count);
    return result;
}

/* One line of iam.list: of the first line the service names the resource, of a list each item is
 * asked about. */
static RESULT authorize_rule(struct authorize_request *request, const struct authorize_rule *rule,
                             const struct authorize_guard *first,
                             struct authorize_policies *policies, bool is_first)
{
    struct call *call = request->call;
    if (is_first && !str_is_absent(first->arn))
        return authorize_decide(request, rule->action, first, policies);
    struct str_list resources = authorize_resources(call, request->in, rule->resource);
    for (size_t i = 0; i < resources.len; i++) {
        struct authorize_guard guard = *first;
        struct arn arn;
        guard.arn = resources.items[i];
        if (rule->lists) {
            guard.owner = guard.policy = (struct str){0};
            if (arn_parse(guard.arn, &arn) && arn_is_account(arn.account))
                guard.owner = arn.account;
            if (request->hooks->policy_of_arn != NULL)
                TRY(request->hooks->policy_of_arn(call, guard.arn, &guard.owner, &guard.policy));
        }
        TRY(authorize_decide(request, rule->action, &guard, policies));
    }
    return RESULT_OK;
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

/* The function asks for itself, or "no permissions are required to perform this operation". */
static bool authorize_is_free(const struct call *call, const struct service_hooks *hooks)
{
    for (size_t i = 0; i < hooks->asking_count; i++)
        if (hooks->asking[i] == call->operation)
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

static RESULT authorize_rules(struct authorize_request *request,
                              const struct authorize_rules *rules,
                              const struct authorize_guard *guard,
                              struct authorize_policies *policies)
{
    struct call *call = request->call;
    bool own = str_is_absent(guard->owner) || (call->principal.kind != PRINCIPAL_SERVICE &&
                                               str_eq(guard->owner, call->principal.account));
    bool unlimited = policies->own == NULL || !policies->own->known;
    struct authorize_guard open = *guard;
    if (own && authorize_unlocks(call, request->hooks))
        open.policy = (struct str){0};
    bool mended = str_is_empty(open.policy);
    /* Who has no policies that anybody keeps may all in its account. */
    if (own && unlimited && call->principal.session == NULL && mended &&
        policies->organization == 0 &&
        !(rules->len > 0 && rules->items[0].lists && request->hooks->policy_of_arn != NULL))
        return RESULT_OK;
    for (size_t i = 0; i < rules->len; i++)
        TRY(authorize_rule(request, &rules->items[i], &open, policies, i == 0));
    return RESULT_OK;
}

/* "You cannot call any IAM API operations unless MFA authentication information is included in the
 * request" ("GetSessionToken"), and none at all with a federated user's credentials. */
static bool authorize_is_barred(const struct call *call)
{
    const struct principal *who = &call->principal;
    return call->model == call->cloud->identity_model && who->session != NULL &&
           who->kind != PRINCIPAL_ROLE_SESSION &&
           (who->kind == PRINCIPAL_FEDERATED || !who->session->mfa) && !session_is_root_task(who);
}

RESULT authorize_call(struct call *call, const void *in)
{
    if (call->cloud->iam == IAM_OFF || authorize_is_service_itself(call))
        return RESULT_OK;
    struct authorize_service *service =
        authorize_service_of(call->cloud->authorizer->services, call->model);
    if (service == NULL)
        return RESULT_OK;
    const struct service_hooks *hooks = authorize_hooks(service);
    if (hooks->authorize != NULL)
        return hooks->authorize(call, in);
    struct authorize_guard guard = {.form = POLICY_FORM_RESOURCE};
    if (authorize_is_barred(call))
        return call_fail(call, WIRE_INVALID_CLIENT_TOKEN,
                         "The security token included in the request is invalid.");
    struct authorize_policies policies = {0};
    struct authorize_request request = {
        .call = call, .in = in, .hooks = hooks, .who = &call->principal};
    if (hooks->resource_policy != NULL)
        TRY(hooks->resource_policy(call, in, &guard.arn, &guard.owner, &guard.policy));
    enum result result = authorize_gather(call, &call->principal, &policies);
    if (result == RESULT_OK && !authorize_is_free(call, hooks))
        result = authorize_rules(&request, authorize_rules_of(service, call->operation), &guard,
                                 &policies);
    authorize_release(call, &policies);
    return result;
}

struct str authorize_action(const struct call *call)
{
    struct authorize_service *service =
        authorize_service_of(call->cloud->authorizer->services, call->model);
    if (service == NULL)
        return (struct str){0};
    const struct authorize_rules *rules = authorize_rules_of(service, call->operation);
    return rules->len == 0 ? (struct str){0} : rules->items[0].action;
}

struct str authorize_resource(const struct call *call, const void *in)
{
    struct authorize_service *service =
        authorize_service_of(call->cloud->authorizer->services, call->model);
    if (service == NULL)
        return (struct str){0};
    const struct authorize_rules *rules = authorize_rules_of(service, call->operation);
    if (rules->len == 0)
        return (struct str){0};
    struct str_list resources = authorize_resources(call, in, rules->items[0].resource);
    return resources.len == 0 ? (struct str){0} : resources.items[0];
}

/* --- further questions --- */

/* Asks, and refuses by call_fail() unless `allowed` is where to say so. */
static RESULT authorize_further(struct call *call, const struct authorize_ask *ask, bool *allowed)
{
    const struct principal *who = ask->who == NULL ? &call->principal : ask->who;
    struct authorize_service *service =
        authorize_service_of(call->cloud->authorizer->services, call->model);
    struct authorize_request request = {
        .call = call,
        .in = ask->in,
        .hooks = service == NULL ? NULL : authorize_hooks(service),
        .who = who,
        .find = ask->find,
        .self = ask->self,
    };
    struct authorize_guard guard = {
        .arn = ask->resource,
        .owner = ask->owner,
        .policy = ask->policy,
        .form = ask->form,
        .needed = ask->needs_policy,
    };
    struct authorize_policies policies = {0};
    struct policy_question question;
    struct policy_answer answer = {0};
    enum result result = authorize_gather(call, who, &policies);
    if (result == RESULT_OK)
        result = authorize_question(&request, ask->action, &guard, &policies, &question, &answer);
    if (result == RESULT_OK) {
        if (allowed != NULL)
            *allowed = answer.verdict == POLICY_ALLOWED;
        else if (answer.verdict != POLICY_ALLOWED)
            result = authorize_refuse(call, &question, &answer);
    }
    authorize_release(call, &policies);
    return result;
}

RESULT authorize_is_unlimited(struct call *call, struct str owner, bool *unlimited)
{
    struct authorize_policies policies = {0};
    *unlimited = false;
    if (call->principal.kind == PRINCIPAL_SERVICE || call->principal.kind == PRINCIPAL_ANONYMOUS ||
        call->principal.session != NULL || !str_eq(owner, call->principal.account))
        return RESULT_OK;
    enum result result = authorize_gather(call, &call->principal, &policies);
    *unlimited = (policies.own == NULL || !policies.own->known) && policies.organization == 0;
    authorize_release(call, &policies);
    return result;
}

RESULT authorize_ask(struct call *call, const struct authorize_ask *ask)
{
    return call->cloud->iam == IAM_OFF ? RESULT_OK : authorize_further(call, ask, NULL);
}

RESULT authorize_may(struct call *call, const struct authorize_ask *ask, bool *allowed)
{
    *allowed = true;
    return call->cloud->iam == IAM_OFF ? RESULT_OK : authorize_further(call, ask, allowed);
}
