/* Who may do what to which items: condition keys, several tables at once, policies of tables and
 * streams. */
#include "service/dynamodb_support.h"

#include "gen/dynamodbstreams.h"
#include "gen/iam.h"

#define TABLE "arn:aws:dynamodb:us-east-1:000000000000:table/tab"
#define DENIED(action) "is not authorized to perform: dynamodb:" action

static struct str json(struct loopback *lo, const char *text)
{
    char *copy = arena_alloc_raw(lo->arena, strlen(text) + 1);
    for (size_t i = 0; i <= strlen(text); i++)
        copy[i] = text[i] == '\'' ? '"' : text[i];
    return str_from_c(copy);
}

/* From here on alice calls, who may what these statements say. */
static void alice(struct loopback *lo, const char *statements)
{
    struct iam_CreateUserRequest user = {.UserName = STR("alice")};
    struct str document = json(lo, str_to_c(lo->arena, str_format(lo->arena,
                                                                  "{'Version':'2012-10-17',"
                                                                  "'Statement':[%s]}",
                                                                  statements)));
    struct iam_PutUserPolicyRequest policy = {
        .UserName = STR("alice"), .PolicyName = STR("p"), .PolicyDocument = document};
    lo->user = (struct str){0};
    (void)loopback_call(lo, &iam_model, IAM_OP_CreateUser, &user);
    loopback_ok(loopback_call(lo, &iam_model, IAM_OP_PutUserPolicy, &policy));
    lo->user = STR("alice");
}

static void fill(struct loopback *lo)
{
    ddb_table(lo);
    for (int n = 0; n < 3; n++)
        DDB(lo, PutItem,
            "{'TableName':'tab','Item':{'pk':{'S':'u%d'},'sk':{'N':'1'},'g':{'S':'G'},'h':{'N':'%d'"
            "}"
            ",'v':{'N':'%d'}}}",
            n, n, n);
}

static struct str get(struct loopback *lo, const char *pk, const char *more)
{
    return DDB(lo, GetItem, "{'TableName':'tab','Key':{'pk':{'S':'%s'},'sk':{'N':'1'}}%s}", pk,
               more);
}

static void test_leading_keys(void **state)
{
    struct loopback *lo = *state;
    fill(lo);
    alice(lo, "{'Effect':'Allow','Action':'dynamodb:*','Resource':'" TABLE "*','Condition':{"
              "'ForAllValues:StringLike':{'dynamodb:LeadingKeys':['u1','G']}}}");
    assert_holds(get(lo, "u1", ""), "'v':{'N':'1'}");
    assert_answer(get(lo, "u2", ""),
                  "AccessDeniedException: User: arn:aws:iam::000000000000:user/alice "
                  "is not authorized to perform: dynamodb:GetItem on resource: " TABLE
                  " because no identity-based policy allows the dynamodb:GetItem action");
    assert_holds(DDB(lo, Query,
                     "{'TableName':'tab','KeyConditionExpression':':p = pk',"
                     "'ExpressionAttributeValues':{':p':{'S':'u1'}}}"),
                 "'Count':1");
    assert_holds(DDB(lo, Query,
                     "{'TableName':'tab','KeyConditionExpression':'pk = :p',"
                     "'ExpressionAttributeValues':{':p':{'S':'u2'}}}"),
                 DENIED("Query"));
    assert_holds(DDB(lo, Query,
                     "{'TableName':'tab','IndexName':'global','KeyConditionExpression':'g = :p',"
                     "'ExpressionAttributeValues':{':p':{'S':'G'}}}"),
                 "'Count':3");
    assert_holds(DDB(lo, BatchGetItem,
                     "{'RequestItems':{'tab':{'Keys':[{'pk':{'S':'u1'},'sk':{'N':'1'}},"
                     "{'pk':{'S':'u2'},'sk':{'N':'1'}}]}}}"),
                 DENIED("BatchGetItem"));
    assert_holds(DDB(lo, BatchWriteItem,
                     "{'RequestItems':{'tab':[{'PutRequest':{'Item':{'pk':{'S':'u1'},'sk':{'N':'1'}"
                     ",'v':{'N':'8'}}}}]}}"),
                 "'UnprocessedItems':{}");
    assert_holds(DDB(lo, UpdateItem, "{'TableName':'tab','Key':{'pk':{'S':'u3'},'sk':{'N':'1'}}}"),
                 DENIED("UpdateItem"));
    assert_holds(DDB(lo, ExecuteStatement,
                     "{'Statement':'SELECT v FROM tab WHERE pk IN [?]','Parameters':[{'S':'u1'}]}"),
                 "{'Items':[{'v':{'N':'8'}}]}");
    assert_holds(DDB(lo, ExecuteStatement,
                     "{'Statement':'SELECT v FROM tab WHERE pk IN [?, ?]','Parameters':[{'S':'u1'},"
                     "{'S':'u2'}]}"),
                 DENIED("PartiQLSelect"));
    assert_holds(DDB(lo, GetItem, "{'TableName':'nope','Key':{'pk':{'S':'u1'}}}"),
                 DENIED("GetItem"));
}

