/* The decisions of the policy simulator: the evaluator's, asked for every action and resource, and
 * each statement asked for itself to tell which of them spoke. */
#include "services/iam/simulation.h"

#include "base/vec.h"
#include "cloud/arn.h"
#include "cloud/paging.h"
#include "wire/json_text.h"

/* --- what takes part --- */

void simulation_add(struct simulation *simulation, const struct simulated *item)
{
    VEC_PUSH(simulation->call->arena, simulation->items, simulation->len, simulation->cap, *item);
}

void simulation_add_inputs(struct simulation *simulation, enum policy_kind kind, const char *name,
                           const struct str_list *texts)
{
    for (size_t i = 0; i < texts->len; i++) {
        struct simulated item = {
            .kind = kind,
            .name = str_format(simulation->call->arena, "%s.%zu", name, i + 1),
            .type = STR("none"),
            .text = texts->items[i],
        };
        simulation_add(simulation, &item);
    }
}

void simulation_add_organization(struct simulation *simulation,
                                 const struct iam_OrganizationPolicyListType *levels)
{
    for (size_t level = 0; level < levels->len; level++) {
        const struct str_list *texts = &levels->items[level].ServiceControlPolicyInputList;
        for (size_t i = 0; i < texts->len; i++) {
            struct simulated item = {
                .kind = POLICY_SCP,
                .level = (unsigned)level,
                .name = str_format(simulation->call->arena,
                                   "OrderedOrganizationPolicyInputList.%zu.%zu", level + 1, i + 1),
                .type = STR("none"),
                .text = texts->items[i],
            };
            simulation_add(simulation, &item);
        }
    }
}

RESULT simulation_set_caller(struct simulation *simulation, struct str text)
{
    struct call *call = simulation->call;
    struct arn arn;
    struct str type, rest, role, session;
    if (!arn_parse(text, &arn) || !arn_is_account(arn.account) ||
        !(str_eq(arn.service, STR("iam")) || str_eq(arn.service, STR("sts"))))
        return call_fail(call, IAM_INVALID_INPUT, "Invalid ARN: %.*s", PRSTR(text));
    struct policy_principal *who = &simulation->principal;
    *who = (struct policy_principal){.kind = POLICY_BY_USER, .account = arn.account, .arn = text};
    if (str_eq(arn.resource, STR("root"))) {
        who->kind = POLICY_BY_ROOT;
    } else if (!str_cut(arn.resource, '/', &type, &rest)) {
        return call_fail(call, IAM_INVALID_INPUT, "Invalid ARN: %.*s", PRSTR(text));
    } else if (str_eq(type, STR("role"))) {
        who->kind = POLICY_BY_ROLE;
        who->role_arn = text;
    } else if (str_eq(type, STR("assumed-role")) && str_cut(rest, '/', &role, &session)) {
        who->kind = POLICY_BY_ROLE;
        who->role_arn = str_format(call->arena, "arn:%.*s:iam::%.*s:role/%.*s",
                                   PRSTR(arn.partition), PRSTR(arn.account), PRSTR(role));
    } else if (str_eq(type, STR("user"))) {
        simulation->user_name = str_slice(rest, str_find_last_char(rest, '/') + 1, rest.len);
    }
    return RESULT_OK;
}

RESULT simulation_set_resource(struct simulation *simulation,
                               const struct simulation_resource *resource)
{
    struct call *call = simulation->call;
    struct arn arn;
    if (!str_is_absent(resource->handling))
        return call_fail(call, IAM_INVALID_INPUT,
                         "Kumoniwa does not simulate scenarios: ResourceHandlingOption %.*s",
                         PRSTR(resource->handling));
    if (!str_is_absent(resource->caller))
        TRY(simulation_set_caller(simulation, resource->caller));
    if (!str_is_absent(resource->owner)) {
        if (arn_is_account(resource->owner))
            simulation->owner = resource->owner;
        else if (arn_parse(resource->owner, &arn) && arn_is_account(arn.account))
            simulation->owner = arn.account;
        else
            return call_fail(call, IAM_INVALID_INPUT, "Invalid ResourceOwner: %.*s",
                             PRSTR(resource->owner));
    }
    if (str_is_absent(resource->policy))
        return RESULT_OK;
    if (str_is_empty(simulation->principal.arn))
        return call_fail(call, IAM_INVALID_INPUT,
                         "CallerArn must be specified when a ResourcePolicy is given.");
    struct simulated item = {
        .kind = POLICY_RESOURCE,
        .name = STR("ResourcePolicy"),
        .type = STR("resource"),
        .text = resource->policy,
    };
    simulation_add(simulation, &item);
    return RESULT_OK;
}

