/* What is started in a sandbox: the runtime's command, its environment, extensions before it. */
#include "functions/functions_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/vec.h"
#include "functions/image.h"

enum { RUNTIME_API_PORT = 9001 };

/* Descriptors inside: frames of the log; with extensions also the word to start the runtime, who
 * has ended, and what extensions print. */
enum { INSIDE_FRAMES = 3, INSIDE_GO, INSIDE_EXITS, INSIDE_PRINTS };

/* Starts each external extension ("Using the Lambda Extensions API to create extensions"), waits
 * for the word, and becomes the runtime. */
static const char launcher[] =
    "while [ \"$1\" != -- ]; do e=$1; shift\n"
    "( cd /; \"/opt/extensions/$e\" 3>&- 4<&- 5>&- >&6 2>&6 6>&-; echo \"$e $?\" >&5 ) &\n"
    "done\n"
    "shift; read -r go <&4; exec 4<&- 5>&- 6>&-; exec \"$@\"\n";

struct launch {
    struct environment *environment;
    struct arena *arena;
    struct sandbox_spec spec;
    struct str *env;
    size_t env_count, env_cap;
    int given[4]; /* inside */
    int kept[4];  /* the server's ends of the same */
    struct str names[EXTENSIONS_MAX];
    size_t name_count;
    bool host;     /* on the machine's network */
    uint16_t port; /* of the Runtime API */
    int listener;  /* its socket, on the machine's network */
};

static bool has(const struct launch *launch, struct str name)
{
    for (size_t i = 0; i < launch->env_count; i++)
        if (str_starts_with(launch->env[i], name) && launch->env[i].len > name.len &&
            launch->env[i].ptr[name.len] == '=')
            return true;
    return false;
}

/* Unless the runtime's or the function's own is there. */
static void put(struct launch *launch, const char *name, struct str value)
{
    if (str_is_absent(value) || has(launch, str_from_c(name)))
        return;
    VEC_PUSH(launch->arena, launch->env, launch->env_count, launch->env_cap,
             str_format(launch->arena, "%s=%.*s", name, PRSTR(value)));
}

/* "Defined runtime environment variables", AWS Lambda Developer Guide. What the runtime's command
 * brings comes first, the function's own are in it. */
static void put_all(struct launch *launch, const struct runtime_command *command)
{
    const struct environment *environment = launch->environment;
    const struct function_spec *spec = &environment->held->spec;
    struct arena *arena = launch->arena;
    for (size_t i = 0; i < command->env_count; i++)
        VEC_PUSH(arena, launch->env, launch->env_count, launch->env_cap, command->env[i]);
    const struct functions_config *config = &environment->functions->config;
    struct str cloud = {0};
    if (!launch->host)
        cloud = str_format(arena, "http://127.0.0.1:%u", config->endpoint_port);
    else if (config->endpoint != NULL)
        cloud = config->endpoint(config->context);
    put(launch, "AWS_LAMBDA_RUNTIME_API", str_format(arena, "127.0.0.1:%u", launch->port));
    put(launch, "AWS_ENDPOINT_URL", cloud);
    put(launch, "AWS_ACCESS_KEY_ID", spec->access_key);
    put(launch, "AWS_SECRET_ACCESS_KEY", spec->secret_key);
    put(launch, "AWS_SESSION_TOKEN", spec->session_token);
    put(launch, "AWS_LAMBDA_INITIALIZATION_TYPE",
        environment->made_to_keep ? STR("provisioned-concurrency") : STR("on-demand"));
    put(launch, "AWS_LAMBDA_LOG_GROUP_NAME", spec->log_group);
    put(launch, "AWS_LAMBDA_LOG_STREAM_NAME", environment->stream);
    put(launch, "AWS_LAMBDA_LOG_FORMAT", spec->log_json ? STR("JSON") : STR("Text"));
    put(launch, "AWS_LAMBDA_LOG_LEVEL", spec->log_level);
    put(launch, "_LAMBDA_TELEMETRY_LOG_FD", STR("3"));
    put(launch, "AWS_LAMBDA_FUNCTION_NAME", spec->name);
    put(launch, "AWS_LAMBDA_FUNCTION_VERSION", spec->version);
    put(launch, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", str_format(arena, "%u", spec->memory_mb));
    put(launch, "AWS_REGION", spec->region);
    put(launch, "AWS_DEFAULT_REGION", spec->region);
    put(launch, "_HANDLER", spec->handler);
    put(launch, "LAMBDA_TASK_ROOT", STR("/var/task"));
    put(launch, "LAMBDA_RUNTIME_DIR", STR("/var/runtime"));
    put(launch, "TZ", STR(":UTC"));
    put(launch, "LANG", STR("en_US.UTF-8"));
    put(launch, "PATH", STR("/usr/local/bin:/usr/bin/:/bin:/opt/bin"));
    if (str_is_empty(spec->root))
        put(launch, "LD_LIBRARY_PATH",
            STR("/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/"
                "lib"));
}

/* The files of /opt/extensions that may be executed, by name. */
static void find_extensions(struct launch *launch)
{
    const struct function_spec *spec = &launch->environment->held->spec;
    int folder = -1;
    if (!str_is_empty(spec->opt))
        folder =
            image_open(str_to_c(launch->arena, spec->opt), "extensions", O_RDONLY | O_DIRECTORY);
    else if (!str_is_empty(spec->root))
        folder = image_open(str_to_c(launch->arena, spec->root), "opt/extensions",
                            O_RDONLY | O_DIRECTORY);
    DIR *directory = folder < 0 ? NULL : fdopendir(folder);
    if (directory == NULL)
        return;
    const struct dirent *entry;
    while ((entry = readdir(directory)) != NULL && launch->name_count < EXTENSIONS_MAX) {
        struct stat about;
        if (entry->d_name[0] == '.' || fstatat(dirfd(directory), entry->d_name, &about, 0) != 0 ||
            !S_ISREG(about.st_mode) || (about.st_mode & 0111) == 0)
            continue;
        struct str name = str_copy(launch->arena, str_from_c(entry->d_name));
        size_t at = launch->name_count++;
        for (; at > 0 && str_cmp(launch->names[at - 1], name) > 0; at--)
            launch->names[at] = launch->names[at - 1];
        launch->names[at] = name;
    }
    closedir(directory);
}

static RESULT make_pipe(struct launch *launch, size_t index, bool reads)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return FAULT("pipe: %s", strerror(errno));
    launch->kept[index] = ends[reads];
    launch->given[index] = ends[!reads];
    (void)fcntl(launch->kept[index], F_SETFL, O_NONBLOCK);
    return RESULT_OK;
}

