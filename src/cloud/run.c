/* The run of one operation: authorise, transaction, function, commit, wake. */
#include <stdatomic.h>
#include <unistd.h>

#include "base/log.h"
#include "cloud/authorize.h"
#include "cloud/call.h"
#include "cloud/clock.h"
#include "cloud/identity_cache.h"
#include "cloud/identity_use.h"
#include "cloud/outbox.h"
#include "cloud/park.h"

RESULT call_commit(struct call *call)
{
    TRY(kv_commit(call->txn));
    call->txn = NULL;
    struct cloud *cloud = call->cloud;
    if (call->sequence_mark > cloud->sequence_mark)
        cloud->sequence_mark = call->sequence_mark;
    for (size_t i = 0; i < call->signal_count; i++)
        park_signal(cloud->parks, call->signals[i].topic, call->signals[i].count);
    if (call->outbox_used)
        dispatcher_wake(cloud->dispatcher);
    return RESULT_OK;
}

/* What an earlier run left behind does not count. */
static void call_forget_effects(struct call *call, void *out)
{
    const struct wire_operation *operation = &call->model->operations[call->operation];
    memset(out, 0, call->model->shapes[operation->output].size);
    call->signal_count = 0;
    call->outbox_used = false;
    call->sequence_mark = 0;
    call->status = 0;
    call->header_count = 0;
    call->headers = NULL;
    call->noted = NULL;
    call->stream = (struct call_stream){0};
    call->found = NULL;
    call->now_ms = clock_now(call->cloud->clock);
    if (call->runs == 0)
        call->started_ms = call->now_ms;
}

/* Who may what is looked up anew after every change by the service that keeps it. */
static RESULT call_note_identities(struct call *call)
{
    if (call->cloud->identity_model != call->model)
        return RESULT_OK;
    return identity_changed(call);
}

static RESULT call_run_once(struct call *call, const void *in, void *out,
                            RESULT (*finish)(struct call *call, const void *out), bool writing)
{
    call_forget_effects(call, out);
    TRY(kv_begin(call->cloud->kv, writing, &call->txn));
    enum result result = authorize_call(call, in);
    if (result == RESULT_OK)
        result = call->model->functions[call->operation](call, in, out);
    if (result == RESULT_OK && finish != NULL)
        result = finish(call, out);
    if (result == RESULT_OK && writing)
        result = call_note_identities(call);
    if (result == RESULT_OK && writing)
        return call_commit(call);
    kv_abort(call->txn);
    call->txn = NULL;
    return result;
}

RESULT call_run(struct call *call, const void *in, void *out,
                RESULT (*finish)(struct call *call, const void *out))
{
    const struct wire_model *model = call->model;
    const struct wire_operation *operation = &model->operations[call->operation];
    if (model->functions[call->operation] == NULL) {
        struct str service = model->service_id;
        struct str name = wire_string(model, operation->name);
        return call_fail(call, WIRE_NOT_IMPLEMENTED,
                         "Kumoniwa does not implement the operation %.*s of %.*s yet.", PRSTR(name),
                         PRSTR(service));
    }
    bool writing = (operation->flags & WIRE_OP_READ_ONLY) == 0;
    call->memo = NULL;
    enum result result = call_run_once(call, in, out, finish, writing);
    if (result == RESULT_RESTART && !writing)
        result = call_run_once(call, in, out, finish, true);
    call->runs++;
    if (result == RESULT_OK)
        identity_used(call);
    if (result == RESULT_FULL)
        return call_fail(call, WIRE_SERVICE_UNAVAILABLE,
                         "The disk that holds Kumoniwa's data is full: nothing was changed.");
    return result;
}

struct call_invocation call_as_caller(const struct call *call, const struct wire_model *model,
                                      uint32_t operation, const void *in)
{
    return (struct call_invocation){.model = model,
                                    .operation = operation,
                                    .in = in,
                                    .principal = call->principal,
                                    .account = call->account,
                                    .region = call->region};
}

/* "aws:CalledVia": services that make a call with the permissions of who asked them. */
static struct str_list call_passed_on(const struct call *call,
                                      const struct call_invocation *invocation)
{
    if (invocation->principal.kind == PRINCIPAL_SERVICE || call->model == NULL)
        return call->called_via;
    struct str_list out = {ARENA_ARRAY(call->arena, call->called_via.len + 1, struct str),
                           call->called_via.len + 1};
    for (size_t i = 0; i < call->called_via.len; i++)
        out.items[i] = call->called_via.items[i];
    out.items[out.len - 1] =
        str_format(call->arena, "%.*s.amazonaws.com", PRSTR(call->model->signing_name));
    return out;
}

RESULT call_invoke(struct call *call, const struct call_invocation *invocation, const void **out,
                   uint32_t *error, struct str *message)
{
    const struct wire_model *model = invocation->model;
    const struct wire_operation *operation = &model->operations[invocation->operation];
    ASSERT(model->functions[invocation->operation] != NULL);
    struct call inner = {
        .arena = call->arena,
        .cloud = call->cloud,
        .txn = call->txn,
        .model = model,
        .operation = invocation->operation,
        .account = invocation->account,
        .region = invocation->region,
        .partition = call->partition,
        .principal = invocation->principal,
        .source_arn = invocation->source_arn,
        .source_account = invocation->source_account,
        .trace = invocation->trace,
        .called_via = call_passed_on(call, invocation),
        .request_id = call->request_id,
        .endpoint = call->cloud->endpoint,
        .now_ms = call->now_ms,
        .started_ms = call->now_ms,
        .signals = call->signals,
        .signal_count = call->signal_count,
        .signal_cap = call->signal_cap,
        .outbox_used = call->outbox_used,
        .sequence_mark = call->sequence_mark,
    };
    if (invocation->payload != NULL)
        inner.payload = *invocation->payload;
    void *result_struct = arena_alloc(call->arena, model->shapes[operation->output].size + 1);
    enum result result = authorize_call(&inner, invocation->in);
    if (result == RESULT_OK)
        result = model->functions[invocation->operation](&inner, invocation->in, result_struct);
    if (result == RESULT_OK && kv_is_writing(inner.txn))
        result = call_note_identities(&inner);
    if (result == RESULT_OK && invocation->stream != NULL)
        *invocation->stream = inner.stream;
    else if (inner.stream.is_file)
        (void)close(inner.stream.fd);
    if (result == RESULT_OK) {
        call->signals = inner.signals;
        call->signal_count = inner.signal_count;
        call->signal_cap = inner.signal_cap;
        call->outbox_used = inner.outbox_used;
        call->sequence_mark = inner.sequence_mark;
        *out = result_struct;
    } else if (result == RESULT_ERROR) {
        *error = inner.error;
        *message = inner.message;
    } else if (result == RESULT_PARK) {
        call->park_topic = inner.park_topic;
        call->park_deadline_ms = inner.park_deadline_ms;
    }
    return result;
}
