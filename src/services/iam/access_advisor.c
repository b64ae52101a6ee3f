/* When services were last used, and by which policies they could be ("Refine permissions in AWS
 * using last accessed information", IAM User Guide). The cloud tells of uses at most once a quarter
 * of an hour for each principal, service and region (cloud/identity_use.h). */
#include "base/rng.h"
#include "base/vec.h"
#include "cloud/arn.h"
#include "cloud/paging.h"
#include "services/iam/iam_int.h"
#include "store/record.h"

/* "Reporting period: the last 400 days". */
static const int64_t tracked_ms = INT64_C(400) * 24 * 3600 * 1000;

/* ("iam", ACCOUNT, "advisor", ENTITY-ID, SERVICE) */
static struct key advisor_key(struct call *call, struct str id, struct str service)
{
    struct key key = iam_key(call, "advisor", id);
    key_str(&key, service);
    return key;
}

RESULT iam_advisor_touch(struct call *call, struct str id, const struct iam_last_use *use)
{
    struct key key = advisor_key(call, id, use->service);
    return call_put_record(call, &key, &iam_model, IAM_SHAPE_last_use, use);
}

/* --- jobs --- */

RESULT iam_GenerateServiceLastAccessedDetails(
    struct call *call, const struct iam_GenerateServiceLastAccessedDetailsRequest *in,
    struct iam_GenerateServiceLastAccessedDetailsResponse *out)
{
    struct iam_entity entity;
    struct iam_managed policy;
    bool found;
    char uuid[36];
    struct iam_advisor_job job = {.arn = in->Arn, .created_ms = call->now_ms};
    if (str_eq(in->Granularity, STR("ACTION_LEVEL")))
        return call_fail(call, IAM_NOT_IMPLEMENTED,
                         "Kumoniwa keeps when services were used, not when single actions were.");
    TRY(iam_entity_by_arn(call, in->Arn, &entity, &found));
    if (found) {
        job.entity = entity.id;
    } else {
        TRY(iam_managed_find(call, call->account, in->Arn, &policy, &found));
        if (!found)
            return call_fail(call, IAM_NO_SUCH_ENTITY, "The entity %.*s cannot be found.",
                             PRSTR(in->Arn));
    }
    rng_uuid(uuid);
    job.id = str_copy(call->arena, str_make(uuid, sizeof uuid));
    struct key key = iam_key(call, "advisor-job", job.id);
    TRY(call_put_record(call, &key, &iam_model, IAM_SHAPE_advisor_job, &job));
    TRY(iam_keep_for_a_week(call, &key));
    out->JobId = job.id;
    return RESULT_OK;
}

static RESULT job_must(struct call *call, struct str id, struct iam_advisor_job *job)
{
    struct key key = iam_key(call, "advisor-job", id);
    bool found;
    TRY(call_get_record(call, &key, &iam_model, IAM_SHAPE_advisor_job, job, &found));
    if (!found)
        return call_fail(call, IAM_NO_SUCH_ENTITY, "Job with id %.*s cannot be found.", PRSTR(id));
    return RESULT_OK;
}

/* Whose use counts: the entity itself, a group's members, those that a policy is attached to. */
struct audience {
    struct call *call;
    struct str_list ids;
    size_t cap;
    struct iam_documents documents;
};

static RESULT audience_members(struct audience *audience, struct str group_id)
{
    struct call *call = audience->call;
    struct key prefix = iam_key(call, "member", group_id);
    struct kv_cursor *cursor;
    struct str key, value;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (;;) {
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        VEC_PUSH(call->arena, audience->ids.items, audience->ids.len, audience->cap, value);
    }
}

static RESULT audience_add(struct audience *audience, const struct iam_entity *entity)
{
    if (entity->kind == IAM_GROUPS)
        return audience_members(audience, entity->id);
    VEC_PUSH(audience->call->arena, audience->ids.items, audience->ids.len, audience->cap,
             entity->id);
    return RESULT_OK;
}

static RESULT audience_of_policy(struct audience *audience, struct str arn)
{
    struct call *call = audience->call;
    struct key prefix = iam_key(call, "use", arn);
    struct kv_cursor *cursor;
    struct str key, value, part = {0};
    struct iam_managed policy;
    bool found;
    TRY(iam_managed_find(call, call->account, arn, &policy, &found));
    if (found) {
        struct iam_document document = {.name = policy.name, .arn = arn, .text = policy.document};
        VEC_PUSH(call->arena, audience->documents.items, audience->documents.len,
                 audience->documents.cap, document);
    }
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (;;) {
        struct iam_entity entity;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        struct key_reader reader = key_read(call->arena, key);
        for (int i = 0; i < 5 && key_next_str(&reader, &part); i++)
            ;
        TRY(iam_entity_by_id(call, part, &entity, &found));
        if (found)
            TRY(audience_add(audience, &entity));
    }
}

