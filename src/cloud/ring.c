#include "cloud/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

RESULT ring_map(struct arena *arena, struct str path, size_t size, void **out)
{
    const char *name = str_to_c(arena, path);
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return FAULT("%s: %s", name, strerror(errno));
    struct stat before;
    bool fresh = fstat(fd, &before) == 0 && before.st_size == 0;
    int error = posix_fallocate(fd, 0, (off_t)size);
    if (error != 0) {
        close(fd);
        return error == ENOSPC ? RESULT_FULL : FAULT("%s: %s", name, strerror(error));
    }
    void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    error = errno;
    close(fd);
    if (map == MAP_FAILED)
        return FAULT("%s: mmap: %s", name, strerror(error));
    /* Readahead would clear all of a new one at its first byte, which took a tenth of the start. */
    if (fresh)
        (void)madvise(map, size, MADV_RANDOM);
    *out = map;
    return RESULT_OK;
}
