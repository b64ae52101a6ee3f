/* The files of values that stand apart: made when the first such value comes, mapped, with blocks
 * before they are written; what a crash left is put right when they are opened. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "store/kv_lmdb_apart.h"

enum { MAP_MIN = 16 << 20 };

static RESULT blocks(int fd, uint64_t from, uint64_t to)
{
    int code = EINTR;
    while (code == EINTR)
        code = posix_fallocate(fd, (off_t)from, (off_t)(to - from));
    if (code == ENOSPC || code == EDQUOT || code == EFBIG)
        return RESULT_FULL;
    return code == 0 ? RESULT_OK : FAULT("posix_fallocate: %s", strerrordesc_np(code));
}

RESULT kv_apart_blocks(struct kv_file *file, uint64_t to)
{
    if (to <= file->allocated)
        return RESULT_OK;
    if (to > file->mapped)
        return RESULT_FULL;
    TRY(blocks(file->fd, file->allocated, to));
    file->allocated = to;
    return RESULT_OK;
}

RESULT kv_apart_file(struct kv *kv, const char *name, uint64_t mapped, bool make,
                     struct kv_file *out, bool *exists)
{
    struct arena *scratch = arena_new(0);
    const char *path =
        str_to_c(scratch, str_concat(scratch, str_from_c(kv->directory), str_from_c(name)));
    struct stat stat;
    *out = (struct kv_file){.fd = open(path, O_RDWR | O_CLOEXEC | (make ? O_CREAT : 0), 0600)};
    *exists = out->fd >= 0;
    enum result result = RESULT_OK;
    if (out->fd < 0) {
        if (make || errno != ENOENT)
            result = errno == ENOSPC || errno == EDQUOT
                         ? RESULT_FULL
                         : FAULT("opening %s: %s", path, strerrordesc_np(errno));
    } else if (fstat(out->fd, &stat) != 0) {
        result = FAULT("fstat of %s: %s", path, strerrordesc_np(errno));
    } else {
        out->allocated = (uint64_t)stat.st_size;
        /* A copy made by other means may have holes. */
        if (out->allocated > 0)
            result = blocks(out->fd, 0, out->allocated);
    }
    if (result == RESULT_OK && *exists) {
        /* A limit of the process or a sanitizer may not allow what we want. */
        void *map = MAP_FAILED;
        for (out->mapped = mapped * 2; map == MAP_FAILED && out->mapped > MAP_MIN;) {
            out->mapped /= 2;
            map = mmap(NULL, out->mapped, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                       out->fd, 0);
        }
        out->map = map == MAP_FAILED ? NULL : map;
        if (map == MAP_FAILED)
            result = FAULT("mapping %s: %s", path, strerrordesc_np(errno));
        else
            (void)madvise(map, out->mapped, MADV_RANDOM);
    }
    arena_free(scratch);
    return result;
}

static void file_close(struct kv_file *file)
{
    if (file->map != NULL)
        (void)munmap(file->map, file->mapped);
    if (file->fd >= 0)
        (void)close(file->fd);
    *file = (struct kv_file){.fd = -1};
}

void kv_apart_take_back(struct kv_apart *apart, uint64_t committed)
{
    for (uint32_t i = 0; i < apart->journal->slots; i++) {
        struct kv_slot *slot = kv_apart_slot(apart, apart->journal->numbers[i]);
        for (int j = 0; slot != NULL && j < 2; j++)
            if (atomic_load(&slot->versions[j].number) > committed)
                atomic_store(&slot->versions[j].number, 0);
    }
}

/* After a crash: what was not committed is undone, what was is counted. */
static void recover(struct kv_apart *apart, uint64_t committed)
{
    struct kv_journal *journal = apart->journal;
    if (journal->version > committed)
        kv_apart_take_back(apart, committed);
    else
        for (uint32_t i = 0; i < journal->counts; i++)
            apart->segments[journal->live[i].segment].live = journal->live[i].bytes;
    journal->slots = journal->counts = 0;
}

static RESULT last_state(struct kv *kv, uint64_t *state)
{
    MDB_envinfo info;
    TRY(kv_result("opening the store", mdb_env_info(kv->env, &info)));
    *state = info.me_last_txnid;
    return RESULT_OK;
}

