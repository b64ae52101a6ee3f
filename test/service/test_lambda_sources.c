/* Event source mappings where nothing can run (no environments are started here): what is taken,
 * deleted and left; what responses mean; how traces go on. Runs themselves are tested end to end:
 * test/e2e/test_boto3_lambda_sqs.py, test_boto3_lambda_streams.py. */
#include "service/lambda_support.h"

#include "cloud/task.h"
#include "gen/sqs.h"
#include "services/lambda/events_int.h"

#define QUEUE "arn:aws:sqs:us-east-1:000000000000:q"
#define EVERYTHING                                                                                 \
    "{\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"sqs:*\",\"Resource\":\"*\"}]}"
#define SENDING                                                                                    \
    "{\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"sqs:SendMessage\",\"Resource\":\"*\"}]}"

static void step(struct loopback *lo)
{
    size_t steps;
    assert_int_equal(tasks_step(lo->cloud, &steps), RESULT_OK);
    (void)loopback_deliver(lo);
}

static void permit(struct loopback *lo, const char *policy)
{
    IAM_DO(lo, PutRolePolicy, .RoleName = STR("f"), .PolicyName = STR("p"),
           .PolicyDocument = str_from_c(policy));
}

static void send(struct loopback *lo, const char *body)
{
    const struct sqs_SendMessageRequest in = {.QueueUrl = STR("q"),
                                              .MessageBody = str_from_c(body)};
    (void)loopback_ok(loopback_call(lo, &sqs_model, SQS_OP_SendMessage, &in));
}

/* How many messages wait, and how many somebody has. */
static void queue_has(struct loopback *lo, const char *waiting, const char *taken)
{
    struct str names[] = {STR("ApproximateNumberOfMessages"),
                          STR("ApproximateNumberOfMessagesNotVisible")};
    const struct sqs_GetQueueAttributesRequest in = {.QueueUrl = STR("q"),
                                                     .AttributeNames = {names, 2}};
    const struct sqs_GetQueueAttributesResult *got =
        loopback_ok(loopback_call(lo, &sqs_model, SQS_OP_GetQueueAttributes, &in));
    for (size_t i = 0; i < got->Attributes.len; i++)
        assert_str(got->Attributes.items[i].value,
                   str_from_c(str_eq(got->Attributes.items[i].key, names[0]) ? waiting : taken));
}

/* A function, a queue, and the mapping between them; its UUID. */
static struct str map_queue(struct loopback *lo, const char *filter)
{
    const struct sqs_CreateQueueRequest create = {.QueueName = STR("q")};
    struct lambda_Filter pattern = {.Pattern = str_from_c(filter)};
    struct lambda_FilterCriteria criteria = {.Filters = {&pattern, 1}};
    (void)lambda_make(lo, "f");
    permit(lo, EVERYTHING);
    (void)loopback_ok(loopback_call(lo, &sqs_model, SQS_OP_CreateQueue, &create));
    const struct lambda_EventSourceMappingConfiguration *made = LAMBDA_OK(
        lo, EventSourceMappingConfiguration, CreateEventSourceMapping, .FunctionName = STR("f"),
        .EventSourceArn = STR(QUEUE), .FilterCriteria = *filter == '\0' ? NULL : &criteria);
    struct str uuid = str_copy(lo->arena, made->UUID);
    loopback_advance(lo, 1000);
    return uuid;
}

static void result_begins(struct loopback *lo, struct str uuid, const char *begin)
{
    const struct lambda_EventSourceMappingConfiguration *got =
        LAMBDA_OK(lo, EventSourceMappingConfiguration, GetEventSourceMapping, .UUID = uuid);
    if (!str_starts_with(got->LastProcessingResult, str_from_c(begin)))
        fail_msg("%.*s", PRSTR(got->LastProcessingResult));
}

static void what_no_filter_wants_is_deleted(void **state)
{
    struct loopback *lo = *state;
    struct str uuid = map_queue(lo, "{\"body\":{\"k\":[\"a\"]}}");
    send(lo, "{\"k\":\"b\"}");
    send(lo, "plain");
    send(lo, "[1]");
    send(lo, " {\"k\":\"a\"}");
    step(lo);
    queue_has(lo, "0", "1");
    result_begins(lo, uuid, "PROBLEM: Functions do not run in this process");
}

static void a_pattern_of_plain_text_drops_json(void **state)
{
    struct loopback *lo = *state;
    (void)map_queue(lo, "{\"body\":[{\"prefix\":\"p\"}]}");
    send(lo, "plain");
    send(lo, "other");
    send(lo, "{\"p\":1}");
    step(lo);
    queue_has(lo, "0", "1");
}

static void a_role_that_may_not_receive_takes_nothing(void **state)
{
    struct loopback *lo = *state;
    struct str uuid = map_queue(lo, "");
    permit(lo, SENDING);
    send(lo, "x");
    step(lo);
    queue_has(lo, "1", "0");
    result_begins(lo, uuid, "PROBLEM: User: arn:aws:sts::000000000000:assumed-role/f/");
    permit(lo, EVERYTHING);
    loopback_advance(lo, 11000);
    step(lo);
    queue_has(lo, "0", "1");
}

static void a_disabled_mapping_takes_nothing(void **state)
{
    struct loopback *lo = *state;
    struct str uuid = map_queue(lo, "");
    LAMBDA_DO(lo, UpdateEventSourceMapping, .UUID = uuid, .Enabled = opt_bool(false));
    send(lo, "x");
    step(lo);
    loopback_advance(lo, 61000);
    step(lo);
    queue_has(lo, "1", "0");
    LAMBDA_DO(lo, UpdateEventSourceMapping, .UUID = uuid, .Enabled = opt_bool(true));
    step(lo);
    queue_has(lo, "0", "1");
}

