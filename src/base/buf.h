/* A byte buffer that grows, with a maximum given at birth. Passing the maximum does not end
 * anything: the buffer keeps what it has, drops what does not fit, and buf_is_full() answers true
 * from then on; the writer checks once at the end. */
#ifndef KUMONIWA_BASE_BUF_H
#define KUMONIWA_BASE_BUF_H

#include "base/str.h"

struct buf {
    char *ptr;
    size_t len;
    size_t cap;
    size_t max;
    struct arena *arena; /* where it grows; NULL: memory of the caller, cap == max */
    bool full;
};

void buf_init(struct buf *buf, struct arena *arena, size_t max);
/* Over memory of the caller that never grows. */
void buf_init_fixed(struct buf *buf, char *memory, size_t size);
static inline void buf_clear(struct buf *buf)
{
    buf->len = 0;
    buf->full = false;
}
static inline bool buf_is_full(const struct buf *buf)
{
    return buf->full;
}
static inline struct str buf_str(const struct buf *buf)
{
    return (struct str){.ptr = buf->ptr == NULL ? "" : buf->ptr, .len = buf->len};
}
/* Makes room for `more` bytes; false when the maximum forbids it (the buffer is full from then on).
 */
bool buf_reserve(struct buf *buf, size_t more);
void buf_append_slow(struct buf *buf, struct str s); /* what buf_append() does when it must grow */
/* All of s or, when it does not fit, nothing of it and of what follows. */
static inline void buf_append(struct buf *buf, struct str s)
{
    if (buf->full || s.len > buf->cap - buf->len) {
        buf_append_slow(buf, s);
    } else if (s.len > 0) {
        memcpy(buf->ptr + buf->len, s.ptr, s.len);
        buf->len += s.len;
    }
}
static inline void buf_append_char(struct buf *buf, char c)
{
    if (buf->full || buf->len == buf->cap)
        buf_append_slow(buf, str_make(&c, 1));
    else
        buf->ptr[buf->len++] = c;
}
void buf_append_c(struct buf *buf, const char *c);
void buf_append_u64(struct buf *buf, uint64_t n); /* decimal */
void buf_append_i64(struct buf *buf, int64_t n);
void buf_append_format(struct buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
