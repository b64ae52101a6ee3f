/* The bytes of objects: in the record, in a blob, or in many that a manifest lists. A blob may
 * serve several objects (copies): ("s3-shared", blob id) counts the owners beyond the first. */
#include <errno.h>
#include <unistd.h>

#include "base/vec.h"
#include "services/s3/s3_int.h"

static struct key shared_key(struct call *call, struct str blob_id)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("s3-shared"));
    key_str(&key, blob_id);
    return key;
}

static struct key manifest_key(struct call *call, int64_t id)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("s3-manifest"));
    key_i64(&key, id);
    return key;
}

static struct blob_id blob_of(struct str bytes)
{
    struct blob_id id = {0};
    if (bytes.len == sizeof id.bytes)
        memcpy(id.bytes, bytes.ptr, sizeof id.bytes);
    return id;
}

static RESULT shared_get(struct call *call, const struct key *key, uint64_t *count)
{
    struct str value;
    TRY(kv_get(call->txn, key_bytes(key), &value));
    *count = 0;
    if (!str_is_absent(value) && !str_to_u64(value, count))
        return FAULT("a broken count of a blob's owners");
    return RESULT_OK;
}

static RESULT shared_put(struct call *call, const struct key *key, uint64_t count)
{
    if (count == 0)
        return kv_delete(call->txn, key_bytes(key), NULL);
    struct str text = str_format(call->arena, "%llu", (unsigned long long)count);
    return kv_put(call->txn, key_bytes(key), text);
}

RESULT content_retain(struct call *call, const struct s3_piece *piece)
{
    if (str_is_absent(piece->blob_id))
        return RESULT_OK;
    struct key key = shared_key(call, piece->blob_id);
    uint64_t count;
    TRY(shared_get(call, &key, &count));
    return shared_put(call, &key, count + 1);
}

RESULT content_release(struct call *call, const struct s3_piece *piece)
{
    if (str_is_absent(piece->blob_id))
        return RESULT_OK;
    struct key key = shared_key(call, piece->blob_id);
    uint64_t count;
    TRY(shared_get(call, &key, &count));
    if (count > 0)
        return shared_put(call, &key, count - 1);
    struct blob_id id = blob_of(piece->blob_id);
    return blob_release(call->cloud->blobs, call->txn, &id);
}

RESULT content_of_payload(struct call *call, struct s3_piece *piece)
{
    const struct call_payload *payload = &call->payload;
    *piece = (struct s3_piece){.length = (int64_t)payload->size};
    if (!payload->present || payload->in_memory) {
        piece->bytes = payload->present ? payload->bytes : STR("");
        return RESULT_OK;
    }
    TRY(blob_retain(call->cloud->blobs, call->txn, &payload->blob));
    piece->blob_id = str_copy(
        call->arena, str_make((const char *)payload->blob.bytes, sizeof payload->blob.bytes));
    return RESULT_OK;
}

RESULT content_pieces(struct call *call, const struct s3_object *object,
                      struct s3_manifest *manifest)
{
    if (object->manifest != 0) {
        bool found;
        struct key key = manifest_key(call, object->manifest);
        TRY(call_get_record_copy(call, &key, &s3_model, S3_SHAPE_manifest, manifest, &found));
        return found ? RESULT_OK : FAULT("an object without its manifest");
    }
    struct s3_piece *piece = ARENA_NEW(call->arena, struct s3_piece);
    *piece = (struct s3_piece){
        .blob_id = object->blob_id, .length = object->size, .bytes = object->body};
    *manifest = (struct s3_manifest){.pieces = {.items = piece, .len = 1}};
    return RESULT_OK;
}

void content_range(struct call *call, const struct s3_manifest *all, uint64_t offset,
                   uint64_t length, struct s3_manifest *part)
{
    *part = (struct s3_manifest){0};
    size_t cap = 0;
    for (size_t i = 0; i < all->pieces.len && length > 0; i++) {
        struct s3_piece piece = all->pieces.items[i];
        uint64_t size = (uint64_t)piece.length;
        if (offset >= size) {
            offset -= size;
            continue;
        }
        uint64_t taken = size - offset < length ? size - offset : length;
        if (str_is_absent(piece.bytes))
            piece.offset += (int64_t)offset;
        else
            piece.bytes = str_slice(piece.bytes, (size_t)offset, (size_t)(offset + taken));
        piece.length = (int64_t)taken;
        VEC_PUSH(call->arena, part->pieces.items, part->pieces.len, cap, piece);
        length -= taken;
        offset = 0;
    }
}

RESULT content_set(struct call *call, struct s3_object *object, const struct s3_manifest *manifest)
{
    object->body = object->blob_id = (struct str){0};
    object->manifest = 0;
    const struct s3_piece *first = manifest->pieces.items;
    if (manifest->pieces.len == 1 && manifest->parts.len == 0 && first->offset == 0 &&
        (!str_is_absent(first->bytes) || object->size == first->length)) {
        object->body = first->bytes;
        object->blob_id = first->blob_id;
        return RESULT_OK;
    }
    if (manifest->pieces.len == 0 && manifest->parts.len == 0) {
        object->body = STR("");
        return RESULT_OK;
    }
    uint64_t id;
    TRY(call_sequence(call, &id));
    object->manifest = (int64_t)id;
    struct key key = manifest_key(call, object->manifest);
    return call_put_record(call, &key, &s3_model, S3_SHAPE_manifest, manifest);
}

RESULT content_release_object(struct call *call, const struct s3_object *object)
{
    if (object->manifest == 0) {
        struct s3_piece piece = {.blob_id = object->blob_id};
        return content_release(call, &piece);
    }
    struct s3_manifest manifest;
    TRY(content_pieces(call, object, &manifest));
    for (size_t i = 0; i < manifest.pieces.len; i++)
        TRY(content_release(call, &manifest.pieces.items[i]));
    struct key key = manifest_key(call, object->manifest);
    return kv_delete(call->txn, key_bytes(&key), NULL);
}

/* --- reading through --- */

struct digests {
    struct digest md5;
    struct digest *checksum;
};

static void digests_update(struct digests *digests, struct str bytes)
{
    digest_update(&digests->md5, bytes);
    if (digests->checksum != NULL)
        digest_update(digests->checksum, bytes);
}

static RESULT digest_file(int fd, const struct s3_piece *piece, struct digests *digests)
{
    enum { ROOM = 16 * 1024 };
    char room[ROOM];
    int64_t done = 0;
    while (done < piece->length) {
        int64_t left = piece->length - done;
        ssize_t count = pread(fd, room, left < ROOM ? (size_t)left : ROOM, piece->offset + done);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return FAULT("a blob is shorter than its record says");
        digests_update(digests, str_make(room, (size_t)count));
        done += count;
    }
    return RESULT_OK;
}

RESULT content_digest(struct call *call, const struct s3_manifest *manifest, uint8_t md5[MD5_SIZE],
                      struct digest *checksum)
{
    struct digests digests = {.checksum = checksum};
    digest_begin(&digests.md5, DIGEST_MD5);
    for (size_t i = 0; i < manifest->pieces.len; i++) {
        const struct s3_piece *piece = &manifest->pieces.items[i];
        if (!str_is_absent(piece->bytes)) {
            digests_update(&digests, piece->bytes);
            continue;
        }
        struct blob_id id = blob_of(piece->blob_id);
        int fd;
        TRY(blob_open(call->cloud->blobs, &id, &fd));
        enum result result = digest_file(fd, piece, &digests);
        (void)close(fd);
        TRY(result);
    }
    digest_end(&digests.md5, md5);
    return RESULT_OK;
}
