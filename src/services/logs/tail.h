/* Live tails: StartLiveTail. Sessions are of the connection alone: nothing is stored of them. A
 * write to a group that somebody watches leaves an item in the outbox (filters.c), whose handler
 * gives its events to the sessions; each second a session sends what it was given. */
#ifndef KUMONIWA_SERVICES_LOGS_TAIL_H
#define KUMONIWA_SERVICES_LOGS_TAIL_H

#include "services/logs/logs_int.h"

struct tail_table; /* all sessions */
struct tail_table *tail_table_new(void);
void tail_table_free(struct tail_table *table);

bool tail_is_watched(const struct cloud *cloud, uint64_t group);
RESULT logs_deliver_tail(struct call *call, const struct outbox_item *item);

#endif
