/* Event source mappings: "How Lambda processes records from stream and queue-based event sources",
 * AWS Lambda Developer Guide. Which mappings there are is an index over all accounts; a root task
 * starts a poller for each, and pollers of queues start more of themselves while there is more than
 * one can take. A poller reads its mapping in every step, and ends when it is disabled or gone. */
#include <limits.h>
#include <pthread.h>
#include <stdio.h>

#include "base/map.h"
#include "base/time.h"
#include "cloud/arn.h"
#include "cloud/park.h"
#include "cloud/task.h"
#include "services/lambda/events_int.h"
#include "services/lambda/filter.h"
#include "wire/json_text.h"

enum { LOOK_MS = 60000, GROW_MS = 5, WAIT_FIRST_MS = 100, WAIT_MOST_MS = 10000 };

static const struct str sources_topic = STR_INIT("lambda/sources");

/* How many pollers a mapping has; slots by number. */
struct pollers {
    uint64_t running[4]; /* a bit for each number */
    size_t count;
    size_t listening;  /* of them, those that would take what comes */
    uint64_t grown_ms; /* by the machine's clock */
};
enum { POLLERS_MAX = 4 * 64 };

struct sources {
    pthread_mutex_t lock;
    struct map pollers; /* uuid -> struct pollers */
};

/* --- keys --- */

static struct key index_all(struct arena *arena)
{
    struct key key;
    key_init(&key, arena);
    key_str(&key, STR("lambda-sources"));
    return key;
}

static struct str source_topic(struct arena *arena, struct str uuid)
{
    return str_concat(arena, STR("lambda/source/"), uuid);
}

static struct key mapping_key(struct call *call, struct str account, struct str region,
                              struct str uuid)
{
    const struct lambda_name place = {.account = account, .region = region};
    struct key key = lambda_key(call, &place, STR("mapping"));
    key_str(&key, uuid);
    return key;
}

RESULT event_source_get(struct call *call, struct str account, struct str region, struct str uuid,
                        struct lambda_event_source *out, bool *found)
{
    struct key key = mapping_key(call, account, region, uuid);
    return call_get_record_copy(call, &key, &lambda_model, LAMBDA_SHAPE_event_source, out, found);
}

RESULT event_source_put(struct call *call, struct str account, struct str region,
                        const struct lambda_event_source *mapping)
{
    struct key key = mapping_key(call, account, region, mapping->uuid);
    return call_put_record(call, &key, &lambda_model, LAMBDA_SHAPE_event_source, mapping);
}

/* Positions of its lanes: few. */
static RESULT positions_forget(struct call *call, struct str uuid)
{
    struct key key;
    size_t deleted;
    key_init(&key, call->arena);
    key_str(&key, STR("lambda-position"));
    key_str(&key, uuid);
    return kv_delete_prefix(call->txn, key_bytes(&key), 10000, &deleted);
}

RESULT source_changed(struct call *call, struct str uuid, bool removed)
{
    struct key key = index_all(call->arena);
    key_str(&key, call->account);
    key_str(&key, call->region);
    key_str(&key, uuid);
    call_signal(call, sources_topic);
    call_signal(call, source_topic(call->arena, uuid));
    if (!removed)
        return kv_put(call->txn, key_bytes(&key), STR("+"));
    TRY(positions_forget(call, uuid));
    return kv_delete(call->txn, key_bytes(&key), NULL);
}

/* --- how many there are --- */

static void pollers_leave(struct source *source)
{
    struct sources *sources = source->sources;
    pthread_mutex_lock(&sources->lock);
    struct pollers *pollers = map_get(&sources->pollers, source->uuid);
    pollers->running[source->number / 64] &= ~(UINT64_C(1) << source->number % 64);
    pollers->count--;
    pollers->listening -= source->listens;
    pthread_mutex_unlock(&sources->lock);
}

/* A number for another poller, the lowest that is free; false: not now. */
static bool pollers_enter(struct sources *sources, struct str uuid, size_t most, bool at_once,
                          unsigned *number)
{
    uint64_t now = time_monotonic_ns() / 1000000;
    unsigned free = 0;
    pthread_mutex_lock(&sources->lock);
    struct pollers *pollers = map_get(&sources->pollers, uuid);
    if (pollers == NULL) {
        pollers = heap_alloc(sizeof *pollers + uuid.len);
        memcpy((char *)(pollers + 1), uuid.ptr, uuid.len);
        (void)map_put(&sources->pollers, str_make((char *)(pollers + 1), uuid.len), pollers);
    }
    bool may =
        pollers->count == 0 ||
        (pollers->count < most && (at_once || now >= pollers->grown_ms + GROW_MS * pollers->count));
    while (may && free < POLLERS_MAX && (pollers->running[free / 64] >> free % 64 & 1U) != 0)
        free++;
    may = may && free < POLLERS_MAX;
    if (may) {
        pollers->running[free / 64] |= UINT64_C(1) << free % 64;
        pollers->count++;
        pollers->listening++;
        pollers->grown_ms = now;
        *number = free;
    }
    pthread_mutex_unlock(&sources->lock);
    return may;
}

