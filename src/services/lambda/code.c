/* Archives of code: taken in beside the call, kept once for all that are equal.
 *
 *   ("lambda-code", ID)              record code: whose archive, how many use it
 *   DATA/functions/code/ID/          what is in it; made again when it is not there
 *   DATA/functions/opt/ID/           layers put together, see layers_ready()
 *
 * Nothing but the records and the blobs is needed: the folders may be lost at any time. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/rng.h"
#include "cloud/object_io.h"
#include "cloud/work.h"
#include "functions/unpack.h"
#include "services/lambda/code_int.h"
#include "services/lambda/lambda_int.h"

enum { CODE_ENTRIES_MAX = 200000, CODE_DROP_MS = 15 * 60 * 1000 };

static const struct unpack_limits code_limits = {CODE_UNZIPPED_MAX, CODE_ENTRIES_MAX};

/* --- records --- */

static struct key code_key(struct call *call, struct str id)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("lambda-code"));
    key_str(&key, id);
    return key;
}

RESULT code_get(struct call *call, struct str id, struct lambda_code *code, bool *found)
{
    struct key key = code_key(call, id);
    return call_get_record_copy(call, &key, &lambda_model, LAMBDA_SHAPE_code, code, found);
}

static RESULT code_put(struct call *call, const struct lambda_code *code)
{
    struct key key = code_key(call, code->id);
    return call_put_record(call, &key, &lambda_model, LAMBDA_SHAPE_code, code);
}

static RESULT code_blob(struct str bytes, struct blob_id *id)
{
    if (bytes.len != sizeof id->bytes)
        return FAULT("a blob's id of %zu bytes", bytes.len);
    memcpy(id->bytes, bytes.ptr, sizeof id->bytes);
    return RESULT_OK;
}

RESULT code_use_again(struct call *call, struct str id)
{
    struct lambda_code code;
    bool found;
    TRY(code_get(call, id, &code, &found));
    if (!found)
        return FAULT("no code %.*s", PRSTR(id));
    code.uses++;
    return code_put(call, &code);
}

/* Who runs it now may do so to the end: the folder goes later. */
RESULT code_release(struct call *call, struct str id)
{
    struct lambda_code code;
    struct blob_id blob;
    bool found;
    if (str_is_empty(id))
        return RESULT_OK;
    TRY(code_get(call, id, &code, &found));
    if (!found)
        return FAULT("no code %.*s", PRSTR(id));
    if (--code.uses > 0)
        return code_put(call, &code);
    struct key key = code_key(call, id);
    TRY(code_blob(code.blob, &blob));
    TRY(blob_release(call->cloud->blobs, call->txn, &blob));
    TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    return job_schedule(call, STR("lambda.code"), call->now_ms + CODE_DROP_MS, id, NULL);
}

/* --- folders --- */

struct str code_folder(struct arena *arena, const struct cloud *cloud, struct str kind,
                       struct str id)
{
    return str_format(arena, "%.*s/functions/%.*s/%.*s", PRSTR(cloud->directory), PRSTR(kind),
                      PRSTR(id));
}

static RESULT folder_make(struct str path)
{
    char name[4096];
    struct buf text;
    buf_init_fixed(&text, name, sizeof name - 1);
    buf_append(&text, path);
    if (buf_is_full(&text))
        return FAULT("a path of %zu bytes", path.len);
    name[text.len] = 0;
    if (mkdir(name, 0755) < 0 && errno != EEXIST)
        return FAULT("mkdir %s: %s", name, strerrordesc_np(errno));
    return RESULT_OK;
}

RESULT code_folders_make(const struct cloud *cloud, struct arena *arena)
{
    struct str top = str_format(arena, "%.*s/functions", PRSTR(cloud->directory));
    TRY(folder_make(top));
    TRY(folder_make(str_concat(arena, top, STR("/code"))));
    return folder_make(str_concat(arena, top, STR("/opt")));
}

static bool code_folder_exists(struct arena *arena, struct str folder)
{
    struct stat found;
    return stat(str_to_c(arena, folder), &found) == 0;
}

