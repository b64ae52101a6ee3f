/* Metric filters: what they find, what they refuse. Subscriptions: what they refuse. */
#include "service/logs_support.h"

#include "cloud/outbox.h"

static void group(struct loopback *lo, const char *name)
{
    LOGS_DO(lo, CreateLogGroup, .logGroupName = str_from_c(name));
    LOGS_DO(lo, CreateLogStream, .logGroupName = str_from_c(name), .logStreamName = STR("s"));
}

static void assert_has(struct str text, const char *part)
{
    if (str_find(text, str_from_c(part)) == SIZE_MAX)
        fail_msg("%s is not in %.*s", part, PRSTR(text));
}

#define METRIC(space, metric, ...)                                                                 \
    {                                                                                              \
        .items = &(struct logs_MetricTransformation){.metricNamespace = STR(space),                \
                                                     .metricName = STR(metric),                    \
                                                     .metricValue = __VA_ARGS__},                  \
        .len = 1                                                                                   \
    }

static void test_values_are_counted(void **state)
{
    struct loopback *lo = *state;
    group(lo, "g");
    LOGS_DO(lo, PutMetricFilter, .logGroupName = STR("g"), .filterName = STR("errors"),
            .filterPattern = STR("ERROR"),
            .metricTransformations =
                METRIC("App", "Errors", STR("1"), .defaultValue = opt_double(0)));
    LOGS_DO(lo, PutMetricFilter, .logGroupName = STR("g"), .filterName = STR("latency"),
            .filterPattern = STR("{ $.latency > 0 }"),
            .metricTransformations = METRIC("App", "Latency", STR("$.latency"),
                                            .unit = LOGS_STANDARD_UNIT_MILLISECONDS));
    LOGS_DO(lo, PutMetricFilter, .logGroupName = STR("g"), .filterName = STR("bytes"),
            .filterPattern = STR("[ip, user, size]"),
            .metricTransformations =
                METRIC("App", "Bytes", STR("$size"),
                       .dimensions = {
                           .items = &(struct str_map_entry){STR("Who"), STR("$user")},
                           .len = 1,
                       }));
    logs_put(lo, "s", LOOPBACK_NOW - 60000, "fine");
    logs_put(lo, "s", LOOPBACK_NOW, "fine");
    logs_put(lo, "s", LOOPBACK_NOW, "ERROR");
    logs_put(lo, "s", LOOPBACK_NOW + 1, "an ERROR again");
    logs_put(lo, "s", LOOPBACK_NOW + 2, "fine");
    logs_put(lo, "s", LOOPBACK_NOW, "{\"latency\":2.5}");
    logs_put(lo, "s", LOOPBACK_NOW, "{\"latency\":40}");
    logs_put(lo, "s", LOOPBACK_NOW, "{\"latency\":\"slow\"}");
    logs_put(lo, "s", LOOPBACK_NOW, "127.0.0.1 anna 17");
    loopback_reopen(lo); /* what came is not forgotten */
    loopback_deliver(lo);
    struct str page = logs_metrics(lo);
    assert_has(page, "{\"Namespace\":\"App\",\"MetricName\":\"Errors\",\"Dimensions\":{},"
                     "\"Timestamp\":1795219140000,\"SampleCount\":1,\"Sum\":0,\"Minimum\":0,"
                     "\"Maximum\":0,\"Unit\":\"None\"}");
    assert_has(page, "\"Timestamp\":1795219200000,\"SampleCount\":2,\"Sum\":2,\"Minimum\":1,"
                     "\"Maximum\":1,\"Unit\":\"None\"}");
    assert_has(page, "\"MetricName\":\"Latency\",\"Dimensions\":{},\"Timestamp\":1795219200000,"
                     "\"SampleCount\":2,\"Sum\":42.5,\"Minimum\":2.5,\"Maximum\":40,\"Unit\":"
                     "\"Milliseconds\"}");
    assert_has(page, "\"MetricName\":\"Bytes\",\"Dimensions\":{\"Who\":\"anna\"},\"Timestamp\":"
                     "1795219200000,\"SampleCount\":1,\"Sum\":17,");
}

