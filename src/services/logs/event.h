/* Events on the disk, and reading them back in order.
 *
 * An event of a stream is at a position: its timestamp, and its number among all that the stream
 * has had. Batches and segments are the same bytes:
 *
 *   batch := form byte (0: as it is, 1: zlib), first ms, last ms, count, length of the body, body
 *   body  := event*
 *   event := ms (difference to the one before), number (likewise), ingestion (likewise), length,
 *            message
 *
 * all numbers are varints, differences zigzag. */
#ifndef KUMONIWA_SERVICES_LOGS_EVENT_H
#define KUMONIWA_SERVICES_LOGS_EVENT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/result.h"
#include "store/kv.h"

struct log_position {
    int64_t ms;
    uint64_t number;
};
struct log_event {
    struct log_position at;
    int64_t ingested_ms;
    struct str message;
};
struct log_batch {
    int64_t first_ms, last_ms;
    uint64_t count;
    bool packed;
    uint64_t size; /* of the body, unpacked */
    struct str body;
};

int log_position_cmp(struct log_position a, struct log_position b);

/* Events in order of position. packed: the body is compressed. Appended to out. */
RESULT log_batch_write(struct buf *out, const struct log_event *events, size_t count, bool packed);
/* The head; the body is borrowed. */
RESULT log_batch_read(struct str bytes, struct log_batch *batch);
/* The events, unpacked into the arena or borrowed. */
RESULT log_batch_events(struct arena *arena, const struct log_batch *batch,
                        struct log_event **events);

/* Walks a stream's events between two positions, both included, either way. Messages are good
 * until the next step. Memory: the segments that overlap at one time. */
struct log_range {
    struct log_position from, to;
    bool backward;
};
struct log_reader;
struct log_masks;
struct log_stream_id {
    uint64_t group, stream;
    int64_t span_ms;               /* see struct logs_stream */
    const struct log_masks *masks; /* mask.h; NULL: nothing is hidden */
};
RESULT log_reader_open(struct arena *arena, struct kv_txn *txn, const struct log_stream_id *stream,
                       const struct log_range *range, struct log_reader **out);
/* *event NULL: the end. */
RESULT log_reader_next(struct log_reader *reader, const struct log_event **event);
/* The message of the event that it is at as it came, unmasked. Good as long as that. */
struct str log_reader_plain(const struct log_reader *reader);
void log_reader_close(struct log_reader *reader);

#endif
