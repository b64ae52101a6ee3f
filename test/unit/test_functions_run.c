/* Runs in execution environments: answers, failures, limits, streams, what is printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <unistd.h>

#include "base/buf.h"
#include "base/time.h"
#include "unit/functions_kit.h"
#include "unit/functions_provided.h"

static void answers_cold_and_warm(void **state)
{
    struct fixture *fixture = *state;
    if (!kit_begin(state, "warm"))
        return;
    struct function_run *run =
        kit_start(fixture, "warm",
                  "print('hello', flush=True)\nout = [os.environ['AWS_LAMBDA_FUNCTION_NAME'],"
                  "r.getheader('Lambda-Runtime-Invoked-Function-Arn')]");
    const struct function_result *result = kit_await(fixture, run);
    assert_int_equal(result->outcome, FUNCTION_ANSWERED);
    kit_expect(result->payload, "[\"f\", \"arn:aws:lambda:us-east-1:000000000000:function:f\"]");
    assert_true(result->init_us > 0 && result->duration_us > 0 && result->billed_ms > 0);
    assert_true(result->max_memory_mb > 1);
    kit_expect(result->tail,
               "START RequestId: 11111111-2222-4333-8444-555555555555 Version: $LATEST\n"
               "hello\nEND RequestId: 11111111-2222-4333-8444-555555555555\n"
               "REPORT RequestId: 11111111-2222-4333-8444-555555555555\tDuration: ");
    kit_expect(result->tail, " MB\tInit Duration: ");
    function_run_release(run);
    kit_expect(kit_log_text(fixture), "INIT_START Runtime Version: provided.al:2023.v1\t");
    /* One that comes back late, on a machine with much else to do, is not waited for. */
    unsigned cold = 1;
    for (int i = 0; i < 50; i++) {
        run = kit_start(fixture, "warm", "out = 1");
        result = kit_await(fixture, run);
        assert_int_equal(result->outcome, FUNCTION_ANSWERED);
        assert_true((result->init_us >= 0) == kit_holds(result->tail, "Init Duration"));
        cold += result->init_us >= 0;
        function_run_release(run);
    }
    struct functions_counts counts;
    functions_count(fixture->functions, &counts);
    assert_in_range(counts.started, cold, cold + 1);
    assert_true(cold < 5);
    assert_int_equal(counts.invoked, 51);
}

static void tells_failures(void **state)
{
    struct fixture *fixture = *state;
    if (!kit_begin(state, "fail"))
        return;
    kit_expect_failure(fixture, "fail",
                       "req('POST', '/invocation/' + id + '/error', "
                       "'{\"errorMessage\":\"m\",\"errorType\":\"E\"}')",
                       "{\"errorMessage\":\"m\",\"errorType\":\"E\"}", "\tMax Memory Used: ");
    kit_expect_failure(
        fixture, "fail", "sys.exit(3)",
        "{\"errorType\":\"Runtime.ExitError\",\"errorMessage\":\"RequestId: "
        "11111111-2222-4333-8444-555555555555 Error: Runtime exited with error: exit "
        "status 3\"}",
        "Status: error\tError Type: Runtime.ExitError");
    kit_expect_failure(fixture, "fail", "sys.exit(0)", "Runtime exited without providing a reason",
                       NULL);
    kit_expect_failure(fixture, "fail", "os.kill(os.getpid(), 11)", "signal: segmentation fault",
                       NULL);
    kit_expect_failure(fixture, "fail", "x = bytearray(400 << 20)\ntime.sleep(5)",
                       "{\"errorType\":\"Runtime.OutOfMemory\"", "Max Memory Used: 128 MB");
    /* "Lambda quotas": 6 MB, and a little for what is around it; quotes count. */
    struct function_run *run = kit_start(fixture, "fail", "out = 'x' * 6291554");
    assert_int_equal(kit_await(fixture, run)->outcome, FUNCTION_ANSWERED);
    assert_int_equal(function_run_result(run)->payload.len, 6291556);
    function_run_release(run);
    run = kit_start(fixture, "fail", "out = 'x' * 6291555");
    const struct function_result *result = kit_await(fixture, run);
    assert_int_equal(result->outcome, FUNCTION_TOO_LARGE);
    kit_expect(result->payload, "Function.ResponseSizeTooLarge");
    function_run_release(run);
    /* After all that it works as before. */
    run = kit_start(fixture, "fail", "out = 7");
    assert_int_equal(kit_await(fixture, run)->outcome, FUNCTION_ANSWERED);
    function_run_release(run);
}

