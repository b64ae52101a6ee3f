/* A cloud in a directory of its own, called without a socket: for the programs that measure what
 * calls cost by themselves. Whatever goes wrong ends the program. */
#ifndef KUMONIWA_BENCH_ALONE_H
#define KUMONIWA_BENCH_ALONE_H

#include "base/arena.h"
#include "cloud/call.h"

struct alone {
    struct cloud *cloud;
    struct arena *arena; /* of one call: whoever calls resets it */
    struct arena *kept;
    char directory[64];
};

void alone_open(struct alone *alone);
void alone_close(struct alone *alone); /* the directory goes */

/* The root user of 000000000000. */
extern const struct principal alone_root;
/* A call by JSON in us-east-1, in alone->arena. */
struct call alone_call(const struct alone *alone, const struct wire_model *model,
                       uint32_t operation, const struct principal *who);
/* call_run(), with its output borrowed until the arena is reset. */
void alone_run(struct call *call, const void *in, void *out);

/* CPU time of this thread. */
double alone_cpu_us(void);
/* The program's argument at that place, or what it is without one. */
unsigned alone_argument(int argc, char **argv, int place, unsigned otherwise);

#endif
