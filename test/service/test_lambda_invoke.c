/* Invoke, as far as it goes without environments: what is checked before, and what is refused. */
#include "service/lambda_support.h"

#include "services/lambda/payload.h"

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
                 "Could not parse request body into json: Could not parse payload into json: "
                 "Unexpected character (''' (code 39)): was expecting double-quote to start field "
                 "name\n at [Source: (byte[])\"{'a'\"; line: 1, column: 3]");
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
    in.ClientContext = STR("WzFd"); /* [1] */
    invoke_fails(lo, &in, "InvalidRequestContentException",
                 "Client context must be a valid Base64-encoded JSON object.");
    in.ClientContext = (struct str){large, 3584};
    invoke_fails(lo, &in, "InvalidRequestContentException",
                 "Client context must be no more than 3583 bytes of Base64-encoded data.");
    in = (struct lambda_InvocationRequest){.FunctionName = STR("f"), .TenantId = STR("t")};
    invoke_fails(
        lo, &in, "InvalidParameterValueException",
        "The invoked function is not enabled with tenancy configuration. Remove the tenant "
        "ID in your request and try again.");
    in = (struct lambda_InvocationRequest){.FunctionName = STR("g")};
    invoke_fails(lo, &in, "ResourceNotFoundException",
                 "Function not found: arn:aws:lambda:us-east-1:000000000000:function:g");
}

/* The old operation's limit is its own. */
static void takes_events_in_the_old_way(void **state)
{
    struct loopback *lo = *state;
    (void)lambda_make(lo, "f");
    char *large = arena_alloc(lo->arena, 262145);
    memset(large, ' ', 262145);
    large[0] = '1';
    struct lambda_InvokeAsyncRequest in = {.FunctionName = STR("f"),
                                           .InvokeArgs = str_make(large, 262144)};
    const struct lambda_InvokeAsyncResponse *out =
        loopback_ok(loopback_call(lo, &lambda_model, LAMBDA_OP_InvokeAsync, &in));
    assert_int_equal(out->Status.value, 202);
    in.InvokeArgs.len++;
    loopback_error(loopback_call(lo, &lambda_model, LAMBDA_OP_InvokeAsync, &in),
                   "InvalidRequestContentException",
                   "262145 byte payload is too large for the Event invocation type (limit 262144 "
                   "bytes)");
}

/* "The function is currently in the following state": not for who only asks whether it may. */
static void refuses_what_is_not_ready(void **state)
{
    struct loopback *lo = *state;
    struct lambda_FunctionCode code = {.ZipFile = zip_one(lo, "app.py", "x = 1\n")};
    LAMBDA_DO(lo, CreateFunction, .FunctionName = STR("new"), .Runtime = STR("python3.12"),
              .Role = lambda_role(lo, "new"), .Handler = STR("app.handler"), .Code = &code);
    struct lambda_InvocationRequest in = {.FunctionName = STR("new")};
    invoke_fails(lo, &in, "ResourceConflictException",
                 "The operation cannot be performed at this time. The function is currently in "
                 "the following state: Pending");
    in.InvocationType = STR("Event");
    invoke_fails(lo, &in, "ResourceConflictException", NULL);
    in.InvocationType = STR("DryRun");
    (void)loopback_ok(loopback_call(lo, &lambda_model, LAMBDA_OP_Invoke, &in));
}

static void problem_is(struct loopback *lo, const char *text, const char *problem)
{
    struct str got = payload_problem(lo->arena, str_from_c(text));
    assert_string_equal(str_to_c(lo->arena, str_slice(got, 0, str_find(got, STR("\n at ")))),
                        problem);
}

static void tells_what_is_wrong_with_a_payload(void **state)
{
    struct loopback *lo = *state;
    problem_is(lo, " ", "No content to map due to end-of-input");
    problem_is(lo, "nul",
               "Unrecognized token 'nul': was expecting (JSON String, Number, Array, Object or "
               "token 'null', 'true' or 'false')");
    problem_is(lo, "[1, -]",
               "Unrecognized token '-': was expecting (JSON String, Number, Array, Object or token "
               "'null', 'true' or 'false')");
    problem_is(lo, "[&",
               "Unexpected character ('&' (code 38)): expected a valid value (JSON "
               "String, Number, Array, Object or token 'null', 'true' or 'false')");
    problem_is(lo, "[1 2]",
               "Unexpected character ('2' (code 50)): was expecting comma to separate "
               "Array entries");
    problem_is(lo, "{\"a\" 1}",
               "Unexpected character ('1' (code 49)): was expecting a colon to "
               "separate field name and value");
    problem_is(lo, "{\"a\":1;",
               "Unexpected character (';' (code 59)): was expecting comma to "
               "separate Object entries");
    problem_is(lo, "\"a\nb\"",
               "Illegal character (CTRL-CHAR, code 10): has to be escaped using "
               "backslash to be included in string value");
    problem_is(lo, "{} x",
               "Unexpected character ('x' (code 120)): was expecting the end of the "
               "text");
    problem_is(lo, "\"\\x\"", "Invalid escape in a string value");
    problem_is(lo, "{\"a\":[1,",
               "Unexpected end-of-input: expected close marker for Array (start "
               "marker at [Source: (byte[])\"{\"a\":[1,\"; line: 1, column: 6])");
    struct str place = payload_problem(lo->arena, STR("{\n  \"a\": b\n}"));
    assert_true(str_ends_with(place, STR("; line: 2, column: 9]")));
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
        LAMBDA_TEST(takes_events_in_the_old_way),
        LAMBDA_TEST(refuses_what_is_not_ready),
        LAMBDA_TEST(tells_what_is_wrong_with_a_payload),
        LAMBDA_TEST(says_that_nothing_runs_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
