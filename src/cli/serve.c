#include <stdio.h>

#include "cli/commands.h"
#include "sandbox/sandbox.h"
#include "server/server.h"

static void serve_help(void)
{
    printf(
        "usage: kumoniwa serve [FLAGS]\n\n"
        "Runs the cloud in the foreground until SIGTERM or Ctrl-C.\n\n"
        "  --listen ADDRESS:PORT   where to answer           (127.0.0.1:4566; port 0: any free "
        "one)\n"
        "  --data DIR              where to keep everything  ($XDG_DATA_HOME/kumoniwa)\n"
        "  --ephemeral             keep nothing: a private directory, removed at the end\n"
        "  --durability MODE       process: survives kill -9 (default); power: loss of power too\n"
        "  --region REGION         for requests that name none (us-east-1)\n"
        "  --auth MODE             open: unknown keys are their account's root (default); strict: "
        "refused\n"
        "  --iam MODE              enforce: policies decide (default); audit: denials are logged "
        "only; off\n"
        "  --threads N             worker threads            (as many as cores)\n"
        "  --tls                   HTTPS, by a certificate authority made for this machine\n"
        "  --endpoint URL          how clients reach this server, for URLs in answers\n"
        "  --init DIR              init hooks: DIR/{boot,start,ready,shutdown}.d "
        "(/etc/localstack/init)\n"
        "  --functions-network NET none: functions reach this cloud alone (default); host: all "
        "that this machine does\n"
        "  --functions-idle S      seconds that a function's environment is kept unused (600)\n"
        "  --log-level LEVEL       error, warn, info (default) or debug\n"
        "  --config FILE           settings, one \"key = value\" a line "
        "($XDG_CONFIG_HOME/kumoniwa/config)\n"
        "  --quiet                 no line at the start\n\n"
        "Every flag has a KUMONIWA_NAME environment variable (KUMONIWA_LISTEN, KUMONIWA_DATA, "
        "...).\n");
}

int serve_with_functions(const struct config *config)
{
    struct sandbox_host *host = NULL;
    if (sandbox_host_start(&host) != RESULT_OK)
        host = NULL; /* the log says why; functions will say so too */
    int code = server_run(config, host);
    if (host != NULL)
        sandbox_host_stop(host);
    return code;
}

int cli_serve(int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (str_eq(str_from_c(argv[i]), STR("--help"))) {
            serve_help();
            return 0;
        }
    }
    struct arena *arena = arena_new(0);
    struct config config;
    struct str message = {0};
    int code = 2;
    if (config_load(arena, argc, argv, &config, &message) == RESULT_OK)
        code = serve_with_functions(&config);
    else
        fprintf(stderr, "kumoniwa: %.*s\n", PRSTR(message));
    arena_free(arena);
    return code;
}
