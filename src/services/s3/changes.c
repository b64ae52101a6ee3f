/* From a change to its notifications: which rules want it, and how it reads. */
#include "services/s3/changes.h"

#include "base/encode.h"
#include "base/time.h"
#include "services/s3/replication.h"
#include "services/s3/settings.h"
#include "store/record.h"
#include "wire/wire.h"

/* What stands in a record about the object. */
enum { SHOWS_SIZE = 1, SHOWS_ETAG = 2 };

struct change_row {
    struct str name;    /* without "s3:" */
    const char *format; /* eventVersion */
    unsigned shows;
};
static const struct change_row change_rows[] = {
    [S3_CREATED_PUT] = {STR_INIT("ObjectCreated:Put"), "2.1", SHOWS_SIZE | SHOWS_ETAG},
    [S3_CREATED_POST] = {STR_INIT("ObjectCreated:Post"), "2.1", SHOWS_SIZE | SHOWS_ETAG},
    [S3_CREATED_COPY] = {STR_INIT("ObjectCreated:Copy"), "2.1", SHOWS_SIZE | SHOWS_ETAG},
    [S3_CREATED_MULTIPART] = {STR_INIT("ObjectCreated:CompleteMultipartUpload"), "2.1",
                              SHOWS_SIZE | SHOWS_ETAG},
    [S3_REMOVED] = {STR_INIT("ObjectRemoved:Delete"), "2.1", 0},
    [S3_MARKER_MADE] = {STR_INIT("ObjectRemoved:DeleteMarkerCreated"), "2.1", SHOWS_ETAG},
    [S3_RESTORE_POST] = {STR_INIT("ObjectRestore:Post"), "2.1", SHOWS_SIZE | SHOWS_ETAG},
    [S3_RESTORE_COMPLETED] = {STR_INIT("ObjectRestore:Completed"), "2.1", SHOWS_SIZE | SHOWS_ETAG},
    [S3_RESTORE_DELETED] = {STR_INIT("ObjectRestore:Delete"), "2.3", SHOWS_SIZE | SHOWS_ETAG},
    [S3_EXPIRED] = {STR_INIT("LifecycleExpiration:Delete"), "2.3", 0},
    [S3_EXPIRED_MARKER] = {STR_INIT("LifecycleExpiration:DeleteMarkerCreated"), "2.3", SHOWS_ETAG},
    [S3_TRANSITIONED] = {STR_INIT("LifecycleTransition"), "2.3", SHOWS_SIZE | SHOWS_ETAG},
    [S3_TIERED] = {STR_INIT("IntelligentTiering"), "2.3", SHOWS_SIZE | SHOWS_ETAG},
    [S3_REPLICATION_FAILED] = {STR_INIT("Replication:OperationFailedReplication"), "2.2",
                               SHOWS_SIZE | SHOWS_ETAG},
    [S3_REPLICATION_LATE] = {STR_INIT("Replication:OperationMissedThreshold"), "2.2",
                             SHOWS_SIZE | SHOWS_ETAG},
    [S3_REPLICATION_CAUGHT_UP] = {STR_INIT("Replication:OperationReplicatedAfterThreshold"), "2.2",
                                  SHOWS_SIZE | SHOWS_ETAG},
    [S3_REPLICATION_NOT_TRACKED] = {STR_INIT("Replication:OperationNotTracked"), "2.2",
                                    SHOWS_SIZE | SHOWS_ETAG},
    [S3_TAGGING_PUT] = {STR_INIT("ObjectTagging:Put"), "2.3", SHOWS_ETAG},
    [S3_TAGGING_DELETED] = {STR_INIT("ObjectTagging:Delete"), "2.3", SHOWS_ETAG},
    [S3_ACL_PUT] = {STR_INIT("ObjectAcl:Put"), "2.3", SHOWS_ETAG},
    [S3_RETENTION_PUT] = {STR_INIT("ObjectRetention:Put"), "2.3", SHOWS_ETAG},
    [S3_ANNOTATION_PUT] = {STR_INIT("ObjectAnnotation:Put"), "2.3", SHOWS_ETAG},
    [S3_ANNOTATION_DELETED] = {STR_INIT("ObjectAnnotation:Delete"), "2.3", SHOWS_ETAG},
};
_Static_assert(sizeof change_rows / sizeof change_rows[0] == S3_CHANGE_KINDS, "a row for each");

/* --- the record --- */

static void put_text(struct buf *out, const char *name, struct str value)
{
    buf_append_format(out, "\"%s\":", name);
    wire_json_write_string(out, value);
}

static void put_time(struct buf *out, const char *name, int64_t ms)
{
    struct civil_time t = time_to_civil(ms);
    buf_append_format(out, "\"%s\":\"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ\"", name, t.year, t.month,
                      t.day, t.hour, t.minute, t.second, t.millisecond);
}

