/* Digest files: each hour, what log files came and their hashes, signed, each naming the one before
 * ("CloudTrail digest file structure", AWS CloudTrail User Guide). One chain for each place, which
 * is a region, and of an organization's trail a member's account in it. */
#include "base/digest.h"
#include "base/encode.h"
#include "base/gzip.h"
#include "base/log.h"
#include "base/vec.h"
#include "cloud/object_io.h"
#include "services/cloudtrail/cloudtrail_int.h"
#include "store/record.h"

/* An RSA key is made in a tenth of a second or two. */
#define KEY_WAIT_MS INT64_C(200)
#define HOUR_MS (INT64_C(3600) * 1000)

static struct key of_trail(struct call *call, const char *table,
                           const struct cloudtrail_trail *trail, struct str place)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, str_from_c(table));
    key_str(&key, trail->account);
    key_str(&key, trail->region);
    key_str(&key, trail->name);
    if (!str_is_absent(place))
        key_str(&key, place);
    return key;
}

static struct str time_text(struct call *call, int64_t ms)
{
    struct buf text;
    buf_init(&text, call->arena, 64);
    time_format_iso8601(&text, ms / 1000 * 1000);
    return buf_str(&text);
}

static struct str hash_text(struct call *call, struct str bytes)
{
    uint8_t hash[SHA256_SIZE];
    struct buf text;
    digest_sha256(bytes, hash);
    buf_init(&text, call->arena, 2 * SHA256_SIZE);
    hex_encode(&text, str_make((const char *)hash, sizeof hash));
    return buf_str(&text);
}

/* --- chains, and the files that wait for a digest --- */

static RESULT chain_begin(struct call *call, const struct cloudtrail_trail *trail, struct str place)
{
    const struct cloudtrail_digest_chain none = {0};
    struct key key = of_trail(call, "cloudtrail-digest", trail, place);
    struct str there;
    TRY(kv_get(call->txn, key_bytes(&key), &there));
    if (!str_is_absent(there))
        return RESULT_OK;
    return call_put_record(call, &key, &cloudtrail_model, CLOUDTRAIL_SHAPE_digest_chain, &none);
}

RESULT trail_digest_note(struct call *call, const struct cloudtrail_trail *trail, struct str place,
                         struct cloudtrail_log_file *file, struct str plain)
{
    if (!trail->validated)
        return RESULT_OK;
    file->bucket = trail->bucket;
    file->hash = hash_text(call, plain);
    struct key key = of_trail(call, "cloudtrail-file", trail, place);
    key_i64(&key, call->now_ms);
    key_str(&key, file->object);
    TRY(call_put_record(call, &key, &cloudtrail_model, CLOUDTRAIL_SHAPE_log_file, file));
    return chain_begin(call, trail, place);
}

RESULT trail_digest_drop(struct call *call, const struct cloudtrail_trail *trail)
{
    size_t deleted;
    struct key chains = of_trail(call, "cloudtrail-digest", trail, (struct str){0});
    struct key files = of_trail(call, "cloudtrail-file", trail, (struct str){0});
    TRY(kv_delete_prefix(call->txn, key_bytes(&chains), SIZE_MAX, &deleted));
    return kv_delete_prefix(call->txn, key_bytes(&files), SIZE_MAX, &deleted);
}

/* The job says of which hour it is: one of a trail of the same name that is gone is not heeded. */
static RESULT digest_schedule(struct call *call, const struct cloudtrail_trail *trail, int64_t due)
{
    struct str payload =
        str_format(call->arena, "%.*s %.*s %.*s %lld", PRSTR(trail->account), PRSTR(trail->region),
                   PRSTR(trail->name), (long long)trail->digest_from_ms);
    return job_schedule(call, STR("cloudtrail.digest"), due, payload, NULL);
}

RESULT trail_digest_begin(struct call *call, struct cloudtrail_trail *trail)
{
    if (!trail->validated || !trail->logging)
        return RESULT_OK; /* the hour that runs still gets its digest */
    TRY(chain_begin(call, trail, trail_place(call, trail, trail->account, trail->region)));
    if (trail->digest_from_ms != 0)
        return RESULT_OK;
    trail->digest_from_ms = call->now_ms / 1000 * 1000;
    return digest_schedule(call, trail, trail->digest_from_ms + HOUR_MS);
}

