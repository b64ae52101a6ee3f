/* ReceiveMessage, Amazon SQS API Reference. */
#include "services/sqs/sqs_int.h"
#include "store/record.h"

/* Of messages that one call looks at: its transaction must not take long. */
enum { RECEIVE_BUDGET = 200 };

/* What one run of the function is about. */
struct receiving {
    struct call *call;
    const struct sqs_ReceiveMessageRequest *in;
    struct sqs_queue queue;
    struct box box;
    size_t limit;
    size_t budget;  /* of messages that may be looked at: too old ones and dead letters count */
    int64_t due_ms; /* of what is received */
    int64_t next_due_ms;   /* when something becomes ready by itself */
    struct sqs_queue dead; /* the dead-letter queue, when there is one */
    struct box dead_box;
    bool has_dead;
    struct sqs_ReceiveMessageResult *out;
    struct sqs_attempt attempt;
};

/* --- parameters ------------------------------------------------------------------------------- */

static RESULT receive_check_range(struct call *call, struct opt_int value, const char *name,
                                  int32_t min, int32_t max, const char *reason)
{
    if (!value.set || (value.value >= min && value.value <= max))
        return RESULT_OK;
    return call_fail(call, SQS_INVALID_PARAMETER_VALUE,
                     "Value %d for parameter %s is invalid. Reason: %s", value.value, name, reason);
}

/* Of messages; those of queues are valid, too, and say nothing of a message ("ReceiveMessage",
 * AttributeNames). */
static RESULT receive_check_names(struct call *call, const struct str_list *names)
{
    static const struct str known[] = {
        STR_INIT("SenderId"),
        STR_INIT("SentTimestamp"),
        STR_INIT("ApproximateReceiveCount"),
        STR_INIT("ApproximateFirstReceiveTimestamp"),
        STR_INIT("SequenceNumber"),
        STR_INIT("MessageDeduplicationId"),
        STR_INIT("MessageGroupId"),
        STR_INIT("AWSTraceHeader"),
        STR_INIT("DeadLetterQueueSourceArn"),
    };
    for (size_t i = 0; i < names->len; i++) {
        bool found = queue_attribute_is_known(names->items[i]);
        for (size_t k = 0; k < sizeof known / sizeof known[0] && !found; k++)
            found = str_eq(names->items[i], known[k]);
        if (!found)
            return call_fail(call, SQS_INVALID_ATTRIBUTE_NAME, "Unknown Attribute %.*s.",
                             PRSTR(names->items[i]));
    }
    return RESULT_OK;
}

static RESULT receive_check(struct call *call, const struct sqs_queue *queue,
                            const struct sqs_ReceiveMessageRequest *in)
{
    TRY(receive_check_range(call, in->MaxNumberOfMessages, "MaxNumberOfMessages", 1, 10,
                            "Must be between 1 and 10, if provided."));
    TRY(receive_check_range(call, in->WaitTimeSeconds, "WaitTimeSeconds", 0, 20,
                            "Must be >= 0 and <= 20, if provided."));
    TRY(receive_check_range(call, in->VisibilityTimeout, "VisibilityTimeout", 0,
                            SQS_VISIBILITY_MAX_S, "Must be >= 0 and <= 43200, if provided."));
    TRY(receive_check_names(call, &in->AttributeNames));
    TRY(receive_check_names(call, &in->MessageSystemAttributeNames));
    struct str attempt = in->ReceiveRequestAttemptId;
    if (str_is_absent(attempt))
        return RESULT_OK;
    if (!queue->fifo)
        return call_fail(
            call, SQS_INVALID_PARAMETER_VALUE,
            "Value %.*s for parameter ReceiveRequestAttemptId is invalid. Reason: The request "
            "include parameter that is not valid for this queue type.",
            PRSTR(attempt));
    return sqs_check_id(call, attempt, "ReceiveRequestAttemptId");
}

/* --- what is shown of a message --- */

static bool receive_wants(const struct str_list *names, struct str name)
{
    for (size_t i = 0; i < names->len; i++)
        if (str_eq(names->items[i], STR("All")) || str_eq(names->items[i], name))
            return true;
    return false;
}

/* "All", ".*", "prefix.*" or a name (MessageAttributeNames). */
static bool receive_wants_attribute(const struct str_list *names, struct str name)
{
    for (size_t i = 0; i < names->len; i++) {
        struct str wanted = names->items[i];
        if (str_eq(wanted, STR("All")) || str_eq(wanted, name))
            return true;
        if (str_ends_with(wanted, STR(".*")) &&
            str_starts_with(name, str_slice(wanted, 0, wanted.len - 2)))
            return true;
    }
    return false;
}

