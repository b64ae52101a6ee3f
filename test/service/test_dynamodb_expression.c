#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "service/dynamodb_text.h"

static const char ITEM[] =
    "{'pk': {'S': 'key'}, 'n': {'N': '5'}, 'm': {'N': '7'}, 's': {'S': 'hello'}, 'b': {'B': "
    "'AQID'}, 't': {'BOOL': true}, 'z': {'NULL': true}, 'ss': {'SS': ['x', 'y']}, 'ns': {'NS': "
    "['1', '2']}, 'l': {'L': [{'N': '1'}, {'S': 'two'}, {'M': {'deep': {'N': '3'}}}]}, 'doc': "
    "{'M': {'a': {'N': '1'}, 'name': {'S': 'q'}}}, 'blank': {'S': ''}}";

static const char NAMES[] = "{'#n': 'name', '#s': 'size'}";
static const char VALUES[] =
    "{':5': {'N': '5'}, ':7': {'N': '7.0'}, ':0': {'N': '0'}, ':1': {'N': '1'}, ':3': {'N': '3'}, "
    "':h': {'S': 'he'}, ':hello': {'S': 'hello'}, ':x': {'S': 'x'}, ':two': {'S': 'two'}, ':t': "
    "{'BOOL': true}, ':yx': {'SS': ['y', 'x']}, ':N': {'S': 'N'}, ':bad': {'S': 'Q'}, ':l': {'L': "
    "[{'S': 'new'}]}, ':z': {'NULL': true}, ':b': {'B': 'AQ=='}, ':q': {'S': 'q'}, ':map': {'M': "
    "{}}}";

struct fixture {
    struct arena *arena;
    struct value_failure failure;
    struct expression_scope scope;
    struct dynamodb_AttributeMap item;
};

static void set_up(struct fixture *fixture, const char *names, const char *values)
{
    *fixture = (struct fixture){.arena = arena_new(0)};
    struct str_map name_map = {0};
    struct dynamodb_ExpressionAttributeValueMap value_map = {0};
    if (names != NULL)
        dynamodb_read(fixture->arena, DYNAMODB_SHAPE_ExpressionAttributeNameMap, names, &name_map);
    if (values != NULL)
        dynamodb_read(fixture->arena, DYNAMODB_SHAPE_ExpressionAttributeValueMap, values,
                      &value_map);
    assert_int_equal(expression_scope_init(&fixture->scope, fixture->arena, name_map, value_map,
                                           &fixture->failure),
                     RESULT_OK);
    fixture->item = dynamodb_item(fixture->arena, ITEM);
}

static const struct {
    const char *text;
    bool holds;
} judged[] = {
    {"attribute_not_exists(pk)", false},
    {"attribute_not_exists(nope)", true},
    {"attribute_exists(doc.a)", true},
    {"attribute_exists(doc.nope)", false},
    {"attribute_exists(l[2].deep)", true},
    {"attribute_exists(l[3])", false},
    {"attribute_exists(n.x)", false},
    {"n = :5", true},
    {"m = :7", true},
    {"n = m", false},
    {":5 = n", true},
    {"n <> :5", false},
    {"nope <> :5", true},
    {"nope = :5", false},
    {"nope < :5", false},
    {"s <> :5", true},
    {"n < m", true},
    {"n <= :5", true},
    {"n > :5", false},
    {"n >= :5", true},
    {"s < :5", false},
    {"n BETWEEN :5 AND :7", true},
    {"n between :0 and :1", false},
    {"n IN (:0, :1, :5)", true},
    {"n in (:0)", false},
    {"NOT n = :5", false},
    {"not nope = :5", true},
    {"n = :0 OR n = :5 AND s = :hello", true},
    {"(n = :0 OR n = :5) AND s = :h", false},
    {"n = :5 OR n = :0 AND s = :h", true},
    {"NOT n = :5 OR s = :hello", true},
    {"NOT (n = :5 OR s = :hello)", false},
    {"begins_with(s, :h)", true},
    {"begins_with(b, :b)", true},
    {"begins_with(n, :h)", false},
    {"contains(s, :h)", true},
    {"contains(ss, :x)", true},
    {"contains(ns, :1)", true},
    {"contains(ns, :5)", false},
    {"contains(l, :two)", true},
    {"contains(l, :5)", false},
    {"attribute_type(n, :N)", true},
    {"attribute_type(s, :N)", false},
    {"attribute_type(nope, :N)", false},
    {"size(s) = :5", true},
    {"size(ss) < :3", true},
    {"size(l) = size(b)", true},
    {"size(doc) = :1", false},
    {"size(n) = :1", false},
    {"size(blank) = :0", true},
    {"ss = :yx", true},
    {"t = :t", true},
    {"z = :z", true},
    {"doc.#n = :q", true},
    {"l[2].deep = :3", true},
    {"l[0] = :1 AND l[1] = :two", true},
    {"(n) = (:5)", true},
    {"n IN (:0, m, size(s))", true},
    {"attribute_exists(#s)", false},
};

