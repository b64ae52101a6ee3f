/* Wildcards and variables ("IAM policy elements: Variables and tags"; "IAM JSON policy elements:
 * Resource", IAM User Guide). */
#include "auth/policy_int.h"
#include "base/buf.h"

enum { EXPANDED_MAX = 64 * 1024 };

/* Past one character of UTF-8. */
static size_t skip_character(struct str s, size_t at)
{
    at++;
    while (at < s.len && ((unsigned char)s.ptr[at] & 0xC0) == 0x80)
        at++;
    return at;
}

/* A star that has matched is never reopened by one before it, so that the cost is at most
 * pattern x subject. */
bool pattern_glob(struct str pattern, struct str subject)
{
    size_t p = 0, s = 0, star = SIZE_MAX, mark = 0;
    while (s < subject.len) {
        if (p < pattern.len && pattern.ptr[p] == WILD_MANY) {
            star = ++p;
            mark = s;
        } else if (p < pattern.len && pattern.ptr[p] == WILD_ONE) {
            p++;
            s = skip_character(subject, s);
        } else if (p < pattern.len && pattern.ptr[p] == subject.ptr[s]) {
            p++;
            s++;
        } else if (star != SIZE_MAX) {
            p = star;
            s = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == WILD_MANY)
        p++;
    return p == pattern.len;
}

struct policy_pairs pattern_pairs(struct str text)
{
    struct policy_pairs pairs = {{0, 0}};
    for (size_t i = 1; i < text.len; i++) {
        uint32_t a = (uint8_t)text.ptr[i - 1], b = (uint8_t)text.ptr[i];
        uint32_t hash = (a * 0x9E3779B1u + b) * 0x85EBCA6Bu >> 25;
        if (a < (uint8_t)WILD_ONE && b < (uint8_t)WILD_ONE)
            pairs.bits[hash >> 6] |= UINT64_C(1) << (hash & 63);
    }
    return pairs;
}

static struct policy_pattern pattern_classify(struct str text)
{
    struct policy_pattern pattern = {.text = text, .form = PATTERN_LITERAL};
    size_t many = str_find_char(text, WILD_MANY);
    if (text.len == 1 && many == 0)
        pattern.form = PATTERN_ANY;
    else if (many == text.len - 1 && text.len > 1 && str_find_char(text, WILD_ONE) == SIZE_MAX)
        pattern = (struct policy_pattern){.text = str_slice(text, 0, many), .form = PATTERN_PREFIX};
    else if (many != SIZE_MAX || str_find_char(text, WILD_ONE) != SIZE_MAX)
        pattern.form = PATTERN_GLOB;
    return pattern;
}

static void append_wild(struct buf *out, struct str text, bool wild)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        buf_append_char(out, !wild ? c : c == '*' ? WILD_MANY : c == '?' ? WILD_ONE : c);
    }
}

struct policy_pattern pattern_compile(struct arena *arena, struct str text, bool wild,
                                      bool variables)
{
    if (variables && str_find(text, STR("${")) != SIZE_MAX)
        return (struct policy_pattern){.text = text, .form = PATTERN_VARIABLE, .wild = wild};
    if (!wild || (str_find_char(text, '*') == SIZE_MAX && str_find_char(text, '?') == SIZE_MAX))
        return (struct policy_pattern){
            .text = text, .form = PATTERN_LITERAL, .wild = wild, .pairs = pattern_pairs(text)};
    struct buf out;
    buf_init(&out, arena, text.len + 1);
    append_wild(&out, text, true);
    struct policy_pattern pattern = pattern_classify(buf_str(&out));
    if (pattern.form != PATTERN_ANY)
        pattern.pairs = pattern_pairs(pattern.text);
    return pattern;
}

/* "aws:PrincipalTag/team, 'company-wide'" */
static bool variable_value(const struct policy_context *context, struct str inside,
                           struct str *value)
{
    struct str key, fallback;
    if (inside.len == 1 && memchr("*?$", inside.ptr[0], 3) != NULL) {
        *value = inside;
        return true;
    }
    bool has_fallback = str_cut(inside, ',', &key, &fallback);
    struct policy_values values;
    if (context->find != NULL && context->find(context->self, str_trim(key), &values) &&
        values.len == 1) {
        *value = values.items[0];
        return str_find_char(*value, WILD_MANY) == SIZE_MAX &&
               str_find_char(*value, WILD_ONE) == SIZE_MAX;
    }
    fallback = str_trim(fallback);
    if (!has_fallback || fallback.len < 2 || fallback.ptr[0] != '\'' ||
        fallback.ptr[fallback.len - 1] != '\'')
        return false;
    *value = str_slice(fallback, 1, fallback.len - 1);
    return true;
}

bool pattern_expand(struct arena *scratch, const struct policy_context *context,
                    const struct policy_pattern *pattern, struct policy_pattern *out)
{
    if (pattern->form != PATTERN_VARIABLE) {
        *out = *pattern;
        return true;
    }
    struct buf text;
    buf_init(&text, scratch, EXPANDED_MAX);
    struct str rest = pattern->text;
    for (;;) {
        size_t at = str_find(rest, STR("${"));
        size_t end =
            at == SIZE_MAX ? SIZE_MAX : str_find_char(str_slice(rest, at + 2, rest.len), '}');
        if (end == SIZE_MAX)
            break; /* what is not closed is text */
        struct str value;
        append_wild(&text, str_slice(rest, 0, at), pattern->wild);
        if (!variable_value(context, str_slice(rest, at + 2, at + 2 + end), &value))
            return false;
        buf_append(&text, value);
        rest = str_slice(rest, at + 3 + end, rest.len);
    }
    append_wild(&text, rest, pattern->wild);
    if (buf_is_full(&text))
        return false;
    *out = pattern_classify(buf_str(&text));
    return true;
}

bool pattern_matches(const struct policy_pattern *pattern, struct str subject, bool nocase)
{
    switch (pattern->form) {
    case PATTERN_ANY:
        return true;
    case PATTERN_LITERAL:
        return nocase ? str_eq_nocase(pattern->text, subject) : str_eq(pattern->text, subject);
    case PATTERN_PREFIX:
        return str_starts_with(subject, pattern->text);
    case PATTERN_GLOB:
        return pattern_glob(pattern->text, subject);
    case PATTERN_VARIABLE:
        break;
    }
    ASSERT(false);
    return false;
}
