/* kv.h over LMDB: opening, transactions, readers that are kept for the next request. */
#include "store/kv_lmdb_int.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/log.h"

/* Not in every linux/magic.h. */
enum { FS_ZFS = 0x2fc12fc1, FS_BCACHEFS = (int)0xca451a4e, FS_EXFAT = 0x2011bab0 };

/* The name of the tree of chapters, itself a key of the main tree: longer than any key that we
 * store there, so it hides none, and after all of them. */
#define FF10 "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
#define FF70 FF10 FF10 FF10 FF10 FF10 FF10 FF10
static const char chapters_name[] = FF70 FF70 FF70 FF70 FF70 FF70 FF70;
_Static_assert(sizeof(chapters_name) - 1 > KV_SEGMENT && sizeof(chapters_name) - 1 <= 511,
               "longer than a segment, not longer than LMDB's keys");

static const uint64_t map_sizes[] = {UINT64_C(1) << 40, UINT64_C(1) << 36, UINT64_C(1) << 33,
                                     UINT64_C(3) << 29, UINT64_C(1) << 28};
enum {
    MAP_SIZES = sizeof(map_sizes) / sizeof(map_sizes[0]),
    SMALL = 64 * 1024 * 1024,
    SWEEP_MIN = 256 * 1024 * 1024,
    STACK_SIZE = 256 * 1024,
};

RESULT kv_result(const char *what, int code)
{
    switch (code) {
    case MDB_SUCCESS:
        return RESULT_OK;
    case MDB_MAP_FULL:
    case ENOSPC:
    case EDQUOT:
        log_line(LOG_WARN, "store: %s: %s", what, mdb_strerror(code));
        return RESULT_FULL;
    case MDB_READERS_FULL:
        return FAULT("%s: more than %d reading transactions at one time", what, KV_READERS);
    case MDB_TXN_FULL:
        return FAULT("%s: the transaction changes too many pages", what);
    case MDB_BAD_TXN:
        return FAULT("%s: the transaction has failed already", what);
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_PANIC:
        return FAULT("%s: the store is damaged: %s", what, mdb_strerror(code));
    default:
        return FAULT("%s: %s", what, mdb_strerror(code));
    }
}

RESULT kv_fail(struct kv_txn *txn, enum result result)
{
    if (result != RESULT_OK && txn->failed == RESULT_OK)
        txn->failed = result;
    return result;
}

RESULT kv_hook(struct kv *kv)
{
    if (kv->write_hook != NULL && !kv->write_hook(kv->hook_context))
        return RESULT_FULL;
    return RESULT_OK;
}

int kv_thread_start(pthread_t *thread, void *(*run)(void *), struct kv *kv)
{
    pthread_attr_t attributes;
    sigset_t all, old;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int code = pthread_create(thread, &attributes, run, kv);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attributes);
    return code;
}

/* Writing through the map is five times as fast, and needs a file system on which a block, once
 * allocated, can be written again whatever the disk's state, and where a sparse file costs nothing.
 */
static bool can_write_map(const char *directory)
{
    struct statfs fs;
    if (statfs(directory, &fs) != 0)
        return false;
    switch ((unsigned)fs.f_type) {
    case BTRFS_SUPER_MAGIC:
    case MSDOS_SUPER_MAGIC:
    case NFS_SUPER_MAGIC:
    case (unsigned)FS_ZFS:
    case (unsigned)FS_BCACHEFS:
    case (unsigned)FS_EXFAT:
        return false;
    default:
        return true;
    }
}

/* Readahead makes the kernel clear megabytes at a new store's first write, 2 ms. Cold scans of a
 * store that memory has room for are as fast as the disk with it. In a store beside which memory is
 * scarce every page that is missed brings megabytes of its neighbours, which drive out what is
 * needed: reading any of 10,000,000 items was a hundred times as slow. */
static bool wants_readahead(uint64_t size)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    uint64_t memory = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
    return size >= SMALL && size < memory / 4;
}

