/* Which interpreters this machine has. A sandbox sees /usr and little else of the machine, so one
 * that stands elsewhere (in a home directory: pyenv, nvm, rbenv, SDKMAN) is given to it with all of
 * its prefix, at the same place. */
#include "functions/runtime_int.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/time.h"
#include "base/vec.h"

#define ASK_MS 5000
#define ASK_BYTES 16384

static int number_at(struct str text, size_t *at)
{
    int value = 0;
    while (*at < text.len && isdigit((unsigned char)text.ptr[*at]) && value < 100000)
        value = value * 10 + (text.ptr[(*at)++] - '0');
    return value;
}

/* "3.11.2", "20.x", "8.al2", "21": major * 1000 + minor. */
static int version_of(struct str text)
{
    size_t at = 0;
    int major = number_at(text, &at), minor = 0;
    if (at < text.len && text.ptr[at] == '.') {
        at++;
        minor = number_at(text, &at);
    }
    return major * 1000 + minor;
}

struct runtime_name runtime_name_parse(struct str text)
{
    static const struct {
        struct str prefix;
        enum runtime_family family;
        bool minor; /* whether it has a say */
    } families[] = {
        {STR_INIT("python"), RUNTIME_PYTHON, true},
        {STR_INIT("nodejs"), RUNTIME_NODE, false},
        {STR_INIT("ruby"), RUNTIME_RUBY, true},
        {STR_INIT("java"), RUNTIME_JAVA, false},
    };
    if (str_eq(text, STR("provided")) || str_starts_with(text, STR("provided.")))
        return (struct runtime_name){.family = RUNTIME_PROVIDED};
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        if (!str_starts_with(text, families[i].prefix))
            continue;
        int version = version_of(str_slice(text, families[i].prefix.len, text.len));
        if (!families[i].minor)
            version -= version % 1000;
        if (version > 0)
            return (struct runtime_name){.family = families[i].family, .version = version};
    }
    return (struct runtime_name){.family = RUNTIME_UNKNOWN};
}

/* --- asking a program --- */

static void drain(int fd, struct buf *out)
{
    uint64_t until = time_monotonic_ns() + ASK_MS * UINT64_C(1000000);
    for (;;) {
        uint64_t now = time_monotonic_ns();
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        if (now >= until || poll(&ready, 1, (int)((until - now) / 1000000) + 1) <= 0)
            return;
        char bytes[4096];
        ssize_t got = read(fd, bytes, sizeof bytes);
        if (got <= 0)
            return;
        buf_append(out, str_make(bytes, (size_t)got));
    }
}

RESULT runtime_ask(struct arena *arena, const char *const *argv, struct str *output)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return FAULT("pipe2: %s", strerror(errno));
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    char path[] = "PATH=/usr/local/bin:/usr/bin:/bin", language[] = "LANG=C.UTF-8";
    char *const environment[] = {path, language, NULL};
    char *words[16];
    size_t count = 0;
    while (count < 15 && argv[count] != NULL) {
        words[count] = arena_alloc(arena, strlen(argv[count]) + 1);
        memcpy(words[count], argv[count], strlen(argv[count]));
        count++;
    }
    words[count] = NULL;
    pid_t child = -1;
    int failed = posix_spawn(&child, words[0], &actions, NULL, words, environment);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    struct buf out;
    buf_init(&out, arena, ASK_BYTES);
    int status = -1;
    if (failed == 0) {
        drain(ends[0], &out);
        /* It has closed its output: it has ended, or will not help any more. */
        for (int i = 0; i < 200 && waitpid(child, &status, WNOHANG) == 0; i++) {
            status = -1;
            usleep(500);
        }
        if (status == -1) {
            kill(child, SIGKILL);
            waitpid(child, &status, 0);
        }
    }
    close(ends[0]);
    if (failed != 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return RESULT_ERROR;
    *output = str_trim(buf_str(&out));
    return RESULT_OK;
}

/* --- looking --- */

static const struct {
    const char *names[2]; /* patterns, in each directory of programs */
    const char
        *homes[5]; /* patterns of such directories beyond PATH; below HOME when not absolute */
} places[RUNTIME_FAMILIES] = {
    [RUNTIME_PYTHON] = {{"python3", "python3.[0-9]*"},
                        {".pyenv/versions/*/bin", ".local/share/uv/python/*/bin",
                         "/opt/python*/bin"}},
    [RUNTIME_NODE] = {{"node", "nodejs"},
                      {".nvm/versions/node/*/bin", "n/bin", ".volta/tools/image/node/*/bin",
                       ".asdf/installs/nodejs/*/bin", "/opt/node*/bin"}},
    [RUNTIME_RUBY] = {{"ruby", "ruby[0-9]*"}, {".rbenv/versions/*/bin", "/opt/ruby*/bin"}},
    [RUNTIME_JAVA] = {{"java", NULL},
                      {"/usr/lib/jvm/*/bin", ".sdkman/candidates/java/*/bin", "/opt/java*/bin",
                       "/opt/jdk*/bin", ".jdks/*/bin"}},
};

static bool is_program(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode) || (status.st_mode & 0005) != 0005)
        return false;
    char magic[4] = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t got = read(fd, magic, sizeof magic);
    close(fd);
    return got == 4 && memcmp(magic, "\177ELF", 4) == 0; /* shims of version managers are scripts */
}

/* The directory above the one that the file stands in. */
static struct str prefix_of(struct str path)
{
    for (int i = 0; i < 2; i++) {
        size_t slash = str_find_last_char(path, '/');
        path = str_slice(path, 0, slash == SIZE_MAX ? 0 : slash);
    }
    return path;
}