/* An account's "retail customer id": of the form of A3NL1KOZZKEXAM. */
static struct str customer_id(struct arena *arena, struct str account)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    uint8_t digest[SHA256_SIZE];
    digest_sha256(str_concat(arena, STR("customer "), account), digest);
    struct buf out;
    buf_init(&out, arena, 16);
    buf_append(&out, STR("A"));
    for (size_t i = 0; i < 13; i++)
        buf_append(&out, str_make(&letters[digest[i] & 31], 1));
    return buf_str(&out);
}

static struct str change_who(struct call *call)
{
    switch (call->principal.kind) {
    case PRINCIPAL_ANONYMOUS:
        return STR("Anonymous");
    case PRINCIPAL_SERVICE:
        return call->principal.name;
    case PRINCIPAL_ROOT:
        return customer_id(call->arena, call->principal.account);
    case PRINCIPAL_USER:
    case PRINCIPAL_ROLE_SESSION:
    case PRINCIPAL_FEDERATED:
        break;
    }
    return str_concat(call->arena, STR("AWS:"), call->principal.user_id);
}

static void put_object(struct call *call, struct buf *out, const struct change_row *row,
                       const struct s3_change *change, uint64_t sequence)
{
    const struct s3_object *object = change->object;
    buf_append(out, STR("\"object\":{"));
    put_text(out, "key", s3_form_key(call->arena, change->key));
    if (row->shows & SHOWS_SIZE)
        buf_append_format(out, ",\"size\":%lld", (long long)object->size);
    if (row->shows & SHOWS_ETAG) {
        buf_append(out, STR(","));
        /* That of nothing, for a delete marker. */
        put_text(out, "eTag",
                 object->delete_marker ? STR("d41d8cd98f00b204e9800998ecf8427e") : object->etag);
    }
    if (!str_is_absent(object->version_id)) {
        buf_append(out, STR(","));
        put_text(out, "versionId", object->version_id);
    }
    buf_append_format(out, ",\"sequencer\":\"%018llX\"}", (unsigned long long)sequence);
}

/* What one kind or another has besides. */
static void put_more(struct buf *out, const struct s3_change *change)
{
    const struct s3_object *object = change->object;
    struct str class =
        str_is_absent(object->storage_class) ? STR("STANDARD") : object->storage_class;
    switch ((int)change->kind) {
    case S3_RESTORE_COMPLETED:
    case S3_RESTORE_DELETED:
        buf_append(out, STR(",\"glacierEventData\":{\"restoreEventData\":{"));
        put_time(out, "lifecycleRestorationExpiryTime", change->restored_until_ms);
        buf_append(out, STR(","));
        put_text(out, "lifecycleRestoreStorageClass", class);
        buf_append(out, STR("}}"));
        break;
    case S3_TRANSITIONED:
        buf_append(out, STR(",\"lifecycleEventData\":{\"transitionEventData\":{"));
        put_text(out, "destinationStorageClass", class);
        buf_append(out, STR("}}"));
        break;
    case S3_TIERED:
        buf_append(out, STR(",\"intelligentTieringEventData\":{"));
        put_text(out, "destinationAccessTier", change->target);
        buf_append(out, STR("}"));
        break;
    case S3_REPLICATION_FAILED:
    case S3_REPLICATION_LATE:
    case S3_REPLICATION_CAUGHT_UP:
    case S3_REPLICATION_NOT_TRACKED:
        buf_append(out, STR(",\"replicationEventData\":{"));
        put_text(out, "replicationRuleId", change->rule_id);
        buf_append(out, STR(","));
        put_text(out, "destinationBucket", change->target);
        buf_append(out, STR(","));
        put_text(out, "s3Operation", change->operation);
        buf_append(out, STR(","));
        put_time(out, "requestTime", change->requested_ms);
        if (!str_is_absent(change->reason)) {
            buf_append(out, STR(","));
            put_text(out, "failureReason", change->reason);
        }
        buf_append(out, STR("}"));
        break;
    default:
        break;
    }
}

