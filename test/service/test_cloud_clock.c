/* The cloud's clock: what it was when, across its moves and a restart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cloud/clock.h"
#include "support/loopback.h"

enum { SECOND = 1000, HOUR = 3600 * SECOND, DAY = 24 * HOUR };

/* The machine's clock goes on. */
static void pass(struct clock *clock, int64_t ms)
{
    clock_freeze(clock, clock_now(clock) + ms);
}

static void check(struct clock *clock, int64_t start)
{
    assert_int_equal(clock_offset_at(clock, 0), 0);
    assert_int_equal(clock_offset_at(clock, start - 1), 0);
    assert_int_equal(clock_offset_at(clock, start), HOUR);
    assert_int_equal(clock_offset_at(clock, start + 9 * SECOND), HOUR);
    assert_int_equal(clock_offset_at(clock, start + 10 * SECOND), 3 * HOUR);
    assert_int_equal(clock_offset_at(clock, start + DAY), 3 * HOUR);
}

static void test_offsets_of_the_past(void **state)
{
    (void)state;
    struct loopback lo = {.protocol = WIRE_PROTOCOL_JSON};
    loopback_open(&lo);
    struct clock *clock = lo.cloud->clock, *again;
    int64_t start = clock_now(clock) / SECOND * SECOND;
    clock_freeze(clock, start);
    assert_int_equal(clock_offset_at(clock, start), 0);
    assert_int_equal(clock_advance(clock, HOUR), RESULT_OK);
    pass(clock, 10 * SECOND);
    assert_int_equal(clock_advance(clock, 2 * HOUR), RESULT_OK);
    check(clock, start);
    assert_int_equal(clock_open(lo.arena, lo.cloud->kv, &again), RESULT_OK);
    assert_int_equal(clock_offset_ms(again), 3 * HOUR);
    check(again, start);
    loopback_close(&lo);
}

/* Dates of signatures have whole seconds. */
static void test_the_second_of_a_move(void **state)
{
    (void)state;
    struct loopback lo = {.protocol = WIRE_PROTOCOL_JSON};
    loopback_open(&lo);
    struct clock *clock = lo.cloud->clock;
    int64_t start = clock_now(clock) / SECOND * SECOND;
    clock_freeze(clock, start + 400);
    assert_int_equal(clock_advance(clock, HOUR), RESULT_OK);
    assert_int_equal(clock_offset_at(clock, start), HOUR);
    assert_int_equal(clock_settles_ms(clock), 0);
    pass(clock, SECOND);
    clock_note_signed(clock, start + SECOND);
    assert_int_equal(clock_advance(clock, HOUR), RESULT_OK);
    assert_int_equal(clock_offset_at(clock, start + SECOND), HOUR);
    assert_int_equal(clock_offset_at(clock, start + 2 * SECOND), 2 * HOUR);
    assert_int_equal(clock_settles_ms(clock), 600);
    loopback_close(&lo);
}

/* The oldest moves are forgotten: what was before them counts as what was just before the first. */
static void test_many_moves(void **state)
{
    (void)state;
    struct loopback lo = {.protocol = WIRE_PROTOCOL_JSON};
    loopback_open(&lo);
    struct clock *clock = lo.cloud->clock;
    int64_t start = clock_now(clock) / SECOND * SECOND;
    clock_freeze(clock, start);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(clock_advance(clock, HOUR), RESULT_OK);
        pass(clock, SECOND);
    }
    assert_int_equal(clock_offset_at(clock, start + 150 * SECOND), 151 * HOUR);
    assert_int_equal(clock_offset_at(clock, start + 199 * SECOND), 200 * HOUR);
    assert_int_equal(clock_offset_at(clock, start), 136 * HOUR);
    pass(clock, 8 * (int64_t)DAY);
    assert_int_equal(clock_advance(clock, HOUR), RESULT_OK);
    assert_int_equal(clock_offset_at(clock, start), 200 * HOUR);
    loopback_close(&lo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offsets_of_the_past),
        cmocka_unit_test(test_the_second_of_a_move),
        cmocka_unit_test(test_many_moves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
