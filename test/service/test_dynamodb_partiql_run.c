/* PartiQL's statements, run: ExecuteStatement, BatchExecuteStatement, ExecuteTransaction. */
#include "service/dynamodb_support.h"

#include "base/rng.h"

/* In statements ` stands for PartiQL's '. */
static const char *quoted(struct loopback *lo, const char *text)
{
    struct buf out;
    buf_init(&out, lo->arena, 64 * 1024);
    for (const char *c = text; *c != 0; c++) {
        if (*c == '`')
            buf_append(&out, STR("\\u0027"));
        else if (*c == '"')
            buf_append(&out, STR("\\u0022"));
        else
            buf_append_char(&out, *c);
    }
    return str_to_c(lo->arena, buf_str(&out));
}
/* rest: further members, ",'Limit':1" */
static struct str run(struct loopback *lo, const char *statement, const char *rest)
{
    return DDB(lo, ExecuteStatement, "{'Statement':'%s'%s}", quoted(lo, statement), rest);
}
#define PQL(statement) run(lo, (statement), "")

static void fill(struct loopback *lo)
{
    ddb_table(lo);
    for (int p = 0; p < 3; p++)
        for (int n = 0; n < 4; n++)
            DDB(lo, PutItem,
                "{'TableName':'tab','Item':{'pk':{'S':'p%d'},'sk':{'N':'%d'},'v':{'N':'%d'},"
                "'g':{'S':'g%d'},'h':{'N':'%d'},'d':{'M':{'a':{'L':[{'N':'%d'}]}}}}}",
                p, n, 10 * p + n, n % 2, p, n);
}

static void test_insert(void **state)
{
    struct loopback *lo = *state;
    ddb_table(lo);
    assert_answer(PQL("INSERT INTO \"tab\" VALUE {`pk`: `x`, `sk`: 1, `s`: <<`a`>>}"),
                  "{'Items':[]}");
    assert_answer(PQL("INSERT INTO tab VALUE {`pk`: `x`, `sk`: 1}"),
                  "DuplicateItemException: Duplicate primary key exists in table");
    assert_answer(PQL("INSERT INTO tab VALUE {`pk`: `x`}"),
                  "ValidationException: One or more parameter values were invalid: Missing the key "
                  "sk in the item");
    assert_answer(PQL("INSERT INTO nope VALUE {`pk`: `x`}"),
                  "ResourceNotFoundException: Requested resource not found");
    assert_answer(run(lo, "INSERT INTO tab VALUE {`pk`: ?, `sk`: ?}",
                      ",'Parameters':[{'S':'y'},{'N':'2.0'}],'ReturnConsumedCapacity':'TOTAL'"),
                  "{'Items':[],'ConsumedCapacity':{'TableName':'tab','CapacityUnits':1}}");
    assert_answer(PQL("SELECT * FROM tab WHERE pk = `y`"),
                  "{'Items':[{'pk':{'S':'y'},'sk':{'N':'2'}}]}");
    assert_answer(PQL("DROP TABLE tab"),
                  "ValidationException: Statement wasn't well formed, can't be processed: Expected "
                  "data manipulation");
}