/* --- one digest --- */

struct digest_file {
    const struct cloudtrail_trail *trail;
    struct str place, account, region;
    int64_t from_ms, to_ms;
    struct cloudtrail_digest_chain chain; /* of the one before; its object absent: the first */
    struct cloudtrail_log_file *files;
    struct str *keys;
    size_t count;
    struct str object;
    bool later; /* there is no key yet to sign it with */
};

static RESULT digest_collect(struct call *call, struct digest_file *digest)
{
    struct key prefix = of_trail(call, "cloudtrail-file", digest->trail, digest->place);
    struct kv_cursor *cursor;
    struct str key, value, skip;
    size_t files_cap = 0, keys_cap = 0, keys = 0;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (;;) {
        struct cloudtrail_log_file file;
        int64_t at_ms;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        struct key_reader reader = key_read(call->arena, key);
        for (int i = 0; i < 5; i++)
            if (!key_next_str(&reader, &skip))
                return FAULT("a broken key of a log file");
        if (!key_next_i64(&reader, &at_ms))
            return FAULT("a broken key of a log file");
        if (at_ms > digest->to_ms)
            break;
        TRY(record_decode_copy(call->arena, &cloudtrail_model, CLOUDTRAIL_SHAPE_log_file, value,
                               &file));
        VEC_PUSH(call->arena, digest->files, digest->count, files_cap, file);
        VEC_PUSH(call->arena, digest->keys, keys, keys_cap, str_copy(call->arena, key));
    }
    kv_cursor_close(cursor);
    return RESULT_OK;
}

static void put_member(struct buf *out, const char *name, struct str value)
{
    buf_append(out, out->ptr[out->len - 1] == '{' ? STR("\"") : STR(",\""));
    buf_append(out, str_from_c(name));
    buf_append(out, STR("\":"));
    if (str_is_absent(value))
        buf_append(out, STR("null"));
    else
        wire_json_write_string(out, value);
}

static void put_log_file(struct call *call, struct buf *out, const struct cloudtrail_log_file *file)
{
    buf_append(out, STR("{"));
    put_member(out, "s3Bucket", file->bucket);
    put_member(out, "s3Object", file->object);
    put_member(out, "hashValue", file->hash);
    put_member(out, "hashAlgorithm", STR("SHA-256"));
    put_member(out, "newestEventTime", time_text(call, file->newest_ms));
    put_member(out, "oldestEventTime", time_text(call, file->oldest_ms));
    buf_append(out, STR("}"));
}

static void put_event_times(struct call *call, struct buf *out, const struct digest_file *digest)
{
    int64_t oldest = INT64_MAX, newest = 0;
    for (size_t i = 0; i < digest->count; i++) {
        if (digest->files[i].oldest_ms < oldest)
            oldest = digest->files[i].oldest_ms;
        if (digest->files[i].newest_ms > newest)
            newest = digest->files[i].newest_ms;
    }
    struct str none = {0};
    put_member(out, "newestEventTime", digest->count == 0 ? none : time_text(call, newest));
    put_member(out, "oldestEventTime", digest->count == 0 ? none : time_text(call, oldest));
}

static struct str digest_text(struct call *call, const struct digest_file *digest,
                              struct str fingerprint)
{
    const struct cloudtrail_digest_chain *before = &digest->chain;
    struct buf out;
    buf_init(&out, call->arena, SIZE_MAX);
    buf_append(&out, STR("{"));
    put_member(&out, "awsAccountId", digest->account);
    put_member(&out, "digestStartTime", time_text(call, digest->from_ms));
    put_member(&out, "digestEndTime", time_text(call, digest->to_ms));
    put_member(&out, "digestS3Bucket", digest->trail->bucket);
    put_member(&out, "digestS3Object", digest->object);
    put_member(&out, "digestPublicKeyFingerprint", fingerprint);
    put_member(&out, "digestSignatureAlgorithm", STR("SHA256withRSA"));
    put_event_times(call, &out, digest);
    put_member(&out, "previousDigestS3Bucket", before->bucket);
    put_member(&out, "previousDigestS3Object", before->object);
    put_member(&out, "previousDigestHashValue", before->hash);
    put_member(&out, "previousDigestHashAlgorithm",
               str_is_absent(before->object) ? before->object : STR("SHA-256"));
    put_member(&out, "previousDigestSignature", before->signature);
    buf_append(&out, STR(",\"logFiles\":["));
    for (size_t i = 0; i < digest->count; i++) {
        if (i > 0)
            buf_append(&out, STR(","));
        put_log_file(call, &out, &digest->files[i]);
    }
    buf_append(&out, STR("]}"));
    return buf_str(&out);
}