RESULT code_folder_begin(struct arena *arena, struct str folder, struct str *temporary)
{
    char uuid[36];
    rng_uuid(uuid);
    *temporary = str_format(arena, "%.*s.%.8s", PRSTR(folder), uuid);
    return folder_make(*temporary);
}

RESULT code_folder_end(struct arena *arena, struct str temporary, struct str folder)
{
    const char *from = str_to_c(arena, temporary), *to = str_to_c(arena, folder);
    if (rename(from, to) == 0)
        return RESULT_OK;
    if (errno == ENOTEMPTY || errno == EEXIST) /* somebody else was faster: it is the same */
        return unpack_remove(from);
    int error = errno;
    TRY(unpack_remove(from));
    return FAULT("rename %s: %s", to, strerrordesc_np(error));
}

/* --- taking in --- */

struct taking {
    struct str image_uri; /* an image, else: */
    struct image_taken image;
    struct str zip;           /* to be written */
    struct blob_writer *file; /* or this, written already */
    bool published;
    bool kept; /* a record names the blob now, as far as the handler knows */
    struct blob_id blob;
    struct unpack_result unpacked;
    struct code_stored stored;
};

static void taking_drop(struct work *work)
{
    struct taking *taking = work->data;
    if (taking->file != NULL)
        blob_discard(taking->file);
    if (taking->published && !taking->kept)
        blob_drop(work->cloud->blobs, &taking->blob);
}

static RESULT taking_digest(struct work *work, int fd, struct taking *taking)
{
    struct digest digest;
    uint8_t sum[SHA256_SIZE];
    struct buf text;
    size_t size = 256 * 1024;
    char *room = arena_alloc_raw(work->arena, size);
    ssize_t got;
    digest_begin(&digest, DIGEST_SHA256);
    while ((got = read(fd, room, size)) > 0)
        digest_update(&digest, str_make(room, (size_t)got));
    if (got < 0 || lseek(fd, 0, SEEK_SET) < 0)
        return FAULT("reading an archive: %s", strerrordesc_np(errno));
    digest_end(&digest, sum);
    buf_init(&text, work->arena, 128);
    hex_encode(&text, str_make((const char *)sum, sizeof sum));
    taking->stored.id = str_copy(work->arena, buf_str(&text));
    buf_clear(&text);
    base64_encode(&text, str_make((const char *)sum, sizeof sum));
    taking->stored.sha256 = str_copy(work->arena, buf_str(&text));
    return RESULT_OK;
}

/* Always unpacked, even when the folder is there: what it comes to has to be known. */
static RESULT taking_unpack(struct work *work, int fd, struct taking *taking)
{
    struct str folder = code_folder(work->arena, work->cloud, STR("code"), taking->stored.id);
    struct str temporary;
    TRY(code_folders_make(work->cloud, work->arena));
    TRY(code_folder_begin(work->arena, folder, &temporary));
    const char *path = str_to_c(work->arena, temporary);
    enum result result =
        unpack_zip(work->arena, fd, path, &code_limits, &work->cancelled, &taking->unpacked);
    taking->stored.unzipped = (int64_t)taking->unpacked.bytes;
    if (result != RESULT_OK || taking->unpacked.answer != UNPACK_DONE) {
        TRY(unpack_remove(path));
        return result;
    }
    return code_folder_end(work->arena, temporary, folder);
}

static RESULT taking_run_image(struct work *work, struct taking *taking)
{
    TRY(image_take(work, taking->image_uri, &taking->blob, &taking->published, &taking->image));
    taking->stored = (struct code_stored){.id = taking->image.image.digest,
                                          .sha256 = taking->image.image.digest,
                                          .size = taking->image.size,
                                          .unzipped = (int64_t)taking->image.unpacked.bytes};
    return RESULT_OK;
}

