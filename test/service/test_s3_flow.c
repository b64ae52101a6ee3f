/* What follows from a change of an object: the notification's exact text, replicas in their
 * places, an inventory's files in steps. */
#include "service/s3_support.h"

#define DAY_MS INT64_C(86400000)

/* --- notifications --- */

static void notify(struct loopback *lo, const char *bucket, const char *queue, const char *event)
{
    struct str events = str_from_c(event);
    struct s3_QueueConfiguration to = {
        .Id = STR("rule"), .QueueArn = s3_queue(lo, queue), .Events = {.items = &events, .len = 1}};
    struct s3_NotificationConfiguration told = {.QueueConfigurations = {&to, 1}};
    loopback_ok(S3_CALL(lo, PutBucketNotificationConfiguration, .Bucket = str_from_c(bucket),
                        .NotificationConfiguration = &told));
}

static void assert_begins(struct str text, const char *expected)
{
    if (!str_starts_with(text, str_from_c(expected)))
        fail_msg("%.*s\ndoes not begin as\n%s", PRSTR(text), expected);
}

static void test_record(void **state)
{
    struct loopback *lo = *state;
    s3_bucket(lo, "bucket", false);
    notify(lo, "bucket", "queue", "s3:ObjectCreated:*");
    assert_begins(s3_receive(lo, "queue"),
                  "{\"Service\":\"Amazon S3\",\"Event\":\"s3:TestEvent\",\"Time\":"
                  "\"2026-11-21T00:00:00.000Z\",\"Bucket\":\"bucket\",\"RequestId\":"
                  "\"00000000-0000-4000-8000-000000000000\",\"HostId\":\"");
    s3_put(lo, "bucket", STR("a key/+\xc3\xa4"));
    assert_true(str_is_absent(s3_receive(lo, "queue"))); /* it is on its way */
    assert_int_equal(loopback_deliver(lo), 1);
    struct str body = s3_receive(lo, "queue");
    assert_begins(body, "{\"Records\":[{\"eventVersion\":\"2.1\",\"eventSource\":\"aws:s3\","
                        "\"awsRegion\":\"us-east-1\",\"eventTime\":\"2026-11-21T00:00:00.000Z\","
                        "\"eventName\":\"ObjectCreated:Put\",\"userIdentity\":{\"principalId\":");
    assert_true(
        str_find(body, STR("\"object\":{\"key\":\"a+key/%2B%C3%A4\",\"size\":0,\"eTag\":")) !=
        SIZE_MAX);
    assert_true(str_find(body, STR("\"configurationId\":\"rule\"")) != SIZE_MAX);
    assert_true(str_find(body, STR("\"arn\":\"arn:aws:s3:::bucket\"")) != SIZE_MAX);
    assert_true(str_find(body, STR("versionId")) == SIZE_MAX);
    /* What fails tells nobody. */
    loopback_error(
        S3_CALL(lo, PutObject, .Bucket = STR("bucket"), .Key = STR("k"), .IfMatch = STR("\"no\"")),
        "NoSuchKey", NULL);
    assert_int_equal(loopback_deliver(lo), 0);
}

/* A queue that has gone: told to nobody, and nobody waits for it. */
static void test_lost_queue(void **state)
{
    struct loopback *lo = *state;
    s3_bucket(lo, "bucket", false);
    notify(lo, "bucket", "queue", "s3:ObjectCreated:Put");
    struct sqs_DeleteQueueRequest gone = {.QueueUrl =
                                              STR("http://localhost:4566/000000000000/queue")};
    loopback_ok(loopback_call(lo, &sqs_model, SQS_OP_DeleteQueue, &gone));
    loopback_deliver(lo);
    s3_put(lo, "bucket", STR("a"));
    s3_put(lo, "bucket", STR("b"));
    assert_int_equal(loopback_deliver(lo), 2);
    assert_int_equal(loopback_deliver(lo), 0);
}

/* --- replication --- */

static void replicate(struct loopback *lo, const char *from, const char *to)
{
    struct s3_Destination destination = {.Bucket = str_format(lo->arena, "arn:aws:s3:::%s", to)};
    struct s3_ReplicationRule rule = {
        .Status = STR("Enabled"), .Prefix = STR(""), .Destination = &destination};
    struct s3_ReplicationConfiguration all = {.Role = STR("arn:aws:iam::000000000000:role/nobody"),
                                              .Rules = {&rule, 1}};
    loopback_ok(S3_CALL(lo, PutBucketReplication, .Bucket = str_from_c(from),
                        .ReplicationConfiguration = &all));
}

static const struct s3_ListObjectVersionsOutput *versions(struct loopback *lo, const char *bucket)
{
    return loopback_ok(S3_CALL(lo, ListObjectVersions, .Bucket = str_from_c(bucket)));
}

