/* Contributor insights ("CloudWatch Contributor Insights for DynamoDB", Developer Guide): the keys
 * of a table or an index that are used, or throttled, most. AWS shows them through CloudWatch's
 * rules; here /_kumoniwa/dynamodb/hot-keys does. */
#include "base/encode.h"
#include "base/time.h"
#include "base/vec.h"
#include "cloud/paging.h"
#include "services/dynamodb/meter.h"
#include "store/record.h"

enum { LIST_MAX = 100 };

/* Of a table, or of one of its global indexes. */
struct watched {
    struct dynamodb_table table;
    struct dynamodb_index *index; /* NULL: the table */
};

static RESULT watched_find(struct call *call, struct str table, struct str index,
                           struct watched *out)
{
    TRY(table_get(call, table, &out->table));
    out->index = NULL;
    if (str_is_absent(index))
        return RESULT_OK;
    out->index = table_index(&out->table, index);
    if (out->index == NULL || !out->index->global)
        return call_fail(call, DYNAMODB_RESOURCE_NOT_FOUND,
                         "Requested resource not found: Index: %.*s of Table: %.*s not found",
                         PRSTR(index), PRSTR(out->table.name));
    return RESULT_OK;
}

static struct str *watched_mode(struct watched *watched)
{
    return watched->index == NULL ? &watched->table.insights : &watched->index->insights;
}

static int64_t *watched_since(struct watched *watched)
{
    return watched->index == NULL ? &watched->table.insights_ms : &watched->index->insights_ms;
}

RESULT dynamodb_UpdateContributorInsights(struct call *call,
                                          const struct dynamodb_UpdateContributorInsightsInput *in,
                                          struct dynamodb_UpdateContributorInsightsOutput *out)
{
    struct watched watched;
    bool enable =
        str_eq(in->ContributorInsightsAction, DYNAMODB_CONTRIBUTOR_INSIGHTS_ACTION_ENABLE);
    TRY(watched_find(call, in->TableName, in->IndexName, &watched));
    struct str *mode = watched_mode(&watched);
    struct str wanted = str_is_absent(in->ContributorInsightsMode)
                            ? DYNAMODB_CONTRIBUTOR_INSIGHTS_MODE_ACCESSED_AND_THROTTLED_KEYS
                            : in->ContributorInsightsMode;
    out->TableName = watched.table.name;
    out->IndexName = in->IndexName;
    out->ContributorInsightsStatus = enable ? DYNAMODB_CONTRIBUTOR_INSIGHTS_STATUS_ENABLING
                                            : DYNAMODB_CONTRIBUTOR_INSIGHTS_STATUS_DISABLING;
    out->ContributorInsightsMode = enable ? wanted : *mode;
    *mode = enable ? wanted : (struct str){0};
    *watched_since(&watched) = call->now_ms;
    TRY(table_put(call, &watched.table));
    if (!enable)
        meter_forget(call, watched.table.id, watched.index == NULL ? 0 : watched.index->id);
    return RESULT_OK;
}

void insights_forget(struct dynamodb_table *table)
{
    table->insights = (struct str){0};
    table->insights_ms = 0;
    for (size_t i = 0; i < table->indexes.len; i++) {
        table->indexes.items[i].insights = (struct str){0};
        table->indexes.items[i].insights_ms = 0;
    }
}

static struct str insights_status(struct str mode)
{
    return str_is_absent(mode) ? DYNAMODB_CONTRIBUTOR_INSIGHTS_STATUS_DISABLED
                               : DYNAMODB_CONTRIBUTOR_INSIGHTS_STATUS_ENABLED;
}

/* Most accessed and most throttled: partition keys, and whole keys where there is a sort key. */
static struct str_list insights_rules(struct arena *arena, struct watched *watched)
{
    static const char *const graphs[] = {"PKC", "PKT", "SKC", "SKT"};
    struct str sort = watched->index == NULL ? watched->table.sort : watched->index->sort;
    bool throttled_only =
        str_eq(*watched_mode(watched), DYNAMODB_CONTRIBUTOR_INSIGHTS_MODE_THROTTLED_KEYS);
    struct str_list rules = {.items = ARENA_ARRAY(arena, METER_GRAPHS, struct str)};
    struct str name = watched->table.name;
    if (watched->index != NULL)
        name = str_format(arena, "%.*s-%.*s", PRSTR(name), PRSTR(watched->index->name));
    for (size_t i = 0; i < (str_is_absent(sort) ? 2U : 4U); i++)
        if (!throttled_only || i % 2 == 1)
            rules.items[rules.len++] =
                str_format(arena, "DynamoDBContributorInsights-%s-%.*s-%lld", graphs[i],
                           PRSTR(name), (long long)*watched_since(watched));
    return rules;
}

