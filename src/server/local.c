/* Paths that are not AWS's. LocalStack's, so that what was written for it finds what it asks
 * ("Internal endpoints", LocalStack documentation): health, info, init, state/reset. Kumoniwa's
 * own, for the command line:
 *
 *   GET  /_kumoniwa/status                  GET    /_kumoniwa/metrics (Prometheus)
 *   GET  /_kumoniwa/services                GET    /_kumoniwa/logs?limit=N&request_id=ID
 *   GET  /_kumoniwa/clock                   POST   /_kumoniwa/clock?advance_ms=N
 *   POST /_kumoniwa/credentials?account=A&user=U   DELETE /_kumoniwa/credentials?access_key=K
 */
#include <stdio.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/time.h"
#include "cloud/arn.h"
#include "cloud/audit.h"
#include "cloud/clock.h"
#include "cloud/credentials.h"
#include "cloud/denials.h"
#include "cloud/metrics.h"
#include "cloud/park.h"
#include "server/server.h"
#include "server/version.h"
#include "wire/wire.h"

struct local {
    struct server *server;
    struct http_exchange *exchange;
    struct arena *arena;
    struct buf out;
    unsigned status;
    struct str content_type;
};

bool local_claims(struct str path)
{
    return str_starts_with(path, STR("/_localstack/")) ||
           (str_starts_with(path, STR("/_kumoniwa/")) &&
            !str_starts_with(path, STR("/_kumoniwa/website/"))) || /* S3's */
           str_starts_with(path, STR("/_aws/"));
}

/* A parameter of the query string, decoded; absent when it is not there. */
static struct str local_parameter(const struct local *local, struct str name)
{
    struct str rest = local->exchange->query;
    while (!str_is_absent(rest)) {
        struct str pair, key, value, decoded;
        str_cut(rest, '&', &pair, &rest);
        if (str_cut(pair, '=', &key, &value) && str_eq(key, name) &&
            percent_decode(local->arena, value, true, &decoded))
            return decoded;
    }
    return (struct str){0};
}

static void local_quoted(struct local *local, const char *name, struct str value)
{
    buf_append_format(&local->out, "\"%s\": ", name);
    wire_json_write_string(&local->out, value);
}

static void local_error(struct local *local, unsigned status, struct str message)
{
    local->status = status;
    buf_clear(&local->out);
    buf_append_c(&local->out, "{");
    local_quoted(local, "error", message);
    buf_append_c(&local->out, "}");
}

static void local_result(struct local *local, enum result result)
{
    if (result == RESULT_FULL)
        local_error(local, 507, STR("the disk that holds the data is full"));
    else if (result != RESULT_OK)
        local_error(local, 500, STR("a fault inside; the server's log says more"));
}

/* --- LocalStack's --- */

static void local_health(struct local *local)
{
    buf_append_c(&local->out, "{\"services\": {");
    for (size_t i = 0; server_services[i] != NULL; i++) {
        const struct wire_model *model = server_services[i]->model;
        buf_append_format(&local->out, "%s\"%.*s\": \"running\"", i == 0 ? "" : ", ",
                          PRSTR(model->name));
    }
    buf_append_format(&local->out, "}, \"edition\": \"kumoniwa\", \"version\": \"%s\"}",
                      KUMONIWA_VERSION);
}

static void local_info(struct local *local)
{
    int64_t up = clock_now(local->server->cloud->clock) - local->server->started_ms;
    buf_append_format(
        &local->out,
        "{\"version\": \"%s\", \"edition\": \"kumoniwa\", \"is_license_activated\": true, "
        "\"session_id\": \"%lld\", \"uptime\": %lld}",
        KUMONIWA_VERSION, (long long)local->server->started_ms, (long long)up / 1000);
}

static void local_init(struct local *local)
{
    struct str path = local->exchange->path;
    struct str all = STR("/_localstack/init");
    if (str_eq(path, all))
        init_hooks_write(&local->server->init, &local->out);
    else
        ASSERT(init_hooks_write_stage(&local->server->init, str_slice(path, all.len + 1, path.len),
                                      &local->out));
}

static void local_reset(struct local *local)
{
    local_result(local, cloud_reset(local->server->cloud));
}

/* --- Kumoniwa's --- */

