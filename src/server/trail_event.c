#include "server/trail_event.h"

#include "base/time.h"
#include "cloud/arn.h"
#include "cloud/authorize.h"
#include "cloud/clock.h"
#include "cloud/session.h"
#include "cloud/trail.h"

enum { EVENT_PART_MAX = 100 << 10 }; /* of parameters and answer: longer ones are left out */

static const struct service_hooks *event_hooks(const struct request *request)
{
    const struct service_hooks *const *hooks = request->call.cloud->hooks;
    for (size_t i = 0; hooks[i] != NULL; i++)
        if (hooks[i]->model == request->route.model)
            return hooks[i];
    return NULL;
}

static struct str event_name(const struct request *request)
{
    const struct service_hooks *hooks = event_hooks(request);
    const struct wire_model *model = request->route.model;
    struct str name = wire_string(model, model->operations[request->route.operation].name);
    return hooks == NULL || hooks->trail_data == NULL || hooks->trail_data->name == NULL
               ? name
               : hooks->trail_data->name(name);
}

/* NULL: a management event. */
static const struct trail_data *event_data(const struct request *request)
{
    const struct service_hooks *hooks = event_hooks(request);
    const struct trail_data *data = hooks == NULL ? NULL : hooks->trail_data;
    for (size_t i = 0; data != NULL && i < data->count; i++)
        if (data->operations[i] == (uint32_t)request->route.operation)
            return data;
    return NULL;
}

/* Whoever is unknown and what nobody has code for makes no event. */
static bool event_is_one(const struct request *request)
{
    const struct cloud *cloud = request->call.cloud;
    if (!request->routed || request->route.operation < 0 || cloud->trail == NULL ||
        request->call.principal.kind == PRINCIPAL_SERVICE || request->in == NULL ||
        request->route.model->functions[request->route.operation] == NULL)
        return false;
    const struct trail_data *data = event_data(request);
    return data == NULL || (!str_is_absent(data->type) && trail_wants_data(cloud->trail));
}

static const struct wire_operation *event_operation(const struct request *request)
{
    return &request->route.model->operations[request->route.operation];
}

static bool event_is_read_only(const struct request *request)
{
    static const struct str verbs[] = {
        STR_INIT("Get"),    STR_INIT("List"),   STR_INIT("Describe"), STR_INIT("Head"),
        STR_INIT("Lookup"), STR_INIT("Search"), STR_INIT("Simulate")};
    /* The model's flag says how a transaction begins: some of these read until they write. */
    static const struct str writing[] = {
        STR_INIT("Create"), STR_INIT("Update"), STR_INIT("Publish"), STR_INIT("Put"),
        STR_INIT("Copy"),   STR_INIT("Upload"), STR_INIT("Invoke")};
    const struct wire_operation *operation = event_operation(request);
    struct str name = wire_string(request->route.model, operation->name);
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (str_starts_with(name, verbs[i]))
            return true;
    for (size_t i = 0; i < sizeof writing / sizeof writing[0]; i++)
        if (str_starts_with(name, writing[i]))
            return false;
    return (operation->flags & WIRE_OP_READ_ONLY) != 0;
}

/* --- JSON --- */

/* name: ,"NAME": of which the comma goes where it is the first. */
static void put_name(struct buf *out, struct str name)
{
    bool first = out->len == 0 || out->ptr[out->len - 1] == '{';
    buf_append(out, first ? str_slice(name, 1, name.len) : name);
}

static void put_text(struct buf *out, struct str name, struct str text)
{
    put_name(out, name);
    wire_json_write_string(out, text);
}

static void put_value(struct buf *out, struct str name, struct str text)
{
    put_name(out, name);
    buf_append(out, text);
}

#define put_member(out, name, text) put_text(out, STR(",\"" name "\":"), text)
#define put_raw(out, name, text) put_value(out, STR(",\"" name "\":"), text)

static struct str event_time(struct arena *arena, int64_t ms)
{
    struct buf text;
    buf_init(&text, arena, 64);
    time_format_iso8601(&text, ms / 1000 * 1000);
    return buf_str(&text);
}

/* A structure's members; null when it has none or is too long. */
static struct str event_describe(struct arena *arena, const struct wire_model *model,
                                 uint16_t shape, const void *value)
{
    struct buf text;
    buf_init(&text, arena, EVENT_PART_MAX);
    if (wire_json_describe(&text, model, shape, value) != RESULT_OK || text.len <= 2)
        return STR("null");
    return buf_str(&text);
}