static void test_holds(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(judged) / sizeof(judged[0]); i++) {
        struct fixture f;
        set_up(&f, NAMES, VALUES);
        const struct condition *condition;
        if (condition_parse(&f.scope, EXPRESSION_CONDITION, str_from_c(judged[i].text),
                            &condition) != RESULT_OK)
            fail_msg("%s: %.*s", judged[i].text, PRSTR(f.failure.message));
        if (condition_holds(f.arena, condition, &f.item) != judged[i].holds)
            fail_msg("%s", judged[i].text);
        (void)condition_holds(f.arena, condition, NULL);
        arena_free(f.arena);
    }
}

struct refusal {
    const char *text;
    const char *message;
};

static void expect_refusals(enum expression_kind kind, const struct refusal *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct fixture f;
        set_up(&f, NAMES, VALUES);
        const void *parsed = NULL;
        struct str text = str_from_c(cases[i].text);
        enum result result;
        if (kind == EXPRESSION_UPDATE)
            result = update_parse(&f.scope, text, (const struct update **)&parsed);
        else if (kind == EXPRESSION_PROJECTION)
            result = projection_parse(&f.scope, text, (const struct projection **)&parsed);
        else if (kind == EXPRESSION_KEY_CONDITION)
            result = key_condition_parse(&f.scope, text, (const struct condition **)&parsed);
        else
            result = condition_parse(&f.scope, kind, text, (const struct condition **)&parsed);
        if (result != RESULT_ERROR)
            fail_msg("%s was taken", cases[i].text);
        if (!str_eq(f.failure.message, str_from_c(cases[i].message)))
            fail_msg("%s: %.*s", cases[i].text, PRSTR(f.failure.message));
        arena_free(f.arena);
    }
}
#define EXPECT_REFUSALS(kind, cases)                                                               \
    expect_refusals((kind), (cases), sizeof(cases) / sizeof((cases)[0]))