static uint64_t local_resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long long total = 0, resident = 0;
    if (file != NULL) {
        if (fscanf(file, "%llu %llu", &total, &resident) != 2)
            resident = 0;
        fclose(file);
    }
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void local_status(struct local *local)
{
    struct server *server = local->server;
    struct cloud *cloud = server->cloud;
    struct kv_usage usage = {0};
    enum result result = kv_usage(cloud->kv, &usage);
    if (result != RESULT_OK) {
        local_result(local, result);
        return;
    }
    struct http_server *http = server->http;
    struct buf now;
    buf_init(&now, local->arena, 64);
    time_format_iso8601(&now, clock_now(cloud->clock));
    buf_append_format(&local->out, "{\"version\": \"%s\", \"pid\": %ld, \"now\": \"%.*s\", ",
                      KUMONIWA_VERSION, (long)getpid(), PRSTR(buf_str(&now)));
    buf_append_format(&local->out, "\"clock_offset_ms\": %lld, ",
                      (long long)clock_offset_ms(cloud->clock));
    local_quoted(local, "data", server->data);
    buf_append_format(&local->out,
                      ", \"data_bytes\": %llu, \"disk_free_bytes\": %llu, \"records\": %llu, "
                      "\"memory_bytes\": %llu, "
                      "\"requests\": %llu, \"connections\": %u, \"parked\": %zu}",
                      (unsigned long long)usage.used, (unsigned long long)usage.free_on_disk,
                      (unsigned long long)usage.entries, (unsigned long long)local_resident_bytes(),
                      (unsigned long long)metrics_total(cloud->metrics),
                      http == NULL ? 1 : http_server_connections(http), park_count(cloud->parks));
}

static void local_services(struct local *local)
{
    buf_append_c(&local->out, "{\"services\": [");
    for (size_t i = 0; i < wire_model_count; i++) {
        const struct wire_model *model = wire_models[i];
        buf_append_c(&local->out, i == 0 ? "{" : ", {");
        local_quoted(local, "name", model->name);
        buf_append_c(&local->out, ", ");
        local_quoted(local, "title", model->title);
        buf_append_c(&local->out, ", \"operations\": [");
        for (uint32_t o = 0; o < model->operation_count; o++) {
            buf_append_c(&local->out, o == 0 ? "{" : ", {");
            local_quoted(local, "name", wire_string(model, model->operations[o].name));
            buf_append_c(&local->out, model->functions[o] != NULL ? ", \"implemented\": true}"
                                                                  : ", \"implemented\": false}");
        }
        buf_append_c(&local->out, "]}");
    }
    buf_append_c(&local->out, "]}");
}

static void local_metrics(struct local *local)
{
    local->content_type = STR("text/plain; version=0.0.4");
    metrics_write(local->server->cloud->metrics, &local->out);
}

static void local_log_entry(struct local *local, const struct audit_entry *entry)
{
    struct buf time;
    buf_init(&time, local->arena, 64);
    time_format_iso8601(&time, entry->time_ms);
    buf_append_c(&local->out, "{");
    local_quoted(local, "time", buf_str(&time));
    buf_append_format(&local->out, ", \"status\": %u, \"micros\": %u, ", entry->status,
                      entry->micros);
    const struct {
        const char *name;
        struct str value;
    } fields[] = {
        {"request_id", entry->request_id}, {"service", entry->service},
        {"operation", entry->operation},   {"region", entry->region},
        {"principal", entry->principal},   {"source_ip", entry->source_ip},
        {"error", entry->error},           {"message", entry->message},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (i > 0)
            buf_append_c(&local->out, ", ");
        local_quoted(local, fields[i].name, fields[i].value);
    }
    buf_append_c(&local->out, "}");
}

static void local_logs(struct local *local)
{
    uint64_t limit = 50;
    struct str wanted = local_parameter(local, STR("limit"));
    if (!str_is_absent(wanted) && (!str_to_u64(wanted, &limit) || limit > 16384)) {
        local_error(local, 400, STR("limit must be a number up to 16384"));
        return;
    }
    struct audit_entry *entries;
    size_t count;
    enum result result =
        audit_read(local->server->cloud->audit, local->arena,
                   local_parameter(local, STR("request_id")), (size_t)limit, &entries, &count);
    local_result(local, result);
    if (result != RESULT_OK)
        return;
    buf_append_c(&local->out, "{\"entries\": [");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_append_c(&local->out, ",\n");
        local_log_entry(local, &entries[i]);
    }
    buf_append_c(&local->out, "]}");
}

