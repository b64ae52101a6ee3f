/* How environments begin and end, and what they leave behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <dirent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/time.h"
#include "support/process.h"
#include "unit/functions_kit.h"
#include "unit/functions_provided.h"

/* More environments that fail while they start than may start at once: none of them counts on. */
static void starts_after_failures(void **state)
{
    struct fixture *fixture = *state;
    if (!kit_begin(state, "good"))
        return;
    struct function_spec spec = kit_make_spec(fixture, "bad");
    struct str environment[] = {STR("INIT=sys.exit(1)")};
    spec.environment = environment;
    spec.environment_count = 1;
    assert_int_equal(functions_hold(fixture->functions, &spec), RESULT_OK);
    long most = 4 * sysconf(_SC_NPROCESSORS_ONLN) + 2;
    for (long i = 0; i < most; i++)
        kit_expect_failure(fixture, "bad", "out = 1", "Runtime.ExitError",
                           "Error Type: Runtime.Exit");
    struct functions_counts counts;
    functions_count(fixture->functions, &counts);
    assert_int_equal(counts.starting, 0);
    struct function_run *run = kit_start(fixture, "good", "out = 1");
    assert_int_equal(kit_await(fixture, run)->outcome, FUNCTION_ANSWERED);
    function_run_release(run);
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
    if (!kit_begin(state, "none"))
        return;
    struct function_spec spec = kit_make_spec(fixture, "stays");
    spec.timeout_ms = 1000;
    assert_int_equal(functions_hold(fixture->functions, &spec), RESULT_OK);
    uint64_t from = time_monotonic_ns();
    struct function_run *run = kit_start(
        fixture, "stays", "req('POST', '/invocation/' + id + '/response', '1')\ntime.sleep(60)");
    assert_int_equal(kit_await(fixture, run)->outcome, FUNCTION_ANSWERED);
    function_run_release(run);
    /* Another event waits a moment for it, and has an environment of its own. */
    run = kit_start(fixture, "stays", "out = 2");
    assert_int_equal(kit_await(fixture, run)->outcome, FUNCTION_ANSWERED);
    function_run_release(run);
    assert_true(comes_to(fixture, 1, 2));
    assert_true(time_monotonic_ns() - from > 1000000000);
}

/* A runtime's connection that there is no descriptor for waits, and costs nothing meanwhile. */
static void waits_for_descriptors(void **state)
{
    struct fixture *fixture = *state;
    if (!kit_begin(state, "connects"))
        return;
    struct function_run *run =
        kit_start(fixture, "connects",
                  "n = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])\n"
                  "print('ready', flush=True)\n" KIT_WAIT "n.request('GET', '/2018-06-01/none')\n"
                  "out = n.getresponse().status");
    for (int i = 0; i < 6000 && !kit_holds(kit_log_text(fixture), "ready"); i++)
        usleep(10000);
    struct rlimit before = process_take_descriptors();
    kit_let_go(fixture);
    usleep(700000);
    uint64_t spent = process_cpu_ms();
    usleep(1000000);
    spent = process_cpu_ms() - spent;
    bool waits = function_run_result(run)->outcome == FUNCTION_RUNNING;
    process_set_limit(before);
    const struct function_result *result = kit_await(fixture, run);
    assert_true(waits);
    assert_true(spent < 300);
    assert_int_equal(result->outcome, FUNCTION_ANSWERED);
    assert_true(str_eq(result->payload, STR("404")));
    function_run_release(run);
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
        .now_ms = kit_now_ms,
        .log = kit_take_log,
        .context = fixture,
    };
    assert_int_equal(functions_start(&config, &fixture->functions), RESULT_OK);
    if (!kit_begin(state, "once") || !kit_begin(state, "never"))
        return;
    struct function_run *run = kit_start(fixture, "once", "out = 1");
    assert_int_equal(kit_await(fixture, run)->outcome, FUNCTION_ANSWERED);
    function_run_release(run);
    assert_true(comes_to(fixture, 0, 0));
    struct function_event event = kit_make_event(fixture, "out = 1");
    assert_int_equal(
        functions_invoke(fixture->functions, STR("once"), &kit_no_limits, &event, &run),
        FUNCTIONS_UNKNOWN);
    kit_begin(state, "once");
    run = kit_start(fixture, "once", "out = 1");
    assert_int_equal(kit_await(fixture, run)->outcome, FUNCTION_ANSWERED);
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

