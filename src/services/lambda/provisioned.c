/* Environments that are kept started: one task for each configuration, that holds the version's
 * spec and asks for as many as are wanted.
 *
 *   ("lambda", account, region, "provisioned", FUNCTION, QUALIFIER)    record provisioned
 *   ("lambda-provisioned", account, region, FUNCTION, QUALIFIER)       which there are */
#include "cloud/task.h"
#include "services/lambda/create.h"
#include "store/record.h"

enum { LOOK_MS = 60000, AGAIN_MS = 200 };

struct keeping {
    struct lambda_name name; /* with the qualifier; in the task's arena */
    struct arena *arena;
    char key[512]; /* of the spec that is provisioned now */
    size_t key_len;
};

static struct key index_key(struct arena *arena)
{
    struct key key;
    key_init(&key, arena);
    key_str(&key, STR("lambda-provisioned"));
    return key;
}

static struct str keeping_topic(struct arena *arena, const struct lambda_name *name)
{
    return str_format(arena, "lambda/provisioned/%.*s/%.*s/%.*s/%.*s", PRSTR(name->account),
                      PRSTR(name->region), PRSTR(name->function), PRSTR(name->qualifier));
}

static struct key provisioned_key(struct call *call, const struct lambda_name *name)
{
    struct key key = lambda_function_key(call, name, STR("provisioned"));
    key_str(&key, name->qualifier);
    return key;
}

RESULT provisioned_get(struct call *call, const struct lambda_name *name,
                       struct lambda_provisioned *config, bool *found)
{
    struct key key = provisioned_key(call, name);
    return call_get_record_copy(call, &key, &lambda_model, LAMBDA_SHAPE_provisioned, config, found);
}

/* The version that it is about: of an alias the one that it points to, whatever its weights. */
static RESULT keeping_target(struct call *call, const struct lambda_name *name,
                             struct lambda_target *target, bool *found)
{
    struct str number = name->qualifier;
    struct lambda_alias alias;
    *found = true;
    target->name = *name;
    target->invoked_arn = lambda_name_arn(call, name);
    if (!lambda_is_version(number)) {
        TRY(alias_get(call, name, number, &alias, found));
        if (!*found)
            return RESULT_OK;
        number = alias.version;
    }
    TRY(function_get(call, name, &target->function, found));
    if (*found)
        TRY(version_get(call, name, number, &target->version, found));
    return RESULT_OK;
}

/* --- the task --- */

static void keeping_leave(struct functions *functions, struct keeping *keeping)
{
    unsigned ready;
    struct str key = str_make(keeping->key, keeping->key_len);
    keeping->key_len = 0;
    if (functions != NULL && key.len > 0 &&
        functions_provision(functions, key, 0, &ready) != RESULT_OK)
        return; /* it is not held any more */
}

static RESULT keeping_provision(struct call *call, struct keeping *keeping,
                                const struct lambda_target *target, int64_t wanted)
{
    struct functions *functions = lambda_functions(call);
    struct function_spec spec = {0};
    struct str key = lambda_spec_key(call, target);
    unsigned ready;
    if (!str_eq(key, str_make(keeping->key, keeping->key_len)))
        keeping_leave(functions, keeping);
    TRY(lambda_spec(call, target, &spec));
    TRY(functions_hold(functions, &spec));
    if (key.len <= sizeof keeping->key) {
        memcpy(keeping->key, key.ptr, key.len);
        keeping->key_len = key.len;
    }
    return functions_provision(functions, key, (unsigned)wanted, &ready);
}

static RESULT keeping_step(struct call *call, void *state)
{
    struct keeping *keeping = state;
    struct functions *functions = lambda_functions(call);
    struct str topic = keeping_topic(call->arena, &keeping->name);
    struct lambda_provisioned config;
    struct lambda_target target;
    bool found;
    TRY(provisioned_get(call, &keeping->name, &config, &found));
    if (found)
        TRY(keeping_target(call, &keeping->name, &target, &found));
    if (!found) {
        keeping_leave(functions, keeping);
        return RESULT_OK;
    }
    bool steady = functions != NULL && !str_eq(target.version.state, STR("Pending"));
    if (steady) {
        enum result result = keeping_provision(call, keeping, &target, config.requested);
        if (result == RESULT_ERROR) /* it cannot run now; the next look may find it mended */
            result = RESULT_OK;
        TRY(result);
    }
    task_next(call, keeping_step, topic, call->now_ms + (steady ? LOOK_MS : AGAIN_MS));
    return RESULT_OK;
}

