/* Queue policies decide: across accounts, against the owner, by condition keys. */
#include "service/sqs_support.h"

#define ARN "arn:aws:sqs:us-east-1:000000000000:shared"
#define NOBODY_ALLOWS(who, action)                                                                 \
    "User: arn:aws:iam::" who " is not authorized to perform: " action " on resource: " ARN        \
    " because no resource-based policy allows the " action " action"
#define DENIED(who, action)                                                                        \
    "User: arn:aws:iam::" who " is not authorized to perform: " action " on resource: " ARN        \
    " with an explicit deny in a resource-based policy"
#define STATEMENT(effect, more)                                                                    \
    "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"" effect "\",\"Resource\":\"" ARN    \
    "\"," more "}]}"

/* A queue of account 0 under a policy. */
static struct str shared(struct loopback *lo, const char *policy)
{
    return sqs_queue_with(lo, "shared", PAIRS(lo, "Policy", policy));
}

static void as(struct loopback *lo, const char *account, const char *user)
{
    lo->account = str_from_c(account);
    lo->user = user == NULL ? (struct str){0} : str_from_c(user);
}

static void test_add_permission(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "shared");
    as(lo, "111111111111", NULL);
    SQS_FAILS(lo, "AccessDeniedException", NOBODY_ALLOWS("111111111111:root", "sqs:SendMessage"),
              SendMessage, .QueueUrl = url, .MessageBody = STR("x"));
    as(lo, "000000000000", NULL);
    loopback_ok(SQS_CALL(lo, AddPermission, .QueueUrl = url, .Label = STR("l"),
                         .AWSAccountIds = NAMES(lo, "111111111111"),
                         .Actions = NAMES(lo, "SendMessage", "GetQueueUrl")));
    as(lo, "111111111111", NULL);
    sqs_send(lo, url, "from root");
    assert_str(SQS_OK(lo, GetQueueUrl, .QueueName = STR("shared"),
                      .QueueOwnerAWSAccountId = STR("000000000000"))
                   ->QueueUrl,
               url);
    as(lo, "111111111111", "alice");
    sqs_send(lo, url, "from alice");
    SQS_FAILS(lo, "AccessDeniedException",
              NOBODY_ALLOWS("111111111111:user/alice", "sqs:ReceiveMessage"), ReceiveMessage,
              .QueueUrl = url);
    as(lo, "222222222222", NULL);
    SQS_FAILS(lo, "AccessDeniedException", NOBODY_ALLOWS("222222222222:root", "sqs:SendMessage"),
              SendMessage, .QueueUrl = url, .MessageBody = STR("x"));
    as(lo, "000000000000", NULL);
    assert_counts(lo, url, 2, 0, 0);
    loopback_ok(SQS_CALL(lo, RemovePermission, .QueueUrl = url, .Label = STR("l")));
    as(lo, "111111111111", NULL);
    SQS_FAILS(lo, "AccessDeniedException", NULL, SendMessage, .QueueUrl = url,
              .MessageBody = STR("x"));
}

static void test_batch_is_the_single_action(void **state)
{
    struct loopback *lo = *state;
    struct str url = shared(
        lo, STATEMENT("Allow",
                      "\"Principal\":{\"AWS\":\"111111111111\"},\"Action\":\"sqs:SendMessage\""));
    as(lo, "111111111111", NULL);
    struct sqs_SendMessageBatchRequestEntry entry = {.Id = STR("1"), .MessageBody = STR("x")};
    loopback_ok(SQS_CALL(lo, SendMessageBatch, .QueueUrl = url, .Entries = {&entry, 1}));
    struct sqs_DeleteMessageBatchRequestEntry gone = {.Id = STR("1"), .ReceiptHandle = STR("x")};
    SQS_FAILS(lo, "AccessDeniedException", NOBODY_ALLOWS("111111111111:root", "sqs:DeleteMessage"),
              DeleteMessageBatch, .QueueUrl = url, .Entries = {&gone, 1});
}

/* "Cross-account permissions don't apply to" what changes the queue itself. */
static void test_what_stays_in_the_account(void **state)
{
    struct loopback *lo = *state;
    struct str url = shared(lo, STATEMENT("Allow", "\"Principal\":\"*\",\"Action\":\"sqs:*\""));
    as(lo, "111111111111", NULL);
    sqs_send(lo, url, "x");
    loopback_ok(SQS_CALL(lo, GetQueueAttributes, .QueueUrl = url));
    SQS_FAILS(lo, "AccessDeniedException",
              NOBODY_ALLOWS("111111111111:root", "sqs:SetQueueAttributes"), SetQueueAttributes,
              .QueueUrl = url, .Attributes = PAIRS(lo, "DelaySeconds", "5"));
    SQS_FAILS(lo, "AccessDeniedException", NULL, DeleteQueue, .QueueUrl = url);
    SQS_FAILS(lo, "AccessDeniedException", NULL, TagQueue, .QueueUrl = url,
              .Tags = PAIRS(lo, "k", "v"));
    SQS_FAILS(lo, "AccessDeniedException", NULL, ListQueueTags, .QueueUrl = url);
    SQS_FAILS(lo, "AccessDeniedException", NULL, AddPermission, .QueueUrl = url, .Label = STR("l"),
              .AWSAccountIds = NAMES(lo, "111111111111"), .Actions = NAMES(lo, "SendMessage"));
}

