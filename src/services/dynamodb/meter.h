/* What tables and indexes are used: throughput that is provisioned ("Provisioned capacity mode",
 * "Burst and adaptive capacity") or capped ("On-demand capacity mode", maximum throughput), and the
 * keys that are used most (contributor insights). In memory: losing it costs nothing but the
 * counts. Tables on demand without a maximum and without insights cost nothing. */
#ifndef KUMONIWA_SERVICES_DYNAMODB_METER_H
#define KUMONIWA_SERVICES_DYNAMODB_METER_H

#include "services/dynamodb/dynamodb_int.h"
#include "services/dynamodb/hot_keys.h"

/* For struct service_hooks. */
void *meters_new(void);
void meters_free(void *memory);

/* Takes what an operation has consumed; the operation's last step. RESULT_ERROR when nothing was
 * left before it: ProvisionedThroughputExceededException, or ThrottlingException for a maximum.
 * key: whose use it is, as insights count it, at `index` (NULL: the table); NULL: nobody's. */
RESULT meter_take(struct call *call, const struct capacity *capacity,
                  const struct dynamodb_index *index, const struct dynamodb_AttributeMap *key);
/* Whether anything is left, without an error: for requests that leave the rest undone. Writes: of
 * the table's global indexes, too. */
bool meter_admits(struct call *call, const struct dynamodb_table *table, bool reads);
/* Takes without asking. */
void meter_spend(struct call *call, const struct capacity *capacity,
                 const struct dynamodb_index *index, const struct dynamodb_AttributeMap *key);
/* Fails as meter_take() does when nothing is left. */
RESULT meter_refuse(struct call *call, const struct dynamodb_table *table, bool reads,
                    const struct dynamodb_AttributeMap *key);

/* --- insights --- */

enum meter_graph {
    METER_PARTITION_ACCESSED, /* PKC: units */
    METER_PARTITION_THROTTLED,
    METER_SORT_ACCESSED, /* SKC: partition and sort key together */
    METER_SORT_THROTTLED,
    METER_GRAPHS,
};
/* An entry of an index was written. */
void meter_count(struct call *call, const struct place *place,
                 const struct dynamodb_AttributeMap *item, double units);
/* A minute's rows, copied into the arena; keys are codec.c's bytes of the key attributes. */
struct meter_row {
    struct str key;
    double weight;
};
size_t meter_rows(struct call *call, const struct dynamodb_table *table,
                  const struct dynamodb_index *index, enum meter_graph graph, int64_t minute,
                  struct meter_row **rows);
/* Of a table that goes, or whose insights end (index -1: all of it). */
void meter_forget(struct call *call, int64_t table, int64_t index);

#endif