static RESULT audience_of(struct call *call, const struct iam_advisor_job *job,
                          struct audience *audience)
{
    struct iam_entity entity;
    bool found;
    *audience = (struct audience){.call = call};
    if (str_is_absent(job->entity))
        return audience_of_policy(audience, job->arn);
    TRY(iam_entity_by_id(call, job->entity, &entity, &found));
    if (!found)
        return call_fail(call, IAM_NO_SUCH_ENTITY, "The entity %.*s cannot be found.",
                         PRSTR(job->arn));
    TRY(audience_add(audience, &entity));
    return iam_documents_of(call, &entity, &audience->documents);
}

static bool audience_may(const struct audience *audience, struct str service)
{
    for (size_t i = 0; i < audience->documents.len; i++)
        if (!audience->documents.items[i].boundary &&
            iam_document_grants(audience->call->arena, audience->documents.items[i].text, service))
            return true;
    return false;
}

static RESULT use_of(struct call *call, struct str id, struct str service, struct iam_last_use *use,
                     bool *found)
{
    struct key key = advisor_key(call, id, service);
    TRY(call_get_record(call, &key, &iam_model, IAM_SHAPE_last_use, use, found));
    *found = *found && use->at_ms > call->now_ms - tracked_ms;
    return RESULT_OK;
}

static RESULT service_shown(const struct audience *audience, const struct wire_model *model,
                            struct iam_ServiceLastAccessed *out)
{
    struct call *call = audience->call;
    int32_t entities = 0;
    *out = (struct iam_ServiceLastAccessed){
        .ServiceName = model->title,
        .ServiceNamespace = model->signing_name,
    };
    for (size_t i = 0; i < audience->ids.len; i++) {
        struct iam_last_use use;
        bool found;
        TRY(use_of(call, audience->ids.items[i], model->signing_name, &use, &found));
        if (!found)
            continue;
        entities++;
        if (out->LastAuthenticated.set && use.at_ms <= out->LastAuthenticated.ms)
            continue;
        out->LastAuthenticated = iam_time(use.at_ms);
        out->LastAuthenticatedEntity = use.who;
        out->LastAuthenticatedRegion = use.region;
    }
    out->TotalAuthenticatedEntities = opt_int(entities);
    return RESULT_OK;
}

/* Several models may be of one service: its first speaks for it. */
static bool model_is_first(size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (str_eq(wire_models[j]->signing_name, wire_models[i]->signing_name))
            return false;
    return true;
}

static struct str service_name(const void *list, size_t i)
{
    return ((const struct iam_ServicesLastAccessed *)list)->items[i].ServiceNamespace;
}

static void services_sort(struct iam_ServicesLastAccessed *list)
{
    for (size_t i = 1; i < list->len; i++)
        for (size_t j = i; j > 0 && str_cmp(list->items[j].ServiceNamespace,
                                            list->items[j - 1].ServiceNamespace) < 0;
             j--) {
            struct iam_ServiceLastAccessed item = list->items[j];
            list->items[j] = list->items[j - 1];
            list->items[j - 1] = item;
        }
}

RESULT iam_GetServiceLastAccessedDetails(struct call *call,
                                         const struct iam_GetServiceLastAccessedDetailsRequest *in,
                                         struct iam_GetServiceLastAccessedDetailsResponse *out)
{
    struct iam_advisor_job job;
    struct audience audience;
    struct iam_window window;
    struct iam_ServicesLastAccessed all = {0};
    struct iam_ServiceLastAccessed item;
    size_t cap = 0;
    TRY(job_must(call, in->JobId, &job));
    TRY(audience_of(call, &job, &audience));
    for (size_t i = 0; i < wire_model_count; i++) {
        if (!model_is_first(i) || !audience_may(&audience, wire_models[i]->signing_name))
            continue;
        TRY(service_shown(&audience, wire_models[i], &item));
        VEC_PUSH(call->arena, all.items, all.len, cap, item);
    }
    services_sort(&all);
    TRY(iam_window_open(call, in->Marker, in->MaxItems, &all, all.len, service_name, &window));
    out->ServicesLastAccessed.items = all.len == 0
                                          ? ARENA_NEW(call->arena, struct iam_ServiceLastAccessed)
                                          : all.items + window.from;
    out->ServicesLastAccessed.len = window.to - window.from;
    out->JobStatus = STR("COMPLETED");
    out->JobType = STR("SERVICE_LEVEL");
    out->JobCreationDate = out->JobCompletionDate = iam_time(job.created_ms);
    iam_window_end(call, &window, window.to > 0 ? service_name(&all, window.to - 1) : STR(""),
                   &out->IsTruncated, &out->Marker);
    return RESULT_OK;
}

static struct str entity_detail_name(const void *list, size_t i)
{
    return ((const struct iam_entityDetailsListType *)list)->items[i].EntityInfo->Id;
}

