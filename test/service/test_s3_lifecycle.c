/* Lifecycle: what rules want of a version, and the walk of buckets larger than one step; a process
 * that ends at any write of it repeats nothing and leaves nothing out. */
#include "service/s3_support.h"

#include <stdio.h>

#include "services/s3/lifecycle.h"
#include "support/crash.h"

#define DAY_MS INT64_C(86400000)

/* --- decisions --- */

static void test_days(void **state)
{
    (void)state;
    /* "created at 1/15/2014 10:30 AM UTC and you specify 3 days: 1/19/2014 00:00 UTC" */
    int64_t created = INT64_C(1389781800000);
    assert_int_equal(lifecycle_day(created, 3), INT64_C(1390089600000));
    assert_int_equal(lifecycle_day(LOOPBACK_NOW, 1), LOOPBACK_NOW + DAY_MS);
}

static enum lifecycle_action decide(struct s3_LifecycleRule *rules, size_t count,
                                    const struct lifecycle_facts *facts, struct str *class)
{
    const struct s3_LifecycleRules list = {rules, count};
    *class = (struct str){0};
    return lifecycle_decide(&list, facts, class);
}

static void test_transitions(void **state)
{
    (void)state;
    struct str class;
    struct s3_Transition steps[] = {
        {.Days = opt_int(30), .StorageClass = STR("STANDARD_IA")},
        {.Days = opt_int(60), .StorageClass = STR("GLACIER")},
    };
    struct s3_LifecycleRuleFilter filter = {.Prefix = STR("logs/")};
    struct s3_LifecycleRule rule = {
        .Status = STR("Enabled"), .Filter = &filter, .Transitions = {steps, 2}};
    struct s3_object object = {.size = 1 << 20, .modified_ms = 0};
    struct lifecycle_facts facts = {.key = STR("logs/a"), .object = &object, .now_ms = 30 * DAY_MS};
    assert_int_equal(decide(&rule, 1, &facts, &class), LIFECYCLE_TRANSITION);
    assert_true(str_eq(class, STR("STANDARD_IA")));
    facts.now_ms--;
    assert_int_equal(decide(&rule, 1, &facts, &class), LIFECYCLE_KEEP);
    facts.now_ms = 60 * DAY_MS; /* the lowest class that is due */
    assert_int_equal(decide(&rule, 1, &facts, &class), LIFECYCLE_TRANSITION);
    assert_true(str_eq(class, STR("GLACIER")));
    object.storage_class = STR("DEEP_ARCHIVE"); /* never upwards */
    assert_int_equal(decide(&rule, 1, &facts, &class), LIFECYCLE_KEEP);
    object.storage_class = (struct str){0};
    object.size = 128 * 1024 - 1; /* small ones stay where they are... */
    assert_int_equal(decide(&rule, 1, &facts, &class), LIFECYCLE_KEEP);
    facts.minimum = STR("varies_by_storage_class"); /* ... but for these classes */
    assert_int_equal(decide(&rule, 1, &facts, &class), LIFECYCLE_TRANSITION);
    assert_true(str_eq(class, STR("GLACIER")));
    filter = (struct s3_LifecycleRuleFilter){.ObjectSizeGreaterThan = opt_long(10)};
    facts.minimum = (struct str){0}; /* a filter by size goes before the default */
    assert_int_equal(decide(&rule, 1, &facts, &class), LIFECYCLE_TRANSITION);
    object.replication_status = STR("PENDING");
    assert_int_equal(decide(&rule, 1, &facts, &class), LIFECYCLE_KEEP);
}

static void test_filters(void **state)
{
    (void)state;
    struct s3_Tag tags[] = {{STR("a"), STR("1")}, {STR("b"), STR("2")}};
    struct s3_LifecycleRuleAndOperator both = {.Prefix = STR("p"), .Tags = {tags, 2}};
    struct s3_LifecycleRuleFilter filter = {.And = &both};
    struct s3_LifecycleRule rule = {.Status = STR("Enabled"), .Filter = &filter};
    struct str_map_entry has[] = {{STR("a"), STR("1")}, {STR("b"), STR("2")}};
    struct s3_object object = {.tags = {has, 2}, .size = 5};
    assert_true(lifecycle_matches(&rule, STR("px"), &object));
    assert_false(lifecycle_matches(&rule, STR("x"), &object));
    object.tags.len = 1;
    assert_false(lifecycle_matches(&rule, STR("px"), &object));
    filter = (struct s3_LifecycleRuleFilter){.ObjectSizeLessThan = opt_long(5)};
    assert_false(lifecycle_matches(&rule, STR("px"), &object));
    object.size = 4;
    assert_true(lifecycle_matches(&rule, STR("px"), &object));
}

/* --- runs --- */

