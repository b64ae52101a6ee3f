/* Where messages are. A standard queue's ready messages stand in one order, (rank, sequence): the rank is the fair
 * order's virtual time. A message without a group takes the time as it stands; a group's messages take ranks one
 * apart, so that a group with a thousand waiting and a group with one are served in turns ("Amazon SQS fair
 * queues"). A FIFO queue's ready messages stand by group, and the groups that may be received from by their
 * first message. */
#include "services/sqs/sqs_int.h"

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

/* (due, sequence) of messages in flight and delayed; (rank, sequence) of ready ones. */
static struct key box_order_key(const struct box *box, enum sqs_kind kind, int64_t order,
                                uint64_t sequence)
{
    struct key key = box_key(box, kind);
    key_i64(&key, order);
    key_u64(&key, sequence);
    return key;
}

static struct key box_group_key(const struct box *box, enum sqs_kind kind, struct str group)
{
    struct key key = box_key(box, kind);
    key_str(&key, group);
    return key;
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

/* --- the fair order ------------------------------------------------------------------------------------------- */

static RESULT box_rank(struct box *box, struct str group, int64_t *rank)
{
    *rank = box->counts.virtual_time;
    if (str_is_empty(group))
        return RESULT_OK;
    struct key key = box_group_key(box, SQS_KIND_RANK, group);
    struct str last;
    int64_t last_rank;
    TRY(kv_get(box->call->txn, key_bytes(&key), &last));
    if (!str_is_absent(last)) {
        if (!str_to_i64(last, &last_rank))
            return FAULT("a rank is not a number");
        if (last_rank >= *rank)
            *rank = last_rank + 1;
    }
    char text[24];
    struct buf value;
    buf_init_fixed(&value, text, sizeof text);
    buf_append_i64(&value, *rank);
    return kv_put(box->call->txn, key_bytes(&key), buf_str(&value));
}

/* Virtual time follows the ranks that are served; a group's rank that time has passed says nothing any more. */
static RESULT box_serve_rank(struct box *box, struct str group, int64_t rank)
{
    if (rank > box->counts.virtual_time)
        box->counts.virtual_time = rank;
    if (str_is_empty(group))
        return RESULT_OK;
    struct key key = box_group_key(box, SQS_KIND_RANK, group);
    struct str last;
    int64_t last_rank;
    TRY(kv_get(box->call->txn, key_bytes(&key), &last));
    if (str_is_absent(last) || !str_to_i64(last, &last_rank) || last_rank > rank)
        return RESULT_OK;
    return kv_delete(box->call->txn, key_bytes(&key), NULL);
}

/* --- groups of FIFO queues ------------------------------------------------------------------------------------ */

static RESULT box_get_group(struct box *box, struct str name, struct sqs_group *group)
{
    struct key key = box_group_key(box, SQS_KIND_GROUP, name);
    bool found;
    return call_get_record(box->call, &key, &sqs_model, SQS_SHAPE_group, group, &found);
}

static RESULT box_put_group(struct box *box, struct str name, const struct sqs_group *group)
{
    struct key key = box_group_key(box, SQS_KIND_GROUP, name);
    bool idle = group->in_flight == 0 && group->head == 0 &&
                group->last_due_ms <= box->call->now_ms;
    if (idle)
        return kv_delete(box->call->txn, key_bytes(&key), NULL);
    return call_put_record(box->call, &key, &sqs_model, SQS_SHAPE_group, group);
}

static RESULT box_group_first(struct box *box, struct str name, uint64_t *sequence)
{
    struct key prefix = box_group_key(box, SQS_KIND_GROUP_READY, name);
    struct kv_cursor *cursor;
    struct str key, value;
    TRY(kv_cursor_open(box->call->txn, box->call->arena, key_bytes(&prefix), false, &cursor));
    TRY(kv_next(cursor, &key, &value));
    *sequence = 0;
    if (str_is_absent(key))
        return RESULT_OK;
    struct key_reader reader =
        key_read(box->call->arena, str_slice(key, key_bytes(&prefix).len, key.len));
    return key_next_u64(&reader, sequence) ? RESULT_OK : FAULT("a group's key is broken");
}

static struct key box_available_key(const struct box *box, uint64_t head, struct str group)
{
    struct key key = box_number_key(box, SQS_KIND_AVAILABLE, head);
    key_str(&key, group);
    return key;
}

RESULT box_settle_group(struct box *box, struct str name, int64_t delta)
{
    struct sqs_group group;
    uint64_t first;
    TRY(box_get_group(box, name, &group));
    TRY(box_group_first(box, name, &first));
    group.in_flight += delta;
    ASSERT(group.in_flight >= 0);
    int64_t head = group.in_flight == 0 ? (int64_t)first : 0;
    if (group.head != head) {
        if (group.head != 0) {
            struct key old = box_available_key(box, (uint64_t)group.head, name);
            TRY(kv_delete(box->call->txn, key_bytes(&old), NULL));
        }
        if (head != 0) {
            struct key now = box_available_key(box, (uint64_t)head, name);
            TRY(kv_put(box->call->txn, key_bytes(&now), STR("")));
        }
        group.head = head;
    }
    return box_put_group(box, name, &group);
}

/* --- placing -------------------------------------------------------------------------------------------------- */

/* *rank: where a standard queue's message was put. */
static RESULT box_make_ready(struct box *box, uint64_t sequence, struct str group, int64_t *rank)
{
    box->counts.ready++;
    box->changed = true;
    *rank = 0;
    if (box->queue->fifo) {
        struct key key = box_group_key(box, SQS_KIND_GROUP_READY, group);
        key_u64(&key, sequence);
        return kv_put(box->call->txn, key_bytes(&key), STR(""));
    }
    TRY(box_rank(box, group, rank));
    struct key key = box_order_key(box, SQS_KIND_READY, *rank, sequence);
    return kv_put(box->call->txn, key_bytes(&key), STR(""));
}

static RESULT box_unready(struct box *box, uint64_t sequence, struct str group, int64_t rank)
{
    box->counts.ready--;
    box->changed = true;
    struct key key = box->queue->fifo ? box_group_key(box, SQS_KIND_GROUP_READY, group)
                                      : box_order_key(box, SQS_KIND_READY, rank, sequence);
    if (box->queue->fifo)
        key_u64(&key, sequence);
    return kv_delete(box->call->txn, key_bytes(&key), NULL);
}

/* A FIFO message does not overtake an earlier one of its group that is still delayed. */
static RESULT box_fifo_due(struct box *box, struct str name, int64_t *due_ms)
{
    struct sqs_group group;
    TRY(box_get_group(box, name, &group));
    if (group.last_due_ms > *due_ms)
        *due_ms = group.last_due_ms;
    if (*due_ms <= box->call->now_ms)
        return RESULT_OK;
    group.last_due_ms = *due_ms;
    return box_put_group(box, name, &group);
}

static RESULT box_add_delayed(struct box *box, uint64_t sequence, const struct sqs_message *message,
                              int64_t due_ms)
{
    struct sqs_state state = {.place = SQS_DELAYED, .due_ms = due_ms};
    struct key key = box_order_key(box, SQS_KIND_DELAYED, due_ms, sequence);
    struct str group = str_is_absent(message->group) ? STR("") : message->group;
    box->counts.delayed++;
    TRY(kv_put(box->call->txn, key_bytes(&key), group));
    return box_put_state(box, sequence, &state);
}

RESULT box_add(struct box *box, uint64_t sequence, const struct sqs_message *message, int64_t due_ms)
{
    struct call *call = box->call;
    struct sqs_message record = *message;
    TRY(sweep_want_retention(box));
    box->changed = true;
    if (box->queue->fifo)
        TRY(box_fifo_due(box, message->group, &due_ms));
    bool delayed = due_ms > call->now_ms;
    if (delayed)
        TRY(box_add_delayed(box, sequence, message, due_ms));
    else
        TRY(box_make_ready(box, sequence, message->group, &record.rank));
    struct key key = box_number_key(box, SQS_KIND_MESSAGE, sequence);
    TRY(call_put_record(call, &key, &sqs_model, SQS_SHAPE_message, &record));
    return box->queue->fifo && !delayed ? box_settle_group(box, message->group, 0) : RESULT_OK;
}

/* The first entry of a kind that is due; *sequence 0 when there is none. *due_ms is the first one's, due or not. */
static RESULT box_first_due(struct box *box, enum sqs_kind kind, uint64_t *sequence, int64_t *due_ms,
                            struct str *group)
{
    struct call *call = box->call;
    struct key prefix = box_key(box, kind);
    struct kv_cursor *cursor;
    struct str key, value;
    *sequence = 0;
    *due_ms = INT64_MAX;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    TRY(kv_next(cursor, &key, &value));
    if (str_is_absent(key))
        return RESULT_OK;
    struct key_reader reader = key_read(call->arena, str_slice(key, key_bytes(&prefix).len, key.len));
    uint64_t first;
    if (!key_next_i64(&reader, due_ms) || !key_next_u64(&reader, &first))
        return FAULT("a due key is broken");
    if (*due_ms > call->now_ms)
        return RESULT_OK;
    *sequence = first;
    *group = str_copy(call->arena, value);
    return RESULT_OK;
}

static RESULT box_promote_one(struct box *box, enum sqs_kind kind, uint64_t sequence, int64_t due_ms,
                              struct str group)
{
    struct sqs_state state;
    bool found;
    struct key key = box_order_key(box, kind, due_ms, sequence);
    TRY(kv_delete(box->call->txn, key_bytes(&key), NULL));
    if (kind == SQS_KIND_IN_FLIGHT)
        box->counts.in_flight--;
    else
        box->counts.delayed--;
    TRY(box_state(box, sequence, &state, &found));
    TRY(box_make_ready(box, sequence, group, &state.rank));
    state.place = SQS_READY;
    state.due_ms = 0;
    TRY(box_put_state(box, sequence, &state));
    if (!box->queue->fifo)
        return RESULT_OK;
    return box_settle_group(box, group, kind == SQS_KIND_IN_FLIGHT ? -1 : 0);
}

RESULT box_promote(struct box *box, size_t limit)
{
    static const enum sqs_kind kinds[] = {SQS_KIND_IN_FLIGHT, SQS_KIND_DELAYED};
    for (size_t k = 0; k < 2; k++) {
        for (size_t n = 0; n < limit; n++) {
            int64_t have = kinds[k] == SQS_KIND_IN_FLIGHT ? box->counts.in_flight : box->counts.delayed;
            if (have == 0)
                break;
            uint64_t sequence;
            int64_t due_ms;
            struct str group = {0};
            TRY(box_first_due(box, kinds[k], &sequence, &due_ms, &group));
            if (sequence == 0)
                break;
            TRY(box_promote_one(box, kinds[k], sequence, due_ms, group));
        }
    }
    return RESULT_OK;
}

/* --- taking, changing, removing --------------------------------------------------------------------------------- */

RESULT box_take(struct box *box, uint64_t sequence, const struct sqs_message *message, int64_t due_ms,
                struct sqs_state *state)
{
    bool found;
    TRY(box_state(box, sequence, state, &found));
    int64_t rank = found ? state->rank : message->rank;
    TRY(box_unready(box, sequence, message->group, rank));
    if (!box->queue->fifo)
        TRY(box_serve_rank(box, message->group, rank));
    if (state->receives == 0)
        state->first_receive_ms = box->call->now_ms;
    state->place = SQS_IN_FLIGHT;
    state->due_ms = due_ms;
    state->receives++;
    box->counts.in_flight++;
    struct key key = box_order_key(box, SQS_KIND_IN_FLIGHT, due_ms, sequence);
    TRY(kv_put(box->call->txn, key_bytes(&key),
               str_is_absent(message->group) ? STR("") : message->group));
    return box_put_state(box, sequence, state);
}

RESULT box_retime(struct box *box, uint64_t sequence, struct sqs_state *state, int64_t due_ms)
{
    struct call *call = box->call;
    struct key old = box_order_key(box, SQS_KIND_IN_FLIGHT, state->due_ms, sequence);
    struct str group;
    TRY(kv_get(call->txn, key_bytes(&old), &group));
    if (str_is_absent(group))
        return FAULT("a message in flight is not where it should be");
    group = str_copy(call->arena, group);
    TRY(kv_delete(call->txn, key_bytes(&old), NULL));
    struct key new = box_order_key(box, SQS_KIND_IN_FLIGHT, due_ms, sequence);
    TRY(kv_put(call->txn, key_bytes(&new), group));
    state->due_ms = due_ms;
    return box_put_state(box, sequence, state);
}

RESULT box_remove(struct box *box, uint64_t sequence)
{
    struct call *call = box->call;
    struct sqs_message message;
    struct sqs_state state;
    bool found, has_state;
    TRY(box_message(box, sequence, &message, &found));
    if (!found)
        return RESULT_OK;
    TRY(box_state(box, sequence, &state, &has_state));
    struct key message_key = box_number_key(box, SQS_KIND_MESSAGE, sequence);
    struct key state_key = box_number_key(box, SQS_KIND_STATE, sequence);
    box->changed = true;
    if (state.place == SQS_READY) {
        int64_t rank = has_state ? state.rank : message.rank;
        TRY(box_unready(box, sequence, message.group, rank));
        if (!box->queue->fifo)
            TRY(box_serve_rank(box, message.group, rank));
    } else {
        bool in_flight = state.place == SQS_IN_FLIGHT;
        struct key key = box_order_key(box, in_flight ? SQS_KIND_IN_FLIGHT : SQS_KIND_DELAYED,
                                       state.due_ms, sequence);
        TRY(kv_delete(call->txn, key_bytes(&key), NULL));
        box->counts.in_flight -= in_flight;
        box->counts.delayed -= !in_flight;
    }
    if (has_state)
        TRY(kv_delete(call->txn, key_bytes(&state_key), NULL));
    TRY(kv_delete(call->txn, key_bytes(&message_key), NULL));
    if (box->queue->fifo)
        return box_settle_group(box, message.group, state.place == SQS_IN_FLIGHT ? -1 : 0);
    return RESULT_OK;
}

/* --- looking ---------------------------------------------------------------------------------------------------- */

RESULT box_ready_cursor(struct box *box, struct kv_cursor **cursor)
{
    struct key prefix = box_key(box, SQS_KIND_READY);
    return kv_cursor_open(box->call->txn, box->call->arena, key_bytes(&prefix), false, cursor);
}

RESULT box_next_ready(struct box *box, struct kv_cursor *cursor, uint64_t *sequence)
{
    struct key prefix = box_key(box, SQS_KIND_READY);
    struct str key, value;
    TRY(kv_next(cursor, &key, &value));
    *sequence = 0;
    if (str_is_absent(key))
        return RESULT_OK;
    struct key_reader reader =
        key_read(box->call->arena, str_slice(key, key_bytes(&prefix).len, key.len));
    int64_t rank;
    if (!key_next_i64(&reader, &rank) || !key_next_u64(&reader, sequence))
        return FAULT("a ready key is broken");
    return RESULT_OK;
}

RESULT box_next_due(struct box *box, int64_t *due_ms)
{
    static const enum sqs_kind kinds[] = {SQS_KIND_IN_FLIGHT, SQS_KIND_DELAYED};
    *due_ms = INT64_MAX;
    for (size_t k = 0; k < 2; k++) {
        uint64_t sequence;
        int64_t first;
        struct str group;
        TRY(box_first_due(box, kinds[k], &sequence, &first, &group));
        if (first < *due_ms)
            *due_ms = first;
    }
    return RESULT_OK;
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
