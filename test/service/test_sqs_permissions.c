/* AddPermission, RemovePermission, and calls from other accounts. */
#include "service/sqs_support.h"

#define STATEMENT(label, account, action)                                                          \
    "{\"Sid\":\"" label "\",\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::" account   \
    ":root\"},\"Action\":\"SQS:" action                                                            \
    "\",\"Resource\":\"arn:aws:sqs:us-east-1:000000000000:shared\"}"
#define POLICY(statements)                                                                         \
    "{\"Version\":\"2008-10-17\",\"Id\":\"arn:aws:sqs:us-east-1:000000000000:shared/"              \
    "SQSDefaultPolicy\","                                                                          \
    "\"Statement\":[" statements "]}"

static void test_add_and_remove(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "shared");
    loopback_ok(SQS_CALL(lo, AddPermission, .QueueUrl = url, .Label = STR("one"),
                         .AWSAccountIds = NAMES(lo, "111111111111"),
                         .Actions = NAMES(lo, "SendMessage")));
    assert_str(sqs_attribute(lo, url, "Policy"),
               STR(POLICY(STATEMENT("one", "111111111111", "SendMessage"))));
    loopback_ok(SQS_CALL(lo, AddPermission, .QueueUrl = url, .Label = STR("two"),
                         .AWSAccountIds = NAMES(lo, "222222222222"), .Actions = NAMES(lo, "*")));
    assert_str(sqs_attribute(lo, url, "Policy"),
               STR(POLICY(STATEMENT("one", "111111111111",
                                    "SendMessage") "," STATEMENT("two", "222222222222", "*"))));
    SQS_FAILS(lo, "InvalidParameterValueException",
              "Value two for parameter Label is invalid. Reason: Already exists.", AddPermission,
              .QueueUrl = url, .Label = STR("two"), .AWSAccountIds = NAMES(lo, "222222222222"),
              .Actions = NAMES(lo, "*"));
    loopback_ok(SQS_CALL(lo, RemovePermission, .QueueUrl = url, .Label = STR("one")));
    assert_str(sqs_attribute(lo, url, "Policy"),
               STR(POLICY(STATEMENT("two", "222222222222", "*"))));
    SQS_FAILS(
        lo, "InvalidParameterValueException",
        "Value one for parameter Label is invalid. Reason: can't find label on existing policy.",
        RemovePermission, .QueueUrl = url, .Label = STR("one"));
    loopback_ok(SQS_CALL(lo, RemovePermission, .QueueUrl = url, .Label = STR("two")));
    assert_true(str_is_absent(sqs_attribute(lo, url, "Policy")));
}

static void test_several(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "shared");
    loopback_ok(SQS_CALL(lo, AddPermission, .QueueUrl = url, .Label = STR("l"),
                         .AWSAccountIds = NAMES(lo, "111111111111", "222222222222"),
                         .Actions = NAMES(lo, "SendMessage", "ReceiveMessage")));
    assert_str(sqs_attribute(lo, url, "Policy"),
               STR(POLICY("{\"Sid\":\"l\",\"Effect\":\"Allow\",\"Principal\":{\"AWS\":[\"arn:aws:"
                          "iam::111111111111:root\","
                          "\"arn:aws:iam::222222222222:root\"]},\"Action\":[\"SQS:SendMessage\","
                          "\"SQS:ReceiveMessage\"],"
                          "\"Resource\":\"arn:aws:sqs:us-east-1:000000000000:shared\"}")));
}

/* Statements that somebody else wrote stay as they are. */
static void test_beside_a_policy(void **state)
{
    struct loopback *lo = *state;
    static const char policy[] =
        "{\"Version\":\"2012-10-17\",\"Statement\":{\"Sid\":\"mine\",\"Effect\":\"Deny\","
        "\"Principal\":{\"AWS\":\"999999999999\"},\"Action\":\"sqs:*\",\"Resource\":\"*\"}}";
    struct str url = sqs_queue_with(lo, "shared", PAIRS(lo, "Policy", policy));
    loopback_ok(SQS_CALL(lo, AddPermission, .QueueUrl = url, .Label = STR("one"),
                         .AWSAccountIds = NAMES(lo, "111111111111"),
                         .Actions = NAMES(lo, "SendMessage")));
    assert_str(sqs_attribute(lo, url, "Policy"),
               STR("{\"Version\":\"2012-10-17\",\"Id\":\"arn:aws:sqs:us-east-1:000000000000:shared/"
                   "SQSDefaultPolicy\","
                   "\"Statement\":[{\"Sid\":\"mine\",\"Effect\":\"Deny\","
                   "\"Principal\":{\"AWS\":\"999999999999\"},"
                   "\"Action\":\"sqs:*\","
                   "\"Resource\":\"*\"}," STATEMENT("one", "111111111111", "SendMessage") "]}"));
    loopback_ok(SQS_CALL(lo, RemovePermission, .QueueUrl = url, .Label = STR("mine")));
    loopback_ok(SQS_CALL(lo, RemovePermission, .QueueUrl = url, .Label = STR("one")));
}