/* --- compiled --- */

/* A statement as a policy of its own. */
struct spoken {
    const struct simulated *from;
    struct policy_attached attached;
    struct iam_Position start, end;
};

struct decided {
    struct simulation *simulation;
    struct policy_attached *policies;
    struct spoken *statements;
    size_t statement_count, statement_cap;
    struct str_list missing; /* of the question at hand */
    size_t missing_cap;
};

static struct iam_Position position_of(struct str text, const char *at)
{
    int32_t line = 1, column = 1;
    for (const char *c = text.ptr; c < at; c++) {
        column = *c == '\n' ? 1 : column + 1;
        line += *c == '\n';
    }
    return (struct iam_Position){opt_int(line), opt_int(column)};
}

static enum policy_form form_of(enum policy_kind kind)
{
    return kind == POLICY_RESOURCE ? POLICY_FORM_RESOURCE : POLICY_FORM_INLINE;
}

static void decided_add_statements(struct decided *decided, const struct simulated *item)
{
    struct arena *arena = decided->simulation->call->arena;
    struct iam_statements walk = {0};
    struct str raw, version, reason;
    if (!json_member(arena, str_trim(item->text), STR("Version"), &version))
        version = STR("\"2008-10-17\"");
    while (iam_next_statement(arena, item->text, &walk, &raw)) {
        struct spoken spoken = {.from = item, .attached = {item->kind, NULL, item->name, 0}};
        struct str text =
            str_format(arena, "{\"Version\":%.*s,\"Statement\":%.*s}", PRSTR(version), PRSTR(raw));
        if (policy_compile(arena, text, form_of(item->kind), &spoken.attached.policy, &reason) !=
            RESULT_OK)
            continue; /* the whole has been compiled: there is none such */
        spoken.start = position_of(item->text, raw.ptr);
        spoken.end = position_of(item->text, raw.ptr + raw.len);
        VEC_PUSH(arena, decided->statements, decided->statement_count, decided->statement_cap,
                 spoken);
    }
}

static RESULT decided_compile(struct simulation *simulation, struct decided *decided)
{
    struct call *call = simulation->call;
    *decided = (struct decided){
        .simulation = simulation,
        .policies = ARENA_ARRAY(call->arena, simulation->len + 1, struct policy_attached),
    };
    for (size_t i = 0; i < simulation->len; i++) {
        const struct simulated *item = &simulation->items[i];
        struct str reason;
        decided->policies[i] = (struct policy_attached){item->kind, NULL, item->name, item->level};
        if (policy_compile(call->arena, item->text, form_of(item->kind),
                           &decided->policies[i].policy, &reason) != RESULT_OK)
            return call_fail(call, IAM_INVALID_INPUT, "%.*s: %.*s", PRSTR(item->name),
                             PRSTR(reason));
        decided_add_statements(decided, item);
    }
    return RESULT_OK;
}

/* --- context --- */

static bool key_value(struct decided *decided, struct str value, struct policy_values *out)
{
    if (str_is_empty(value))
        return false;
    struct str *kept = ARENA_NEW(decided->simulation->call->arena, struct str);
    *kept = value;
    *out = (struct policy_values){kept, 1};
    return true;
}

/* What is known of the caller without being told. */
static bool key_of_caller(struct decided *decided, struct str key, struct policy_values *out)
{
    const struct simulation *simulation = decided->simulation;
    const struct policy_principal *who = &simulation->principal;
    struct str tag = STR("aws:PrincipalTag/");
    if (str_is_empty(who->arn))
        return false;
    if (str_eq_nocase(key, STR("aws:username")))
        return key_value(decided, simulation->user_name, out);
    if (str_eq_nocase(key, STR("aws:userid")))
        return key_value(decided, who->user_id, out);
    if (str_eq_nocase(key, STR("aws:PrincipalArn")))
        return key_value(decided, who->kind == POLICY_BY_ROLE ? who->role_arn : who->arn, out);
    if (str_eq_nocase(key, STR("aws:PrincipalAccount")))
        return key_value(decided, who->account, out);
    if (!str_eq_nocase(str_slice(key, 0, tag.len), tag))
        return false;
    for (size_t i = 0; i < simulation->principal_tags.len; i++)
        if (str_eq_nocase(simulation->principal_tags.items[i].key,
                          str_slice(key, tag.len, key.len)))
            return key_value(decided, simulation->principal_tags.items[i].value, out);
    return false;
}

