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
    p = take("DELETE FROM tab WHERE pk = 'k' OR sk = 5 RETURNING ALL OLD *");
    assert_int_equal(p.statement.returning, PARTIQL_RETURN_ALL_OLD);
    partiql_split(p.arena, p.statement.where, &schema, &keys, &rest);
    assert_null(keys);
    assert_ptr_equal(rest, p.statement.where);
    arena_free(p.arena);
}

static void test_refused(void **state)
{
    (void)state;
#define M "Statement wasn't well formed, can't be processed: "
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", M "Unexpected end of statement"},
        {"DROP TABLE tab", M "Expected data manipulation"},
        {"SELECT FROM tab", M "Unexpected keyword"},
        {"SELECT * FROM 'tab'", M "Expected identifier for simple path"},
        {"SELECT * FROM tab WHERE", M "Unexpected end of statement"},
        {"SELECT * FROM tab WHERE a = 'x", M "Expected identifier for simple path"},
        {"SELECT * FROM tab WHERE a", M "Unexpected end of statement"},
        {"SELECT * FROM tab WHERE a = 1 b", M "Unexpected term"},
        {"SELECT a, a FROM tab", M "Two document paths overlap with each other"},
        {"INSERT INTO tab VALUE 5", M "Unexpected end of statement"},
        {"INSERT INTO tab VALUE {\"a\": 1}", M "Unexpected key"},
        {"INSERT INTO tab VALUE {'a': 1, 'b': 2, 'a': 3}", M "Duplicate key"},
        {"INSERT INTO tab VALUE {'a': {'b': 1, 'b': 1}}", M "Duplicate key"},
        {"INSERT INTO tab VALUE {'a': <<1, 'x'>>}", M "Unexpected member of a set"},
        {"UPDATE tab SET a = set_add(b, <<1>>) WHERE pk = 1",
         M "A set function must change the attribute it is assigned to"},
        {"DELETE FROM tab WHERE a = 1 RETURNING ALL NEW *", M "Unexpected end of statement"},
        {"SELECT * FROM tab WHERE a = ? AND b = ?",
         "Number of parameters in request and statement don't match."},
        {"SELECT * FROM tab -- ?", "Number of parameters in request and statement don't match."},
        {"SELECT * FROM tab WHERE a = 1.2.3",
         "The parameter cannot be converted to a numeric value: 1.2.3"},
        {"SELECT * FROM tab WHERE a = <<1, 1.0>>",
         "One or more parameter values were invalid: Input collection contains duplicates"},
    };
#undef M
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct parsed p = parse(cases[i].text);
        if (p.result != RESULT_ERROR)
            fail_msg("%s was taken", cases[i].text);
        if (!str_eq(p.failure.message, str_from_c(cases[i].message)))
            fail_msg("%s: %.*s", cases[i].text, PRSTR(p.failure.message));
        arena_free(p.arena);
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
        cmocka_unit_test(test_deep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
