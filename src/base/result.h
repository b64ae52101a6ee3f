/* What a function that can fail returns, and how a failure travels.
 *
 * Two kinds of failure exist. A *fault* is ours: it is logged where it happens and becomes a 500. A
 * modelled *error* is AWS's: call_fail() (src/cloud/call.h) has already recorded which one, and
 * RESULT_ERROR only says "stop here". RESULT_PARK and RESULT_RESTART are not failures but travel
 * the same way: the transaction is rolled back and the handler runs again later, or at once.
 *
 * Output parameters come last and are untouched unless RESULT_OK is returned. */
#ifndef KUMONIWA_BASE_RESULT_H
#define KUMONIWA_BASE_RESULT_H

enum result {
    RESULT_OK = 0,
    RESULT_FAULT,   /* a fault inside; logged by FAULT() */
    RESULT_ERROR,   /* a modelled error, recorded by call_fail() or by the parser's own error record
                     */
    RESULT_PARK,    /* the call waits for a topic or a deadline: see call_park() */
    RESULT_RESTART, /* a write was tried in a read-only transaction: run again in a writing one */
    RESULT_FULL,    /* the disk or a declared maximum is reached; nothing was changed */
};

/* Declares a function whose result must be looked at. */
#define RESULT __attribute__((warn_unused_result)) enum result

/* Leaves the enclosing function with any result but RESULT_OK. The only macro that returns. */
#define TRY(expression)                                                                            \
    do {                                                                                           \
        enum result try_result_ = (expression);                                                    \
        if (try_result_ != RESULT_OK)                                                              \
            return try_result_;                                                                    \
    } while (0)

/* Logs a fault with its place and yields RESULT_FAULT: return FAULT("mdb_put: %s", reason); */
#define FAULT(...) result_fault(__FILE__, __LINE__, __VA_ARGS__)
RESULT result_fault(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* An invariant. Stays in release builds, never judges input. Ends the process: what was
 * acknowledged is in the store. */
#define ASSERT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition))                                                                          \
            result_assertion_failed(__FILE__, __LINE__, #condition);                               \
    } while (0)
__attribute__((noreturn)) void result_assertion_failed(const char *file, int line,
                                                       const char *condition);

#endif
