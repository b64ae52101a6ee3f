/* "IAM JSON policy elements: Condition operators", "Set operators for multivalued context keys"
 * (IAM User Guide). */
#include <arpa/inet.h>

#include "auth/policy_int.h"
#include "base/encode.h"
#include "base/time.h"

enum condition_operator {
    OPERATOR_STRING_EQUALS,
    OPERATOR_STRING_EQUALS_NOCASE,
    OPERATOR_STRING_LIKE,
    OPERATOR_NUMERIC_EQUALS,
    OPERATOR_NUMERIC_LESS,
    OPERATOR_NUMERIC_LESS_EQUALS,
    OPERATOR_NUMERIC_GREATER,
    OPERATOR_NUMERIC_GREATER_EQUALS,
    OPERATOR_DATE_EQUALS,
    OPERATOR_DATE_LESS,
    OPERATOR_DATE_LESS_EQUALS,
    OPERATOR_DATE_GREATER,
    OPERATOR_DATE_GREATER_EQUALS,
    OPERATOR_BOOL,
    OPERATOR_BINARY,
    OPERATOR_ADDRESS,
    OPERATOR_ARN,
    OPERATOR_NULL,
};

enum condition_set { SET_NONE, SET_ALL, SET_ANY };

static const struct {
    struct str name;
    enum condition_operator op;
    bool negated;
} operators[] = {
    {STR_INIT("StringEquals"), OPERATOR_STRING_EQUALS, false},
    {STR_INIT("StringNotEquals"), OPERATOR_STRING_EQUALS, true},
    {STR_INIT("StringEqualsIgnoreCase"), OPERATOR_STRING_EQUALS_NOCASE, false},
    {STR_INIT("StringNotEqualsIgnoreCase"), OPERATOR_STRING_EQUALS_NOCASE, true},
    {STR_INIT("StringLike"), OPERATOR_STRING_LIKE, false},
    {STR_INIT("StringNotLike"), OPERATOR_STRING_LIKE, true},
    {STR_INIT("NumericEquals"), OPERATOR_NUMERIC_EQUALS, false},
    {STR_INIT("NumericNotEquals"), OPERATOR_NUMERIC_EQUALS, true},
    {STR_INIT("NumericLessThan"), OPERATOR_NUMERIC_LESS, false},
    {STR_INIT("NumericLessThanEquals"), OPERATOR_NUMERIC_LESS_EQUALS, false},
    {STR_INIT("NumericGreaterThan"), OPERATOR_NUMERIC_GREATER, false},
    {STR_INIT("NumericGreaterThanEquals"), OPERATOR_NUMERIC_GREATER_EQUALS, false},
    {STR_INIT("DateEquals"), OPERATOR_DATE_EQUALS, false},
    {STR_INIT("DateNotEquals"), OPERATOR_DATE_EQUALS, true},
    {STR_INIT("DateLessThan"), OPERATOR_DATE_LESS, false},
    {STR_INIT("DateLessThanEquals"), OPERATOR_DATE_LESS_EQUALS, false},
    {STR_INIT("DateGreaterThan"), OPERATOR_DATE_GREATER, false},
    {STR_INIT("DateGreaterThanEquals"), OPERATOR_DATE_GREATER_EQUALS, false},
    {STR_INIT("Bool"), OPERATOR_BOOL, false},
    {STR_INIT("BinaryEquals"), OPERATOR_BINARY, false},
    {STR_INIT("IpAddress"), OPERATOR_ADDRESS, false},
    {STR_INIT("NotIpAddress"), OPERATOR_ADDRESS, true},
    {STR_INIT("ArnEquals"), OPERATOR_ARN, false},
    {STR_INIT("ArnLike"), OPERATOR_ARN, false},
    {STR_INIT("ArnNotEquals"), OPERATOR_ARN, true},
    {STR_INIT("ArnNotLike"), OPERATOR_ARN, true},
    {STR_INIT("Null"), OPERATOR_NULL, false},
};

bool condition_operator(struct str name, struct policy_condition *out)
{
    struct str set, rest, suffix = STR("IfExists");
    out->set = SET_NONE;
    if (str_cut(name, ':', &set, &rest)) {
        if (str_eq_nocase(set, STR("ForAllValues")))
            out->set = SET_ALL;
        else if (str_eq_nocase(set, STR("ForAnyValue")))
            out->set = SET_ANY;
        else
            return false;
        name = rest;
    }
    out->if_exists = name.len > suffix.len &&
                     str_eq_nocase(str_slice(name, name.len - suffix.len, name.len), suffix);
    if (out->if_exists)
        name = str_slice(name, 0, name.len - suffix.len);
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++) {
        if (!str_eq_nocase(name, operators[i].name))
            continue;
        out->op = (uint8_t)operators[i].op;
        out->negated = operators[i].negated;
        return out->op != OPERATOR_NULL || (out->set == SET_NONE && !out->if_exists);
    }
    return false;
}

