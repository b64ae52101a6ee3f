/* What the platform says of environments and runs: as text, as JSON ("Configuring JSON and plain
 * text log formats"), and to telemetry ("Lambda Telemetry API Event schema reference"). */
#include "functions/functions_int.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/encode.h"
#include "base/time.h"
#include "wire/wire.h"

/* Which event has which: "Log-level filtering", "System log level event mapping". */
enum report_level { LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARN };

static int64_t now_ms(const struct environment *environment)
{
    const struct functions_config *config = &environment->functions->config;
    return config->now_ms(config->context);
}

/* Whether a record of JSON is wanted at all, by the log or by who subscribed. */
static bool wants_record(const struct environment *environment)
{
    return environment->held->spec.log_json || telemetry_wanted(environment, LINE_PLATFORM);
}

static enum report_level least(const struct function_spec *spec)
{
    if (str_eq_nocase(spec->platform_level, STR("DEBUG")))
        return LEVEL_DEBUG;
    return str_eq_nocase(spec->platform_level, STR("WARN")) ? LEVEL_WARN : LEVEL_INFO;
}

/* record: its JSON. */
static void tell_record(struct environment *environment, enum report_level level, const char *type,
                        struct arena *arena, struct str record)
{
    int64_t now = now_ms(environment);
    if (telemetry_wanted(environment, LINE_PLATFORM))
        telemetry_put(environment, type, record, now);
    if (!environment->held->spec.log_json || level < least(&environment->held->spec))
        return;
    struct buf line;
    buf_init(&line, arena, LINE_BYTES);
    buf_append(&line, STR("{\"time\":\""));
    time_format_iso8601(&line, now);
    buf_append_format(&line, "\",\"type\":\"%s\",\"record\":%.*s}", type, PRSTR(record));
    environment_line(environment, LINE_PLATFORM, now, buf_str(&line));
}

static void tell_text(struct environment *environment, struct str text)
{
    if (!environment->held->spec.log_json)
        environment_line(environment, LINE_PLATFORM, now_ms(environment), text);
}

static const char *kind_of(const struct environment *environment)
{
    return environment->made_to_keep ? "provisioned-concurrency" : "on-demand";
}

static const char *phase_of(const struct environment *environment)
{
    return environment->attempt > 0 ? "invoke" : "init";
}

static struct str runtime_version(struct arena *arena, const struct function_spec *spec,
                                  struct str *arn)
{
    /* "python3.12" is AWS's "python:3.12.v18": its numbers are AWS's own, ours is this version. */
    struct str name = str_is_empty(spec->runtime) ? STR("image") : spec->runtime;
    size_t digit = 0;
    while (digit < name.len && (name.ptr[digit] < '0' || name.ptr[digit] > '9'))
        digit++;
    uint8_t sum[SHA256_SIZE];
    digest_sha256(name, sum);
    struct buf hex;
    buf_init(&hex, arena, 64);
    hex_encode(&hex, str_make((const char *)sum, sizeof sum));
    *arn = str_format(arena, "arn:aws:lambda:%.*s::runtime:%.*s", PRSTR(spec->region),
                      PRSTR(buf_str(&hex)));
    return str_format(arena, "%.*s:%.*s.v1", (int)digit, name.ptr, (int)(name.len - digit),
                      name.ptr + digit);
}

void report_init_start(struct environment *environment)
{
    const struct function_spec *spec = &environment->held->spec;
    struct arena *arena = arena_new(2048);
    struct str arn;
    struct str version = runtime_version(arena, spec, &arn);
    if (environment->attempt == 0)
        tell_text(environment,
                  str_format(arena, "INIT_START Runtime Version: %.*s\tRuntime Version ARN: %.*s",
                             PRSTR(version), PRSTR(arn)));
    if (wants_record(environment))
        tell_record(environment, LEVEL_INFO, "platform.initStart", arena,
                    str_format(arena,
                               "{\"initializationType\":\"%s\",\"phase\":\"%s\","
                               "\"runtimeVersion\":\"%.*s\",\"runtimeVersionArn\":\"%.*s\","
                               "\"functionName\":\"%.*s\",\"functionVersion\":\"%.*s\"}",
                               kind_of(environment), phase_of(environment), PRSTR(version),
                               PRSTR(arn), PRSTR(spec->name), PRSTR(spec->version)));
    arena_free(arena);
}