static void test_attributes(void **state)
{
    struct loopback *lo = *state;
    fill(lo);
    alice(lo, "{'Effect':'Allow','Action':'dynamodb:*','Resource':'" TABLE "','Condition':{"
              "'ForAllValues:StringEquals':{'dynamodb:Attributes':['pk','sk','v']},"
              "'StringEqualsIfExists':{'dynamodb:Select':'SPECIFIC_ATTRIBUTES',"
              "'dynamodb:ReturnValues':['NONE','UPDATED_NEW']}}}");
    assert_holds(get(lo, "u1", ""), DENIED("GetItem"));
    assert_holds(get(lo, "u1", ",'ProjectionExpression':'v, sk'"), "'v':{'N':'1'}");
    assert_holds(get(lo, "u1", ",'ProjectionExpression':'v, g'"), DENIED("GetItem"));
    static const char update[] = "{'TableName':'tab','Key':{'pk':{'S':'u1'},'sk':{'N':'1'}},"
                                 "'UpdateExpression':'SET v = %s','ReturnValues':'%s'}";
    assert_holds(DDB(lo, UpdateItem, update, "sk", "UPDATED_NEW"), DENIED("UpdateItem"));
    alice(lo, "{'Effect':'Allow','Action':'dynamodb:*','Resource':'" TABLE "','Condition':{"
              "'ForAllValues:StringEquals':{'dynamodb:Attributes':['pk','sk','v']},"
              "'StringEqualsIfExists':{'dynamodb:ReturnValues':['NONE','UPDATED_NEW']}}}");
    assert_holds(DDB(lo, UpdateItem, update, "sk", "UPDATED_NEW"), "'v':{'N':'1'}");
    assert_holds(DDB(lo, UpdateItem, update, "sk", "ALL_NEW"), DENIED("UpdateItem"));
    assert_holds(DDB(lo, UpdateItem, update, "h", "NONE"), DENIED("UpdateItem"));
    assert_holds(DDB(lo, PutItem,
                     "{'TableName':'tab','Item':{'pk':{'S':'u1'},'sk':{'N':'1'},'x':{'N':'1'}}}"),
                 DENIED("PutItem"));
}

