/* The small commands, which ask a running server. */
#include "cli/commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/log.h"
#include "cli/client.h"
#include "server/version.h"

/* Prints the usage when --help stands among the arguments, or when there are more than the command
 * takes. */
static bool cli_usage(int argc, char **argv, int most, const char *usage, int *code)
{
    bool help = false;
    for (int i = 0; i < argc; i++)
        help = help || str_eq(str_from_c(argv[i]), STR("--help"));
    if (!help && argc <= most)
        return false;
    fprintf(help ? stdout : stderr, "usage: kumoniwa %s\n", usage);
    *code = help ? 0 : 2;
    return true;
}

static bool cli_ask(struct arena *arena, const char *method, struct str path, struct str *body)
{
    struct str message = {0};
    if (client_call(arena, str_from_c(method), path, body, &message) == RESULT_OK)
        return true;
    fprintf(stderr, "kumoniwa: %.*s\n", PRSTR(message));
    return false;
}

int cli_version(int argc, char **argv)
{
    int code;
    if (cli_usage(argc, argv, 0, "version", &code))
        return code;
    printf("kumoniwa %s\n", KUMONIWA_VERSION);
    return 0;
}

int cli_env(int argc, char **argv)
{
    int code;
    if (cli_usage(argc, argv, 0, "env\n\nPrints shell commands: eval \"$(kumoniwa env)\"", &code))
        return code;
    struct arena *arena = arena_new(0);
    struct str endpoint = client_endpoint(arena);
    printf("export AWS_ENDPOINT_URL=%.*s\n"
           "export AWS_ACCESS_KEY_ID=test\n"
           "export AWS_SECRET_ACCESS_KEY=test\n"
           "export AWS_DEFAULT_REGION=us-east-1\n",
           PRSTR(endpoint));
    arena_free(arena);
    return 0;
}

static int cli_print_members(const char *path, const char *const (*rows)[2], size_t count)
{
    struct arena *arena = arena_new(0);
    struct str body;
    int code = 1;
    if (cli_ask(arena, "GET", str_from_c(path), &body)) {
        for (size_t i = 0; i < count; i++) {
            struct str value = client_member(arena, body, str_from_c(rows[i][0]));
            printf("%-16s %.*s\n", rows[i][1], PRSTR(value));
        }
        code = 0;
    }
    arena_free(arena);
    return code;
}

int cli_status(int argc, char **argv)
{
    static const char *const rows[][2] = {
        {"version", "version"},
        {"pid", "process"},
        {"now", "cloud time"},
        {"clock_offset_ms", "clock offset ms"},
        {"data", "data"},
        {"data_bytes", "data bytes"},
        {"disk_free_bytes", "disk free bytes"},
        {"records", "records"},
        {"memory_bytes", "memory bytes"},
        {"requests", "requests"},
        {"connections", "connections"},
        {"parked", "parked calls"},
    };
    int code;
    if (cli_usage(argc, argv, 0, "status", &code))
        return code;
    return cli_print_members("/_kumoniwa/status", rows, sizeof rows / sizeof rows[0]);
}

/* --- services
 * -----------------------------------------------------------------------------------------------
 */

static int services_one(struct arena *arena, struct str operations)
{
    struct str operation;
    while (client_next_object(&operations, &operation)) {
        struct str name = client_member(arena, operation, STR("name"));
        struct str done = client_member(arena, operation, STR("implemented"));
        printf("  %-48.*s %s\n", PRSTR(name),
               str_eq(done, STR("true")) ? "implemented" : "not implemented (answers 501)");
    }
    return 0;
}

static void services_row(struct arena *arena, struct str name, struct str title,
                         struct str operations)
{
    unsigned total = 0, done = 0;
    struct str operation;
    while (client_next_object(&operations, &operation)) {
        total++;
        done += str_eq(client_member(arena, operation, STR("implemented")), STR("true"));
    }
    printf("%-28.*s %4u of %4u  %.*s\n", PRSTR(name), done, total, PRSTR(title));
}

int cli_services(int argc, char **argv)
{
    int code;
    if (cli_usage(argc, argv, 1, "services [NAME]", &code))
        return code;
    struct arena *arena = arena_new(0);
    struct str body;
    code = 1;
    if (cli_ask(arena, "GET", STR("/_kumoniwa/services"), &body)) {
        struct str wanted = argc == 1 ? str_from_c(argv[0]) : (struct str){0};
        code = argc == 1 ? 2 : 0;
        size_t at;
        while ((at = str_find(body, STR("\"operations\": ["))) != SIZE_MAX) {
            struct str head = str_slice(body, 0, at);
            struct str name = client_member(arena, head, STR("name"));
            struct str title = client_member(arena, head, STR("title"));
            size_t end = str_find(str_slice(body, at, body.len), STR("]}"));
            struct str operations = str_slice(body, at + 14, at + end + 1);
            body = str_slice(body, at + end + 2, body.len);
            if (argc == 0)
                services_row(arena, name, title, operations);
            else if (str_eq(name, wanted))
                code = services_one(arena, operations);
        }
        if (code == 2)
            fprintf(stderr,
                    "kumoniwa: there is no service \"%.*s\"; `kumoniwa services` lists them\n",
                    PRSTR(wanted));
    }
    arena_free(arena);
    return code;
}

