/* The models' constraints in AWS's words, on real models. Messages as AWS answers them are quoted
 * where they are known from its documentation or from its users' reports. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gen/cognito_identity.h"
#include "gen/cognito_idp.h"
#include "gen/ec2.h"
#include "gen/events.h"
#include "gen/glue.h"
#include "gen/iam.h"
#include "gen/kms.h"
#include "gen/lambda.h"
#include "gen/sqs.h"
#include "wire/pattern_int.h"
#include "wire/wire_case.h"

/* Validates the input given as JSON under the model's names; message NULL: it is good. */
static void check(const struct wire_model *model, enum wire_protocol protocol,
                  const char *operation, const char *json, enum wire_common_error error,
                  const char *message)
{
    struct arena *arena = arena_new(0);
    struct wire_patterns *patterns = wire_patterns_new();
    struct wire_route route = case_route(model, protocol, operation);
    uint16_t shape = model->operations[route.operation].input;
    void *in = arena_alloc(arena, model->shapes[shape].size);
    struct wire_failure failure = {0};
    if (wire_json_decode(arena, model, shape, str_from_c(json), in, &failure) != RESULT_OK)
        fail_msg("%s: %.*s", json, PRSTR(failure.message));
    enum result result = wire_validate(arena, patterns, &route, in, &failure);
    if (message == NULL) {
        if (result != RESULT_OK)
            fail_msg("%s: %.*s", json, PRSTR(failure.message));
    } else {
        assert_int_equal(result, RESULT_ERROR);
        assert_int_equal(failure.error, error);
        case_assert_str(arena, failure.message, message);
    }
    wire_patterns_free(patterns);
    arena_free(arena);
}

#define SMITHY(model, operation, json, message)                                                    \
    check(&(model), WIRE_PROTOCOL_JSON, operation, json, WIRE_VALIDATION, message)

static void test_good(void **state)
{
    (void)state;
    SMITHY(kms_model, "CreateAlias", "{\"AliasName\":\"alias/a\",\"TargetKeyId\":\"k\"}", NULL);
    SMITHY(iam_model, "CreateRole",
           "{\"RoleName\":\"a+b=c,d.e@f-g\",\"AssumeRolePolicyDocument\":\"{}\","
           "\"Tags\":[{\"Key\":\"\xe2\x82\xac\",\"Value\":\"\"}]}",
           "1 validation error detected: Value '\xe2\x82\xac' at 'tags.1.member.key' failed to "
           "satisfy constraint: Member must satisfy regular expression pattern: "
           "[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+");
    SMITHY(iam_model, "CreateRole",
           "{\"RoleName\":\"r\",\"AssumeRolePolicyDocument\":\"{}\","
           "\"Tags\":[{\"Key\":\"\xc3\xa9 \xd0\xb6\",\"Value\":\"\"}]}",
           NULL);
    SMITHY(lambda_model, "CreateFunction",
           "{\"FunctionName\":\"f\",\"Role\":\"arn:aws:iam::000000000000:role/r\","
           "\"Code\":{\"ZipFile\":\"AA==\"},\"Runtime\":\"python3.12\",\"Handler\":\"a.b\"}",
           NULL);
}

static void test_required(void **state)
{
    (void)state;
    SMITHY(kms_model, "CreateAlias", "{\"AliasName\":\"alias/a\"}",
           "1 validation error detected: Value null at 'targetKeyId' failed to satisfy constraint: "
           "Member must not be null");
    SMITHY(kms_model, "CreateAlias", "{}",
           "2 validation errors detected: Value null at 'aliasName' failed to satisfy constraint: "
           "Member must not be null; Value null at 'targetKeyId' failed to satisfy constraint: "
           "Member must not be null");
    SMITHY(events_model, "PutTargets",
           "{\"Rule\":\"r\",\"Targets\":[{\"Id\":\"1\",\"Arn\":\"a\"},{\"Id\":\"2\"}]}",
           "1 validation error detected: Value null at 'targets.2.member.arn' failed to satisfy "
           "constraint: Member must not be null");
}

static void test_bounds(void **state)
{
    (void)state;
    SMITHY(iam_model, "CreateRole",
           "{\"RoleName\":\"charon-31f85414-3f74-11e5-b275-f23c91ae92d9-DynamoReadOnlyPermission\","
           "\"AssumeRolePolicyDocument\":\"{}\"}",
           "1 validation error detected: Value "
           "'charon-31f85414-3f74-11e5-b275-f23c91ae92d9-DynamoReadOnlyPermission' at 'roleName' "
           "failed to satisfy constraint: Member must have length less than or equal to 64");
    SMITHY(lambda_model, "UpdateFunctionConfiguration", "{\"FunctionName\":\"f\",\"Timeout\":0}",
           "1 validation error detected: Value '0' at 'timeout' failed to satisfy constraint: "
           "Member must have value greater than or equal to 1");
    SMITHY(kms_model, "CreateAlias", "{\"AliasName\":\"alias a\",\"TargetKeyId\":\"\"}",
           "2 validation errors detected: Value 'alias a' at 'aliasName' failed to satisfy "
           "constraint: Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$; "
           "Value '' at 'targetKeyId' failed to satisfy constraint: Member must have length "
           "greater than or equal to 1");
    /* Length is counted in code points; a trailing newline is no match. */
    SMITHY(kms_model, "CreateAlias", "{\"AliasName\":\"alias/a\\n\",\"TargetKeyId\":\"k\"}",
           "1 validation error detected: Value 'alias/a\n' at 'aliasName' failed to satisfy "
           "constraint: Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$");
}

