/* Subscription filters: "Real-time processing of log data with subscriptions", User Guide. */
#include "services/logs/filters.h"

#include "base/log.h"
#include "base/vec.h"
#include "cloud/paging.h"
#include "services/logs/account_policies.h"
#include "store/record.h"
#include "wire/wire.h"

/* "CloudWatch Logs quotas", User Guide. */
enum { SUBSCRIPTIONS_MAX = 2, FILTERS_PAGE = 50, REGEXES_MAX = 2 };
/* "If the destination service returns a retryable error ... for up to 24 hours." */
#define RETRY_MS DAY_MS

struct key subscription_key(struct call *call, uint64_t group, struct str name)
{
    struct key key = log_key_of(call->arena, STR("logs-subscription"), group);
    if (!str_is_absent(name))
        key_str(&key, name);
    return key;
}

/* --- what is sent --- */

static void json_member_text(struct buf *out, struct str name, struct str value)
{
    wire_json_write_string(out, name);
    buf_append_char(out, ':');
    wire_json_write_string(out, value);
    buf_append_char(out, ',');
}

static struct str control_record(struct call *call)
{
    return str_format(
        call->arena,
        "{\"messageType\":\"CONTROL_MESSAGE\",\"owner\":\"CloudwatchLogs\",\"logGroup\":\"\","
        "\"logStream\":\"\",\"subscriptionFilters\":[],\"logEvents\":[{\"id\":\"\",\"timestamp\":"
        "%lld,\"message\":\"CWL CONTROL MESSAGE: Checking health of destination Lambda "
        "function.\"}]}",
        (long long)call->now_ms);
}

/* The names that a pattern of fields gives: "extractedFields". */
static void put_fields(struct buf *out, const struct str_map *values)
{
    bool first = true;
    for (size_t i = 0; i < values->len; i++) {
        struct str name = values->items[i].key;
        uint64_t number;
        if (!str_starts_with(name, STR("$")) || str_starts_with(name, STR("$.")) ||
            str_starts_with(name, STR("$[")))
            continue;
        name = str_slice(name, 1, name.len);
        if (str_to_u64(name, &number))
            continue;
        buf_append(out, first ? STR(",\"extractedFields\":{") : STR(","));
        wire_json_write_string(out, name);
        buf_append_char(out, ':');
        wire_json_write_string(out, values->items[i].value);
        first = false;
    }
    if (!first)
        buf_append_char(out, '}');
}

struct sending {
    const struct logs_came *came;
    const struct logs_subscription *subscription;
    const struct pattern *pattern;
};

static struct str data_record(struct call *call, const struct sending *sending,
                              const struct log_event *events, size_t count)
{
    struct buf out;
    buf_init(&out, call->arena, SIZE_MAX);
    buf_append_char(&out, '{');
    json_member_text(&out, STR("messageType"), STR("DATA_MESSAGE"));
    json_member_text(&out, STR("owner"), call->account);
    json_member_text(&out, STR("logGroup"), sending->came->group);
    json_member_text(&out, STR("logStream"), sending->came->stream);
    buf_append(&out, STR("\"subscriptionFilters\":["));
    wire_json_write_string(&out, sending->subscription->name);
    buf_append(&out, STR("],\"logEvents\":["));
    for (size_t i = 0; i < count; i++) {
        struct log_walk_position at = {events[i].at.ms, (uint64_t)sending->came->stream_id,
                                       events[i].at.number};
        struct str_map values =
            log_pattern_values(sending->pattern, call->arena, events[i].message);
        buf_append(&out, i == 0 ? STR("{") : STR(",{"));
        json_member_text(&out, STR("id"), log_event_id(call->arena, at));
        buf_append_format(&out, "\"timestamp\":%lld,\"message\":", (long long)events[i].at.ms);
        wire_json_write_string(&out, events[i].message);
        put_fields(&out, &values);
        buf_append_char(&out, '}');
    }
    buf_append(&out, STR("]}"));
    return buf_str(&out);
}

