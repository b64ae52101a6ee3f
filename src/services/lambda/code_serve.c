/* Archives given out again, and folders that nobody needs any more taken away. */
#include <dirent.h>
#include <errno.h>
#include <unistd.h>

#include "cloud/paging.h"
#include "functions/unpack.h"
#include "services/lambda/code_int.h"
#include "services/lambda/lambda_int.h"

enum { LOCATION_MS = 10 * 60 * 1000 };

#define CODE_PAGE "/_aws/lambda/code/"

/* "GetFunction": "a link to download the deployment package that's valid for 10 minutes". What it
 * names is sealed, so that it needs no other signature. */
struct str code_location(struct call *call, struct str id)
{
    struct str payload =
        str_format(call->arena, "%lld %.*s", (long long)(call->now_ms + LOCATION_MS), PRSTR(id));
    struct str seal = seal_make(call, STR("lambda.code"), payload);
    return str_format(call->arena, "%.*s" CODE_PAGE "%.*s", PRSTR(call->endpoint), PRSTR(seal));
}

static RESULT answer_text(struct call *call, struct wire_response *response, uint16_t status,
                          struct str type, struct str body)
{
    response->headers = ARENA_NEW(call->arena, struct wire_header);
    response->headers[0] = (struct wire_header){STR("Content-Type"), type};
    response->header_count = 1;
    response->status = status;
    response->body = body;
    return RESULT_OK;
}

static RESULT answer_read(struct call *call, const struct lambda_code *code, struct str *bytes)
{
    struct blob_id blob;
    struct blob_reader *reader;
    size_t size = (size_t)code->size, done = 0;
    char *room = arena_alloc_raw(call->arena, size + 1);
    if (code->blob.len != sizeof blob.bytes)
        return FAULT("a blob's id of %zu bytes", code->blob.len);
    memcpy(blob.bytes, code->blob.ptr, sizeof blob.bytes);
    TRY(blob_reader_open(call->cloud->blobs, &blob, NULL, &reader));
    enum result result = RESULT_OK;
    while (result == RESULT_OK && done < size) {
        size_t got = 0;
        result = blob_read(reader, done, room + done, size - done, &got);
        done += got;
    }
    blob_reader_close(reader);
    *bytes = str_make(room, done);
    return result;
}

RESULT code_answer(struct call *call, struct wire_response *response)
{
    struct str path = call->request->path, seal, payload, expires, id;
    struct lambda_code code;
    int64_t until_ms;
    bool found = false;
    seal = str_slice(path, sizeof CODE_PAGE - 1, path.len);
    if (!seal_open(call, STR("lambda.code"), seal, &payload) ||
        !str_cut(payload, ' ', &expires, &id) || !str_to_i64(expires, &until_ms))
        return answer_text(call, response, 403, STR("text/plain"),
                           STR("This is no link to a function's code.\n"));
    if (until_ms < call->now_ms)
        return answer_text(call, response, 403, STR("text/plain"),
                           STR("This link to a function's code has expired.\n"));
    TRY(code_get(call, id, &code, &found));
    if (!found)
        return answer_text(call, response, 404, STR("text/plain"),
                           STR("This function's code is gone.\n"));
    struct str bytes = {0};
    TRY(answer_read(call, &code, &bytes));
    return answer_text(call, response, 200, STR("application/zip"), bytes);
}

/* --- taking folders away --- */

RESULT code_deliver_drop(struct call *call, const struct outbox_item *item)
{
    struct lambda_code code;
    bool found;
    TRY(code_get(call, item->payload, &code, &found));
    if (found)
        return RESULT_OK; /* it came again */
    struct str folder = code_folder(call->arena, call->cloud, STR("code"), item->payload);
    return unpack_remove(str_to_c(call->arena, folder));
}

static RESULT code_is_known(struct cloud *cloud, struct kv_txn *txn, struct str id, bool *known)
{
    struct key key;
    struct str value;
    (void)cloud;
    key_init(&key, NULL);
    key_str(&key, STR("lambda-code"));
    key_str(&key, id);
    TRY(kv_get(txn, key_bytes(&key), &value));
    *known = !str_is_absent(value);
    return RESULT_OK;
}

/* Folders of layers put together are made again in no time, from links. */
static RESULT sweep_entry(struct cloud *cloud, struct kv_txn *txn, struct arena *arena,
                          struct str kind, struct str name)
{
    bool known = false;
    if (str_eq(kind, STR("code")))
        TRY(code_is_known(cloud, txn, name, &known));
    if (known)
        return RESULT_OK;
    return unpack_remove(str_to_c(arena, code_folder(arena, cloud, kind, name)));
}

static RESULT sweep(struct cloud *cloud, struct kv_txn *txn, struct arena *arena, struct str kind)
{
    struct str path =
        str_format(arena, "%.*s/functions/%.*s", PRSTR(cloud->directory), PRSTR(kind));
    DIR *directory = opendir(str_to_c(arena, path));
    struct dirent *found;
    enum result result = RESULT_OK;
    if (directory == NULL)
        return errno == ENOENT ? RESULT_OK : FAULT("%.*s: %s", PRSTR(path), strerrordesc_np(errno));
    while (result == RESULT_OK && (found = readdir(directory)) != NULL)
        if (found->d_name[0] != '.')
            result = sweep_entry(cloud, txn, arena, kind, str_from_c(found->d_name));
    closedir(directory);
    return result;
}

RESULT code_start(struct cloud *cloud)
{
    struct kv_txn *txn;
    struct arena *arena = arena_new(0);
    enum result result = kv_begin(cloud->kv, false, &txn);
    if (result == RESULT_OK) {
        result = sweep(cloud, txn, arena, STR("code"));
        if (result == RESULT_OK)
            result = sweep(cloud, txn, arena, STR("opt"));
        kv_abort(txn);
    }
    arena_free(arena);
    return result;
}