static void set_rules(struct loopback *lo, const char *bucket, struct s3_LifecycleRule *rules,
                      size_t count)
{
    static struct s3_LifecycleRuleFilter all;
    for (size_t i = 0; i < count; i++) {
        rules[i].Status = STR("Enabled");
        rules[i].Filter = rules[i].Filter == NULL ? &all : rules[i].Filter;
    }
    struct s3_BucketLifecycleConfiguration configuration = {.Rules = {rules, count}};
    loopback_ok(S3_CALL(lo, PutBucketLifecycleConfiguration, .Bucket = str_from_c(bucket),
                        .LifecycleConfiguration = &configuration));
}

/* More than a step can look at or change. */
static void test_many(void **state)
{
    struct loopback *lo = *state;
    struct s3_LifecycleExpiration expiration = {.Days = opt_int(1)};
    struct s3_LifecycleRuleFilter filter = {.Prefix = STR("gone/")};
    struct s3_LifecycleRule rule = {.Expiration = &expiration, .Filter = &filter};
    s3_bucket(lo, "bucket", false);
    for (int i = 0; i < 700; i++) {
        s3_put(lo, "bucket", str_format(lo->arena, "gone/%04d", i));
        if (i % 100 == 0)
            s3_put(lo, "bucket", str_format(lo->arena, "kept/%04d", i));
    }
    set_rules(lo, "bucket", &rule, 1);
    loopback_advance(lo, DAY_MS - 1);
    assert_int_equal(loopback_deliver(lo), 0);
    assert_s3_counts(lo, "bucket", 707, 707, 0);
    loopback_advance(lo, 1);
    assert_int_equal(loopback_deliver(lo), 4); /* steps of 200 */
    assert_s3_counts(lo, "bucket", 7, 7, 0);
    /* Days that nobody saw are made up for in one run; then one a day. */
    loopback_advance(lo, 40 * DAY_MS);
    assert_int_equal(loopback_deliver(lo), 1);
    loopback_advance(lo, DAY_MS);
    assert_int_equal(loopback_deliver(lo), 1);
    /* None without a configuration, and two are not run for two configurations. */
    set_rules(lo, "bucket", &rule, 1);
    loopback_advance(lo, DAY_MS);
    assert_int_equal(loopback_deliver(lo), 2); /* the older job stops by itself */
    loopback_advance(lo, DAY_MS);
    assert_int_equal(loopback_deliver(lo), 1);
    loopback_ok(S3_CALL(lo, DeleteBucketLifecycle, .Bucket = STR("bucket")));
    loopback_advance(lo, DAY_MS);
    assert_int_equal(loopback_deliver(lo), 1);
    loopback_advance(lo, DAY_MS);
    assert_int_equal(loopback_deliver(lo), 0);
}

/* The versions of one key over several steps: the newest two noncurrent ones stay. */
static void test_newer_noncurrent(void **state)
{
    struct loopback *lo = *state;
    struct s3_NoncurrentVersionExpiration older = {.NoncurrentDays = opt_int(1),
                                                   .NewerNoncurrentVersions = opt_int(2)};
    struct s3_LifecycleRule rule = {.NoncurrentVersionExpiration = &older};
    s3_bucket(lo, "bucket", true);
    for (int i = 0; i < 450; i++)
        s3_put(lo, "bucket", STR("k"));
    for (int i = 0; i < 2; i++)
        s3_put(lo, "bucket", STR("l"));
    set_rules(lo, "bucket", &rule, 1);
    loopback_advance(lo, DAY_MS);
    assert_int_equal(loopback_deliver(lo), 3);
    assert_s3_counts(lo, "bucket", 2, 5, 0);
}

/* Expired current versions leave a marker, the marker stays while there are versions, then goes. */
static void test_markers(void **state)
{
    struct loopback *lo = *state;
    struct s3_LifecycleExpiration expiration = {.Days = opt_int(1)},
                                  alone = {.ExpiredObjectDeleteMarker = opt_bool(true)};
    struct s3_NoncurrentVersionExpiration older = {.NoncurrentDays = opt_int(3)};
    struct s3_LifecycleRuleFilter to_expire = {.Prefix = STR("e/")};
    struct s3_LifecycleRule rules[] = {{.Expiration = &expiration, .Filter = &to_expire},
                                       {.NoncurrentVersionExpiration = &older},
                                       {.Expiration = &alone}};
    s3_bucket(lo, "bucket", true);
    s3_put(lo, "bucket", STR("e/k"));
    s3_put(lo, "bucket", STR("stays"));
    loopback_ok(S3_CALL(lo, DeleteObject, .Bucket = STR("bucket"), .Key = STR("never-there")));
    set_rules(lo, "bucket", rules, 3);
    loopback_advance(lo, DAY_MS);
    loopback_deliver(lo);
    assert_s3_counts(lo, "bucket", 1, 2, 1); /* the lone marker went, one was made */
    loopback_advance(lo, 3 * DAY_MS); /* it was made after midnight: three days end at the fourth */
    loopback_deliver(lo);
    assert_s3_counts(lo, "bucket", 1, 2, 1);
    loopback_advance(lo, DAY_MS);
    loopback_deliver(lo);
    assert_s3_counts(lo, "bucket", 1, 1, 1);
    loopback_advance(lo, DAY_MS);
    loopback_deliver(lo);
    assert_s3_counts(lo, "bucket", 1, 1, 0);
}