static void test_several(void **state)
{
    struct loopback *lo = *state;
    fill(lo);
    alice(lo, "{'Effect':'Allow','Action':'dynamodb:PartiQL*','Resource':'" TABLE "'},"
              "{'Effect':'Deny','Action':'dynamodb:PartiQLSelect','Resource':'*','Condition':{"
              "'Bool':{'dynamodb:FullTableScan':'true'}}},"
              "{'Effect':'Allow','Action':['dynamodb:PutItem','dynamodb:ConditionCheckItem'],"
              "'Resource':'" TABLE "','Condition':{'ForAnyValue:StringEquals':{"
              "'dynamodb:EnclosingOperation':'TransactWriteItems'}}}");
    assert_holds(DDB(lo, ExecuteStatement, "{'Statement':'SELECT v FROM tab'}"),
                 DENIED("PartiQLSelect"));
    assert_holds(DDB(lo, ExecuteStatement,
                     "{'Statement':'SELECT v FROM tab WHERE pk = ?','Parameters':[{'S':'u1'}]}"),
                 "'v':{'N':'1'}");
    assert_holds(DDB(lo, ExecuteStatement,
                     "{'Statement':'SELECT v FROM tab.global WHERE g = ?','Parameters':[{'S':'G'}]"
                     "}"),
                 DENIED("PartiQLSelect on resource: " TABLE "/index/global"));
    assert_holds(DDB(lo, BatchExecuteStatement,
                     "{'Statements':[{'Statement':'SELECT v FROM other WHERE pk = ?','Parameters':"
                     "[{'S':'u1'}]},{'Statement':'SELECT v FROM tab WHERE pk = ? AND sk = 1',"
                     "'Parameters':[{'S':'u1'}]}]}"),
                 "{'Responses':[{'Error':{'Code':'AccessDenied','Message':'User: ");
    static const char put[] = "{'pk':{'S':'n'},'sk':{'N':'1'}}";
    assert_holds(DDB(lo, PutItem, "{'TableName':'tab','Item':%s}", put), DENIED("PutItem"));
    assert_answer(DDB(lo, TransactWriteItems,
                      "{'TransactItems':[{'Put':{'TableName':'tab','Item':%s}}]}", put),
                  "{}");
    assert_holds(DDB(lo, TransactWriteItems,
                     "{'TransactItems':[{'Put':{'TableName':'tab','Item':%s}},{'Delete':{"
                     "'TableName':'tab','Key':{'pk':{'S':'u1'},'sk':{'N':'1'}}}}]}",
                     put),
                 DENIED("DeleteItem"));
}

static void test_tags(void **state)
{
    struct loopback *lo = *state;
    fill(lo);
    alice(lo, "{'Effect':'Allow','Action':'dynamodb:*','Resource':'*','Condition':{"
              "'StringEquals':{'aws:ResourceTag/team':'red'}}}");
    assert_holds(DDB(lo, DescribeTable, "{'TableName':'tab'}"), DENIED("DescribeTable"));
    assert_holds(get(lo, "u1", ""), DENIED("GetItem"));
    lo->user = (struct str){0};
    DDB(lo, TagResource, "{'ResourceArn':'" TABLE "','Tags':[{'Key':'team','Value':'red'}]}");
    lo->user = STR("alice");
    assert_holds(DDB(lo, DescribeTable, "{'TableName':'tab'}"), "'TableName':'tab'");
    assert_holds(get(lo, "u1", ""), "'v':{'N':'1'}");
}

/* --- policies of resources */

static const char *escaped(struct loopback *lo, const char *text)
{
    struct buf out;
    buf_init(&out, lo->arena, 64 * 1024);
    for (; *text != 0; text++) {
        if (*text == '\'')
            buf_append_char(&out, '\\');
        buf_append_char(&out, *text);
    }
    return str_to_c(lo->arena, buf_str(&out));
}

static struct str put_policy(struct loopback *lo, const char *arn, const char *policy,
                             const char *more)
{
    return DDB(lo, PutResourcePolicy, "{'ResourceArn':'%s','Policy':'%s'%s}", arn,
               escaped(lo, policy), more);
}

#define ALLOW_ONE                                                                                  \
    "{'Version':'2012-10-17','Statement':[{'Effect':'Allow','Principal':{'AWS':'111111111111'},"   \
    "'Action':'dynamodb:*','Resource':'" TABLE "*'}]}"

