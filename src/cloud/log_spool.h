/* A file that lines wait in until the store has them (log_sink.c): mapped, so that what was put
 * survives kill -9 from the moment that the call returned.
 *
 *     DIR/lines-N.spool   "kumolog1", length (u64) of the entries, entry*
 *     entry := size of the bytes (u32), lane (u32), time (i64), kind (u32), 0 (u32), bytes, zeros
 *              to a multiple of 8
 *
 * A lane is a stream of lines; its first entry names it. Its blocks are allocated ahead of use: a
 * full disk must not be a SIGBUS. One thread at a time. */
#ifndef KUMONIWA_CLOUD_LOG_SPOOL_H
#define KUMONIWA_CLOUD_LOG_SPOOL_H

#include "base/arena.h"
#include "base/result.h"
#include "base/str.h"

struct log_spool;
struct log_spool_entry {
    enum log_spool_kind { LOG_SPOOL_LANE, LOG_SPOOL_LINE, LOG_SPOOL_LINE_CREATES } kind;
    uint32_t lane;
    int64_t time_ms;
    struct str bytes; /* in the file, until it is closed */
};

/* A new one, in that directory. RESULT_FULL: there is no room. */
RESULT log_spool_new(struct arena *arena, struct str directory, uint64_t number,
                     struct log_spool **out);
/* One that a crash left. */
RESULT log_spool_open(struct arena *arena, struct str directory, uint64_t number,
                      struct log_spool **out);
/* *kept: the entry's bytes, in the file. False: there is no room. */
bool log_spool_put(struct log_spool *spool, const struct log_spool_entry *entry, struct str *kept);
/* Entries one after another; *at begins with 0. False: the end. */
bool log_spool_next(const struct log_spool *spool, size_t *at, struct log_spool_entry *entry);
void log_spool_close(struct log_spool *spool, bool remove);

/* Numbers of the files that are there, in order. */
RESULT log_spool_list(struct arena *arena, struct str directory, uint64_t **numbers, size_t *count);

#endif
