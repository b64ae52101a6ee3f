/* The data directory: who may use it, and what a person is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/directory.h"
#include "store_support.h"

struct fixture {
    struct arena *arena;
    struct str path;
};

static int setup(void **state)
{
    struct fixture *fixture = heap_alloc(sizeof(*fixture));
    fixture->arena = arena_new(0);
    fixture->path = test_directory(fixture->arena);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    test_directory_remove(fixture->path);
    arena_free(fixture->arena);
    heap_free(fixture);
    return 0;
}

static void write_file(struct fixture *fixture, const char *name, struct str text)
{
    struct str path = str_format(fixture->arena, "%.*s/%s", PRSTR(fixture->path), name);
    int fd = open(str_to_c(fixture->arena, path), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text.ptr, text.len), text.len);
    close(fd);
}

static void assert_says(struct str message, struct str words)
{
    if (str_find(message, words) == SIZE_MAX)
        fail_msg("\"%.*s\" does not say \"%.*s\"", PRSTR(message), PRSTR(words));
}

static struct directory *open_good(struct fixture *fixture, struct str path, struct str *message)
{
    struct directory *directory = NULL;
    assert_int_equal(directory_open(fixture->arena, path, &directory, message), RESULT_OK);
    return directory;
}

static struct str open_refused(struct fixture *fixture, struct str path)
{
    struct directory *directory;
    struct str message;
    assert_int_equal(directory_open(fixture->arena, path, &directory, &message), RESULT_ERROR);
    assert_says(message, path);
    return message;
}

static void it_is_made_and_used_again(void **state)
{
    struct fixture *fixture = *state;
    struct str message;
    struct str deep = str_concat(fixture->arena, fixture->path, STR("/a/b//c"));
    directory_close(open_good(fixture, deep, &message));
    assert_null(message.ptr);
    directory_close(open_good(fixture, deep, &message));
    assert_null(message.ptr);
    directory_close(NULL);
}

static void one_process_at_a_time(void **state)
{
    struct fixture *fixture = *state;
    struct str message;
    struct directory *directory = open_good(fixture, fixture->path, &message);
    struct str refused = open_refused(fixture, fixture->path);
    assert_says(refused, str_format(fixture->arena, "in use by process %ld.", (long)getpid()));
    directory_close(directory);
    directory_close(open_good(fixture, fixture->path, &message));
}

static void newer_formats_are_refused(void **state)
{
    struct fixture *fixture = *state;
    write_file(fixture, "format", STR("3\n"));
    struct str refused = open_refused(fixture, fixture->path);
    assert_says(refused, STR("format 3"));
    assert_says(refused, STR("up to 2"));
    assert_says(refused, STR("newer kumoniwa"));
    write_file(fixture, "format", STR("one"));
    assert_says(open_refused(fixture, fixture->path), STR("not a data directory"));
    write_file(fixture, "format", STR("1\n"));
    struct str message;
    directory_close(open_good(fixture, fixture->path, &message));
    /* An older program must not open it any more. */
    char byte = 0;
    int fd = open(
        str_to_c(fixture->arena, str_format(fixture->arena, "%.*s/format", PRSTR(fixture->path))),
        O_RDONLY);
    assert_int_equal(read(fd, &byte, 1), 1);
    close(fd);
    assert_int_equal(byte, '2');
}

static void what_cannot_be_used_is_explained(void **state)
{
    struct fixture *fixture = *state;
    write_file(fixture, "file", STR(""));
    struct str file = str_concat(fixture->arena, fixture->path, STR("/file"));
    assert_says(open_refused(fixture, file), STR("Not a directory"));
    struct str below = str_concat(fixture->arena, file, STR("/below"));
    assert_says(open_refused(fixture, below), STR("Not a directory"));
    assert_says(open_refused(fixture, STR("/proc/kumoniwa")), STR("Cannot make"));
    if (geteuid() == 0) { /* root may write anywhere */
        fflush(NULL);
        pid_t pid = fork();
        if (pid == 0) {
            struct directory *directory;
            struct str message;
            if (setuid(65534) != 0)
                _exit(3);
            enum result result = directory_open(fixture->arena, STR("/etc"), &directory, &message);
            _exit(result == RESULT_ERROR && str_find(message, STR("not writable")) != SIZE_MAX ? 0
                                                                                               : 4);
        }
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
}

static void a_machine_that_went_down_is_told_of(void **state)
{
    struct fixture *fixture = *state;
    struct str message;
    write_file(fixture, "in-use", STR("another boot"));
    directory_close(open_good(fixture, fixture->path, &message));
    assert_says(message, STR("when the machine went down"));
    directory_close(open_good(fixture, fixture->path, &message));
    assert_null(message.ptr);

    /* A process that was killed leaves the mark too, of this boot: nothing is lost. */
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct directory *directory;
        _exit(directory_open(fixture->arena, fixture->path, &directory, &message) == RESULT_OK ? 0
                                                                                               : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    directory_close(open_good(fixture, fixture->path, &message));
    assert_null(message.ptr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_is_made_and_used_again, setup, teardown),
        cmocka_unit_test_setup_teardown(one_process_at_a_time, setup, teardown),
        cmocka_unit_test_setup_teardown(newer_formats_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_used_is_explained, setup, teardown),
        cmocka_unit_test_setup_teardown(a_machine_that_went_down_is_told_of, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
