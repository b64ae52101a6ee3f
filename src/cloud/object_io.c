#include "cloud/object_io.h"

#include "gen/cloud.h"
#include "gen/s3.h"
#include "store/record.h"

/* What S3 itself keeps in its records rather than in a file. */
enum { OBJECT_MEMORY = 8 * 1024, OBJECT_PRINCIPAL_MAX = 64 * 1024, OBJECT_PAGE = 1000 };

/* --- who asks --- */

RESULT object_io_principal_keep(struct call *call, struct str *bytes)
{
    const struct principal *who = &call->principal;
    struct cloud_principal record = {
        .kind = (int64_t)who->kind,
        .account = who->account,
        .arn = who->arn,
        .user_id = who->user_id,
        .access_key = who->access_key,
        .name = who->name,
        .drop_in = who->drop_in,
    };
    struct cloud_session session;
    if (who->session != NULL) {
        session = session_record(who);
        record.session = &session;
    }
    struct buf out;
    buf_init(&out, call->arena, OBJECT_PRINCIPAL_MAX);
    TRY(record_encode(&out, &cloud_model, CLOUD_SHAPE_principal, &record));
    if (buf_is_full(&out))
        return FAULT("a principal of more than %d bytes", OBJECT_PRINCIPAL_MAX);
    *bytes = buf_str(&out);
    return RESULT_OK;
}

RESULT object_io_principal_read(struct arena *arena, struct str bytes, struct principal *out)
{
    struct cloud_principal record;
    TRY(record_decode(arena, &cloud_model, CLOUD_SHAPE_principal, bytes, &record));
    if (record.kind < PRINCIPAL_ANONYMOUS || record.kind > PRINCIPAL_SERVICE)
        return FAULT("a kept principal is of no kind");
    if (record.session != NULL) {
        *out = session_principal(arena, record.session);
        out->access_key = record.access_key;
        return RESULT_OK;
    }
    *out = (struct principal){
        .kind = (enum principal_kind)record.kind,
        .account = record.account,
        .arn = record.arn,
        .user_id = record.user_id,
        .access_key = record.access_key,
        .name = record.name,
        .drop_in = record.drop_in,
    };
    return RESULT_OK;
}

/* --- asking S3 --- */

static RESULT object_io_invoke(struct call *call, struct call_invocation *invocation,
                               const void **out, struct object_io_problem *problem)
{
    uint32_t error;
    struct str message;
    invocation->model = &s3_model;
    enum result result = call_invoke(call, invocation, out, &error, &message);
    if (result == RESULT_ERROR)
        *problem = (struct object_io_problem){
            wire_string(&s3_model, s3_model.errors[error].name),
            str_copy(call->arena, message),
        };
    return result;
}

/* Objects are asked for in their bucket's region: S3 itself tells which, and that it is there. */
static RESULT object_io_ask(struct call *call, const struct object_io_caller *caller,
                            struct str bucket, struct call_invocation *invocation, const void **out,
                            struct object_io_problem *problem)
{
    const struct s3_HeadBucketRequest head = {.Bucket = bucket};
    struct call_invocation where = {
        .operation = S3_OP_HeadBucket,
        .in = &head,
        .principal = {.kind = PRINCIPAL_SERVICE, .name = STR("s3.amazonaws.com")},
        .account = call->account,
        .region = call->region,
    };
    const void *told;
    TRY(object_io_invoke(call, &where, &told, problem));
    invocation->principal = caller->principal;
    invocation->account =
        str_is_absent(caller->principal.account) ? call->account : caller->principal.account;
    invocation->region = ((const struct s3_HeadBucketOutput *)told)->BucketRegion;
    invocation->source_arn = caller->source_arn;
    invocation->source_account = caller->source_account;
    return object_io_invoke(call, invocation, out, problem);
}

static struct str object_io_unquote(struct arena *arena, struct str etag)
{
    if (etag.len >= 2 && etag.ptr[0] == '"')
        etag = str_slice(etag, 1, etag.len - 1);
    return str_copy(arena, etag);
}

/* --- writing --- */

struct object_io_writer {
    struct call *call;
    struct buf memory;
    struct blob_writer *file; /* NULL: all is in memory */
    struct blob_key key;
    uint64_t size;
    struct digest md5, crc;
};

static void object_io_writer_end(void *context)
{
    struct object_io_writer *writer = context;
    if (writer->file != NULL)
        blob_discard(writer->file);
    writer->file = NULL;
}