static void test_one_user(void **state)
{
    struct loopback *lo = *state;
    struct str url = shared(
        lo, STATEMENT("Allow", "\"Principal\":{\"AWS\":\"arn:aws:iam::111111111111:user/alice\"},"
                               "\"Action\":\"SQS:Send*\""));
    as(lo, "111111111111", "alice");
    sqs_send(lo, url, "x");
    as(lo, "111111111111", "eve");
    SQS_FAILS(lo, "AccessDeniedException",
              NOBODY_ALLOWS("111111111111:user/eve", "sqs:SendMessage"), SendMessage,
              .QueueUrl = url, .MessageBody = STR("x"));
}

/* A deny is for the owner too; the root user can mend a policy that locks out everybody. */
static void test_deny(void **state)
{
    struct loopback *lo = *state;
    struct str url = shared(lo, STATEMENT("Deny", "\"Principal\":\"*\",\"Action\":\"sqs:*\""));
    SQS_FAILS(lo, "AccessDeniedException", DENIED("000000000000:root", "sqs:SendMessage"),
              SendMessage, .QueueUrl = url, .MessageBody = STR("x"));
    SQS_FAILS(lo, "AccessDeniedException", DENIED("000000000000:root", "sqs:DeleteQueue"),
              DeleteQueue, .QueueUrl = url);
    as(lo, "000000000000", "bob");
    SQS_FAILS(lo, "AccessDeniedException",
              DENIED("000000000000:user/bob", "sqs:GetQueueAttributes"), GetQueueAttributes,
              .QueueUrl = url);
    as(lo, "000000000000", NULL);
    loopback_ok(SQS_CALL(lo, GetQueueAttributes, .QueueUrl = url));
    loopback_ok(
        SQS_CALL(lo, SetQueueAttributes, .QueueUrl = url, .Attributes = PAIRS(lo, "Policy", "")));
    sqs_send(lo, url, "x");
}

#define WHEN(condition)                                                                            \
    STATEMENT("Allow",                                                                             \
              "\"Principal\":\"*\",\"Action\":\"sqs:SendMessage\",\"Condition\":{" condition "}")

/* Whether account 1 may send to a queue whose policy holds on that condition. */
static bool may_send(struct loopback *lo, struct str url, const char *condition)
{
    as(lo, "000000000000", NULL);
    loopback_ok(SQS_CALL(lo, SetQueueAttributes, .QueueUrl = url,
                         .Attributes = PAIRS(lo, "Policy", condition)));
    as(lo, "111111111111", "alice");
    struct loopback_reply reply =
        SQS_CALL(lo, SendMessage, .QueueUrl = url, .MessageBody = STR("x"));
    if (reply.result != RESULT_OK)
        loopback_error(reply, "AccessDeniedException", NULL);
    return reply.result == RESULT_OK;
}

