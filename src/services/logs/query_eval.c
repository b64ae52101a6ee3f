/* Logs Insights QL: expressions. */
#include <math.h>

#include "services/logs/query.h"

static struct value truth(bool value)
{
    return value_of_number(value ? 1 : 0);
}

static struct value arithmetic(const struct evaluation *evaluation, const struct expr *expr)
{
    struct value left = query_evaluate(evaluation, expr->args[0]);
    struct value right = query_evaluate(evaluation, expr->args[1]);
    double a, b, result = NAN;
    if (!value_number(&left, &a) || !value_number(&right, &b))
        return (struct value){0};
    switch (expr->op) {
    case '+':
        result = a + b;
        break;
    case '-':
        result = a - b;
        break;
    case '*':
        result = a * b;
        break;
    case '/':
        result = a / b;
        break;
    case '%':
        result = fmod(a, b);
        break;
    case '^':
        result = pow(a, b);
        break;
    default:
        break;
    }
    return isfinite(result) ? value_of_number(result) : (struct value){0};
}

/* What is absent is neither equal nor different. */
static bool compare(const struct evaluation *evaluation, const struct expr *expr)
{
    struct value left = query_evaluate(evaluation, expr->args[0]);
    struct value right = query_evaluate(evaluation, expr->args[1]);
    if (left.kind == VALUE_NONE || right.kind == VALUE_NONE)
        return false;
    int order = value_cmp(evaluation->arena, &left, &right);
    return expr->op == '='   ? order == 0
           : expr->op == '!' ? order != 0
           : expr->op == '<' ? order < 0
           : expr->op == '>' ? order > 0
           : expr->op == 'l' ? order <= 0
                             : order >= 0;
}

static bool like(const struct evaluation *evaluation, const struct expr *expr)
{
    struct value left = query_evaluate(evaluation, expr->args[0]);
    struct str text = value_text(evaluation->arena, &left);
    if (str_is_absent(text))
        return false;
    return expr->regex != NULL ? regex_matches(expr->regex, text)
                               : str_find(text, expr->value.text) != SIZE_MAX;
}

/* The last argument is what is looked for. */
static bool in_list(const struct evaluation *evaluation, const struct expr *expr)
{
    struct value wanted = query_evaluate(evaluation, expr->args[expr->count - 1]);
    if (wanted.kind == VALUE_NONE)
        return false;
    for (size_t i = 0; i + 1 < expr->count; i++) {
        struct value item = query_evaluate(evaluation, expr->args[i]);
        if (item.kind != VALUE_NONE && value_cmp(evaluation->arena, &item, &wanted) == 0)
            return true;
    }
    return false;
}

static struct value call_function(const struct evaluation *evaluation, const struct expr *expr)
{
    struct value *arguments = ARENA_ARRAY(evaluation->arena, expr->count + 1, struct value);
    for (size_t i = 0; i < expr->count; i++)
        arguments[i] = query_evaluate(evaluation, expr->args[i]);
    return query_call(evaluation, expr->function, arguments, expr->count);
}

/* What the field would be if nothing were masked. */
static struct value unmask(const struct evaluation *evaluation, const struct expr *field)
{
    if (evaluation->row->event == NULL)
        return query_evaluate(evaluation, field);
    struct query_event event = *evaluation->row->event;
    event.message = event.plain;
    struct row row = {.event = &event};
    struct evaluation inner = *evaluation;
    inner.row = &row;
    struct value value = query_evaluate(&inner, field);
    return value_copy(evaluation->arena, &value);
}

static bool is_true(const struct evaluation *evaluation, const struct expr *expr)
{
    struct value value = query_evaluate(evaluation, expr);
    return value_is_true(&value);
}

struct value query_evaluate(const struct evaluation *evaluation, const struct expr *expr)
{
    struct value value;
    double number;
    switch (expr->kind) {
    case EXPR_VALUE:
        return expr->value;
    case EXPR_FIELD:
        return query_field(evaluation, expr->name);
    case EXPR_CALL:
        for (size_t i = 0; evaluation->row->event == NULL && i < evaluation->row->count; i++)
            if (str_eq(evaluation->row->values[i].name, expr->name)) /* as stats yielded it */
                return evaluation->row->values[i].value;
        return call_function(evaluation, expr);
    case EXPR_AGGREGATE:
        return evaluation->aggregates[expr->slot];
    case EXPR_NOT:
        return truth(!is_true(evaluation, expr->args[0]));
    case EXPR_MINUS:
        value = query_evaluate(evaluation, expr->args[0]);
        return value_number(&value, &number) ? value_of_number(-number) : (struct value){0};
    case EXPR_AND:
        return truth(is_true(evaluation, expr->args[0]) && is_true(evaluation, expr->args[1]));
    case EXPR_OR:
        return truth(is_true(evaluation, expr->args[0]) || is_true(evaluation, expr->args[1]));
    case EXPR_COMPARE:
        return truth(compare(evaluation, expr));
    case EXPR_ARITHMETIC:
        return arithmetic(evaluation, expr);
    case EXPR_LIKE:
        return truth(like(evaluation, expr));
    case EXPR_IN:
        return truth(in_list(evaluation, expr));
    case EXPR_UNMASK:
        return unmask(evaluation, expr->args[0]);
    }
    return (struct value){0};
}
