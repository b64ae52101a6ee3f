/* Filter patterns: against messages. */
#include "base/vec.h"
#include "services/logs/pattern_int.h"
#include "wire/json_text.h"

/* --- texts --- */

/* '*' stands for any characters. */
static bool wild_match(struct str pattern, struct str text)
{
    size_t p = 0, t = 0, star = SIZE_MAX, mark = 0;
    while (t < text.len) {
        if (p < pattern.len && pattern.ptr[p] == '*') {
            star = p++;
            mark = t;
        } else if (p < pattern.len && pattern.ptr[p] == text.ptr[t]) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*')
        p++;
    return p == pattern.len;
}

static bool text_equals(const struct test *test, struct str text)
{
    double number;
    if (test->regex != NULL)
        return regex_matches(test->regex, text);
    if (test->wild)
        return wild_match(test->value, text);
    if (test->numeric && str_to_double(text, &number))
        return number >= test->number && number <= test->number;
    return str_eq(test->value, text);
}

static bool text_passes(const struct test *test, struct str text)
{
    double number;
    if (test->op == TEST_EQ)
        return text_equals(test, text);
    if (test->op == TEST_NE)
        return !text_equals(test, text);
    if (!str_to_double(text, &number))
        return false;
    return test->op == TEST_LT   ? number < test->number
           : test->op == TEST_LE ? number <= test->number
           : test->op == TEST_GT ? number > test->number
                                 : number >= test->number;
}

/* --- JSON --- */

struct search {
    struct arena *arena;
    const struct selector *selector;
    const struct test *test; /* NULL: the first value will do */
    struct str found;
};

static bool value_passes(struct search *search, struct str raw)
{
    enum json_kind kind = json_kind_of(raw);
    const struct test *test = search->test;
    struct str text = raw;
    if (test == NULL || test->op == TEST_EXISTS) {
        search->found = raw;
        return true;
    }
    if (test->op == TEST_NULL)
        return kind == JSON_NULL;
    if (test->op == TEST_TRUE || test->op == TEST_FALSE)
        return kind == JSON_BOOL && (raw.ptr[0] == 't') == (test->op == TEST_TRUE);
    if (kind == JSON_OBJECT || kind == JSON_ARRAY || kind == JSON_NULL)
        return false;
    if (kind == JSON_STRING && !json_string(search->arena, raw, &text))
        return false;
    return text_passes(test, text);
}

static bool search_from(struct search *search, struct str raw, size_t at)
{
    struct str rest = raw, name, value;
    if (at == search->selector->count)
        return value_passes(search, str_trim(raw));
    const struct selector_step *step = &search->selector->steps[at];
    enum json_kind kind = json_kind_of(raw);
    if (step->kind == STEP_MEMBER)
        return kind == JSON_OBJECT && json_member(search->arena, raw, step->name, &value) &&
               search_from(search, value, at + 1);
    if (kind == JSON_OBJECT && step->kind == STEP_ALL) {
        while (json_next_member(search->arena, &rest, &name, &value))
            if (search_from(search, value, at + 1))
                return true;
        return false;
    }
    if (kind != JSON_ARRAY)
        return false;
    for (size_t i = 0; json_next_item(&rest, &value); i++)
        if ((step->kind == STEP_ALL || step->index == i) && search_from(search, value, at + 1))
            return true;
    return false;
}

static bool json_passes(const struct test *test, struct arena *arena, struct str message)
{
    struct search search = {.arena = arena, .selector = test->selector, .test = test};
    if (test->op != TEST_NOT_EXISTS)
        return search_from(&search, message, 0);
    search.test = NULL;
    return !search_from(&search, message, 0);
}

/* --- fields --- */

/* Split at blanks; what stands in quotation marks or brackets is one. */
static struct str_list split(struct arena *arena, struct str message)
{
    struct str_list list = {0};
    size_t cap = 0, at = 0;
    for (;;) {
        while (at < message.len && (message.ptr[at] == ' ' || message.ptr[at] == '\t' ||
                                    message.ptr[at] == '\n' || message.ptr[at] == '\r'))
            at++;
        if (at == message.len)
            return list;
        char close = message.ptr[at] == '"' ? '"' : message.ptr[at] == '[' ? ']' : '\0';
        size_t end = close == '\0' ? SIZE_MAX
                                   : str_find_char(str_slice(message, at + 1, message.len), close);
        struct str item;
        if (end != SIZE_MAX) {
            item = str_slice(message, at + 1, at + 1 + end);
            at += end + 2;
        } else {
            size_t from = at;
            while (at < message.len && message.ptr[at] != ' ' && message.ptr[at] != '\t' &&
                   message.ptr[at] != '\n' && message.ptr[at] != '\r')
                at++;
            item = str_slice(message, from, at);
        }
        VEC_PUSH(arena, list.items, list.len, cap, item);
    }
}

/* Where the pattern's field stands in the message. */
static size_t field_at(const struct pattern *pattern, size_t field, size_t count)
{
    return field < pattern->rest ? field : count - (pattern->field_count - field);
}

static bool fields_fit(const struct pattern *pattern, size_t count)
{
    return pattern->rest == SIZE_MAX ? count == pattern->field_count
                                     : count + 1 >= pattern->field_count;
}

/* --- patterns --- */

struct subject {
    const struct pattern *pattern;
    struct arena *arena;
    struct str message;
    struct str_list fields;
};

static bool node_passes(const struct node *node, const struct subject *subject)
{
    if (node->kind == NODE_AND)
        return node_passes(node->left, subject) && node_passes(node->right, subject);
    if (node->kind == NODE_OR)
        return node_passes(node->left, subject) || node_passes(node->right, subject);
    if (subject->pattern->kind == PATTERN_JSON)
        return json_passes(&node->test, subject->arena, subject->message);
    size_t at = field_at(subject->pattern, node->test.field, subject->fields.len);
    return text_passes(&node->test, subject->fields.items[at]);
}

static bool terms_pass(const struct pattern *pattern, struct str message)
{
    bool any = !pattern->optional_only;
    for (size_t i = 0; i < pattern->term_count; i++) {
        const struct term *term = &pattern->terms[i];
        /* Beside terms of other kinds an optional one says nothing. */
        if (term->kind == TERM_OPTIONAL && !pattern->optional_only)
            continue;
        bool there = term->regex != NULL ? regex_matches(term->regex, message)
                                         : str_find(message, term->text) != SIZE_MAX;
        if ((term->kind == TERM_NEEDED && !there) || (term->kind == TERM_EXCLUDED && there))
            return false;
        any |= there;
    }
    return any;
}

static bool subject_make(const struct pattern *pattern, struct arena *arena, struct str message,
                         struct subject *out)
{
    *out = (struct subject){.pattern = pattern, .arena = arena, .message = message};
    if (pattern->kind == PATTERN_JSON)
        return json_is_valid(message) && json_kind_of(message) == JSON_OBJECT;
    if (pattern->kind != PATTERN_FIELDS)
        return true;
    out->fields = split(arena, message);
    return fields_fit(pattern, out->fields.len);
}

bool log_pattern_matches(const struct pattern *pattern, struct arena *scratch, struct str message)
{
    struct subject subject;
    if (pattern->kind == PATTERN_ALL)
        return true;
    if (pattern->kind == PATTERN_TERMS)
        return terms_pass(pattern, message);
    return subject_make(pattern, scratch, message, &subject) &&
           (pattern->root == NULL || node_passes(pattern->root, &subject));
}

static bool json_value(const struct subject *subject, const struct selector *selector,
                       struct str *text)
{
    struct search search = {.arena = subject->arena, .selector = selector};
    if (!search_from(&search, subject->message, 0))
        return false;
    *text = search.found;
    return json_kind_of(search.found) != JSON_STRING ||
           json_string(subject->arena, search.found, text);
}

static void fields_named(const struct subject *subject, struct str_map *out, size_t *cap)
{
    const struct pattern *pattern = subject->pattern;
    size_t count = subject->fields.len;
    for (size_t at = 0; at < count; at++) {
        struct str name = {0};
        for (size_t field = 0; field < pattern->field_count; field++)
            if (field != pattern->rest && field_at(pattern, field, count) == at)
                name = pattern->fields[field].name;
        struct str_map_entry entry = {
            .key = str_is_absent(name) ? str_format(subject->arena, "$%zu", at + 1)
                                       : str_concat(subject->arena, STR("$"), name),
            .value = subject->fields.items[at],
        };
        VEC_PUSH(subject->arena, out->items, out->len, *cap, entry);
    }
}

struct str_map log_pattern_values(const struct pattern *pattern, struct arena *arena,
                                  struct str message)
{
    struct str_map out = {.items = ARENA_NEW(arena, struct str_map_entry)};
    struct subject subject;
    size_t cap = 1;
    if (!subject_make(pattern, arena, message, &subject))
        return out;
    if (pattern->kind == PATTERN_FIELDS)
        fields_named(&subject, &out, &cap);
    for (size_t i = 0; i < pattern->selector_count; i++) {
        struct str_map_entry entry = {.key = pattern->selectors[i]->text};
        bool twice = false;
        for (size_t other = 0; other < out.len; other++)
            twice |= str_eq(out.items[other].key, entry.key);
        if (!twice && json_value(&subject, pattern->selectors[i], &entry.value))
            VEC_PUSH(arena, out.items, out.len, cap, entry);
    }
    return out;
}

struct str log_pattern_value(const struct pattern *pattern, struct arena *arena, struct str message,
                             struct str selector)
{
    struct subject subject;
    if (!str_starts_with(selector, STR("$.")) && !str_starts_with(selector, STR("$["))) {
        struct str_map values = log_pattern_values(pattern, arena, message);
        for (size_t i = 0; i < values.len; i++)
            if (str_eq(values.items[i].key, selector))
                return values.items[i].value;
        return (struct str){0};
    }
    /* A selector of its own: a condition that asks for nothing else. */
    struct pattern *own;
    struct str problem, value;
    struct str text = str_format(arena, "{ %.*s EXISTS }", PRSTR(selector));
    if (!log_pattern_parse(arena, text, &own, &problem) || own->selector_count != 1 ||
        !subject_make(own, arena, message, &subject) ||
        !json_value(&subject, own->selectors[0], &value))
        return (struct str){0};
    return value;
}
