/* Transactions, however they were asked for: TransactWriteItems, TransactGetItems and
 * ExecuteTransaction. */
#ifndef KUMONIWA_SERVICES_DYNAMODB_TRANSACT_H
#define KUMONIWA_SERVICES_DYNAMODB_TRANSACT_H

#include "services/dynamodb/dynamodb_int.h"
#include "services/dynamodb/partiql_run.h"

/* One write, whichever it is. */
struct transact_action {
    struct item_write write;
    struct str table;
    const struct partiql_statement *statement; /* NULL: the write is complete but for its table */
    struct item_expressions expressions;
    struct str on_check_failure;
};
struct transact_options {
    struct str token; /* ClientRequestToken; absent: none */
    uint16_t shape;   /* what `request` is: the same token must come with the same */
    const void *request;
    struct str capacity, metrics; /* what is to be shown of them */
};
/* In a writing transaction. */
RESULT transact_write(struct call *call, struct transact_action *actions, size_t count,
                      const struct transact_options *options,
                      struct dynamodb_TransactWriteItemsOutput *out);

struct transact_read {
    struct str table;
    struct partiql_get get; /* statement NULL: key is what was asked for */
    const struct projection *projection;
};
RESULT transact_read(struct call *call, struct transact_read *reads, size_t count,
                     struct str capacity, struct dynamodb_TransactGetItemsOutput *out);

#endif
