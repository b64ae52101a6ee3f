#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/result.h"
#include "base/time.h"

/* The second sink of the log, a file that is read back. Standard error is put out of the way. */
static FILE *sink;
static int saved_stderr;

static int open_sink(void **state)
{
    (void)state;
    sink = tmpfile();
    FILE *null = fopen("/dev/null", "w");
    if (sink == NULL || null == NULL)
        return -1;
    fflush(stderr);
    saved_stderr = dup(STDERR_FILENO);
    dup2(fileno(null), STDERR_FILENO);
    fclose(null);
    log_set_file(fileno(sink));
    return 0;
}

static int close_sink(void **state)
{
    (void)state;
    log_set_file(-1);
    log_set_level(LOG_INFO);
    log_set_request((struct str){0});
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    fclose(sink);
    return 0;
}

static char written[65536];

static const char *read_sink(void)
{
    ssize_t len = pread(fileno(sink), written, sizeof(written) - 1, 0);
    assert_true(len >= 0);
    written[len] = '\0';
    return written;
}

/* The text after the time, which must be one. */
static const char *after_time(const char *line)
{
    const char *space = strchr(line, ' ');
    int64_t ms;
    assert_non_null(space);
    assert_true(time_parse_iso8601(str_make(line, (size_t)(space - line)), &ms));
    assert_in_range(ms, time_wall_ms() - 60000, time_wall_ms());
    return space + 1;
}

static void test_line(void **state)
{
    (void)state;
    errno = EDOM;
    log_line(LOG_WARN, "%s and %d", "text", 7);
    assert_int_equal(errno, EDOM);
    assert_string_equal(after_time(read_sink()), "WARN text and 7\n");
}

static void test_request_id(void **state)
{
    (void)state;
    log_set_request(STR("0af3-id"));
    log_line(LOG_ERROR, "text");
    assert_string_equal(after_time(read_sink()), "ERROR [0af3-id] text\n");
}

static void test_levels(void **state)
{
    (void)state;
    log_line(LOG_DEBUG, "hidden");
    assert_string_equal(read_sink(), "");
    log_set_level(LOG_ERROR);
    log_line(LOG_WARN, "hidden");
    assert_string_equal(read_sink(), "");
    log_set_level(LOG_DEBUG);
    log_line(LOG_DEBUG, "seen");
    assert_string_equal(after_time(read_sink()), "DEBUG seen\n");
}

static void test_control_characters(void **state)
{
    (void)state;
    log_set_request(STR("id\n"));
    log_line(LOG_INFO, "a\nb\r\tc\x1b[31m\x7f ü");
    assert_string_equal(after_time(read_sink()), "INFO [id\\n] a\\nb\\r\tc\\x1b[31m\\x7f ü\n");
}

static void test_long_line(void **state)
{
    (void)state;
    log_line(LOG_INFO, "%05000d", 0);
    const char *text = after_time(read_sink());
    assert_int_equal(strlen(text), strlen("INFO ") + 4095 + strlen("...\n"));
    assert_string_equal(text + strlen(text) - 5, "0...\n");
    assert_int_equal(ftruncate(fileno(sink), 0), 0);
    lseek(fileno(sink), 0, SEEK_SET);

    char escapes[5000]; /* each becomes four bytes */
    memset(escapes, 1, sizeof(escapes));
    escapes[sizeof(escapes) - 1] = '\0';
    log_line(LOG_INFO, "%s", escapes);
    text = after_time(read_sink());
    assert_int_equal(strlen(text), strlen("INFO ") + 4095 * 4 + strlen("...\n"));
}

static void *log_many(void *context)
{
    char *id = context;
    log_set_request(str_from_c(id));
    for (int i = 0; i < 100; i++)
        log_line(LOG_INFO, "from %s", id);
    log_set_request((struct str){0});
    return NULL;
}

/* Lines stay whole, and each carries the request of its own thread. */
static void test_threads(void **state)
{
    (void)state;
    pthread_t threads[4];
    char ids[4][2] = {"a", "b", "c", "d"};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_many, ids[i]), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    struct str rest = str_from_c(read_sink()), line;
    int lines = 0;
    while (str_cut(rest, '\n', &line, &rest)) {
        struct str time, level, id, text;
        assert_true(str_cut(line, ' ', &time, &text));
        assert_true(str_cut(text, ' ', &level, &text));
        assert_true(str_cut(text, ' ', &id, &text));
        assert_true(str_eq(level, STR("INFO")));
        assert_true(id.len == 3 && str_starts_with(text, STR("from ")) && text.len == 6);
        assert_int_equal(id.ptr[1], text.ptr[5]);
        lines++;
    }
    assert_int_equal(lines, 400);
}

static RESULT fails(void)
{
    return FAULT("number %d", 5);
}

static RESULT passes_on(int *reached)
{
    TRY(RESULT_OK);
    TRY(fails());
    *reached = 1;
    return RESULT_OK;
}

static void test_fault(void **state)
{
    (void)state;
    int reached = 0;
    assert_int_equal(passes_on(&reached), RESULT_FAULT);
    assert_int_equal(reached, 0);
    const char *text = after_time(read_sink());
    assert_non_null(strstr(text, "ERROR "));
    assert_non_null(strstr(text, "test_base_log.c:"));
    assert_non_null(strstr(text, ": number 5\n"));
}

static void test_assertion(void **state)
{
    (void)state;
    ASSERT(sink != NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        ASSERT(sink == NULL);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(read_sink(), "assertion failed: sink == NULL\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_line, open_sink, close_sink),
        cmocka_unit_test_setup_teardown(test_request_id, open_sink, close_sink),
        cmocka_unit_test_setup_teardown(test_levels, open_sink, close_sink),
        cmocka_unit_test_setup_teardown(test_control_characters, open_sink, close_sink),
        cmocka_unit_test_setup_teardown(test_long_line, open_sink, close_sink),
        cmocka_unit_test_setup_teardown(test_threads, open_sink, close_sink),
        cmocka_unit_test_setup_teardown(test_fault, open_sink, close_sink),
        cmocka_unit_test_setup_teardown(test_assertion, open_sink, close_sink),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