static void test_select(void **state)
{
    struct loopback *lo = *state;
    fill(lo);
    assert_answer(PQL("SELECT v FROM tab WHERE pk = `p1` AND sk >= 2"),
                  "{'Items':[{'v':{'N':'12'}},{'v':{'N':'13'}}]}");
    assert_answer(PQL("SELECT v FROM tab WHERE 2 > sk AND `p1` = pk ORDER BY sk DESC"),
                  "{'Items':[{'v':{'N':'11'}},{'v':{'N':'10'}}]}");
    assert_answer(PQL("SELECT v FROM tab WHERE pk = `p1` AND v IN [11, 12] AND NOT sk = 2"),
                  "{'Items':[{'v':{'N':'11'}}]}");
    assert_answer(PQL("SELECT v FROM tab WHERE pk IN [`p2`, `p0`] AND sk = 3"),
                  "{'Items':[{'v':{'N':'3'}},{'v':{'N':'23'}}]}");
    assert_answer(PQL("SELECT v FROM tab WHERE pk = `p2` AND sk = 0 OR pk = `p0` AND sk = 1"),
                  "{'Items':[{'v':{'N':'1'}},{'v':{'N':'20'}}]}");
    assert_answer(PQL("SELECT d.a, d.a[0] AS x FROM tab WHERE pk = `p0`"),
                  "ValidationException: Statement wasn't well formed, can't be processed: "
                  "Two document paths overlap with each other");
    assert_answer(PQL("SELECT sk, d.a FROM tab WHERE pk = `p0` AND sk = 3"),
                  "{'Items':[{'sk':{'N':'3'},'a':{'L':[{'N':'3'}]}}]}");
    assert_answer(PQL("SELECT sk, d.a[0] FROM tab WHERE pk = `p0` AND sk = 3"),
                  "{'Items':[{'sk':{'N':'3'},'a[0]':{'N':'3'}}]}");
    assert_answer(PQL("SELECT v FROM tab WHERE v > 21"),
                  "{'Items':[{'v':{'N':'22'}},{'v':{'N':'23'}}]}");
    assert_answer(PQL("SELECT pk FROM \"tab\".\"global\" WHERE g = `g1` AND h = 1"),
                  "{'Items':[{'pk':{'S':'p1'}},{'pk':{'S':'p1'}}]}");
    assert_answer(PQL("SELECT pk FROM \"tab\".\"x\" WHERE g = `g1`"),
                  "ValidationException: The table does not have the specified index: x");
    assert_answer(run(lo, "SELECT pk FROM tab.global WHERE g = `g1`", ",'ConsistentRead':true"),
                  "ValidationException: Consistent reads are not supported on global secondary "
                  "indexes");
    assert_holds(run(lo, "SELECT pk FROM tab WHERE pk = `p1`",
                     ",'ConsistentRead':true,'ReturnConsumedCapacity':'TOTAL'"),
                 "'CapacityUnits':1");
    assert_answer(PQL("EXISTS(SELECT * FROM tab WHERE pk = `p1` AND sk = 1)"),
                  "ValidationException: EXISTS is only supported within transactions");
}

static void test_order(void **state)
{
    struct loopback *lo = *state;
    fill(lo);
    assert_answer(
        PQL("SELECT * FROM tab ORDER BY pk"),
        "ValidationException: Must have WHERE clause in the statement when using ORDER BY "
        "clause.");
    assert_answer(PQL("SELECT * FROM tab WHERE v = 1 ORDER BY pk"),
                  "ValidationException: Must have at least one non-optional hash key condition in "
                  "WHERE clause when using ORDER BY clause.");
    assert_answer(PQL("SELECT * FROM tab WHERE pk = `p1` ORDER BY v"),
                  "ValidationException: Attribute v in ORDER BY clause must be part of the "
                  "primary key");
    assert_answer(
        PQL("SELECT v FROM tab WHERE pk IN [`p0`, `p2`] AND sk < 2 ORDER BY pk DESC, sk ASC"),
        "{'Items':[{'v':{'N':'20'}},{'v':{'N':'21'}},{'v':{'N':'0'}},{'v':{'N':'1'}}]}");
    assert_answer(PQL("SELECT v FROM tab WHERE pk IN [`p0`, `p2`] AND sk < 2 ORDER BY sk"),
                  "{'Items':[{'v':{'N':'0'}},{'v':{'N':'20'}},{'v':{'N':'1'}},{'v':{'N':'21'}}]}");
    assert_answer(PQL("SELECT v FROM tab WHERE pk IN [`p0`, `p2`] AND sk < 2 ORDER BY sk DESC"),
                  "{'Items':[{'v':{'N':'1'}},{'v':{'N':'21'}},{'v':{'N':'0'}},{'v':{'N':'20'}}]}");
}

