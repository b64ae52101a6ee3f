#include "cloud/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/vec.h"

/* How much gets its blocks at a time. */
enum { SPOOL_STEP = 256 << 10 };

struct head {
    char magic[8];
    _Atomic uint64_t length;
};
struct entry {
    uint32_t size, tag;
    int64_t time_ms;
    uint32_t kind, zero;
};

struct spool {
    const struct spool_family *family;
    char *name; /* of the file; room for any number */
    int fd;
    char *map;
    size_t mapped;
    size_t allocated;
    size_t end; /* of what is written */
};

static size_t name_room(const struct spool_family *family)
{
    return family->directory.len + strlen(family->name) + sizeof "/-.spool" + 20;
}

static void name_write(char *name, const struct spool_family *family, uint64_t number)
{
    snprintf(name, name_room(family), "%.*s/%s-%llu.spool", PRSTR(family->directory), family->name,
             (unsigned long long)number);
}

static struct spool *spool_make(struct arena *arena, const struct spool_family *family,
                                uint64_t number)
{
    struct spool *spool = ARENA_NEW(arena, struct spool);
    *spool = (struct spool){.family = family, .name = arena_alloc(arena, name_room(family))};
    name_write(spool->name, family, number);
    return spool;
}

static struct head *spool_head(const struct spool *spool)
{
    return (struct head *)(void *)spool->map;
}

/* --- writing --- */

static bool spool_grow(struct spool *spool, size_t size)
{
    size_t more = (size - spool->allocated + SPOOL_STEP - 1) / SPOOL_STEP * SPOOL_STEP;
    if (size > spool->family->most ||
        posix_fallocate(spool->fd, (off_t)spool->allocated, (off_t)more) != 0)
        return false;
    spool->allocated += more;
    return true;
}

static void spool_empty(struct spool *spool)
{
    spool->end = sizeof(struct head);
    atomic_store_explicit(&spool_head(spool)->length, 0, memory_order_release);
}

