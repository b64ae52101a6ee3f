/* PartiQL's tokens, literals and paths ("PartiQL data types for DynamoDB"). */
#include "base/vec.h"
#include "services/dynamodb/number.h"
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

/* And comments: two dashes up to the line's end, and between slash-star and star-slash. False: such
 * a one does not end. */
static bool skip_blanks(struct partiql *p)
{
    for (;;) {
        while (p->at < p->text.len && strchr(" \t\r\n\f\v", p->text.ptr[p->at]) != NULL &&
               p->text.ptr[p->at] != '\0')
            p->at++;
        struct str rest = str_slice(p->text, p->at, p->text.len);
        if (str_starts_with(rest, STR("/*"))) {
            size_t end = str_find(str_slice(rest, 2, rest.len), STR("*/"));
            if (end == SIZE_MAX)
                return false;
            p->at += 2 + end + 2;
            continue;
        }
        if (!str_starts_with(rest, STR("--")))
            return true;
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

/* As Java's BigDecimal has numbers: digits and a scale, which is what stands behind the point less
 * the exponent; exponent and scale have 32 bits. False: not so, or no number at all. */
static bool measure_number(struct str text, int64_t *precision, int64_t *scale)
{
    size_t at = text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+');
    bool point = false, some = false;
    *precision = *scale = 0;
    for (; at < text.len && (is_digit(text.ptr[at]) || (text.ptr[at] == '.' && !point)); at++) {
        bool digit = text.ptr[at] != '.';
        point = point || !digit;
        some = some || digit;
        *scale += digit && point;
        *precision += digit && (*precision > 0 || text.ptr[at] != '0');
    }
    if (some && at < text.len && (text.ptr[at] | 0x20) == 'e') {
        bool negative = ++at < text.len && text.ptr[at] == '-';
        int64_t exponent = 0;
        at += negative || (at < text.len && text.ptr[at] == '+');
        some = at < text.len;
        for (; at < text.len && is_digit(text.ptr[at]); at++)
            if (exponent <= INT32_MAX)
                exponent = 10 * exponent + (text.ptr[at] - '0');
        exponent = negative ? -exponent : exponent;
        *scale -= exponent;
        some = some && exponent >= INT32_MIN && exponent <= INT32_MAX;
    }
    return some && at == text.len && *scale >= INT32_MIN && *scale <= INT32_MAX;
}

static void skip_digits(struct partiql *p)
{
    while (p->at < p->text.len && is_digit(p->text.ptr[p->at]))
        p->at++;
}

static void scan_number(struct partiql *p)
{
    int64_t precision, scale;
    skip_digits(p);
    if (p->at < p->text.len && p->text.ptr[p->at] == '.') {
        p->at++;
        skip_digits(p);
    }
    if (p->at < p->text.len && (p->text.ptr[p->at] | 0x20) == 'e') {
        p->at++;
        if (p->at < p->text.len && (p->text.ptr[p->at] == '-' || p->text.ptr[p->at] == '+'))
            p->at++;
        skip_digits(p);
    }
    p->token = str_slice(p->text, p->start, p->at);
    p->kind = measure_number(p->token, &precision, &scale) ? PARTIQL_NUMBER : PARTIQL_BROKEN;
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
    bool whole = skip_blanks(p);
    p->kind = whole ? PARTIQL_END : PARTIQL_BROKEN;
    p->token = STR("");
    p->start = p->at;
    if (p->at == p->text.len || !whole)
        return;
    char c = p->text.ptr[p->at];
    char after = p->at + 1 < p->text.len ? p->text.ptr[p->at + 1] : ' ';
    if (c == '"' || c == '\'') {
        scan_quoted(p, c);
    } else if (is_digit(c) || (c == '.' && is_digit(after))) {
        scan_number(p);
    } else if (is_word_start(c)) {
        while (p->at < p->text.len &&
               (is_word_start(p->text.ptr[p->at]) || is_digit(p->text.ptr[p->at])))
            p->at++;
        p->kind = PARTIQL_WORD;
        p->token = str_slice(p->text, p->start, p->at);
    } else {
        scan_symbol(p);
    }
}

static bool is_keyword(const struct partiql *p)
{
    static const struct str keywords[] = {
        STR_INIT("SELECT"), STR_INIT("FROM"),   STR_INIT("WHERE"),     STR_INIT("AND"),
        STR_INIT("OR"),     STR_INIT("NOT"),    STR_INIT("IN"),        STR_INIT("BETWEEN"),
        STR_INIT("IS"),     STR_INIT("ORDER"),  STR_INIT("BY"),        STR_INIT("INSERT"),
        STR_INIT("INTO"),   STR_INIT("UPDATE"), STR_INIT("SET"),       STR_INIT("REMOVE"),
        STR_INIT("DELETE"), STR_INIT("VALUE"),  STR_INIT("RETURNING"), STR_INIT("LIKE"),
        STR_INIT("LIMIT"),  STR_INIT("INNER"),  STR_INIT("AS")};
    for (size_t i = 0; p->kind == PARTIQL_WORD && i < sizeof(keywords) / sizeof(keywords[0]); i++)
        if (str_eq_nocase(p->token, keywords[i]))
            return true;
    return false;
}

static bool is_operator(const struct partiql *p)
{
    static const struct str words[] = {STR_INIT("AND"),     STR_INIT("OR"), STR_INIT("IN"),
                                       STR_INIT("BETWEEN"), STR_INIT("IS"), STR_INIT("LIKE")};
    for (size_t i = 0; p->kind == PARTIQL_WORD && i < sizeof(words) / sizeof(words[0]); i++)
        if (str_eq_nocase(p->token, words[i]))
            return true;
    return p->kind == PARTIQL_SYMBOL && (strchr("=<>!", p->token.ptr[0]) != NULL) &&
           !partiql_at(p, "<<") && !partiql_at(p, ">>");
}

RESULT partiql_malformed(struct partiql *p, const char *what)
{
    return value_fail(p->arena, p->failure, "Statement wasn't well formed, can't be processed: %s",
                      what);
}

RESULT partiql_unexpected(struct partiql *p)
{
    return partiql_malformed(p, is_operator(p)  ? "Unexpected operator"
                                : is_keyword(p) ? "Unexpected keyword"
                                                : "Unexpected term");
}

RESULT partiql_need_right(struct partiql *p)
{
    if (p->kind != PARTIQL_END)
        return RESULT_OK;
    return partiql_malformed(p, "Missing right-hand side expression of infix operator");
}

struct str partiql_position(const struct partiql *p, size_t start, size_t end)
{
    size_t line = 1, column = 1, len = 0;
    for (size_t i = 0; i < end; i++) {
        if (((unsigned char)p->text.ptr[i] & 0xc0) == 0x80)
            continue; /* within a character */
        bool feed = i < start && p->text.ptr[i] == '\n';
        line += feed;
        column = feed ? 1 : column + (i < start);
        len += i >= start;
    }
    return str_format(p->arena, "%zu:%zu:%zu", line, column, len);
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

/* "root.a[1]" */
static struct str step_text(const struct partiql *p)
{
    struct str text = STR("");
    for (const struct partiql_step *step = p->step; step != NULL; step = step->up)
        text = str_is_absent(step->name)
                   ? str_format(p->arena, "[%zu]%.*s", step->index, PRSTR(text))
                   : str_format(p->arena, ".%.*s%.*s", PRSTR(step->name), PRSTR(text));
    return str_concat(p->arena, STR("root"), text);
}

static RESULT expect_value(struct partiql *p, struct dynamodb_AttributeValue *out)
{
    bool found = false;
    TRY(partiql_value(p, out, &found));
    if (!found && partiql_at_call(p))
        return value_fail(p->arena, p->failure,
                          "Unsupported data type: %.*s under key %.*s at %.*s",
                          PRSTR(str_lower(p->arena, p->token)), PRSTR(step_text(p)),
                          PRSTR(partiql_position(p, p->start, p->at)));
    return found ? RESULT_OK : partiql_unexpected(p);
}

static RESULT parse_list(struct partiql *p, struct dynamodb_AttributeValue *out)
{
    struct partiql_step step = {.up = p->step};
    struct dynamodb_AttributeValue *items =
        ARENA_ARRAY(p->arena, 1, struct dynamodb_AttributeValue);
    size_t len = 0;
    size_t cap = 1;
    partiql_next(p);
    while (!partiql_at(p, "]")) {
        struct dynamodb_AttributeValue value;
        if (len > 0)
            TRY(partiql_expect(p, ","));
        step.index = len;
        p->step = &step;
        TRY(expect_value(p, &value));
        VEC_PUSH(p->arena, items, len, cap, value);
    }
    p->step = step.up;
    partiql_next(p);
    *out = (struct dynamodb_AttributeValue){.L = {.items = items, .len = len}};
    return RESULT_OK;
}

static RESULT parse_map(struct partiql *p, struct dynamodb_AttributeValue *out)
{
    struct dynamodb_MapAttributeValue_entry *items =
        ARENA_ARRAY(p->arena, 1, struct dynamodb_MapAttributeValue_entry);
    struct partiql_step step = {.up = p->step};
    bool is_item = p->is_item;
    size_t len = 0;
    size_t cap = 1;
    p->is_item = false;
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
        step.name = entry.key;
        p->step = is_item ? NULL : &step;
        TRY(expect_value(p, &entry.value));
        VEC_PUSH(p->arena, items, len, cap, entry);
    }
    p->step = step.up;
    partiql_next(p);
    *out = (struct dynamodb_AttributeValue){.M = {.items = items, .len = len}};
    return RESULT_OK;
}

/* All strings or all numbers: the first member says which. */
static RESULT parse_set(struct partiql *p, struct dynamodb_AttributeValue *out)
{
    struct str_list set = {.items = ARENA_ARRAY(p->arena, 1, struct str)};
    struct partiql_step step = {.up = p->step};
    size_t cap = 1;
    enum value_type type = VALUE_NONE;
    partiql_next(p);
    while (!partiql_at(p, ">>")) {
        struct dynamodb_AttributeValue value;
        if (set.len > 0)
            TRY(partiql_expect(p, ","));
        step.index = set.len;
        p->step = &step;
        TRY(expect_value(p, &value));
        enum value_type member = value_type(&value);
        if ((member != VALUE_S && member != VALUE_N) || (type != VALUE_NONE && type != member))
            return partiql_malformed(p, "Unexpected member of a set");
        type = member;
        VEC_PUSH(p->arena, set.items, set.len, cap, type == VALUE_S ? value.S : value.N);
    }
    if (set.len == 0)
        return value_fail(p->arena, p->failure, "Empty bags are not supported");
    p->step = step.up;
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
        return partiql_unexpected(p);
    *out = (struct dynamodb_AttributeValue){.N = negative ? str_concat(p->arena, STR("-"), p->token)
                                                          : p->token};
    partiql_next(p);
    if (value_check(p->arena, out, p->failure) == RESULT_OK)
        return RESULT_OK;
    return value_fail(p->arena, p->failure, "%.*s under %.*s", PRSTR(p->failure->message),
                      PRSTR(step_text(p)));
}

static RESULT parse_parameter(struct partiql *p, struct dynamodb_AttributeValue *out)
{
    size_t index = p->parameters_used++;
    partiql_next(p);
    if (index >= p->parameters.len)
        return value_fail(p->arena, p->failure,
                          "Number of parameters in request and statement don't match.");
    *out = p->parameters.items[index];
    return RESULT_OK;
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

bool partiql_at_name(const struct partiql *p)
{
    return p->kind == PARTIQL_QUOTED || (p->kind == PARTIQL_WORD && !is_keyword(p));
}

bool partiql_at_call(const struct partiql *p)
{
    struct partiql ahead = *p;
    if (p->kind != PARTIQL_WORD || is_keyword(p))
        return false;
    partiql_next(&ahead);
    return partiql_at(&ahead, "(");
}

RESULT partiql_name(struct partiql *p, struct str *out)
{
    if (!partiql_at_name(p))
        return partiql_malformed(p, "Expected identifier for simple path");
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
            if (!partiql_at_name(p))
                return partiql_malformed(p, "Invalid path dot component");
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

/* --- parameters ------------------------------------------------------------------------------- */

/* The first number, as items are read, that is none of DynamoDB's; absent: there is none. Where a
 * value is nested too deeply that has been found before. */
static struct str bad_number(struct arena *arena, const struct dynamodb_AttributeValue *value)
{
    struct str bad = {0};
    struct str ignored;
    if (value->N.ptr != NULL && number_normalize(arena, value->N, &ignored) != NUMBER_OK)
        return value->N;
    for (size_t i = 0; i < value->NS.len && str_is_absent(bad); i++)
        if (number_normalize(arena, value->NS.items[i], &ignored) != NUMBER_OK)
            return value->NS.items[i];
    for (size_t i = 0; i < value->L.len && str_is_absent(bad); i++)
        bad = bad_number(arena, &value->L.items[i]);
    for (size_t i = 0; i < value->M.len && str_is_absent(bad); i++)
        bad = bad_number(arena, &value->M.items[i].value);
    return bad;
}

/* Java's BigDecimal reads them: what it cannot hold is no number, and precision less scale, by
 * which the magnitude is judged, has 32 bits and wraps around. */
static RESULT fail_number(struct arena *arena, struct str number, struct value_failure *failure)
{
    int64_t precision, scale;
    enum number_status status = NUMBER_UNDERFLOW;
    if (!measure_number(number, &precision, &scale))
        status = NUMBER_SYNTAX;
    else if (precision - scale <= INT32_MAX)
        return RESULT_ERROR;
    failure->message = number_problem(arena, status, number);
    return RESULT_ERROR;
}

RESULT partiql_check_parameters(struct arena *arena,
                                struct dynamodb_PreparedStatementParameters parameters,
                                struct value_failure *failure)
{
    for (size_t i = 0; i < parameters.len; i++) {
        struct dynamodb_AttributeValue *value = &parameters.items[i];
        if (value_check(arena, value, failure) == RESULT_OK)
            continue;
        bool number = str_starts_with(failure->message, STR("Number "));
        return number ? fail_number(arena, bad_number(arena, value), failure) : RESULT_ERROR;
    }
    return RESULT_OK;
}