static RESULT taking_run(struct work *work)
{
    struct taking *taking = work->data;
    uint64_t size;
    int fd;
    if (!str_is_absent(taking->image_uri))
        return taking_run_image(work, taking);
    if (taking->file == NULL) {
        TRY(blob_create(work->cloud->blobs, &taking->file));
        TRY(blob_append(taking->file, taking->zip));
    }
    struct blob_writer *file = taking->file;
    taking->file = NULL;
    TRY(blob_publish(file, &taking->blob, &size));
    taking->published = true;
    taking->stored.size = (int64_t)size;
    TRY(blob_open(work->cloud->blobs, &taking->blob, &fd));
    enum result result = taking_digest(work, fd, taking);
    if (result == RESULT_OK)
        result = taking_unpack(work, fd, taking);
    close(fd);
    return result;
}

static RESULT taking_judge(struct call *call, const struct taking *taking)
{
    switch (taking->unpacked.answer) {
    case UNPACK_DONE:
        return RESULT_OK;
    case UNPACK_TOO_LARGE:
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Unzipped size must be smaller than %d bytes", CODE_UNZIPPED_MAX);
    case UNPACK_NO_SPACE:
        return RESULT_FULL;
    case UNPACK_CANCELLED:
        return call_fail(call, LAMBDA_SERVICE, "Kumoniwa is about to stop.");
    case UNPACK_NO_LIBRARY:
        return call_fail(call, LAMBDA_SERVICE, "Kumoniwa cannot unpack code: %.*s.",
                         PRSTR(taking->unpacked.problem));
    case UNPACK_EMPTY:
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Uploaded file must be a non-empty zip");
    case UNPACK_BROKEN:
    case UNPACK_UNSAFE:
        break;
    }
    if (taking->stored.size == 0)
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Uploaded file must be a non-empty zip");
    return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                     "Could not unzip uploaded file. Please check your file, then try to upload "
                     "again.");
}

/* --- from S3 --- */

static RESULT fetch_fail(struct call *call, const struct code_source *source,
                         const struct object_io_problem *problem)
{
    if (str_eq(problem->code, STR("AccessDenied")))
        return call_fail(call, WIRE_ACCESS_DENIED,
                         "Your access has been denied by S3, please make sure your request "
                         "credentials have permission to GetObject for %.*s/%.*s. S3 Error Code: "
                         "%.*s. S3 Error Message: %.*s",
                         PRSTR(source->bucket), PRSTR(source->key), PRSTR(problem->code),
                         PRSTR(problem->message));
    return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                     "Error occurred while GetObject. S3 Error Code: %.*s. S3 Error Message: %.*s",
                     PRSTR(problem->code), PRSTR(problem->message));
}

/* The object is copied to a file of ours while the transaction is open: it is the caller who may
 * read it, now. */
static RESULT fetch_object(struct call *call, const struct code_source *source,
                           struct blob_writer *file)
{
    const struct object_io_caller caller = {.principal = call->principal};
    const struct object_io_get get = {
        .bucket = source->bucket, .key = source->key, .version_id = source->version_id};
    struct object_io_reader *reader;
    struct object_io_found found;
    struct object_io_problem problem;
    enum result result = object_io_open(call, &caller, &get, &reader, &found, &problem);
    if (result == RESULT_ERROR)
        return fetch_fail(call, source, &problem);
    TRY(result);
    if (found.size > CODE_UNZIPPED_MAX)
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Unzipped size must be smaller than %d bytes", CODE_UNZIPPED_MAX);
    size_t size = 256 * 1024, got;
    char *room = arena_alloc_raw(call->arena, size);
    for (;;) {
        TRY(object_io_read(reader, room, size, &got));
        if (got == 0)
            return RESULT_OK;
        TRY(blob_append(file, str_make(room, got)));
    }
}

static RESULT taking_begin(struct call *call, const struct code_source *source, struct work *work)
{
    struct taking *taking = work->data;
    work->drop = taking_drop;
    if (!str_is_absent(source->image_uri)) {
        taking->image_uri = str_copy(work->arena, source->image_uri);
        return RESULT_OK;
    }
    if (!str_is_absent(source->zip)) {
        taking->zip = str_copy(work->arena, source->zip);
        return RESULT_OK;
    }
    struct blob_writer *file;
    TRY(blob_create(call->cloud->blobs, &file));
    enum result result = fetch_object(call, source, file);
    if (result == RESULT_OK)
        taking->file = file;
    else
        blob_discard(file);
    return result;
}

