#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "service/dynamodb_text.h"

static const char ITEM[] =
    "{'pk': {'S': 'k'}, 'n': {'N': '5'}, 's': {'S': 'x'}, 'ss': {'SS': ['a', "
    "'b']}, 'l': {'L': [{'N': '0'}, {'N': '1'}, {'N': '2'}]}, 'doc': {'M': "
    "{'a': {'N': '1'}}}}";
static const char VALUES[] =
    "{':1': {'N': '1'}, ':n': {'N': '10'}, ':s': {'S': 'v'}, ':ss': {'SS': ['b', 'c']}, ':ab': "
    "{'SS': ['b', 'a']}, ':ns': {'NS': ['1']}, ':l': {'L': [{'S': 'e'}]}, ':m': {'M': {}}, ':t': "
    "{'BOOL': true}, ':big': {'N': '1e40'}}";

struct outcome {
    struct arena *arena;
    struct value_failure failure;
    const struct update *update;
    struct dynamodb_AttributeMap old, out;
    enum result parsed, applied;
};

static struct outcome apply(const char *text, const char *item)
{
    struct outcome o = {.arena = arena_new(0)};
    struct dynamodb_ExpressionAttributeValueMap values = {0};
    struct expression_scope scope;
    dynamodb_read(o.arena, DYNAMODB_SHAPE_ExpressionAttributeValueMap, VALUES, &values);
    assert_int_equal(
        expression_scope_init(&scope, o.arena, (struct str_map){0}, values, &o.failure), RESULT_OK);
    o.old = dynamodb_item(o.arena, item);
    o.parsed = update_parse(&scope, str_from_c(text), &o.update);
    if (o.parsed != RESULT_OK)
        return o;
    struct str before = dynamodb_text(o.arena, &o.old);
    o.applied = update_apply(o.arena, o.update, &o.old, &o.out, &o.failure);
    assert_true(str_eq(before, dynamodb_text(o.arena, &o.old)));
    return o;
}

static void expect(const char *text, const char *item, const char *after)
{
    struct outcome o = apply(text, item);
    if (o.parsed != RESULT_OK || o.applied != RESULT_OK)
        fail_msg("%s: %.*s", text, PRSTR(o.failure.message));
    if (!str_eq(dynamodb_text(o.arena, &o.out), str_from_c(after)))
        fail_msg("%s: %.*s", text, PRSTR(dynamodb_text(o.arena, &o.out)));
    arena_free(o.arena);
}

static void test_set(void **state)
{
    (void)state;
    expect("SET a = :1", "{}", "{'a':{'N':'1'}}");
    expect("set a = :1, b = a", "{'a':{'S':'old'}}", "{'a':{'N':'1'},'b':{'S':'old'}}");
    expect("SET a = b, b = a", "{'a':{'N':'1'},'b':{'N':'2'}}", "{'a':{'N':'2'},'b':{'N':'1'}}");
    expect("SET a = a + :1", "{'a':{'N':'9007199254740993'}}", "{'a':{'N':'9007199254740994'}}");
    expect("SET a = :n - a", "{'a':{'N':'0.5'}}", "{'a':{'N':'9.5'}}");
    expect("SET a = if_not_exists(a, :n) + :1", "{}", "{'a':{'N':'11'}}");
    expect("SET a = if_not_exists(a, :n) + :1", "{'a':{'N':'1'}}", "{'a':{'N':'2'}}");
    expect("SET a = if_not_exists(b, if_not_exists(c, :s))", "{}", "{'a':{'S':'v'}}");
    expect("SET a = list_append(a, :l)", "{'a':{'L':[{'N':'1'}]}}",
           "{'a':{'L':[{'N':'1'},{'S':'e'}]}}");
    expect("SET a = list_append(:l, if_not_exists(a, :l))", "{}",
           "{'a':{'L':[{'S':'e'},{'S':'e'}]}}");
    expect("SET a.b = :1", "{'a':{'M':{}}}", "{'a':{'M':{'b':{'N':'1'}}}}");
    expect("SET a.b.c = :1, a.d = :s", "{'a':{'M':{'b':{'M':{'x':{'N':'0'}}}}}}",
           "{'a':{'M':{'b':{'M':{'x':{'N':'0'},'c':{'N':'1'}}},'d':{'S':'v'}}}}");
    expect("SET a[0] = :1", "{'a':{'L':[{'N':'0'},{'N':'7'}]}}",
           "{'a':{'L':[{'N':'1'},{'N':'7'}]}}");
    expect("SET a[9] = :1, a[5] = :s", "{'a':{'L':[{'N':'0'}]}}",
           "{'a':{'L':[{'N':'0'},{'S':'v'},{'N':'1'}]}}");
    expect("SET a[0].b = :1", "{'a':{'L':[{'M':{}}]}}", "{'a':{'L':[{'M':{'b':{'N':'1'}}}]}}");
    expect("SET a = (a + :1)", "{'a':{'N':'1'}}", "{'a':{'N':'2'}}");
}

