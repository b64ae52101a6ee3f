/* StartQuery, StopQuery, GetQueryResults, DescribeQueries, ListLogGroupsForQuery. */
#include "services/logs/queries.h"

#include "base/rng.h"
#include "base/vec.h"
#include "cloud/authorize.h"
#include "cloud/paging.h"
#include "store/record.h"

enum { QUERIES_PAGE = 1000, SOURCE_GROUPS_MAX = 10000 };
#define SECONDS_MAX INT64_C(100000000000)

/* --- keys --- */

struct key query_key(struct call *call, struct str id)
{
    struct key key = call_key(call, STR("query"));
    key_str(&key, id);
    return key;
}

struct key query_rows_key(struct call *call, struct str id)
{
    struct key key = call_key(call, STR("query-rows"));
    key_str(&key, id);
    return key;
}

struct key query_running_key(struct call *call, struct str account, struct str region,
                             struct str id)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("logs-query-running"));
    if (!str_is_absent(id)) {
        key_str(&key, account);
        key_str(&key, region);
        key_str(&key, id);
    }
    return key;
}

/* Newest last. */
static struct key time_key(struct call *call, int64_t created_ms, struct str id)
{
    struct key key = call_key(call, STR("query-time"));
    if (!str_is_absent(id)) {
        key_i64(&key, created_ms);
        key_str(&key, id);
    }
    return key;
}

/* Status and figures as they are now. */
static RESULT query_find(struct call *call, struct str id, struct logs_query *query)
{
    struct key key = query_key(call, id);
    bool found;
    TRY(call_get_record_copy(call, &key, &logs_model, LOGS_SHAPE_query, query, &found));
    if (!found)
        return call_fail(call, LOGS_RESOURCE_NOT_FOUND, "Query with id %.*s was not found.",
                         PRSTR(id));
    if (str_eq(query->status, LOGS_QUERY_STATUS_RUNNING))
        (void)query_progress(call->cloud, id, query);
    return RESULT_OK;
}

/* --- StartQuery --- */

static RESULT add_group(struct call *call, struct str name, bool identifier, bool unmasks,
                        struct logs_query *query)
{
    struct logs_group group;
    TRY(group_find_either(call, identifier ? (struct str){0} : name,
                          identifier ? name : (struct str){0}, &group));
    struct authorize_ask ask = {
        .action = STR("logs:StartQuery"),
        .resource = group_arn(call, group.name),
        .owner = call->account,
    };
    TRY(authorize_ask(call, &ask));
    ask.action = STR("logs:Unmask");
    if (unmasks)
        TRY(authorize_ask(call, &ask));
    for (size_t i = 0; i < query->groups.len; i++)
        if (str_eq(query->groups.items[i], group.name))
            return RESULT_OK;
    query->groups.items[query->groups.len++] = str_copy(call->arena, group.name);
    return RESULT_OK;
}

static bool source_wants(const struct query_source *source, const struct logs_group *group)
{
    bool named = source->prefixes.len == 0;
    for (size_t i = 0; i < source->prefixes.len; i++)
        named |= str_starts_with(group->name, source->prefixes.items[i]);
    return named && (str_is_absent(source->class) || str_eq(source->class, group->class));
}

/* Groups that the caller may not query are left out. */
static RESULT add_source(struct call *call, const struct query *parsed, struct logs_query *query)
{
    const struct query_source *source = &parsed->source;
    struct key all = call_key(call, STR("group"));
    struct kv_cursor *cursor;
    size_t cap = 0;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&all), false, &cursor));
    query->groups.items = ARENA_NEW(call->arena, struct str);
    while (query->groups.len < SOURCE_GROUPS_MAX) {
        struct logs_group group;
        struct str key, value;
        bool allowed;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        TRY(record_decode_copy(call->arena, &logs_model, LOGS_SHAPE_group, value, &group));
        if (!source_wants(source, &group))
            continue;
        struct authorize_ask ask = {
            .action = STR("logs:StartQuery"),
            .resource = group_arn(call, group.name),
            .owner = call->account,
        };
        TRY(authorize_may(call, &ask, &allowed));
        ask.action = STR("logs:Unmask");
        if (allowed && parsed->unmasks)
            TRY(authorize_ask(call, &ask));
        if (allowed)
            VEC_PUSH(call->arena, query->groups.items, query->groups.len, cap, group.name);
    }
    kv_cursor_close(cursor);
    return RESULT_OK;
}