static void test_policy_documents(void **state)
{
    struct loopback *lo = *state;
    fill(lo);
    assert_answer(DDB(lo, GetResourcePolicy, "{'ResourceArn':'" TABLE "'}"),
                  "PolicyNotFoundException: Resource-based policy not found for the provided "
                  "ResourceArn: " TABLE);
    assert_answer(DDB(lo, DeleteResourcePolicy, "{'ResourceArn':'" TABLE "'}"), "{}");
    assert_holds(put_policy(lo, TABLE, ALLOW_ONE, ",'ExpectedRevisionId':'7'"),
                 "PolicyNotFoundException");
    assert_answer(put_policy(lo, TABLE, ALLOW_ONE, ",'ExpectedRevisionId':'NO_POLICY'"),
                  "{'RevisionId':'1795219200000'}");
    assert_answer(put_policy(lo, TABLE, ALLOW_ONE, ""), "{'RevisionId':'1795219200000'}");
    assert_holds(put_policy(lo, TABLE, ALLOW_ONE, ",'ExpectedRevisionId':'NO_POLICY'"),
                 "PolicyNotFoundException");
    assert_holds(put_policy(lo, TABLE, "{'Version':'2012-10-17'}", ""),
                 "ValidationException: The resource-based policy document is invalid: ");
    struct str long_policy =
        str_format(lo->arena, "{'Version':'2012-10-17',%20480s'Statement':[]}", "");
    assert_holds(put_policy(lo, TABLE, str_to_c(lo->arena, long_policy), ""),
                 "ValidationException: Resource-based policy document size exceeds");
    static const char locking[] =
        "{'Version':'2012-10-17','Statement':[{'Effect':'Deny','Principal':'*','Action':"
        "'dynamodb:PutResourcePolicy','Resource':'" TABLE "'}]}";
    assert_holds(put_policy(lo, TABLE, locking, ""),
                 "ValidationException: The resource-based policy would remove your permissions");
    assert_answer(put_policy(lo, TABLE, locking, ",'ConfirmRemoveSelfResourceAccess':true"),
                  "{'RevisionId':'1795219200001'}");
    assert_holds(DDB(lo, GetResourcePolicy, "{'ResourceArn':'" TABLE "'}"), "1795219200001");
    /* The owner's root user gets out of there again. */
    assert_answer(DDB(lo, DeleteResourcePolicy, "{'ResourceArn':'" TABLE "'}"),
                  "{'RevisionId':'1795219200001'}");
    assert_holds(DDB(lo, GetResourcePolicy, "{'ResourceArn':'" TABLE "'}"),
                 "PolicyNotFoundException");
    assert_holds(put_policy(lo, TABLE "x", ALLOW_ONE, ""), "ResourceNotFoundException");
    assert_holds(put_policy(lo, TABLE "/index/global", ALLOW_ONE, ""), "ValidationException");
    /* A table made anew under the name does not inherit it. */
    put_policy(lo, TABLE, ALLOW_ONE, "");
    DDB(lo, DeleteTable, "{'TableName':'tab'}");
    loopback_deliver(lo);
    ddb_table(lo);
    assert_holds(DDB(lo, GetResourcePolicy, "{'ResourceArn':'" TABLE "'}"),
                 "PolicyNotFoundException");
}

