/* Asynchronous invocation: "Invoking a Lambda function asynchronously", "How Lambda handles errors
 * and retries with asynchronous invocation", AWS Lambda Developer Guide.
 *
 * An event is a record under its function, by the time when it is wanted. One task, the root, looks
 * which functions have some that are due and starts a worker for each; a worker claims an event,
 * runs it, and settles it in one transaction: gone, or later, with what goes to a destination. More
 * workers come while events wait. Claims are in memory alone: after a crash each event that was not
 * settled runs again. */
#include <pthread.h>

#include "base/map.h"
#include "base/rng.h"
#include "base/time.h"
#include "cloud/task.h"
#include "services/lambda/events_int.h"
#include "store/record.h"
#include "wire/json_text.h"

enum {
    WORKERS_MAX = 100, /* of one function: more events at once wait their turn */
    GROW_MS = 5,       /* times the workers that there are: until one more may come */
    LOOK_MS = 60000,
    SWEEP_PORTION = 500,
    RETRIES = 2,
    AGE_S = 6 * 3600, /* "Maximum age of event: 6 hours" */
};

static const struct str root_topic = STR_INIT("lambda/async");

/* --- what is shared by the tasks
 * -------------------------------------------------------------------------------
 */

struct claims {
    struct str key; /* the function's prefix */
    uint64_t sequences[WORKERS_MAX];
    size_t count;
    size_t workers;
    uint64_t grown_ms; /* when the last worker came, by the machine's clock */
};

struct async {
    pthread_mutex_t lock;
    struct map functions; /* prefix -> struct claims */
};

static uint64_t now_machine_ms(void)
{
    return time_monotonic_ns() / 1000000;
}

/* What the root decides about a function that has `due` events. */
struct growth {
    bool worker; /* one more, counted already */
    bool later;  /* one more may be right in a moment */
};

static struct growth claims_grow(struct async *async, struct str prefix, size_t due, size_t most)
{
    struct growth growth = {0};
    pthread_mutex_lock(&async->lock);
    struct claims *claims = map_get(&async->functions, prefix);
    if (claims == NULL) {
        claims = heap_alloc(sizeof *claims + prefix.len);
        memcpy((char *)(claims + 1), prefix.ptr, prefix.len);
        claims->key = str_make((char *)(claims + 1), prefix.len);
        (void)map_put(&async->functions, claims->key, claims);
    }
    uint64_t now = now_machine_ms();
    bool wanted = due > claims->workers && claims->workers < most;
    growth.worker =
        claims->workers == 0 || (wanted && now >= claims->grown_ms + GROW_MS * claims->workers);
    growth.later = wanted;
    if (growth.worker) {
        claims->workers++;
        claims->grown_ms = now;
    }
    pthread_mutex_unlock(&async->lock);
    return growth;
}

static void claims_leave(struct async *async, struct str prefix)
{
    pthread_mutex_lock(&async->lock);
    struct claims *claims = map_get(&async->functions, prefix);
    if (--claims->workers == 0) {
        (void)map_remove(&async->functions, prefix);
        heap_free(claims);
    }
    pthread_mutex_unlock(&async->lock);
}

/* False: another worker has it. */
static bool claims_take(struct async *async, struct str prefix, uint64_t sequence)
{
    pthread_mutex_lock(&async->lock);
    struct claims *claims = map_get(&async->functions, prefix);
    bool taken = false;
    for (size_t i = 0; i < claims->count && !taken; i++)
        taken = claims->sequences[i] == sequence;
    if (!taken && claims->count < WORKERS_MAX)
        claims->sequences[claims->count++] = sequence;
    else
        taken = true;
    pthread_mutex_unlock(&async->lock);
    return !taken;
}

static void claims_give_back(struct async *async, struct str prefix, uint64_t sequence)
{
    pthread_mutex_lock(&async->lock);
    struct claims *claims = map_get(&async->functions, prefix);
    for (size_t i = 0; i < claims->count; i++)
        if (claims->sequences[i] == sequence)
            claims->sequences[i--] = claims->sequences[--claims->count];
    pthread_mutex_unlock(&async->lock);
}

/* --- keys --- */