static struct str error_member(struct arena *arena, struct str error)
{
    if (str_is_empty(error))
        return STR("");
    struct buf out;
    buf_init(&out, arena, 1024);
    buf_append(&out, STR(",\"errorType\":"));
    wire_json_write_string(&out, error);
    return buf_str(&out);
}

void report_init_end(struct environment *environment, const char *status, const char *error)
{
    bool good = strcmp(status, "success") == 0;
    bool timeout = error != NULL && strcmp(error, "Sandbox.Timedout") == 0;
    double ms = (double)(time_monotonic_ns() - environment->begun_ns) / 1e6;
    struct arena *arena = arena_new(1024);
    if (timeout)
        status = "timeout";
    if (!good)
        tell_text(environment,
                  str_format(arena, "INIT_REPORT Init Duration: %.2f ms\tPhase: %s\tStatus: %s%s%s",
                             ms, phase_of(environment), status,
                             timeout || error == NULL ? "" : "\tError Type: ",
                             timeout || error == NULL ? "" : error));
    if (wants_record(environment)) {
        struct str also = timeout ? STR("") : error_member(arena, str_from_c(error));
        tell_record(environment, good ? LEVEL_DEBUG : LEVEL_WARN, "platform.initRuntimeDone", arena,
                    str_format(arena,
                               "{\"initializationType\":\"%s\",\"phase\":\"%s\","
                               "\"status\":\"%s\"%.*s}",
                               kind_of(environment), phase_of(environment), status, PRSTR(also)));
        enum report_level quiet = environment->made_to_keep ? LEVEL_INFO : LEVEL_DEBUG;
        tell_record(environment, good ? quiet : LEVEL_WARN, "platform.initReport", arena,
                    str_format(arena,
                               "{\"initializationType\":\"%s\",\"metrics\":{\"durationMs\":%.3f},"
                               "\"phase\":\"%s\",\"status\":\"%s\"%.*s}",
                               kind_of(environment), ms, phase_of(environment), status,
                               PRSTR(also)));
    }
    arena_free(arena);
}

void report_start(struct environment *environment, struct function_run *run)
{
    const struct function_spec *spec = &environment->held->spec;
    char line[256];
    struct buf text;
    buf_init_fixed(&text, line, sizeof line);
    buf_append(&text, STR("START RequestId: "));
    buf_append(&text, run->event.request_id);
    buf_append(&text, STR(" Version: "));
    buf_append(&text, spec->version);
    tell_text(environment, buf_str(&text));
    if (!wants_record(environment))
        return;
    struct arena *arena = arena_new(1024);
    tell_record(environment, LEVEL_INFO, "platform.start", arena,
                str_format(arena, "{\"requestId\":\"%.*s\",\"version\":\"%.*s\"}",
                           PRSTR(run->event.request_id), PRSTR(spec->version)));
    arena_free(arena);
}

/* Number of a trace: "Root=1-...". Absent when it is not sampled. */
static bool sampled(struct str trace, struct str *root, struct str *parent)
{
    struct str part, rest = trace;
    bool yes = false;
    *root = *parent = (struct str){0};
    while (!str_is_absent(rest)) {
        if (!str_cut(rest, ';', &part, &rest))
            rest = (struct str){0};
        if (str_starts_with(part, STR("Root=")))
            *root = str_slice(part, 5, part.len);
        else if (str_starts_with(part, STR("Parent=")))
            *parent = str_slice(part, 7, part.len);
        else if (str_eq(part, STR("Sampled=1")))
            yes = true;
    }
    return yes && !str_is_absent(*root);
}

