/* Invoke, as far as it goes without environments: what is checked before, and what is refused. */
#include "service/lambda_support.h"

#include "base/encode.h"

static void answers_to_a_dry_run(void **state)
{
    struct loopback *lo = *state;
    (void)lambda_make(lo, "f");
    const struct lambda_InvocationResponse *out = loopback_ok(LAMBDA_CALL(
        lo, Invoke, InvocationRequest, .FunctionName = STR("f"), .InvocationType = STR("DryRun")));
    assert_int_equal(out->StatusCode.value, 204);
    assert_true(str_is_absent(out->Payload));
}

static void invoke_fails(struct loopback *lo, const struct lambda_InvocationRequest *in,
                         const char *code, const char *message)
{
    loopback_error(loopback_call(lo, &lambda_model, LAMBDA_OP_Invoke, in), code, message);
}

static void checks_what_is_sent(void **state)
{
    struct loopback *lo = *state;
    (void)lambda_make(lo, "f");
    struct lambda_InvocationRequest in = {.FunctionName = STR("f"), .Payload = STR("{'a'")};
    invoke_fails(lo, &in, "InvalidRequestContentException",
                 "Could not parse request body into json: Unexpected character or end of the text");
    size_t size = 6291457;
    char *large = arena_alloc(lo->arena, size);
    memset(large, ' ', size);
    large[0] = '1';
    in.Payload = str_make(large, size);
    invoke_fails(lo, &in, "RequestTooLargeException",
                 "6291457 byte payload is too large for the RequestResponse invocation type (limit "
                 "6291456 bytes)");
    in.InvocationType = STR("Event");
    in.Payload.len = 1048577;
    invoke_fails(lo, &in, "RequestTooLargeException",
                 "1048577 byte payload is too large for the Event invocation type (limit 1048576 "
                 "bytes)");
    in = (struct lambda_InvocationRequest){.FunctionName = STR("f"), .ClientContext = STR("%")};
    invoke_fails(lo, &in, "InvalidRequestContentException",
                 "Client context must be a valid Base64-encoded JSON object.");
    in = (struct lambda_InvocationRequest){.FunctionName = STR("f"), .TenantId = STR("t")};
    invoke_fails(
        lo, &in, "InvalidParameterValueException",
        "The invoked function is not enabled with tenancy configuration. Remove the tenant "
        "ID in your request and try again.");
    in = (struct lambda_InvocationRequest){.FunctionName = STR("g")};
    invoke_fails(lo, &in, "ResourceNotFoundException",
                 "Function not found: arn:aws:lambda:us-east-1:000000000000:function:g");
}

static void says_that_nothing_runs_here(void **state)
{
    struct loopback *lo = *state;
    (void)lambda_make(lo, "f");
    struct lambda_InvocationRequest in = {.FunctionName = STR("f")};
    invoke_fails(lo, &in, "ServiceException",
                 "Functions do not run in this process: kumoniwa doctor says why.");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAMBDA_TEST(answers_to_a_dry_run),
        LAMBDA_TEST(checks_what_is_sent),
        LAMBDA_TEST(says_that_nothing_runs_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
