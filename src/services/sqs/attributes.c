/* Queue attributes: "SetQueueAttributes" and "GetQueueAttributes", Amazon SQS API Reference. */
#include "auth/policy.h"
#include "cloud/arn.h"
#include "services/sqs/sqs_int.h"
#include "wire/json_text.h"

void queue_defaults(struct sqs_queue *queue)
{
    queue->visibility_timeout_s = 30;
    queue->maximum_message_size = SQS_MESSAGE_SIZE_MAX;
    queue->retention_s = 345600;
    queue->kms_reuse_s = 300;
    queue->sse = true;
    queue->deduplication_scope = STR("queue");
    queue->throughput_limit = STR("perQueue");
}

/* --- setting ---------------------------------------------------------------------------------- */

static RESULT attribute_invalid(struct call *call, struct str name)
{
    return call_fail(call, SQS_INVALID_ATTRIBUTE_VALUE, "Invalid value for the parameter %.*s.",
                     PRSTR(name));
}

/* Numbers with their ranges. */
struct attribute_number {
    struct str name;
    size_t offset; /* of an int64_t of struct sqs_queue */
    int64_t min, max;
};

static const struct attribute_number attribute_numbers[] = {
    {STR_INIT("VisibilityTimeout"), offsetof(struct sqs_queue, visibility_timeout_s), 0, 43200},
    {STR_INIT("MaximumMessageSize"), offsetof(struct sqs_queue, maximum_message_size), 1024,
     SQS_MESSAGE_SIZE_MAX},
    {STR_INIT("MessageRetentionPeriod"), offsetof(struct sqs_queue, retention_s), 60, 1209600},
    {STR_INIT("DelaySeconds"), offsetof(struct sqs_queue, delay_s), 0, 900},
    {STR_INIT("ReceiveMessageWaitTimeSeconds"), offsetof(struct sqs_queue, wait_s), 0, 20},
    {STR_INIT("KmsDataKeyReusePeriodSeconds"), offsetof(struct sqs_queue, kms_reuse_s), 60, 86400},
};
enum { ATTRIBUTE_NUMBERS = sizeof attribute_numbers / sizeof attribute_numbers[0] };

static int64_t *attribute_number_of(struct sqs_queue *queue, const struct attribute_number *number)
{
    return (int64_t *)(void *)((char *)queue + number->offset);
}

static RESULT attribute_bool(struct call *call, struct str name, struct str value, bool *out)
{
    if (!str_eq_nocase(value, STR("true")) && !str_eq_nocase(value, STR("false")))
        return attribute_invalid(call, name);
    *out = str_eq_nocase(value, STR("true"));
    return RESULT_OK;
}

static RESULT attribute_redrive_fail(struct call *call, struct str value, const char *reason)
{
    return call_fail(call, SQS_INVALID_PARAMETER_VALUE,
                     "Value %.*s for parameter RedrivePolicy is invalid. Reason: %s", PRSTR(value),
                     reason);
}

/* Whether the dead-letter queue lets this source use it (its RedriveAllowPolicy). */
static RESULT attribute_check_allowed(struct call *call, const struct sqs_queue *target,
                                      const struct sqs_queue *source, struct str value)
{
    struct str permission = STR("\"allowAll\""), name, arns, item, arn;
    struct str policy = target->redrive_allow_policy;
    if (str_is_empty(policy))
        return RESULT_OK;
    bool has = json_member(call->arena, policy, STR("redrivePermission"), &permission);
    if (!has || !json_string(call->arena, permission, &name) || str_eq(name, STR("allowAll")))
        return RESULT_OK;
    if (str_eq(name, STR("byQueue")) &&
        json_member(call->arena, policy, STR("sourceQueueArns"), &arns)) {
        struct str own = queue_arn(call->arena, source);
        while (json_next_item(&arns, &item))
            if (json_string(call->arena, item, &arn) && str_eq(arn, own))
                return RESULT_OK;
    }
    return attribute_redrive_fail(
        call, value,
        "The dead letter queue's RedriveAllowPolicy does not allow this queue to "
        "use it.");
}

