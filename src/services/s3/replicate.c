/* Carrying versions over. A replica has the version id, the sequence and the time of its original,
 * so that its place among the versions of its key is the original's; its bytes are shared with it.
 */
#include "services/s3/replication.h"

#include "base/vec.h"
#include "cloud/arn.h"
#include "cloud/authorize.h"
#include "cloud/identity.h"
#include "services/s3/access.h"
#include "services/s3/annotation.h"
#include "services/s3/archive.h"
#include "services/s3/crypt.h"
#include "services/s3/flow_int.h"
#include "services/s3/lock.h"
#include "services/s3/settings.h"
#include "store/record.h"

/* --- what the rules want --- */

static bool has_tag(const struct s3_object *object, const struct s3_Tag *tag)
{
    for (size_t i = 0; i < object->tags.len; i++)
        if (str_eq(object->tags.items[i].key, tag->Key))
            return str_eq(object->tags.items[i].value, tag->Value);
    return false;
}

static bool is_kms(const struct s3_object *object)
{
    return object->sealing != NULL && str_starts_with(object->sealing->algorithm, STR("aws:kms"));
}

static bool rule_takes_kms(const struct s3_ReplicationRule *rule)
{
    const struct s3_SourceSelectionCriteria *criteria = rule->SourceSelectionCriteria;
    return criteria != NULL && criteria->SseKmsEncryptedObjects != NULL &&
           str_eq(criteria->SseKmsEncryptedObjects->Status, STR("Enabled"));
}

static bool rule_matches(const struct s3_ReplicationRule *rule, struct str key,
                         const struct s3_object *object)
{
    const struct s3_ReplicationRuleFilter *filter = rule->Filter;
    struct str prefix = rule->Prefix;
    if (!str_eq(rule->Status, STR("Enabled")))
        return false;
    if (filter != NULL)
        prefix = filter->And != NULL ? filter->And->Prefix : filter->Prefix;
    if (!str_is_absent(prefix) && !str_starts_with(key, prefix))
        return false;
    /* "What isn't replicated with replication configurations?" */
    if ((is_kms(object) && !rule_takes_kms(rule)) || archive_is_class(object->storage_class))
        return false;
    /* Rules of the first generation carry delete markers over, too. */
    if (object->delete_marker)
        return filter == NULL || str_eq(rule->DeleteMarkerReplication->Status, STR("Enabled"));
    if (filter == NULL)
        return true;
    if (filter->Tag != NULL && !has_tag(object, filter->Tag))
        return false;
    for (size_t i = 0; filter->And != NULL && i < filter->And->Tags.len; i++)
        if (!has_tag(object, &filter->And->Tags.items[i]))
            return false;
    return true;
}

static bool rule_takes_replicas(const struct s3_ReplicationRule *rule)
{
    const struct s3_SourceSelectionCriteria *criteria = rule->SourceSelectionCriteria;
    return criteria != NULL && criteria->ReplicaModifications != NULL &&
           str_eq(criteria->ReplicaModifications->Status, STR("Enabled"));
}

/* Of rules with the same destination the one of the highest priority counts. */
static bool rule_gives_way(const struct s3_ReplicationRules *rules, size_t which, struct str key,
                           const struct s3_object *object)
{
    const struct s3_ReplicationRule *rule = &rules->items[which];
    for (size_t i = 0; i < rules->len; i++) {
        const struct s3_ReplicationRule *other = &rules->items[i];
        if (i != which && str_eq(other->Destination->Bucket, rule->Destination->Bucket) &&
            other->Priority.value > rule->Priority.value && rule_matches(other, key, object))
            return true;
    }
    return false;
}

static RESULT rules_want(struct call *call, const struct s3_bucket *bucket, struct str key,
                         const struct s3_object *object, bool replica, bool *want)
{
    struct s3_ReplicationConfiguration have;
    bool found;
    *want = false;
    TRY(setting_get(call, bucket, S3_SETTING_REPLICATION, (struct str){0}, &have, &found));
    for (size_t i = 0; found && i < have.Rules.len; i++)
        *want = *want || (rule_matches(&have.Rules.items[i], key, object) &&
                          (!replica || rule_takes_replicas(&have.Rules.items[i])));
    return RESULT_OK;
}

/* --- marking and posting --- */

RESULT replicate_mark(struct call *call, const struct s3_bucket *bucket, struct str key,
                      struct s3_object *object)
{
    bool want;
    if (!str_is_absent(object->replication_status) || str_is_absent(object->version_id) ||
        !setting_is_there(bucket, S3_SETTING_REPLICATION))
        return RESULT_OK;
    TRY(rules_want(call, bucket, key, object, false, &want));
    if (want)
        object->replication_status = STR("PENDING");
    return RESULT_OK;
}

