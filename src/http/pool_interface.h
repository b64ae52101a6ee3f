/* The functions of libmicrohttpd's internal memorypool.h (0.9.70 to 0.9.77), which pool.c supplies.
 * A version of the library with other ones fails to link: a symbol would be missing, or defined
 * twice. */
#ifndef KUMONIWA_HTTP_POOL_INTERFACE_H
#define KUMONIWA_HTTP_POOL_INTERFACE_H

#include <stdbool.h>
#include <stddef.h>

struct MemoryPool;
struct http_config;

/* The block size to ask the library for. */
size_t http_pool_size(const struct http_config *config);

void MHD_init_mem_pools_(void);
/* NULL when there is no memory. */
struct MemoryPool *MHD_pool_create(size_t max);
void MHD_pool_destroy(struct MemoryPool *pool);
size_t MHD_pool_get_free(struct MemoryPool *pool);
/* from_end: never reallocated. NULL when it does not fit. */
void *MHD_pool_allocate(struct MemoryPool *pool, size_t size, bool from_end);
/* As from_end; when it does not fit, *required_bytes says how much must be given back to make it.
 */
void *MHD_pool_try_alloc(struct MemoryPool *pool, size_t size, size_t *required_bytes);
/* In place for the newest allocation and for shrinking. `old` need not be where an allocation
 * began, but ends where one ends. */
void *MHD_pool_reallocate(struct MemoryPool *pool, void *old, size_t old_size, size_t new_size);
/* Forgets everything but the first copy_bytes of `keep`, which a fresh allocation of new_size
 * begins with. */
void *MHD_pool_reset(struct MemoryPool *pool, void *keep, size_t copy_bytes, size_t new_size);

#endif