/* Whatever the plan, pages of any size yield what one page does. */
static void test_paging(void **state)
{
    static const char *const statements[] = {
        "SELECT v FROM tab",
        "SELECT v FROM tab WHERE pk = `p1`",
        "SELECT v FROM tab WHERE pk = `p1` ORDER BY sk DESC",
        "SELECT v FROM tab WHERE pk IN [`p0`, `p1`, `p2`]",
        "SELECT v FROM tab WHERE pk IN [`p0`, `p1`, `p2`] ORDER BY pk DESC",
        "SELECT v FROM tab WHERE pk IN [`p0`, `p1`, `p2`] ORDER BY pk DESC, sk ASC",
        "SELECT v FROM tab WHERE pk IN [`p0`, `p1`, `p2`] ORDER BY sk",
        "SELECT v FROM tab WHERE pk IN [`p0`, `p1`, `p2`] ORDER BY sk DESC",
        "SELECT v FROM tab.global WHERE g IN [`g0`, `g1`] ORDER BY h DESC",
        "SELECT v FROM tab.global WHERE g IN [`g0`, `g1`] ORDER BY h",
    };
    struct loopback *lo = *state;
    fill(lo);
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
        struct str whole = PQL(statements[i]);
        for (int limit = 1; limit < 14; limit++) {
            struct buf pages;
            struct str token = {0};
            buf_init(&pages, lo->arena, 1 << 20);
            int turns = 0;
            do {
                struct str rest = str_format(lo->arena, ",'Limit':%d", limit);
                if (!str_is_absent(token))
                    rest =
                        str_format(lo->arena, "%.*s,'NextToken':'%.*s'", PRSTR(rest), PRSTR(token));
                struct str page = run(lo, statements[i], str_to_c(lo->arena, rest));
                size_t from = str_find(page, STR("'Items':[")), to = str_find(page, STR("]"));
                assert_true(from != SIZE_MAX && to != SIZE_MAX);
                struct str items = str_slice(page, from + 9, to);
                if (pages.len > 0 && items.len > 0)
                    buf_append_char(&pages, ',');
                buf_append(&pages, items);
                size_t at = str_find(page, STR("'NextToken':'"));
                token = (struct str){0};
                if (at != SIZE_MAX) {
                    struct str tail = str_slice(page, at + 13, page.len);
                    token = str_slice(tail, 0, str_find_char(tail, '\''));
                }
                assert_true(++turns < 20);
            } while (!str_is_absent(token));
            struct str together = str_format(lo->arena, "{'Items':[%.*s]}", PRSTR(buf_str(&pages)));
            if (!str_eq(together, whole))
                fail_msg("%s, %d a page:\n%.*s\n%.*s", statements[i], limit, PRSTR(together),
                         PRSTR(whole));
        }
    }
    struct str page = run(lo, statements[1], ",'Limit':1");
    struct str tail = str_slice(page, str_find(page, STR("'NextToken':'")) + 13, page.len);
    struct str token = str_slice(tail, 0, str_find_char(tail, '\''));
    assert_answer(
        run(lo, statements[2],
            str_to_c(lo->arena, str_format(lo->arena, ",'NextToken':'%.*s'", PRSTR(token)))),
        "ValidationException: NextToken does not match request");
    assert_answer(run(lo, statements[2], ",'NextToken':'rubbish'"),
                  "ValidationException: NextToken does not match request");
}

