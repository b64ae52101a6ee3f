/* Commands and environments of runtimes. */
#include "functions/runtime_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/vec.h"
#include "functions/image.h"

#define RUNTIME_PLACE "/var/runtime"
/* Where debuggers are expected by their clients. */
#define DEBUG_PYTHON "5678"
#define DEBUG_NODE "9229"
#define DEBUG_JAVA "5005"

/* Packages of Node.js that are installed for all. */
static const char *const node_modules[] = {"/usr/local/lib/node_modules", "/usr/lib/node_modules",
                                           "/usr/share/nodejs"};

/* A command in the making. */
struct making {
    struct runtimes *runtimes;
    struct arena *arena;
    const struct function_spec *spec;
    struct runtime_name name;
    struct interpreter *interpreter; /* NULL: the function brings its own */
    struct {
        struct str *items;
        size_t len, cap;
    } argv, env;
    struct {
        struct sandbox_bind *items;
        size_t len, cap;
    } binds;
};

static void add_word(struct making *making, struct str word)
{
    VEC_PUSH(making->arena, making->argv.items, making->argv.len, making->argv.cap, word);
}

static void add_bind(struct making *making, struct str from, struct str to)
{
    struct sandbox_bind bind = {.from = str_copy(making->arena, from), .to = to};
    VEC_PUSH(making->arena, making->binds.items, making->binds.len, making->binds.cap, bind);
}

static bool has_name(const struct str *items, size_t len, struct str name)
{
    for (size_t i = 0; i < len; i++)
        if (str_starts_with(items[i], name) && items[i].len > name.len &&
            items[i].ptr[name.len] == '=')
            return true;
    return false;
}

/* What the function itself sets stays. */
static void add_env(struct making *making, struct str name, struct str value)
{
    if (str_is_absent(value) || has_name(making->env.items, making->env.len, name))
        return;
    struct str text = str_format(making->arena, "%.*s=%.*s", PRSTR(name), PRSTR(value));
    VEC_PUSH(making->arena, making->env.items, making->env.len, making->env.cap, text);
}

static struct str env_value(const struct making *making, struct str name)
{
    for (size_t i = 0; i < making->env.len; i++) {
        struct str one = making->env.items[i];
        if (str_starts_with(one, name) && one.len > name.len && one.ptr[name.len] == '=')
            return str_slice(one, name.len + 1, one.len);
    }
    return (struct str){0};
}

/* --- environments --- */

static void env_common(struct making *making)
{
    const struct function_spec *spec = making->spec;
    bool image = str_is_empty(spec->runtime);
    for (size_t i = 0; i < spec->environment_count; i++)
        VEC_PUSH(making->arena, making->env.items, making->env.len, making->env.cap,
                 str_copy(making->arena, spec->environment[i]));
    for (size_t i = 0; i < spec->image_environment_count; i++) {
        struct str name, value;
        if (str_cut(spec->image_environment[i], '=', &name, &value))
            add_env(making, name, value);
    }
    add_env(making, STR("_HANDLER"),
            !str_is_absent(spec->handler) ? spec->handler
            : spec->command.len > 0       ? spec->command.items[spec->command.len - 1]
                                          : STR(""));
    add_env(making, STR("AWS_REGION"), spec->region);
    add_env(making, STR("AWS_DEFAULT_REGION"), spec->region);
    add_env(making, STR("AWS_LAMBDA_FUNCTION_NAME"), spec->name);
    add_env(making, STR("AWS_LAMBDA_FUNCTION_VERSION"), spec->version);
    add_env(making, STR("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"),
            str_format(making->arena, "%u", spec->memory_mb));
    add_env(making, STR("LAMBDA_TASK_ROOT"), STR("/var/task"));
    add_env(making, STR("LAMBDA_RUNTIME_DIR"), STR(RUNTIME_PLACE));
    add_env(making, STR("TZ"), STR(":UTC"));
    add_env(making, STR("LANG"), STR("en_US.UTF-8"));
    if (!image) {
        add_env(making, STR("PATH"), STR("/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin"));
        add_env(making, STR("LD_LIBRARY_PATH"),
                STR("/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:"
                    "/var/task/lib:/opt/lib"));
    }
    if (spec->log_json) {
        add_env(making, STR("AWS_LAMBDA_LOG_FORMAT"), STR("JSON"));
        add_env(making, STR("AWS_LAMBDA_LOG_LEVEL"),
                str_is_empty(spec->log_level) ? STR("INFO") : spec->log_level);
    }
}