static void times_out(void **state)
{
    struct fixture *fixture = *state;
    if (!kit_begin(state, "none"))
        return;
    struct function_spec spec = kit_make_spec(fixture, "slow");
    spec.timeout_ms = 1000;
    assert_int_equal(functions_hold(fixture->functions, &spec), RESULT_OK);
    kit_expect_failure(fixture, "slow",
                       "import signal\nsignal.signal(15, signal.SIG_IGN)\n"
                       "print('begin', flush=True)\ntime.sleep(60)",
                       "{\"errorType\":\"Sandbox.Timedout\",\"errorMessage\":\"RequestId: "
                       "11111111-2222-4333-8444-555555555555 Error: Task timed out after 1.00 "
                       "seconds\"}",
                       "Task timed out after 1.00 seconds\n\nEND RequestId");
    kit_expect(kit_log_text(fixture), "begin\n");
    kit_expect(kit_log_text(fixture), "\tDuration: 1000.00 ms\tBilled Duration: ");
    kit_expect(kit_log_text(fixture), "Status: timeout");
}

static void tries_init_twice(void **state)
{
    struct fixture *fixture = *state;
    if (!kit_begin(state, "none"))
        return;
    struct function_spec spec = kit_make_spec(fixture, "init");
    struct str environment[] = {STR("INIT=req('POST', '/init/error', "
                                    "'{\"errorMessage\":\"m\",\"errorType\":\"Runtime.Bad\"}', "
                                    "Lambda_Runtime_Function_Error_Type='Runtime.Bad')\n"
                                    "sys.exit(1)")};
    spec.environment = environment;
    spec.environment_count = 1;
    assert_int_equal(functions_hold(fixture->functions, &spec), RESULT_OK);
    kit_expect_failure(fixture, "init", "out = 1",
                       "{\"errorMessage\":\"m\",\"errorType\":\"Runtime.Bad\"}", "END RequestId");
    kit_expect(kit_log_text(fixture), "\tPhase: init\tStatus: error\tError Type: Runtime.Bad\n");
    kit_expect(kit_log_text(fixture), "\tPhase: invoke\tStatus: error\tError Type: Runtime.Bad\n");
}

static void says_what_is_missing(void **state)
{
    struct fixture *fixture = *state;
    if (!kit_begin(state, "none"))
        return;
    struct function_spec spec = kit_make_spec(fixture, "cobol");
    spec.runtime = STR("cobol");
    assert_int_equal(functions_hold(fixture->functions, &spec), RESULT_OK);
    struct function_run *run = kit_start(fixture, "cobol", "out = 1");
    const struct function_result *result = kit_await(fixture, run);
    assert_int_equal(result->outcome, FUNCTION_UNABLE);
    kit_expect(result->payload, "no such runtime here");
    function_run_release(run);
    struct function_event event = kit_make_event(fixture, "out = 1");
    assert_int_equal(
        functions_invoke(fixture->functions, STR("unheard"), &kit_no_limits, &event, &run),
        FUNCTIONS_UNKNOWN);
    spec = kit_make_spec(fixture, "expired");
    spec.expires_ms = time_wall_ms() + 1000;
    assert_int_equal(functions_hold(fixture->functions, &spec), RESULT_OK);
    assert_int_equal(
        functions_invoke(fixture->functions, STR("expired"), &kit_no_limits, &event, &run),
        FUNCTIONS_UNKNOWN);
}

static void counts_concurrency(void **state)
{
    struct fixture *fixture = *state;
    if (!kit_begin(state, "many"))
        return;
    struct function_run *runs[6];
    for (int i = 0; i < 6; i++)
        runs[i] = kit_start(fixture, "many", KIT_WAIT "out = 1");
    struct function_event event = kit_make_event(fixture, "out = 1");
    struct function_run *run;
    struct function_limits limits = {.function = 6, .account = 1000};
    assert_int_equal(functions_invoke(fixture->functions, STR("many"), &limits, &event, &run),
                     FUNCTIONS_FUNCTION_THROTTLED);
    limits = (struct function_limits){.function = UINT32_MAX, .account = 6};
    assert_int_equal(functions_invoke(fixture->functions, STR("many"), &limits, &event, &run),
                     FUNCTIONS_ACCOUNT_THROTTLED);
    assert_true(kit_comes_to_busy(fixture, 6));
    kit_let_go(fixture);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(kit_await(fixture, runs[i])->outcome, FUNCTION_ANSWERED);
        function_run_release(runs[i]);
    }
    /* Three are kept warm. */
    assert_true(kit_comes_down_to(fixture, 3));
    struct functions_counts counts;
    functions_count(fixture->functions, &counts);
    assert_int_equal(counts.environments, 3);
    assert_int_equal(counts.busy, 0);
    functions_forget(fixture->functions, STR("many"));
    assert_true(kit_comes_down_to(fixture, 0));
}

