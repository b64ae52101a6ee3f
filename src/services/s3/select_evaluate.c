/* A query's expressions over one record. Logic has three values: what is compared with null or with
 * what is missing is unknown (null), and WHERE takes what is true. */
#include <math.h>

#include "base/arena.h"
#include "services/s3/select_int.h"
#include "wire/json_text.h"

bool select_fail(struct select_evaluation *e, const char *code, const char *message)
{
    if (e->failure.code == NULL)
        e->failure = (struct select_failure){code, str_from_c(message)};
    return false;
}

static const struct select_value nothing = {.type = SELECT_NULL};

static bool is_unknown(const struct select_value *value)
{
    return value->type == SELECT_NULL || value->type == SELECT_MISSING;
}

/* --- paths --- */

static bool name_matches(const struct select_step *step, struct str name)
{
    return step->quoted ? str_eq(step->name, name) : str_eq_nocase(step->name, name);
}

/* "_3" is the third column. */
static size_t column_number(struct str name)
{
    uint64_t number;
    if (name.len < 2 || name.ptr[0] != '_' || !str_to_u64(str_slice(name, 1, name.len), &number) ||
        number == 0)
        return SIZE_MAX;
    return (size_t)number - 1;
}

static bool path_of_csv(struct select_evaluation *e, const struct select_node *node,
                        struct select_value *out)
{
    const struct select_row *row = e->row;
    *out = (struct select_value){0};
    if (node->count == 0 || str_is_absent(node->steps[0].name))
        return true;
    for (size_t i = 0; i < row->name_count; i++)
        if (name_matches(&node->steps[0], row->names[i])) {
            if (i < row->count) /* a record may be short */
                *out = select_string(row->fields[i]);
            return true;
        }
    size_t column = column_number(node->steps[0].name);
    if (column == SIZE_MAX && row->names == NULL)
        return select_fail(e, "InvalidColumnIndex",
                           "The column index in the SQL expression is not valid.");
    if (column == SIZE_MAX)
        return select_fail(
            e, "MissingHeaders",
            "Some headers in the query are missing from the file. Check the file and "
            "try again.");
    if (column < row->count)
        *out = select_string(row->fields[column]);
    return true;
}

/* One step into a JSON value; absent: there is nothing. */
static struct str step_into(struct arena *arena, struct str json, const struct select_step *step)
{
    struct str rest = json, name, raw;
    if (json_kind_of(json) == JSON_OBJECT && !str_is_absent(step->name)) {
        while (json_next_member(arena, &rest, &name, &raw))
            if (name_matches(step, name))
                return raw;
    } else if (json_kind_of(json) == JSON_ARRAY && str_is_absent(step->name)) {
        for (int64_t i = 0; json_next_item(&rest, &raw); i++)
            if (i == step->index)
                return raw;
    }
    return (struct str){0};
}

static bool path_of_json(struct select_evaluation *e, const struct select_node *node,
                         struct select_value *out)
{
    struct str json = e->row->json;
    size_t i = 0;
    *out = (struct select_value){0};
    if (str_is_empty(json))
        return true;
    /* "_1" is the row itself. */
    if (node->count > 0 && str_eq(node->steps[0].name, STR("_1")) &&
        str_is_absent(step_into(e->arena, json, &node->steps[0])))
        i = 1;
    for (; i < node->count; i++) {
        json = step_into(e->arena, json, &node->steps[i]);
        if (str_is_absent(json))
            return true;
    }
    *out = select_of_json(e->arena, json);
    return true;
}

/* --- comparison --- */

/* false: they cannot be compared. CSV knows strings only: a number meets one that says a number. */
static bool compare(const struct select_value *a, const struct select_value *b, int *order)
{
    struct select_value x = *a, y = *b;
    if (select_is_number(&x) && y.type == SELECT_STRING &&
        !select_parse_number(str_trim(b->text), &y))
        return false;
    if (select_is_number(&y) && x.type == SELECT_STRING &&
        !select_parse_number(str_trim(a->text), &x))
        return false;
    if (x.type == SELECT_INT && y.type == SELECT_INT) {
        *order = (x.integer > y.integer) - (x.integer < y.integer);
        return true;
    }
    if (select_is_number(&x) && select_is_number(&y)) {
        double p = select_number(&x), q = select_number(&y);
        *order = (p > q) - (p < q);
        return true;
    }
    if (x.type == SELECT_TIME && y.type == SELECT_STRING && !select_parse_time(b->text, &y))
        return false;
    if (y.type == SELECT_TIME && x.type == SELECT_STRING && !select_parse_time(a->text, &x))
        return false;
    if (x.type == SELECT_BOOL && y.type == SELECT_STRING)
        y = select_bool(str_eq_nocase(y.text, STR("true")));
    if (y.type == SELECT_BOOL && x.type == SELECT_STRING)
        x = select_bool(str_eq_nocase(x.text, STR("true")));
    if (x.type != y.type)
        return false;
    if (x.type == SELECT_TIME)
        *order = (x.integer > y.integer) - (x.integer < y.integer);
    else if (x.type == SELECT_BOOL)
        *order = (int)x.truth - (int)y.truth;
    else
        *order = str_cmp(x.text, y.text);
    return true;
}

