/* Between the files of PartiQL's parser. */
#ifndef KUMONIWA_SERVICES_DYNAMODB_PARTIQL_INT_H
#define KUMONIWA_SERVICES_DYNAMODB_PARTIQL_INT_H

#include "services/dynamodb/expression_int.h"
#include "services/dynamodb/partiql.h"

enum partiql_token {
    PARTIQL_END,
    PARTIQL_WORD,   /* a keyword or a plain name */
    PARTIQL_QUOTED, /* "name" */
    PARTIQL_STRING, /* 'text' */
    PARTIQL_NUMBER,
    PARTIQL_SYMBOL,
    PARTIQL_BROKEN, /* a quotation that does not end, a character of no token */
};
struct partiql {
    struct arena *arena;
    struct value_failure *failure;
    struct str text;
    size_t at;
    enum partiql_token kind;
    struct str token; /* quoted ones: what they say */
    struct dynamodb_PreparedStatementParameters parameters;
    size_t parameters_used;
    unsigned depth;
};

enum { PARTIQL_DEPTH_MAX = 300 }; /* of parentheses and NOTs */

void partiql_next(struct partiql *p);
RESULT partiql_malformed(struct partiql *p, const char *what);
bool partiql_at_word(const struct partiql *p, struct str upper);
bool partiql_at(const struct partiql *p, const char *symbol);
/* Takes it when it stands there. */
bool partiql_take_word(struct partiql *p, struct str upper);
bool partiql_take(struct partiql *p, const char *symbol);
RESULT partiql_expect_word(struct partiql *p, struct str upper);
RESULT partiql_expect(struct partiql *p, const char *symbol);

/* A literal or a parameter; *found false, and nothing taken, when neither stands there. */
RESULT partiql_value(struct partiql *p, struct dynamodb_AttributeValue *out, bool *found);
RESULT partiql_name(struct partiql *p, struct str *out);
RESULT partiql_path(struct partiql *p, struct path *out);
/* A value, a path, or size(path). */
RESULT partiql_operand(struct partiql *p, struct operand *out);
RESULT partiql_condition(struct partiql *p, const struct condition **out);

#endif
