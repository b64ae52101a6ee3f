/* A walk over a range of keys in pages: what Query, Scan and PartiQL's SELECT have in common. */
#ifndef KUMONIWA_SERVICES_DYNAMODB_READING_H
#define KUMONIWA_SERVICES_DYNAMODB_READING_H

#include "services/dynamodb/dynamodb_int.h"
#include "services/dynamodb/partiql.h"

/* A local index lacks attributes that are wanted: the item is read too, to be shown whole, or to
 * look at. */
enum reading_fetch { FETCH_NOTHING, FETCH_TO_LOOK, FETCH_TO_SHOW };

struct reading {
    struct call *call;
    struct dynamodb_table table;
    struct place place;
    bool query;
    struct str select;
    bool count_only;
    enum reading_fetch fetch;
    bool consistent;
    bool backward;
    struct opt_int limit;
    struct opt_int segment, total; /* of a parallel scan */
    const struct condition *filter;
    const struct projection *projection;
    const struct partiql_statement *statement; /* PartiQL's columns; NULL: the projection */
    struct str capacity_wanted;
    struct key prefix;
    struct str from, to; /* keys: from <= key < to; absent: no bound */

    struct capacity capacity;
    size_t bytes;
    struct dynamodb_ItemList items;
    size_t cap;
    int32_t count, scanned;
    struct dynamodb_AttributeMap last;
    bool more;
};

/* place, from the table and an index's name (absent: the table itself). */
RESULT reading_find_place(struct reading *r, struct str index_name);
/* What `select`, the projection and the filter ask of the place. parameter: what the request calls
 * its projection. */
RESULT reading_select(struct reading *r, const char *parameter);
/* prefix, from and to, of a key condition. */
void reading_bounds(struct reading *r, const struct key_condition *condition);
/* ExclusiveStartKey: the key attributes of the place and of the table, no others. */
RESULT reading_start(struct reading *r, struct dynamodb_AttributeMap start);
/* Once; then walks, each over its own bounds, until `more` says that the page is full; then finish,
 * which takes the units. partition: whose use it is, a value for each attribute of the key; NULL:
 * that of many. */
void reading_begin(struct reading *r);
RESULT reading_walk(struct reading *r);
RESULT reading_finish(struct reading *r, const struct dynamodb_AttributeValue *const *partition);
/* For walks over several ranges at once: a cursor at the bounds' beginning, its next key (absent at
 * the end), an item that was found taken in. */
RESULT reading_seek(struct reading *r, struct kv_cursor **cursor);
RESULT reading_next(const struct reading *r, struct kv_cursor *cursor, struct str *key,
                    struct str *value);
RESULT reading_take(struct reading *r, struct str value);
bool reading_full(const struct reading *r);
void reading_lower(struct reading *r, struct str bound); /* from, unless it is higher already */
void reading_upper(struct reading *r, struct str bound);
struct str reading_after(struct arena *arena, struct str key, char c);
/* LastEvaluatedKey; absent unless `more`. */
struct dynamodb_AttributeMap reading_last(const struct reading *r);

#endif
