/* S3 Select, between its files. "SQL reference for Amazon S3 Select", Amazon S3 User Guide. A query
 * is parsed once; records are read one at a time, evaluated, and written; memory is bounded by the
 * largest record. */
#ifndef KUMONIWA_SERVICES_S3_SELECT_INT_H
#define KUMONIWA_SERVICES_S3_SELECT_INT_H

#include "base/buf.h"
#include "gen/s3.h"

/* The codes are those of "List of SELECT Object Content Error Codes", Amazon S3 API Reference. */
struct select_failure {
    const char *code; /* NULL: none */
    struct str message;
};

/* --- values --- */

enum select_type {
    SELECT_MISSING,
    SELECT_NULL,
    SELECT_BOOL,
    SELECT_INT,
    SELECT_FLOAT,
    SELECT_STRING,
    SELECT_TIME,
    SELECT_JSON, /* an array or an object */
};
/* What of a point in time was written. */
enum select_precision { SELECT_YEAR, SELECT_MONTH, SELECT_DAY, SELECT_MINUTE, SELECT_SECOND };
struct select_value {
    enum select_type type;
    bool truth;
    int64_t integer; /* SELECT_INT; SELECT_TIME: milliseconds since 1970, UTC */
    double number;
    struct str text; /* strings; JSON; numbers as they were written, absent: made */
    enum select_precision precision;
    bool fraction;  /* a time with milliseconds */
    int32_t offset; /* of a time, in minutes */
};
struct select_value select_string(struct str text);
struct select_value select_int(int64_t integer);
struct select_value select_float(double number);
struct select_value select_bool(bool truth);
struct select_value select_of_json(struct arena *arena, struct str raw);
/* As CSV has it, and TO_STRING: absent and null are empty. */
struct str select_text(struct arena *arena, const struct select_value *value);
void select_write_json(struct buf *out, struct arena *arena, const struct select_value *value);
bool select_is_number(const struct select_value *value);
double select_number(const struct select_value *value);
/* A number that a string says. */
bool select_parse_number(struct str text, struct select_value *out);

/* --- times: select_time.c --- */

bool select_parse_time(struct str text, struct select_value *out);
struct str select_format_time(struct arena *arena, const struct select_value *time);
bool select_format_pattern(struct arena *arena, const struct select_value *time, struct str pattern,
                           struct str *out);
enum select_part {
    SELECT_PART_YEAR,
    SELECT_PART_MONTH,
    SELECT_PART_DAY,
    SELECT_PART_HOUR,
    SELECT_PART_MINUTE,
    SELECT_PART_SECOND,
    SELECT_PART_TIMEZONE_HOUR,
    SELECT_PART_TIMEZONE_MINUTE,
    SELECT_PARTS
};
bool select_part_named(struct str name, enum select_part *part);
int64_t select_extract(const struct select_value *time, enum select_part part);
bool select_date_add(enum select_part part, int64_t count, struct select_value *time);
int64_t select_date_diff(enum select_part part, const struct select_value *from,
                         const struct select_value *to);

/* --- the query: select_parse.c --- */

