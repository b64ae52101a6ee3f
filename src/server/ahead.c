/* A ring of chunks. [taken, begun) are opened or being opened, each in its slot; the slice on the
 * thread takes the next one as long as there is room. When the connection comes to a chunk that
 * nobody has begun it opens it itself, into its place: so neither thread is ever idle for the
 * other's sake while there is work. */
#include "server/ahead.h"

#include <pthread.h>

#include "base/arena.h"
#include "base/cipher.h"
#include "cloud/work.h"
#include "store/blob.h"

enum {
    SLOTS = 12,   /* 64 KiB each: what one download may take beside its connection's own */
    STREAMS = 16, /* more are opened by their connections' threads alone */
};

enum slot_state { SLOT_FREE, SLOT_OPENING, SLOT_READY };

struct slot {
    enum slot_state state;
    enum result result;
    size_t size;
    char *plain; /* made when needed */
};

struct ahead {
    struct work_slice slice;
    struct cloud *cloud;
    _Atomic unsigned *streams;
    struct blob_reader *reader; /* the slice's */
    void (*wake)(void *context);
    void *context;
    uint64_t last; /* the last chunk */
    uint64_t own;  /* the chunk that the connection opens itself */

    pthread_mutex_t lock; /* of what follows */
    uint64_t taken;       /* the chunk that is being read */
    uint64_t begun;       /* the first one that nobody has begun */
    bool running;         /* the slice is queued or runs */
    bool waited_for;      /* the chunk `taken`: wake() is owed */
    bool closed;          /* freed, but for the slice */
    struct slot slots[SLOTS];
};

static void drop(struct ahead *ahead)
{
    atomic_fetch_sub(ahead->streams, 1);
    blob_reader_close(ahead->reader);
    for (size_t i = 0; i < SLOTS; i++) {
        if (ahead->slots[i].plain != NULL)
            cipher_forget(ahead->slots[i].plain, BLOB_CHUNK);
        heap_free(ahead->slots[i].plain);
    }
    pthread_mutex_destroy(&ahead->lock);
    heap_free(ahead);
}

/* --- the thread's side --- */

/* Under the lock. */
static bool may_begin(const struct ahead *ahead)
{
    return ahead->begun <= ahead->last && ahead->begun - ahead->taken < SLOTS;
}

static void open_next(struct ahead *ahead)
{
    uint64_t index = ahead->begun++;
    struct slot *slot = &ahead->slots[index % SLOTS];
    slot->state = SLOT_OPENING;
    pthread_mutex_unlock(&ahead->lock);
    if (slot->plain == NULL)
        slot->plain = heap_alloc(BLOB_CHUNK);
    size_t size = 0;
    enum result result =
        blob_read(ahead->reader, index * BLOB_CHUNK, slot->plain, BLOB_CHUNK, &size);
    pthread_mutex_lock(&ahead->lock);
    slot->result = result;
    slot->size = size;
    slot->state = SLOT_READY;
    if (ahead->waited_for && index == ahead->taken && !ahead->closed) {
        ahead->waited_for = false;
        ahead->wake(ahead->context);
    }
}

static void run(struct work_slice *slice)
{
    struct ahead *ahead = (struct ahead *)(void *)((char *)slice - offsetof(struct ahead, slice));
    pthread_mutex_lock(&ahead->lock);
    while (!ahead->closed && may_begin(ahead))
        open_next(ahead);
    ahead->running = false;
    bool over = ahead->closed;
    pthread_mutex_unlock(&ahead->lock);
    if (over)
        drop(ahead);
}

/* --- the connection's side --- */

struct ahead *ahead_new(struct cloud *cloud, _Atomic unsigned *streams, struct blob_reader *reader,
                        uint64_t from, uint64_t end, void (*wake)(void *context), void *context)
{
    ASSERT(from % BLOB_CHUNK == 0 && from < end);
    if (cloud->workers == NULL)
        return NULL;
    if (atomic_fetch_add(streams, 1) >= STREAMS) {
        atomic_fetch_sub(streams, 1);
        return NULL;
    }
    struct ahead *ahead = heap_alloc(sizeof *ahead);
    ahead->slice.run = run;
    ahead->cloud = cloud;
    ahead->streams = streams;
    ahead->reader = reader;
    ahead->wake = wake;
    ahead->context = context;
    ahead->taken = ahead->begun = from / BLOB_CHUNK;
    ahead->last = (end - 1) / BLOB_CHUNK;
    ahead->own = UINT64_MAX;
    pthread_mutex_init(&ahead->lock, NULL);
    return ahead;
}

void ahead_free(struct ahead *ahead)
{
    if (ahead == NULL)
        return;
    pthread_mutex_lock(&ahead->lock);
    ahead->closed = true;
    bool running = ahead->running;
    pthread_mutex_unlock(&ahead->lock);
    if (!running)
        drop(ahead);
}

/* Under the lock: the thread goes on when half of the ring is free. */
static void ask(struct ahead *ahead)
{
    if (ahead->running || ahead->begun > ahead->last || ahead->begun - ahead->taken > SLOTS / 2)
        return;
    ahead->running = true;
    (void)work_post(ahead->cloud, &ahead->slice);
}

/* The chunk is through. */
static void pass(struct ahead *ahead, uint64_t index)
{
    pthread_mutex_lock(&ahead->lock);
    ahead->slots[index % SLOTS].state = SLOT_FREE;
    ahead->taken = index + 1;
    pthread_mutex_unlock(&ahead->lock);
}

static bool is_ready(struct ahead *ahead, uint64_t index, bool wait)
{
    pthread_mutex_lock(&ahead->lock);
    if (ahead->begun == index) {
        ahead->begun++;
        ahead->own = index;
    }
    bool ready = ahead->own == index || ahead->slots[index % SLOTS].state == SLOT_READY;
    ahead->waited_for = wait && !ready;
    ask(ahead);
    pthread_mutex_unlock(&ahead->lock);
    return ready;
}

RESULT ahead_read(struct ahead *ahead, struct blob_reader *own, uint64_t offset, char *out,
                  size_t size, bool wait, size_t *read)
{
    uint64_t index = offset / BLOB_CHUNK;
    size_t within = (size_t)(offset % BLOB_CHUNK);
    ASSERT(index == ahead->taken && index <= ahead->last);
    if (!is_ready(ahead, index, wait))
        return RESULT_PARK;
    if (ahead->own == index) {
        size_t left = BLOB_CHUNK - within;
        TRY(blob_read(own, offset, out, size < left ? size : left, read));
    } else {
        const struct slot *slot = &ahead->slots[index % SLOTS];
        if (slot->result != RESULT_OK)
            return slot->result;
        if (within >= slot->size)
            return FAULT("a blob is shorter than its record says");
        *read = slot->size - within < size ? slot->size - within : size;
        memcpy(out, slot->plain + within, *read);
    }
    if (within + *read == BLOB_CHUNK)
        pass(ahead, index);
    return RESULT_OK;
}
