/* Between the files of kv_lmdb: what an open store is made of. See README.md for the algorithms.
 *
 *   kv_lmdb.c          opening, transactions, the pool of readers
 *   kv_lmdb_group.c    durability `power`: transactions share a commit
 *   kv_lmdb_space.c    blocks of the file are there before a page is written
 *   kv_lmdb_free.c     free pages inside the file, counted when it cannot grow
 *   kv_lmdb_chapter.c  get, put and delete; keys longer than LMDB's
 *   kv_lmdb_cursor.c   walking
 *   kv_lmdb_apart.c    values that stand apart from the tree: slots, versions, the journal
 *   kv_lmdb_apart_file.c  their files
 *   kv_lmdb_freed.c    slots that were given up
 *   kv_lmdb_log.c      where those values are
 *   kv_lmdb_copy.c     copies */
#ifndef KUMONIWA_STORE_KV_LMDB_INT_H
#define KUMONIWA_STORE_KV_LMDB_INT_H

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "store/kv.h"

enum {
    KV_SEGMENT = 480,                        /* bytes of a key that one level holds */
    KV_ID = 8,                               /* bytes of a chapter's id */
    KV_LEVELS = KV_KEY_MAX / KV_SEGMENT + 1, /* the longest key: 8 markers and a rest */
    KV_READERS = 512,                        /* reading transactions at one time */
};

/* LMDB's two trees of ours. */
enum kv_tree { KV_MAIN, KV_CHAPTERS, KV_TREES };

/* What one tree has taken in the running transaction. */
struct kv_tree_growth {
    bool known; /* the rest is filled in; done when the transaction first writes to the tree */
    unsigned depth;
    uint64_t leaves, branches; /* pages when the transaction began */
    uint64_t pages_before;     /* leaf and branch pages when the transaction first wrote to it */
    uint64_t pages, overflow;  /* leaf and branch pages, overflow pages: after the last write */
    uint64_t touches;          /* paths that writes may have copied */
};

enum { KV_RUN_MAX = 256 };

/* Free pages inside the file that a writer can have now. */
struct kv_free {
    uint64_t pages;
    uint32_t runs[KV_RUN_MAX];          /* how many of each length stand side by side */
    uint64_t long_runs, long_run_pages; /* of KV_RUN_MAX pages and more */
};

/* Only the writing transaction touches it. Pages are counted from above: the truth is never more.
 */
struct kv_space {
    int fd;
    /* fallocate(2); tests put their own here. */
    int (*allocate)(int fd, int mode, off_t offset, off_t len);
    bool mapped; /* pages are written through the map: they need blocks ahead, or it is SIGBUS */
    uint64_t page_size;
    uint64_t map_size;
    uint64_t size_before; /* of the file, when it was opened */
    uint64_t allocated;   /* bytes of the file that have blocks, from its beginning */
    uint64_t brought;     /* up to here pages were brought into memory before their use */
    uint64_t first;       /* the page after the last one used when the transaction began */
    uint64_t created;     /* pages new in the trees */
    uint64_t overflow; /* pages taken for large values: contiguous, so not surely from free pages */
    uint64_t freed;    /* overflow pages given up */
    uint64_t free_list;       /* pages of LMDB's own list of free pages */
    uint64_t free_list_runs;  /* those of them that stand side by side */
    uint64_t values, longest; /* large values put, pages of the longest */
    struct kv_free free;      /* known when `full` */
    bool full;                /* the file could not grow in this transaction */
    bool must_not_grow;       /* it has eaten into the reserve */
    bool shares_blocks;       /* the file system may share written blocks with a copy (reflinks) */
    bool tight;               /* it does, and is nearly full: deletions only */
    uint64_t refused_at; /* monotonic ns of the last refusal: not tried again at once; 0: none */
    struct kv_tree_growth trees[KV_TREES];
};

struct kv_group;
struct kv_apart;

struct kv_txn {
    struct kv *kv;
    MDB_txn *txn;
    bool writing;
    enum result failed;         /* what a write failed with: the commit fails with it too */
    uint64_t writes;            /* cursors compare it to know whether they stand where they stood */
    struct kv_cursor *cursors;  /* open ones */
    struct kv_txn *next_free;   /* in the pool */
    struct kv_txn *next_reader; /* of all readers ever made */
    _Atomic uint64_t snapshot;  /* what a reader sees, see kv_apart_snapshot(); 0: at rest */
    uint64_t apart_version;     /* that a writer makes apart from the trees; 0: none yet */
    bool changed_trees;         /* a writer did */
};

struct kv {
    MDB_env *env;
    MDB_dbi trees[KV_TREES];
    enum kv_durability durability;
    bool mapped_writes; /* MDB_WRITEMAP */
    bool (*write_hook)(void *context);
    void *hook_context;
    pthread_mutex_t pool_lock;
    struct kv_txn *pool;    /* readers at rest */
    struct kv_txn *readers; /* all readers */
    struct kv_txn writer;   /* the one that writes; guarded by LMDB's lock, or by the group's */
    struct kv_space space;
    struct kv_group *group; /* durability `power` alone */
    char *directory;
    uint64_t sweep_min;               /* bytes of garbage in the log that are left alone */
    _Atomic(struct kv_apart *) apart; /* NULL: no value ever stood apart */
};