void replicate_mark_again(const struct s3_bucket *bucket, struct s3_object *object)
{
    if (setting_is_there(bucket, S3_SETTING_REPLICATION) &&
        flow_is_one_of(object->replication_status, STR("COMPLETED FAILED")))
        object->replication_status = STR("PENDING");
}

RESULT replicate_changed(struct call *call, const struct s3_bucket *bucket,
                         const struct s3_change *change)
{
    bool creates = change->kind <= S3_CREATED_MULTIPART || change->kind == S3_MARKER_MADE;
    bool modifies = change->kind == S3_TAGGING_PUT || change->kind == S3_TAGGING_DELETED ||
                    change->kind == S3_ACL_PUT || change->kind == S3_RETENTION_PUT ||
                    change->kind == S3_ANNOTATION_PUT || change->kind == S3_ANNOTATION_DELETED;
    bool wanted = str_eq(change->object->replication_status, STR("PENDING"));
    if (!creates && !modifies)
        return RESULT_OK;
    if (modifies && str_eq(change->object->replication_status, STR("REPLICA")))
        TRY(rules_want(call, bucket, change->key, change->object, true, &wanted));
    if (!wanted)
        return RESULT_OK;
    struct s3_replication_job job = {
        .bucket = bucket->name,
        .bucket_id = bucket->id,
        .key = change->key,
        .version_id = change->object->version_id,
        .modifies = modifies,
        .requested_ms = call->now_ms,
    };
    struct buf bytes;
    buf_init(&bytes, call->arena, SIZE_MAX);
    TRY(record_encode(&bytes, &s3_model, S3_SHAPE_replication_job, &job));
    struct str lane = str_format(call->arena, "s3.replicate/%lld/", (long long)bucket->id);
    return outbox_post(call, STR("s3.replicate"), str_concat(call->arena, lane, change->key),
                       buf_str(&bytes));
}

/* --- delivering --- */

struct carriage {
    struct call *call;
    struct s3_bucket source;
    struct object_place from;
    struct str key;
    bool modifies;
    struct principal who;
    const char *reason; /* of a failure: "Amazon S3 replication failure reasons" */
};

/* S3 acts as the role that the configuration names. */
static RESULT carry_assume(struct carriage *c, struct str role_arn)
{
    struct call *call = c->call;
    struct arn arn;
    bool trusts = true, found = true;
    struct identity_role role = {.arn = role_arn};
    struct session *session = ARENA_NEW(call->arena, struct session);
    if (!arn_parse(role_arn, &arn))
        return FAULT("a broken ARN of a role");
    size_t slash = str_find_last_char(arn.resource, '/');
    role.name = str_slice(arn.resource, slash + 1, arn.resource.len);
    role.id = role.name;
    /* Where nobody keeps roles, one stands as an administrator of its account. */
    if (identity_of(call->cloud)->role != NULL && call->cloud->iam == IAM_ENFORCE) {
        TRY(identity_of(call->cloud)->role(call, role_arn, &role, &found));
        if (found)
            TRY(authorize_trusts(call, role_arn, STR("s3.amazonaws.com"),
                                 str_concat(call->arena, STR("arn:aws:s3:::"), c->source.name),
                                 &trusts));
    }
    if (!found || !trusts || !str_eq(arn.account, c->source.account)) {
        c->reason = "AssumeRoleNotPermitted";
        return RESULT_OK;
    }
    *session = (struct session){
        .issued_ms = call->now_ms,
        .expires_ms = call->now_ms + INT64_C(3600000),
        .role_arn = role_arn,
        .role_id = role.id,
        .name = STR("s3-replication"),
        .kept = identity_of(call->cloud)->role != NULL,
        .via = STR("s3.amazonaws.com"),
    };
    c->who = (struct principal){.account = arn.account, .session = session};
    session_role_principal(call->arena, &role, &c->who);
    return RESULT_OK;
}

static RESULT carry_may(struct carriage *c, const struct s3_bucket *bucket, const char *action,
                        bool *allowed)
{
    struct s3_policy_text policy = {0};
    bool found;
    TRY(setting_get(c->call, bucket, S3_SETTING_POLICY, (struct str){0}, &policy, &found));
    struct authorize_ask ask = {
        .who = &c->who,
        .action = str_from_c(action),
        .resource = str_concat(
            c->call->arena, str_format(c->call->arena, "arn:aws:s3:::%.*s/", PRSTR(bucket->name)),
            c->key),
        .owner = bucket->account,
        .policy = policy.text,
        .form = POLICY_FORM_RESOURCE,
    };
    return authorize_may(c->call, &ask, allowed);
}

/* Puts a version in its place among those of its key, by its sequence. */
static RESULT carry_insert(struct call *call, const struct s3_bucket *bucket, struct str key,
                           struct s3_object *object)
{
    struct object_place latest, old = {.object = *object};
    TRY(object_latest(call, bucket, key, &latest));
    bool newest = !latest.found || latest.object.sequence < object->sequence;
    if (newest && latest.current)
        TRY(object_demote(call, bucket, key));
    old.current = newest && !object->delete_marker;
    return object_update(call, bucket, key, &old);
}