static void test_update(void **state)
{
    struct loopback *lo = *state;
    fill(lo);
    assert_answer(PQL("UPDATE tab SET v = v + 5 SET n = `x` WHERE pk = `p1` AND sk = 1 "
                      "RETURNING MODIFIED NEW *"),
                  "{'Items':[{'v':{'N':'16'},'n':{'S':'x'}}]}");
    assert_answer(PQL("UPDATE tab REMOVE n WHERE pk = `p1` AND sk = 1 RETURNING MODIFIED OLD *"),
                  "{'Items':[{'n':{'S':'x'}}]}");
    assert_answer(PQL("UPDATE tab SET d.a = list_append(d.a, [7]) SET ss = <<1>> WHERE sk = 1 AND "
                      "pk = `p1` AND v = 16"),
                  "{'Items':[]}");
    assert_answer(PQL("UPDATE tab SET ss = set_add(ss, <<2>>) WHERE sk = 1 AND pk = `p1`"),
                  "{'Items':[]}");
    assert_answer(PQL("UPDATE tab SET ss = set_delete(ss, <<1>>) WHERE sk = 1 AND pk = `p1`"),
                  "{'Items':[]}");
    assert_answer(PQL("SELECT ss, d.a FROM tab WHERE pk = `p1` AND sk = 1"),
                  "{'Items':[{'ss':{'NS':['2']},'a':{'L':[{'N':'1'},{'N':'7'}]}}]}");
    assert_answer(PQL("UPDATE tab SET v = 1 WHERE pk = `p1` AND sk = 1 AND v = 0"),
                  "ConditionalCheckFailedException: The conditional request failed");
    assert_answer(PQL("UPDATE tab SET v = 1 WHERE pk = `none` AND sk = 1"),
                  "ConditionalCheckFailedException: The conditional request failed");
    assert_answer(PQL("UPDATE tab SET v = 1 WHERE pk = `p1`"),
                  "ValidationException: Where clause does not contain a mandatory equality on all "
                  "key attributes");
    assert_answer(PQL("UPDATE tab SET v = 1 WHERE pk = `p1` AND sk > 1"),
                  "ValidationException: Where clause does not contain a mandatory equality on all "
                  "key attributes");
    assert_answer(PQL("UPDATE tab SET sk = 1 WHERE pk = `p1` AND sk = 1"),
                  "ValidationException: One or more parameter values were invalid: Cannot update "
                  "attribute sk. This attribute is part of the key");
    assert_answer(PQL("DELETE FROM tab WHERE pk = `p1` AND sk = 1 AND v = 3"),
                  "ConditionalCheckFailedException: The conditional request failed");
    assert_holds(PQL("DELETE FROM tab WHERE pk = `p1` AND sk = 1 AND v = 16 RETURNING ALL OLD *"),
                 "'v':{'N':'16'}");
    assert_answer(PQL("DELETE FROM tab WHERE pk = `p1` AND sk = 1 AND v = 16"), "{'Items':[]}");
    assert_answer(PQL("SELECT v FROM tab WHERE pk = `p1` AND sk = 1"), "{'Items':[]}");
    /* Indexes have followed. */
    assert_answer(PQL("SELECT sk FROM tab.global WHERE g = `g1` AND h = 1"),
                  "{'Items':[{'sk':{'N':'3'}}]}");
}

static struct str batch(struct loopback *lo, const char *a, const char *b, const char *c)
{
    return DDB(lo, BatchExecuteStatement,
               "{'Statements':[{'Statement':'%s'},{'Statement':'%s'},{'Statement':'%s',"
               "'ReturnValuesOnConditionCheckFailure':'ALL_OLD'}]}",
               quoted(lo, a), quoted(lo, b), quoted(lo, c));
}

static void test_batch(void **state)
{
    struct loopback *lo = *state;
    fill(lo);
    assert_answer(
        batch(lo, "SELECT v FROM tab WHERE pk = `p0` AND sk = 1",
              "SELECT v FROM tab WHERE pk = `p0`", "SELECT v FROM gone WHERE pk = `p0`"),
        "{'Responses':[{'TableName':'tab','Item':{'v':{'N':'1'}}},{'Error':{'Code':"
        "'ValidationError','Message':'Select statements within BatchExecuteStatement must "
        "specify the primary key in the where clause.'},'TableName':'tab'},{'Error':{"
        "'Code':'ResourceNotFound','Message':'Requested resource not found'},'TableName':"
        "'gone'}]}");
    assert_answer(batch(lo, "INSERT INTO tab VALUE {`pk`: `new`, `sk`: 1}",
                        "INSERT INTO tab VALUE {`pk`: `p0`, `sk`: 1}",
                        "UPDATE tab SET v = 9 WHERE pk = `new` AND sk = 1 AND v = 3"),
                  "{'Responses':[{'TableName':'tab'},{'Error':{'Code':'DuplicateItem','Message':"
                  "'Duplicate primary key exists in table'},'TableName':'tab'},{'Error':{'Code':"
                  "'ConditionalCheckFailed','Message':'The conditional request failed','Item':{"
                  "'pk':{'S':'new'},'sk':{'N':'1'}}},'TableName':'tab'}]}");
    assert_holds(PQL("SELECT * FROM tab WHERE pk = `new`"), "'pk':{'S':'new'}");
    assert_answer(batch(lo, "SELECT v FROM tab WHERE pk = `p0` AND sk = 1",
                        "DELETE FROM tab WHERE pk = `p0` AND sk = 1", "EXPLODE"),
                  "ValidationException: BatchExecuteStatement API does not support both read and "
                  "write operations in the same request.");
    assert_holds(batch(lo, "EXPLODE", "DELETE FROM tab WHERE pk = `p0` AND sk = 1",
                       "DELETE FROM tab WHERE pk = `p0` AND sk = 1"),
                 "{'Responses':[{'Error':{'Code':'ValidationError','Message':'Statement wasn't "
                 "well formed, can't be processed: Expected data manipulation'}},{'TableName':"
                 "'tab'},{'TableName':'tab'}]}");
}