/* Events that were packed, or came out of order, before the filter's turn. */
static void test_packed_before(void **state)
{
    struct loopback *lo = *state;
    char *filler = arena_alloc(lo->arena, 100001);
    memset(filler, 'x', 100000);
    group(lo, "g");
    for (int i = 0; i < 4; i++)
        logs_put(lo, "s", LOOPBACK_NOW - i, filler);
    LOGS_DO(lo, PutMetricFilter, .logGroupName = STR("g"), .filterName = STR("all"),
            .filterPattern = STR("x"), .metricTransformations = METRIC("App", "All", STR("1")));
    for (int i = 0; i < 8; i++)
        logs_put(lo, "s", LOOPBACK_NOW, filler);
    loopback_deliver(lo);
    assert_has(logs_metrics(lo), "\"SampleCount\":8,");
}

static void test_metric_filters_are_listed(void **state)
{
    struct loopback *lo = *state;
    group(lo, "g");
    group(lo, "h");
    static const char *const names[] = {"b", "a", "c"};
    for (int i = 0; i < 6; i++)
        LOGS_DO(lo, PutMetricFilter, .logGroupName = i < 3 ? STR("g") : STR("h"),
                .filterName = str_from_c(names[i % 3]), .filterPattern = STR(""),
                .metricTransformations = METRIC("N", "M", STR("1")));
    struct str token = {0};
    struct buf seen;
    buf_init(&seen, lo->arena, SIZE_MAX);
    do {
        const struct logs_DescribeMetricFiltersResponse *page =
            LOGS_OK(lo, DescribeMetricFilters, .limit = opt_int(4), .nextToken = token);
        for (size_t i = 0; i < page->metricFilters.len; i++)
            buf_append_format(&seen, "%.*s%.*s ", PRSTR(page->metricFilters.items[i].filterName),
                              PRSTR(page->metricFilters.items[i].logGroupName));
        token = page->nextToken;
    } while (!str_is_absent(token));
    assert_true(str_eq(buf_str(&seen), STR("ag ah bg bh cg ch ")));
    assert_int_equal(
        LOGS_OK(lo, DescribeMetricFilters, .logGroupName = STR("g"), .filterNamePrefix = STR("a"))
            ->metricFilters.len,
        1);
    assert_int_equal(
        LOGS_OK(lo, DescribeMetricFilters, .metricName = STR("M"), .metricNamespace = STR("other"))
            ->metricFilters.len,
        0);
    LOGS_DO(lo, DeleteMetricFilter, .logGroupName = STR("g"), .filterName = STR("a"));
    LOGS_FAILS(lo, "ResourceNotFoundException", "The specified metric filter does not exist.",
               DeleteMetricFilter, .logGroupName = STR("g"), .filterName = STR("a"));
    LOGS_DO(lo, DeleteLogGroup, .logGroupName = STR("h"));
    assert_int_equal(LOGS_OK(lo, DescribeMetricFilters, .limit = opt_int(50))->metricFilters.len,
                     2);
    const struct logs_DescribeLogGroupsResponse *groups =
        LOGS_OK(lo, DescribeLogGroups, .limit = opt_int(50));
    assert_int_equal(groups->logGroups.items[0].metricFilterCount.value, 2);
}

