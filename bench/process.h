/* What the kernel says of another process: its processor time and its memory. */
#ifndef KUMONIWA_BENCH_PROCESS_H
#define KUMONIWA_BENCH_PROCESS_H

#include <stdint.h>

/* User and system time of all threads, from /proc/PID/stat (10 ms steps); 0 when pid is 0. Ends the
 * program when there is no such process. */
uint64_t process_cpu_us(uint64_t pid);
/* Resident bytes, from /proc/PID/smaps_rollup where it may be read, else statm; 0 when pid is 0. */
uint64_t process_rss(uint64_t pid);
/* User and system time of this program. */
uint64_t own_cpu_us(void);

#endif