/* What a poller cannot have run is not lost: it is visible again in its time. */
static void what_cannot_run_comes_again(void **state)
{
    struct loopback *lo = *state;
    struct str uuid = map_queue(lo, "");
    send(lo, "x");
    for (int i = 0; i < 40; i++) {
        step(lo);
        loopback_advance(lo, 5000);
    }
    LAMBDA_DO(lo, UpdateEventSourceMapping, .UUID = uuid, .Enabled = opt_bool(false));
    loopback_advance(lo, 61000);
    step(lo);
    queue_has(lo, "1", "0");
}

/* "Partial batch responses: success and failure conditions". */
static void responses_name_what_failed(void **state)
{
    struct loopback *lo = *state;
    static const struct {
        const char *response;
        const char *failed; /* a letter for each message; NULL: all, as the response is malformed */
    } rows[] = {
        {"", ".."},
        {"null", ".."},
        {"{}", ".."},
        {"{\"batchItemFailures\":null}", ".."},
        {" {\"batchItemFailures\":[]} ", ".."},
        {"{\"batchItemFailures\":[{\"itemIdentifier\":\"b\"}]}", ".x"},
        {"\n{\"batchItemFailures\":[{\"itemIdentifier\":\"b\"},{\"itemIdentifier\":\"a\"}]}", "xx"},
        {"{\"batchItemFailures\":[{\"itemIdentifier\":\"\"}]}", NULL},
        {"{\"batchItemFailures\":[{\"itemIdentifier\":null}]}", NULL},
        {"{\"batchItemFailures\":[{\"wrong\":\"a\"}]}", NULL},
        {"{\"batchItemFailures\":[{\"itemIdentifier\":\"c\"}]}", NULL},
        {"{\"batchItemFailures\":[\"a\"]}", NULL},
        {"{\"batchItemFailures\":\"a\"}", NULL},
        {" []", NULL},
        {"{", NULL},
    };
    const struct str ids[] = {STR("a"), STR("b")};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool failed[2] = {false, false};
        bool well = source_failures(lo->arena, str_from_c(rows[i].response), ids, 2, failed);
        if (well != (rows[i].failed != NULL) || (well && (failed[0] != (rows[i].failed[0] == 'x') ||
                                                          failed[1] != (rows[i].failed[1] == 'x'))))
            fail_msg("%s", rows[i].response);
    }
}

/* "Tracing header": Lineage is HASH:PASSES|HASH:PASSES. */
static void traces_count_the_passes(void **state)
{
    struct loopback *lo = *state;
    struct call call = {.arena = lo->arena,
                        .cloud = lo->cloud,
                        .partition = STR("aws"),
                        .now_ms = loopback_now(lo)};
    struct lambda_target f = {.name = {.account = lo->account, .region = lo->region}};
    struct lambda_target g = f;
    bool loops;
    f.name.function = STR("f");
    g.name.function = STR("g");
    struct str trace = trace_next(
        &call, &g, STR("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1;Lineage=00000001:7"),
        &loops);
    assert_true(str_starts_with(trace, STR("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=")));
    assert_true(str_find(trace, STR(";Sampled=1;Lineage=00000001:7|")) != SIZE_MAX);
    for (int pass = 1; pass <= 16; pass++) {
        trace = trace_next(&call, &f, trace, &loops);
        assert_false(loops);
    }
    assert_true(str_ends_with(trace, STR(":16")));
    assert_true(str_eq(trace_longer(STR("Root=x"), trace), trace));
    (void)trace_next(&call, &f, trace, &loops);
    assert_true(loops);
    f.function.recursive_loop = STR("Allow");
    (void)trace_next(&call, &f, trace, &loops);
    assert_false(loops);
    assert_true(str_find(trace_next(&call, &g, (struct str){0}, &loops), STR(";Sampled=0;")) !=
                SIZE_MAX);
    g.version.tracing = STR("Active");
    assert_true(str_find(trace_next(&call, &g, (struct str){0}, &loops), STR(";Sampled=1;")) !=
                SIZE_MAX);
    assert_true(str_find(trace_next(&call, &g, STR("Sampled=0"), &loops), STR(";Sampled=0;")) !=
                SIZE_MAX);
    /* What a message brings may be anything. */
    trace = trace_next(&call, &g, STR("Root=1-a\r\nX: y;Parent=\x01;Lineage=b\n:1"), &loops);
    assert_int_equal(str_find(trace, STR("\n")), SIZE_MAX);
    assert_int_equal(str_find(trace, STR("X: y")), SIZE_MAX);
    assert_true(str_starts_with(trace_begin(&call, (struct str){0}), STR("Root=1-")));
    assert_true(str_eq(trace_begin(&call, trace), trace));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAMBDA_TEST(what_no_filter_wants_is_deleted),
        LAMBDA_TEST(a_pattern_of_plain_text_drops_json),
        LAMBDA_TEST(a_role_that_may_not_receive_takes_nothing),
        LAMBDA_TEST(a_disabled_mapping_takes_nothing),
        LAMBDA_TEST(what_cannot_run_comes_again),
        LAMBDA_TEST(responses_name_what_failed),
        LAMBDA_TEST(traces_count_the_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