static void test_other_accounts(void **state)
{
    struct loopback *lo = *state;
    fill(lo);
    DDB(lo, UpdateTable,
        "{'TableName':'tab','StreamSpecification':{'StreamEnabled':true,'StreamViewType':"
        "'KEYS_ONLY'}}");
    loopback_deliver(lo);
    lo->account = STR("111111111111");
    static const char put[] = "{'TableName':'" TABLE "','Item':{'pk':{'S':'x'},'sk':{'N':'%d'},"
                              "'g':{'S':'other'}}}";
    assert_holds(DDB(lo, PutItem, put, 1),
                 "AccessDeniedException: User: arn:aws:iam::111111111111:root is not authorized to "
                 "perform: dynamodb:PutItem on resource: " TABLE
                 " because no resource-based policy "
                 "allows the dynamodb:PutItem action");
    lo->account = STR("000000000000");
    put_policy(lo, TABLE, ALLOW_ONE, "");
    DDB(lo, UpdateTimeToLive,
        "{'TableName':'tab','TimeToLiveSpecification':{'Enabled':true,'AttributeName':'e'}}");
    loopback_deliver(lo);
    lo->account = STR("111111111111");
    assert_answer(DDB(lo, PutItem, put, 1), "{}");
    assert_answer(DDB(lo, PutItem,
                      "{'TableName':'" TABLE "','Item':{'pk':{'S':'x'},'sk':{'N':'2'},'e':{'N':"
                      "'1795219260'}}}"),
                  "{}");
    assert_holds(DDB(lo, Query,
                     "{'TableName':'" TABLE "','KeyConditionExpression':'pk = :p',"
                     "'ExpressionAttributeValues':{':p':{'S':'x'}}}"),
                 "'Count':2");
    assert_holds(DDB(lo, DescribeTable, "{'TableName':'" TABLE "'}"), "'ItemCount':5");
    assert_holds(DDB(lo, PutItem, "{'TableName':'tab','Item':{'pk':{'S':'x'},'sk':{'N':'3'}}}"),
                 "ResourceNotFoundException");
    /* What it put expires as everybody's does. */
    loopback_advance(lo, 61000);
    loopback_deliver(lo);
    assert_holds(DDB(lo, Query,
                     "{'TableName':'" TABLE "','KeyConditionExpression':'pk = :p',"
                     "'ExpressionAttributeValues':{':p':{'S':'x'}}}"),
                 "'Count':1");
    /* Streams have policies of their own. */
    struct dynamodbstreams_DescribeStreamInput in = {
        .StreamArn = STR(TABLE "/stream/2026-11-21T00:00:00.000")};
    loopback_error(
        loopback_call(lo, &dynamodbstreams_model, DYNAMODBSTREAMS_OP_DescribeStream, &in),
        "AccessDeniedException", NULL);
    lo->account = STR("000000000000");
    assert_holds(put_policy(lo, TABLE "/stream/2026-11-21T00:00:00.000",
                            "{'Version':'2012-10-17','Statement':[{'Effect':'Allow','Principal':"
                            "{'AWS':'111111111111'},'Action':'dynamodb:Describe*','Resource':"
                            "'" TABLE "/stream/2026-11-21T00:00:00.000'}]}",
                            ""),
                 "'RevisionId'");
    lo->account = STR("111111111111");
    loopback_ok(loopback_call(lo, &dynamodbstreams_model, DYNAMODBSTREAMS_OP_DescribeStream, &in));
}

/* The source may be named by its ARN alone, of another region too. */
static void test_restoring(void **state)
{
    struct loopback *lo = *state;
    static const char restore[] =
        "{'SourceTableArn':'" TABLE "','TargetTableName':'%s','UseLatestRestorableTime':true}";
    fill(lo);
    DDB(lo, UpdateContinuousBackups,
        "{'TableName':'tab','PointInTimeRecoverySpecification':{'PointInTimeRecoveryEnabled':"
        "true}}");
    alice(lo, "{'Effect':'Allow','Action':'dynamodb:RestoreTableToPointInTime','Resource':'" TABLE
              "'},{'Effect':'Allow','Action':'dynamodb:*','Resource':'arn:aws:dynamodb:*:*:table/"
              "made'}");
    assert_holds(DDB(lo, RestoreTableToPointInTime, restore, "made"), "'TableStatus':'CREATING'");
    assert_holds(DDB(lo, RestoreTableToPointInTime, restore, "other"),
                 DENIED("RestoreTableToPointInTime"));
    lo->region = STR("eu-west-1");
    assert_holds(DDB(lo, RestoreTableToPointInTime, restore, "made"), "'TableStatus':'CREATING'");
    loopback_deliver(lo);
    assert_holds(DDB(lo, Scan, "{'TableName':'made'}"), "'Count':3");
    lo->user = (struct str){0};
    lo->account = STR("111111111111");
    assert_holds(DDB(lo, RestoreTableToPointInTime, restore, "made"), "AccessDenied");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DDB_TEST(test_leading_keys), DDB_TEST(test_attributes),       DDB_TEST(test_several),
        DDB_TEST(test_tags),         DDB_TEST(test_policy_documents), DDB_TEST(test_other_accounts),
        DDB_TEST(test_restoring),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