static RESULT attribute_redrive(struct call *call, struct sqs_queue *queue, struct str value)
{
    struct str raw, count_raw, arn;
    int64_t count;
    if (str_is_empty(value)) {
        queue->redrive_policy = queue->dead_letter_arn = (struct str){0};
        queue->max_receive_count = 0;
        return RESULT_OK;
    }
    if (!json_is_valid(value) || json_kind_of(str_trim(value)) != JSON_OBJECT)
        return attribute_redrive_fail(call, value, "Redrive policy is not a valid JSON map.");
    value = str_trim(value);
    if (!json_member(call->arena, value, STR("deadLetterTargetArn"), &raw) ||
        !json_string(call->arena, raw, &arn))
        return attribute_redrive_fail(call, value,
                                      "Redrive policy does not contain mandatory attribute: "
                                      "deadLetterTargetArn.");
    if (!json_member(call->arena, value, STR("maxReceiveCount"), &count_raw))
        return attribute_redrive_fail(call, value,
                                      "Redrive policy does not contain mandatory attribute: "
                                      "maxReceiveCount.");
    if (!json_integer(count_raw, &count) || count < 1 || count > 1000)
        return attribute_redrive_fail(
            call, value,
            str_to_c(
                call->arena,
                str_format(call->arena,
                           "Invalid value for maxReceiveCount: %.*s, valid values are from 1 to "
                           "1000 both inclusive.",
                           PRSTR(count_raw))));
    struct sqs_queue target;
    bool found;
    struct arn parts;
    if (!arn_parse(arn, &parts) || !str_eq(parts.account, queue->account) ||
        !str_eq(parts.region, queue->region))
        return attribute_redrive_fail(call, value,
                                      "Dead-letter target owner should be same as the source.");
    if (str_eq(arn, queue_arn(call->arena, queue)))
        return attribute_redrive_fail(call, value, "A queue cannot be its own dead-letter queue.");
    TRY(queue_find_arn(call, arn, &target, &found));
    if (!found)
        return attribute_redrive_fail(call, value, "Dead letter target does not exist.");
    if (target.fifo != queue->fifo)
        return attribute_redrive_fail(
            call, value, "Dead-letter queue must be same type of queue as the source.");
    TRY(attribute_check_allowed(call, &target, queue, value));
    queue->redrive_policy = value;
    queue->dead_letter_arn = arn;
    queue->max_receive_count = count;
    return RESULT_OK;
}

static RESULT attribute_redrive_allow(struct call *call, struct sqs_queue *queue, struct str value)
{
    struct str raw, permission, arns, item;
    if (str_is_empty(value)) {
        queue->redrive_allow_policy = (struct str){0};
        return RESULT_OK;
    }
    bool good = json_is_valid(value) && json_kind_of(str_trim(value)) == JSON_OBJECT;
    value = str_trim(value);
    good = good && json_member(call->arena, value, STR("redrivePermission"), &raw) &&
           json_string(call->arena, raw, &permission);
    if (!good)
        return attribute_invalid(call, STR("RedriveAllowPolicy"));
    bool by_queue = str_eq(permission, STR("byQueue"));
    if (!by_queue && !str_eq(permission, STR("allowAll")) && !str_eq(permission, STR("denyAll")))
        return attribute_invalid(call, STR("RedriveAllowPolicy"));
    size_t count = 0;
    bool has = json_member(call->arena, value, STR("sourceQueueArns"), &arns);
    while (has && json_next_item(&arns, &item))
        count++;
    if (by_queue ? count < 1 || count > 10 : has)
        return attribute_invalid(call, STR("RedriveAllowPolicy"));
    queue->redrive_allow_policy = value;
    return RESULT_OK;
}

static RESULT attribute_fifo_choice(struct call *call, struct sqs_queue *queue, struct str name,
                                    struct str value, const char *one, const char *other,
                                    struct str *out)
{
    if (!queue->fifo)
        return call_fail(call, SQS_INVALID_ATTRIBUTE_NAME,
                         "You can specify the %.*s only when FifoQueue is set to true.",
                         PRSTR(name));
    if (!str_eq(value, str_from_c(one)) && !str_eq(value, str_from_c(other)))
        return attribute_invalid(call, name);
    *out = value;
    return RESULT_OK;
}

static RESULT attribute_policy(struct call *call, struct sqs_queue *queue, struct str value)
{
    const struct policy *policy;
    struct str reason;
    if (!str_is_empty(value) &&
        policy_compile(call->arena, value, POLICY_FORM_RESOURCE, &policy, &reason) != RESULT_OK)
        return attribute_invalid(call, STR("Policy"));
    queue->policy = str_is_empty(value) ? (struct str){0} : str_trim(value);
    return RESULT_OK;
}

