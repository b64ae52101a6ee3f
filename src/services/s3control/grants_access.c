/* Credentials for what somebody was granted ("Request access to Amazon S3 data through S3 Access
 * Grants", "List the caller's access grants", Amazon S3 User Guide). */
#include "base/vec.h"
#include "cloud/arn.h"
#include "cloud/authorize.h"
#include "cloud/credentials.h"
#include "cloud/identity.h"
#include "cloud/paging.h"
#include "services/s3control/grants_int.h"

enum { HOUR_S = 3600, PACKED_MAX = 2048 };

static const struct str service = STR_INIT("access-grants.s3.amazonaws.com");

/* The ARN that grants name the caller by: a user's, or of a session the role's. Absent: nobody can
 * be granted anything by it. */
static struct str grantee_of(const struct principal *who)
{
    if (who->kind == PRINCIPAL_USER)
        return who->arn;
    if (who->kind == PRINCIPAL_ROLE_SESSION && who->session != NULL)
        return who->session->role_arn;
    return (struct str){0};
}

/* --- the grant that is closest to the target --- */

struct search {
    struct str account;
    struct str grantee;
    struct str permission;
    struct grants_scope target;
};

static bool permits(struct str granted, struct str wanted)
{
    return str_eq(granted, STR("READWRITE")) || str_eq(granted, wanted);
}

static size_t common_length(struct str a, struct str b)
{
    size_t len = 0;
    while (len < a.len && len < b.len && a.ptr[len] == b.ptr[len])
        len++;
    return len;
}

static RESULT stem_of_key(struct call *call, struct str key, struct str *stem)
{
    struct key_reader reader = key_read(call->arena, key);
    for (int i = 0; i < 5; i++)
        if (!key_next_str(&reader, stem))
            return FAULT("a broken index of access grants");
    *stem = str_copy(call->arena, *stem);
    return RESULT_OK;
}

/* What an application may have alone is nobody's here: no session carries one. */
static RESULT matches(struct call *call, const struct search *search, struct str value,
                      struct s3control_grant *grant, bool *match)
{
    TRY(grant_of_index(call, search->account, value, grant));
    const struct grants_scope scope = {grant->stem, grant->object};
    *match = permits(grant->permission, search->permission) && str_is_empty(grant->application) &&
             grants_scope_covers(&scope, &search->target);
    return RESULT_OK;
}

/* Backward from the target through the stems of what the grantee has. Where one is no beginning of
 * the target, those between it and what the two have in common are none either. */
static RESULT search_closest(struct call *call, const struct search *search,
                             struct s3control_grant *grant, bool *found)
{
    struct key prefix = grant_index(call, search->account, search->grantee);
    struct str at = search->target.stem, key, value, stem;
    struct kv_cursor *cursor;
    *found = false;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), true, &cursor));
    for (bool seek = true;;) {
        struct key from = prefix;
        key_str(&from, at);
        key_i64(&from, INT64_MAX);
        if (seek)
            TRY(kv_cursor_seek(cursor, key_bytes(&from)));
        seek = false;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        TRY(stem_of_key(call, key, &stem));
        if (str_starts_with(search->target.stem, stem)) {
            TRY(matches(call, search, value, grant, found));
            if (*found)
                return RESULT_OK;
        } else {
            at = str_slice(at, 0, common_length(at, stem));
            seek = true;
        }
    }
}

/* --- the role --- */

struct assuming {
    struct str source_arn, account, source_identity, session_name;
};

static bool assuming_key(void *self, struct str key, struct policy_values *out)
{
    const struct assuming *assuming = self;
    const struct {
        struct str key;
        const struct str *value;
    } keys[] = {
        {STR_INIT("aws:SourceArn"), &assuming->source_arn},
        {STR_INIT("aws:SourceAccount"), &assuming->account},
        {STR_INIT("sts:SourceIdentity"), &assuming->source_identity},
        {STR_INIT("sts:RoleSessionName"), &assuming->session_name},
    };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (str_eq_nocase(key, keys[i].key) && !str_is_empty(*keys[i].value)) {
            *out = (struct policy_values){keys[i].value, 1};
            return true;
        }
    return false;
}

