#include "support/loopback.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/digest.h"
#include "base/log.h"
#include "cloud/clock.h"
#include "cloud/outbox.h"
#include "cloud/work.h"
#include "server/server.h"

static void loopback_open_cloud(struct loopback *loopback, int64_t now_ms)
{
    struct str message = {0};
    loopback->cloud_arena = arena_new(0);
    struct cloud_config config = {
        .directory = str_from_c(loopback->directory),
        .default_region = STR("us-east-1"),
        .endpoint = STR("http://localhost:4566"),
        .hooks = server_services,
        .write_hook = loopback->write_hook,
        .hook_context = loopback->hook_context,
    };
    enum result result = cloud_open(loopback->cloud_arena, &config, &loopback->cloud, &message);
    if (result != RESULT_OK)
        fail_msg("cloud_open: %.*s", PRSTR(message));
    clock_freeze(loopback->cloud->clock, now_ms);
}

void loopback_open(struct loopback *loopback)
{
    *loopback = (struct loopback){
        .arena = arena_new(0),
        .account = STR("000000000000"),
        .region = STR("us-east-1"),
        .principal = PRINCIPAL_ROOT,
        .protocol = WIRE_PROTOCOL_JSON,
        .source_ip = STR("127.0.0.1"),
        .write_hook = loopback->write_hook,
        .hook_context = loopback->hook_context,
    };
    const char *tmp = getenv("TMPDIR");
    snprintf(loopback->directory, sizeof loopback->directory, "%s/kumoniwa-test-XXXXXX",
             tmp == NULL ? "/tmp" : tmp);
    assert_non_null(mkdtemp(loopback->directory));
    log_set_level(LOG_ERROR);
    loopback_open_cloud(loopback, LOOPBACK_NOW);
}

void loopback_stop(struct loopback *loopback)
{
    loopback->stopped_ms = loopback_now(loopback);
    cloud_close(loopback->cloud);
    arena_free(loopback->cloud_arena);
}

void loopback_start(struct loopback *loopback)
{
    loopback_open_cloud(loopback, loopback->stopped_ms);
}

void loopback_reopen(struct loopback *loopback)
{
    loopback_stop(loopback);
    loopback_start(loopback);
}

void loopback_close(struct loopback *loopback)
{
    cloud_close(loopback->cloud);
    arena_free(loopback->cloud_arena);
    struct str command = str_format(loopback->arena, "rm -rf '%s'", loopback->directory);
    assert_int_equal(system(str_to_c(loopback->arena, command)), 0);
    arena_free(loopback->arena);
}

int64_t loopback_now(const struct loopback *loopback)
{
    return clock_now(loopback->cloud->clock);
}

void loopback_advance(struct loopback *loopback, int64_t ms)
{
    assert_int_equal(cloud_advance_clock(loopback->cloud, ms), RESULT_OK);
}

size_t loopback_deliver(struct loopback *loopback)
{
    size_t delivered = 0;
    assert_int_equal(dispatcher_step(loopback->cloud, &delivered), RESULT_OK);
    return delivered;
}

/* call_run()'s finish: what the output borrowed from the store is copied before the transaction
 * ends. */
struct loopback_call {
    struct call call; /* first */
    void *copy;
    struct str stream;
};

static RESULT loopback_finish(struct call *call, const void *out)
{
    struct loopback_call *whole = (struct loopback_call *)call;
    const struct wire_operation *operation = &call->model->operations[call->operation];
    if (call->stream.present && !str_is_absent(call->stream.bytes))
        whole->stream = str_copy(call->arena, call->stream.bytes);
    whole->copy = arena_alloc(call->arena, call->model->shapes[operation->output].size + 1);
    return call_copy(call->arena, call->model, operation->output, out, whole->copy);
}

static struct principal loopback_principal(const struct loopback *loopback, struct arena *arena)
{
    struct principal principal = {
        .kind = loopback->principal,
        .account = loopback->account,
        .arn = str_format(arena, "arn:aws:iam::%.*s:root", PRSTR(loopback->account)),
        .user_id = loopback->account,
        .access_key = STR("AKIATEST"),
        .name = STR("root"),
    };
    if (loopback->who != NULL)
        return *loopback->who;
    if (loopback->principal == PRINCIPAL_SERVICE) {
        principal.name = loopback->user;
    } else if (!str_is_absent(loopback->user)) {
        principal.kind = PRINCIPAL_USER;
        principal.arn = str_format(arena, "arn:aws:iam::%.*s:user/%.*s", PRSTR(loopback->account),
                                   PRSTR(loopback->user));
        principal.user_id = STR("AIDATEST");
        principal.name = loopback->user;
    }
    return principal;
}

static struct call loopback_make(struct loopback *loopback, struct arena *arena,
                                 const struct wire_model *model)
{
    return (struct call){
        .arena = arena,
        .cloud = loopback->cloud,
        .model = model,
        .protocol = loopback->protocol,
        .account = loopback->who != NULL ? loopback->who->account : loopback->account,
        .region = loopback->region,
        .partition = STR("aws"),
        .request_id = STR("00000000-0000-4000-8000-000000000000"),
        .endpoint = loopback->cloud->endpoint,
        .source_ip = loopback->source_ip,
        .source_arn = loopback->source_arn,
        .principal = loopback_principal(loopback, arena),
    };
}