static void report_text(struct environment *environment, const struct function_run *run,
                        const char *status, struct str error)
{
    const struct function_result *result = &run->ended;
    char line[640];
    struct buf text;
    buf_init_fixed(&text, line, sizeof line);
    buf_append(&text, STR("END RequestId: "));
    buf_append(&text, run->event.request_id);
    tell_text(environment, buf_str(&text));
    buf_clear(&text);
    buf_append(&text, STR("REPORT RequestId: "));
    buf_append(&text, run->event.request_id);
    buf_append_format(&text,
                      "\tDuration: %.2f ms\tBilled Duration: %lld ms\tMemory Size: %u MB\t"
                      "Max Memory Used: %lld MB\t",
                      (double)result->duration_us / 1000, (long long)result->billed_ms,
                      environment->held->spec.memory_mb, (long long)result->max_memory_mb);
    if (result->init_us >= 0)
        buf_append_format(&text, "Init Duration: %.2f ms\t", (double)result->init_us / 1000);
    /* An error that the function itself reported is not the platform's to tell. */
    bool platform = str_starts_with(error, STR("Runtime.")) ||
                    str_starts_with(error, STR("Extension.")) ||
                    str_starts_with(error, STR("Function."));
    if (status != NULL && (str_is_empty(error) || platform)) {
        buf_append_format(&text, "Status: %s", status);
        if (!str_is_empty(error))
            buf_append_format(&text, "\tError Type: %.*s", PRSTR(error));
    }
    struct str root, parent;
    if (sampled(run->event.trace_id, &root, &parent))
        buf_append_format(&text, "\nXRAY TraceId: %.*s\tSegmentId: %.*s\tSampled: true\t",
                          PRSTR(root), PRSTR(parent));
    tell_text(environment, buf_str(&text));
}

void report_end(struct environment *environment, struct function_run *run, const char *status,
                struct str error)
{
    if (!environment->held->spec.log_json)
        report_text(environment, run, status, error);
    if (!wants_record(environment))
        return;
    const struct function_result *result = &run->ended;
    struct arena *arena = arena_new(2048);
    const char *how = status == NULL ? "success" : status;
    enum report_level level = status == NULL ? LEVEL_INFO : LEVEL_WARN;
    struct str also = error_member(arena, error);
    double ms = (double)result->duration_us / 1000;
    tell_record(environment, status == NULL ? LEVEL_DEBUG : LEVEL_WARN, "platform.runtimeDone",
                arena,
                str_format(arena,
                           "{\"requestId\":\"%.*s\",\"status\":\"%s\",\"metrics\":{\"durationMs\":"
                           "%.3f}%.*s}",
                           PRSTR(run->event.request_id), how, ms, PRSTR(also)));
    struct str init = result->init_us < 0 ? STR("")
                                          : str_format(arena, ",\"initDurationMs\":%.3f",
                                                       (double)result->init_us / 1000);
    tell_record(environment, level, "platform.report", arena,
                str_format(arena,
                           "{\"requestId\":\"%.*s\",\"metrics\":{\"durationMs\":%.3f,"
                           "\"billedDurationMs\":%lld,\"memorySizeMB\":%u,\"maxMemoryUsedMB\":%lld"
                           "%.*s},\"status\":\"%s\"%.*s}",
                           PRSTR(run->event.request_id), ms, (long long)result->billed_ms,
                           environment->held->spec.memory_mb, (long long)result->max_memory_mb,
                           PRSTR(init), how, PRSTR(also)));
    arena_free(arena);
}