static struct str transaction(struct loopback *lo, const char *token, const char *a, const char *b)
{
    return DDB(lo, ExecuteTransaction,
               "{'TransactStatements':[{'Statement':'%s'},{'Statement':'%s'}]%s}", quoted(lo, a),
               quoted(lo, b), token);
}

static void test_transaction(void **state)
{
    struct loopback *lo = *state;
    fill(lo);
    assert_answer(transaction(lo, "", "SELECT v FROM tab WHERE pk = `p0` AND sk = 1",
                              "SELECT * FROM tab WHERE pk = `p0` AND sk = 2 AND v = 77"),
                  "{'Responses':[{'Item':{'v':{'N':'1'}}},{}]}");
    assert_answer(
        transaction(lo, "", "SELECT v FROM tab WHERE pk = `p0` AND sk = 1",
                    "DELETE FROM tab WHERE pk = `p0` AND sk = 2"),
        "ValidationException: ExecuteTransaction API does not support both read and write "
        "operations in the same request.");
    assert_answer(transaction(lo, "", "SELECT v FROM tab.global WHERE g = `g0` AND h = 1",
                              "SELECT v FROM tab WHERE pk = `p0` AND sk = 1"),
                  "ValidationException: Reads on indices are not supported within transactions.");
    assert_answer(transaction(lo, "", "UPDATE tab SET v = 50 WHERE pk = `p0` AND sk = 1",
                              "EXISTS(SELECT * FROM tab WHERE pk = `p0` AND sk = 2 AND v = 77)"),
                  "TransactionCanceledException: Transaction cancelled, please refer cancellation "
                  "reasons for specific reasons [None, ConditionalCheckFailed]");
    assert_answer(transaction(lo, "", "UPDATE tab SET v = 50 WHERE pk = `p0` AND sk = 1",
                              "INSERT INTO tab VALUE {`pk`: `p0`, `sk`: 2}"),
                  "TransactionCanceledException: Transaction cancelled, please refer cancellation "
                  "reasons for specific reasons [None, DuplicateItem]");
    assert_answer(transaction(lo, "", "UPDATE tab SET v = 50 WHERE pk = `p0`",
                              "INSERT INTO tab VALUE {`pk`: `q`, `sk`: 2}"),
                  "TransactionCanceledException: Transaction cancelled, please refer cancellation "
                  "reasons for specific reasons [ValidationError, None]");
    assert_answer(transaction(lo, "", "UPDATE tab SET v = 50 WHERE pk = `p0` AND sk = 1",
                              "DELETE FROM tab WHERE pk = `p0` AND sk = 1"),
                  "ValidationException: Transaction request cannot include multiple operations on "
                  "one item");
    assert_answer(PQL("SELECT v FROM tab WHERE pk = `p0` AND sk = 1"),
                  "{'Items':[{'v':{'N':'1'}}]}");
    for (int i = 0; i < 2; i++) /* the second time it is known */
        assert_answer(transaction(lo, ",'ClientRequestToken':'t1'",
                                  "UPDATE tab SET v = v + 50 WHERE pk = `p0` AND sk = 1",
                                  "EXISTS(SELECT * FROM tab WHERE pk = `p0` AND sk = 2 AND v = 2)"),
                      "{'Responses':[{},{}]}");
    assert_answer(PQL("SELECT v FROM tab WHERE pk = `p0` AND sk = 1"),
                  "{'Items':[{'v':{'N':'51'}}]}");
    assert_answer(transaction(lo, ",'ClientRequestToken':'t1'",
                              "UPDATE tab SET v = v + 51 WHERE pk = `p0` AND sk = 1",
                              "EXISTS(SELECT * FROM tab WHERE pk = `p0` AND sk = 2 AND v = 2)"),
                  "IdempotentParameterMismatchException: The provided ClientRequestToken has been "
                  "used with a different request");
    assert_answer(transaction(lo, "", "DELETE FROM tab WHERE pk = `none` AND sk = 1",
                              "DELETE FROM tab WHERE pk = `p0` AND sk = 2"),
                  "{'Responses':[{},{}]}");
}

