/* Documents of other people's servers: https GET, off the server's threads. Who wants one parks
 * until it is there (call_park) and asks again in the next run; what came is kept for a while, and
 * failures for a moment. Each has a thread of its own and not one of those for long work
 * (cloud/work.h): it waits for somebody else for up to five seconds, and those are two. The curl
 * library is loaded with the first fetch: linked, it would cost every start. */
#ifndef KUMONIWA_CLOUD_FETCH_H
#define KUMONIWA_CLOUD_FETCH_H

#include "cloud/call.h"

struct fetcher;
struct fetcher *fetcher_new(struct arena *arena, struct park_table *parks);
void fetcher_free(struct fetcher *fetcher); /* gives up what is under way, and joins */

enum fetch_outcome {
    FETCH_OK,          /* there is an answer, whatever its status */
    FETCH_UNREACHABLE, /* no connection, no answer in 5 seconds, too large */
    FETCH_UNTRUSTED,   /* the certificate is of nobody who is trusted */
};
struct fetched {
    enum fetch_outcome outcome;
    long status;     /* HTTP */
    struct str body; /* at most FETCH_MAX, in the call's arena */
};
enum { FETCH_MAX = 256 * 1024 };

/* The certificate must be good by this machine's authorities, or its chain hold a certificate of
 * one of these SHA-1 digests (40 hex digits), with which the rest is good. RESULT_PARK: not yet.
 * max_age_ms: real time for which an earlier answer still serves. */
RESULT fetch_get(struct call *call, struct str url, const struct str_list *thumbprints,
                 int64_t max_age_ms, struct fetched *out);

#endif
