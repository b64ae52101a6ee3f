/* PartiQL's tokens, literals and paths ("PartiQL data types for DynamoDB"). */
#include "base/vec.h"
#include "services/dynamodb/partiql_int.h"

/* --- tokens ----------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}
static bool is_word_start(char c)
{
    return (unsigned char)((c | 0x20) - 'a') < 26 || c == '_' || c == '$';
}

static void skip_blanks(struct partiql *p)
{
    for (;;) {
        while (p->at < p->text.len && strchr(" \t\r\n\f\v", p->text.ptr[p->at]) != NULL &&
               p->text.ptr[p->at] != '\0')
            p->at++;
        if (!str_starts_with(str_slice(p->text, p->at, p->text.len), STR("--")))
            return;
        while (p->at < p->text.len && p->text.ptr[p->at] != '\n')
            p->at++;
    }
}

/* A quotation mark within is written twice. */
static void scan_quoted(struct partiql *p, char quote)
{
    struct buf out;
    buf_init(&out, p->arena, SIZE_MAX / 2);
    p->at++;
    for (; p->at < p->text.len; p->at++) {
        char c = p->text.ptr[p->at];
        if (c == quote) {
            p->at++;
            if (p->at == p->text.len || p->text.ptr[p->at] != quote) {
                p->kind = quote == '"' ? PARTIQL_QUOTED : PARTIQL_STRING;
                p->token = buf_str(&out);
                return;
            }
        }
        buf_append_char(&out, c);
    }
    p->kind = PARTIQL_BROKEN;
}

static void scan_number(struct partiql *p)
{
    size_t start = p->at;
    while (p->at < p->text.len && (is_digit(p->text.ptr[p->at]) || p->text.ptr[p->at] == '.'))
        p->at++;
    if (p->at < p->text.len && (p->text.ptr[p->at] | 0x20) == 'e') {
        p->at++;
        if (p->at < p->text.len && (p->text.ptr[p->at] == '-' || p->text.ptr[p->at] == '+'))
            p->at++;
        while (p->at < p->text.len && is_digit(p->text.ptr[p->at]))
            p->at++;
    }
    p->kind = PARTIQL_NUMBER;
    p->token = str_slice(p->text, start, p->at);
}

static void scan_symbol(struct partiql *p)
{
    static const char *const pairs[] = {"<>", "!=", "<=", ">=", "<<", ">>"};
    struct str rest = str_slice(p->text, p->at, p->text.len);
    size_t len = 1;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        if (str_starts_with(rest, str_from_c(pairs[i])))
            len = 2;
    bool known = len == 2 || (rest.ptr[0] != '\0' && strchr("=<>(),.[]{}:?*;+-", rest.ptr[0]));
    p->kind = known ? PARTIQL_SYMBOL : PARTIQL_BROKEN;
    p->token = str_slice(rest, 0, len);
    p->at += len;
}

void partiql_next(struct partiql *p)
{
    skip_blanks(p);
    p->kind = PARTIQL_END;
    p->token = STR("");
    if (p->at == p->text.len)
        return;
    char c = p->text.ptr[p->at];
    size_t start = p->at;
    if (c == '"' || c == '\'') {
        scan_quoted(p, c);
    } else if (is_digit(c)) {
        scan_number(p);
    } else if (is_word_start(c)) {
        while (p->at < p->text.len &&
               (is_word_start(p->text.ptr[p->at]) || is_digit(p->text.ptr[p->at])))
            p->at++;
        p->kind = PARTIQL_WORD;
        p->token = str_slice(p->text, start, p->at);
    } else {
        scan_symbol(p);
    }
}

RESULT partiql_malformed(struct partiql *p, const char *what)
{
    return value_fail(p->arena, p->failure, "Statement wasn't well formed, can't be processed: %s",
                      p->kind == PARTIQL_END ? "Unexpected end of statement" : what);
}