static void test_metric_filters_refuse(void **state)
{
    struct loopback *lo = *state;
    group(lo, "g");
    LOGS_FAILS(lo, "InvalidParameterException", NULL, PutMetricFilter, .logGroupName = STR("g"),
               .filterName = STR("f"), .filterPattern = STR("{ $.a = "),
               .metricTransformations = METRIC("N", "M", STR("1")));
    LOGS_FAILS(
        lo, "InvalidParameterException",
        "Invalid metric transformation: dimensions and default value are mutually "
        "exclusive properties.",
        PutMetricFilter, .logGroupName = STR("g"), .filterName = STR("f"), .filterPattern = STR(""),
        .metricTransformations = METRIC(
            "N", "M", STR("1"), .defaultValue = opt_double(1),
            .dimensions = {.items = &(struct str_map_entry){STR("a"), STR("$.b")}, .len = 1}));
    LOGS_FAILS(lo, "InvalidParameterException", NULL, PutMetricFilter, .logGroupName = STR("g"),
               .filterName = STR("f"), .filterPattern = STR(""),
               .metricTransformations = METRIC("N", "M", STR("latency")));
    LOGS_FAILS(lo, "ResourceNotFoundException", NULL, PutMetricFilter, .logGroupName = STR("h"),
               .filterName = STR("f"), .filterPattern = STR(""),
               .metricTransformations = METRIC("N", "M", STR("1")));
}

/* Five patterns with regular expressions a group, whatever has them. */
static void test_regular_expressions_are_counted(void **state)
{
    struct loopback *lo = *state;
    group(lo, "g");
    for (int i = 0; i < 6; i++) {
        struct str name = str_format(lo->arena, "f%d", i % 5);
        LOGS_DO(lo, PutMetricFilter, .logGroupName = STR("g"), .filterName = name,
                .filterPattern = STR("%a+%"),
                .metricTransformations = METRIC("App", "All", STR("1")));
    }
    LOGS_FAILS(lo, "LimitExceededException", NULL, PutMetricFilter, .logGroupName = STR("g"),
               .filterName = STR("more"), .filterPattern = STR("{ $.a = %b% }"),
               .metricTransformations = METRIC("App", "All", STR("1")));
    LOGS_DO(lo, PutMetricFilter, .logGroupName = STR("g"), .filterName = STR("more"),
            .filterPattern = STR("plain"), .metricTransformations = METRIC("App", "All", STR("1")));
    LOGS_FAILS(lo, "LimitExceededException", NULL, PutSubscriptionFilter, .logGroupName = STR("g"),
               .filterName = STR("s"), .filterPattern = STR("%x%"),
               .destinationArn = STR("arn:aws:lambda:us-east-1:000000000000:function:f"));
    group(lo, "other");
    LOGS_DO(lo, PutMetricFilter, .logGroupName = STR("other"), .filterName = STR("f"),
            .filterPattern = STR("%a+%"), .metricTransformations = METRIC("App", "All", STR("1")));
}

static void test_subscriptions_refuse(void **state)
{
    struct loopback *lo = *state;
    group(lo, "g");
    LOGS_FAILS(lo, "NotImplemented", "Kinesis Data Streams are not built.", PutSubscriptionFilter,
               .logGroupName = STR("g"), .filterName = STR("f"), .filterPattern = STR(""),
               .destinationArn = STR("arn:aws:kinesis:us-east-1:000000000000:stream/s"));
    LOGS_FAILS(lo, "InvalidParameterException", NULL, PutSubscriptionFilter,
               .logGroupName = STR("g"), .filterName = STR("f"), .filterPattern = STR(""),
               .destinationArn = STR("arn:aws:sqs:us-east-1:000000000000:q"));
    assert_int_equal(
        LOGS_OK(lo, DescribeSubscriptionFilters, .logGroupName = STR("g"))->subscriptionFilters.len,
        0);
    LOGS_FAILS(lo, "ResourceNotFoundException", "The specified subscription filter does not exist.",
               DeleteSubscriptionFilter, .logGroupName = STR("g"), .filterName = STR("f"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOGS_TEST(test_values_are_counted),        LOGS_TEST(test_packed_before),
        LOGS_TEST(test_metric_filters_are_listed), LOGS_TEST(test_metric_filters_refuse),
        LOGS_TEST(test_subscriptions_refuse),      LOGS_TEST(test_regular_expressions_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
