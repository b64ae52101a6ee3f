/* gzip (RFC 1952), over zlib: packing at once; unpacking as a stream that may be left and taken up
 * again later, from a point that it names. */
#ifndef KUMONIWA_BASE_GZIP_H
#define KUMONIWA_BASE_GZIP_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/result.h"

/* All of `in` as one gzip member, appended to out. */
RESULT gzip_pack(struct str in, struct buf *out);

/* Where unpacking can begin: between two blocks of the packed stream. All zero: at the start. */
struct gunzip_point {
    uint64_t in_at, out_at; /* bytes before it, packed and unpacked */
    int bits;               /* so many of the byte before in_at are still to come */
    struct str window;      /* the unpacked bytes before it that what follows may refer to */
};
/* Reads packed bytes from an offset; *got 0: the end. */
struct gunzip_source {
    RESULT (*read)(void *context, uint64_t offset, char *room, size_t size, size_t *got);
    void *context;
};
struct gunzip;
/* Lives in the arena; members that follow one another are unpacked as one stream. */
RESULT gunzip_open(struct arena *arena, const struct gunzip_source *source,
                   const struct gunzip_point *from, struct gunzip **out);
/* The next unpacked bytes; *got 0: the end. RESULT_ERROR: the packed bytes are broken or end too
 * early. */
RESULT gunzip_read(struct gunzip *gunzip, char *room, size_t size, size_t *got);
/* The last point seen that is not beyond out_at; false: none since the one it began from. */
bool gunzip_point_before(const struct gunzip *gunzip, uint64_t out_at, struct gunzip_point *point);

#endif