size_t source_listens(struct source *source, bool listens)
{
    struct sources *sources = source->sources;
    pthread_mutex_lock(&sources->lock);
    struct pollers *pollers = map_get(&sources->pollers, source->uuid);
    pollers->listening += listens;
    pollers->listening -= source->listens;
    size_t listening = pollers->listening;
    pthread_mutex_unlock(&sources->lock);
    source->listens = listens;
    return listening;
}

bool source_may_leave(struct source *source)
{
    struct sources *sources = source->sources;
    pthread_mutex_lock(&sources->lock);
    struct pollers *pollers = map_get(&sources->pollers, source->uuid);
    bool others = pollers->listening > source->listens;
    if (others)
        pollers->listening -= source->listens;
    pthread_mutex_unlock(&sources->lock);
    if (others)
        source->listens = false;
    return others;
}

/* --- starting --- */

static void poller_ended(void *state)
{
    struct source *source = state;
    attempt_drop(&source->attempt);
    pollers_leave(source);
    /* It may have been wanted again meanwhile. */
    park_signal(source->attempt.cloud->parks, sources_topic, UINT_MAX);
}

static void queue_poller_ended(void *state)
{
    source_sqs.ended(state);
    poller_ended(state);
}

static void stream_poller_ended(void *state)
{
    source_stream.ended(state);
    poller_ended(state);
}

static const struct source_kind *source_kind_of(struct str arn_text)
{
    struct arn arn;
    if (!arn_parse(arn_text, &arn))
        return NULL;
    if (str_eq(arn.service, source_sqs.service))
        return &source_sqs;
    return str_eq(arn.service, source_stream.service) ? &source_stream : NULL;
}

static void poller_start(struct call *call, struct sources *sources, const struct source *like,
                         const struct source_kind *kind, unsigned number)
{
    const struct task_config config = {
        .name = str_format(call->arena, "lambda.source/%.*s/%u", PRSTR(like->uuid), number),
        .model = &lambda_model,
        .account = like->account,
        .region = like->region,
        .step = kind->step,
        .ended = kind == &source_sqs ? queue_poller_ended : stream_poller_ended,
        .state_size = kind->size,
    };
    struct source leaving = {
        .sources = sources, .uuid = like->uuid, .number = number, .listens = true};
    struct task *task = task_new(call->cloud, &config);
    if (task == NULL) {
        pollers_leave(&leaving);
        return;
    }
    struct arena *arena = task_arena(task);
    struct source *source = task_state(task);
    *source = (struct source){
        .sources = sources,
        .arena = arena,
        .account = str_copy(arena, like->account),
        .region = str_copy(arena, like->region),
        .uuid = str_copy(arena, like->uuid),
        .number = number,
        .listens = true,
    };
    attempt_init(&source->attempt, call, arena);
    task_start(task);
}

void source_grow(struct call *call, struct source *source, const struct source_kind *kind,
                 size_t most)
{
    unsigned number;
    bool stream = kind == &source_stream;
    while (pollers_enter(source->sources, source->uuid, most, stream, &number)) {
        poller_start(call, source->sources, source, kind, number);
        if (!stream)
            break;
    }
}

/* --- what every poller does --- */

RESULT source_read(struct call *call, struct source *source, bool *gone)
{
    bool found;
    TRY(event_source_get(call, source->account, source->region, source->uuid, &source->mapping,
                         &found));
    *gone = !found || !source->mapping.enabled || str_eq(source->mapping.state, STR("Deleting"));
    if (*gone)
        return RESULT_OK;
    const struct lambda_name name = {.account = source->account,
                                     .region = source->region,
                                     .function = source->mapping.function,
                                     .qualifier = source->mapping.qualifier};
    TRY(lambda_find(call, &name, &source->target));
    TRY(event_role(call, source->target.version.role, name.function, &source->role, &found));
    if (found)
        return RESULT_OK;
    return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                     "The role defined for the function cannot be assumed by Lambda.");
}

RESULT source_note(struct call *call, struct source *source, struct str result)
{
    if (str_eq(source->mapping.last_result, result))
        return RESULT_OK;
    source->mapping.last_result = result;
    return event_source_put(call, source->account, source->region, &source->mapping);
}

static int64_t source_wait_ms(const struct source *source)
{
    unsigned n = source->refusals > 7 ? 7 : source->refusals;
    int64_t wait = (int64_t)WAIT_FIRST_MS << n;
    return wait > WAIT_MOST_MS ? WAIT_MOST_MS : wait;
}

static RESULT step_problem(struct call *call, void *state)
{
    struct source *source = state;
    bool found;
    TRY(event_source_get(call, source->account, source->region, source->uuid, &source->mapping,
                         &found));
    if (found && source->mapping.enabled)
        TRY(source_note(call, source, str_from_c(source->problem)));
    task_next(call, source->then, source_topic(call->arena, source->uuid),
              call->now_ms + source_wait_ms(source));
    return RESULT_OK;
}

