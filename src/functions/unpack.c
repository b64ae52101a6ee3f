#include "functions/unpack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "functions/unpack_int.h"

enum { DEPTH_MAX = 64, NAME_LENGTH_MAX = 255, PATH_LENGTH_MAX = 4096 };
/* Links of images may make trees that are deeper than any one path. */
enum { REMOVE_DEPTH_MAX = 500 };

/* --- one archive --- */

bool unpack_stop(struct unpacking *u, enum unpack_answer answer, struct str problem)
{
    u->out->answer = answer;
    u->out->problem = problem;
    return false;
}

bool unpack_stop_errno(struct unpacking *u, const char *path)
{
    int error = errno;
    enum unpack_answer answer =
        UNPACK_UNSAFE; /* a file where a directory should be, and the like */
    if (error == ENOSPC || error == EDQUOT)
        answer = UNPACK_NO_SPACE;
    return unpack_stop(u, answer, str_format(u->arena, "%s: %s", path, strerrordesc_np(error)));
}

bool unpack_stop_archive(struct unpacking *u)
{
    const char *text = u->library.error_string(u->archive);
    return unpack_stop(u, UNPACK_BROKEN,
                       text == NULL ? STR("a damaged archive")
                                    : str_copy(u->arena, str_from_c(text)));
}

bool unpack_goes_on(struct unpacking *u)
{
    return u->cancelled == NULL || !atomic_load(u->cancelled) ||
           unpack_stop(u, UNPACK_CANCELLED, STR("cancelled"));
}

/* Cuts the next part off a path; empty parts and "." are left out. */
static bool path_part(struct str *path, struct str *part)
{
    while (!str_is_empty(*path)) {
        struct str rest;
        str_cut(*path, '/', part, &rest);
        *path = rest;
        if (!str_is_empty(*part) && !str_eq(*part, STR(".")))
            return true;
    }
    return false;
}

/* The directory that holds the path's last part, made if need be and reached without following
 * links; -1: see u->out. *last is empty for the root itself. */
static int open_parent(struct unpacking *u, struct str path, char last[NAME_LENGTH_MAX + 1])
{
    struct str part, next;
    int depth = 0, at = dup(u->root);
    struct str whole = path;
    last[0] = 0;
    if (str_starts_with(path, STR("/")) || path.len > PATH_LENGTH_MAX) {
        (void)unpack_stop(u, UNPACK_UNSAFE, str_copy(u->arena, whole));
        close(at);
        return -1;
    }
    bool more = path_part(&path, &part);
    while (more) {
        bool bad = str_eq(part, STR("..")) || part.len > NAME_LENGTH_MAX || ++depth > DEPTH_MAX ||
                   memchr(part.ptr, 0, part.len) != NULL;
        if (bad) {
            (void)unpack_stop(u, UNPACK_UNSAFE, str_copy(u->arena, whole));
            close(at);
            return -1;
        }
        memcpy(last, part.ptr, part.len);
        last[part.len] = 0;
        more = path_part(&path, &next);
        if (!more)
            break;
        part = next;
        (void)mkdirat(at, last, 0755);
        int below = openat(at, last, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (below < 0)
            (void)unpack_stop_errno(u, last);
        close(at);
        if (below < 0)
            return -1;
        at = below;
    }
    return at;
}

static bool write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t wrote = write(fd, bytes, len);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return false;
        bytes += wrote;
        len -= (size_t)wrote;
    }
    return true;
}

static bool put_content(struct unpacking *u, int fd, const char *name)
{
    while (unpack_goes_on(u)) {
        la_ssize_t got = u->library.read_data(u->archive, u->block, UNPACK_BLOCK);
        if (got == 0)
            return true;
        if (got < 0)
            return unpack_stop_archive(u);
        u->out->bytes += (uint64_t)got;
        if (u->out->bytes > u->limits.bytes)
            return unpack_stop(u, UNPACK_TOO_LARGE, STR("too large"));
        if (!write_all(fd, u->block, (size_t)got))
            return unpack_stop_errno(u, name);
    }
    return false;
}

bool unpack_put_file(struct unpacking *u, int parent, const char *name, mode_t mode)
{
    int fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return unpack_stop_errno(u, name);
    bool good = put_content(u, fd, name);
    if (good && fchmod(fd, mode) < 0)
        good = unpack_stop_errno(u, name);
    if (good && u->library.mtime_is_set(u->entry)) {
        struct timespec times[2] = {{.tv_sec = u->library.mtime(u->entry)},
                                    {.tv_sec = u->library.mtime(u->entry)}};
        (void)futimens(fd, times); /* Python compares it with that of compiled files */
    }
    if (close(fd) < 0 && good)
        good = unpack_stop_errno(u, name);
    return good;
}

