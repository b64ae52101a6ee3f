/* Files that entries wait in until the store has them: lines of logs (log_sink.c), events of the
 * trail (trail.c). Mapped: what was put survives kill -9 from the moment that the call returned,
 * and costs no system call.
 *
 *     DIR/NAME-N.spool   magic, length (u64) of the entries, entry*
 *     entry := size of the bytes (u32), tag (u32), time (i64), kind (u32), 0 (u32), bytes, zeros to
 *              a multiple of 8
 *
 * Blocks are allocated ahead of use: a full disk must not be a SIGBUS. One thread at a time. */
#ifndef KUMONIWA_CLOUD_SPOOL_H
#define KUMONIWA_CLOUD_SPOOL_H

#include "base/arena.h"
#include "base/result.h"
#include "base/str.h"

/* What a family of files has in common; read only. */
struct spool_family {
    struct str directory;
    const char *name;
    char magic[8];
    size_t most; /* bytes of a file */
};

struct spool;
struct spool_entry {
    uint32_t kind, tag; /* the owner's */
    int64_t time_ms;
    struct str bytes; /* in the file, until it is closed or used again */
};

/* A new one. RESULT_FULL: there is no room. The arena and the family outlive it. */
RESULT spool_new(struct arena *arena, const struct spool_family *family, uint64_t number,
                 struct spool **out);
/* One that a crash left: to be read. */
RESULT spool_open(struct arena *arena, const struct spool_family *family, uint64_t number,
                  struct spool **out);
/* *kept: the entry's bytes, in the file. False: there is no room. */
bool spool_put(struct spool *spool, const struct spool_entry *entry, struct str *kept);
/* Entries one after another; *at begins with 0. False: the end. */
bool spool_next(const struct spool *spool, size_t *at, struct spool_entry *entry);
/* One that was written and has done its service begins anew, empty and under another number. */
RESULT spool_again(struct spool *spool, uint64_t number);
void spool_close(struct spool *spool, bool remove);

/* Numbers of the family's files that are there, in order. */
RESULT spool_list(struct arena *arena, const struct spool_family *family, uint64_t **numbers,
                  size_t *count);

#endif