/* What is open, for who looks for a leak. */
static void tell_open(void)
{
    for (int fd = 0; fd < 200; fd++) {
        char path[32], to[128];
        struct sockaddr_in address = {0};
        socklen_t size = sizeof address;
        union {
            struct sockaddr_in *in;
            struct sockaddr *any;
        } as = {.in = &address};
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(path, to, sizeof to - 1);
        if (length <= 0)
            continue;
        struct tcp_info info = {0};
        socklen_t info_size = sizeof info;
        bool named = getsockname(fd, as.any, &size) == 0 && address.sin_family == AF_INET &&
                     getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &info_size) == 0;
        print_message("%d %.*s port %d state %d\n", fd, (int)length, to,
                      named ? ntohs(address.sin_port) : 0, info.tcpi_state);
    }
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
        ("c.sock.sendall(b'POST /2018-06-01/runtime/invocation/' + id.encode() + "
         "b'/response HTTP/1.1\\r\\nHost: x\\r\\nTransfer-Encoding: "
         "chunked\\r\\nLambda-Runtime-Function-Response-Mode: "
         "streaming\\r\\n\\r\\n5\\r\\nhello')\nos._exit(4)"),
        ("import socket\ns = [socket.create_connection(('127.0.0.1', 9001)) for i in "
         "range(20)]\nos.abort()"),
        "os.write(3, b'\\xa5\\x5a\\x00\\x03\\x00')\nos._exit(2)",
        "sys.exit(1)",
        "sys.exit(1)",
        "sys.exit(1)",
    };
    const char *key = kind == 6   ? "broken"
                      : kind == 7 ? "unheard-of"
                      : kind == 8 ? "extended"
                                  : "leaks";
    struct function_run *run = kit_start(fixture, key, codes[kind]);
    assert_int_not_equal(kit_await(fixture, run)->outcome, FUNCTION_ANSWERED);
    function_run_release(run);
}

/* However an environment ends, nothing of it stays open. KUMONIWA_LEAK_ROUNDS: how often. */
static void leaves_nothing_open(void **state)
{
    struct fixture *fixture = *state;
    if (!kit_begin(state, "leaks"))
        return;
    struct str bad[] = {STR("INIT=sys.exit(1)")};
    struct function_spec spec = kit_make_spec(fixture, "broken");
    spec.environment = bad;
    spec.environment_count = 1;
    assert_int_equal(functions_hold(fixture->functions, &spec), RESULT_OK);
    spec = kit_make_spec(fixture, "unheard-of");
    spec.runtime = STR("cobol");
    assert_int_equal(functions_hold(fixture->functions, &spec), RESULT_OK);
    spec = kit_make_spec(fixture, "extended");
    spec.opt = str_format(fixture->arena, "%s/opt", fixture->directory);
    assert_int_equal(functions_hold(fixture->functions, &spec), RESULT_OK);
    const char *wanted = getenv("KUMONIWA_LEAK_ROUNDS");
    int rounds = wanted == NULL ? 3 : (int)strtol(wanted, NULL, 10);
    size_t open = 0;
    for (int round = 0; round < rounds; round++) {
        for (int kind = 0; kind < ENDS; kind++)
            fail_once(fixture, kind);
        assert_true(comes_to(fixture, 0, 4));
        if (round == 0)
            open = entries("/proc/self/fd");
    }
    /* Connections end a moment after their environment. */
    for (int i = 0; i < 6000 && entries("/proc/self/fd") > open; i++)
        usleep(10000);
    if (entries("/proc/self/fd") > open)
        tell_open();
    assert_true(entries("/proc/self/fd") <= open);
}

