#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "service/dynamodb_text.h"
#include "services/dynamodb/partiql.h"

struct parsed {
    struct arena *arena;
    struct value_failure failure;
    struct partiql_statement statement;
    struct dynamodb_AttributeMap item;
    enum result result;
};

static struct parsed parse(const char *text)
{
    struct parsed parsed = {.arena = arena_new(0)};
    struct dynamodb_AttributeValue *values =
        ARENA_ARRAY(parsed.arena, 1, struct dynamodb_AttributeValue);
    struct dynamodb_PreparedStatementParameters parameters = {.items = values};
    values[0].N = STR("5.0");
    parameters.len = strchr(text, '?') != NULL;
    assert_int_equal(partiql_check_parameters(parsed.arena, parameters, &parsed.failure),
                     RESULT_OK);
    parsed.result = partiql_parse(parsed.arena, str_from_c(text), parameters, &parsed.statement,
                                  &parsed.failure);
    static const char item[] =
        "{'pk': {'S': 'k'}, 'sk': {'N': '5'}, 'a': {'N': '5'}, 's': {'S': 'he said'}, 'l': {'L': "
        "[{'N': '1'}]}, 'ss': {'SS': ['x', 'y']}, 'doc': {'M': {'b': {'N': '2'}}}, 'z': {'NULL': "
        "true}}";
    parsed.item = dynamodb_item(parsed.arena, item);
    return parsed;
}

static struct parsed take(const char *text)
{
    struct parsed parsed = parse(text);
    if (parsed.result != RESULT_OK)
        fail_msg("%s: %.*s", text, PRSTR(parsed.failure.message));
    return parsed;
}