static RESULT not_trusted(struct call *call, const char *action, struct str role_arn)
{
    return call_fail(call, S3CONTROL_STS_NOT_AUTHORIZED,
                     "User: %.*s is not authorized to perform: %s on resource: %.*s",
                     PRSTR(service), action, PRSTR(role_arn));
}

/* "sts:AssumeRole, [...] and for IAM users or roles sts:SetSourceIdentity" (GetDataAccess). */
static RESULT check_trust(struct call *call, const struct identity_role *role,
                          struct assuming *assuming)
{
    static const char *const actions[] = {"sts:AssumeRole", "sts:SetSourceIdentity"};
    const struct principal who = {.kind = PRINCIPAL_SERVICE, .name = service};
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        const struct authorize_ask ask = {
            .who = &who,
            .action = str_from_c(actions[i]),
            .resource = role->arn,
            .owner = assuming->account,
            .policy = role->trust,
            .form = POLICY_FORM_TRUST,
            .needs_policy = true,
            .find = assuming_key,
            .self = assuming,
        };
        bool trusts;
        TRY(authorize_may(call, &ask, &trusts));
        if (!trusts)
            return not_trusted(call, actions[i], role->arn);
    }
    return RESULT_OK;
}

static RESULT check_duration(struct call *call, const struct identity_role *role, int64_t seconds)
{
    int64_t most = role->max_session_s == 0 ? HOUR_S : role->max_session_s;
    if (seconds <= most)
        return RESULT_OK;
    return call_fail(call, S3CONTROL_STS_VALIDATION,
                     "The requested DurationSeconds exceeds the MaxSessionDuration set for this "
                     "role.");
}

/* Who is behind the session: "AIDA...", "AROA...". */
static struct str identity_of_caller(const struct principal *who)
{
    return who->kind == PRINCIPAL_USER ? who->user_id : who->session->role_id;
}

/* A session of the location's role, which may no more than what was matched. */
static RESULT vend(struct call *call, const struct s3control_grants_instance *instance,
                   const struct s3control_grants_location *location, struct str policy,
                   int64_t seconds, struct credentials *out)
{
    const struct identity_table *identity = identity_of(call->cloud);
    struct identity_role role;
    struct str_map_entry claim = {STR("s3:AccessGrantsInstanceArn"), grants_arn(call, instance)};
    struct assuming assuming = {
        .source_arn = claim.value,
        .account = instance->account,
        .source_identity = identity_of_caller(&call->principal),
        .session_name = str_format(call->arena, "access-grants-%.*s", PRSTR(grants_new_id(call))),
    };
    bool found = false;
    if (identity->role != NULL)
        TRY(identity->role(call, location->role, &role, &found));
    if (!found)
        return not_trusted(call, "sts:AssumeRole", location->role);
    TRY(check_trust(call, &role, &assuming));
    TRY(check_duration(call, &role, seconds));
    if (session_deflate(call->arena, policy).len > PACKED_MAX)
        return call_fail(call, S3CONTROL_STS_PACKED_POLICY_TOO_LARGE,
                         "Serialized token too large for session");
    const struct session_for_service request = {
        .role_arn = location->role,
        .session_name = assuming.session_name,
        .service = service,
        .duration_s = seconds,
        .policy = policy,
        .source_identity = assuming.source_identity,
        .claims = {&claim, 1},
    };
    return session_for_role(call, &request, out, &found);
}