static void env_managed(struct making *making)
{
    struct arena *arena = making->arena;
    struct str runtime = making->spec->runtime;
    int major = making->name.version / 1000, minor = making->name.version % 1000;
    add_env(making, STR("AWS_EXECUTION_ENV"), str_concat(arena, STR("AWS_Lambda_"), runtime));
    if (making->name.family == RUNTIME_NODE)
        add_env(making, STR("NODE_PATH"),
                str_format(arena,
                           "/opt/nodejs/node%d/node_modules:/opt/nodejs/node_modules:"
                           "/var/runtime/node_modules:/var/runtime:/var/task:%s:%s:%s",
                           major,
                           /* The SDK, where the machine has it for all. */
                           node_modules[0], node_modules[1], node_modules[2]));
    if (making->name.family == RUNTIME_RUBY) {
        add_env(making, STR("GEM_PATH"),
                str_format(arena,
                           "/var/task/vendor/bundle/ruby/%d.%d.0:/opt/ruby/gems/%d.%d.0:"
                           "/var/runtime/gems",
                           major, minor, major, minor));
        add_env(making, STR("RUBYLIB"), STR("/var/task:/var/runtime/lib:/opt/ruby/lib"));
    }
}

/* --- commands --- */

/* Directories of packages for any Python 3, that may have boto3. */
static const char *const shared_sites[] = {
    "/usr/local/lib/python3*/dist-packages", "/usr/lib/python3/dist-packages",
    "/usr/local/lib/python3*/site-packages", "/usr/lib/python3*/site-packages"};

static bool has_sdk(struct making *making, struct str site)
{
    struct str path = str_concat(making->arena, site, STR("/boto3/__init__.py"));
    return access(str_to_c(making->arena, path), R_OK) == 0;
}

/* Where the interpreter's own packages have no boto3: those of another that have; it is Python
 * alone, and serves all versions. */
static void add_sdk(struct making *making)
{
    for (size_t i = 0; i < sizeof shared_sites / sizeof shared_sites[0]; i++) {
        glob_t found = {0};
        bool done = false;
        if (glob(shared_sites[i], 0, NULL, &found) == 0)
            for (size_t k = 0; k < found.gl_pathc && !done; k++) {
                struct str site = str_from_c(found.gl_pathv[k]);
                done = has_sdk(making, site);
                if (done)
                    add_word(making, str_copy(making->arena, site));
            }
        globfree(&found);
        if (done)
            return;
    }
}

static void command_python(struct making *making)
{
    struct interpreter *python = making->interpreter;
    add_word(making, python->path);
    add_word(making, STR("-S")); /* the client sets the paths itself, which is faster */
    add_word(making, STR("-s"));
    add_word(making, str_concat(making->arena, STR(RUNTIME_PLACE "/"), python->prepared_file));
    add_word(making, making->spec->runtime);
    struct str sites = python->sites, site;
    bool sdk = false;
    while (sites.len > 0) {
        struct str rest = {0};
        (void)str_cut(sites, '\n', &site, &rest);
        add_word(making, site);
        sdk = sdk || has_sdk(making, site);
        sites = rest;
    }
    if (!sdk)
        add_sdk(making);
    if (making->spec->debug)
        add_env(making, STR("KUMONIWA_DEBUG_PORT"), STR(DEBUG_PYTHON));
}

static void command_node(struct making *making)
{
    add_word(making, making->interpreter->path);
    if (making->spec->debug)
        add_word(making, STR("--inspect-brk=127.0.0.1:" DEBUG_NODE));
    add_word(making, str_format(making->arena, "--max-old-space-size=%u",
                                making->spec->memory_mb - making->spec->memory_mb / 10));
    add_word(making, STR(RUNTIME_PLACE "/bootstrap.cjs"));
}

static void command_ruby(struct making *making)
{
    add_word(making, making->interpreter->path);
    add_word(making, STR(RUNTIME_PLACE "/bootstrap.rb"));
}