/* --- logs, reset, clock, credentials --- */

static void logs_print(struct arena *arena, struct str entry)
{
    struct str status = client_member(arena, entry, STR("status"));
    struct str error = client_member(arena, entry, STR("error"));
    printf("%.*s %.*s %.*s %.*s.%.*s %.*sus %.*s %.*s",
           PRSTR(client_member(arena, entry, STR("time"))),
           PRSTR(client_member(arena, entry, STR("request_id"))), PRSTR(status),
           PRSTR(client_member(arena, entry, STR("service"))),
           PRSTR(client_member(arena, entry, STR("operation"))),
           PRSTR(client_member(arena, entry, STR("micros"))),
           PRSTR(client_member(arena, entry, STR("principal"))),
           PRSTR(client_member(arena, entry, STR("source_ip"))));
    if (!str_is_empty(error))
        printf(" %.*s: %.*s", PRSTR(error), PRSTR(client_member(arena, entry, STR("message"))));
    printf("\n");
}

int cli_logs(int argc, char **argv)
{
    int code;
    if (cli_usage(argc, argv, 1,
                  "logs [REQUEST-ID | COUNT]\n\nThe last 50 calls, or COUNT, or the one "
                  "with that request id.",
                  &code))
        return code;
    struct arena *arena = arena_new(0);
    struct str path = STR("/_kumoniwa/logs");
    struct str request_id = {0};
    int64_t count;
    if (argc == 1 && argv[0][0] == '-') {
        fprintf(stderr, "kumoniwa: logs: \"%s\" is neither a count nor a request id\n", argv[0]);
        arena_free(arena);
        return 2;
    }
    if (argc == 1 && str_to_i64(str_from_c(argv[0]), &count)) {
        path = str_format(arena, "/_kumoniwa/logs?limit=%lld", (long long)count);
    } else if (argc == 1) {
        struct buf escaped;
        buf_init(&escaped, arena, 4096);
        percent_encode(&escaped, str_from_c(argv[0]), false);
        request_id = str_from_c(argv[0]);
        path =
            str_format(arena, "/_kumoniwa/logs?limit=1&request_id=%.*s", PRSTR(buf_str(&escaped)));
    }
    struct str body;
    code = 1;
    if (cli_ask(arena, "GET", path, &body)) {
        struct str rest = str_slice(body, str_find_char(body, '['), body.len);
        struct str entry;
        size_t shown = 0;
        for (; client_next_object(&rest, &entry); shown++)
            logs_print(arena, entry);
        code = 0;
        if (shown == 0 && !str_is_absent(request_id)) {
            fprintf(stderr, "kumoniwa: %.*s is not among the last 16,384 calls\n",
                    PRSTR(request_id));
            code = 1;
        }
    }
    arena_free(arena);
    return code;
}

int cli_iam(int argc, char **argv)
{
    int code;
    if (cli_usage(argc, argv, 2,
                  "iam explain REQUEST-ID\n\nWhy a call was denied: what each policy said, and "
                  "what was missing.\nThe id stands in the error that the client showed, and in "
                  "`kumoniwa logs`.",
                  &code))
        return code;
    if (argc != 2 || !str_eq(str_from_c(argv[0]), STR("explain"))) {
        fprintf(stderr, "usage: kumoniwa iam explain REQUEST-ID\n");
        return 2;
    }
    struct arena *arena = arena_new(0);
    struct buf path;
    struct str body;
    buf_init(&path, arena, 4096);
    buf_append_c(&path, "/_kumoniwa/iam/explain?request_id=");
    percent_encode(&path, str_from_c(argv[1]), false);
    code = 1;
    if (cli_ask(arena, "GET", buf_str(&path), &body)) {
        printf("%.*s", PRSTR(body));
        code = 0;
    }
    arena_free(arena);
    return code;
}

int cli_reset(int argc, char **argv)
{
    int code;
    if (cli_usage(argc, argv, 0,
                  "reset\n\nForgets everything that the services keep, and issued keys.", &code))
        return code;
    struct arena *arena = arena_new(0);
    struct str body;
    code = cli_ask(arena, "POST", STR("/_localstack/state/reset"), &body) ? 0 : 1;
    arena_free(arena);
    return code;
}