size_t sqs_system_attributes(struct call *call, const struct sqs_message *message,
                             const struct sqs_state *state,
                             struct str_map_entry out[SQS_SYSTEM_ATTRIBUTES])
{
    const struct str_map_entry all[SQS_SYSTEM_ATTRIBUTES] = {
        {STR("SenderId"), message->sender},
        {STR("SentTimestamp"), str_format(call->arena, "%lld", (long long)message->sent_ms)},
        {STR("ApproximateReceiveCount"),
         str_format(call->arena, "%lld",
                    (long long)state->receives + (long long)message->earlier_receives)},
        {STR("ApproximateFirstReceiveTimestamp"),
         str_format(call->arena, "%lld",
                    (long long)(message->first_receive_ms != 0 ? message->first_receive_ms
                                                               : state->first_receive_ms))},
        {STR("SequenceNumber"), message->sequence_number},
        {STR("MessageDeduplicationId"), message->deduplication},
        {STR("MessageGroupId"), message->group},
        {STR("AWSTraceHeader"), message->trace},
        {STR("DeadLetterQueueSourceArn"), message->dead_letter_source},
    };
    size_t count = 0;
    for (size_t i = 0; i < SQS_SYSTEM_ATTRIBUTES; i++)
        if (!str_is_absent(all[i].value))
            out[count++] = all[i];
    return count;
}

static void receive_system(struct receiving *receiving, const struct sqs_message *message,
                           const struct sqs_state *state, struct sqs_Message *shown)
{
    struct call *call = receiving->call;
    const struct sqs_ReceiveMessageRequest *in = receiving->in;
    if (in->AttributeNames.len == 0 && in->MessageSystemAttributeNames.len == 0)
        return;
    struct str_map_entry all[SQS_SYSTEM_ATTRIBUTES];
    size_t count = sqs_system_attributes(call, message, state, all);
    struct str_map map = {.items = ARENA_ARRAY(call->arena, count, struct str_map_entry)};
    for (size_t i = 0; i < count; i++)
        if (receive_wants(&in->AttributeNames, all[i].key) ||
            receive_wants(&in->MessageSystemAttributeNames, all[i].key))
            map.items[map.len++] = all[i];
    if (map.len > 0)
        shown->Attributes = map;
}

static void receive_attributes(struct receiving *receiving, const struct sqs_message *message,
                               struct sqs_Message *shown)
{
    struct call *call = receiving->call;
    size_t count = message->attributes.len;
    if (count == 0 || receiving->in->MessageAttributeNames.len == 0)
        return;
    struct sqs_MessageBodyAttributeMap map = {
        .items = ARENA_ARRAY(call->arena, count, struct sqs_MessageBodyAttributeMap_entry)};
    struct sqs_list_attribute chosen = {.items =
                                            ARENA_ARRAY(call->arena, count, struct sqs_attribute)};
    for (size_t i = 0; i < count; i++) {
        const struct sqs_attribute *attribute = &message->attributes.items[i];
        if (!receive_wants_attribute(&receiving->in->MessageAttributeNames, attribute->name))
            continue;
        chosen.items[chosen.len++] = *attribute;
        map.items[map.len].key = attribute->name;
        map.items[map.len++].value = (struct sqs_MessageAttributeValue){
            .StringValue = attribute->text,
            .BinaryValue = attribute->bytes,
            .DataType = attribute->type,
        };
    }
    if (map.len == 0)
        return;
    shown->MessageAttributes = map;
    shown->MD5OfMessageAttributes = sqs_attributes_md5(call->arena, &chosen);
}

static void receive_show(struct receiving *receiving, uint64_t sequence,
                         const struct sqs_message *message, const struct sqs_state *state)
{
    struct call *call = receiving->call;
    struct sqs_MessageList *list = &receiving->out->Messages;
    if (list->items == NULL)
        list->items = ARENA_ARRAY(call->arena, receiving->limit, struct sqs_Message);
    struct sqs_Message *shown = &list->items[list->len++];
    struct receipt receipt = {(uint64_t)receiving->queue.queue_id, sequence,
                              (uint64_t)state->receives};
    *shown = (struct sqs_Message){
        .MessageId = message->id,
        .ReceiptHandle = receipt_make(call, &receipt),
        .MD5OfBody = sqs_hex_md5(call->arena, message->body_md5),
        .Body = message->body,
    };
    receive_system(receiving, message, state, shown);
    receive_attributes(receiving, message, shown);
}

