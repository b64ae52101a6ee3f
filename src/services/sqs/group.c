/* Message groups. A queue's ready messages that have a group stand by it, and the groups by their
 * first message: the next message to receive is the oldest of what heads the groups and of what has
 * none.
 *
 * In a FIFO queue a group of which something is in flight is not received from at all. In a
 * standard queue a group that takes more than its share of the consumers waits while others have
 * something ("How Amazon SQS fair queues work", SQS Developer Guide: more than 10% of what is in
 * flight, and at least 30). */
#include "services/sqs/sqs_int.h"
#include "store/record.h"

enum { NOISY_IN_FLIGHT = 30, NOISY_SHARE = 10 };

static struct key group_key(const struct box *box, enum sqs_kind kind, struct str group)
{
    struct key key = box_key(box, kind);
    key_str(&key, group);
    return key;
}

static struct key group_available_key(const struct box *box, uint64_t head, struct str group)
{
    struct key key = box_key(box, SQS_KIND_AVAILABLE);
    key_u64(&key, head);
    key_str(&key, group);
    return key;
}

static RESULT group_get(struct box *box, struct str name, struct sqs_group *group)
{
    struct key key = group_key(box, SQS_KIND_GROUP, name);
    bool found;
    return call_get_record(box->call, &key, &sqs_model, SQS_SHAPE_group, group, &found);
}

static RESULT group_put(struct box *box, struct str name, const struct sqs_group *group)
{
    struct key key = group_key(box, SQS_KIND_GROUP, name);
    if (group->in_flight == 0 && group->head == 0 && group->last_due_ms <= box->call->now_ms)
        return kv_delete(box->call->txn, key_bytes(&key), NULL);
    return call_put_record(box->call, &key, &sqs_model, SQS_SHAPE_group, group);
}

static bool group_is_blocked(const struct box *box, const struct sqs_group *group)
{
    return box->queue->fifo && group->in_flight > 0;
}

RESULT group_first(struct box *box, struct str name, uint64_t *sequence)
{
    struct key prefix = group_key(box, SQS_KIND_GROUP_READY, name);
    return box_first(box, &prefix, sequence);
}

/* The group's head is `head` from now on: it stands among the available ones by it, or not at all.
 */
static RESULT group_set_head(struct box *box, struct str name, struct sqs_group *group,
                             uint64_t head)
{
    if (group->head == (int64_t)head)
        return RESULT_OK;
    if (group->head != 0) {
        struct key old = group_available_key(box, (uint64_t)group->head, name);
        TRY(kv_delete(box->call->txn, key_bytes(&old), NULL));
    }
    group->head = (int64_t)head;
    if (head == 0)
        return RESULT_OK;
    struct key now = group_available_key(box, head, name);
    return kv_put(box->call->txn, key_bytes(&now), STR(""));
}

RESULT group_put_ready(struct box *box, struct str name, uint64_t sequence)
{
    struct sqs_group group;
    struct key key = group_key(box, SQS_KIND_GROUP_READY, name);
    key_u64(&key, sequence);
    box->counts.grouped++;
    TRY(kv_put(box->call->txn, key_bytes(&key), STR("")));
    TRY(group_get(box, name, &group));
    bool first = group.head == 0 || (int64_t)sequence < group.head;
    if (first && !group_is_blocked(box, &group))
        TRY(group_set_head(box, name, &group, sequence));
    return group_put(box, name, &group);
}

RESULT group_remove_ready(struct box *box, struct str name, uint64_t sequence)
{
    struct sqs_group group;
    uint64_t head;
    struct key key = group_key(box, SQS_KIND_GROUP_READY, name);
    key_u64(&key, sequence);
    box->counts.grouped--;
    TRY(kv_delete(box->call->txn, key_bytes(&key), NULL));
    TRY(group_get(box, name, &group));
    if (group.head != (int64_t)sequence)
        return RESULT_OK;
    TRY(group_first(box, name, &head));
    TRY(group_set_head(box, name, &group, head));
    return group_put(box, name, &group);
}

