/* Where messages are: ready, in flight or delayed. Each is a record under its sequence, a state
 * once it has been anywhere but ready, and one key in the order of its place. README.md draws the
 * keys. */
#include "services/sqs/sqs_int.h"
#include "store/record.h"

struct key box_key(const struct box *box, enum sqs_kind kind)
{
    struct key key;
    key_init(&key, box->call->arena);
    key_str(&key, STR("sqs-data"));
    key_u64(&key, (uint64_t)box->queue->data_id);
    key_u64(&key, kind);
    return key;
}

static struct key box_number_key(const struct box *box, enum sqs_kind kind, uint64_t sequence)
{
    struct key key = box_key(box, kind);
    key_u64(&key, sequence);
    return key;
}

static struct key box_due_key(const struct box *box, enum sqs_kind kind, int64_t due_ms,
                              uint64_t sequence)
{
    struct key key = box_key(box, kind);
    key_i64(&key, due_ms);
    key_u64(&key, sequence);
    return key;
}

static struct str box_group_name(const struct sqs_message *message)
{
    return str_is_absent(message->group) ? STR("") : message->group;
}

RESULT box_open(struct call *call, const struct sqs_queue *queue, struct box *box)
{
    *box = (struct box){.call = call, .queue = queue};
    struct key key = box_key(box, SQS_KIND_COUNTS);
    bool found;
    return call_get_record(call, &key, &sqs_model, SQS_SHAPE_counts, &box->counts, &found);
}

RESULT box_close(struct box *box)
{
    if (!box->changed)
        return RESULT_OK;
    ASSERT(box->counts.ready >= 0 && box->counts.in_flight >= 0 && box->counts.delayed >= 0);
    struct key key = box_key(box, SQS_KIND_COUNTS);
    return call_put_record(box->call, &key, &sqs_model, SQS_SHAPE_counts, &box->counts);
}

RESULT box_message(struct box *box, uint64_t sequence, struct sqs_message *message, bool *found)
{
    struct key key = box_number_key(box, SQS_KIND_MESSAGE, sequence);
    return call_get_record_copy(box->call, &key, &sqs_model, SQS_SHAPE_message, message, found);
}

RESULT box_state(struct box *box, uint64_t sequence, struct sqs_state *state, bool *found)
{
    struct key key = box_number_key(box, SQS_KIND_STATE, sequence);
    return call_get_record(box->call, &key, &sqs_model, SQS_SHAPE_state, state, found);
}

static RESULT box_put_state(struct box *box, uint64_t sequence, const struct sqs_state *state)
{
    struct key key = box_number_key(box, SQS_KIND_STATE, sequence);
    return call_put_record(box->call, &key, &sqs_model, SQS_SHAPE_state, state);
}

/* --- adding ----------------------------------------------------------------------------------- */

static RESULT box_make_ready(struct box *box, uint64_t sequence, struct str group)
{
    box->counts.ready++;
    box->changed = true;
    if (!str_is_empty(group))
        return group_put_ready(box, group, sequence);
    struct key key = box_number_key(box, SQS_KIND_READY, sequence);
    return kv_put(box->call->txn, key_bytes(&key), STR(""));
}

/* leave: what its group is told. */
static RESULT box_unready(struct box *box, uint64_t sequence, struct str group,
                          enum result (*leave)(struct box *box, struct str name, uint64_t sequence))
{
    box->counts.ready--;
    box->changed = true;
    if (!str_is_empty(group))
        return leave(box, group, sequence);
    struct key key = box_number_key(box, SQS_KIND_READY, sequence);
    return kv_delete(box->call->txn, key_bytes(&key), NULL);
}

static RESULT box_add_delayed(struct box *box, uint64_t sequence, struct str group, int64_t due_ms)
{
    struct sqs_state state = {.place = SQS_DELAYED, .due_ms = due_ms};
    struct key key = box_due_key(box, SQS_KIND_DELAYED, due_ms, sequence);
    box->counts.delayed++;
    TRY(kv_put(box->call->txn, key_bytes(&key), group));
    return box_put_state(box, sequence, &state);
}

/* Messages that were moved keep the time they were first sent: they are not in the order of their
 * sequences. */
static bool box_is_out_of_order(const struct box *box, const struct sqs_message *message)
{
    return !box->queue->fifo && !str_is_absent(message->dead_letter_source);
}

