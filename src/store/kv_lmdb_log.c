/* The log of values that stand apart: segments, one of which is open at its end. Nothing in it is
 * ever changed; a segment whose records nobody needs is written again from its beginning.
 *
 * Which records are needed the slots say. Each segment counts the bytes of those that are a slot's
 * newest version; where none is left it is *emptied*, and free once every reader has seen that.
 * While more than two fifths of the log are garbage, a thread brings what is needed of the emptiest
 * segment to the log's end. */
#include <errno.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "store/kv_lmdb_apart.h"

enum {
    BRING = 64 << 10,
    SWEEP_BYTES = 64 << 10, /* brought along in one transaction */
    SWEEP_RECORDS = 1024,   /* looked at in one */
    REST_MS = 10,           /* when readers are in the way */
    WORTH = 64 << 10,       /* less garbage in a segment is not worth the while */
};

struct record {
    uint64_t number, len;
};
_Static_assert(sizeof(struct record) == KV_LOG_HEAD, "a record's head");

RESULT kv_log_open(struct kv *kv, struct kv_apart *apart)
{
    bool exists;
    uint64_t most = (uint64_t)KV_SEGMENTS_MAX * KV_LOG_SEGMENT;
    uint64_t map = kv->space.map_size < most ? kv->space.map_size : most;
    return kv_apart_file(kv, "/kv.values", map, true, &apart->log, &exists);
}

bool kv_log_has_room(const struct kv_apart *apart)
{
    return (apart->head->log_segments + 2) * KV_LOG_SEGMENT <= apart->log.mapped;
}

void kv_log_measure(struct kv_apart *apart, uint64_t committed)
{
    uint64_t at = apart->head->log_at;
    uint64_t open = at == 0 ? UINT64_MAX : (at - 1) / KV_LOG_SEGMENT;
    apart->full_bytes = apart->full_live = 0;
    /* The open segment's pages come one by one after a start. */
    apart->brought = (at + BRING - 1) / BRING * BRING;
    apart->fresh = false;
    for (uint64_t i = 0; i < apart->head->log_segments; i++) {
        struct kv_segment *row = &apart->segments[i];
        if (row->state == KV_SEGMENT_OPEN && i != open)
            row->state = KV_SEGMENT_FULL;
        if (row->state != KV_SEGMENT_FULL)
            continue;
        if (row->live == 0) {
            row->state = KV_SEGMENT_EMPTIED;
            row->emptied = committed;
            continue;
        }
        apart->full_bytes += KV_LOG_SEGMENT;
        apart->full_live += row->live;
    }
}

static void emptied(struct kv_apart *apart, struct kv_segment *row, uint64_t version)
{
    apart->full_bytes -= KV_LOG_SEGMENT;
    apart->full_live -= row->live;
    row->live = 0;
    row->emptied = version;
    row->state = KV_SEGMENT_EMPTIED;
    apart->cramped = false;
}

/* The first bytes are left out: 0 is no place. */
static uint64_t segment_begin(uint64_t segment)
{
    return segment * KV_LOG_SEGMENT + KV_LOG_ALIGN;
}

/* --- sweeping --- */

static bool pick_victim(const struct kv_apart *apart, uint64_t *victim)
{
    uint32_t least = UINT32_MAX;
    for (uint64_t i = 0; i < apart->head->log_segments; i++) {
        const struct kv_segment *row = &apart->segments[i];
        if (row->state == KV_SEGMENT_FULL && row->live < least) {
            least = row->live;
            *victim = i;
        }
    }
    return least != UINT32_MAX && KV_LOG_SEGMENT - least >= WORTH;
}

static bool sweep_wanted(const struct kv *kv, const struct kv_apart *apart)
{
    uint64_t garbage = apart->full_bytes - apart->full_live, victim;
    return (garbage > kv->sweep_min && garbage > apart->full_bytes / 5 * 2) ||
           (apart->cramped && pick_victim(apart, &victim));
}

/* Records from *at on, within a transaction. *done: the segment has no more. False: not now. */
static bool sweep_records(struct kv_txn *txn, uint64_t end, uint64_t *at, bool *done)
{
    struct kv_apart *apart = txn->kv->apart;
    uint64_t moved = 0;
    for (int i = 0; i < SWEEP_RECORDS && moved < SWEEP_BYTES; i++) {
        struct record record;
        *done = *at + KV_LOG_HEAD > end;
        if (!*done) {
            memcpy(&record, apart->log.map + *at, sizeof record);
            *done = record.number == 0 || record.len > end - *at - KV_LOG_HEAD;
        }
        if (*done)
            return true;
        struct str value = str_make(apart->log.map + *at + KV_LOG_HEAD, record.len);
        bool moves;
        if (!kv_apart_move(txn, record.number, *at, value, &moves))
            return false;
        moved += moves ? record.len : 0;
        *at += kv_log_size(record.len);
    }
    return true;
}

