#include "cloud/log_spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/vec.h"

/* Address space, and how much of it gets its blocks at a time. */
enum { SPOOL_BYTES = 20 << 20, SPOOL_STEP = 256 << 10 };

struct head {
    char magic[8];
    _Atomic uint64_t length;
};
struct entry {
    uint32_t size, lane;
    int64_t time_ms;
    uint32_t kind, zero;
};
static const char spool_magic[8] = "kumolog1";

struct log_spool {
    const char *name;
    int fd;
    char *map;
    size_t mapped;
    size_t allocated;
    size_t end; /* of what is written */
};

static const char *spool_name(struct arena *arena, struct str directory, uint64_t number)
{
    return str_to_c(arena, str_format(arena, "%.*s/lines-%llu.spool", PRSTR(directory),
                                      (unsigned long long)number));
}

static struct head *spool_head(const struct log_spool *spool)
{
    return (struct head *)(void *)spool->map;
}

/* --- writing --- */

static bool spool_grow(struct log_spool *spool, size_t size)
{
    size_t more = (size - spool->allocated + SPOOL_STEP - 1) / SPOOL_STEP * SPOOL_STEP;
    if (size > SPOOL_BYTES || posix_fallocate(spool->fd, (off_t)spool->allocated, (off_t)more) != 0)
        return false;
    spool->allocated += more;
    return true;
}

RESULT log_spool_new(struct arena *arena, struct str directory, uint64_t number,
                     struct log_spool **out)
{
    struct log_spool *spool = ARENA_NEW(arena, struct log_spool);
    *spool = (struct log_spool){.name = spool_name(arena, directory, number),
                                .mapped = SPOOL_BYTES,
                                .end = sizeof(struct head)};
    spool->fd = open(spool->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (spool->fd < 0)
        return errno == ENOSPC ? RESULT_FULL : FAULT("%s: %s", spool->name, strerror(errno));
    bool room = spool_grow(spool, SPOOL_STEP);
    void *map = MAP_FAILED;
    if (room)
        map = mmap(NULL, SPOOL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, spool->fd, 0);
    if (map == MAP_FAILED) {
        enum result result =
            room ? FAULT("%s: mmap: %s", spool->name, strerror(errno)) : RESULT_FULL;
        close(spool->fd);
        unlink(spool->name);
        return result;
    }
    spool->map = map;
    memcpy(spool_head(spool)->magic, spool_magic, sizeof spool_magic);
    *out = spool;
    return RESULT_OK;
}

bool log_spool_put(struct log_spool *spool, const struct log_spool_entry *entry, struct str *kept)
{
    struct entry head = {(uint32_t)entry->bytes.len, entry->lane, entry->time_ms,
                         (uint32_t)entry->kind, 0};
    if (entry->bytes.len > SPOOL_BYTES)
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

void log_spool_close(struct log_spool *spool, bool remove)
{
    munmap(spool->map, spool->mapped);
    close(spool->fd);
    if (remove && unlink(spool->name) != 0)
        log_line(LOG_WARN, "%s: %s", spool->name, strerror(errno));
}

/* --- reading --- */

RESULT log_spool_open(struct arena *arena, struct str directory, uint64_t number,
                      struct log_spool **out)
{
    struct log_spool *spool = ARENA_NEW(arena, struct log_spool);
    struct stat about = {0};
    *spool = (struct log_spool){.name = spool_name(arena, directory, number)};
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
        memcmp(spool_head(spool)->magic, spool_magic, sizeof spool_magic) == 0) {
        uint64_t length = atomic_load_explicit(&spool_head(spool)->length, memory_order_acquire);
        if (length <= (uint64_t)about.st_size - sizeof(struct head))
            spool->end = sizeof(struct head) + (size_t)length;
    }
    *out = spool;
    return RESULT_OK;
}

bool log_spool_next(const struct log_spool *spool, size_t *at, struct log_spool_entry *entry)
{
    struct entry head;
    size_t from = *at == 0 ? sizeof(struct head) : *at;
    if (from > spool->end || spool->end - from < sizeof head)
        return false;
    memcpy(&head, spool->map + from, sizeof head);
    from += sizeof head;
    if (head.size > spool->end - from || head.kind > LOG_SPOOL_LINE_CREATES)
        return false;
    *entry = (struct log_spool_entry){(enum log_spool_kind)head.kind, head.lane, head.time_ms,
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

RESULT log_spool_list(struct arena *arena, struct str directory, uint64_t **numbers, size_t *count)
{
    struct str prefix = STR("lines-"), suffix = STR(".spool");
    size_t cap = 0;
    DIR *folder = opendir(str_to_c(arena, directory));
    if (folder == NULL)
        return FAULT("%.*s: %s", PRSTR(directory), strerror(errno));
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
