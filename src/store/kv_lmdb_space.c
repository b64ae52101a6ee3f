/* Writing through the map ends the process with SIGBUS when the file system has no block for a
 * page. So blocks are allocated before pages are written: LMDB's allocations cannot be watched, but
 * they can be bounded from above, and the file is kept that far ahead of its last page.
 *
 * What a transaction takes at most:
 *   - pages new in the trees: the growth of their counts, which LMDB tells after each write;
 *   - copies of the pages on the paths written to: a leaf and the branches above it for each write
 * (twice that for a deletion, which may merge with a neighbour), but never more than the tree had
 * when the transaction began;
 *   - pages of large values, each put counted in full;
 *   - at the commit, LMDB's list of free pages: rewritten at worst, and longer by what was freed.
 *
 * A put also leaves DELETE_RESERVE pages behind it, so that on a full disk deletions go on. Only
 * when the file cannot grow are the free pages inside it counted and relied on: those freed before
 * the oldest reader began. */
#include "store/kv_lmdb_int.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/log.h"
#include "base/time.h"

enum {
    DELETE_RESERVE = 256, /* pages: 1 MiB */
    COMMIT_MARGIN = 48,
    ENTRIES_PER_PAGE = 256, /* of the free list, at worst half full */
    MIB = 1024 * 1024,
    STEP_MIN = MIB,
    STEP_MAX = 64 * MIB,
    /* A hole behind the blocks: were the bound ever wrong on a disk with room, the hole would take
       it. */
    SLACK = 64 * MIB,
    SHARED_MARGIN = 64 * MIB,
    /* Pages that are new in the file are brought into memory by so many bytes; see bring_in(). */
    BRING = 64 * 1024,
    BRING_PAGES =
        8, /* left when the next ones are brought in: more than a small transaction takes */
    BRING_BELOW = 1024 * MIB,
    RETRY_NS = 100 * 1000 * 1000,
};