RESULT
dynamodb_DescribeContributorInsights(struct call *call,
                                     const struct dynamodb_DescribeContributorInsightsInput *in,
                                     struct dynamodb_DescribeContributorInsightsOutput *out)
{
    struct watched watched;
    TRY(watched_find(call, in->TableName, in->IndexName, &watched));
    struct str mode = *watched_mode(&watched);
    out->TableName = watched.table.name;
    out->IndexName = in->IndexName;
    out->ContributorInsightsStatus = insights_status(mode);
    out->ContributorInsightsMode = mode;
    if (*watched_since(&watched) != 0)
        out->LastUpdateDateTime = opt_time(*watched_since(&watched));
    if (!str_is_absent(mode))
        out->ContributorInsightsRuleList = insights_rules(call->arena, &watched);
    return RESULT_OK;
}

/* --- listing
 * ---------------------------------------------------------------------------------------------------------
 */

struct listing {
    struct dynamodb_ListContributorInsightsOutput *out;
    size_t cap, limit;
    struct str after_table; /* absent: from the first */
    int64_t after_index;    /* -1: after the table itself, else after the index of that id */
    bool full;
    int64_t last_index;
};

static void listing_add(struct call *call, struct listing *list, struct watched *watched)
{
    int64_t id = watched->index == NULL ? -1 : watched->index->id;
    bool before = str_eq(watched->table.name, list->after_table) && id <= list->after_index;
    if (*watched_since(watched) == 0 || before || list->full)
        return;
    if (list->out->ContributorInsightsSummaries.len == list->limit) {
        list->full = true;
        return;
    }
    const struct dynamodb_ContributorInsightsSummary summary = {
        .TableName = watched->table.name,
        .IndexName = watched->index == NULL ? (struct str){0} : watched->index->name,
        .ContributorInsightsStatus = insights_status(*watched_mode(watched)),
        .ContributorInsightsMode = *watched_mode(watched),
    };
    VEC_PUSH(call->arena, list->out->ContributorInsightsSummaries.items,
             list->out->ContributorInsightsSummaries.len, list->cap, summary);
    list->last_index = id;
}

static void listing_add_table(struct call *call, struct listing *list,
                              const struct dynamodb_table *table)
{
    struct watched watched = {.table = *table};
    listing_add(call, list, &watched);
    for (size_t i = 0; i < table->indexes.len; i++) {
        watched.index = &table->indexes.items[i];
        if (watched.index->global)
            listing_add(call, list, &watched);
    }
}

static RESULT listing_all(struct call *call, struct listing *list)
{
    struct key prefix = table_prefix(call);
    struct kv_cursor *cursor;
    struct str key, value;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    if (!str_is_absent(list->after_table)) {
        struct key from = prefix;
        key_str(&from, list->after_table);
        TRY(kv_cursor_seek(cursor, key_bytes(&from)));
    }
    while (!list->full) {
        struct dynamodb_table table;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        TRY(record_decode(call->arena, &dynamodb_model, DYNAMODB_SHAPE_table, value, &table));
        listing_add_table(call, list, &table);
    }
    return RESULT_OK;
}

RESULT dynamodb_ListContributorInsights(struct call *call,
                                        const struct dynamodb_ListContributorInsightsInput *in,
                                        struct dynamodb_ListContributorInsightsOutput *out)
{
    struct listing list = {
        .out = out,
        .limit = in->MaxResults.set && in->MaxResults.value > 0 ? (size_t)in->MaxResults.value
                                                                : LIST_MAX,
    };
    struct str position, id;
    if (!str_is_absent(in->NextToken) &&
        (!paging_position(call, in->NextToken, &position) ||
         !str_cut(position, ' ', &id, &list.after_table) || !str_to_i64(id, &list.after_index)))
        return DYNAMODB_ERROR(call, "Invalid NextToken");
    out->ContributorInsightsSummaries.items =
        ARENA_ARRAY(call->arena, 1, struct dynamodb_ContributorInsightsSummary);
    if (str_is_absent(in->TableName)) {
        TRY(listing_all(call, &list));
    } else {
        struct dynamodb_table table;
        TRY(table_get(call, in->TableName, &table));
        listing_add_table(call, &list, &table);
    }
    if (!list.full)
        return RESULT_OK;
    const struct dynamodb_ContributorInsightsSummary *last =
        &out->ContributorInsightsSummaries.items[out->ContributorInsightsSummaries.len - 1];
    out->NextToken =
        paging_token(call, str_format(call->arena, "%lld %.*s", (long long)list.last_index,
                                      PRSTR(last->TableName)));
    return RESULT_OK;
}