static RESULT add_groups(struct call *call, const struct logs_StartQueryRequest *in,
                         const struct query *parsed, struct logs_query *query)
{
    const struct query_source *source = &parsed->source;
    size_t names = in->logGroupNames.len, identifiers = in->logGroupIdentifiers.len;
    bool one = !str_is_absent(in->logGroupName);
    if (source->given && !one && names + identifiers == 0)
        return add_source(call, parsed, query);
    if (one + (names > 0) + (identifiers > 0) != 1 || source->given)
        return call_fail(call, LOGS_INVALID_PARAMETER,
                         "Exactly one of logGroupName, logGroupNames, logGroupIdentifiers and the "
                         "query's SOURCE must be specified.");
    if (names + identifiers > QUERY_GROUPS_MAX)
        return call_fail(call, LOGS_INVALID_PARAMETER, "A query can read at most %d log groups.",
                         QUERY_GROUPS_MAX);
    query->groups.items = ARENA_ARRAY(call->arena, names + identifiers + 1, struct str);
    if (one)
        TRY(add_group(call, in->logGroupName, false, parsed->unmasks, query));
    for (size_t i = 0; i < names; i++)
        TRY(add_group(call, in->logGroupNames.items[i], false, parsed->unmasks, query));
    for (size_t i = 0; i < identifiers; i++)
        TRY(add_group(call, in->logGroupIdentifiers.items[i], true, parsed->unmasks, query));
    if (query->groups.len == 1)
        query->group = query->groups.items[0];
    return RESULT_OK;
}

static RESULT malformed(struct call *call, const struct query_problem *problem)
{
    struct logs_MalformedQueryException *detail =
        ARENA_NEW(call->arena, struct logs_MalformedQueryException);
    if (problem->unbuilt)
        return call_fail(call, LOGS_NOT_IMPLEMENTED,
                         "That command of Logs Insights is not implemented (at %zu of the query).",
                         problem->from);
    detail->queryCompileError = ARENA_NEW(call->arena, struct logs_QueryCompileError);
    detail->queryCompileError->location =
        ARENA_NEW(call->arena, struct logs_QueryCompileErrorLocation);
    detail->queryCompileError->location->startCharOffset = opt_int((int32_t)problem->from);
    detail->queryCompileError->location->endCharOffset = opt_int((int32_t)problem->to);
    detail->queryCompileError->message = problem->message;
    return call_fail_with(call, LOGS_MALFORMED_QUERY, detail, "%.*s (at %zu of the query)",
                          PRSTR(problem->message), problem->from);
}

static RESULT check_query(struct call *call, const struct logs_StartQueryRequest *in,
                          struct query *query)
{
    struct query_problem problem;
    if (!str_is_absent(in->queryLanguage) && !str_eq(in->queryLanguage, LOGS_QUERY_LANGUAGE_CWLI))
        return call_fail(call, LOGS_NOT_IMPLEMENTED,
                         "The query language %.*s is not implemented: only CWLI is.",
                         PRSTR(in->queryLanguage));
    if (in->startTime.value < 0 || in->endTime.value < in->startTime.value ||
        in->startTime.value > SECONDS_MAX)
        return call_fail(call, LOGS_INVALID_PARAMETER,
                         "The start time must not be later than the end time, both in seconds.");
    if (!query_parse(call->arena, in->queryString, query, &problem))
        return malformed(call, &problem);
    return RESULT_OK;
}

RESULT logs_StartQuery(struct call *call, const struct logs_StartQueryRequest *in,
                       struct logs_StartQueryResponse *out)
{
    char *id = arena_alloc(call->arena, 36);
    struct query parsed;
    int64_t end = in->endTime.value > SECONDS_MAX ? SECONDS_MAX : in->endTime.value;
    TRY(check_query(call, in, &parsed));
    rng_uuid(id);
    struct logs_query query = {
        .id = str_make(id, 36),
        .text = in->queryString,
        .from_ms = in->startTime.value * 1000,
        .to_ms = end * 1000 + 999, /* the last second is part of it */
        .limit = in->limit.set ? in->limit.value : QUERY_ROWS,
        .status = LOGS_QUERY_STATUS_SCHEDULED,
        .created_ms = call->now_ms,
        .user = call->principal.arn,
    };
    TRY(add_groups(call, in, &parsed, &query));
    struct key key = query_key(call, query.id);
    struct key by_time = time_key(call, query.created_ms, query.id);
    struct key running = query_running_key(call, call->account, call->region, query.id);
    TRY(call_put_record(call, &key, &logs_model, LOGS_SHAPE_query, &query));
    TRY(kv_put(call->txn, key_bytes(&by_time), STR("")));
    TRY(kv_put(call->txn, key_bytes(&running), STR("")));
    TRY(outbox_post(call, STR("logs.query"), query.id, query.id));
    TRY(job_schedule(call, STR("logs.forget-query"), call->now_ms + QUERY_KEPT_MS, query.id, NULL));
    out->queryId = query.id;
    return RESULT_OK;
}

