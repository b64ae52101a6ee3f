/* When services were last used in an entity of the organization, and which its service control
 * policies let it use ("Refine permissions in AWS using last accessed information": "View last
 * accessed information for AWS Organizations", IAM User Guide). What stands in Organizations is
 * asked of it in the caller's name. */
#include "base/rng.h"
#include "base/vec.h"
#include "cloud/arn.h"
#include "cloud/organization.h"
#include "cloud/paging.h"
#include "gen/organizations.h"
#include "services/iam/iam_int.h"
#include "store/record.h"

/* "Reporting period: the last 400 days". */
static const int64_t tracked_ms = INT64_C(400) * 24 * 3600 * 1000;
enum { REPORT_PAGE = 100 };

/* --- jobs --- */

RESULT
iam_GenerateOrganizationsAccessReport(struct call *call,
                                      const struct iam_GenerateOrganizationsAccessReportRequest *in,
                                      struct iam_GenerateOrganizationsAccessReportResponse *out)
{
    char uuid[36];
    rng_uuid(uuid);
    struct iam_organizations_job job = {
        .id = str_copy(call->arena, str_make(uuid, sizeof uuid)),
        .path = in->EntityPath,
        .policy = in->OrganizationsPolicyId,
        .created_ms = call->now_ms,
    };
    struct key key = iam_key(call, "organizations-job", job.id);
    TRY(call_put_record(call, &key, &iam_model, IAM_SHAPE_organizations_job, &job));
    TRY(iam_keep_for_a_week(call, &key));
    out->JobId = job.id;
    return RESULT_OK;
}

/* --- what Organizations says --- */

struct level {
    struct str *documents;
    size_t len, cap;
};

struct report {
    struct call *call;
    const char *code; /* of what went wrong; NULL: nothing */
    struct str problem;
    struct level *levels; /* of service control policies, from the root to the entity */
    size_t level_count;
    struct member {
        struct str account, path;
    } * members; /* accounts at or below the entity */
    size_t len, cap;
};

/* *out NULL: it was refused, which is the job's failure. */
static RESULT report_ask(struct report *report, uint32_t operation, const void *in,
                         const void **out)
{
    struct call *call = report->call;
    const struct call_invocation ask = call_as_caller(call, &organizations_model, operation, in);
    uint32_t error;
    *out = NULL;
    enum result result = call_invoke(call, &ask, out, &error, &report->problem);
    if (result != RESULT_ERROR)
        return result;
    report->code = str_to_c(
        call->arena, wire_string(&organizations_model, organizations_model.errors[error].name));
    return RESULT_OK;
}

static RESULT report_document(struct report *report, struct str policy, struct level *level)
{
    const struct organizations_DescribePolicyRequest ask = {.PolicyId = policy};
    const void *reply;
    TRY(report_ask(report, ORGANIZATIONS_OP_DescribePolicy, &ask, &reply));
    const struct organizations_DescribePolicyResponse *shown = reply;
    if (shown != NULL)
        VEC_PUSH(report->call->arena, level->documents, level->len, level->cap,
                 shown->Policy->Content);
    return RESULT_OK;
}

static RESULT report_level(struct report *report, struct str target, struct level *level)
{
    struct organizations_ListPoliciesForTargetRequest ask = {
        .TargetId = target, .Filter = STR("SERVICE_CONTROL_POLICY")};
    do {
        const void *reply;
        TRY(report_ask(report, ORGANIZATIONS_OP_ListPoliciesForTarget, &ask, &reply));
        const struct organizations_ListPoliciesForTargetResponse *page = reply;
        if (page == NULL)
            return RESULT_OK;
        for (size_t i = 0; i < page->Policies.len && report->code == NULL; i++)
            TRY(report_document(report, page->Policies.items[i].Id, level));
        ask.NextToken = page->NextToken;
    } while (!str_is_absent(ask.NextToken));
    if (level->len > 0 || report->code != NULL)
        return RESULT_OK;
    report->code = "PolicyTypeNotEnabledException"; /* else there is one at least */
    report->problem = STR("Service control policies are not enabled in the organization's root.");
    return RESULT_OK;
}

static void report_member(struct report *report, struct str account, struct str path)
{
    struct member member = {account, path};
    VEC_PUSH(report->call->arena, report->members, report->len, report->cap, member);
}

static RESULT report_accounts(struct report *report, struct str parent, struct str path)
{
    struct call *call = report->call;
    struct organizations_ListAccountsForParentRequest ask = {.ParentId = parent};
    do {
        const void *reply;
        TRY(report_ask(report, ORGANIZATIONS_OP_ListAccountsForParent, &ask, &reply));
        const struct organizations_ListAccountsForParentResponse *page = reply;
        if (page == NULL)
            return RESULT_OK;
        for (size_t i = 0; i < page->Accounts.len; i++)
            report_member(report, page->Accounts.items[i].Id,
                          str_format(call->arena, "%.*s/%.*s", PRSTR(path),
                                     PRSTR(page->Accounts.items[i].Id)));
        ask.NextToken = page->NextToken;
    } while (!str_is_absent(ask.NextToken));
    return RESULT_OK;
}