static unsigned open_flags(const struct kv *kv)
{
    unsigned flags = MDB_NOSUBDIR | MDB_NOTLS;
    if (kv->durability == KV_PROCESS)
        flags |= MDB_NOSYNC;
    if (kv->mapped_writes)
        flags |= MDB_WRITEMAP | MDB_MAPASYNC;
    if (!wants_readahead(kv->space.size_before))
        flags |= MDB_NORDAHEAD;
    return flags;
}

static int open_env(struct kv *kv, const char *path, uint64_t map_size)
{
    int code = mdb_env_create(&kv->env);
    if (code != 0)
        return code;
    code = mdb_env_set_mapsize(kv->env, map_size);
    if (code == 0)
        code = mdb_env_set_maxreaders(kv->env, KV_READERS);
    if (code == 0)
        code = mdb_env_set_maxdbs(kv->env, 1);
    if (code == 0)
        code = mdb_env_open(kv->env, path, open_flags(kv), 0600);
    if (code != 0) {
        mdb_env_close(kv->env);
        kv->env = NULL;
    }
    return code;
}

/* A file system, a limit of the process or a sanitizer may not allow the size we want. */
static RESULT open_with_fallback(struct kv *kv, const char *path, uint64_t wanted)
{
    struct rlimit limit;
    uint64_t most = UINT64_MAX;
    /* Passing RLIMIT_FSIZE would not fail but end the process. */
    if (kv->mapped_writes && getrlimit(RLIMIT_FSIZE, &limit) == 0 &&
        limit.rlim_cur != RLIM_INFINITY)
        most = limit.rlim_cur;
    int code = EFBIG;
    uint64_t size = wanted == 0 ? map_sizes[0] : wanted;
    for (size_t i = 0; i <= MAP_SIZES; i++) {
        if (i > 0) {
            if (map_sizes[i - 1] >= size)
                continue;
            size = map_sizes[i - 1];
        }
        if (size > most)
            continue;
        code = open_env(kv, path, size);
        if (code == 0) {
            kv->space.map_size = size;
            return RESULT_OK;
        }
        if (code != EFBIG && code != ENOMEM && code != EINVAL && code != ENOSPC && code != EDQUOT)
            break;
    }
    return FAULT("opening %s: %s", path, mdb_strerror(code));
}

static RESULT open_trees(struct kv *kv)
{
    MDB_txn *txn;
    int code = mdb_txn_begin(kv->env, NULL, 0, &txn);
    if (code != 0)
        return kv_result("opening the store", code);
    code = mdb_dbi_open(txn, NULL, 0, &kv->trees[KV_MAIN]);
    if (code == 0)
        code = mdb_dbi_open(txn, chapters_name, MDB_CREATE, &kv->trees[KV_CHAPTERS]);
    if (code != 0) {
        mdb_txn_abort(txn);
        return kv_result("opening the store's trees", code);
    }
    return kv_result("opening the store's trees", mdb_txn_commit(txn));
}

static RESULT sync_directory(const char *directory)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return FAULT("opening %s: %s", directory, strerrordesc_np(errno));
    int code = fsync(fd) == 0 ? 0 : errno;
    close(fd);
    return code == 0 ? RESULT_OK : FAULT("fsync of %s: %s", directory, strerrordesc_np(code));
}

static RESULT open_all(struct kv *kv, const char *directory, const char *path, uint64_t map_size)
{
    struct stat file;
    kv->space.size_before = stat(path, &file) == 0 ? (uint64_t)file.st_size : 0;
    TRY(open_with_fallback(kv, path, map_size));
    TRY(kv_space_open(kv));
    TRY(kv_apart_open(kv, false));
    TRY(open_trees(kv));
    if (kv->durability == KV_POWER) {
        TRY(sync_directory(directory));
        TRY(kv_group_open(kv));
    }
    return RESULT_OK;
}

