#include "server/init_hooks.h"

#include <dirent.h>
#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/vec.h"
#include "wire/wire.h"

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
    bool direct = access(path, X_OK) == 0;
    struct str own = str_from_c(path);
    char *name = arena_alloc(arena, own.len + 1);
    memcpy(name, path, own.len);
    char sh[] = "sh", python[] = "python3";
    char *interpreter = str_ends_with(own, STR(".py")) ? python : sh;
    char *arguments[] = {direct ? name : interpreter, direct ? NULL : name, NULL};
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    pid_t pid;
    int error = posix_spawnp(&pid, arguments[0], NULL, &attributes, arguments, environment);
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

/* What the runs of one stage share. */
struct init_run {
    struct init_hooks *hooks;
    struct arena *scratch;
    char **environment;
    enum init_stage stage;
};

static void init_run_file(const struct init_run *run, const char *path, struct str name)
{
    if (!str_ends_with(name, STR(".sh")) && !str_ends_with(name, STR(".py")) &&
        access(path, X_OK) != 0)
        return;
    struct init_hooks *hooks = run->hooks;
    struct init_script script = {
        .stage = init_stages[run->stage].name,
        .name = str_copy(hooks->arena, name),
        .successful = init_script_run(run->scratch, path, run->environment),
    };
    pthread_mutex_lock(&hooks->lock);
    VEC_PUSH(hooks->arena, hooks->scripts, hooks->count, hooks->cap, script);
    pthread_mutex_unlock(&hooks->lock);
}

static void init_run_folder(const struct init_run *run, struct str folder, unsigned depth)
{
    enum { DEPTH_MAX = 16 }; /* a link may lead back up */
    struct dirent **entries;
    int count = scandir(str_to_c(run->scratch, folder), &entries, init_wanted, alphasort);
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < count; i++) {
            struct str name = str_from_c(entries[i]->d_name);
            struct str path = str_format(run->scratch, "%.*s/%.*s", PRSTR(folder), PRSTR(name));
            const char *path_c = str_to_c(run->scratch, path);
            struct stat info;
            bool is_folder = stat(path_c, &info) == 0 && S_ISDIR(info.st_mode);
            if (pass == 0 && !is_folder)
                init_run_file(run, path_c, name);
            else if (pass == 1 && is_folder && depth < DEPTH_MAX)
                init_run_folder(run, path, depth + 1);
        }
    }
    for (int i = 0; i < count; i++)
        free(entries[i]);
    if (count >= 0)
        free(entries);
}

void init_hooks_run(struct init_hooks *hooks, const struct config *config, struct str endpoint,
                    enum init_stage stage)
{
    struct arena *scratch = arena_new_child(hooks->arena);
    struct str folder =
        str_format(scratch, "%.*s/%s", PRSTR(config->init_directory), init_stages[stage].folder);
    struct init_run run = {hooks, scratch, NULL, stage};
    if (access(str_to_c(scratch, folder), F_OK) == 0) {
        run.environment = init_environment(scratch, config, endpoint);
        init_run_folder(&run, folder, 0);
    }
    arena_free(scratch);
    pthread_mutex_lock(&hooks->lock);
    hooks->stages_done |= 1u << stage;
    pthread_mutex_unlock(&hooks->lock);
}

static void init_write_scripts(const struct init_hooks *hooks, const char *stage, struct buf *out)
{
    bool first = true;
    for (size_t i = 0; i < hooks->count; i++) {
        const struct init_script *script = &hooks->scripts[i];
        if (stage != NULL && script->stage != stage)
            continue;
        buf_append_format(out, "%s{\"stage\": \"%s\", \"name\": ", first ? "" : ", ",
                          script->stage);
        wire_json_write_string(out, script->name);
        buf_append_format(out, ", \"state\": \"%s\"}", script->successful ? "SUCCESSFUL" : "ERROR");
        first = false;
    }
}

bool init_hooks_write_stage(struct init_hooks *hooks, struct str name, struct buf *out)
{
    for (unsigned i = 0; i < INIT_STAGES; i++) {
        if (!str_eq_nocase(name, str_from_c(init_stages[i].name)))
            continue;
        pthread_mutex_lock(&hooks->lock);
        buf_append_format(out, "{\"completed\": %s, \"scripts\": [",
                          (hooks->stages_done & 1u << i) != 0 ? "true" : "false");
        init_write_scripts(hooks, init_stages[i].name, out);
        pthread_mutex_unlock(&hooks->lock);
        buf_append_c(out, "]}");
        return true;
    }
    return false;
}

void init_hooks_write(struct init_hooks *hooks, struct buf *out)
{
    pthread_mutex_lock(&hooks->lock);
    buf_append_c(out, "{\"completed\": {");
    for (unsigned i = 0; i < INIT_STAGES; i++)
        buf_append_format(out, "%s\"%s\": %s", i == 0 ? "" : ", ", init_stages[i].name,
                          (hooks->stages_done & 1u << i) != 0 ? "true" : "false");
    buf_append_c(out, "}, \"scripts\": [");
    init_write_scripts(hooks, NULL, out);
    pthread_mutex_unlock(&hooks->lock);
    buf_append_c(out, "]}");
}