/* --- taking ----------------------------------------------------------------------------------- */

static RESULT receive_open_dead(struct receiving *receiving)
{
    struct sqs_queue *queue = &receiving->queue;
    if (queue->max_receive_count == 0)
        return RESULT_OK;
    TRY(queue_find_arn(receiving->call, queue->dead_letter_arn, &receiving->dead,
                       &receiving->has_dead));
    if (!receiving->has_dead)
        return RESULT_OK; /* deleted meanwhile: messages stay */
    return box_open(receiving->call, &receiving->dead, &receiving->dead_box);
}

/* Takes one ready message, unless its retention is over or it goes to the dead-letter queue. */
static RESULT receive_one(struct receiving *receiving, uint64_t sequence)
{
    struct call *call = receiving->call;
    struct box *box = &receiving->box;
    struct sqs_message message;
    struct sqs_state state;
    bool found;
    receiving->budget--;
    TRY(box_message(box, sequence, &message, &found));
    if (!found)
        return FAULT("message %llu is ready and does not exist", (unsigned long long)sequence);
    if (message.sent_ms + receiving->queue.retention_s * 1000 <= call->now_ms)
        return box_remove(box, sequence, NULL);
    if (receiving->has_dead) {
        TRY(box_state(box, sequence, &state, &found));
        if (state.receives >= receiving->queue.max_receive_count)
            return sqs_bury(box, sequence, &message, &state, &receiving->dead_box);
    }
    TRY(box_take(box, sequence, &message, receiving->due_ms, &state));
    receive_show(receiving, sequence, &message, &state);
    struct opt_long *messages = receiving->attempt.messages.items;
    struct opt_long *receives = receiving->attempt.receives.items;
    messages[receiving->attempt.messages.len++] = opt_long((int64_t)sequence);
    receives[receiving->attempt.receives.len++] = opt_long(state.receives);
    return RESULT_OK;
}

static bool receive_goes_on(const struct receiving *receiving)
{
    return receiving->out->Messages.len < receiving->limit && receiving->budget > 0;
}

/* All that fits of a FIFO queue's group, in order. */
static RESULT receive_group(struct receiving *receiving, struct str group)
{
    while (receive_goes_on(receiving)) {
        uint64_t sequence;
        TRY(group_first(&receiving->box, group, &sequence));
        if (sequence == 0)
            break;
        TRY(receive_one(receiving, sequence));
    }
    return RESULT_OK;
}

static RESULT receive_ready(struct receiving *receiving)
{
    while (receive_goes_on(receiving) && receiving->box.counts.ready > 0) {
        struct group_choice choice;
        TRY(group_choose(&receiving->box, true, &choice));
        if (choice.sequence == 0)
            break;
        if (receiving->queue.fifo)
            TRY(receive_group(receiving, choice.group));
        else
            TRY(receive_one(receiving, choice.sequence));
    }
    return RESULT_OK;
}

/* --- attempts: a FIFO receive that is tried again gets the same messages --- */

static struct key attempt_key(struct receiving *receiving)
{
    struct key key = box_key(&receiving->box, SQS_KIND_ATTEMPT);
    key_str(&key, receiving->in->ReceiveRequestAttemptId);
    return key;
}

enum attempt_is {
    ATTEMPT_WHOLE,   /* everything is as it left it */
    ATTEMPT_OVER,    /* its visibility timeout is */
    ATTEMPT_CHANGED, /* something was deleted, had its visibility changed or was received again */
};

static enum attempt_is attempt_compare(const struct receiving *receiving,
                                       const struct sqs_attempt *attempt,
                                       const struct sqs_state *state, int64_t receives)
{
    bool over = attempt->due_ms <= receiving->call->now_ms;
    if (state->receives != receives)
        return ATTEMPT_CHANGED;
    if (state->place == SQS_IN_FLIGHT && state->due_ms == attempt->due_ms)
        return over ? ATTEMPT_OVER : ATTEMPT_WHOLE;
    return state->place == SQS_READY && over ? ATTEMPT_OVER : ATTEMPT_CHANGED;
}

static RESULT attempt_look(struct receiving *receiving, const struct sqs_attempt *attempt,
                           enum attempt_is *is)
{
    *is = ATTEMPT_WHOLE;
    for (size_t i = 0; i < attempt->messages.len && *is != ATTEMPT_CHANGED; i++) {
        struct sqs_state state;
        bool found;
        uint64_t sequence = (uint64_t)attempt->messages.items[i].value;
        TRY(box_state(&receiving->box, sequence, &state, &found));
        *is = found ? attempt_compare(receiving, attempt, &state, attempt->receives.items[i].value)
                    : ATTEMPT_CHANGED;
    }
    return RESULT_OK;
}