static struct key async_all(struct arena *arena)
{
    struct key key;
    key_init(&key, arena);
    key_str(&key, STR("lambda-async"));
    return key;
}

static struct key async_prefix(struct arena *arena, const struct lambda_name *name)
{
    struct key key = async_all(arena);
    key_str(&key, name->account);
    key_str(&key, name->region);
    key_str(&key, name->function);
    return key;
}

static struct key async_key(struct arena *arena, const struct lambda_name *name, int64_t due_ms,
                            uint64_t sequence)
{
    struct key key = async_prefix(arena, name);
    key_i64(&key, due_ms);
    key_u64(&key, sequence);
    return key;
}

/* --- an event comes --- */

static RESULT event_put(struct call *call, const struct lambda_name *name, int64_t due_ms,
                        uint64_t sequence, const struct lambda_async_event *event)
{
    struct key key = async_key(call->arena, name, due_ms, sequence);
    TRY(call_put_record(call, &key, &lambda_model, LAMBDA_SHAPE_async_event, event));
    call_signal(call, root_topic);
    return RESULT_OK;
}

RESULT lambda_async_put(struct call *call, const struct lambda_target *target,
                        const struct lambda_async *in)
{
    const struct lambda_async_event event = {
        .qualifier = target->name.qualifier,
        .function_id = target->function.id,
        .request_id = in->request_id,
        .payload = str_is_empty(in->payload) ? STR("{}") : in->payload,
        .trace_id = in->trace_id,
        .accepted_ms = call->now_ms,
    };
    uint64_t sequence;
    TRY(call_sequence(call, &sequence));
    return event_put(call, &target->name, call->now_ms, sequence, &event);
}

/* --- a worker
 * --------------------------------------------------------------------------------------------------
 */

struct async_worker {
    struct async *async;
    struct arena *arena; /* the task's */
    struct str prefix;
    struct lambda_name name; /* without a qualifier */
    struct attempt attempt;
    /* The event at hand. */
    struct arena *event_arena; /* NULL: there is none */
    uint64_t sequence;
    int64_t due_ms;
    struct lambda_async_event event;
    struct lambda_target target;
};

static RESULT worker_take(struct call *call, void *state);
static RESULT worker_begin(struct call *call, void *state);
static RESULT worker_await(struct call *call, void *state);

static void worker_forget(struct async_worker *worker)
{
    attempt_drop(&worker->attempt);
    if (worker->event_arena == NULL)
        return;
    claims_give_back(worker->async, worker->prefix, worker->sequence);
    arena_free(worker->event_arena);
    worker->event_arena = NULL;
}

static void worker_ended(void *state)
{
    struct async_worker *worker = state;
    worker_forget(worker);
    claims_leave(worker->async, worker->prefix);
}

static void worker_start(struct call *call, struct async *async, const struct lambda_name *name,
                         struct str prefix)
{
    uint64_t number = rng_u64();
    const struct task_config config = {
        .name = str_format(call->arena, "lambda.async/%.*s/%.*s/%.*s/%016llx", PRSTR(name->account),
                           PRSTR(name->region), PRSTR(name->function), (unsigned long long)number),
        .model = &lambda_model,
        .account = name->account,
        .region = name->region,
        .step = worker_take,
        .ended = worker_ended,
        .state_size = sizeof(struct async_worker),
    };
    struct task *task = task_new(call->cloud, &config);
    if (task == NULL) {
        claims_leave(async, prefix);
        return;
    }
    struct async_worker *worker = task_state(task);
    worker->async = async;
    worker->arena = task_arena(task);
    worker->prefix = str_copy(worker->arena, prefix);
    worker->name = (struct lambda_name){.account = str_copy(worker->arena, name->account),
                                        .region = str_copy(worker->arena, name->region),
                                        .function = str_copy(worker->arena, name->function)};
    attempt_init(&worker->attempt, call, worker->arena);
    task_start(task);
}

/* How many workers the function's concurrency lets be of use. */
static RESULT worker_limit(struct call *call, const struct lambda_name *name, size_t *out)
{
    struct lambda_function function;
    bool found;
    *out = WORKERS_MAX;
    TRY(function_get(call, name, &function, &found));
    if (found && function.reserved >= 0 && function.reserved < WORKERS_MAX)
        *out = function.reserved == 0 ? 1 : (size_t)function.reserved;
    return RESULT_OK;
}

