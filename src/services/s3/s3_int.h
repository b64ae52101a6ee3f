/* Between the files of S3. */
#ifndef KUMONIWA_SERVICES_S3_S3_INT_H
#define KUMONIWA_SERVICES_S3_S3_INT_H

#include "base/digest.h"
#include "cloud/call.h"
#include "cloud/outbox.h"
#include "gen/s3.h"
#include "services/s3/s3.h"

/* "Amazon S3 multipart upload limits", "General purpose bucket quotas", Amazon S3 User Guide. */
#define S3_PUT_MAX (INT64_C(5) << 30)
#define S3_PART_MIN (INT64_C(5) << 20)
#define S3_OBJECT_MAX INT64_C(53687091200000)
enum {
    S3_KEY_MAX = 1024,
    S3_PARTS_MAX = 10000,
    S3_METADATA_MAX = 2048,
    S3_REDIRECT_MAX = 2048,
    S3_PAGE_MAX = 1000
};

/* --- bucket.c --- */

bool bucket_name_is_valid(struct str name);
RESULT bucket_find(struct call *call, struct str name, struct s3_bucket *bucket, bool *found);
RESULT bucket_put(struct call *call, const struct s3_bucket *bucket);
/* Finds the bucket that a request names and checks that its sender may use it, in the right region
 * (GetBucketLocation passes any_region). Strings in the arena. */
RESULT bucket_open(struct call *call, struct str name, struct str expected_owner,
                   struct s3_bucket *bucket);
RESULT bucket_open_anywhere(struct call *call, struct str name, struct str expected_owner,
                            struct s3_bucket *bucket);
/* That the host and the signature name the bucket's region, if any (bucket_region.c). */
RESULT bucket_check_region(struct call *call, const struct s3_bucket *bucket);
/* Versions have ids: versioning was enabled once. */
bool bucket_is_versioned(const struct s3_bucket *bucket);
/* An account's canonical user id. */
struct str s3_owner_id(struct arena *arena, struct str account);
struct s3_Owner *s3_owner(struct call *call, struct str account);
RESULT s3_deliver_drop(struct call *call, const struct outbox_item *item);

/* --- rules.c: what a request may say --- */

/* A buffered body whose digest is true; most operations demand one. */
RESULT s3_check_body(struct call *call);
/* The half of it for bodies whose x-amz-checksum- headers speak of something else. */
RESULT s3_check_md5(struct call *call, bool *given);
/* Refuses headers of checksums that are not computed here. */
RESULT s3_refuse_checksums(struct call *call);
RESULT s3_check_key(struct call *call, struct str key);
/* Refuses what this service does not have yet; names: of the headers, NULL-terminated. */
RESULT s3_refuse_headers(struct call *call, const char *const *names);
extern const char *const s3_unbuilt_headers[];
/* x-amz-tagging: "a=b&c=d". */
RESULT s3_read_tagging(struct call *call, struct str text, struct str_map *tags);
RESULT s3_read_tag_set(struct call *call, const struct s3_Tagging *tagging, size_t limit,
                       struct str_map *tags);
/* That the organization's tag policy lets the bucket have its tags (bucket_config.c). */
RESULT bucket_check_tag_policy(struct call *call, const struct s3_bucket *bucket);
struct s3_TagSet s3_tag_set(struct call *call, const struct str_map *tags);
RESULT s3_check_storage_class(struct call *call, struct str name);
/* x-amz-website-redirect-location. */
RESULT s3_check_redirect(struct call *call, struct str location);
/* As a form would have it, in listings and events: "red flower.jpg" is "red+flower.jpg". */
struct str s3_form_key(struct arena *arena, struct str key);
/* "url" or absent; then keys are percent-encoded in the answer. */
RESULT s3_check_encoding(struct call *call, struct str encoding);
struct str s3_encode_key(struct call *call, struct str encoding, struct str key);
struct str s3_quote(struct arena *arena, struct str etag);
/* The ETag without its quotes. */
struct str s3_unquote(struct str etag);
/* Hard to guess, and holds the number. 32 letters, digits, '.' and '_'. */
struct str s3_make_id(struct arena *arena, uint64_t number);
bool s3_read_id(struct arena *arena, struct str id, uint64_t *number);
/* Every member of checksums that the model has, as one object has it. */
struct str s3_checksum_if(struct str algorithm, struct str value, struct str wanted);
#define S3_SET_CHECKSUM(out, algorithm, value)                                                     \
    do {                                                                                           \
        (out)->ChecksumCRC32 = s3_checksum_if((algorithm), (value), STR("CRC32"));                 \
        (out)->ChecksumCRC32C = s3_checksum_if((algorithm), (value), STR("CRC32C"));               \
        (out)->ChecksumCRC64NVME = s3_checksum_if((algorithm), (value), STR("CRC64NVME"));         \
        (out)->ChecksumSHA1 = s3_checksum_if((algorithm), (value), STR("SHA1"));                   \
        (out)->ChecksumSHA256 = s3_checksum_if((algorithm), (value), STR("SHA256"));               \
    } while (0)
