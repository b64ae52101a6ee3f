#include "support/crash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/wait.h>
#include <unistd.h>

enum { CRASH_CODE = 9, TOLD_MAX = 64 * 1024 };

static bool end_here(void *context)
{
    int *left = context;
    if (*left < 0 || (*left)-- > 0)
        return true;
    _exit(CRASH_CODE);
}

static _Noreturn void be_the_child(struct loopback *loopback, int writes,
                                   void (*work)(struct loopback *loopback, int tell), int tell)
{
    int left = -1; /* opening writes, too */
    loopback->write_hook = end_here;
    loopback->hook_context = &left;
    loopback_start(loopback);
    left = writes;
    work(loopback, tell);
    _exit(0);
}

bool crash_at(struct loopback *loopback, int writes,
              void (*work)(struct loopback *loopback, int tell), struct str *told)
{
    int ends[2], status;
    char *bytes = arena_alloc(loopback->arena, TOLD_MAX);
    size_t size = 0;
    loopback_stop(loopback);
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        be_the_child(loopback, writes, work, ends[1]);
    close(ends[1]);
    for (ssize_t got; size < TOLD_MAX && (got = read(ends[0], bytes + size, TOLD_MAX - size)) > 0;)
        size += (size_t)got;
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) &&
                (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == CRASH_CODE));
    loopback_start(loopback);
    if (told != NULL)
        *told = str_make(bytes, size);
    return WEXITSTATUS(status) == 0;
}

void crash_tell(int tell, const void *report, size_t size)
{
    if (write(tell, report, size) != (ssize_t)size)
        _exit(1);
}

void crash_at_every_write(int least, void (*prepare)(struct loopback *loopback),
                          void (*work)(struct loopback *loopback, int tell),
                          void (*verify)(struct loopback *loopback, struct str told, bool lived))
{
    bool lived = false;
    int writes = 0;
    for (; !lived; writes++) {
        struct loopback lo = {0};
        struct str told;
        loopback_open(&lo);
        if (prepare != NULL)
            prepare(&lo);
        lived = crash_at(&lo, writes, work, &told);
        verify(&lo, told, lived);
        loopback_close(&lo);
    }
    print_message("ended at each of %d writes\n", writes - 1);
    assert_true(writes > least);
}
