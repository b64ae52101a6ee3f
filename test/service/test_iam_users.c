/* Users, their keys and policies; what policies of users decide. */
#include "service/iam_support.h"

#include "cloud/credentials.h"

static void as(struct loopback *lo, const char *user)
{
    lo->user = str_from_c(user);
}

static void test_users(void **state)
{
    struct loopback *lo = *state;
    struct iam_Tag tag = {STR("team"), STR("red")};
    const struct iam_User *made =
        IAM_OK(lo, CreateUser, .UserName = STR("Alice"), .Path = STR("/a/b/"), .Tags = {&tag, 1})
            ->User;
    assert_str(made->Arn, STR("arn:aws:iam::000000000000:user/a/b/Alice"));
    assert_true(str_starts_with(made->UserId, STR("AIDA")) && made->UserId.len == 21);
    assert_int_equal(made->CreateDate.ms, LOOPBACK_NOW);
    IAM_FAILS(lo, "EntityAlreadyExistsException", "User with name alice already exists.",
              CreateUser, .UserName = STR("alice"));
    IAM_FAILS(lo, "ValidationError", NULL, CreateUser, .UserName = STR("a b"));
    const struct iam_User *user = IAM_OK(lo, GetUser, .UserName = STR("Alice"))->User;
    assert_str(user->UserId, made->UserId);
    assert_str(user->Tags.items[0].Value, STR("red"));
    IAM_FAILS(lo, "NoSuchEntityException", "The user with name bob cannot be found.", GetUser,
              .UserName = STR("bob"));
    assert_str(IAM_OK(lo, GetUser, .UserName = {0})->User->Arn,
               STR("arn:aws:iam::000000000000:root"));
    for (int i = 0; i < 5; i++)
        IAM_OK(lo, CreateUser, .UserName = str_format(lo->arena, "u%d", i));
    const struct iam_ListUsersResponse *page = IAM_OK(lo, ListUsers, .MaxItems = opt_int(4));
    assert_int_equal(page->Users.len, 4);
    assert_true(page->IsTruncated.value);
    page = IAM_OK(lo, ListUsers, .MaxItems = opt_int(4), .Marker = page->Marker);
    assert_int_equal(page->Users.len, 2);
    assert_false(page->IsTruncated.value);
    assert_int_equal(IAM_OK(lo, ListUsers, .PathPrefix = STR("/a/"))->Users.len, 1);
    IAM_FAILS(lo, "ValidationError", NULL, ListUsers, .Marker = STR("nonsense"));
    lo->account = STR("111111111111");
    IAM_FAILS(lo, "NoSuchEntityException", NULL, GetUser, .UserName = STR("Alice"));
    assert_int_equal(IAM_OK(lo, ListUsers, .MaxItems = {0})->Users.len, 0);
}

static void test_access_keys(void **state)
{
    struct loopback *lo = *state;
    IAM_OK(lo, CreateUser, .UserName = STR("alice"), .Path = STR("/x/"));
    const struct iam_AccessKey *one =
        IAM_OK(lo, CreateAccessKey, .UserName = STR("alice"))->AccessKey;
    const struct iam_AccessKey *two =
        IAM_OK(lo, CreateAccessKey, .UserName = STR("alice"))->AccessKey;
    assert_int_equal(one->SecretAccessKey.len, 40);
    IAM_FAILS(lo, "LimitExceededException", "Cannot exceed quota for AccessKeysPerUser: 2",
              CreateAccessKey, .UserName = STR("alice"));
    loopback_ok(IAM_CALL(lo, UpdateAccessKey, .UserName = STR("alice"),
                         .AccessKeyId = one->AccessKeyId, .Status = STR("Inactive")));
    const struct iam_ListAccessKeysResponse *list =
        IAM_OK(lo, ListAccessKeys, .UserName = STR("alice"));
    assert_int_equal(list->AccessKeyMetadata.len, 2);
    for (size_t i = 0; i < 2; i++)
        assert_str(list->AccessKeyMetadata.items[i].Status,
                   str_eq(list->AccessKeyMetadata.items[i].AccessKeyId, one->AccessKeyId)
                       ? STR("Inactive")
                       : STR("Active"));
    struct kv_txn *txn;
    struct credentials found;
    bool known;
    assert_int_equal(kv_begin(lo->cloud->kv, false, &txn), RESULT_OK);
    assert_int_equal(credentials_find(lo->cloud, txn, lo->arena, two->AccessKeyId, &found, &known),
                     RESULT_OK);
    kv_abort(txn);
    assert_str(found.principal.arn, STR("arn:aws:iam::000000000000:user/x/alice"));
    assert_str(found.secret, two->SecretAccessKey);
    IAM_FAILS(lo, "DeleteConflictException", "Cannot delete entity, must delete access keys first.",
              DeleteUser, .UserName = STR("alice"));
    loopback_ok(
        IAM_CALL(lo, DeleteAccessKey, .UserName = STR("alice"), .AccessKeyId = one->AccessKeyId));
    IAM_FAILS(lo, "NoSuchEntityException", NULL, DeleteAccessKey, .UserName = STR("alice"),
              .AccessKeyId = one->AccessKeyId);
    loopback_ok(
        IAM_CALL(lo, DeleteAccessKey, .UserName = STR("alice"), .AccessKeyId = two->AccessKeyId));
    loopback_ok(IAM_CALL(lo, DeleteUser, .UserName = STR("alice")));
    IAM_FAILS(lo, "NoSuchEntityException", NULL, DeleteUser, .UserName = STR("alice"));
}

