/* The way of events: spool, history, trails, buckets; after crashes, twice, refused, forgotten. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cloud/clock.h"
#include "cloud/trail.h"
#include "gen/cloudtrail.h"
#include "service/s3_support.h"

enum { DAY_MS = 24 * 3600 * 1000, MINUTE_MS = 60 * 1000 };

#define CT_CALL(lo, operation, ...)                                                                \
    loopback_call((lo), &cloudtrail_model, CLOUDTRAIL_OP_##operation,                              \
                  &(struct cloudtrail_##operation##Request){__VA_ARGS__})

static struct cloud_trail_event event_of(struct loopback *lo, const char *name)
{
    return (struct cloud_trail_event){
        .id = trail_event_id(lo->arena, loopback_now(lo)),
        .account = STR("000000000000"),
        .region = STR("us-east-1"),
        .time_ms = loopback_now(lo),
        .source = STR("sqs.amazonaws.com"),
        .name = str_from_c(name),
        .user = STR("root"),
        .text = str_format(lo->arena, "{\"eventName\":\"%s\"}", name),
    };
}

static void append(struct loopback *lo, const char *name)
{
    const struct cloud_trail_event event = event_of(lo, name);
    trail_append(lo->cloud->trail, lo->arena, &event);
}

/* What waits in spool files is taken by a thread, to its end. */
static void take(struct loopback *lo)
{
    loopback_reopen(lo);
    assert_int_equal(trail_start(lo->cloud->trail), RESULT_OK);
    loopback_reopen(lo);
}

/* Two lookups a second are allowed. */
static size_t found(struct loopback *lo, const char *name)
{
    loopback_advance(lo, 1000);
    struct cloudtrail_LookupAttribute by = {STR("EventName"), str_from_c(name)};
    const struct cloudtrail_LookupEventsResponse *out =
        loopback_ok(CT_CALL(lo, LookupEvents, .LookupAttributes = {&by, 1}));
    return out->Events.len;
}

static size_t found_all(struct loopback *lo)
{
    loopback_advance(lo, 1000);
    const struct cloudtrail_LookupEventsResponse *out =
        loopback_ok(CT_CALL(lo, LookupEvents, .MaxResults = opt_int(50)));
    return out->Events.len;
}

static struct str spool_name(struct loopback *lo, int number)
{
    return str_format(lo->arena, "%s/events-%d.spool", lo->directory, number);
}

/* The first of the spool files that are there. */
static struct str spool_there(struct loopback *lo)
{
    for (int i = 0; i < 100; i++) {
        struct str name = spool_name(lo, i);
        if (access(str_to_c(lo->arena, name), F_OK) == 0)
            return name;
    }
    fail_msg("no spool");
    return (struct str){0};
}

/* --- the spool --- */

static void test_after_a_crash(void **state)
{
    struct loopback *lo = *state;
    append(lo, "CreateQueue");
    append(lo, "DeleteQueue");
    assert_int_equal(found(lo, "CreateQueue"), 0);
    take(lo); /* nobody took them while this process lived */
    assert_int_equal(found(lo, "CreateQueue"), 1);
    assert_int_equal(found(lo, "DeleteQueue"), 1);
    append(lo, "TagQueue");
    take(lo);
    assert_int_equal(found_all(lo), 3);
}

static void test_twice(void **state)
{
    struct loopback *lo = *state;
    append(lo, "CreateQueue");
    struct str spool = spool_there(lo);
    struct str copy = str_format(lo->arena, "cp '%.*s' '%s/kept'", PRSTR(spool), lo->directory);
    assert_int_equal(system(str_to_c(lo->arena, copy)), 0);
    take(lo);
    assert_int_equal(found_all(lo), 1);
    copy = str_format(lo->arena, "mv '%s/kept' '%.*s'", lo->directory, PRSTR(spool));
    assert_int_equal(system(str_to_c(lo->arena, copy)), 0);
    take(lo);
    assert_int_equal(found_all(lo), 1);
    assert_int_equal(found(lo, "CreateQueue"), 1);
}

