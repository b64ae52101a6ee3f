/* `kumoniwa doctor`: what on this machine could stand in the way, and what to do about it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/commands.h"
#include "functions/runtime.h"
#include "sandbox/sandbox.h"
#include "server/config.h"

/* Counts what is wrong. */
struct doctor {
    struct arena *arena;
    int problems;
};

static void doctor_say(struct doctor *doctor, bool good, struct str what)
{
    printf("%-5s %.*s\n", good ? "ok" : "CHECK", PRSTR(what));
    doctor->problems += !good;
}

static void doctor_data(struct doctor *doctor, const struct config *config)
{
    const char *path = str_to_c(doctor->arena, config->data);
    if (access(path, F_OK) != 0) {
        doctor_say(doctor, true,
                   str_format(doctor->arena, "data: %s will be made at the first start", path));
        return;
    }
    bool writable = access(path, W_OK | X_OK) == 0;
    doctor_say(doctor, writable,
               str_format(doctor->arena,
                          writable ? "data: %s is writable"
                                   : "data: %s is not writable: choose another with --data",
                          path));
    struct statvfs disk;
    if (statvfs(path, &disk) != 0)
        return;
    unsigned long long free_mb = (unsigned long long)disk.f_bavail * disk.f_frsize >> 20;
    doctor_say(doctor, free_mb >= 256,
               str_format(doctor->arena, "disk: %llu MiB free%s", free_mb,
                          free_mb >= 256 ? "" : ": writes will fail soon"));
}

static void doctor_limits(struct doctor *doctor)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    unsigned long long most = limit.rlim_max;
    doctor_say(doctor, most >= 4096,
               str_format(doctor->arena, "open files: %llu connections at most%s", most,
                          most >= 4096 ? "" : ": raise it with ulimit -Hn"));
}

static void doctor_environment(struct doctor *doctor)
{
    const char *endpoint = getenv("AWS_ENDPOINT_URL");
    doctor_say(doctor, endpoint != NULL,
               endpoint != NULL
                   ? str_format(doctor->arena, "clients: AWS_ENDPOINT_URL=%s", endpoint)
                   : STR("clients: AWS_ENDPOINT_URL is not set here: eval \"$(kumoniwa env)\""));
    const char *proxy = getenv("http_proxy");
    const char *no_proxy = getenv("no_proxy");
    if (proxy != NULL && proxy[0] != '\0')
        doctor_say(doctor, no_proxy != NULL && strstr(no_proxy, "127.0.0.1") != NULL,
                   STR("proxy: http_proxy is set; no_proxy must hold 127.0.0.1,localhost"));
}

/* Whether functions run here, and on what. */
static void doctor_functions(struct doctor *doctor, const struct config *config)
{
    struct str text;
    bool works = sandbox_doctor(doctor->arena, &text);
    doctor_say(doctor, works, str_concat(doctor->arena, STR("functions: "), text));
    struct runtimes *runtimes;
    struct str folder = str_concat(doctor->arena, config->data, STR("/functions/runtimes"));
    if (runtimes_new(doctor->arena, folder, &runtimes) != RESULT_OK)
        return;
    if (runtimes_describe(runtimes, doctor->arena, &text) == RESULT_OK) {
        struct str line, rest = text;
        while (!str_is_empty(rest)) {
            if (!str_cut(rest, '\n', &line, &rest))
                line = rest, rest = (struct str){0};
            if (!str_is_empty(line))
                doctor_say(doctor, true, str_concat(doctor->arena, STR("functions: "), line));
        }
    }
    runtimes_free(runtimes);
}

static void doctor_server(struct doctor *doctor)
{
    struct str body, message = {0};
    bool answers = client_call(doctor->arena, STR("GET"), STR("/_kumoniwa/status"), &body,
                               &message) == RESULT_OK;
    doctor_say(doctor, answers,
               answers ? str_format(doctor->arena, "server: version %.*s answers at %.*s",
                                    PRSTR(client_member(doctor->arena, body, STR("version"))),
                                    PRSTR(client_endpoint(doctor->arena)))
                       : str_concat(doctor->arena, STR("server: "), message));
}

int cli_doctor(int argc, char **argv)
{
    if (argc > 0) {
        bool help = str_eq(str_from_c(argv[0]), STR("--help"));
        fprintf(help ? stdout : stderr, "usage: kumoniwa doctor\n");
        return help ? 0 : 2;
    }
    struct doctor doctor = {.arena = arena_new(0)};
    struct config config;
    struct str message = {0};
    struct utsname system;
    if (uname(&system) == 0)
        doctor_say(&doctor, true,
                   str_format(doctor.arena, "system: %s %s %s", system.sysname, system.release,
                              system.machine));
    if (config_load(doctor.arena, 0, NULL, &config, &message) == RESULT_OK) {
        doctor_say(&doctor, true, STR("settings: readable"));
        doctor_data(&doctor, &config);
        doctor_functions(&doctor, &config);
    } else {
        doctor_say(&doctor, false, str_concat(doctor.arena, STR("settings: "), message));
    }
    doctor_limits(&doctor);
    doctor_environment(&doctor);
    doctor_server(&doctor);
    arena_free(doctor.arena);
    (void)argv;
    return doctor.problems == 0 ? 0 : 1;
}
