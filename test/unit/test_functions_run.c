/* Execution environments with a runtime of our own making: a bootstrap in Python that does what the
 * event says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/time.h"
#include "functions/functions.h"
#include "functions/runtime.h"
#include "sandbox/sandbox.h"

/* In place of src/functions/runtime.c: provided.al2023, and nothing else. */
struct runtimes {
    int nothing;
};

RESULT runtimes_new(struct arena *arena, struct str directory, struct runtimes **out)
{
    (void)directory;
    *out = ARENA_NEW(arena, struct runtimes);
    return RESULT_OK;
}

void runtimes_free(struct runtimes *runtimes)
{
    (void)runtimes;
}

RESULT runtime_command(struct runtimes *runtimes, struct arena *arena,
                       const struct function_spec *spec, struct runtime_command *out,
                       struct str *problem)
{
    (void)runtimes;
    if (!str_eq(spec->runtime, STR("provided.al2023"))) {
        *problem = STR("no such runtime here");
        return RESULT_ERROR;
    }
    struct str *argv = ARENA_NEW(arena, struct str);
    argv[0] = STR("/var/task/bootstrap");
    *out = (struct runtime_command){
        .argv = argv, .argc = 1, .env = spec->environment, .env_count = spec->environment_count};
    return RESULT_OK;
}

RESULT runtimes_describe(struct runtimes *runtimes, struct arena *arena, struct str *text)
{
    (void)runtimes;
    (void)arena;
    *text = STR("");
    return RESULT_OK;
}

static const char bootstrap[] =
    "#!/usr/bin/python3 -IS\n"
    "import http.client, os, json, sys, time\n"
    "c = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])\n"
    "def req(m, p, b=None, **h):\n"
    "    c.request(m, '/2018-06-01/runtime' + p, b, {k.replace('_', '-'): v for k, v in "
    "h.items()})\n"
    "    r = c.getresponse()\n"
    "    return r, r.read()\n"
    "if os.environ.get('INIT'): exec(os.environ['INIT'])\n"
    "while True:\n"
    "    r, body = req('GET', '/invocation/next')\n"
    "    id = r.getheader('Lambda-Runtime-Aws-Request-Id')\n"
    "    out = None\n"
    "    event = json.loads(body)\n"
    "    exec(event['do'])\n"
    "    if out is not None:\n"
    "        r, b = req('POST', '/invocation/' + id + '/response', json.dumps(out))\n"
    "        assert r.status == 202 and b == b'{\"status\":\"OK\"}\\n', (r.status, b)\n";

static const char extension[] =
    "#!/usr/bin/python3 -IS\n"
    "import http.client, os, json, sys\n"
    "c = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])\n"
    "def req(m, p, b=None, h={}):\n"
    "    c.request(m, '/2020-01-01/extension' + p, b, h)\n"
    "    r = c.getresponse()\n"
    "    return r, r.read()\n"
    "r, b = req('POST', '/register', json.dumps({'events': ['INVOKE', 'SHUTDOWN']}),\n"
    "           {'Lambda-Extension-Name': os.path.basename(sys.argv[0])})\n"
    "print('registered', r.status, b.decode(), flush=True)\n"
    "h = {'Lambda-Extension-Identifier': r.getheader('Lambda-Extension-Identifier')}\n"
    "import http.server, threading\n"
    "class Taker(http.server.BaseHTTPRequestHandler):\n"
    "    def do_POST(self):\n"
    "        text = self.rfile.read(int(self.headers['Content-Length']))\n"
    "        for e in json.loads(text): os.write(2, ('GOT %s %s\\n' % (e['type'], "
    "json.dumps(e['record']))).encode())\n"
    "        self.send_response(200); self.end_headers()\n"
    "    def log_message(self, *a): pass\n"
    "server = http.server.HTTPServer(('127.0.0.1', 8080), Taker)\n"
    "threading.Thread(target=server.serve_forever, daemon=True).start()\n"
    "c.request('PUT', '/2022-07-01/telemetry', json.dumps({'schemaVersion': '2022-12-13', "
    "'types': ['platform', 'function'], 'buffering': {'timeoutMs': 25, 'maxItems': 1000, "
    "'maxBytes': 262144}, 'destination': {'protocol': 'HTTP', "
    "'URI': 'http://sandbox.localdomain:8080/t'}}), h)\n"
    "r = c.getresponse()\n"
    "print('subscribed', r.status, r.read().decode(), flush=True)\n"
    "while True:\n"
    "    r, b = req('GET', '/event/next', None, h)\n"
    "    e = json.loads(b)\n"
    "    print(e['eventType'], e.get('requestId', e.get('shutdownReason')), flush=True)\n"
    "    if e['eventType'] == 'SHUTDOWN': break\n";

