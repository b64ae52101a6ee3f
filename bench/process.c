#include "process.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bytes.h"

static FILE *open_proc(uint64_t pid, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%llu/%s", (unsigned long long)pid, name);
    return fopen(path, "re");
}

uint64_t process_cpu_us(uint64_t pid)
{
    char line[1024];
    unsigned long user, system;
    if (pid == 0)
        return 0;
    FILE *file = open_proc(pid, "stat");
    if (file == NULL || fgets(line, sizeof line, file) == NULL)
        die("no process %llu (--server-pid)", (unsigned long long)pid);
    fclose(file);
    /* The name in parentheses may hold anything; the numbers begin behind its end. proc(5). */
    const char *numbers = strrchr(line, ')');
    if (numbers == NULL ||
        sscanf(numbers + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
               &system) != 2)
        die("/proc/%llu/stat is not understood", (unsigned long long)pid);
    return (uint64_t)(user + system) * 1000000U / (uint64_t)sysconf(_SC_CLK_TCK);
}

uint64_t process_rss(uint64_t pid)
{
    char line[256];
    unsigned long kib = 0, pages = 0;
    if (pid == 0)
        return 0;
    FILE *file = open_proc(pid, "smaps_rollup");
    while (file != NULL && fgets(line, sizeof line, file) != NULL &&
           sscanf(line, "Rss: %lu", &kib) != 1)
        ;
    if (file != NULL)
        fclose(file);
    if (kib != 0)
        return (uint64_t)kib * 1024;
    file = open_proc(pid, "statm");
    if (file == NULL || fscanf(file, "%*u %lu", &pages) != 1)
        die("no process %llu (--server-pid)", (unsigned long long)pid);
    fclose(file);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t own_cpu_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000U +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}