static void test_refused(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "shared");
    struct str_list one = NAMES(lo, "111111111111"), send = NAMES(lo, "SendMessage");
    SQS_FAILS(lo, "MissingRequiredParameterException",
              "The request must contain the parameter Label.", AddPermission, .QueueUrl = url,
              .Label = STR(""), .AWSAccountIds = one, .Actions = send);
    SQS_FAILS(lo, "InvalidParameterValueException",
              "Value a b for parameter Label is invalid. Reason: Can only include alphanumeric "
              "characters, hyphens, "
              "or underscores. 1 to 80 in length.",
              AddPermission, .QueueUrl = url, .Label = STR("a b"), .AWSAccountIds = one,
              .Actions = send);
    SQS_FAILS(lo, "MissingRequiredParameterException",
              "The request must contain the parameter Actions.", AddPermission, .QueueUrl = url,
              .Label = STR("l"), .AWSAccountIds = one);
    SQS_FAILS(lo, "MissingRequiredParameterException",
              "The request must contain the parameter PrincipalId.", AddPermission, .QueueUrl = url,
              .Label = STR("l"), .Actions = send);
    SQS_FAILS(lo, "InvalidParameterValueException",
              "Value SQS:CreateQueue for parameter ActionName is invalid. Reason: Please refer to "
              "the appropriate "
              "WSDL for a list of valid actions.",
              AddPermission, .QueueUrl = url, .Label = STR("l"), .AWSAccountIds = one,
              .Actions = NAMES(lo, "CreateQueue"));
    SQS_FAILS(lo, "InvalidParameterValueException",
              "Value [1234] for parameter PrincipalId is invalid. Reason: Unable to verify.",
              AddPermission, .QueueUrl = url, .Label = STR("l"), .AWSAccountIds = NAMES(lo, "1234"),
              .Actions = send);
    SQS_FAILS(lo, "OverLimit", "8 Actions were found, maximum allowed is 7.", AddPermission,
              .QueueUrl = url, .Label = STR("l"), .AWSAccountIds = one,
              .Actions = NAMES(lo, "SendMessage", "ReceiveMessage", "DeleteMessage", "PurgeQueue",
                               "GetQueueUrl", "GetQueueAttributes", "ChangeMessageVisibility",
                               "ListDeadLetterSourceQueues"));
    for (int i = 0; i < 20; i++)
        loopback_ok(SQS_CALL(lo, AddPermission, .QueueUrl = url,
                             .Label = str_format(lo->arena, "l-%d", i), .AWSAccountIds = one,
                             .Actions = send));
    SQS_FAILS(lo, "OverLimit", "21 statements were found, maximum allowed is 20.", AddPermission,
              .QueueUrl = url, .Label = STR("l"), .AWSAccountIds = one, .Actions = send);
}

/* Without a policy that says so, nobody from another account comes in. */
static void test_other_accounts(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "private");
    lo->account = STR("111111111111");
    SQS_FAILS(lo, "QueueDoesNotExist", NULL, GetQueueUrl, .QueueName = STR("private"));
    SQS_FAILS(lo, "AccessDeniedException", NULL, GetQueueUrl, .QueueName = STR("private"),
              .QueueOwnerAWSAccountId = STR("000000000000"));
    SQS_FAILS(lo, "AccessDeniedException", NULL, SendMessage, .QueueUrl = url,
              .MessageBody = STR("x"));
    SQS_FAILS(lo, "AccessDeniedException", NULL, DeleteQueue, .QueueUrl = url);
    assert_int_equal(SQS_OK(lo, ListQueues, .QueueNamePrefix = STR(""))->QueueUrls.len, 0);
    struct str own = sqs_queue(lo, "private"); /* of the same name */
    assert_false(str_eq(own, url));
    sqs_send(lo, own, "mine");
    lo->account = STR("000000000000");
    assert_counts(lo, url, 0, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQS_TEST(test_add_and_remove),  SQS_TEST(test_several),
        SQS_TEST(test_beside_a_policy), SQS_TEST(test_refused),
        SQS_TEST(test_other_accounts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
