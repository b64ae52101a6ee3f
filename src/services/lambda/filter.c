#include "services/lambda/filter.h"

#include <arpa/inet.h>

#include "wire/json_text.h"

/* --- one rule about one value
 * ----------------------------------------------------------------------------------
 */

/* A rule's argument, or a member of an event, both raw. */
static bool raw_is_string(struct str raw)
{
    return json_kind_of(raw) == JSON_STRING;
}

static bool raw_number(struct str raw, double *out)
{
    return json_kind_of(raw) == JSON_NUMBER && str_to_double(str_trim(raw), out);
}

/* "For numbers, Lambda also uses string representation": 300 is not 300.0. */
static bool raw_equal(struct arena *arena, struct str a, struct str b)
{
    struct str s, t;
    enum json_kind kind = json_kind_of(a);
    if (kind != json_kind_of(b))
        return false;
    if (kind == JSON_STRING)
        return json_string(arena, a, &s) && json_string(arena, b, &t) && str_eq(s, t);
    return str_eq(str_trim(a), str_trim(b));
}

/* The argument of prefix and suffix: a string, or {"equals-ignore-case": string}. */
static bool end_argument(struct arena *arena, struct str raw, struct str *text, bool *any_case)
{
    struct str inner;
    *any_case = json_kind_of(raw) == JSON_OBJECT;
    if (*any_case && json_member(arena, raw, STR("equals-ignore-case"), &inner))
        raw = inner;
    return json_string(arena, raw, text);
}

static bool end_matches(struct arena *arena, struct str argument, struct str value, bool suffix)
{
    struct str wanted;
    bool any_case;
    if (!end_argument(arena, argument, &wanted, &any_case) || wanted.len > value.len)
        return false;
    struct str part = suffix ? str_slice(value, value.len - wanted.len, value.len)
                             : str_slice(value, 0, wanted.len);
    return any_case ? str_eq_nocase(part, wanted) : str_eq(part, wanted);
}