/* The heap leaves room for what a JVM needs besides. */
static void command_java(struct making *making)
{
    uint32_t memory = making->spec->memory_mb;
    uint32_t heap = memory > 512 ? memory - memory / 6 : memory / 2 + memory / 8;
    add_word(making, making->interpreter->path);
    add_word(making, str_format(making->arena, "-Xmx%um", heap));
    add_word(making, STR("-XX:+UseSerialGC"));
    add_word(making, STR("-XX:TieredStopAtLevel=1"));
    add_word(making, STR("-Xshare:auto"));
    add_word(making, STR("-XX:-UsePerfData"));
    if (making->spec->debug)
        add_word(making, STR("-agentlib:jdwp=transport=dt_socket,server=y,suspend=y,"
                             "address=127.0.0.1:" DEBUG_JAVA));
    add_word(making, STR("-cp"));
    add_word(making, STR("/var/task:/var/task/lib/*:/opt/java/lib/*:" RUNTIME_PLACE
                         "/kumoniwa-lambda.jar:" RUNTIME_PLACE "/java-classes"));
    add_word(making, STR("kumoniwa.Bootstrap"));
}

static void (*const commands[RUNTIME_FAMILIES])(struct making *) = {
    [RUNTIME_PYTHON] = command_python,
    [RUNTIME_NODE] = command_node,
    [RUNTIME_RUBY] = command_ruby,
    [RUNTIME_JAVA] = command_java,
};

static const struct {
    struct str name, install;
} families[RUNTIME_FAMILIES] = {
    [RUNTIME_PYTHON] = {STR_INIT("Python"),
                        STR_INIT("a Python 3.8 or newer (apt-get install python3)")},
    [RUNTIME_NODE] = {STR_INIT("Node.js"),
                      STR_INIT("a Node.js 18 or newer (apt-get install nodejs)")},
    [RUNTIME_RUBY] = {STR_INIT("Ruby"), STR_INIT("a Ruby (apt-get install ruby)")},
    [RUNTIME_JAVA] = {STR_INIT("Java"),
                      STR_INIT("a Java 11 or newer (apt-get install default-jdk-headless)")},
};

static void bind_interpreter(struct making *making)
{
    struct str prefix = making->interpreter->bound_prefix;
    if (str_is_absent(prefix))
        return;
    /* /opt and /tmp have another meaning inside; programs that were moved find their libraries. */
    if (!str_starts_with(prefix, STR("/opt/")) && !str_starts_with(prefix, STR("/tmp/"))) {
        add_bind(making, prefix, prefix);
        return;
    }
    add_bind(making, prefix, STR("/var/lang"));
    struct str inside = str_slice(making->interpreter->path, prefix.len, SIZE_MAX);
    making->argv.items[0] = str_concat(making->arena, STR("/var/lang"), inside);
}

/* A script or program of the function that starts the runtime: "Using a wrapper script", AWS Lambda
 * Developer Guide. */
static void wrap(struct making *making)
{
    struct str wrapper = env_value(making, STR("AWS_LAMBDA_EXEC_WRAPPER"));
    if (str_is_empty(wrapper))
        return;
    add_word(making, (struct str){0});
    memmove(making->argv.items + 1, making->argv.items,
            (making->argv.len - 1) * sizeof *making->argv.items);
    making->argv.items[0] = str_copy(making->arena, wrapper);
}

static RESULT make_managed(struct making *making, struct runtime_command *out, struct str *problem)
{
    enum runtime_family family = making->name.family;
    making->interpreter = runtime_nearest(making->runtimes, making->name);
    if (making->interpreter == NULL) {
        *problem = str_format(making->arena, "The runtime %.*s needs %.*s on this machine.",
                              PRSTR(making->spec->runtime), PRSTR(families[family].install));
        return RESULT_ERROR;
    }
    TRY(runtime_files_write(making->runtimes));
    TRY(runtime_prepare(making->runtimes, family, making->interpreter, problem));
    commands[family](making);
    bind_interpreter(making);
    wrap(making);
    env_managed(making);
    add_bind(making, making->runtimes->directory, STR(RUNTIME_PLACE));
    if (making->interpreter->version != making->name.version)
        out->note =
            str_format(making->arena, "%.*s is served by %.*s %.*s (%.*s)",
                       PRSTR(making->spec->runtime), PRSTR(families[family].name),
                       PRSTR(making->interpreter->version_text), PRSTR(making->interpreter->path));
    return RESULT_OK;
}

