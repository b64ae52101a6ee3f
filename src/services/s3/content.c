/* The bytes of objects: in the record, in a blob, or in many that a manifest lists. A blob may
 * serve several objects (copies): ("s3-shared", blob id) counts the owners beyond the first. */
#include "base/vec.h"
#include "services/s3/crypt.h"

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

static RESULT retain_blob(struct call *call, struct str blob_id)
{
    struct blob_id id = blob_of(blob_id);
    return blob_retain(call->cloud->blobs, call->txn, &id);
}

/* What arrived before it was known that its encryption has two layers is written anew. */
static RESULT add_layer(struct call *call, const struct crypt *crypt, struct s3_piece *piece)
{
    struct s3_manifest manifest = {.pieces = {.items = piece, .len = 1}};
    struct content_reading wanted = {
        .manifest = &manifest, .kind = DIGEST_CRC64NVME, .layers = crypt->layers};
    struct content_read *read;
    TRY(content_read_through(call, &wanted, &read));
    struct blob_id arrived = blob_of(piece->blob_id);
    TRY(blob_release(call->cloud->blobs, call->txn, &arrived));
    *piece = read->copy;
    read->kept = true;
    return retain_blob(call, piece->blob_id);
}

RESULT content_of_payload(struct call *call, const struct crypt *crypt, struct s3_piece *piece)
{
    const struct call_payload *payload = &call->payload;
    *piece = (struct s3_piece){.length = (int64_t)payload->size};
    if (!payload->present || payload->in_memory) {
        piece->bytes = payload->present ? payload->bytes : STR("");
        return RESULT_OK;
    }
    piece->blob_id = str_copy(
        call->arena, str_make((const char *)payload->blob.bytes, sizeof payload->blob.bytes));
    piece->sealed_key =
        str_copy(call->arena, str_make((const char *)payload->key.bytes,
                                       payload->key.layers * sizeof payload->key.bytes[0]));
    TRY(retain_blob(call, piece->blob_id));
    struct s3_manifest manifest = {.pieces = {.items = piece, .len = 1}};
    return crypt_wants_layer(crypt, &manifest) ? add_layer(call, crypt, piece) : RESULT_OK;
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
        .blob_id = object->blob_id,
        .length = object->size,
        .bytes = object->body,
        .sealed_key = object->sealed_key,
    };
    if (str_is_absent(piece->blob_id) && str_is_absent(piece->bytes))
        piece->bytes = STR("");
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
        /* Sealed bytes stay whole until they are open. */
        if (str_is_absent(piece.bytes) || piece.sealed_key.len > 0)
            piece.offset += (int64_t)offset;
        else
            piece.bytes = str_slice(piece.bytes, (size_t)offset, (size_t)(offset + taken));
        piece.length = (int64_t)taken;
        VEC_PUSH(call->arena, part->pieces.items, part->pieces.len, cap, piece);
        length -= taken;
        offset = 0;
    }
}

RESULT content_put_manifest(struct call *call, int64_t id, const struct s3_manifest *manifest)
{
    struct key key = manifest_key(call, id);
    return call_put_record(call, &key, &s3_model, S3_SHAPE_manifest, manifest);
}

RESULT content_set(struct call *call, struct s3_object *object, const struct s3_manifest *manifest)
{
    object->body = object->blob_id = object->sealed_key = (struct str){0};
    object->manifest = 0;
    const struct s3_piece *first = manifest->pieces.items;
    if (manifest->pieces.len == 1 && manifest->parts.len == 0 && first->offset == 0 &&
        (!str_is_absent(first->bytes) || object->size == first->length)) {
        object->body = first->bytes;
        object->blob_id = first->blob_id;
        object->sealed_key = first->sealed_key;
        return RESULT_OK;
    }
    if (manifest->pieces.len == 0 && manifest->parts.len == 0) {
        object->body = STR("");
        return RESULT_OK;
    }
    uint64_t id;
    TRY(call_sequence(call, &id));
    object->manifest = (int64_t)id;
    return content_put_manifest(call, object->manifest, manifest);
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