/* JAVA_VERSION="17.0.15" of the file `release` */
static struct str java_version(struct arena *arena, struct str prefix)
{
    char text[4096];
    int fd =
        open(str_to_c(arena, str_concat(arena, prefix, STR("/release"))), O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text);
    if (fd >= 0)
        close(fd);
    struct str all = str_make(text, got < 0 ? 0 : (size_t)got);
    size_t at = str_find(all, STR("JAVA_VERSION=\""));
    if (at == SIZE_MAX)
        return (struct str){0};
    struct str value, rest;
    (void)str_cut(str_slice(all, at + 14, all.len), '"', &value, &rest);
    return str_copy(arena, value);
}

static struct str version_text(struct arena *arena, enum runtime_family family,
                               const struct interpreter *interpreter)
{
    const char *program = str_to_c(arena, interpreter->real);
    struct str text = {0};
    if (family == RUNTIME_JAVA)
        return java_version(arena, prefix_of(interpreter->real));
    if (family == RUNTIME_PYTHON) { /* its name tells; the whole when it is used */
        size_t at = str_find(interpreter->real, STR("/python3."));
        if (at != SIZE_MAX)
            return str_slice(interpreter->real, at + 7, interpreter->real.len);
    }
    const char *ruby[] = {program, "--disable=gems", "-e", "print RUBY_VERSION", NULL};
    const char *other[] = {program, "--version", NULL}; /* "v20.1.0", "Python 3.11.2" */
    if (runtime_ask(arena, family == RUNTIME_RUBY ? ruby : other, &text) != RESULT_OK)
        return (struct str){0};
    size_t begin = 0;
    while (begin < text.len && !isdigit((unsigned char)text.ptr[begin]))
        begin++;
    return str_slice(text, begin, text.len);
}

static void consider(struct runtimes *runtimes, enum runtime_family family, const char *path)
{
    struct arena *arena = runtimes->arena;
    struct interpreter_list *list = &runtimes->found[family];
    char real[PATH_MAX];
    if (realpath(path, real) == NULL || !is_program(real))
        return;
    struct interpreter found = {.real = str_copy(arena, str_from_c(real))};
    for (size_t i = 0; i < list->len; i++)
        if (str_eq(list->items[i].real, found.real))
            return;
    found.path = found.real;
    if (!str_starts_with(found.real, STR("/usr/")) && !str_starts_with(found.real, STR("/bin/"))) {
        found.bound_prefix = prefix_of(found.real);
        struct stat status;
        if (found.bound_prefix.len < 2 || stat(str_to_c(arena, found.bound_prefix), &status) != 0 ||
            (status.st_mode & 0005) != 0005)
            return;
    }
    found.version_text = version_text(arena, family, &found);
    found.version = version_of(found.version_text);
    if (family == RUNTIME_NODE || family == RUNTIME_JAVA)
        found.version -= found.version % 1000;
    if (found.version == 0 || (family == RUNTIME_NODE && found.version < 18000) ||
        (family == RUNTIME_JAVA && found.version < 11000) ||
        (family == RUNTIME_PYTHON && found.version < 3008))
        return;
    VEC_PUSH(arena, list->items, list->len, list->cap, found);
}

static void look_in(struct runtimes *runtimes, enum runtime_family family, struct str directories)
{
    for (size_t i = 0; i < sizeof places[0].names / sizeof places[0].names[0]; i++) {
        const char *name = places[family].names[i];
        if (name == NULL)
            continue;
        struct str pattern = str_format(runtimes->arena, "%.*s/%s", PRSTR(directories), name);
        glob_t matches = {0};
        if (glob(str_to_c(runtimes->arena, pattern), 0, NULL, &matches) == 0)
            for (size_t k = 0; k < matches.gl_pathc; k++) {
                /* python3.11-config is none */
                const char *slash = strrchr(matches.gl_pathv[k], '/');
                if (strchr(slash, '-') == NULL)
                    consider(runtimes, family, matches.gl_pathv[k]);
            }
        globfree(&matches);
    }
}

const struct interpreter_list *runtime_interpreters(struct runtimes *runtimes,
                                                    enum runtime_family family)
{
    struct interpreter_list *list = &runtimes->found[family];
    if (list->looked)
        return list;
    list->looked = true;
    struct str path = str_from_c(getenv("PATH")), directory, home = str_from_c(getenv("HOME"));
    while (path.len > 0) {
        struct str rest = {0};
        (void)str_cut(path, ':', &directory, &rest);
        if (directory.len > 0 && directory.ptr[0] == '/')
            look_in(runtimes, family, directory);
        path = rest;
    }
    look_in(runtimes, family, STR("/usr/local/bin"));
    look_in(runtimes, family, STR("/usr/bin"));
    for (size_t i = 0; i < sizeof places[0].homes / sizeof places[0].homes[0]; i++) {
        struct str place = str_from_c(places[family].homes[i]);
        if (place.len == 0 || (place.ptr[0] != '/' && home.len == 0))
            continue;
        look_in(runtimes, family,
                place.ptr[0] == '/'
                    ? place
                    : str_format(runtimes->arena, "%.*s/%.*s", PRSTR(home), PRSTR(place)));
    }
    return list;
}

struct interpreter *runtime_nearest(struct runtimes *runtimes, struct runtime_name name)
{
    (void)runtime_interpreters(runtimes, name.family);
    struct interpreter_list *list = &runtimes->found[name.family];
    struct interpreter *best = NULL;
    for (size_t i = 0; i < list->len; i++) {
        struct interpreter *one = &list->items[i];
        if (one->version == name.version)
            return one; /* the first: as PATH has it */
        bool newer = one->version > name.version;
        if (best == NULL ||
            (newer && (best->version < name.version || one->version < best->version)) ||
            (!newer && best->version < one->version))
            best = one;
    }
    return best;
}
