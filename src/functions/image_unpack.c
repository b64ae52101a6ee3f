/* Layers of an image over each other: "Image Layer Filesystem Changeset", OCI Image Format
 * Specification. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "functions/image.h"
#include "functions/unpack_int.h"

enum {
    BLOCK = 256 * 1024,
    HEAD_MAX = 16 * 1024,
    DEPTH_MAX = 64,
    NAME_MAX_ = 255,
    PATH_MAX_ = 4096
};

#define HEAD STR("kumoniwa-image 1\n")

struct layering {
    struct unpacking u;
    uint64_t entries;
    int fd; /* of what is unpacked, and the part of it that is read now */
    uint64_t at, end;
    char *in; /* BLOCK bytes of it */
};

/* --- paths --- */

/* An entry's place: its directory below the root, and its name in it; name is empty for the root
 * itself. */
struct place {
    char directory[PATH_MAX_ + 1];
    char name[NAME_MAX_ + 1];
};

/* ".." is refused; "/", "./" and "//" mean nothing: all paths begin at the root. */
static bool place_of(struct layering *l, struct str path, struct place *place)
{
    size_t length = 0;
    int depth = 0;
    struct str rest = path, part;
    place->name[0] = '\0';
    place->directory[0] = '.';
    place->directory[1] = '\0';
    if (path.len > PATH_MAX_ - 2)
        return unpack_stop(&l->u, UNPACK_UNSAFE, str_copy(l->u.arena, path));
    while (!str_is_empty(rest)) {
        struct str after;
        (void)str_cut(rest, '/', &part, &after);
        rest = after;
        if (str_is_empty(part) || str_eq(part, STR(".")))
            continue;
        if (str_eq(part, STR("..")) || part.len > NAME_MAX_ || ++depth > DEPTH_MAX)
            return unpack_stop(&l->u, UNPACK_UNSAFE, str_copy(l->u.arena, path));
        if (place->name[0] != '\0') {
            size_t have = strlen(place->name);
            if (length > 0)
                place->directory[length++] = '/';
            memcpy(place->directory + length, place->name, have + 1);
            length += have;
        }
        memcpy(place->name, part.ptr, part.len);
        place->name[part.len] = '\0';
    }
    return true;
}

/* The directory, by links of the image as the image means them; -1: errno. */
static int open_directory(const struct layering *l, const char *path)
{
    return image_open_at(l->u.root, path, O_RDONLY | O_DIRECTORY);
}

/* The same; what is not there is made. */
static int make_directory(const struct layering *l, const char *path)
{
    int found = open_directory(l, path);
    if (found >= 0 || errno != ENOENT)
        return found;
    char copy[PATH_MAX_ + 1];
    memcpy(copy, path, strlen(path) + 1);
    int at = dup(l->u.root);
    for (char *part = copy, *slash; at >= 0 && part != NULL; part = slash) {
        slash = strchr(part, '/');
        if (slash != NULL)
            *slash = '\0';
        int below = open_directory(l, copy);
        if (below < 0 && errno == ENOENT && mkdirat(at, part, 0755) == 0)
            below = open_directory(l, copy);
        int error = errno;
        close(at);
        errno = error;
        at = below;
        if (slash != NULL)
            *slash++ = '/';
    }
    return at;
}

/* --- entries --- */

static bool put_directory(struct layering *l, int parent, const char *name)
{
    if (mkdirat(parent, name, 0755) < 0 && errno != EEXIST)
        return unpack_stop_errno(&l->u, name);
    /* Whoever unpacks and removes must get in. */
    if (fchmodat(parent, name, (l->u.library.perm(l->u.entry) & 0777) | 0700, 0) < 0)
        return unpack_stop_errno(&l->u, name);
    return true;
}

static struct str entry_path(const struct layering *l)
{
    const char *path = l->u.library.pathname_utf8(l->u.entry);
    if (path == NULL)
        path = l->u.library.pathname(l->u.entry);
    return path == NULL ? (struct str){0} : str_from_c(path);
}

/* To a file of the image that was unpacked already. */
static bool put_hard_link(struct layering *l, int parent, const char *name, const char *target)
{
    struct place place;
    if (!place_of(l, str_from_c(target), &place))
        return false;
    int at = open_directory(l, place.directory);
    bool good = at >= 0 && place.name[0] != '\0' && linkat(at, place.name, parent, name, 0) == 0;
    if (!good)
        (void)unpack_stop_errno(&l->u, target);
    if (at >= 0)
        close(at);
    return good;
}

