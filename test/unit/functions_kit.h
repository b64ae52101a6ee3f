/* Execution environments with a runtime of our own making, for tests: a bootstrap in Python that
 * does what the event says, and an extension. */
#ifndef KUMONIWA_TEST_UNIT_FUNCTIONS_KIT_H
#define KUMONIWA_TEST_UNIT_FUNCTIONS_KIT_H

#include <pthread.h>

#include "base/arena.h"
#include "functions/functions.h"
#include "sandbox/sandbox.h"

#define KIT_LOG_ROOM (1 << 20)

struct fixture {
    struct arena *arena;
    struct sandbox_host *host;
    struct functions *functions;
    char directory[64];
    pthread_mutex_t lock;
    char log[KIT_LOG_ROOM];
    size_t length;
    uint64_t lines;
    int woken;
    pthread_cond_t wake;
    /* What is started on the machine's network asks for the cloud's endpoint, without the
     * functions' lock: `gated` holds the engine's thread there until as many are `admitted` as
     * have `asked`. */
    bool gated;
    unsigned asked, admitted;
};

extern const struct function_limits kit_no_limits;

/* cmocka's; without sandboxes fixture->functions stays NULL. */
int kit_setup(void **state);
int kit_teardown(void **state);
/* Holds a spec of that key. */
bool kit_begin(void **state, const char *key);
struct function_spec kit_make_spec(struct fixture *fixture, const char *key);
struct function_event kit_make_event(struct fixture *fixture, const char *code);
struct function_run *kit_start(struct fixture *fixture, const char *key, const char *code);
/* One more gets past the gate; until `asked` have come to it, a minute at most. */
void kit_admit(struct fixture *fixture);
void kit_await_asked(struct fixture *fixture, unsigned asked);
/* What waits for /var/task/go goes on; needs no descriptor. */
#define KIT_WAIT "while not os.path.exists('/var/task/go'): time.sleep(0.01)\n"
void kit_let_go(struct fixture *fixture);
/* Until so many environments are busy, or there are at most so many; a minute at most. */
bool kit_comes_to_busy(struct fixture *fixture, unsigned busy);
bool kit_comes_down_to(struct fixture *fixture, unsigned environments);
/* Until it has ended, a minute at most. */
const struct function_result *kit_await(struct fixture *fixture, struct function_run *run);
/* tail: NULL or a part of it. */
void kit_expect_failure(struct fixture *fixture, const char *key, const char *code,
                        const char *payload, const char *tail);
void kit_take_log(void *context, const struct function_log *line);
int64_t kit_now_ms(void *context);
/* What has been logged by now. */
struct str kit_log_text(struct fixture *fixture);
bool kit_holds(struct str text, const char *part);
void kit_expect(struct str text, const char *part);

#endif
