#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "service/dynamodb_text.h"

static void expect_refused(struct arena *arena, const char *json, const char *message)
{
    struct dynamodb_AttributeValue value = dynamodb_value(arena, json);
    struct value_failure failure = {0};
    if (value_check(arena, &value, &failure) != RESULT_ERROR)
        fail_msg("%s was taken", json);
    if (!str_eq(failure.message, str_from_c(message)))
        fail_msg("%s: %.*s", json, PRSTR(failure.message));
}

static void expect_taken(struct arena *arena, const char *json, const char *after)
{
    struct dynamodb_AttributeValue value = dynamodb_value(arena, json);
    struct value_failure failure = {0};
    if (value_check(arena, &value, &failure) != RESULT_OK)
        fail_msg("%s: %.*s", json, PRSTR(failure.message));
    if (!str_eq(dynamodb_value_text(arena, &value), str_from_c(after)))
        fail_msg("%s became %.*s", json, PRSTR(dynamodb_value_text(arena, &value)));
}

static void test_check(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    expect_taken(arena, "{'S': ''}", "{'S':''}");
    expect_taken(arena, "{'N': '1.50'}", "{'N':'1.5'}");
    expect_taken(arena, "{'NS': ['1e2', '-0']}", "{'NS':['100','0']}");
    expect_taken(arena, "{'L': [{'N': '+1'}, {'M': {'a': {'N': '010'}}}]}",
                 "{'L':[{'N':'1'},{'M':{'a':{'N':'10'}}}]}");
    expect_taken(arena, "{'L': []}", "{'L':[]}");
    expect_taken(arena, "{'M': {}}", "{'M':{}}");
    expect_taken(arena, "{'SS': ['', 'a']}", "{'SS':['','a']}");
    expect_taken(arena, "{'NULL': true}", "{'NULL':true}");
    expect_refused(arena, "{}",
                   "Supplied AttributeValue is empty, must contain exactly one of the supported "
                   "datatypes");
    expect_refused(arena, "{'S': 'a', 'N': '1'}",
                   "Supplied AttributeValue has more than one datatypes set, must contain exactly "
                   "one of the supported datatypes");
    expect_refused(arena, "{'L': [{}]}",
                   "Supplied AttributeValue is empty, must contain exactly one of the supported "
                   "datatypes");
    expect_refused(arena, "{'NULL': false}",
                   "One or more parameter values were invalid: Null attribute value types must "
                   "have the value of true");
    expect_refused(arena, "{'SS': []}",
                   "One or more parameter values were invalid: An string set  may not be empty");
    expect_refused(arena, "{'NS': []}",
                   "One or more parameter values were invalid: An number set  may not be empty");
    expect_refused(arena, "{'BS': []}",
                   "One or more parameter values were invalid: Binary sets should not be empty");
    expect_refused(arena, "{'SS': ['b', 'a', 'b']}",
                   "One or more parameter values were invalid: Input collection [b, a, b] contains "
                   "duplicates.");
    expect_refused(arena, "{'NS': ['1', '1.0']}",
                   "One or more parameter values were invalid: Input collection contains "
                   "duplicates");
    expect_refused(arena, "{'BS': ['Yg==', 'Yg==']}",
                   "One or more parameter values were invalid: Input collection [Yg==, Yg==]of "
                   "type BS contains duplicates.");
    expect_refused(arena, "{'N': 'b'}", "The parameter cannot be converted to a numeric value: b");
    expect_refused(arena, "{'M': {'x': {'N': ''}}}",
                   "The parameter cannot be converted to a numeric value");
    arena_free(arena);
}

static void test_many_in_set(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    enum { MANY = 5000 };
    struct str *members = ARENA_ARRAY(arena, MANY, struct str);
    struct str *reversed = ARENA_ARRAY(arena, MANY, struct str);
    for (size_t i = 0; i < MANY; i++) {
        members[i] = str_format(arena, "%zu", i);
        reversed[MANY - 1 - i] = members[i];
    }
    struct dynamodb_AttributeValue a = {.SS = {.items = members, .len = MANY}};
    struct dynamodb_AttributeValue b = {.SS = {.items = reversed, .len = MANY}};
    struct value_failure failure = {0};
    assert_int_equal(value_check(arena, &a, &failure), RESULT_OK);
    assert_true(value_equal(arena, &a, &b));
    reversed[17] = STR("other");
    assert_false(value_equal(arena, &a, &b));
    reversed[17] = reversed[18];
    assert_int_equal(value_check(arena, &b, &failure), RESULT_ERROR);
    arena_free(arena);
}

static void test_nesting(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct value_failure failure = {0};
    struct dynamodb_AttributeValue value = {.S = STR("x")};
    /* The innermost is on the level below all lists. */
    for (int depth = 1; depth <= 32; depth++) {
        struct dynamodb_AttributeValue *item = ARENA_NEW(arena, struct dynamodb_AttributeValue);
        *item = value;
        value = (struct dynamodb_AttributeValue){.L = {.items = item, .len = 1}};
        assert_int_equal(value_check(arena, &value, &failure),
                         depth <= 31 ? RESULT_OK : RESULT_ERROR);
    }
    assert_true(str_eq(failure.message, STR(VALUE_NESTING_TEXT)));
    arena_free(arena);
}

static bool equal(struct arena *arena, const char *a, const char *b)
{
    struct dynamodb_AttributeValue x = dynamodb_value(arena, a);
    struct dynamodb_AttributeValue y = dynamodb_value(arena, b);
    return value_equal(arena, &x, &y);
}

