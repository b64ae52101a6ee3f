/* SimulateCustomPolicy, SimulatePrincipalPolicy, and the context keys that policies ask for. */
#include "base/vec.h"
#include "cloud/arn.h"
#include "services/iam/simulation.h"

RESULT iam_SimulateCustomPolicy(struct call *call, const struct iam_SimulateCustomPolicyRequest *in,
                                struct iam_SimulatePolicyResponse *out)
{
    struct simulation simulation = {
        .call = call,
        .principal = {.kind = POLICY_BY_USER, .account = call->account},
        .actions = &in->ActionNames,
        .resources = &in->ResourceArns,
        .context = &in->ContextEntries,
        .marker = in->Marker,
        .max_items = in->MaxItems,
    };
    struct simulation_resource resource = {in->ResourcePolicy, in->ResourceOwner, in->CallerArn,
                                           in->ResourceHandlingOption};
    simulation_add_inputs(&simulation, POLICY_IDENTITY, "PolicyInputList", &in->PolicyInputList);
    simulation_add_inputs(&simulation, POLICY_BOUNDARY, "PermissionsBoundaryPolicyInputList",
                          &in->PermissionsBoundaryPolicyInputList);
    simulation_add_organization(&simulation, &in->OrderedOrganizationPolicyInputList);
    TRY(simulation_set_resource(&simulation, &resource));
    return simulation_run(&simulation, out);
}

/* --- a principal's policies, but for those that are left out --- */

