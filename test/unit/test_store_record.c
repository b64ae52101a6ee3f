/* Records: every form there and back, through changes of their shape, and broken in every place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>

#include "base/arena.h"
#include "store/record.h"
#include "support/record_shapes.h"

static struct str encode(struct arena *arena, uint16_t shape, const void *record)
{
    struct buf buf;
    buf_init(&buf, arena, 1 << 24);
    assert_int_equal(record_encode(&buf, &record_model, shape, record), RESULT_OK);
    return buf_str(&buf);
}

static void assert_str(struct str actual, struct str expected)
{
    assert_true(actual.ptr != NULL);
    assert_int_equal(actual.len, expected.len);
    assert_memory_equal(actual.ptr, expected.ptr, expected.len);
}

static void fill(struct arena *arena, struct rich *rich)
{
    static char large[1000];
    memset(large, 'L', sizeof(large));
    *rich = (struct rich){
        .text = STR("text"),
        .blob = STR("\0\1\2"),
        .document = STR("{\"a\": [1]}"),
        .big_number = STR("123456789012345678901234567890.5"),
        .flag = opt_bool(false),
        .byte = opt_int(-128),
        .small = opt_int(32767),
        .number = opt_int(INT32_MIN),
        .big = opt_long(INT64_MIN),
        .single = opt_double(0.1f),
        .twice = opt_double(-1e300),
        .when = opt_time(INT64_MAX),
        .plain_number = -1,
        .plain_time = 1700000000000,
        .plain_double = -0.0,
        .plain_flag = true,
    };
    rich->child = ARENA_NEW(arena, struct inner);
    rich->child->name = STR("");
    rich->child->next = ARENA_NEW(arena, struct inner);
    rich->child->next->name = str_make(large, sizeof(large));
    rich->texts.len = 3;
    rich->texts.items = ARENA_ARRAY(arena, 3, struct str);
    rich->texts.items[0] = STR("a");
    rich->texts.items[2] = STR(""); /* [1] is absent */
    rich->numbers.len = 300;
    rich->numbers.items = ARENA_ARRAY(arena, 300, struct opt_int);
    for (int i = 0; i < 300; i++)
        rich->numbers.items[i] = opt_int(i * 1000);
    rich->children.len = 2;
    rich->children.items = ARENA_ARRAY(arena, 2, struct inner);
    rich->children.items[1].number = opt_long(7);
    rich->nested.len = 2;
    rich->nested.items = ARENA_ARRAY(arena, 2, struct str_list);
    rich->nested.items[1] = rich->texts; /* [0] is absent */
    rich->plain_numbers.len = 2;
    rich->plain_numbers.items = ARENA_ARRAY(arena, 2, int64_t);
    rich->plain_numbers.items[1] = INT64_MAX;
    rich->text_map.items = ARENA_ARRAY(arena, 1, struct text_entry); /* present and empty */
    rich->number_map.len = 2;
    rich->number_map.items = ARENA_ARRAY(arena, 2, struct number_entry);
    rich->number_map.items[0] = (struct number_entry){STR("one"), opt_int(1)};
    rich->number_map.items[1].key = STR("none");
    rich->inner_map.len = 1;
    rich->inner_map.items = ARENA_ARRAY(arena, 1, struct inner_entry);
    rich->inner_map.items[0] = (struct inner_entry){STR("k"), {.name = STR("in a map")}};
    rich->texts_map.len = 1;
    rich->texts_map.items = ARENA_ARRAY(arena, 1, struct texts_entry);
    rich->texts_map.items[0] = (struct texts_entry){STR("list"), rich->texts};
}