static struct select_value decide(const struct select_value *a, const struct select_value *b,
                                  enum select_op op)
{
    int order;
    if (is_unknown(a) || is_unknown(b))
        return nothing;
    if (!compare(a, b, &order))
        return select_bool(op == SELECT_NE);
    switch ((int)op) {
    case SELECT_EQ:
        return select_bool(order == 0);
    case SELECT_NE:
        return select_bool(order != 0);
    case SELECT_LT:
        return select_bool(order < 0);
    case SELECT_LE:
        return select_bool(order <= 0);
    case SELECT_GT:
        return select_bool(order > 0);
    default:
        return select_bool(order >= 0);
    }
}

/* --- arithmetic --- */

static bool as_number(struct select_evaluation *e, const struct select_value *in,
                      struct select_value *out)
{
    *out = *in;
    if (select_is_number(in))
        return true;
    if (in->type == SELECT_STRING && select_parse_number(str_trim(in->text), out))
        return true;
    return select_fail(e, "EvaluatorInvalidArguments",
                       "Incorrect type of arguments in the SQL expression: a number is needed.");
}

static bool divide(struct select_evaluation *e, const struct select_value *a,
                   const struct select_value *b, enum select_op op, struct select_value *out)
{
    bool integers = a->type == SELECT_INT && b->type == SELECT_INT;
    if (fabs(select_number(b)) <= 0)
        return select_fail(e, "EvaluatorInvalidArguments", "Division by zero.");
    if (integers && !(a->integer == INT64_MIN && b->integer == -1)) {
        *out = select_int(op == SELECT_DIVIDE ? a->integer / b->integer : a->integer % b->integer);
        return true;
    }
    *out = select_float(op == SELECT_DIVIDE ? select_number(a) / select_number(b)
                                            : fmod(select_number(a), select_number(b)));
    return true;
}

static bool calculate(struct select_evaluation *e, const struct select_value *left,
                      const struct select_value *right, enum select_op op, struct select_value *out)
{
    struct select_value a, b;
    int64_t whole;
    bool over = true;
    *out = nothing;
    if (is_unknown(left) || is_unknown(right))
        return true;
    if (!as_number(e, left, &a) || !as_number(e, right, &b))
        return false;
    if (op == SELECT_DIVIDE || op == SELECT_MODULO)
        return divide(e, &a, &b, op, out);
    if (a.type == SELECT_INT && b.type == SELECT_INT)
        over = op == SELECT_ADD        ? __builtin_add_overflow(a.integer, b.integer, &whole)
               : op == SELECT_SUBTRACT ? __builtin_sub_overflow(a.integer, b.integer, &whole)
                                       : __builtin_mul_overflow(a.integer, b.integer, &whole);
    if (!over) {
        *out = select_int(whole);
        return true;
    }
    double p = select_number(&a), q = select_number(&b);
    *out = select_float(op == SELECT_ADD ? p + q : op == SELECT_SUBTRACT ? p - q : p * q);
    return true;
}

/* --- logic --- */

static bool truth_of(struct select_evaluation *e, const struct select_value *value, bool *unknown,
                     bool *truth)
{
    *unknown = is_unknown(value);
    *truth = value->type == SELECT_BOOL
                 ? value->truth
                 : value->type == SELECT_STRING && str_eq_nocase(value->text, STR("true"));
    if (*unknown || value->type == SELECT_BOOL || value->type == SELECT_STRING)
        return true;
    return select_fail(e, "EvaluatorInvalidArguments",
                       "Incorrect type of arguments in the SQL expression: a condition is needed.");
}

static bool evaluate_logic(struct select_evaluation *e, const struct select_node *node,
                           struct select_value *out)
{
    bool unknown, truth, second_unknown, second, stops = node->op == SELECT_OR;
    struct select_value value;
    if (!select_evaluate(e, node->args[0], &value) || !truth_of(e, &value, &unknown, &truth))
        return false;
    *out = select_bool(stops);
    if (!unknown && truth == stops)
        return true;
    if (!select_evaluate(e, node->args[1], &value) ||
        !truth_of(e, &value, &second_unknown, &second))
        return false;
    if (!second_unknown && second == stops)
        return true;
    *out = unknown || second_unknown ? nothing : select_bool(!stops);
    return true;
}

