/* Sessions in their tokens, and who may what with them. */
#include "base/rng.h"
#include "cloud/authorize.h"
#include "cloud/credentials.h"
#include "cloud/identity.h"
#include "gen/ec2.h"
#include "gen/sts.h"
#include "iam_support.h"

#define STS_CALL(lo, operation, ...)                                                               \
    loopback_call((lo), &sts_model, STS_OP_##operation,                                            \
                  &(struct sts_##operation##Request){__VA_ARGS__})

static struct credentials issue(struct loopback *lo, const struct principal *who)
{
    struct credentials made;
    assert_int_equal(session_issue(lo->cloud, lo->arena, who, 0, &made), RESULT_OK);
    return made;
}

static enum session_fault opened(struct loopback *lo, struct str key, struct str token,
                                 struct credentials *out)
{
    return session_open(lo->cloud, lo->arena, key, token, loopback_now(lo), out);
}

static struct session plain_session(struct loopback *lo)
{
    return (struct session){.issued_ms = loopback_now(lo),
                            .expires_ms = loopback_now(lo) + 3600000,
                            .name = STR("work")};
}

static struct principal alice(const struct session *session)
{
    return (struct principal){
        .kind = PRINCIPAL_USER,
        .account = STR("012345678901"),
        .arn = STR("arn:aws:iam::012345678901:user/alice"),
        .user_id = STR("AIDAEXAMPLE"),
        .name = STR("alice"),
        .session = session,
    };
}

static void test_there_and_back(void **state)
{
    struct loopback *lo = *state;
    struct str_map_entry tags[] = {{STR("team"), STR("blue")}, {STR("empty"), STR("")}};
    struct str keys[] = {STR("team")}, policies[] = {STR("{}")}, arns[] = {STR("arn:x")};
    struct session session = plain_session(lo);
    session.role_arn = STR("arn:aws:iam::012345678901:role/x/y");
    session.role_id = STR("AROAEXAMPLE");
    session.tags = (struct str_map){tags, 2};
    session.transitive = (struct str_list){keys, 1};
    session.policies = (struct str_list){policies, 1};
    session.policy_arns = (struct str_list){arns, 1};
    session.source_identity = STR("bob");
    session.mfa = true;
    session.mfa_ms = 12345;
    session.chained = session.kept = true;
    struct principal who = alice(&session);
    struct credentials made = issue(lo, &who), found;
    assert_true(session_is_key(made.principal.access_key));
    assert_int_equal(opened(lo, made.principal.access_key, made.session_token, &found), SESSION_OK);
    assert_str(found.secret, made.secret);
    assert_int_equal(found.secret.len, 40);
    assert_str(found.principal.arn, who.arn);
    assert_int_equal(found.principal.kind, PRINCIPAL_USER);
    const struct session *read = found.principal.session;
    assert_str(read->tags.items[1].key, STR("empty"));
    assert_str(read->tags.items[1].value, STR(""));
    assert_str(read->transitive.items[0], STR("team"));
    assert_str(read->policies.items[0], STR("{}"));
    assert_str(read->policy_arns.items[0], STR("arn:x"));
    assert_str(read->source_identity, STR("bob"));
    assert_true(read->mfa && read->chained && read->kept && read->mfa_ms == 12345);
    assert_true(str_is_absent(read->issuer));
    struct str account;
    assert_true(session_key_account(lo->cloud, lo->arena, made.principal.access_key, &account));
    assert_str(account, STR("012345678901"));
    /* Two sessions have nothing in common. */
    struct credentials other = issue(lo, &who);
    assert_false(str_eq(other.principal.access_key, made.principal.access_key));
    assert_false(str_eq(other.secret, made.secret));
    assert_int_equal(opened(lo, other.principal.access_key, made.session_token, &found),
                     SESSION_INVALID);
}

static void test_tokens_bent_and_cut(void **state)
{
    struct loopback *lo = *state;
    struct session session = plain_session(lo);
    struct str_map_entry tags[20];
    for (size_t i = 0; i < 20; i++)
        tags[i] = (struct str_map_entry){str_format(lo->arena, "key-%zu", i), STR("value value")};
    session.tags = (struct str_map){tags, 20}; /* long enough to be deflated */
    struct principal who = alice(&session);
    struct credentials made = issue(lo, &who), found;
    struct str key = made.principal.access_key, token = made.session_token;
    char *text = arena_alloc(lo->arena, token.len);
    memcpy(text, token.ptr, token.len);
    for (size_t i = 0; i < token.len; i++) {
        struct str bent = str_make(text, token.len);
        char was = text[i];
        text[i] = was == 'A' ? 'B' : 'A';
        if (opened(lo, key, bent, &found) != SESSION_INVALID)
            assert_true(i + 3 >= token.len); /* bits of the last characters that nobody reads */
        text[i] = was;
        if (i > 0)
            assert_int_equal(opened(lo, key, str_slice(token, 0, i), &found), SESSION_INVALID);
    }
    assert_int_equal(opened(lo, key, STR(""), &found), SESSION_INVALID);
    loopback_advance(lo, 3599999);
    assert_int_equal(opened(lo, key, token, &found), SESSION_OK);
    loopback_advance(lo, 1);
    assert_int_equal(opened(lo, key, token, &found), SESSION_EXPIRED);
}

/* The same data directory: the same key. Another one: another. */
static void test_tokens_outlive_the_process(void **state)
{
    struct loopback *lo = *state, other = {0};
    struct session session = plain_session(lo);
    struct principal who = alice(&session);
    struct credentials made = issue(lo, &who), found;
    struct str key = made.principal.access_key;
    loopback_reopen(lo);
    assert_int_equal(opened(lo, key, made.session_token, &found), SESSION_OK);
    loopback_open(&other);
    assert_int_equal(opened(&other, key, made.session_token, &found), SESSION_INVALID);
    loopback_close(&other);
}

static void test_sizes(void **state)
{
    struct loopback *lo = *state;
    struct session session = plain_session(lo);
    struct principal who = alice(&session);
    struct credentials made, found;
    for (size_t least = 0; least <= 4096; least += 61) {
        assert_int_equal(session_issue(lo->cloud, lo->arena, &who, least, &made), RESULT_OK);
        assert_true(made.session_token.len >= least);
        assert_int_equal(opened(lo, made.principal.access_key, made.session_token, &found),
                         SESSION_OK);
    }
    char *noise = arena_alloc(lo->arena, 3 * SESSION_TOKEN_MAX);
    rng_bytes(noise, 3 * SESSION_TOKEN_MAX);
    session.source_identity = str_make(noise, 3 * SESSION_TOKEN_MAX);
    assert_int_equal(session_issue(lo->cloud, lo->arena, &who, 0, &made), RESULT_ERROR);
}

/* --- roles for services --- */

static struct call call_in(struct loopback *lo, const struct wire_model *model)
{
    struct call call = {
        .arena = lo->arena,
        .cloud = lo->cloud,
        .model = model,
        .account = lo->account,
        .region = lo->region,
        .partition = STR("aws"),
        .now_ms = loopback_now(lo),
        .principal = alice(NULL),
    };
    call.principal.account = lo->account;
    call.principal.arn = STR("arn:aws:iam::000000000000:user/alice");
    assert_int_equal(kv_begin(lo->cloud->kv, false, &call.txn), RESULT_OK);
    return call;
}

#define ROLE_ARN STR("arn:aws:iam::000000000000:role/worker")

static void make_role(struct loopback *lo)
{
    IAM_OK(lo, CreateRole, .RoleName = STR("worker"),
           .AssumeRolePolicyDocument =
               STR("{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\",\"Principal\":{"
                   "\"Service\":\"lambda.amazonaws.com\"},\"Action\":\"sts:AssumeRole\","
                   "\"Condition\":{\"StringEqualsIfExists\":{\"aws:SourceAccount\":"
                   "\"000000000000\"}}}}"));
}

static void test_roles_of_services(void **state)
{
    struct loopback *lo = *state;
    struct credentials made;
    bool trusts, found;
    make_role(lo);
    struct call call = call_in(lo, &sqs_model);
    struct str lambda = STR("lambda.amazonaws.com"), other = STR("ec2.amazonaws.com");
    assert_int_equal(authorize_trusts(&call, ROLE_ARN, lambda, STR(""), &trusts), RESULT_OK);
    assert_true(trusts);
    assert_int_equal(authorize_trusts(&call, ROLE_ARN, other, STR(""), &trusts), RESULT_OK);
    assert_false(trusts);
    assert_int_equal(authorize_trusts(&call, STR("arn:aws:iam::000000000000:role/none"), lambda,
                                      STR(""), &trusts),
                     RESULT_OK);
    assert_false(trusts);
    struct session_for_service request = {
        .role_arn = ROLE_ARN, .session_name = STR("fn"), .service = lambda, .duration_s = 900};
    assert_int_equal(session_for_role(&call, &request, &made, &found), RESULT_OK);
    assert_true(found);
    assert_str(made.principal.arn, STR("arn:aws:sts::000000000000:assumed-role/worker/fn"));
    assert_str(made.principal.session->via, lambda);
    kv_abort(call.txn);
}

static void test_pass_role(void **state)
{
    struct loopback *lo = *state;
    make_role(lo);
    IAM_OK(lo, CreateUser, .UserName = STR("alice"));
    struct str lambda = STR("lambda.amazonaws.com");
    struct call call = call_in(lo, &sqs_model);
    assert_int_equal(authorize_pass_role(&call, ROLE_ARN, lambda), RESULT_ERROR);
    assert_str(call.message,
               STR("User: arn:aws:iam::000000000000:user/alice is not authorized to perform: "
                   "iam:PassRole on resource: arn:aws:iam::000000000000:role/worker because no "
                   "identity-based policy allows the iam:PassRole action"));
    kv_abort(call.txn);
    IAM_DO(lo, PutUserPolicy, .UserName = STR("alice"), .PolicyName = STR("pass"),
           .PolicyDocument =
               STR("{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\",\"Action\":"
                   "\"iam:PassRole\",\"Resource\":\"*\",\"Condition\":{\"StringEquals\":{"
                   "\"iam:PassedToService\":\"lambda.amazonaws.com\"}}}}"));
    call = call_in(lo, &sqs_model);
    assert_int_equal(authorize_pass_role(&call, ROLE_ARN, lambda), RESULT_OK);
    assert_int_equal(authorize_pass_role(&call, ROLE_ARN, STR("ec2.amazonaws.com")), RESULT_ERROR);
    assert_int_equal(
        authorize_pass_role(&call, STR("arn:aws:iam::111122223333:role/worker"), lambda),
        RESULT_ERROR);
    kv_abort(call.txn);
}

/* --- messages to decode --- */

static void test_encoded_messages(void **state)
{
    struct loopback *lo = *state;
    IAM_OK(lo, CreateUser, .UserName = STR("alice"));
    struct call call = call_in(lo, &ec2_model);
    struct authorize_ask ask = {.action = STR("ec2:RunInstances"),
                                .resource = STR("arn:aws:ec2:us-east-1:000000000000:instance/*")};
    assert_int_equal(authorize_ask(&call, &ask), RESULT_ERROR);
    kv_abort(call.txn);
    struct str mark = STR("Encoded authorization failure message: ");
    assert_true(str_starts_with(call.message,
                                STR("You are not authorized to perform this operation. User: ")));
    size_t at = str_find(call.message, mark);
    assert_int_not_equal(at, SIZE_MAX);
    struct str message = str_slice(call.message, at + mark.len, call.message.len);
    const struct sts_DecodeAuthorizationMessageResponse *out =
        loopback_ok(STS_CALL(lo, DecodeAuthorizationMessage, .EncodedMessage = message));
    assert_true(str_starts_with(
        out->DecodedMessage,
        STR("{\"allowed\":false,\"explicitDeny\":false,\"matchedStatements\":{\"items\":[]},"
            "\"failures\":{\"items\":[]},\"context\":{\"principal\":{\"id\":\"AIDAEXAMPLE\","
            "\"name\":\"alice\",\"arn\":\"arn:aws:iam::000000000000:user/alice\"},\"action\":"
            "\"ec2:RunInstances\",")));
    loopback_error(STS_CALL(lo, DecodeAuthorizationMessage,
                            .EncodedMessage = str_slice(message, 0, message.len - 4)),
                   "InvalidAuthorizationMessageException", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQS_TEST(test_there_and_back),
        SQS_TEST(test_tokens_bent_and_cut),
        SQS_TEST(test_tokens_outlive_the_process),
        SQS_TEST(test_sizes),
        SQS_TEST(test_roles_of_services),
        SQS_TEST(test_pass_role),
        SQS_TEST(test_encoded_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