static void check(const struct rich *rich)
{
    assert_str(rich->text, STR("text"));
    assert_str(rich->blob, STR("\0\1\2"));
    assert_str(rich->document, STR("{\"a\": [1]}"));
    assert_str(rich->big_number, STR("123456789012345678901234567890.5"));
    assert_true(rich->flag.set && !rich->flag.value);
    assert_true(rich->byte.set && rich->byte.value == -128);
    assert_true(rich->small.set && rich->small.value == 32767);
    assert_true(rich->number.set && rich->number.value == INT32_MIN);
    assert_true(rich->big.set && rich->big.value == INT64_MIN);
    assert_true(rich->single.set && (float)rich->single.value == 0.1f);
    assert_true(rich->twice.set && rich->twice.value == -1e300);
    assert_true(rich->when.set && rich->when.ms == INT64_MAX);
    assert_true(rich->plain_number == -1 && rich->plain_time == 1700000000000);
    assert_true(rich->plain_double == 0 && __builtin_signbit(rich->plain_double));
    assert_true(rich->plain_flag);
    assert_str(rich->child->name, STR(""));
    assert_false(rich->child->number.set);
    assert_int_equal(rich->child->next->name.len, 1000);
    assert_null(rich->child->next->next);
    assert_int_equal(rich->texts.len, 3);
    assert_str(rich->texts.items[0], STR("a"));
    assert_null(rich->texts.items[1].ptr);
    assert_str(rich->texts.items[2], STR(""));
    assert_int_equal(rich->numbers.len, 300);
    for (int i = 0; i < 300; i++)
        assert_true(rich->numbers.items[i].set && rich->numbers.items[i].value == i * 1000);
    assert_int_equal(rich->children.len, 2);
    assert_null(rich->children.items[0].name.ptr);
    assert_true(rich->children.items[1].number.value == 7);
    assert_int_equal(rich->nested.len, 2);
    assert_null(rich->nested.items[0].items);
    assert_str(rich->nested.items[1].items[0], STR("a"));
    assert_int_equal(rich->plain_numbers.len, 2);
    assert_true(rich->plain_numbers.items[0] == 0 && rich->plain_numbers.items[1] == INT64_MAX);
    assert_non_null(rich->text_map.items);
    assert_int_equal(rich->text_map.len, 0);
    assert_int_equal(rich->number_map.len, 2);
    assert_str(rich->number_map.items[0].key, STR("one"));
    assert_true(rich->number_map.items[0].value.value == 1);
    assert_str(rich->number_map.items[1].key, STR("none"));
    assert_false(rich->number_map.items[1].value.set);
    assert_str(rich->inner_map.items[0].value.name, STR("in a map"));
    assert_int_equal(rich->texts_map.items[0].value.len, 3);
}

static void every_form_comes_back(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct rich rich, back;
    fill(arena, &rich);
    struct str bytes = encode(arena, SHAPE_RICH, &rich);
    memset(&back, 0xee, sizeof(back));
    assert_int_equal(record_decode(arena, &record_model, SHAPE_RICH, bytes, &back), RESULT_OK);
    check(&back);
    assert_true(back.text.ptr >= bytes.ptr && back.text.ptr < bytes.ptr + bytes.len);

    /* A copy outlives the bytes. */
    char *gone = heap_alloc(bytes.len);
    memcpy(gone, bytes.ptr, bytes.len);
    assert_int_equal(
        record_decode_copy(arena, &record_model, SHAPE_RICH, str_make(gone, bytes.len), &back),
        RESULT_OK);
    heap_free(gone);
    check(&back);

    /* What was decoded encodes to the same bytes. */
    assert_str(encode(arena, SHAPE_RICH, &back), bytes);
    arena_free(arena);
}

static void an_empty_record_is_a_byte(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct rich rich = {0}, back;
    struct str bytes = encode(arena, SHAPE_RICH, &rich);
    assert_int_equal(bytes.len, 1);
    assert_int_equal(record_decode(arena, &record_model, SHAPE_RICH, bytes, &back), RESULT_OK);
    assert_memory_equal(&rich, &back, sizeof(rich));
    struct buf small;
    char memory[3];
    buf_init_fixed(&small, memory, sizeof(memory));
    rich.text = STR("too long");
    assert_int_equal(record_encode(&small, &record_model, SHAPE_RICH, &rich), RESULT_FULL);
    arena_free(arena);
}

static void records_outlive_their_shapes(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct inner child = {.name = STR("child")};
    struct opt_int numbers[] = {opt_int(1), opt_int(-2)};
    struct first_form first = {
        .name = STR("n"),
        .count = opt_int(-5),
        .size = opt_long(INT64_C(1) << 40),
        .digits = STR("-77"),
        .words = STR("seventy"),
        .flag = opt_bool(true),
        .ratio = opt_double(3),
        .child = &child,
        .list = {numbers, 2},
        .dropped = STR("gone"),
    };
    struct second_form second;
    struct str bytes = encode(arena, SHAPE_FIRST, &first);
    assert_int_equal(record_decode(arena, &record_model, SHAPE_SECOND, bytes, &second), RESULT_OK);
    assert_str(second.name, STR("n"));
    assert_false(second.added.set);
    assert_true(second.count.set && second.count.value == -5);
    assert_false(second.size.set); /* too large for an int */
    assert_true(second.digits.set && second.digits.value == -77);
    assert_false(second.words.set);
    assert_true(second.flag.set && second.flag.value == 1);
    assert_true(second.ratio.set && second.ratio.value == 3);
    assert_null(second.child.ptr);
    assert_int_equal(second.list.len, 2);
    assert_str(second.list.items[1], STR("-2"));

    /* And back: a newer program's record read by an older one. */
    second = (struct second_form){.added = opt_time(1),
                                  .count = opt_long(INT64_MAX),
                                  .size = opt_int(9),
                                  .digits = opt_long(42),
                                  .flag = opt_int(2),
                                  .ratio = opt_int(-1),
                                  .child = STR("not a structure"),
                                  .list = {(struct str[]){STR("10"), STR("x")}, 2}};
    bytes = encode(arena, SHAPE_SECOND, &second);
    assert_int_equal(record_decode(arena, &record_model, SHAPE_FIRST, bytes, &first), RESULT_OK);
    assert_null(first.name.ptr);
    assert_false(first.count.set);
    assert_true(first.size.set && first.size.value == 9);
    assert_str(first.digits, STR("42"));
    assert_false(first.flag.set);
    assert_true(first.ratio.set && first.ratio.value == -1.0);
    assert_null(first.child);
    assert_int_equal(first.list.len, 2);
    assert_true(first.list.items[0].value == 10 && !first.list.items[1].set);
    arena_free(arena);
}

