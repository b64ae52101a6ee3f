/* Queues: names, URLs, making, deleting, listing. */
#include "base/vec.h"
#include "cloud/arn.h"
#include "cloud/organization.h"
#include "cloud/paging.h"
#include "cloud/tags.h"
#include "services/sqs/sqs_int.h"
#include "store/record.h"

/* "You must wait 60 seconds after deleting a queue before you can create another with the same
 * name" (DeleteQueue). */
enum { SQS_DELETED_MS = 60 * 1000, SQS_PURGE_MS = 60 * 1000 };

static struct key queue_key(struct call *call, struct str account, struct str region,
                            struct str name)
{
    struct key key = queue_prefix(call, account, region);
    key_str(&key, name);
    return key;
}

struct key queue_prefix(struct call *call, struct str account, struct str region)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("sqs"));
    key_str(&key, account);
    key_str(&key, region);
    key_str(&key, STR("queue"));
    return key;
}

/* ("sqs", account, region, "deleted", name): when a queue of that name was deleted. */
static struct key queue_deleted_key(struct call *call, struct str account, struct str region,
                                    struct str name)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("sqs"));
    key_str(&key, account);
    key_str(&key, region);
    key_str(&key, STR("deleted"));
    key_str(&key, name);
    return key;
}

struct str queue_url(struct call *call, const struct sqs_queue *queue)
{
    return str_format(call->arena, "%.*s/%.*s/%.*s", PRSTR(call->endpoint), PRSTR(queue->account),
                      PRSTR(queue->name));
}

struct str queue_arn(struct arena *arena, const struct sqs_queue *queue)
{
    return arn_make(arena, STR("sqs"), queue->region, queue->account, queue->name);
}

struct str queue_topic(struct call *call, const struct sqs_queue *queue)
{
    struct buf topic;
    buf_init_fixed(&topic, arena_alloc_raw(call->arena, 24), 24);
    buf_append(&topic, STR("sqs/"));
    buf_append_i64(&topic, queue->data_id);
    return buf_str(&topic);
}

RESULT queue_put(struct call *call, const struct sqs_queue *queue)
{
    struct key key = queue_key(call, queue->account, queue->region, queue->name);
    call->found = NULL;
    return call_put_record(call, &key, &sqs_model, SQS_SHAPE_queue, queue);
}

static RESULT queue_find_name(struct call *call, struct str account, struct str region,
                              struct str name, struct sqs_queue *queue, bool *found)
{
    struct key key = queue_key(call, account, region, name);
    return call_get_record_copy(call, &key, &sqs_model, SQS_SHAPE_queue, queue, found);
}

RESULT queue_find_arn(struct call *call, struct str text, struct sqs_queue *queue, bool *found)
{
    struct arn arn;
    *found = false;
    if (!arn_parse(text, &arn) || !str_eq(arn.service, STR("sqs")))
        return RESULT_OK;
    return queue_find_name(call, arn.account, arn.region, arn.resource, queue, found);
}

/* --- URLs ------------------------------------------------------------------------------------- */

/* The region that a host names: sqs.REGION.anything, REGION.queue.anything; else absent. */
static struct str url_host_region(struct str host)
{
    struct str first, second, rest;
    if (!str_cut(host, '.', &first, &rest))
        return (struct str){0};
    str_cut(rest, '.', &second, &rest);
    if (str_eq(host, STR("queue.amazonaws.com")))
        return STR(
            "us-east-1"); /* "Amazon Simple Queue Service endpoints and quotas", Legacy endpoints */
    if (str_eq(first, STR("sqs")) && arn_is_region(second))
        return second;
    if (str_eq(second, STR("queue")) && arn_is_region(first))
        return first;
    return (struct str){0};
}

