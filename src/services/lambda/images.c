/* Container images of functions: "Create a Lambda function using a container image", AWS Lambda
 * Developer Guide. They are kept as archives of code are: a blob, a record, a folder made from it.
 */
#include <unistd.h>

#include "services/lambda/code_int.h"
#include "services/lambda/lambda_int.h"

/* "Lambda quotas": "Container image code package size", uncompressed, with all layers. */
const struct unpack_limits image_limits = {UINT64_C(10) << 30, 2000000};

/* --- taking in --- */

static RESULT image_write(void *context, struct str bytes)
{
    return blob_append(context, bytes);
}

static RESULT image_publish(struct work *work, struct str layout, struct blob_id *blob,
                            bool *published, struct image_taken *out)
{
    struct blob_writer *file;
    uint64_t size;
    TRY(blob_create(work->cloud->blobs, &file));
    const struct image_sink sink = {
        .write = image_write, .context = file, .cancelled = &work->cancelled};
    enum result result =
        image_pack(work->arena, layout, &out->image, &sink, &out->answer, &out->problem);
    if (result != RESULT_OK || out->answer != IMAGE_GOOD) {
        blob_discard(file);
        return result;
    }
    TRY(blob_publish(file, blob, &size));
    *published = true;
    out->size = (int64_t)size;
    return RESULT_OK;
}

/* Always unpacked, even when the folder is there: what it comes to has to be known. */
static RESULT image_open_folder(struct work *work, const struct blob_id *blob,
                                struct image_taken *out)
{
    struct str folder = code_folder(work->arena, work->cloud, STR("code"), out->image.digest);
    struct str temporary;
    int fd;
    TRY(code_folder_begin(work->arena, folder, &temporary));
    const char *path = str_to_c(work->arena, temporary);
    TRY(blob_open(work->cloud->blobs, blob, &fd));
    enum result result =
        image_unpack(work->arena, fd, path, &image_limits, &work->cancelled, &out->unpacked);
    close(fd);
    if (result == RESULT_OK && out->unpacked.answer == UNPACK_DONE)
        return code_folder_end(work->arena, temporary, folder);
    TRY(unpack_remove(path));
    return result;
}

static RESULT image_take_layout(struct work *work, struct str layout, struct str tag,
                                struct blob_id *blob, bool *published, struct image_taken *out)
{
    TRY(image_find(work->arena, layout, tag, &out->image, &out->answer, &out->problem));
    if (out->answer != IMAGE_GOOD)
        return RESULT_OK;
    TRY(image_publish(work, layout, blob, published, out));
    return out->answer == IMAGE_GOOD ? image_open_folder(work, blob, out) : RESULT_OK;
}

/* "/folder:tag"; a folder whose name has such an end is meant as it is. */
static void layout_parts(struct arena *arena, struct str text, struct str *folder, struct str *tag)
{
    size_t colon = str_find_last_char(text, ':'), slash = str_find_last_char(text, '/');
    *folder = text;
    *tag = (struct str){0};
    if (colon == SIZE_MAX || colon < slash || access(str_to_c(arena, text), F_OK) == 0)
        return;
    *folder = str_slice(text, 0, colon);
    *tag = str_slice(text, colon + 1, text.len);
}

static RESULT image_take_reference(struct work *work, struct str uri, struct blob_id *blob,
                                   bool *published, struct image_taken *out)
{
    struct str folder = code_folder(work->arena, work->cloud, STR("code"), STR("image"));
    struct str temporary, layout;
    TRY(code_folder_begin(work->arena, folder, &temporary));
    enum result result = image_fetch(work->arena, uri, temporary, &image_limits, &work->cancelled,
                                     &layout, &out->answer, &out->problem);
    if (result == RESULT_OK && out->answer == IMAGE_GOOD)
        result = image_take_layout(work, layout, (struct str){0}, blob, published, out);
    TRY(unpack_remove(str_to_c(work->arena, temporary)));
    return result;
}

RESULT image_take(struct work *work, struct str uri, struct blob_id *blob, bool *published,
                  struct image_taken *out)
{
    struct str folder, tag;
    TRY(code_folders_make(work->cloud, work->arena));
    if (!str_starts_with(uri, STR("oci:/")))
        return image_take_reference(work, uri, blob, published, out);
    layout_parts(work->arena, str_slice(uri, 4, uri.len), &folder, &tag);
    return image_take_layout(work, folder, tag, blob, published, out);
}

static RESULT image_judge_unpacked(struct call *call, struct str uri,
                                   const struct unpack_result *unpacked)
{
    switch (unpacked->answer) {
    case UNPACK_DONE:
        return RESULT_OK;
    case UNPACK_TOO_LARGE:
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Source image %.*s is not valid. Provide a valid source image. "
                         "(Uncompressed it has more than 10 GB or two million files.)",
                         PRSTR(uri));
    case UNPACK_NO_SPACE:
        return RESULT_FULL;
    case UNPACK_CANCELLED:
        return call_fail(call, LAMBDA_SERVICE, "Kumoniwa is about to stop.");
    case UNPACK_NO_LIBRARY:
        return call_fail(call, LAMBDA_SERVICE, "Kumoniwa cannot unpack images: %.*s.",
                         PRSTR(unpacked->problem));
    case UNPACK_EMPTY:
    case UNPACK_BROKEN:
    case UNPACK_UNSAFE:
        break;
    }
    return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                     "Source image %.*s is not valid. Provide a valid source image. (A layer "
                     "cannot be unpacked: %.*s.)",
                     PRSTR(uri), PRSTR(unpacked->problem));
}

RESULT image_judge(struct call *call, struct str uri, const struct image_taken *taken)
{
    switch (taken->answer) {
    case IMAGE_GOOD:
        return image_judge_unpacked(call, uri, &taken->unpacked);
    case IMAGE_ABSENT:
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Source image %.*s does not exist. Provide a valid source image. (%.*s.)",
                         PRSTR(uri), PRSTR(taken->problem));
    case IMAGE_UNSUPPORTED:
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "The image manifest, config or layer media type for the source image "
                         "%.*s is not supported. (%.*s.)",
                         PRSTR(uri), PRSTR(taken->problem));
    case IMAGE_BROKEN:
        break;
    }
    return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                     "Source image %.*s is not valid. Provide a valid source image. (%.*s.)",
                     PRSTR(uri), PRSTR(taken->problem));
}

void image_keep(const struct image_taken *taken, struct lambda_code *code)
{
    code->image = taken->image.digest;
    code->entry_point = taken->image.entry_point;
    code->command = taken->image.command;
    code->variables = taken->image.env;
    code->workdir = taken->image.workdir;
}

/* --- shown --- */

struct str image_resolved(struct arena *arena, const struct lambda_version *version)
{
    struct str uri = version->image_uri;
    if (str_is_empty(version->code))
        return uri;
    size_t at = str_find_char(uri, '@');
    size_t colon = str_find_last_char(uri, ':'), slash = str_find_last_char(uri, '/');
    if (at != SIZE_MAX)
        uri = str_slice(uri, 0, at);
    else if (colon != SIZE_MAX && (slash == SIZE_MAX || colon > slash))
        uri = str_slice(uri, 0, colon);
    return str_format(arena, "%.*s@sha256:%.*s", PRSTR(uri), PRSTR(version->code));
}
