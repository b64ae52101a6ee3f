/* PartiQL as DynamoDB speaks it ("PartiQL - a SQL-compatible query language for Amazon DynamoDB"):
 * one statement, parsed into the trees of expression.h. Pure, as they are; running statements is
 * their caller's. */
#ifndef KUMONIWA_SERVICES_DYNAMODB_PARTIQL_H
#define KUMONIWA_SERVICES_DYNAMODB_PARTIQL_H

#include "services/dynamodb/expression.h"

enum partiql_kind {
    PARTIQL_SELECT,
    PARTIQL_INSERT,
    PARTIQL_UPDATE,
    PARTIQL_DELETE,
    PARTIQL_EXISTS, /* EXISTS(SELECT ...), in transactions */
};
enum partiql_returning {
    PARTIQL_RETURN_NONE,
    PARTIQL_RETURN_ALL_OLD,
    PARTIQL_RETURN_MODIFIED_OLD,
    PARTIQL_RETURN_ALL_NEW,
    PARTIQL_RETURN_MODIFIED_NEW,
};
/* A path is shown under its last name, with what follows it: a.b[0] as "b[0]". */
struct partiql_column {
    struct path path;
    struct str name;
};
struct partiql_order {
    struct str name;
    bool descending;
};
struct partiql_statement {
    enum partiql_kind kind;
    struct str table;
    struct str index;                     /* absent: none */
    const struct projection *projection;  /* NULL: all */
    const struct partiql_column *columns; /* the same, in order */
    size_t column_count;
    const struct condition *where; /* NULL: none */
    struct partiql_order *order;
    size_t order_len;
    struct dynamodb_AttributeMap item; /* of INSERT */
    const struct update *update;
    enum partiql_returning returning;
};

/* Parameters take the place of question marks, in their order; all must be used. Numbers become
 * canonical, values are checked. A failure is a ValidationException. */
RESULT partiql_parse(struct arena *arena, struct str text,
                     struct dynamodb_PreparedStatementParameters parameters,
                     struct partiql_statement *out, struct value_failure *failure);

/* Of a WHERE clause: what a Query can take as its key condition (NULL: the partition key is not
 * asked for by equality), and what is left to filter by (NULL: nothing). */
void partiql_split(struct arena *arena, const struct condition *where,
                   const struct key_schema *schema, const struct condition **keys,
                   const struct condition **rest);

/* The partitions that a SELECT looks into. */
struct partiql_partitions {
    const struct dynamodb_AttributeValue *const *values; /* ascending, each once */
    size_t count;
    const struct condition *sort; /* what holds for the sort key in all of them; NULL: nothing */
};
/* False: the clause may hold anywhere. What it says beside must still be looked at. */
bool partiql_partitions(struct arena *arena, const struct condition *where,
                        const struct key_schema *schema, struct partiql_partitions *out);
/* For key_condition_resolve(): the i-th partition and the sort key. */
const struct condition *partiql_key_condition(struct arena *arena, const struct key_schema *schema,
                                              const struct partiql_partitions *partitions,
                                              size_t i);
/* name IS [NOT] MISSING AND ... (NULL: nothing more) */
const struct condition *partiql_exists(struct arena *arena, struct str name, bool exists,
                                       const struct condition *and);
/* The columns of an item. */
struct dynamodb_AttributeMap partiql_columns(struct arena *arena,
                                             const struct partiql_statement *statement,
                                             const struct dynamodb_AttributeMap *item);

#endif
