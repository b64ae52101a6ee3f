/* Filter patterns: their text. */
#include "base/vec.h"
#include "services/logs/pattern_int.h"

enum { DEPTH = 32, REGEX_MAX = 2, STEPS = 32 };

struct parser {
    struct arena *arena;
    struct str rest;
    struct pattern *pattern;
    struct str problem;
    size_t selector_cap, field_cap, term_cap;
    int depth;
};

static bool fail(struct parser *p, const char *problem)
{
    if (str_is_absent(p->problem))
        p->problem = str_from_c(problem);
    return false;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_space(struct parser *p)
{
    while (p->rest.len > 0 && is_space(p->rest.ptr[0]))
        p->rest = str_slice(p->rest, 1, p->rest.len);
}

static char peek(const struct parser *p)
{
    return p->rest.len == 0 ? '\0' : p->rest.ptr[0];
}

static struct str take(struct parser *p, size_t count)
{
    struct str taken = str_slice(p->rest, 0, count);
    p->rest = str_slice(p->rest, count, p->rest.len);
    return taken;
}

static bool accept(struct parser *p, const char *text)
{
    struct str wanted = str_from_c(text);
    skip_space(p);
    if (!str_starts_with(p->rest, wanted))
        return false;
    take(p, wanted.len);
    return true;
}

static bool accept_word(struct parser *p, const char *text)
{
    struct str wanted = str_from_c(text);
    skip_space(p);
    if (p->rest.len < wanted.len || !str_eq_nocase(str_slice(p->rest, 0, wanted.len), wanted))
        return false;
    if (p->rest.len > wanted.len) {
        char c = p->rest.ptr[wanted.len];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_')
            return false;
    }
    take(p, wanted.len);
    return true;
}

/* --- regular expressions and quoted texts --- */

/* "Supported regular expressions (regex) syntax". */
static bool regex_character(char c)
{
    static const char marks[] = ":_#=@/;,-^$?[]{}|\\*+.";
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr(marks, c) != NULL);
}

/* At '%'. */
static bool parse_regex(struct parser *p, struct regex **out)
{
    size_t end = 1;
    while (end < p->rest.len && p->rest.ptr[end] != '%') {
        char c = p->rest.ptr[end];
        bool escaped = c == '\\' && end + 1 < p->rest.len && p->rest.ptr[end + 1] > ' ' &&
                       p->rest.ptr[end + 1] < 0x7f;
        if (!escaped && !regex_character(c))
            return fail(p, "the regular expression has a character that is not supported");
        end += escaped ? 2 : 1;
    }
    if (end >= p->rest.len)
        return fail(p, "a regular expression has no end");
    if (end == 1)
        return fail(p, "a regular expression is empty");
    if (++p->pattern->regexes > REGEX_MAX)
        return fail(p, "there are more than 2 regular expressions");
    struct str text = str_slice(p->rest, 1, end);
    take(p, end + 1);
    return regex_compile(p->arena, text, out, &p->problem);
}

/* At '"'; a backslash takes the next character as it is. */
static bool parse_quoted(struct parser *p, struct str *out)
{
    char *text = arena_alloc_raw(p->arena, p->rest.len);
    size_t len = 0, at = 1;
    for (; at < p->rest.len && p->rest.ptr[at] != '"'; at++) {
        if (p->rest.ptr[at] == '\\' && at + 1 < p->rest.len)
            at++;
        text[len++] = p->rest.ptr[at];
    }
    if (at >= p->rest.len)
        return fail(p, "a quotation mark is not closed");
    take(p, at + 1);
    *out = str_make(text, len);
    return true;
}

/* --- terms --- */

