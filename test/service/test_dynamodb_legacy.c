#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "service/dynamodb_text.h"
#include "services/dynamodb/legacy.h"

static const char ITEM[] = "{'pk': {'S': 'k'}, 'n': {'N': '5'}, 's': {'S': 'hello'}, 'ss': {'SS': "
                           "['a', 'b']}, 'l': {'L': [{'N': '1'}]}}";

#define INVALID "One or more parameter values were invalid: "

static const struct {
    const char *expected, *operator, * message; /* "yes", "no", or what is wrong */
} expectations[] = {
    {"{'n': {'Value': {'N': '5.0'}}}", NULL, "yes"},
    {"{'n': {'Value': {'N': '6'}}}", NULL, "no"},
    {"{'n': {'Exists': false}}", NULL, "no"},
    {"{'x': {'Exists': false}}", NULL, "yes"},
    {"{'n': {'Exists': true, 'Value': {'N': '5'}}}", NULL, "yes"},
    {"{'n': {'ComparisonOperator': 'GT', 'AttributeValueList': [{'N': '4'}]}}", NULL, "yes"},
    {"{'n': {'ComparisonOperator': 'GT', 'Value': {'N': '5'}}}", NULL, "no"},
    {"{'n': {'ComparisonOperator': 'NOT_NULL'}}", NULL, "yes"},
    {"{'x': {'ComparisonOperator': 'NULL'}}", NULL, "yes"},
    {"{'s': {'ComparisonOperator': 'BEGINS_WITH', 'Value': {'S': 'he'}}}", NULL, "yes"},
    {"{'ss': {'ComparisonOperator': 'CONTAINS', 'Value': {'S': 'a'}}}", NULL, "yes"},
    {"{'ss': {'ComparisonOperator': 'NOT_CONTAINS', 'Value': {'S': 'a'}}}", NULL, "no"},
    {"{'s': {'ComparisonOperator': 'NOT_CONTAINS', 'Value': {'S': 'z'}}}", NULL, "yes"},
    {"{'n': {'ComparisonOperator': 'IN', 'AttributeValueList': [{'N': '1'}, {'N': '5'}]}}", NULL,
     "yes"},
    {"{'n': {'ComparisonOperator': 'BETWEEN', 'AttributeValueList': [{'N': '1'}, {'N': "
     "'5'}]}}",
     NULL, "yes"},
    {"{'n': {'Value': {'N': '6'}}, 's': {'Value': {'S': 'hello'}}}", NULL, "no"},
    {"{'n': {'Value': {'N': '6'}}, 's': {'Value': {'S': 'hello'}}}", "OR", "yes"},
    {"{'n': {'Value': {'N': '6'}}, 's': {'Value': {'S': 'hello'}}, 'x': {'Exists': false}}", "AND",
     "no"},
    {"{}", "AND", "ConditionalOperator cannot be used without Filter or Expected"},
    {"{'n': {'Value': {'N': '6'}}}", "OR",
     "ConditionalOperator can only be used when Filter or Expected has two or more elements"},
    {"{'n': {}}", NULL, INVALID "Value must be provided when Exists is null for Attribute: n"},
    {"{'n': {'Exists': true}}", NULL,
     INVALID "Value must be provided when Exists is true for Attribute: n"},
    {"{'n': {'Exists': false, 'Value': {'N': '1'}}}", NULL,
     INVALID "Value cannot be used when Exists is set to false for Attribute: n"},
    {"{'n': {'AttributeValueList': [{'N': '1'}]}}", NULL,
     INVALID "AttributeValueList can only be used with a ComparisonOperator for Attribute: n"},
    {"{'n': {'ComparisonOperator': 'EQ', 'Exists': true}}", NULL,
     INVALID "Exists and ComparisonOperator cannot be used together for Attribute: n"},
    {"{'n': {'ComparisonOperator': 'EQ', 'Value': {'N': '1'}, 'AttributeValueList': []}}", NULL,
     INVALID "Value and AttributeValueList cannot be used together for Attribute: n"},
    {"{'n': {'ComparisonOperator': 'EQ'}}", NULL,
     INVALID "Value or AttributeValueList must be used with ComparisonOperator: EQ for "
             "Attribute: n"},
    {"{'n': {'ComparisonOperator': 'EQ', 'AttributeValueList': [{'N': '1'}, {'N': '2'}]}}", NULL,
     INVALID "Invalid number of argument(s) for the EQ ComparisonOperator"},
    {"{'n': {'ComparisonOperator': 'LT', 'AttributeValueList': [{'SS': ['a']}]}}", NULL,
     INVALID "ComparisonOperator LT is not valid for SS AttributeValue type"},
    {"{'n': {'ComparisonOperator': 'IN', 'AttributeValueList': [{'N': '1'}, {'S': '2'}]}}", NULL,
     INVALID "AttributeValues inside AttributeValueList must be of same type"},
    {"{'n': {'ComparisonOperator': 'BETWEEN', 'AttributeValueList': [{'N': '2'}, {'N': "
     "'1'}]}}",
     NULL,
     "The BETWEEN condition was provided a range where the lower bound is bigger than the "
     "upper bound"},
};

