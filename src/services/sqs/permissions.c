/* AddPermission and RemovePermission (Amazon SQS API Reference), and who owns what. */
#include "cloud/arn.h"
#include "services/sqs/sqs_int.h"
#include "wire/json_text.h"

/* What AddPermission can give ("Overview of managing access in Amazon SQS"). */
static const struct str permission_actions[] = {
    STR_INIT("*"),
    STR_INIT("ChangeMessageVisibility"),
    STR_INIT("DeleteMessage"),
    STR_INIT("GetQueueAttributes"),
    STR_INIT("GetQueueUrl"),
    STR_INIT("ListDeadLetterSourceQueues"),
    STR_INIT("PurgeQueue"),
    STR_INIT("ReceiveMessage"),
    STR_INIT("SendMessage"),
};

static bool permission_label_allowed(struct str label)
{
    if (label.len < 1 || label.len > 80)
        return false;
    for (size_t i = 0; i < label.len; i++) {
        char c = label.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_'))
            return false;
    }
    return true;
}

static RESULT permission_check(struct call *call, const struct sqs_AddPermissionRequest *in)
{
    if (str_is_empty(in->Label))
        return call_fail(call, SQS_MISSING_PARAMETER,
                         "The request must contain the parameter Label.");
    if (!permission_label_allowed(in->Label))
        return call_fail(
            call, SQS_INVALID_PARAMETER_VALUE,
            "Value %.*s for parameter Label is invalid. Reason: Can only include alphanumeric "
            "characters, hyphens, or underscores. 1 to 80 in length.",
            PRSTR(in->Label));
    if (in->Actions.len == 0)
        return call_fail(call, SQS_MISSING_PARAMETER,
                         "The request must contain the parameter Actions.");
    if (in->AWSAccountIds.len == 0)
        return call_fail(call, SQS_MISSING_PARAMETER,
                         "The request must contain the parameter PrincipalId.");
    if (in->Actions.len > 7)
        return call_fail(call, SQS_OVER_LIMIT, "%zu Actions were found, maximum allowed is 7.",
                         in->Actions.len);
    for (size_t i = 0; i < in->Actions.len; i++) {
        bool known = false;
        for (size_t a = 0; a < sizeof permission_actions / sizeof permission_actions[0]; a++)
            known = known || str_eq_nocase(in->Actions.items[i], permission_actions[a]);
        if (!known)
            return call_fail(
                call, SQS_INVALID_PARAMETER_VALUE,
                "Value SQS:%.*s for parameter ActionName is invalid. Reason: Please refer to the "
                "appropriate WSDL for a list of valid actions.",
                PRSTR(in->Actions.items[i]));
    }
    for (size_t i = 0; i < in->AWSAccountIds.len; i++)
        if (!arn_is_account(in->AWSAccountIds.items[i]))
            return call_fail(
                call, SQS_INVALID_PARAMETER_VALUE,
                "Value [%.*s] for parameter PrincipalId is invalid. Reason: Unable to verify.",
                PRSTR(in->AWSAccountIds.items[i]));
    return RESULT_OK;
}

static void permission_statement(struct buf *out, struct call *call, const struct sqs_queue *queue,
                                 const struct sqs_AddPermissionRequest *in)
{
    struct str arn = queue_arn(call->arena, queue);
    buf_append_format(
        out, "{\"Sid\":\"%.*s\",\"Effect\":\"Allow\",\"Principal\":{\"AWS\":", PRSTR(in->Label));
    buf_append_c(out, in->AWSAccountIds.len > 1 ? "[" : "");
    for (size_t i = 0; i < in->AWSAccountIds.len; i++)
        buf_append_format(out, "%s\"arn:aws:iam::%.*s:root\"", i == 0 ? "" : ",",
                          PRSTR(in->AWSAccountIds.items[i]));
    buf_append_c(out, in->AWSAccountIds.len > 1 ? "]" : "");
    buf_append_c(out, "},\"Action\":");
    buf_append_c(out, in->Actions.len > 1 ? "[" : "");
    for (size_t i = 0; i < in->Actions.len; i++)
        buf_append_format(out, "%s\"SQS:%.*s\"", i == 0 ? "" : ",", PRSTR(in->Actions.items[i]));
    buf_append_c(out, in->Actions.len > 1 ? "]" : "");
    buf_append_format(out, ",\"Resource\":\"%.*s\"}", PRSTR(arn));
}