static bool parse_term(struct parser *p)
{
    struct term term = {0};
    if (peek(p) == '?' || peek(p) == '-') {
        term.kind = peek(p) == '?' ? TERM_OPTIONAL : TERM_EXCLUDED;
        take(p, 1);
    }
    if (peek(p) == '%') {
        if (!parse_regex(p, &term.regex))
            return false;
    } else if (peek(p) == '"') {
        if (!parse_quoted(p, &term.text))
            return false;
    } else {
        size_t len = 0;
        while (len < p->rest.len && !is_space(p->rest.ptr[len])) {
            char c = p->rest.ptr[len++];
            /* "Enclose exact phrases and terms that include non-alphanumeric characters in double
             * quotation marks". */
            if ((unsigned char)c < 0x80 && c != '_' && (c < '0' || c > '9') &&
                ((c | 0x20) < 'a' || (c | 0x20) > 'z'))
                return fail(p, "a term with other characters than letters and digits must stand "
                               "in quotation marks");
        }
        if (len == 0)
            return fail(p, "a term is empty");
        term.text = take(p, len);
    }
    if (p->rest.len > 0 && !is_space(peek(p)))
        return fail(p, "terms must stand apart");
    VEC_PUSH(p->arena, p->pattern->terms, p->pattern->term_count, p->term_cap, term);
    return true;
}

static bool parse_terms(struct parser *p)
{
    p->pattern->kind = PATTERN_TERMS;
    p->pattern->optional_only = true;
    for (skip_space(p); p->rest.len > 0; skip_space(p)) {
        if (!parse_term(p))
            return false;
        if (p->pattern->terms[p->pattern->term_count - 1].kind != TERM_OPTIONAL)
            p->pattern->optional_only = false;
    }
    return true;
}

/* --- conditions --- */

static bool ends_value(struct str rest, bool fields)
{
    char c = rest.ptr[0];
    return is_space(c) || c == ')' || str_starts_with(rest, STR("&&")) ||
           str_starts_with(rest, STR("||")) || (fields ? c == ',' || c == ']' : c == '}');
}

static bool parse_value(struct parser *p, struct test *test)
{
    bool fields = p->pattern->kind == PATTERN_FIELDS;
    skip_space(p);
    if (peek(p) == '%')
        return parse_regex(p, &test->regex);
    if (peek(p) == '"') {
        if (!parse_quoted(p, &test->value))
            return false;
        test->wild = str_find_char(test->value, '*') != SIZE_MAX;
        return true;
    }
    size_t len = 0;
    while (len < p->rest.len && !ends_value(str_slice(p->rest, len, p->rest.len), fields))
        len++;
    if (len == 0)
        return fail(p, "a value is missing");
    test->value = take(p, len);
    test->wild = str_find_char(test->value, '*') != SIZE_MAX;
    test->numeric = str_to_double(test->value, &test->number);
    return true;
}

static bool parse_operator(struct parser *p, struct test *test)
{
    static const struct {
        const char *text;
        enum test_op op;
    } operators[] = {
        {"!=", TEST_NE}, {"<=", TEST_LE}, {">=", TEST_GE},
        {"=", TEST_EQ},  {"<", TEST_LT},  {">", TEST_GT},
    };
    bool json = p->pattern->kind == PATTERN_JSON;
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++) {
        if (!accept(p, operators[i].text))
            continue;
        test->op = operators[i].op;
        if (!parse_value(p, test))
            return false;
        bool order = test->op != TEST_EQ && test->op != TEST_NE;
        return !order || test->numeric || fail(p, "only numbers are greater or less");
    }
    if (json && accept_word(p, "IS")) {
        test->op = accept_word(p, "NULL")    ? TEST_NULL
                   : accept_word(p, "TRUE")  ? TEST_TRUE
                   : accept_word(p, "FALSE") ? TEST_FALSE
                                             : TEST_EQ;
        return test->op != TEST_EQ || fail(p, "IS must be followed by NULL, TRUE or FALSE");
    }
    if (json && accept_word(p, "EXISTS")) {
        test->op = TEST_EXISTS;
        return true;
    }
    if (json && accept_word(p, "NOT")) {
        test->op = TEST_NOT_EXISTS;
        return accept_word(p, "EXISTS") || fail(p, "NOT must be followed by EXISTS");
    }
    return fail(p, "an operator is missing");
}

