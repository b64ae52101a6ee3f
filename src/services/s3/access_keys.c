/* Condition keys of S3's own. */
#include "base/time.h"
#include "base/vec.h"
#include "services/s3/access.h"
#include "wire/params.h"

/* --- members of requests --- */

static const struct wire_member *member_of(const struct call *call, const char *name)
{
    const struct wire_model *model = call->model;
    const struct wire_shape *shape = &model->shapes[model->operations[call->operation].input];
    struct str wanted = str_from_c(name);
    for (size_t i = 0; i < shape->member_count; i++) {
        const struct wire_member *member = &model->members[shape->members + i];
        if (str_eq(wire_string(model, member->name), wanted))
            return member;
    }
    return NULL;
}

static const void *member_at(const struct call *call, const void *in, const char *name,
                             enum wire_type type)
{
    const struct wire_member *member = in == NULL ? NULL : member_of(call, name);
    if (member == NULL || call->model->shapes[member->shape].type != type)
        return NULL;
    return (const char *)in + member->offset;
}

struct str access_member(const struct call *call, const void *in, const char *name)
{
    const struct str *value = member_at(call, in, name, WIRE_STRING);
    return value == NULL ? (struct str){0} : *value;
}

static bool give(const struct access_question *question, struct str value,
                 struct policy_values *out)
{
    if (str_is_absent(value))
        return false;
    struct str *kept = ARENA_NEW(question->call->arena, struct str);
    *kept = value;
    *out = (struct policy_values){kept, 1};
    return true;
}

static bool give_time(const struct access_question *question, int64_t ms, struct policy_values *out)
{
    struct buf text;
    buf_init(&text, question->call->arena, 64);
    time_format_iso8601(&text, ms);
    return give(question, buf_str(&text), out);
}

static bool give_number(const struct access_question *question, int64_t number,
                        struct policy_values *out)
{
    return give(question, str_format(question->call->arena, "%lld", (long long)number), out);
}

/* --- tags --- */

/* What the request would tag the object with. */
static void request_tags(const struct access_question *question, struct str_map *tags)
{
    struct call *call = question->call;
    size_t cap = 0;
    *tags = (struct str_map){0};
    struct s3_Tagging *const *body = member_at(call, question->in, "Tagging", WIRE_STRUCT);
    for (size_t i = 0; body != NULL && *body != NULL && i < (*body)->TagSet.len; i++) {
        const struct s3_Tag *tag = &(*body)->TagSet.items[i];
        struct str_map_entry entry = {tag->Key, str_is_absent(tag->Value) ? STR("") : tag->Value};
        VEC_PUSH(call->arena, tags->items, tags->len, cap, entry);
    }
    struct wire_params params = {0};
    struct str text = access_member(call, question->in, "Tagging");
    if (str_is_empty(text) || !wire_params_read(call->arena, text, &params))
        return;
    for (size_t i = 0; i < params.len; i++) {
        struct str value = params.items[i].value;
        struct str_map_entry entry = {params.items[i].key, str_is_absent(value) ? STR("") : value};
        VEC_PUSH(call->arena, tags->items, tags->len, cap, entry);
    }
}

static bool give_tag(const struct access_question *question, const struct str_map *tags,
                     struct str name, struct policy_values *out)
{
    for (size_t i = 0; i < tags->len; i++)
        if (str_eq_nocase(tags->items[i].key, name))
            return give(question, tags->items[i].value, out);
    return false;
}

static bool key_of_tag(struct access_question *question, struct str key, struct policy_values *out)
{
    struct str kind, name;
    struct str_map tags;
    if (!str_cut(key, '/', &kind, &name))
        return false;
    if (str_eq_nocase(kind, STR("s3:ExistingObjectTag"))) {
        if (access_read_object(question) != RESULT_OK || !question->place.found)
            return false;
        return give_tag(question, &question->place.object.tags, name, out);
    }
    if (str_eq_nocase(kind, STR("s3:RequestObjectTag"))) {
        request_tags(question, &tags);
        return give_tag(question, &tags, name, out);
    }
    if (str_eq_nocase(kind, STR("s3:AccessPointTag")))
        return question->target->by_point &&
               give_tag(question, &question->target->point.tags, name, out);
    /* "Using tags with S3 general purpose buckets", Attribute-based access control. */
    bool of_bucket =
        str_eq_nocase(kind, STR("s3:BucketTag")) || str_eq_nocase(kind, STR("aws:ResourceTag"));
    return of_bucket && question->target->bucket.abac &&
           give_tag(question, &question->target->bucket.tags, name, out);
}

static bool key_of_tag_keys(const struct access_question *question, struct policy_values *out)
{
    struct str_map tags;
    request_tags(question, &tags);
    struct str *keys = ARENA_ARRAY(question->call->arena, tags.len + 1, struct str);
    for (size_t i = 0; i < tags.len; i++)
        keys[i] = tags.items[i].key;
    *out = (struct policy_values){keys, tags.len};
    return tags.len > 0;
}

