/* What a run prints: text for people or one JSON object (bench/run.py reads it). */
#ifndef KUMONIWA_BENCH_REPORT_H
#define KUMONIWA_BENCH_REPORT_H

#include "load.h"

/* unsent: requests of the open loop that came due and never left. Returns the exit code: 1 when
 * anything was answered wrongly or a connection broke. */
int report_run(const struct load *load, uint64_t unsent);

struct longpoll_result {
    uint64_t parked;   /* connections that waited when the messages began, and still at the end */
    uint64_t rss_idle; /* before any connection */
    uint64_t rss_connected; /* each has been answered once */
    uint64_t rss_parked;    /* each waits */
    uint64_t timeouts;      /* polls that ended empty and were parked again */
    uint64_t surplus;       /* answers with a message that was not the round's */
    uint64_t errors;
    struct histogram wake; /* from the sending of SendMessage to the whole reply of the poll */
};
int report_longpoll(const struct load *load, const struct longpoll_result *result);

#endif