void report_extension(struct environment *environment, const struct extension *extension,
                      const char *state)
{
    struct arena *arena = arena_new(1024);
    struct buf events;
    buf_init(&events, arena, 64);
    if (extension->invoke)
        buf_append(&events, STR("INVOKE"));
    if (extension->shutdown)
        buf_append(&events, extension->invoke ? STR(",SHUTDOWN") : STR("SHUTDOWN"));
    tell_text(environment,
              str_format(arena, "EXTENSION\tName: %.*s\tState: %s\tEvents: [%.*s]%s%.*s",
                         PRSTR(extension->name), state, PRSTR(buf_str(&events)),
                         str_is_absent(extension->error) ? "" : "\tError Type: ",
                         PRSTR(extension->error)));
    if (wants_record(environment)) {
        struct buf list;
        buf_init(&list, arena, 128);
        buf_append(&list, extension->invoke ? STR("\"INVOKE\"") : STR(""));
        buf_append(&list, extension->invoke && extension->shutdown ? STR(",") : STR(""));
        buf_append(&list, extension->shutdown ? STR("\"SHUTDOWN\"") : STR(""));
        struct buf name;
        buf_init(&name, arena, 1024);
        wire_json_write_string(&name, extension->name);
        tell_record(environment, str_is_absent(extension->error) ? LEVEL_INFO : LEVEL_WARN,
                    "platform.extension", arena,
                    str_format(arena, "{\"name\":%.*s,\"state\":\"%s\",\"events\":[%.*s]%.*s}",
                               PRSTR(buf_str(&name)), state, PRSTR(buf_str(&list)),
                               PRSTR(error_member(arena, extension->error))));
    }
    arena_free(arena);
}

/* types: of platform, function, extension. */
void report_subscription(struct environment *environment, bool logs, struct str name,
                         const bool types[3])
{
    static const char *const words[3][2] = {
        {"Platform", "\"platform\""}, {"Function", "\"function\""}, {"Extension", "\"extension\""}};
    struct arena *arena = arena_new(1024);
    struct buf text, list, quoted;
    buf_init(&text, arena, 256);
    buf_init(&list, arena, 256);
    buf_init(&quoted, arena, 1024);
    for (size_t i = 0; i < 3; i++) {
        if (!types[i])
            continue;
        buf_append_format(&text, "%s%s", text.len > 0 ? ", " : "", words[i][0]);
        buf_append_format(&list, "%s%s", list.len > 0 ? "," : "", words[i][1]);
    }
    wire_json_write_string(&quoted, name);
    tell_text(environment,
              str_format(arena, "%s\tName: %.*s\tState: Subscribed\tTypes: [%.*s]",
                         logs ? "LOGS" : "TELEMETRY", PRSTR(name), PRSTR(buf_str(&text))));
    tell_record(environment, LEVEL_INFO,
                logs ? "platform.logsSubscription" : "platform.telemetrySubscription", arena,
                str_format(arena, "{\"name\":%.*s,\"state\":\"Subscribed\",\"types\":[%.*s]}",
                           PRSTR(buf_str(&quoted)), PRSTR(buf_str(&list))));
    arena_free(arena);
}

/* --- memory --- */

static bool read_file(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t got = read(fd, out, size - 1);
    close(fd);
    out[got > 0 ? got : 0] = '\0';
    return got > 0;
}

/* The most that the programs started in the sandbox have had, each for itself: they are the
 * children of its first process. */
int64_t environment_memory(struct environment *environment, bool now)
{
    uint64_t ns = time_monotonic_ns();
    if (!now && environment->memory_seen_ns != 0 &&
        ns - environment->memory_seen_ns < SECOND_NS / 4)
        return environment->memory_mb;
    environment->memory_seen_ns = ns;
    char path[64], children[256], status[4096];
    int64_t sum = 0;
    int pid = environment->sandbox == NULL ? 0 : sandbox_pid(environment->sandbox);
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
    if (pid <= 0 || !read_file(path, children, sizeof children))
        return environment->memory_mb;
    char *at = children;
    for (long child; (child = strtol(at, &at, 10)) > 0;) {
        snprintf(path, sizeof path, "/proc/%ld/status", child);
        const char *line =
            read_file(path, status, sizeof status) ? strstr(status, "\nVmHWM:") : NULL;
        if (line != NULL)
            sum += strtol(line + 7, NULL, 10) / 1024;
    }
    if (sum > environment->memory_mb)
        environment->memory_mb = sum;
    return environment->memory_mb;
}