#define C "Invalid ConditionExpression: "
static const struct refusal condition_refusals[] = {
    {"", C "The expression can not be empty;"},
    {"a", C "Syntax error; token: \"<EOF>\", near: \"a\""},
    {"a = ", C "Syntax error; token: \"<EOF>\", near: \"=\""},
    {"_id = :5", C "Syntax error; token: \"_\", near: \"_id\""},
    {"__typename <> :5", C "Syntax error; token: \"_\", near: \"__\""},
    {"a-1 = :5", C "Syntax error; token: \"-\", near: \"a-1\""},
    {"a = 2019", C "Syntax error; token: \"2019\", near: \"= 2019\""},
    {"a = :5 :7", C "Syntax error; token: \":7\", near: \":5 :7\""},
    {"a == :5", C "Syntax error; token: \"=\", near: \"== :5\""},
    {"(a = :5", C "Syntax error; token: \"<EOF>\", near: \":5\""},
    {"a = :5)", C "Syntax error; token: \")\", near: \":5)\""},
    {"(a)", C "Syntax error; token: \"<EOF>\", near: \")\""},
    {"AND a = :5", C "Syntax error; token: \"AND\", near: \"AND a\""},
    {"a AND b = :5", C "Syntax error; token: \"AND\", near: \"a AND b\""},
    {"a = : 5", C "Syntax error; token: \":\", near: \"= : 5\""},
    {"a = \xE2\x82\xAC", C "Syntax error; token: \"\xE2\x82\xAC\", near: \"= \xE2\x82\xAC\""},
    {"attribute_type()", C "Syntax error; token: \")\", near: \"()\""},
    {"a BETWEEN :1", C "Syntax error; token: \"<EOF>\", near: \":1\""},
    {"a[x] = :5", C "Syntax error; token: \"x\", near: \"[x]\""},
    {"name = :5", C "Attribute name is a reserved keyword; reserved keyword: name"},
    {"a.Status = :5", C "Attribute name is a reserved keyword; reserved keyword: Status"},
    {"#x = :5",
     C "An expression attribute name used in the document path is not defined; attribute name: "
       "#x"},
    {"a = :x9",
     C "An expression attribute value used in expression is not defined; attribute value: :x9"},
    {"((a = :5))", C "The expression has redundant parentheses;"},
    {"foo(a)", C "Invalid function name; function: foo"},
    {"Size(a) = :5", C "Invalid function name; function: Size"},
    {"if_not_exists(a, :5) = :5",
     C "The function is not allowed in a condition expression; function: if_not_exists"},
    {"size(a)",
     C "The function is not allowed to be used this way in an expression; function: size"},
    {"attribute_exists(a) = :t",
     C "The function is not allowed to be used this way in an expression; function: "
       "attribute_exists"},
    {"begins_with(a, :h, :x)",
     C "Incorrect number of operands for operator or function; operator or function: "
       "begins_with, number of operands: 3"},
    {"attribute_exists(:5)",
     C "Operator or function requires a document path; operator or function: attribute_exists"},
    {"a = a",
     C "The first operand must be distinct from the remaining operands for this operator or "
       "function; operator: =, first operand: [a]"},
    {"a.b[0] < a.b[0]",
     C "The first operand must be distinct from the remaining operands for this operator or "
       "function; operator: <, first operand: [a, b, [0]]"},
    {"begins_with(a, :5)",
     C "Incorrect operand type for operator or function; operator or function: begins_with, "
       "operand type: N"},
    {"a < :t",
     C "Incorrect operand type for operator or function; operator: <, operand type: BOOL"},
    {"size(size(a)) = :5",
     C "Incorrect operand type for operator or function; operator or function: size, operand "
       "type: N"},
    {"size(:5) = :5",
     C "Incorrect operand type for operator or function; operator or function: size, operand "
       "type: N"},
    {"attribute_type(a, :bad)", C "Invalid attribute type name found; type: Q, valid types: "
                                  "{B,NULL,SS,BOOL,L,BS,N,NS,S,M}"},
    {"a BETWEEN :5 AND :1",
     C "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; "
       "lower bound operand: AttributeValue: {N:5}, upper bound operand: AttributeValue: "
       "{N:1}"},
    {"a BETWEEN :5 AND :h",
     C "The BETWEEN operator requires same data type for lower and upper bounds; lower bound "
       "operand: AttributeValue: {N:5}, upper bound operand: AttributeValue: {S:he}"},
    /* Of several, the first in AWS's order. */
    {"name = :x9 AND foo(a)", C "Invalid function name; function: foo"},
    {"name = :x9 )", C "Syntax error; token: \")\", near: \":x9 )\""},
};
#undef C

static void test_condition_refused(void **state)
{
    (void)state;
    EXPECT_REFUSALS(EXPRESSION_CONDITION, condition_refusals);
}

static void test_limits(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, NULL, VALUES);
    struct buf text;
    buf_init(&text, f.arena, 1 << 16);
    const struct condition *condition;
    for (int i = 0; i < 150; i++)
        buf_append_format(&text, "%sa=:5", i > 0 ? " OR " : "");
    assert_int_equal(condition_parse(&f.scope, EXPRESSION_FILTER, buf_str(&text), &condition),
                     RESULT_OK);
    buf_append_c(&text, " OR a=:5");
    assert_int_equal(condition_parse(&f.scope, EXPRESSION_FILTER, buf_str(&text), &condition),
                     RESULT_ERROR);
    assert_true(str_eq(f.failure.message,
                       STR("Invalid FilterExpression: The expression contains too many operators; "
                           "operator count: 301")));
    buf_clear(&text);
    for (int i = 0; i < 4097; i++)
        buf_append_char(&text, '(');
    assert_int_equal(condition_parse(&f.scope, EXPRESSION_FILTER, buf_str(&text), &condition),
                     RESULT_ERROR);
    assert_true(str_eq(f.failure.message,
                       STR("Invalid FilterExpression: Expression size has exceeded the maximum "
                           "allowed size;")));
    text.len = 4096;
    assert_int_equal(condition_parse(&f.scope, EXPRESSION_FILTER, buf_str(&text), &condition),
                     RESULT_ERROR);
    buf_clear(&text);
    for (int i = 0; i < 1000; i++)
        buf_append_c(&text, "NOT ");
    assert_int_equal(condition_parse(&f.scope, EXPRESSION_FILTER, buf_str(&text), &condition),
                     RESULT_ERROR);
    arena_free(f.arena);
}

