/* Values that stand apart from the tree (kv_put_apart()). A tree copies a leaf for every change;
 * where keys are many and changed at random each change is of a leaf that nobody has had in hand
 * lately. Such a value is written to a log instead (kv_lmdb_log.c), and the tree keeps the number
 * of its *slot*, which says where. Writing a value over changes the slot in place; the tree is not
 * touched.
 *
 * A slot holds two versions, each of the transaction that wrote it: readers take the newest one
 * that their snapshot knows, and a writer writes over the older one, when every reader knows the
 * newer. Versions are numbered like this: LMDB's number of the last state that it committed, and
 * behind it (20 bits) a count of transactions since that changed nothing in the trees. Those are
 * committed by one word, `committed`; the others by LMDB's own commit, after which every number of
 * before is in the past.
 *
 * The journal says which slots the running transaction has changed, and what it leaves of each
 * segment's live bytes: after a crash the first is undone, or the second done, by whether the
 * transaction was committed. Where pages are not written through the map (kv->mapped_writes)
 * nothing is put apart and no slot is changed. */
#include "store/kv_lmdb_int.h"

#include <stdlib.h>

#include "base/log.h"
#include "store/kv_lmdb_apart.h"

enum {
    MINOR_BITS = 20,
    PLACE_LEN_BITS = 24,
};
static const uint64_t minor_max = (UINT64_C(1) << MINOR_BITS) - 1;

/* --- references --- */

/* What the tree keeps: `mark`, then a kind. Values of the owner's that begin with the mark get the
 * kind `itself` before them. */
static const char mark[] = "\xff\x91kumo\xf0\x1e";
enum { MARK = sizeof mark - 1, REFERENCE = MARK + 1 + 8 };
static const char kind_slot = 1, kind_itself = 2;

static bool is_marked(struct str value)
{
    return value.len > MARK && memcmp(value.ptr, mark, MARK) == 0;
}

static bool reference_number(struct str value, uint64_t *number)
{
    if (value.len != REFERENCE || !is_marked(value) || value.ptr[MARK] != kind_slot)
        return false;
    memcpy(number, value.ptr + MARK + 1, sizeof *number);
    return true;
}

static struct str reference_make(char bytes[REFERENCE], uint64_t number)
{
    memcpy(bytes, mark, MARK);
    bytes[MARK] = kind_slot;
    memcpy(bytes + MARK + 1, &number, sizeof number);
    return str_make(bytes, REFERENCE);
}

bool kv_apart_is_reference(MDB_val value)
{
    uint64_t number;
    return reference_number(kv_str(value), &number);
}

bool kv_apart_looks_ours(struct str value)
{
    return value.len >= MARK && memcmp(value.ptr, mark, MARK) == 0;
}

struct str kv_apart_escape(struct arena *arena, struct str value)
{
    struct str own = str_concat(arena, str_make(mark, MARK), str_make(&kind_itself, 1));
    return str_concat(arena, own, value);
}

/* --- slots --- */

static uint64_t place_make(uint64_t offset, size_t len)
{
    return offset / KV_LOG_ALIGN << PLACE_LEN_BITS | len;
}

static struct kv_place place_of(uint64_t packed)
{
    return (struct kv_place){(packed >> PLACE_LEN_BITS) * KV_LOG_ALIGN,
                             packed & ((UINT64_C(1) << PLACE_LEN_BITS) - 1)};
}

struct kv_slot *kv_apart_slot(const struct kv_apart *apart, uint64_t number)
{
    if (number == 0 || number > atomic_load_explicit(&apart->head->slots, memory_order_acquire))
        return NULL;
    return &apart->slots[number];
}

/* The newest version up to `version`; NULL: none. */
static struct kv_version *version_at(struct kv_slot *slot, uint64_t version)
{
    struct kv_version *best = NULL;
    uint64_t best_number = 0;
    for (int i = 0; i < 2; i++) {
        uint64_t number = atomic_load_explicit(&slot->versions[i].number, memory_order_acquire);
        if (number != 0 && number <= version && number > best_number) {
            best = &slot->versions[i];
            best_number = number;
        }
    }
    return best;
}