RESULT spool_new(struct arena *arena, const struct spool_family *family, uint64_t number,
                 struct spool **out)
{
    struct spool *spool = spool_make(arena, family, number);
    spool->fd = open(spool->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (spool->fd < 0)
        return errno == ENOSPC ? RESULT_FULL : FAULT("%s: %s", spool->name, strerror(errno));
    bool room = spool_grow(spool, SPOOL_STEP);
    void *map = MAP_FAILED;
    if (room)
        map = mmap(NULL, family->most, PROT_READ | PROT_WRITE, MAP_SHARED, spool->fd, 0);
    if (map == MAP_FAILED) {
        enum result result =
            room ? FAULT("%s: mmap: %s", spool->name, strerror(errno)) : RESULT_FULL;
        close(spool->fd);
        unlink(spool->name);
        return result;
    }
    spool->map = map;
    spool->mapped = family->most;
    spool_empty(spool);
    memcpy(spool_head(spool)->magic, family->magic, sizeof family->magic);
    *out = spool;
    return RESULT_OK;
}

/* Empty before it has the new name: a crash in between leaves nothing to be taken twice. */
RESULT spool_again(struct spool *spool, uint64_t number)
{
    char old[PATH_MAX];
    snprintf(old, sizeof old, "%s", spool->name);
    spool_empty(spool);
    name_write(spool->name, spool->family, number);
    if (rename(old, spool->name) == 0)
        return RESULT_OK;
    int error = errno;
    memcpy(spool->name, old, strlen(old) + 1);
    return FAULT("%s: rename: %s", old, strerror(error));
}

bool spool_put(struct spool *spool, const struct spool_entry *entry, struct str *kept)
{
    struct entry head = {(uint32_t)entry->bytes.len, entry->tag, entry->time_ms, entry->kind, 0};
    if (entry->bytes.len > spool->family->most)
        return false;
    size_t size = sizeof head + (entry->bytes.len + 7) / 8 * 8;
    if (spool->end + size > spool->allocated && !spool_grow(spool, spool->end + size))
        return false;
    char *at = spool->map + spool->end;
    memcpy(at, &head, sizeof head);
    memcpy(at + sizeof head, entry->bytes.ptr, entry->bytes.len);
    *kept = str_make(at + sizeof head, entry->bytes.len);
    spool->end += size;
    /* What the length counts is whole, wherever the process ends. */
    atomic_store_explicit(&spool_head(spool)->length, spool->end - sizeof(struct head),
                          memory_order_release);
    return true;
}

void spool_close(struct spool *spool, bool remove)
{
    munmap(spool->map, spool->mapped);
    close(spool->fd);
    if (remove && unlink(spool->name) != 0)
        log_line(LOG_WARN, "%s: %s", spool->name, strerror(errno));
}

/* --- reading --- */

RESULT spool_open(struct arena *arena, const struct spool_family *family, uint64_t number,
                  struct spool **out)
{
    struct spool *spool = spool_make(arena, family, number);
    struct stat about = {0};
    spool->fd = open(spool->name, O_RDONLY | O_CLOEXEC);
    if (spool->fd < 0)
        return FAULT("%s: %s", spool->name, strerror(errno));
    void *map = MAP_FAILED;
    if (fstat(spool->fd, &about) == 0) {
        /* One that ended before its first step: a page, of which nothing is read. */
        spool->mapped = about.st_size == 0 ? 1 : (size_t)about.st_size;
        map = mmap(NULL, spool->mapped, PROT_READ, MAP_PRIVATE, spool->fd, 0);
    }
    if (map == MAP_FAILED) {
        close(spool->fd);
        return FAULT("%s: mmap: %s", spool->name, strerror(errno));
    }
    spool->map = map;
    if (about.st_size > (off_t)sizeof(struct head) &&
        memcmp(spool_head(spool)->magic, family->magic, sizeof family->magic) == 0) {
        uint64_t length = atomic_load_explicit(&spool_head(spool)->length, memory_order_acquire);
        uint64_t most = (uint64_t)about.st_size - sizeof(struct head);
        spool->end = sizeof(struct head) + (size_t)(length < most ? length : most);
    }
    *out = spool;
    return RESULT_OK;
}

bool spool_next(const struct spool *spool, size_t *at, struct spool_entry *entry)
{
    struct entry head;
    size_t from = *at == 0 ? sizeof(struct head) : *at;
    if (from > spool->end || spool->end - from < sizeof head)
        return false;
    memcpy(&head, spool->map + from, sizeof head);
    from += sizeof head;
    if (head.size > spool->end - from)
        return false;
    *entry = (struct spool_entry){head.kind, head.tag, head.time_ms,
                                  str_make(spool->map + from, head.size)};
    *at = from + ((size_t)head.size + 7) / 8 * 8;
    return true;
}

/* --- listing --- */

static int by_number(const void *a, const void *b)
{
    const uint64_t *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

RESULT spool_list(struct arena *arena, const struct spool_family *family, uint64_t **numbers,
                  size_t *count)
{
    struct str prefix = str_format(arena, "%s-", family->name), suffix = STR(".spool");
    size_t cap = 0;
    DIR *folder = opendir(str_to_c(arena, family->directory));
    if (folder == NULL)
        return FAULT("%.*s: %s", PRSTR(family->directory), strerror(errno));
    *numbers = NULL;
    *count = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        struct str name = str_from_c(entry->d_name);
        uint64_t number;
        if (str_starts_with(name, prefix) && str_ends_with(name, suffix) &&
            name.len > prefix.len + suffix.len &&
            str_to_u64(str_slice(name, prefix.len, name.len - suffix.len), &number))
            VEC_PUSH(arena, *numbers, *count, cap, number);
    }
    closedir(folder);
    if (*count > 1)
        qsort(*numbers, *count, sizeof **numbers, by_number);
    return RESULT_OK;
}