static struct str change_record(struct call *call, const struct s3_bucket *bucket,
                                const struct s3_change *change, struct str configuration,
                                uint64_t sequence)
{
    const struct change_row *row = &change_rows[change->kind];
    struct buf *out = ARENA_NEW(call->arena, struct buf);
    buf_init(out, call->arena, SIZE_MAX);
    buf_append_format(out, "{\"Records\":[{\"eventVersion\":\"%s\",\"eventSource\":\"aws:s3\",",
                      row->format);
    put_text(out, "awsRegion", bucket->region);
    buf_append(out, STR(","));
    put_time(out, "eventTime", call->now_ms);
    buf_append(out, STR(","));
    put_text(out, "eventName", row->name);
    buf_append(out, STR(",\"userIdentity\":{"));
    put_text(out, "principalId", change_who(call));
    buf_append(out, STR("},\"requestParameters\":{"));
    put_text(out, "sourceIPAddress",
             str_is_absent(call->source_ip) ? STR("s3.amazonaws.com") : call->source_ip);
    buf_append(out, STR("},\"responseElements\":{"));
    put_text(out, "x-amz-request-id", call->request_id);
    buf_append(out, STR(","));
    put_text(out, "x-amz-id-2", wire_s3_host_id(call->arena, call->request_id));
    buf_append(out, STR("},\"s3\":{\"s3SchemaVersion\":\"1.0\","));
    put_text(out, "configurationId", configuration);
    buf_append(out, STR(",\"bucket\":{"));
    put_text(out, "name", bucket->name);
    buf_append(out, STR(",\"ownerIdentity\":{"));
    put_text(out, "principalId", customer_id(call->arena, bucket->account));
    buf_append(out, STR("},"));
    put_text(out, "arn", str_concat(call->arena, STR("arn:aws:s3:::"), bucket->name));
    buf_append(out, STR("},"));
    put_object(call, out, row, change, sequence);
    buf_append(out, STR("}"));
    put_more(out, change);
    buf_append(out, STR("}]}"));
    return buf_str(out);
}

/* --- who wants it --- */

/* "s3:ObjectCreated:*" is all that begins so. */
static bool event_matches(const struct str_list *events, struct str name)
{
    for (size_t i = 0; i < events->len; i++) {
        struct str event = events->items[i];
        if (!str_starts_with(event, STR("s3:")))
            continue;
        event = str_slice(event, 3, event.len);
        if (str_eq(event, name))
            return true;
        if (str_ends_with(event, STR(":*")) &&
            str_starts_with(name, str_slice(event, 0, event.len - 1)))
            return true;
    }
    return false;
}

static bool filter_matches(const struct s3_NotificationConfigurationFilter *filter, struct str key)
{
    if (filter == NULL || filter->Key == NULL)
        return true;
    for (size_t i = 0; i < filter->Key->FilterRules.len; i++) {
        const struct s3_FilterRule *rule = &filter->Key->FilterRules.items[i];
        bool good = str_eq_nocase(rule->Name, STR("prefix")) ? str_starts_with(key, rule->Value)
                                                             : str_ends_with(key, rule->Value);
        if (!good)
            return false;
    }
    return true;
}

static RESULT change_post(struct call *call, const struct s3_bucket *bucket,
                          const struct s3_change *change, struct str configuration,
                          struct str target, uint64_t sequence)
{
    struct s3_notice notice = {
        .target = target,
        .body = change_record(call, bucket, change, configuration, sequence),
        .bucket = bucket->name,
        .account = bucket->account,
        .trace = call_trace(call),
    };
    struct buf bytes;
    buf_init(&bytes, call->arena, SIZE_MAX);
    TRY(record_encode(&bytes, &s3_model, S3_SHAPE_notice, &notice));
    /* One key's in order. */
    struct str lane = str_format(call->arena, "s3.notify/%lld/", (long long)bucket->id);
    return outbox_post(call, STR("s3.notify"), str_concat(call->arena, lane, change->key),
                       buf_str(&bytes));
}

/* The kinds of configurations have the same members. */
#define CHANGE_POST_ALL(list, arn)                                                                 \
    for (size_t i = 0; i < (list).len; i++)                                                        \
        if (event_matches(&(list).items[i].Events, name) &&                                        \
            filter_matches((list).items[i].Filter, change->key))                                   \
            TRY(change_post(call, bucket, change, (list).items[i].Id, (list).items[i].arn,         \
                            sequence));

static RESULT change_notify(struct call *call, const struct s3_bucket *bucket,
                            const struct s3_change *change)
{
    struct s3_NotificationConfiguration all;
    struct str name = change_rows[change->kind].name;
    uint64_t sequence = (uint64_t)change->object->sequence;
    bool found;
    TRY(setting_get(call, bucket, S3_SETTING_NOTIFICATION, (struct str){0}, &all, &found));
    if (!found)
        return RESULT_OK;
    if (change->kind > S3_CREATED_MULTIPART && change->kind != S3_MARKER_MADE)
        TRY(call_sequence(call, &sequence)); /* later than the version's own */
    CHANGE_POST_ALL(all.QueueConfigurations, QueueArn)
    CHANGE_POST_ALL(all.TopicConfigurations, TopicArn)
    CHANGE_POST_ALL(all.LambdaFunctionConfigurations, LambdaFunctionArn)
    return RESULT_OK;
}

RESULT s3_changed(struct call *call, const struct s3_bucket *bucket, const struct s3_change *change)
{
    if (setting_is_there(bucket, S3_SETTING_NOTIFICATION))
        TRY(change_notify(call, bucket, change));
    if (setting_is_there(bucket, S3_SETTING_REPLICATION))
        TRY(replicate_changed(call, bucket, change));
    return RESULT_OK;
}
