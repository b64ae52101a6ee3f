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
struct partiql_order {
    struct str name;
    bool descending;
};
struct partiql_statement {
    enum partiql_kind kind;
    struct str table;
    struct str index;                    /* absent: none */
    const struct projection *projection; /* NULL: all */
    const struct condition *where;       /* NULL: none */
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

#endif
