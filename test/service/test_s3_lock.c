/* Object Lock: retention, event holds, legal holds, and who may loosen them. */
#include "service/s3_support.h"

#define DAY_MS INT64_C(86400000)
#define LOCKED .Bucket = STR("locked")
#define PROTECTED "Access Denied because object protected by object lock."

/* The version's id. */
static struct str make_locked(struct loopback *lo)
{
    loopback_ok(S3_CALL(lo, CreateBucket, LOCKED, .ObjectLockEnabledForBucket = opt_bool(true)));
    return s3_put(lo, "locked", STR("k"));
}

static struct loopback_reply retain(struct loopback *lo, const struct s3_ObjectLockRetention *given,
                                    bool bypass)
{
    return S3_CALL(lo, PutObjectRetention, LOCKED, .Key = STR("k"),
                   .Retention = (struct s3_ObjectLockRetention *)(uintptr_t)given,
                   .BypassGovernanceRetention = opt_bool(bypass));
}

static const struct s3_ObjectLockRetention *retention(struct loopback *lo)
{
    const struct s3_GetObjectRetentionOutput *out =
        loopback_ok(S3_CALL(lo, GetObjectRetention, LOCKED, .Key = STR("k")));
    return out->Retention;
}

static struct loopback_reply drop(struct loopback *lo, struct str version, bool bypass)
{
    return S3_CALL(lo, DeleteObject, LOCKED, .Key = STR("k"), .VersionId = version,
                   .BypassGovernanceRetention = opt_bool(bypass));
}

#define HOLD(mode_, days_)                                                                         \
    (&(struct s3_ObjectLockRetention){.Mode = STR(mode_),                                          \
                                      .EventHold = STR("ON"),                                      \
                                      .EventHoldDuration =                                         \
                                          &(struct s3_EventHoldDuration){.Days = opt_int(days_)}})
#define RELEASE(mode_)                                                                             \
    (&(struct s3_ObjectLockRetention){.Mode = STR(mode_), .EventHold = STR("OFF")})
#define UNTIL(mode_, ms_)                                                                          \
    (&(struct s3_ObjectLockRetention){.Mode = STR(mode_), .RetainUntilDate = opt_time(ms_)})

static void test_hold_and_release(void **state)
{
    struct loopback *lo = *state;
    struct str version = make_locked(lo);
    loopback_ok(retain(lo, HOLD("COMPLIANCE", 10), false));
    const struct s3_ObjectLockRetention *shown = retention(lo);
    assert_true(str_eq(shown->EventHold, STR("ON")));
    assert_int_equal(shown->EventHoldDuration->Days.value, 10);
    assert_int_equal(shown->RetainUntilDate.ms, LOOPBACK_NOW + 10 * DAY_MS);
    loopback_advance(lo, 100 * DAY_MS); /* it goes ahead of the clock */
    assert_int_equal(retention(lo)->RetainUntilDate.ms, LOOPBACK_NOW + 110 * DAY_MS);
    loopback_error(drop(lo, version, true), "AccessDenied", PROTECTED);
    const struct s3_HeadObjectOutput *head =
        loopback_ok(S3_CALL(lo, HeadObject, LOCKED, .Key = STR("k")));
    assert_true(str_eq(head->ObjectLockEventHold, STR("ON")));
    assert_int_equal(head->ObjectLockEventHoldDurationDays.value, 10);
    assert_int_equal(head->ObjectLockRetainUntilDate.ms, LOOPBACK_NOW + 110 * DAY_MS);
    loopback_ok(retain(lo, RELEASE("COMPLIANCE"), false));
    shown = retention(lo);
    assert_true(str_eq(shown->EventHold, STR("OFF")));
    assert_null(shown->EventHoldDuration);
    loopback_advance(lo, 9 * DAY_MS);
    assert_int_equal(retention(lo)->RetainUntilDate.ms, LOOPBACK_NOW + 110 * DAY_MS);
    loopback_error(drop(lo, version, true), "AccessDenied", PROTECTED);
    loopback_advance(lo, DAY_MS + 1);
    loopback_ok(drop(lo, version, false));
}