/* Wherever it points: only the sandbox follows it, in its own root. */
static bool put_link(struct layering *l, int parent, const char *name)
{
    const char *target = l->u.library.symlink(l->u.entry);
    if (target == NULL || target[0] == '\0')
        return unpack_stop(&l->u, UNPACK_BROKEN, STR("a link without a target"));
    return symlinkat(target, parent, name) == 0 || unpack_stop_errno(&l->u, name);
}

static bool put_at(struct layering *l, int parent, const char *name)
{
    struct stat found;
    mode_t type = l->u.library.filetype(l->u.entry);
    const char *hard = l->u.library.hardlink(l->u.entry);
    bool there = fstatat(parent, name, &found, AT_SYMLINK_NOFOLLOW) == 0;
    if (there && !(S_ISDIR(found.st_mode) && type == AE_IFDIR && hard == NULL) &&
        !unpack_remove_at(parent, name))
        return unpack_stop_errno(&l->u, name);
    if (hard != NULL)
        return put_hard_link(l, parent, name, hard);
    if (type == AE_IFDIR)
        return put_directory(l, parent, name);
    if (type == AE_IFREG)
        return unpack_put_file(&l->u, parent, name, l->u.library.perm(l->u.entry) & 0777);
    if (type == AE_IFLNK)
        return put_link(l, parent, name);
    return true; /* a device, a pipe */
}

static bool put_entry(struct layering *l, const struct place *place)
{
    if (place->name[0] == '\0' || strncmp(place->name, ".wh.", 4) == 0)
        return true;
    int parent = make_directory(l, place->directory);
    if (parent < 0)
        return unpack_stop_errno(&l->u, place->directory);
    bool good = put_at(l, parent, place->name);
    close(parent);
    return good;
}