static void streams(void **state)
{
    struct fixture *fixture = *state;
    if (!kit_begin(state, "stream"))
        return;
    struct function_event event = kit_make_event(
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
    assert_int_equal(
        functions_invoke(fixture->functions, STR("stream"), &kit_no_limits, &event, &run),
        FUNCTIONS_TAKEN);
    size_t total = 0;
    uint64_t until = time_monotonic_ns() + 60000000000;
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
    kit_expect(result->payload, "\"errorType\":\"Late\"");
    assert_string_equal(str_to_c(fixture->arena, result->content_type), "text/plain");
    function_run_release(run);
}

static void tells_extensions(void **state)
{
    struct fixture *fixture = *state;
    if (!kit_begin(state, "none"))
        return;
    struct function_spec spec = kit_make_spec(fixture, "extended");
    spec.opt = str_format(fixture->arena, "%s/opt", fixture->directory);
    assert_int_equal(functions_hold(fixture->functions, &spec), RESULT_OK);
    for (int i = 0; i < 2; i++) {
        struct function_run *run =
            kit_start(fixture, "extended", "print('printed', flush=True)\nout = 1");
        const struct function_result *result = kit_await(fixture, run);
        assert_int_equal(result->outcome, FUNCTION_ANSWERED);
        function_run_release(run);
    }
    /* Telemetry comes when it comes. */
    for (int i = 0; i < 6000 && !kit_holds(kit_log_text(fixture), "GOT platform.report {"); i++)
        usleep(10000);
    functions_forget(fixture->functions, STR("extended"));
    for (int i = 0; i < 6000 && !kit_holds(kit_log_text(fixture), "SHUTDOWN spindown"); i++)
        usleep(10000);
    kit_expect(kit_log_text(fixture), "registered 200 {\"functionName\":\"f\"");
    kit_expect(kit_log_text(fixture), "EXTENSION\tName: watcher\tState: Ready\tEvents: "
                                      "[INVOKE,SHUTDOWN]\n");
    kit_expect(kit_log_text(fixture), "INVOKE 11111111-2222-4333-8444-555555555555\n");
    kit_expect(kit_log_text(fixture), "SHUTDOWN spindown\n");
    kit_expect(kit_log_text(fixture), "subscribed 200 \"OK\"\n");
    kit_expect(kit_log_text(fixture),
               "TELEMETRY\tName: watcher\tState: Subscribed\tTypes: [Platform, Function]\n");
    kit_expect(kit_log_text(fixture), "GOT platform.telemetrySubscription {\"name\": \"watcher\"");
    kit_expect(kit_log_text(fixture),
               "GOT platform.initReport {\"initializationType\": \"on-demand\"");
    kit_expect(kit_log_text(fixture), "GOT function \"printed\"\n");
    kit_expect(kit_log_text(fixture),
               "GOT platform.report {\"requestId\": \"11111111-2222-4333-8444-555555555555\"");
}

static void survives_a_flood(void **state)
{
    struct fixture *fixture = *state;
    if (!kit_begin(state, "flood"))
        return;
    struct function_spec spec = kit_make_spec(fixture, "flooded");
    spec.timeout_ms = 1500;
    assert_int_equal(functions_hold(fixture->functions, &spec), RESULT_OK);
    fixture->lines = 0;
    struct function_run *run =
        kit_start(fixture, "flooded", "while True: os.write(1, b'x' * 99 + b'\\n' * 1)");
    struct function_run *other = kit_start(fixture, "flood", "out = 1");
    assert_int_equal(kit_await(fixture, other)->outcome, FUNCTION_ANSWERED);
    function_run_release(other);
    kit_expect(kit_await(fixture, run)->payload, "Sandbox.Timedout");
    function_run_release(run);
    assert_true(fixture->lines > 1000);
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
    if (!kit_begin(state, "frames"))
        return;
    struct function_run *run =
        kit_start(fixture, "frames",
                  "import struct\n"
                  "def frame(t): return struct.pack('>IIq', 0xa55a0003, len(t), 0) + t\n"
                  "b = frame(b'before\\nit') + frame(b'Q' * 262143 + 'é'.encode() * 200000) + "
                  "frame(b'after it')\n"
                  "while b: b = b[os.write(3, b[:70001]):]\n"
                  "out = 1");
    assert_int_equal(kit_await(fixture, run)->outcome, FUNCTION_ANSWERED);
    function_run_release(run);
    struct str text = kit_log_text(fixture);
    assert_int_equal(count_of(text, 'Q'), 262143);
    kit_expect(text, "before\nit\nQQQ");
    kit_expect(text, "QQQ\nafter it\nEND");
    assert_false(kit_holds(text, "\xc3"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers_cold_and_warm, kit_setup, kit_teardown),
        cmocka_unit_test_setup_teardown(tells_failures, kit_setup, kit_teardown),
        cmocka_unit_test_setup_teardown(times_out, kit_setup, kit_teardown),
        cmocka_unit_test_setup_teardown(tries_init_twice, kit_setup, kit_teardown),
        cmocka_unit_test_setup_teardown(says_what_is_missing, kit_setup, kit_teardown),
        cmocka_unit_test_setup_teardown(counts_concurrency, kit_setup, kit_teardown),
        cmocka_unit_test_setup_teardown(streams, kit_setup, kit_teardown),
        cmocka_unit_test_setup_teardown(tells_extensions, kit_setup, kit_teardown),
        cmocka_unit_test_setup_teardown(survives_a_flood, kit_setup, kit_teardown),
        cmocka_unit_test_setup_teardown(cuts_long_frames, kit_setup, kit_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