static void test_condition_keys(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "shared");
    loopback_ok(SQS_CALL(lo, TagQueue, .QueueUrl = url, .Tags = PAIRS(lo, "Team", "red")));
    lo->source_ip = STR("203.0.113.7");
    static const struct {
        const char *policy;
        bool allowed;
    } cases[] = {
        {WHEN("\"IpAddress\":{\"aws:SourceIp\":\"203.0.113.0/24\"}"), true},
        {WHEN("\"IpAddress\":{\"aws:SourceIp\":\"10.0.0.0/8\"}"), false},
        {WHEN("\"Bool\":{\"aws:SecureTransport\":\"true\"}"), false},
        {WHEN("\"DateLessThan\":{\"aws:CurrentTime\":\"2026-11-21T00:00:01Z\"}"), true},
        {WHEN("\"DateLessThan\":{\"aws:CurrentTime\":\"2026-11-21T00:00:00Z\"}"), false},
        {WHEN("\"NumericEquals\":{\"aws:EpochTime\":\"1795219200\"}"), true},
        {WHEN("\"ArnLike\":{\"aws:PrincipalArn\":\"arn:aws:iam::*:user/al*\"}"), true},
        {WHEN("\"StringEquals\":{\"aws:PrincipalAccount\":\"111111111111\",\"aws:username\":"
              "\"alice\","
              "\"aws:PrincipalType\":\"User\",\"aws:userid\":\"AIDATEST\"}"),
         true},
        {WHEN("\"StringEquals\":{\"aws:RequestedRegion\":\"eu-west-1\"}"), false},
        {WHEN("\"StringEquals\":{\"aws:ResourceTag/team\":\"red\"}"), true},
        {WHEN("\"StringEquals\":{\"aws:ResourceTag/Team\":\"blue\"}"), false},
        {WHEN("\"StringEquals\":{\"aws:ResourceAccount\":\"000000000000\"}"), true},
        {WHEN("\"Null\":{\"aws:SourceArn\":\"true\",\"aws:TagKeys\":\"true\"}"), true},
        {WHEN("\"Bool\":{\"aws:PrincipalIsAWSService\":\"true\"}"), false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (may_send(lo, url, cases[i].policy) != cases[i].allowed)
            fail_msg("%s should be %d", cases[i].policy, cases[i].allowed);
}

static void test_tags_of_the_request(void **state)
{
    struct loopback *lo = *state;
    struct str url = shared(
        lo, STATEMENT("Deny", "\"Principal\":\"*\",\"Action\":\"sqs:TagQueue\",\"Condition\":{"
                              "\"ForAnyValue:StringLike\":{\"aws:TagKeys\":\"secret-*\"}}"));
    loopback_ok(SQS_CALL(lo, TagQueue, .QueueUrl = url, .Tags = PAIRS(lo, "a", "1")));
    SQS_FAILS(lo, "AccessDeniedException", DENIED("000000000000:root", "sqs:TagQueue"), TagQueue,
              .QueueUrl = url, .Tags = PAIRS(lo, "a", "1", "secret-b", "2"));
    loopback_ok(SQS_CALL(
        lo, SetQueueAttributes, .QueueUrl = url,
        .Attributes = PAIRS(
            lo, "Policy",
            STATEMENT("Deny", "\"Principal\":\"*\",\"Action\":\"sqs:TagQueue\",\"Condition\":{"
                              "\"StringNotEquals\":{\"aws:RequestTag/Team\":\"red\"}}"))));
    loopback_ok(SQS_CALL(lo, TagQueue, .QueueUrl = url, .Tags = PAIRS(lo, "team", "red")));
    SQS_FAILS(lo, "AccessDeniedException", NULL, TagQueue, .QueueUrl = url,
              .Tags = PAIRS(lo, "team", "blue"));
}

static void test_services(void **state)
{
    struct loopback *lo = *state;
    struct str url =
        shared(lo, STATEMENT("Allow",
                             "\"Principal\":{\"Service\":\"sns.amazonaws.com\"},\"Action\":"
                             "\"sqs:SendMessage\",\"Condition\":{\"ArnEquals\":{\"aws:SourceArn\":"
                             "\"arn:aws:sns:us-east-1:000000000000:topic\"}}"));
    lo->principal = PRINCIPAL_SERVICE;
    lo->user = STR("sns.amazonaws.com");
    lo->source_arn = STR("arn:aws:sns:us-east-1:000000000000:topic");
    sqs_send(lo, url, "x");
    lo->source_arn = STR("arn:aws:sns:us-east-1:000000000000:other");
    SQS_FAILS(lo, "AccessDeniedException", NULL, SendMessage, .QueueUrl = url,
              .MessageBody = STR("x"));
    lo->source_arn = STR("arn:aws:sns:us-east-1:000000000000:topic");
    lo->user = STR("events.amazonaws.com"); /* in the owner's account, too */
    SQS_FAILS(lo, "AccessDeniedException",
              "User: events.amazonaws.com is not authorized to perform: sqs:SendMessage on "
              "resource: " ARN
              " because no resource-based policy allows the sqs:SendMessage action",
              SendMessage, .QueueUrl = url, .MessageBody = STR("x"));
}

static void test_modes(void **state)
{
    struct loopback *lo = *state;
    struct str url = shared(lo, STATEMENT("Deny", "\"Principal\":\"*\",\"Action\":\"sqs:*\""));
    as(lo, "111111111111", NULL);
    lo->cloud->iam = IAM_OFF;
    sqs_send(lo, url, "x");
    lo->cloud->iam = IAM_AUDIT;
    sqs_send(lo, url, "x");
    lo->cloud->iam = IAM_ENFORCE;
    SQS_FAILS(lo, "AccessDeniedException", NULL, SendMessage, .QueueUrl = url,
              .MessageBody = STR("x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQS_TEST(test_add_permission),
        SQS_TEST(test_batch_is_the_single_action),
        SQS_TEST(test_what_stays_in_the_account),
        SQS_TEST(test_one_user),
        SQS_TEST(test_deny),
        SQS_TEST(test_condition_keys),
        SQS_TEST(test_tags_of_the_request),
        SQS_TEST(test_services),
        SQS_TEST(test_modes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
