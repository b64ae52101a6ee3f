#include "support/process.h"

#include <stdlib.h>
#include <unistd.h>

uint64_t process_cpu_ms(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        abort();
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

struct rlimit process_take_descriptors(void)
{
    struct rlimit before;
    int lowest = dup(STDIN_FILENO);
    if (lowest < 0 || close(lowest) != 0 || getrlimit(RLIMIT_NOFILE, &before) != 0)
        abort();
    process_set_limit((struct rlimit){(rlim_t)lowest, before.rlim_max});
    return before;
}

void process_set_limit(struct rlimit limit)
{
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        abort();
}