static void test_expected(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(expectations) / sizeof(expectations[0]); i++) {
        struct arena *arena = arena_new(0);
        struct dynamodb_ExpectedAttributeMap expected = {0};
        dynamodb_read(arena, DYNAMODB_SHAPE_ExpectedAttributeMap, expectations[i].expected,
                      &expected);
        struct dynamodb_AttributeMap item = dynamodb_item(arena, ITEM);
        struct value_failure failure = {0};
        const struct condition *condition = NULL;
        const char *answer;
        if (legacy_expected(arena, expected, str_from_c(expectations[i].operator), &condition,
                            &failure) == RESULT_OK)
            answer = condition_holds(arena, condition, &item) ? "yes" : "no";
        else
            answer = str_to_c(arena, failure.message);
        if (strcmp(answer, expectations[i].message) != 0)
            fail_msg("%s: %s", expectations[i].expected, answer);
        arena_free(arena);
    }
}

static void test_filter(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct dynamodb_FilterConditionMap filter = {0};
    struct dynamodb_AttributeMap item = dynamodb_item(arena, ITEM);
    struct value_failure failure = {0};
    const struct condition *condition;
    assert_int_equal(legacy_filter(arena, filter, (struct str){0}, &condition, &failure),
                     RESULT_OK);
    assert_null(condition);
    dynamodb_read(arena, DYNAMODB_SHAPE_FilterConditionMap,
                  "{'n': {'ComparisonOperator': 'GE', 'AttributeValueList': [{'N': '5'}]}}",
                  &filter);
    assert_int_equal(legacy_filter(arena, filter, (struct str){0}, &condition, &failure),
                     RESULT_OK);
    assert_true(condition_holds(arena, condition, &item));
    arena_free(arena);
}