static bool name_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '$' || c == '@' || c == '/' || c == ':' || (unsigned char)c >= 0x80;
}

/* [0], [*], ['name'], ["name"]; at what follows the bracket. */
static bool parse_bracket(struct parser *p, struct selector_step *step)
{
    char quote = peek(p);
    if (quote == '\'' || quote == '"') {
        size_t end = str_find_char(str_slice(p->rest, 1, p->rest.len), quote);
        if (end == SIZE_MAX)
            return fail(p, "a name is not closed");
        step->kind = STEP_MEMBER;
        step->name = str_slice(take(p, end + 2), 1, end + 1);
    } else if (quote == '*') {
        step->kind = STEP_ALL;
        take(p, 1);
    } else {
        size_t len = 0;
        uint64_t index;
        while (len < p->rest.len && p->rest.ptr[len] >= '0' && p->rest.ptr[len] <= '9')
            len++;
        if (!str_to_u64(take(p, len), &index))
            return fail(p, "an index is no number");
        step->kind = STEP_ITEM;
        step->index = index;
    }
    return accept(p, "]") || fail(p, "a bracket is not closed");
}

static bool parse_step(struct parser *p, struct selector *selector, bool *any)
{
    struct selector_step step = {.kind = STEP_MEMBER};
    *any = true;
    if (peek(p) == '[') {
        take(p, 1);
        if (!parse_bracket(p, &step))
            return false;
    } else if (peek(p) == '.') {
        size_t len = 0;
        take(p, 1);
        if (peek(p) == '[')
            return parse_step(p, selector, any);
        if (peek(p) == '*') {
            take(p, 1);
            step.kind = STEP_ALL;
        } else {
            while (len < p->rest.len && name_character(p->rest.ptr[len]))
                len++;
            if (len == 0)
                return fail(p, "a selector has an empty name");
            step.name = take(p, len);
        }
    } else {
        *any = false;
        return true;
    }
    if (selector->count == STEPS)
        return fail(p, "a selector is too long");
    selector->steps[selector->count++] = step;
    return true;
}

static bool parse_selector(struct parser *p, const struct selector **out)
{
    struct selector *selector = ARENA_NEW(p->arena, struct selector);
    const char *start = p->rest.ptr;
    bool more = true;
    selector->steps = ARENA_ARRAY(p->arena, STEPS, struct selector_step);
    if (!accept(p, "$"))
        return fail(p, "a selector must begin with $");
    while (more)
        if (!parse_step(p, selector, &more))
            return false;
    if (selector->count == 0)
        return fail(p, "a selector must name a property");
    selector->text = str_make(start, (size_t)(p->rest.ptr - start));
    VEC_PUSH(p->arena, p->pattern->selectors, p->pattern->selector_count, p->selector_cap,
             selector);
    *out = selector;
    return true;
}

/* A field's name within its own brackets. */
static bool parse_field_name(struct parser *p, struct str *name)
{
    size_t len = 0;
    skip_space(p);
    while (len < p->rest.len && name_character(p->rest.ptr[len]))
        len++;
    *name = take(p, len);
    return len > 0 || fail(p, "a field's name is missing");
}

static bool parse_or(struct parser *p, struct node **out);

static bool parse_test(struct parser *p, struct node **out)
{
    struct node *node = ARENA_NEW(p->arena, struct node);
    skip_space(p);
    if (accept(p, "(")) {
        if (++p->depth > DEPTH)
            return fail(p, "parentheses are nested too deep");
        if (!parse_or(p, out) || !accept(p, ")"))
            return fail(p, "a parenthesis is not closed");
        p->depth--;
        return true;
    }
    if (p->pattern->kind == PATTERN_JSON) {
        if (!parse_selector(p, &node->test.selector))
            return false;
    } else {
        struct str name;
        struct field *field = &p->pattern->fields[p->pattern->field_count - 1];
        if (!parse_field_name(p, &name))
            return false;
        if (!str_is_absent(field->name) && !str_eq(field->name, name))
            return fail(p, "a condition names another field");
        field->name = name;
        node->test.field = p->pattern->field_count - 1;
    }
    *out = node;
    return parse_operator(p, &node->test);
}