RESULT code_take(struct call *call, const struct code_source *source, struct code_stored *out)
{
    struct work *work = work_find(call, STR("lambda.code"));
    if (work == NULL) {
        if (source->zip.len > CODE_ZIPPED_MAX)
            return call_fail(
                call, LAMBDA_REQUEST_TOO_LARGE,
                "Request must be smaller than 69905067 bytes for the %.*s operation",
                PRSTR(wire_string(call->model, call->model->operations[call->operation].name)));
        work = work_new(call, STR("lambda.code"), sizeof(struct taking));
        enum result begun = taking_begin(call, source, work);
        if (begun != RESULT_OK) {
            call->work = NULL;
            work_release(work);
            return begun;
        }
        TRY(work_start(call, work, false, taking_run));
    }
    TRY(work_await(call, work));
    struct taking *taking = work->data;
    if (str_is_absent(taking->image_uri))
        TRY(taking_judge(call, taking));
    else
        TRY(image_judge(call, taking->image_uri, &taking->image));
    *out = taking->stored;
    return RESULT_OK;
}

RESULT code_use(struct call *call, const struct code_stored *stored)
{
    struct work *work = work_find(call, STR("lambda.code"));
    struct lambda_code code;
    bool found;
    if (work == NULL)
        return FAULT("code is used that was not taken in");
    struct taking *taking = work->data;
    TRY(code_get(call, stored->id, &code, &found));
    if (found) {
        code.uses++;
        return code_put(call, &code);
    }
    code = (struct lambda_code){
        .id = stored->id,
        .blob = str_make((const char *)taking->blob.bytes, sizeof taking->blob.bytes),
        .size = stored->size,
        .unzipped = stored->unzipped,
        .uses = 1,
    };
    if (!str_is_absent(taking->image_uri))
        image_keep(&taking->image, &code);
    TRY(blob_retain(call->cloud->blobs, call->txn, &taking->blob));
    TRY(code_put(call, &code));
    taking->kept = true; /* should the transaction fail after all, the next start sweeps */
    return RESULT_OK;
}

/* --- making folders ready --- */

struct making {
    const struct str *ids; /* of code whose folders are wanted */
    const struct blob_id *blobs;
    bool image; /* the first is one */
    size_t count;
    struct str opt; /* the folder of layers put together; absent: none is wanted */
    size_t first_layer;
    struct str problem;
};

static RESULT making_unpack(struct work *work, struct str id, const struct blob_id *blob,
                            bool image)
{
    struct str folder = code_folder(work->arena, work->cloud, STR("code"), id), temporary;
    struct unpack_result unpacked;
    struct making *making = work->data;
    int fd;
    if (code_folder_exists(work->arena, folder))
        return RESULT_OK;
    TRY(code_folder_begin(work->arena, folder, &temporary));
    const char *path = str_to_c(work->arena, temporary);
    TRY(blob_open(work->cloud->blobs, blob, &fd));
    enum result result =
        image ? image_unpack(work->arena, fd, path, &image_limits, &work->cancelled, &unpacked)
              : unpack_zip(work->arena, fd, path, &code_limits, &work->cancelled, &unpacked);
    close(fd);
    if (result == RESULT_OK && unpacked.answer == UNPACK_DONE)
        return code_folder_end(work->arena, temporary, folder);
    TRY(unpack_remove(path));
    making->problem = unpacked.problem;
    return result;
}

static RESULT making_merge(struct work *work, const struct making *making)
{
    struct str temporary;
    TRY(code_folder_begin(work->arena, making->opt, &temporary));
    for (size_t i = making->first_layer; i < making->count; i++) {
        struct str folder = code_folder(work->arena, work->cloud, STR("code"), making->ids[i]);
        TRY(unpack_merge(str_to_c(work->arena, folder), str_to_c(work->arena, temporary)));
    }
    return code_folder_end(work->arena, temporary, making->opt);
}

