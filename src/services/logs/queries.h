/* Queries of Logs Insights: kept, run beside the requests, answered. */
#ifndef KUMONIWA_SERVICES_LOGS_QUERIES_H
#define KUMONIWA_SERVICES_LOGS_QUERIES_H

#include "services/logs/logs_int.h"
#include "services/logs/query.h"

enum { QUERY_GROUPS_MAX = 50 };
#define QUERY_TIME_MS (INT64_C(60) * 60 * 1000)
#define QUERY_KEPT_MS (7 * DAY_MS)

/* --- queries.c --- */

struct key query_key(struct call *call, struct str id);
struct key query_rows_key(struct call *call, struct str id);
/* Those that run, of all accounts: to go on with after a restart. */
struct key query_running_key(struct call *call, struct str account, struct str region,
                             struct str id);
RESULT logs_deliver_forget_query(struct call *call, const struct outbox_item *item);

/* --- query_task.c --- */

/* Begins to run it, on the cloud's workers; where there are none, runs it to its end here. */
RESULT logs_deliver_query(struct call *call, const struct outbox_item *item);
/* What a running query has read so far; false: it is none that runs here. */
bool query_progress(struct cloud *cloud, struct str id, struct logs_query *query);
struct query_table; /* those that run */
struct query_table *query_table_new(void);
void query_table_free(struct query_table *table);
/* Queries that ran when the program ended go on. */
RESULT logs_start(struct cloud *cloud);

/* --- query_records.c --- */

/* @ptr, and back. */
struct str query_pointer(struct arena *arena, struct str group, struct str stream,
                         struct log_walk_position at);

#endif