uint64_t kv_apart_oldest(struct kv *kv)
{
    uint64_t oldest = UINT64_MAX;
    pthread_mutex_lock(&kv->pool_lock);
    for (struct kv_txn *reader = kv->readers; reader != NULL; reader = reader->next_reader) {
        uint64_t snapshot = atomic_load_explicit(&reader->snapshot, memory_order_seq_cst);
        if (snapshot != 0 && snapshot < oldest)
            oldest = snapshot;
    }
    pthread_mutex_unlock(&kv->pool_lock);
    return oldest;
}

static uint64_t committed_of(const struct kv_apart *apart)
{
    return apart == NULL ? 0 : atomic_load_explicit(&apart->head->committed, memory_order_seq_cst);
}

uint64_t kv_apart_snapshot(uint64_t committed, uint64_t state)
{
    return committed >> MINOR_BITS == state ? committed : state << MINOR_BITS;
}

uint64_t kv_apart_committed(struct kv *kv)
{
    return committed_of(atomic_load_explicit(&kv->apart, memory_order_acquire));
}

uint64_t kv_apart_state(uint64_t snapshot)
{
    return snapshot >> MINOR_BITS;
}

/* --- one transaction --- */

/* The version that the running transaction writes. */
static uint64_t own_version(struct kv_txn *txn)
{
    uint64_t state = mdb_txn_id(txn->txn) - 1;
    return kv_apart_snapshot(committed_of(txn->kv->apart), state) + 1;
}

static uint64_t version_seen(struct kv_txn *txn)
{
    if (!txn->writing)
        return atomic_load_explicit(&txn->snapshot, memory_order_relaxed);
    return txn->apart_version != 0 ? txn->apart_version : own_version(txn);
}

RESULT kv_apart_enter(struct kv_txn *txn, struct kv_apart **out)
{
    struct kv *kv = txn->kv;
    if (kv->apart == NULL)
        TRY(kv_apart_open(kv, true));
    struct kv_apart *apart = *out = kv->apart;
    if (txn->apart_version != 0)
        return RESULT_OK;
    pthread_mutex_lock(&apart->lock);
    txn->apart_version = own_version(txn);
    apart->delta_len = 0;
    apart->dropped.len = apart->taken.len = 0;
    apart->loaded_from = SIZE_MAX;
    apart->changed = false;
    if (kv->mapped_writes) {
        apart->journal->slots = apart->journal->counts = 0;
        apart->journal->version = txn->apart_version;
    }
    return RESULT_OK;
}

static void count(struct kv_apart *apart, uint64_t place, int sign)
{
    if (place == 0)
        return;
    if (apart->delta_len == apart->delta_cap) {
        apart->delta_cap = apart->delta_cap == 0 ? 64 : apart->delta_cap * 2;
        apart->deltas = heap_grow(apart->deltas, apart->delta_cap * sizeof *apart->deltas);
    }
    struct kv_place at = place_of(place);
    apart->deltas[apart->delta_len++] = (struct kv_delta){(uint32_t)(at.offset / KV_LOG_SEGMENT),
                                                          sign * (int32_t)kv_log_size(at.len)};
}

static bool note(struct kv_apart *apart, uint64_t number)
{
    struct kv_journal *journal = apart->journal;
    if (journal->slots == KV_JOURNAL_MAX)
        return false;
    journal->numbers[journal->slots] = number;
    atomic_signal_fence(memory_order_seq_cst);
    journal->slots++;
    atomic_signal_fence(memory_order_seq_cst);
    return true;
}

/* Writes a version; place 0: the value is gone. False: not now, a reader still needs the older one.
 */