static void local_explain(struct local *local)
{
    struct str text = denials_find(local->server->cloud->denials, local->arena,
                                   local_parameter(local, STR("request_id")));
    if (str_is_absent(text)) {
        local_error(local, 404, STR("that request is not among the last 512 that were denied"));
        return;
    }
    local->content_type = STR("text/plain; charset=utf-8");
    buf_append(&local->out, text);
}

static void local_clock(struct local *local)
{
    struct cloud *cloud = local->server->cloud;
    if (str_eq(local->exchange->method, STR("POST"))) {
        uint64_t ms;
        struct str text = local_parameter(local, STR("advance_ms"));
        if (!str_to_u64(text, &ms) || ms > (uint64_t)100 * 366 * 86400 * 1000) {
            local_error(local, 400,
                        STR("advance_ms must be a number of milliseconds, at most a century"));
            return;
        }
        enum result result = cloud_advance_clock(cloud, (int64_t)ms);
        local_result(local, result);
        if (result != RESULT_OK)
            return;
    }
    struct buf now;
    buf_init(&now, local->arena, 64);
    time_format_iso8601(&now, clock_now(cloud->clock));
    buf_append_format(&local->out, "{\"now\": \"%.*s\", \"offset_ms\": %lld, \"settles_ms\": %lld}",
                      PRSTR(buf_str(&now)), (long long)clock_offset_ms(cloud->clock),
                      (long long)clock_settles_ms(cloud->clock));
}

static RESULT local_credentials_change(struct local *local, struct kv_txn *txn, bool issue)
{
    struct cloud *cloud = local->server->cloud;
    if (!issue) {
        bool existed;
        TRY(credentials_revoke(cloud, txn, local_parameter(local, STR("access_key")), &existed));
        if (!existed)
            local_error(local, 404, STR("there is no such access key"));
        return RESULT_OK;
    }
    struct str account = local_parameter(local, STR("account"));
    if (str_is_absent(account))
        account = STR("000000000000");
    struct credentials made;
    TRY(credentials_issue(cloud, txn, local->arena, account, local_parameter(local, STR("user")),
                          &made));
    buf_append_c(&local->out, "{");
    local_quoted(local, "AccessKeyId", made.principal.access_key);
    buf_append_c(&local->out, ", ");
    local_quoted(local, "SecretAccessKey", made.secret);
    buf_append_c(&local->out, ", ");
    local_quoted(local, "Arn", made.principal.arn);
    buf_append_c(&local->out, "}");
    return RESULT_OK;
}

static void local_credentials(struct local *local)
{
    enum { USER_NAME_MAX = 64 };
    bool issue = str_eq(local->exchange->method, STR("POST"));
    struct str account = local_parameter(local, STR("account"));
    struct str user = local_parameter(local, STR("user"));
    if (!issue && !str_eq(local->exchange->method, STR("DELETE"))) {
        local_error(local, 405, STR("POST issues a key, DELETE revokes one"));
        return;
    }
    if (!str_is_absent(account) && !arn_is_account(account)) {
        local_error(local, 400, STR("an account is twelve digits"));
        return;
    }
    if (!str_is_absent(user) && !(arn_is_name(user) && user.len <= USER_NAME_MAX)) {
        local_error(local, 400, STR("a user's name is 1 to 64 letters, digits and any of +=,.@_-"));
        return;
    }
    struct kv_txn *txn;
    enum result result = kv_begin(local->server->cloud->kv, true, &txn);
    if (result == RESULT_OK) {
        result = local_credentials_change(local, txn, issue);
        if (result == RESULT_OK)
            result = kv_commit(txn);
        else
            kv_abort(txn);
    }
    local_result(local, result);
}

/* --- choosing
 * -----------------------------------------------------------------------------------------------
 */

/* What browsers send along with a request to somebody's own machine from somewhere else's page.
 * Changing anything from there is refused: these paths know no signatures. */
static bool local_is_foreign_page(const struct http_exchange *exchange)
{
    struct str origin = http_field_get(exchange, STR("origin"));
    if (str_is_absent(origin))
        return false;
    size_t host = str_find(origin, STR("//"));
    return host == SIZE_MAX ||
           !str_eq(str_slice(origin, host + 2, origin.len), http_field_get(exchange, STR("host")));
}

/* A path that ends with '/' stands for all that begin with it. */
static bool local_page_is(const struct service_page *page, struct str path)
{
    if (str_ends_with(page->path, STR("/")))
        return str_starts_with(path, page->path);
    return str_eq(page->path, path);
}