/* "If a retry occurs within the deduplication interval, it resets the visibility timeout" (the
 * same). */
static RESULT attempt_repeat(struct receiving *receiving, struct sqs_attempt *attempt)
{
    for (size_t i = 0; i < attempt->messages.len; i++) {
        uint64_t sequence = (uint64_t)attempt->messages.items[i].value;
        struct sqs_message message;
        struct sqs_state state;
        bool found;
        TRY(box_message(&receiving->box, sequence, &message, &found));
        TRY(box_state(&receiving->box, sequence, &state, &found));
        state.received_ms = receiving->call->now_ms;
        TRY(box_retime(&receiving->box, sequence, &state, receiving->due_ms));
        receive_show(receiving, sequence, &message, &state);
    }
    attempt->due_ms = receiving->due_ms;
    struct key key = attempt_key(receiving);
    return call_put_record(receiving->call, &key, &sqs_model, SQS_SHAPE_attempt, attempt);
}

/* The id may have been used again since. */
static RESULT attempt_forget(struct receiving *receiving, struct str key)
{
    struct call *call = receiving->call;
    struct sqs_attempt attempt;
    struct str bytes;
    TRY(kv_get(call->txn, key, &bytes));
    if (str_is_absent(bytes))
        return RESULT_OK;
    TRY(record_decode(call->arena, &sqs_model, SQS_SHAPE_attempt, bytes, &attempt));
    return attempt.expires_ms <= call->now_ms ? kv_delete(call->txn, key, NULL) : RESULT_OK;
}

static RESULT attempt_expire(struct receiving *receiving)
{
    struct call *call = receiving->call;
    struct key prefix = box_key(&receiving->box, SQS_KIND_ATTEMPT_EXPIRY);
    struct kv_cursor *cursor;
    struct str key, value;
    int64_t expires_ms;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (int n = 0; n < 2; n++) {
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        struct key_reader reader =
            key_read(call->arena, str_slice(key, key_bytes(&prefix).len, key.len));
        if (!key_next_i64(&reader, &expires_ms) || expires_ms > call->now_ms)
            return RESULT_OK;
        struct str expiry = str_copy(call->arena, key);
        TRY(attempt_forget(receiving, str_copy(call->arena, value)));
        TRY(kv_delete(call->txn, expiry, NULL));
    }
    return RESULT_OK;
}

/* *done: this was a repetition, and is answered. */
static RESULT attempt_find(struct receiving *receiving, bool *done)
{
    struct sqs_attempt attempt;
    struct key key = attempt_key(receiving);
    enum attempt_is is = ATTEMPT_OVER;
    bool found;
    TRY(attempt_expire(receiving));
    TRY(call_get_record_copy(receiving->call, &key, &sqs_model, SQS_SHAPE_attempt, &attempt,
                             &found));
    if (found && attempt.expires_ms > receiving->call->now_ms)
        TRY(attempt_look(receiving, &attempt, &is));
    if (is == ATTEMPT_CHANGED)
        return call_fail(
            receiving->call, SQS_INVALID_PARAMETER_VALUE,
            "Value %.*s for parameter ReceiveRequestAttemptId is invalid. Reason: The "
            "receiveRequestAttemptId is not valid anymore since the receive call is not "
            "retryable.",
            PRSTR(receiving->in->ReceiveRequestAttemptId));
    *done = is == ATTEMPT_WHOLE;
    return *done ? attempt_repeat(receiving, &attempt) : RESULT_OK;
}

static RESULT attempt_remember(struct receiving *receiving)
{
    struct call *call = receiving->call;
    receiving->attempt.expires_ms = call->now_ms + SQS_ATTEMPT_MS;
    receiving->attempt.due_ms = receiving->due_ms;
    struct key key = attempt_key(receiving);
    TRY(call_put_record(call, &key, &sqs_model, SQS_SHAPE_attempt, &receiving->attempt));
    struct key expiry = box_key(&receiving->box, SQS_KIND_ATTEMPT_EXPIRY);
    key_i64(&expiry, receiving->attempt.expires_ms);
    key_str(&expiry, receiving->in->ReceiveRequestAttemptId);
    return kv_put(call->txn, key_bytes(&expiry), key_bytes(&key));
}

/* --- the operation ---------------------------------------------------------------------------- */