RESULT logs_deliver_forget_query(struct call *call, const struct outbox_item *item)
{
    struct key key = query_key(call, item->payload), rows = query_rows_key(call, item->payload);
    struct logs_query query;
    bool found;
    TRY(call_get_record_copy(call, &key, &logs_model, LOGS_SHAPE_query, &query, &found));
    if (!found)
        return RESULT_OK;
    struct key by_time = time_key(call, query.created_ms, query.id);
    struct key running = query_running_key(call, call->account, call->region, query.id);
    TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    TRY(kv_delete(call->txn, key_bytes(&rows), NULL));
    TRY(kv_delete(call->txn, key_bytes(&by_time), NULL));
    return kv_delete(call->txn, key_bytes(&running), NULL);
}

/* --- StopQuery --- */

RESULT logs_StopQuery(struct call *call, const struct logs_StopQueryRequest *in,
                      struct logs_StopQueryResponse *out)
{
    struct logs_query query;
    TRY(query_find(call, in->queryId, &query));
    if (!str_eq(query.status, LOGS_QUERY_STATUS_RUNNING) &&
        !str_eq(query.status, LOGS_QUERY_STATUS_SCHEDULED))
        return call_fail(call, LOGS_INVALID_PARAMETER,
                         "Query %.*s has already ended with status %.*s.", PRSTR(query.id),
                         PRSTR(query.status));
    query.status = LOGS_QUERY_STATUS_CANCELLED;
    query.ended_ms = call->now_ms;
    struct key key = query_key(call, query.id);
    struct key running = query_running_key(call, call->account, call->region, query.id);
    TRY(call_put_record(call, &key, &logs_model, LOGS_SHAPE_query, &query));
    TRY(kv_delete(call->txn, key_bytes(&running), NULL));
    out->success = opt_bool(true);
    return RESULT_OK;
}

/* --- GetQueryResults --- */

static RESULT rows_page(struct call *call, const struct logs_GetQueryResultsRequest *in,
                        const struct logs_query *query, struct logs_GetQueryResultsResponse *out)
{
    struct key key = query_rows_key(call, query->id);
    struct logs_query_rows rows;
    struct str after;
    uint64_t from = 0;
    bool found;
    out->results.items = ARENA_NEW(call->arena, struct logs_ResultRows);
    TRY(logs_page(call, in->nextToken, &after));
    if (!str_is_absent(after) && !str_to_u64(after, &from))
        return call_fail(call, LOGS_INVALID_PARAMETER, "The specified nextToken is invalid.");
    TRY(call_get_record_copy(call, &key, &logs_model, LOGS_SHAPE_query_rows, &rows, &found));
    if (!found || from >= rows.rows.len)
        return RESULT_OK;
    size_t count = rows.rows.len - from;
    if (in->maxItems.set && (size_t)in->maxItems.value < count) {
        count = (size_t)in->maxItems.value;
        out->nextToken =
            paging_token(call, str_format(call->arena, "%llu", (unsigned long long)(from + count)));
    }
    out->results.items = rows.rows.items + from;
    out->results.len = count;
    return RESULT_OK;
}

RESULT logs_GetQueryResults(struct call *call, const struct logs_GetQueryResultsRequest *in,
                            struct logs_GetQueryResultsResponse *out)
{
    struct logs_query query;
    TRY(query_find(call, in->queryId, &query));
    TRY(rows_page(call, in, &query, out));
    out->queryLanguage = LOGS_QUERY_LANGUAGE_CWLI;
    out->status = query.status;
    out->statistics = ARENA_NEW(call->arena, struct logs_QueryStatistics);
    *out->statistics = (struct logs_QueryStatistics){
        .recordsMatched = opt_double(query.matched),
        .recordsScanned = opt_double(query.scanned),
        .estimatedRecordsSkipped = opt_double(0),
        .bytesScanned = opt_double(query.bytes),
        .estimatedBytesSkipped = opt_double(0),
        .logGroupsScanned = opt_double((double)query.groups_scanned),
        .resultCount = opt_double((double)query.row_count),
    };
    return RESULT_OK;
}