static void test_collections(void **state)
{
    (void)state;
    SMITHY(cognito_identity_model, "SetIdentityPoolRoles",
           "{\"IdentityPoolId\":\"us-east-1:00000000-0000-0000-0000-000000000000\",\"Roles\":{"
           "\"authenticated\":\"arn:aws:iam::000000000000:role/cognito\","
           "\"invalid\":\"arn:aws:iam::000000000000:role/cognito\"}}",
           "1 validation error detected: Value "
           "'{authenticated=arn:aws:iam::000000000000:role/cognito, "
           "invalid=arn:aws:iam::000000000000:role/cognito}' at 'roles' failed to satisfy "
           "constraint: Map keys must satisfy constraint: [Member must have length less than or "
           "equal to 128, Member must have length greater than or equal to 1, Member must satisfy "
           "regular expression pattern: (un)?authenticated]");
    SMITHY(glue_model, "TagResource",
           "{\"ResourceArn\":\"arn:aws:glue:us-east-1:000000000000:job/j\",\"TagsToAdd\":"
           "{\"\":\"v\"}}",
           "1 validation error detected: Value '{=v}' at 'tagsToAdd' failed to satisfy constraint: "
           "Map keys must satisfy constraint: [Member must have length less than or equal to 128, "
           "Member must have length greater than or equal to 1]");
    SMITHY(events_model, "PutTargets", "{\"Rule\":\"r\",\"Targets\":[]}",
           "1 validation error detected: Value '[]' at 'targets' failed to satisfy constraint: "
           "Member must have length greater than or equal to 1");
}

static void test_enumerations(void **state)
{
    (void)state;
    SMITHY(lambda_model, "UpdateFunctionConfiguration",
           "{\"FunctionName\":\"f\",\"TracingConfig\":{\"Mode\":\"On\"}}",
           "1 validation error detected: Value 'On' at 'tracingConfig.mode' failed to satisfy "
           "constraint: Member must satisfy enum value set: [Active, PassThrough]");
    SMITHY(lambda_model, "UpdateFunctionCode",
           "{\"FunctionName\":\"f\",\"Architectures\":[\"mips\"]}",
           "1 validation error detected: Value '[mips]' at 'architectures' failed to satisfy "
           "constraint: Member must satisfy constraint: [Member must satisfy enum value set: "
           "[x86_64, arm64]]");
}

/* "Value at 'password' ..." is what Cognito answers. */
static void test_sensitive(void **state)
{
    (void)state;
    SMITHY(cognito_idp_model, "SignUp",
           "{\"ClientId\":\"c\",\"Username\":\"u\",\"Password\":\"a b\"}",
           "1 validation error detected: Value at 'password' failed to satisfy constraint: Member "
           "must satisfy regular expression pattern: [\\S]+");
    SMITHY(kms_model, "Encrypt", "{\"KeyId\":\"k\",\"Plaintext\":\"\"}",
           "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member "
           "must have length greater than or equal to 1");
    SMITHY(kms_model, "Decrypt", "{\"CiphertextBlob\":\"\"}",
           "1 validation error detected: Value 'java.nio.HeapByteBuffer[pos=0 lim=0 cap=0]' at "
           "'ciphertextBlob' failed to satisfy constraint: Member must have length greater than or "
           "equal to 1");
}

/* What EC2 answers: "Error codes for the Amazon EC2 API". */
static void test_ec2(void **state)
{
    (void)state;
    check(&ec2_model, WIRE_PROTOCOL_EC2, "RunInstances", "{\"MinCount\":1}", WIRE_MISSING_PARAMETER,
          "The request must contain the parameter MaxCount");
    check(&ec2_model, WIRE_PROTOCOL_EC2, "RunInstances", "{\"MinCount\":1,\"MaxCount\":1}",
          WIRE_MISSING_PARAMETER, NULL);
}

static void test_none(void **state)
{
    (void)state;
    check(&sqs_model, WIRE_PROTOCOL_JSON, "SendMessage", "{}", WIRE_VALIDATION, NULL);
}