/* --- how a sandbox ended --- */

static const char *signal_text(int number)
{
    static const struct {
        int number;
        const char *text;
    } texts[] = {{SIGKILL, "killed"},
                 {SIGSEGV, "segmentation fault"},
                 {SIGABRT, "aborted"},
                 {SIGTERM, "terminated"},
                 {SIGBUS, "bus error"},
                 {SIGILL, "illegal instruction"},
                 {SIGFPE, "floating point exception"},
                 {SIGINT, "interrupt"},
                 {SIGHUP, "hangup"},
                 {SIGSYS, "bad system call"},
                 {SIGTRAP, "trace/breakpoint trap"},
                 {SIGPIPE, "broken pipe"},
                 {SIGXFSZ, "file size limit exceeded"}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (texts[i].number == number)
            return texts[i].text;
    return "unknown";
}

static void end_text(const struct sandbox_end *end, struct buf *out)
{
    if (end->cause == SANDBOX_EXITED && end->value == 0)
        buf_append(out, STR("Runtime exited without providing a reason"));
    else if (end->cause == SANDBOX_EXITED)
        buf_append_format(out, "Runtime exited with error: exit status %d", end->value);
    else if (end->cause == SANDBOX_SIGNALLED)
        buf_append_format(out, "Runtime exited with error: signal: %s", signal_text(end->value));
    else
        buf_append(out, STR("Runtime exited with error: signal: killed"));
}

/* Of a sandbox whose program never ran, in the words of who starts it on AWS: "exec PATH: Reason"
 * and the like came out of it. */
static const char *failure_text(const struct environment *environment, struct buf *out)
{
    struct str text = sandbox_failure(environment->sandbox), step, rest;
    if (!str_is_absent(environment->looked_for)) {
        buf_append_format(out, "Couldn't find valid bootstrap(s): [%.*s]",
                          PRSTR(environment->looked_for));
        return "Runtime.InvalidEntrypoint";
    }
    bool known = str_cut(text, ' ', &step, &rest) &&
                 (str_eq(step, STR("exec")) || str_eq(step, STR("chdir")));
    size_t reason = known ? str_find_last_char(text, ':') : SIZE_MAX;
    if (reason == SIZE_MAX || reason + 2 >= text.len) {
        buf_append(out, text);
        return "Runtime.InvalidEntrypoint";
    }
    bool exec = str_eq(step, STR("exec"));
    char first = text.ptr[reason + 2];
    buf_append_format(out, "%s%.*s: ", exec ? "fork/" : "", (int)reason, text.ptr);
    buf_append_char(out, first >= 'A' && first <= 'Z' ? (char)(first - 'A' + 'a') : first);
    buf_append(out, str_slice(text, reason + 3, text.len));
    return exec ? "Runtime.InvalidEntrypoint" : "Runtime.InvalidWorkingDir";
}

const char *report_ending(struct environment *environment, char *text, size_t size)
{
    struct buf out;
    buf_init_fixed(&out, text, size - 1);
    const struct sandbox_end *end = sandbox_end(environment->sandbox);
    const char *type =
        end->cause == SANDBOX_OUT_OF_MEMORY ? "Runtime.OutOfMemory" : "Runtime.ExitError";
    if (sandbox_update(environment->sandbox) == SANDBOX_FAILED) {
        type = failure_text(environment, &out);
    } else {
        end_text(end, &out);
        int64_t most = (int64_t)(end->max_memory_bytes >> 20);
        if (most > environment->memory_mb)
            environment->memory_mb = most;
    }
    text[buf_str(&out).len] = '\0';
    return type;
}
