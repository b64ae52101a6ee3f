/* What unpacking an archive of code and unpacking the layers of an image have in common. */
#ifndef KUMONIWA_FUNCTIONS_UNPACK_INT_H
#define KUMONIWA_FUNCTIONS_UNPACK_INT_H

#include <sys/types.h>

#include "functions/archive_library.h"
#include "functions/unpack.h"

enum { UNPACK_BLOCK = 64 * 1024 };

struct unpacking {
    struct arena *arena;
    struct archive_library library;
    struct archive *archive;
    struct archive_entry *entry;
    struct unpack_limits limits;
    const _Atomic bool *cancelled;
    int root; /* the directory */
    struct unpack_result *out;
    char *block; /* UNPACK_BLOCK bytes */
};

/* All of them note why it ends, and are false. */
bool unpack_stop(struct unpacking *u, enum unpack_answer answer, struct str problem);
bool unpack_stop_errno(struct unpacking *u, const char *path);
bool unpack_stop_archive(struct unpacking *u); /* what the library says */
bool unpack_goes_on(struct unpacking *u);      /* true: nobody has cancelled it */

/* The entry's content and time in a new file of that mode; the name must be free. */
bool unpack_put_file(struct unpacking *u, int parent, const char *name, mode_t mode);

#endif
