/* Images of the machine's podman or docker. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "functions/image.h"

enum { TOLD_MAX = 8 << 10, WAIT_MS = 200, WAITS_MAX = 15 * 60 * 1000 / WAIT_MS };

/* Along PATH, which is the server's. Absent: there is none. */
static struct str find_program(struct arena *arena, const char *name)
{
    const char *given = getenv("PATH");
    struct str path = str_from_c(given == NULL ? "/usr/local/bin:/usr/bin:/bin" : given);
    while (path.len > 0) {
        struct str directory, rest = {0};
        (void)str_cut(path, ':', &directory, &rest);
        path = rest;
        struct str file = str_format(arena, "%.*s/%s", PRSTR(directory), name);
        if (str_starts_with(file, STR("/")) && access(str_to_c(arena, file), X_OK) == 0)
            return file;
    }
    return (struct str){0};
}

/* --- a child --- */

struct child {
    pid_t pid;
    int told; /* what it prints as errors */
};

static RESULT child_start(char *const *argv, struct child *child)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return FAULT("pipe2: %s", strerrordesc_np(errno));
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, usual;
    sigemptyset(&none);
    sigemptyset(&usual);
    sigaddset(&usual, SIGPIPE);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                              POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &usual);
    int failed = posix_spawn(&child->pid, argv[0], &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    child->told = ends[0];
    if (failed == 0)
        return RESULT_OK;
    close(ends[0]);
    return FAULT("%s: %s", argv[0], strerrordesc_np(failed));
}

/* Reads what it says until it closes its output; the end of it is kept. */
static bool child_listen(const struct child *child, const _Atomic bool *cancelled, char *told,
                         size_t *length)
{
    for (int waits = 0; waits < WAITS_MAX;) {
        struct pollfd wait = {.fd = child->told, .events = POLLIN};
        int ready = poll(&wait, 1, WAIT_MS);
        if (cancelled != NULL && atomic_load(cancelled))
            return false;
        if (ready == 0)
            waits++;
        if (ready <= 0)
            continue;
        if (*length == TOLD_MAX) {
            memmove(told, told + TOLD_MAX / 2, TOLD_MAX / 2);
            *length = TOLD_MAX / 2;
        }
        ssize_t got = read(child->told, told + *length, TOLD_MAX - *length);
        if (got == 0)
            return true;
        if (got < 0 && errno != EINTR)
            return false;
        *length += got < 0 ? 0 : (size_t)got;
    }
    return false;
}