RESULT box_add(struct box *box, uint64_t sequence, const struct sqs_message *message,
               int64_t due_ms)
{
    struct call *call = box->call;
    struct str group = box_group_name(message);
    box->changed = true;
    TRY(sweep_want_retention(box, message->sent_ms));
    if (box_is_out_of_order(box, message)) {
        struct key sent = box_due_key(box, SQS_KIND_SENT, message->sent_ms, sequence);
        TRY(kv_put(call->txn, key_bytes(&sent), STR("")));
    }
    struct key key = box_number_key(box, SQS_KIND_MESSAGE, sequence);
    TRY(call_put_record(call, &key, &sqs_model, SQS_SHAPE_message, message));
    if (box->queue->fifo)
        TRY(group_order_due(box, group, &due_ms));
    if (due_ms > call->now_ms)
        return box_add_delayed(box, sequence, group, due_ms);
    return box_make_ready(box, sequence, group);
}

/* --- what becomes ready by itself --- */

/* The first entry of a kind that is due; *sequence 0 when there is none. *due_ms is the first
 * one's, due or not. */
static RESULT box_first_due(struct box *box, enum sqs_kind kind, uint64_t *sequence,
                            int64_t *due_ms, struct str *group)
{
    struct call *call = box->call;
    struct key prefix = box_key(box, kind);
    struct kv_cursor *cursor;
    struct str key, value;
    *sequence = 0;
    *due_ms = INT64_MAX;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    TRY(kv_next(cursor, &key, &value));
    if (!str_is_absent(key)) {
        struct key_reader reader =
            key_read(call->arena, str_slice(key, key_bytes(&prefix).len, key.len));
        uint64_t first;
        if (!key_next_i64(&reader, due_ms) || !key_next_u64(&reader, &first))
            return FAULT("a due key is broken");
        if (*due_ms <= call->now_ms) {
            *sequence = first;
            *group = str_copy(call->arena, value);
        }
    }
    kv_cursor_close(cursor);
    return RESULT_OK;
}

static RESULT box_promote_one(struct box *box, enum sqs_kind kind, uint64_t sequence,
                              int64_t due_ms, struct str group)
{
    struct sqs_state state;
    bool found, flew = kind == SQS_KIND_IN_FLIGHT;
    struct key key = box_due_key(box, kind, due_ms, sequence);
    TRY(kv_delete(box->call->txn, key_bytes(&key), NULL));
    box->counts.in_flight -= flew;
    box->counts.delayed -= !flew;
    TRY(box_state(box, sequence, &state, &found));
    state.place = SQS_READY;
    state.due_ms = 0;
    TRY(box_put_state(box, sequence, &state));
    if (flew && !str_is_empty(group))
        TRY(group_land(box, group));
    return box_make_ready(box, sequence, group);
}

static RESULT box_promote_kind(struct box *box, enum sqs_kind kind, size_t limit,
                               int64_t *next_due_ms)
{
    const int64_t *left =
        kind == SQS_KIND_IN_FLIGHT ? &box->counts.in_flight : &box->counts.delayed;
    for (size_t n = 0; *left > 0; n++) {
        uint64_t sequence;
        int64_t due_ms;
        struct str group = {0};
        TRY(box_first_due(box, kind, &sequence, &due_ms, &group));
        if (sequence == 0 || n == limit) {
            if (due_ms < *next_due_ms)
                *next_due_ms = due_ms;
            break;
        }
        TRY(box_promote_one(box, kind, sequence, due_ms, group));
    }
    return RESULT_OK;
}

RESULT box_promote(struct box *box, size_t limit, int64_t *next_due_ms)
{
    *next_due_ms = INT64_MAX;
    TRY(box_promote_kind(box, SQS_KIND_IN_FLIGHT, limit, next_due_ms));
    return box_promote_kind(box, SQS_KIND_DELAYED, limit, next_due_ms);
}

/* --- taking, changing, removing --- */

RESULT box_take(struct box *box, uint64_t sequence, const struct sqs_message *message,
                int64_t due_ms, struct sqs_state *state)
{
    bool found;
    struct str group = box_group_name(message);
    TRY(box_state(box, sequence, state, &found));
    TRY(box_unready(box, sequence, group, group_take));
    if (state->receives == 0)
        state->first_receive_ms = box->call->now_ms;
    state->place = SQS_IN_FLIGHT;
    state->due_ms = due_ms;
    state->receives++;
    state->received_ms = box->call->now_ms;
    box->counts.in_flight++;
    struct key key = box_due_key(box, SQS_KIND_IN_FLIGHT, due_ms, sequence);
    TRY(kv_put(box->call->txn, key_bytes(&key), group));
    return box_put_state(box, sequence, state);
}

