/* The data directory: made if need be, locked for this process alone, of a format that this program
 * knows.
 *
 *     DIR/lock     flock()ed while in use; holds the pid of the process that locked it last
 *     DIR/format   the number of the format, in decimal
 *     DIR/in-use   while a process has it open: the id of the machine's boot; left behind by a
 * crash DIR/kv.mdb, DIR/blobs/ ...: what uses it makes
 */
#ifndef KUMONIWA_STORE_DIRECTORY_H
#define KUMONIWA_STORE_DIRECTORY_H

#include "base/result.h"
#include "base/str.h"

/* The format that this program writes. It reads all from 1 on. 2: values may stand apart
 * (kv.slots). */
enum { DIRECTORY_FORMAT = 2 };

struct directory;

/* RESULT_ERROR: not usable; *message, in the arena, is for the person who gave the path: what is
 * wrong and what to do about it. RESULT_OK with *message present: a warning. */
RESULT directory_open(struct arena *arena, struct str path, struct directory **out,
                      struct str *message);
/* Unlocks. NULL is fine. */
void directory_close(struct directory *directory);

#endif
