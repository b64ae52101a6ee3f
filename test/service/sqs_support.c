#include "service/sqs_support.h"

int sqs_setup(void **state)
{
    struct loopback *lo = heap_alloc(sizeof *lo);
    loopback_open(lo);
    *state = lo;
    return 0;
}

int sqs_teardown(void **state)
{
    loopback_close(*state);
    heap_free(*state);
    return 0;
}

void sqs_check_str(struct str actual, struct str expected, const char *file, int line)
{
    if (str_is_absent(actual) == str_is_absent(expected) && str_eq(actual, expected))
        return;
    print_error("expected %s\"%.*s\"\ngot      %s\"%.*s\"\n",
                str_is_absent(expected) ? "absent " : "", PRSTR(expected),
                str_is_absent(actual) ? "absent " : "", PRSTR(actual));
    _fail(file, line);
}

struct str_map sqs_pairs(struct loopback *lo, const char *const *texts, size_t count)
{
    struct str_map map = {.items = ARENA_ARRAY(lo->arena, count / 2 + 1, struct str_map_entry)};
    for (size_t i = 0; i + 1 < count; i += 2)
        map.items[map.len++] =
            (struct str_map_entry){str_from_c(texts[i]), str_from_c(texts[i + 1])};
    return map;
}

struct str_list sqs_names(struct loopback *lo, const char *const *texts, size_t count)
{
    struct str_list list = {.items = ARENA_ARRAY(lo->arena, count + 1, struct str)};
    for (size_t i = 0; i < count; i++)
        list.items[list.len++] = str_from_c(texts[i]);
    return list;
}

struct str sqs_queue(struct loopback *lo, const char *name)
{
    return SQS_OK(lo, CreateQueue, .QueueName = str_from_c(name))->QueueUrl;
}

struct str sqs_queue_with(struct loopback *lo, const char *name, struct str_map attributes)
{
    return SQS_OK(lo, CreateQueue, .QueueName = str_from_c(name), .Attributes = attributes)
        ->QueueUrl;
}

struct str sqs_fifo(struct loopback *lo, const char *name)
{
    return sqs_queue_with(lo, name,
                          PAIRS(lo, "FifoQueue", "true", "ContentBasedDeduplication", "true"));
}

struct str sqs_arn(struct loopback *lo, const char *name)
{
    return str_format(lo->arena, "arn:aws:sqs:%.*s:%.*s:%s", PRSTR(lo->region), PRSTR(lo->account),
                      name);
}

struct str sqs_send(struct loopback *lo, struct str url, const char *body)
{
    return SQS_OK(lo, SendMessage, .QueueUrl = url, .MessageBody = str_from_c(body))->MessageId;
}

struct str sqs_send_group(struct loopback *lo, struct str url, const char *group, const char *body)
{
    return SQS_OK(lo, SendMessage, .QueueUrl = url, .MessageBody = str_from_c(body),
                  .MessageGroupId = str_from_c(group))
        ->MessageId;
}

struct sqs_MessageList sqs_receive(struct loopback *lo, struct str url, int max)
{
    return SQS_OK(lo, ReceiveMessage, .QueueUrl = url, .MaxNumberOfMessages = opt_int(max),
                  .MessageSystemAttributeNames = NAMES(lo, "All"),
                  .MessageAttributeNames = NAMES(lo, "All"), .WaitTimeSeconds = opt_int(0))
        ->Messages;
}

struct str sqs_receive_one(struct loopback *lo, struct str url, const char *body)
{
    struct sqs_MessageList list = sqs_receive(lo, url, 10);
    assert_int_equal(list.len, 1);
    assert_str(list.items[0].Body, str_from_c(body));
    return list.items[0].ReceiptHandle;
}

void sqs_receive_none(struct loopback *lo, struct str url)
{
    assert_int_equal(sqs_receive(lo, url, 10).len, 0);
}

void sqs_delete(struct loopback *lo, struct str url, struct str handle)
{
    loopback_ok(SQS_CALL(lo, DeleteMessage, .QueueUrl = url, .ReceiptHandle = handle));
}

struct str sqs_attribute(struct loopback *lo, struct str url, const char *name)
{
    const struct sqs_GetQueueAttributesResult *result =
        SQS_OK(lo, GetQueueAttributes, .QueueUrl = url, .AttributeNames = NAMES(lo, name));
    assert_true(result->Attributes.len <= 1);
    if (result->Attributes.len == 0)
        return (struct str){0};
    assert_str(result->Attributes.items[0].key, str_from_c(name));
    return result->Attributes.items[0].value;
}

void sqs_check_counts(struct loopback *lo, struct str url, int ready, int in_flight, int delayed,
                      const char *file, int line)
{
    static const char *const names[] = {"ApproximateNumberOfMessages",
                                        "ApproximateNumberOfMessagesNotVisible",
                                        "ApproximateNumberOfMessagesDelayed"};
    const int expected[] = {ready, in_flight, delayed};
    for (size_t i = 0; i < 3; i++)
        sqs_check_str(sqs_attribute(lo, url, names[i]), str_format(lo->arena, "%d", expected[i]),
                      file, line);
}

struct str sqs_shown(const struct sqs_Message *message, const char *name)
{
    for (size_t i = 0; i < message->Attributes.len; i++)
        if (str_eq(message->Attributes.items[i].key, str_from_c(name)))
            return message->Attributes.items[i].value;
    return (struct str){0};
}