/* http://HOST/ACCOUNT/NAME, http://HOST/queue/REGION/ACCOUNT/NAME, /ACCOUNT/NAME, or NAME alone. */
static bool url_read(struct call *call, struct str url, struct str *account, struct str *region,
                     struct str *name)
{
    struct str path = url, host = {0};
    size_t scheme = str_find(url, STR("://"));
    if (scheme != SIZE_MAX && !str_cut(str_slice(url, scheme + 3, url.len), '/', &host, &path))
        return false;
    if (str_starts_with(path, STR("/")))
        path = str_slice(path, 1, path.len);
    if (str_ends_with(path, STR("/")))
        path.len--;
    *region = url_host_region(host);
    if (str_starts_with(path, STR("queue/"))) {
        path = str_slice(path, 6, path.len);
        if (!str_cut(path, '/', region, &path))
            return false;
    }
    if (str_is_absent(*region) || !arn_is_region(*region))
        *region = call->region;
    if (!str_cut(path, '/', account, name)) {
        *account = call->account;
        *name = path;
    }
    return !str_is_empty(*name) && str_find_char(*name, '/') == SIZE_MAX;
}

struct str queue_request_url(struct call *call, struct str url)
{
    bool by_path = str_is_empty(url) && call->protocol == WIRE_PROTOCOL_QUERY &&
                   call->request != NULL && call->request->path.len > 1;
    return by_path ? call->request->path : url;
}

/* call->found: what authorisation has looked up, for the function that runs next. */
struct queue_found {
    struct str url;
    struct sqs_queue queue;
};

RESULT queue_look(struct call *call, struct str url, struct sqs_queue *queue, bool *found)
{
    struct str account, region, name;
    *found = false;
    if (!url_read(call, url, &account, &region, &name))
        return RESULT_OK;
    TRY(queue_find_name(call, account, region, name, queue, found));
    if (*found) {
        struct queue_found *kept = ARENA_NEW(call->arena, struct queue_found);
        *kept = (struct queue_found){url, *queue};
        call->found = kept;
    }
    return RESULT_OK;
}

static RESULT queue_missing(struct call *call)
{
    return call_fail(call, SQS_QUEUE_DOES_NOT_EXIST, "The specified queue does not exist%s.",
                     call->protocol == WIRE_PROTOCOL_QUERY ? " for this wsdl version" : "");
}

RESULT queue_find(struct call *call, struct str url, struct sqs_queue *queue)
{
    struct str account, region, name;
    bool found;
    url = queue_request_url(call, url);
    if (str_is_empty(url))
        return call_fail(call, SQS_MISSING_PARAMETER,
                         "The request must contain the parameter QueueUrl.");
    const struct queue_found *kept = call->found;
    if (kept != NULL && str_eq(kept->url, url)) {
        *queue = kept->queue;
        return RESULT_OK;
    }
    if (!url_read(call, url, &account, &region, &name))
        return call_fail(call, SQS_INVALID_ADDRESS,
                         "The address %.*s is not valid for this endpoint.", PRSTR(url));
    TRY(queue_find_name(call, account, region, name, queue, &found));
    return found ? RESULT_OK : queue_missing(call);
}

/* --- making ----------------------------------------------------------------------------------- */

static bool queue_name_allowed(struct str name, bool fifo)
{
    struct str stem = fifo ? str_slice(name, 0, name.len - 5) : name;
    if (name.len > 80 || stem.len < 1)
        return false;
    for (size_t i = 0; i < stem.len; i++) {
        char c = stem.ptr[i];
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '-' || c == '_';
        if (!good)
            return false;
    }
    return true;
}

static RESULT queue_check_name(struct call *call, const struct sqs_queue *queue)
{
    bool suffix = str_ends_with(queue->name, STR(".fifo"));
    if (str_is_empty(queue->name))
        return call_fail(call, SQS_MISSING_PARAMETER,
                         "The request must contain the parameter QueueName.");
    if (queue->fifo && !(suffix && queue_name_allowed(queue->name, true)))
        return call_fail(
            call, SQS_INVALID_PARAMETER_VALUE,
            "The name of a FIFO queue can only include alphanumeric characters, hyphens, or "
            "underscores, must end with .fifo suffix and be 1 to 80 in length");
    if (!queue->fifo && !queue_name_allowed(queue->name, false))
        return call_fail(
            call, SQS_INVALID_PARAMETER_VALUE,
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in "
            "length");
    return RESULT_OK;
}

/* Of the request's tags; the code is that of the service's other refusals of tags. */
static RESULT queue_check_tag_policy(struct call *call, struct str account,
                                     const struct str_map *given)
{
    struct str key;
    TRY(organization_tag_refused(call, account, STR("sqs:queue"), given, &key));
    return str_is_absent(key)
               ? RESULT_OK
               : call_fail(call, SQS_INVALID_PARAMETER_VALUE, ORGANIZATION_TAG_TEXT, PRSTR(key));
}

