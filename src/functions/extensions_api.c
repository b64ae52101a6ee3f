/* "Using the Lambda Extensions API to create extensions", AWS Lambda Developer Guide. External
 * extensions are the programs in /opt/extensions, started before the runtime; internal ones run in
 * the runtime's process and are whoever registers besides. */
#include "functions/functions_int.h"

#include <unistd.h>

#include "base/rng.h"
#include "base/time.h"
#include "wire/json_text.h"
#include "wire/wire.h"

enum { SHUTDOWN_MS = 2000 };

static bool is_registered(const struct extension *extension)
{
    return extension->id[0] != '\0';
}

bool extensions_registered(const struct environment *environment)
{
    for (size_t i = 0; i < environment->extension_count; i++)
        if (!is_registered(&environment->extensions[i]))
            return false;
    return true;
}

bool extensions_ready(const struct environment *environment)
{
    for (size_t i = 0; i < environment->extension_count; i++)
        if (!environment->extensions[i].asked)
            return false;
    return true;
}

static void resume(const struct extension *extension)
{
    if (extension->next != NULL)
        http_resume(extension->next);
}

void extensions_invoke(struct environment *environment)
{
    for (size_t i = 0; i < environment->extension_count; i++) {
        struct extension *extension = &environment->extensions[i];
        if (!extension->invoke)
            continue;
        if (extension->run != NULL)
            run_release(extension->run);
        extension->run = environment->run;
        run_ref(extension->run);
        extension->asked = false;
        resume(extension);
    }
}

void extensions_forget(struct environment *environment)
{
    for (size_t i = 0; i < environment->extension_count; i++) {
        struct extension *extension = &environment->extensions[i];
        resume(extension);
        extension->next = NULL;
        if (extension->run != NULL)
            run_release(extension->run);
        extension->run = NULL;
    }
    environment->extension_count = 0;
}

bool extensions_shutdown(struct environment *environment)
{
    bool any = false;
    telemetry_flush(environment);
    for (size_t i = 0; i < environment->extension_count; i++) {
        struct extension *extension = &environment->extensions[i];
        if (!extension->shutdown || !is_registered(extension))
            continue;
        any = true;
        extension->wants_shutdown = true;
        resume(extension);
    }
    return any;
}

/* "NAME STATUS" for each that has ended. Outside of a shutdown that ends the environment. */
void extensions_exited(struct environment *environment)
{
    char text[512];
    ssize_t got = read(environment->exits, text, sizeof text);
    if (got <= 0) {
        close(environment->exits);
        environment->exits = -1;
        return;
    }
    struct str line, rest = str_make(text, (size_t)got);
    bool crashed = false;
    while (str_cut(rest, '\n', &line, &rest)) {
        size_t blank = str_find_last_char(line, ' ');
        struct str name = str_slice(line, 0, blank);
        for (size_t i = 0; i < environment->extension_count; i++) {
            struct extension *extension = &environment->extensions[i];
            if (!str_eq(extension->name, name) || environment->phase == ENVIRONMENT_ENDING)
                continue;
            if (str_is_absent(extension->error))
                extension->error = STR("Extension.Crash");
            crashed = true;
        }
    }
    if (crashed && environment->sandbox != NULL)
        sandbox_kill(environment->sandbox);
}

void extensions_closed(struct environment *environment, struct http_exchange *exchange)
{
    for (size_t i = 0; i < environment->extension_count; i++)
        if (environment->extensions[i].next == exchange)
            environment->extensions[i].next = NULL;
}

/* --- register --- */

static bool read_events(struct extension *extension, const struct http_exchange *exchange,
                        struct api_reply *reply)
{
    struct arena *arena = exchange->arena;
    struct str list, raw, name;
    if (str_is_empty(exchange->body))
        return true;
    if (!json_is_valid(exchange->body)) {
        api_error(reply, 400, "InvalidRequestFormat", "The body is not JSON");
        return false;
    }
    if (!json_member(arena, exchange->body, STR("events"), &list))
        return true;
    while (json_next_item(&list, &raw)) {
        if (!json_string(arena, raw, &name))
            name = (struct str){0};
        if (str_eq(name, STR("INVOKE"))) {
            extension->invoke = true;
        } else if (str_eq(name, STR("SHUTDOWN")) && !extension->internal) {
            extension->shutdown = true;
        } else {
            api_error(reply, 400, "Extension.InvalidEventType",
                      str_eq(name, STR("SHUTDOWN"))
                          ? "SHUTDOWN event is not supported for internal extensions"
                          : "Invalid event type");
            return false;
        }
    }
    return true;
}