RESULT iam_GetServiceLastAccessedDetailsWithEntities(
    struct call *call, const struct iam_GetServiceLastAccessedDetailsWithEntitiesRequest *in,
    struct iam_GetServiceLastAccessedDetailsWithEntitiesResponse *out)
{
    struct iam_advisor_job job;
    struct audience audience;
    struct iam_window window;
    TRY(job_must(call, in->JobId, &job));
    TRY(audience_of(call, &job, &audience));
    struct iam_entityDetailsListType all = {
        .items = ARENA_ARRAY(call->arena, audience.ids.len + 1, struct iam_EntityDetails)};
    for (size_t i = 0; i < audience.ids.len; i++) {
        struct iam_last_use use;
        struct iam_entity entity;
        struct iam_EntityInfo *info = ARENA_NEW(call->arena, struct iam_EntityInfo);
        bool found;
        TRY(iam_entity_by_id(call, audience.ids.items[i], &entity, &found));
        if (!found)
            continue;
        *info = (struct iam_EntityInfo){
            .Arn = iam_entity_arn(call, &entity),
            .Name = entity.name,
            .Type = entity.kind == IAM_USERS ? STR("USER") : STR("ROLE"),
            .Id = entity.id,
            .Path = entity.path,
        };
        TRY(use_of(call, entity.id, in->ServiceNamespace, &use, &found));
        all.items[all.len++] =
            (struct iam_EntityDetails){info, found ? iam_time(use.at_ms) : (struct opt_time){0}};
    }
    TRY(iam_window_open(call, in->Marker, in->MaxItems, &all, all.len, entity_detail_name,
                        &window));
    out->EntityDetailsList.items = all.items + window.from;
    out->EntityDetailsList.len = window.to - window.from;
    out->JobStatus = STR("COMPLETED");
    out->JobCreationDate = out->JobCompletionDate = iam_time(job.created_ms);
    iam_window_end(call, &window, window.to > 0 ? entity_detail_name(&all, window.to - 1) : STR(""),
                   &out->IsTruncated, &out->Marker);
    return RESULT_OK;
}

/* --- which policies grant a service --- */

static RESULT granting_shown(struct call *call, const struct iam_entity *entity,
                             const struct iam_document *document,
                             struct iam_PolicyGrantingServiceAccess *out)
{
    static const struct str types[] = {[IAM_USERS] = STR_INIT("USER"),
                                       [IAM_GROUPS] = STR_INIT("GROUP"),
                                       [IAM_ROLES] = STR_INIT("ROLE")};
    *out = (struct iam_PolicyGrantingServiceAccess){
        .PolicyName = document->name,
        .PolicyType = str_is_absent(document->arn) ? STR("INLINE") : STR("MANAGED"),
        .PolicyArn = document->arn,
    };
    if (!str_is_absent(document->arn))
        return RESULT_OK;
    struct iam_entity group = *entity;
    bool found;
    if (!str_is_absent(document->holder))
        TRY(iam_entity_by_id(call, document->holder, &group, &found));
    out->EntityType = types[group.kind];
    out->EntityName = group.name;
    return RESULT_OK;
}

RESULT
iam_ListPoliciesGrantingServiceAccess(struct call *call,
                                      const struct iam_ListPoliciesGrantingServiceAccessRequest *in,
                                      struct iam_ListPoliciesGrantingServiceAccessResponse *out)
{
    struct iam_documents documents = {0};
    struct iam_entity entity;
    bool found;
    TRY(iam_entity_by_arn(call, in->Arn, &entity, &found));
    if (!found)
        return call_fail(call, IAM_NO_SUCH_ENTITY, "The entity %.*s cannot be found.",
                         PRSTR(in->Arn));
    if (!str_is_absent(in->Marker)) /* at most 200 services: there are no further pages */
        return call_fail(call, IAM_INVALID_INPUT, "Invalid Marker.");
    TRY(iam_documents_of(call, &entity, &documents));
    out->PoliciesGrantingServiceAccess.items =
        ARENA_ARRAY(call->arena, in->ServiceNamespaces.len + 1,
                    struct iam_ListPoliciesGrantingServiceAccessEntry);
    for (size_t s = 0; s < in->ServiceNamespaces.len; s++) {
        struct iam_ListPoliciesGrantingServiceAccessEntry entry = {
            .ServiceNamespace = in->ServiceNamespaces.items[s]};
        entry.Policies.items =
            ARENA_ARRAY(call->arena, documents.len + 1, struct iam_PolicyGrantingServiceAccess);
        for (size_t i = 0; i < documents.len; i++) {
            const struct iam_document *document = &documents.items[i];
            if (document->boundary ||
                !iam_document_grants(call->arena, document->text, entry.ServiceNamespace))
                continue;
            TRY(granting_shown(call, &entity, document,
                               &entry.Policies.items[entry.Policies.len++]));
        }
        out->PoliciesGrantingServiceAccess.items[out->PoliciesGrantingServiceAccess.len++] = entry;
    }
    out->IsTruncated = opt_bool(false);
    return RESULT_OK;
}