struct policy_pattern condition_value(struct arena *arena, const struct policy_condition *condition,
                                      struct str text, bool variables)
{
    /* "You can use policy variables in string and ARN operators only": "Policy variables and
     * wildcards", IAM User Guide. */
    bool wild = condition->op == OPERATOR_STRING_LIKE || condition->op == OPERATOR_ARN;
    bool text_like = wild || condition->op == OPERATOR_STRING_EQUALS ||
                     condition->op == OPERATOR_STRING_EQUALS_NOCASE;
    return pattern_compile(arena, text, wild, variables && text_like);
}

bool condition_narrows(const struct policy_condition *condition)
{
    bool compares = condition->op == OPERATOR_STRING_EQUALS ||
                    condition->op == OPERATOR_STRING_EQUALS_NOCASE ||
                    condition->op == OPERATOR_STRING_LIKE || condition->op == OPERATOR_ADDRESS ||
                    condition->op == OPERATOR_ARN;
    return compares && !condition->negated && !condition->if_exists && condition->set != SET_ALL;
}

/* --- one value of the document against one of the request --- */

static bool number_matches(enum condition_operator op, struct str wanted, struct str given)
{
    double a, b;
    if (!str_to_double(given, &a) || !str_to_double(wanted, &b))
        return false;
    switch ((int)op) {
    case OPERATOR_NUMERIC_EQUALS:
        return !(a < b) && !(a > b);
    case OPERATOR_NUMERIC_LESS:
        return a < b;
    case OPERATOR_NUMERIC_LESS_EQUALS:
        return a <= b;
    case OPERATOR_NUMERIC_GREATER:
        return a > b;
    default:
        return a >= b;
    }
}

/* A W3C profile of ISO 8601 (from the year alone to fractions of a second), or seconds since 1970.
 */
static bool date_parse(struct str text, int64_t *ms)
{
    int64_t seconds;
    if (text.len != 4 && str_to_i64(text, &seconds) && seconds < INT64_MAX / 1000 &&
        seconds > INT64_MIN / 1000) {
        *ms = seconds * 1000;
        return true;
    }
    static const struct str tails[] = {STR_INIT("-01-01T00:00:00Z"), STR_INIT("-01T00:00:00Z"),
                                       STR_INIT("T00:00:00Z")};
    char whole[32];
    struct buf buf;
    buf_init_fixed(&buf, whole, sizeof whole);
    size_t seventeen = str_find_char(text, 'T');
    if (text.len == 4 || text.len == 7 || text.len == 10) {
        buf_append(&buf, text);
        buf_append(&buf, tails[(text.len - 4) / 3]);
    } else if (seventeen == 10 && text.len > 16 && text.ptr[16] != ':') {
        buf_append(&buf, str_slice(text, 0, 16)); /* no seconds */
        buf_append(&buf, STR(":00"));
        buf_append(&buf, str_slice(text, 16, text.len));
    } else {
        return time_parse_iso8601(text, ms);
    }
    return !buf_is_full(&buf) && time_parse_iso8601(buf_str(&buf), ms);
}

static bool date_matches(enum condition_operator op, struct str wanted, struct str given)
{
    int64_t a, b;
    if (!date_parse(given, &a) || !date_parse(wanted, &b))
        return false;
    switch ((int)op) {
    case OPERATOR_DATE_EQUALS:
        return a == b;
    case OPERATOR_DATE_LESS:
        return a < b;
    case OPERATOR_DATE_LESS_EQUALS:
        return a <= b;
    case OPERATOR_DATE_GREATER:
        return a > b;
    default:
        return a >= b;
    }
}

/* An address of either family with the bits of its prefix; a bare address is all prefix. */
static bool address_parse(struct str text, uint8_t bytes[16], unsigned *size, uint64_t *bits)
{
    char name[64];
    struct str address, prefix;
    bool has_prefix = str_cut(text, '/', &address, &prefix);
    if (address.len == 0 || address.len >= sizeof name || str_find_char(address, '\0') != SIZE_MAX)
        return false;
    memcpy(name, address.ptr, address.len);
    name[address.len] = '\0';
    if (inet_pton(AF_INET, name, bytes) == 1)
        *size = 4;
    else if (inet_pton(AF_INET6, name, bytes) == 1)
        *size = 16;
    else
        return false;
    *bits = *size * 8;
    return !has_prefix || (str_to_u64(prefix, bits) && *bits <= *size * 8);
}

static bool address_matches(struct str wanted, struct str given)
{
    uint8_t a[16], b[16];
    unsigned a_size, b_size;
    uint64_t a_bits, b_bits;
    if (!address_parse(given, a, &a_size, &a_bits) || !address_parse(wanted, b, &b_size, &b_bits) ||
        a_size != b_size || a_bits != a_size * 8)
        return false;
    size_t whole = (size_t)b_bits / 8;
    unsigned rest = (unsigned)b_bits % 8;
    return memcmp(a, b, whole) == 0 && (rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0);
}