static void put_json(struct buf *out, const char *name, struct str value)
{
    buf_append_format(out, "%s\"%s\":", out->len > 1 ? "," : "", name);
    wire_json_write_string(out, value);
}

static void tell_function(const struct environment *environment,
                          const struct http_exchange *exchange, struct api_reply *reply)
{
    const struct function_spec *spec = &environment->held->spec;
    struct buf out;
    buf_init(&out, exchange->arena, 4096);
    buf_append_char(&out, '{');
    put_json(&out, "functionName", spec->name);
    put_json(&out, "functionVersion", spec->version);
    put_json(&out, "handler", str_is_absent(spec->handler) ? STR("") : spec->handler);
    struct str feature = http_field_get(exchange, STR("Lambda-Extension-Accept-Feature"));
    if (str_find(feature, STR("accountId")) != SIZE_MAX)
        put_json(&out, "accountId", spec->account);
    buf_append_char(&out, '}');
    reply->body = buf_str(&out);
    reply->status = 200;
}

static struct extension *find_named(struct environment *environment, struct str name)
{
    for (size_t i = 0; i < environment->extension_count; i++)
        if (str_eq(environment->extensions[i].name, name))
            return &environment->extensions[i];
    return NULL;
}

static void serve_register(struct environment *environment, struct http_exchange *exchange,
                           struct api_reply *reply)
{
    struct str name = http_field_get(exchange, STR("Lambda-Extension-Name"));
    if (str_is_empty(name)) {
        api_error(reply, 400, "Extension.MissingHeader", "Lambda-Extension-Name is missing");
        return;
    }
    struct extension *known = find_named(environment, name);
    if (environment->phase != ENVIRONMENT_STARTING || environment->asked ||
        (known != NULL && is_registered(known))) {
        api_error(reply, 403, "Extension.RegistrationClosed",
                  known != NULL ? "Extension is registered already"
                                : "Extension registration closed already");
        return;
    }
    if (known == NULL && environment->extension_count == EXTENSIONS_MAX) {
        api_error(reply, 400, "Extension.TooManyExtensions", "Extension limit (10) reached");
        return;
    }
    struct extension made = known != NULL ? *known : (struct extension){.internal = true};
    if (!read_events(&made, exchange, reply))
        return;
    rng_uuid(made.id);
    if (known == NULL) {
        made.name = str_copy(environment->arena, name);
        known = &environment->extensions[environment->extension_count++];
    }
    *known = made;
    reply->fields[reply->field_count++] =
        (struct http_field){STR("Content-Type"), STR("application/json")};
    reply->fields[reply->field_count++] =
        (struct http_field){STR("Lambda-Extension-Identifier"),
                            str_copy(exchange->arena, str_make(made.id, sizeof made.id))};
    tell_function(environment, exchange, reply);
    report_extension(environment, known, "Registered");
    if (environment->go >= 0 && extensions_registered(environment) &&
        write(environment->go, "\n", 1) == 1) {
        close(environment->go);
        environment->go = -1;
    }
}

/* --- event/next --- */

static struct str event_text(struct environment *environment, struct extension *extension,
                             struct arena *arena)
{
    struct buf out;
    buf_init(&out, arena, 65536);
    buf_append_char(&out, '{');
    if (extension->run == NULL) {
        put_json(&out, "eventType", STR("SHUTDOWN"));
        put_json(&out, "shutdownReason", str_from_c(environment->ending));
        buf_append_format(&out, ",\"deadlineMs\":%lld}", (long long)time_wall_ms() + SHUTDOWN_MS);
        return buf_str(&out);
    }
    const struct function_event *event = &extension->run->event;
    put_json(&out, "eventType", STR("INVOKE"));
    buf_append_format(&out, ",\"deadlineMs\":%lld",
                      (long long)time_wall_ms() + environment->held->spec.timeout_ms);
    put_json(&out, "requestId", event->request_id);
    put_json(&out, "invokedFunctionArn", event->invoked_arn);
    buf_append(&out, STR(",\"tracing\":{\"type\":\"X-Amzn-Trace-Id\",\"value\":"));
    wire_json_write_string(&out, event->trace_id);
    buf_append(&out, STR("}}"));
    return buf_str(&out);
}