static void test_changes(void **state)
{
    struct loopback *lo = *state;
    struct str version = make_locked(lo);
    loopback_ok(retain(lo, HOLD("COMPLIANCE", 10), false));
    loopback_error(retain(lo, HOLD("COMPLIANCE", 9), true), "AccessDenied", PROTECTED);
    loopback_error(retain(lo, HOLD("GOVERNANCE", 10), true), "AccessDenied", PROTECTED);
    loopback_error(retain(lo, &(struct s3_ObjectLockRetention){0}, true), "AccessDenied",
                   PROTECTED);
    loopback_ok(retain(lo, HOLD("COMPLIANCE", 20), false));
    /* A date alone leaves the hold on; what is asked for is the least. */
    loopback_ok(retain(lo, UNTIL("COMPLIANCE", LOOPBACK_NOW + 50 * DAY_MS), false));
    assert_true(str_eq(retention(lo)->EventHold, STR("ON")));
    assert_int_equal(retention(lo)->RetainUntilDate.ms, LOOPBACK_NOW + 50 * DAY_MS);
    loopback_ok(retain(lo, RELEASE("COMPLIANCE"), false));
    assert_int_equal(retention(lo)->RetainUntilDate.ms, LOOPBACK_NOW + 50 * DAY_MS);
    loopback_error(drop(lo, version, true), "AccessDenied", PROTECTED);
}

static void test_governance(void **state)
{
    struct loopback *lo = *state;
    struct str version = make_locked(lo);
    loopback_ok(retain(lo, HOLD("GOVERNANCE", 10), false));
    loopback_error(retain(lo, &(struct s3_ObjectLockRetention){0}, false), "AccessDenied",
                   PROTECTED);
    loopback_error(drop(lo, version, false), "AccessDenied", PROTECTED);
    loopback_ok(retain(lo, HOLD("GOVERNANCE", 1), true));
    loopback_ok(retain(lo, &(struct s3_ObjectLockRetention){0}, true));
    loopback_error(S3_CALL(lo, GetObjectRetention, LOCKED, .Key = STR("k")),
                   "NoSuchObjectLockConfiguration", NULL);
    loopback_ok(drop(lo, version, false));
}

