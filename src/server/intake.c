#include "server/intake.h"

#include "auth/chunked.h"
#include "base/encode.h"
#include "server/authenticate.h"
#include "server/intake_form.h"
#include "server/intake_int.h"
#include "server/lanes.h"
#include "server/server.h"

/* Bodies up to here are kept in memory, for services that put them into their records. */
enum { INTAKE_MEMORY = 8 * 1024 };
/* From here on several threads work on a body. */
/* Of one request to S3 ("Amazon S3 multipart upload limits"). */
#define INTAKE_MAX (UINT64_C(5) << 30)
enum { INTAKE_LARGE = 1024 * 1024 };

static bool intake_hash_is_hex(struct str hash)
{
    return hash.len == 2 * SHA256_SIZE;
}

/* What S3 keeps is sealed on its way to the disk: with two layers where the head asks for
 * dual-layer encryption ("Using dual-layer server-side encryption with AWS KMS keys", S3 User
 * Guide). */
static RESULT intake_create(struct intake *intake)
{
    if (intake->key.layers > 0) {
        blob_key_make(&intake->key, intake->key.layers);
        return blob_create_sealed(intake->blobs, &intake->key, &intake->writer);
    }
    return blob_create(intake->blobs, &intake->writer);
}

bool intake_is_form(const struct request *request)
{
    struct str type = wire_request_header(&request->wire, STR("content-type"));
    struct str form = STR("multipart/form-data");
    return str_eq(request->call.model->name, STR("s3")) &&
           str_eq(request->wire.method, STR("POST")) &&
           str_eq_nocase(str_slice(type, 0, form.len), form);
}

static RESULT intake_write(void *context, struct str payload)
{
    struct intake *intake = context;
    return blob_append(intake->writer, payload);
}

static void intake_wake(void *context)
{
    http_resume(context);
}

/* A large body of S3's: its digests, its sealing and the disk go side by side. */
static RESULT intake_begin_lanes(struct request *request, struct intake *intake)
{
    uint64_t size = request->exchange->has_length ? request->exchange->content_length : 0;
    if (size < INTAKE_LARGE)
        return RESULT_OK;
    const struct lane_step steps[] = {
        {intake_digest_md5, intake}, {intake_digest_rest, intake}, {intake_write, intake}};
    TRY(intake_create(intake));
    intake->lanes = lanes_new(request->server->lanes, steps, sizeof steps / sizeof steps[0],
                              intake_wake, request->exchange);
    return RESULT_OK;
}

/* 411 is S3's own. */
static RESULT intake_fail_length(struct request *request)
{
    const struct wire_model *model = request->call.model;
    struct str code = STR("MissingContentLength");
    enum result result = request_fail(request, WIRE_SERIALIZATION,
                                      STR("You must provide the Content-Length HTTP header."));
    for (uint32_t i = 0; i < model->error_count; i++)
        if (str_eq(wire_string(model, model->errors[i].code), code))
            request->error = i;
    return result;
}

/* S3 wants to know beforehand ("PutObject"; "Error responses"). */
static RESULT intake_check_length(struct request *request)
{
    const struct http_exchange *exchange = request->exchange;
    struct str decoded = wire_request_header(&request->wire, STR("x-amz-decoded-content-length"));
    uint64_t size = exchange->has_length ? exchange->content_length : 0;
    if (!str_is_absent(decoded) && !str_to_u64(decoded, &size)) {
        request->code = STR("InvalidArgument");
        return request_fail(request, WIRE_SERIALIZATION,
                            STR("The value of x-amz-decoded-content-length is no number"));
    }
    bool open_ended = !str_is_absent(http_field_get(exchange, STR("transfer-encoding")));
    bool unsaid = !exchange->has_length && !open_ended;
    if ((unsaid && str_eq(request->wire.method, STR("PUT"))) ||
        (chunked_is(request->signature.payload_hash) && str_is_absent(decoded)))
        return intake_fail_length(request);
    if (!exchange->has_length && str_is_absent(decoded) && open_ended) {
        request->code = STR("NotImplemented");
        request_detail(request, STR("Header"), STR("Transfer-Encoding"));
        return request_fail(
            request, WIRE_NOT_IMPLEMENTED,
            STR("A header you provided implies functionality that is not implemented"));
    }
    if (size <= INTAKE_MAX)
        return RESULT_OK;
    request->code = STR("EntityTooLarge");
    return request_fail(request, WIRE_SERIALIZATION,
                        STR("Your proposed upload exceeds the maximum allowed size"));
}