static int64_t receive_wait_s(const struct receiving *receiving)
{
    return receiving->in->WaitTimeSeconds.set ? receiving->in->WaitTimeSeconds.value
                                              : receiving->queue.wait_s;
}

/* "Quotas related to queues", SQS Developer Guide: a standard queue says so to those who do not
 * wait. */
static RESULT receive_check_in_flight(struct receiving *receiving)
{
    int64_t left = SQS_IN_FLIGHT_MAX - receiving->box.counts.in_flight;
    if (left <= 0 && !receiving->queue.fifo && receive_wait_s(receiving) == 0)
        return call_fail(receiving->call, SQS_OVER_LIMIT,
                         "The maximum number of in flight messages is reached: %d.",
                         SQS_IN_FLIGHT_MAX);
    if ((int64_t)receiving->limit > left)
        receiving->limit = left > 0 ? (size_t)left : 0;
    return RESULT_OK;
}

static RESULT receive_take(struct receiving *receiving)
{
    struct box *box = &receiving->box;
    bool repeated = false;
    bool with_attempt =
        receiving->queue.fifo && !str_is_absent(receiving->in->ReceiveRequestAttemptId);
    if (with_attempt)
        TRY(attempt_find(receiving, &repeated));
    if (!repeated) {
        TRY(box_promote(box, RECEIVE_BUDGET, &receiving->next_due_ms));
        TRY(receive_check_in_flight(receiving));
        TRY(receive_ready(receiving));
        if (with_attempt && receiving->out->Messages.len > 0)
            TRY(attempt_remember(receiving));
    }
    TRY(box_close(box));
    return receiving->has_dead ? box_close(&receiving->dead_box) : RESULT_OK;
}

/* Dead letters were moved, old messages dropped, FIFO messages returned to a group that is blocked:
 * a run that waits is rolled back, so that this is committed before. */
static RESULT receive_keep(struct receiving *receiving)
{
    struct call *call = receiving->call;
    if (receiving->budget == 0)
        call_signal_some(call, queue_topic(call, &receiving->queue),
                         1); /* to look at the rest at once */
    enum result result = call_commit(call);
    call->txn = NULL; /* ended either way */
    return result;
}

/* Nothing there: wait for a signal, or for what becomes ready by itself. */
static RESULT receive_wait(struct receiving *receiving)
{
    struct call *call = receiving->call;
    int64_t deadline_ms = call->started_ms + receive_wait_s(receiving) * 1000;
    bool changed = receiving->box.changed;
    /* Another operation's transaction is not ours to commit. */
    if (deadline_ms <= call->now_ms || (changed && call->request == NULL))
        return RESULT_OK;
    if (changed)
        TRY(receive_keep(receiving));
    return call_park(call, queue_topic(call, &receiving->queue),
                     receiving->next_due_ms < deadline_ms ? receiving->next_due_ms : deadline_ms);
}

/* Others who wait may go on with what is left, or must wake earlier than they know. */
static void receive_tell_others(struct receiving *receiving)
{
    struct call *call = receiving->call;
    bool more = receiving->box.counts.ready > 0;
    bool sooner = receiving->due_ms < receiving->next_due_ms;
    if (more || sooner)
        call_signal_some(call, queue_topic(call, &receiving->queue), 1);
}

RESULT sqs_ReceiveMessage(struct call *call, const struct sqs_ReceiveMessageRequest *in,
                          struct sqs_ReceiveMessageResult *out)
{
    struct receiving receiving = {
        .call = call, .in = in, .out = out, .next_due_ms = INT64_MAX, .budget = RECEIVE_BUDGET};
    TRY(queue_find(call, in->QueueUrl, &receiving.queue));
    TRY(receive_check(call, &receiving.queue, in));
    receiving.limit = in->MaxNumberOfMessages.set ? (size_t)in->MaxNumberOfMessages.value : 1;
    int64_t visible_s = in->VisibilityTimeout.set ? in->VisibilityTimeout.value
                                                  : receiving.queue.visibility_timeout_s;
    receiving.due_ms = call->now_ms + visible_s * 1000;
    receiving.attempt.messages.items = ARENA_ARRAY(call->arena, receiving.limit, struct opt_long);
    receiving.attempt.receives.items = ARENA_ARRAY(call->arena, receiving.limit, struct opt_long);
    TRY(box_open(call, &receiving.queue, &receiving.box));
    TRY(receive_open_dead(&receiving));
    TRY(receive_take(&receiving));
    if (out->Messages.len > 0) {
        receive_tell_others(&receiving);
        return RESULT_OK;
    }
    return receive_wait(&receiving);
}