static RESULT attribute_fifo(struct call *call, struct sqs_queue *queue, struct str name,
                             struct str value)
{
    if (str_eq(name, STR("DeduplicationScope")))
        return attribute_fifo_choice(call, queue, name, value, "messageGroup", "queue",
                                     &queue->deduplication_scope);
    if (str_eq(name, STR("FifoThroughputLimit")))
        return attribute_fifo_choice(call, queue, name, value, "perMessageGroupId", "perQueue",
                                     &queue->throughput_limit);
    if (!queue->fifo)
        return call_fail(call, SQS_INVALID_ATTRIBUTE_NAME, "Unknown Attribute %.*s.", PRSTR(name));
    return attribute_bool(call, name, value, &queue->content_deduplication);
}

/* The queue has one kind of encryption: who asks for SQS's gives up the KMS key. */
static RESULT attribute_sse(struct call *call, struct sqs_queue *queue, struct str value)
{
    TRY(attribute_bool(call, STR("SqsManagedSseEnabled"), value, &queue->sse));
    if (queue->sse)
        queue->kms_key = (struct str){0};
    return RESULT_OK;
}

static RESULT attribute_check_encryption(struct call *call, const struct str_map *attributes)
{
    bool sse = false, kms = false;
    for (size_t i = 0; i < attributes->len; i++) {
        struct str name = attributes->items[i].key, value = attributes->items[i].value;
        sse =
            sse || (str_eq(name, STR("SqsManagedSseEnabled")) && str_eq_nocase(value, STR("true")));
        kms = kms || (str_eq(name, STR("KmsMasterKeyId")) && !str_is_empty(value));
    }
    if (sse && kms)
        return call_fail(
            call, SQS_INVALID_ATTRIBUTE_VALUE,
            "You can use one type of server-side encryption (SSE) at one time. You can either "
            "enable KMS SSE or SQS SSE.");
    return RESULT_OK;
}

static RESULT attribute_set(struct call *call, struct sqs_queue *queue, struct str name,
                            struct str value)
{
    for (size_t i = 0; i < ATTRIBUTE_NUMBERS; i++) {
        const struct attribute_number *number = &attribute_numbers[i];
        int64_t n;
        if (!str_eq(name, number->name))
            continue;
        if (!str_to_i64(value, &n) || n < number->min || n > number->max)
            return attribute_invalid(call, name);
        *attribute_number_of(queue, number) = n;
        return RESULT_OK;
    }
    if (str_eq(name, STR("Policy")))
        return attribute_policy(call, queue, value);
    if (str_eq(name, STR("RedrivePolicy")))
        return attribute_redrive(call, queue, value);
    if (str_eq(name, STR("RedriveAllowPolicy")))
        return attribute_redrive_allow(call, queue, value);
    if (str_eq(name, STR("SqsManagedSseEnabled")))
        return attribute_sse(call, queue, value);
    if (str_eq(name, STR("KmsMasterKeyId"))) {
        queue->kms_key = str_is_empty(value) ? (struct str){0} : value;
        queue->sse = queue->sse && str_is_empty(value);
        return RESULT_OK;
    }
    if (str_eq(name, STR("ContentBasedDeduplication")) || str_eq(name, STR("DeduplicationScope")) ||
        str_eq(name, STR("FifoThroughputLimit")))
        return attribute_fifo(call, queue, name, value);
    return call_fail(call, SQS_INVALID_ATTRIBUTE_NAME, "Unknown Attribute %.*s.", PRSTR(name));
}

static RESULT attribute_kind(struct call *call, struct sqs_queue *queue, struct str value,
                             bool creating)
{
    bool fifo;
    TRY(attribute_bool(call, STR("FifoQueue"), value, &fifo));
    /* A standard queue says so by saying nothing: FifoQueue=false is refused ("Amazon SQS FIFO
     * queues"). */
    if (creating ? !fifo : !queue->fifo)
        return call_fail(call, SQS_INVALID_ATTRIBUTE_NAME, "Unknown Attribute FifoQueue.");
    if (!fifo)
        return call_fail(
            call, SQS_INVALID_ATTRIBUTE_VALUE,
            "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not "
            "supported.");
    queue->fifo = fifo;
    return RESULT_OK;
}