int kv_write_zeros(int fd, off_t offset, off_t len)
{
    static const char zeros[65536];
    while (len > 0) {
        size_t part = len < (off_t)sizeof(zeros) ? (size_t)len : sizeof(zeros);
        ssize_t n = pwrite(fd, zeros, part, offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        offset += n;
        len -= n;
    }
    return 0;
}

static int allocate_blocks(struct kv_space *space, uint64_t from, uint64_t to)
{
    for (;;) {
        if (space->allocate(space->fd, 0, (off_t)from, (off_t)(to - from)) == 0)
            return 0;
        if (errno == EINTR)
            continue;
        /* Below `allocated` there is data: only what is beyond may be zeroed. */
        if ((errno == EOPNOTSUPP || errno == ENOSYS) && !space->mapped)
            return 0; /* the commit's write(2) will tell */
        if (errno == EOPNOTSUPP || errno == ENOSYS)
            return from < space->allocated
                       ? 0
                       : kv_write_zeros(space->fd, (off_t)from, (off_t)(to - from));
        return -1;
    }
}

static uint64_t round_up(uint64_t n, uint64_t to)
{
    return (n + to - 1) / to * to;
}

/* Grows the blocks to `needed` bytes, and ahead of it where there is room. False: the disk is full.
 */
static bool grow(struct kv_space *space, uint64_t needed)
{
    uint64_t now = time_monotonic_ns();
    if (needed > space->map_size || (space->refused_at != 0 && now - space->refused_at < RETRY_NS))
        return false;
    uint64_t step = space->allocated / 4;
    step = step < STEP_MIN ? STEP_MIN : step > STEP_MAX ? STEP_MAX : step;
    uint64_t target = round_up(needed, STEP_MIN) + step;
    if (target > space->map_size)
        target = space->map_size;
    if (allocate_blocks(space, space->allocated, target) != 0) {
        target = needed;
        if (allocate_blocks(space, space->allocated, target) != 0) {
            if (space->refused_at == 0)
                log_line(LOG_WARN, "store: no room to grow to %llu bytes: %s",
                         (unsigned long long)needed, strerrordesc_np(errno));
            space->refused_at = now;
            return false;
        }
    }
    space->refused_at = 0;
    space->allocated = target;
    struct stat stat;
    uint64_t size = target + SLACK < space->map_size ? target + SLACK : space->map_size;
    if (space->mapped && fstat(space->fd, &stat) == 0 && (uint64_t)stat.st_size < size &&
        ftruncate(space->fd, (off_t)size) != 0)
        log_line(LOG_DEBUG, "store: no hole behind the blocks: %s", strerrordesc_np(errno));
    return true;
}

/* Blocks that the file had behind its last page. In small steps, from the front: on tmpfs a refused
 * request takes back what stood in its range unwritten. */
static void keep_reserve(struct kv_space *space, uint64_t used)
{
    uint64_t step = 16 * space->page_size;
    uint64_t end = used + DELETE_RESERVE * space->page_size;
    if (end > space->size_before)
        end = space->size_before;
    while (space->allocated + step <= end &&
           allocate_blocks(space, space->allocated, space->allocated + step) == 0)
        space->allocated += step;
}

RESULT kv_space_open(struct kv *kv)
{
    struct kv_space *space = &kv->space;
    MDB_envinfo info;
    struct stat stat;
    struct statfs fs;
    MDB_stat tree;
    int code = mdb_env_get_fd(kv->env, &space->fd);
    if (code == 0)
        code = mdb_env_info(kv->env, &info);
    if (code == 0)
        code = mdb_env_stat(kv->env, &tree);
    if (code != 0)
        return kv_result("opening the store", code);
    if (fstat(space->fd, &stat) != 0 || fstatfs(space->fd, &fs) != 0)
        return FAULT("looking at kv.mdb: %s", strerrordesc_np(errno));
    space->allocate = fallocate;
    space->mapped = kv->mapped_writes;
    /* LMDB leaves the file open to programs that we start. */
    if (fcntl(space->fd, F_SETFD, FD_CLOEXEC) != 0)
        return FAULT("fcntl: %s", strerrordesc_np(errno));
    space->page_size = tree.ms_psize;
    space->shares_blocks = fs.f_type == XFS_SUPER_MAGIC;
    uint64_t used = (info.me_last_pgno + 1) * space->page_size;
    space->allocated = used;
    /* A copy made by other means may have holes where pages are zero. */
    if (allocate_blocks(space, 0, used) != 0)
        return errno == ENOSPC || errno == EDQUOT ? RESULT_FULL
                                                  : FAULT("fallocate: %s", strerrordesc_np(errno));
    /* LMDB has made the file as large as the map. It need not be, and programs that copy files
     * would take it for its size. */
    uint64_t size = used + SLACK < space->map_size ? used + SLACK : space->map_size;
    if (space->mapped && ftruncate(space->fd, (off_t)size) != 0)
        return FAULT("ftruncate: %s", strerrordesc_np(errno));
    keep_reserve(space, used);
    if (space->allocated < used + (DELETE_RESERVE - 32) * space->page_size &&
        !grow(space, used + DELETE_RESERVE * space->page_size)) {
        if (info.me_last_pgno <= 1)
            return RESULT_FULL; /* new: not even its trees can be made */
        log_line(LOG_WARN, "store: the disk is full: only reading and deleting is possible");
    }
    return RESULT_OK;
}

void kv_space_close(struct kv *kv)
{
    struct kv_space *space = &kv->space;
    MDB_envinfo info;
    if (space->page_size == 0 || mdb_env_info(kv->env, &info) != 0)
        return;
    /* The reserve stays: the disk may be full when the store is opened again. */
    uint64_t kept = (info.me_last_pgno + 1 + DELETE_RESERVE) * space->page_size;
    if (ftruncate(space->fd, (off_t)(kept < space->allocated ? kept : space->allocated)) != 0)
        log_line(LOG_DEBUG, "store: blocks ahead are kept: %s", strerrordesc_np(errno));
}

/* The first write to a page that was never in memory is a fault in which the kernel makes that one
 * page: a quarter of the time of a small request that adds to the store. Written by write(2) beside
 * its neighbours it costs a fifth of that. Nobody uses what is behind the last page, and its blocks
 * are allocated.
 *
 * The kernel then keeps the neighbours as one and writes them to the disk together, whichever of
 * them changed. In a large store whose pages change far apart that would multiply what goes to the
 * disk, so there pages come alone. */
static void bring_in(struct kv_space *space)
{
    uint64_t from = space->first * space->page_size;
    if (!space->mapped || from + BRING_PAGES * space->page_size <= space->brought)
        return;
    from = from > space->brought ? round_up(from, BRING) : space->brought;
    if (from >= BRING_BELOW || from + BRING > space->allocated)
        return;
    if (kv_write_zeros(space->fd, (off_t)from, BRING) != 0)
        log_line(LOG_DEBUG, "store: pages are not brought in: %s", strerrordesc_np(errno));
    space->brought = from + BRING;
}

RESULT kv_space_begin(struct kv *kv, MDB_txn *txn)
{
    struct kv_space *space = &kv->space;
    MDB_envinfo info;
    MDB_stat stat;
    int code = mdb_env_info(kv->env, &info);
    if (code == 0)
        code = mdb_stat(txn, 0, &stat); /* 0: LMDB's own tree of free pages */
    if (code != 0)
        return kv_result("beginning to write", code);
    space->first = info.me_last_pgno + 1;
    bring_in(space);
    space->free_list = stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
    space->free_list_runs = stat.ms_overflow_pages;
    space->created = space->overflow = space->freed = 0;
    space->values = space->longest = 0;
    space->full = space->must_not_grow = false;
    for (int i = 0; i < KV_TREES; i++)
        space->trees[i].known = false;
    /* A block shared with a copy needs another one when it is written, which nobody allocates
     * ahead. */
    struct statfs fs;
    space->tight = space->shares_blocks && space->mapped && fstatfs(space->fd, &fs) == 0 &&
                   (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize < SHARED_MARGIN;
    return RESULT_OK;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Pages of copies that the writes so far can have made, and `more` writes. */
static uint64_t copies(const struct kv_tree_growth *tree, uint64_t more)
{
    if (!tree->known)
        return 0;
    uint64_t touches = tree->touches + more;
    return min_u64(touches, tree->leaves) + min_u64(touches * tree->depth, tree->branches);
}

static RESULT know_tree(struct kv_txn *txn, enum kv_tree which)
{
    struct kv_tree_growth *tree = &txn->kv->space.trees[which];
    if (tree->known)
        return RESULT_OK;
    MDB_stat stat;
    int code = mdb_stat(txn->txn, txn->kv->trees[which], &stat);
    if (code != 0)
        return kv_result("measuring a tree", code);
    *tree = (struct kv_tree_growth){
        .known = true,
        .depth = stat.ms_depth,
        .leaves = stat.ms_leaf_pages + 1, /* a tree of its own has its root's entry elsewhere */
        .branches = stat.ms_branch_pages + stat.ms_depth,
        .pages = stat.ms_leaf_pages + stat.ms_branch_pages,
        .pages_before = stat.ms_leaf_pages + stat.ms_branch_pages,
        .overflow = stat.ms_overflow_pages,
    };
    return RESULT_OK;
}

/* Pages of the value itself; smaller ones may stand in a leaf. */
static uint64_t large_pages(const struct kv_space *space, size_t value_size)
{
    return value_size >= space->page_size / 4 ? value_size / space->page_size + 2 : 0;
}

/* Is there room for `all` pages, `runs` of them side by side, `values` of which are runs of
 * `longest` pages at most? Free pages inside the file count. */
static bool fits(const struct kv_space *space, uint64_t all, uint64_t runs, uint64_t values,
                 uint64_t longest)
{
    uint64_t tail = space->allocated / space->page_size - space->first;
    if (all > tail + space->free.pages)
        return false;
    /* A page taken from among the free ones spoils a place for a run at worst. */
    return runs <= tail || all - runs + values <= kv_free_places(&space->free, longest);
}

RESULT kv_space_before(struct kv_txn *txn, enum kv_tree which, size_t value_size, bool deleting)
{
    struct kv *kv = txn->kv;
    struct kv_space *space = &kv->space;
    if (space->tight && !deleting)
        return RESULT_FULL;
    TRY(know_tree(txn, which));
    struct kv_tree_growth *tree = &space->trees[which];
    uint64_t touches = deleting ? 2 : 1;
    uint64_t own = large_pages(space, value_size);
    uint64_t large = space->overflow + own;
    uint64_t trees = space->created + tree->depth + 3;
    for (int i = 0; i < KV_TREES; i++)
        trees += copies(&space->trees[i], i == (int)which ? touches : 0);
    uint64_t runs = large + 2 * space->free_list_runs + (trees + space->freed) / ENTRIES_PER_PAGE;
    uint64_t all = trees + runs + 2 * space->free_list + COMMIT_MARGIN;
    uint64_t reserve = deleting ? 0 : DELETE_RESERVE;
    uint64_t needed = (space->first + all + reserve) * space->page_size;
    tree->touches += touches;
    if (needed <= space->allocated)
        return RESULT_OK;
    TRY(kv_hook(kv));
    if (!space->full) {
        if (grow(space, needed))
            return RESULT_OK;
        space->full = true;
        kv_free_count(kv, &space->free);
    }
    if (own > space->longest)
        space->longest = own;
    uint64_t values = space->values + (own > 0);
    if (fits(space, all + reserve, runs + (large > 0 ? reserve : 0), values, space->longest))
        return RESULT_OK;
    /* Deletions leave room in the leaves, but few whole pages: a put into that room takes only
     * copies, which come back. Half the reserve is for it, as long as no tree grows. */
    if (large > 0 || !fits(space, all + reserve / 2, runs, 0, 1))
        return RESULT_FULL;
    space->must_not_grow = true;
    return RESULT_OK;
}

RESULT kv_space_after(struct kv_txn *txn, enum kv_tree which, size_t value_size)
{
    struct kv_space *space = &txn->kv->space;
    struct kv_tree_growth *tree = &space->trees[which];
    MDB_stat stat;
    int code = mdb_stat(txn->txn, txn->kv->trees[which], &stat);
    if (code != 0)
        return kv_result("measuring a tree", code);
    uint64_t pages = stat.ms_leaf_pages + stat.ms_branch_pages;
    if (pages > tree->pages)
        space->created += pages - tree->pages;
    tree->pages = pages;
    uint64_t large = large_pages(space, value_size);
    space->overflow += large;
    if (large > 0) {
        space->values++;
        if (large > space->longest)
            space->longest = large;
    }
    /* What stood there before was given up. */
    if (tree->overflow + large > stat.ms_overflow_pages)
        space->freed += tree->overflow + large - stat.ms_overflow_pages;
    tree->overflow = stat.ms_overflow_pages;
    return space->must_not_grow && pages > tree->pages_before ? RESULT_FULL : RESULT_OK;
}