static void test_remove_add_delete(void **state)
{
    (void)state;
    expect("REMOVE a, c, nope", "{'a':{'N':'1'},'b':{'N':'2'},'c':{'N':'3'}}", "{'b':{'N':'2'}}");
    expect("REMOVE a[0], a[2], a[7]", "{'a':{'L':[{'N':'0'},{'N':'1'},{'N':'2'},{'N':'3'}]}}",
           "{'a':{'L':[{'N':'1'},{'N':'3'}]}}");
    expect("REMOVE a.b", "{'a':{'M':{'b':{'N':'1'}}}}", "{'a':{'M':{}}}");
    expect("SET a[1] = :1 REMOVE a[0]", "{'a':{'L':[{'N':'5'},{'N':'6'}]}}",
           "{'a':{'L':[{'N':'1'}]}}");
    expect("ADD a :1", "{}", "{'a':{'N':'1'}}");
    expect("ADD a :n, b :ss", "{'a':{'N':'-3'},'b':{'SS':['a','b']}}",
           "{'a':{'N':'7'},'b':{'SS':['a','b','c']}}");
    expect("ADD a.b :1", "{'a':{'M':{}}}", "{'a':{'M':{'b':{'N':'1'}}}}");
    expect("DELETE a :ss", "{'a':{'SS':['a','b']}}", "{'a':{'SS':['a']}}");
    expect("DELETE a :ab", "{'a':{'SS':['a','b']}}", "{}");
    expect("DELETE a :ab", "{}", "{}");
    expect("remove a add b :1 set c = :s", "{'a':{'N':'1'}}", "{'b':{'N':'1'},'c':{'S':'v'}}");
}

static void expect_failure(const char *text, const char *message)
{
    struct outcome o = apply(text, ITEM);
    if (o.parsed == RESULT_OK && o.applied == RESULT_OK)
        fail_msg("%s was taken", text);
    if (!str_eq(o.failure.message, str_from_c(message)))
        fail_msg("%s: %.*s", text, PRSTR(o.failure.message));
    arena_free(o.arena);
}

static void test_failures(void **state)
{
    (void)state;
#define PATH "The document path provided in the update expression is invalid for update"
#define TYPE "An operand in the update expression has an incorrect data type"
#define NONE "The provided expression refers to an attribute that does not exist in the item"
    expect_failure("SET nope.a = :1", PATH);
    expect_failure("SET n.a = :1", PATH);
    expect_failure("SET n[0] = :1", PATH);
    expect_failure("SET doc[0] = :1", PATH);
    expect_failure("SET l.a = :1", PATH);
    expect_failure("SET l[7].a = :1", PATH);
    expect_failure("REMOVE nope.a", PATH);
    expect_failure("SET a = nope", NONE);
    expect_failure("SET a = nope + :1", NONE);
    expect_failure("SET a = list_append(nope, :l)", NONE);
    expect_failure("SET a = s + :1", TYPE);
    expect_failure("SET a = list_append(n, :l)", TYPE);
    expect_failure("ADD s :1", TYPE);
    expect_failure("ADD n :ss", TYPE);
    expect_failure("DELETE n :ss", TYPE);
    expect_failure("DELETE ss :ns", TYPE);
    expect_failure("SET n = n + :big",
                   "Attempting to store more than 38 significant digits in a Number");
#undef PATH
#undef TYPE
#undef NONE
}