static RESULT queue_check_tags(struct call *call, struct str name, const struct str_map *tags)
{
    size_t which;
    enum tags_problem problem = tags_check(tags, 50, &which);
    if (problem == TAGS_OK)
        return RESULT_OK;
    if (problem == TAGS_TOO_MANY)
        return call_fail(call, SQS_INVALID_PARAMETER_VALUE, "Too many tags added for queue %.*s.",
                         PRSTR(name));
    return call_fail(
        call, SQS_INVALID_PARAMETER_VALUE,
        "Tag keys must be between 1 and 128 characters in length, tag values at most 256, of "
        "letters, digits, white space and _.:/=+-@, and must not begin with aws:");
}

/* The same queue again: fine when what is given says the same ("CreateQueue", Usage notes). */
static RESULT queue_again(struct call *call, const struct sqs_CreateQueueRequest *in,
                          const struct sqs_queue *have, const struct sqs_queue *wanted,
                          struct sqs_CreateQueueResult *out)
{
    struct str name = queue_difference(call, have, wanted, &in->Attributes);
    if (!str_is_absent(name))
        return call_fail(
            call, SQS_QUEUE_NAME_EXISTS,
            "A queue already exists with the same name and a different value for attribute "
            "%.*s",
            PRSTR(name));
    out->QueueUrl = queue_url(call, have);
    return RESULT_OK;
}

static RESULT queue_check_deleted(struct call *call, struct str name)
{
    struct key key = queue_deleted_key(call, call->account, call->region, name);
    struct str text;
    int64_t deleted_ms;
    TRY(kv_get(call->txn, key_bytes(&key), &text));
    if (str_is_absent(text) || !str_to_i64(text, &deleted_ms))
        return RESULT_OK;
    if (deleted_ms + SQS_DELETED_MS > call->now_ms)
        return call_fail(
            call, SQS_QUEUE_DELETED_RECENTLY,
            "You must wait 60 seconds after deleting a queue before you can create another "
            "with the same name.");
    return RESULT_OK;
}

/* The job's payload is the deleted queue's ARN. A later deletion under the same name has its own
 * job. */
RESULT queue_deliver_deleted(struct call *call, const struct outbox_item *item)
{
    struct arn arn;
    if (!arn_parse(item->payload, &arn))
        return FAULT("sqs.deleted: \"%.*s\" is not an ARN", PRSTR(item->payload));
    struct key key = queue_deleted_key(call, arn.account, arn.region, arn.resource);
    struct str text;
    int64_t deleted_ms;
    TRY(kv_get(call->txn, key_bytes(&key), &text));
    if (str_is_absent(text) || !str_to_i64(text, &deleted_ms) ||
        deleted_ms + SQS_DELETED_MS > call->now_ms)
        return RESULT_OK;
    return kv_delete(call->txn, key_bytes(&key), NULL);
}

RESULT sqs_CreateQueue(struct call *call, const struct sqs_CreateQueueRequest *in,
                       struct sqs_CreateQueueResult *out)
{
    struct sqs_queue have;
    bool found;
    struct sqs_queue queue = {
        .name = in->QueueName,
        .account = call->account,
        .region = call->region,
        .created_ms = call->now_ms,
        .modified_ms = call->now_ms,
        .tags = in->tags,
    };
    queue_defaults(&queue);
    TRY(queue_set_attributes(call, &queue, &in->Attributes, true));
    TRY(queue_check_name(call, &queue));
    TRY(queue_check_tags(call, in->QueueName, &in->tags));
    TRY(queue_check_tag_policy(call, call->account, &in->tags));
    TRY(queue_find_name(call, call->account, call->region, in->QueueName, &have, &found));
    if (found)
        return queue_again(call, in, &have, &queue, out);
    TRY(queue_check_deleted(call, in->QueueName));
    uint64_t queue_id, data_id;
    TRY(call_sequence(call, &queue_id));
    TRY(call_sequence(call, &data_id));
    queue.queue_id = (int64_t)queue_id;
    queue.data_id = (int64_t)data_id;
    TRY(queue_put(call, &queue));
    out->QueueUrl = queue_url(call, &queue);
    return RESULT_OK;
}

