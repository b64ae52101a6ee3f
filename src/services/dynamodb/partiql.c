/* PartiQL's statements: SELECT, INSERT, UPDATE, DELETE, EXISTS ("PartiQL ... statements for
 * DynamoDB"). */
#include "services/dynamodb/partiql.h"

#include "base/vec.h"
#include "services/dynamodb/partiql_int.h"

/* --- SELECT ----------------------------------------------------------------------------------- */

static RESULT parse_source(struct partiql *p, struct partiql_statement *out)
{
    TRY(partiql_name(p, &out->table));
    if (partiql_take(p, "."))
        return partiql_name(p, &out->index);
    return RESULT_OK;
}

static RESULT parse_where(struct partiql *p, struct partiql_statement *out)
{
    return partiql_take_word(p, STR("WHERE")) ? partiql_condition(p, &out->where) : RESULT_OK;
}

static struct partiql_column make_column(struct partiql *p, const struct path *path)
{
    size_t at = path->len - 1;
    while (str_is_absent(path->elements[at].name))
        at--;
    struct partiql_column column = {.path = *path, .name = path->elements[at].name};
    for (at++; at < path->len; at++)
        column.name =
            str_format(p->arena, "%.*s[%zu]", PRSTR(column.name), path->elements[at].index);
    return column;
}

static RESULT parse_columns(struct partiql *p, struct partiql_statement *out)
{
    if (partiql_take(p, "*"))
        return RESULT_OK;
    struct projection *projection = ARENA_NEW(p->arena, struct projection);
    struct partiql_column *columns = NULL;
    size_t cap = 0;
    do {
        const struct path *other = NULL;
        bool conflict = false;
        struct path *path = ARENA_NEW(p->arena, struct path);
        TRY(partiql_path(p, path));
        if (!path_tree_add(p->arena, &projection->root, path, NULL, &other, &conflict))
            return partiql_malformed(p, "Two document paths overlap with each other");
        struct partiql_column column = make_column(p, path);
        VEC_PUSH(p->arena, columns, out->column_count, cap, column);
    } while (partiql_take(p, ","));
    out->columns = columns;
    out->projection = projection;
    return RESULT_OK;
}

static RESULT parse_order(struct partiql *p, struct partiql_statement *out)
{
    size_t cap = 0;
    if (!partiql_take_word(p, STR("ORDER")))
        return RESULT_OK;
    TRY(partiql_expect_word(p, STR("BY")));
    do {
        struct partiql_order order = {0};
        TRY(partiql_name(p, &order.name));
        order.descending = partiql_take_word(p, STR("DESC"));
        if (!order.descending)
            (void)partiql_take_word(p, STR("ASC"));
        VEC_PUSH(p->arena, out->order, out->order_len, cap, order);
    } while (partiql_take(p, ","));
    return RESULT_OK;
}

static RESULT parse_select(struct partiql *p, struct partiql_statement *out)
{
    out->kind = PARTIQL_SELECT;
    TRY(parse_columns(p, out));
    TRY(partiql_expect_word(p, STR("FROM")));
    TRY(parse_source(p, out));
    TRY(parse_where(p, out));
    return parse_order(p, out);
}

static RESULT parse_exists(struct partiql *p, struct partiql_statement *out)
{
    TRY(partiql_expect(p, "("));
    TRY(partiql_expect_word(p, STR("SELECT")));
    TRY(parse_select(p, out));
    out->kind = PARTIQL_EXISTS;
    return partiql_expect(p, ")");
}

/* --- INSERT, DELETE --------------------------------------------------------------------------- */

static RESULT parse_insert(struct partiql *p, struct partiql_statement *out)
{
    struct dynamodb_AttributeValue value;
    bool found = false;
    out->kind = PARTIQL_INSERT;
    TRY(partiql_expect_word(p, STR("INTO")));
    TRY(partiql_name(p, &out->table));
    TRY(partiql_expect_word(p, STR("VALUE")));
    TRY(partiql_value(p, &value, &found));
    if (!found || value.M.items == NULL)
        return partiql_malformed(p, "Expected a map of attributes");
    out->item = ITEM_OF(value.M);
    return RESULT_OK;
}

