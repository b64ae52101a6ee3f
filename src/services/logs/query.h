/* CloudWatch Logs Insights QL ("CloudWatch Logs Insights language query syntax", User Guide): a
 * text to a chain of commands, and the chain over events, newest first. */
#ifndef KUMONIWA_SERVICES_LOGS_QUERY_H
#define KUMONIWA_SERVICES_LOGS_QUERY_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/result.h"
#include "services/logs/regex.h"
#include "wire/types.h"

struct value {
    enum { VALUE_NONE, VALUE_TEXT, VALUE_NUMBER, VALUE_TIME } kind; /* a time: milliseconds */
    struct str text;
    double number;
    bool structured; /* the text is JSON of a map or a list, whose attributes have names */
};

enum expr_kind {
    EXPR_VALUE,
    EXPR_FIELD,
    EXPR_CALL,
    EXPR_AGGREGATE,
    EXPR_NOT,
    EXPR_MINUS,
    EXPR_AND,
    EXPR_OR,
    EXPR_COMPARE, /* op: = ! < > l(e) g(e) */
    EXPR_ARITHMETIC,
    EXPR_LIKE,
    EXPR_IN,
    EXPR_UNMASK,
};
struct expr {
    enum expr_kind kind;
    char op;
    struct value value;
    struct str name; /* of the field; of the result where none is given */
    int function;    /* of the tables in query_eval.c */
    struct expr **args;
    size_t count;
    struct regex *regex;
    size_t slot; /* of an aggregate, within its command */
};

struct named {
    struct str name;
    struct expr *expr;
};
enum command_kind {
    COMMAND_FIELDS,
    COMMAND_DISPLAY,
    COMMAND_FILTER,
    COMMAND_PARSE,
    COMMAND_STATS,
    COMMAND_SORT,
    COMMAND_LIMIT,
    COMMAND_DEDUP,
    COMMAND_UNNEST,
};
struct command {
    enum command_kind kind;
    struct named *items; /* fields; what is computed; what is sorted by; names of parse; unnest */
    size_t count;
    bool *descending; /* of sort */
    struct named *by; /* of stats */
    size_t by_count;
    struct expr **aggregates; /* of stats */
    size_t aggregate_count;
    struct expr *expr;   /* of filter and parse */
    struct regex *regex; /* of parse; or: */
    struct str glob;
    size_t limit;
};
/* "SOURCE logGroups(namePrefix: ['a', 'b'], class: 'STANDARD')": groups that are found by name. */
struct query_source {
    bool given;
    struct str_list prefixes; /* none: all */
    struct str class;         /* absent: any */
};
struct query {
    struct query_source source;
    struct command *commands;
    size_t count;
    bool unmasks; /* it asks for what is masked */
};
struct query_problem {
    struct str message;
    size_t from, to; /* where in the text */
    bool unbuilt;    /* AWS has it, this does not yet */
};

bool query_parse(struct arena *arena, struct str text, struct query *out,
                 struct query_problem *problem);

/* What a query is run over, one at a time. */
struct query_event {
    int64_t ms, ingested_ms;
    struct str message, stream, log, pointer; /* log: "ACCOUNT:GROUP" */
    struct str plain;                         /* the message, unmasked */
};
struct query_run;
/* limit: rows of the result at most. Memory: at most QUERY_MEMORY. */
enum { QUERY_ROWS = 10000, QUERY_MEMORY = 96 << 20 };
struct query_run *query_run_new(struct arena *arena, const struct query *query, size_t limit,
                                int64_t now_ms);
/* *enough: no further event changes the result. RESULT_FULL: it needs too much memory. */
RESULT query_run_event(struct query_run *run, const struct query_event *event, bool *enough);
struct query_row {
    struct str *values; /* absent: no such field */
};
struct query_result {
    struct str *names;
    size_t name_count;
    struct query_row *rows;
    size_t count;
};
RESULT query_run_end(struct query_run *run, struct query_result *out);
/* Events that passed the filters. */
uint64_t query_run_matched(const struct query_run *run);

/* --- between its files --- */

struct named_value {
    struct str name;
    struct value value;
};
struct row {
    const struct query_event *event; /* NULL: of stats */
    struct named_value *values;
    size_t count, cap;
    bool looked; /* for JSON in the message */
    struct str json;
};
struct evaluation {
    struct arena *arena;
    struct row *row;
    const struct value *aggregates; /* by slot; NULL: none are allowed */
    int64_t now_ms;
};

/* query_eval.c */
struct value query_evaluate(const struct evaluation *evaluation, const struct expr *expr);

/* query_value.c */
static inline struct value value_of_number(double number)
{
    return (struct value){.kind = VALUE_NUMBER, .number = number};
}
static inline struct value value_of_text(struct str text)
{
    return (struct value){.kind = str_is_absent(text) ? VALUE_NONE : VALUE_TEXT, .text = text};
}
bool value_is_true(const struct value *value);
bool value_number(const struct value *value, double *number);
/* Absent: there is none. */
struct str value_text(struct arena *arena, const struct value *value);
/* Numbers by size, all else by text; what is absent comes first. */
int value_cmp(struct arena *arena, const struct value *a, const struct value *b);
struct value value_copy(struct arena *arena, const struct value *value);

/* query_field.c */
/* What jsonParse() makes of a text. */
struct value query_parse_json(struct arena *arena, struct str text);
struct value query_field(const struct evaluation *evaluation, struct str name);
/* The fields that are found in a message: those of Lambda's lines, and JSON's. At most `max`. */
size_t query_discover(struct arena *arena, struct str message, struct named_value *out, size_t max);

/* query_function.c: -1: there is none. *least, *most: how many arguments. */
int query_function(struct str name, size_t *least, size_t *most);
struct value query_call(const struct evaluation *evaluation, int function,
                        const struct value *arguments, size_t count);

/* query_stats.c */
enum aggregate {
    AGGREGATE_COUNT,
    AGGREGATE_DISTINCT,
    AGGREGATE_SUM,
    AGGREGATE_AVG,
    AGGREGATE_MIN,
    AGGREGATE_MAX,
    AGGREGATE_STDDEV,
    AGGREGATE_PCT,
    AGGREGATE_MEDIAN,
    AGGREGATE_EARLIEST,
    AGGREGATE_LATEST,
    AGGREGATE_FIRST,
    AGGREGATE_LAST,
};
int query_aggregate(struct str name);
struct stats;
struct stats *stats_new(struct arena *arena, const struct command *command);
void stats_add(struct stats *stats, const struct evaluation *evaluation);
/* Rows of results, one after another; false: the end. */
bool stats_next(struct stats *stats, struct arena *arena, int64_t now_ms, size_t *at,
                struct row *out);

#endif
