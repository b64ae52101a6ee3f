#include "alone.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "cloud/clock.h"
#include "server/server.h"

const struct principal alone_root = {
    .kind = PRINCIPAL_ROOT,
    .account = STR_INIT("000000000000"),
    .arn = STR_INIT("arn:aws:iam::000000000000:root"),
    .user_id = STR_INIT("000000000000"),
};

static _Noreturn void give_up(const char *what, struct str why)
{
    fprintf(stderr, "%s: %.*s\n", what, PRSTR(why));
    exit(1);
}

void alone_open(struct alone *alone)
{
    struct str message = STR("mkdtemp failed");
    *alone = (struct alone){.directory = "/tmp/kumoniwa-bench-XXXXXX"};
    alone->arena = arena_new(64 * 1024);
    alone->kept = arena_new(0);
    log_set_level(LOG_ERROR);
    if (mkdtemp(alone->directory) == NULL)
        give_up(alone->directory, message);
    const struct cloud_config config = {
        .directory = str_from_c(alone->directory),
        .default_region = STR("us-east-1"),
        .endpoint = STR("http://localhost:4566"),
        .hooks = server_services,
    };
    if (cloud_open(alone->kept, &config, &alone->cloud, &message) != RESULT_OK)
        give_up("the cloud does not open", message);
}

void alone_close(struct alone *alone)
{
    char command[128];
    cloud_close(alone->cloud);
    arena_free(alone->arena);
    arena_free(alone->kept);
    snprintf(command, sizeof command, "rm -rf '%s'", alone->directory);
    if (system(command) != 0)
        give_up(command, STR("failed"));
}

struct call alone_call(const struct alone *alone, const struct wire_model *model,
                       uint32_t operation, const struct principal *who)
{
    return (struct call){
        .arena = alone->arena,
        .cloud = alone->cloud,
        .model = model,
        .operation = operation,
        .protocol = WIRE_PROTOCOL_JSON,
        .account = who->account,
        .region = STR("us-east-1"),
        .partition = STR("aws"),
        .endpoint = alone->cloud->endpoint,
        .source_ip = STR("127.0.0.1"),
        .now_ms = clock_now(alone->cloud->clock),
        .principal = *who,
    };
}

/* Nothing of the output is read after the transaction but what is in the arena. */
static enum result leave(struct call *call, const void *out)
{
    (void)call;
    (void)out;
    return RESULT_OK;
}

void alone_run(struct call *call, const void *in, void *out)
{
    const struct wire_operation *operation = &call->model->operations[call->operation];
    if (call_run(call, in, out, leave) != RESULT_OK)
        give_up(str_to_c(call->arena, wire_string(call->model, operation->name)), call->message);
}

double alone_cpu_us(void)
{
    struct timespec at;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
    return (double)at.tv_sec * 1e6 + (double)at.tv_nsec / 1e3;
}

unsigned alone_argument(int argc, char **argv, int place, unsigned otherwise)
{
    return argc > place ? (unsigned)strtoul(argv[place], NULL, 10) : otherwise;
}