static struct node *join(struct parser *p, int kind, struct node *left, struct node *right)
{
    struct node *node = ARENA_NEW(p->arena, struct node);
    if (left == NULL)
        return right;
    if (kind == NODE_AND)
        node->kind = NODE_AND;
    else
        node->kind = NODE_OR;
    node->left = left;
    node->right = right;
    return node;
}

static bool parse_and(struct parser *p, struct node **out)
{
    struct node *right;
    if (!parse_test(p, out))
        return false;
    while (accept(p, "&&")) {
        if (!parse_test(p, &right))
            return false;
        *out = join(p, NODE_AND, *out, right);
    }
    return true;
}

static bool parse_or(struct parser *p, struct node **out)
{
    struct node *right;
    if (!parse_and(p, out))
        return false;
    while (accept(p, "||")) {
        if (!parse_and(p, &right))
            return false;
        *out = join(p, NODE_OR, *out, right);
    }
    return true;
}

static bool parse_json(struct parser *p)
{
    p->pattern->kind = PATTERN_JSON;
    if (!parse_or(p, &p->pattern->root))
        return false;
    if (!accept(p, "}"))
        return fail(p, "the closing } is missing");
    skip_space(p);
    return p->rest.len == 0 || fail(p, "something follows the closing }");
}

/* --- fields --- */

static bool parse_field(struct parser *p)
{
    struct field field = {0};
    struct str before;
    VEC_PUSH(p->arena, p->pattern->fields, p->pattern->field_count, p->field_cap, field);
    struct field *made = &p->pattern->fields[p->pattern->field_count - 1];
    if (accept(p, "...")) {
        if (p->pattern->rest != SIZE_MAX)
            return fail(p, "there is more than one ellipsis");
        made->rest = true;
        p->pattern->rest = p->pattern->field_count - 1;
        return true;
    }
    skip_space(p);
    if (peek(p) == ',' || peek(p) == ']')
        return true;
    before = p->rest;
    if (peek(p) != '(') {
        if (!parse_field_name(p, &made->name))
            return false;
        skip_space(p);
        if (peek(p) == ',' || peek(p) == ']')
            return true;
    }
    struct node *condition;
    p->rest = before;
    if (!parse_or(p, &condition))
        return false;
    p->pattern->root = join(p, NODE_AND, p->pattern->root, condition);
    return true;
}

static bool parse_fields(struct parser *p)
{
    p->pattern->kind = PATTERN_FIELDS;
    if (accept(p, "]")) { /* any fields */
        struct field rest = {.rest = true};
        VEC_PUSH(p->arena, p->pattern->fields, p->pattern->field_count, p->field_cap, rest);
        p->pattern->rest = 0;
    } else {
        do {
            if (!parse_field(p))
                return false;
        } while (accept(p, ","));
        if (!accept(p, "]"))
            return fail(p, "the closing ] is missing");
    }
    skip_space(p);
    return p->rest.len == 0 || fail(p, "something follows the closing ]");
}

bool log_pattern_parse(struct arena *arena, struct str text, struct pattern **out,
                       struct str *problem)
{
    struct pattern *pattern = ARENA_NEW(arena, struct pattern);
    struct parser parser = {.arena = arena, .pattern = pattern};
    pattern->rest = SIZE_MAX;
    parser.rest = str_is_absent(text) ? text : str_trim(text);
    *out = pattern;
    if (str_is_empty(parser.rest))
        return true;
    bool fine = accept(&parser, "{")   ? parse_json(&parser)
                : accept(&parser, "[") ? parse_fields(&parser)
                                       : parse_terms(&parser);
    *problem = parser.problem;
    return fine;
}

bool log_pattern_has_regex(const struct pattern *pattern)
{
    return pattern->regexes > 0;
}