static void test_equal(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    assert_true(equal(arena, "{'SS': ['a', 'b']}", "{'SS': ['b', 'a']}"));
    assert_false(equal(arena, "{'SS': ['a', 'b']}", "{'SS': ['b', 'c']}"));
    assert_false(equal(arena, "{'SS': ['1']}", "{'NS': ['1']}"));
    assert_false(equal(arena, "{'S': '1'}", "{'N': '1'}"));
    assert_true(equal(arena, "{'M': {'a': {'L': [{'BOOL': true}]}, 'b': {'NULL': true}}}",
                      "{'M': {'b': {'NULL': true}, 'a': {'L': [{'BOOL': true}]}}}"));
    assert_false(equal(arena, "{'L': [{'S': 'a'}]}", "{'L': [{'S': 'a'}, {'S': 'a'}]}"));
    assert_false(equal(arena, "{'BOOL': true}", "{'BOOL': false}"));
    arena_free(arena);
}

static size_t size_of(struct arena *arena, const char *json)
{
    struct dynamodb_AttributeMap item = dynamodb_item(arena, json);
    return item_size(&item);
}

static void test_size(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    assert_int_equal(size_of(arena, "{}"), 0);
    assert_int_equal(size_of(arena, "{'pk': {'S': 'abc'}}"), 5);
    assert_int_equal(size_of(arena, "{'n': {'N': '123'}}"), 1 + 3);
    assert_int_equal(size_of(arena, "{'b': {'B': 'YWJj'}}"), 1 + 3);
    assert_int_equal(size_of(arena, "{'t': {'BOOL': true}, 'u': {'NULL': true}}"), 4);
    assert_int_equal(size_of(arena, "{'s': {'SS': ['ab', 'c']}}"), 1 + 3);
    assert_int_equal(size_of(arena, "{'l': {'L': []}}"), 1 + 3);
    assert_int_equal(size_of(arena, "{'l': {'L': [{'S': 'ab'}, {'N': '1'}]}}"), 1 + 3 + 3 + 3);
    assert_int_equal(size_of(arena, "{'m': {'M': {'key': {'S': 'v'}}}}"), 1 + 3 + 3 + 1 + 1);
    struct value_failure failure = {0};
    char *big = arena_alloc(arena, ITEM_SIZE_MAX + 1);
    memset(big, 'x', ITEM_SIZE_MAX + 1);
    struct dynamodb_AttributeMap_entry entry = {.key = STR("k"),
                                                .value = {.S = str_make(big, ITEM_SIZE_MAX - 1)}};
    struct dynamodb_AttributeMap item = {.items = &entry, .len = 1};
    assert_int_equal(item_check_size(arena, &item, false, NULL, &failure), RESULT_OK);
    entry.value.S.len++;
    assert_int_equal(item_check_size(arena, &item, true, NULL, &failure), RESULT_ERROR);
    assert_true(
        str_eq(failure.message, STR("Item size to update has exceeded the maximum allowed size")));
    arena_free(arena);
}

static void test_keys(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    static const char *const ordered[] = {"{'N': '-1e10'}", "{'N': '-2'}",   "{'N': '-1.5'}",
                                          "{'N': '-0.1'}",  "{'N': '0'}",    "{'N': '1e-130'}",
                                          "{'N': '1'}",     "{'N': '1.05'}", "{'N': '9'}",
                                          "{'N': '10'}",    "{'N': '1e125'}"};
    struct str last = STR("");
    for (size_t i = 0; i < sizeof(ordered) / sizeof(ordered[0]); i++) {
        struct dynamodb_AttributeValue value = dynamodb_value(arena, ordered[i]);
        struct value_failure failure = {0};
        assert_int_equal(value_check(arena, &value, &failure), RESULT_OK);
        struct buf key;
        buf_init(&key, arena, 2048);
        value_key_encode(&key, &value);
        assert_true(str_cmp(last, buf_str(&key)) < 0);
        last = buf_str(&key);
        struct dynamodb_AttributeValue back;
        assert_true(value_key_decode(arena, VALUE_N, last, &back));
        assert_true(value_equal(arena, &value, &back));
    }
    struct value_failure failure = {0};
    struct dynamodb_AttributeValue empty = {.S = STR("")};
    assert_int_equal(value_check_key(arena, STR("pk"), &empty, false, &failure), RESULT_ERROR);
    assert_true(str_eq(failure.message,
                       STR("One or more parameter values are not valid. The AttributeValue for a "
                           "key attribute cannot contain an empty string value. Key: pk")));
    char big[2049] = {0};
    struct dynamodb_AttributeValue large = {.B = str_make(big, 1025)};
    assert_int_equal(value_check_key(arena, STR("pk"), &large, false, &failure), RESULT_OK);
    assert_int_equal(value_check_key(arena, STR("sk"), &large, true, &failure), RESULT_ERROR);
    large.B.len = 2049;
    assert_int_equal(value_check_key(arena, STR("pk"), &large, false, &failure), RESULT_ERROR);
    arena_free(arena);
}

static void test_copy(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct arena *other = arena_new(0);
    struct dynamodb_AttributeMap item = dynamodb_item(
        arena, "{'a': {'L': [{'S': 'x'}, {'M': {'k': {'NS': ['1']}}}]}, 'b': {'B': ''}}");
    struct dynamodb_AttributeMap copy;
    item_copy(other, &item, &copy);
    struct str text = str_copy(other, dynamodb_text(arena, &item));
    arena_free(arena);
    assert_true(str_eq(dynamodb_text(other, &copy), text));
    arena_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check),   cmocka_unit_test(test_many_in_set),
        cmocka_unit_test(test_nesting), cmocka_unit_test(test_equal),
        cmocka_unit_test(test_size),    cmocka_unit_test(test_keys),
        cmocka_unit_test(test_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