/* '*' stands for any characters; "\*" and "\\" for themselves. */
static bool wildcard_matches(struct str pattern, struct str value)
{
    size_t p = 0, v = 0, star = SIZE_MAX, mark = 0;
    while (v < value.len) {
        bool escaped = p + 1 < pattern.len && pattern.ptr[p] == '\\' &&
                       (pattern.ptr[p + 1] == '*' || pattern.ptr[p + 1] == '\\');
        if (p < pattern.len && pattern.ptr[p] == '*') {
            star = p++;
            mark = v;
        } else if (p < pattern.len && pattern.ptr[p + escaped] == value.ptr[v]) {
            p += 1U + escaped;
            v++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            v = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*')
        p++;
    return p == pattern.len;
}

/* The argument of a rule that takes a string or a list of them: any of them fits. */
static bool any_of(struct arena *arena, struct str argument, struct str value,
                   bool (*fits)(struct arena *arena, struct str argument, struct str value))
{
    struct str rest = argument, item;
    if (json_kind_of(argument) != JSON_ARRAY)
        return fits(arena, argument, value);
    while (json_next_item(&rest, &item))
        if (fits(arena, item, value))
            return true;
    return false;
}

static bool fits_prefix(struct arena *arena, struct str argument, struct str value)
{
    struct str text;
    return json_string(arena, value, &text) && end_matches(arena, argument, text, false);
}

static bool fits_suffix(struct arena *arena, struct str argument, struct str value)
{
    struct str text;
    return json_string(arena, value, &text) && end_matches(arena, argument, text, true);
}

static bool fits_any_case(struct arena *arena, struct str argument, struct str value)
{
    struct str text, wanted;
    return json_string(arena, value, &text) && json_string(arena, argument, &wanted) &&
           str_eq_nocase(text, wanted);
}

static bool fits_wildcard(struct arena *arena, struct str argument, struct str value)
{
    struct str text, wanted;
    return json_string(arena, value, &text) && json_string(arena, argument, &wanted) &&
           wildcard_matches(wanted, text);
}

static bool fits_numeric(struct arena *arena, struct str argument, struct str value)
{
    struct str rest = argument, raw, operator;
    double number, bound;
    if (!raw_number(value, &number))
        return false;
    while (json_next_item(&rest, &raw)) {
        if (!json_string(arena, raw, &operator) || !json_next_item(&rest, &raw) ||
            !raw_number(raw, &bound))
            return false;
        bool below = number<bound, above = number> bound, fits;
        if (str_eq(operator, STR("=")))
            fits = !below && !above;
        else if (str_eq(operator, STR("<")))
            fits = below;
        else if (str_eq(operator, STR("<=")))
            fits = !above;
        else if (str_eq(operator, STR(">")))
            fits = above;
        else
            fits = !below;
        if (!fits)
            return false;
    }
    return true;
}

/* An address's bytes; 0: it is none. */
static size_t address_bytes(struct arena *arena, struct str text, unsigned char out[16])
{
    const char *c = str_to_c(arena, text);
    if (inet_pton(AF_INET, c, out) == 1)
        return 4;
    return inet_pton(AF_INET6, c, out) == 1 ? 16 : 0;
}

static bool cidr_parse(struct arena *arena, struct str text, unsigned char out[16], size_t *size,
                       uint64_t *bits)
{
    struct str head, rest;
    if (!str_cut(text, '/', &head, &rest) || !str_to_u64(rest, bits))
        return false;
    *size = address_bytes(arena, head, out);
    return *size > 0 && *bits <= *size * 8;
}

static bool fits_cidr(struct arena *arena, struct str argument, struct str value)
{
    unsigned char network[16], address[16];
    struct str range, text;
    size_t size;
    uint64_t bits;
    if (!json_string(arena, argument, &range) || !json_string(arena, value, &text) ||
        !cidr_parse(arena, range, network, &size, &bits) ||
        address_bytes(arena, text, address) != size)
        return false;
    for (size_t i = 0; i < bits; i++) {
        unsigned shift = 7 - (unsigned)i % 8;
        if (((unsigned)(network[i / 8] ^ address[i / 8]) >> shift & 1U) != 0)
            return false;
    }
    return true;
}

static bool fits_literal(struct arena *arena, struct str argument, struct str value)
{
    return raw_equal(arena, argument, value);
}

/* What a rule {"name": argument} says of a value. */
struct rule_kind {
    struct str name;
    bool (*fits)(struct arena *arena, struct str argument, struct str value);
};
static const struct rule_kind rule_kinds[] = {
    {STR_INIT("prefix"), fits_prefix},
    {STR_INIT("suffix"), fits_suffix},
    {STR_INIT("equals-ignore-case"), fits_any_case},
    {STR_INIT("wildcard"), fits_wildcard},
    {STR_INIT("numeric"), fits_numeric},
    {STR_INIT("cidr"), fits_cidr},
};

static const struct rule_kind *rule_kind_of(struct str name)
{
    for (size_t i = 0; i < sizeof rule_kinds / sizeof rule_kinds[0]; i++)
        if (str_eq(rule_kinds[i].name, name))
            return &rule_kinds[i];
    return NULL;
}

static bool fits_anything_but(struct arena *arena, struct str argument, struct str value)
{
    struct str rest = argument, name, inner;
    if (json_kind_of(argument) != JSON_OBJECT)
        return !any_of(arena, argument, value, fits_literal);
    if (!json_next_member(arena, &rest, &name, &inner))
        return false;
    const struct rule_kind *kind = rule_kind_of(name);
    return kind != NULL && raw_is_string(value) && !any_of(arena, inner, value, kind->fits);
}

static bool rule_fits(struct arena *arena, struct str rule, struct str value)
{
    struct str rest = rule, name, argument;
    if (json_kind_of(rule) != JSON_OBJECT)
        return raw_equal(arena, rule, value);
    if (!json_next_member(arena, &rest, &name, &argument))
        return false;
    if (str_eq(name, STR("exists")))
        return str_eq(str_trim(argument), STR("true"));
    if (str_eq(name, STR("anything-but")))
        return fits_anything_but(arena, argument, value);
    const struct rule_kind *kind = rule_kind_of(name);
    return kind != NULL && kind->fits(arena, argument, value);
}

/* --- a pattern
 * -------------------------------------------------------------------------------------------------
 */

/* {"exists": false} among the rules. */
static bool rules_want_absence(struct arena *arena, struct str rules)
{
    struct str rest = rules, rule, argument;
    while (json_next_item(&rest, &rule))
        if (json_kind_of(rule) == JSON_OBJECT &&
            json_member(arena, rule, STR("exists"), &argument) &&
            str_eq(str_trim(argument), STR("false")))
            return true;
    return false;
}

/* A list in an event fits when one of its items does. */
static bool rules_fit(struct arena *arena, struct str rules, struct str value)
{
    struct str rest = value, item, rule;
    if (json_kind_of(value) == JSON_ARRAY) {
        while (json_next_item(&rest, &item))
            if (rules_fit(arena, rules, item))
                return true;
        return false;
    }
    rest = rules;
    while (json_next_item(&rest, &rule))
        if (rule_fits(arena, rule, value))
            return true;
    return false;
}

static bool pattern_fits(struct arena *arena, struct str pattern, struct str event);

static bool any_pattern_fits(struct arena *arena, struct str patterns, struct str event)
{
    struct str rest = patterns, pattern;
    while (json_next_item(&rest, &pattern))
        if (pattern_fits(arena, pattern, event))
            return true;
    return false;
}

/* "Comparison operators only work on leaf nodes": an object is as good as none. */
static bool has_leaf(struct str value)
{
    struct str rest = value, item;
    if (str_is_absent(value) || json_kind_of(value) == JSON_OBJECT)
        return false;
    if (json_kind_of(value) != JSON_ARRAY)
        return true;
    while (json_next_item(&rest, &item))
        if (has_leaf(item))
            return true;
    return false;
}

/* One member of a pattern; absent: the event has none of that name. */
static bool member_fits(struct arena *arena, struct str wanted, struct str value)
{
    struct str rest = value, item;
    if (json_kind_of(wanted) == JSON_ARRAY)
        return has_leaf(value) ? rules_fit(arena, wanted, value)
                               : rules_want_absence(arena, wanted);
    if (!str_is_absent(value) && json_kind_of(value) == JSON_ARRAY) {
        while (json_next_item(&rest, &item))
            if (pattern_fits(arena, wanted, item))
                return true;
        return false;
    }
    bool object = !str_is_absent(value) && json_kind_of(value) == JSON_OBJECT;
    return pattern_fits(arena, wanted, object ? value : STR("{}"));
}

static bool pattern_fits(struct arena *arena, struct str pattern, struct str event)
{
    struct str rest = pattern, name, wanted, value;
    if (json_kind_of(event) != JSON_OBJECT)
        return false;
    while (json_next_member(arena, &rest, &name, &wanted)) {
        bool choice = str_eq(name, STR("$or")) && json_kind_of(wanted) == JSON_ARRAY;
        if (choice) {
            if (!any_pattern_fits(arena, wanted, event))
                return false;
            continue;
        }
        if (!json_member(arena, event, name, &value))
            value = (struct str){0};
        if (!member_fits(arena, wanted, value))
            return false;
    }
    return true;
}

bool filter_matches(struct arena *arena, struct str pattern, struct str event)
{
    return pattern_fits(arena, pattern, event);
}

/* --- whether it is one
 * -----------------------------------------------------------------------------------------
 */

static bool numeric_is_valid(struct arena *arena, struct str argument)
{
    static const struct str known[] = {STR_INIT("="), STR_INIT("<"), STR_INIT("<="), STR_INIT(">"),
                                       STR_INIT(">=")};
    struct str rest = argument, raw, operator;
    double bound;
    size_t count = 0;
    if (json_kind_of(argument) != JSON_ARRAY)
        return false;
    while (json_next_item(&rest, &raw)) {
        bool found = false;
        if (!json_string(arena, raw, &operator))
            return false;
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
            found = found || str_eq(operator, known[i]);
        if (!found || !json_next_item(&rest, &raw) || !raw_number(raw, &bound))
            return false;
        count++;
    }
    return count == 1 || count == 2;
}

/* Strings, or numbers, not both. */
static bool literals_are_valid(struct str argument)
{
    struct str rest = argument, item;
    enum json_kind kind = json_kind_of(argument);
    size_t count = 0;
    if (kind != JSON_ARRAY)
        return kind == JSON_STRING || kind == JSON_NUMBER;
    for (; json_next_item(&rest, &item); count++) {
        if (count == 0)
            kind = json_kind_of(item);
        if (json_kind_of(item) != kind || (kind != JSON_STRING && kind != JSON_NUMBER))
            return false;
    }
    return count > 0;
}

/* "Consecutive wildcard characters are not supported"; what a backslash stands before is '*' or
 * another. */
static bool wildcard_is_valid(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char next = i + 1 < text.len ? text.ptr[i + 1] : '\0';
        if (text.ptr[i] == '*' && next == '*')
            return false;
        if (text.ptr[i] == '\\' && next != '*' && next != '\\')
            return false;
        if (text.ptr[i] == '\\')
            i++;
    }
    return true;
}

static bool argument_is_valid(struct arena *arena, const struct rule_kind *kind,
                              struct str argument)
{
    struct str text;
    unsigned char bytes[16];
    size_t size;
    uint64_t bits;
    bool any_case;
    if (kind->fits == fits_numeric)
        return numeric_is_valid(arena, argument);
    if (kind->fits == fits_prefix || kind->fits == fits_suffix)
        return end_argument(arena, argument, &text, &any_case);
    if (!json_string(arena, argument, &text) ||
        (kind->fits == fits_wildcard && !wildcard_is_valid(text)))
        return false;
    return kind->fits != fits_cidr || cidr_parse(arena, text, bytes, &size, &bits);
}

static bool anything_but_is_valid(struct arena *arena, struct str argument)
{
    struct str rest = argument, name, inner, item;
    if (json_kind_of(argument) != JSON_OBJECT)
        return literals_are_valid(argument);
    if (!json_next_member(arena, &rest, &name, &inner))
        return false;
    const struct rule_kind *kind = rule_kind_of(name);
    if (kind == NULL || kind->fits == fits_numeric || kind->fits == fits_cidr)
        return false;
    if (json_kind_of(inner) != JSON_ARRAY)
        return argument_is_valid(arena, kind, inner);
    rest = inner;
    while (json_next_item(&rest, &item))
        if (!argument_is_valid(arena, kind, item))
            return false;
    return true;
}

static bool rule_is_valid(struct arena *arena, struct str rule, struct str *problem)
{
    struct str rest = rule, name, argument, more;
    bool valid;
    enum json_kind is = json_kind_of(rule);
    if (is == JSON_ARRAY) {
        *problem = STR("Match value must be String, number, true, false, or null");
        return false;
    }
    if (is != JSON_OBJECT)
        return true;
    if (!json_next_member(arena, &rest, &name, &argument) ||
        json_next_member(arena, &rest, &more, &more)) {
        *problem = STR("Only one key allowed in match expression");
        return false;
    }
    const struct rule_kind *kind = rule_kind_of(name);
    if (str_eq(name, STR("exists")))
        valid = json_kind_of(argument) == JSON_BOOL;
    else if (str_eq(name, STR("anything-but")))
        valid = anything_but_is_valid(arena, argument);
    else if (kind == NULL)
        valid = false;
    else
        valid = argument_is_valid(arena, kind, argument);
    if (!valid)
        *problem = str_format(arena,
                              kind == NULL && !str_eq(name, STR("exists")) &&
                                      !str_eq(name, STR("anything-but"))
                                  ? "Unrecognized match type %.*s"
                                  : "Invalid value of match type %.*s",
                              PRSTR(name));
    return valid;
}

static bool pattern_is_valid(struct arena *arena, struct str pattern, struct str *problem);

/* The list of "$or": patterns, two or more. */
static bool choices_are_valid(struct arena *arena, struct str list, struct str *problem)
{
    struct str rest = list, item;
    size_t count = 0;
    for (; json_next_item(&rest, &item); count++)
        if (!pattern_is_valid(arena, item, problem))
            return false;
    if (count >= 2)
        return true;
    *problem = STR("There must have at least 2 Objects in $or relationship.");
    return false;
}

static bool rules_are_valid(struct arena *arena, struct str rules, struct str *problem)
{
    struct str rest = rules, rule;
    size_t count = 0;
    for (; json_next_item(&rest, &rule); count++)
        if (!rule_is_valid(arena, rule, problem))
            return false;
    if (count > 0)
        return true;
    *problem = STR("Empty arrays are not allowed");
    return false;
}

static bool pattern_is_valid(struct arena *arena, struct str pattern, struct str *problem)
{
    struct str rest = pattern, name, wanted;
    size_t count = 0;
    if (json_kind_of(pattern) != JSON_OBJECT) {
        *problem = STR("Filter is not an object");
        return false;
    }
    for (; json_next_member(arena, &rest, &name, &wanted); count++) {
        enum json_kind kind = json_kind_of(wanted);
        bool choice = str_eq(name, STR("$or")) && kind == JSON_ARRAY;
        if (kind != JSON_ARRAY && kind != JSON_OBJECT) {
            *problem = str_format(arena, "\"%.*s\" must be an object or an array", PRSTR(name));
            return false;
        }
        if (choice ? !choices_are_valid(arena, wanted, problem)
                   : (kind == JSON_ARRAY ? !rules_are_valid(arena, wanted, problem)
                                         : !pattern_is_valid(arena, wanted, problem)))
            return false;
    }
    if (count > 0)
        return true;
    *problem = STR("Empty objects are not allowed");
    return false;
}

bool filter_is_valid(struct arena *arena, struct str pattern, struct str *problem)
{
    *problem = (struct str){0};
    if (json_is_valid(pattern))
        return str_eq(str_trim(pattern), STR("{}")) || pattern_is_valid(arena, pattern, problem);
    *problem = STR("Filter is not valid JSON");
    return false;
}
