#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/vec.h"

#if defined(__SANITIZE_ADDRESS__)
#define UNDER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_ASAN 1
#endif
#endif
#ifdef UNDER_ASAN
#include <sanitizer/asan_interface.h>
#endif

static void test_zeroed_and_aligned(void **state)
{
    (void)state;
    struct arena *arena = arena_new(256);
    for (size_t size = 0; size < 5000; size += 7) {
        unsigned char *memory = arena_alloc(arena, size);
        assert_int_equal((uintptr_t)memory % 16, 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(memory[i], 0);
        memset(memory, 0xa5, size);
    }
    arena_free(arena);
}

/* Every allocation keeps what was written into it, whatever comes after. */
static void test_no_overlap(void **state)
{
    (void)state;
    enum { COUNT = 400 };
    struct arena *arena = arena_new(0);
    unsigned char *memory[COUNT];
    size_t sizes[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        sizes[i] = i % 50 == 0 ? i * 700 : i * 37 % 900;
        memory[i] = arena_alloc_raw(arena, sizes[i]);
        memset(memory[i], (int)(i & 255), sizes[i]);
    }
    for (size_t i = 0; i < COUNT; i++)
        for (size_t j = 0; j < sizes[i]; j++)
            assert_int_equal(memory[i][j], i & 255);
    arena_free(arena);
}

static void test_empty_allocations_differ(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    char *a = arena_alloc(arena, 0);
    char *b = arena_alloc(arena, 0);
    assert_ptr_not_equal(a, b);
    char *grown = arena_grow(arena, a, 0, 32);
    memset(grown, 1, 32);
    arena_free(arena);
}

static void test_grow(void **state)
{
    (void)state;
    struct arena *arena = arena_new(512);
    char *text = arena_grow(arena, NULL, 0, 10);
    memcpy(text, "0123456789", 10);
    char *longer = arena_grow(arena, text, 10, 100);
    assert_ptr_equal(longer, text); /* the newest: in place */
    assert_ptr_equal(arena_grow(arena, longer, 100, 50), longer);
    arena_alloc(arena, 1);
    char *moved = arena_grow(arena, longer, 100, 120);
    assert_ptr_not_equal(moved, longer);
    assert_memory_equal(moved, "0123456789", 10);
    assert_memory_equal(longer, "0123456789", 10); /* the old copy stays */
    char *large = arena_grow(arena, moved, 120, 200000);
    assert_memory_equal(large, "0123456789", 10);
    memset(large, 1, 200000);
    char *larger = arena_grow(arena, large, 200000, 400000);
    assert_int_equal(larger[199999], 1);
    memset(larger, 2, 400000);
    arena_free(arena);
}

static void test_reset_keeps_first_chunk(void **state)
{
    (void)state;
    struct arena *arena = arena_new(1024);
    size_t fresh = arena_footprint(arena);
    assert_in_range(fresh, 1024, 1024 + 256);
    char *first = arena_alloc(arena, 100);
    for (int i = 0; i < 100; i++)
        arena_alloc(arena, 3000);
    arena_alloc(arena, 1000000);
    assert_true(arena_footprint(arena) > 1300000);
    arena_reset(arena);
    assert_int_equal(arena_footprint(arena), fresh);
    assert_ptr_equal(arena_alloc(arena, 100), first);
    arena_free(arena);
}

/* Chunks double to 64 KiB: a megabyte of small things takes few of them and little more than
 * itself. */
static void test_chunk_growth(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    for (int i = 0; i < 4096; i++)
        arena_alloc_raw(arena, 256 - 32);
    size_t most = 4096 * 256 + 3 * 65536;
    assert_true(arena_footprint(arena) <= most);
    /* A large request leaves the open chunk open. */
    char *before = arena_alloc_raw(arena, 16);
    arena_alloc_raw(arena, 500000);
    char *after = arena_alloc_raw(arena, 16);
    assert_true(after > before && after - before <= 64);
    arena_free(arena);
}

struct journal {
    int len;
    int entries[16];
};
struct entry {
    struct journal *journal;
    int number;
    struct arena *arena;
};

static void write_entry(void *context)
{
    struct entry *entry = context;
    entry->journal->entries[entry->journal->len++] = entry->number;
}

static void write_entry_and_allocate(void *context)
{
    struct entry *entry = context;
    memset(arena_alloc(entry->arena, 5000), 1, 5000);
    write_entry(context);
}

static void test_actions_run_in_reverse(void **state)
{
    (void)state;
    struct journal journal = {0};
    struct arena *arena = arena_new(0);
    struct entry entries[] = {{&journal, 0, arena}, {&journal, 1, arena}, {&journal, 2, arena}};
    arena_on_reset(arena, write_entry, &entries[0]);
    arena_on_reset(arena, write_entry_and_allocate, &entries[1]);
    arena_on_reset(arena, write_entry, &entries[2]);
    arena_reset(arena);
    assert_int_equal(journal.len, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(journal.entries[i], 2 - i);
    arena_reset(arena); /* nothing runs twice */
    assert_int_equal(journal.len, 3);
    arena_on_reset(arena, write_entry, &entries[0]);
    arena_free(arena);
    assert_int_equal(journal.len, 4);
}

static void test_children(void **state)
{
    (void)state;
    struct journal journal = {0};
    struct arena *root = arena_new(0);
    struct entry entries[5];
    for (int i = 0; i < 5; i++)
        entries[i] = (struct entry){&journal, i, NULL};
    struct arena *first = arena_new_child(root);
    struct arena *second = arena_new_child(root);
    struct arena *third = arena_new_child(root);
    struct arena *grandchild = arena_new_child(second);
    arena_on_reset(root, write_entry, &entries[0]);
    arena_on_reset(first, write_entry, &entries[1]);
    arena_on_reset(second, write_entry, &entries[2]);
    arena_on_reset(third, write_entry, &entries[3]);
    arena_on_reset(grandchild, write_entry, &entries[4]);
    size_t before = arena_footprint(root);
    arena_alloc(grandchild, 100000);
    assert_true(arena_footprint(root) >= before + 100000);

    arena_free(second); /* from the middle of the list */
    assert_int_equal(journal.len, 2);
    assert_int_equal(journal.entries[0], 4);
    assert_int_equal(journal.entries[1], 2);
    arena_reset(root); /* frees the others */
    assert_int_equal(journal.len, 5);
    assert_int_equal(journal.entries[4], 0); /* the children first */
    arena_new_child(root);
    arena_free(root);
    arena_free(NULL);
}

static void overflow_array(void)
{
    struct arena *arena = arena_new(0);
    arena_alloc_array(arena, SIZE_MAX / 2, 3);
}

static void overflow_alloc(void)
{
    struct arena *arena = arena_new(0);
    volatile size_t size = SIZE_MAX - 5;
    arena_alloc_raw(arena, size);
}

static int end_of(void (*run)(void))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(STDERR_FILENO);
        run();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void test_overflow_ends_the_process(void **state)
{
    (void)state;
    assert_int_not_equal(end_of(overflow_array), 0);
    assert_int_not_equal(end_of(overflow_alloc), 0);
}

#ifdef UNDER_ASAN
static void test_poison(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    char *a = arena_alloc(arena, 13);
    char *b = arena_alloc(arena, 8);
    assert_false(__asan_address_is_poisoned(a + 12));
    assert_true(__asan_address_is_poisoned(a - 1));
    assert_true(__asan_address_is_poisoned(a + 13));
    assert_true(__asan_address_is_poisoned(b - 1));
    assert_true(__asan_address_is_poisoned(b + 8));
    char *large = arena_alloc(arena, 100000);
    assert_true(__asan_address_is_poisoned(large - 1));
    assert_true(__asan_address_is_poisoned(large + 100000));
    arena_reset(arena);
    assert_true(__asan_address_is_poisoned(a));
    assert_true(__asan_address_is_poisoned(b));
    arena_free(arena);
}
#endif

static void test_heap(void **state)
{
    (void)state;
    char *memory = heap_alloc(100);
    for (int i = 0; i < 100; i++)
        assert_int_equal(memory[i], 0);
    memory[99] = 7;
    memory = heap_grow(memory, 1000);
    assert_int_equal(memory[99], 7);
    heap_free(memory);
    heap_free(heap_alloc(0));
    heap_free(NULL);
}

struct numbers {
    int *items;
    size_t len;
};

static void test_vec(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct numbers list = {0};
    size_t cap = 0;
    for (int i = 0; i < 10000; i++)
        VEC_PUSH(arena, list.items, list.len, cap, i);
    assert_int_equal(list.len, 10000);
    for (int i = 0; i < 10000; i++)
        assert_int_equal(list.items[i], i);
    assert_in_range(cap, 10000, 20000);

    /* A list that came from elsewhere, with no capacity known. */
    int elsewhere[3] = {1, 2, 3};
    list = (struct numbers){.items = elsewhere, .len = 3};
    cap = 0;
    VEC_PUSH(arena, list.items, list.len, cap, 4);
    assert_ptr_not_equal(list.items, elsewhere);
    for (int i = 0; i < 4; i++)
        assert_int_equal(list.items[i], i + 1);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zeroed_and_aligned),
        cmocka_unit_test(test_no_overlap),
        cmocka_unit_test(test_empty_allocations_differ),
        cmocka_unit_test(test_grow),
        cmocka_unit_test(test_reset_keeps_first_chunk),
        cmocka_unit_test(test_chunk_growth),
        cmocka_unit_test(test_actions_run_in_reverse),
        cmocka_unit_test(test_children),
        cmocka_unit_test(test_overflow_ends_the_process),
#ifdef UNDER_ASAN
        cmocka_unit_test(test_poison),
#endif
        cmocka_unit_test(test_heap),
        cmocka_unit_test(test_vec),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