static RESULT make_pipes(struct launch *launch)
{
    TRY(make_pipe(launch, 0, false));
    launch->spec.descriptor_count = 1;
    if (launch->name_count > 0) {
        TRY(make_pipe(launch, INSIDE_GO - INSIDE_FRAMES, true));
        TRY(make_pipe(launch, INSIDE_EXITS - INSIDE_FRAMES, false));
        TRY(make_pipe(launch, INSIDE_PRINTS - INSIDE_FRAMES, false));
        launch->spec.descriptor_count = 4;
    }
    launch->spec.descriptors = launch->given;
    return RESULT_OK;
}

/* The command itself, or the launcher of extensions before it. */
static void set_command(struct launch *launch, const struct runtime_command *command)
{
    launch->spec.argv = command->argv;
    launch->spec.argc = command->argc;
    if (launch->name_count == 0 || !str_is_absent(command->looked_for))
        return;
    struct str *argv =
        ARENA_ARRAY(launch->arena, 5 + launch->name_count + command->argc, struct str);
    size_t argc = 0;
    argv[argc++] = STR("/bin/sh");
    argv[argc++] = STR("-c");
    argv[argc++] = str_from_c(launcher);
    argv[argc++] = STR("launcher");
    for (size_t i = 0; i < launch->name_count; i++)
        argv[argc++] = launch->names[i];
    argv[argc++] = STR("--");
    for (size_t i = 0; i < command->argc; i++)
        argv[argc++] = command->argv[i];
    launch->spec.argv = argv;
    launch->spec.argc = argc;
}

static bool set_binds(struct launch *launch, const struct runtime_command *command)
{
    const struct function_spec *spec = &launch->environment->held->spec;
    if (command->bind_count + 2 > SANDBOX_MAX_BINDS)
        return false;
    struct sandbox_bind *binds =
        ARENA_ARRAY(launch->arena, command->bind_count + 2, struct sandbox_bind);
    size_t count = 0;
    bool task = false, opt = false;
    for (size_t i = 0; i < command->bind_count; i++) {
        binds[count++] = command->binds[i];
        task = task || str_eq(command->binds[i].to, STR("/var/task"));
        opt = opt || str_eq(command->binds[i].to, STR("/opt"));
    }
    if (!task && !str_is_empty(spec->task))
        binds[count++] = (struct sandbox_bind){spec->task, STR("/var/task")};
    if (!opt && !str_is_empty(spec->opt))
        binds[count++] = (struct sandbox_bind){spec->opt, STR("/opt")};
    launch->spec.binds = binds;
    launch->spec.bind_count = count;
    return true;
}

