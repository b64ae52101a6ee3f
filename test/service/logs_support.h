/* What tests of CloudWatch Logs share. */
#ifndef KUMONIWA_TEST_SERVICE_LOGS_SUPPORT_H
#define KUMONIWA_TEST_SERVICE_LOGS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "gen/logs.h"
#include "server/server.h"
#include "support/loopback.h"
#include "wire/wire.h"

#define LOGS_CALL(lo, operation, ...)                                                              \
    loopback_call((lo), &logs_model, LOGS_OP_##operation,                                          \
                  &(struct logs_##operation##Request){__VA_ARGS__})
#define LOGS_OK(lo, operation, ...)                                                                \
    ((const struct logs_##operation##Response *)loopback_ok(                                       \
        LOGS_CALL((lo), operation, __VA_ARGS__)))
#define LOGS_FAILS(lo, code, message, operation, ...)                                              \
    loopback_error(LOGS_CALL((lo), operation, __VA_ARGS__), (code), (message))
/* Of operations that answer nothing. */
#define LOGS_DO(lo, operation, ...) ((void)loopback_ok(LOGS_CALL((lo), operation, __VA_ARGS__)))

static inline int logs_setup(void **state)
{
    struct loopback *lo = heap_alloc(sizeof *lo);
    loopback_open(lo);
    *state = lo;
    return 0;
}

static inline int logs_teardown(void **state)
{
    loopback_close(*state);
    heap_free(*state);
    return 0;
}
#define LOGS_TEST(function) cmocka_unit_test_setup_teardown(function, logs_setup, logs_teardown)

static inline void logs_put(struct loopback *lo, const char *stream, int64_t ms, const char *text)
{
    struct logs_InputLogEvent event = {.timestamp = opt_long(ms), .message = str_from_c(text)};
    LOGS_OK(lo, PutLogEvents, .logGroupName = STR("g"), .logStreamName = str_from_c(stream),
            .logEvents = {&event, 1});
}

/* What the page of metrics shows. */
static inline struct str logs_metrics(struct loopback *lo)
{
    const struct service_page *page = NULL;
    for (size_t i = 0; server_services[i] != NULL; i++)
        for (size_t at = 0; at < server_services[i]->page_count; at++)
            if (str_eq(server_services[i]->pages[at].path, STR("/_kumoniwa/logs/metrics")))
                page = &server_services[i]->pages[at];
    assert_non_null(page);
    struct wire_request request = {.path = page->path};
    struct wire_response response = {0};
    struct call call = {.arena = lo->arena,
                        .cloud = lo->cloud,
                        .model = &logs_model,
                        .request = &request,
                        .partition = STR("aws")};
    assert_int_equal(kv_begin(lo->cloud->kv, false, &call.txn), RESULT_OK);
    assert_int_equal(page->answer(&call, &response), RESULT_OK);
    struct str body = str_copy(lo->arena, response.body);
    kv_abort(call.txn);
    return body;
}

#endif