/* The same kind of encryption, with the target's keys. What a customer's key seals stays sealed by
 * it. RESULT_ERROR: a key is not to be had. */
static RESULT carry_keys(struct carriage *c, const struct s3_bucket *target,
                         const struct s3_Destination *to, struct s3_object *replica,
                         struct s3_manifest *manifest)
{
    struct call *call = c->call;
    struct crypt from, into;
    const struct crypt_customer nobody = {0};
    struct crypt_wish wish = {.algorithm = STR("AES256")};
    if (crypt_is_customers(replica))
        return RESULT_OK;
    if (is_kms(replica)) {
        wish.algorithm = replica->sealing->algorithm;
        wish.kms_key = to->EncryptionConfiguration->ReplicaKmsKeyID;
    }
    TRY(crypt_open(call, &c->source, c->key, &c->from.object, &nobody, &from));
    TRY(crypt_unseal(call, &from, manifest));
    TRY(crypt_new(call, target, c->key, &wish, &into));
    TRY(crypt_seal(call, &into, manifest));
    crypt_note(&into, replica);
    return annotations_copy(call, &c->from.object, &from, &into, replica);
}

/* Whose the replica is: the original's owner's and with its list, unless the rule hands it over, or
 * the target has no lists. */
static void carry_owner(const struct carriage *c, const struct s3_bucket *target,
                        const struct s3_Destination *to, struct s3_object *replica)
{
    struct str owner = str_is_absent(replica->owner) ? c->source.account : replica->owner;
    bool over = to->AccessControlTranslation != NULL || !acl_is_enabled(target);
    replica->owner = over || str_eq(owner, target->account) ? (struct str){0} : owner;
    if (over)
        replica->acl = NULL;
}

static RESULT carry_new(struct carriage *c, const struct s3_bucket *target,
                        const struct s3_Destination *to)
{
    struct call *call = c->call;
    struct s3_object replica = c->from.object;
    struct s3_manifest manifest;
    replica.replication_status = STR("REPLICA");
    replica.transitioned_ms = replica.restore_due_ms = replica.restored_until_ms = 0;
    carry_owner(c, target, to, &replica);
    if (!str_is_absent(to->StorageClass))
        replica.storage_class = to->StorageClass;
    if (!replica.delete_marker) {
        TRY(content_pieces(call, &c->from.object, &manifest));
        enum result keyed = carry_keys(c, target, to, &replica, &manifest);
        if (keyed == RESULT_ERROR) { /* before anything was written */
            c->reason = "DstKmsKeyNotFound";
            return RESULT_OK;
        }
        TRY(keyed);
        for (size_t i = 0; i < manifest.pieces.len; i++)
            TRY(content_retain(call, &manifest.pieces.items[i]));
        TRY(content_set(call, &replica, &manifest));
    }
    TRY(carry_insert(call, target, c->key, &replica));
    const struct s3_change change = {
        .kind = replica.delete_marker ? S3_MARKER_MADE : S3_CREATED_PUT,
        .key = c->key,
        .object = &replica,
    };
    struct principal service = call->principal;
    call->principal = c->who; /* the events name the role */
    enum result result = s3_changed(call, target, &change);
    call->principal = service;
    return result;
}

/* The replica's annotations become the original's. */
static RESULT carry_annotations(struct carriage *c, const struct s3_bucket *target,
                                struct s3_object *replica)
{
    struct crypt from, into;
    const struct crypt_customer nobody = {0};
    const struct s3_object before = *replica;
    if (c->from.object.annotation_set == 0 || crypt_is_customers(replica))
        return RESULT_OK;
    TRY(crypt_open(c->call, &c->source, c->key, &c->from.object, &nobody, &from));
    TRY(crypt_open(c->call, target, c->key, replica, &nobody, &into));
    TRY(annotations_copy(c->call, &c->from.object, &from, &into, replica));
    return annotations_drop(c->call, &before);
}

/* "The destination sets its own final retain-until-date based on the configured duration and the
 * time of replication" when a hold was released (Object Lock considerations). */
static void carry_lock(const struct carriage *c, struct s3_object *to)
{
    const struct s3_object *from = &c->from.object;
    int64_t until = from->retain_until_ms;
    if (lock_is_held(to) && str_eq(from->event_hold, STR("OFF")))
        lock_release(to, c->call->now_ms);
    else
        to->retain_until_ms = 0;
    to->lock_mode = from->lock_mode;
    to->retain_until_ms = to->retain_until_ms > until ? to->retain_until_ms : until;
    to->event_hold = from->event_hold;
    to->hold_days = from->hold_days;
    to->hold_years = from->hold_years;
}

