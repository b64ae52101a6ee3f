/* What a test does with its own process. */
#ifndef KUMONIWA_TEST_SUPPORT_PROCESS_H
#define KUMONIWA_TEST_SUPPORT_PROCESS_H

#include <stdint.h>
#include <sys/resource.h>

/* Of all threads, since the process began. */
uint64_t process_cpu_ms(void);
/* From here on no descriptor can be had; returns the limit that was, for process_set_limit(). */
struct rlimit process_take_descriptors(void);
void process_set_limit(struct rlimit limit);

#endif