/* The one that a request gives for this algorithm. */
#define S3_GET_CHECKSUM(in, algorithm)                                                             \
    (str_eq((algorithm), STR("CRC32"))       ? (in)->ChecksumCRC32                                 \
     : str_eq((algorithm), STR("CRC32C"))    ? (in)->ChecksumCRC32C                                \
     : str_eq((algorithm), STR("CRC64NVME")) ? (in)->ChecksumCRC64NVME                             \
     : str_eq((algorithm), STR("SHA1"))      ? (in)->ChecksumSHA1                                  \
                                             : (in)->ChecksumSHA256)
struct str s3_checksum_name(enum digest_kind kind);
bool s3_checksum_kind(struct str name, enum digest_kind *kind);
struct str s3_base64(struct arena *arena, const uint8_t *bytes, size_t size);
struct str s3_hex(struct arena *arena, const uint8_t *bytes, size_t size);
/* A part of a larger one: the checksum of A followed by B, from both and B's length. CRCs only. */
void s3_crc_join(enum digest_kind kind, uint8_t *a, const uint8_t *b, uint64_t b_size);

/* --- object.c: versions of objects --- */

struct object_place {
    struct s3_object object; /* strings in the arena */
    bool found;
    bool current; /* the one that GET without a version finds */
};
struct key object_key(struct call *call, const struct s3_bucket *bucket, struct str key);
struct key object_version_key(struct call *call, const struct s3_bucket *bucket, struct str key,
                              int64_t sequence);
/* The newest version, a delete marker perhaps. */
RESULT object_latest(struct call *call, const struct s3_bucket *bucket, struct str key,
                     struct object_place *place);
/* version_id absent: the newest. */
RESULT object_find(struct call *call, const struct s3_bucket *bucket, struct str key,
                   struct str version_id, struct object_place *place);
/* What GET and its kin read: fails with NoSuchKey, NoSuchVersion, MethodNotAllowed, and the headers
 * that belong to them. */
RESULT object_open(struct call *call, const struct s3_bucket *bucket, struct str key,
                   struct str version_id, struct s3_object *object);
/* Makes this the newest version: its version id and sequence are set here. */
RESULT object_add(struct call *call, const struct s3_bucket *bucket, struct str key,
                  struct s3_object *object);
/* The newest becomes one of the older ones: another takes its place. */
RESULT object_demote(struct call *call, const struct s3_bucket *bucket, struct str key);
/* Writes a version that is there again. */
RESULT object_update(struct call *call, const struct s3_bucket *bucket, struct str key,
                     const struct object_place *place);
/* Removes one version for good, its content included. */
RESULT object_remove(struct call *call, const struct s3_bucket *bucket, struct str key,
                     const struct object_place *place);
/* "null" for the null version. */
struct str object_version_id(const struct s3_object *object);
/* As replies carry it: absent where the bucket has no versions. */
struct str object_shown_version(const struct s3_bucket *bucket, const struct s3_object *object);

/* --- content.c: their bytes --- */

RESULT content_retain(struct call *call, const struct s3_piece *piece);
RESULT content_release(struct call *call, const struct s3_piece *piece);
RESULT content_release_object(struct call *call, const struct s3_object *object);
/* The pieces that an object is made of. */
RESULT content_pieces(struct call *call, const struct s3_object *object,
                      struct s3_manifest *manifest);
/* The pieces of a range of those. */
void content_range(struct call *call, const struct s3_manifest *all, uint64_t offset,
                   uint64_t length, struct s3_manifest *part);
/* Sets an object's content: one piece in the record, more in a manifest. Blobs are already
 * retained. */
