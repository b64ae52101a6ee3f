/* `kumoniwa lambda invoke`: a function of the running cloud, called from the shell. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/time.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "wire/json_text.h"

enum { PAYLOAD_LIMIT = 8 << 20, HEX_SHA256 = 2 * SHA256_SIZE };

static void lambda_help(FILE *out)
{
    fprintf(
        out,
        "usage: kumoniwa lambda invoke NAME [--payload JSON | --payload @FILE] [--debug]\n\n"
        "Calls a function of the running cloud: its answer goes to standard output, its log to\n"
        "standard error. NAME may be an ARN, or NAME:VERSION. Ends with 1 when the function "
        "fails.\n\n"
        "  --payload JSON   the event ({}); @FILE: from a file, @-: from standard input\n"
        "  --debug          start the function's process anew and wait for a debugger, without "
        "time limits:\n"
        "                   Python at 127.0.0.1:5678 (debugpy must be in the function or a "
        "layer),\n"
        "                   Node.js at 127.0.0.1:9229, Java at 127.0.0.1:5005\n\n"
        "Signs with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN (test), in "
        "AWS_REGION or\nAWS_DEFAULT_REGION (us-east-1).\n");
}

static struct str variable(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return str_from_c(value == NULL || value[0] == '\0' ? otherwise : value);
}

static struct str hex(struct arena *arena, const uint8_t *bytes)
{
    struct buf out;
    buf_init(&out, arena, HEX_SHA256 + 1);
    hex_encode(&out, str_make((const char *)bytes, SHA256_SIZE));
    return buf_str(&out);
}

static struct str bytes_of(const uint8_t *bytes)
{
    return str_make((const char *)bytes, SHA256_SIZE);
}

/* "Create a signed AWS API request", IAM User Guide. The head's lines that sign a POST. */
static struct str sign(struct arena *arena, struct str host, struct str path, struct str body)
{
    struct buf stamp, canonical;
    buf_init(&stamp, arena, 32);
    time_format_basic(&stamp, time_wall_ms());
    struct str now = buf_str(&stamp), day = str_slice(now, 0, 8);
    struct str region = variable("AWS_REGION", NULL);
    if (str_is_empty(region))
        region = variable("AWS_DEFAULT_REGION", "us-east-1");
    struct str scope =
        str_format(arena, "%.*s/%.*s/lambda/aws4_request", PRSTR(day), PRSTR(region));
    struct str token = variable("AWS_SESSION_TOKEN", NULL);
    bool with_token = !str_is_empty(token);
    const char *names = with_token ? "host;x-amz-date;x-amz-security-token" : "host;x-amz-date";
    uint8_t sum[SHA256_SIZE], key[SHA256_SIZE];
    digest_sha256(body, sum);
    buf_init(&canonical, arena, 65536);
    buf_append(&canonical, STR("POST\n"));
    percent_encode(&canonical, path, true);
    buf_append_format(&canonical, "\n\nhost:%.*s\nx-amz-date:%.*s\n", PRSTR(host), PRSTR(now));
    if (with_token)
        buf_append_format(&canonical, "x-amz-security-token:%.*s\n", PRSTR(token));
    buf_append_format(&canonical, "\n%s\n%.*s", names, PRSTR(hex(arena, sum)));
    digest_sha256(buf_str(&canonical), sum);
    struct str text = str_format(arena, "AWS4-HMAC-SHA256\n%.*s\n%.*s\n%.*s", PRSTR(now),
                                 PRSTR(scope), PRSTR(hex(arena, sum)));
    struct str secret = variable("AWS_SECRET_ACCESS_KEY", "test");
    digest_hmac_sha256(str_concat(arena, STR("AWS4"), secret), day, key);
    digest_hmac_sha256(bytes_of(key), region, key);
    digest_hmac_sha256(bytes_of(key), STR("lambda"), key);
    digest_hmac_sha256(bytes_of(key), STR("aws4_request"), key);
    digest_hmac_sha256(bytes_of(key), text, sum);
    struct str lines =
        str_format(arena,
                   "X-Amz-Date: %.*s\r\nAuthorization: AWS4-HMAC-SHA256 Credential=%.*s/%.*s, "
                   "SignedHeaders=%s, Signature=%.*s\r\n",
                   PRSTR(now), PRSTR(variable("AWS_ACCESS_KEY_ID", "test")), PRSTR(scope), names,
                   PRSTR(hex(arena, sum)));
    if (!with_token)
        return lines;
    return str_format(arena, "%.*sX-Amz-Security-Token: %.*s\r\n", PRSTR(lines), PRSTR(token));
}