static RESULT worker_keep(struct async_worker *worker, struct str value, uint64_t sequence,
                          int64_t due_ms)
{
    worker->event_arena = arena_new(0);
    worker->sequence = sequence;
    worker->due_ms = due_ms;
    return record_decode_copy(worker->event_arena, &lambda_model, LAMBDA_SHAPE_async_event, value,
                              &worker->event);
}

/* The time and number behind a function's prefix. */
static RESULT event_position(struct call *call, struct str prefix, struct str key, int64_t *due_ms,
                             uint64_t *sequence)
{
    struct key_reader reader = key_read(call->arena, str_slice(key, prefix.len, key.len));
    if (key_next_i64(&reader, due_ms) && key_next_u64(&reader, sequence))
        return RESULT_OK;
    return FAULT("an asynchronous event's key is broken");
}

/* The first event that is due and nobody's. */
static RESULT worker_find(struct call *call, struct async_worker *worker)
{
    struct kv_cursor *cursor;
    struct str key, value;
    TRY(kv_cursor_open(call->txn, call->arena, worker->prefix, false, &cursor));
    for (;;) {
        int64_t due_ms;
        uint64_t sequence;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        TRY(event_position(call, worker->prefix, key, &due_ms, &sequence));
        if (due_ms > call->now_ms)
            return RESULT_OK;
        if (claims_take(worker->async, worker->prefix, sequence))
            return worker_keep(worker, value, sequence, due_ms);
    }
}

static RESULT worker_take(struct call *call, void *state)
{
    struct async_worker *worker = state;
    worker_forget(worker);
    TRY(worker_find(call, worker));
    if (worker->event_arena != NULL)
        task_next(call, worker_begin, (struct str){0}, 0);
    else /* what came meanwhile finds no worker: the root looks */
        call_signal(call, root_topic);
    return RESULT_OK;
}

/* --- settling --- */

static RESULT worker_remove(struct call *call, const struct async_worker *worker)
{
    struct key key = async_key(call->arena, &worker->name, worker->due_ms, worker->sequence);
    task_next(call, worker_take, (struct str){0}, 0);
    return kv_delete(call->txn, key_bytes(&key), NULL);
}

/* The same event at another time. */
static RESULT worker_postpone(struct call *call, struct async_worker *worker, int64_t due_ms,
                              int64_t runs, int64_t refusals)
{
    struct lambda_async_event event = worker->event;
    event.runs = runs;
    event.refusals = refusals;
    TRY(worker_remove(call, worker));
    return event_put(call, &worker->name, due_ms, worker->sequence, &event);
}

struct key event_invoke_key(struct call *call, const struct lambda_name *name, struct str qualifier)
{
    struct key key = lambda_function_key(call, name, STR("event-invoke"));
    key_str(&key, qualifier);
    return key;
}

RESULT event_invoke_get(struct call *call, const struct lambda_name *name, struct str qualifier,
                        struct lambda_event_invoke *out, bool *found)
{
    struct key key = event_invoke_key(call, name, qualifier);
    return call_get_record_copy(call, &key, &lambda_model, LAMBDA_SHAPE_event_invoke, out, found);
}

/* What the event's configuration says; else what is usual. */
static RESULT worker_config(struct call *call, const struct async_worker *worker,
                            struct lambda_event_invoke *out)
{
    bool found;
    struct str qualifier = worker->event.qualifier;
    TRY(event_invoke_get(call, &worker->name, str_is_absent(qualifier) ? STR("$LATEST") : qualifier,
                         out, &found));
    if (!found)
        *out = (struct lambda_event_invoke){.retries = RETRIES, .age_s = AGE_S};
    if (out->retries < 0)
        out->retries = RETRIES;
    if (out->age_s <= 0)
        out->age_s = AGE_S;
    return RESULT_OK;
}

/* How an event ended. */
struct ending {
    struct str condition; /* "Success", "RetriesExhausted", "EventAgeExceeded" */
    int64_t runs;
    int64_t status;
    struct str error;    /* "Handled", "Unhandled"; absent: none */
    struct str response; /* absent: it was not run */
    struct str message;  /* of the error */
};