/* --- DescribeQueries, ListLogGroupsForQuery --- */

static bool is_wanted(const struct logs_DescribeQueriesRequest *in, const struct logs_query *query)
{
    bool asked = str_is_absent(in->logGroupName);
    for (size_t i = 0; i < query->groups.len; i++)
        asked |= str_eq(query->groups.items[i], in->logGroupName);
    return asked && (str_is_absent(in->status) || str_eq(in->status, query->status)) &&
           (str_is_absent(in->queryLanguage) ||
            str_eq(in->queryLanguage, LOGS_QUERY_LANGUAGE_CWLI));
}

static struct logs_QueryInfo query_shown(const struct logs_query *query, int64_t now_ms)
{
    int64_t end = query->ended_ms == 0 ? now_ms : query->ended_ms;
    return (struct logs_QueryInfo){
        .queryLanguage = LOGS_QUERY_LANGUAGE_CWLI,
        .queryId = query->id,
        .queryString = query->text,
        .status = query->status,
        .createTime = opt_long(query->created_ms),
        .logGroupName = query->group,
        .queryDuration = opt_long(end - query->created_ms),
        .bytesScanned = opt_double(query->bytes),
        .userIdentity = query->user,
    };
}

RESULT logs_DescribeQueries(struct call *call, const struct logs_DescribeQueriesRequest *in,
                            struct logs_DescribeQueriesResponse *out)
{
    size_t limit = in->maxResults.set ? (size_t)in->maxResults.value : QUERIES_PAGE, cap = 1;
    struct key all = time_key(call, 0, (struct str){0});
    struct kv_cursor *cursor;
    struct str after, last = {0};
    TRY(logs_page(call, in->nextToken, &after));
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&all), true, &cursor));
    if (!str_is_absent(after))
        TRY(kv_cursor_seek(cursor, str_concat(call->arena, key_bytes(&all), after)));
    out->queries.items = ARENA_NEW(call->arena, struct logs_QueryInfo);
    for (;;) {
        struct str key, value, id;
        struct logs_query query;
        int64_t created;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        struct str place = str_copy(call->arena, str_slice(key, key_bytes(&all).len, key.len));
        struct key_reader reader = key_read(call->arena, place);
        if (str_eq(place, after))
            continue;
        if (!key_next_i64(&reader, &created) || !key_next_str(&reader, &id))
            return FAULT("the key of a query is broken");
        TRY(query_find(call, id, &query));
        if (!is_wanted(in, &query))
            continue;
        if (out->queries.len == limit) {
            out->nextToken = paging_token(call, last);
            return RESULT_OK;
        }
        VEC_PUSH(call->arena, out->queries.items, out->queries.len, cap,
                 query_shown(&query, call->now_ms));
        last = place;
    }
}

RESULT logs_ListLogGroupsForQuery(struct call *call,
                                  const struct logs_ListLogGroupsForQueryRequest *in,
                                  struct logs_ListLogGroupsForQueryResponse *out)
{
    struct logs_query query;
    struct str after;
    uint64_t from = 0;
    TRY(query_find(call, in->queryId, &query));
    TRY(logs_page(call, in->nextToken, &after));
    if (!str_is_absent(after) && (!str_to_u64(after, &from) || from > query.groups.len))
        return call_fail(call, LOGS_INVALID_PARAMETER, "The specified nextToken is invalid.");
    size_t count = query.groups.len - from;
    if (in->maxResults.set && (size_t)in->maxResults.value < count) {
        count = (size_t)in->maxResults.value;
        out->nextToken =
            paging_token(call, str_format(call->arena, "%llu", (unsigned long long)(from + count)));
    }
    out->logGroupIdentifiers.items = ARENA_ARRAY(call->arena, count + 1, struct str);
    for (size_t i = 0; i < count; i++)
        out->logGroupIdentifiers.items[out->logGroupIdentifiers.len++] =
            query.groups.items[from + i];
    return RESULT_OK;
}