#define LOG_ROOM (1 << 20)

struct fixture {
    struct arena *arena;
    struct sandbox_host *host;
    struct functions *functions;
    char directory[64];
    pthread_mutex_t lock;
    char log[LOG_ROOM];
    size_t length;
    uint64_t lines;
    int woken;
    pthread_cond_t wake;
};

static void take_log(void *context, const struct function_log *line)
{
    struct fixture *fixture = context;
    (void)pthread_mutex_lock(&fixture->lock);
    fixture->lines++;
    if (fixture->length + line->text.len + 2 < LOG_ROOM) {
        memcpy(fixture->log + fixture->length, line->text.ptr, line->text.len);
        fixture->length += line->text.len;
        fixture->log[fixture->length++] = '\n';
        fixture->log[fixture->length] = '\0';
    }
    (void)pthread_mutex_unlock(&fixture->lock);
}

/* What has been logged by now. */
static struct str log_text(struct fixture *fixture)
{
    (void)pthread_mutex_lock(&fixture->lock);
    struct str text = str_copy(fixture->arena, str_make(fixture->log, fixture->length));
    (void)pthread_mutex_unlock(&fixture->lock);
    return text;
}

static int64_t now_ms(void *context)
{
    (void)context;
    return time_wall_ms();
}

static void changed(void *self)
{
    struct fixture *fixture = self;
    (void)pthread_mutex_lock(&fixture->lock);
    fixture->woken++;
    (void)pthread_cond_broadcast(&fixture->wake);
    (void)pthread_mutex_unlock(&fixture->lock);
}

static void write_file(struct fixture *fixture, const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", fixture->directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(chmod(path, 0755), 0);
}

static void make_folder(struct fixture *fixture, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", fixture->directory, name);
    assert_int_equal(mkdir(path, 0755), 0);
}