static void test_where(void **state)
{
    (void)state;
    static const struct {
        const char *where;
        bool holds;
    } cases[] = {
        {"a = 5", true},
        {"a = ?", true},
        {"\"a\" = 5.0 AND s = 'he said'", true},
        {"a <> 5 OR a != 5", false},
        {"a > 4 AND a >= 5 AND a < 6 AND a <= 5", true},
        {"a BETWEEN 5 AND 6", true},
        {"a IN [1, 5]", true},
        {"a in (1, 2)", false},
        {"NOT (a = 5 OR a = 6)", false},
        {"a NOT IN [1, 5]", false},
        {"a NOT IN [1, 2] AND a NOT BETWEEN 6 AND 7", true},
        {"begins_with(s, 'he')", true},
        {"contains(\"ss\", 'x')", true},
        {"attribute_type(\"s\", 'S')", true},
        {"size(l) = 1", true},
        {"nope IS MISSING", true},
        {"a IS NOT MISSING", true},
        {"z IS NULL AND a IS NOT NULL", true},
        {"doc.b = 2 AND l[0] = 1 AND doc['b'] = 2", true},
        {"l = [1]", true},
        {"ss = <<'y', 'x'>>", true},
        {"doc = {'b': 2}", true},
        {"a = -5", false},
        {"a = .5e1 AND a = 50E-1 /* five */ AND 5.e+0 = a", true},
        {"attribute_exists(a) AND NOT ATTRIBUTE_EXISTS(nope)", true},
        {"attribute_not_exists(doc.c) = true AND attribute_exists(a) <> false", true},
        {"attribute_exists(a) = false OR attribute_not_exists(a) != false", false},
        {"s IS STRING AND a IS DOUBLE PRECISION AND a IS NOT BOOL AND ss IS BAG", true},
        {"l IS LIST AND doc IS STRUCT AND z IS NULL AND nope IS NOT INT", true},
        {"s = 'x''y'", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[256];
        (void)snprintf(text, sizeof(text), "SELECT * FROM \"tab\" WHERE %s", cases[i].where);
        struct parsed p = take(text);
        if (condition_holds(p.arena, p.statement.where, &p.item) != cases[i].holds)
            fail_msg("%s", text);
        arena_free(p.arena);
    }
}

static void test_select(void **state)
{
    (void)state;
    struct parsed p = take("select a, doc.b from \"my-table\".\"by-a\" -- all\n order by pk DESC, "
                           "sk ASC;");
    assert_int_equal(p.statement.kind, PARTIQL_SELECT);
    assert_true(str_eq(p.statement.table, STR("my-table")));
    assert_true(str_eq(p.statement.index, STR("by-a")));
    assert_null(p.statement.where);
    assert_int_equal(p.statement.order_len, 2);
    assert_true(p.statement.order[0].descending && !p.statement.order[1].descending);
    struct dynamodb_AttributeMap out = projection_apply(p.arena, p.statement.projection, &p.item);
    assert_true(
        str_eq(dynamodb_text(p.arena, &out), STR("{'a':{'N':'5'},'doc':{'M':{'b':{'N':'2'}}}}")));
    arena_free(p.arena);
    p = take("EXISTS(SELECT * FROM tab WHERE pk = 'k')");
    assert_int_equal(p.statement.kind, PARTIQL_EXISTS);
    arena_free(p.arena);
}

static void test_changes(void **state)
{
    (void)state;
    struct parsed p = take("INSERT INTO tab VALUE {'pk': 'x', 'n': 1.50, 'l': [TRUE, null, {}], "
                           "'s': <<1, 2>>, 'p': ?}");
    assert_int_equal(p.statement.kind, PARTIQL_INSERT);
    assert_true(str_eq(dynamodb_text(p.arena, &p.statement.item),
                       STR("{'pk':{'S':'x'},'n':{'N':'1.5'},'l':{'L':[{'BOOL':true},{'NULL':true},{"
                           "'M':{}}]},'s':{'NS':['1','2']},'p':{'N':'5'}}")));
    arena_free(p.arena);
    p = take("UPDATE tab SET a = a + 1 SET doc.b = 'x', l = list_append(l, [2]) SET ss = "
             "set_add(ss, <<'z'>>) REMOVE z WHERE pk = 'k' AND sk = 5 AND a < 9 RETURNING MODIFIED "
             "NEW *");
    assert_int_equal(p.statement.kind, PARTIQL_UPDATE);
    assert_int_equal(p.statement.returning, PARTIQL_RETURN_MODIFIED_NEW);
    struct dynamodb_AttributeMap out;
    assert_int_equal(update_apply(p.arena, p.statement.update, &p.item, &out, &p.failure),
                     RESULT_OK);
    assert_true(str_eq(dynamodb_text(p.arena, &out),
                       STR("{'pk':{'S':'k'},'sk':{'N':'5'},'a':{'N':'6'},'s':{'S':'he said'},'l':{"
                           "'L':[{'N':'1'},{'N':'2'}]},'ss':{'SS':['x','y','z']},'doc':{'M':{'b':{"
                           "'S':'x'}}}}")));
    static const struct key_schema schema = {.partition = {{STR_INIT("pk"), VALUE_S}},
                                             .partition_len = 1,
                                             .sort = {{STR_INIT("sk"), VALUE_N}},
                                             .sort_len = 1};
    const struct condition *keys;
    const struct condition *rest;
    struct key_condition key;
    partiql_split(p.arena, p.statement.where, &schema, &keys, &rest);
    assert_int_equal(key_condition_resolve(p.arena, keys, &schema, &key, &p.failure), RESULT_OK);
    assert_int_equal(key.relation, KEY_EQ);
    assert_int_equal(condition_attributes(p.arena, rest).len, 1);
    arena_free(p.arena);
    p = take("from tab where pk = 'k' set a = 6 remove b returning all new *");
    assert_int_equal(p.statement.kind, PARTIQL_UPDATE);
    assert_int_equal(p.statement.returning, PARTIQL_RETURN_ALL_NEW);
    arena_free(p.arena);
    p = take("DELETE FROM tab WHERE pk = 'k' OR sk = 5 RETURNING ALL OLD *");
    assert_int_equal(p.statement.returning, PARTIQL_RETURN_ALL_OLD);
    partiql_split(p.arena, p.statement.where, &schema, &keys, &rest);
    assert_null(keys);
    assert_ptr_equal(rest, p.statement.where);
    arena_free(p.arena);
}

#define M "Statement wasn't well formed, can't be processed: "
#define O "Number overflow. Attempting to store a number with magnitude larger than supported range"
#define T "Incorrect operand type for operator or function; operator or function: "
static const struct refusal {
    const char *text, *message;
} refused_reads[] = {
    {"", M "Expected data manipulation"},
    {"DROP TABLE tab", M "Expected data manipulation"},
    {"SELECT FROM tab", M "Unexpected keyword"},
    {"SELECT size(a) FROM tab", "Unexpected path component at 1:8:4"},
    {"SELECT * FROM", M "Unexpected term"},
    {"SELECT * FROM 'tab'", M "Expected identifier for simple path"},
    {"SELECT * FROM tab.i.j", "A path may contain at most 2 components in the FROM clause"},
    {"SELECT * FROM \"\"", "Path component cannot be an empty string"},
    {"SELECT * FROM tab.\"\"", "Path component cannot be an empty string"},
    {"SELECT * FROM tab t WHERE a = 1", "Aliasing is not supported"},
    {"UPDATE tab AS t SET a = 1 WHERE a = 1", "Aliasing is not supported"},
    {"SELECT * FROM tab t WHERE a = 1 b", M "Unexpected token after expression"},
    {"SELECT * FROM tab LIMIT 5", "Unsupported clause: LIMIT at 1:25:1"},
    {"SELECT * FROM tab WHERE", M "Unexpected term"},
    {"SELECT * FROM tab WHERE NOT", M "Unexpected term"},
    {"SELECT * FROM tab WHERE ORDER BY a", M "Unexpected keyword"},
    {"SELECT * FROM tab WHERE IS NULL", M "Unexpected operator"},
    {"SELECT * FROM tab WHERE a = LIKE", M "Unexpected operator"},
    {"SELECT * FROM tab WHERE a =", M "Missing right-hand side expression of infix operator"},
    {"SELECT * FROM tab WHERE a = 1 OR", M "Missing right-hand side expression of infix operator"},
    {"SELECT * FROM tab WHERE a = 'x", M},
    {"SELECT * FROM tab WHERE a = 1 # x", M},
    {"SELECT * FROM tab WHERE a = 1 /* x", M},
    {"SELECT * FROM tab WHERE a = 1e2147483648", M},
    {"SELECT * FROM tab WHERE a = 1.5e-2147483647", M},
    {"SELECT * FROM tab WHERE a = 1 b", M "Unexpected token after expression"},
    {"SELECT * FROM tab WHERE a = 1.2.3", M "Unexpected token after expression"},
    {"SELECT * FROM tab ORDER BY a WHERE a = 1", M "Unexpected token after expression"},
    {"SELECT * FROM tab WHERE a IS FOO", M "Expected type name"},
    {"SELECT * FROM tab WHERE a.'b' = 1", M "Invalid path dot component"},
    {"SELECT a, a FROM tab", M "Two document paths overlap with each other"},
    {"SELECT * FROM tab\n WHERE EXISTS(a)", "Unrecognized function: exists at 2:8:6"},
    {"SELECT * FROM tab WHERE attribute_exists('a')",
     "Operator or function requires a document path; operator or function: attribute_exists"},
    {"SELECT * FROM tab WHERE begins_with(a)",
     "Incorrect number of operands for operator or function; operator or function: "
     "begins_with, number of operands: 1"},
    {"SELECT * FROM tab WHERE begins_with(a, 1)", T "begins_with, operand type: N"},
    {"SELECT * FROM tab WHERE TRUE <= a", T "<=, operand type: BOOL"},
    {"SELECT * FROM tab WHERE a BETWEEN 1 AND [1]", T "BETWEEN, operand type: L"},
};
static const struct refusal refused_writes[] = {
    {"INSERT INTO tab VALUE 5", M "Expected a map of attributes"},
    {"INSERT INTO tab t VALUE {'a': 1}", M "Unexpected token after expression"},
    {"INSERT INTO tab VALUE {\"a\": 1}", M "Unexpected key"},
    {"INSERT INTO tab VALUE {'a': 1, 'b': 2, 'a': 3}", M "Duplicate key"},
    {"INSERT INTO tab VALUE {'a': {'b': 1, 'b': 1}}", M "Duplicate key"},
    {"INSERT INTO tab VALUE {'a': <<1, 'x'>>}", M "Unexpected member of a set"},
    {"INSERT INTO tab VALUE {'a': <<>>}", "Empty bags are not supported"},
    {"INSERT INTO tab VALUE {'a': {'b': f(1)}}",
     "Unsupported data type: f under key root.b at 1:35:1"},
    {"INSERT INTO tab VALUE {'a': 1e126}", O " under root"},
    {"INSERT INTO tab VALUE {'a': {'b': [1, -1e126]}}", O " under root.b[1]"},
    {"UPDATE tab SET a = set_add(b, <<1>>) WHERE pk = 1",
     "The first argument to SET_ADD must equal the assignment value at 1:20:7"},
    {"UPDATE tab SET a = set_delete(a, [1]) WHERE pk = 1",
     "The second argument to SET_DELETE must be a value with type SET at 1:31:1"},
    {"UPDATE tab SET a = SET_ADD(a) WHERE pk = 1",
     "SET_ADD must have exactly two arguments at 1:20:7"},
    {"DELETE FROM WHERE a = 1", M "Expected identifier for simple path"},
    {"DELETE FROM tab WHERE a = 1 ORDER BY a", M "Unexpected token after expression"},
    {"DELETE FROM tab WHERE a = 1 RETURNING ALL NEW *",
     "Invalid returning clause: RETURNING ALL NEW *. Only RETURNING ALL OLD * is allowed in "
     "DELETE statements."},
    {"FROM tab SET a = 1 WHERE pk = 1", M "Unexpected token after expression"},
    {"SELECT * FROM tab WHERE a = ? AND b = ?",
     "Number of parameters in request and statement don't match."},
    {"SELECT * FROM tab -- ?", "Number of parameters in request and statement don't match."},
    {"SELECT * FROM tab WHERE a = <<1, 1.0>>", "Input collection contains duplicates"},
};
#undef M
#undef O
#undef T

static void expect_refused(const struct refusal *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct parsed p = parse(cases[i].text);
        if (p.result != RESULT_ERROR)
            fail_msg("%s was taken", cases[i].text);
        if (!str_eq(p.failure.message, str_from_c(cases[i].message)))
            fail_msg("%s: %.*s", cases[i].text, PRSTR(p.failure.message));
        arena_free(p.arena);
    }
}

