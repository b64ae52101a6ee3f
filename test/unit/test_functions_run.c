/* Execution environments with a runtime of our own making: a bootstrap in Python that does what the
 * event says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/time.h"
#include "functions/functions.h"
#include "functions_provided.h"
#include "functions_support.h"

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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