/* --- who --- */

static const char *identity_type(const struct principal *who)
{
    switch (who->kind) {
    case PRINCIPAL_ROOT:
        return "Root";
    case PRINCIPAL_USER:
        return "IAMUser";
    case PRINCIPAL_ROLE_SESSION:
        return "AssumedRole";
    case PRINCIPAL_FEDERATED:
        return "FederatedUser";
    case PRINCIPAL_ANONYMOUS:
        return "AWSAccount";
    case PRINCIPAL_SERVICE:
        break;
    }
    return "AWSService";
}

static struct str identity_user(const struct principal *who)
{
    if (who->kind == PRINCIPAL_ROOT)
        return STR("root");
    if (who->session != NULL && !str_is_absent(who->session->name))
        return who->session->name;
    return who->name;
}

static void put_session(struct arena *arena, struct buf *out, const struct principal *who)
{
    const struct session *session = who->session;
    put_raw(out, "sessionContext", STR("{"));
    if (!str_is_absent(session->role_arn)) {
        struct arn arn;
        put_raw(out, "sessionIssuer", STR("{"));
        put_member(out, "type", STR("Role"));
        put_member(out, "principalId", session->role_id);
        put_member(out, "arn", session->role_arn);
        if (arn_parse(session->role_arn, &arn)) {
            put_member(out, "accountId", arn.account);
            put_member(out, "userName",
                       str_slice(arn.resource, str_find_last_char(arn.resource, '/') + 1,
                                 arn.resource.len));
        }
        buf_append(out, STR("}"));
    }
    if (!str_is_absent(session->source_identity))
        put_member(out, "sourceIdentity", session->source_identity);
    if (session_is_root_task(who)) /* "Track privileged tasks in CloudTrail" */
        put_member(out, "assumedRoot", STR("true"));
    put_raw(out, "attributes", STR("{"));
    put_member(out, "creationDate", event_time(arena, session->issued_ms));
    put_member(out, "mfaAuthenticated", session->mfa ? STR("true") : STR("false"));
    buf_append(out, STR("}}"));
}

static void put_identity(struct arena *arena, struct buf *out, const struct principal *who)
{
    put_raw(out, "userIdentity", STR("{"));
    put_member(out, "type", str_from_c(identity_type(who)));
    if (who->kind == PRINCIPAL_ANONYMOUS) {
        put_member(out, "principalId", STR(""));
        put_member(out, "accountId", STR("anonymous"));
    } else {
        put_member(out, "principalId", who->user_id);
        put_member(out, "arn", who->arn);
        put_member(out, "accountId", who->account);
        put_member(out, "accessKeyId", who->access_key);
    }
    if (who->kind == PRINCIPAL_USER)
        put_member(out, "userName", who->name);
    if (who->session != NULL)
        put_session(arena, out, who);
    buf_append(out, STR("}"));
}

/* --- the event --- */

void trail_event_reply(struct request *request, const void *out)
{
    const struct wire_operation *operation = event_operation(request);
    struct arena *arena = request->exchange->arena;
    if (!event_is_one(request) || event_is_read_only(request))
        return;
    request->told = ARENA_NEW(arena, struct cloud_trail_event);
    trail_resources(arena, request->route.model, operation->output, out, request->told);
    request->told->text = event_describe(arena, request->route.model, operation->output, out);
}

static void put_resources(struct buf *out, const struct cloud_trail_event *event)
{
    bool first = true;
    if (event->resources.len == 0)
        return;
    put_raw(out, "resources", STR("["));
    for (size_t i = 0; i < event->resources.len; i++) {
        struct arn arn;
        if (!arn_parse(event->resources.items[i], &arn))
            continue;
        buf_append(out, first ? STR("{") : STR(",{"));
        first = false;
        put_member(out, "accountId", str_is_empty(arn.account) ? event->account : arn.account);
        put_member(out, "ARN", event->resources.items[i]);
        put_member(out, "type", event->resource_types.items[i]);
        buf_append(out, STR("}"));
    }
    buf_append(out, STR("]"));
}

