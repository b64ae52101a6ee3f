/* The command line: chooses the command. */
#include <stdio.h>

#include "base/arena.h"
#include "cli/commands.h"
#include "server/version.h"

static const struct command commands[] = {
    {"serve", cli_serve, "run the cloud in the foreground"},
    {"run", cli_run, "run one command against a private, empty cloud"},
    {"env", cli_env, "print the environment that points clients here"},
    {"status", cli_status, "tell how the running cloud is"},
    {"services", cli_services, "list services, or one service's operations"},
    {"logs", cli_logs, "show the last calls, or one by its request id"},
    {"iam", cli_iam, "explain why a call was denied"},
    {"reset", cli_reset, "forget everything that the services keep"},
    {"clock", cli_clock, "show the cloud's clock, or advance it"},
    {"credentials", cli_credentials, "issue or revoke an access key"},
    {"lambda", cli_lambda, "invoke a function, with a debugger if wanted"},
    {"doctor", cli_doctor, "look for what could be wrong on this machine"},
    {"version", cli_version, "print the version"},
};
enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

static void main_help(FILE *out)
{
    fprintf(out,
            "Kumoniwa %s: an AWS-compatible cloud in one program.\n\n"
            "usage: kumoniwa COMMAND [ARGUMENTS]\n\n",
            KUMONIWA_VERSION);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(out, "  %-12s %s\n", commands[i].name, commands[i].summary);
    fprintf(out, "\n"
                 "`kumoniwa COMMAND --help` tells more. Start with:\n\n"
                 "  kumoniwa serve &\n"
                 "  eval \"$(kumoniwa env)\"\n"
                 "  aws sqs create-queue --queue-name hello\n\n"
                 "Commands that speak to a running cloud find it at $KUMONIWA_ENDPOINT, or\n"
                 "$AWS_ENDPOINT_URL, or http://127.0.0.1:4566.\n");
}

static int main_command(const char *name, int argc, char **argv)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(name, commands[i].name) == 0)
            return commands[i].run(argc, argv);
    fprintf(stderr, "kumoniwa: there is no command \"%s\"; `kumoniwa --help` lists them\n", name);
    return 2;
}

int main(int argc, char **argv)
{
    arena_process_start();
    char help[] = "--help", *asked = help;
    struct str name = argc > 1 ? str_from_c(argv[1]) : (struct str){0};
    if (argc < 2) {
        main_help(stderr);
        return 2;
    }
    /* As far as they are ours. */
    for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "-h") == 0)
            argv[i] = help;
    if (str_eq(name, STR("help")) && argc > 2)
        return main_command(argv[2], 1, &asked);
    if (str_eq(name, STR("--help")) || str_eq(name, STR("-h")) || str_eq(name, STR("help"))) {
        main_help(stdout);
        return 0;
    }
    if (str_eq(name, STR("--version")))
        return cli_version(0, NULL);
    return main_command(argv[1], argc - 2, argv + 2);
}
