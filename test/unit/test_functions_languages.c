/* Functions in each language through an execution environment: cold, warm, failing. What a cold
 * start and a warm invocation took is printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <semaphore.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/time.h"
#include "functions/functions.h"
#include "sandbox/sandbox.h"

struct fixture {
    struct arena *arena;
    struct sandbox_host *host;
    struct functions *functions;
    struct str folder;
    sem_t changed;
};

static int64_t now_ms(void *context)
{
    (void)context;
    return time_wall_ms();
}

static void take_log(void *context, const struct function_log *line)
{
    (void)context;
    (void)line;
}

static void changed(void *self)
{
    struct fixture *fixture = self;
    (void)sem_post(&fixture->changed);
}

static void shell(struct fixture *fixture, const char *command)
{
    struct str all = str_format(fixture->arena, "cd '%.*s' && %s", PRSTR(fixture->folder), command);
    assert_int_equal(system(str_to_c(fixture->arena, all)), 0);
}

/* A file of a function, in the folder of its key. */
static void put(struct fixture *fixture, const char *key, const char *name, const char *text)
{
    const char *folder = str_to_c(
        fixture->arena, str_format(fixture->arena, "%.*s/%s", PRSTR(fixture->folder), key));
    (void)mkdir(folder, 0755);
    FILE *file =
        fopen(str_to_c(fixture->arena, str_format(fixture->arena, "%s/%s", folder, name)), "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int setup(void **state)
{
    struct arena *arena = arena_new(0);
    struct fixture *fixture = ARENA_NEW(arena, struct fixture);
    struct str text;
    char folder[] = "/tmp/kumoniwa-languages-XXXXXX";
    *state = fixture;
    fixture->arena = arena;
    if (!sandbox_doctor(arena, &text)) {
        print_message("%.*s\n", PRSTR(text));
        return 0;
    }
    assert_int_equal(sem_init(&fixture->changed, 0, 0), 0);
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chmod(folder, 0755), 0);
    fixture->folder = str_copy(arena, str_from_c(folder));
    assert_int_equal(sandbox_host_start(&fixture->host), RESULT_OK);
    struct functions_config config = {.host = fixture->host,
                                      .directory = fixture->folder,
                                      .now_ms = now_ms,
                                      .log = take_log,
                                      .context = fixture};
    return functions_start(&config, &fixture->functions) == RESULT_OK ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    if (fixture->functions != NULL) {
        functions_free(fixture->functions);
        sandbox_host_stop(fixture->host);
        shell(fixture, "rm -rf \"$PWD\"");
    }
    arena_free(fixture->arena);
    return 0;
}

static struct function_run *begin(struct fixture *fixture, const char *key, const char *payload)
{
    struct function_event event = {
        .request_id = STR("11111111-2222-4333-8444-555555555555"),
        .payload = str_from_c(payload),
        .invoked_arn = STR("arn:aws:lambda:us-east-1:000000000000:function:f"),
        .tail = true,
        .changed = changed,
        .self = fixture,
    };
    struct function_limits limits = {.function = UINT32_MAX, .account = 1000};
    struct function_run *run = NULL;
    assert_int_equal(functions_invoke(fixture->functions, str_from_c(key), &limits, &event, &run),
                     FUNCTIONS_TAKEN);
    return run;
}

static const struct function_result *await(struct fixture *fixture, struct function_run *run)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 30;
    while (function_run_result(run)->outcome == FUNCTION_RUNNING)
        if (sem_timedwait(&fixture->changed, &until) != 0)
            fail_msg("no answer within 30 seconds");
    return function_run_result(run);
}

static void expect(struct fixture *fixture, const char *key, const char *payload,
                   enum function_outcome outcome, const char *wanted)
{
    struct function_run *run = begin(fixture, key, payload);
    const struct function_result *result = await(fixture, run);
    if (result->outcome != outcome || str_find(result->payload, str_from_c(wanted)) == SIZE_MAX)
        fail_msg("%s: outcome %d: %.*s\n%.*s", key, (int)result->outcome, PRSTR(result->payload),
                 PRSTR(result->tail));
    function_run_release(run);
}