static void set_limits(struct launch *launch)
{
    const struct environment *environment = launch->environment;
    const struct function_spec *spec = &environment->held->spec;
    struct sandbox_spec *to = &launch->spec;
    to->env = launch->env;
    to->env_count = launch->env_count;
    to->bare = !str_is_empty(spec->root);
    to->cwd = to->bare ? STR("/") : STR("/var/task");
    if (!str_is_empty(spec->workdir))
        to->cwd = spec->workdir;
    to->hostname = STR("169.254.100.6");
    to->memory_bytes = (uint64_t)spec->memory_mb << 20;
    to->tmp_bytes = (uint64_t)(spec->tmp_mb == 0 ? 512 : spec->tmp_mb) << 20;
    to->processes = 1024;
    to->open_files = 1024;
    if (launch->host) {
        to->network = SANDBOX_NETWORK_HOST;
        return;
    }
    to->ports[0] = RUNTIME_API_PORT;
    to->ports[1] = environment->functions->config.endpoint_port;
    to->port_count = 2;
}

/* Takes the server's ends over. */
static void keep_ends(struct launch *launch)
{
    struct environment *environment = launch->environment;
    environment->outputs[OUTPUT_FRAMES].fd = launch->kept[0];
    environment->listeners[0] = launch->listener;
    environment->go = launch->kept[INSIDE_GO - INSIDE_FRAMES];
    environment->exits = launch->kept[INSIDE_EXITS - INSIDE_FRAMES];
    environment->outputs[OUTPUT_EXTENSIONS].fd = launch->kept[INSIDE_PRINTS - INSIDE_FRAMES];
    for (size_t i = 0; i < launch->name_count; i++)
        environment->extensions[i] = (struct extension){
            .name = str_copy(environment->arena, launch->names[i]), .started = true};
    environment->extension_count = launch->name_count;
}

/* A function on the machine's network, or one that a debugger connects to, has no network of its
 * own in which the server could listen. */
static RESULT set_network(struct launch *launch)
{
    const struct function_spec *spec = &launch->environment->held->spec;
    launch->host = spec->outside || spec->debug;
    launch->port = RUNTIME_API_PORT;
    if (!launch->host)
        return RESULT_OK;
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    union {
        struct sockaddr_in *in;
        struct sockaddr *any;
    } as = {.in = &address};
    launch->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (launch->listener < 0 || bind(launch->listener, as.any, size) != 0 ||
        listen(launch->listener, 64) != 0 || getsockname(launch->listener, as.any, &size) != 0)
        return FAULT("a port for the Runtime API: %s", strerror(errno));
    launch->port = ntohs(address.sin_port);
    return RESULT_OK;
}

static RESULT prepare(struct launch *launch, struct str *problem)
{
    struct environment *environment = launch->environment;
    const struct function_spec *spec = &environment->held->spec;
    struct runtime_command command = {0};
    struct str told = {0};
    enum result result =
        runtime_command(environment->functions->runtimes, launch->arena, spec, &command, &told);
    if (result == RESULT_ERROR) {
        *problem = str_copy(environment->arena, told);
        return result;
    }
    TRY(result);
    environment->looked_for = str_is_absent(command.looked_for)
                                  ? (struct str){0}
                                  : str_copy(environment->arena, command.looked_for);
    TRY(set_network(launch));
    find_extensions(launch);
    put_all(launch, &command);
    set_command(launch, &command);
    set_limits(launch);
    if (!set_binds(launch, &command)) {
        *problem = STR("there are too many directories for one sandbox");
        return RESULT_ERROR;
    }
    return make_pipes(launch);
}

RESULT environment_launch(struct environment *environment, struct sandbox **sandbox,
                          struct str *problem)
{
    struct launch launch = {
        .environment = environment,
        .arena = arena_new(8192),
        .given = {-1, -1, -1, -1},
        .kept = {-1, -1, -1, -1},
        .listener = -1,
    };
    enum result result = prepare(&launch, problem);
    if (result == RESULT_OK)
        result = sandbox_spawn(environment->functions->config.host, &launch.spec, sandbox);
    if (result == RESULT_OK)
        keep_ends(&launch);
    if (result != RESULT_OK && launch.listener >= 0)
        close(launch.listener);
    for (size_t i = 0; i < 4; i++) {
        if (launch.given[i] >= 0)
            close(launch.given[i]);
        if (result != RESULT_OK && launch.kept[i] >= 0)
            close(launch.kept[i]);
    }
    arena_free(launch.arena);
    return result;
}