RESULT box_retime(struct box *box, uint64_t sequence, struct sqs_state *state, int64_t due_ms)
{
    struct call *call = box->call;
    struct key old = box_due_key(box, SQS_KIND_IN_FLIGHT, state->due_ms, sequence);
    struct str group;
    TRY(kv_get(call->txn, key_bytes(&old), &group));
    if (str_is_absent(group))
        return FAULT("a message in flight is not where it should be");
    group = str_copy(call->arena, group);
    TRY(kv_delete(call->txn, key_bytes(&old), NULL));
    struct key new = box_due_key(box, SQS_KIND_IN_FLIGHT, due_ms, sequence);
    TRY(kv_put(call->txn, key_bytes(&new), group));
    state->due_ms = due_ms;
    box->changed = true;
    return box_put_state(box, sequence, state);
}

/* What of a message decides where it stands: not its body, which may be large. */
static RESULT box_outline(struct box *box, uint64_t sequence, struct sqs_message *outline,
                          bool *found)
{
    struct key key = box_number_key(box, SQS_KIND_MESSAGE, sequence);
    struct sqs_message message;
    TRY(call_get_record(box->call, &key, &sqs_model, SQS_SHAPE_message, &message, found));
    *outline = (struct sqs_message){
        .sent_ms = message.sent_ms,
        .group = str_copy(box->call->arena, box_group_name(&message)),
    };
    if (!str_is_absent(message.dead_letter_source))
        outline->dead_letter_source = STR("moved");
    return RESULT_OK;
}

/* Takes a message that is in flight or delayed out of that order. */
static RESULT box_remove_due(struct box *box, uint64_t sequence, const struct sqs_state *state,
                             struct str group)
{
    bool flew = state->place == SQS_IN_FLIGHT;
    struct key key =
        box_due_key(box, flew ? SQS_KIND_IN_FLIGHT : SQS_KIND_DELAYED, state->due_ms, sequence);
    TRY(kv_delete(box->call->txn, key_bytes(&key), NULL));
    box->counts.in_flight -= flew;
    box->counts.delayed -= !flew;
    return flew && !str_is_empty(group) ? group_land(box, group) : RESULT_OK;
}

RESULT box_remove(struct box *box, uint64_t sequence, const struct sqs_state *known)
{
    struct call *call = box->call;
    struct sqs_message message;
    struct sqs_state state;
    bool found, has_state = known != NULL;
    TRY(box_outline(box, sequence, &message, &found));
    if (!found)
        return RESULT_OK;
    if (known != NULL)
        state = *known;
    else
        TRY(box_state(box, sequence, &state, &has_state));
    box->changed = true;
    if (state.place == SQS_READY)
        TRY(box_unready(box, sequence, message.group, group_remove_ready));
    else
        TRY(box_remove_due(box, sequence, &state, message.group));
    if (has_state) {
        struct key state_key = box_number_key(box, SQS_KIND_STATE, sequence);
        TRY(kv_delete(call->txn, key_bytes(&state_key), NULL));
    }
    if (box_is_out_of_order(box, &message)) {
        struct key sent = box_due_key(box, SQS_KIND_SENT, message.sent_ms, sequence);
        TRY(kv_delete(call->txn, key_bytes(&sent), NULL));
    }
    struct key message_key = box_number_key(box, SQS_KIND_MESSAGE, sequence);
    return kv_delete(call->txn, key_bytes(&message_key), NULL);
}

/* --- looking ---------------------------------------------------------------------------------- */

RESULT box_first(struct box *box, struct key *prefix, uint64_t *sequence)
{
    struct call *call = box->call;
    struct kv_cursor *cursor;
    struct str key, value;
    *sequence = 0;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(prefix), false, &cursor));
    TRY(kv_next(cursor, &key, &value));
    if (!str_is_absent(key)) {
        struct key_reader reader =
            key_read(call->arena, str_slice(key, key_bytes(prefix).len, key.len));
        if (!key_next_u64(&reader, sequence))
            return FAULT("a ready key is broken");
    }
    kv_cursor_close(cursor);
    return RESULT_OK;
}

RESULT box_first_ready(struct box *box, uint64_t *sequence)
{
    struct key prefix = box_key(box, SQS_KIND_READY);
    *sequence = 0;
    return box->counts.ready == box->counts.grouped ? RESULT_OK : box_first(box, &prefix, sequence);
}

RESULT box_overdue(struct box *box, enum sqs_kind kind, int64_t limit, int64_t *count)
{
    struct call *call = box->call;
    struct key prefix = box_key(box, kind);
    struct kv_cursor *cursor;
    *count = 0;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (; *count < limit; ++*count) {
        struct str key, value;
        int64_t due_ms;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        struct key_reader reader =
            key_read(call->arena, str_slice(key, key_bytes(&prefix).len, key.len));
        if (!key_next_i64(&reader, &due_ms))
            return FAULT("a due key is broken");
        if (due_ms > call->now_ms)
            return RESULT_OK;
    }
    return RESULT_OK;
}