/* No more than ten are said. */
static void test_errors_are_bounded(void **state)
{
    (void)state;
    enum { TARGETS = 50 };
    struct arena *arena = arena_new(0);
    struct buf json;
    buf_init(&json, arena, 1 << 16);
    buf_append(&json, STR("{\"Rule\":\"r\",\"Targets\":["));
    for (int i = 0; i < TARGETS; i++)
        buf_append(&json, i == 0 ? STR("{}") : STR(",{}"));
    buf_append(&json, STR("]}"));
    struct wire_patterns *patterns = wire_patterns_new();
    struct wire_route route = case_route(&events_model, WIRE_PROTOCOL_JSON, "PutTargets");
    uint16_t shape = events_model.operations[route.operation].input;
    void *in = arena_alloc(arena, events_model.shapes[shape].size);
    struct wire_failure failure = {0};
    assert_int_equal(wire_json_decode(arena, &events_model, shape, buf_str(&json), in, &failure),
                     RESULT_OK);
    assert_int_equal(wire_validate(arena, patterns, &route, in, &failure), RESULT_ERROR);
    assert_true(str_starts_with(failure.message, STR("10 validation errors detected: Value null")));
    wire_patterns_free(patterns);
    arena_free(arena);
}

/* Threads that need the same pattern, or the same model's table, at once. */
enum { THREADS = 4 };
struct racer {
    pthread_t thread;
    struct wire_patterns *patterns;
    const struct wire_index *index;
    bool good;
};

static void *race(void *context)
{
    struct racer *racer = context;
    struct arena *arena = arena_new(0);
    struct wire_header header = {STR("X-Amz-Target"), STR("TrentService.CreateAlias")};
    struct wire_request request = {.method = STR("POST"),
                                   .path = STR("/"),
                                   .headers = &header,
                                   .header_count = 1,
                                   .body = STR("{\"AliasName\":\"a b\",\"TargetKeyId\":\"k\"}")};
    struct wire_route route;
    struct wire_failure failure = {0};
    const void *in = NULL;
    racer->good =
        wire_route(arena, racer->index, &request, (struct str){0}, (struct str){0}, &route) &&
        wire_decode_request(arena, &route, &request, &in, &failure) == RESULT_OK &&
        wire_validate(arena, racer->patterns, &route, in, &failure) == RESULT_ERROR &&
        failure.error == WIRE_VALIDATION;
    arena_free(arena);
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    enum { ROUNDS = 100 };
    for (int round = 0; round < ROUNDS; round++) {
        struct racer racers[THREADS] = {0};
        struct wire_patterns *patterns = wire_patterns_new();
        struct wire_index *index = wire_index_new(wire_models, wire_model_count);
        for (int i = 0; i < THREADS; i++) {
            racers[i].patterns = patterns;
            racers[i].index = index;
            assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
        }
        for (int i = 0; i < THREADS; i++) {
            assert_int_equal(pthread_join(racers[i].thread, NULL), 0);
            assert_true(racers[i].good);
        }
        wire_index_free(index);
        wire_patterns_free(patterns);
    }
}

/* The patterns that PCRE2 cannot express, all services taken together: known, so that a new one is
 * seen. */
static void test_patterns_that_do_not_compile(void **state)
{
    (void)state;
    static const char *const known[] = {
        "^.{1,100000}$",                               /* more than 65535 times */
        "([\\p{L}\\p{Z}\\p{N}_.:\\/=+\\-@]*)${1,128}", /* '$' many times */
        "([\\p{L}\\p{Z}\\p{N}_.:\\/=+\\-@]*)${1,256}",
        NULL,
    };
    struct wire_patterns *patterns = wire_patterns_new();
    size_t total = 0, unknown = 0;
    for (size_t m = 0; m < wire_model_count; m++) {
        const struct wire_model *model = wire_models[m];
        for (uint32_t s = 0; s < model->shape_count; s++) {
            uint16_t constraint = model->shapes[s].constraint;
            struct str pattern = wire_string(model, model->constraints[constraint].pattern);
            if (constraint == 0 || str_is_absent(pattern))
                continue;
            total++;
            if (wire_pattern_compiles(patterns, model, constraint))
                continue;
            bool expected = false;
            for (size_t k = 0; known[k] != NULL; k++)
                expected = expected || str_eq(pattern, str_from_c(known[k]));
            unknown += !expected;
            if (!expected)
                print_message("%.*s: %.*s\n", PRSTR(model->name), PRSTR(pattern));
        }
    }
    print_message("%zu patterns\n", total);
    wire_patterns_free(patterns);
    assert_int_equal(unknown, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_required),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_collections),
        cmocka_unit_test(test_enumerations),
        cmocka_unit_test(test_sensitive),
        cmocka_unit_test(test_ec2),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_errors_are_bounded),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_patterns_that_do_not_compile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