/* As a client's; the digest is that of an empty body. */
static struct wire_request loopback_request(const struct loopback *loopback, struct arena *arena)
{
    const struct wire_header digest = {STR("Content-MD5"), STR("1B2M2Y8AsgTpgAmY7PhCfg==")};
    size_t count = loopback->header_count;
    struct wire_header *headers = ARENA_ARRAY(arena, count + 1, struct wire_header);
    for (size_t i = 0; i < count; i++)
        headers[i] = loopback->headers[i];
    if (str_is_absent(loopback->payload))
        headers[count++] = digest;
    return (struct wire_request){
        .method = str_is_absent(loopback->method) ? STR("POST") : loopback->method,
        .path = str_is_absent(loopback->path) ? STR("/") : loopback->path,
        .headers = headers,
        .header_count = count,
    };
}

static struct call_payload loopback_payload(const struct loopback *loopback)
{
    struct call_payload payload = {
        .present = true,
        .in_memory = true,
        .of_form = loopback->payload_of_form,
        .bytes = loopback->payload,
        .size = loopback->payload.len,
        .digested = true,
        .checksum = DIGEST_CRC64NVME,
    };
    struct digest digest;
    digest_begin(&digest, DIGEST_MD5);
    digest_update(&digest, payload.bytes);
    digest_end(&digest, payload.md5);
    digest_begin(&digest, DIGEST_CRC64NVME);
    digest_update(&digest, payload.bytes);
    digest_end(&digest, payload.checksum_value);
    memcpy(payload.crc64nvme, payload.checksum_value, sizeof payload.crc64nvme);
    return payload;
}

struct loopback_reply loopback_call(struct loopback *loopback, const struct wire_model *model,
                                    uint32_t operation, const void *in)
{
    struct arena *arena = arena_new_child(loopback->arena);
    struct loopback_call whole = {.call = loopback_make(loopback, arena, model)};
    struct wire_request request = loopback_request(loopback, arena);
    struct call *call = &whole.call;
    call->operation = operation;
    call->request = &request;
    if (!str_is_absent(loopback->payload))
        call->payload = loopback_payload(loopback);
    struct wire_route route = {
        .model = model, .operation = (int)operation, .protocol = loopback->protocol};
    struct wire_failure failure = {0};
    struct loopback_reply reply = {0};
    enum result result = wire_validate(arena, loopback->cloud->patterns, &route, in, &failure);
    if (result == RESULT_ERROR) {
        call->error = failure.error;
        call->message = failure.message;
    } else {
        void *out = arena_alloc(arena, model->shapes[model->operations[operation].output].size + 1);
        result = call_run(call, in, out, loopback_finish);
        work_release(call->work);
    }
    reply.result = result;
    reply.out = result == RESULT_OK ? whole.copy : NULL;
    reply.deadline_ms = call->park_deadline_ms;
    reply.status = call->status;
    reply.headers = call->headers;
    reply.header_count = call->header_count;
    reply.stream = whole.stream;
    if (result == RESULT_ERROR) {
        reply.code = wire_string(model, model->errors[call->error].name);
        reply.message = call->message;
        reply.detail = call->detail;
    }
    return reply;
}

struct loopback_reply loopback_cross_origin(struct loopback *loopback,
                                            const struct wire_model *model, struct str path)
{
    struct arena *arena = arena_new_child(loopback->arena);
    struct call call = loopback_make(loopback, arena, model);
    struct wire_request request = loopback_request(loopback, arena);
    const struct service_hooks *const *hooks = loopback->cloud->hooks;
    call.request = &request;
    while ((*hooks)->model != model)
        hooks++;
    assert_int_equal(kv_begin(loopback->cloud->kv, false, &call.txn), RESULT_OK);
    enum result result = (*hooks)->cross_origin(&call, path);
    kv_abort(call.txn);
    return (struct loopback_reply){
        .result = result, .headers = call.headers, .header_count = call.header_count};
}

struct str loopback_header(struct loopback_reply reply, const char *name)
{
    for (size_t i = 0; i < reply.header_count; i++)
        if (str_eq_nocase(reply.headers[i].name, str_from_c(name)))
            return reply.headers[i].value;
    return (struct str){0};
}

const void *loopback_check_ok(struct loopback_reply reply, const char *file, int line)
{
    if (reply.result != RESULT_OK) {
        print_error("expected success, got result %d, %.*s: %.*s\n", reply.result,
                    PRSTR(reply.code), PRSTR(reply.message));
        _fail(file, line);
    }
    return reply.out;
}

void loopback_check_error(struct loopback_reply reply, const char *code, const char *message,
                          const char *file, int line)
{
    bool right = reply.result == RESULT_ERROR && str_eq(reply.code, str_from_c(code)) &&
                 (message == NULL || str_eq(reply.message, str_from_c(message)));
    if (right)
        return;
    print_error("expected %s: %s\ngot result %d, %.*s: %.*s\n", code,
                message == NULL ? "(any)" : message, reply.result, PRSTR(reply.code),
                PRSTR(reply.message));
    _fail(file, line);
}