static void test_policies(void **state)
{
    struct loopback *lo = *state;
    IAM_OK(lo, CreateUser, .UserName = STR("alice"));
    IAM_FAILS(lo, "MalformedPolicyDocumentException", "Syntax errors in policy.", PutUserPolicy,
              .UserName = STR("alice"), .PolicyName = STR("p"), .PolicyDocument = STR("{"));
    IAM_FAILS(lo, "MalformedPolicyDocumentException", "Resource x must be in ARN format or \"*\".",
              PutUserPolicy, .UserName = STR("alice"), .PolicyName = STR("p"),
              .PolicyDocument = POLICY("Allow", "sqs:*", "x"));
    loopback_ok(IAM_CALL(lo, PutUserPolicy, .UserName = STR("alice"), .PolicyName = STR("p"),
                         .PolicyDocument = POLICY("Allow", "sqs:*", "*")));
    const struct iam_GetUserPolicyResponse *got =
        IAM_OK(lo, GetUserPolicy, .UserName = STR("alice"), .PolicyName = STR("p"));
    assert_true(str_starts_with(got->PolicyDocument, STR("%7B%22Version%22%3A%222012-10-17%22")));
    assert_int_equal(IAM_OK(lo, ListUserPolicies, .UserName = STR("alice"))->PolicyNames.len, 1);
    IAM_FAILS(lo, "DeleteConflictException", "Cannot delete entity, must delete policies first.",
              DeleteUser, .UserName = STR("alice"));
    struct str large =
        str_format(lo->arena,
                   "{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\",\"Action\":"
                   "\"s3:*\",\"Resource\":\"arn:aws:s3:::%01950d\"}}",
                   1);
    IAM_FAILS(lo, "LimitExceededException",
              "Maximum policy size of 2048 bytes exceeded for user alice", PutUserPolicy,
              .UserName = STR("alice"), .PolicyName = STR("q"), .PolicyDocument = large);
    loopback_ok(IAM_CALL(lo, DeleteUserPolicy, .UserName = STR("alice"), .PolicyName = STR("p")));
    IAM_FAILS(lo, "NoSuchEntityException", "The user policy with name p cannot be found.",
              GetUserPolicy, .UserName = STR("alice"), .PolicyName = STR("p"));
    loopback_ok(IAM_CALL(lo, DeleteUser, .UserName = STR("alice")));
}