static void serve_event(struct environment *environment, struct extension *extension,
                        struct http_exchange *exchange, struct api_reply *reply)
{
    if (extension->next != NULL && extension->next != exchange) {
        api_error(reply, 403, "Extension.InvalidExtensionState",
                  "The extension asks for an event already");
        return;
    }
    extension->next = NULL;
    if (extension->run == NULL && !extension->wants_shutdown) {
        bool first = !extension->asked;
        extension->asked = true;
        if (first && environment->phase == ENVIRONMENT_STARTING)
            report_extension(environment, extension, "Ready");
        if (first)
            environment_asked(environment);
    }
    if (extension->run == NULL && !extension->wants_shutdown) {
        extension->next = exchange;
        reply->wait = true;
        return;
    }
    char *id = arena_alloc(exchange->arena, 36);
    rng_uuid(id);
    reply->status = 200;
    reply->fields[reply->field_count++] =
        (struct http_field){STR("Content-Type"), STR("application/json")};
    reply->fields[reply->field_count++] =
        (struct http_field){STR("Lambda-Extension-Event-Identifier"), str_make(id, 36)};
    reply->body = event_text(environment, extension, exchange->arena);
    if (extension->run != NULL)
        run_release(extension->run);
    else
        extension->wants_shutdown = false;
    extension->run = NULL;
}

/* --- errors --- */

static void serve_failure(struct environment *environment, struct extension *extension,
                          const struct http_exchange *exchange, struct api_reply *reply)
{
    struct str type = http_field_get(exchange, STR("Lambda-Extension-Function-Error-Type"));
    if (str_is_empty(type)) {
        api_error(reply, 400, "Extension.MissingHeader",
                  "Lambda-Extension-Function-Error-Type is missing");
        return;
    }
    extension->error = str_copy(environment->arena, type);
    report_extension(environment, extension,
                     str_ends_with(exchange->path, STR("/init/error")) ? "LaunchError"
                                                                       : "ExitError");
    reply->status = 202;
    reply->body = STR("{\"status\":\"OK\"}\n");
    if (environment->sandbox != NULL && environment->phase != ENVIRONMENT_ENDING)
        sandbox_kill(environment->sandbox);
}

static struct extension *find_identified(struct environment *environment, struct str id)
{
    for (size_t i = 0; i < environment->extension_count; i++) {
        struct extension *extension = &environment->extensions[i];
        if (is_registered(extension) && str_eq(str_make(extension->id, 36), id))
            return extension;
    }
    return NULL;
}

void extensions_serve(struct environment *environment, struct http_exchange *exchange,
                      struct api_reply *reply)
{
    struct str path = exchange->path;
    bool get = str_eq(exchange->method, STR("GET")), post = str_eq(exchange->method, STR("POST"));
    if (post && str_eq(path, STR("/2020-01-01/extension/register"))) {
        serve_register(environment, exchange, reply);
        return;
    }
    bool subscribes =
        str_eq(exchange->method, STR("PUT")) &&
        (str_eq(path, STR("/2022-07-01/telemetry")) || str_eq(path, STR("/2020-08-15/logs")));
    bool next = get && str_eq(path, STR("/2020-01-01/extension/event/next"));
    bool fails = post && (str_eq(path, STR("/2020-01-01/extension/init/error")) ||
                          str_eq(path, STR("/2020-01-01/extension/exit/error")));
    if (!subscribes && !next && !fails) {
        api_error(reply, 404, "NotFound", "There is no such path in the Extensions API");
        return;
    }
    struct str id = http_field_get(exchange, STR("Lambda-Extension-Identifier"));
    struct extension *extension = find_identified(environment, id);
    if (extension == NULL)
        api_error(reply, 403,
                  str_is_empty(id) ? "Extension.MissingExtensionIdentifier"
                                   : "Extension.UnknownExtensionIdentifier",
                  str_is_empty(id) ? "Missing Lambda-Extension-Identifier header"
                                   : "Unknown extension");
    else if (next)
        serve_event(environment, extension, exchange, reply);
    else if (fails)
        serve_failure(environment, extension, exchange, reply);
    else
        telemetry_subscribe(environment, exchange, extension->name, reply);
}