static bool key_find(void *self, struct str key, struct policy_values *out)
{
    struct decided *decided = self;
    const struct iam_ContextEntryListType *context = decided->simulation->context;
    for (size_t i = 0; i < context->len; i++)
        if (str_eq_nocase(context->items[i].ContextKeyName, key)) {
            *out = (struct policy_values){context->items[i].ContextKeyValues.items,
                                          context->items[i].ContextKeyValues.len};
            return true;
        }
    if (key_of_caller(decided, key, out))
        return true;
    for (size_t i = 0; i < decided->missing.len; i++)
        if (str_eq_nocase(decided->missing.items[i], key))
            return false;
    VEC_PUSH(decided->simulation->call->arena, decided->missing.items, decided->missing.len,
             decided->missing_cap, key);
    return false;
}

/* --- one action on one resource --- */

static struct str owner_of(const struct simulation *simulation, struct str resource)
{
    struct arn arn;
    bool asked = !str_is_absent(simulation->owner);
    for (size_t i = 0; i < simulation->len && !asked; i++)
        asked = simulation->items[i].kind == POLICY_RESOURCE;
    if (asked && arn_parse(resource, &arn) && arn_is_account(arn.account))
        return arn.account;
    return simulation->owner;
}

/* The statements that decide: those that deny, or when nothing does, those that allow. */
static void statements_shown(struct decided *decided, const struct policy_question *question,
                             enum policy_verdict wanted, struct iam_StatementListType *out)
{
    struct arena *arena = decided->simulation->call->arena;
    size_t cap = 1;
    *out = (struct iam_StatementListType){.items = ARENA_NEW(arena, struct iam_Statement)};
    if (wanted == POLICY_DENIED_IMPLICITLY)
        return;
    for (size_t i = 0; i < decided->statement_count; i++) {
        const struct spoken *spoken = &decided->statements[i];
        struct policy_question alone = *question;
        struct policy_answer answer;
        bool limits =
            spoken->attached.kind == POLICY_BOUNDARY || spoken->attached.kind == POLICY_SCP;
        struct policy_attached attached = spoken->attached;
        if (limits && wanted == POLICY_ALLOWED)
            continue;
        if (attached.kind != POLICY_RESOURCE)
            attached.kind = POLICY_IDENTITY;
        alone.policies = &attached;
        alone.count = 1;
        alone.owner = (struct str){0};
        if (question->principal.kind == POLICY_BY_ROOT)
            alone.principal.kind = POLICY_BY_USER; /* root would be allowed unasked */
        policy_evaluate(arena, &alone, &answer);
        if (answer.verdict != wanted || answer.statement == NULL)
            continue;
        struct iam_Statement shown = {.SourcePolicyId = spoken->from->name,
                                      .SourcePolicyType = spoken->from->type};
        shown.StartPosition = ARENA_NEW(arena, struct iam_Position);
        shown.EndPosition = ARENA_NEW(arena, struct iam_Position);
        *shown.StartPosition = spoken->start;
        *shown.EndPosition = spoken->end;
        VEC_PUSH(arena, out->items, out->len, cap, shown);
    }
}

/* Whether the policies of one limiting kind, if there are any, would let it pass. */
static bool limit_allows(struct decided *decided, const struct policy_question *question,
                         enum policy_kind kind, bool *any)
{
    static const struct str all = STR_INIT("{\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"*\","
                                           "\"Resource\":\"*\"}}");
    const struct simulation *simulation = decided->simulation;
    struct arena *arena = simulation->call->arena;
    struct policy_attached *policies =
        ARENA_ARRAY(arena, simulation->len + 1, struct policy_attached);
    struct policy_question alone = *question;
    struct policy_answer answer;
    struct str reason;
    size_t len = 1;
    *any = false;
    policies[0] = (struct policy_attached){POLICY_IDENTITY, NULL, STR("all"), 0};
    ASSERT(policy_compile(arena, all, POLICY_FORM_INLINE, &policies[0].policy, &reason) ==
           RESULT_OK);
    for (size_t i = 0; i < simulation->len; i++)
        if (simulation->items[i].kind == kind)
            policies[len++] = decided->policies[i];
    *any = len > 1;
    alone.policies = policies;
    alone.count = len;
    alone.owner = (struct str){0};
    policy_evaluate(arena, &alone, &answer);
    return answer.verdict == POLICY_ALLOWED;
}