bool partiql_at_word(const struct partiql *p, struct str upper)
{
    return p->kind == PARTIQL_WORD && str_eq_nocase(p->token, upper);
}
bool partiql_at(const struct partiql *p, const char *symbol)
{
    return p->kind == PARTIQL_SYMBOL && str_eq(p->token, str_from_c(symbol));
}
bool partiql_take_word(struct partiql *p, struct str upper)
{
    bool there = partiql_at_word(p, upper);
    if (there)
        partiql_next(p);
    return there;
}
bool partiql_take(struct partiql *p, const char *symbol)
{
    bool there = partiql_at(p, symbol);
    if (there)
        partiql_next(p);
    return there;
}
RESULT partiql_expect_word(struct partiql *p, struct str upper)
{
    return partiql_take_word(p, upper) ? RESULT_OK : partiql_malformed(p, "Unexpected keyword");
}
RESULT partiql_expect(struct partiql *p, const char *symbol)
{
    return partiql_take(p, symbol) ? RESULT_OK : partiql_malformed(p, "Unexpected term");
}

/* --- literals --------------------------------------------------------------------------------- */

static RESULT expect_value(struct partiql *p, struct dynamodb_AttributeValue *out)
{
    bool found = false;
    TRY(partiql_value(p, out, &found));
    return found ? RESULT_OK : partiql_malformed(p, "Unexpected term");
}

static RESULT parse_list(struct partiql *p, struct dynamodb_AttributeValue *out)
{
    struct dynamodb_AttributeValue *items =
        ARENA_ARRAY(p->arena, 1, struct dynamodb_AttributeValue);
    size_t len = 0;
    size_t cap = 1;
    partiql_next(p);
    while (!partiql_at(p, "]")) {
        struct dynamodb_AttributeValue value;
        if (len > 0)
            TRY(partiql_expect(p, ","));
        TRY(expect_value(p, &value));
        VEC_PUSH(p->arena, items, len, cap, value);
    }
    partiql_next(p);
    *out = (struct dynamodb_AttributeValue){.L = {.items = items, .len = len}};
    return RESULT_OK;
}

static RESULT parse_map(struct partiql *p, struct dynamodb_AttributeValue *out)
{
    struct dynamodb_MapAttributeValue_entry *items =
        ARENA_ARRAY(p->arena, 1, struct dynamodb_MapAttributeValue_entry);
    size_t len = 0;
    size_t cap = 1;
    partiql_next(p);
    while (!partiql_at(p, "}")) {
        struct dynamodb_MapAttributeValue_entry entry = {0};
        if (len > 0)
            TRY(partiql_expect(p, ","));
        if (p->kind != PARTIQL_STRING)
            return partiql_malformed(p, "Unexpected key");
        entry.key = p->token;
        for (size_t i = 0; i < len; i++)
            if (str_eq(items[i].key, entry.key))
                return partiql_malformed(p, "Duplicate key");
        partiql_next(p);
        TRY(partiql_expect(p, ":"));
        TRY(expect_value(p, &entry.value));
        VEC_PUSH(p->arena, items, len, cap, entry);
    }
    partiql_next(p);
    *out = (struct dynamodb_AttributeValue){.M = {.items = items, .len = len}};
    return RESULT_OK;
}

/* All strings or all numbers: the first member says which. */
static RESULT parse_set(struct partiql *p, struct dynamodb_AttributeValue *out)
{
    struct str_list set = {.items = ARENA_ARRAY(p->arena, 1, struct str)};
    size_t cap = 1;
    enum value_type type = VALUE_NONE;
    partiql_next(p);
    while (!partiql_at(p, ">>")) {
        struct dynamodb_AttributeValue value;
        if (set.len > 0)
            TRY(partiql_expect(p, ","));
        TRY(expect_value(p, &value));
        enum value_type member = value_type(&value);
        if ((member != VALUE_S && member != VALUE_N) || (type != VALUE_NONE && type != member))
            return partiql_malformed(p, "Unexpected member of a set");
        type = member;
        VEC_PUSH(p->arena, set.items, set.len, cap, type == VALUE_S ? value.S : value.N);
    }
    partiql_next(p);
    *out = (struct dynamodb_AttributeValue){0};
    if (type == VALUE_N)
        out->NS = set;
    else
        out->SS = set;
    return RESULT_OK;
}

static RESULT parse_container(struct partiql *p, struct dynamodb_AttributeValue *out)
{
    if (++p->depth > PARTIQL_DEPTH_MAX)
        return value_fail(p->arena, p->failure, VALUE_NESTING_TEXT);
    if (partiql_at(p, "["))
        TRY(parse_list(p, out));
    else if (partiql_at(p, "{"))
        TRY(parse_map(p, out));
    else
        TRY(parse_set(p, out));
    p->depth--;
    return RESULT_OK;
}

