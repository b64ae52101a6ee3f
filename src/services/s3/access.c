/* What each request needs, and who may ("Required permissions for Amazon S3 API operations", "How
 * Amazon S3 authorizes a request", Amazon S3 User Guide). Policies, access control lists and block
 * public access come together in one question to the evaluator: what a list grants becomes a
 * statement beside those of the bucket's policy. */
#include "services/s3/access.h"

#include "base/log.h"
#include "base/vec.h"
#include "cloud/arn.h"
#include "cloud/authorize.h"
#include "services/s3/settings.h"
#include "wire/json_text.h"

/* --- refusing --- */

/* Who is of another account, or nobody, learns no more ("Access denied message examples"). */
static bool is_stranger(const struct call *call, const struct s3_bucket *bucket)
{
    return call->principal.kind == PRINCIPAL_ANONYMOUS ||
           (call->principal.kind != PRINCIPAL_SERVICE && !str_eq(call->account, bucket->account));
}

/* S3 quotes the resource's ARN. */
static struct str quoted(struct arena *arena, struct str message)
{
    struct str mark = STR(" on resource: ");
    size_t at = str_find(message, mark);
    if (at == SIZE_MAX)
        return message;
    struct str before = str_slice(message, 0, at + mark.len), rest, arn;
    rest = str_slice(message, at + mark.len, message.len);
    /* A key may have blanks: the reason begins with one of two words. */
    size_t end = str_find(rest, STR(" because no "));
    if (end == SIZE_MAX)
        end = str_find(rest, STR(" with an explicit deny "));
    arn = str_slice(rest, 0, end == SIZE_MAX ? rest.len : end);
    rest = str_slice(rest, arn.len, rest.len);
    return str_format(arena, "%.*s\"%.*s\"%.*s", PRSTR(before), PRSTR(arn), PRSTR(rest));
}

static RESULT refuse(const struct access_question *question, struct str reason, bool *allowed)
{
    struct call *call = question->call;
    struct str text =
        str_format(call->arena, "User: %.*s is not authorized to perform: %.*s%.*s",
                   PRSTR(call->principal.arn), PRSTR(question->action), PRSTR(reason));
    if (call->cloud->iam == IAM_AUDIT) {
        log_line(LOG_WARN, "iam audit: %.*s", PRSTR(text));
        return RESULT_OK;
    }
    if (allowed != NULL) {
        *allowed = false;
        return RESULT_OK;
    }
    if (is_stranger(call, &question->target->bucket))
        text = STR("Access Denied");
    return call_fail(call, WIRE_ACCESS_DENIED, "%.*s", PRSTR(text));
}

/* --- what stands beside the bucket's policy --- */

RESULT access_read_object(struct access_question *question)
{
    struct call *call = question->call;
    uint64_t number;
    if (question->read || str_is_absent(question->key))
        return RESULT_OK;
    question->read = true;
    /* An id that is none is the function's affair. */
    if (!str_is_absent(question->version_id) && !str_eq(question->version_id, STR("null")) &&
        !s3_read_id(call->arena, question->version_id, &number))
        return RESULT_OK;
    return object_find(call, &question->target->bucket, question->key, question->version_id,
                       &question->place);
}

/* "Mapping of ACL permissions and access policy permissions". */
static unsigned list_permission(struct str action, bool *of_object)
{
    static const struct {
        struct str action;
        unsigned mask;
        bool of_object;
    } map[] = {
        {STR_INIT("s3:GetObject"), ACL_READ, true},
        {STR_INIT("s3:GetObjectVersion"), ACL_READ, true},
        {STR_INIT("s3:GetObjectAcl"), ACL_READ_ACP, true},
        {STR_INIT("s3:GetObjectVersionAcl"), ACL_READ_ACP, true},
        {STR_INIT("s3:PutObjectAcl"), ACL_WRITE_ACP, true},
        {STR_INIT("s3:PutObjectVersionAcl"), ACL_WRITE_ACP, true},
        {STR_INIT("s3:ListBucket"), ACL_READ, false},
        {STR_INIT("s3:ListBucketVersions"), ACL_READ, false},
        {STR_INIT("s3:ListBucketMultipartUploads"), ACL_READ, false},
        {STR_INIT("s3:PutObject"), ACL_WRITE, false},
        {STR_INIT("s3:GetBucketAcl"), ACL_READ_ACP, false},
        {STR_INIT("s3:PutBucketAcl"), ACL_WRITE_ACP, false},
    };
    for (size_t i = 0; i < sizeof map / sizeof map[0]; i++) {
        if (!str_eq(action, map[i].action))
            continue;
        *of_object = map[i].of_object;
        return map[i].mask;
    }
    return 0;
}