RESULT content_set(struct call *call, struct s3_object *object, const struct s3_manifest *manifest);
/* Writes the manifest of that id again. */
RESULT content_put_manifest(struct call *call, int64_t id, const struct s3_manifest *manifest);
/* What came with the request, retained; an open piece (crypt.h). May park, to add a layer. */
struct crypt;
RESULT content_of_payload(struct call *call, const struct crypt *crypt, struct s3_piece *piece);
/* --- content_read.c --- */

/* Reads open pieces (crypt.h) through: their digests, and a copy of them when it has layers. The
 * call parks meanwhile; the handler then runs again, comes here again and gets what was found. */
struct content_reading {
    int64_t sequence; /* of the version that they are of: with offset it tells readings apart */
    uint64_t offset;
    const struct s3_manifest *manifest;
    enum digest_kind kind;
    unsigned layers; /* 0: no copy is written */
};
struct content_read {
    uint8_t md5[MD5_SIZE], checksum[SHA256_SIZE];
    struct s3_piece copy; /* open; its blob is to be retained in this transaction */
    bool kept;            /* who retained it says so */
};
RESULT content_read_through(struct call *call, const struct content_reading *wanted,
                            struct content_read **out);

/* --- metadata.c: x-amz-meta-* --- */

/* As it is kept: Unicode, encoded words read; refuses more than 2 KB. */
RESULT s3_read_metadata(struct call *call, const struct str_map *sent, struct str_map *metadata);
/* As it goes over the wire: encoded words where it is not ASCII. */
struct str_map s3_show_metadata(struct call *call, const struct str_map *metadata);

/* --- conditions.c --- */

/* Whether the entity tag is in a header's list of them, or the list is "*". */
bool conditions_match(struct str list, struct str etag);
/* If-Modified-Since, If-Unmodified-Since; not set: absent, or no date. */
struct opt_time conditions_time(struct str header);
/* If-Range: whether a Range counts for this object. */
bool conditions_range(struct str if_range, const struct s3_object *object);
/* RFC 9110, 13.2.2, as GetObject and the copies' sources have it. *not_modified: answer 304. */
struct s3_conditions {
    struct str if_match, if_none_match;
    struct opt_time if_modified_since, if_unmodified_since;
    bool of_copy; /* of its source: the headers have other names */
};
RESULT conditions_read(struct call *call, const struct s3_conditions *conditions,
                       const struct s3_object *object, bool *not_modified);
/* If-Match and If-None-Match of what writes a key. */
RESULT conditions_write(struct call *call, const struct s3_bucket *bucket, struct str key,
                        struct str if_match, struct str if_none_match);

/* --- multipart.c --- */

struct key upload_key(struct call *call, const struct s3_bucket *bucket, struct str key,
                      int64_t sequence);
struct key part_key(struct call *call, const struct s3_upload *upload, int64_t number);
struct key part_prefix(struct call *call, int64_t upload_sequence);
RESULT upload_find(struct call *call, const struct s3_bucket *bucket, struct str key,
                   struct str upload_id, struct s3_upload *upload);
/* In the place of the part of that number that may be there. */
RESULT part_put(struct call *call, const struct s3_upload *upload, const struct s3_part *part);
RESULT part_check_number(struct call *call, int64_t number);
/* Up to `limit` of its parts and their blobs; *deleted counts. */
RESULT upload_drop_parts(struct call *call, int64_t upload_sequence, size_t limit, size_t *deleted);

/* --- errors that carry more --- */

RESULT s3_no_such_key(struct call *call, struct str key);
/* One of those that name the bucket and nothing else. */
RESULT s3_fail_bucket(struct call *call, uint32_t error, struct str bucket, const char *message);
RESULT s3_too_large(struct call *call, int64_t size, int64_t most);
RESULT s3_precondition_failed(struct call *call, struct str condition);
RESULT s3_method_not_allowed(struct call *call, struct str resource);
/* InvalidArgument, which names the argument and shows what it was given. */
struct s3_InvalidArgument *s3_argument(struct call *call, const char *name, struct str value);
#define s3_invalid_argument(call, name, value, ...)                                                \
    call_fail_with((call), WIRE_INVALID_PARAMETER_VALUE, s3_argument((call), (name), (value)),     \
                   __VA_ARGS__)

#endif
