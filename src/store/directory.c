#include "store/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"

struct directory {
    int fd; /* of the directory */
    int lock;
};

static RESULT refuse(struct str *message, struct str text)
{
    *message = text;
    return RESULT_ERROR;
}

/* All of a small file; absent when it cannot be read. */
static struct str read_small(struct arena *arena, int directory, const char *name)
{
    char bytes[128];
    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return (struct str){0};
    ssize_t n = read(fd, bytes, sizeof(bytes));
    close(fd);
    if (n < 0)
        return (struct str){0};
    return str_trim(str_copy(arena, str_make(bytes, (size_t)n)));
}

/* A small file, whole or not at all. */
static bool write_small(struct arena *arena, int directory, const char *name, struct str text)
{
    const char *aside = str_to_c(arena, str_format(arena, "%s.new", name));
    int fd = openat(directory, aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool good = write(fd, text.ptr, text.len) == (ssize_t)text.len && fsync(fd) == 0;
    int code = errno;
    close(fd);
    if (good && renameat(directory, aside, directory, name) == 0)
        return true;
    code = good ? errno : code;
    unlinkat(directory, aside, 0);
    errno = code;
    return false;
}

/* mkdir -p */
static int make_path(struct arena *arena, struct str path)
{
    for (size_t i = 1; i <= path.len; i++) {
        if (i < path.len && path.ptr[i] != '/')
            continue;
        if (mkdir(str_to_c(arena, str_slice(path, 0, i)), 0700) != 0 && errno != EEXIST)
            return errno;
    }
    return 0;
}

static RESULT open_path(struct arena *arena, struct str path, int *fd, struct str *message)
{
    const char *c_path = str_to_c(arena, path);
    *fd = open(c_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*fd < 0 && errno == ENOENT) {
        int code = make_path(arena, path);
        if (code != 0)
            return refuse(message,
                          str_format(arena,
                                     "Cannot make the data directory %s: %s. Make it writable for "
                                     "user id %u, or give another directory.",
                                     c_path, strerrordesc_np(code), (unsigned)geteuid()));
        *fd = open(c_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    if (*fd < 0)
        return refuse(message, str_format(arena,
                                          "Cannot use the data directory %s: %s. Give another "
                                          "directory.",
                                          c_path, strerrordesc_np(errno)));
    return RESULT_OK;
}

static RESULT take_lock(struct arena *arena, struct str path, struct directory *directory,
                        struct str *message)
{
    directory->lock = openat(directory->fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (directory->lock < 0)
        return refuse(message,
                      str_format(arena,
                                 "The data directory %.*s is not writable: %s. Make it "
                                 "writable for user id %u, or give another directory.",
                                 PRSTR(path), strerrordesc_np(errno), (unsigned)geteuid()));
    if (flock(directory->lock, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK)
            return refuse(message, str_format(arena, "Cannot lock the data directory %.*s: %s.",
                                              PRSTR(path), strerrordesc_np(errno)));
        struct str pid = read_small(arena, directory->fd, "lock");
        return refuse(message,
                      str_format(arena,
                                 "The data directory %.*s is in use by process %.*s. Stop that "
                                 "process, or give another directory.",
                                 PRSTR(path), PRSTR(pid.len > 0 ? pid : STR("(unknown)"))));
    }
    struct str pid = str_format(arena, "%ld\n", (long)getpid());
    /* A full disk must not keep the data from being read: the pid is for messages. */
    if ((ftruncate(directory->lock, 0) != 0 ||
         pwrite(directory->lock, pid.ptr, pid.len, 0) != (ssize_t)pid.len) &&
        errno != ENOSPC && errno != EDQUOT)
        return refuse(message, str_format(arena, "The data directory %.*s is not writable: %s.",
                                          PRSTR(path), strerrordesc_np(errno)));
    return RESULT_OK;
}

static RESULT write_format(struct arena *arena, struct str path, struct directory *directory,
                           struct str *message)
{
    struct str own = str_format(arena, "%d\n", DIRECTORY_FORMAT);
    if (write_small(arena, directory->fd, "format", own))
        return RESULT_OK;
    return refuse(message, str_format(arena, "The data directory %.*s is not writable: %s.",
                                      PRSTR(path), strerrordesc_np(errno)));
}

static RESULT check_format(struct arena *arena, struct str path, struct directory *directory,
                           struct str *message)
{
    struct str text = read_small(arena, directory->fd, "format");
    if (text.ptr == NULL) {
        if (errno != ENOENT)
            return refuse(message, str_format(arena, "Cannot read %.*s/format: %s.", PRSTR(path),
                                              strerrordesc_np(errno)));
        return write_format(arena, path, directory, message);
    }
    uint64_t format;
    if (!str_to_u64(text, &format) || format == 0)
        return refuse(message,
                      str_format(arena,
                                 "%.*s/format does not hold a number: this is not a data directory "
                                 "of kumoniwa, or it is damaged. Give another directory.",
                                 PRSTR(path)));
    if (format > DIRECTORY_FORMAT)
        return refuse(message,
                      str_format(arena,
                                 "The data directory %.*s is of format %llu, made by a newer "
                                 "kumoniwa; this program knows formats up to %d. Use a newer "
                                 "kumoniwa, or give another directory.",
                                 PRSTR(path), (unsigned long long)format, DIRECTORY_FORMAT));
    /* What it writes from now on an older program would take for something else. */
    return format < DIRECTORY_FORMAT ? write_format(arena, path, directory, message) : RESULT_OK;
}

/* Left behind by a process that ended without closing: harmless, unless the machine went down with
 * it and took what was not on the disk. */
static void mark_in_use(struct arena *arena, struct str path, struct directory *directory,
                        struct str *message)
{
    struct str left = read_small(arena, directory->fd, "in-use");
    struct str boot = read_small(arena, AT_FDCWD, "/proc/sys/kernel/random/boot_id");
    if (left.ptr != NULL && boot.ptr != NULL && !str_eq(left, boot))
        *message =
            str_format(arena,
                       "The data directory %.*s was in use when the machine went down. Unless "
                       "it ran with durability `power`, its last changes may be lost, or the "
                       "store be damaged.",
                       PRSTR(path));
    if (boot.ptr == NULL || (left.ptr != NULL && str_eq(left, boot)))
        return;
    /* Not synced: it is of use only after the disk has seen it, as is what it warns of. */
    int fd = openat(directory->fd, "in-use", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    if (write(fd, boot.ptr, boot.len) != (ssize_t)boot.len)
        unlinkat(directory->fd, "in-use", 0);
    close(fd);
}

RESULT directory_open(struct arena *arena, struct str path, struct directory **out,
                      struct str *message)
{
    struct directory *directory = heap_alloc(sizeof(*directory));
    directory->lock = -1;
    *message = (struct str){0};
    enum result result = open_path(arena, path, &directory->fd, message);
    if (result == RESULT_OK)
        result = take_lock(arena, path, directory, message);
    if (result == RESULT_OK)
        result = check_format(arena, path, directory, message);
    if (result != RESULT_OK) {
        if (directory->lock >= 0)
            close(directory->lock);
        if (directory->fd >= 0)
            close(directory->fd);
        heap_free(directory);
        return result;
    }
    mark_in_use(arena, path, directory, message);
    *out = directory;
    return RESULT_OK;
}

void directory_close(struct directory *directory)
{
    if (directory == NULL)
        return;
    unlinkat(directory->fd, "in-use", 0);
    close(directory->lock);
    close(directory->fd);
    heap_free(directory);
}