RESULT queue_set_attributes(struct call *call, struct sqs_queue *queue,
                            const struct str_map *attributes, bool creating)
{
    TRY(attribute_check_encryption(call, attributes));
    /* The kind first: what else is allowed depends on it. */
    for (size_t i = 0; i < attributes->len; i++)
        if (str_eq(attributes->items[i].key, STR("FifoQueue")))
            TRY(attribute_kind(call, queue, attributes->items[i].value, creating));
    for (size_t i = 0; i < attributes->len; i++)
        if (!str_eq(attributes->items[i].key, STR("FifoQueue")))
            TRY(attribute_set(call, queue, attributes->items[i].key, attributes->items[i].value));
    if (str_eq(queue->throughput_limit, STR("perMessageGroupId")) &&
        !str_eq(queue->deduplication_scope, STR("messageGroup")))
        return call_fail(
            call, SQS_INVALID_ATTRIBUTE_VALUE,
            "The perMessageGroupId value is allowed for FifoThroughputLimit only when the value "
            "for DeduplicationScope is messageGroup.");
    return RESULT_OK;
}

RESULT sqs_SetQueueAttributes(struct call *call, const struct sqs_SetQueueAttributesRequest *in,
                              struct sqs_SetQueueAttributesResult *out)
{
    (void)out;
    struct sqs_queue queue;
    TRY(queue_find(call, in->QueueUrl, &queue));
    if (in->Attributes.len == 0)
        return call_fail(call, SQS_MISSING_PARAMETER,
                         "The request must contain the parameter Attribute.Name.");
    int64_t retention_s = queue.retention_s;
    TRY(queue_set_attributes(call, &queue, &in->Attributes, false));
    queue.modified_ms = call->now_ms;
    if (queue.retention_s != retention_s) {
        struct box box;
        TRY(box_open(call, &queue, &box));
        TRY(sweep_retention_now(&box));
        TRY(box_close(&box));
    }
    call_signal(call, queue_topic(call, &queue));
    return queue_put(call, &queue);
}

/* --- getting ---------------------------------------------------------------------------------- */

static struct str attribute_integer(struct call *call, int64_t n)
{
    return str_format(call->arena, "%lld", (long long)n);
}

static struct str attribute_truth(bool value)
{
    return value ? STR("true") : STR("false");
}

/* What is stored; absent: the queue does not show this attribute. */
static struct str attribute_stored(struct call *call, struct sqs_queue *queue, struct str name)
{
    for (size_t i = 0; i < ATTRIBUTE_NUMBERS; i++) {
        bool kms = str_starts_with(attribute_numbers[i].name, STR("Kms"));
        if (str_eq(name, attribute_numbers[i].name))
            return kms && str_is_empty(queue->kms_key)
                       ? (struct str){0}
                       : attribute_integer(call,
                                           *attribute_number_of(queue, &attribute_numbers[i]));
    }
    if (str_eq(name, STR("Policy")))
        return queue->policy;
    if (str_eq(name, STR("RedrivePolicy")))
        return queue->redrive_policy;
    if (str_eq(name, STR("RedriveAllowPolicy")))
        return queue->redrive_allow_policy;
    if (str_eq(name, STR("KmsMasterKeyId")))
        return queue->kms_key;
    if (str_eq(name, STR("SqsManagedSseEnabled")))
        return attribute_truth(queue->sse);
    if (str_eq(name, STR("QueueArn")))
        return queue_arn(call->arena, queue);
    if (str_eq(name, STR("CreatedTimestamp")))
        return attribute_integer(call, queue->created_ms / 1000);
    if (str_eq(name, STR("LastModifiedTimestamp")))
        return attribute_integer(call, queue->modified_ms / 1000);
    if (!queue->fifo)
        return (struct str){0};
    if (str_eq(name, STR("FifoQueue")))
        return STR("true");
    if (str_eq(name, STR("ContentBasedDeduplication")))
        return attribute_truth(queue->content_deduplication);
    if (str_eq(name, STR("DeduplicationScope")))
        return queue->deduplication_scope;
    if (str_eq(name, STR("FifoThroughputLimit")))
        return queue->throughput_limit;
    return (struct str){0};
}

struct str queue_difference(struct call *call, const struct sqs_queue *have,
                            const struct sqs_queue *wanted, const struct str_map *given)
{
    struct sqs_queue a = *have, b = *wanted;
    for (size_t i = 0; i < given->len; i++) {
        struct str name = given->items[i].key;
        bool same =
            str_eq(name, STR("RedrivePolicy"))
                ? str_eq(a.dead_letter_arn, b.dead_letter_arn) &&
                      a.max_receive_count == b.max_receive_count
                : str_eq(attribute_stored(call, &a, name), attribute_stored(call, &b, name));
        if (!same)
            return name;
    }
    return (struct str){0};
}