/* Whether a list gives what is asked for; *owner: whose the object is. */
static RESULT ask_lists(struct access_question *question, int64_t public_access, bool *granted,
                        struct str *owner)
{
    struct call *call = question->call;
    const struct s3_bucket *bucket = &question->target->bucket;
    bool of_object = false, found = false;
    unsigned mask = list_permission(question->action, &of_object);
    bool public_too = (public_access & PUBLIC_ACCESS_IGNORE_ACLS) == 0;
    *granted = false;
    /* Who may write an object may say with it who else may read it. */
    if (mask == ACL_WRITE_ACP && of_object && call->operation != S3_OP_PutObjectAcl) {
        mask = ACL_WRITE;
        of_object = false;
    }
    if (mask == 0 || !acl_is_enabled(bucket))
        return RESULT_OK;
    if (of_object) {
        TRY(access_read_object(question));
        if (!question->place.found)
            return RESULT_OK;
        const struct s3_object *object = &question->place.object;
        if (!str_is_absent(object->owner))
            *owner = object->owner;
        *granted = acl_grants(call, object->acl, mask, public_too);
        return RESULT_OK;
    }
    struct s3_AccessControlPolicy acl;
    TRY(setting_get(call, bucket, S3_SETTING_ACL, (struct str){0}, &acl, &found));
    *granted = found && acl_grants(call, &acl, mask, public_too);
    return RESULT_OK;
}

/* The bucket's policy with a statement for what a list grants. only_denials: of the policy nothing
 * else counts, for the object is another account's. */
static struct str joined_policy(const struct access_question *question, struct str policy,
                                bool granted, bool only_denials)
{
    struct call *call = question->call;
    struct str raw, effect, item, statements = STR("[]"), version = STR("\"2012-10-17\"");
    struct buf out;
    bool first = true;
    if (!granted && !only_denials)
        return policy;
    if (!str_is_absent(policy)) {
        if (json_member(call->arena, policy, STR("Version"), &raw))
            version = raw;
        else
            version = STR("\"2008-10-17\"");
        if (json_member(call->arena, policy, STR("Statement"), &statements) &&
            json_kind_of(statements) == JSON_OBJECT)
            statements = str_format(call->arena, "[%.*s]", PRSTR(statements));
    }
    buf_init(&out, call->arena, SIZE_MAX);
    buf_append_format(&out, "{\"Version\":%.*s,\"Statement\":[", PRSTR(version));
    while (json_next_item(&statements, &item)) {
        bool denies = json_member(call->arena, item, STR("Effect"), &raw) &&
                      json_string(call->arena, raw, &effect) && str_eq(effect, STR("Deny"));
        if (only_denials && !denies)
            continue;
        buf_append_c(&out, first ? "" : ",");
        buf_append(&out, item);
        first = false;
    }
    if (granted) {
        struct str whom = STR("\"*\"");
        if (call->principal.kind != PRINCIPAL_ANONYMOUS &&
            call->principal.kind != PRINCIPAL_SERVICE)
            whom = str_format(call->arena, "{\"AWS\":\"%.*s\"}", PRSTR(call->account));
        buf_append_format(
            &out,
            "%s{\"Effect\":\"Allow\",\"Principal\":%.*s,\"Action\":\"%.*s\",\"Resource\":\"*\"}",
            first ? "" : ",", PRSTR(whom), PRSTR(question->action));
    }
    buf_append_c(&out, "]}");
    return buf_str(&out);
}

/* --- one question --- */