/* The segment that is being swept may have been emptied meanwhile, and filled again. */
static struct kv_segment *sweep_row(const struct kv_apart *apart, const struct kv_sweep *sweep)
{
    struct kv_segment *row = &apart->segments[sweep->segment];
    return row->state == KV_SEGMENT_FULL && row->emptied == sweep->emptied ? row : NULL;
}

/* Goes on with a segment, or begins with one. False: there is none. */
static bool sweep_begin(const struct kv *kv, struct kv_apart *apart, struct kv_sweep *sweep,
                        uint64_t version)
{
    struct kv_segment *row = sweep->running ? sweep_row(apart, sweep) : NULL;
    if (row != NULL && !sweep->done)
        return true;
    if (row != NULL) /* the transaction before has brought along the last of it */
        emptied(apart, row, version - 1);
    *sweep = (struct kv_sweep){0};
    if (!sweep_wanted(kv, apart) || !pick_victim(apart, &sweep->segment))
        return false;
    sweep->running = true;
    sweep->emptied = apart->segments[sweep->segment].emptied;
    sweep->at = segment_begin(sweep->segment);
    return true;
}

/* One transaction's worth. False: there is nothing to do, or not now. */
static bool sweep_step(struct kv *kv, struct kv_sweep *sweep)
{
    struct kv_txn *txn;
    struct kv_apart *apart;
    if (kv_begin(kv, true, &txn) != RESULT_OK)
        return false;
    bool goes_on = kv_apart_enter(txn, &apart) == RESULT_OK &&
                   sweep_begin(kv, apart, sweep, txn->apart_version);
    uint64_t at = sweep->at;
    bool done = false;
    if (!goes_on || !sweep_records(txn, (sweep->segment + 1) * KV_LOG_SEGMENT, &at, &done)) {
        kv_abort(txn);
        return false;
    }
    if (kv_commit(txn) != RESULT_OK)
        return false;
    sweep->at = at;
    sweep->done = done;
    return true;
}

static void *sweep_main(void *argument)
{
    struct kv *kv = argument;
    struct kv_apart *apart = kv->apart;
    struct kv_sweep sweep = {0};
    pthread_mutex_lock(&apart->lock);
    while (!apart->stop) {
        if (!sweep_wanted(kv, apart) && !sweep.running) {
            pthread_cond_wait(&apart->wanted, &apart->lock);
            continue;
        }
        pthread_mutex_unlock(&apart->lock);
        bool went = sweep_step(kv, &sweep);
        if (!went)
            nanosleep(&(struct timespec){.tv_nsec = REST_MS * 1000000L}, NULL);
        pthread_mutex_lock(&apart->lock);
    }
    pthread_mutex_unlock(&apart->lock);
    return NULL;
}

/* The lock is held. */
static void sweep_wake(struct kv *kv, struct kv_apart *apart)
{
    if (!sweep_wanted(kv, apart))
        return;
    if (apart->has_thread) {
        pthread_cond_signal(&apart->wanted);
        return;
    }
    int code = kv_thread_start(&apart->thread, sweep_main, kv);
    apart->has_thread = code == 0;
    if (code != 0)
        log_line(LOG_WARN, "store: garbage is not collected: %s", strerrordesc_np(code));
}

void kv_log_set_live(struct kv *kv, uint32_t segment, uint32_t bytes, uint64_t version)
{
    struct kv_apart *apart = kv->apart;
    struct kv_segment *row = &apart->segments[segment];
    bool full = row->state == KV_SEGMENT_FULL;
    if (full)
        apart->full_live = apart->full_live - row->live + bytes;
    row->live = bytes;
    if (full && bytes == 0)
        emptied(apart, row, version);
    if (apart->cramped)
        sweep_wake(kv, apart);
}

void kv_log_stop(struct kv_apart *apart)
{
    pthread_mutex_lock(&apart->lock);
    apart->stop = true;
    pthread_cond_signal(&apart->wanted);
    pthread_mutex_unlock(&apart->lock);
    if (apart->has_thread)
        pthread_join(apart->thread, NULL);
}

/* --- appending --- */