static bool slot_write(struct kv_txn *txn, struct kv_slot *slot, uint64_t number, uint64_t place)
{
    struct kv_apart *apart = txn->kv->apart;
    uint64_t mine = txn->apart_version;
    struct kv_version *newest = version_at(slot, mine);
    struct kv_version *other =
        newest == &slot->versions[0] ? &slot->versions[1] : &slot->versions[0];
    if (newest == NULL)
        return false;
    uint64_t before = atomic_load_explicit(&newest->place, memory_order_relaxed);
    if (atomic_load_explicit(&newest->number, memory_order_relaxed) == mine) {
        count(apart, before, -1);
        count(apart, place, 1);
        atomic_store_explicit(&newest->place, place, memory_order_release);
        return true;
    }
    if ((mine & minor_max) == minor_max ||
        kv_apart_oldest(txn->kv) < atomic_load_explicit(&newest->number, memory_order_relaxed) ||
        !note(apart, number))
        return false;
    count(apart, before, -1);
    count(apart, place, 1);
    atomic_store_explicit(&other->number, mine, memory_order_release);
    atomic_store_explicit(&other->place, place, memory_order_release);
    apart->changed = true;
    return true;
}

bool kv_apart_move(struct kv_txn *txn, uint64_t number, uint64_t from, struct str value,
                   bool *moved)
{
    *moved = false;
    struct kv_apart *apart;
    uint64_t offset;
    struct kv_slot *slot = kv_apart_slot(txn->kv->apart, number);
    if (slot == NULL)
        return true;
    struct kv_version *newest = version_at(slot, version_seen(txn));
    uint64_t place = place_make(from, value.len);
    if (newest == NULL || atomic_load(&newest->place) != place)
        return true;
    if (kv_apart_enter(txn, &apart) != RESULT_OK ||
        kv_log_append(txn->kv, number, value, true, &offset) != RESULT_OK)
        return false;
    *moved = true;
    return slot_write(txn, slot, number, place_make(offset, value.len));
}

/* --- writing --- */

static RESULT new_number(struct kv_txn *txn, uint64_t *number)
{
    struct kv_apart *apart = txn->kv->apart;
    if (apart->available.len == 0)
        TRY(kv_freed_take(txn));
    if (apart->available.len > 0) {
        *number = apart->available.items[--apart->available.len];
    } else {
        *number = atomic_load(&apart->head->slots) + 1;
        uint64_t end = KV_SLOTS_AT + (*number + 1) * sizeof(struct kv_slot);
        if (end > apart->file.allocated) {
            uint64_t from =
                apart->file.allocated < KV_SLOTS_AT ? KV_SLOTS_AT : apart->file.allocated;
            TRY(kv_apart_blocks(&apart->file, from + KV_SLOTS_STEP));
        }
        atomic_store_explicit(&apart->head->slots, *number, memory_order_release);
    }
    kv_numbers_push(&apart->taken, *number);
    return RESULT_OK;
}

static RESULT put_new(struct kv_txn *txn, struct str key, struct str value)
{
    struct kv_apart *apart = txn->kv->apart;
    uint64_t number, offset;
    char bytes[REFERENCE];
    TRY(new_number(txn, &number));
    TRY(kv_log_append(txn->kv, number, value, false, &offset));
    struct kv_slot *slot = &apart->slots[number];
    uint64_t place = place_make(offset, value.len);
    /* What stood there may have been needed by a reader when it was given up. */
    struct kv_version *before = version_at(slot, UINT64_MAX);
    if (before != NULL)
        count(apart, atomic_load_explicit(&before->place, memory_order_relaxed), -1);
    if (!note(apart, number))
        return FAULT("the journal is full");
    atomic_store_explicit(&slot->versions[1].number, 0, memory_order_relaxed);
    atomic_store_explicit(&slot->versions[0].place, place, memory_order_relaxed);
    atomic_store_explicit(&slot->versions[0].number, txn->apart_version, memory_order_release);
    count(apart, place, 1);
    apart->changed = true;
    return kv_raw_put(txn, KV_MAIN, key, reference_make(bytes, number), false);
}

