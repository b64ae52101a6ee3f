/* What items were before: the history of a table, written while point-in-time recovery is on or
 * while something copies the table, and the table as it stood at any moment since.
 *
 *   ("ddb-p", log id) item, sequence (8 bytes)   -> time (8 bytes), the item before: codec bytes,
 *                                                   none when there was none
 *   ("ddb-q", log id, time, sequence)            -> item
 *
 * `item` is the item's key behind its table's prefix. As an item stood after change S: the image of
 * its first entry beyond S, or what stands now. So a copy may take as many transactions as it likes
 * and is of one moment. */
#ifndef KUMONIWA_SERVICES_DYNAMODB_HISTORY_H
#define KUMONIWA_SERVICES_DYNAMODB_HISTORY_H

#include "services/dynamodb/dynamodb_int.h"

/* In the transaction of the change. */
RESULT history_write(struct call *call, const struct change *change);
/* From now on there is one; the caller puts the table. */
RESULT history_begin(struct call *call, struct dynamodb_table *table);
/* Nobody needs it any more, unless somebody does; the caller puts the table. */
RESULT history_release(struct call *call, struct dynamodb_table *table);
RESULT history_deliver_forget(struct call *call, const struct outbox_item *item);
/* Drops what is older than the recovery period, every hour. */
RESULT history_want_trim(struct call *call, const struct dynamodb_table *table);
RESULT history_deliver_trim(struct call *call, const struct outbox_item *item);

/* The table after the last change of that millisecond, or as it is now. */
RESULT history_view_at(struct call *call, const struct dynamodb_table *table, int64_t time_ms,
                       struct dynamodb_view *view);
RESULT history_view_now(struct call *call, const struct dynamodb_table *table,
                        struct dynamodb_view *view);

/* One item of a view: bytes as codec_encode() made them, in the arena. key: behind the prefix. */
struct history_item {
    struct str key, bytes;
};
/* Calls visit for the items of the view from key `from` on (absent: the first), for one portion;
 * *next (in the arena) is where to go on, absent at the end. visit may write. */
struct history_walk {
    struct call *call;
    const struct dynamodb_view *view;
    struct str from;
    size_t items_max, bytes_max;
    RESULT (*visit)(void *context, const struct history_item *item);
    void *context;
};
RESULT history_walk(const struct history_walk *walk, struct str *next);

/* One item that changed between two views of a table: its images, absent when it did not exist. */
struct history_change {
    struct str key, before, after;
    int64_t time_ms; /* of its last change */
};
struct history_diff {
    struct call *call;
    const struct dynamodb_view *before, *after;
    struct str from;
    size_t items_max, bytes_max;
    RESULT (*visit)(void *context, const struct history_change *change);
    void *context;
};
RESULT history_diff(const struct history_diff *diff, struct str *next);

/* A table that a copy reads may neither go nor lose its history. */
RESULT history_hold(struct call *call, struct dynamodb_table *table);
RESULT history_let_go(struct call *call, struct str table_name);

#endif