static void test_scope(void **state)
{
    (void)state;
    static const struct {
        const char *names, *values, *message;
    } cases[] = {
        {"{'#a-b': 'x'}", NULL,
         "ExpressionAttributeNames contains invalid key: Syntax error; key: \"#a-b\""},
        {"{'a': 'x'}", NULL,
         "ExpressionAttributeNames contains invalid key: Syntax error; key: \"a\""},
        {"{}", NULL, "ExpressionAttributeNames must not be empty"},
        {NULL, "{}", "ExpressionAttributeValues must not be empty"},
        {NULL, "{'v': {'N': '1'}}",
         "ExpressionAttributeValues contains invalid key: Syntax error; key: \"v\""},
        {NULL, "{':v': {}}",
         "ExpressionAttributeValues contains invalid value: Supplied AttributeValue is empty, must "
         "contain exactly one of the supported datatypes for key :v"},
        {NULL, "{':v': {'N': 'x'}}",
         "ExpressionAttributeValues contains invalid value: The parameter cannot be converted to a "
         "numeric value: x for key :v"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena *arena = arena_new(0);
        struct str_map names = {0};
        struct dynamodb_ExpressionAttributeValueMap values = {0};
        if (cases[i].names != NULL)
            dynamodb_read(arena, DYNAMODB_SHAPE_ExpressionAttributeNameMap, cases[i].names, &names);
        if (cases[i].values != NULL)
            dynamodb_read(arena, DYNAMODB_SHAPE_ExpressionAttributeValueMap, cases[i].values,
                          &values);
        struct expression_scope scope;
        struct value_failure failure = {0};
        assert_int_equal(expression_scope_init(&scope, arena, names, values, &failure),
                         RESULT_ERROR);
        if (!str_eq(failure.message, str_from_c(cases[i].message)))
            fail_msg("%.*s", PRSTR(failure.message));
        arena_free(arena);
    }
}

static void expect_unused(const char *names, const char *values, const char *text,
                          const char *message)
{
    struct fixture f;
    set_up(&f, names, values);
    const struct condition *condition;
    assert_int_equal(condition_parse(&f.scope, EXPRESSION_CONDITION, str_from_c(text), &condition),
                     RESULT_OK);
    enum result result = expression_scope_finish(&f.scope);
    assert_int_equal(result, message == NULL ? RESULT_OK : RESULT_ERROR);
    if (message != NULL)
        assert_true(str_eq(f.failure.message, str_from_c(message)));
    arena_free(f.arena);
}

static void test_unused(void **state)
{
    (void)state;
    expect_unused("{'#a': 'a'}", "{':v': {'N': '1'}}", "#a = :v", NULL);
    expect_unused("{'#a': 'a', '#b': 'b', '#c': 'c'}", "{':v': {'N': '1'}}", "#b = :v",
                  "Value provided in ExpressionAttributeNames unused in expressions: keys: {#a, "
                  "#c}");
    expect_unused("{'#a': 'a'}", "{':v': {'N': '1'}, ':w': {'N': '1'}}", "#a = :v",
                  "Value provided in ExpressionAttributeValues unused in expressions: keys: {:w}");
}

static void expect_parameters(bool update, bool condition, bool expected, bool names, bool values,
                              const char *message)
{
    struct arena *arena = arena_new(0);
    struct str_map name_map = {.items = names ? ARENA_NEW(arena, struct str_map_entry) : NULL};
    struct dynamodb_ExpressionAttributeValueMap value_map = {
        .items = values ? arena_alloc(arena, 256) : NULL};
    const struct expression_parameter parameters[] = {
        {"Expected", expected, false, false},
        {"UpdateExpression", update, true, true},
        {"ConditionExpression", condition, true, true},
    };
    struct value_failure failure = {0};
    enum result result =
        expression_check_parameters(arena, parameters, 3, name_map, value_map, &failure);
    assert_int_equal(result, message == NULL ? RESULT_OK : RESULT_ERROR);
    if (message != NULL && !str_eq(failure.message, str_from_c(message)))
        fail_msg("%.*s", PRSTR(failure.message));
    arena_free(arena);
}

static void test_parameters(void **state)
{
    (void)state;
    expect_parameters(true, true, false, true, true, NULL);
    expect_parameters(false, false, true, false, false, NULL);
    expect_parameters(true, false, true, false, false,
                      "Can not use both expression and non-expression parameters in the same "
                      "request: Non-expression parameters: {Expected} Expression parameters: "
                      "{UpdateExpression}");
    expect_parameters(false, false, true, true, false,
                      "ExpressionAttributeNames can only be specified when using expressions");
    expect_parameters(false, false, false, false, true,
                      "ExpressionAttributeValues can only be specified when using expressions: "
                      "UpdateExpression and ConditionExpression are null");
}

static void test_projection(void **state)
{
    (void)state;
    static const struct {
        const char *text, *result;
    } cases[] = {
        {"n", "{'n':{'N':'5'}}"},
        {"n, nope , s", "{'n':{'N':'5'},'s':{'S':'hello'}}"},
        {"doc.#n", "{'doc':{'M':{'name':{'S':'q'}}}}"},
        {"doc.nope", "{}"},
        {"l[1], l[0]", "{'l':{'L':[{'N':'1'},{'S':'two'}]}}"},
        {"l[2].deep, l[0]", "{'l':{'L':[{'N':'1'},{'M':{'deep':{'N':'3'}}}]}}"},
        {"l[7]", "{}"},
        {"doc.a, doc.#n, pk", "{'doc':{'M':{'a':{'N':'1'},'name':{'S':'q'}}},'pk':{'S':'key'}}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture f;
        set_up(&f, NAMES, NULL);
        const struct projection *projection;
        assert_int_equal(projection_parse(&f.scope, str_from_c(cases[i].text), &projection),
                         RESULT_OK);
        struct dynamodb_AttributeMap out = projection_apply(f.arena, projection, &f.item);
        if (!str_eq(dynamodb_text(f.arena, &out), str_from_c(cases[i].result)))
            fail_msg("%s: %.*s", cases[i].text, PRSTR(dynamodb_text(f.arena, &out)));
        arena_free(f.arena);
    }
#define P "Invalid ProjectionExpression: "
    static const struct refusal refused[] = {
        {"a,", P "Syntax error; token: \"<EOF>\", near: \",\""},
        {"a b", P "Syntax error; token: \"b\", near: \"a b\""},
        {"l[a]", P "Syntax error; token: \"a\", near: \"[a]\""},
        {"a, a",
         P "Two document paths overlap with each other; must remove or rewrite one of these paths; "
           "path one: [a], path two: [a]"},
        {"a.b[0], a",
         P "Two document paths overlap with each other; must remove or rewrite one of these paths; "
           "path one: [a, b, [0]], path two: [a]"},
        {"a.b, a[0]",
         P "Two document paths conflict with each other; must remove or rewrite one of these "
           "paths; path one: [a, b], path two: [a, [0]]"},
        {"comment", P "Attribute name is a reserved keyword; reserved keyword: comment"},
    };
    EXPECT_REFUSALS(EXPRESSION_PROJECTION, refused);
#undef P
}

static const struct key_schema SCHEMA = {.partition = {{STR_INIT("pk"), VALUE_S}},
                                         .partition_len = 1,
                                         .sort = {{STR_INIT("sk"), VALUE_N}},
                                         .sort_len = 1};

static enum result resolve(struct fixture *f, const char *text, struct key_condition *key)
{
    const struct condition *condition;
    set_up(f, NULL, VALUES);
    if (key_condition_parse(&f->scope, str_from_c(text), &condition) != RESULT_OK)
        fail_msg("%s: %.*s", text, PRSTR(f->failure.message));
    return key_condition_resolve(f->arena, condition, &SCHEMA, key, &f->failure);
}

static void test_key_condition(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum key_operator relation;
        const char *sort, *high;
    } cases[] = {
        {"pk = :x", KEY_ANY, NULL, NULL},
        {"pk = :x AND sk = :5", KEY_EQ, "5", NULL},
        {"sk < :5 AND :x = pk", KEY_LT, "5", NULL},
        {"pk = :x AND :5 <= sk", KEY_GE, "5", NULL},
        {"(pk = :x) AND (sk > :5)", KEY_GT, "5", NULL},
        {"pk = :x AND sk BETWEEN :1 AND :7", KEY_BETWEEN, "1", "7"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture f;
        struct key_condition key;
        if (resolve(&f, cases[i].text, &key) != RESULT_OK)
            fail_msg("%s: %.*s", cases[i].text, PRSTR(f.failure.message));
        assert_true(str_eq(key.partition[0]->S, STR("x")));
        assert_int_equal(key.relation, cases[i].relation);
        if (cases[i].sort != NULL)
            assert_true(str_eq(key.sort->N, str_from_c(cases[i].sort)));
        if (cases[i].high != NULL)
            assert_true(str_eq(key.sort_high->N, str_from_c(cases[i].high)));
        arena_free(f.arena);
    }
    static const struct refusal unresolved[] = {
        {"sk = :5", "Query condition missed key schema element: pk"},
        {"pk = :x AND another = :5", "Query condition missed key schema element: sk"},
        {"pk > :x", "Query key condition not supported"},
        {"pk = :x AND b = :5 AND c = :7", "Conditions can be of length 1 or 2 only"},
        {"pk = :5",
         "One or more parameter values were invalid: Condition parameter type does not match "
         "schema type"},
        {"pk = :x AND begins_with(sk, :h)",
         "One or more parameter values were invalid: Condition parameter type does not match "
         "schema type"},
    };
    for (size_t i = 0; i < sizeof(unresolved) / sizeof(unresolved[0]); i++) {
        struct fixture f;
        struct key_condition key;
        assert_int_equal(resolve(&f, unresolved[i].text, &key), RESULT_ERROR);
        if (!str_eq(f.failure.message, str_from_c(unresolved[i].message)))
            fail_msg("%s: %.*s", unresolved[i].text, PRSTR(f.failure.message));
        arena_free(f.arena);
    }
}

static void test_key_condition_refused(void **state)
{
    (void)state;
#define K "Invalid condition in KeyConditionExpression: "
    static const struct refusal refused[] = {
        {"pk = :x OR sk = :5", "Invalid operator used in KeyConditionExpression: OR"},
        {"pk = :x AND sk IN (:5)", "Invalid operator used in KeyConditionExpression: IN"},
        {"pk <> :x", "Invalid operator used in KeyConditionExpression: <>"},
        {"NOT pk = :x", "Invalid operator used in KeyConditionExpression: NOT"},
        {"attribute_exists(pk)", "Invalid operator used in KeyConditionExpression: "
                                 "attribute_exists"},
        {"size(pk) = :5", "Invalid operator used in KeyConditionExpression: size"},
        {"pk = :x AND pk = :h", "KeyConditionExpressions must only contain one condition per key"},
        {"pk.a = :x", "KeyConditionExpressions cannot have conditions on nested attributes"},
        {":x = :5", K "No key attribute specified"},
        {"pk = sk", K "Multiple attribute names used in one condition"},
        {"begins_with(:x, pk)",
         K "begins_with operator must have the key attribute as its first operand"},
        {"pk = ", "Invalid KeyConditionExpression: Syntax error; token: \"<EOF>\", near: \"=\""},
    };
    EXPECT_REFUSALS(EXPRESSION_KEY_CONDITION, refused);
#undef K
}

static void test_filter_keys(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, NULL, VALUES);
    const struct condition *filter;
    struct str keys[] = {STR_INIT("pk"), STR_INIT("sk")};
    struct str_list list = {.items = keys, .len = 2};
    assert_int_equal(
        condition_parse(&f.scope, EXPRESSION_FILTER, STR("a = :5 AND size(b) > :1"), &filter),
        RESULT_OK);
    assert_int_equal(filter_check_keys(f.arena, filter, "Filter Expression", list, &f.failure),
                     RESULT_OK);
    struct str_list names = condition_attributes(f.arena, filter);
    assert_int_equal(names.len, 2);
    assert_int_equal(
        condition_parse(&f.scope, EXPRESSION_FILTER, STR("a = :5 AND size(sk) > :1"), &filter),
        RESULT_OK);
    assert_int_equal(filter_check_keys(f.arena, filter, "Filter Expression", list, &f.failure),
                     RESULT_ERROR);
    assert_true(str_eq(f.failure.message,
                       STR("Filter Expression can only contain non-primary key attributes: Primary "
                           "key attribute: sk")));
    arena_free(f.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_holds),
        cmocka_unit_test(test_condition_refused),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_scope),
        cmocka_unit_test(test_unused),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_projection),
        cmocka_unit_test(test_key_condition),
        cmocka_unit_test(test_key_condition_refused),
        cmocka_unit_test(test_filter_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