RESULT source_problem(struct call *call, struct source *source,
                      RESULT (*then)(struct call *call, void *state))
{
    (void)snprintf(source->problem, sizeof source->problem, "PROBLEM: %.*s", PRSTR(call->message));
    source->then = then;
    source->refusals++;
    task_next(call, step_problem, (struct str){0}, 0);
    return RESULT_OK;
}

RESULT source_invoke(struct call *call, const struct source *source, const struct wire_model *model,
                     uint32_t operation, const void *in, const void **out, uint32_t *error)
{
    struct arn arn;
    bool is_arn = arn_parse(source->mapping.source_arn, &arn);
    ASSERT(is_arn);
    const struct call_invocation invocation = {
        .model = model,
        .operation = operation,
        .in = in,
        .principal = source->role,
        .account = arn.account,
        .region = arn.region,
    };
    return call_invoke(call, &invocation, out, error, &call->message);
}

bool source_lets(struct call *call, const struct source *source, struct str record)
{
    const struct str_list *filters = &source->mapping.filters;
    for (size_t i = 0; i < filters->len; i++)
        if (filter_matches(call->arena, filters->items[i], record))
            return true;
    return filters->len == 0;
}

/* --- "Reporting batch item failures"
 * ------------------------------------------------------------------------------
 */

static bool failure_mark(const struct str *ids, size_t count, struct str id, bool *failed)
{
    for (size_t i = 0; i < count; i++) {
        if (str_eq(ids[i], id)) {
            failed[i] = true;
            return true;
        }
    }
    return false;
}

bool source_failures(struct arena *arena, struct str response, const struct str *ids, size_t count,
                     bool *failed)
{
    struct str list, item, raw, id;
    response = str_trim(response);
    /* "If the response is an empty or null EventResponse, or an empty or null batchItemFailures
     * list, Lambda treats the batch as a complete success". */
    if (str_is_empty(response))
        return true;
    if (!json_is_valid(response))
        return false;
    if (json_kind_of(response) == JSON_NULL ||
        (json_kind_of(response) == JSON_OBJECT &&
         !json_member(arena, response, STR("batchItemFailures"), &list)))
        return true;
    if (json_kind_of(response) != JSON_OBJECT)
        return json_kind_of(response) != JSON_ARRAY;
    if (json_kind_of(list) == JSON_NULL)
        return true;
    if (json_kind_of(list) != JSON_ARRAY)
        return false;
    while (json_next_item(&list, &item))
        if (json_kind_of(item) != JSON_OBJECT ||
            !json_member(arena, item, STR("itemIdentifier"), &raw) ||
            !json_string(arena, raw, &id) || str_is_empty(id) ||
            !failure_mark(ids, count, id, failed))
            return false;
    return true;
}

/* --- the root
 * --------------------------------------------------------------------------------------------------
 */

static RESULT sources_look(struct call *call, struct sources *sources, struct str key)
{
    struct source like = {0};
    struct str kind;
    bool found;
    unsigned number;
    struct key_reader reader = key_read(call->arena, key);
    if (!key_next_str(&reader, &kind) || !key_next_str(&reader, &like.account) ||
        !key_next_str(&reader, &like.region) || !key_next_str(&reader, &like.uuid))
        return FAULT("an event source's key is broken");
    TRY(event_source_get(call, like.account, like.region, like.uuid, &like.mapping, &found));
    const struct source_kind *how = found ? source_kind_of(like.mapping.source_arn) : NULL;
    if (how == NULL || !like.mapping.enabled)
        return RESULT_OK;
    if (pollers_enter(sources, like.uuid, 1, true, &number))
        poller_start(call, sources, &like, how, number);
    return RESULT_OK;
}

static RESULT sources_step(struct call *call, void *state)
{
    struct key all = index_all(call->arena);
    struct kv_cursor *cursor;
    struct str key, value;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&all), false, &cursor));
    for (;;) {
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        TRY(sources_look(call, state, key));
    }
    task_next(call, sources_step, sources_topic, call->now_ms + LOOK_MS);
    return RESULT_OK;
}

static void sources_ended(void *state)
{
    struct sources *sources = state;
    for (size_t i = 0; i < sources->pollers.len; i++)
        heap_free(sources->pollers.entries[i].value);
    map_release(&sources->pollers);
    pthread_mutex_destroy(&sources->lock);
}

RESULT sources_start(struct cloud *cloud)
{
    const struct task_config config = {
        .name = STR("lambda.sources"),
        .model = &lambda_model,
        .account = STR("000000000000"),
        .region = cloud->default_region,
        .step = sources_step,
        .ended = sources_ended,
        .state_size = sizeof(struct sources),
    };
    struct task *task = task_new(cloud, &config);
    if (task == NULL)
        return FAULT("there is a task lambda.sources already");
    struct sources *sources = task_state(task);
    pthread_mutex_init(&sources->lock, NULL);
    map_init(&sources->pollers, NULL);
    task_start(task);
    return RESULT_OK;
}