RESULT sqs_DeleteQueue(struct call *call, const struct sqs_DeleteQueueRequest *in,
                       struct sqs_DeleteQueueResult *out)
{
    (void)out;
    struct sqs_queue queue;
    TRY(queue_find(call, in->QueueUrl, &queue));
    struct key key = queue_key(call, queue.account, queue.region, queue.name);
    call->found = NULL;
    TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    struct key deleted = queue_deleted_key(call, queue.account, queue.region, queue.name);
    TRY(kv_put(call->txn, key_bytes(&deleted),
               str_format(call->arena, "%lld", (long long)call->now_ms)));
    TRY(job_schedule(call, STR("sqs.deleted"), call->now_ms + SQS_DELETED_MS,
                     queue_arn(call->arena, &queue), NULL));
    TRY(sweep_drop_messages(call, &queue));
    TRY(sweep_drop_memory(call, &queue));
    TRY(redrive_forget(call, &queue));
    call_signal(call, queue_topic(call, &queue));
    return RESULT_OK;
}

RESULT sqs_PurgeQueue(struct call *call, const struct sqs_PurgeQueueRequest *in,
                      struct sqs_PurgeQueueResult *out)
{
    (void)out;
    struct sqs_queue queue;
    TRY(queue_find(call, in->QueueUrl, &queue));
    if (queue.purged_ms != 0 && queue.purged_ms + SQS_PURGE_MS > call->now_ms)
        return call_fail(call, SQS_PURGE_QUEUE_IN_PROGRESS,
                         "Only one PurgeQueue operation on %.*s is allowed every 60 seconds.",
                         PRSTR(queue.name));
    TRY(sweep_drop_messages(call, &queue));
    call_signal(call, queue_topic(call, &queue)); /* pollers look again, under the new id */
    uint64_t id;
    TRY(call_sequence(call, &id));
    queue.data_id = (int64_t)id;
    queue.purged_ms = call->now_ms;
    return queue_put(call, &queue);
}

/* --- finding and listing --- */

RESULT sqs_GetQueueUrl(struct call *call, const struct sqs_GetQueueUrlRequest *in,
                       struct sqs_GetQueueUrlResult *out)
{
    struct sqs_queue queue;
    bool found;
    if (str_is_empty(in->QueueName))
        return call_fail(call, SQS_MISSING_PARAMETER,
                         "The request must contain the parameter QueueName.");
    struct str owner =
        str_is_empty(in->QueueOwnerAWSAccountId) ? call->account : in->QueueOwnerAWSAccountId;
    TRY(queue_find_name(call, owner, call->region, in->QueueName, &queue, &found));
    if (!found)
        return queue_missing(call);
    out->QueueUrl = queue_url(call, &queue);
    return RESULT_OK;
}

/* "Listed queues: 1,000 queues per ListQueues request" (Quotas related to queues). */
enum { LIST_MAX = 1000 };

static RESULT list_check_size(struct call *call, struct opt_int max_results, size_t *limit)
{
    *limit = LIST_MAX;
    if (!max_results.set)
        return RESULT_OK;
    if (max_results.value < 1 || max_results.value > LIST_MAX)
        return call_fail(
            call, SQS_INVALID_PARAMETER_VALUE,
            "Value %d for parameter MaxResults is invalid. Reason: Must be between 1 and 1000, "
            "if provided.",
            max_results.value);
    *limit = (size_t)max_results.value;
    return RESULT_OK;
}

/* A walk of queues that answers in pages. */
struct listing {
    struct str prefix; /* of their keys */
    struct opt_int max_results;
    struct str token;
    struct str dead_letter; /* ARN: only queues that send their dead letters there; absent: all */
};