/* Whoever has no functions has no threads for them. */
static void begins_with_the_first_spec(void **state)
{
    struct fixture *fixture = *state;
    if (fixture->functions == NULL)
        skip();
    size_t before = threads();
    if (!kit_begin(state, "first"))
        return;
    assert_true(threads() >= before + 2);
    functions_stop(fixture->functions);
    /* The system counts one that was joined for a moment more. */
    for (int i = 0; i < 6000 && threads() > before; i++)
        usleep(10000);
    assert_true(threads() <= before);
}

/* While one is started, the last in the queue leaves it: its event has found a warm environment,
 * and the thread that starts comes back to a queue that is shorter than it was. */
static void starts_while_the_queue_empties(void **state)
{
    struct fixture *fixture = *state;
    if (!kit_begin(state, "warm"))
        return;
    struct function_spec spec = kit_make_spec(fixture, "gated");
    spec.outside = true;
    assert_int_equal(functions_hold(fixture->functions, &spec), RESULT_OK);
    fixture->gated = true;
    struct function_run *warm = kit_start(
        fixture, "warm", "while not os.path.exists('/var/task/go'): time.sleep(0.01)\nout = 1");
    assert_true(kit_comes_to_busy(fixture, 1));
    struct function_run *first = kit_start(fixture, "gated", "out = 1");
    kit_await_asked(fixture, 1);
    /* These two wait when the next round begins. */
    struct function_run *second = kit_start(fixture, "gated", "out = 2");
    struct function_run *last = kit_start(fixture, "warm", "out = 3");
    kit_admit(fixture);
    kit_await_asked(fixture, 2);
    kit_let_go(fixture);
    assert_int_equal(kit_await(fixture, warm)->outcome, FUNCTION_ANSWERED);
    assert_int_equal(kit_await(fixture, last)->outcome, FUNCTION_ANSWERED);
    assert_int_equal(function_run_result(last)->init_us, -1); /* the warm one took it */
    kit_admit(fixture);
    assert_int_equal(kit_await(fixture, first)->outcome, FUNCTION_ANSWERED);
    assert_int_equal(kit_await(fixture, second)->outcome, FUNCTION_ANSWERED);
    function_run_release(warm);
    function_run_release(first);
    function_run_release(second);
    function_run_release(last);
}

static void stops_what_runs(void **state)
{
    struct fixture *fixture = *state;
    if (!kit_begin(state, "stop"))
        return;
    struct function_run *run = kit_start(fixture, "stop", "time.sleep(60)");
    assert_true(kit_comes_to_busy(fixture, 1));
    function_run_release(run);
    run = kit_start(fixture, "stop", "time.sleep(60)");
    functions_stop(fixture->functions);
    assert_int_equal(function_run_result(run)->outcome, FUNCTION_STOPPED);
    function_run_release(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(starts_after_failures, kit_setup, kit_teardown),
        cmocka_unit_test_setup_teardown(ends_what_does_not_return, kit_setup, kit_teardown),
        cmocka_unit_test_setup_teardown(forgets_what_is_not_used, kit_setup, kit_teardown),
        cmocka_unit_test_setup_teardown(leaves_nothing_open, kit_setup, kit_teardown),
        cmocka_unit_test_setup_teardown(begins_with_the_first_spec, kit_setup, kit_teardown),
        cmocka_unit_test_setup_teardown(waits_for_descriptors, kit_setup, kit_teardown),
        cmocka_unit_test_setup_teardown(starts_while_the_queue_empties, kit_setup, kit_teardown),
        cmocka_unit_test_setup_teardown(stops_what_runs, kit_setup, kit_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