static bool name_matches(struct str pattern, struct str name)
{
    size_t p = 0, n = 0, star = SIZE_MAX, mark = 0;
    while (n < name.len) {
        if (p < pattern.len && (pattern.ptr[p] == '?' || pattern.ptr[p] == name.ptr[n])) {
            p++;
            n++;
        } else if (p < pattern.len && pattern.ptr[p] == '*') {
            star = p++;
            mark = n;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            n = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*')
        p++;
    return p == pattern.len;
}

/* Whose an inline policy is. */
struct holder {
    struct str type, name;
};

static bool excludes(const struct iam_PolicyIdentifier *exclusion,
                     const struct iam_document *document, const struct holder *holder)
{
    bool is_inline = str_is_absent(document->arn);
    if (!str_is_absent(exclusion->PolicyArn))
        return !is_inline && name_matches(exclusion->PolicyArn, document->arn);
    const struct iam_InlinePolicyIdentifierType *one = exclusion->InlinePolicyIdentifier;
    if (one != NULL)
        return is_inline && str_eq(one->PolicyName, document->name) &&
               str_eq_nocase(one->AttachmentType, holder->type) &&
               name_matches(one->AttachmentName, holder->name);
    if (str_eq(exclusion->PolicyType, STR("permission-boundary")))
        return document->boundary;
    if (str_eq(exclusion->PolicyType, STR("inline")))
        return is_inline;
    return !document->boundary && str_eq(exclusion->PolicyType, document->type);
}

static RESULT exclusions_check(struct call *call, const struct iam_PolicyExclusionsListType *list)
{
    struct arn arn;
    for (size_t i = 0; i < list->len; i++) {
        const struct iam_PolicyIdentifier *one = &list->items[i];
        int members = !str_is_absent(one->PolicyType) + !str_is_absent(one->PolicyArn) +
                      (one->InlinePolicyIdentifier != NULL);
        if (members != 1)
            return call_fail(call, IAM_INVALID_INPUT,
                             "A policy identifier must have exactly one member.");
        if (!str_is_absent(one->PolicyArn) &&
            (!arn_parse(one->PolicyArn, &arn) || !str_eq(arn.service, STR("iam"))))
            return call_fail(call, IAM_INVALID_INPUT, "ARN %.*s is not valid.",
                             PRSTR(one->PolicyArn));
    }
    return RESULT_OK;
}

static RESULT principal_document(struct simulation *simulation,
                                 const struct iam_SimulatePrincipalPolicyRequest *in,
                                 const struct iam_entity *entity,
                                 const struct iam_document *document)
{
    struct call *call = simulation->call;
    struct iam_entity of = *entity;
    bool found, is_inline = str_is_absent(document->arn);
    if (document->boundary && in->PermissionsBoundaryPolicyInputList.len > 0)
        return RESULT_OK; /* those of the request take its place */
    if (!str_is_absent(document->holder))
        TRY(iam_entity_by_id(call, document->holder, &of, &found));
    struct holder holder = {document->type, of.name};
    for (size_t i = 0; i < in->PolicyExclusionList.len; i++)
        if (excludes(&in->PolicyExclusionList.items[i], document, &holder))
            return RESULT_OK;
    struct simulated item = {
        .kind = document->boundary ? POLICY_BOUNDARY : POLICY_IDENTITY,
        .name = is_inline ? str_format(call->arena, "%.*s_%.*s_%.*s", PRSTR(document->type),
                                       PRSTR(of.name), PRSTR(document->name))
                          : document->name,
        .type = document->type,
        .text = document->text,
    };
    simulation_add(simulation, &item);
    return RESULT_OK;
}

static RESULT source_must(struct call *call, struct str arn, struct iam_entity *entity)
{
    bool found;
    TRY(iam_entity_by_arn(call, arn, entity, &found));
    if (!found)
        return call_fail(call, IAM_NO_SUCH_ENTITY,
                         "Invalid Entity Arn: %.*s does not clearly "
                         "define entity type and name.",
                         PRSTR(arn));
    return RESULT_OK;
}

static RESULT source_as_caller(struct simulation *simulation, const struct iam_entity *entity)
{
    struct call *call = simulation->call;
    struct iam_user user;
    struct iam_role role;
    if (entity->kind == IAM_GROUPS)
        return RESULT_OK;
    TRY(simulation_set_caller(simulation, iam_entity_arn(call, entity)));
    simulation->principal.user_id = entity->id;
    if (entity->kind == IAM_USERS) {
        TRY(iam_user_must(call, entity->name, &user));
        simulation->principal_tags = user.tags;
        return RESULT_OK;
    }
    TRY(iam_role_must(call, entity->name, &role));
    simulation->principal_tags = role.tags;
    return RESULT_OK;
}

RESULT iam_SimulatePrincipalPolicy(struct call *call,
                                   const struct iam_SimulatePrincipalPolicyRequest *in,
                                   struct iam_SimulatePolicyResponse *out)
{
    struct iam_entity entity;
    struct iam_documents documents = {0};
    struct simulation simulation = {
        .call = call,
        .principal = {.kind = POLICY_BY_USER, .account = call->account},
        .actions = &in->ActionNames,
        .resources = &in->ResourceArns,
        .context = &in->ContextEntries,
        .marker = in->Marker,
        .max_items = in->MaxItems,
    };
    struct simulation_resource resource = {in->ResourcePolicy, in->ResourceOwner, in->CallerArn,
                                           in->ResourceHandlingOption};
    TRY(source_must(call, in->PolicySourceArn, &entity));
    TRY(exclusions_check(call, &in->PolicyExclusionList));
    TRY(source_as_caller(&simulation, &entity));
    TRY(iam_documents_of(call, &entity, &documents));
    for (size_t i = 0; i < documents.len; i++)
        TRY(principal_document(&simulation, in, &entity, &documents.items[i]));
    simulation_add_inputs(&simulation, POLICY_IDENTITY, "PolicyInputList", &in->PolicyInputList);
    simulation_add_inputs(&simulation, POLICY_BOUNDARY, "PermissionsBoundaryPolicyInputList",
                          &in->PermissionsBoundaryPolicyInputList);
    TRY(simulation_set_resource(&simulation, &resource));
    return simulation_run(&simulation, out);
}

/* --- context keys --- */

struct key_names {
    struct str_list names;
    size_t cap;
};

static RESULT keys_of_inputs(struct call *call, const struct str_list *texts,
                             struct key_names *keys)
{
    for (size_t i = 0; i < texts->len; i++) {
        const struct policy *compiled;
        struct str reason;
        if (policy_compile(call->arena, texts->items[i], POLICY_FORM_INLINE, &compiled, &reason) !=
            RESULT_OK)
            return call_fail(call, IAM_INVALID_INPUT, "PolicyInputList.%zu: %.*s", i + 1,
                             PRSTR(reason));
        iam_document_keys(call->arena, texts->items[i], &keys->names, &keys->cap);
    }
    if (keys->names.items == NULL)
        keys->names.items = ARENA_NEW(call->arena, struct str);
    return RESULT_OK;
}

RESULT iam_GetContextKeysForCustomPolicy(struct call *call,
                                         const struct iam_GetContextKeysForCustomPolicyRequest *in,
                                         struct iam_GetContextKeysForPolicyResponse *out)
{
    struct key_names keys = {0};
    TRY(keys_of_inputs(call, &in->PolicyInputList, &keys));
    out->ContextKeyNames = keys.names;
    return RESULT_OK;
}

RESULT
iam_GetContextKeysForPrincipalPolicy(struct call *call,
                                     const struct iam_GetContextKeysForPrincipalPolicyRequest *in,
                                     struct iam_GetContextKeysForPolicyResponse *out)
{
    struct key_names keys = {0};
    struct iam_entity entity;
    struct iam_documents documents = {0};
    TRY(source_must(call, in->PolicySourceArn, &entity));
    TRY(iam_documents_of(call, &entity, &documents));
    for (size_t i = 0; i < documents.len; i++)
        iam_document_keys(call->arena, documents.items[i].text, &keys.names, &keys.cap);
    TRY(keys_of_inputs(call, &in->PolicyInputList, &keys));
    out->ContextKeyNames = keys.names;
    return RESULT_OK;
}