static struct str event_text(struct request *request, const struct cloud_trail_event *event,
                             struct str parameters, struct str answer, struct str error)
{
    struct call *call = &request->call;
    struct arena *arena = request->exchange->arena;
    struct buf out;
    buf_init(&out, arena, EVENT_PART_MAX * 2 + 16384);
    (void)buf_reserve(&out, 1536 + parameters.len + answer.len);
    buf_append(&out, STR("{"));
    put_member(&out, "eventVersion", STR("1.11"));
    put_identity(arena, &out, &call->principal);
    put_member(&out, "eventTime", event_time(arena, event->time_ms));
    put_member(&out, "eventSource", event->source);
    put_member(&out, "eventName", event->name);
    put_member(&out, "awsRegion", event->region);
    put_member(&out, "sourceIPAddress", call->source_ip);
    put_member(&out, "userAgent", wire_request_header(&request->wire, STR("user-agent")));
    if (!str_is_absent(error)) {
        put_member(&out, "errorCode", error);
        put_member(&out, "errorMessage", request->message);
    }
    put_raw(&out, "requestParameters", parameters);
    put_raw(&out, "responseElements", answer);
    put_member(&out, "requestID", call->request_id);
    put_member(&out, "eventID", event->id);
    put_raw(&out, "readOnly", event->read_only ? STR("true") : STR("false"));
    put_resources(&out, event);
    put_member(&out, "eventType", STR("AwsApiCall"));
    put_raw(&out, "managementEvent", str_is_absent(event->data_type) ? STR("true") : STR("false"));
    put_member(&out, "recipientAccountId", event->account);
    put_member(&out, "eventCategory",
               str_is_absent(event->data_type) ? STR("Management") : STR("Data"));
    buf_append(&out, STR("}"));
    return buf_str(&out);
}

/* "streams.dynamodb" and "dynamodb" are one to CloudTrail. */
static struct str event_source(struct arena *arena, const struct wire_model *model)
{
    struct str name = model->endpoint_prefix, before, after;
    while (str_cut(name, '.', &before, &after))
        name = after;
    return str_concat(arena, name, STR(".amazonaws.com"));
}

/* Events of services without regions stand in us-east-1. */
static struct str event_region(const struct request *request)
{
    struct str name = request->route.model->name;
    bool global = str_eq(name, STR("iam")) || str_eq(name, STR("organizations"));
    return global ? STR("us-east-1") : request->call.region;
}

/* The resources of a data call. */
static void event_use(struct request *request, const struct trail_data *data,
                      struct cloud_trail_event *event)
{
    struct call *call = &request->call;
    struct arena *arena = request->exchange->arena;
    struct str_list used = {0};
    if (data->resources != NULL)
        used = data->resources(call, arena, (uint32_t)request->route.operation, request->in);
    if (used.len == 0) {
        struct str resource = authorize_resource(call, request->in);
        if (str_is_absent(resource))
            return;
        used = (struct str_list){.items = ARENA_NEW(arena, struct str), .len = 1};
        used.items[0] = resource;
    }
    event->resources = used;
    event->resource_types =
        (struct str_list){.items = ARENA_ARRAY(arena, used.len, struct str), .len = used.len};
    for (size_t i = 0; i < used.len; i++)
        event->resource_types.items[i] = data->type;
}

void trail_event_end(struct request *request, struct str error)
{
    struct call *call = &request->call;
    struct arena *arena = request->exchange->arena;
    if (!event_is_one(request))
        return;
    const struct wire_model *model = request->route.model;
    const struct wire_operation *operation = event_operation(request);
    const struct trail_data *data = event_data(request);
    int64_t now_ms = clock_now(call->cloud->clock);
    struct cloud_trail_event event = {
        .id = trail_event_id(arena, now_ms),
        .account = call->account,
        .region = event_region(request),
        .time_ms = now_ms,
        .source = event_source(arena, model),
        .name = event_name(request),
        .user = identity_user(&call->principal),
        .access_key = call->principal.access_key,
        .read_only = event_is_read_only(request),
    };
    bool failed = !str_is_absent(error) || request->told == NULL;
    if (!failed) {
        event.resources = request->told->resources;
        event.resource_types = request->told->resource_types;
    }
    trail_resources(arena, model, operation->input, request->in, &event);
    if (data != NULL) {
        event.data_type = data->type;
        event_use(request, data, &event);
    }
    struct str parameters = {0};
    if (data != NULL && data->tell != NULL)
        parameters = data->tell(call, arena, (uint32_t)request->route.operation, request->in);
    if (str_is_absent(parameters))
        parameters = event_describe(arena, model, operation->input, request->in);
    bool silent = failed || (data != NULL && data->is_silent != NULL &&
                             data->is_silent((uint32_t)request->route.operation));
    event.text =
        event_text(request, &event, parameters, silent ? STR("null") : request->told->text, error);
    trail_append(call->cloud->trail, arena, &event);
}