RESULT intake_begin(struct request *request)
{
    struct call *call = &request->call;
    struct intake *intake = ARENA_NEW(call->arena, struct intake);
    intake->blobs = call->cloud->blobs;
    intake->s3 = str_eq(call->model->name, STR("s3"));
    struct str hash = request->signature.payload_hash;
    if (chunked_is(hash)) {
        intake->chunked =
            chunked_new(call->arena, &request->signature, request_signing_key(request));
    } else if (intake_hash_is_hex(hash)) {
        intake->check_sha256 = true;
        digest_begin(&intake->sha256, DIGEST_SHA256);
    }
    buf_init(&intake->memory, call->arena, INTAKE_MEMORY);
    request->intake = intake;
    if (intake_is_form(request)) {
        intake->form = form_new(request);
        return RESULT_OK; /* its fields say how to go on */
    }
    if (intake->s3) {
        TRY(intake_check_length(request));
        struct str asked = wire_request_header(&request->wire, STR("x-amz-server-side-encryption"));
        intake->key.layers = str_eq(asked, STR("aws:kms:dsse")) ? 2 : 1;
        TRY(intake_digest_begin(request, intake));
        return intake_begin_lanes(request, intake);
    }
    return intake_create(intake);
}

static RESULT intake_form_fields(struct request *request)
{
    struct intake *intake = request->intake;
    struct str asked = wire_request_header(&request->wire, STR("x-amz-server-side-encryption"));
    intake->key.layers = str_eq(asked, STR("aws:kms:dsse")) ? 2 : 1;
    TRY(authenticate_form(request));
    return intake_digest_begin(request, intake);
}

static RESULT intake_store(void *context, struct str payload)
{
    struct intake *intake = context;
    if (intake->lanes != NULL) {
        lanes_put(intake->lanes, payload);
        intake->size += payload.len;
        return RESULT_OK;
    }
    if (intake->s3)
        TRY(intake_digest_update(intake, payload));
    else if (intake->check_sha256)
        digest_update(&intake->sha256, payload);
    intake->size += payload.len;
    if (intake->writer == NULL) {
        if (intake->size <= INTAKE_MEMORY) {
            buf_append(&intake->memory, payload);
            return RESULT_OK;
        }
        TRY(intake_create(intake));
        TRY(blob_append(intake->writer, buf_str(&intake->memory)));
    }
    return blob_append(intake->writer, payload);
}

RESULT intake_take(struct request *request, struct str piece)
{
    struct intake *intake = request->intake;
    if (intake->form != NULL) {
        const struct form_reader reader = {intake_form_fields, intake_store, intake};
        return form_feed(intake->form, piece, &reader);
    }
    if (intake->lanes != NULL && !lanes_room(intake->lanes, piece.len)) {
        http_suspend(request->exchange);
        return RESULT_PARK;
    }
    if (intake->lanes != NULL)
        TRY(lanes_result(intake->lanes));
    if (intake->chunked == NULL)
        return intake_store(intake, piece);
    struct sigv4_problem problem = {0};
    enum result result = chunked_feed(intake->chunked, piece, intake_store, intake, &problem);
    return result == RESULT_ERROR ? authenticate_refuse(request, &problem) : result;
}