static int setup(void **state)
{
    struct fixture *fixture = heap_alloc(sizeof *fixture);
    *state = fixture;
    fixture->arena = arena_new(0);
    struct str text;
    if (!sandbox_doctor(fixture->arena, &text)) {
        print_message("%.*s\n", PRSTR(text));
        return 0;
    }
    (void)pthread_mutex_init(&fixture->lock, NULL);
    (void)pthread_cond_init(&fixture->wake, NULL);
    memcpy(fixture->directory, "/tmp/kumoniwa-functions-XXXXXX",
           sizeof "/tmp/kumoniwa-functions-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    assert_int_equal(chmod(fixture->directory, 0755), 0);
    make_folder(fixture, "task");
    write_file(fixture, "task/bootstrap", bootstrap);
    make_folder(fixture, "opt");
    make_folder(fixture, "opt/extensions");
    write_file(fixture, "opt/extensions/watcher", extension);
    if (sandbox_host_start(&fixture->host) != RESULT_OK)
        return -1;
    struct functions_config config = {
        .host = fixture->host,
        .directory = str_from_c(fixture->directory),
        .idle_limit = 3,
        .now_ms = now_ms,
        .log = take_log,
        .context = fixture,
    };
    return functions_start(&config, &fixture->functions) == RESULT_OK ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info;
    (void)kind;
    (void)at;
    return remove(path);
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    functions_free(fixture->functions);
    if (fixture->host != NULL) {
        sandbox_host_stop(fixture->host);
        (void)nftw(fixture->directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    }
    arena_free(fixture->arena);
    heap_free(fixture);
    return 0;
}

static struct function_spec make_spec(struct fixture *fixture, const char *key)
{
    return (struct function_spec){
        .key = str_from_c(key),
        .pool = STR("arn:aws:lambda:us-east-1:000000000000:function:f"),
        .account = STR("000000000000"),
        .region = STR("us-east-1"),
        .name = STR("f"),
        .version = STR("$LATEST"),
        .arn =
            str_format(fixture->arena, "arn:aws:lambda:us-east-1:000000000000:function:f:%s", key),
        .runtime = STR("provided.al2023"),
        .handler = STR("a.b"),
        .task = str_format(fixture->arena, "%s/task", fixture->directory),
        .memory_mb = 128,
        .timeout_ms = 10000,
        .log_group = STR("/aws/lambda/f"),
        .logged = true,
    };
}

static const struct function_limits no_limits = {.function = UINT32_MAX, .account = 1000};

static struct function_event make_event(struct fixture *fixture, const char *code)
{
    struct buf out;
    buf_init(&out, fixture->arena, 1 << 20);
    buf_append(&out, STR("{\"do\":\""));
    for (; *code != '\0'; code++) {
        if (*code == '"' || *code == '\\')
            buf_append_char(&out, '\\');
        if (*code == '\n')
            buf_append(&out, STR("\\n"));
        else
            buf_append_char(&out, *code);
    }
    buf_append(&out, STR("\"}"));
    return (struct function_event){
        .request_id = STR("11111111-2222-4333-8444-555555555555"),
        .payload = buf_str(&out),
        .invoked_arn = STR("arn:aws:lambda:us-east-1:000000000000:function:f"),
        .tail = true,
        .changed = changed,
        .self = fixture,
    };
}

static struct function_run *start(struct fixture *fixture, const char *key, const char *code)
{
    struct function_event event = make_event(fixture, code);
    struct function_run *run = NULL;
    assert_int_equal(
        functions_invoke(fixture->functions, str_from_c(key), &no_limits, &event, &run),
        FUNCTIONS_TAKEN);
    return run;
}

static const struct function_result *await(struct fixture *fixture, struct function_run *run)
{
    uint64_t until = time_monotonic_ns() + 30000000000;
    while (function_run_result(run)->outcome == FUNCTION_RUNNING && time_monotonic_ns() < until) {
        struct timespec when;
        (void)clock_gettime(CLOCK_REALTIME, &when);
        when.tv_nsec += 20000000;
        if (when.tv_nsec >= 1000000000) {
            when.tv_nsec -= 1000000000;
            when.tv_sec++;
        }
        (void)pthread_mutex_lock(&fixture->lock);
        (void)pthread_cond_timedwait(&fixture->wake, &fixture->lock, &when);
        (void)pthread_mutex_unlock(&fixture->lock);
    }
    return function_run_result(run);
}

static bool holds(struct str text, const char *part)
{
    return str_find(text, str_from_c(part)) != SIZE_MAX;
}

static void expect(struct str text, const char *part)
{
    if (!holds(text, part))
        fail_msg("\"%s\" is not in:\n%.*s", part, PRSTR(text));
}

static bool begin(void **state, const char *key)
{
    struct fixture *fixture = *state;
    if (fixture->functions == NULL)
        skip();
    fixture->length = 0;
    fixture->log[0] = '\0';
    struct function_spec spec = make_spec(fixture, key);
    assert_int_equal(functions_hold(fixture->functions, &spec), RESULT_OK);
    return true;
}

static void answers_cold_and_warm(void **state)
{
    struct fixture *fixture = *state;
    if (!begin(state, "warm"))
        return;
    struct function_run *run =
        start(fixture, "warm",
              "print('hello', flush=True)\nout = [os.environ['AWS_LAMBDA_FUNCTION_NAME'],"
              "r.getheader('Lambda-Runtime-Invoked-Function-Arn')]");
    const struct function_result *result = await(fixture, run);
    assert_int_equal(result->outcome, FUNCTION_ANSWERED);
    expect(result->payload, "[\"f\", \"arn:aws:lambda:us-east-1:000000000000:function:f\"]");
    assert_true(result->init_us > 0 && result->duration_us > 0 && result->billed_ms > 0);
    assert_true(result->max_memory_mb > 1);
    expect(result->tail, "START RequestId: 11111111-2222-4333-8444-555555555555 Version: $LATEST\n"
                         "hello\nEND RequestId: 11111111-2222-4333-8444-555555555555\n"
                         "REPORT RequestId: 11111111-2222-4333-8444-555555555555\tDuration: ");
    expect(result->tail, " MB\tInit Duration: ");
    function_run_release(run);
    expect(log_text(fixture), "INIT_START Runtime Version: provided.al:2023.v1\t");
    /* One that comes back late, on a machine with much else to do, is not waited for. */
    unsigned cold = 1;
    for (int i = 0; i < 50; i++) {
        run = start(fixture, "warm", "out = 1");
        result = await(fixture, run);
        assert_int_equal(result->outcome, FUNCTION_ANSWERED);
        assert_true((result->init_us >= 0) == holds(result->tail, "Init Duration"));
        cold += result->init_us >= 0;
        function_run_release(run);
    }
    struct functions_counts counts;
    functions_count(fixture->functions, &counts);
    assert_in_range(counts.started, cold, cold + 1);
    assert_true(cold < 5);
    assert_int_equal(counts.invoked, 51);
}

static void expect_failure(struct fixture *fixture, const char *key, const char *code,
                           const char *payload, const char *tail)
{
    struct function_run *run = start(fixture, key, code);
    const struct function_result *result = await(fixture, run);
    assert_int_equal(result->outcome, FUNCTION_FAILED);
    expect(result->payload, payload);
    if (tail != NULL)
        expect(result->tail, tail);
    function_run_release(run);
}

static void tells_failures(void **state)
{
    struct fixture *fixture = *state;
    if (!begin(state, "fail"))
        return;
    expect_failure(fixture, "fail",
                   "req('POST', '/invocation/' + id + '/error', "
                   "'{\"errorMessage\":\"m\",\"errorType\":\"E\"}')",
                   "{\"errorMessage\":\"m\",\"errorType\":\"E\"}", "\tMax Memory Used: ");
    expect_failure(fixture, "fail", "sys.exit(3)",
                   "{\"errorType\":\"Runtime.ExitError\",\"errorMessage\":\"RequestId: "
                   "11111111-2222-4333-8444-555555555555 Error: Runtime exited with error: exit "
                   "status 3\"}",
                   "Status: error\tError Type: Runtime.ExitError");
    expect_failure(fixture, "fail", "sys.exit(0)", "Runtime exited without providing a reason",
                   NULL);
    expect_failure(fixture, "fail", "os.kill(os.getpid(), 11)", "signal: segmentation fault", NULL);
    expect_failure(fixture, "fail", "x = bytearray(400 << 20)\ntime.sleep(5)",
                   "{\"errorType\":\"Runtime.OutOfMemory\"", "Max Memory Used: 128 MB");
    /* "Lambda quotas": 6 MB, and a little for what is around it; quotes count. */
    struct function_run *run = start(fixture, "fail", "out = 'x' * 6291554");
    assert_int_equal(await(fixture, run)->outcome, FUNCTION_ANSWERED);
    assert_int_equal(function_run_result(run)->payload.len, 6291556);
    function_run_release(run);
    run = start(fixture, "fail", "out = 'x' * 6291555");
    const struct function_result *result = await(fixture, run);
    assert_int_equal(result->outcome, FUNCTION_TOO_LARGE);
    expect(result->payload, "Function.ResponseSizeTooLarge");
    function_run_release(run);
    /* After all that it works as before. */
    run = start(fixture, "fail", "out = 7");
    assert_int_equal(await(fixture, run)->outcome, FUNCTION_ANSWERED);
    function_run_release(run);
}

static void times_out(void **state)
{
    struct fixture *fixture = *state;
    if (!begin(state, "none"))
        return;
    struct function_spec spec = make_spec(fixture, "slow");
    spec.timeout_ms = 1000;
    assert_int_equal(functions_hold(fixture->functions, &spec), RESULT_OK);
    expect_failure(fixture, "slow",
                   "import signal\nsignal.signal(15, signal.SIG_IGN)\n"
                   "print('begin', flush=True)\ntime.sleep(60)",
                   "{\"errorType\":\"Sandbox.Timedout\",\"errorMessage\":\"RequestId: "
                   "11111111-2222-4333-8444-555555555555 Error: Task timed out after 1.00 "
                   "seconds\"}",
                   "Task timed out after 1.00 seconds\n\nEND RequestId");
    expect(log_text(fixture), "begin\n");
    expect(log_text(fixture), "\tDuration: 1000.00 ms\tBilled Duration: ");
    expect(log_text(fixture), "Status: timeout");
}

static void tries_init_twice(void **state)
{
    struct fixture *fixture = *state;
    if (!begin(state, "none"))
        return;
    struct function_spec spec = make_spec(fixture, "init");
    struct str environment[] = {STR("INIT=req('POST', '/init/error', "
                                    "'{\"errorMessage\":\"m\",\"errorType\":\"Runtime.Bad\"}', "
                                    "Lambda_Runtime_Function_Error_Type='Runtime.Bad')\n"
                                    "sys.exit(1)")};
    spec.environment = environment;
    spec.environment_count = 1;
    assert_int_equal(functions_hold(fixture->functions, &spec), RESULT_OK);
    expect_failure(fixture, "init", "out = 1",
                   "{\"errorMessage\":\"m\",\"errorType\":\"Runtime.Bad\"}", "END RequestId");
    expect(log_text(fixture), "\tPhase: init\tStatus: error\tError Type: Runtime.Bad\n");
    expect(log_text(fixture), "\tPhase: invoke\tStatus: error\tError Type: Runtime.Bad\n");
}

static void says_what_is_missing(void **state)
{
    struct fixture *fixture = *state;
    if (!begin(state, "none"))
        return;
    struct function_spec spec = make_spec(fixture, "cobol");
    spec.runtime = STR("cobol");
    assert_int_equal(functions_hold(fixture->functions, &spec), RESULT_OK);
    struct function_run *run = start(fixture, "cobol", "out = 1");
    const struct function_result *result = await(fixture, run);
    assert_int_equal(result->outcome, FUNCTION_UNABLE);
    expect(result->payload, "no such runtime here");
    function_run_release(run);
    struct function_event event = make_event(fixture, "out = 1");
    assert_int_equal(functions_invoke(fixture->functions, STR("unheard"), &no_limits, &event, &run),
                     FUNCTIONS_UNKNOWN);
    spec = make_spec(fixture, "expired");
    spec.expires_ms = time_wall_ms() + 1000;
    assert_int_equal(functions_hold(fixture->functions, &spec), RESULT_OK);
    assert_int_equal(functions_invoke(fixture->functions, STR("expired"), &no_limits, &event, &run),
                     FUNCTIONS_UNKNOWN);
}

static void counts_concurrency(void **state)
{
    struct fixture *fixture = *state;
    if (!begin(state, "many"))
        return;
    struct function_run *runs[6];
    for (int i = 0; i < 6; i++)
        runs[i] = start(fixture, "many", "time.sleep(0.5)\nout = 1");
    struct function_event event = make_event(fixture, "out = 1");
    struct function_run *run;
    struct function_limits limits = {.function = 6, .account = 1000};
    assert_int_equal(functions_invoke(fixture->functions, STR("many"), &limits, &event, &run),
                     FUNCTIONS_FUNCTION_THROTTLED);
    limits = (struct function_limits){.function = UINT32_MAX, .account = 6};
    assert_int_equal(functions_invoke(fixture->functions, STR("many"), &limits, &event, &run),
                     FUNCTIONS_ACCOUNT_THROTTLED);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(await(fixture, runs[i])->outcome, FUNCTION_ANSWERED);
        function_run_release(runs[i]);
    }
    /* Three are kept warm. */
    struct functions_counts counts = {0};
    for (int i = 0; i < 200; i++) {
        functions_count(fixture->functions, &counts);
        if (counts.environments <= 3)
            break;
        usleep(10000);
    }
    assert_int_equal(counts.environments, 3);
    assert_int_equal(counts.busy, 0);
    functions_forget(fixture->functions, STR("many"));
    for (int i = 0; i < 200; i++) {
        functions_count(fixture->functions, &counts);
        if (counts.environments == 0)
            break;
        usleep(10000);
    }
    assert_true(counts.environments < 3);
}

static void streams(void **state)
{
    struct fixture *fixture = *state;
    if (!begin(state, "stream"))
        return;
    struct function_event event = make_event(
        fixture,
        "c.putrequest('POST', '/2018-06-01/runtime/invocation/' + id + '/response')\n"
        "c.putheader('Lambda-Runtime-Function-Response-Mode', 'streaming')\n"
        "c.putheader('Transfer-Encoding', 'chunked')\n"
        "c.putheader('Content-Type', 'text/plain')\n"
        "c.putheader('Trailer', 'Lambda-Runtime-Function-Error-Type')\n"
        "c.endheaders()\n"
        "for i in range(1000): c.send(b'400\\r\\n' + b'%04d' % i + b'.' * 1020 + b'\\r\\n')\n"
        "c.send(b'0\\r\\n')\n"
        "if event.get('x') is None: c.send(b'Lambda-Runtime-Function-Error-Type: Late\\r\\n')\n"
        "c.send(b'\\r\\n')\n"
        "r = c.getresponse(); assert r.status == 202, r.status; r.read()");
    event.streaming = true;
    struct function_run *run = NULL;
    assert_int_equal(functions_invoke(fixture->functions, STR("stream"), &no_limits, &event, &run),
                     FUNCTIONS_TAKEN);
    size_t total = 0;
    uint64_t until = time_monotonic_ns() + 20000000000;
    static char piece[8192];
    for (;;) {
        bool ended = function_run_result(run)->outcome != FUNCTION_RUNNING;
        size_t got = function_run_read(run, piece, sizeof piece);
        total += got;
        if (got == 0 && ended)
            break;
        if (got == 0)
            usleep(1000);
        assert_true(time_monotonic_ns() < until);
    }
    assert_int_equal(total, 1000 * 1024);
    const struct function_result *result = function_run_result(run);
    assert_int_equal(result->outcome, FUNCTION_FAILED);
    expect(result->payload, "\"errorType\":\"Late\"");
    assert_string_equal(str_to_c(fixture->arena, result->content_type), "text/plain");
    function_run_release(run);
}

static void tells_extensions(void **state)
{
    struct fixture *fixture = *state;
    if (!begin(state, "none"))
        return;
    struct function_spec spec = make_spec(fixture, "extended");
    spec.opt = str_format(fixture->arena, "%s/opt", fixture->directory);
    assert_int_equal(functions_hold(fixture->functions, &spec), RESULT_OK);
    for (int i = 0; i < 2; i++) {
        struct function_run *run =
            start(fixture, "extended", "print('printed', flush=True)\nout = 1");
        const struct function_result *result = await(fixture, run);
        assert_int_equal(result->outcome, FUNCTION_ANSWERED);
        function_run_release(run);
    }
    /* Telemetry comes when it comes. */
    for (int i = 0; i < 6000 && !holds(log_text(fixture), "GOT platform.report {"); i++)
        usleep(10000);
    functions_forget(fixture->functions, STR("extended"));
    for (int i = 0; i < 6000 && !holds(log_text(fixture), "SHUTDOWN spindown"); i++)
        usleep(10000);
    expect(log_text(fixture), "registered 200 {\"functionName\":\"f\"");
    expect(log_text(fixture), "EXTENSION\tName: watcher\tState: Ready\tEvents: "
                              "[INVOKE,SHUTDOWN]\n");
    expect(log_text(fixture), "INVOKE 11111111-2222-4333-8444-555555555555\n");
    expect(log_text(fixture), "SHUTDOWN spindown\n");
    expect(log_text(fixture), "subscribed 200 \"OK\"\n");
    expect(log_text(fixture),
           "TELEMETRY\tName: watcher\tState: Subscribed\tTypes: [Platform, Function]\n");
    expect(log_text(fixture), "GOT platform.telemetrySubscription {\"name\": \"watcher\"");
    expect(log_text(fixture), "GOT platform.initReport {\"initializationType\": \"on-demand\"");
    expect(log_text(fixture), "GOT function \"printed\"\n");
    expect(log_text(fixture),
           "GOT platform.report {\"requestId\": \"11111111-2222-4333-8444-555555555555\"");
}

static void survives_a_flood(void **state)
{
    struct fixture *fixture = *state;
    if (!begin(state, "flood"))
        return;
    struct function_spec spec = make_spec(fixture, "flooded");
    spec.timeout_ms = 1500;
    assert_int_equal(functions_hold(fixture->functions, &spec), RESULT_OK);
    fixture->lines = 0;
    struct function_run *run =
        start(fixture, "flooded", "while True: os.write(1, b'x' * 99 + b'\\n' * 1)");
    struct function_run *other = start(fixture, "flood", "out = 1");
    assert_int_equal(await(fixture, other)->outcome, FUNCTION_ANSWERED);
    function_run_release(other);
    expect(await(fixture, run)->payload, "Sandbox.Timedout");
    function_run_release(run);
    assert_true(fixture->lines > 1000);
}

/* More environments that fail while they start than may start at once: none of them counts on. */
static void starts_after_failures(void **state)
{
    struct fixture *fixture = *state;
    if (!begin(state, "good"))
        return;
    struct function_spec spec = make_spec(fixture, "bad");
    struct str environment[] = {STR("INIT=sys.exit(1)")};
    spec.environment = environment;
    spec.environment_count = 1;
    assert_int_equal(functions_hold(fixture->functions, &spec), RESULT_OK);
    long most = 4 * sysconf(_SC_NPROCESSORS_ONLN) + 2;
    for (long i = 0; i < most; i++)
        expect_failure(fixture, "bad", "out = 1", "Runtime.ExitError", "Error Type: Runtime.Exit");
    struct functions_counts counts;
    functions_count(fixture->functions, &counts);
    assert_int_equal(counts.starting, 0);
    struct function_run *run = start(fixture, "good", "out = 1");
    assert_int_equal(await(fixture, run)->outcome, FUNCTION_ANSWERED);
    function_run_release(run);
}

static uint64_t count_of(struct str text, char c)
{
    uint64_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += text.ptr[i] == c;
    return count;
}

/* An event that is longer than the log's is cut, at a character, and the next one is whole. */
static void cuts_long_frames(void **state)
{
    struct fixture *fixture = *state;
    if (!begin(state, "frames"))
        return;
    struct function_run *run =
        start(fixture, "frames",
              "import struct\n"
              "def frame(t): return struct.pack('>IIq', 0xa55a0003, len(t), 0) + t\n"
              "b = frame(b'before\\nit') + frame(b'Q' * 262143 + 'é'.encode() * 200000) + "
              "frame(b'after it')\n"
              "while b: b = b[os.write(3, b[:70001]):]\n"
              "out = 1");
    assert_int_equal(await(fixture, run)->outcome, FUNCTION_ANSWERED);
    function_run_release(run);
    struct str text = log_text(fixture);
    assert_int_equal(count_of(text, 'Q'), 262143);
    expect(text, "before\nit\nQQQ");
    expect(text, "QQQ\nafter it\nEND");
    assert_false(holds(text, "\xc3"));
}

static bool comes_to(struct fixture *fixture, unsigned environments, unsigned held)
{
    struct functions_counts counts;
    for (int i = 0; i < 3000; i++) {
        functions_count(fixture->functions, &counts);
        if (counts.environments == environments && counts.held == held)
            return true;
        usleep(10000);
    }
    print_message("%u environments, %u specs\n", counts.environments, counts.held);
    return false;
}

/* A runtime that has answered and goes on has the time of its event, no more. */
static void ends_what_does_not_return(void **state)
{
    struct fixture *fixture = *state;
    if (!begin(state, "none"))
        return;
    struct function_spec spec = make_spec(fixture, "stays");
    spec.timeout_ms = 1000;
    assert_int_equal(functions_hold(fixture->functions, &spec), RESULT_OK);
    uint64_t from = time_monotonic_ns();
    struct function_run *run = start(
        fixture, "stays", "req('POST', '/invocation/' + id + '/response', '1')\ntime.sleep(60)");
    assert_int_equal(await(fixture, run)->outcome, FUNCTION_ANSWERED);
    function_run_release(run);
    /* Another event waits a moment for it, and has an environment of its own. */
    run = start(fixture, "stays", "out = 2");
    assert_int_equal(await(fixture, run)->outcome, FUNCTION_ANSWERED);
    function_run_release(run);
    assert_true(comes_to(fixture, 1, 2));
    assert_true(time_monotonic_ns() - from > 1000000000);
}

/* What nobody uses leaves nothing. */
static void forgets_what_is_not_used(void **state)
{
    struct fixture *fixture = *state;
    if (fixture->functions == NULL)
        skip();
    functions_free(fixture->functions);
    struct functions_config config = {
        .host = fixture->host,
        .directory = str_from_c(fixture->directory),
        .idle_ms = 1500,
        .now_ms = now_ms,
        .log = take_log,
        .context = fixture,
    };
    assert_int_equal(functions_start(&config, &fixture->functions), RESULT_OK);
    if (!begin(state, "once") || !begin(state, "never"))
        return;
    struct function_run *run = start(fixture, "once", "out = 1");
    assert_int_equal(await(fixture, run)->outcome, FUNCTION_ANSWERED);
    function_run_release(run);
    assert_true(comes_to(fixture, 0, 0));
    struct function_event event = make_event(fixture, "out = 1");
    assert_int_equal(functions_invoke(fixture->functions, STR("once"), &no_limits, &event, &run),
                     FUNCTIONS_UNKNOWN);
    begin(state, "once");
    run = start(fixture, "once", "out = 1");
    assert_int_equal(await(fixture, run)->outcome, FUNCTION_ANSWERED);
    function_run_release(run);
}

static size_t entries(const char *path)
{
    size_t count = 0;
    DIR *directory = opendir(path);
    assert_non_null(directory);
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

static size_t threads(void)
{
    return entries("/proc/self/task");
}

/* Seven ways of a run, and two of what comes before it. */
enum { ENDS = 9 };

static void fail_once(struct fixture *fixture, int kind)
{
    static const char *const codes[ENDS] = {
        "sys.exit(1)",
        "os.kill(os.getpid(), 9)",
        "c.close()\nos.close(1)\nos.close(2)\nos._exit(0)",
        "c.sock.sendall(b'POST /2018-06-01/runtime/invocation/' + id.encode() + "
        "b'/response HTTP/1.1\\r\\nHost: x\\r\\nTransfer-Encoding: "
        "chunked\\r\\nLambda-Runtime-Function-Response-Mode: "
        "streaming\\r\\n\\r\\n5\\r\\nhello')\nos._exit(4)",
        "import socket\ns = [socket.create_connection(('127.0.0.1', 9001)) for i in "
        "range(20)]\nos.abort()",
        "os.write(3, b'\\xa5\\x5a\\x00\\x03\\x00')\nos._exit(2)",
        "sys.exit(1)",
        "sys.exit(1)",
        "sys.exit(1)",
    };
    const char *key = kind == 6   ? "broken"
                      : kind == 7 ? "unheard-of"
                      : kind == 8 ? "extended"
                                  : "leaks";
    struct function_run *run = start(fixture, key, codes[kind]);
    assert_int_not_equal(await(fixture, run)->outcome, FUNCTION_ANSWERED);
    function_run_release(run);
}

/* However an environment ends, nothing of it stays open. KUMONIWA_LEAK_ROUNDS: how often. */
static void leaves_nothing_open(void **state)
{
    struct fixture *fixture = *state;
    if (!begin(state, "leaks"))
        return;
    struct str bad[] = {STR("INIT=sys.exit(1)")};
    struct function_spec spec = make_spec(fixture, "broken");
    spec.environment = bad;
    spec.environment_count = 1;
    assert_int_equal(functions_hold(fixture->functions, &spec), RESULT_OK);
    spec = make_spec(fixture, "unheard-of");
    spec.runtime = STR("cobol");
    assert_int_equal(functions_hold(fixture->functions, &spec), RESULT_OK);
    spec = make_spec(fixture, "extended");
    spec.opt = str_format(fixture->arena, "%s/opt", fixture->directory);
    assert_int_equal(functions_hold(fixture->functions, &spec), RESULT_OK);
    const char *wanted = getenv("KUMONIWA_LEAK_ROUNDS");
    int rounds = wanted == NULL ? 3 : atoi(wanted);
    size_t open = 0;
    for (int round = 0; round < rounds; round++) {
        for (int kind = 0; kind < ENDS; kind++)
            fail_once(fixture, kind);
        assert_true(comes_to(fixture, 0, 4));
        if (round == 0)
            open = entries("/proc/self/fd");
    }
    assert_int_equal(entries("/proc/self/fd"), open);
}

/* Whoever has no functions has no threads for them. */
static void begins_with_the_first_spec(void **state)
{
    struct fixture *fixture = *state;
    if (fixture->functions == NULL)
        skip();
    size_t before = threads();
    if (!begin(state, "first"))
        return;
    assert_true(threads() >= before + 2);
    functions_stop(fixture->functions);
    assert_true(threads() <= before);
}

static void stops_what_runs(void **state)
{
    struct fixture *fixture = *state;
    if (!begin(state, "stop"))
        return;
    struct function_run *run = start(fixture, "stop", "time.sleep(60)");
    usleep(300000);
    function_run_release(run);
    run = start(fixture, "stop", "time.sleep(60)");
    functions_stop(fixture->functions);
    assert_int_equal(function_run_result(run)->outcome, FUNCTION_STOPPED);
    function_run_release(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers_cold_and_warm, setup, teardown),
        cmocka_unit_test_setup_teardown(tells_failures, setup, teardown),
        cmocka_unit_test_setup_teardown(times_out, setup, teardown),
        cmocka_unit_test_setup_teardown(tries_init_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(says_what_is_missing, setup, teardown),
        cmocka_unit_test_setup_teardown(counts_concurrency, setup, teardown),
        cmocka_unit_test_setup_teardown(streams, setup, teardown),
        cmocka_unit_test_setup_teardown(tells_extensions, setup, teardown),
        cmocka_unit_test_setup_teardown(survives_a_flood, setup, teardown),
        cmocka_unit_test_setup_teardown(starts_after_failures, setup, teardown),
        cmocka_unit_test_setup_teardown(ends_what_does_not_return, setup, teardown),
        cmocka_unit_test_setup_teardown(forgets_what_is_not_used, setup, teardown),
        cmocka_unit_test_setup_teardown(cuts_long_frames, setup, teardown),
        cmocka_unit_test_setup_teardown(leaves_nothing_open, setup, teardown),
        cmocka_unit_test_setup_teardown(begins_with_the_first_spec, setup, teardown),
        cmocka_unit_test_setup_teardown(stops_what_runs, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
