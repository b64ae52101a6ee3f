/* Who may do what to which items ("Using IAM policy conditions for fine-grained access control",
 * "Using resource-based policies for DynamoDB", Developer Guide). Operations on items ask for
 * themselves, table by table, with what they have read of the request; what a condition key says
 * is worked out only when a policy names it. */
#ifndef KUMONIWA_SERVICES_DYNAMODB_ACCESS_H
#define KUMONIWA_SERVICES_DYNAMODB_ACCESS_H

#include "services/dynamodb/dynamodb_int.h"
#include "services/dynamodb/partiql.h"

struct access {
    struct str action; /* "dynamodb:GetItem" */
    struct str index;  /* Query and Scan of one; absent: the table itself */
    /* Whose partition key values are dynamodb:LeadingKeys: items or keys, or a Query's keys. */
    const struct dynamodb_AttributeMap *items;
    size_t item_count;
    const struct condition *key_condition;
    /* Whose top-level names are dynamodb:Attributes, beside all of the above. */
    const struct condition *condition;
    const struct projection *projection;
    const struct update *update;
    const struct partiql_statement *statement; /* all of it, of a PartiQL one */
    struct str select, return_values, capacity;
    struct str enclosing; /* "TransactWriteItems" */

    /* Set by access_open(). */
    struct call *call;
    const struct dynamodb_table *table;
};

/* Finds the table and asks. RESULT_ERROR with AccessDenied, or ResourceNotFoundException when there
 * is no such table (who may not ask does not learn it). */
RESULT access_open(struct call *call, struct access *access, struct str name,
                   struct dynamodb_table *table);

#endif