/* --- LIKE --- */

/* The pattern's next sign: '%', '_' or, escaped, itself. */
static bool like_matches(struct str text, struct str pattern, int escape)
{
    size_t t = 0, p = 0, star = SIZE_MAX, mark = 0;
    while (t < text.len) {
        bool literal = false;
        size_t at = p;
        if (p < pattern.len && escape >= 0 && pattern.ptr[p] == (char)escape &&
            p + 1 < pattern.len) {
            literal = true;
            at = p + 1;
        }
        if (at < pattern.len && !literal && pattern.ptr[at] == '%') {
            star = p++;
            mark = t;
        } else if (at < pattern.len && !literal && pattern.ptr[at] == '_') {
            p = at + 1;
            for (t++; t < text.len && ((unsigned char)text.ptr[t] & 0xc0) == 0x80;)
                t++;
        } else if (at < pattern.len && pattern.ptr[at] == text.ptr[t]) {
            p = at + 1;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '%')
        p++;
    return p == pattern.len;
}

static bool evaluate_like(struct select_evaluation *e, const struct select_node *node,
                          struct select_value *out)
{
    struct select_value value, pattern, escape = {.type = SELECT_STRING, .text = STR("")};
    if (!select_evaluate(e, node->args[0], &value) ||
        !select_evaluate(e, node->args[1], &pattern) ||
        (node->count == 3 && !select_evaluate(e, node->args[2], &escape)))
        return false;
    *out = nothing;
    if (is_unknown(&value) || is_unknown(&pattern))
        return true;
    if (pattern.type != SELECT_STRING || escape.type != SELECT_STRING || escape.text.len > 1)
        return select_fail(e, "LikeInvalidInputs",
                           "Invalid argument given to the LIKE clause in the SQL expression.");
    struct str text = select_text(e->arena, &value);
    int sign = escape.text.len == 1 ? escape.text.ptr[0] : -1;
    *out = select_bool(like_matches(text, pattern.text, sign) != node->negated);
    return true;
}

/* --- the other kinds --- */

static bool evaluate_in(struct select_evaluation *e, const struct select_node *node,
                        struct select_value *out)
{
    struct select_value value, one;
    bool unknown = false;
    if (!select_evaluate(e, node->args[0], &value))
        return false;
    for (size_t i = 1; i < node->count; i++) {
        if (!select_evaluate(e, node->args[i], &one))
            return false;
        struct select_value same = decide(&value, &one, SELECT_EQ);
        unknown = unknown || same.type == SELECT_NULL;
        if (same.type == SELECT_BOOL && same.truth) {
            *out = select_bool(!node->negated);
            return true;
        }
    }
    *out = unknown ? nothing : select_bool(node->negated);
    return true;
}

static bool evaluate_between(struct select_evaluation *e, const struct select_node *node,
                             struct select_value *out)
{
    struct select_value value, low, high;
    if (!select_evaluate(e, node->args[0], &value) || !select_evaluate(e, node->args[1], &low) ||
        !select_evaluate(e, node->args[2], &high))
        return false;
    struct select_value above = decide(&value, &low, SELECT_GE);
    struct select_value below = decide(&value, &high, SELECT_LE);
    *out = nothing;
    if (above.type == SELECT_BOOL && below.type == SELECT_BOOL)
        *out = select_bool((above.truth && below.truth) != node->negated);
    return true;
}

static bool evaluate_case(struct select_evaluation *e, const struct select_node *node,
                          struct select_value *out)
{
    struct select_value subject = {0}, when;
    size_t i = 0;
    bool unknown, truth;
    if (node->part == 1 && !select_evaluate(e, node->args[i++], &subject))
        return false;
    for (; i + 1 < node->count; i += 2) {
        if (!select_evaluate(e, node->args[i], &when))
            return false;
        if (node->part == 1)
            when = decide(&subject, &when, SELECT_EQ);
        if (!truth_of(e, &when, &unknown, &truth))
            return false;
        if (!unknown && truth)
            return select_evaluate(e, node->args[i + 1], out);
    }
    *out = nothing;
    return i < node->count ? select_evaluate(e, node->args[i], out) : true;
}

static bool evaluate_binary(struct select_evaluation *e, const struct select_node *node,
                            struct select_value *out)
{
    struct select_value a, b;
    enum select_op op = (enum select_op)node->op;
    if (op == SELECT_OR || op == SELECT_AND)
        return evaluate_logic(e, node, out);
    if (!select_evaluate(e, node->args[0], &a) || !select_evaluate(e, node->args[1], &b))
        return false;
    if (op == SELECT_CONCAT) {
        *out = nothing;
        if (!is_unknown(&a) && !is_unknown(&b))
            *out = select_string(
                str_concat(e->arena, select_text(e->arena, &a), select_text(e->arena, &b)));
        return true;
    }
    if (op >= SELECT_ADD)
        return calculate(e, &a, &b, op, out);
    *out = decide(&a, &b, op);
    return true;
}

static bool evaluate_unary(struct select_evaluation *e, const struct select_node *node,
                           struct select_value *out)
{
    struct select_value value;
    const struct select_value zero = select_int(0);
    bool unknown, truth;
    if (!select_evaluate(e, node->args[0], &value))
        return false;
    switch ((int)node->kind) {
    case SELECT_NEGATE:
        return calculate(e, &zero, &value, SELECT_SUBTRACT, out);
    case SELECT_IS:
        *out =
            select_bool((value.type == SELECT_MISSING ||
                         (node->op == SELECT_NULL && value.type == SELECT_NULL)) != node->negated);
        return true;
    case SELECT_CAST:
        return select_cast(e, &value, (enum select_type)node->op, out);
    default:
        if (!truth_of(e, &value, &unknown, &truth))
            return false;
        *out = unknown ? nothing : select_bool(!truth);
        return true;
    }
}

static void show_total(const struct select_evaluation *e, const struct select_node *node,
                       struct select_value *out)
{
    const struct select_total *total = &e->totals[node->slot];
    *out = total->value;
    if (node->op == SELECT_COUNT)
        *out = select_int(total->count);
    else if (total->count == 0)
        *out = nothing;
    else if (node->op == SELECT_AVG)
        *out = select_float(select_number(&total->value) / (double)total->count);
}

bool select_evaluate(struct select_evaluation *e, const struct select_node *node,
                     struct select_value *out)
{
    switch (node->kind) {
    case SELECT_LITERAL:
        *out = node->value;
        return true;
    case SELECT_PATH:
        return str_is_absent(e->row->json) ? path_of_csv(e, node, out) : path_of_json(e, node, out);
    case SELECT_NOT:
    case SELECT_NEGATE:
    case SELECT_IS:
    case SELECT_CAST:
        return evaluate_unary(e, node, out);
    case SELECT_BINARY:
        return evaluate_binary(e, node, out);
    case SELECT_LIKE:
        return evaluate_like(e, node, out);
    case SELECT_IN:
        return evaluate_in(e, node, out);
    case SELECT_BETWEEN:
        return evaluate_between(e, node, out);
    case SELECT_CASE:
        return evaluate_case(e, node, out);
    case SELECT_CALL:
        return select_call(e, node, out);
    case SELECT_AGGREGATE:
        show_total(e, node, out);
        return true;
    }
    return false;
}

/* --- aggregates --- */

static bool count_one(struct select_evaluation *e, const struct select_node *node,
                      struct select_total *total)
{
    struct select_value value, sum;
    int order;
    if (node->count == 0) {
        total->count++;
        return true;
    }
    if (!select_evaluate(e, node->args[0], &value))
        return false;
    if (is_unknown(&value))
        return true;
    if (node->op != SELECT_COUNT && value.type != SELECT_TIME && !as_number(e, &value, &value))
        return false;
    value.text = (struct str){0};
    if (total->count == 0) {
        total->value = value;
    } else if (node->op == SELECT_SUM || node->op == SELECT_AVG) {
        if (!calculate(e, &total->value, &value, SELECT_ADD, &sum))
            return false;
        total->value = sum;
    } else if (node->op != SELECT_COUNT) {
        if (!compare(&value, &total->value, &order))
            return select_fail(e, "EvaluatorInvalidArguments",
                               "Incorrect type of arguments in the SQL expression.");
        if (node->op == SELECT_MIN ? order < 0 : order > 0)
            total->value = value;
    }
    total->count++;
    return true;
}

bool select_count(struct select_evaluation *e, const struct select_node *node,
                  struct select_total *totals)
{
    if (node->kind == SELECT_AGGREGATE)
        return count_one(e, node, &totals[node->slot]);
    if (node->kind == SELECT_PATH)
        return true;
    for (size_t i = 0; i < node->count; i++)
        if (!select_count(e, node->args[i], totals))
            return false;
    return true;
}