static RESULT worker_tell(struct call *call, struct async_worker *worker,
                          const struct lambda_event_invoke *config, const struct ending *ending)
{
    const struct lambda_version *version = &worker->target.version;
    struct str function = worker->name.function;
    bool success = str_eq(ending->condition, STR("Success"));
    struct str target = success ? config->on_success : config->on_failure;
    const struct destination_record record = {
        .request_id = worker->event.request_id,
        .function_arn = str_is_absent(worker->event.qualifier)
                            ? str_concat(call->arena, worker->target.invoked_arn, STR(":$LATEST"))
                            : worker->target.invoked_arn,
        .condition = ending->condition,
        .invoke_count = ending->runs,
        .request_payload = worker->event.payload,
        .responded = !str_is_absent(ending->response),
        .status = ending->status,
        .executed_version = version->version,
        .function_error = ending->error,
        .response_payload = ending->response,
    };
    if (!success && !str_is_absent(version->dead_letter))
        TRY(destination_bury(call, version->dead_letter, version->role, function,
                             worker->event.payload, worker->event.request_id, ending->status,
                             ending->message));
    if (str_is_empty(target))
        return RESULT_OK;
    return destination_post(call, target, version->role, function,
                            str_concat(call->arena, STR("aws/lambda/async/"), function), &record);
}

static RESULT worker_end(struct call *call, struct async_worker *worker,
                         const struct lambda_event_invoke *config, const struct ending *ending)
{
    TRY(worker_remove(call, worker));
    return worker_tell(call, worker, config, ending);
}

/* "errorMessage" of a function's error. */
static struct str error_message(struct arena *arena, struct str payload)
{
    struct str raw, text;
    if (json_is_valid(payload) && json_member(arena, payload, STR("errorMessage"), &raw) &&
        json_string(arena, raw, &text))
        return text;
    return payload;
}

/* It was not run, for now: throttled, or something of ours is missing. */
static RESULT worker_refused(struct call *call, struct async_worker *worker,
                             const struct lambda_event_invoke *config, int64_t status)
{
    enum { FIRST_MS = 1000, MOST_MS = 5 * 60 * 1000 };
    const struct lambda_async_event *event = &worker->event;
    int64_t wait = event->refusals >= 9 ? MOST_MS : (int64_t)FIRST_MS << event->refusals;
    if (wait > MOST_MS)
        wait = MOST_MS;
    if (call->now_ms + wait <= event->accepted_ms + config->age_s * 1000 &&
        worker->target.function.reserved != 0)
        return worker_postpone(call, worker, call->now_ms + wait, event->runs, event->refusals + 1);
    const struct ending ending = {.condition = STR("EventAgeExceeded"),
                                  .runs = event->runs,
                                  .status = status,
                                  .message = call->message};
    return worker_end(call, worker, config, &ending);
}

static RESULT worker_failed(struct call *call, struct async_worker *worker,
                            const struct lambda_event_invoke *config,
                            const struct function_result *result)
{
    const struct lambda_async_event *event = &worker->event;
    int64_t runs = event->runs + 1;
    int64_t due = call->now_ms + (runs == 1 ? 60000 : 120000);
    bool again = runs <= config->retries;
    bool young = due <= event->accepted_ms + config->age_s * 1000;
    if (again && young)
        return worker_postpone(call, worker, due, runs, 0);
    const struct ending ending = {
        .condition = again ? STR("EventAgeExceeded") : STR("RetriesExhausted"),
        .runs = runs,
        .status = 200,
        .error = STR("Unhandled"),
        .response = result->payload,
        .message = error_message(call->arena, result->payload),
    };
    return worker_end(call, worker, config, &ending);
}

/* --- running --- */

static RESULT worker_find_target(struct call *call, struct async_worker *worker,
                                 struct str qualifier, bool *found)
{
    struct lambda_name name = worker->name;
    name.qualifier = qualifier;
    enum result result = lambda_find(call, &name, &worker->target);
    *found = result == RESULT_OK && worker->target.function.id == worker->event.function_id;
    return result == RESULT_ERROR ? RESULT_OK : result;
}

/* It was found in a state that may be older than the claim: another worker may have settled it and
 * given its claim back in between. */