RESULT group_take(struct box *box, struct str name, uint64_t sequence)
{
    struct sqs_group group;
    uint64_t head = 0;
    struct key key = group_key(box, SQS_KIND_GROUP_READY, name);
    key_u64(&key, sequence);
    box->counts.grouped--;
    TRY(kv_delete(box->call->txn, key_bytes(&key), NULL));
    TRY(group_get(box, name, &group));
    group.in_flight++;
    if (group.head == (int64_t)sequence || box->queue->fifo) {
        if (!box->queue->fifo)
            TRY(group_first(box, name, &head));
        TRY(group_set_head(box, name, &group, head));
    }
    return group_put(box, name, &group);
}

RESULT group_land(struct box *box, struct str name)
{
    struct sqs_group group;
    TRY(group_get(box, name, &group));
    ASSERT(group.in_flight > 0);
    group.in_flight--;
    if (box->queue->fifo && group.in_flight == 0) {
        uint64_t head;
        TRY(group_first(box, name, &head));
        TRY(group_set_head(box, name, &group, head));
    }
    return group_put(box, name, &group);
}

RESULT group_order_due(struct box *box, struct str name, int64_t *due_ms)
{
    struct sqs_group group;
    TRY(group_get(box, name, &group));
    if (group.last_due_ms > *due_ms)
        *due_ms = group.last_due_ms;
    if (*due_ms <= box->call->now_ms)
        return RESULT_OK;
    group.last_due_ms = *due_ms;
    return group_put(box, name, &group);
}

/* --- choosing --------------------------------------------------------------------------------- */

static RESULT group_is_noisy(struct box *box, struct str name, bool *noisy)
{
    struct sqs_group group;
    *noisy = false;
    if (box->queue->fifo || box->counts.in_flight < NOISY_IN_FLIGHT)
        return RESULT_OK;
    TRY(group_get(box, name, &group));
    *noisy =
        group.in_flight >= NOISY_IN_FLIGHT && group.in_flight * NOISY_SHARE > box->counts.in_flight;
    return RESULT_OK;
}

/* The available groups' first message, of quiet ones and of all. Fewer than NOISY_SHARE groups can
 * be noisy at a time. */
static RESULT group_first_available(struct box *box, struct group_choice *quiet,
                                    struct group_choice *any)
{
    struct call *call = box->call;
    struct key prefix = box_key(box, SQS_KIND_AVAILABLE);
    struct kv_cursor *cursor;
    *quiet = *any = (struct group_choice){0};
    if (box->counts.grouped == 0)
        return RESULT_OK;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    while (quiet->sequence == 0) {
        struct str key, value, group;
        uint64_t head;
        bool noisy;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        struct key_reader reader =
            key_read(call->arena, str_slice(key, key_bytes(&prefix).len, key.len));
        if (!key_next_u64(&reader, &head) || !key_next_str(&reader, &group))
            return FAULT("an available group's key is broken");
        struct group_choice choice = {head, str_copy(call->arena, group)};
        if (any->sequence == 0)
            *any = choice;
        TRY(group_is_noisy(box, choice.group, &noisy));
        if (!noisy)
            *quiet = choice;
    }
    kv_cursor_close(cursor);
    return RESULT_OK;
}

RESULT group_choose(struct box *box, bool fair, struct group_choice *choice)
{
    struct group_choice quiet, any;
    TRY(box_first_ready(box, &choice->sequence));
    choice->group = STR("");
    TRY(group_first_available(box, &quiet, &any));
    if (!fair)
        quiet = any;
    if (quiet.sequence != 0 && (choice->sequence == 0 || quiet.sequence < choice->sequence))
        *choice = quiet;
    if (choice->sequence == 0)
        *choice = any;
    return RESULT_OK;
}
