/* What a group does with its events as they come: metric filters and subscriptions. A write leaves
 * an item in the outbox that names the events that came with it; its handler reads them again. */
#ifndef KUMONIWA_SERVICES_LOGS_FILTERS_H
#define KUMONIWA_SERVICES_LOGS_FILTERS_H

#include "services/logs/logs_int.h"
#include "services/logs/pattern.h"

/* --- filters.c --- */

/* Once per write, in its transaction; events as they were kept. */
RESULT filters_wake(struct call *call, const struct logs_group *group,
                    const struct logs_stream *stream, const struct log_event *events, size_t count);
/* The events of an item; count 0 when they, their stream or their group are gone. */
RESULT filters_read(struct call *call, const struct outbox_item *item, struct logs_came *came,
                    struct logs_group *group, struct log_event **events, size_t *count);
/* The pattern, or InvalidParameterException. */
RESULT filters_pattern(struct call *call, struct str text, struct pattern **out);
/* LimitExceededException when the group has as many others with regular expressions as it may. The
 * key: of the filter that is put. */
RESULT filters_check_regexes(struct call *call, const struct logs_group *group,
                             const struct pattern *pattern, const struct key *key);
/* "arn:...:log-group:NAME:*": who calls when events are delivered. */
struct str filters_source_arn(struct call *call, struct str group);

/* --- measure.c --- */

RESULT logs_deliver_measure(struct call *call, const struct outbox_item *item);
RESULT logs_answer_metrics(struct call *call, struct wire_response *response);
struct key metric_filter_key(struct call *call, uint64_t group, struct str name);

/* --- metric_filters.c --- */

/* Before a group goes: they are in the account's list by their names. */
RESULT metric_filters_drop(struct call *call, const struct logs_group *group);

/* --- subscriptions.c --- */

RESULT logs_deliver_subscription(struct call *call, const struct outbox_item *item);
/* The account's subscription that holds for the group; found false: none. */
RESULT account_subscription(struct call *call, struct str group,
                            struct logs_subscription *subscription, bool *found);
struct key subscription_key(struct call *call, uint64_t group, struct str name);

/* --- target.c --- */

/* Where subscriptions lead. RESULT_ERROR: *problem says why. */
struct target_problem {
    struct str message;
    bool unbuilt; /* that service is not here */
    bool later;   /* it may go another time */
};
RESULT target_check(struct call *call, struct str arn, struct target_problem *problem);
/* One record of a subscription: JSON, sent packed. */
RESULT target_send(struct call *call, struct str arn, struct str source_arn, struct str record,
                   struct target_problem *problem);
/* How long a record becomes when it is packed. */
RESULT target_pack(struct call *call, struct str record, struct str *payload);
enum { TARGET_PAYLOAD_MAX = 256 * 1024 };

#endif