static void seal(struct kv *kv, struct kv_apart *apart)
{
    uint64_t at = apart->head->log_at;
    if (at == 0)
        return;
    uint64_t segment = (at - 1) / KV_LOG_SEGMENT;
    uint64_t left = (segment + 1) * KV_LOG_SEGMENT - at;
    if (left >= KV_LOG_HEAD)
        memset(apart->log.map + at, 0, KV_LOG_HEAD);
    apart->segments[segment].state = KV_SEGMENT_FULL;
    apart->full_bytes += KV_LOG_SEGMENT;
    apart->full_live += apart->segments[segment].live;
    apart->head->log_at = 0;
    sweep_wake(kv, apart);
}

/* Free segments; *segment: one of them. */
static uint64_t count_emptied(struct kv *kv, const struct kv_apart *apart, uint64_t *segment)
{
    uint64_t oldest = kv_apart_oldest(kv), own = kv->writer.apart_version, count = 0;
    for (uint64_t i = 0; i < apart->head->log_segments && count < 2; i++) {
        const struct kv_segment *row = &apart->segments[i];
        /* Its own emptying is not committed yet. */
        if (row->state == KV_SEGMENT_EMPTIED && row->emptied <= oldest && row->emptied < own) {
            *segment = i;
            count++;
        }
    }
    return count;
}

/* One segment more than is taken stays free for the sweep, which needs room to make room. */
static RESULT take_segment(struct kv *kv, struct kv_apart *apart, bool sweeping, uint64_t *segment,
                           bool *fresh)
{
    *fresh = false;
    uint64_t kept = sweeping ? 0 : 1, end = apart->head->log_segments;
    uint64_t found = count_emptied(kv, apart, segment);
    if (found > kept)
        return RESULT_OK;
    TRY(kv_apart_blocks(&apart->log, (end + 1 + kept - found) * KV_LOG_SEGMENT));
    if (found > 0)
        return RESULT_OK;
    apart->segments[end] = (struct kv_segment){0};
    apart->head->log_segments = end + 1;
    *segment = end;
    *fresh = true;
    return RESULT_OK;
}

static RESULT open_segment(struct kv *kv, struct kv_apart *apart, bool sweeping)
{
    uint64_t segment;
    bool fresh;
    enum result result = take_segment(kv, apart, sweeping, &segment, &fresh);
    if (result == RESULT_FULL) {
        apart->cramped = true;
        sweep_wake(kv, apart);
    }
    TRY(result);
    apart->segments[segment].state = KV_SEGMENT_OPEN;
    apart->segments[segment].live = 0;
    apart->head->log_at = segment_begin(segment);
    apart->brought = segment * KV_LOG_SEGMENT;
    apart->fresh = fresh;
    return RESULT_OK;
}

/* Pages one after another are made ready together: one by one each is a fault of its own. Those
 * that were never in memory come by write(2), for half the price. */
static void bring_in(struct kv_apart *apart, uint64_t to)
{
    while (apart->brought < to && apart->brought % KV_LOG_SEGMENT + BRING <= KV_LOG_SEGMENT) {
        if (apart->fresh && kv_write_zeros(apart->log.fd, (off_t)apart->brought, BRING) != 0)
            log_line(LOG_DEBUG, "store: pages are not brought in: %s", strerrordesc_np(errno));
#ifdef MADV_POPULATE_WRITE
        (void)madvise(apart->log.map + apart->brought, BRING, MADV_POPULATE_WRITE);
#endif
        apart->brought += BRING;
    }
}

RESULT kv_log_append(struct kv *kv, uint64_t number, struct str value, bool sweeping,
                     uint64_t *offset)
{
    struct kv_apart *apart = kv->apart;
    uint64_t size = kv_log_size(value.len);
    uint64_t at = apart->head->log_at;
    if (apart->cramped && !sweeping)
        return RESULT_FULL;
    if (at == 0 || at % KV_LOG_SEGMENT == 0 || at % KV_LOG_SEGMENT + size > KV_LOG_SEGMENT) {
        seal(kv, apart);
        TRY(open_segment(kv, apart, sweeping));
        at = apart->head->log_at;
    }
    bring_in(apart, at + size);
    const struct record record = {number, value.len};
    memcpy(apart->log.map + at, &record, sizeof record);
    memcpy(apart->log.map + at + KV_LOG_HEAD, value.ptr, value.len);
    atomic_signal_fence(memory_order_seq_cst);
    apart->head->log_at = at + size;
    *offset = at;
    return RESULT_OK;
}
