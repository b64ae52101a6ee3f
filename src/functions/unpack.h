/* Archives of code to directories, by libarchive (loaded when it is wanted). What comes out is
 * readable by everybody, executable by everybody where it was by its owner, and nothing of it
 * stands or points outside of the directory. */
#ifndef KUMONIWA_FUNCTIONS_UNPACK_H
#define KUMONIWA_FUNCTIONS_UNPACK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/result.h"
#include "base/str.h"

struct arena;

enum unpack_answer {
    UNPACK_DONE,
    UNPACK_EMPTY,     /* an archive of nothing */
    UNPACK_BROKEN,    /* no such archive, or damaged, or encrypted */
    UNPACK_UNSAFE,    /* a path or link that leaves the directory, a device */
    UNPACK_TOO_LARGE, /* more than the limit */
    UNPACK_NO_SPACE,  /* on the disk */
    UNPACK_CANCELLED,
    UNPACK_NO_LIBRARY,
};
struct unpack_limits {
    uint64_t bytes; /* of all files together */
    uint64_t entries;
};
struct unpack_result {
    enum unpack_answer answer;
    uint64_t bytes;
    struct str problem; /* for people; in the arena */
};

/* A zip archive that `fd` (at its start, stays the caller's) has, into a directory that exists. A
 * later entry of the same path takes the place of an earlier one. RESULT_FAULT: the machine failed.
 */
RESULT unpack_zip(struct arena *arena, int fd, const char *directory,
                  const struct unpack_limits *limits, const _Atomic bool *cancelled,
                  struct unpack_result *out);

/* Adds what `from` holds to `to`, files by hard links; what has the same path is replaced. Both are
 * of unpack_zip()'s making, on one file system. */
RESULT unpack_merge(const char *from, const char *to);

/* Removes a directory and all in it, never following a link. It need not exist. */
RESULT unpack_remove(const char *directory);
/* The same for anything of a directory; false: errno. */
bool unpack_remove_at(int directory, const char *name);

#endif