/* The policy with one more statement, or with the one of that Sid left out. *found: there was one
 * of that Sid. */
static struct str permission_rewrite(struct call *call, const struct sqs_queue *queue,
                                     struct str label, const struct sqs_AddPermissionRequest *add,
                                     bool *found, size_t *count)
{
    struct arena *arena = call->arena;
    struct str statements, statement, raw, sid;
    struct str id = str_format(arena, "\"%.*s/SQSDefaultPolicy\"", PRSTR(queue_arn(arena, queue)));
    struct str version = STR("\"2008-10-17\"");
    struct buf out;
    buf_init(&out, arena, 1024 * 1024);
    *found = false;
    *count = 0;
    if (!str_is_empty(queue->policy)) {
        if (json_member(arena, queue->policy, STR("Id"), &raw))
            id = raw;
        if (json_member(arena, queue->policy, STR("Version"), &raw))
            version = raw;
    }
    buf_append_format(&out, "{\"Version\":%.*s,\"Id\":%.*s,\"Statement\":[", PRSTR(version),
                      PRSTR(id));
    if (!str_is_empty(queue->policy) &&
        json_member(arena, queue->policy, STR("Statement"), &statements)) {
        if (json_kind_of(statements) == JSON_OBJECT)
            statements = str_format(arena, "[%.*s]", PRSTR(statements));
        while (json_next_item(&statements, &statement)) {
            bool same = json_member(arena, statement, STR("Sid"), &raw) &&
                        json_string(arena, raw, &sid) && str_eq(sid, label);
            *found = *found || same;
            if (same && add == NULL)
                continue;
            if ((*count)++ > 0)
                buf_append_c(&out, ",");
            buf_append(&out, statement);
        }
    }
    if (add != NULL) {
        if ((*count)++ > 0)
            buf_append_c(&out, ",");
        permission_statement(&out, call, queue, add);
    }
    buf_append_c(&out, "]}");
    return buf_str(&out);
}

RESULT sqs_AddPermission(struct call *call, const struct sqs_AddPermissionRequest *in,
                         struct sqs_AddPermissionResult *out)
{
    (void)out;
    struct sqs_queue queue;
    bool found;
    size_t count;
    TRY(queue_find(call, in->QueueUrl, &queue));
    TRY(permission_check(call, in));
    struct str policy = permission_rewrite(call, &queue, in->Label, in, &found, &count);
    if (found)
        return call_fail(call, SQS_INVALID_PARAMETER_VALUE,
                         "Value %.*s for parameter Label is invalid. Reason: Already exists.",
                         PRSTR(in->Label));
    if (count > 20)
        return call_fail(call, SQS_OVER_LIMIT, "%zu statements were found, maximum allowed is 20.",
                         count);
    queue.policy = policy;
    return queue_put(call, &queue);
}

RESULT sqs_RemovePermission(struct call *call, const struct sqs_RemovePermissionRequest *in,
                            struct sqs_RemovePermissionResult *out)
{
    (void)out;
    struct sqs_queue queue;
    bool found;
    size_t count;
    TRY(queue_find(call, in->QueueUrl, &queue));
    struct str policy = permission_rewrite(call, &queue, in->Label, NULL, &found, &count);
    if (!found)
        return call_fail(
            call, SQS_INVALID_PARAMETER_VALUE,
            "Value %.*s for parameter Label is invalid. Reason: can't find label on existing "
            "policy.",
            PRSTR(in->Label));
    queue.policy = count == 0 ? (struct str){0} : policy;
    return queue_put(call, &queue);
}