/* --- how the request is signed --- */

static struct str query_value(const struct call *call, struct str name)
{
    struct wire_params params = {0};
    if (call->request == NULL || str_is_empty(call->request->query) ||
        !wire_params_read(call->arena, call->request->query, &params))
        return (struct str){0};
    const struct wire_param *found = wire_params_find(&params, name);
    return found == NULL ? (struct str){0} : found->value;
}

static struct str algorithm_of(const struct call *call)
{
    struct str asymmetric = STR("AWS4-ECDSA-P256-SHA256");
    struct str header = wire_request_header(call->request, STR("authorization"));
    bool is = str_starts_with(header, asymmetric) ||
              str_eq(query_value(call, STR("X-Amz-Algorithm")), asymmetric);
    return is ? asymmetric : STR("AWS4-HMAC-SHA256");
}

static bool key_of_signature(const struct access_question *question, struct str key,
                             struct policy_values *out)
{
    const struct call *call = question->call;
    if (call->request == NULL || call->principal.kind == PRINCIPAL_ANONYMOUS)
        return false;
    struct str presigned = query_value(call, STR("X-Amz-Date")), date = presigned;
    bool older = !str_is_absent(query_value(call, STR("AWSAccessKeyId")));
    bool form = !str_is_absent(wire_request_header(call->request, STR("policy")));
    if (str_eq_nocase(key, STR("s3:authType")))
        return give(question,
                    form                                 ? STR("POST")
                    : older || !str_is_absent(presigned) ? STR("REST-QUERY-STRING")
                                                         : STR("REST-HEADER"),
                    out);
    if (str_eq_nocase(key, STR("s3:signatureversion")))
        return give(question, older ? STR("AWS") : algorithm_of(call), out);
    if (!str_eq_nocase(key, STR("s3:signatureAge")))
        return false;
    int64_t signed_ms;
    if (str_is_absent(date))
        date = wire_request_header(call->request, STR("x-amz-date"));
    if (!time_parse_basic(date, &signed_ms))
        return false;
    signed_ms += call->signer_ahead_ms;
    return give_number(question, call->now_ms > signed_ms ? call->now_ms - signed_ms : 0, out);
}

/* --- members --- */

static bool key_of_member(const struct access_question *question, struct str key,
                          struct policy_values *out)
{
    static const struct {
        struct str key;
        const char *member;
    } map[] = {
        {STR_INIT("s3:prefix"), "Prefix"},
        {STR_INIT("s3:delimiter"), "Delimiter"},
        {STR_INIT("s3:VersionId"), "VersionId"},
        {STR_INIT("s3:x-amz-acl"), "ACL"},
        {STR_INIT("s3:x-amz-grant-full-control"), "GrantFullControl"},
        {STR_INIT("s3:x-amz-grant-read"), "GrantRead"},
        {STR_INIT("s3:x-amz-grant-read-acp"), "GrantReadACP"},
        {STR_INIT("s3:x-amz-grant-write"), "GrantWrite"},
        {STR_INIT("s3:x-amz-grant-write-acp"), "GrantWriteACP"},
        {STR_INIT("s3:x-amz-copy-source"), "CopySource"},
        {STR_INIT("s3:x-amz-metadata-directive"), "MetadataDirective"},
        {STR_INIT("s3:x-amz-object-ownership"), "ObjectOwnership"},
        {STR_INIT("s3:x-amz-bucket-namespace"), "BucketNamespace"},
        {STR_INIT("s3:x-amz-server-side-encryption"), "ServerSideEncryption"},
        {STR_INIT("s3:x-amz-server-side-encryption-aws-kms-key-id"), "SSEKMSKeyId"},
        {STR_INIT("s3:x-amz-server-side-encryption-customer-algorithm"), "SSECustomerAlgorithm"},
        {STR_INIT("s3:x-amz-storage-class"), "StorageClass"},
        {STR_INIT("s3:x-amz-website-redirect-location"), "WebsiteRedirectLocation"},
        {STR_INIT("s3:if-match"), "IfMatch"},
        {STR_INIT("s3:if-none-match"), "IfNoneMatch"},
        {STR_INIT("s3:object-lock-mode"), "ObjectLockMode"},
        {STR_INIT("s3:object-lock-legal-hold"), "ObjectLockLegalHoldStatus"},
    };
    struct call *call = question->call;
    for (size_t i = 0; i < sizeof map / sizeof map[0]; i++) {
        if (!str_eq_nocase(key, map[i].key))
            continue;
        struct str value = access_member(call, question->in, map[i].member);
        if (str_eq(map[i].key, STR("s3:x-amz-copy-source")) && str_starts_with(value, STR("/")))
            value = str_slice(value, 1, value.len);
        return give(question, value, out);
    }
    return false;
}

