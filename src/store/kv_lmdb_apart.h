/* Between kv_lmdb_apart.c, _apart_file.c, _freed.c and _log.c: the files of values that stand
 * apart.
 *
 *     kv.slots   head, journal, segments (a row for each of the log), slots
 *     kv.values  segments of KV_LOG_SEGMENT bytes: 8 bytes of nothing, record*, 16 bytes of zeros
 *     record     := slot's number (u64), length (u64), bytes, to a multiple of 8
 *
 * Both are mapped, and changed by the writing transaction alone. */
#ifndef KUMONIWA_STORE_KV_LMDB_APART_H
#define KUMONIWA_STORE_KV_LMDB_APART_H

#include "store/kv_lmdb_int.h"

enum {
    KV_APART_MIN = 256, /* bytes of a value that is put apart */
    KV_APART_MAX = 1 << 20,
    KV_JOURNAL_MAX = 4096,
    KV_JOURNAL_AT = 4096,
    KV_SEGMENTS_AT = 128 << 10,
    KV_SEGMENTS_MAX = 65536, /* 256 GiB of values */
    KV_SLOTS_AT = 2 << 20,
    KV_SLOTS_STEP = 1 << 20, /* bytes by which the slots grow */
    KV_LOG_SEGMENT = 4 << 20,
    KV_LOG_ALIGN = 8,
    KV_LOG_HEAD = 16,
};

struct kv_version {
    _Atomic uint64_t number; /* 0: none */
    _Atomic uint64_t place;  /* kv_apart_place(); 0: the value is gone */
};
struct kv_slot {
    struct kv_version versions[2];
};
struct kv_place {
    uint64_t offset;
    size_t len;
};

struct kv_slots_head {
    char magic[8];
    _Atomic uint64_t committed; /* the last version of a transaction that changed no tree */
    _Atomic uint64_t slots;     /* the highest number that was given out */
    uint64_t log_at; /* where the next record goes, or the open segment's end; 0: none is open */
    uint64_t log_segments; /* that the log has */
};

struct kv_live {
    uint32_t segment, bytes;
};
struct kv_journal {
    uint64_t version;
    uint32_t slots, counts;
    uint64_t numbers[KV_JOURNAL_MAX];
    struct kv_live live[KV_JOURNAL_MAX];
};
_Static_assert(KV_JOURNAL_AT + sizeof(struct kv_journal) <= KV_SEGMENTS_AT,
               "the journal has its place");

enum kv_segment_state { KV_SEGMENT_NEW, KV_SEGMENT_OPEN, KV_SEGMENT_FULL, KV_SEGMENT_EMPTIED };
struct kv_segment {
    uint32_t live; /* bytes of records that are some slot's newest version */
    uint32_t state;
    uint64_t emptied; /* when it was last: the version from which on nobody needs what was there */
};

struct kv_file {
    int fd;
    char *map;
    uint64_t mapped;
    _Atomic uint64_t allocated; /* bytes that have blocks */
};

struct kv_delta {
    uint32_t segment;
    int32_t bytes;
};
struct kv_numbers {
    uint64_t *items;
    size_t len, cap;
};

struct kv_apart {
    struct kv_file file, log;
    struct kv_slots_head *head;
    struct kv_journal *journal;
    struct kv_segment *segments;
    struct kv_slot *slots; /* by number, from 1 */
    pthread_mutex_t lock;  /* of the transaction that has changed something here, until it ends */
    /* The transaction's. */
    struct kv_delta *deltas;
    size_t delta_len, delta_cap;
    struct kv_numbers dropped, taken;
    size_t
        loaded_from; /* length of `taken` when free numbers were loaded; SIZE_MAX: they were not */
    bool changed;    /* a slot was */
    uint32_t drops;
    /* Free numbers in hand. */
    struct kv_numbers available;
    bool may_have_freed; /* the tree of them may have some */
    /* The log. */
    uint64_t full_bytes, full_live; /* of segments that are full */
    bool cramped;                   /* the disk is full: until the sweep has made room */
    bool fresh;                     /* the open segment's pages were never in memory */
    uint64_t brought;               /* up to here the open segment's pages were brought in */
    pthread_t thread;               /* that sweeps */
    bool has_thread, stop;
    pthread_cond_t wanted;
};

/* Where the sweeping thread is. */
struct kv_sweep {
    bool running, done;        /* done: nothing in the segment is needed any more */
    uint64_t segment, emptied; /* which one, and what its row said when the sweep began */
    uint64_t at;
};

/* kv_lmdb_apart_file.c */
RESULT kv_apart_file(struct kv *kv, const char *name, uint64_t mapped, bool make,
                     struct kv_file *out, bool *exists);
/* RESULT_FULL: no room. */
RESULT kv_apart_blocks(struct kv_file *file, uint64_t to);
/* Versions above `committed` go from the slots that the journal names. */
void kv_apart_take_back(struct kv_apart *apart, uint64_t committed);

/* kv_lmdb_freed.c */
void kv_numbers_push(struct kv_numbers *list, uint64_t number);
/* Adds to `available`, if there are any. */
RESULT kv_freed_take(struct kv_txn *txn);
/* What the transaction has dropped. */
RESULT kv_freed_put(struct kv_txn *txn);

/* kv_lmdb_apart.c */
struct kv_slot *kv_apart_slot(const struct kv_apart *apart, uint64_t number);
uint64_t
kv_apart_oldest(struct kv *kv); /* version that the oldest reader sees; UINT64_MAX: no reader */
/* Of a record that the log has at `from`: brings it to the log's end if it is the slot's newest
 * version. False: it could not be done. */
bool kv_apart_move(struct kv_txn *txn, uint64_t number, uint64_t from, struct str value,
                   bool *moved);
/* Before a transaction's first change: the journal is its own until it ends. */
RESULT kv_apart_enter(struct kv_txn *txn, struct kv_apart **out);

/* kv_lmdb_log.c */
static inline uint64_t kv_log_size(size_t len)
{
    return (KV_LOG_HEAD + len + KV_LOG_ALIGN - 1) / KV_LOG_ALIGN * KV_LOG_ALIGN;
}
RESULT kv_log_open(struct kv *kv, struct kv_apart *apart);
void kv_log_stop(struct kv_apart *apart);
bool kv_log_has_room(const struct kv_apart *apart);
void kv_log_measure(struct kv_apart *apart, uint64_t committed);
/* *offset: of the record. sweeping: it is moved, and may take the segment that is kept for that.
 * RESULT_FULL: no room. */
RESULT kv_log_append(struct kv *kv, uint64_t number, struct str value, bool sweeping,
                     uint64_t *offset);
void kv_log_set_live(struct kv *kv, uint32_t segment, uint32_t bytes, uint64_t version);

#endif