/* --- whatever a WHERE clause says, the plan finds what a scan finds */

enum { SEED = 20201123, ROUNDS = 400 };

static void random_atom(struct buf *out)
{
    static const char *const operators[] = {"=", "<", "<=", ">", ">=", "<>"};
    int p = (int)rng_below(4), q = (int)rng_below(4), n = (int)rng_below(5);
    switch (rng_below(7)) {
    case 0:
    case 1:
        buf_append_format(out, "pk = `p%d`", p);
        break;
    case 2:
        buf_append_format(out, "pk IN [`p%d`, `p%d`]", p, q);
        break;
    case 3:
        buf_append_format(out, "sk %s %d", operators[rng_below(6)], n);
        break;
    case 4:
        buf_append_format(out, "%d %s sk", n, operators[rng_below(6)]);
        break;
    case 5:
        buf_append_format(out, "sk BETWEEN %d AND %d", n, (int)rng_below(5));
        break;
    default:
        buf_append_format(out, "v %s %d", operators[rng_below(6)], 10 * p + n);
    }
}

static void random_where(struct buf *out, int depth)
{
    uint64_t kind = depth == 0 ? 0 : rng_below(6);
    if (kind < 2) {
        random_atom(out);
        return;
    }
    buf_append_c(out, kind == 5 ? "NOT (" : "(");
    random_where(out, depth - 1);
    if (kind < 5) {
        buf_append_c(out, kind == 2 ? " OR " : " AND ");
        random_where(out, depth - 1);
    }
    buf_append_char(out, ')');
}

/* A bit for each v that is in the answer. */
static uint64_t found(struct loopback *lo, const char * not, struct str where)
{
    uint64_t bits = 0;
    struct str statement =
        str_format(lo->arena, "SELECT v FROM tab WHERE %s (%.*s)", not, PRSTR(where));
    struct str answer = PQL(str_to_c(lo->arena, statement));
    if (!str_starts_with(answer, STR("{'Items':")))
        fail_msg("%.*s: %.*s", PRSTR(statement), PRSTR(answer));
    for (uint64_t v = 0; v < 24; v++)
        if (str_find(answer, str_format(lo->arena, "{'v':{'N':'%d'}}", (int)v)) != SIZE_MAX)
            bits |= UINT64_C(1) << v;
    return bits;
}

static void test_plans(void **state)
{
    struct loopback *lo = *state;
    size_t some = 0;
    fill(lo);
    print_message("seed %d\n", SEED);
    rng_set_seed(SEED);
    for (int round = 0; round < ROUNDS; round++) {
        struct buf where;
        buf_init(&where, lo->arena, 4096);
        random_where(&where, 3);
        uint64_t planned = found(lo, "", buf_str(&where));
        uint64_t scanned = found(lo, "NOT NOT", buf_str(&where));
        if (planned != scanned)
            fail_msg("%.*s: %llx, %llx", PRSTR(buf_str(&where)), (unsigned long long)planned,
                     (unsigned long long)scanned);
        some += planned != 0;
    }
    rng_set_seed(0);
    assert_true(some > ROUNDS / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DDB_TEST(test_insert),      DDB_TEST(test_select), DDB_TEST(test_order),
        DDB_TEST(test_paging),      DDB_TEST(test_update), DDB_TEST(test_batch),
        DDB_TEST(test_transaction), DDB_TEST(test_plans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