/* A duration in years counts as days: "There is no years-based condition key" (Object Lock
 * considerations). */
static bool key_of_hold(const struct access_question *question, struct str key,
                        struct policy_values *out)
{
    struct call *call = question->call;
    struct str hold = access_member(call, question->in, "ObjectLockEventHold");
    const struct opt_int *days =
        member_at(call, question->in, "ObjectLockEventHoldDurationDays", WIRE_INT);
    const struct opt_int *years =
        member_at(call, question->in, "ObjectLockEventHoldDurationYears", WIRE_INT);
    struct s3_ObjectLockRetention *const *retention =
        member_at(call, question->in, "Retention", WIRE_STRUCT);
    if (retention != NULL && *retention != NULL) {
        hold = (*retention)->EventHold;
        days =
            (*retention)->EventHoldDuration == NULL ? NULL : &(*retention)->EventHoldDuration->Days;
        years = (*retention)->EventHoldDuration == NULL ? NULL
                                                        : &(*retention)->EventHoldDuration->Years;
    }
    if (str_eq_nocase(key, STR("s3:object-lock-event-hold")))
        return give(question, hold, out);
    if (!str_eq_nocase(key, STR("s3:object-lock-event-hold-duration-days")))
        return false;
    if (days != NULL && days->set)
        return give_number(question, days->value, out);
    return years != NULL && years->set && give_number(question, INT64_C(365) * years->value, out);
}

static bool key_of_lock(const struct access_question *question, struct str key,
                        struct policy_values *out)
{
    struct call *call = question->call;
    const struct opt_time *until =
        member_at(call, question->in, "ObjectLockRetainUntilDate", WIRE_TIMESTAMP);
    struct s3_ObjectLockRetention *const *retention =
        member_at(call, question->in, "Retention", WIRE_STRUCT);
    struct s3_ObjectLockLegalHold *const *hold =
        member_at(call, question->in, "LegalHold", WIRE_STRUCT);
    if (retention != NULL && *retention != NULL) {
        until = &(*retention)->RetainUntilDate;
        if (str_eq_nocase(key, STR("s3:object-lock-mode")))
            return give(question, (*retention)->Mode, out);
    }
    if (hold != NULL && *hold != NULL && str_eq_nocase(key, STR("s3:object-lock-legal-hold")))
        return give(question, (*hold)->Status, out);
    if (key_of_hold(question, key, out))
        return true;
    if (until == NULL || !until->set)
        return false;
    if (str_eq_nocase(key, STR("s3:object-lock-retain-until-date")))
        return give_time(question, until->ms, out);
    return str_eq_nocase(key, STR("s3:object-lock-remaining-retention-days")) &&
           give_number(question, (until->ms - call->now_ms + 86399999) / 86400000, out);
}

static bool key_of_place(const struct access_question *question, struct str key,
                         struct policy_values *out)
{
    struct call *call = question->call;
    const struct access_target *target = question->target;
    const struct opt_int *limit = member_at(call, question->in, "MaxKeys", WIRE_INT);
    struct s3_CreateBucketConfiguration *const *made =
        member_at(call, question->in, "CreateBucketConfiguration", WIRE_STRUCT);
    if (str_eq_nocase(key, STR("s3:ResourceAccount")))
        return give(question, target->bucket.account, out);
    if (str_eq_nocase(key, STR("s3:max-keys")))
        return limit != NULL && limit->set && give_number(question, limit->value, out);
    if (str_eq_nocase(key, STR("s3:LocationConstraint")))
        return made != NULL && *made != NULL && give(question, (*made)->LocationConstraint, out);
    if (str_eq_nocase(key, STR("s3:x-amz-content-sha256")))
        return call->request != NULL &&
               give(question, wire_request_header(call->request, STR("x-amz-content-sha256")), out);
    if (!target->by_point)
        return false;
    if (str_eq_nocase(key, STR("s3:DataAccessPointArn")))
        return give(question, access_point_arn(call, &target->point), out);
    if (str_eq_nocase(key, STR("s3:DataAccessPointAccount")))
        return give(question, target->point.account, out);
    return str_eq_nocase(key, STR("s3:AccessPointNetworkOrigin")) &&
           give(question, str_is_absent(target->point.vpc) ? STR("Internet") : STR("VPC"), out);
}

bool access_key(void *self, struct str key, struct policy_values *out)
{
    struct access_question *question = self;
    if (str_find_char(key, '/') != SIZE_MAX)
        return key_of_tag(question, key, out);
    if (!str_eq_nocase(str_slice(key, 0, 3), STR("s3:")))
        return false;
    if (str_eq_nocase(key, STR("s3:RequestObjectTagKeys")))
        return key_of_tag_keys(question, out);
    return key_of_lock(question, key, out) || key_of_member(question, key, out) ||
           key_of_place(question, key, out) || key_of_signature(question, key, out);
}