/* "You must set MaxResults to receive a value for NextToken" (ListQueues). */
static RESULT list_queues(struct call *call, const struct listing *listing, struct str_list *urls,
                          struct str *next)
{
    size_t limit;
    struct kv_cursor *cursor;
    struct str key, value, last;
    TRY(list_check_size(call, listing->max_results, &limit));
    TRY(kv_cursor_open(call->txn, call->arena, listing->prefix, false, &cursor));
    if (!str_is_empty(listing->token)) {
        if (!paging_position(call, listing->token, &last))
            return call_fail(call, SQS_INVALID_PARAMETER_VALUE, "Invalid or expired next token.");
        TRY(kv_cursor_seek(cursor, str_concat(call->arena, last, str_make("", 1))));
    }
    for (size_t cap = 0;;) {
        struct sqs_queue queue;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        TRY(record_decode(call->arena, &sqs_model, SQS_SHAPE_queue, value, &queue));
        if (!str_is_absent(listing->dead_letter) &&
            !str_eq(queue.dead_letter_arn, listing->dead_letter))
            continue;
        if (urls->len == limit)
            break;
        VEC_PUSH(call->arena, urls->items, urls->len, cap, queue_url(call, &queue));
        last = str_copy(call->arena, key);
    }
    if (listing->max_results.set)
        *next = paging_token(call, last);
    return RESULT_OK;
}

RESULT sqs_ListQueues(struct call *call, const struct sqs_ListQueuesRequest *in,
                      struct sqs_ListQueuesResult *out)
{
    struct key prefix = queue_prefix(call, call->account, call->region);
    struct str begin = key_bytes(&prefix);
    if (!str_is_empty(in->QueueNamePrefix)) {
        /* The key of the prefix as a name, without the end of its string: names hold no zero bytes.
         */
        key_str(&prefix, in->QueueNamePrefix);
        begin = str_slice(key_bytes(&prefix), 0, key_bytes(&prefix).len - 1);
    }
    struct listing listing = {
        .prefix = begin, .max_results = in->MaxResults, .token = in->NextToken};
    return list_queues(call, &listing, &out->QueueUrls, &out->NextToken);
}

RESULT sqs_ListDeadLetterSourceQueues(struct call *call,
                                      const struct sqs_ListDeadLetterSourceQueuesRequest *in,
                                      struct sqs_ListDeadLetterSourceQueuesResult *out)
{
    struct sqs_queue queue;
    TRY(queue_find(call, in->QueueUrl, &queue));
    struct key prefix = queue_prefix(call, queue.account, queue.region);
    struct listing listing = {
        .prefix = key_bytes(&prefix),
        .max_results = in->MaxResults,
        .token = in->NextToken,
        .dead_letter = queue_arn(call->arena, &queue),
    };
    out->queueUrls.items =
        ARENA_ARRAY(call->arena, 1, struct str); /* a required member: an empty list */
    return list_queues(call, &listing, &out->queueUrls, &out->NextToken);
}

/* --- tags ------------------------------------------------------------------------------------- */

RESULT sqs_TagQueue(struct call *call, const struct sqs_TagQueueRequest *in,
                    struct sqs_TagQueueResult *out)
{
    (void)out;
    struct sqs_queue queue;
    TRY(queue_find(call, in->QueueUrl, &queue));
    if (in->Tags.len == 0)
        return call_fail(call, SQS_MISSING_PARAMETER,
                         "The request must contain the parameter Tags.");
    queue.tags = tags_merge(call->arena, &queue.tags, &in->Tags);
    TRY(queue_check_tags(call, queue.name, &queue.tags));
    TRY(queue_check_tag_policy(call, queue.account, &in->Tags));
    return queue_put(call, &queue);
}

RESULT sqs_UntagQueue(struct call *call, const struct sqs_UntagQueueRequest *in,
                      struct sqs_UntagQueueResult *out)
{
    (void)out;
    struct sqs_queue queue;
    TRY(queue_find(call, in->QueueUrl, &queue));
    if (in->TagKeys.len == 0)
        return call_fail(call, SQS_INVALID_PARAMETER_VALUE,
                         "Tag keys must be between 1 and 128 characters in length.");
    queue.tags = tags_without(call->arena, &queue.tags, &in->TagKeys);
    return queue_put(call, &queue);
}

RESULT sqs_ListQueueTags(struct call *call, const struct sqs_ListQueueTagsRequest *in,
                         struct sqs_ListQueueTagsResult *out)
{
    struct sqs_queue queue;
    TRY(queue_find(call, in->QueueUrl, &queue));
    if (queue.tags.len > 0)
        out->Tags = queue.tags;
    return RESULT_OK;
}
