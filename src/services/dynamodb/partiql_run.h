/* Running PartiQL's statements: between partiql_select.c, partiql_write.c and partiql_run.c. */
#ifndef KUMONIWA_SERVICES_DYNAMODB_PARTIQL_RUN_H
#define KUMONIWA_SERVICES_DYNAMODB_PARTIQL_RUN_H

#include "services/dynamodb/dynamodb_int.h"
#include "services/dynamodb/partiql.h"

/* The statement's table, when the principal may run it. enclosing: the operation it is one of
 * several of; absent: it stands alone. */
RESULT partiql_open(struct call *call, const struct partiql_statement *statement,
                    struct str enclosing, struct str capacity, struct dynamodb_table *table);

/* A SELECT of ExecuteStatement: a Query of each partition that its WHERE clause names, a Scan when
 * it names none. */
RESULT partiql_select(struct call *call, const struct dynamodb_ExecuteStatementInput *in,
                      const struct partiql_statement *statement,
                      struct dynamodb_ExecuteStatementOutput *out);

/* A SELECT of a batch or a transaction, which names one item by its whole key. */
struct partiql_get {
    struct dynamodb_table table;
    struct dynamodb_AttributeMap key;
    const struct condition *rest; /* what the item must fulfil besides; NULL: nothing */
    const struct partiql_statement *statement;
};
/* The table is open. */
RESULT partiql_prepare_get(struct call *call, const struct partiql_statement *statement,
                           struct partiql_get *out, const char *unless_key);
/* *item absent: there is none, or not such a one. *size: of what was read. */
RESULT partiql_get(struct call *call, const struct partiql_get *get,
                   struct dynamodb_AttributeMap *item, size_t *size);

/* Anything else: the table is open. What remains of the WHERE clause beside the key is the write's
 * condition. */
RESULT partiql_prepare_write(struct call *call, const struct partiql_statement *statement,
                             struct item_write *write);
/* Opened, prepared, checked, judged and done. */
RESULT partiql_write(struct call *call, const struct partiql_statement *statement,
                     struct str on_check_failure, struct str capacity, struct item_write *write);
/* What RETURNING asks for; absent: nothing. */
struct dynamodb_AttributeMap partiql_returned(struct arena *arena,
                                              const struct partiql_statement *statement,
                                              const struct item_write *write);

#endif