static bool read_payload(struct arena *arena, const char *given, struct str *out)
{
    *out = str_from_c(given);
    if (given[0] != '@')
        return true;
    int fd = strcmp(given, "@-") == 0 ? dup(0) : open(given + 1, O_RDONLY | O_CLOEXEC);
    struct buf text;
    buf_init(&text, arena, PAYLOAD_LIMIT);
    char piece[16384];
    ssize_t got = fd < 0 ? -1 : 1;
    while (got > 0 && (got = read(fd, piece, sizeof piece)) > 0)
        buf_append(&text, str_make(piece, (size_t)got));
    if (fd >= 0)
        close(fd);
    *out = buf_str(&text);
    return got == 0;
}

/* As AWS's clients tell it: "ResourceNotFoundException: Function not found: ..." */
static void tell_error(struct arena *arena, const struct client_reply *reply)
{
    struct str type = client_field(reply, STR("x-amzn-errortype")), raw, text = reply->body, rest;
    (void)str_cut(type, ':', &type, &rest);
    if (json_member(arena, reply->body, STR("Message"), &raw) ||
        json_member(arena, reply->body, STR("message"), &raw))
        (void)json_string(arena, raw, &text);
    fprintf(stderr, "kumoniwa: %.*s%s%.*s\n", PRSTR(type), str_is_empty(type) ? "" : ": ",
            PRSTR(text));
}

static int lambda_invoke(struct arena *arena, const char *name, const char *payload, bool debug)
{
    struct client_request request = {.method = STR("POST")};
    struct client_reply reply;
    struct str message = {0}, log;
    struct buf path;
    if (!read_payload(arena, payload, &request.body)) {
        fprintf(stderr, "kumoniwa: %s: %s\n", payload + 1, strerror(errno));
        return 1;
    }
    buf_init(&path, arena, 4096);
    buf_append(&path, STR("/2015-03-31/functions/"));
    percent_encode(&path, str_from_c(name), false);
    buf_append(&path, STR("/invocations"));
    request.path = buf_str(&path);
    struct str host = client_endpoint(arena);
    host = str_slice(host, str_find(host, STR("//")) + 2, host.len);
    request.head = str_format(arena, "%.*sX-Amz-Log-Type: Tail\r\n%s",
                              PRSTR(sign(arena, host, request.path, request.body)),
                              debug ? "X-Kumoniwa-Debug: 1\r\n" : "");
    if (debug)
        fprintf(stderr, "The function waits for a debugger at 127.0.0.1: port 5678 (Python), 9229 "
                        "(Node.js) or 5005 (Java).\n");
    if (client_send(arena, &request, &reply, &message) != RESULT_OK) {
        fprintf(stderr, "kumoniwa: %.*s\n", PRSTR(message));
        return 1;
    }
    if (reply.status >= 300) {
        tell_error(arena, &reply);
        return 1;
    }
    if (base64_decode(arena, client_field(&reply, STR("x-amz-log-result")), &log))
        fprintf(stderr, "%.*s", PRSTR(log));
    printf("%.*s\n", PRSTR(reply.body));
    return str_is_empty(client_field(&reply, STR("x-amz-function-error"))) ? 0 : 1;
}

int cli_lambda(int argc, char **argv)
{
    const char *name = NULL, *payload = "{}";
    bool debug = false, good = argc > 0 && strcmp(argv[0], "invoke") == 0;
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0) {
            lambda_help(stdout);
            return 0;
        }
    for (int i = 1; good && i < argc; i++) {
        if (strcmp(argv[i], "--debug") == 0)
            debug = true;
        else if (strcmp(argv[i], "--payload") == 0 && i + 1 < argc)
            payload = argv[++i];
        else if (argv[i][0] != '-' && name == NULL)
            name = argv[i];
        else
            good = false;
    }
    if (!good || name == NULL) {
        lambda_help(stderr);
        return 2;
    }
    struct arena *arena = arena_new(0);
    int code = lambda_invoke(arena, name, payload, debug);
    arena_free(arena);
    return code;
}