static void test_wrong(void **state)
{
    struct loopback *lo = *state;
    make_locked(lo);
    struct s3_EventHoldDuration both = {.Days = opt_int(1), .Years = opt_int(1)},
                                one = {.Days = opt_int(1)};
    const struct s3_ObjectLockRetention wrong[] = {
        {.Mode = STR("GOVERNANCE"), .EventHold = STR("ON")},
        {.Mode = STR("GOVERNANCE"), .EventHold = STR("ON"), .EventHoldDuration = &both},
        {.EventHold = STR("ON"), .EventHoldDuration = &one},
        {.Mode = STR("GOVERNANCE"), .EventHold = STR("OFF"), .EventHoldDuration = &one},
        {.Mode = STR("GOVERNANCE"), .EventHold = STR("PERHAPS")},
        {.Mode = STR("GOVERNANCE"), .RetainUntilDate = opt_time(LOOPBACK_NOW)},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        loopback_error(retain(lo, &wrong[i], false), "InvalidArgument", NULL);
    loopback_error(retain(lo, HOLD("GOVERNANCE", 0), false), "InvalidArgument", NULL);
    loopback_error(retain(lo, HOLD("GOVERNANCE", 36501), false), "InvalidArgument", NULL);
    loopback_error(retain(lo, RELEASE("GOVERNANCE"), false), "MalformedXML", NULL);
    loopback_error(retain(lo, UNTIL("LATER", LOOPBACK_NOW + DAY_MS), false), "MalformedXML", NULL);
    s3_bucket(lo, "plain", true);
    s3_put(lo, "plain", STR("k"));
    loopback_error(S3_CALL(lo, PutObjectRetention, .Bucket = STR("plain"), .Key = STR("k"),
                           .Retention = HOLD("GOVERNANCE", 1)),
                   "InvalidRequest", "Bucket is missing Object Lock Configuration");
    loopback_error(S3_CALL(lo, PutObjectRetention, LOCKED, .Key = STR("none"),
                           .Retention = HOLD("GOVERNANCE", 1)),
                   "NoSuchKey", NULL);
}

static void test_default(void **state)
{
    struct loopback *lo = *state;
    struct s3_EventHoldDuration hold = {.Years = opt_int(1)};
    struct s3_DefaultRetention held = {.Mode = STR("GOVERNANCE"), .DefaultEventHold = &hold};
    struct s3_ObjectLockRule rule = {.DefaultRetention = &held};
    struct s3_ObjectLockConfiguration whole = {.ObjectLockEnabled = STR("Enabled"), .Rule = &rule};
    make_locked(lo);
    loopback_ok(S3_CALL(lo, PutObjectLockConfiguration, LOCKED, .ObjectLockConfiguration = &whole));
    s3_put(lo, "locked", STR("k"));
    assert_int_equal(retention(lo)->EventHoldDuration->Years.value, 1);
    assert_int_equal(retention(lo)->RetainUntilDate.ms, LOOPBACK_NOW + 365 * DAY_MS);
    /* A request's own settings come before. */
    loopback_ok(S3_CALL(lo, PutObject, LOCKED, .Key = STR("k"), .ObjectLockMode = STR("COMPLIANCE"),
                        .ObjectLockRetainUntilDate = opt_time(LOOPBACK_NOW + DAY_MS)));
    assert_true(str_is_absent(retention(lo)->EventHold));
    loopback_ok(S3_CALL(lo, PutObject, LOCKED, .Key = STR("k"), .ObjectLockMode = STR("COMPLIANCE"),
                        .ObjectLockEventHold = STR("ON"),
                        .ObjectLockEventHoldDurationDays = opt_int(3)));
    assert_int_equal(retention(lo)->EventHoldDuration->Days.value, 3);
    loopback_error(S3_CALL(lo, PutObject, LOCKED, .Key = STR("k"), .ObjectLockEventHold = STR("ON"),
                           .ObjectLockEventHoldDurationDays = opt_int(3)),
                   "InvalidArgument", NULL);
    loopback_error(S3_CALL(lo, PutObject, LOCKED, .Key = STR("k"),
                           .ObjectLockEventHoldDurationDays = opt_int(3)),
                   "InvalidArgument", NULL);
    hold.Years = opt_int(101);
    loopback_error(
        S3_CALL(lo, PutObjectLockConfiguration, LOCKED, .ObjectLockConfiguration = &whole),
        "InvalidArgument", NULL);
    held.DefaultEventHold = NULL;
    loopback_error(
        S3_CALL(lo, PutObjectLockConfiguration, LOCKED, .ObjectLockConfiguration = &whole),
        "MalformedXML", NULL);
}

static void test_legal_hold(void **state)
{
    struct loopback *lo = *state;
    struct s3_ObjectLockLegalHold hold = {.Status = STR("ON")};
    struct str version = make_locked(lo);
    loopback_error(S3_CALL(lo, GetObjectLegalHold, LOCKED, .Key = STR("k")),
                   "NoSuchObjectLockConfiguration", NULL);
    loopback_ok(S3_CALL(lo, PutObjectLegalHold, LOCKED, .Key = STR("k"), .LegalHold = &hold));
    loopback_error(drop(lo, version, true), "AccessDenied", PROTECTED);
    hold.Status = STR("MAYBE");
    loopback_error(S3_CALL(lo, PutObjectLegalHold, LOCKED, .Key = STR("k"), .LegalHold = &hold),
                   "MalformedXML", NULL);
    hold.Status = STR("OFF");
    loopback_ok(S3_CALL(lo, PutObjectLegalHold, LOCKED, .Key = STR("k"), .LegalHold = &hold));
    loopback_ok(drop(lo, version, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        S3_TEST(test_hold_and_release), S3_TEST(test_changes),
        S3_TEST(test_governance),       S3_TEST(test_wrong),
        S3_TEST(test_default),          S3_TEST(test_legal_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