/* --- the page
 * --------------------------------------------------------------------------------------------------------
 *
 * GET /_kumoniwa/dynamodb/hot-keys?table=NAME[&index=NAME][&account=ID][&region=NAME]: the last
 * fifteen minutes in which anything was used, the newest first, the ten heaviest keys of each. */

enum { PAGE_KEYS = 10 };

static struct str page_parameter(struct call *call, struct str name)
{
    struct str rest = call->request->query;
    while (!str_is_absent(rest)) {
        struct str pair, key, value, decoded;
        str_cut(rest, '&', &pair, &rest);
        if (str_cut(pair, '=', &key, &value) && str_eq(key, name) &&
            percent_decode(call->arena, value, true, &decoded))
            return decoded;
    }
    return (struct str){0};
}

static RESULT page_rows(struct call *call, struct watched *watched, enum meter_graph graph,
                        int64_t minute, const char *name, struct buf *out, bool *any)
{
    struct meter_row *rows;
    size_t len = meter_rows(call, &watched->table, watched->index, graph, minute, &rows);
    if (len == 0)
        return RESULT_OK;
    *any = true;
    buf_append_format(out, ",\"%s\":[", name);
    for (size_t i = 0; i < len && i < PAGE_KEYS; i++) {
        struct dynamodb_AttributeMap key;
        size_t size;
        TRY(codec_decode(call->arena, rows[i].key, &key, &size));
        buf_append(out, i == 0 ? STR("{\"key\":") : STR(",{\"key\":"));
        TRY(wire_json_encode(out, &dynamodb_model, DYNAMODB_SHAPE_AttributeMap, &key));
        buf_append_format(out, ",\"%s\":%g}", graph % 2 == 0 ? "units" : "times", rows[i].weight);
    }
    buf_append_char(out, ']');
    return RESULT_OK;
}

static RESULT page_minute(struct call *call, struct watched *watched, int64_t minute,
                          struct buf *out, bool *any)
{
    static const char *const names[METER_GRAPHS] = {
        [METER_PARTITION_ACCESSED] = "mostAccessed",
        [METER_PARTITION_THROTTLED] = "mostThrottled",
        [METER_SORT_ACCESSED] = "mostAccessedItems",
        [METER_SORT_THROTTLED] = "mostThrottledItems",
    };
    buf_append(out, STR("{\"minute\":\""));
    time_format_iso8601(out, minute * 60000);
    buf_append_char(out, '"');
    for (int graph = 0; graph < METER_GRAPHS; graph++)
        TRY(page_rows(call, watched, (enum meter_graph)graph, minute, names[graph], out, any));
    buf_append_char(out, '}');
    return RESULT_OK;
}

static RESULT page_write(struct call *call, struct watched *watched, struct buf *out)
{
    bool first = true;
    buf_append(out, STR("{\"table\":"));
    wire_json_write_string(out, watched->table.name);
    if (watched->index != NULL) {
        buf_append(out, STR(",\"index\":"));
        wire_json_write_string(out, watched->index->name);
    }
    buf_append(out, STR(",\"status\":"));
    wire_json_write_string(out, insights_status(*watched_mode(watched)));
    buf_append(out, STR(",\"minutes\":["));
    for (int64_t back = 0; back < HOT_MINUTES; back++) {
        struct buf minute;
        bool any = false;
        buf_init(&minute, call->arena, SIZE_MAX);
        TRY(page_minute(call, watched, call->now_ms / 60000 - back, &minute, &any));
        if (!any)
            continue;
        if (!first)
            buf_append_char(out, ',');
        buf_append(out, buf_str(&minute));
        first = false;
    }
    buf_append(out, STR("]}\n"));
    return RESULT_OK;
}

RESULT insights_page(struct call *call, struct wire_response *response)
{
    struct watched watched;
    struct buf out;
    struct str account = page_parameter(call, STR("account"));
    struct str region = page_parameter(call, STR("region"));
    call->account = str_is_empty(account) ? call->account : account;
    call->region = str_is_empty(region) ? call->region : region;
    buf_init(&out, call->arena, SIZE_MAX);
    response->headers = ARENA_ARRAY(call->arena, 1, struct wire_header);
    response->headers[0] = (struct wire_header){STR("content-type"), STR("application/json")};
    response->header_count = 1;
    enum result result = watched_find(call, page_parameter(call, STR("table")),
                                      page_parameter(call, STR("index")), &watched);
    if (result == RESULT_ERROR) {
        response->status = 404;
        buf_append(&out, STR("{\"message\":"));
        wire_json_write_string(&out, call->message);
        buf_append(&out, STR("}\n"));
        result = RESULT_OK;
    } else if (result == RESULT_OK) {
        result = page_write(call, &watched, &out);
    }
    response->body = buf_str(&out);
    return result;
}
