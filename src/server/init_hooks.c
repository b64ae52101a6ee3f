#include "server/init_hooks.h"

#include <dirent.h>
#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/vec.h"

static const struct {
    const char *name, *folder;
} init_stages[INIT_STAGES] = {
    [INIT_BOOT] = {"BOOT", "boot.d"},
    [INIT_START] = {"START", "start.d"},
    [INIT_READY] = {"READY", "ready.d"},
    [INIT_SHUTDOWN] = {"SHUTDOWN", "shutdown.d"},
};

static int init_wanted(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* A client's environment over our own, so that `aws` and the SDKs find this cloud. */
static char **init_environment(struct arena *arena, const struct config *config,
                               struct str endpoint)
{
    size_t have = 0;
    while (environ[have] != NULL)
        have++;
    const char **all = ARENA_ARRAY(arena, have + 6, const char *);
    size_t n = 0;
    if (!str_is_absent(endpoint)) {
        struct str url = str_format(arena, "AWS_ENDPOINT_URL=%.*s", PRSTR(endpoint));
        all[n++] = str_to_c(arena, url);
    }
    all[n++] = "AWS_ACCESS_KEY_ID=test";
    all[n++] = "AWS_SECRET_ACCESS_KEY=test";
    struct str region = str_format(arena, "AWS_DEFAULT_REGION=%.*s", PRSTR(config->region));
    all[n++] = str_to_c(arena, region);
    for (size_t i = 0; i < have; i++) {
        struct str variable = str_from_c(environ[i]);
        bool ours = str_starts_with(variable, STR("AWS_ENDPOINT_URL=")) ||
                    str_starts_with(variable, STR("AWS_ACCESS_KEY_ID=")) ||
                    str_starts_with(variable, STR("AWS_SECRET_ACCESS_KEY=")) ||
                    str_starts_with(variable, STR("AWS_DEFAULT_REGION="));
        if (!ours)
            all[n++] = environ[i];
    }
    char **copy = ARENA_ARRAY(arena, n + 1, char *);
    memcpy(copy, all, n * sizeof *copy);
    return copy;
}

static bool init_script_run(struct arena *arena, const char *path, char **environment)
{
    bool shell = access(path, X_OK) != 0;
    struct str own = str_from_c(path);
    char *name = arena_alloc(arena, own.len + 1);
    memcpy(name, path, own.len);
    char sh[] = "/bin/sh";
    char *direct[] = {name, NULL};
    char *by_shell[] = {sh, name, NULL};
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    pid_t pid;
    int error = posix_spawn(&pid, shell ? "/bin/sh" : path, NULL, &attributes,
                            shell ? by_shell : direct, environment);
    posix_spawnattr_destroy(&attributes);
    if (error != 0) {
        log_line(LOG_ERROR, "init hook %s: %s", path, strerror(error));
        return false;
    }
    int status;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    log_line(LOG_ERROR, "init hook %s ended with %s %d", path,
             WIFEXITED(status) ? "code" : "signal",
             WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    return false;
}

void init_hooks_run(struct init_hooks *hooks, const struct config *config, struct str endpoint,
                    enum init_stage stage)
{
    struct arena *scratch = arena_new_child(hooks->arena);
    struct str folder =
        str_format(scratch, "%.*s/%s", PRSTR(config->init_directory), init_stages[stage].folder);
    struct dirent **entries;
    int count = scandir(str_to_c(scratch, folder), &entries, init_wanted, alphasort);
    char **environment = count > 0 ? init_environment(scratch, config, endpoint) : NULL;
    for (int i = 0; i < count; i++) {
        struct str name = str_from_c(entries[i]->d_name);
        struct str path = str_format(scratch, "%.*s/%.*s", PRSTR(folder), PRSTR(name));
        const char *path_c = str_to_c(scratch, path);
        if (str_ends_with(name, STR(".sh")) || access(path_c, X_OK) == 0) {
            struct init_script script = {
                .stage = init_stages[stage].name,
                .name = str_copy(hooks->arena, name),
                .successful = init_script_run(scratch, path_c, environment),
            };
            VEC_PUSH(hooks->arena, hooks->scripts, hooks->count, hooks->cap, script);
        }
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    arena_free(scratch);
    hooks->stages_done |= 1u << stage;
}

void init_hooks_write(const struct init_hooks *hooks, struct buf *out)
{
    buf_append_c(out, "{\"completed\": {");
    for (unsigned i = 0; i < INIT_STAGES; i++)
        buf_append_format(out, "%s\"%s\": %s", i == 0 ? "" : ", ", init_stages[i].name,
                          (hooks->stages_done & 1u << i) != 0 ? "true" : "false");
    buf_append_c(out, "}, \"scripts\": [");
    for (size_t i = 0; i < hooks->count; i++)
        buf_append_format(out, "%s{\"stage\": \"%s\", \"name\": \"%.*s\", \"state\": \"%s\"}",
                          i == 0 ? "" : ", ", hooks->scripts[i].stage,
                          PRSTR(hooks->scripts[i].name),
                          hooks->scripts[i].successful ? "SUCCESSFUL" : "ERROR");
    buf_append_c(out, "]}");
}