static struct str digest_name(struct call *call, const struct digest_file *digest)
{
    const struct cloudtrail_trail *trail = digest->trail;
    struct str folder = trail_folder(call, trail, digest->account);
    struct civil_time day = time_to_civil(digest->to_ms);
    struct buf end;
    buf_init(&end, call->arena, 32);
    time_format_basic(&end, digest->to_ms);
    return str_format(call->arena,
                      "%.*sCloudTrail-Digest/%.*s/%04d/%02d/%02d/"
                      "%.*s_CloudTrail-Digest_%.*s_%.*s_%.*s_%.*s.json.gz",
                      PRSTR(folder), PRSTR(digest->region), day.year, day.month, day.day,
                      PRSTR(digest->account), PRSTR(digest->region), PRSTR(trail->name),
                      PRSTR(trail->region), PRSTR(buf_str(&end)));
}

/* "The data signing string": end, object, hash, and the signature before. */
static struct str digest_to_sign(struct call *call, const struct digest_file *digest,
                                 struct str hash)
{
    struct str before =
        str_is_absent(digest->chain.signature) ? STR("null") : digest->chain.signature;
    return str_format(call->arena, "%.*s\n%.*s/%.*s\n%.*s\n%.*s",
                      PRSTR(time_text(call, digest->to_ms)), PRSTR(digest->trail->bucket),
                      PRSTR(digest->object), PRSTR(hash), PRSTR(before));
}

/* RESULT_ERROR: the bucket refuses it, *problem says how. */
static RESULT digest_put(struct call *call, const struct digest_file *digest, struct str text,
                         struct str signature, struct object_io_problem *problem)
{
    struct str_map_entry entries[] = {
        {STR("signature"), signature},
        {STR("signature-algorithm"), STR("SHA256withRSA")},
    };
    const struct object_io_put put = {
        .bucket = digest->trail->bucket,
        .key = digest->object,
        .content_type = STR("application/json"),
        .content_encoding = STR("gzip"),
        .acl = STR("bucket-owner-full-control"),
        .kms_key = digest->trail->kms_key,
        .metadata = {entries, sizeof entries / sizeof entries[0]},
    };
    const struct object_io_caller caller = trail_caller(call, digest->trail);
    struct object_io_stored stored;
    struct buf packed;
    buf_init(&packed, call->arena, SIZE_MAX);
    TRY(gzip_pack(text, &packed));
    return object_io_put_bytes(call, &caller, &put, buf_str(&packed), &stored, problem);
}

static RESULT digest_deliver(struct call *call, struct digest_file *digest,
                             struct object_io_problem *problem)
{
    struct cloudtrail_signing_key key;
    struct str signature;
    TRY(digest_collect(call, digest));
    digest->object = digest_name(call, digest);
    TRY(signing_key_at(call, digest->region, digest->to_ms, &key, &digest->later));
    if (digest->later)
        return RESULT_OK;
    struct str text = digest_text(call, digest, key.fingerprint), hash = hash_text(call, text);
    TRY(signing_sign(call, digest->region, &key, digest_to_sign(call, digest, hash), &signature));
    TRY(digest_put(call, digest, text, signature, problem));
    const struct cloudtrail_digest_chain chain = {
        .bucket = digest->trail->bucket,
        .object = digest->object,
        .hash = hash,
        .signature = signature,
        .ended_ms = digest->to_ms,
    };
    for (size_t i = 0; i < digest->count; i++)
        TRY(kv_delete(call->txn, digest->keys[i], NULL));
    struct key at = of_trail(call, "cloudtrail-digest", digest->trail, digest->place);
    return call_put_record(call, &at, &cloudtrail_model, CLOUDTRAIL_SHAPE_digest_chain, &chain);
}

