/* `kumoniwa run -- COMMAND`: a private, empty cloud on a free port for one command. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/commands.h"
#include "server/server.h"

static void run_help(FILE *out)
{
    fprintf(out,
            "usage: kumoniwa run [SERVE-FLAGS] -- COMMAND [ARGUMENTS]\n\n"
            "Starts an empty cloud on a free port, runs COMMAND with AWS_ENDPOINT_URL and test\n"
            "credentials set, removes the cloud and ends with COMMAND's exit code.\n");
}

static volatile sig_atomic_t run_forward_to;

static void run_forward(int number)
{
    if (run_forward_to > 0)
        kill(run_forward_to, number);
}

/* The server, in a child that dies with us; it writes its port into the pipe. */
static pid_t run_server(int argc, char **argv, int ready)
{
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    setpgid(0, 0); /* Ctrl-C is for the command; we end the server after it */
    struct arena *arena = arena_new(0);
    struct config config;
    struct str message = {0};
    if (config_load(arena, argc, argv, &config, &message) != RESULT_OK) {
        fprintf(stderr, "kumoniwa: %.*s\n", PRSTR(message));
        _exit(2);
    }
    config.ephemeral = true;
    config.quiet = true;
    config.tls = false;
    config.address = STR("127.0.0.1");
    config.port = 0;
    config.endpoint = (struct str){0};
    config.ready_fd = ready;
    _exit(serve_with_functions(&config));
}

static void run_set_environment(unsigned port)
{
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u", port);
    setenv("AWS_ENDPOINT_URL", url, 1);
    setenv("KUMONIWA_ENDPOINT", url, 1);
    setenv("AWS_ACCESS_KEY_ID", "test", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "test", 1);
    setenv("AWS_DEFAULT_REGION", "us-east-1", 0);
    unsetenv("AWS_SESSION_TOKEN");
    unsetenv("AWS_PROFILE");
}

static int run_wait(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return 1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int run_command(char **command)
{
    /* What comes before the handlers stand waits for them: the command may run, and be interrupted,
     * before this process does anything more. */
    sigset_t held, before;
    sigemptyset(&held);
    sigaddset(&held, SIGTERM);
    sigaddset(&held, SIGHUP);
    sigaddset(&held, SIGINT);
    sigprocmask(SIG_BLOCK, &held, &before);
    pid_t pid = fork();
    if (pid == 0) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        execvp(command[0], command);
        fprintf(stderr, "kumoniwa: %s: %s\n", command[0], strerror(errno));
        _exit(errno == ENOENT ? 127 : 126);
    }
    if (pid < 0) {
        fprintf(stderr, "kumoniwa: fork: %s\n", strerror(errno));
        return 1;
    }
    run_forward_to = pid;
    struct sigaction forward = {.sa_handler = run_forward};
    sigaction(SIGTERM, &forward, NULL);
    sigaction(SIGHUP, &forward, NULL);
    struct sigaction ignore = {.sa_handler =
                                   SIG_IGN}; /* the terminal sends Ctrl-C to the command itself */
    sigaction(SIGINT, &ignore, NULL);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return run_wait(pid);
}

/* Where the private cloud stands is not for flags to say. */
static bool run_is_fixed(const char *argument)
{
    static const char *const fixed[] = {"--listen", "--data",     "--ephemeral",
                                        "--tls",    "--endpoint", "--quiet"};
    struct str name, value;
    (void)str_cut(str_from_c(argument), '=', &name, &value);
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        if (str_eq(name, str_from_c(fixed[i])))
            return true;
    return false;
}

int cli_run(int argc, char **argv)
{
    int at = 0;
    while (at < argc && !str_eq(str_from_c(argv[at]), STR("--")))
        if (str_eq(str_from_c(argv[at++]), STR("--help"))) {
            run_help(stdout);
            return 0;
        }
    if (at + 1 >= argc) {
        fprintf(stderr, at < argc ? "kumoniwa: run: a command is missing after --\n"
                                  : "kumoniwa: run: -- and a command are missing\n");
        run_help(stderr);
        return 2;
    }
    for (int i = 0; i < at; i++) {
        if (run_is_fixed(argv[i])) {
            fprintf(stderr, "kumoniwa: run: %s: a private cloud has its own data and port\n",
                    argv[i]);
            return 2;
        }
    }
    int ready[2];
    if (pipe(ready) != 0) {
        fprintf(stderr, "kumoniwa: pipe: %s\n", strerror(errno));
        return 1;
    }
    pid_t server = run_server(at, argv, ready[1]);
    close(ready[1]);
    unsigned short port = 0;
    bool answers = server > 0 && read(ready[0], &port, sizeof port) == sizeof port;
    close(ready[0]);
    int code = 1;
    if (answers) {
        run_set_environment(port);
        code = run_command(argv + at + 1);
        kill(server, SIGTERM);
    }
    if (server > 0) {
        int server_code = run_wait(server);
        if (!answers)
            code = server_code == 0 ? 1 : server_code;
    }
    return code;
}
