#include "unit/functions_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/time.h"

#define KIT_PATIENCE_NS (60 * UINT64_C(1000000000))

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

void kit_take_log(void *context, const struct function_log *line)
{
    struct fixture *fixture = context;
    (void)pthread_mutex_lock(&fixture->lock);
    fixture->lines++;
    if (fixture->length + line->text.len + 2 < KIT_LOG_ROOM) {
        memcpy(fixture->log + fixture->length, line->text.ptr, line->text.len);
        fixture->length += line->text.len;
        fixture->log[fixture->length++] = '\n';
        fixture->log[fixture->length] = '\0';
    }
    (void)pthread_mutex_unlock(&fixture->lock);
}

struct str kit_log_text(struct fixture *fixture)
{
    (void)pthread_mutex_lock(&fixture->lock);
    struct str text = str_copy(fixture->arena, str_make(fixture->log, fixture->length));
    (void)pthread_mutex_unlock(&fixture->lock);
    return text;
}

int64_t kit_now_ms(void *context)
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

static struct str endpoint(void *context)
{
    struct fixture *fixture = context;
    (void)pthread_mutex_lock(&fixture->lock);
    unsigned mine = ++fixture->asked;
    (void)pthread_cond_broadcast(&fixture->wake);
    while (fixture->gated && fixture->admitted < mine)
        (void)pthread_cond_wait(&fixture->wake, &fixture->lock);
    (void)pthread_mutex_unlock(&fixture->lock);
    return STR("http://127.0.0.1:4566");
}

void kit_admit(struct fixture *fixture)
{
    (void)pthread_mutex_lock(&fixture->lock);
    fixture->admitted++;
    (void)pthread_cond_broadcast(&fixture->wake);
    (void)pthread_mutex_unlock(&fixture->lock);
}

/* The lock is held; returns after a signal or a moment. */
static void wait_a_moment(struct fixture *fixture)
{
    struct timespec when;
    (void)clock_gettime(CLOCK_REALTIME, &when);
    when.tv_nsec += 20000000;
    if (when.tv_nsec >= 1000000000) {
        when.tv_nsec -= 1000000000;
        when.tv_sec++;
    }
    (void)pthread_cond_timedwait(&fixture->wake, &fixture->lock, &when);
}

void kit_await_asked(struct fixture *fixture, unsigned asked)
{
    uint64_t until = time_monotonic_ns() + KIT_PATIENCE_NS;
    (void)pthread_mutex_lock(&fixture->lock);
    while (fixture->asked < asked && time_monotonic_ns() < until)
        wait_a_moment(fixture);
    unsigned came = fixture->asked;
    (void)pthread_mutex_unlock(&fixture->lock);
    assert_int_equal(came, asked);
}

void kit_let_go(struct fixture *fixture)
{
    char path[128];
    snprintf(path, sizeof path, "%s/task/go", fixture->directory);
    assert_int_equal(mkdir(path, 0755), 0);
}

bool kit_comes_to_busy(struct fixture *fixture, unsigned busy)
{
    struct functions_counts counts = {0};
    for (int i = 0; i < 6000 && counts.busy != busy; i++) {
        functions_count(fixture->functions, &counts);
        usleep(10000);
    }
    return counts.busy == busy;
}

bool kit_comes_down_to(struct fixture *fixture, unsigned environments)
{
    struct functions_counts counts = {.environments = UINT32_MAX};
    for (int i = 0; i < 6000 && counts.environments > environments; i++) {
        functions_count(fixture->functions, &counts);
        usleep(10000);
    }
    return counts.environments <= environments;
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

int kit_setup(void **state)
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
        .now_ms = kit_now_ms,
        .endpoint = endpoint,
        .log = kit_take_log,
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

int kit_teardown(void **state)
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

struct function_spec kit_make_spec(struct fixture *fixture, const char *key)
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

const struct function_limits kit_no_limits = {.function = UINT32_MAX, .account = 1000};

struct function_event kit_make_event(struct fixture *fixture, const char *code)
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

struct function_run *kit_start(struct fixture *fixture, const char *key, const char *code)
{
    struct function_event event = kit_make_event(fixture, code);
    struct function_run *run = NULL;
    assert_int_equal(
        functions_invoke(fixture->functions, str_from_c(key), &kit_no_limits, &event, &run),
        FUNCTIONS_TAKEN);
    return run;
}

const struct function_result *kit_await(struct fixture *fixture, struct function_run *run)
{
    uint64_t until = time_monotonic_ns() + KIT_PATIENCE_NS;
    while (function_run_result(run)->outcome == FUNCTION_RUNNING && time_monotonic_ns() < until) {
        (void)pthread_mutex_lock(&fixture->lock);
        wait_a_moment(fixture);
        (void)pthread_mutex_unlock(&fixture->lock);
    }
    return function_run_result(run);
}

bool kit_holds(struct str text, const char *part)
{
    return str_find(text, str_from_c(part)) != SIZE_MAX;
}

void kit_expect(struct str text, const char *part)
{
    if (!kit_holds(text, part))
        fail_msg("\"%s\" is not in:\n%.*s", part, PRSTR(text));
}

bool kit_begin(void **state, const char *key)
{
    struct fixture *fixture = *state;
    if (fixture->functions == NULL)
        skip();
    fixture->length = 0;
    fixture->log[0] = '\0';
    struct function_spec spec = kit_make_spec(fixture, key);
    assert_int_equal(functions_hold(fixture->functions, &spec), RESULT_OK);
    return true;
}

void kit_expect_failure(struct fixture *fixture, const char *key, const char *code,
                        const char *payload, const char *tail)
{
    struct function_run *run = kit_start(fixture, key, code);
    const struct function_result *result = kit_await(fixture, run);
    assert_int_equal(result->outcome, FUNCTION_FAILED);
    kit_expect(result->payload, payload);
    if (tail != NULL)
        kit_expect(result->tail, tail);
    function_run_release(run);
}