static void test_refused(void **state)
{
    (void)state;
    expect_refused(refused_reads, sizeof(refused_reads) / sizeof(refused_reads[0]));
    expect_refused(refused_writes, sizeof(refused_writes) / sizeof(refused_writes[0]));
}

/* As Java's BigDecimal has numbers, and in the order in which they stand. */
static void test_parameters(void **state)
{
    (void)state;
#define N "The parameter cannot be converted to a numeric value"
#define U                                                                                          \
    "Number underflow. Attempting to store a number with magnitude smaller than supported range"
    static const struct {
        const char *value, *message;
    } cases[] = {
        {"{'N': '1e99999999999'}", N ": 1e99999999999"},
        {"{'L': [{'N': '1'}, {'M': {'a': {'NS': ['2', '-1e-2147483648']}}}]}",
         N ": -1e-2147483648"},
        {"{'N': '1e2147483647'}", U},
        {"{'N': '1e2147483646'}", "Number overflow. Attempting to store a number with magnitude "
                                  "larger than supported range"},
        {"{'N': '1.5e-2147483647'}", N ": 1.5e-2147483647"},
        {"{'N': '1e-131'}", U},
        {"{'N': ''}", N},
        {"{'M': {'a': {'N': 'x'}, 'b': {'N': '1e126'}}}", N ": x"},
    };
#undef N
#undef U
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena *arena = arena_new(0);
        struct dynamodb_AttributeValue value = dynamodb_value(arena, cases[i].value);
        struct value_failure failure = {0};
        assert_int_equal(
            partiql_check_parameters(
                arena, (struct dynamodb_PreparedStatementParameters){.items = &value, .len = 1},
                &failure),
            RESULT_ERROR);
        if (!str_eq(failure.message, str_from_c(cases[i].message)))
            fail_msg("%s: %.*s", cases[i].value, PRSTR(failure.message));
        arena_free(arena);
    }
}

/* Deep nesting ends in an error, not in a stack that overflows. */
static void test_deep(void **state)
{
    (void)state;
    static const char *const starts[] = {"SELECT * FROM t WHERE a = ", "SELECT * FROM t WHERE ",
                                         "SELECT * FROM t WHERE "};
    static const char *const repeated[] = {"[", "(", "NOT "};
    for (size_t i = 0; i < 3; i++) {
        struct arena *arena = arena_new(0);
        struct buf text;
        buf_init(&text, arena, 1 << 20);
        buf_append_c(&text, starts[i]);
        for (int k = 0; k < 100000; k++)
            buf_append_c(&text, repeated[i]);
        struct partiql_statement statement;
        struct value_failure failure = {0};
        assert_int_equal(partiql_parse(arena, buf_str(&text),
                                       (struct dynamodb_PreparedStatementParameters){0}, &statement,
                                       &failure),
                         RESULT_ERROR);
        assert_true(failure.message.len > 0);
        arena_free(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_where),   cmocka_unit_test(test_select),
        cmocka_unit_test(test_changes), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_deep),    cmocka_unit_test(test_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