static bool clear_directory(struct layering *l, int at, const char *path)
{
    int copy = openat(at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = copy < 0 ? NULL : fdopendir(copy);
    bool good = directory != NULL;
    const struct dirent *found;
    while (good && (found = readdir(directory)) != NULL)
        if (strcmp(found->d_name, ".") != 0 && strcmp(found->d_name, "..") != 0)
            good = unpack_remove_at(at, found->d_name);
    if (!good)
        (void)unpack_stop_errno(&l->u, path);
    if (directory != NULL)
        closedir(directory);
    return good;
}

/* ".wh.NAME" takes NAME of the layers below away, ".wh..wh..opq" all that its directory has. */
static bool whiteout(struct layering *l, const struct place *place)
{
    const char *name = place->name + 4;
    if (strncmp(place->name, ".wh.", 4) != 0)
        return true;
    bool all = strcmp(name, ".wh..opq") == 0;
    if (!all && strncmp(name, ".wh.", 4) == 0)
        return true; /* notes of an old file system to itself */
    if (!all && (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0))
        return unpack_stop(&l->u, UNPACK_UNSAFE, str_copy(l->u.arena, str_from_c(place->name)));
    int at = open_directory(l, place->directory);
    if (at < 0)
        return errno == ENOENT || errno == ENOTDIR || unpack_stop_errno(&l->u, place->directory);
    bool good = all ? clear_directory(l, at, place->directory)
                    : unpack_remove_at(at, name) || unpack_stop_errno(&l->u, name);
    close(at);
    return good;
}

/* --- archives --- */

static la_ssize_t read_part(struct archive *archive, void *context, const void **bytes)
{
    struct layering *l = context;
    (void)archive;
    uint64_t left = l->end - l->at;
    ssize_t got;
    do
        got = pread(l->fd, l->in, left < BLOCK ? (size_t)left : BLOCK, (off_t)l->at);
    while (got < 0 && errno == EINTR);
    if (got > 0)
        l->at += (uint64_t)got;
    *bytes = l->in;
    return got;
}

static bool each_entry(struct layering *l,
                       bool (*visit)(struct layering *l, const struct place *place))
{
    struct place *place = ARENA_NEW(l->u.arena, struct place);
    for (;;) {
        int got = l->u.library.next_header(l->u.archive, &l->u.entry);
        if (got == ARCHIVE_EOF)
            return true;
        if (got != ARCHIVE_OK && got != ARCHIVE_WARN)
            return unpack_stop_archive(&l->u);
        if (++l->entries > l->u.limits.entries)
            return unpack_stop(&l->u, UNPACK_TOO_LARGE, STR("too many entries"));
        if (!unpack_goes_on(&l->u))
            return false;
        struct str path = entry_path(l);
        if (str_is_absent(path))
            return unpack_stop(&l->u, UNPACK_BROKEN, STR("an entry without a name"));
        if (!place_of(l, path, place) || !visit(l, place))
            return false;
    }
}

static bool read_archive(struct layering *l, uint64_t from, uint64_t size,
                         bool (*visit)(struct layering *l, const struct place *place))
{
    l->u.archive = l->u.library.read_new();
    ASSERT(l->u.archive != NULL);
    l->at = from;
    l->end = from + size;
    bool good = l->u.library.support_tar(l->u.archive) == ARCHIVE_OK &&
                l->u.library.support_gzip(l->u.archive) >= ARCHIVE_WARN &&
                l->u.library.support_zstd(l->u.archive) >= ARCHIVE_WARN &&
                l->u.library.open(l->u.archive, l, NULL, read_part, NULL) == ARCHIVE_OK;
    good = good ? each_entry(l, visit) : unpack_stop_archive(&l->u);
    (void)l->u.library.read_free(l->u.archive);
    return good;
}

/* Whatever its place in the archive, a whiteout is about the layers below. */
static bool unpack_layer(struct layering *l, uint64_t from, uint64_t size)
{
    return read_archive(l, from, size, whiteout) && read_archive(l, from, size, put_entry);
}

static bool unpack_layers(struct layering *l)
{
    char *head = arena_alloc(l->u.arena, HEAD_MAX + 1);
    ssize_t got = pread(l->fd, head, HEAD_MAX, 0);
    struct str text = str_make(head, got < 0 ? 0 : (size_t)got);
    size_t end = str_find(text, STR("\n\n"));
    if (!str_starts_with(text, HEAD) || end == SIZE_MAX)
        return unpack_stop(&l->u, UNPACK_BROKEN, STR("not an image"));
    uint64_t from = end + 2, size;
    struct str sizes = str_slice(text, HEAD.len, end), line;
    while (!str_is_empty(sizes)) {
        struct str rest;
        (void)str_cut(sizes, '\n', &line, &rest);
        sizes = rest;
        if (!str_to_u64(line, &size))
            return unpack_stop(&l->u, UNPACK_BROKEN, STR("not an image"));
        if (!unpack_layer(l, from, size))
            return false;
        from += size;
    }
    return true;
}

/* Places for what the sandbox lays over them, as container engines have it. */
static bool make_places(struct layering *l)
{
    static const char *const names[] = {"hosts", "resolv.conf"};
    int etc = make_directory(l, "etc");
    for (size_t i = 0; etc >= 0 && i < sizeof names / sizeof names[0]; i++) {
        int fd = openat(etc, names[i], O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (fd >= 0)
            close(fd);
    }
    if (etc >= 0)
        close(etc);
    return true;
}

static bool unpack_whole(struct layering *l)
{
    struct stat about;
    return fstat(l->fd, &about) == 0 && read_archive(l, 0, (uint64_t)about.st_size, put_entry);
}

static bool unpack_image(struct layering *l)
{
    return unpack_layers(l) && make_places(l);
}

static RESULT layering_run(struct arena *arena, int fd, const char *directory,
                           const struct unpack_limits *limits, const _Atomic bool *cancelled,
                           struct unpack_result *out, bool (*run)(struct layering *l))
{
    struct unpack_result result = {.answer = UNPACK_DONE};
    struct layering l = {
        .u = {.arena = arena, .limits = *limits, .cancelled = cancelled, .out = &result}, .fd = fd};
    if (!archive_library_load(&l.u.library)) {
        *out = (struct unpack_result){UNPACK_NO_LIBRARY, 0, STR(ARCHIVE_LIBRARY_MISSING)};
        return RESULT_OK;
    }
    l.u.root = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (l.u.root < 0)
        return FAULT("open %s: %s", directory, strerrordesc_np(errno));
    (void)fchmod(l.u.root, 0755);
    l.in = arena_alloc_raw(arena, BLOCK);
    l.u.block = arena_alloc_raw(arena, UNPACK_BLOCK);
    (void)run(&l);
    close(l.u.root);
    *out = result;
    return RESULT_OK;
}

RESULT image_unpack(struct arena *arena, int fd, const char *directory,
                    const struct unpack_limits *limits, const _Atomic bool *cancelled,
                    struct unpack_result *out)
{
    return layering_run(arena, fd, directory, limits, cancelled, out, unpack_image);
}

RESULT image_unpack_archive(struct arena *arena, int fd, const char *directory,
                            const struct unpack_limits *limits, const _Atomic bool *cancelled,
                            struct unpack_result *out)
{
    return layering_run(arena, fd, directory, limits, cancelled, out, unpack_whole);
}