/* Thousands of faults would be logged: standard error is put aside meanwhile. */
static int silence(void)
{
    int kept = dup(STDERR_FILENO);
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    assert_true(kept >= 0 && nowhere >= 0);
    dup2(nowhere, STDERR_FILENO);
    close(nowhere);
    return kept;
}

static void speak(int kept)
{
    dup2(kept, STDERR_FILENO);
    close(kept);
}

/* Cut at every length, and with every byte changed: a fault or a value, never a wild read. */
static void broken_bytes_do_no_harm(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct rich rich, back;
    fill(arena, &rich);
    rich.numbers.len = 20;
    rich.child = NULL;
    struct str bytes = encode(arena, SHAPE_RICH, &rich);
    struct arena *scratch = arena_new(0);
    int kept = silence();
    for (size_t len = 0; len < bytes.len; len++) {
        char *cut = heap_alloc(len + 1);
        memcpy(cut, bytes.ptr, len);
        enum result result =
            record_decode(scratch, &record_model, SHAPE_RICH, str_make(cut, len), &back);
        assert_true(result == RESULT_OK || result == RESULT_FAULT);
        heap_free(cut);
        arena_reset(scratch);
    }
    for (size_t at = 0; at < bytes.len; at++) {
        for (int bit = 0; bit < 8; bit++) {
            char *bad = heap_alloc(bytes.len);
            memcpy(bad, bytes.ptr, bytes.len);
            bad[at] = (char)(bad[at] ^ (1 << bit));
            enum result result =
                record_decode(scratch, &record_model, SHAPE_RICH, str_make(bad, bytes.len), &back);
            assert_true(result == RESULT_OK || result == RESULT_FAULT);
            if (result == RESULT_OK)
                encode(scratch, SHAPE_RICH, &back);
            heap_free(bad);
            arena_reset(scratch);
        }
    }
    speak(kept);
    arena_free(scratch);
    arena_free(arena);
}

static void too_deep_is_a_fault(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct inner top = {0};
    struct inner *inner = &top;
    for (int i = 0; i < 140; i++)
        inner = inner->next = ARENA_NEW(arena, struct inner);
    struct buf buf;
    buf_init(&buf, arena, 1 << 20);
    assert_int_equal(record_encode(&buf, &record_model, SHAPE_INNER, &top), RESULT_FAULT);

    /* From inside out: each level is the member before it, with a length of two bytes where one is
     * too few. */
    struct str deep = STR("");
    for (int i = 0; i < 140; i++) {
        struct buf level;
        buf_init(&level, arena, 1 << 20);
        buf_append_char(&level, 3 << 3 | 3);
        if (deep.len < 128) {
            buf_append_char(&level, (char)deep.len);
        } else {
            buf_append_char(&level, (char)(deep.len | 0x80));
            buf_append_char(&level, (char)(deep.len >> 7));
        }
        buf_append(&level, deep);
        deep = buf_str(&level);
        struct str bytes = str_concat(arena, STR("\1"), deep);
        assert_int_equal(record_decode(arena, &record_model, SHAPE_INNER, bytes, &top),
                         i < 128 ? RESULT_OK : RESULT_FAULT);
    }
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_comes_back),        cmocka_unit_test(an_empty_record_is_a_byte),
        cmocka_unit_test(records_outlive_their_shapes), cmocka_unit_test(broken_bytes_do_no_harm),
        cmocka_unit_test(too_deep_is_a_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