static void hold(struct fixture *fixture, const char *key, const char *runtime, const char *handler)
{
    struct function_spec spec = {
        .key = str_from_c(key),
        .pool = str_from_c(key),
        .account = STR("000000000000"),
        .region = STR("us-east-1"),
        .name = STR("f"),
        .version = STR("$LATEST"),
        .arn = STR("arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST"),
        .runtime = str_from_c(runtime),
        .handler = str_from_c(handler),
        .task = str_format(fixture->arena, "%.*s/%s", PRSTR(fixture->folder), key),
        .memory_mb = 512,
        .timeout_ms = 10000,
        .log_group = STR("/aws/lambda/f"),
    };
    assert_int_equal(functions_hold(fixture->functions, &spec), RESULT_OK);
}

/* Holds the function, and invokes it. */
static void measure(struct fixture *fixture, const char *key, const char *runtime,
                    const char *handler)
{
    hold(fixture, key, runtime, handler);
    uint64_t start = time_monotonic_ns(), first = 0;
    expect(fixture, key, "{\"n\":1}", FUNCTION_ANSWERED, "1");
    first = time_monotonic_ns() - start;
    /* Once more, now that the interpreter has been found. */
    functions_forget(fixture->functions, str_from_c(key));
    hold(fixture, key, runtime, handler);
    start = time_monotonic_ns();
    expect(fixture, key, "{\"n\":1}", FUNCTION_ANSWERED, "1");
    uint64_t cold = time_monotonic_ns() - start;
    start = time_monotonic_ns();
    for (int i = 0; i < 100; i++)
        expect(fixture, key, "{\"n\":2}", FUNCTION_ANSWERED, "2");
    uint64_t warm = (time_monotonic_ns() - start) / 100;
    print_message("%s: first %.1f ms, cold %.1f ms, warm %.3f ms\n", key, (double)first / 1e6,
                  (double)cold / 1e6, (double)warm / 1e6);
}

static struct fixture *ready(void **state, const char *program)
{
    struct fixture *fixture = *state;
    if (fixture->functions == NULL)
        skip();
    struct str test = str_format(fixture->arena, "command -v %s >/dev/null", program);
    if (system(str_to_c(fixture->arena, test)) != 0)
        skip();
    return fixture;
}

static void python(void **state)
{
    struct fixture *fixture = ready(state, "python3");
    put(fixture, "python", "app.py",
        "def handler(event, context):\n"
        "    if event['n'] == 3: raise ValueError('three')\n"
        "    if event['n'] == 4:\n"
        "        import boto3\n"
        "    return event['n']\n");
    measure(fixture, "python", "python3.12", "app.handler");
    expect(fixture, "python", "{\"n\":3}", FUNCTION_FAILED,
           "\"stackTrace\": [\"  File \\\"/var/task/app.py\\\", line 2, in handler\\n");
    put(fixture, "python-none", "app.py", "");
    hold(fixture, "python-none", "python3.12", "none.handler");
    expect(fixture, "python-none", "{}", FUNCTION_FAILED, "Unable to import module 'none'");
}

static void node(void **state)
{
    struct fixture *fixture = ready(state, "node");
    put(fixture, "node", "index.mjs",
        "export const handler = async (event) => { if (event.n === 3) throw new "
        "RangeError('three');"
        " return event.n; };");
    measure(fixture, "node", "nodejs20.x", "index.handler");
    expect(fixture, "node", "{\"n\":3}", FUNCTION_FAILED, "\"errorType\":\"RangeError\"");
}

static void ruby(void **state)
{
    struct fixture *fixture = ready(state, "ruby");
    put(fixture, "ruby", "app.rb",
        "def handler(event:, context:)\n  raise 'three' if event['n'] == 3\n  event['n']\nend\n");
    measure(fixture, "ruby", "ruby3.3", "app.handler");
    expect(fixture, "ruby", "{\"n\":3}", FUNCTION_FAILED, "Function<RuntimeError>");
}

