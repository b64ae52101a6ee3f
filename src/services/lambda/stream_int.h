/* What pollers of streams ask of a kind of stream: DynamoDB's, and Kinesis' when it is built. */
#ifndef KUMONIWA_SERVICES_LAMBDA_STREAM_INT_H
#define KUMONIWA_SERVICES_LAMBDA_STREAM_INT_H

#include "services/lambda/events_int.h"

struct stream_record {
    struct str sequence; /* compared as text */
    struct str record;   /* JSON, as functions get it */
    int64_t arrival_ms;
    uint64_t key_hash; /* of what must stay in order */
};
struct stream_page {
    struct stream_record *items; /* in the call's arena, as all of this */
    size_t len;
    struct str next;  /* to go on with; absent: the shard is closed and at its end */
    struct str topic; /* that is signalled when there is more */
    bool more;        /* there may be more right now */
};
struct stream_source {
    struct str service;
    struct str batch_name; /* in records of failures */
    RESULT (*shards)(struct call *call, const struct source *source, struct str_list *out);
    /* Where a mapping begins that has read nothing yet: what it is after; absent: the oldest. */
    struct str (*start)(struct call *call, const struct source *source);
    /* One page, from `next` of the last one or, when that is absent, after `sequence`. */
    RESULT(*read)
    (struct call *call, const struct source *source, struct str shard, struct str sequence,
     struct str next, struct stream_page *out);
};
extern const struct stream_source stream_dynamodb;

#endif