/* As many records as it takes for each to be short enough. */
static RESULT send_events(struct call *call, const struct sending *sending,
                          const struct log_event *events, size_t count,
                          struct target_problem *problem)
{
    struct str record = data_record(call, sending, events, count), payload;
    TRY(target_pack(call, record, &payload));
    if (payload.len > TARGET_PAYLOAD_MAX && count > 1) {
        TRY(send_events(call, sending, events, count / 2, problem));
        return send_events(call, sending, events + count / 2, count - count / 2, problem);
    }
    return target_send(call, sending->subscription->destination,
                       filters_source_arn(call, sending->came->group), record, problem);
}

static RESULT subscription_find(struct call *call, const struct logs_came *came,
                                struct logs_subscription *subscription, bool *found)
{
    if (came->of_account)
        return account_subscription(call, came->group, subscription, found);
    struct key key = subscription_key(call, (uint64_t)came->group_id, came->filter);
    return call_get_record_copy(call, &key, &logs_model, LOGS_SHAPE_subscription, subscription,
                                found);
}

RESULT logs_deliver_subscription(struct call *call, const struct outbox_item *item)
{
    struct logs_came came;
    struct logs_group group;
    struct logs_subscription subscription;
    struct log_event *events;
    struct pattern *pattern;
    struct target_problem problem = {0};
    size_t count, matching = 0;
    bool found;
    TRY(filters_read(call, item, &came, &group, &events, &count));
    TRY(subscription_find(call, &came, &subscription, &found));
    if (count == 0 || !found)
        return RESULT_OK;
    TRY(filters_pattern(call, subscription.pattern, &pattern));
    struct arena *scratch = arena_new_child(call->arena);
    for (size_t i = 0; i < count; i++) {
        if (log_pattern_matches(pattern, scratch, events[i].message))
            events[matching++] = events[i];
        arena_reset(scratch);
    }
    if (matching == 0)
        return RESULT_OK;
    const struct sending sending = {&came, &subscription, pattern};
    enum result result = send_events(call, &sending, events, matching, &problem);
    if (result != RESULT_ERROR || (problem.later && call->now_ms < item->created_ms + RETRY_MS))
        return result;
    log_line(LOG_WARN, "logs: %zu events of %.*s for the subscription %.*s are dropped: %.*s",
             matching, PRSTR(came.group), PRSTR(came.filter), PRSTR(problem.message));
    return RESULT_OK;
}

/* --- operations --- */

RESULT subscription_check(struct call *call, struct str destination, struct str role,
                          struct str source_arn)
{
    struct target_problem problem;
    enum result result = target_check(call, destination, &problem);
    if (result == RESULT_ERROR)
        return call_fail(call, problem.unbuilt ? LOGS_NOT_IMPLEMENTED : LOGS_INVALID_PARAMETER,
                         "%.*s", PRSTR(problem.message));
    TRY(result);
    if (!str_is_absent(role))
        return call_fail(call, LOGS_INVALID_PARAMETER,
                         "destinationArn for vendor lambda cannot be used with roleArn");
    result = target_send(call, destination, source_arn, control_record(call), &problem);
    if (result != RESULT_ERROR)
        return result;
    return call_fail(call, LOGS_INVALID_PARAMETER,
                     "Could not execute the lambda function. Make sure you have given CloudWatch "
                     "Logs permission to execute your function.");
}

static RESULT refuse_members(struct call *call, const struct logs_PutSubscriptionFilterRequest *in)
{
    if (in->applyOnTransformedLogs.set && in->applyOnTransformedLogs.value)
        return call_fail(call, LOGS_NOT_IMPLEMENTED,
                         "applyOnTransformedLogs is not implemented: events are not transformed.");
    if (!str_is_absent(in->fieldSelectionCriteria))
        return call_fail(call, LOGS_NOT_IMPLEMENTED, "fieldSelectionCriteria is not implemented.");
    if (in->emitSystemFields.len > 0)
        return call_fail(call, LOGS_NOT_IMPLEMENTED, "emitSystemFields is not implemented.");
    return RESULT_OK;
}