static RESULT drop(struct kv_txn *txn, uint64_t number)
{
    struct kv_apart *apart;
    TRY(kv_apart_enter(txn, &apart));
    struct kv_slot *slot = kv_apart_slot(apart, number);
    if (slot == NULL)
        return FAULT("the store is damaged: slot %llu is not there", (unsigned long long)number);
    if (txn->kv->mapped_writes)
        (void)slot_write(txn, slot, number, 0);
    kv_numbers_push(&apart->dropped, number);
    return RESULT_OK;
}

/* The reference that stands under the key; 0: none does. */
static RESULT stands(struct kv_txn *txn, struct str key, uint64_t *number)
{
    MDB_val value = {0};
    *number = 0;
    int code = kv_raw_get(txn, KV_MAIN, key, &value);
    if (code == MDB_NOTFOUND)
        return RESULT_OK;
    TRY(kv_result("getting", code));
    (void)reference_number(kv_str(value), number);
    return RESULT_OK;
}

RESULT kv_apart_forget(struct kv_txn *txn, struct str key)
{
    uint64_t number;
    if (txn->kv->apart == NULL)
        return RESULT_OK;
    TRY(stands(txn, key, &number));
    return number == 0 ? RESULT_OK : drop(txn, number);
}

static bool has_room(const struct kv_txn *txn)
{
    const struct kv_apart *apart = txn->kv->apart;
    return apart == NULL ||
           (kv_log_has_room(apart) &&
            (txn->apart_version == 0 || apart->journal->slots < KV_JOURNAL_MAX - 1));
}

RESULT kv_apart_put(struct kv_txn *txn, struct str key, struct str value, bool *done)
{
    struct kv *kv = txn->kv;
    struct kv_apart *apart;
    uint64_t number, offset;
    *done = false;
    TRY(stands(txn, key, &number));
    bool fits = kv->mapped_writes && value.len >= KV_APART_MIN && value.len <= KV_APART_MAX;
    if (fits && kv->space.tight)
        return RESULT_FULL;
    if (!fits || !has_room(txn))
        return number == 0 ? RESULT_OK : drop(txn, number);
    TRY(kv_hook(kv));
    TRY(kv_apart_enter(txn, &apart));
    *done = true;
    if (number == 0)
        return put_new(txn, key, value);
    struct kv_slot *slot = kv_apart_slot(apart, number);
    if (slot == NULL)
        return FAULT("the store is damaged: slot %llu is not there", (unsigned long long)number);
    TRY(kv_log_append(kv, number, value, false, &offset));
    if (slot_write(txn, slot, number, place_make(offset, value.len)))
        return RESULT_OK;
    TRY(drop(txn, number));
    return put_new(txn, key, value);
}

RESULT kv_apart_resolve(struct kv_txn *txn, MDB_val found, struct str *value)
{
    uint64_t number;
    *value = kv_str(found);
    if (!is_marked(*value))
        return RESULT_OK;
    if (!reference_number(*value, &number)) {
        *value = str_slice(*value, MARK + 1, value->len);
        return RESULT_OK;
    }
    struct kv_apart *apart = atomic_load_explicit(&txn->kv->apart, memory_order_acquire);
    struct kv_slot *slot = apart == NULL ? NULL : kv_apart_slot(apart, number);
    struct kv_version *version = slot == NULL ? NULL : version_at(slot, version_seen(txn));
    uint64_t place =
        version == NULL ? 0 : atomic_load_explicit(&version->place, memory_order_relaxed);
    if (place == 0)
        return FAULT("the store is damaged: slot %llu is empty", (unsigned long long)number);
    struct kv_place at = place_of(place);
    if (at.offset + KV_LOG_HEAD + at.len >
        atomic_load_explicit(&apart->log.allocated, memory_order_relaxed))
        return FAULT("the store is damaged: slot %llu is of no place", (unsigned long long)number);
    *value = str_make(apart->log.map + at.offset + KV_LOG_HEAD, at.len);
    return RESULT_OK;
}