/* Two buckets replicate into a third: versions stand in the order in which they were made, whatever
 * arrives first; replicas go no further. */
static void test_places(void **state)
{
    struct loopback *lo = *state;
    struct str made[6];
    lo->cloud->iam = IAM_OFF; /* no roles are needed */
    s3_bucket(lo, "one", true);
    s3_bucket(lo, "two", true);
    s3_bucket(lo, "three", true);
    s3_bucket(lo, "four", true);
    replicate(lo, "one", "three");
    replicate(lo, "two", "three");
    replicate(lo, "three", "four");
    for (size_t i = 0; i < 6; i++) {
        made[i] = s3_put(lo, i % 2 == 0 ? "one" : "two", STR("k"));
        loopback_advance(lo, 1000);
    }
    assert_s3_counts(lo, "three", 0, 0, 0);
    assert_int_equal(loopback_deliver(lo), 6);
    const struct s3_ListObjectVersionsOutput *there = versions(lo, "three");
    assert_int_equal(there->Versions.len, 6);
    for (size_t i = 0; i < 6; i++) {
        assert_true(str_eq(there->Versions.items[i].VersionId, made[5 - i]));
        assert_int_equal(there->Versions.items[i].LastModified.ms,
                         LOOPBACK_NOW + (int64_t)(5 - i) * 1000);
    }
    const struct s3_HeadObjectOutput *head =
        loopback_ok(S3_CALL(lo, HeadObject, .Bucket = STR("three"), .Key = STR("k")));
    assert_true(str_eq(head->ReplicationStatus, STR("REPLICA")));
    assert_s3_counts(lo, "four", 0, 0, 0);
    /* Markers of rules of the first generation go along, deleted versions stay. */
    loopback_ok(S3_CALL(lo, DeleteObject, .Bucket = STR("one"), .Key = STR("k")));
    loopback_ok(
        S3_CALL(lo, DeleteObject, .Bucket = STR("one"), .Key = STR("k"), .VersionId = made[0]));
    loopback_deliver(lo);
    assert_s3_counts(lo, "one", 0, 2, 1);
    assert_s3_counts(lo, "three", 0, 6, 1);
    /* One who deletes before it is carried over: nothing comes. */
    struct str quick = s3_put(lo, "two", STR("quick"));
    loopback_ok(
        S3_CALL(lo, DeleteObject, .Bucket = STR("two"), .Key = STR("quick"), .VersionId = quick));
    assert_int_equal(loopback_deliver(lo), 1);
    assert_s3_counts(lo, "three", 0, 6, 1);
}

/* --- inventories --- */

/* More versions than one data file takes. */
static void test_inventory_steps(void **state)
{
    struct loopback *lo = *state;
    lo->cloud->iam = IAM_OFF; /* the target needs no policy */
    s3_bucket(lo, "source", false);
    s3_bucket(lo, "target", false);
    for (int i = 0; i < 5003; i++)
        s3_put(lo, "source", str_format(lo->arena, "k%05d", i));
    struct s3_InventoryS3BucketDestination bucket = {.Bucket = STR("arn:aws:s3:::target"),
                                                     .Format = STR("CSV")};
    struct s3_InventoryDestination to = {.S3BucketDestination = &bucket};
    struct s3_InventorySchedule weekly = {.Frequency = STR("Weekly")};
    struct s3_InventoryConfiguration what = {.Id = STR("i"),
                                             .IsEnabled = opt_bool(true),
                                             .IncludedObjectVersions = STR("Current"),
                                             .Schedule = &weekly,
                                             .Destination = &to};
    loopback_ok(S3_CALL(lo, PutBucketInventoryConfiguration, .Bucket = STR("source"),
                        .Id = STR("i"), .InventoryConfiguration = &what));
    loopback_advance(lo, DAY_MS);
    assert_int_equal(loopback_deliver(lo), 2);
    assert_s3_counts(lo, "target", 5, 5, 0); /* two data files, manifest, checksum, links */
    /* 2026-11-21 is a Saturday: the first came on Sunday, the next comes a week later. */
    loopback_advance(lo, 6 * DAY_MS);
    assert_int_equal(loopback_deliver(lo), 0);
    loopback_advance(lo, DAY_MS);
    assert_int_equal(loopback_deliver(lo), 2);
    assert_s3_counts(lo, "target", 10, 10, 0);
    loopback_ok(
        S3_CALL(lo, DeleteBucketInventoryConfiguration, .Bucket = STR("source"), .Id = STR("i")));
    loopback_advance(lo, 7 * DAY_MS);
    assert_int_equal(loopback_deliver(lo), 1);
    assert_int_equal(loopback_deliver(lo), 0);
    assert_s3_counts(lo, "target", 10, 10, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        S3_TEST(test_record),
        S3_TEST(test_lost_queue),
        S3_TEST(test_places),
        S3_TEST(test_inventory_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
