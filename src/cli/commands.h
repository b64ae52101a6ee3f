/* The commands. Each takes the arguments after its own name and returns the process's exit code: 0
 * done, 1 it could not be done, 2 the arguments are wrong. */
#ifndef KUMONIWA_CLI_COMMANDS_H
#define KUMONIWA_CLI_COMMANDS_H

#include "base/str.h"

struct config;

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
};

int cli_serve(int argc, char **argv);
/* server_run() with what makes sandboxes; before there are threads. */
int serve_with_functions(const struct config *config);
int cli_run(int argc, char **argv);
int cli_env(int argc, char **argv);
int cli_status(int argc, char **argv);
int cli_services(int argc, char **argv);
int cli_logs(int argc, char **argv);
int cli_iam(int argc, char **argv);
int cli_reset(int argc, char **argv);
int cli_clock(int argc, char **argv);
int cli_credentials(int argc, char **argv);
int cli_lambda(int argc, char **argv);
int cli_doctor(int argc, char **argv);
int cli_version(int argc, char **argv);

#endif
