/* The dispatcher's turns: what goes on and on lets others come first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cloud/outbox.h"
#include "gen/sqs.h"
#include "support/loopback.h"

enum { RUNS = 500 };

/* What the handlers below saw; the dispatcher is this thread. */
static int job_runs, event_runs, runs_before_event;

static RESULT deliver_job(struct call *call, const struct outbox_item *item)
{
    if (++job_runs == 1)
        TRY(outbox_post(call, STR("test.event"), (struct str){0}, STR("")));
    return job_runs < RUNS ? job_schedule(call, item->topic, call->now_ms, STR(""), NULL)
                           : RESULT_OK;
}

static RESULT deliver_event(struct call *call, const struct outbox_item *item)
{
    (void)call;
    (void)item;
    event_runs++;
    runs_before_event = job_runs;
    return RESULT_OK;
}

static const struct outbox_handler handlers[] = {
    {STR_INIT("test.job"), deliver_job},
    {STR_INIT("test.event"), deliver_event},
};

static const struct service_hooks hooks = {
    .model = &sqs_model,
    .handlers = handlers,
    .handler_count = 2,
};
static const struct service_hooks *const all_hooks[] = {&hooks, NULL};

static void test_a_job_that_goes_on(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    char directory[] = "/tmp/kumoniwa-test-XXXXXX";
    assert_non_null(mkdtemp(directory));
    const struct cloud_config config = {
        .directory = str_from_c(directory),
        .default_region = STR("us-east-1"),
        .endpoint = STR("http://localhost:4566"),
        .hooks = all_hooks,
    };
    struct cloud *cloud;
    struct str message;
    assert_int_equal(cloud_open(arena, &config, &cloud, &message), RESULT_OK);
    struct call call = {
        .arena = arena,
        .cloud = cloud,
        .model = &sqs_model,
        .account = STR("000000000000"),
        .region = STR("us-east-1"),
    };
    assert_int_equal(kv_begin(cloud->kv, true, &call.txn), RESULT_OK);
    assert_int_equal(job_schedule(&call, STR("test.job"), 1, STR(""), NULL), RESULT_OK);
    assert_int_equal(call_commit(&call), RESULT_OK);
    size_t delivered;
    assert_int_equal(dispatcher_step(cloud, &delivered), RESULT_OK);
    assert_int_equal(delivered, RUNS + 1);
    assert_int_equal(job_runs, RUNS);
    assert_int_equal(event_runs, 1);
    assert_true(runs_before_event < RUNS / 5);
    cloud_close(cloud);
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    assert_int_equal(system(command), 0);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_job_that_goes_on)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