static RESULT parse_returning(struct partiql *p, struct partiql_statement *out)
{
    static const struct {
        struct str which, when;
        enum partiql_returning returning;
    } forms[] = {{STR_INIT("ALL"), STR_INIT("OLD"), PARTIQL_RETURN_ALL_OLD},
                 {STR_INIT("MODIFIED"), STR_INIT("OLD"), PARTIQL_RETURN_MODIFIED_OLD},
                 {STR_INIT("ALL"), STR_INIT("NEW"), PARTIQL_RETURN_ALL_NEW},
                 {STR_INIT("MODIFIED"), STR_INIT("NEW"), PARTIQL_RETURN_MODIFIED_NEW}};
    if (!partiql_take_word(p, STR("RETURNING")))
        return RESULT_OK;
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct partiql ahead = *p;
        if (!partiql_take_word(&ahead, forms[i].which) || !partiql_take_word(&ahead, forms[i].when))
            continue;
        *p = ahead;
        out->returning = forms[i].returning;
        return partiql_expect(p, "*");
    }
    return partiql_malformed(p, "Unexpected keyword");
}

static RESULT parse_delete(struct partiql *p, struct partiql_statement *out)
{
    out->kind = PARTIQL_DELETE;
    TRY(partiql_expect_word(p, STR("FROM")));
    TRY(partiql_name(p, &out->table));
    TRY(parse_where(p, out));
    TRY(parse_returning(p, out));
    if (out->returning > PARTIQL_RETURN_ALL_OLD)
        return partiql_malformed(p, "Unexpected returning clause");
    return RESULT_OK;
}

/* --- UPDATE ----------------------------------------------------------------------------------- */

struct clauses {
    struct update_clause *items;
    size_t len, cap;
};

static const struct operand *keep(struct partiql *p, const struct operand *operand)
{
    struct operand *copy = ARENA_NEW(p->arena, struct operand);
    *copy = *operand;
    return copy;
}

static bool take_call(struct partiql *p, struct str name)
{
    struct partiql ahead = *p;
    if (!partiql_take_word(&ahead, name) || !partiql_take(&ahead, "("))
        return false;
    *p = ahead;
    return true;
}

/* SET path = SET_ADD(path, <<...>>), SET_DELETE(path, <<...>>): ADD and DELETE of update
 * expressions. */
static RESULT parse_set_change(struct partiql *p, struct update_clause *clause)
{
    struct path path;
    TRY(partiql_path(p, &path));
    TRY(partiql_expect(p, ","));
    TRY(partiql_operand(p, &clause->operand));
    TRY(partiql_expect(p, ")"));
    if (!path_equal(&path, &clause->path))
        return partiql_malformed(p, "A set function must change the attribute it is assigned to");
    const struct dynamodb_AttributeValue *value = clause->operand.value;
    if (clause->operand.kind != OPERAND_VALUE ||
        (value->SS.items == NULL && value->NS.items == NULL && value->BS.items == NULL))
        return partiql_malformed(p, "A set function takes a set");
    return RESULT_OK;
}

static RESULT parse_assigned(struct partiql *p, struct update_clause *clause)
{
    if (take_call(p, STR("SET_ADD"))) {
        clause->action = UPDATE_ADD;
        return parse_set_change(p, clause);
    }
    if (take_call(p, STR("SET_DELETE"))) {
        clause->action = UPDATE_DELETE;
        return parse_set_change(p, clause);
    }
    struct operand left;
    struct operand right;
    bool append = take_call(p, STR("LIST_APPEND"));
    TRY(partiql_operand(p, &left));
    clause->operand = left;
    enum operand_kind kind = OPERAND_LIST_APPEND;
    if (append)
        TRY(partiql_expect(p, ","));
    else if (partiql_take(p, "+"))
        kind = OPERAND_ADD;
    else if (partiql_take(p, "-"))
        kind = OPERAND_SUBTRACT;
    else
        return left.kind == OPERAND_SIZE ? partiql_malformed(p, "Unexpected function") : RESULT_OK;
    TRY(partiql_operand(p, &right));
    if (append)
        TRY(partiql_expect(p, ")"));
    if (left.kind == OPERAND_SIZE || right.kind == OPERAND_SIZE)
        return partiql_malformed(p, "Unexpected function");
    clause->operand =
        (struct operand){.kind = kind, .left = keep(p, &left), .right = keep(p, &right)};
    return RESULT_OK;
}