RESULT s3control_GetDataAccess(struct call *call, const struct s3control_GetDataAccessRequest *in,
                               struct s3control_GetDataAccessResult *out)
{
    struct s3control_grants_instance instance;
    struct s3control_grants_location location;
    struct s3control_grant grant;
    struct credentials credentials;
    bool found = false, minimal = str_eq(in->Privilege, STR("Minimal"));
    struct search search = {
        .account = in->AccountId,
        .grantee = grantee_of(&call->principal),
        .permission = in->Permission,
    };
    TRY(grants_open(call, in->AccountId, &instance));
    if (!grants_scope_read(call, in->Target, !str_is_absent(in->TargetType), &search.target))
        return call_fail(call, S3CONTROL_INVALID_REQUEST,
                         "The target must be the path of a bucket, a prefix or an object that "
                         "starts with s3://");
    if (!str_is_absent(search.grantee))
        TRY(search_closest(call, &search, &grant, &found));
    if (!found)
        return call_fail(call, WIRE_ACCESS_DENIED,
                         "You do not have %.*s permissions to the requested S3 Prefix: %.*s",
                         PRSTR(in->Permission), PRSTR(in->Target));
    TRY(location_open(call, in->AccountId, grant.location, &location));
    const struct grants_scope scope =
        minimal ? search.target : (struct grants_scope){grant.stem, grant.object};
    struct str policy = grants_scope_policy(call, &scope, in->Permission);
    int64_t seconds = in->DurationSeconds.set ? in->DurationSeconds.value : HOUR_S;
    TRY(vend(call, &instance, &location, policy, seconds, &credentials));
    out->Credentials = ARENA_NEW(call->arena, struct s3control_Credentials);
    *out->Credentials = (struct s3control_Credentials){
        .AccessKeyId = credentials.principal.access_key,
        .SecretAccessKey = credentials.secret,
        .SessionToken = credentials.session_token,
        .Expiration = opt_time(credentials.expires_ms),
    };
    out->MatchedGrantTarget = minimal ? in->Target : grant.scope;
    out->Grantee = grant_grantee(call, &grant);
    out->MatchedInstanceArn = grants_arn(call, &instance);
    return RESULT_OK;
}

/* --- what the caller has --- */

RESULT s3control_ListCallerAccessGrants(struct call *call,
                                        const struct s3control_ListCallerAccessGrantsRequest *in,
                                        struct s3control_ListCallerAccessGrantsResult *out)
{
    struct s3control_grants_instance instance;
    struct grants_page page;
    struct kv_cursor *cursor;
    struct str grantee = grantee_of(&call->principal), last = {0};
    struct key prefix = grant_index(call, in->AccountId, grantee);
    bool one_application = in->AllowedByApplication.set && in->AllowedByApplication.value;
    size_t cap = 1;
    TRY(grants_open(call, in->AccountId, &instance));
    if (!str_is_absent(in->GrantScope) && !str_starts_with(in->GrantScope, STR("s3://")))
        return call_fail(call, S3CONTROL_INVALID_REQUEST, "The grant scope must start with s3://");
    TRY(grants_page_open(call, &prefix, in->NextToken, in->MaxResults, &page, &cursor));
    out->CallerAccessGrantsList.items =
        ARENA_NEW(call->arena, struct s3control_ListCallerAccessGrantsEntry);
    for (;;) {
        struct str key, value;
        struct s3control_grant one;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key) || str_is_absent(grantee))
            return RESULT_OK;
        TRY(grant_of_index(call, in->AccountId, value, &one));
        bool bound = !str_is_empty(one.application);
        if ((bound && one_application) || !str_starts_with(one.scope, in->GrantScope))
            continue;
        if (out->CallerAccessGrantsList.len == page.limit) {
            out->NextToken = paging_token(call, last);
            return RESULT_OK;
        }
        last = str_copy(call->arena, key);
        struct s3control_ListCallerAccessGrantsEntry entry = {
            .Permission = one.permission,
            .GrantScope = one.scope,
            .ApplicationArn = bound                                  ? one.application
                              : str_eq(one.grantee_type, STR("IAM")) ? STR("NA")
                                                                     : STR("ALL"),
            .AccessGrantsInstanceArn = grants_arn(call, &instance),
        };
        VEC_PUSH(call->arena, out->CallerAccessGrantsList.items, out->CallerAccessGrantsList.len,
                 cap, entry);
    }
}