static RESULT worker_still_stands(struct call *call, const struct async_worker *worker,
                                  bool *stands)
{
    struct key key = async_key(call->arena, &worker->name, worker->due_ms, worker->sequence);
    struct str value;
    TRY(kv_get(call->txn, key_bytes(&key), &value));
    *stands = !str_is_absent(value);
    return RESULT_OK;
}

/* Nothing of the target may stay beyond the step: its strings are the call's. */
static RESULT worker_begin(struct call *call, void *state)
{
    struct async_worker *worker = state;
    const struct lambda_async_event *event = &worker->event;
    struct lambda_event_invoke config;
    bool found = worker->attempt.run != NULL;
    if (!found)
        TRY(worker_still_stands(call, worker, &found));
    if (!found) {
        task_next(call, worker_take, (struct str){0}, 0);
        return RESULT_OK;
    }
    TRY(worker_find_target(call, worker, event->qualifier, &found));
    if (!found) /* the function is gone, and its events with it */
        return worker_remove(call, worker);
    TRY(worker_config(call, worker, &config));
    if (event->accepted_ms + config.age_s * 1000 < call->now_ms) {
        const struct ending ending = {.condition = STR("EventAgeExceeded"),
                                      .runs = event->runs,
                                      .status = 200,
                                      .message = STR("The event is too old.")};
        return worker_end(call, worker, &config, &ending);
    }
    const struct attempt_event in = {event->request_id, event->payload, event->trace_id};
    enum result result = worker->attempt.run != NULL
                             ? RESULT_OK
                             : attempt_begin(call, &worker->attempt, &worker->target, &in);
    if (result == RESULT_ERROR && call->error == LAMBDA_RECURSIVE_INVOCATION) {
        const struct ending ending = {.condition = STR("RetriesExhausted"),
                                      .runs = event->runs,
                                      .status = 400,
                                      .message = call->message};
        return worker_end(call, worker, &config, &ending);
    }
    if (result == RESULT_ERROR)
        return worker_refused(call, worker, &config, attempt_is_throttled(call) ? 429 : 500);
    TRY(result);
    task_next(call, worker_await, worker->attempt.topic, call->now_ms + LOOK_MS);
    return RESULT_OK;
}

static RESULT worker_await(struct call *call, void *state)
{
    struct async_worker *worker = state;
    const struct function_result *result;
    struct lambda_event_invoke config;
    bool found;
    TRY(attempt_await(call, &worker->attempt, &result));
    if (result->outcome == FUNCTION_STOPPED)
        return RESULT_OK; /* the program ends: the event runs when it is back */
    TRY(worker_find_target(call, worker, worker->attempt.version, &found));
    if (!found)
        return worker_remove(call, worker);
    worker->target.invoked_arn = worker->attempt.invoked_arn;
    TRY(worker_config(call, worker, &config));
    if (result->outcome == FUNCTION_UNABLE) {
        call->message = result->payload;
        return worker_refused(call, worker, &config, 500);
    }
    if (result->outcome != FUNCTION_ANSWERED)
        return worker_failed(call, worker, &config, result);
    const struct ending ending = {.condition = STR("Success"),
                                  .runs = worker->event.runs + 1,
                                  .status = 200,
                                  .response = result->payload};
    return worker_end(call, worker, &config, &ending);
}

/* --- the root
 * --------------------------------------------------------------------------------------------------
 */

/* How many of the function's events are due, WORKERS_MAX at most; *next_ms: when the first is that
 * is not. */
static RESULT root_count(struct call *call, struct str prefix, size_t *due, int64_t *next_ms)
{
    struct kv_cursor *cursor;
    struct str key, value;
    TRY(kv_cursor_open(call->txn, call->arena, prefix, false, &cursor));
    for (*due = 0; *due < WORKERS_MAX; ++*due) {
        int64_t due_ms;
        uint64_t sequence;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        TRY(event_position(call, prefix, key, &due_ms, &sequence));
        if (due_ms > call->now_ms) {
            *next_ms = due_ms < *next_ms ? due_ms : *next_ms;
            return RESULT_OK;
        }
    }
    return RESULT_OK;
}