/* --- one hour --- */

static RESULT digest_places(struct call *call, const struct cloudtrail_trail *trail,
                            struct digest_file **out, size_t *count)
{
    struct key prefix = of_trail(call, "cloudtrail-digest", trail, (struct str){0});
    struct kv_cursor *cursor;
    struct str key, value, part = {0};
    size_t cap = 0;
    *out = NULL;
    *count = 0;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (;;) {
        struct digest_file digest = {
            .trail = trail,
            .from_ms = trail->digest_from_ms,
            .to_ms = trail->digest_from_ms + HOUR_MS,
        };
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        TRY(record_decode_copy(call->arena, &cloudtrail_model, CLOUDTRAIL_SHAPE_digest_chain, value,
                               &digest.chain));
        struct key_reader reader = key_read(call->arena, key);
        for (int i = 0; i < 5; i++)
            if (!key_next_str(&reader, &part))
                return FAULT("a broken key of a digest");
        digest.place = str_copy(call->arena, part);
        trail_place_parts(trail, digest.place, &digest.account, &digest.region);
        VEC_PUSH(call->arena, *out, *count, cap, digest);
    }
    kv_cursor_close(cursor);
    return RESULT_OK;
}

/* *wait_ms: a bucket did not take one, or it could not be signed yet, and when to try again; those
 * that were taken are not given again. */
static RESULT digest_hour(struct call *call, struct cloudtrail_trail *trail, int64_t *wait_ms)
{
    struct digest_file *digests;
    size_t count;
    TRY(digest_places(call, trail, &digests, &count));
    for (size_t i = 0; i < count; i++) {
        struct object_io_problem problem = {0};
        if (digests[i].chain.ended_ms >= digests[i].to_ms)
            continue;
        enum result result = digest_deliver(call, &digests[i], &problem);
        if (result == RESULT_ERROR) {
            log_line(LOG_DEBUG, "a trail's bucket refuses a digest: %.*s", PRSTR(problem.code));
            trail->digest_error = problem.code;
            *wait_ms = DELIVERY_MS;
            return RESULT_OK;
        }
        TRY(result);
        if (digests[i].later) {
            *wait_ms = KEY_WAIT_MS;
            return RESULT_OK;
        }
        trail->digest_error = (struct str){0};
        trail->digested_ms = call->now_ms;
    }
    return RESULT_OK;
}

/* An hour a job, however far the clock went. What the bucket refuses is tried again. When logging
 * or validation was turned off, the hour's digest is the chain's last. */
RESULT cloudtrail_deliver_digest(struct call *call, const struct outbox_item *item)
{
    struct cloudtrail_trail trail;
    struct str account, region, name, rest = str_copy(call->arena, item->payload);
    uint64_t from_ms;
    bool found;
    int64_t wait_ms = 0;
    str_cut(rest, ' ', &account, &rest);
    str_cut(rest, ' ', &region, &rest);
    str_cut(rest, ' ', &name, &rest);
    struct key key = trail_key(call, account, region, name);
    TRY(call_get_record_copy(call, &key, &cloudtrail_model, CLOUDTRAIL_SHAPE_trail, &trail,
                             &found));
    if (!found || !str_to_u64(rest, &from_ms) || (int64_t)from_ms != trail.digest_from_ms)
        return RESULT_OK;
    TRY(digest_hour(call, &trail, &wait_ms));
    if (wait_ms > 0) {
        TRY(digest_schedule(call, &trail, call->now_ms + wait_ms));
    } else if (trail.validated && trail.logging) {
        trail.digest_from_ms += HOUR_MS;
        TRY(digest_schedule(call, &trail, trail.digest_from_ms + HOUR_MS));
    } else {
        TRY(trail_digest_drop(call, &trail));
        trail.digest_from_ms = 0;
    }
    return trail_put(call, &trail);
}