static void test_key_conditions(void **state)
{
    (void)state;
    static const struct key_schema schema = {.partition = {{STR_INIT("pk"), VALUE_S}},
                                             .partition_len = 1,
                                             .sort = {{STR_INIT("sk"), VALUE_N}},
                                             .sort_len = 1};
    static const struct {
        const char *conditions, *message;
    } cases[] = {
        {"{'pk': {'ComparisonOperator': 'EQ', 'AttributeValueList': [{'S': 'a'}]}, 'sk': "
         "{'ComparisonOperator': 'LE', 'AttributeValueList': [{'N': '1'}]}}",
         ""},
        {"{}", "Conditions can be of length 1 or 2 only"},
        {"{'pk': {'ComparisonOperator': 'NE', 'AttributeValueList': [{'S': 'a'}]}}",
         "Attempted conditional constraint is not an indexable operation"},
        {"{'pk': {'ComparisonOperator': 'GT', 'AttributeValueList': [{'S': 'a'}]}}",
         "Query key condition not supported"},
        {"{'sk': {'ComparisonOperator': 'EQ', 'AttributeValueList': [{'N': '1'}]}}",
         "Query condition missed key schema element: pk"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena *arena = arena_new(0);
        struct dynamodb_KeyConditions conditions = {0};
        dynamodb_read(arena, DYNAMODB_SHAPE_KeyConditions, cases[i].conditions, &conditions);
        struct value_failure failure = {.message = STR("")};
        const struct condition *condition = NULL;
        struct key_condition key;
        if (legacy_key_conditions(arena, conditions, &condition, &failure) == RESULT_OK &&
            key_condition_resolve(arena, condition, &schema, &key, &failure) == RESULT_OK)
            assert_int_equal(key.relation, KEY_LE);
        if (!str_eq(failure.message, str_from_c(cases[i].message)))
            fail_msg("%s: %.*s", cases[i].conditions, PRSTR(failure.message));
        arena_free(arena);
    }
}

static void test_updates(void **state)
{
    (void)state;
    static const struct {
        const char *updates, *after;
    } cases[] = {
        {"{'n': {'Value': {'N': '1'}}}", "{'n':{'N':'1'},'s':{'S':'x'},'ss':{'SS':['a']}}"},
        {"{'n': {'Action': 'DELETE'}, 'x': {'Action': 'DELETE'}}",
         "{'s':{'S':'x'},'ss':{'SS':['a']}}"},
        {"{'n': {'Action': 'ADD', 'Value': {'N': '2'}}}",
         "{'n':{'N':'7'},'s':{'S':'x'},'ss':{'SS':['a']}}"},
        {"{'ss': {'Action': 'ADD', 'Value': {'SS': ['b']}}}",
         "{'n':{'N':'5'},'s':{'S':'x'},'ss':{'SS':['a','b']}}"},
        {"{'ss': {'Action': 'DELETE', 'Value': {'SS': ['a']}}}", "{'n':{'N':'5'},'s':{'S':'x'}}"},
        {"{'s': {'Action': 'ADD', 'Value': {'N': '1'}}}", "Type mismatch for attribute to update"},
        {"{'n': {}}", INVALID "Only DELETE action is allowed when no attribute value is specified"},
        {"{'n': {'Action': 'DELETE', 'Value': {'N': '1'}}}",
         INVALID "DELETE action with value is not supported for the type N"},
        {"{'n': {'Action': 'ADD', 'Value': {'S': '1'}}}",
         INVALID "ADD action is not supported for the type S"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena *arena = arena_new(0);
        struct dynamodb_AttributeUpdates updates = {0};
        dynamodb_read(arena, DYNAMODB_SHAPE_AttributeUpdates, cases[i].updates, &updates);
        struct dynamodb_AttributeMap item =
            dynamodb_item(arena, "{'n': {'N': '5'}, 's': {'S': 'x'}, 'ss': {'SS': ['a']}}");
        struct dynamodb_AttributeMap out;
        struct value_failure failure = {0};
        const struct update *update;
        struct str answer;
        if (legacy_updates(arena, updates, &update, &failure) == RESULT_OK &&
            update_apply(arena, update, &item, &out, &failure) == RESULT_OK)
            answer = dynamodb_text(arena, &out);
        else
            answer = failure.message;
        if (!str_eq(answer, str_from_c(cases[i].after)))
            fail_msg("%s: %.*s", cases[i].updates, PRSTR(answer));
        arena_free(arena);
    }
}

/* As many as a request may hold cost no more, each, than a few. */
static void test_many(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    enum { MANY = 50000 };
    struct str *names = ARENA_ARRAY(arena, MANY, struct str);
    struct dynamodb_AttributeUpdates_entry *entries =
        ARENA_ARRAY(arena, MANY, struct dynamodb_AttributeUpdates_entry);
    struct dynamodb_FilterConditionMap_entry *filters =
        ARENA_ARRAY(arena, MANY, struct dynamodb_FilterConditionMap_entry);
    struct dynamodb_AttributeValue one = {.N = STR("1")};
    for (size_t i = 0; i < MANY; i++) {
        names[i] = str_format(arena, "a%zu", i);
        entries[i].key = names[i];
        entries[i].value.Value = &one;
        filters[i].key = names[i];
        filters[i].value.ComparisonOperator = STR("NULL");
    }
    struct value_failure failure = {0};
    const struct projection *projection;
    const struct update *update;
    const struct condition *condition;
    struct dynamodb_AttributeMap out;
    struct dynamodb_AttributeMap item = dynamodb_item(arena, "{}");
    assert_int_equal(
        legacy_projection(arena, (struct str_list){names, MANY}, &projection, &failure), RESULT_OK);
    assert_int_equal(projection_apply(arena, projection, &item).len, 0);
    assert_int_equal(
        legacy_updates(arena, (struct dynamodb_AttributeUpdates){entries, MANY}, &update, &failure),
        RESULT_OK);
    assert_int_equal(update_apply(arena, update, &item, &out, &failure), RESULT_OK);
    assert_int_equal(out.len, MANY);
    assert_int_equal(legacy_filter(arena, (struct dynamodb_FilterConditionMap){filters, MANY},
                                   (struct str){0}, &condition, &failure),
                     RESULT_OK);
    assert_true(condition_holds(arena, condition, &item));
    names[7] = names[9];
    assert_int_equal(
        legacy_projection(arena, (struct str_list){names, MANY}, &projection, &failure),
        RESULT_ERROR);
    assert_true(str_eq(failure.message, STR(INVALID "Duplicate value in attribute name: a9")));
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expected),       cmocka_unit_test(test_filter),
        cmocka_unit_test(test_key_conditions), cmocka_unit_test(test_updates),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