/* The function that the key is of. */
static RESULT root_look(struct call *call, struct async *async, struct str key, struct str *after,
                        int64_t *next_ms)
{
    struct lambda_name name = {0};
    struct str kind;
    size_t due, most;
    struct key_reader reader = key_read(call->arena, key);
    if (!key_next_str(&reader, &kind) || !key_next_str(&reader, &name.account) ||
        !key_next_str(&reader, &name.region) || !key_next_str(&reader, &name.function))
        return FAULT("an asynchronous event's key is broken");
    struct key end = async_key(call->arena, &name, INT64_MAX, UINT64_MAX);
    struct key prefix = async_prefix(call->arena, &name);
    *after = str_copy(call->arena, key_bytes(&end));
    struct str text = str_copy(call->arena, key_bytes(&prefix));
    TRY(root_count(call, text, &due, next_ms));
    if (due == 0)
        return RESULT_OK;
    TRY(worker_limit(call, &name, &most));
    struct growth growth = claims_grow(async, text, due, most);
    if (growth.worker)
        worker_start(call, async, &name, text);
    if (growth.later && call->now_ms + GROW_MS < *next_ms)
        *next_ms = call->now_ms + GROW_MS;
    return RESULT_OK;
}

static RESULT root_step(struct call *call, void *state)
{
    struct async *async = state;
    struct key all = async_all(call->arena);
    struct kv_cursor *cursor;
    struct str key, value, after;
    int64_t next_ms = call->now_ms + LOOK_MS;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&all), false, &cursor));
    for (;;) {
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        TRY(root_look(call, async, key, &after, &next_ms));
        TRY(kv_cursor_seek(cursor, after));
    }
    task_next(call, root_step, root_topic, next_ms);
    return RESULT_OK;
}

static void root_ended(void *state)
{
    struct async *async = state;
    for (size_t i = 0; i < async->functions.len; i++)
        heap_free(async->functions.entries[i].value);
    map_release(&async->functions);
    pthread_mutex_destroy(&async->lock);
}

RESULT async_start(struct cloud *cloud)
{
    const struct task_config config = {
        .name = STR("lambda.async"),
        .model = &lambda_model,
        .account = STR("000000000000"),
        .region = cloud->default_region,
        .step = root_step,
        .ended = root_ended,
        .state_size = sizeof(struct async),
    };
    struct task *task = task_new(cloud, &config);
    if (task == NULL)
        return FAULT("there is a task lambda.async already");
    struct async *async = task_state(task);
    pthread_mutex_init(&async->lock, NULL);
    map_init(&async->functions, NULL);
    task_start(task);
    return RESULT_OK;
}

/* --- a function goes --- */

RESULT async_forget(struct call *call, const struct lambda_name *name)
{
    struct key key = async_prefix(call->arena, name);
    struct kv_cursor *cursor;
    struct str found, value;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&key), false, &cursor));
    TRY(kv_next(cursor, &found, &value));
    if (str_is_absent(found))
        return RESULT_OK;
    return outbox_post(call, STR("lambda.async-forget"), (struct str){0}, key_bytes(&key));
}

/* Events of a function that was made again under the name meanwhile would go, too: so those of
 * another id stay. Portions, as many as it takes. */
RESULT async_deliver_forget(struct call *call, const struct outbox_item *item)
{
    struct kv_cursor *cursor;
    struct str key, value;
    struct lambda_async_event event;
    struct lambda_name name = {0};
    struct lambda_function function;
    struct str kind;
    bool found;
    struct key_reader reader = key_read(call->arena, item->payload);
    if (!key_next_str(&reader, &kind) || !key_next_str(&reader, &name.account) ||
        !key_next_str(&reader, &name.region) || !key_next_str(&reader, &name.function))
        return FAULT("lambda.async-forget: not its payload");
    TRY(function_get(call, &name, &function, &found));
    TRY(kv_cursor_open(call->txn, call->arena, item->payload, false, &cursor));
    for (size_t n = 0; n < SWEEP_PORTION; n++) {
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        TRY(record_decode(call->arena, &lambda_model, LAMBDA_SHAPE_async_event, value, &event));
        if (found && event.function_id == function.id)
            return RESULT_OK;
        TRY(kv_delete(call->txn, str_copy(call->arena, key), NULL));
    }
    return outbox_post(call, item->topic, item->lane, item->payload);
}