/* An upload of more parts than one step takes. */
static void test_uploads(void **state)
{
    struct loopback *lo = *state;
    struct s3_AbortIncompleteMultipartUpload abort = {.DaysAfterInitiation = opt_int(2)};
    struct s3_LifecycleRule rule = {.AbortIncompleteMultipartUpload = &abort, .ID = STR("u")};
    s3_bucket(lo, "bucket", false);
    set_rules(lo, "bucket", &rule, 1);
    for (int u = 0; u < 3; u++) {
        const struct s3_CreateMultipartUploadOutput *upload =
            loopback_ok(S3_CALL(lo, CreateMultipartUpload, .Bucket = STR("bucket"),
                                .Key = str_format(lo->arena, "k%d", u)));
        assert_int_equal(upload->AbortDate.ms, LOOPBACK_NOW + 2 * DAY_MS);
        for (int p = 1; p <= (u == 1 ? 450 : 2); p++)
            loopback_ok(S3_CALL(lo, UploadPart, .Bucket = STR("bucket"), .Key = upload->Key,
                                .UploadId = upload->UploadId, .PartNumber = opt_int(p)));
    }
    loopback_advance(lo, DAY_MS);
    loopback_deliver(lo);
    const struct s3_ListMultipartUploadsOutput *list =
        loopback_ok(S3_CALL(lo, ListMultipartUploads, .Bucket = STR("bucket")));
    assert_int_equal(list->Uploads.len, 3);
    loopback_advance(lo, DAY_MS);
    assert_true(loopback_deliver(lo) >= 3);
    list = loopback_ok(S3_CALL(lo, ListMultipartUploads, .Bucket = STR("bucket")));
    assert_int_equal(list->Uploads.len, 0);
}

/* --- crashes --- */

enum { CRASH_KEYS = 230 };

static void crash_prepare(struct loopback *lo)
{
    struct s3_LifecycleExpiration expiration = {.Days = opt_int(1)};
    struct s3_LifecycleRule rule = {.Expiration = &expiration};
    struct str event = STR("s3:LifecycleExpiration:*");
    s3_bucket(lo, "bucket", true);
    for (int i = 0; i < CRASH_KEYS; i++)
        s3_put(lo, "bucket", str_format(lo->arena, "k%03d", i));
    struct s3_QueueConfiguration to = {.QueueArn = s3_queue(lo, "queue"),
                                       .Events = {.items = &event, .len = 1}};
    struct s3_NotificationConfiguration told = {.QueueConfigurations = {&to, 1}};
    loopback_ok(S3_CALL(lo, PutBucketNotificationConfiguration, .Bucket = STR("bucket"),
                        .NotificationConfiguration = &told));
    assert_false(str_is_absent(s3_receive(lo, "queue"))); /* the test event */
    set_rules(lo, "bucket", &rule, 1);
    loopback_advance(lo, DAY_MS);
}

static void deliver_in_child(struct loopback *lo, int tell)
{
    (void)tell;
    loopback_deliver(lo);
}

static void test_crashes(void **state)
{
    struct loopback *lo = *state;
    crash_prepare(lo);
    int crashes = 0;
    /* Ever further on, until nothing is left to do. */
    while (!crash_at(lo, 1 + crashes * 7, deliver_in_child, NULL)) {
        crashes++;
        assert_true(crashes < 500);
    }
    print_message("the process ended %d times\n", crashes);
    assert_true(crashes > 5);
    loopback_deliver(lo);
    assert_s3_counts(lo, "bucket", 0, CRASH_KEYS, CRASH_KEYS);
    size_t told = 0;
    struct str body;
    while (!str_is_absent(body = s3_receive(lo, "queue"))) {
        assert_true(str_find(body, STR("LifecycleExpiration:DeleteMarkerCreated")) != SIZE_MAX);
        told++;
    }
    assert_int_equal(told, CRASH_KEYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_days),    cmocka_unit_test(test_transitions),
        cmocka_unit_test(test_filters), S3_TEST(test_many),
        S3_TEST(test_newer_noncurrent), S3_TEST(test_markers),
        S3_TEST(test_uploads),          S3_TEST(test_crashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