static RESULT intake_check_sha256(struct request *request)
{
    struct intake *intake = request->intake;
    uint8_t sum[SHA256_SIZE];
    char text[2 * SHA256_SIZE];
    struct buf hex;
    struct digest sha256 = intake->sha256; /* it may serve as the checksum, too */
    digest_end(&sha256, sum);
    buf_init_fixed(&hex, text, sizeof text);
    hex_encode(&hex, str_make((const char *)sum, sizeof sum));
    if (str_eq(buf_str(&hex), request->signature.payload_hash))
        return RESULT_OK;
    struct sigv4_problem problem;
    if (sigv4_refuse_hash(request->call.arena, buf_str(&hex), &problem) != RESULT_ERROR)
        return FAULT("a refusal that is none");
    return authenticate_refuse(request, &problem);
}

RESULT intake_end_chunks(struct request *request, struct chunked *chunked)
{
    const struct wire_header *trailers;
    size_t count;
    struct sigv4_problem problem = {0};
    enum result result = chunked_end(chunked, &trailers, &count, &problem);
    if (result == RESULT_ERROR)
        return authenticate_refuse(request, &problem);
    TRY(result);
    struct wire_request *wire = &request->wire;
    struct wire_header *all =
        ARENA_ARRAY(request->call.arena, wire->header_count + count + 1, struct wire_header);
    for (size_t i = 0; i < wire->header_count; i++)
        all[i] = wire->headers[i];
    for (size_t i = 0; i < count; i++)
        all[wire->header_count + i] = trailers[i];
    wire->headers = all;
    wire->header_count += count;
    return RESULT_OK;
}

static RESULT intake_check(struct request *request)
{
    struct intake *intake = request->intake;
    if (intake->check_sha256)
        TRY(intake_check_sha256(request));
    if (intake->form != NULL)
        return form_end(intake->form);
    if (intake->chunked == NULL)
        return RESULT_OK;
    return intake_end_chunks(request, intake->chunked);
}

/* RESULT_PARK: not all lanes are through; the exchange is suspended until they are. */
static RESULT intake_join(struct request *request)
{
    struct intake *intake = request->intake;
    enum result result;
    if (intake->lanes == NULL)
        return RESULT_OK;
    if (!lanes_end(intake->lanes, &result)) {
        http_suspend(request->exchange);
        return RESULT_PARK;
    }
    lanes_free(intake->lanes);
    intake->lanes = NULL;
    return result;
}

RESULT intake_end(struct request *request)
{
    struct intake *intake = request->intake;
    TRY(intake_join(request));
    TRY(intake_check(request));
    struct str decoded = wire_request_header(&request->wire, STR("x-amz-decoded-content-length"));
    uint64_t expected;
    if (intake->chunked != NULL && !str_is_absent(decoded) &&
        (!str_to_u64(decoded, &expected) || expected != intake->size)) {
        request->code = STR("IncompleteBody");
        return request_fail(request, WIRE_SERIALIZATION,
                            STR("You did not provide the number of bytes specified by the "
                                "Content-Length HTTP header"));
    }
    struct call_payload *payload = &request->call.payload;
    if (intake->s3)
        TRY(intake_digest_end(request, intake, payload));
    payload->present = true;
    payload->of_form = intake->form != NULL;
    payload->size = intake->size;
    if (intake->writer == NULL) {
        payload->in_memory = true;
        payload->bytes = buf_str(&intake->memory);
        return RESULT_OK;
    }
    struct blob_writer *writer = intake->writer;
    intake->writer = NULL;
    TRY(blob_publish(writer, &intake->id, &intake->size));
    intake->published = true;
    payload->blob = intake->id;
    payload->key = intake->key;
    return RESULT_OK;
}

void intake_release(struct request *request, bool kept)
{
    struct intake *intake = request->intake;
    if (intake == NULL)
        return;
    lanes_free(intake->lanes);
    intake->lanes = NULL;
    if (intake->writer != NULL)
        blob_discard(intake->writer);
    else if (intake->published && !kept)
        blob_drop(intake->blobs, &intake->id);
    intake->writer = NULL;
    intake->published = false;
}