static void keeping_start(struct cloud *cloud, struct arena *arena, const struct lambda_name *name)
{
    const struct task_config config = {
        .name = keeping_topic(arena, name),
        .model = &lambda_model,
        .account = name->account,
        .region = name->region,
        .step = keeping_step,
        .state_size = sizeof(struct keeping),
    };
    struct task *task = task_new(cloud, &config);
    if (task == NULL)
        return;
    struct keeping *keeping = task_state(task);
    keeping->arena = task_arena(task);
    keeping->name = (struct lambda_name){
        .account = str_copy(keeping->arena, name->account),
        .region = str_copy(keeping->arena, name->region),
        .function = str_copy(keeping->arena, name->function),
        .qualifier = str_copy(keeping->arena, name->qualifier),
    };
    task_start(task);
}

static RESULT keeping_start_all(struct cloud *cloud, struct kv_txn *txn, struct arena *arena)
{
    struct key prefix = index_key(arena);
    struct kv_cursor *cursor;
    struct str key, value, word;
    TRY(kv_cursor_open(txn, arena, key_bytes(&prefix), false, &cursor));
    for (;;) {
        struct lambda_name name;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        struct key_reader reader = key_read(arena, key);
        if (!key_next_str(&reader, &word) || !key_next_str(&reader, &name.account) ||
            !key_next_str(&reader, &name.region) || !key_next_str(&reader, &name.function) ||
            !key_next_str(&reader, &name.qualifier))
            return FAULT("an index of provisioned concurrency is not one");
        keeping_start(cloud, arena, &name);
    }
}

RESULT provisioned_start(struct cloud *cloud)
{
    struct kv_txn *txn;
    struct arena *arena = arena_new(0);
    enum result result = kv_begin(cloud->kv, false, &txn);
    if (result == RESULT_OK) {
        result = keeping_start_all(cloud, txn, arena);
        kv_abort(txn);
    }
    arena_free(arena);
    return result;
}

/* --- from operations --- */

/* After the commit: the task that is there wakes, one that is not is started. */
static RESULT provisioned_tell(struct call *call, const struct lambda_name *name)
{
    call_signal(call, keeping_topic(call->arena, name));
    return outbox_post(
        call, STR("lambda.provisioned"), (struct str){0},
        str_format(call->arena, "%.*s:%.*s", PRSTR(name->function), PRSTR(name->qualifier)));
}

RESULT provisioned_deliver(struct call *call, const struct outbox_item *item)
{
    struct lambda_name name = {.account = item->account, .region = item->region};
    if (!str_cut(item->payload, ':', &name.function, &name.qualifier))
        return FAULT("lambda.provisioned: \"%.*s\"", PRSTR(item->payload));
    keeping_start(call->cloud, call->arena, &name);
    return RESULT_OK;
}

static struct key name_index_key(struct call *call, const struct lambda_name *name)
{
    struct key key = index_key(call->arena);
    key_str(&key, name->account);
    key_str(&key, name->region);
    key_str(&key, name->function);
    key_str(&key, name->qualifier);
    return key;
}

RESULT provisioned_put(struct call *call, const struct lambda_name *name,
                       const struct lambda_provisioned *config)
{
    struct key key = provisioned_key(call, name), index = name_index_key(call, name);
    TRY(kv_put(call->txn, key_bytes(&index), STR("+")));
    TRY(call_put_record(call, &key, &lambda_model, LAMBDA_SHAPE_provisioned, config));
    return provisioned_tell(call, name);
}

RESULT provisioned_drop(struct call *call, const struct lambda_name *name, struct str qualifier)
{
    struct lambda_name full = *name;
    full.qualifier = qualifier;
    struct key key = provisioned_key(call, &full), index = name_index_key(call, &full);
    TRY(kv_delete(call->txn, key_bytes(&index), NULL));
    TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    call_signal(call, keeping_topic(call->arena, &full));
    return RESULT_OK;
}

RESULT provisioned_drop_all(struct call *call, const struct lambda_name *name)
{
    struct key prefix = lambda_function_key(call, name, STR("provisioned"));
    for (;;) {
        struct kv_cursor *cursor;
        struct str key, value;
        struct lambda_provisioned config;
        TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        TRY(record_decode_copy(call->arena, &lambda_model, LAMBDA_SHAPE_provisioned, value,
                               &config));
        TRY(provisioned_drop(call, name, config.qualifier));
    }
}

void provisioned_moved(struct call *call, const struct lambda_name *name, struct str alias)
{
    struct lambda_name full = *name;
    full.qualifier = alias;
    call_signal(call, keeping_topic(call->arena, &full));
}

RESULT provisioned_ready(struct call *call, const struct lambda_name *name,
                         const struct lambda_provisioned *config, unsigned *ready, bool *runs)
{
    struct functions *functions = lambda_functions(call);
    struct lambda_target target;
    bool found;
    *ready = 0;
    *runs = functions != NULL;
    if (functions == NULL)
        return RESULT_OK;
    TRY(keeping_target(call, name, &target, &found));
    if (!found)
        return RESULT_OK;
    struct str key = lambda_spec_key(call, &target);
    enum result result = functions_provision(functions, key, (unsigned)config->requested, ready);
    return result == RESULT_ERROR ? RESULT_OK : result; /* its task has not come to it yet */
}