/* The file as it is, and how much of it is used. */
static size_t spool_read(struct str name, char *bytes, size_t room)
{
    uint64_t length = 0;
    FILE *file = fopen(name.ptr, "r");
    assert_non_null(file);
    assert_true(fread(bytes, 1, room, file) > 16);
    fclose(file);
    memcpy(&length, bytes + 8, sizeof length);
    assert_true(length < room - 16);
    return 16 + (size_t)length;
}

static void spool_write(struct str name, const char *bytes, size_t size)
{
    FILE *file = fopen(name.ptr, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

/* A file that is cut off keeps the events before; one that a kill left has bytes of an event that
 * its length does not count. */
static void test_torn_at_every_byte(void **state)
{
    enum { HEAD = 16, ENTRY = 24 };
    struct loopback *lo = *state;
    append(lo, "CreateQueue");
    append(lo, "DeleteQueue");
    struct str spool = str_make(str_to_c(lo->arena, spool_there(lo)), spool_there(lo).len);
    char bytes[4096];
    uint32_t first, second;
    size_t used = spool_read(spool, bytes, sizeof bytes);
    memcpy(&first, bytes + HEAD, sizeof first);
    size_t at = HEAD + ENTRY + (first + 7) / 8 * 8;
    memcpy(&second, bytes + at, sizeof second);
    uint64_t length = at - HEAD;
    memcpy(bytes + 8, &length, sizeof length);
    spool_write(spool, bytes, used);
    take(lo);
    assert_int_equal(found_all(lo), 1);
    assert_int_equal(found(lo, "CreateQueue"), 1);
    length = used - HEAD;
    memcpy(bytes + 8, &length, sizeof length);
    for (size_t size = 0; size <= used; size++) {
        spool_write(spool, bytes, size);
        take(lo);
        assert_int_equal(access(spool.ptr, F_OK), -1);
        assert_int_equal(found(lo, "DeleteQueue"), size >= at + ENTRY + second);
    }
    assert_int_equal(found_all(lo), 2);
}

static void append_long(struct loopback *lo, const char *name)
{
    char *text = arena_alloc(lo->arena, 200 << 10);
    struct cloud_trail_event event = event_of(lo, name);
    memset(text, 'x', 200 << 10);
    event.text = str_make(text, 200 << 10);
    trail_append(lo->cloud->trail, lo->arena, &event);
}

/* An event that finds no room is lost, and no other. */
static void test_no_room(void **state)
{
    struct loopback *lo = *state;
    struct rlimit old, tight;
    append(lo, "CreateQueue");
    append_long(lo, "PurgeQueue");
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    void (*was)(int) = signal(SIGXFSZ, SIG_IGN);
    tight = old;
    tight.rlim_cur = 1000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    append_long(lo, "TagQueue");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, was);
    append(lo, "DeleteQueue");
    take(lo);
    assert_int_equal(found(lo, "CreateQueue"), 1);
    assert_int_equal(found(lo, "PurgeQueue"), 1);
    assert_int_equal(found(lo, "TagQueue"), 0);
    assert_int_equal(found(lo, "DeleteQueue"), 1);
}

static size_t spools(struct loopback *lo)
{
    size_t count = 0;
    for (int i = 0; i < 100; i++)
        count += access(str_to_c(lo->arena, spool_name(lo, i)), F_OK) == 0;
    return count;
}

/* More than a file holds. */
static void test_many(void **state)
{
    enum { MANY = 45 };
    struct loopback *lo = *state;
    for (int i = 0; i < MANY; i++)
        append_long(lo, "CreateQueue");
    assert_int_equal(spools(lo), 3);
    take(lo);
    assert_int_equal(spools(lo), 0);
    assert_int_equal(found_all(lo), MANY);
}

/* The thread takes a file and gives it to what comes next. */
static void test_used_again(void **state)
{
    struct loopback *lo = *state;
    assert_int_equal(trail_start(lo->cloud->trail), RESULT_OK);
    for (int round = 1; round <= 4; round++) {
        size_t there = 0;
        append(lo, "CreateQueue");
        for (int i = 0; i < 3000 && (there = found(lo, "CreateQueue")) < (size_t)round; i++)
            usleep(20000);
        assert_int_equal(there, round);
        assert_int_equal(spools(lo), 1);
    }
    loopback_reopen(lo);
    assert_int_equal(spools(lo), 0);
    assert_int_equal(found_all(lo), 4);
}

/* All pages of a lookup: newest first, each event once. */
static size_t paged(struct loopback *lo, const char *name, int64_t from_ms, int64_t to_ms)
{
    struct cloudtrail_LookupAttribute by = {STR("EventName"), str_from_c(name == NULL ? "" : name)};
    struct cloudtrail_LookupEventsRequest in = {.LookupAttributes = {&by, name == NULL ? 0 : 1},
                                                .MaxResults = opt_int(7)};
    struct str last = {0};
    size_t count = 0;
    if (to_ms > 0) {
        in.StartTime = opt_time(from_ms);
        in.EndTime = opt_time(to_ms);
    }
    do {
        loopback_advance(lo, 1000);
        const struct cloudtrail_LookupEventsResponse *out =
            loopback_ok(loopback_call(lo, &cloudtrail_model, CLOUDTRAIL_OP_LookupEvents, &in));
        for (size_t i = 0; i < out->Events.len; i++, count++) {
            const struct cloudtrail_Event *event = &out->Events.items[i];
            assert_true(name == NULL || str_eq(event->EventName, str_from_c(name)));
            assert_true(last.len == 0 || str_cmp(event->CloudTrailEvent, last) < 0);
            last = str_copy(lo->arena, event->CloudTrailEvent);
        }
        in.NextToken = str_copy(lo->arena, out->NextToken);
    } while (!str_is_absent(in.NextToken));
    return count;
}

static void expect_refused(struct loopback *lo)
{
    loopback_error(CT_CALL(lo, LookupEvents, .MaxResults = opt_int(1)), "ThrottlingException",
                   "Rate exceeded");
}

static void expect_let_through(struct loopback *lo)
{
    loopback_ok(CT_CALL(lo, LookupEvents, .MaxResults = opt_int(1)));
}

/* Two a second, whatever the clock does. */
static void test_limited(void **state)
{
    struct loopback *lo = *state;
    expect_let_through(lo);
    loopback_advance(lo, 400);
    expect_let_through(lo);
    expect_refused(lo);
    loopback_advance(lo, 599);
    expect_refused(lo);
    loopback_advance(lo, 1);
    expect_let_through(lo); /* the first is a second ago */
    expect_refused(lo);
    struct str region = lo->region;
    lo->region = STR("eu-west-1");
    expect_let_through(lo);
    lo->region = region;
    expect_refused(lo);
    clock_freeze(lo->cloud->clock, loopback_now(lo) - DAY_MS);
    expect_let_through(lo);
    expect_let_through(lo);
    expect_refused(lo);
}

/* Several batches, two accounts in them. */
static void test_pages(void **state)
{
    enum { EVENTS = 600, STEP_MS = 1000 };
    struct loopback *lo = *state;
    int64_t begin = loopback_now(lo) / 1000 * 1000;
    struct str id = {0};
    for (int i = 0; i < EVENTS; i++) {
        struct cloud_trail_event event = event_of(lo, i % 3 == 0 ? "Third" : "Other");
        event.time_ms = begin + (int64_t)i * STEP_MS;
        event.id = trail_event_id(lo->arena, event.time_ms);
        event.text = str_format(lo->arena, "%06d", i);
        if (i % 5 == 4)
            event.account = STR("111122223333");
        if (i == 301)
            id = event.id;
        trail_append(lo->cloud->trail, lo->arena, &event);
    }
    take(lo);
    loopback_advance(lo, (int64_t)EVENTS * STEP_MS);
    assert_int_equal(paged(lo, NULL, 0, 0), EVENTS - EVENTS / 5);
    assert_int_equal(paged(lo, "Third", 0, 0), EVENTS / 3 - EVENTS / 15);
    assert_int_equal(paged(lo, "Nobody", 0, 0), 0);
    assert_int_equal(paged(lo, NULL, begin + 100 * STEP_MS, begin + 199 * STEP_MS), 80);
    loopback_advance(lo, 1000);
    struct cloudtrail_LookupAttribute by = {STR("EventId"), id};
    const struct cloudtrail_LookupEventsResponse *out =
        loopback_ok(CT_CALL(lo, LookupEvents, .LookupAttributes = {&by, 1}));
    assert_int_equal(out->Events.len, 1);
    assert_true(str_eq(out->Events.items[0].CloudTrailEvent, STR("000301")));
    loopback_advance(lo, INT64_C(90) * DAY_MS);
    assert_int_equal(paged(lo, NULL, 0, 0), 0);
    loopback_deliver(lo);
    loopback_advance(lo, DAY_MS);
    loopback_deliver(lo);
    assert_int_equal(paged(lo, "Third", 0, 0), 0);
}

static void test_forgetting(void **state)
{
    struct loopback *lo = *state;
    append(lo, "CreateQueue");
    take(lo);
    loopback_advance(lo, INT64_C(60) * DAY_MS);
    append(lo, "DeleteQueue");
    take(lo);
    loopback_advance(lo, INT64_C(29) * DAY_MS);
    loopback_deliver(lo);
    assert_int_equal(found_all(lo), 2);
    loopback_advance(lo, DAY_MS + 1000);
    assert_int_equal(found_all(lo), 1); /* before anybody has removed it */
    loopback_deliver(lo);
    loopback_advance(lo, DAY_MS);
    loopback_deliver(lo);
    assert_int_equal(found(lo, "CreateQueue"), 0);
    assert_int_equal(found(lo, "DeleteQueue"), 1);
    loopback_advance(lo, INT64_C(61) * DAY_MS);
    loopback_deliver(lo);
    assert_int_equal(found_all(lo), 0);
}

/* --- trails --- */

static void bucket_opened(struct loopback *lo)
{
    loopback_ok(S3_CALL(lo, PutBucketPolicy, .Bucket = STR("logs"),
                        .Policy = STR("{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":"
                                      "\"Allow\",\"Principal\":{\"Service\":"
                                      "\"cloudtrail.amazonaws.com\"},\"Action\":["
                                      "\"s3:GetBucketAcl\",\"s3:PutObject\"],\"Resource\":["
                                      "\"arn:aws:s3:::logs\",\"arn:aws:s3:::logs/*\"]}]}")));
}

#define CREATE_TRAIL(lo, name)                                                                     \
    CT_CALL(lo, CreateTrail, .Name = STR(name), .S3BucketName = STR("logs"))

static void trail_made(struct loopback *lo)
{
    s3_bucket(lo, "logs", false);
    bucket_opened(lo);
    loopback_ok(CREATE_TRAIL(lo, "trail"));
    loopback_ok(CT_CALL(lo, StartLogging, .Name = STR("trail")));
}

static void test_trail_errors(void **state)
{
    struct loopback *lo = *state;
    loopback_error(CREATE_TRAIL(lo, "trail"), "S3BucketDoesNotExistException",
                   "S3 bucket logs does not exist!");
    s3_bucket(lo, "logs", false);
    loopback_error(CREATE_TRAIL(lo, "trail"), "InsufficientS3BucketPolicyException", NULL);
    bucket_opened(lo);
    loopback_error(CREATE_TRAIL(lo, ""), "InvalidTrailNameException", NULL);
    loopback_error(CREATE_TRAIL(lo, "a--b"), "InvalidTrailNameException", NULL);
    loopback_error(CT_CALL(lo, CreateTrail, .Name = STR("trail"), .S3BucketName = STR("x")),
                   "InvalidS3BucketNameException", NULL);
    loopback_error(CT_CALL(lo, CreateTrail, .Name = STR("trail"), .S3BucketName = STR("logs"),
                           .IsMultiRegionTrail = opt_bool(true),
                           .IncludeGlobalServiceEvents = opt_bool(false)),
                   "InvalidParameterCombinationException", NULL);
    loopback_error(CT_CALL(lo, GetTrail, .Name = STR("trail")), "TrailNotFoundException", NULL);
    loopback_ok(CREATE_TRAIL(lo, "trail"));
    loopback_error(CREATE_TRAIL(lo, "trail"), "TrailAlreadyExistsException", NULL);
    loopback_ok(CREATE_TRAIL(lo, "trail-2"));
    loopback_ok(CREATE_TRAIL(lo, "trail-3"));
    loopback_ok(CREATE_TRAIL(lo, "trail-4"));
    loopback_ok(CREATE_TRAIL(lo, "trail-5"));
    loopback_error(CREATE_TRAIL(lo, "trail-6"), "MaximumNumberOfTrailsExceededException", NULL);
    loopback_error(CT_CALL(lo, GetTrailStatus, .Name = STR("arn:aws:sqs:us-east-1:1:x")),
                   "CloudTrailARNInvalidException", NULL);
    struct cloudtrail_LookupAttribute two[] = {{STR("EventName"), STR("a")},
                                               {STR("ReadOnly"), STR("true")}};
    loopback_error(CT_CALL(lo, LookupEvents, .LookupAttributes = {two, 2}),
                   "InvalidLookupAttributesException", NULL);
    loopback_error(CT_CALL(lo, LookupEvents, .NextToken = STR("none")), "InvalidNextTokenException",
                   NULL);
    loopback_advance(lo, 1000);
    loopback_error(
        CT_CALL(lo, LookupEvents, .StartTime = opt_time(2000), .EndTime = opt_time(1000)),
        "InvalidTimeRangeException", NULL);
}

static struct loopback_reply advanced(struct loopback *lo, struct str field, struct str value,
                                      struct str category)
{
    struct cloudtrail_AdvancedFieldSelector fields[] = {
        {.Field = STR("eventCategory"), .Equals = {&category, 1}},
        {.Field = field, .Equals = {&value, 1}},
    };
    struct cloudtrail_AdvancedEventSelector selector = {.FieldSelectors = {fields, 2}};
    return CT_CALL(lo, PutEventSelectors, .TrailName = STR("trail"),
                   .AdvancedEventSelectors = {&selector, 1});
}

static void test_selector_errors(void **state)
{
    struct loopback *lo = *state;
    const char *code = "InvalidEventSelectorsException";
    struct str resource = STR("arn:aws:s3"), source = STR("sqs.amazonaws.com");
    struct cloudtrail_DataResource data = {STR("AWS::SQS::Queue"), {&resource, 1}};
    struct cloudtrail_EventSelector selectors[6] = {
        {.DataResources = {&data, 1}}, {.ExcludeManagementEventSources = {&source, 1}}};
    trail_made(lo);
#define PUT(list, count)                                                                           \
    CT_CALL(lo, PutEventSelectors, .TrailName = STR("trail"), .EventSelectors = {(list), (count)})
    loopback_error(PUT(NULL, 0), code, NULL);
    loopback_error(PUT(selectors, 1), code, NULL);
    loopback_error(PUT(selectors + 1, 1), code, NULL);
    loopback_error(PUT(selectors, 6), code, NULL);
    loopback_error(advanced(lo, STR("eventCategory"), STR("Data"), STR("Data")), code, NULL);
    loopback_error(advanced(lo, STR("noSuchField"), STR("x"), STR("Management")), code, NULL);
    loopback_error(advanced(lo, STR("readOnly"), STR("maybe"), STR("Management")), code, NULL);
    loopback_error(advanced(lo, STR("readOnly"), STR("true"), STR("Data")), code, NULL);
    loopback_error(advanced(lo, STR("readOnly"), STR("true"), STR("Insight")), code, NULL);
    assert_int_equal(advanced(lo, STR("userIdentity.arn"), STR("x"), STR("Management")).result,
                     RESULT_ERROR);
    assert_false(trail_wants_data(lo->cloud->trail));
    loopback_ok(advanced(lo, STR("resources.type"), STR("AWS::S3::Object"), STR("Data")));
    assert_true(trail_wants_data(lo->cloud->trail));
    loopback_reopen(lo);
    assert_true(trail_wants_data(lo->cloud->trail));
    loopback_ok(CT_CALL(lo, DeleteTrail, .Name = STR("trail")));
    assert_true(trail_wants_data(lo->cloud->trail)); /* until after the commit */
    loopback_deliver(lo);
    assert_false(trail_wants_data(lo->cloud->trail));
}

/* Files of the trail, the folder's own empty object aside. */
static size_t files(struct loopback *lo)
{
    return s3_count(lo, "logs").keys - 1;
}

static const struct cloudtrail_GetTrailStatusResponse *status_of(struct loopback *lo)
{
    return loopback_ok(CT_CALL(lo, GetTrailStatus, .Name = STR("trail")));
}

static void test_refused_and_retried(void **state)
{
    struct loopback *lo = *state;
    trail_made(lo);
    append(lo, "CreateQueue");
    take(lo);
    loopback_deliver(lo);
    assert_int_equal(files(lo), 0); /* not before five minutes */
    loopback_ok(S3_CALL(lo, DeleteBucketPolicy, .Bucket = STR("logs")));
    loopback_advance(lo, 5 * MINUTE_MS);
    loopback_deliver(lo);
    assert_int_equal(files(lo), 0);
    assert_true(str_eq(status_of(lo)->LatestDeliveryError, STR("AccessDenied")));
    loopback_advance(lo, 5 * MINUTE_MS);
    loopback_reopen(lo);
    loopback_deliver(lo);
    assert_int_equal(files(lo), 0);
    bucket_opened(lo);
    loopback_advance(lo, 5 * MINUTE_MS);
    loopback_deliver(lo);
    assert_int_equal(files(lo), 1);
    assert_true(str_is_absent(status_of(lo)->LatestDeliveryError));
    loopback_advance(lo, 60 * MINUTE_MS);
    loopback_deliver(lo);
    assert_int_equal(files(lo), 1); /* once */
}

static void test_stopped(void **state)
{
    struct loopback *lo = *state;
    trail_made(lo);
    loopback_ok(CT_CALL(lo, StopLogging, .Name = STR("trail")));
    append(lo, "CreateQueue");
    take(lo);
    loopback_advance(lo, 5 * MINUTE_MS);
    loopback_deliver(lo);
    assert_int_equal(files(lo), 0);
    assert_int_equal(found(lo, "CreateQueue"), 1); /* the history has it all the same */
    loopback_ok(CT_CALL(lo, StartLogging, .Name = STR("trail")));
    append(lo, "DeleteQueue");
    take(lo);
    loopback_ok(CT_CALL(lo, DeleteTrail, .Name = STR("trail")));
    loopback_advance(lo, 5 * MINUTE_MS);
    loopback_deliver(lo);
    assert_int_equal(files(lo), 0); /* what waited went with the trail */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        S3_TEST(test_after_a_crash),
        S3_TEST(test_twice),
        S3_TEST(test_torn_at_every_byte),
        S3_TEST(test_no_room),
        S3_TEST(test_many),
        S3_TEST(test_used_again),
        S3_TEST(test_limited),
        S3_TEST(test_pages),
        S3_TEST(test_forgetting),
        S3_TEST(test_trail_errors),
        S3_TEST(test_selector_errors),
        S3_TEST(test_refused_and_retried),
        S3_TEST(test_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
