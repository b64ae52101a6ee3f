/* Reading an object's bytes through, for a digest that it has not or a layer that it lacks: beside
 * the call, since it takes as long as the object is large. */
#include "cloud/work.h"
#include "services/s3/crypt.h"

/* Up to here the thread at hand does it: handing over costs more. */
enum { READ_AT_ONCE = 256 * 1024 };

struct reading {
    struct s3_manifest manifest;
    struct digest md5, checksum;
    unsigned layers;
    struct blob_writer *writer;
    bool published;
    struct content_read out;
};

static void reading_drop(struct work *work)
{
    struct reading *reading = work->data;
    struct blob_id id;
    if (reading->writer != NULL)
        blob_discard(reading->writer);
    if (!reading->published || reading->out.kept)
        return;
    memcpy(id.bytes, reading->out.copy.blob_id.ptr, sizeof id.bytes);
    blob_drop(work->cloud->blobs, &id);
}

static RESULT reading_take(struct reading *reading, struct str bytes)
{
    digest_update(&reading->md5, bytes);
    digest_update(&reading->checksum, bytes);
    return reading->writer == NULL ? RESULT_OK : blob_append(reading->writer, bytes);
}

static RESULT read_blob(struct work *work, struct reading *reading, const struct s3_piece *piece,
                        char *room)
{
    struct blob_reader *reader;
    struct blob_id id = {0};
    struct blob_key key = crypt_blob_key(piece);
    enum result result = RESULT_OK;
    memcpy(id.bytes, piece->blob_id.ptr,
           piece->blob_id.len < sizeof id.bytes ? piece->blob_id.len : sizeof id.bytes);
    TRY(blob_reader_open(work->cloud->blobs, &id, &key, &reader));
    for (int64_t done = 0; done < piece->length && result == RESULT_OK;) {
        int64_t left = piece->length - done;
        size_t count = left < BLOB_CHUNK ? (size_t)left : BLOB_CHUNK;
        result = atomic_load(&work->cancelled)
                     ? RESULT_FAULT
                     : blob_read(reader, (uint64_t)(piece->offset + done), room, count, &count);
        if (result == RESULT_OK)
            result = reading_take(reading, str_make(room, count));
        done += (int64_t)count;
    }
    blob_reader_close(reader);
    return result;
}

static RESULT reading_publish(struct work *work, struct reading *reading,
                              const struct blob_key *key)
{
    struct blob_id id;
    uint64_t size;
    struct blob_writer *writer = reading->writer;
    reading->writer = NULL;
    TRY(blob_publish(writer, &id, &size));
    reading->published = true;
    reading->out.copy = (struct s3_piece){
        .blob_id = str_copy(work->arena, str_make((const char *)id.bytes, sizeof id.bytes)),
        .length = (int64_t)size,
        .sealed_key = str_copy(
            work->arena, str_make((const char *)key->bytes, key->layers * sizeof key->bytes[0])),
    };
    return RESULT_OK;
}

static RESULT reading_run(struct work *work)
{
    struct reading *reading = work->data;
    struct blob_key key = {0};
    char *room = arena_alloc_raw(work->arena, BLOB_CHUNK);
    if (reading->layers > 0) {
        blob_key_make(&key, reading->layers);
        TRY(blob_create_sealed(work->cloud->blobs, &key, &reading->writer));
    }
    for (size_t i = 0; i < reading->manifest.pieces.len; i++) {
        const struct s3_piece *piece = &reading->manifest.pieces.items[i];
        if (str_is_absent(piece->bytes))
            TRY(read_blob(work, reading, piece, room));
        else
            TRY(reading_take(reading, piece->bytes));
    }
    digest_end(&reading->md5, reading->out.md5);
    digest_end(&reading->checksum, reading->out.checksum);
    return reading->layers > 0 ? reading_publish(work, reading, &key) : RESULT_OK;
}

static struct work *reading_new(struct call *call, struct str name,
                                const struct content_reading *wanted)
{
    struct work *work = work_new(call, name, sizeof(struct reading));
    struct reading *reading = work->data;
    const struct s3_list_piece *pieces = &wanted->manifest->pieces;
    struct s3_piece *copies = ARENA_ARRAY(work->arena, pieces->len + 1, struct s3_piece);
    for (size_t i = 0; i < pieces->len; i++) {
        copies[i] = pieces->items[i];
        copies[i].blob_id = str_copy(work->arena, copies[i].blob_id);
        copies[i].sealed_key = str_copy(work->arena, copies[i].sealed_key);
        copies[i].bytes = str_copy(work->arena, copies[i].bytes);
    }
    reading->manifest.pieces = (struct s3_list_piece){copies, pieces->len};
    reading->layers = wanted->layers;
    digest_begin(&reading->md5, DIGEST_MD5);
    digest_begin(&reading->checksum, wanted->kind);
    work->drop = reading_drop;
    return work;
}

RESULT content_read_through(struct call *call, const struct content_reading *wanted,
                            struct content_read **out)
{
    struct str name =
        str_format(call->arena, "read/%lld/%llu/%d/%u", (long long)wanted->sequence,
                   (unsigned long long)wanted->offset, (int)wanted->kind, wanted->layers);
    struct work *work = work_find(call, name);
    int64_t size = 0;
    if (work == NULL) {
        work = reading_new(call, name, wanted);
        for (size_t i = 0; i < wanted->manifest->pieces.len; i++)
            size += wanted->manifest->pieces.items[i].length;
        TRY(work_start(call, work, size <= READ_AT_ONCE, reading_run));
    }
    TRY(work_await(call, work));
    struct reading *reading = work->data;
    *out = &reading->out;
    return RESULT_OK;
}