/* --- whose queue, under which policy --- */

/* The first member of every operation's input that names a queue is QueueUrl; these name it
 * otherwise, or none. */
static struct str permission_queue_url(struct call *call, const void *in)
{
    switch (call->operation) {
    case SQS_OP_CreateQueue:
    case SQS_OP_ListQueues:
    case SQS_OP_GetQueueUrl:
    case SQS_OP_StartMessageMoveTask:
    case SQS_OP_CancelMessageMoveTask:
    case SQS_OP_ListMessageMoveTasks:
        return (struct str){0};
    default:
        return queue_request_url(call, *(const struct str *)in);
    }
}

static struct str permission_queue_arn(struct call *call, const void *in)
{
    if (call->operation == SQS_OP_StartMessageMoveTask)
        return ((const struct sqs_StartMessageMoveTaskRequest *)in)->SourceArn;
    if (call->operation == SQS_OP_ListMessageMoveTasks)
        return ((const struct sqs_ListMessageMoveTasksRequest *)in)->SourceArn;
    if (call->operation != SQS_OP_GetQueueUrl)
        return (struct str){0};
    const struct sqs_GetQueueUrlRequest *request = in;
    if (str_is_empty(request->QueueOwnerAWSAccountId))
        return (struct str){0};
    return arn_make(call->arena, STR("sqs"), call->region, request->QueueOwnerAWSAccountId,
                    request->QueueName);
}

static RESULT permission_queue(struct call *call, const void *in, struct sqs_queue *queue,
                               bool *found)
{
    struct str url = permission_queue_url(call, in);
    struct str arn = permission_queue_arn(call, in);
    *found = false;
    if (!str_is_absent(arn))
        return queue_find_arn(call, arn, queue, found);
    return str_is_empty(url) ? RESULT_OK : queue_look(call, url, queue, found);
}

/* What a queue's policy can give to other accounts; "Cross-account permissions don't apply to"
 * everything else ("Amazon SQS API permissions: Actions and resource reference"). */
static bool permission_crosses_accounts(uint32_t operation)
{
    switch (operation) {
    case SQS_OP_ChangeMessageVisibility:
    case SQS_OP_ChangeMessageVisibilityBatch:
    case SQS_OP_DeleteMessage:
    case SQS_OP_DeleteMessageBatch:
    case SQS_OP_GetQueueAttributes:
    case SQS_OP_GetQueueUrl:
    case SQS_OP_ListDeadLetterSourceQueues:
    case SQS_OP_PurgeQueue:
    case SQS_OP_ReceiveMessage:
    case SQS_OP_SendMessage:
    case SQS_OP_SendMessageBatch:
        return true;
    default:
        return false;
    }
}

RESULT sqs_resource_policy(struct call *call, const void *in, struct str *resource_arn,
                           struct str *owner_account, struct str *policy)
{
    struct sqs_queue queue;
    bool found;
    TRY(permission_queue(call, in, &queue, &found));
    if (!found)
        return RESULT_OK; /* the operation itself says what is wrong */
    *resource_arn = queue_arn(call->arena, &queue);
    *owner_account = queue.account;
    if (str_eq(queue.account, call->principal.account) ||
        permission_crosses_accounts(call->operation))
        *policy = queue.policy;
    return RESULT_OK;
}

RESULT sqs_condition_key(struct call *call, const void *in, struct str key, struct str *value)
{
    struct str tag = STR("aws:ResourceTag/");
    struct sqs_queue queue;
    bool found;
    if (!str_eq_nocase(str_slice(key, 0, tag.len), tag))
        return RESULT_OK;
    TRY(permission_queue(call, in, &queue, &found));
    for (size_t i = 0; found && i < queue.tags.len; i++)
        if (str_eq_nocase(queue.tags.items[i].key, str_slice(key, tag.len, key.len)))
            *value = queue.tags.items[i].value;
    return RESULT_OK;
}
