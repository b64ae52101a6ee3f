/* The keys of the event history, between events.c and lookup.c. README.md draws them. */
#ifndef KUMONIWA_SERVICES_CLOUDTRAIL_EVENTS_H
#define KUMONIWA_SERVICES_CLOUDTRAIL_EVENTS_H

#include "services/cloudtrail/cloudtrail_int.h"

/* Events of one account and region that were kept together, in the order they came. They begin at
 * first_ms; the first of another batch may be some milliseconds older than this one's last. */
struct events_batch {
    struct str account, region;
    int64_t first_ms;
    struct str name;
};

/* (table, account, region): then the batch and the event's place in it. */
struct key events_prefix(struct call *call, struct str account, struct str region);
/* (table, account, region, attribute, value): then the batch; the value is places, a byte each. */
struct key events_index_prefix(struct call *call, struct str account, struct str region,
                               struct str attribute, struct str value);
#endif