/* After a loss of power the files may be of different moments. */
static bool is_sound(const struct kv_apart *apart)
{
    const struct kv_slots_head *head = apart->head;
    bool sound = apart->journal->slots <= KV_JOURNAL_MAX &&
                 apart->journal->counts <= KV_JOURNAL_MAX &&
                 head->log_segments <= KV_SEGMENTS_MAX &&
                 head->log_segments * KV_LOG_SEGMENT <= apart->log.allocated &&
                 head->log_at <= head->log_segments * KV_LOG_SEGMENT &&
                 (head->slots == 0 || KV_SLOTS_AT + (head->slots + 1) * sizeof(struct kv_slot) <=
                                          apart->file.allocated);
    for (uint32_t i = 0; sound && i < apart->journal->counts; i++)
        sound = apart->journal->live[i].segment < head->log_segments;
    return sound;
}

static RESULT open_files(struct kv *kv, struct kv_apart *apart, bool make)
{
    bool exists;
    uint64_t map = kv->space.map_size;
    TRY(kv_apart_file(kv, "/kv.slots", KV_SLOTS_AT + map / 32, make, &apart->file, &exists));
    if (!exists)
        return RESULT_OK;
    if (apart->file.allocated < KV_SEGMENTS_AT + 4096)
        TRY(kv_apart_blocks(&apart->file, KV_SEGMENTS_AT + 4096));
    char *base = apart->file.map;
    void *head = base, *journal = base + KV_JOURNAL_AT, *segments = base + KV_SEGMENTS_AT,
         *slots = base + KV_SLOTS_AT;
    apart->head = head;
    apart->journal = journal;
    apart->segments = segments;
    apart->slots = slots;
    static const char magic[8] = "kumoapt1";
    if (memcmp(apart->head->magic, (const char[8]){0}, 8) == 0)
        memcpy(apart->head->magic, magic, 8);
    if (memcmp(apart->head->magic, magic, 8) != 0)
        return FAULT("kv.slots is not ours");
    TRY(kv_log_open(kv, apart));
    if (!is_sound(apart))
        return FAULT("the store is damaged: kv.slots and kv.values are not of one state");
    uint64_t state;
    TRY(last_state(kv, &state));
    uint64_t committed = kv_apart_snapshot(atomic_load(&apart->head->committed), state);
    recover(apart, committed);
    kv_log_measure(apart, committed);
    return RESULT_OK;
}

static void apart_free(struct kv_apart *apart)
{
    file_close(&apart->file);
    file_close(&apart->log);
    pthread_mutex_destroy(&apart->lock);
    pthread_cond_destroy(&apart->wanted);
    heap_free(apart->deltas);
    heap_free(apart->dropped.items);
    heap_free(apart->taken.items);
    heap_free(apart->available.items);
    heap_free(apart);
}

RESULT kv_apart_open(struct kv *kv, bool make)
{
    struct kv_apart *apart = heap_alloc(sizeof *apart);
    apart->file.fd = apart->log.fd = -1;
    pthread_mutex_init(&apart->lock, NULL);
    pthread_cond_init(&apart->wanted, NULL);
    enum result result = open_files(kv, apart, make);
    if (result != RESULT_OK || apart->head == NULL) {
        apart_free(apart);
        return result;
    }
    if (kv->durability == KV_POWER && (fsync(apart->file.fd) != 0 || fsync(apart->log.fd) != 0)) {
        apart_free(apart);
        return FAULT("fsync: %s", strerrordesc_np(errno));
    }
    apart->may_have_freed = true;
    atomic_store_explicit(&kv->apart, apart, memory_order_release);
    return RESULT_OK;
}

void kv_apart_close(struct kv *kv)
{
    struct kv_apart *apart = kv->apart;
    if (apart == NULL)
        return;
    kv_log_stop(apart);
    if (msync(apart->file.map, apart->file.allocated, MS_SYNC) != 0 || fsync(apart->log.fd) != 0)
        log_line(LOG_ERROR, "store: the last sync failed: %s", strerrordesc_np(errno));
    kv->apart = NULL;
    apart_free(apart);
}

bool kv_apart_files(struct kv *kv, int *slots, int *values)
{
    struct kv_apart *apart = atomic_load_explicit(&kv->apart, memory_order_acquire);
    if (apart == NULL)
        return false;
    if (slots != NULL) {
        *slots = apart->file.fd;
        *values = apart->log.fd;
    }
    return true;
}

uint64_t kv_apart_used(struct kv *kv)
{
    struct kv_apart *apart = atomic_load_explicit(&kv->apart, memory_order_acquire);
    if (apart == NULL)
        return 0;
    pthread_mutex_lock(&apart->lock);
    uint64_t used = apart->file.allocated + apart->head->log_segments * KV_LOG_SEGMENT;
    pthread_mutex_unlock(&apart->lock);
    return used;
}