/* What the server advances its clock by at most. */
#define CLOCK_MOST_MS ((int64_t)100 * 366 * 86400 * 1000)

/* "90s", "15m", "36h", "7d", or several: "1d12h". False when it is not of the form, or longer than
 * a century. */
static bool clock_duration(struct str text, int64_t *ms)
{
    int64_t total = 0;
    while (text.len > 0) {
        size_t digits = 0;
        while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9')
            digits++;
        int64_t number;
        if (digits == 0 || digits > 9 || digits == text.len ||
            !str_to_i64(str_slice(text, 0, digits), &number))
            return false;
        char unit = text.ptr[digits];
        int64_t unit_ms = unit == 's'   ? 1000
                          : unit == 'm' ? 60 * 1000
                          : unit == 'h' ? 3600 * 1000
                          : unit == 'd' ? 86400 * 1000
                                        : 0;
        if (unit_ms == 0)
            return false;
        total += number * unit_ms;
        if (total > CLOCK_MOST_MS)
            return false;
        text = str_slice(text, digits + 1, text.len);
    }
    *ms = total;
    return total > 0;
}

/* What is signed from now on counts as after the move: src/cloud/clock.h. */
static void clock_settle(struct str text)
{
    int64_t ms;
    if (str_to_i64(text, &ms) && ms > 0 && ms <= 1000)
        usleep((useconds_t)ms * 1000);
}

int cli_clock(int argc, char **argv)
{
    static const char usage[] = "clock [advance DURATION]\n\nDURATION: 90s, 15m, 36h, 7d or 1d12h, "
                                "at most a century. The clock never goes back.";
    int code;
    if (cli_usage(argc, argv, 2, usage, &code))
        return code;
    struct arena *arena = arena_new(0);
    struct str body;
    const char *method = "GET";
    struct str path = STR("/_kumoniwa/clock");
    int64_t ms = 0;
    code = 0;
    if (argc == 2 && str_eq(str_from_c(argv[0]), STR("advance")) &&
        clock_duration(str_from_c(argv[1]), &ms)) {
        method = "POST";
        path = str_format(arena, "/_kumoniwa/clock?advance_ms=%lld", (long long)ms);
    } else if (argc > 0) {
        if (argc == 2 && str_eq(str_from_c(argv[0]), STR("advance")))
            fprintf(stderr, "kumoniwa: \"%s\" is not a duration\n", argv[1]);
        fprintf(stderr, "usage: kumoniwa %s\n", usage);
        code = 2;
    }
    if (code == 0 && cli_ask(arena, method, path, &body)) {
        clock_settle(client_member(arena, body, STR("settles_ms")));
        printf("%.*s\n", PRSTR(client_member(arena, body, STR("now"))));
    } else if (code == 0) {
        code = 1;
    }
    arena_free(arena);
    return code;
}

int cli_credentials(int argc, char **argv)
{
    static const char usage[] =
        "credentials issue [ACCOUNT [USER]]\n       kumoniwa credentials revoke ACCESS-KEY\n\n"
        "Issues a key whose signatures are verified: the account's root, or a user of it.";
    int code;
    if (cli_usage(argc, argv, 3, usage, &code))
        return code;
    struct str verb = argc > 0 ? str_from_c(argv[0]) : (struct str){0};
    bool issue = str_eq(verb, STR("issue"));
    if (!issue && !(str_eq(verb, STR("revoke")) && argc == 2)) {
        fprintf(stderr, "usage: kumoniwa %s\n", usage);
        return 2;
    }
    struct arena *arena = arena_new(0);
    struct buf path;
    buf_init(&path, arena, 4096);
    static const char *const names[2][2] = {{"access_key", ""}, {"account", "user"}};
    buf_append_c(&path, "/_kumoniwa/credentials");
    for (int i = 1; i < argc; i++) {
        buf_append_format(&path, "%c%s=", i == 1 ? '?' : '&', names[issue ? 1 : 0][i - 1]);
        percent_encode(&path, str_from_c(argv[i]), false);
    }
    struct str body;
    code = cli_ask(arena, issue ? "POST" : "DELETE", buf_str(&path), &body) ? 0 : 1;
    if (code == 0 && issue)
        printf("export AWS_ACCESS_KEY_ID=%.*s\nexport AWS_SECRET_ACCESS_KEY=%.*s\n",
               PRSTR(client_member(arena, body, STR("AccessKeyId"))),
               PRSTR(client_member(arena, body, STR("SecretAccessKey"))));
    arena_free(arena);
    return code;
}