/* In the order of the API reference. */
static const struct str attribute_names[] = {
    STR_INIT("Policy"),
    STR_INIT("VisibilityTimeout"),
    STR_INIT("MaximumMessageSize"),
    STR_INIT("MessageRetentionPeriod"),
    STR_INIT("ApproximateNumberOfMessages"),
    STR_INIT("ApproximateNumberOfMessagesNotVisible"),
    STR_INIT("CreatedTimestamp"),
    STR_INIT("LastModifiedTimestamp"),
    STR_INIT("QueueArn"),
    STR_INIT("ApproximateNumberOfMessagesDelayed"),
    STR_INIT("DelaySeconds"),
    STR_INIT("ReceiveMessageWaitTimeSeconds"),
    STR_INIT("RedrivePolicy"),
    STR_INIT("FifoQueue"),
    STR_INIT("ContentBasedDeduplication"),
    STR_INIT("KmsMasterKeyId"),
    STR_INIT("KmsDataKeyReusePeriodSeconds"),
    STR_INIT("DeduplicationScope"),
    STR_INIT("FifoThroughputLimit"),
    STR_INIT("RedriveAllowPolicy"),
    STR_INIT("SqsManagedSseEnabled"),
};
enum { ATTRIBUTE_NAMES = sizeof attribute_names / sizeof attribute_names[0] };

/* The three counts, with what is overdue counted as visible. */
static RESULT attribute_counts(struct call *call, const struct sqs_queue *queue, int64_t counts[3])
{
    struct box box;
    int64_t returned, arrived;
    TRY(box_open(call, queue, &box));
    TRY(box_overdue(&box, SQS_KIND_IN_FLIGHT, 10000, &returned));
    TRY(box_overdue(&box, SQS_KIND_DELAYED, 10000, &arrived));
    counts[0] = box.counts.ready + returned + arrived;
    counts[1] = box.counts.in_flight - returned;
    counts[2] = box.counts.delayed - arrived;
    return RESULT_OK;
}

bool queue_attribute_is_known(struct str name)
{
    for (size_t n = 0; n < ATTRIBUTE_NAMES; n++)
        if (str_eq(name, attribute_names[n]))
            return true;
    return str_eq(name, STR("All"));
}

static RESULT attribute_check_names(struct call *call, const struct str_list *names, bool *all)
{
    *all = false;
    for (size_t i = 0; i < names->len; i++) {
        if (!queue_attribute_is_known(names->items[i]))
            return call_fail(call, SQS_INVALID_ATTRIBUTE_NAME, "Unknown Attribute %.*s.",
                             PRSTR(names->items[i]));
        *all = *all || str_eq(names->items[i], STR("All"));
    }
    return RESULT_OK;
}

static bool attribute_is_asked(const struct str_list *names, struct str name)
{
    for (size_t i = 0; i < names->len; i++)
        if (str_eq(names->items[i], name))
            return true;
    return false;
}

RESULT sqs_GetQueueAttributes(struct call *call, const struct sqs_GetQueueAttributesRequest *in,
                              struct sqs_GetQueueAttributesResult *out)
{
    static const struct str count_names[3] = {
        STR_INIT("ApproximateNumberOfMessages"),
        STR_INIT("ApproximateNumberOfMessagesNotVisible"),
        STR_INIT("ApproximateNumberOfMessagesDelayed"),
    };
    struct sqs_queue queue;
    bool all;
    int64_t counts[3];
    TRY(queue_find(call, in->QueueUrl, &queue));
    TRY(attribute_check_names(call, &in->AttributeNames, &all));
    TRY(attribute_counts(call, &queue, counts));
    struct str_map shown = {.items =
                                ARENA_ARRAY(call->arena, ATTRIBUTE_NAMES, struct str_map_entry)};
    for (size_t n = 0; n < ATTRIBUTE_NAMES; n++) {
        struct str name = attribute_names[n];
        if (!all && !attribute_is_asked(&in->AttributeNames, name))
            continue;
        struct str value = attribute_stored(call, &queue, name);
        for (size_t c = 0; c < 3; c++)
            if (str_eq(name, count_names[c]))
                value = attribute_integer(call, counts[c]);
        if (!str_is_absent(value))
            shown.items[shown.len++] = (struct str_map_entry){name, value};
    }
    if (shown.len > 0)
        out->Attributes = shown;
    return RESULT_OK;
}
