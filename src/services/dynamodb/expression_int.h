/* Inside expressions: the trees, and the parser that all kinds of expressions share. */
#ifndef KUMONIWA_SERVICES_DYNAMODB_EXPRESSION_INT_H
#define KUMONIWA_SERVICES_DYNAMODB_EXPRESSION_INT_H

#include "services/dynamodb/expression.h"

/* "Service, account, and table quotas in Amazon DynamoDB", expression parameters; "Constraints in
 * Amazon DynamoDB". */
enum {
    EXPRESSION_SIZE_MAX = 4096,
    EXPRESSION_OPERATORS_MAX = 300,
    EXPRESSION_IN_MAX = 100,
    PATH_ELEMENTS_MAX = 32,
    PATH_TREE_FEW = 16,
};

/* --- trees ------------------------------------------------------------------------------------ */

enum operand_kind {
    OPERAND_PATH,
    OPERAND_VALUE,
    OPERAND_SIZE,          /* of left */
    OPERAND_IF_NOT_EXISTS, /* left is a path */
    OPERAND_LIST_APPEND,
    OPERAND_ADD,
    OPERAND_SUBTRACT,
    OPERAND_CONDITION, /* while parsing only: a function that is a condition */
};
struct operand {
    enum operand_kind kind;
    struct path path;
    const struct dynamodb_AttributeValue *value;
    const struct operand *left, *right;
};

enum condition_kind {
    CONDITION_OR,
    CONDITION_AND,
    CONDITION_NOT,
    CONDITION_EQ,
    CONDITION_NE,
    CONDITION_LT,
    CONDITION_LE,
    CONDITION_GT,
    CONDITION_GE,
    CONDITION_BETWEEN,
    CONDITION_IN,
    CONDITION_EXISTS,
    CONDITION_NOT_EXISTS,
    CONDITION_TYPE,
    CONDITION_BEGINS_WITH,
    CONDITION_CONTAINS,
    CONDITION_NOT_CONTAINS, /* legacy parameters only */
};
struct condition {
    enum condition_kind kind;
    const struct condition *left, *right; /* of OR, AND, NOT */
    const struct operand *operands;       /* of all others */
    size_t operand_count;
};

enum update_action {
    UPDATE_SET,
    UPDATE_REMOVE,
    UPDATE_ADD,
    UPDATE_DELETE,
};
struct update_clause {
    enum update_action action;
    bool legacy; /* AttributeUpdates: DELETE and ADD are laxer there */
    struct path path;
    struct operand operand; /* not of REMOVE */
};

/* Paths as a tree: every path ends in a leaf, and no leaf is above another. */
struct path_tree {
    struct path_element element;
    struct path_tree **children; /* all names, or all indices */
    size_t len, cap;
    struct map *by_name;                /* of more than PATH_TREE_FEW names */
    const struct path *leaf;            /* the path that ends here; NULL: it goes on */
    const struct update_clause *clause; /* of a leaf */
};

struct projection {
    struct path_tree root;
};
struct update {
    struct path_tree root;
    const struct update_clause *clauses;
    size_t len;
};

/* --- parser ----------------------------------------------------------------------------------- */

enum token_kind {
    TOKEN_END,
    TOKEN_NAME,
    TOKEN_NAME_REF,
    TOKEN_VALUE_REF,
    TOKEN_NUMBER,
    TOKEN_EQ,
    TOKEN_NE,
    TOKEN_LT,
    TOKEN_LE,
    TOKEN_GT,
    TOKEN_GE,
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_COMMA,
    TOKEN_DOT,
    TOKEN_OPEN_INDEX,
    TOKEN_CLOSE_INDEX,
    TOKEN_PLUS,
    TOKEN_MINUS,
    TOKEN_OTHER, /* what no expression holds */
};

/* What is wrong besides syntax, in the order in which AWS looks: of several, the first in this
 * order is told, and of one kind the leftmost. Syntax errors come before all. */
enum problem_rank {
    PROBLEM_PARENTHESES,
    PROBLEM_FUNCTION_NAME,
    PROBLEM_RESERVED,
    PROBLEM_SECTION,
    PROBLEM_NAME,
    PROBLEM_VALUE,
    PROBLEM_FUNCTION_USE,
    PROBLEM_OPERAND_COUNT,
    PROBLEM_PATH,
    PROBLEM_DISTINCT,
    PROBLEM_OPERAND_TYPE,
    PROBLEM_OVERLAP,
    PROBLEM_OPERATORS,
    PROBLEM_NONE,
};

struct parser {
    struct expression_scope *scope;
    enum expression_kind kind;
    struct str text;
    size_t at;         /* behind the token */
    struct str token;  /* the next one to be taken */
    struct str before; /* the one taken last; absent: none */
    enum token_kind token_kind;
    unsigned operators;
    unsigned depth;
    enum problem_rank rank;
    struct str problem;
};

const char *expression_kind_name(enum expression_kind kind);

/* Looks at emptiness and size, and reads the first token. */
RESULT parser_init(struct parser *parser, struct expression_scope *scope, enum expression_kind kind,
                   struct str text);
/* RESULT_ERROR when anything was left over, or a problem was noted. */
RESULT parser_finish(struct parser *parser);
void parser_next(struct parser *parser);
/* The token that stands there is not what must stand there. */
RESULT parser_syntax(struct parser *parser);
RESULT parser_expect(struct parser *parser, enum token_kind kind);
/* Whether the token is that word, in any case. */
bool parser_at_word(const struct parser *parser, struct str upper);
void parser_problem(struct parser *parser, enum problem_rank rank, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

RESULT parser_path(struct parser *parser, struct path *out);
/* The token is a TOKEN_VALUE_REF. */
void parser_value(struct parser *parser, struct operand *out);
/* The token is a name; true: an open parenthesis follows. */
bool parser_at_function(const struct parser *parser);

struct str path_text(struct arena *arena, const struct path *path); /* "[a, [0], b]" */
bool path_equal(const struct path *a, const struct path *b);
/* False: it overlaps with *other, or, with *conflict, takes for a list what *other takes for a map.
 */
bool path_tree_add(struct arena *arena, struct path_tree *root, const struct path *path,
                   const struct update_clause *clause, const struct path **other, bool *conflict);
/* The same while parsing: an overlap or a conflict is noted as a problem. */
void parser_add_path(struct parser *parser, struct path_tree *root, const struct path *path,
                     const struct update_clause *clause);
/* The parts of the item where the tree's leaves are. */
struct dynamodb_AttributeMap path_tree_project(struct arena *arena, const struct path_tree *root,
                                               const struct dynamodb_AttributeMap *item);

#endif
