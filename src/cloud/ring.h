/* A file of fixed size, mapped and shared, so that what is written to it survives kill -9: what
 * audit.h and denials.h keep their entries in. */
#ifndef KUMONIWA_CLOUD_RING_H
#define KUMONIWA_CLOUD_RING_H

#include "base/arena.h"
#include "base/result.h"
#include "base/str.h"

/* Made with all its blocks when it is not there: a full disk later must not be a SIGBUS.
 * RESULT_FULL: there is no room. Until munmap(). */
RESULT ring_map(struct arena *arena, struct str path, size_t size, void **out);

#endif
