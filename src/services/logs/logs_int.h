/* Between the files of CloudWatch Logs. */
#ifndef KUMONIWA_SERVICES_LOGS_LOGS_INT_H
#define KUMONIWA_SERVICES_LOGS_LOGS_INT_H

#include "cloud/call.h"
#include "cloud/log_sink.h"
#include "cloud/outbox.h"
#include "gen/logs.h"
#include "services/logs/event.h"
#include "services/logs/logs.h"

#define DAY_MS (INT64_C(24) * 3600 * 1000)

/* --- keys.c --- */

/* Batches of the tail, by the number of their first event. */
struct key log_key_tail(struct arena *arena, uint64_t group, uint64_t stream);
/* Segments, by the time and number of their first event. */
struct key log_key_segment(struct arena *arena, uint64_t group, uint64_t stream);
/* (what, group's id): streams by name, streams by their last event, ... */
struct key log_key_of(struct arena *arena, struct str what, uint64_t group);
/* A number that changes with every write, beside the records that do not. */
RESULT log_count_add(struct kv_txn *txn, const struct key *key, int64_t difference);
RESULT log_count_get(struct kv_txn *txn, const struct key *key, int64_t *out);

/* --- groups.c --- */

/* Strings in the arena. Fails with ResourceNotFoundException. */
RESULT group_find(struct call *call, struct str name, struct logs_group *group);
/* By a name or an ARN, exactly one of which is there. */
RESULT group_find_either(struct call *call, struct str name, struct str identifier,
                         struct logs_group *group);
RESULT group_put(struct call *call, const struct logs_group *group);
struct str group_arn(struct call *call, struct str name);
/* Events before this are gone, whether removed yet or not. */
int64_t group_oldest_ms(const struct logs_group *group, int64_t now_ms);
/* Position in a listing: token absent, or paging_position(); fails as AWS does. */
RESULT logs_page(struct call *call, struct str token, struct str *after);

/* --- streams.c --- */

/* Strings in the arena. Fails with ResourceNotFoundException. */
RESULT stream_find(struct call *call, const struct logs_group *group, struct str name,
                   struct logs_stream *stream);
/* Its record alone. */
RESULT stream_put(struct call *call, const struct logs_group *group,
                  const struct logs_stream *stream);
/* Its place in the order of last events moves. */
RESULT stream_moved(struct call *call, const struct logs_group *group,
                    const struct logs_stream *stream, int64_t old_last_ms);
struct key stream_key(struct call *call, const struct logs_group *group, struct str name);

/* New ones, empty, that nobody else has made: the caller has looked. *stream: as it was kept. */
RESULT group_make(struct call *call, const struct logs_group *group);
RESULT stream_make(struct call *call, const struct logs_group *group, struct str name,
                   struct logs_stream *stream);

/* --- protection.c --- */

/* What hides a group's data from the caller: NULL: nothing. unmask: it asks for all, which
 * logs:Unmask must allow. */
RESULT protection_masks(struct call *call, const struct logs_group *group, bool unmask,
                        const struct log_masks **out);
/* dataProtectionStatus and inheritedProperties. */
RESULT protection_show(struct call *call, const struct logs_group *group,
                       struct logs_LogGroup *out);
/* Fails when it is no policy, or none that is built. */
RESULT protection_check(struct call *call, struct str document);
/* From now on, for all groups; absent: none any more. */
RESULT protection_of_account(struct call *call, struct str document);

/* --- put.c --- */

enum { EVENT_OVERHEAD = 26 }; /* what an event counts for beside its message */

/* Events in order of their time, within a day; they get their numbers and the moment of their
 * ingestion here. A tail that has grown large is packed soon. */
RESULT stream_keep(struct call *call, const struct logs_group *group, struct logs_stream *stream,
                   struct log_event *events, size_t count);

/* --- resource_policies.c --- */

RESULT logs_resource_policy(struct call *call, const void *in, struct str *resource_arn,
                            struct str *owner_account, struct str *policy);

/* --- lines.c --- */

/* The receiver of cloud/log_sink.h: lines become events of their stream, which is made when it is
 * not there; dropped when the group is not there and may not be made. */
RESULT logs_keep_lines(struct call *call, const struct log_sink_stream *lines);

/* --- sweep.c --- */

/* A tail of so many bytes or batches is packed into segments of so many bytes of messages. */
enum { TAIL_BYTES = 256 * 1024, TAIL_BATCHES = 256, SEGMENT_BYTES = 256 * 1024 };
/* Each posts an item of the outbox, for the deliveries below. Of pack and expire the record says
 * that it is under way, and the caller puts it. */
RESULT sweep_pack_soon(struct call *call, const struct logs_group *group,
                       struct logs_stream *stream);
RESULT sweep_drop_soon(struct call *call, uint64_t group, uint64_t stream);
RESULT sweep_expire_soon(struct call *call, struct logs_group *group);
RESULT logs_deliver_pack(struct call *call, const struct outbox_item *item);
RESULT logs_deliver_drop(struct call *call, const struct outbox_item *item);
RESULT logs_deliver_expire(struct call *call, const struct outbox_item *item);

/* --- walk.c --- */

/* The events of many streams as one, by time, then stream, then number. */
struct log_walk_position {
    int64_t ms;
    uint64_t stream, number;
};
struct log_walk;
struct log_walk_stream {
    struct str name;
    struct log_stream_id id;
    int64_t first_ms, last_ms;
};
/* from and to are included; streams live as long as the walk. */
RESULT log_walk_open(struct arena *arena, struct kv_txn *txn, const struct log_walk_stream *streams,
                     size_t count, struct log_walk_position from, struct log_walk_position to,
                     bool backward, struct log_walk **out);
RESULT log_walk_next(struct log_walk *walk, const struct log_event **event,
                     const struct log_walk_stream **stream);
/* The message of the event that was yielded last, unmasked. */
struct str log_walk_plain(const struct log_walk *walk);
/* Streams of a group with events between the two times: of these names, or of this prefix, or all.
 */
RESULT log_walk_streams(struct arena *arena, struct kv_txn *txn, uint64_t group,
                        const struct log_masks *masks, struct str prefix, int64_t from_ms,
                        int64_t to_ms, struct log_walk_stream **out, size_t *count);

/* --- ids.c --- */

/* 56 digits that sort as the positions do. */
struct str log_event_id(struct arena *arena, struct log_walk_position at);
bool log_event_id_read(struct str id, struct log_walk_position *at);

#endif