struct object_io_writer *object_io_writer_new(struct call *call)
{
    struct object_io_writer *writer = ARENA_NEW(call->arena, struct object_io_writer);
    writer->call = call;
    buf_init(&writer->memory, call->arena, OBJECT_MEMORY);
    digest_begin(&writer->md5, DIGEST_MD5);
    digest_begin(&writer->crc, DIGEST_CRC64NVME);
    arena_on_reset(call->arena, object_io_writer_end, writer);
    return writer;
}

RESULT object_io_write(struct object_io_writer *writer, struct str bytes)
{
    writer->size += bytes.len;
    digest_update(&writer->md5, bytes);
    digest_update(&writer->crc, bytes);
    if (writer->file == NULL) {
        if (writer->size <= OBJECT_MEMORY) {
            buf_append(&writer->memory, bytes);
            return RESULT_OK;
        }
        blob_key_make(&writer->key, 1);
        TRY(blob_create_sealed(writer->call->cloud->blobs, &writer->key, &writer->file));
        TRY(blob_append(writer->file, buf_str(&writer->memory)));
    }
    return blob_append(writer->file, bytes);
}

/* The writer's content as a request's body would have come. */
static RESULT object_io_payload(struct object_io_writer *writer, struct call_payload *payload)
{
    *payload = (struct call_payload){
        .present = true,
        .in_memory = writer->file == NULL,
        .bytes = buf_str(&writer->memory),
        .size = writer->size,
        .digested = true,
        .checksum = DIGEST_CRC64NVME,
    };
    digest_end(&writer->md5, payload->md5);
    digest_end(&writer->crc, payload->crc64nvme);
    memcpy(payload->checksum_value, payload->crc64nvme, sizeof payload->crc64nvme);
    if (writer->file == NULL)
        return RESULT_OK;
    struct blob_writer *file = writer->file;
    writer->file = NULL;
    payload->key = writer->key;
    return blob_publish(file, &payload->blob, &payload->size);
}

RESULT object_io_put(struct object_io_writer *writer, const struct object_io_caller *caller,
                     const struct object_io_put *in, struct object_io_stored *out,
                     struct object_io_problem *problem)
{
    struct call *call = writer->call;
    struct call_payload payload;
    const void *reply;
    TRY(object_io_payload(writer, &payload));
    const struct s3_PutObjectRequest put = {
        .Bucket = in->bucket,
        .Key = in->key,
        .ContentType = in->content_type,
        .ContentEncoding = in->content_encoding,
        .ACL = in->acl,
        .ExpectedBucketOwner = in->expected_owner,
        .Metadata = in->metadata,
        .ServerSideEncryption = str_is_absent(in->kms_key) ? (struct str){0} : STR("aws:kms"),
        .SSEKMSKeyId = in->kms_key,
    };
    struct call_invocation invocation = {
        .operation = S3_OP_PutObject, .in = &put, .payload = &payload};
    enum result result = object_io_ask(call, caller, in->bucket, &invocation, &reply, problem);
    if (result != RESULT_OK && !payload.in_memory)
        blob_drop(call->cloud->blobs, &payload.blob);
    TRY(result);
    const struct s3_PutObjectOutput *stored = reply;
    *out = (struct object_io_stored){
        .etag = object_io_unquote(call->arena, stored->ETag),
        .version_id = stored->VersionId,
        .size = payload.size,
    };
    memcpy(out->md5, payload.md5, sizeof out->md5);
    return RESULT_OK;
}

RESULT object_io_put_bytes(struct call *call, const struct object_io_caller *caller,
                           const struct object_io_put *in, struct str bytes,
                           struct object_io_stored *out, struct object_io_problem *problem)
{
    struct object_io_writer *writer = object_io_writer_new(call);
    TRY(object_io_write(writer, bytes));
    return object_io_put(writer, caller, in, out, problem);
}

/* --- reading --- */

struct object_io_reader {
    struct call *call;
    const struct call_piece *pieces;
    size_t count;
    uint64_t size, at;
    struct blob_reader *blob; /* of the piece that is open; NULL: none */
    size_t open;              /* which that is */
};

static void object_io_reader_end(void *context)
{
    struct object_io_reader *reader = context;
    blob_reader_close(reader->blob);
    reader->blob = NULL;
}