static RESULT making_run(struct work *work)
{
    struct making *making = work->data;
    TRY(code_folders_make(work->cloud, work->arena));
    for (size_t i = 0; i < making->count && str_is_absent(making->problem); i++)
        TRY(making_unpack(work, making->ids[i], &making->blobs[i], making->image && i == 0));
    if (str_is_absent(making->opt) || !str_is_absent(making->problem) ||
        code_folder_exists(work->arena, making->opt))
        return RESULT_OK;
    return making_merge(work, making);
}

/* What several layers are together has a name that says which, in their order. */
static struct str opt_folder(struct call *call, const struct str_list *codes)
{
    uint8_t sum[SHA256_SIZE];
    struct digest digest;
    struct buf text;
    digest_begin(&digest, DIGEST_SHA256);
    for (size_t i = 0; i < codes->len; i++)
        digest_update(&digest, codes->items[i]);
    digest_end(&digest, sum);
    buf_init(&text, call->arena, 128);
    hex_encode(&text, str_make((const char *)sum, sizeof sum));
    return code_folder(call->arena, call->cloud, STR("opt"), buf_str(&text));
}

static RESULT making_await(struct call *call, struct work *work)
{
    TRY(work_await(call, work));
    const struct making *making = work->data;
    if (str_is_absent(making->problem))
        return RESULT_OK;
    return call_fail(call, LAMBDA_SERVICE, "The function's code could not be unpacked: %.*s.",
                     PRSTR(making->problem));
}

static RESULT making_start(struct call *call, struct str name, struct str task,
                           const struct str_list *layers, struct str opt)
{
    struct work *work = work_new(call, name, sizeof(struct making));
    struct making *making = work->data;
    struct str *ids = ARENA_ARRAY(work->arena, layers->len + 1, struct str);
    struct blob_id *blobs = ARENA_ARRAY(work->arena, layers->len + 1, struct blob_id);
    if (!str_is_empty(task))
        ids[making->count++] = str_copy(work->arena, task);
    making->first_layer = making->count;
    for (size_t i = 0; i < layers->len; i++)
        ids[making->count++] = str_copy(work->arena, layers->items[i]);
    for (size_t i = 0; i < making->count; i++) {
        struct lambda_code code;
        bool found;
        TRY(code_get(call, ids[i], &code, &found));
        if (!found)
            return FAULT("no code %.*s", PRSTR(ids[i]));
        TRY(code_blob(code.blob, &blobs[i]));
        making->image = making->image || !str_is_empty(code.image);
    }
    making->ids = ids;
    making->blobs = blobs;
    making->opt = layers->len > 1 ? str_copy(work->arena, opt) : (struct str){0};
    TRY(work_start(call, work, false, making_run));
    return making_await(call, work);
}

RESULT lambda_code_ready(struct call *call, const struct lambda_target *target, struct str *task,
                         struct str *opt)
{
    const struct lambda_version *version = &target->version;
    const struct str_list *layers = &version->layer_codes;
    struct str code = {0}, folder = {0}, top = {0};
    if (!str_is_empty(version->hot_folder)) {
        folder = version->hot_folder;
    } else if (!str_is_empty(version->code)) {
        code = version->code;
        folder = code_folder(call->arena, call->cloud, STR("code"), code);
    }
    if (layers->len == 1)
        top = code_folder(call->arena, call->cloud, STR("code"), layers->items[0]);
    else if (layers->len > 1)
        top = opt_folder(call, layers);
    bool ready = (str_is_empty(code) || code_folder_exists(call->arena, folder)) &&
                 (str_is_empty(top) || code_folder_exists(call->arena, top));
    if (!ready) {
        struct str name =
            str_format(call->arena, "lambda.ready/%.*s/%.*s", PRSTR(code), PRSTR(top));
        struct work *work = work_find(call, name);
        if (work == NULL)
            TRY(making_start(call, name, code, layers, top));
        else
            TRY(making_await(call, work));
    }
    *task = folder;
    *opt = top;
    return RESULT_OK;
}