static bool local_service_page(struct local *local)
{
    struct cloud *cloud = local->server->cloud;
    for (size_t i = 0; server_services[i] != NULL; i++) {
        const struct service_hooks *hooks = server_services[i];
        for (size_t p = 0; p < hooks->page_count; p++) {
            if (!local_page_is(&hooks->pages[p], local->exchange->path))
                continue;
            struct wire_header *headers =
                ARENA_ARRAY(local->arena, local->exchange->field_count + 1, struct wire_header);
            for (size_t h = 0; h < local->exchange->field_count; h++)
                headers[h] = (struct wire_header){local->exchange->fields[h].name,
                                                  local->exchange->fields[h].value};
            struct wire_request request = {
                .method = local->exchange->method,
                .path = local->exchange->path,
                .query = local->exchange->query,
                .headers = headers,
                .header_count = local->exchange->field_count,
                .body = local->exchange->body,
            };
            struct call call = {
                .arena = local->arena,
                .cloud = cloud,
                .model = hooks->model,
                .account = STR("000000000000"),
                .region = cloud->default_region,
                .partition = STR("aws"),
                .principal = {.kind = PRINCIPAL_SERVICE},
                .request = &request,
                .endpoint = cloud->endpoint,
                .now_ms = clock_now(cloud->clock),
            };
            struct wire_response response = {0};
            enum result result = kv_begin(cloud->kv, false, &call.txn);
            if (result == RESULT_OK) {
                result = hooks->pages[p].answer(&call, &response);
                buf_append(&local->out, response.body); /* may be borrowed from the transaction */
                kv_abort(call.txn);
            }
            local_result(local, result);
            if (result == RESULT_OK && response.status != 0)
                local->status = response.status;
            for (size_t h = 0; h < response.header_count; h++)
                if (str_eq_nocase(response.headers[h].name, STR("content-type")))
                    local->content_type = response.headers[h].value;
            return true;
        }
    }
    return false;
}

static const struct {
    struct str path;
    bool changes;
    void (*answer)(struct local *local);
} local_pages[] = {
    {STR_INIT("/_localstack/health"), false, local_health},
    {STR_INIT("/_localstack/info"), false, local_info},
    {STR_INIT("/_localstack/init"), false, local_init},
    {STR_INIT("/_localstack/init/boot"), false, local_init},
    {STR_INIT("/_localstack/init/start"), false, local_init},
    {STR_INIT("/_localstack/init/ready"), false, local_init},
    {STR_INIT("/_localstack/init/shutdown"), false, local_init},
    {STR_INIT("/_localstack/state/reset"), true, local_reset},
    {STR_INIT("/_kumoniwa/status"), false, local_status},
    {STR_INIT("/_kumoniwa/services"), false, local_services},
    {STR_INIT("/_kumoniwa/metrics"), false, local_metrics},
    {STR_INIT("/_kumoniwa/logs"), false, local_logs},
    {STR_INIT("/_kumoniwa/iam/explain"), false, local_explain},
    {STR_INIT("/_kumoniwa/clock"), false, local_clock},
    {STR_INIT("/_kumoniwa/credentials"), true, local_credentials},
};

static void local_choose(struct local *local)
{
    struct http_exchange *exchange = local->exchange;
    bool reads = str_eq(exchange->method, STR("GET")) || str_eq(exchange->method, STR("HEAD"));
    for (size_t i = 0; i < sizeof local_pages / sizeof local_pages[0]; i++) {
        if (!str_eq(local_pages[i].path, exchange->path))
            continue;
        if (!reads && local_is_foreign_page(exchange))
            local_error(local, 403, STR("a page of another origin may not change anything here"));
        else if (local_pages[i].changes && reads)
            local_error(local, 405, STR("this changes something: use POST or DELETE"));
        else
            local_pages[i].answer(local);
        return;
    }
    if (!local_service_page(local))
        local_error(local, 404, STR("there is no such page"));
}

void local_answer(struct server *server, struct http_exchange *exchange)
{
    struct local local = {
        .server = server,
        .exchange = exchange,
        .arena = exchange->arena,
        .status = 200,
        .content_type = STR("application/json"),
    };
    buf_init(&local.out, exchange->arena, 64 * 1024 * 1024);
    local_choose(&local);
    struct http_field *type = ARENA_NEW(exchange->arena, struct http_field);
    *type = (struct http_field){STR("Content-Type"), local.content_type};
    struct http_body body = {.bytes = buf_str(&local.out)};
    http_respond(exchange, local.status, type, 1, &body);
}
