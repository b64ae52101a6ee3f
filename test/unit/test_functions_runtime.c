/* Runtimes: names, what serves them on this machine, and the commands that result. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "functions/runtime_files.h"
#include "functions/runtime_int.h"

struct fixture {
    struct arena *arena;
    struct runtimes *runtimes;
    struct str folder, directory;
};

static int setup(void **state)
{
    char folder[] = "/tmp/kumoniwa-runtimes-XXXXXX";
    struct arena *arena = arena_new(0);
    struct fixture *fixture = ARENA_NEW(arena, struct fixture);
    if (mkdtemp(folder) == NULL)
        return -1;
    fixture->arena = arena;
    fixture->folder = str_copy(arena, str_from_c(folder));
    fixture->directory = str_format(arena, "%s/functions", folder);
    *state = fixture;
    return runtimes_new(arena, fixture->directory, &fixture->runtimes) == RESULT_OK ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    runtimes_free(fixture->runtimes);
    struct str remove = str_format(fixture->arena, "rm -rf '%.*s'", PRSTR(fixture->folder));
    int failed = system(str_to_c(fixture->arena, remove));
    arena_free(fixture->arena);
    return failed;
}

static void names(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum runtime_family family;
        int version;
    } cases[] = {
        {"python3.12", RUNTIME_PYTHON, 3012},  {"python3.9", RUNTIME_PYTHON, 3009},
        {"nodejs20.x", RUNTIME_NODE, 20000},   {"nodejs24.x", RUNTIME_NODE, 24000},
        {"java8.al2", RUNTIME_JAVA, 8000},     {"java21", RUNTIME_JAVA, 21000},
        {"ruby3.3", RUNTIME_RUBY, 3003},       {"provided", RUNTIME_PROVIDED, 0},
        {"provided.al2", RUNTIME_PROVIDED, 0}, {"provided.al2023", RUNTIME_PROVIDED, 0},
        {"dotnet8", RUNTIME_UNKNOWN, 0},       {"go1.x", RUNTIME_UNKNOWN, 0},
        {"python", RUNTIME_UNKNOWN, 0},        {"providedx", RUNTIME_UNKNOWN, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct runtime_name name = runtime_name_parse(str_from_c(cases[i].text));
        assert_int_equal(name.family, cases[i].family);
        assert_int_equal(name.version, cases[i].version);
    }
}

static void nearest(void **state)
{
    struct fixture *fixture = *state;
    struct interpreter_list *list = &fixture->runtimes->found[RUNTIME_PYTHON];
    struct interpreter items[] = {{.version = 3011}, {.version = 3009}, {.version = 3013}};
    *list = (struct interpreter_list){.items = items, .len = 3, .cap = 3, .looked = true};
    static const int wanted[][2] = {{3009, 3009}, {3010, 3011}, {3011, 3011},
                                    {3012, 3013}, {3014, 3013}, {3008, 3009}};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        struct runtime_name name = {.family = RUNTIME_PYTHON, .version = wanted[i][0]};
        assert_int_equal(runtime_nearest(fixture->runtimes, name)->version, wanted[i][1]);
    }
    list->len = 0;
    struct runtime_name name = {.family = RUNTIME_PYTHON, .version = 3012};
    assert_null(runtime_nearest(fixture->runtimes, name));
}

static struct str env_of(const struct runtime_command *command, struct str name)
{
    for (size_t i = 0; i < command->env_count; i++)
        if (str_starts_with(command->env[i], name) && command->env[i].ptr[name.len] == '=')
            return str_slice(command->env[i], name.len + 1, command->env[i].len);
    return (struct str){0};
}

static void assert_str(struct str got, const char *wanted)
{
    if (!str_eq(got, str_from_c(wanted)))
        fail_msg("\"%.*s\" is not \"%s\"", PRSTR(got), wanted);
}

static void python(void **state)
{
    struct fixture *fixture = *state;
    struct str environment[] = {STR("COLOUR=blue"), STR("TZ=Asia/Tokyo")};
    struct function_spec spec = {.runtime = STR("python3.8"),
                                 .handler = STR("app.handler"),
                                 .region = STR("eu-west-1"),
                                 .name = STR("f"),
                                 .version = STR("7"),
                                 .memory_mb = 256,
                                 .environment = environment,
                                 .environment_count = 2};
    struct runtime_command command;
    struct str problem;
    assert_int_equal(runtime_command(fixture->runtimes, fixture->arena, &spec, &command, &problem),
                     RESULT_OK);
    assert_true(str_starts_with(command.argv[3], STR("/var/runtime/bootstrap-")));
    assert_true(str_ends_with(command.argv[3], STR(".pyc")));
    assert_str(command.argv[4], "python3.8");
    assert_str(env_of(&command, STR("COLOUR")), "blue");
    assert_str(env_of(&command, STR("TZ")), "Asia/Tokyo");
    assert_str(env_of(&command, STR("_HANDLER")), "app.handler");
    assert_str(env_of(&command, STR("AWS_REGION")), "eu-west-1");
    assert_str(env_of(&command, STR("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")), "256");
    assert_str(env_of(&command, STR("AWS_EXECUTION_ENV")), "AWS_Lambda_python3.8");
    assert_true(str_is_absent(env_of(&command, STR("AWS_LAMBDA_LOG_FORMAT"))));
    assert_str(command.binds[command.bind_count - 1].to, "/var/runtime");
    struct str client =
        str_format(fixture->arena, "%.*s/%.*s", PRSTR(command.binds[command.bind_count - 1].from),
                   PRSTR(str_slice(command.argv[3], 13, command.argv[3].len)));
    struct stat status;
    assert_int_equal(stat(str_to_c(fixture->arena, client), &status), 0);
    assert_int_equal(status.st_mode & 0777, 0644);
    const struct interpreter_list *list = &fixture->runtimes->found[RUNTIME_PYTHON];
    bool exact = false;
    for (size_t i = 0; i < list->len; i++)
        exact = exact || list->items[i].version == 3008;
    assert_int_equal(str_is_absent(command.note), exact);
    if (!exact)
        assert_true(str_starts_with(command.note, STR("python3.8 is served by Python 3.")));
}

static void wrapper_and_json(void **state)
{
    struct fixture *fixture = *state;
    struct str environment[] = {STR("AWS_LAMBDA_EXEC_WRAPPER=/opt/wrap")};
    struct function_spec spec = {.runtime = STR("python3.12"),
                                 .handler = STR("a.b"),
                                 .log_json = true,
                                 .environment = environment,
                                 .environment_count = 1};
    struct runtime_command command;
    struct str problem;
    assert_int_equal(runtime_command(fixture->runtimes, fixture->arena, &spec, &command, &problem),
                     RESULT_OK);
    assert_str(command.argv[0], "/opt/wrap");
    assert_true(str_starts_with(command.argv[1], STR("/")));
    assert_str(env_of(&command, STR("AWS_LAMBDA_LOG_FORMAT")), "JSON");
    assert_str(env_of(&command, STR("AWS_LAMBDA_LOG_LEVEL")), "INFO");
}

static void provided(void **state)
{
    struct fixture *fixture = *state;
    struct str layer = str_concat(fixture->arena, fixture->directory, STR("-opt"));
    struct str make =
        str_format(fixture->arena, "mkdir -p '%.*s' && touch '%.*s/bootstrap' && chmod +x '%.*s'/*",
                   PRSTR(layer), PRSTR(layer), PRSTR(layer));
    assert_int_equal(system(str_to_c(fixture->arena, make)), 0);
    struct function_spec spec = {
        .runtime = STR("provided.al2023"), .handler = STR("h"), .task = STR("/nowhere")};
    struct runtime_command command;
    struct str problem;
    assert_int_equal(runtime_command(fixture->runtimes, fixture->arena, &spec, &command, &problem),
                     RESULT_OK);
    assert_str(command.argv[0], "/var/task/bootstrap");
    assert_int_equal(command.argc, 1);
    spec.opt = layer;
    assert_int_equal(runtime_command(fixture->runtimes, fixture->arena, &spec, &command, &problem),
                     RESULT_OK);
    assert_str(command.argv[0], "/opt/bootstrap");
    assert_true(str_is_absent(env_of(&command, STR("AWS_EXECUTION_ENV"))));
}

static void images(void **state)
{
    struct fixture *fixture = *state;
    struct str words[] = {STR("sh"), STR("-c"), STR("app.handler")};
    struct function_spec spec = {
        .root = STR("/"), .command = {.items = words, .len = 3}, .workdir = STR("/app")};
    struct runtime_command command;
    struct str problem;
    assert_int_equal(runtime_command(fixture->runtimes, fixture->arena, &spec, &command, &problem),
                     RESULT_OK);
    assert_true(str_ends_with(command.argv[0], STR("bin/sh")));
    assert_str(env_of(&command, STR("_HANDLER")), "app.handler");
    words[0] = STR("./run");
    assert_int_equal(runtime_command(fixture->runtimes, fixture->arena, &spec, &command, &problem),
                     RESULT_OK);
    assert_str(command.argv[0], "/app/./run");
    spec.command.len = 0; /* no ENTRYPOINT, no CMD: told when it is started */
    assert_int_equal(runtime_command(fixture->runtimes, fixture->arena, &spec, &command, &problem),
                     RESULT_OK);
    assert_str(command.looked_for, "");
}

