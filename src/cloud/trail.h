/* What CloudTrail hears of: management calls always, data calls when a trail wants them. A server's
 * thread puts an event into a file (DIR/events-N.spool, see spool.h: it survives kill -9) and goes
 * on; a thread of its own takes a file's events into the store, in batches, and uses the file
 * again. A crash in between takes them again: who keeps events knows them by their ids. At most 64
 * files of 4 MiB wait; where the store takes none, what comes after is lost, which is logged. */
#ifndef KUMONIWA_CLOUD_TRAIL_H
#define KUMONIWA_CLOUD_TRAIL_H

#include "cloud/call.h"
#include "gen/cloud.h"

struct trail;

/* What a service tells of its calls, in service_hooks: of data calls but for `name`. */
struct trail_data {
    /* What CloudTrail calls any of the service's operations. NULL: as the model does. */
    struct str (*name)(struct str operation);
    struct str type; /* "AWS::S3::Object"; absent: calls that CloudTrail never hears of */
    const uint32_t *operations;
    size_t count;
    /* requestParameters as JSON, where data must not be told of; absent: the request as it is.
     * Outside of any transaction. NULL: always so. */
    struct str (*tell)(struct call *call, struct arena *arena, uint32_t operation, const void *in);
    /* ARNs of what the call uses. NULL: the one that authorisation asks for. */
    struct str_list (*resources)(struct call *call, struct arena *arena, uint32_t operation,
                                 const void *in);
    bool (*is_silent)(uint32_t operation); /* responseElements are null. NULL: never */
};

/* Who keeps events, in service_hooks. Runs in a writing transaction as the service itself.
 * records: the events as record_encode() makes them. */
struct trail_keeper {
    RESULT(*keep)
    (struct call *call, const struct cloud_trail_event *events, const struct str *records,
     size_t count);
};

RESULT trail_open(struct cloud *cloud, struct str directory, struct trail **out);
RESULT trail_start(struct trail *trail); /* the thread that takes */
void trail_close(struct trail *trail);   /* its thread takes what is there; NULL is fine */
/* Any thread. That it fails is logged, once until the next is kept. */
void trail_append(struct trail *trail, struct arena *arena, const struct cloud_trail_event *event);
/* Returns when what was appended is kept; after a time without news it does not wait longer. NULL
 * is fine. */
void trail_settle(struct trail *trail);

/* A UUID of version 7 (RFC 9562): its time says where the event is kept. In the arena. */
struct str trail_event_id(struct arena *arena, int64_t time_ms);
/* False: no such id. */
bool trail_event_time(struct str id, int64_t *time_ms);

/* Whether anybody wants data events at all: asked for every data call. */
bool trail_wants_data(const struct trail *trail);
void trail_set_data(struct trail *trail, bool wanted);

/* Adds what a structure names (trail_resources.c), in the arena. */
void trail_resources(struct arena *arena, const struct wire_model *model, uint16_t shape,
                     const void *value, struct cloud_trail_event *event);

#endif