/* --- what brings its own runtime --- */

static bool executable(struct arena *arena, struct str directory, struct str path)
{
    struct stat status;
    const char *name = str_to_c(arena, str_concat(arena, directory, path));
    return stat(name, &status) == 0 && S_ISREG(status.st_mode) && (status.st_mode & 0111) != 0;
}

static bool exists(struct arena *arena, struct str directory, struct str path)
{
    struct stat status;
    const char *name = str_to_c(arena, str_concat(arena, directory, path));
    return !str_is_empty(directory) && stat(name, &status) == 0;
}

static void make_provided(struct making *making, struct runtime_command *out)
{
    const struct function_spec *spec = making->spec;
    bool layer = !executable(making->arena, spec->task, STR("/bootstrap")) &&
                 !str_is_empty(spec->opt) &&
                 executable(making->arena, spec->opt, STR("/bootstrap"));
    /* Where neither is, or neither may be executed, starting fails, as it must. */
    add_word(making, layer ? STR("/opt/bootstrap") : STR("/var/task/bootstrap"));
    if (!exists(making->arena, spec->task, STR("/bootstrap")) &&
        !exists(making->arena, spec->opt, STR("/bootstrap")))
        out->looked_for = STR("/var/task/bootstrap /opt/bootstrap");
}

static bool image_has(const struct making *making, struct str inside)
{
    int fd = image_open(str_to_c(making->arena, making->spec->root),
                        str_to_c(making->arena, inside), O_PATH);
    struct stat status;
    bool found = fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
    if (fd >= 0)
        close(fd);
    return found;
}

/* The first word as a path inside: as it is, below the working directory, or found along PATH. */
static struct str image_program(struct making *making, struct str word, bool *found)
{
    const struct function_spec *spec = making->spec;
    struct arena *arena = making->arena;
    if (str_find_char(word, '/') != SIZE_MAX) {
        if (!str_starts_with(word, STR("/")))
            word = str_format(arena, "%.*s/%.*s", PRSTR(spec->workdir), PRSTR(word));
        *found = image_has(making, word);
        return word;
    }
    *found = true;
    struct str path = env_value(making, STR("PATH")), directory;
    while (path.len > 0) {
        struct str rest = {0};
        (void)str_cut(path, ':', &directory, &rest);
        struct str inside = str_format(arena, "%.*s/%.*s", PRSTR(directory), PRSTR(word));
        if (image_has(making, inside))
            return inside;
        path = rest;
    }
    *found = false;
    return str_concat(arena, STR("/"), word);
}