RESULT kv_open(const struct kv_config *config, struct kv **out)
{
    struct kv *kv = heap_alloc(sizeof(*kv));
    struct arena *scratch = arena_new(0);
    const char *directory = str_to_c(scratch, config->directory);
    const char *path = str_to_c(scratch, str_concat(scratch, config->directory, STR("/kv.mdb")));
    kv->durability = config->durability;
    kv->sweep_min = SWEEP_MIN;
    kv->directory = heap_alloc(config->directory.len + 1);
    memcpy(kv->directory, config->directory.ptr, config->directory.len);
    kv->write_hook = config->write_hook;
    kv->hook_context = config->hook_context;
    /* Under `power` the price of fsync hides the price of write(2), which leaves the pages out of
     * reach of a wild pointer; and only there can LMDB nest transactions. */
    kv->mapped_writes = config->durability == KV_PROCESS && can_write_map(directory);
    pthread_mutex_init(&kv->pool_lock, NULL);
    enum result result = open_all(kv, directory, path, config->map_size);
    arena_free(scratch);
    if (result != RESULT_OK) {
        kv_close(kv);
        return result;
    }
    *out = kv;
    return RESULT_OK;
}

void kv_close(struct kv *kv)
{
    if (kv == NULL)
        return;
    kv_group_close(kv);
    kv_apart_close(kv);
    while (kv->readers != NULL) {
        struct kv_txn *txn = kv->readers;
        kv->readers = txn->next_reader;
        ASSERT(txn->snapshot == 0);
        mdb_txn_abort(txn->txn);
        heap_free(txn);
    }
    if (kv->env != NULL) {
        kv_space_close(kv);
        int code = mdb_env_sync(kv->env, 1);
        if (code != 0)
            log_line(LOG_ERROR, "store: the last sync failed: %s", mdb_strerror(code));
        mdb_env_close(kv->env);
    }
    pthread_mutex_destroy(&kv->pool_lock);
    heap_free(kv->directory);
    heap_free(kv);
}

/* A reader at rest, or a new one that LMDB does not know yet (txn->txn == NULL). */
static struct kv_txn *take_reader(struct kv *kv)
{
    pthread_mutex_lock(&kv->pool_lock);
    struct kv_txn *txn = kv->pool;
    if (txn != NULL) {
        kv->pool = txn->next_free;
    } else {
        txn = heap_alloc(sizeof(*txn));
        txn->kv = kv;
        txn->next_reader = kv->readers;
        kv->readers = txn;
    }
    pthread_mutex_unlock(&kv->pool_lock);
    return txn;
}

static void give_reader(struct kv_txn *txn)
{
    struct kv *kv = txn->kv;
    atomic_store_explicit(&txn->snapshot, 0, memory_order_release);
    pthread_mutex_lock(&kv->pool_lock);
    txn->next_free = kv->pool;
    kv->pool = txn;
    pthread_mutex_unlock(&kv->pool_lock);
}

static RESULT begin_reading(struct kv *kv, struct kv_txn **out)
{
    struct kv_txn *txn = take_reader(kv);
    /* Until the state that it sees is known, it may be any: the writer then counts on no free page.
     */
    atomic_store_explicit(&txn->snapshot, 1, memory_order_seq_cst);
    uint64_t committed = kv_apart_committed(kv);
    int code = txn->txn != NULL ? mdb_txn_renew(txn->txn)
                                : mdb_txn_begin(kv->env, NULL, MDB_RDONLY, &txn->txn);
    if (code != 0) {
        give_reader(txn);
        return kv_result("beginning to read", code);
    }
    atomic_store_explicit(&txn->snapshot, kv_apart_snapshot(committed, mdb_txn_id(txn->txn)),
                          memory_order_release);
    *out = txn;
    return RESULT_OK;
}