/* A user renamed keeps all that is its own. */
static void test_rename(void **state)
{
    struct loopback *lo = *state;
    struct credentials found;
    struct kv_txn *txn;
    bool known;
    struct str id = IAM_OK(lo, CreateUser, .UserName = STR("alice"))->User->UserId;
    IAM_OK(lo, CreateUser, .UserName = STR("bob"));
    IAM_OK(lo, CreateGroup, .GroupName = STR("devs"));
    IAM_DO(lo, AddUserToGroup, .GroupName = STR("devs"), .UserName = STR("alice"));
    IAM_DO(lo, PutUserPolicy, .UserName = STR("alice"), .PolicyName = STR("p"),
           .PolicyDocument = POLICY("Allow", "sqs:*", "*"));
    IAM_DO(lo, AttachUserPolicy, .UserName = STR("alice"),
           .PolicyArn = AWS_POLICY("AmazonSQSFullAccess"));
    struct str key = IAM_OK(lo, CreateAccessKey, .UserName = STR("alice"))->AccessKey->AccessKeyId;
    IAM_OK(lo, CreateLoginProfile, .UserName = STR("alice"), .Password = STR("Secret-123"));
    IAM_FAILS(lo, "EntityAlreadyExistsException", "User with name bob already exists.", UpdateUser,
              .UserName = STR("alice"), .NewUserName = STR("bob"));
    IAM_DO(lo, UpdateUser, .UserName = STR("alice"), .NewUserName = STR("Carol"),
           .NewPath = STR("/x/"));
    IAM_FAILS(lo, "NoSuchEntityException", NULL, GetUser, .UserName = STR("alice"));
    const struct iam_User *user = IAM_OK(lo, GetUser, .UserName = STR("carol"))->User;
    assert_str(user->UserId, id);
    assert_str(user->Arn, ARN("user/x/Carol"));
    assert_str(IAM_OK(lo, GetGroup, .GroupName = STR("devs"))->Users.items[0].UserName,
               STR("Carol"));
    assert_int_equal(IAM_OK(lo, ListGroupsForUser, .UserName = STR("carol"))->Groups.len, 1);
    assert_int_equal(IAM_OK(lo, ListUserPolicies, .UserName = STR("carol"))->PolicyNames.len, 1);
    assert_str(IAM_OK(lo, ListEntitiesForPolicy, .PolicyArn = AWS_POLICY("AmazonSQSFullAccess"))
                   ->PolicyUsers.items[0]
                   .UserName,
               STR("Carol"));
    assert_str(IAM_OK(lo, ListAccessKeys, .UserName = STR("carol"))
                   ->AccessKeyMetadata.items[0]
                   .AccessKeyId,
               key);
    IAM_OK(lo, GetLoginProfile, .UserName = STR("carol"));
    assert_int_equal(kv_begin(lo->cloud->kv, false, &txn), RESULT_OK);
    assert_int_equal(credentials_find(lo->cloud, txn, lo->arena, key, &found, &known), RESULT_OK);
    kv_abort(txn);
    assert_str(found.principal.arn, ARN("user/x/Carol"));
    IAM_DO(lo, UpdateUser, .UserName = STR("carol"), .NewUserName = STR("CAROL"));
    assert_str(IAM_OK(lo, GetUser, .UserName = STR("carol"))->User->UserName, STR("CAROL"));
}

static void test_user_names_and_tags(void **state)
{
    struct loopback *lo = *state;
    struct iam_Tag two[] = {{STR("Team"), STR("a")}, {STR("team"), STR("b")}};
    IAM_FAILS(lo, "ValidationError",
              "The specified value for userName is invalid. It must contain only alphanumeric "
              "characters and/or the following: +=,.@_-",
              CreateUser, .UserName = STR("a/b"));
    IAM_FAILS(lo, "ValidationError",
              "The specified value for path is invalid. It must begin and end with / and contain "
              "only alphanumeric characters and/or / characters.",
              CreateUser, .UserName = STR("a"), .Path = STR("x"));
    IAM_FAILS(lo, "InvalidInputException",
              "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
              CreateUser, .UserName = STR("a"), .Tags = {two, 2});
    IAM_OK(lo, CreateUser, .UserName = STR("a"), .Tags = {two, 1});
    IAM_DO(lo, TagUser, .UserName = STR("a"), .Tags = {two + 1, 1});
    const struct iam_ListUserTagsResponse *tags = IAM_OK(lo, ListUserTags, .UserName = STR("a"));
    assert_int_equal(tags->Tags.len, 1);
    assert_str(tags->Tags.items[0].Value, STR("b"));
    struct iam_Tag *many = ARENA_ARRAY(lo->arena, 50, struct iam_Tag);
    for (int i = 0; i < 50; i++)
        many[i] = (struct iam_Tag){str_format(lo->arena, "k%02d", i), STR("")};
    IAM_FAILS(lo, "LimitExceededException", "The number of tags has reached the maximum limit.",
              TagUser, .UserName = STR("a"), .Tags = {many, 50});
    IAM_DO(lo, TagUser, .UserName = STR("a"), .Tags = {many, 49});
    tags = IAM_OK(lo, ListUserTags, .UserName = STR("a"), .MaxItems = opt_int(30));
    assert_true(tags->IsTruncated.value && tags->Tags.len == 30);
    tags = IAM_OK(lo, ListUserTags, .UserName = STR("a"), .Marker = tags->Marker);
    assert_int_equal(tags->Tags.len, 20);
    IAM_DO(lo, UntagUser, .UserName = STR("a"), .TagKeys = NAMES(lo, "TEAM", "k00", "none"));
    assert_int_equal(IAM_OK(lo, ListUserTags, .UserName = STR("a"))->Tags.len, 48);
}

