#include "cloud/clock.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "base/time.h"
#include "store/key.h"

/* "Authenticating Requests: Using Query Parameters": seven days at most. */
enum { MOVES_MAX = 64, MOVES_AGE_MS = 7 * 24 * 3600 * 1000 };

/* The clock was moved: when by the machine's, and the offset until then. */
struct move {
    int64_t machine_ms;
    int64_t before_ms;
};

struct clock {
    struct kv *kv;
    pthread_mutex_t lock; /* of the moves */
    struct move moves[MOVES_MAX];
    size_t move_count;
    _Atomic int64_t signed_ms; /* the latest that clock_note_signed() was told */
    _Atomic int64_t offset_ms;
    _Atomic int64_t frozen_ms; /* 0: runs */
};

static struct key clock_key(struct arena *arena)
{
    struct key key;
    key_init(&key, arena);
    key_str(&key, STR("cloud"));
    key_str(&key, STR("clock"));
    return key;
}

/* OFFSET, and " MACHINE BEFORE" for each move. */
static bool clock_read(struct clock *clock, struct str text)
{
    struct str word, rest = text;
    int64_t offset;
    str_cut(rest, ' ', &word, &rest);
    if (!str_to_i64(word, &offset))
        return false;
    clock->offset_ms = offset;
    while (!str_is_absent(rest) && clock->move_count < MOVES_MAX) {
        struct move *move = &clock->moves[clock->move_count++];
        str_cut(rest, ' ', &word, &rest);
        if (!str_to_i64(word, &move->machine_ms))
            return false;
        str_cut(rest, ' ', &word, &rest);
        if (!str_to_i64(word, &move->before_ms))
            return false;
    }
    return true;
}

static RESULT clock_load(struct clock *clock, struct kv *kv)
{
    struct kv_txn *txn;
    struct str value;
    TRY(kv_begin(kv, false, &txn));
    struct key key = clock_key(NULL);
    enum result result = kv_get(txn, key_bytes(&key), &value);
    if (result == RESULT_OK && !str_is_absent(value) && !clock_read(clock, value))
        result = FAULT("the clock's offset in the store is not a number");
    kv_abort(txn);
    return result;
}

static void clock_end(void *context)
{
    pthread_mutex_destroy(&((struct clock *)context)->lock);
}

RESULT clock_open(struct arena *arena, struct kv *kv, struct clock **out)
{
    struct clock *clock = ARENA_NEW(arena, struct clock);
    clock->kv = kv;
    pthread_mutex_init(&clock->lock, NULL);
    arena_on_reset(arena, clock_end, clock);
    TRY(clock_load(clock, kv));
    *out = clock;
    return RESULT_OK;
}

int64_t clock_now(const struct clock *clock)
{
    int64_t frozen = clock->frozen_ms;
    return (frozen != 0 ? frozen : time_wall_ms()) + clock->offset_ms;
}

int64_t clock_offset_ms(const struct clock *clock)
{
    return clock->offset_ms;
}

int64_t clock_offset_at(struct clock *clock, int64_t machine_ms)
{
    int64_t offset = clock->offset_ms;
    pthread_mutex_lock(&clock->lock);
    for (size_t i = clock->move_count; i-- > 0 && machine_ms < clock->moves[i].machine_ms;)
        offset = clock->moves[i].before_ms;
    pthread_mutex_unlock(&clock->lock);
    return offset;
}

void clock_note_signed(struct clock *clock, int64_t machine_ms)
{
    int64_t latest = atomic_load_explicit(&clock->signed_ms, memory_order_relaxed);
    while (machine_ms > latest &&
           !atomic_compare_exchange_weak(&clock->signed_ms, &latest, machine_ms))
        ;
}

int64_t clock_settles_ms(struct clock *clock)
{
    pthread_mutex_lock(&clock->lock);
    int64_t now = clock_now(clock) - clock->offset_ms;
    int64_t last = clock->move_count == 0 ? 0 : clock->moves[clock->move_count - 1].machine_ms;
    pthread_mutex_unlock(&clock->lock);
    return last > now ? last - now : 0;
}

/* The oldest are forgotten. */
static void clock_note(struct clock *clock)
{
    int64_t machine_ms = clock_now(clock) - clock->offset_ms;
    size_t drop = 0;
    while (drop < clock->move_count && (clock->move_count - drop == MOVES_MAX ||
                                        clock->moves[drop].machine_ms < machine_ms - MOVES_AGE_MS))
        drop++;
    clock->move_count -= drop;
    memmove(clock->moves, clock->moves + drop, clock->move_count * sizeof clock->moves[0]);
    int64_t second = machine_ms - machine_ms % 1000;
    clock->moves[clock->move_count++] =
        (struct move){clock->signed_ms >= second ? second + 1000 : second, clock->offset_ms};
}

static RESULT clock_store(struct clock *clock, int64_t offset)
{
    char text[(2 * MOVES_MAX + 1) * 21];
    struct buf value;
    struct kv_txn *txn;
    buf_init_fixed(&value, text, sizeof text);
    buf_append_i64(&value, offset);
    for (size_t i = 0; i < clock->move_count; i++)
        buf_append_format(&value, " %lld %lld", (long long)clock->moves[i].machine_ms,
                          (long long)clock->moves[i].before_ms);
    TRY(kv_begin(clock->kv, true, &txn));
    struct key key = clock_key(NULL);
    enum result result = kv_put(txn, key_bytes(&key), buf_str(&value));
    if (result == RESULT_OK)
        return kv_commit(txn);
    kv_abort(txn);
    return result;
}

RESULT clock_advance(struct clock *clock, int64_t ms)
{
    ASSERT(ms >= 0);
    pthread_mutex_lock(&clock->lock);
    clock_note(clock);
    enum result result = clock_store(clock, clock->offset_ms + ms);
    if (result == RESULT_OK)
        clock->offset_ms += ms;
    pthread_mutex_unlock(&clock->lock);
    return result;
}

void clock_freeze(struct clock *clock, int64_t at_ms)
{
    clock->frozen_ms = at_ms - clock->offset_ms;
}