static RESULT carry_to(struct carriage *c, const struct s3_ReplicationRule *rule)
{
    struct arn arn;
    struct s3_bucket target;
    struct object_place there;
    bool found, reads, writes;
    bool marker = c->from.object.delete_marker;
    if (!arn_parse(rule->Destination->Bucket, &arn))
        return FAULT("a broken ARN of a bucket");
    TRY(bucket_find(c->call, arn.resource, &target, &found));
    if (!found) {
        c->reason = "DstBucketNotFound";
        return RESULT_OK;
    }
    if (!str_eq(target.versioning, STR("Enabled"))) {
        c->reason = "DstBucketUnversioned";
        return RESULT_OK;
    }
    if (!lock_is_on(&target) && !str_is_absent(c->from.object.lock_mode)) {
        c->reason = "DstBucketObjectLockConfigMissing";
        return RESULT_OK;
    }
    TRY(carry_may(c, &c->source, "s3:GetObjectVersionForReplication", &reads));
    TRY(carry_may(c, &target, marker ? "s3:ReplicateDelete" : "s3:ReplicateObject", &writes));
    if (writes && rule->Destination->AccessControlTranslation != NULL)
        TRY(carry_may(c, &target, "s3:ObjectOwnerOverrideToBucketOwner", &writes));
    if (!reads || !writes) {
        c->reason = !reads   ? "SrcGetObjectNotPermitted"
                    : marker ? "DstDelObjNotPermitted"
                             : "DstPutObjectNotPermitted";
        return RESULT_OK;
    }
    TRY(object_find(c->call, &target, c->key, c->from.object.version_id, &there));
    if (!there.found)
        return carry_new(c, &target, rule->Destination);
    if (!c->modifies)
        return RESULT_OK;
    there.object.tags = c->from.object.tags;
    TRY(carry_annotations(c, &target, &there.object));
    if (lock_is_on(&target)) {
        carry_lock(c, &there.object);
    }
    return object_update(c->call, &target, c->key, &there);
}

static RESULT carry_fail(struct carriage *c, const struct s3_ReplicationRule *rule,
                         const struct s3_replication_job *job)
{
    const struct s3_change change = {
        .kind = S3_REPLICATION_FAILED,
        .key = c->key,
        .object = &c->from.object,
        .rule_id = rule->ID,
        .target = rule->Destination->Bucket,
        .reason = str_from_c(c->reason),
        .operation = c->from.object.delete_marker ? STR("OBJECT_DELETE")
                     : c->modifies                ? STR("OBJECT_PUT_TAGGING")
                                                  : STR("OBJECT_PUT"),
        .requested_ms = job->requested_ms,
    };
    return s3_changed(c->call, &c->source, &change);
}

static RESULT carry(struct carriage *c, const struct s3_ReplicationConfiguration *have,
                    const struct s3_replication_job *job)
{
    bool replica = str_eq(c->from.object.replication_status, STR("REPLICA"));
    bool failed = false;
    for (size_t i = 0; i < have->Rules.len; i++) {
        const struct s3_ReplicationRule *rule = &have->Rules.items[i];
        if (!rule_matches(rule, c->key, &c->from.object) ||
            rule_gives_way(&have->Rules, i, c->key, &c->from.object) ||
            (replica && !rule_takes_replicas(rule)))
            continue;
        c->reason = NULL;
        TRY(carry_assume(c, have->Role));
        if (c->reason == NULL)
            TRY(carry_to(c, rule));
        if (c->reason == NULL)
            continue;
        failed = true;
        TRY(carry_fail(c, rule, job));
    }
    if (replica)
        return RESULT_OK;
    c->from.object.replication_status = failed ? STR("FAILED") : STR("COMPLETED");
    return object_update(c->call, &c->source, c->key, &c->from);
}

RESULT replicate_deliver(struct call *call, const struct outbox_item *item)
{
    struct s3_replication_job job;
    struct s3_ReplicationConfiguration have;
    struct carriage c = {.call = call};
    bool found;
    TRY(record_decode_copy(call->arena, &s3_model, S3_SHAPE_replication_job, item->payload, &job));
    TRY(bucket_find(call, job.bucket, &c.source, &found));
    if (!found || c.source.id != job.bucket_id)
        return RESULT_OK;
    c.key = job.key;
    c.modifies = job.modifies;
    call->account = c.source.account;
    call->region = c.source.region;
    TRY(object_find(call, &c.source, job.key, job.version_id, &c.from));
    if (!c.from.found)
        return RESULT_OK; /* gone before it could be carried over */
    TRY(setting_get(call, &c.source, S3_SETTING_REPLICATION, (struct str){0}, &have, &found));
    if (!found)
        have = (struct s3_ReplicationConfiguration){0};
    return carry(&c, &have, &job);
}