/* --- ending --- */

static int by_segment(const void *a, const void *b)
{
    const struct kv_delta *x = a, *y = b;
    return (x->segment > y->segment) - (x->segment < y->segment);
}

static void plan_some(struct kv_apart *apart, bool more)
{
    struct kv_journal *journal = apart->journal;
    for (size_t i = 0, end; i < apart->delta_len; i = end) {
        uint32_t segment = apart->deltas[i].segment;
        int64_t sum = 0;
        for (end = i; end < apart->delta_len && apart->deltas[end].segment == segment; end++)
            sum += apart->deltas[end].bytes;
        if ((sum > 0) != more || sum == 0 || journal->counts == KV_JOURNAL_MAX)
            continue;
        int64_t live = (int64_t)apart->segments[segment].live + sum;
        if (live < 0) { /* less is said to be garbage than is, until the sweep looks */
            log_line(LOG_ERROR, "store: the live bytes of segment %u are wrong", segment);
            live = KV_LOG_SEGMENT;
        }
        journal->live[journal->counts++] = (struct kv_live){segment, (uint32_t)live};
    }
}

/* What each segment has afterwards goes into the journal, where it grows first: should there be no
 * room, less is said to be garbage than is. */
static void plan_counts(struct kv_apart *apart)
{
    if (apart->delta_len > 2)
        qsort(apart->deltas, apart->delta_len, sizeof *apart->deltas, by_segment);
    plan_some(apart, true);
    plan_some(apart, false);
}

RESULT kv_apart_prepare(struct kv_txn *txn, bool *alone)
{
    *alone = false;
    if (txn->apart_version == 0)
        return RESULT_OK;
    struct kv_apart *apart = txn->kv->apart;
    TRY(kv_freed_put(txn));
    if (txn->kv->mapped_writes) {
        plan_counts(apart);
        *alone = apart->changed && !txn->changed_trees;
    } else { /* others of its group may come in before it is on the disk */
        txn->apart_version = 0;
        pthread_mutex_unlock(&apart->lock);
    }
    return RESULT_OK;
}

void kv_apart_commit(struct kv_txn *txn)
{
    struct kv_apart *apart = txn->kv->apart;
    atomic_store_explicit(&apart->head->committed, txn->apart_version, memory_order_seq_cst);
}

void kv_apart_settle(struct kv *kv)
{
    struct kv_apart *apart = kv->apart;
    struct kv_journal *journal = apart->journal;
    for (uint32_t i = 0; i < journal->counts; i++)
        kv_log_set_live(kv, journal->live[i].segment, journal->live[i].bytes, journal->version);
    atomic_signal_fence(memory_order_seq_cst);
    journal->counts = journal->slots = 0;
    pthread_mutex_unlock(&apart->lock);
}

/* Of a transaction that was not committed; its lock goes. */
void kv_apart_undo(struct kv *kv)
{
    struct kv_apart *apart = kv->apart;
    struct kv_journal *journal = apart->journal;
    if (kv->mapped_writes) {
        journal->counts = 0;
        kv_apart_take_back(apart, journal->version - 1);
        journal->slots = 0;
    }
    /* What was loaded from the tree of free numbers stands there again. */
    size_t back = apart->loaded_from == SIZE_MAX ? apart->taken.len : apart->loaded_from;
    if (apart->loaded_from != SIZE_MAX)
        apart->available.len = 0;
    for (size_t i = 0; i < back; i++)
        kv_numbers_push(&apart->available, apart->taken.items[i]);
    apart->may_have_freed = true;
    pthread_mutex_unlock(&apart->lock);
}

void kv_apart_abort(struct kv_txn *txn)
{
    if (txn->apart_version == 0)
        return;
    txn->apart_version = 0;
    kv_apart_undo(txn->kv);
}