static RESULT parse_number(struct partiql *p, struct dynamodb_AttributeValue *out)
{
    bool negative = partiql_take(p, "-");
    if (p->kind != PARTIQL_NUMBER)
        return partiql_malformed(p, "Unexpected term");
    *out = (struct dynamodb_AttributeValue){.N = negative ? str_concat(p->arena, STR("-"), p->token)
                                                          : p->token};
    partiql_next(p);
    return value_check(p->arena, out, p->failure);
}

static RESULT parse_parameter(struct partiql *p, struct dynamodb_AttributeValue *out)
{
    size_t index = p->parameters_used++;
    partiql_next(p);
    if (index >= p->parameters.len)
        return value_fail(p->arena, p->failure,
                          "Number of parameters in request and statement don't match.");
    *out = p->parameters.items[index];
    return value_check(p->arena, out, p->failure);
}

RESULT partiql_value(struct partiql *p, struct dynamodb_AttributeValue *out, bool *found)
{
    *found = true;
    if (partiql_at(p, "?"))
        return parse_parameter(p, out);
    if (p->kind == PARTIQL_NUMBER || partiql_at(p, "-"))
        return parse_number(p, out);
    if (partiql_at(p, "[") || partiql_at(p, "{") || partiql_at(p, "<<")) {
        TRY(parse_container(p, out));
        return value_check(p->arena, out, p->failure);
    }
    *out = (struct dynamodb_AttributeValue){0};
    if (p->kind == PARTIQL_STRING)
        out->S = p->token;
    else if (partiql_at_word(p, STR("TRUE")) || partiql_at_word(p, STR("FALSE")))
        out->BOOL = opt_bool(partiql_at_word(p, STR("TRUE")));
    else if (partiql_at_word(p, STR("NULL")))
        out->NULL_ = opt_bool(true);
    else
        *found = false;
    if (*found)
        partiql_next(p);
    return RESULT_OK;
}

/* --- paths ------------------------------------------------------------------------------------ */

RESULT partiql_name(struct partiql *p, struct str *out)
{
    static const struct str keywords[] = {
        STR_INIT("SELECT"), STR_INIT("FROM"),   STR_INIT("WHERE"),    STR_INIT("AND"),
        STR_INIT("OR"),     STR_INIT("NOT"),    STR_INIT("IN"),       STR_INIT("BETWEEN"),
        STR_INIT("IS"),     STR_INIT("ORDER"),  STR_INIT("BY"),       STR_INIT("INSERT"),
        STR_INIT("INTO"),   STR_INIT("UPDATE"), STR_INIT("SET"),      STR_INIT("REMOVE"),
        STR_INIT("DELETE"), STR_INIT("VALUE"),  STR_INIT("RETURNING")};
    if (p->kind != PARTIQL_WORD && p->kind != PARTIQL_QUOTED)
        return partiql_malformed(p, "Expected identifier for simple path");
    for (size_t i = 0; p->kind == PARTIQL_WORD && i < sizeof(keywords) / sizeof(keywords[0]); i++)
        if (str_eq_nocase(p->token, keywords[i]))
            return partiql_malformed(p, "Unexpected keyword");
    *out = p->token;
    partiql_next(p);
    return RESULT_OK;
}

RESULT partiql_path(struct partiql *p, struct path *out)
{
    struct path_element *elements = ARENA_NEW(p->arena, struct path_element);
    size_t len = 1;
    size_t cap = 1;
    TRY(partiql_name(p, &elements[0].name));
    while (partiql_at(p, ".") || partiql_at(p, "[")) {
        struct path_element element = {0};
        if (partiql_take(p, ".")) {
            TRY(partiql_name(p, &element.name));
        } else {
            uint64_t index = 0;
            partiql_next(p);
            if (p->kind == PARTIQL_STRING)
                element.name = p->token;
            else if (p->kind != PARTIQL_NUMBER || !str_to_u64(p->token, &index) ||
                     index > INT32_MAX)
                return partiql_malformed(p, "Unexpected path component");
            element.index = (size_t)index;
            partiql_next(p);
            TRY(partiql_expect(p, "]"));
        }
        if (len == PATH_ELEMENTS_MAX)
            return partiql_malformed(p, "Document path has too many elements");
        VEC_PUSH(p->arena, elements, len, cap, element);
    }
    *out = (struct path){.elements = elements, .len = len};
    return RESULT_OK;
}
