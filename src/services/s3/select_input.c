#include "services/s3/select.h"

#define ZLIB_CONST
#include <bzlib.h>
#include <zlib.h>

#include "base/arena.h"
#include "services/s3/crypt.h"

enum { PLAIN = 128 * 1024 };

struct select_input {
    struct blob_store *blobs;
    struct s3_manifest pieces;
    enum select_compression compression;
    size_t piece;  /* that is at hand */
    uint64_t done; /* of it */
    struct blob_reader *reader;
    uint64_t scanned;
    struct str raw; /* read and not yet decompressed */
    bool raw_end, begun, stream_end;
    z_stream zip;
    bz_stream bzip;
    char room[BLOB_CHUNK];
    char plain[PLAIN];
};

static void input_release(void *context)
{
    struct select_input *input = context;
    blob_reader_close(input->reader);
    if (input->begun && input->compression == SELECT_GZIP)
        (void)inflateEnd(&input->zip);
    if (input->begun && input->compression == SELECT_BZIP2)
        (void)BZ2_bzDecompressEnd(&input->bzip);
    heap_free(input);
}

struct select_input *select_input_new(struct arena *arena, struct blob_store *blobs,
                                      const struct s3_manifest *pieces,
                                      enum select_compression compression)
{
    struct select_input *input = heap_alloc(sizeof *input);
    input->blobs = blobs;
    input->pieces = *pieces;
    input->compression = compression;
    arena_on_reset(arena, input_release, input);
    return input;
}

void select_input_seek(struct select_input *input, uint64_t offset)
{
    blob_reader_close(input->reader);
    input->reader = NULL;
    input->piece = 0;
    while (input->piece < input->pieces.pieces.len &&
           offset >= (uint64_t)input->pieces.pieces.items[input->piece].length)
        offset -= (uint64_t)input->pieces.pieces.items[input->piece++].length;
    input->done = offset;
}

uint64_t select_input_scanned(const struct select_input *input)
{
    return input->scanned;
}

static RESULT read_raw(struct select_input *input, struct str *bytes)
{
    *bytes = STR("");
    while (input->piece < input->pieces.pieces.len) {
        const struct s3_piece *piece = &input->pieces.pieces.items[input->piece];
        uint64_t left = (uint64_t)piece->length - input->done;
        size_t count = left < BLOB_CHUNK ? (size_t)left : BLOB_CHUNK;
        if (left == 0) {
            blob_reader_close(input->reader);
            input->reader = NULL;
            input->piece++;
            input->done = 0;
            continue;
        }
        if (!str_is_absent(piece->bytes)) {
            *bytes = str_slice(piece->bytes, (size_t)input->done, (size_t)input->done + count);
        } else {
            struct blob_id id = {0};
            struct blob_key key = crypt_blob_key(piece);
            memcpy(id.bytes, piece->blob_id.ptr, sizeof id.bytes);
            if (input->reader == NULL)
                TRY(blob_reader_open(input->blobs, &id, &key, &input->reader));
            TRY(blob_read(input->reader, (uint64_t)piece->offset + input->done, input->room, count,
                          &count));
            *bytes = str_make(input->room, count);
        }
        input->done += count;
        input->scanned += count;
        return RESULT_OK;
    }
    return RESULT_OK;
}

static RESULT fail_compressed(struct select_failure *failure, const char *code)
{
    *failure = (struct select_failure){
        code, STR("The data is not in the correct compression format. Check the file and try "
                  "again.")};
    return RESULT_ERROR;
}

/* gzip of several members, one after another, is one file. */
static RESULT gunzip(struct select_input *input, size_t *made, struct select_failure *failure)
{
    z_stream *zip = &input->zip;
    if (!input->begun && inflateInit2(zip, 15 + 16) != Z_OK)
        return FAULT("inflateInit2 failed");
    input->begun = true;
    if (input->stream_end && inflateReset(zip) != Z_OK)
        return FAULT("inflateReset failed");
    input->stream_end = false;
    zip->next_in = (const Bytef *)input->raw.ptr;
    zip->avail_in = (uInt)input->raw.len;
    zip->next_out = (Bytef *)input->plain;
    zip->avail_out = PLAIN;
    int state = inflate(zip, Z_NO_FLUSH);
    if (state != Z_OK && state != Z_STREAM_END && state != Z_BUF_ERROR)
        return fail_compressed(failure, "InvalidCompressionFormat");
    input->raw = str_slice(input->raw, input->raw.len - zip->avail_in, input->raw.len);
    input->stream_end = state == Z_STREAM_END;
    *made = PLAIN - zip->avail_out;
    return RESULT_OK;
}

static RESULT bunzip(struct select_input *input, size_t *made, struct select_failure *failure)
{
    bz_stream *bzip = &input->bzip;
    if (input->stream_end) {
        (void)BZ2_bzDecompressEnd(bzip);
        *bzip = (bz_stream){0};
        input->begun = false;
    }
    if (!input->begun && BZ2_bzDecompressInit(bzip, 0, 0) != BZ_OK)
        return FAULT("BZ2_bzDecompressInit failed");
    input->begun = true;
    input->stream_end = false;
    /* The library's type lacks a const. */
    union {
        const char *in;
        char *out;
    } raw = {.in = input->raw.ptr};
    bzip->next_in = raw.out;
    bzip->avail_in = (unsigned)input->raw.len;
    bzip->next_out = input->plain;
    bzip->avail_out = PLAIN;
    int state = BZ2_bzDecompress(bzip);
    if (state != BZ_OK && state != BZ_STREAM_END)
        return fail_compressed(failure, "InvalidCompressionFormat");
    input->raw = str_slice(input->raw, input->raw.len - bzip->avail_in, input->raw.len);
    input->stream_end = state == BZ_STREAM_END;
    *made = PLAIN - bzip->avail_out;
    return RESULT_OK;
}

RESULT select_input_read(struct select_input *input, struct str *bytes,
                         struct select_failure *failure)
{
    if (input->compression == SELECT_NONE)
        return read_raw(input, bytes);
    for (;;) {
        size_t made = 0;
        if (input->raw.len == 0 && !input->raw_end) {
            TRY(read_raw(input, &input->raw));
            input->raw_end = input->raw.len == 0;
        }
        *bytes = STR("");
        if (input->raw_end && (input->stream_end || !input->begun))
            return RESULT_OK;
        size_t before = input->raw.len;
        TRY(input->compression == SELECT_GZIP ? gunzip(input, &made, failure)
                                              : bunzip(input, &made, failure));
        if (made > 0) {
            *bytes = str_make(input->plain, made);
            return RESULT_OK;
        }
        if (input->raw_end && !input->stream_end && before == input->raw.len)
            return fail_compressed(failure, "TruncatedInput");
    }
}