static RESULT put(struct access_question *question, struct str resource, struct str owner,
                  struct str policy, bool *allowed)
{
    struct call *call = question->call;
    const struct authorize_ask ask = {
        .action = question->action,
        .resource = resource,
        .owner = owner,
        .policy = policy,
        .form = POLICY_FORM_RESOURCE,
        .in = question->in,
        .find = access_key,
        .self = question,
    };
    if (allowed != NULL)
        return authorize_may(call, &ask, allowed);
    enum result result = authorize_ask(call, &ask);
    if (result != RESULT_ERROR)
        return result;
    call->message = is_stranger(call, &question->target->bucket)
                        ? STR("Access Denied")
                        : quoted(call->arena, call->message);
    if (call->model != &s3_model ||
        (call->operation != S3_OP_HeadBucket && call->operation != S3_OP_ListObjects &&
         call->operation != S3_OP_ListObjectsV2))
        return result;
    /* Clients find a bucket's region so, whoever owns it ("HeadBucket"). */
    struct s3_BucketAccessDenied *detail = ARENA_NEW(call->arena, struct s3_BucketAccessDenied);
    detail->BucketRegion = question->target->bucket.region;
    return call_fail_with(call, S3_BUCKET_ACCESS_DENIED, detail, "%.*s", PRSTR(call->message));
}

/* RestrictPublicBuckets: a public policy lets in the owner's account and AWS's services alone. */
static RESULT check_restricted(struct access_question *question, struct str policy,
                               struct str owner, int64_t bits, bool *allowed)
{
    struct call *call = question->call;
    bool is_public;
    if ((bits & PUBLIC_ACCESS_RESTRICT) == 0 || str_is_absent(policy) ||
        call->principal.kind == PRINCIPAL_SERVICE || str_eq(call->account, owner))
        return RESULT_OK;
    TRY(bucket_policy_is_public(call, policy, &is_public));
    if (!is_public)
        return RESULT_OK;
    return refuse(question,
                  STR(" because public policies are restricted by the RestrictPublicBuckets "
                      "setting in S3 Block Public Access."),
                  allowed);
}

/* Through an access point its policy must allow, too, and a private network's admits none from
 * elsewhere ("Creating access points restricted to a virtual private cloud"). */
static RESULT ask_point(struct access_question *question, bool *allowed)
{
    struct call *call = question->call;
    const struct access_point *point = &question->target->point;
    struct str arn = access_point_arn(call, point);
    int64_t account;
    if (!str_is_absent(point->vpc))
        return refuse(question, STR(" because the access point admits only requests of its VPC"),
                      allowed);
    if (!str_is_absent(question->key))
        arn = str_format(call->arena, "%.*s/object/%.*s", PRSTR(arn), PRSTR(question->key));
    TRY(account_public_access(call, point->account, &account));
    TRY(check_restricted(question, point->policy, point->account, point->public_access | account,
                         allowed));
    if (allowed != NULL && !*allowed)
        return RESULT_OK;
    return put(question, arn, point->account, point->policy, allowed);
}

RESULT access_ask(struct access_question *question, bool *allowed)
{
    struct call *call = question->call;
    const struct access_target *target = question->target;
    const struct s3_bucket *bucket = &target->bucket;
    struct str policy, owner = bucket->account, arn;
    int64_t bits = 0;
    bool granted = false;
    if (allowed != NULL)
        *allowed = true;
    if (call->cloud->iam == IAM_OFF)
        return RESULT_OK;
    if (target->by_point)
        TRY(ask_point(question, allowed));
    if (allowed != NULL && !*allowed)
        return RESULT_OK;
    TRY(bucket_policy_text(call, bucket, &policy));
    bool listed = acl_is_enabled(bucket);
    if (listed || !str_is_absent(policy))
        TRY(public_access_of(call, bucket, &bits));
    TRY(check_restricted(question, policy, owner, bits, allowed));
    if (allowed != NULL && !*allowed)
        return RESULT_OK;
    if (listed)
        TRY(ask_lists(question, bits, &granted, &owner));
    arn = str_format(call->arena, "arn:%.*s:s3:::%.*s%s%.*s", PRSTR(call->partition),
                     PRSTR(bucket->name), str_is_absent(question->key) ? "" : "/",
                     PRSTR(question->key));
    policy = joined_policy(question, policy, granted, !str_eq(owner, bucket->account));
    return put(question, arn, owner, policy, allowed);
}