/* Each of the six components for itself: "Amazon Resource Name (ARN) condition operators". */
static bool arn_matches(const struct policy_pattern *pattern, struct str given)
{
    struct str wanted = pattern->text;
    if (pattern->form == PATTERN_ANY)
        return true;
    char again[2048]; /* the wildcard that a prefix has lost */
    if (pattern->form == PATTERN_PREFIX) {
        if (wanted.len + 1 > sizeof again)
            return false;
        memcpy(again, wanted.ptr, wanted.len);
        again[wanted.len] = WILD_MANY;
        wanted = str_make(again, wanted.len + 1);
    }
    for (int i = 0; i < 5; i++) {
        struct str a, b, a_rest, b_rest;
        if (!str_cut(wanted, ':', &a, &a_rest) || !str_cut(given, ':', &b, &b_rest) ||
            !pattern_glob(a, b))
            return false;
        wanted = a_rest;
        given = b_rest;
    }
    return pattern_glob(wanted, given);
}

static bool binary_matches(struct arena *scratch, struct str wanted, struct str given)
{
    struct str bytes;
    return base64_decode(scratch, wanted, &bytes) && str_eq(bytes, given);
}

static bool value_matches(struct arena *scratch, const struct policy_condition *condition,
                          const struct policy_pattern *pattern, struct str given)
{
    enum condition_operator op = condition->op;
    switch (op) {
    case OPERATOR_STRING_EQUALS:
    case OPERATOR_STRING_LIKE:
        return pattern_matches(pattern, given, false);
    case OPERATOR_STRING_EQUALS_NOCASE:
        return pattern_matches(pattern, given, true);
    case OPERATOR_NUMERIC_EQUALS:
    case OPERATOR_NUMERIC_LESS:
    case OPERATOR_NUMERIC_LESS_EQUALS:
    case OPERATOR_NUMERIC_GREATER:
    case OPERATOR_NUMERIC_GREATER_EQUALS:
        return number_matches(op, pattern->text, given);
    case OPERATOR_DATE_EQUALS:
    case OPERATOR_DATE_LESS:
    case OPERATOR_DATE_LESS_EQUALS:
    case OPERATOR_DATE_GREATER:
    case OPERATOR_DATE_GREATER_EQUALS:
        return date_matches(op, pattern->text, given);
    case OPERATOR_BOOL:
        return str_eq_nocase(pattern->text, given);
    case OPERATOR_BINARY:
        return binary_matches(scratch, pattern->text, given);
    case OPERATOR_ADDRESS:
        return address_matches(pattern->text, given);
    case OPERATOR_ARN:
        return arn_matches(pattern, given);
    case OPERATOR_NULL:
        break;
    }
    return false;
}

/* --- all values --- */

/* Whether one value of the request is among the document's. */
static bool value_listed(struct arena *scratch, const struct policy_condition *condition,
                         const struct policy_pattern *patterns, size_t count, struct str given)
{
    for (size_t i = 0; i < count; i++)
        if (value_matches(scratch, condition, &patterns[i], given))
            return true;
    return false;
}

/* The document's values without variables. False: the statement cannot hold, because nothing is
 * left or because an operator that negates would hold by a value that is not known ("If AWS cannot
 * resolve a variable this might cause the entire statement to be invalid"). */
static bool condition_expand(struct arena *scratch, const struct policy_context *context,
                             const struct policy_condition *condition,
                             const struct policy_pattern **out, size_t *count)
{
    *out = condition->values;
    *count = condition->value_count;
    size_t first = 0;
    while (first < *count && condition->values[first].form != PATTERN_VARIABLE)
        first++;
    if (first == *count)
        return true;
    struct policy_pattern *expanded = ARENA_ARRAY(scratch, *count, struct policy_pattern);
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++) {
        if (pattern_expand(scratch, context, &condition->values[i], &expanded[kept]))
            kept++;
        else if (condition->negated)
            return false;
    }
    *out = expanded;
    *count = kept;
    return kept > 0;
}

static bool null_holds(const struct policy_condition *condition, bool absent)
{
    for (size_t i = 0; i < condition->value_count; i++)
        if (str_eq_nocase(condition->values[i].text, absent ? STR("true") : STR("false")))
            return true;
    return false;
}

/* A key that is not there, or without a value, or (ForAllValues) with the empty one alone. */
static bool absent_holds(const struct policy_condition *condition)
{
    if (condition->if_exists || condition->set == SET_ALL)
        return true;
    return condition->set == SET_NONE && condition->negated;
}

bool policy_condition_holds(struct arena *scratch, const struct policy_context *context,
                            const struct policy_condition *condition)
{
    struct policy_values given = {0};
    bool absent = context->find == NULL || !context->find(context->self, condition->key, &given) ||
                  given.len == 0;
    if (condition->op == OPERATOR_NULL)
        return null_holds(condition, absent);
    if (absent || (condition->set == SET_ALL && given.len == 1 && given.items[0].len == 0))
        return absent_holds(condition);
    const struct policy_pattern *values;
    size_t count;
    if (!condition_expand(scratch, context, condition, &values, &count))
        return false;
    /* Without a set operator a key of several values matches by any of them, and an operator that
     * negates holds when none is listed. */
    bool all = condition->set == SET_ALL || (condition->set == SET_NONE && condition->negated);
    for (size_t i = 0; i < given.len; i++) {
        bool holds =
            value_listed(scratch, condition, values, count, given.items[i]) != condition->negated;
        if (holds != all)
            return holds;
    }
    return all;
}