static bool put_file(struct unpacking *u, int parent, const char *name)
{
    mode_t owner = u->library.perm(u->entry);
    (void)unlinkat(parent, name, 0);
    return unpack_put_file(u, parent, name,
                           0444 | (owner & 0755) | ((owner & 0100) != 0 ? 0111 : 0));
}

static bool put_directory(struct unpacking *u, int parent, const char *name)
{
    struct stat found;
    if (mkdirat(parent, name, 0755) == 0)
        return true;
    if (errno == EEXIST && fstatat(parent, name, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISDIR(found.st_mode))
        return true;
    errno = ENOTDIR;
    return unpack_stop_errno(u, name);
}

/* A link may point to what is in the tree, or by its name in the sandbox to a tree of the
 * function's. */
static bool link_stays(struct str path, struct str target)
{
    struct str part;
    int depth = -1;
    if (str_starts_with(target, STR("/var/task/")) || str_starts_with(target, STR("/opt/")))
        return str_find(target, STR("..")) == SIZE_MAX;
    if (str_is_empty(target) || target.ptr[0] == '/')
        return false;
    while (path_part(&path, &part))
        depth++; /* the last one is the link's own name */
    while (path_part(&target, &part)) {
        depth += str_eq(part, STR("..")) ? -1 : 1;
        if (depth < 0)
            return false;
    }
    return true;
}

static bool put_link(struct unpacking *u, int parent, const char *name, struct str path)
{
    const char *target = u->library.symlink(u->entry);
    if (target == NULL || !link_stays(path, str_from_c(target)))
        return unpack_stop(u, UNPACK_UNSAFE, str_copy(u->arena, path));
    (void)unlinkat(parent, name, 0);
    if (symlinkat(target, parent, name) < 0)
        return unpack_stop_errno(u, name);
    return true;
}

static bool put_entry(struct unpacking *u)
{
    const char *pathname = u->library.pathname(u->entry);
    char name[NAME_LENGTH_MAX + 1];
    if (pathname == NULL || u->library.is_encrypted(u->entry) ||
        u->library.hardlink(u->entry) != NULL)
        return unpack_stop(u, UNPACK_BROKEN, STR("an entry that cannot be read"));
    struct str path = str_from_c(pathname);
    mode_t type = u->library.filetype(u->entry);
    int parent = open_parent(u, path, name);
    if (parent < 0)
        return false;
    bool good;
    if (name[0] == 0)
        good = type == AE_IFDIR || unpack_stop(u, UNPACK_BROKEN, STR("a file without a name"));
    else if (type == AE_IFDIR)
        good = put_directory(u, parent, name);
    else if (type == AE_IFREG)
        good = put_file(u, parent, name);
    else if (type == AE_IFLNK)
        good = put_link(u, parent, name, path);
    else
        good = unpack_stop(u, UNPACK_UNSAFE, str_copy(u->arena, path));
    close(parent);
    return good;
}

static bool put_all(struct unpacking *u)
{
    for (uint64_t count = 0;; count++) {
        int got = u->library.next_header(u->archive, &u->entry);
        if (got == ARCHIVE_EOF)
            return count > 0 || unpack_stop(u, UNPACK_EMPTY, STR("the archive is empty"));
        if (got != ARCHIVE_OK && got != ARCHIVE_WARN)
            return unpack_stop_archive(u);
        if (count >= u->limits.entries)
            return unpack_stop(u, UNPACK_TOO_LARGE, STR("too many entries"));
        if (!put_entry(u))
            return false;
    }
}

/* What the archive's end says of its entries ("end of central directory record", APPNOTE.TXT 4.3.14
 * and 4.3.16): who says too many is refused before the first one is made. 0: it does not say. */
static uint64_t entries_told(int fd, char *block)
{
    static const char end_mark[] = "PK\5\6", long_mark[] = "PK\6\6";
    off_t size = lseek(fd, 0, SEEK_END);
    off_t from = size > UNPACK_BLOCK ? size - UNPACK_BLOCK : 0;
    ssize_t got = size < 0 ? -1 : pread(fd, block, UNPACK_BLOCK, from);
    (void)lseek(fd, 0, SEEK_SET);
    uint64_t told = 0;
    for (ssize_t at = got - 22; at >= 0 && told == 0; at--)
        if (memcmp(block + at, end_mark, 4) == 0)
            told = (uint64_t)(uint8_t)block[at + 10] | (uint64_t)(uint8_t)block[at + 11] << 8;
    for (ssize_t at = got - 56; at >= 0 && told == 0xffff; at--)
        if (memcmp(block + at, long_mark, 4) == 0)
            memcpy(&told, block + at + 32, sizeof told);
    return told;
}

RESULT unpack_zip(struct arena *arena, int fd, const char *directory,
                  const struct unpack_limits *limits, const _Atomic bool *cancelled,
                  struct unpack_result *out)
{
    struct unpack_result result = {.answer = UNPACK_DONE};
    struct unpacking u = {
        .arena = arena, .limits = *limits, .cancelled = cancelled, .out = &result};
    if (!archive_library_load(&u.library)) {
        *out = (struct unpack_result){UNPACK_NO_LIBRARY, 0, STR(ARCHIVE_LIBRARY_MISSING)};
        return RESULT_OK;
    }
    u.root = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (u.root < 0)
        return FAULT("open %s: %s", directory, strerrordesc_np(errno));
    (void)fchmod(u.root, 0755);
    u.block = arena_alloc_raw(arena, UNPACK_BLOCK);
    u.archive = u.library.read_new();
    ASSERT(u.archive != NULL);
    if (entries_told(fd, u.block) > limits->entries)
        (void)unpack_stop(&u, UNPACK_TOO_LARGE, STR("too many entries"));
    else if (u.library.support_zip(u.archive) != ARCHIVE_OK ||
             u.library.open_fd(u.archive, fd, UNPACK_BLOCK) != ARCHIVE_OK)
        (void)unpack_stop_archive(&u);
    else
        (void)put_all(&u);
    (void)u.library.read_free(u.archive);
    close(u.root);
    *out = result;
    return RESULT_OK;
}

/* --- trees --- */

/* What a walk does with a directory's entry; false: it failed (errno). */
typedef bool visit(int from, const char *name, bool is_directory, int to, int depth);

static bool walk(int from, int to, int depth, visit *entry)
{
    DIR *directory = fdopendir(from);
    struct dirent *found;
    bool good = true;
    if (directory == NULL) {
        close(from);
        return false;
    }
    while (good && (found = readdir(directory)) != NULL) {
        struct stat what;
        if (strcmp(found->d_name, ".") == 0 || strcmp(found->d_name, "..") == 0)
            continue;
        good = fstatat(from, found->d_name, &what, AT_SYMLINK_NOFOLLOW) == 0 &&
               entry(from, found->d_name, S_ISDIR(what.st_mode), to, depth);
    }
    int error = errno;
    closedir(directory);
    errno = error;
    return good;
}

static bool remove_entry(int from, const char *name, bool is_directory, int to, int depth)
{
    if (!is_directory)
        return unlinkat(from, name, 0) == 0 || errno == ENOENT;
    int below = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (below >= 0 && depth >= REMOVE_DEPTH_MAX) {
        close(below);
        errno = ELOOP;
        return false;
    }
    return below >= 0 && walk(below, to, depth + 1, remove_entry) &&
           (unlinkat(from, name, AT_REMOVEDIR) == 0 || errno == ENOENT);
}

static bool merge_entry(int from, const char *name, bool is_directory, int to, int depth)
{
    if (!is_directory) {
        if (unlinkat(to, name, 0) < 0 && errno == EISDIR &&
            !remove_entry(to, name, true, -1, depth))
            return false;
        return linkat(from, name, to, name, 0) == 0;
    }
    if (mkdirat(to, name, 0755) < 0 && errno == EEXIST && unlinkat(to, name, 0) == 0)
        (void)mkdirat(to, name, 0755); /* a file stood there */
    int below_to = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int below = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool good = below_to >= 0 && below >= 0 && depth < DEPTH_MAX + 1;
    if (good)
        good = walk(below, below_to, depth + 1, merge_entry);
    else if (below >= 0)
        close(below);
    if (below_to >= 0)
        close(below_to);
    return good;
}

RESULT unpack_merge(const char *from, const char *to)
{
    int source = open(from, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int target = open(to, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool good = source >= 0 && target >= 0;
    if (good)
        good = walk(source, target, 0, merge_entry);
    else if (source >= 0)
        close(source);
    int error = errno;
    if (target >= 0)
        close(target);
    return good ? RESULT_OK : FAULT("merging %s into %s: %s", from, to, strerrordesc_np(error));
}

bool unpack_remove_at(int directory, const char *name)
{
    struct stat what;
    if (fstatat(directory, name, &what, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT;
    return remove_entry(directory, name, S_ISDIR(what.st_mode), -1, 0);
}

RESULT unpack_remove(const char *directory)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return RESULT_OK;
    if (fd >= 0 && walk(fd, -1, 0, remove_entry) && (rmdir(directory) == 0 || errno == ENOENT))
        return RESULT_OK;
    return FAULT("removing %s: %s", directory, strerrordesc_np(errno));
}
