/* For the tests of functions/: an engine with a sandbox host, functions that do what their event
 * says, and what they log. */
#ifndef KUMONIWA_TEST_FUNCTIONS_SUPPORT_H
#define KUMONIWA_TEST_FUNCTIONS_SUPPORT_H

#include <pthread.h>

#include "base/arena.h"
#include "base/str.h"
#include "functions/functions.h"

#define LOG_ROOM (1 << 20)

struct fixture {
    struct arena *arena;
    struct sandbox_host *host;
    struct functions *functions;
    char directory[64];
    pthread_mutex_t lock;
    char log[LOG_ROOM];
    size_t length;
    uint64_t lines;
    int woken;
    pthread_cond_t wake;
};

extern const struct function_limits no_limits;

/* What has been logged by now. */
struct str log_text(struct fixture *fixture);
/* cmocka's. Without sandboxes here `functions` stays NULL, and begin() skips. */
int setup(void **state);
int teardown(void **state);
struct function_spec make_spec(struct fixture *fixture, const char *key);
/* `code` is Python that the function runs. */
struct function_event make_event(struct fixture *fixture, const char *code);
struct function_run *start(struct fixture *fixture, const char *key, const char *code);
/* Its result, or what it is after 30 s. */
const struct function_result *await(struct fixture *fixture, struct function_run *run);
bool holds(struct str text, const char *part);
/* Fails the test unless the text has the part. */
void expect(struct str text, const char *part);
/* Holds a spec under the key and forgets the log; skips the test where sandboxes do not work. */
bool begin(void **state, const char *key);
/* Fails the test unless the run of the code fails, and says so. */
void expect_failure(struct fixture *fixture, const char *key, const char *code, const char *payload,
                    const char *tail);

/* What an engine is started with. */
int64_t now_ms(void *context);
void take_log(void *context, const struct function_log *line);

#endif