static void java(void **state)
{
    struct fixture *fixture = ready(state, "javac");
    put(fixture, "java", "App.java",
        "import java.util.Map;\npublic class App {\n"
        "  public Object run(Map<String, Integer> event) {\n"
        "    if (event.get(\"n\") == 3) throw new IllegalStateException(\"three\");\n"
        "    return event.get(\"n\");\n  }\n}");
    shell(fixture, "javac --release 11 -nowarn java/App.java");
    measure(fixture, "java", "java17", "App::run");
    expect(fixture, "java", "{\"n\":3}", FUNCTION_FAILED, "java.lang.IllegalStateException");
}

/* A bootstrap in C: what Go's and Rust's clients do, in a few lines. */
static const char native[] =
    "#include <arpa/inet.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n"
    "#include <sys/socket.h>\n#include <unistd.h>\n"
    "int main(void) {\n"
    "  char in[8192], id[64], out[512];\n"
    "  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9001)};\n"
    "  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);\n"
    "  int s = socket(AF_INET, SOCK_STREAM, 0);\n"
    "  if (connect(s, (struct sockaddr *)&to, sizeof to)) return 1;\n"
    "  for (;;) {\n"
    "    const char *next = \"GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\nHost: "
    "a\\r\\n\\r\\n\";\n"
    "    write(s, next, strlen(next));\n"
    "    size_t n = 0; char *body;\n"
    "    do { ssize_t got = read(s, in + n, sizeof in - 1 - n); if (got <= 0) return 0; n += got; "
    "in[n] = 0;\n"
    "    } while (!(body = strstr(in, \"\\r\\n\\r\\n\")) || !strchr(body, '}'));\n"
    "    sscanf(strcasestr(in, \"lambda-runtime-aws-request-id: \") + 31, \"%63[^\\r]\", id);\n"
    "    int length = snprintf(out, sizeof out, \"POST /2018-06-01/runtime/invocation/%s/response "
    "HTTP/1.1\\r\\n\"\n"
    "      \"Host: a\\r\\nContent-Length: %zu\\r\\n\\r\\n%s\", id, strlen(body + 4), body + 4);\n"
    "    write(s, out, length);\n"
    "    n = 0;\n"
    "    do { ssize_t got = read(s, in + n, sizeof in - 1 - n); if (got <= 0) return 0; n += got; "
    "in[n] = 0;\n"
    "    } while (!(body = strstr(in, \"\\r\\n\\r\\n\")) || !strchr(body, '}'));\n"
    "  }\n}\n";

static void provided(void **state)
{
    struct fixture *fixture = ready(state, "gcc");
    put(fixture, "provided", "main.c", native);
    shell(fixture, "gcc -D_GNU_SOURCE -w -O1 -static -o provided/bootstrap provided/main.c");
    measure(fixture, "provided", "provided.al2023", "any");
    hold(fixture, "provided-none", "provided.al2", "any");
    shell(fixture, "mkdir provided-none");
    expect(fixture, "provided-none", "{}", FUNCTION_FAILED,
           "Error: Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]");
    hold(fixture, "provided-other", "provided.al2", "any");
    put(fixture, "provided-other", "bootstrap", "no program");
    shell(fixture, "chmod 755 provided-other/bootstrap");
    expect(fixture, "provided-other", "{}", FUNCTION_FAILED,
           "Error: fork/exec /var/task/bootstrap: exec format error");
}

static void unknown(void **state)
{
    struct fixture *fixture = ready(state, "true");
    hold(fixture, "dotnet", "dotnet8", "A::B::C");
    expect(fixture, "dotnet", "{}", FUNCTION_UNABLE, "The runtime dotnet8 does not run here.");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(python), cmocka_unit_test(node),     cmocka_unit_test(ruby),
        cmocka_unit_test(java),   cmocka_unit_test(provided), cmocka_unit_test(unknown),
    };
    return cmocka_run_group_tests_name("functions_languages", tests, setup, teardown);
}