static void test_refused(void **state)
{
    (void)state;
#define U "Invalid UpdateExpression: "
    expect_failure("", U "The expression can not be empty;");
    expect_failure("SET", U "Syntax error; token: \"<EOF>\", near: \"SET\"");
    expect_failure("INVALID SYNTAX HERE",
                   U "Syntax error; token: \"INVALID\", near: \"INVALID SYNTAX\"");
    expect_failure("ADD hits : incr", U "Syntax error; token: \":\", near: \"hits : incr\"");
    expect_failure("SET a = :1, ", U "Syntax error; token: \"<EOF>\", near: \",\"");
    expect_failure("SET a = :1 b = :1", U "Syntax error; token: \"b\", near: \":1 b =\"");
    expect_failure("SET a = a + :1 + :1", U "Syntax error; token: \"+\", near: \":1 + :1\"");
    expect_failure("SET set = :1", U "Syntax error; token: \"set\", near: \"SET set =\"");
    expect_failure("ADD a b", U "Syntax error; token: \"b\", near: \"a b\"");
    expect_failure("set _x = :1", U "Syntax error; token: \"_\", near: \"set _x\"");
    expect_failure("ADD x :1 SET a = :1 ADD y :1",
                   U "The \"ADD\" section can only be used once in an update expression;");
    expect_failure("SET name = :1",
                   U "Attribute name is a reserved keyword; reserved keyword: name");
    expect_failure("SET a = :nope",
                   U "An expression attribute value used in expression is not defined; attribute "
                     "value: :nope");
    expect_failure("SET a = size(b)",
                   U "The function is not allowed in an update expression; function: size");
    expect_failure("SET a = foo(b)", U "Invalid function name; function: foo");
    expect_failure("SET a = if_not_exists(b)",
                   U "Incorrect number of operands for operator or function; operator or function: "
                     "if_not_exists, number of operands: 1");
    expect_failure("SET a = if_not_exists(:1, :1)",
                   U "Operator or function requires a document path; operator or function: "
                     "if_not_exists");
    expect_failure("SET a = list_append(a, :m)",
                   U "Incorrect operand type for operator or function; operator or function: "
                     "list_append, operand type: M");
    expect_failure("SET a = a + :s",
                   U "Incorrect operand type for operator or function; operator or function: +, "
                     "operand type: S");
    expect_failure("ADD a :s", U "Incorrect operand type for operator or function; operator: ADD, "
                                 "operand type: STRING, typeSet: ALLOWED_FOR_ADD_OPERAND");
    expect_failure("DELETE a :1",
                   U "Incorrect operand type for operator or function; operator: DELETE, operand "
                     "type: NUMBER, typeSet: ALLOWED_FOR_DELETE_OPERAND");
    expect_failure("SET a = :1, a.b = :1",
                   U "Two document paths overlap with each other; must remove or rewrite one of "
                     "these paths; path one: [a], path two: [a, b]");
    expect_failure("SET a.b = :1 REMOVE a[0]",
                   U "Two document paths conflict with each other; must remove or rewrite one of "
                     "these paths; path one: [a, b], path two: [a, [0]]");
#undef U
}

static void test_returned(void **state)
{
    (void)state;
    struct outcome o = apply("SET doc.a = :n, l[1] = :s REMOVE s ADD fresh :1", ITEM);
    assert_int_equal(o.applied, RESULT_OK);
    struct dynamodb_AttributeMap old = update_returned(o.arena, o.update, &o.old);
    struct dynamodb_AttributeMap new = update_returned(o.arena, o.update, &o.out);
    assert_true(str_eq(dynamodb_text(o.arena, &old),
                       STR("{'doc':{'M':{'a':{'N':'1'}}},'l':{'L':[{'N':'1'}]},'s':{'S':'x'}}")));
    assert_true(str_eq(dynamodb_text(o.arena, &new),
                       STR("{'doc':{'M':{'a':{'N':'10'}}},'l':{'L':[{'S':'v'}]},'fresh':{'N':'1'"
                           "}}")));
    struct str keys[] = {STR_INIT("pk"), STR_INIT("doc")};
    assert_int_equal(update_check_keys(o.arena, o.update, (struct str_list){keys, 1}, &o.failure),
                     RESULT_OK);
    assert_int_equal(update_check_keys(o.arena, o.update, (struct str_list){keys, 2}, &o.failure),
                     RESULT_ERROR);
    assert_true(str_eq(o.failure.message,
                       STR("One or more parameter values were invalid: Cannot update attribute "
                           "doc. This attribute is part of the key")));
    assert_int_equal(update_attributes(o.arena, o.update).len, 4);
    arena_free(o.arena);
}

/* Sets large enough to be hashed. */
static void test_large_sets(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    enum { MANY = 1000 };
    struct str *members = ARENA_ARRAY(arena, MANY, struct str);
    for (size_t i = 0; i < MANY; i++)
        members[i] = str_format(arena, "%zu", i);
    struct dynamodb_ExpressionAttributeValueMap_entry entry = {
        .key = STR(":v"), .value = {.SS = {.items = members + 300, .len = 600}}};
    struct dynamodb_ExpressionAttributeValueMap values = {.items = &entry, .len = 1};
    struct dynamodb_AttributeMap_entry attribute = {
        .key = STR("a"), .value = {.SS = {.items = members, .len = 500}}};
    struct dynamodb_AttributeMap item = {.items = &attribute, .len = 1};
    struct value_failure failure;
    struct expression_scope scope;
    const struct update *update;
    struct dynamodb_AttributeMap out;
    assert_int_equal(expression_scope_init(&scope, arena, (struct str_map){0}, values, &failure),
                     RESULT_OK);
    assert_int_equal(update_parse(&scope, STR("ADD a :v"), &update), RESULT_OK);
    assert_int_equal(update_apply(arena, update, &item, &out, &failure), RESULT_OK);
    assert_int_equal(out.items[0].value.SS.len, 900);
    assert_int_equal(update_parse(&scope, STR("DELETE a :v"), &update), RESULT_OK);
    assert_int_equal(update_apply(arena, update, &item, &out, &failure), RESULT_OK);
    assert_int_equal(out.items[0].value.SS.len, 300);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),      cmocka_unit_test(test_remove_add_delete),
        cmocka_unit_test(test_failures), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_returned), cmocka_unit_test(test_large_sets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