/* Directories in which an engine lays its own over the image's. */
static bool is_engines(const char *name)
{
    static const char *const names[] = {".", "..", "proc", "dev", "sys", "tmp"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

/* What stands in the image's root, each for itself: /tmp and /proc are to be between them. */
static RESULT bind_image(struct making *making, struct str *problem)
{
    struct arena *arena = making->arena;
    struct str root = making->spec->root;
    DIR *directory = opendir(str_to_c(arena, root));
    if (directory == NULL) {
        *problem = str_format(arena, "The image's folder %.*s cannot be read: %s.", PRSTR(root),
                              strerrordesc_np(errno));
        return RESULT_ERROR;
    }
    const struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        if (is_engines(entry->d_name))
            continue;
        struct str to = str_format(arena, "/%s", entry->d_name);
        add_bind(making, str_concat(arena, root, to), to);
    }
    closedir(directory);
    return RESULT_OK;
}

/* Without ENTRYPOINT and CMD nothing was looked for, and nothing is there. */
static RESULT make_image(struct making *making, struct runtime_command *out, struct str *problem)
{
    const struct function_spec *spec = making->spec;
    struct str first = spec->command.len > 0 ? spec->command.items[0] : STR("");
    bool found;
    TRY(bind_image(making, problem));
    add_env(making, STR("PATH"),
            STR("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"));
    add_word(making, image_program(making, first, &found));
    if (!found)
        out->looked_for = first;
    for (size_t i = 1; i < spec->command.len; i++)
        add_word(making, spec->command.items[i]);
    return RESULT_OK;
}

RESULT runtime_command(struct runtimes *runtimes, struct arena *arena,
                       const struct function_spec *spec, struct runtime_command *out,
                       struct str *problem)
{
    struct making making = {.runtimes = runtimes, .arena = arena, .spec = spec};
    struct runtime_command made = {.http_client = true};
    *problem = STR("The runtime's client could not be written; the server's log says why.");
    env_common(&making);
    enum result result = RESULT_OK;
    making.name = runtime_name_parse(spec->runtime);
    if (str_is_empty(spec->runtime)) {
        result = make_image(&making, &made, problem);
    } else if (making.name.family == RUNTIME_PROVIDED) {
        make_provided(&making, &made);
    } else if (making.name.family == RUNTIME_UNKNOWN) {
        *problem = str_format(arena,
                              "The runtime %.*s does not run here. Those that do: python3.x, "
                              "nodejs18.x and newer, java11 and newer, ruby3.x, provided.al2, "
                              "provided.al2023.",
                              PRSTR(spec->runtime));
        result = RESULT_ERROR;
    } else {
        pthread_mutex_lock(&runtimes->mutex);
        result = make_managed(&making, &made, problem);
        pthread_mutex_unlock(&runtimes->mutex);
    }
    TRY(result);
    made.argv = making.argv.items;
    made.argc = making.argv.len;
    made.env = making.env.items;
    made.env_count = making.env.len;
    made.binds = making.binds.items;
    made.bind_count = making.binds.len;
    *out = made;
    return RESULT_OK;
}

/* --- for people --- */

static void describe_family(struct runtimes *runtimes, enum runtime_family family, struct buf *out)
{
    const struct interpreter_list *list = runtime_interpreters(runtimes, family);
    buf_append_format(out, "%.*s: ", PRSTR(families[family].name));
    for (size_t i = 0; i < list->len; i++)
        buf_append_format(out, "%s%.*s (%.*s)", i == 0 ? "" : ", ",
                          PRSTR(list->items[i].version_text), PRSTR(list->items[i].path));
    if (list->len == 0)
        buf_append_format(out, "none; functions need %.*s", PRSTR(families[family].install));
    buf_append_char(out, '\n');
}

/* Importing what is not there fails as for any module: here one learns what to do. */
static void describe_sdk(struct arena *arena, struct buf *out)
{
    struct making making = {.arena = arena};
    add_sdk(&making);
    buf_append_format(out, "AWS SDK for Python: %.*s\n",
                      PRSTR(making.argv.len > 0 ? making.argv.items[0]
                                                : STR("none; functions that import boto3 bring it, "
                                                      "or apt-get install python3-boto3")));
    glob_t found = {0};
    int flags = GLOB_NOSORT, failed = 0;
    for (size_t i = 0; i < sizeof node_modules / sizeof node_modules[0] && found.gl_pathc == 0; i++)
        failed = glob(str_to_c(arena, str_concat(arena, str_from_c(node_modules[i]),
                                                 STR("/@aws-sdk/client-s3"))),
                      flags, NULL, &found);
    buf_append_format(
        out, "AWS SDK for JavaScript: %s\n",
        failed == 0 && found.gl_pathc > 0
            ? found.gl_pathv[0]
            : "none; functions that import @aws-sdk/client-... bring it, or npm install -g");
    globfree(&found);
}

RESULT runtimes_describe(struct runtimes *runtimes, struct arena *arena, struct str *text)
{
    struct buf out;
    buf_init(&out, arena, 64 << 10);
    pthread_mutex_lock(&runtimes->mutex);
    for (enum runtime_family family = RUNTIME_PYTHON; family < RUNTIME_FAMILIES; family++)
        describe_family(runtimes, family, &out);
    pthread_mutex_unlock(&runtimes->mutex);
    describe_sdk(arena, &out);
    buf_append(&out,
               STR("provided.al2, provided.al2023: whatever `bootstrap` the function brings\n"));
    *text = str_trim(buf_str(&out));
    return RESULT_OK;
}
