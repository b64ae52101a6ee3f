/* The memory of libmicrohttpd's connections.
 *
 * The library takes a fixed block per connection and clears all of it after every request: with
 * room for 32 KiB of header fields that is 51 KB of real memory for each connection that was ever
 * used, and the dearest part of a small request. Its static library calls the eight functions of
 * its own memorypool.h below from other objects, so that the linker takes these instead of its
 * memorypool.o (pool_interface.h says what they promise). With the shared library these are dead
 * code and everything works the same, only fatter.
 *
 * A block is mapped, not touched:
 *
 *     | header | near ->   | front ->                                             <- far |
 *
 * `front` holds what grows and is given back: the request as it is received, the reply's head. What
 * the library asks for "from the end" (a record per header field) goes into `near` as long as it
 * fits, so that a usual exchange lives in one page. Nothing is cleared: the library does not count
 * on it, for fresh memory of its own is not clear either. */
#include "http/pool_interface.h"

#include "http/http_int.h"

#include <sys/mman.h>

enum {
    POOL_PAGE = 4096,
    POOL_ALIGN = 16,
    POOL_HEADER = 64,
    POOL_NEAR = 1024, /* 16 header fields */
    POOL_FRONT = POOL_HEADER + POOL_NEAR,
};

struct MemoryPool {
    size_t size;
    size_t near; /* offsets from the header: the first free byte of each area */
    size_t front;
    size_t far; /* the last free byte + 1 */
};

_Static_assert(sizeof(struct MemoryPool) <= POOL_HEADER, "the header has its place");

/* The field records beside the text, the half of the block that the library reads into, and the
 * reply's head. */
size_t http_pool_size(const struct http_config *config)
{
    enum { FIELD_RECORD = 64 };
    return config->header_limit + (size_t)config->header_count * FIELD_RECORD;
}

static char *at(struct MemoryPool *pool, size_t offset)
{
    return (char *)pool + offset;
}

static size_t round_up(size_t size)
{
    return (size + POOL_ALIGN - 1) & ~((size_t)POOL_ALIGN - 1);
}

void MHD_init_mem_pools_(void)
{
}

struct MemoryPool *MHD_pool_create(size_t max)
{
    if (max > SIZE_MAX / 2)
        return NULL;
    size_t size = (max + POOL_FRONT + POOL_PAGE - 1) & ~((size_t)POOL_PAGE - 1);
    struct MemoryPool *pool = mmap(NULL, size, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pool == MAP_FAILED)
        return NULL;
    *pool =
        (struct MemoryPool){.size = size, .near = POOL_HEADER, .front = POOL_FRONT, .far = size};
    return pool;
}

void MHD_pool_destroy(struct MemoryPool *pool)
{
    if (pool != NULL)
        (void)munmap(pool, pool->size);
}

size_t MHD_pool_get_free(struct MemoryPool *pool)
{
    return pool->far - pool->front;
}

static void *take_aside(struct MemoryPool *pool, size_t size)
{
    if (size <= POOL_FRONT - pool->near) {
        pool->near += size;
        return at(pool, pool->near - size);
    }
    if (size > pool->far - pool->front)
        return NULL;
    pool->far -= size;
    return at(pool, pool->far);
}

void *MHD_pool_allocate(struct MemoryPool *pool, size_t size, bool from_end)
{
    if (size > pool->size)
        return NULL;
    size = round_up(size);
    if (from_end)
        return take_aside(pool, size);
    if (size > pool->far - pool->front)
        return NULL;
    pool->front += size;
    return at(pool, pool->front - size);
}

void *MHD_pool_try_alloc(struct MemoryPool *pool, size_t size, size_t *required_bytes)
{
    void *memory = MHD_pool_allocate(pool, size, true);
    if (memory != NULL)
        return memory;
    *required_bytes = SIZE_MAX;
    if (size <= pool->size && round_up(size) <= pool->far - POOL_FRONT)
        *required_bytes = round_up(size) - (pool->far - pool->front);
    return NULL;
}

void *MHD_pool_reallocate(struct MemoryPool *pool, void *old, size_t old_size, size_t new_size)
{
    if (new_size > pool->size)
        return NULL;
    if (old != NULL) {
        size_t offset = (size_t)((char *)old - (char *)pool);
        if (round_up(offset + old_size) == pool->front) {
            if (round_up(offset + new_size) > pool->far)
                return NULL;
            pool->front = round_up(offset + new_size);
            return old;
        }
        if (new_size <= old_size)
            return old;
    }
    void *fresh = MHD_pool_allocate(pool, new_size, false);
    if (fresh != NULL && old_size > 0)
        memcpy(fresh, old, old_size);
    return fresh;
}

void *MHD_pool_reset(struct MemoryPool *pool, void *keep, size_t copy_bytes, size_t new_size)
{
    char *front = at(pool, POOL_FRONT);
    if (keep != NULL && keep != front && copy_bytes > 0)
        memmove(front, keep, copy_bytes);
    pool->front = round_up(POOL_FRONT + new_size);
    pool->near = POOL_HEADER;
    pool->far = pool->size;
    return front;
}