/* Units are five deep at most. */
static RESULT report_below(struct report *report, struct str parent, struct str path)
{
    struct call *call = report->call;
    struct organizations_ListOrganizationalUnitsForParentRequest ask = {.ParentId = parent};
    TRY(report_accounts(report, parent, path));
    while (report->code == NULL) {
        const void *reply;
        TRY(report_ask(report, ORGANIZATIONS_OP_ListOrganizationalUnitsForParent, &ask, &reply));
        const struct organizations_ListOrganizationalUnitsForParentResponse *page = reply;
        for (size_t i = 0; page != NULL && i < page->OrganizationalUnits.len; i++) {
            struct str id = page->OrganizationalUnits.items[i].Id;
            TRY(report_below(report, id,
                             str_format(call->arena, "%.*s/%.*s", PRSTR(path), PRSTR(id))));
        }
        if (page == NULL || str_is_absent(page->NextToken))
            break;
        ask.NextToken = page->NextToken;
    }
    return RESULT_OK;
}

/* "o-.../r-.../ou-.../account": each part must stand below the one before it. */
static RESULT report_check_parent(struct report *report, struct str child, struct str parent)
{
    const struct organizations_ListParentsRequest ask = {.ChildId = child};
    const void *reply;
    TRY(report_ask(report, ORGANIZATIONS_OP_ListParents, &ask, &reply));
    const struct organizations_ListParentsResponse *shown = reply;
    if (shown == NULL || (shown->Parents.len == 1 && str_eq(shown->Parents.items[0].Id, parent)))
        return RESULT_OK;
    report->code = "InvalidInput";
    report->problem = STR("The entity path does not name an entity of the organization.");
    return RESULT_OK;
}

static RESULT report_gather(struct report *report, const struct iam_organizations_job *job)
{
    struct call *call = report->call;
    struct organization_standing standing;
    struct str part, above = {0}, rest = job->path;
    TRY(organization_standing(call, call->account, STR("iam.amazonaws.com"), &standing));
    if (str_ends_with(rest, STR("/")))
        rest = str_slice(rest, 0, rest.len - 1);
    struct str path = rest;
    str_cut(rest, '/', &part, &rest);
    if (str_is_absent(standing.id) || !str_eq(part, standing.id) ||
        !str_eq(standing.master, call->account)) {
        report->code = "InvalidInput";
        report->problem = STR("The entity path is not of an organization of which this is the "
                              "management account.");
        return RESULT_OK;
    }
    report->levels = ARENA_ARRAY(call->arena, 8, struct level);
    while (!str_is_empty(rest) && report->code == NULL && report->level_count < 8) {
        str_cut(rest, '/', &part, &rest);
        if (!str_is_absent(above))
            TRY(report_check_parent(report, part, above));
        if (report->code == NULL && str_is_absent(job->policy))
            TRY(report_level(report, part, &report->levels[report->level_count++]));
        above = part;
    }
    if (report->code == NULL && !str_is_absent(job->policy))
        TRY(report_document(report, job->policy, &report->levels[report->level_count++]));
    if (report->code != NULL)
        return RESULT_OK;
    if (arn_is_account(above))
        report_member(report, above, path);
    else
        TRY(report_below(report, above, path));
    return RESULT_OK;
}

/* --- services --- */

/* "Service control policies": each level allows, none denies. */
static bool report_allows(const struct report *report, struct str service)
{
    struct arena *arena = report->call->arena;
    for (size_t l = 0; l < report->level_count; l++) {
        const struct level *level = &report->levels[l];
        bool granted = false;
        for (size_t i = 0; i < level->len; i++) {
            if (iam_document_bars(arena, level->documents[i], service))
                return false;
            granted = granted || iam_document_grants(arena, level->documents[i], service);
        }
        if (!granted)
            return false;
    }
    return true;
}

/* Uses of all that is allowed, in the order of the list. */
static RESULT report_uses(const struct report *report, const struct member *member,
                          struct iam_AccessDetails *list)
{
    struct call *call = report->call;
    struct key prefix = iam_key_of(call, member->account, "advisor", (struct str){0});
    struct kv_cursor *cursor;
    struct str key, value;
    bool *counted = ARENA_ARRAY(call->arena, list->len + 1, bool);
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (;;) {
        struct iam_last_use use;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        TRY(record_decode_copy(call->arena, &iam_model, IAM_SHAPE_last_use, value, &use));
        for (size_t i = 0; i < list->len; i++) {
            struct iam_AccessDetail *detail = &list->items[i];
            if (!str_eq(detail->ServiceNamespace, use.service) ||
                use.at_ms <= call->now_ms - tracked_ms)
                continue;
            detail->TotalAuthenticatedEntities =
                opt_int(detail->TotalAuthenticatedEntities.value + !counted[i]);
            counted[i] = true;
            if (detail->LastAuthenticatedTime.set && use.at_ms <= detail->LastAuthenticatedTime.ms)
                continue;
            detail->LastAuthenticatedTime = iam_time(use.at_ms);
            detail->Region = use.region;
            detail->EntityPath = member->path;
        }
    }
    kv_cursor_close(cursor);
    return RESULT_OK;
}