static void refused(void **state)
{
    struct fixture *fixture = *state;
    struct function_spec spec = {.runtime = STR("dotnet8"), .handler = STR("A::B::C")};
    struct runtime_command command;
    struct str problem;
    assert_int_equal(runtime_command(fixture->runtimes, fixture->arena, &spec, &command, &problem),
                     RESULT_ERROR);
    assert_true(str_starts_with(problem, STR("The runtime dotnet8 does not run here.")));
    fixture->runtimes->found[RUNTIME_RUBY] = (struct interpreter_list){.looked = true};
    spec.runtime = STR("ruby3.3");
    assert_int_equal(runtime_command(fixture->runtimes, fixture->arena, &spec, &command, &problem),
                     RESULT_ERROR);
    assert_str(problem, "The runtime ruby3.3 needs a Ruby (apt-get install ruby) on this machine.");
}

static void describes(void **state)
{
    struct fixture *fixture = *state;
    struct str text;
    assert_int_equal(runtimes_describe(fixture->runtimes, fixture->arena, &text), RESULT_OK);
    assert_true(str_starts_with(text, STR("Python: 3.")));
    assert_true(str_find(text, STR("\nNode.js: ")) != SIZE_MAX);
    assert_true(str_find(text, STR("\nJava: ")) != SIZE_MAX);
    assert_true(str_find(text, STR("\nprovided.al2")) != SIZE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test_setup_teardown(nearest, setup, teardown),
        cmocka_unit_test_setup_teardown(python, setup, teardown),
        cmocka_unit_test_setup_teardown(wrapper_and_json, setup, teardown),
        cmocka_unit_test_setup_teardown(provided, setup, teardown),
        cmocka_unit_test_setup_teardown(images, setup, teardown),
        cmocka_unit_test_setup_teardown(refused, setup, teardown),
        cmocka_unit_test_setup_teardown(describes, setup, teardown),
    };
    return cmocka_run_group_tests_name("functions_runtime", tests, NULL, NULL);
}