static RESULT parse_changes(struct partiql *p, struct clauses *clauses)
{
    enum update_action action = UPDATE_SET;
    bool more = true;
    while (more) {
        if (partiql_take_word(p, STR("SET")))
            action = UPDATE_SET;
        else if (partiql_take_word(p, STR("REMOVE")))
            action = UPDATE_REMOVE;
        else if (clauses->len == 0 || !partiql_take(p, ","))
            return partiql_malformed(p, "Unexpected keyword");
        struct update_clause clause = {.action = action};
        TRY(partiql_path(p, &clause.path));
        if (action == UPDATE_SET) {
            TRY(partiql_expect(p, "="));
            TRY(parse_assigned(p, &clause));
        }
        VEC_PUSH(p->arena, clauses->items, clauses->len, clauses->cap, clause);
        more = partiql_at_word(p, STR("SET")) || partiql_at_word(p, STR("REMOVE")) ||
               partiql_at(p, ",");
    }
    return RESULT_OK;
}

static RESULT parse_update(struct partiql *p, struct partiql_statement *out)
{
    struct clauses clauses = {0};
    out->kind = PARTIQL_UPDATE;
    TRY(partiql_name(p, &out->table));
    TRY(parse_changes(p, &clauses));
    struct update *update = ARENA_NEW(p->arena, struct update);
    update->clauses = clauses.items;
    update->len = clauses.len;
    for (size_t i = 0; i < clauses.len; i++) {
        const struct path *other = NULL;
        bool conflict = false;
        if (!path_tree_add(p->arena, &update->root, &clauses.items[i].path, &clauses.items[i],
                           &other, &conflict))
            return partiql_malformed(p, "Two document paths overlap with each other");
    }
    out->update = update;
    TRY(parse_where(p, out));
    return parse_returning(p, out);
}

/* ---------------------------------------------------------------------------------------------- */

static RESULT parse_statement(struct partiql *p, struct partiql_statement *out)
{
    if (partiql_take_word(p, STR("SELECT")))
        return parse_select(p, out);
    if (partiql_take_word(p, STR("INSERT")))
        return parse_insert(p, out);
    if (partiql_take_word(p, STR("UPDATE")))
        return parse_update(p, out);
    if (partiql_take_word(p, STR("DELETE")))
        return parse_delete(p, out);
    if (partiql_take_word(p, STR("EXISTS")))
        return parse_exists(p, out);
    return partiql_malformed(p, "Expected data manipulation");
}

RESULT partiql_parse(struct arena *arena, struct str text,
                     struct dynamodb_PreparedStatementParameters parameters,
                     struct partiql_statement *out, struct value_failure *failure)
{
    struct partiql p = {.arena = arena, .failure = failure, .text = text, .parameters = parameters};
    struct partiql_statement statement = {0};
    partiql_next(&p);
    TRY(parse_statement(&p, &statement));
    (void)partiql_take(&p, ";");
    if (p.kind != PARTIQL_END)
        return partiql_malformed(&p, "Unexpected term");
    if (p.parameters_used != parameters.len)
        return value_fail(arena, failure,
                          "Number of parameters in request and statement don't match.");
    *out = statement;
    return RESULT_OK;
}

struct dynamodb_AttributeMap partiql_columns(struct arena *arena,
                                             const struct partiql_statement *statement,
                                             const struct dynamodb_AttributeMap *item)
{
    struct dynamodb_AttributeMap out = {.items = ARENA_ARRAY(arena, statement->column_count + 1,
                                                             struct dynamodb_AttributeMap_entry)};
    for (size_t i = 0; i < statement->column_count; i++) {
        const struct partiql_column *column = &statement->columns[i];
        const struct dynamodb_AttributeValue *value = path_find(&column->path, item);
        if (value != NULL && item_get(&out, column->name) == NULL)
            out.items[out.len++] = (struct dynamodb_AttributeMap_entry){column->name, *value};
    }
    return out;
}