/* kv_lmdb.c */
/* The result for a return code of LMDB's: full, or a fault that is logged with what was tried. */
RESULT kv_result(const char *what, int code);
/* The same in a transaction that cannot commit any more. */
RESULT kv_fail(struct kv_txn *txn, enum result result);
/* Asks the test's hook. RESULT_FULL when it refuses. */
RESULT kv_hook(struct kv *kv);

/* A thread with a small stack that takes no signals. *thread is whole only when 0 is returned. */
int kv_thread_start(pthread_t *thread, void *(*run)(void *), struct kv *kv);

/* kv_lmdb_group.c */
RESULT kv_group_open(struct kv *kv);
void kv_group_close(struct kv *kv);
RESULT kv_group_begin(struct kv *kv);
RESULT kv_group_commit(struct kv *kv);
void kv_group_abort(struct kv *kv);

/* kv_lmdb_space.c */
RESULT kv_space_open(struct kv *kv);
void kv_space_close(struct kv *kv);
RESULT kv_space_begin(struct kv *kv, MDB_txn *txn);
/* Before a value of so many bytes is put into the tree, or an entry deleted from it. */
RESULT kv_space_before(struct kv_txn *txn, enum kv_tree tree, size_t value_size, bool deleting);
/* Where nothing is in use. -1: errno says why. */
int kv_write_zeros(int fd, off_t offset, off_t len);
RESULT kv_space_after(struct kv_txn *txn, enum kv_tree tree, size_t value_size);

/* kv_lmdb_free.c */
void kv_free_count(struct kv *kv, struct kv_free *free);
/* At least so many runs of that length can be taken. */
uint64_t kv_free_places(const struct kv_free *free, uint64_t length);

/* kv_lmdb_chapter.c */
bool kv_find_chapter(MDB_val marker, char id[KV_ID]);

int kv_raw_get(struct kv_txn *txn, enum kv_tree tree, struct str key, MDB_val *value);
/* deleting: it is what a deletion needs, and may take what is kept for those. */
RESULT kv_raw_put(struct kv_txn *txn, enum kv_tree tree, struct str key, struct str value,
                  bool deleting);
RESULT kv_raw_delete(struct kv_txn *txn, enum kv_tree tree, struct str key, bool *existed);

/* kv_lmdb_apart.c */
/* Opens the files, if they exist or are to be made. Before LMDB commits anything. */
RESULT kv_apart_open(struct kv *kv, bool make);
void kv_apart_close(struct kv *kv);
/* What a reader sees who found `committed` before he saw LMDB's state of that number. */
uint64_t kv_apart_committed(struct kv *kv);
uint64_t kv_apart_snapshot(uint64_t committed, uint64_t state);
uint64_t kv_apart_state(uint64_t snapshot);
/* What a value found in the tree stands for. */
RESULT kv_apart_resolve(struct kv_txn *txn, MDB_val found, struct str *value);
bool kv_apart_is_reference(MDB_val value);
/* A value of the owner's that would be taken for a reference of ours, and what is put instead. */
bool kv_apart_looks_ours(struct str value);
struct str kv_apart_escape(struct arena *arena, struct str value);
/* *done false: the value is to be put into the tree, where no reference stands any more. */
RESULT kv_apart_put(struct kv_txn *txn, struct str key, struct str value, bool *done);
/* What stands apart under the key, which is about to be deleted, is given up. */
RESULT kv_apart_forget(struct kv_txn *txn, struct str key);
/* Before the commit. *alone: no tree has changed, and kv_apart_commit() is the commit. */
RESULT kv_apart_prepare(struct kv_txn *txn, bool *alone);
void kv_apart_commit(struct kv_txn *txn);
void kv_apart_settle(struct kv *kv); /* after the commit of a transaction that had changes apart */
void kv_apart_undo(struct kv *kv);   /* after one that LMDB did not commit */
void kv_apart_abort(struct kv_txn *txn);
uint64_t kv_apart_used(struct kv *kv); /* bytes on the disk */
/* Entries of the tree of chapters that are ours, not a key's. */
RESULT kv_apart_entries(struct kv_txn *txn, uint64_t *count);
/* False: there are none. The arguments may be NULL. */
bool kv_apart_files(struct kv *kv, int *slots, int *values);

/* kv_lmdb_cursor.c */
/* Whether the value that kv_next() gave stands apart. */
bool kv_cursor_is_apart(const struct kv_cursor *cursor);
void kv_cursors_close(struct kv_txn *txn);

static inline MDB_val kv_val(struct str s)
{
    /* LMDB takes void *, and writes through it only where MDB_RESERVE is asked for. */
    union {
        const char *in;
        void *out;
    } cast = {.in = s.ptr == NULL ? "" : s.ptr};
    return (MDB_val){.mv_size = s.len, .mv_data = cast.out};
}
static inline struct str kv_str(MDB_val val)
{
    return (struct str){.ptr = val.mv_data == NULL ? "" : val.mv_data, .len = val.mv_size};
}
/* The key of the chapter's entry for this segment, in memory of the caller. */
struct kv_chapter_key {
    char bytes[KV_ID + KV_SEGMENT];
    size_t len;
};
void kv_chapter_key(struct kv_chapter_key *key, const char id[KV_ID], struct str segment);

#endif