#define ME "User: arn:aws:iam::000000000000:user/alice is not authorized to perform: "

/* A user may what its policies allow, and nothing else. */
static void test_policies_decide(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "jobs");
    as(lo, "alice"); /* nobody knows her yet */
    sqs_send(lo, url, "x");
    lo->user = (struct str){0};
    IAM_OK(lo, CreateUser, .UserName = STR("alice"));
    as(lo, "alice");
    SQS_FAILS(lo, "AccessDeniedException",
              ME "sqs:SendMessage on resource: arn:aws:sqs:us-east-1:000000000000:jobs because no "
                 "identity-based policy allows the sqs:SendMessage action",
              SendMessage, .QueueUrl = url, .MessageBody = STR("x"));
    SQS_FAILS(lo, "AccessDeniedException",
              ME "sqs:CreateQueue on resource: arn:aws:sqs:us-east-1:000000000000:other because no "
                 "identity-based policy allows the sqs:CreateQueue action",
              CreateQueue, .QueueName = STR("other"));
    IAM_FAILS(lo, "AccessDenied",
              ME "iam:GetUser on resource: arn:aws:iam::000000000000:user/alice because no "
                 "identity-based policy allows the iam:GetUser action",
              GetUser, .UserName = {0});
    lo->user = (struct str){0};
    loopback_ok(
        IAM_CALL(lo, PutUserPolicy, .UserName = STR("alice"), .PolicyName = STR("p"),
                 .PolicyDocument = POLICY("Allow", "sqs:*", "arn:aws:sqs:*:*:${aws:username}-*")));
    loopback_ok(IAM_CALL(lo, PutUserPolicy, .UserName = STR("alice"), .PolicyName = STR("q"),
                         .PolicyDocument = POLICY("Deny", "sqs:Purge*", "*")));
    as(lo, "alice");
    struct str own = sqs_queue(lo, "alice-1");
    sqs_send(lo, own, "x");
    SQS_FAILS(lo, "AccessDeniedException", NULL, SendMessage, .QueueUrl = url,
              .MessageBody = STR("x"));
    SQS_FAILS(lo, "AccessDeniedException",
              ME "sqs:PurgeQueue on resource: arn:aws:sqs:us-east-1:000000000000:alice-1 with an "
                 "explicit deny in an identity-based policy",
              PurgeQueue, .QueueUrl = own);
    /* The queue's policy alone is enough within the account. */
    lo->user = (struct str){0};
    loopback_ok(SQS_CALL(
        lo, SetQueueAttributes, .QueueUrl = url,
        .Attributes =
            PAIRS(lo, "Policy",
                  "{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\",\"Principal\":"
                  "{\"AWS\":\"arn:aws:iam::000000000000:user/alice\"},\"Action\":\"sqs:*\","
                  "\"Resource\":\"*\"}}")));
    as(lo, "alice");
    sqs_send(lo, url, "x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQS_TEST(test_users),    SQS_TEST(test_access_keys),
        SQS_TEST(test_policies), SQS_TEST(test_policies_decide),
        SQS_TEST(test_rename),   SQS_TEST(test_user_names_and_tags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