static struct object_io_reader *object_io_reader_new(struct call *call,
                                                     const struct call_stream *stream)
{
    struct object_io_reader *reader = ARENA_NEW(call->arena, struct object_io_reader);
    *reader = (struct object_io_reader){.call = call, .size = stream->length};
    if (stream->piece_count > 0) {
        reader->pieces = stream->pieces;
        reader->count = stream->piece_count;
    } else {
        struct call_piece *piece = ARENA_NEW(call->arena, struct call_piece);
        *piece = (struct call_piece){.bytes = stream->bytes, .length = stream->bytes.len};
        reader->pieces = piece;
        reader->count = 1;
        reader->size = stream->bytes.len;
    }
    arena_on_reset(call->arena, object_io_reader_end, reader);
    return reader;
}

RESULT object_io_open(struct call *call, const struct object_io_caller *caller,
                      const struct object_io_get *in, struct object_io_reader **out,
                      struct object_io_found *found, struct object_io_problem *problem)
{
    struct call_stream stream = {0};
    const void *reply;
    const struct s3_GetObjectRequest get = {
        .Bucket = in->bucket,
        .Key = in->key,
        .VersionId = in->version_id,
        .ExpectedBucketOwner = in->expected_owner,
    };
    struct call_invocation invocation = {
        .operation = S3_OP_GetObject, .in = &get, .stream = &stream};
    TRY(object_io_ask(call, caller, in->bucket, &invocation, &reply, problem));
    const struct s3_GetObjectOutput *object = reply;
    *out = object_io_reader_new(call, &stream);
    *found = (struct object_io_found){
        .size = (*out)->size,
        .etag = object_io_unquote(call->arena, object->ETag),
        .content_type = object->ContentType,
        .content_encoding = object->ContentEncoding,
        .version_id = object->VersionId,
        .modified_ms = object->LastModified.ms,
    };
    return RESULT_OK;
}

static RESULT object_io_read_piece(struct object_io_reader *reader, size_t which, uint64_t within,
                                   char *room, size_t size)
{
    const struct call_piece *piece = &reader->pieces[which];
    if (!str_is_absent(piece->bytes)) {
        memcpy(room, piece->bytes.ptr + within, size);
        return RESULT_OK;
    }
    if (reader->blob == NULL || reader->open != which) {
        object_io_reader_end(reader);
        TRY(blob_reader_open(reader->call->cloud->blobs, &piece->blob, &piece->key, &reader->blob));
        reader->open = which;
    }
    for (size_t done = 0, read; done < size; done += read)
        TRY(blob_read(reader->blob, piece->offset + within + done, room + done, size - done,
                      &read));
    return RESULT_OK;
}

RESULT object_io_read(struct object_io_reader *reader, char *room, size_t size, size_t *got)
{
    uint64_t left = reader->size - reader->at;
    size_t want = left < size ? (size_t)left : size;
    uint64_t begins = 0;
    *got = 0;
    for (size_t i = 0; i < reader->count && *got < want; i++) {
        uint64_t ends = begins + reader->pieces[i].length, at = reader->at + *got;
        if (at < ends) {
            size_t more = want - *got;
            if (more > ends - at)
                more = (size_t)(ends - at);
            TRY(object_io_read_piece(reader, i, at - begins, room + *got, more));
            *got += more;
        }
        begins = ends;
    }
    reader->at += *got;
    return RESULT_OK;
}

void object_io_seek(struct object_io_reader *reader, uint64_t offset)
{
    reader->at = offset < reader->size ? offset : reader->size;
}

/* --- listing --- */

RESULT object_io_list(struct call *call, const struct object_io_caller *caller,
                      const struct object_io_list *in, struct object_io_name **out, size_t *count,
                      bool *more, struct object_io_problem *problem)
{
    const struct s3_ListObjectsV2Request list = {
        .Bucket = in->bucket,
        .Prefix = in->prefix,
        .StartAfter = in->after,
        .ExpectedBucketOwner = in->expected_owner,
        .MaxKeys = opt_int(OBJECT_PAGE),
    };
    struct call_invocation invocation = {.operation = S3_OP_ListObjectsV2, .in = &list};
    const void *reply;
    TRY(object_io_ask(call, caller, in->bucket, &invocation, &reply, problem));
    const struct s3_ListObjectsV2Output *page = reply;
    *count = page->Contents.len;
    *out = ARENA_ARRAY(call->arena, *count + 1, struct object_io_name);
    for (size_t i = 0; i < *count; i++)
        (*out)[i] = (struct object_io_name){
            str_copy(call->arena, page->Contents.items[i].Key),
            (uint64_t)page->Contents.items[i].Size.value,
        };
    *more = page->IsTruncated.value;
    return RESULT_OK;
}