static bool comes_after(const struct iam_AccessDetail *a, const struct iam_AccessDetail *b,
                        struct str order)
{
    int names = str_cmp(a->ServiceNamespace, b->ServiceNamespace);
    int64_t at = a->LastAuthenticatedTime.set ? a->LastAuthenticatedTime.ms : 0;
    int64_t other = b->LastAuthenticatedTime.set ? b->LastAuthenticatedTime.ms : 0;
    if (str_eq(order, STR("SERVICE_NAMESPACE_DESCENDING")))
        return names < 0;
    if (str_eq(order, STR("LAST_AUTHENTICATED_TIME_ASCENDING")) && at != other)
        return at > other;
    if (str_eq(order, STR("LAST_AUTHENTICATED_TIME_DESCENDING")) && at != other)
        return at < other;
    return names > 0;
}

static void report_sort(struct iam_AccessDetails *list, struct str order)
{
    for (size_t i = 1; i < list->len; i++)
        for (size_t j = i; j > 0 && comes_after(&list->items[j - 1], &list->items[j], order); j--) {
            struct iam_AccessDetail item = list->items[j];
            list->items[j] = list->items[j - 1];
            list->items[j - 1] = item;
        }
}

static RESULT report_services(const struct report *report, struct iam_AccessDetails *list)
{
    struct call *call = report->call;
    list->items = ARENA_ARRAY(call->arena, wire_model_count + 1, struct iam_AccessDetail);
    for (size_t i = 0; i < wire_model_count; i++) {
        const struct wire_model *model = wire_models[i];
        bool there = false; /* several models may be of one service */
        for (size_t j = 0; j < i && !there; j++)
            there = str_eq(wire_models[j]->signing_name, model->signing_name);
        if (!there && report_allows(report, model->signing_name))
            list->items[list->len++] = (struct iam_AccessDetail){
                .ServiceName = model->title,
                .ServiceNamespace = model->signing_name,
                .TotalAuthenticatedEntities = opt_int(0),
            };
    }
    for (size_t i = 0; i < report->len; i++)
        TRY(report_uses(report, &report->members[i], list));
    return RESULT_OK;
}

static RESULT report_page(struct call *call,
                          const struct iam_GetOrganizationsAccessReportRequest *in,
                          const struct iam_AccessDetails *all,
                          struct iam_GetOrganizationsAccessReportResponse *out)
{
    struct str position;
    uint64_t from = 0;
    if (!str_is_absent(in->Marker) &&
        (!paging_position(call, in->Marker, &position) || !str_to_u64(position, &from)))
        return call_fail(call, IAM_INVALID_INPUT, "Invalid Marker.");
    size_t most = in->MaxItems.set ? (size_t)in->MaxItems.value : REPORT_PAGE;
    size_t begin = from < all->len ? (size_t)from : all->len;
    size_t end = all->len - begin > most ? begin + most : all->len;
    out->AccessDetails.items = all->items + begin;
    out->AccessDetails.len = end - begin;
    out->IsTruncated = opt_bool(end < all->len);
    if (end < all->len)
        out->Marker = paging_token(call, str_format(call->arena, "%zu", end));
    return RESULT_OK;
}

RESULT
iam_GetOrganizationsAccessReport(struct call *call,
                                 const struct iam_GetOrganizationsAccessReportRequest *in,
                                 struct iam_GetOrganizationsAccessReportResponse *out)
{
    struct iam_organizations_job job;
    struct iam_AccessDetails all = {0};
    struct report report = {.call = call};
    int32_t unused = 0;
    bool found;
    struct key key = iam_key(call, "organizations-job", in->JobId);
    TRY(call_get_record_copy(call, &key, &iam_model, IAM_SHAPE_organizations_job, &job, &found));
    if (!found)
        return call_fail(call, IAM_NO_SUCH_ENTITY, "Job with id %.*s cannot be found.",
                         PRSTR(in->JobId));
    out->JobCreationDate = out->JobCompletionDate = iam_time(job.created_ms);
    TRY(report_gather(&report, &job));
    if (report.code != NULL) {
        out->JobStatus = STR("FAILED");
        out->ErrorDetails = ARENA_NEW(call->arena, struct iam_ErrorDetails);
        *out->ErrorDetails = (struct iam_ErrorDetails){report.problem, str_from_c(report.code)};
        return RESULT_OK;
    }
    TRY(report_services(&report, &all));
    for (size_t i = 0; i < all.len; i++)
        unused += all.items[i].TotalAuthenticatedEntities.value == 0;
    report_sort(&all, in->SortKey);
    out->JobStatus = STR("COMPLETED");
    out->NumberOfServicesAccessible = opt_int((int32_t)all.len);
    out->NumberOfServicesNotAccessed = opt_int(unused);
    return report_page(call, in, &all, out);
}