/* True: it ended well. */
static bool child_run(struct arena *arena, char *const *argv, const _Atomic bool *cancelled,
                      struct str *told)
{
    struct child child;
    char *room = arena_alloc(arena, TOLD_MAX);
    size_t length = 0;
    int status = 0;
    if (child_start(argv, &child) != RESULT_OK) {
        *told = STR("it could not be started");
        return false;
    }
    bool closed = child_listen(&child, cancelled, room, &length);
    if (!closed)
        (void)kill(-child.pid, SIGKILL);
    while (waitpid(child.pid, &status, 0) < 0 && errno == EINTR)
        ;
    close(child.told);
    /* The last line says what was wrong. */
    struct str text = str_trim(str_make(room, length));
    size_t line = str_find_last_char(text, '\n');
    *told = closed ? str_trim(str_slice(text, line == SIZE_MAX ? 0 : line, text.len))
                   : STR("it took too long");
    return closed && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* --- engines --- */

struct fetching {
    struct arena *arena;
    struct str reference, folder;
    const struct unpack_limits *limits;
    const _Atomic bool *cancelled;
    struct buf problem;
};

static bool ask(struct fetching *f, const char *name, const char *const *words, size_t count)
{
    struct str program = find_program(f->arena, name), told;
    union {
        const char **from;
        char *const *to;
    } argv = {.from = ARENA_ARRAY(f->arena, count + 2, const char *)};
    if (str_is_absent(program))
        return false;
    argv.from[0] = str_to_c(f->arena, program);
    for (size_t i = 0; i < count; i++)
        argv.from[i + 1] = words[i];
    if (child_run(f->arena, argv.to, f->cancelled, &told))
        return true;
    buf_append_format(&f->problem, "%s%s says: %.*s", f->problem.len > 0 ? "; " : "", name,
                      PRSTR(told));
    return false;
}

static bool ask_podman(struct fetching *f, struct str *layout)
{
    *layout = str_concat(f->arena, f->folder, STR("/oci"));
    const char *const words[] = {"image",
                                 "save",
                                 "--quiet",
                                 "--format",
                                 "oci-dir",
                                 "--output",
                                 str_to_c(f->arena, *layout),
                                 "--",
                                 str_to_c(f->arena, f->reference)};
    return ask(f, "podman", words, sizeof words / sizeof words[0]);
}

static RESULT open_archive(struct fetching *f, const char *file, const char *folder, bool *good)
{
    struct unpack_result unpacked = {.answer = UNPACK_BROKEN};
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || mkdir(folder, 0700) != 0) {
        if (fd >= 0)
            close(fd);
        return FAULT("%s: %s", file, strerrordesc_np(errno));
    }
    enum result result =
        image_unpack_archive(f->arena, fd, folder, f->limits, f->cancelled, &unpacked);
    close(fd);
    (void)unlink(file);
    *good = unpacked.answer == UNPACK_DONE;
    if (!*good)
        buf_append_format(&f->problem, "docker's archive cannot be read: %.*s",
                          PRSTR(unpacked.problem));
    return result;
}

static RESULT ask_docker(struct fetching *f, struct str *layout, bool *good)
{
    const char *file = str_to_c(f->arena, str_concat(f->arena, f->folder, STR("/docker.tar")));
    *layout = str_concat(f->arena, f->folder, STR("/docker"));
    const char *const words[] = {"image", "save", "--output",
                                 file,    "--",   str_to_c(f->arena, f->reference)};
    *good = ask(f, "docker", words, sizeof words / sizeof words[0]);
    return *good ? open_archive(f, file, str_to_c(f->arena, *layout), good) : RESULT_OK;
}

/* "repository:tag", "registry/repository@digest": what an engine might know, and no option. */
static bool is_reference(struct str text)
{
    bool good = text.len > 0 && text.len <= 1024 && text.ptr[0] != '-' && text.ptr[0] != '/' &&
                !str_starts_with(text, STR("oci:")) && !str_starts_with(text, STR("rootfs:"));
    for (size_t i = 0; good && i < text.len; i++)
        good = strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:/@",
                      text.ptr[i]) != NULL &&
               text.ptr[i] != '\0';
    return good;
}

RESULT image_fetch(struct arena *arena, struct str reference, struct str folder,
                   const struct unpack_limits *limits, const _Atomic bool *cancelled,
                   struct str *layout, enum image_answer *answer, struct str *problem)
{
    struct fetching f = {.arena = arena,
                         .reference = reference,
                         .folder = folder,
                         .limits = limits,
                         .cancelled = cancelled};
    bool good = false;
    struct str found = {0};
    buf_init(&f.problem, arena, 64 << 10);
    if (!is_reference(reference)) {
        *answer = IMAGE_UNSUPPORTED;
        *problem = STR("an image is oci:/FOLDER, rootfs:/FOLDER, or REPOSITORY:TAG of this "
                       "machine's podman or docker");
        return RESULT_OK;
    }
    good = ask_podman(&f, &found);
    if (!good)
        TRY(ask_docker(&f, &found, &good));
    *answer = good ? IMAGE_GOOD : IMAGE_ABSENT;
    *problem = f.problem.len > 0
                   ? buf_str(&f.problem)
                   : STR("this machine has neither podman nor docker: an image may also be "
                         "oci:/FOLDER, an OCI image layout, or rootfs:/FOLDER, a root file system");
    *layout = found;
    return RESULT_OK;
}