RESULT logs_PutSubscriptionFilter(struct call *call,
                                  const struct logs_PutSubscriptionFilterRequest *in,
                                  struct logs_PutSubscriptionFilterResult *out)
{
    struct logs_group group;
    struct logs_subscription subscription;
    struct pattern *pattern;
    bool found;
    (void)out;
    TRY(refuse_members(call, in));
    TRY(group_find(call, in->logGroupName, &group));
    TRY(filters_pattern(call, in->filterPattern, &pattern));
    struct key key = subscription_key(call, (uint64_t)group.id, in->filterName);
    TRY(call_get_record_copy(call, &key, &logs_model, LOGS_SHAPE_subscription, &subscription,
                             &found));
    if (!found && group.subscriptions >= SUBSCRIPTIONS_MAX)
        return call_fail(call, LOGS_LIMIT_EXCEEDED, "Resource limit exceeded.");
    TRY(filters_check_regexes(call, &group, pattern, &key));
    TRY(subscription_check(call, in->destinationArn, in->roleArn,
                           filters_source_arn(call, group.name)));
    if (!found) {
        group.subscriptions++;
        TRY(group_put(call, &group));
    }
    const struct logs_subscription made = {
        .name = in->filterName,
        .pattern = in->filterPattern,
        .destination = in->destinationArn,
        .distribution =
            str_is_absent(in->distribution) ? LOGS_DISTRIBUTION_BY_LOG_STREAM : in->distribution,
        .created_ms = found ? subscription.created_ms : call->now_ms,
    };
    return call_put_record(call, &key, &logs_model, LOGS_SHAPE_subscription, &made);
}

RESULT logs_DeleteSubscriptionFilter(struct call *call,
                                     const struct logs_DeleteSubscriptionFilterRequest *in,
                                     struct logs_DeleteSubscriptionFilterResult *out)
{
    struct logs_group group;
    bool existed;
    (void)out;
    TRY(group_find(call, in->logGroupName, &group));
    struct key key = subscription_key(call, (uint64_t)group.id, in->filterName);
    TRY(kv_delete(call->txn, key_bytes(&key), &existed));
    if (!existed)
        return call_fail(call, LOGS_RESOURCE_NOT_FOUND,
                         "The specified subscription filter does not exist.");
    group.subscriptions--;
    return group_put(call, &group);
}

RESULT logs_DescribeSubscriptionFilters(struct call *call,
                                        const struct logs_DescribeSubscriptionFiltersRequest *in,
                                        struct logs_DescribeSubscriptionFiltersResponse *out)
{
    size_t limit = in->limit.set ? (size_t)in->limit.value : FILTERS_PAGE, cap = 1;
    struct logs_group group;
    struct kv_cursor *cursor;
    struct str key, value, after, last = {0};
    TRY(group_find(call, in->logGroupName, &group));
    TRY(logs_page(call, in->nextToken, &after));
    struct key prefix = subscription_key(call, (uint64_t)group.id, (struct str){0});
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    out->subscriptionFilters.items = ARENA_NEW(call->arena, struct logs_SubscriptionFilter);
    for (;;) {
        struct logs_subscription found;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        TRY(record_decode_copy(call->arena, &logs_model, LOGS_SHAPE_subscription, value, &found));
        if ((!str_is_absent(after) && str_cmp(found.name, after) <= 0) ||
            (!str_is_absent(in->filterNamePrefix) &&
             !str_starts_with(found.name, in->filterNamePrefix)))
            continue;
        if (out->subscriptionFilters.len == limit) {
            out->nextToken = paging_token(call, last);
            return RESULT_OK;
        }
        const struct logs_SubscriptionFilter shown = {
            .filterName = last = found.name,
            .logGroupName = group.name,
            .filterPattern = found.pattern,
            .destinationArn = found.destination,
            .distribution = found.distribution,
            .applyOnTransformedLogs = opt_bool(false),
            .creationTime = opt_long(found.created_ms),
        };
        VEC_PUSH(call->arena, out->subscriptionFilters.items, out->subscriptionFilters.len, cap,
                 shown);
    }
}