static RESULT begin_writing(struct kv *kv, struct kv_txn **out)
{
    struct kv_txn *txn = &kv->writer;
    if (kv->group != NULL) {
        TRY(kv_group_begin(kv));
    } else {
        MDB_txn *inner;
        int code = mdb_txn_begin(kv->env, NULL, 0, &inner);
        if (code != 0)
            return kv_result("beginning to write", code);
        enum result result = kv_space_begin(kv, inner);
        if (result != RESULT_OK) {
            mdb_txn_abort(inner);
            return result;
        }
        txn->txn = inner;
    }
    txn->kv = kv;
    txn->writing = true;
    txn->failed = RESULT_OK;
    txn->writes = 0;
    txn->apart_version = 0;
    txn->changed_trees = false;
    txn->cursors = NULL;
    *out = txn;
    return RESULT_OK;
}

RESULT kv_begin(struct kv *kv, bool writing, struct kv_txn **out)
{
    return writing ? begin_writing(kv, out) : begin_reading(kv, out);
}

void kv_abort(struct kv_txn *txn)
{
    if (txn == NULL)
        return;
    kv_cursors_close(txn);
    if (txn->writing)
        kv_apart_abort(txn);
    if (!txn->writing) {
        mdb_txn_reset(txn->txn);
        give_reader(txn);
    } else if (txn->kv->group != NULL) {
        kv_group_abort(txn->kv);
    } else {
        MDB_txn *inner = txn->txn;
        txn->txn = NULL;
        mdb_txn_abort(inner);
    }
}

/* alone: no tree has changed. The lock goes with LMDB's end of the transaction: the struct is
 * another's from then on. */
static RESULT commit_alone(struct kv_txn *txn, bool alone)
{
    struct kv *kv = txn->kv;
    MDB_txn *inner = txn->txn;
    bool has_apart = txn->apart_version != 0;
    txn->txn = NULL;
    if (alone) {
        kv_apart_commit(txn);
        mdb_txn_abort(inner);
    } else {
        int code = mdb_txn_commit(inner);
        if (code != 0 && has_apart)
            kv_apart_undo(kv);
        if (code != 0)
            return kv_result("committing", code);
    }
    if (has_apart)
        kv_apart_settle(kv);
    return RESULT_OK;
}

RESULT kv_commit(struct kv_txn *txn)
{
    if (!txn->writing) {
        kv_abort(txn);
        return RESULT_OK;
    }
    bool alone = false;
    enum result result = txn->failed;
    if (result == RESULT_OK)
        result = kv_apart_prepare(txn, &alone);
    if (result == RESULT_OK && (alone || txn->writes > 0))
        result = kv_hook(txn->kv);
    if (result != RESULT_OK) {
        kv_abort(txn);
        return result;
    }
    kv_cursors_close(txn);
    return txn->kv->group != NULL ? kv_group_commit(txn->kv) : commit_alone(txn, alone);
}

bool kv_is_writing(const struct kv_txn *txn)
{
    return txn->writing;
}

RESULT kv_usage(struct kv *kv, struct kv_usage *out)
{
    struct kv_txn *txn = NULL;
    TRY(kv_begin(kv, false, &txn));
    ASSERT(txn != NULL);
    struct kv_usage usage = {0};
    MDB_stat stat;
    uint64_t pages = 2; /* LMDB's two meta pages */
    int code = 0;
    for (int i = 0; i < 1 + KV_TREES && code == 0; i++) {
        /* LMDB's own tree of free pages is number 0. */
        code = mdb_stat(txn->txn, i == 0 ? 0 : kv->trees[i - 1], &stat);
        pages += stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
        if (i > 0)
            usage.entries += stat.ms_entries;
    }
    uint64_t freed = 0;
    enum result result = kv_result("measuring the store", code);
    if (result == RESULT_OK)
        result = kv_apart_entries(txn, &freed);
    kv_abort(txn);
    TRY(result);
    usage.entries -= 1 + freed; /* the tree of chapters is an entry of the main one */
    usage.used = pages * stat.ms_psize + kv_apart_used(kv);
    struct statfs fs;
    if (fstatfs(kv->space.fd, &fs) != 0)
        return FAULT("fstatfs: %s", strerrordesc_np(errno));
    usage.free_on_disk = (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize;
    *out = usage;
    return RESULT_OK;
}