enum select_kind {
    SELECT_LITERAL,
    SELECT_PATH,
    SELECT_NOT,
    SELECT_NEGATE,
    SELECT_BINARY,
    SELECT_LIKE,    /* value, pattern, escape perhaps */
    SELECT_IN,      /* value, then the list */
    SELECT_BETWEEN, /* value, low, high */
    SELECT_IS,      /* value; op: SELECT_NULL or SELECT_MISSING */
    SELECT_CASE,    /* what is compared if `part`, conditions and results by turns, else perhaps */
    SELECT_CAST,
    SELECT_CALL,
    SELECT_AGGREGATE,
};
enum select_op {
    SELECT_OR,
    SELECT_AND,
    SELECT_EQ,
    SELECT_NE,
    SELECT_LT,
    SELECT_LE,
    SELECT_GT,
    SELECT_GE,
    SELECT_CONCAT,
    SELECT_ADD,
    SELECT_SUBTRACT,
    SELECT_MULTIPLY,
    SELECT_DIVIDE,
    SELECT_MODULO,
};
enum select_function {
    SELECT_COALESCE,
    SELECT_NULLIF,
    SELECT_CHAR_LENGTH,
    SELECT_LOWER,
    SELECT_UPPER,
    SELECT_SUBSTRING,
    SELECT_TRIM, /* part: -1 leading, 0 both, 1 trailing; args: text, characters perhaps */
    SELECT_DATE_ADD,
    SELECT_DATE_DIFF,
    SELECT_EXTRACT,
    SELECT_TO_STRING,
    SELECT_TO_TIMESTAMP,
    SELECT_UTCNOW,
    SELECT_COUNT,
    SELECT_SUM,
    SELECT_AVG,
    SELECT_MIN,
    SELECT_MAX,
};
struct select_step {
    struct str name; /* absent: an index */
    bool quoted;     /* compared with case */
    bool every;      /* [*], or .* */
    bool members;    /* .*: of an object */
    int64_t index;
};
struct select_node {
    enum select_kind kind;
    int op; /* enum select_op, select_function, select_type of a cast */
    bool negated;
    int part;
    struct select_value value; /* a literal */
    struct select_step *steps; /* a path, without the table's name */
    struct select_node **args;
    size_t count;
    size_t slot; /* of an aggregate */
};
struct select_item {
    struct select_node *node;
    struct str name; /* in the output */
};
struct select_query {
    struct select_item *items; /* NULL: "*" */
    size_t item_count;
    struct str all_of;        /* s.*: "s"; absent: a plain "*", or items */
    struct select_step *from; /* into JSON, after the table's name */
    size_t from_count;
    struct str alias;          /* by which expressions may call a row; absent: none */
    struct select_node *where; /* NULL: all */
    int64_t limit;             /* -1: none */
    size_t aggregates;
};
/* False: *failure says why. All in the arena; the text must outlive it. */
bool select_parse(struct arena *arena, struct str text, struct select_query *query,
                  struct select_failure *failure);
/* select_settle.c: what select_parse() does last. */
bool select_settle(struct arena *arena, struct select_query *query, struct select_failure *failure);

/* --- evaluation: select_evaluate.c --- */

/* One record. */
struct select_row {
    struct str *fields; /* CSV */
    size_t count;
    const struct str *names; /* of its columns; NULL: it has no header */
    size_t name_count;
    struct str json; /* JSON; empty: MISSING; absent: CSV */
};
struct select_total { /* of an aggregate so far */
    int64_t count;
    struct select_value value;
};
struct select_evaluation {
    struct arena *arena; /* of this record */
    const struct select_row *row;
    int64_t now_ms;
    const struct select_total *totals; /* when aggregates are to be shown; NULL: rows are counted */
    struct select_failure failure;
};
bool select_evaluate(struct select_evaluation *e, const struct select_node *node,
                     struct select_value *out);
/* Takes the row into all aggregates below the node. */
bool select_count(struct select_evaluation *e, const struct select_node *node,
                  struct select_total *totals);
/* select_functions.c */
bool select_call(struct select_evaluation *e, const struct select_node *node,
                 struct select_value *out);
bool select_cast(struct select_evaluation *e, const struct select_value *value,
                 enum select_type type, struct select_value *out);
bool select_fail(struct select_evaluation *e, const char *code, const char *message);

/* --- records: select_read.c --- */

struct select_reader;
struct select_reader *select_reader_new(struct arena *arena,
                                        const struct s3_InputSerialization *input);
/* More plain bytes; the reader copies what it cannot use yet. False: a record is too large. */
bool select_feed(struct select_reader *reader, struct str bytes, struct select_failure *failure);
/* No more bytes will come. */
void select_feed_end(struct select_reader *reader);
enum select_next { SELECT_ROW, SELECT_MORE, SELECT_DONE, SELECT_FAILED };
/* The next record, good until the next call; *offset: where it begins in what was fed. */
enum select_next select_next_row(struct select_reader *reader, struct arena *arena,
                                 struct select_row *row, uint64_t *offset,
                                 struct select_failure *failure);
/* Only the header was wanted, or what comes begins in the midst of a record: `skip`. */
void select_restart(struct select_reader *reader, bool skip);
/* Until the header has been read. */
bool select_wants_header(const struct select_reader *reader);

/* --- results: select_write.c --- */

/* Appends one result. */
void select_write_row(struct buf *out, const struct s3_OutputSerialization *output,
                      struct arena *arena, const struct select_query *query,
                      const struct select_row *row, const struct select_value *values);

#endif