static struct str verdict_name(enum policy_verdict verdict)
{
    static const struct str names[] = {
        [POLICY_ALLOWED] = STR_INIT("allowed"),
        [POLICY_DENIED_EXPLICITLY] = STR_INIT("explicitDeny"),
        [POLICY_DENIED_IMPLICITLY] = STR_INIT("implicitDeny"),
    };
    return names[verdict];
}

/* With resources named, what is missing stands with the resource. */
static void result_of_resource(struct call *call, struct iam_EvaluationResult *result)
{
    struct iam_ResourceSpecificResult *specific =
        ARENA_NEW(call->arena, struct iam_ResourceSpecificResult);
    *specific = (struct iam_ResourceSpecificResult){
        .EvalResourceName = result->EvalResourceName,
        .EvalResourceDecision = result->EvalDecision,
        .MatchedStatements = result->MatchedStatements,
        .MissingContextValues = result->MissingContextValues,
        .PermissionsBoundaryDecisionDetail = result->PermissionsBoundaryDecisionDetail,
    };
    result->ResourceSpecificResults.items = specific;
    result->ResourceSpecificResults.len = 1;
}

static RESULT simulation_decide(struct decided *decided, struct str action, struct str resource,
                                struct iam_EvaluationResult *out)
{
    struct simulation *simulation = decided->simulation;
    struct call *call = simulation->call;
    struct policy_question question = {
        .principal = simulation->principal,
        .action = action,
        .resource = resource,
        .owner = owner_of(simulation, resource),
        .context = {key_find, decided},
        .policies = decided->policies,
        .count = simulation->len,
    };
    struct policy_answer answer;
    struct str vendor, name;
    bool any;
    if (!str_cut(action, ':', &vendor, &name) || vendor.len == 0 || name.len == 0 ||
        str_find_char(action, '*') != SIZE_MAX)
        return call_fail(call, IAM_INVALID_INPUT, "Invalid Action Name: %.*s", PRSTR(action));
    decided->missing = (struct str_list){.items = ARENA_NEW(call->arena, struct str)};
    decided->missing_cap = 1;
    policy_evaluate(call->arena, &question, &answer);
    *out = (struct iam_EvaluationResult){
        .EvalActionName = action,
        .EvalResourceName = resource,
        .EvalDecision = verdict_name(answer.verdict),
    };
    statements_shown(decided, &question, answer.verdict, &out->MatchedStatements);
    bool allowed = limit_allows(decided, &question, POLICY_BOUNDARY, &any);
    if (any) {
        out->PermissionsBoundaryDecisionDetail =
            ARENA_NEW(call->arena, struct iam_PermissionsBoundaryDecisionDetail);
        out->PermissionsBoundaryDecisionDetail->AllowedByPermissionsBoundary = opt_bool(allowed);
    }
    allowed = limit_allows(decided, &question, POLICY_SCP, &any);
    if (any) {
        out->OrganizationsDecisionDetail =
            ARENA_NEW(call->arena, struct iam_OrganizationsDecisionDetail);
        out->OrganizationsDecisionDetail->AllowedByOrganizations = opt_bool(allowed);
    }
    out->MissingContextValues = decided->missing;
    if (!str_eq(resource, STR("*")))
        result_of_resource(call, out);
    return RESULT_OK;
}

RESULT simulation_run(struct simulation *simulation, struct iam_SimulatePolicyResponse *out)
{
    struct str everything = STR("*");
    const struct str_list any = {&everything, 1};
    struct call *call = simulation->call;
    const struct str_list *resources =
        simulation->resources->len == 0 ? &any : simulation->resources;
    struct decided decided;
    uint64_t from = 0;
    struct str position;
    size_t limit = simulation->max_items.set ? (size_t)simulation->max_items.value : 100;
    if (!str_is_absent(simulation->marker) &&
        (!paging_position(call, simulation->marker, &position) || !str_to_u64(position, &from)))
        return call_fail(call, IAM_INVALID_INPUT, "Invalid Marker.");
    TRY(decided_compile(simulation, &decided));
    size_t count = simulation->actions->len * resources->len;
    size_t to = from < count && count - from > limit ? (size_t)from + limit : count;
    out->EvaluationResults.items = ARENA_ARRAY(call->arena, limit + 1, struct iam_EvaluationResult);
    for (size_t i = (size_t)from; i < to; i++)
        TRY(simulation_decide(&decided, simulation->actions->items[i / resources->len],
                              resources->items[i % resources->len],
                              &out->EvaluationResults.items[out->EvaluationResults.len++]));
    out->IsTruncated = opt_bool(to < count);
    if (to < count)
        out->Marker = paging_token(call, str_format(call->arena, "%zu", to));
    return RESULT_OK;
}
