/* Between the files of CloudTrail. */
#ifndef KUMONIWA_SERVICES_CLOUDTRAIL_CLOUDTRAIL_INT_H
#define KUMONIWA_SERVICES_CLOUDTRAIL_CLOUDTRAIL_INT_H

#include "cloud/outbox.h"
#include "cloud/trail.h"
#include "gen/cloudtrail.h"
#include "services/cloudtrail/cloudtrail.h"

/* "Quotas in AWS CloudTrail": trails in a region; "event history": 90 days. */
enum { TRAILS_MAX = 5, TRAIL_TAGS_MAX = 50, LOOKUP_MAX = 50 };
#define HISTORY_MS (INT64_C(90) * 24 * 3600 * 1000)
/* "CloudTrail typically delivers logs within an average of about 5 minutes of an API call". */
#define DELIVERY_MS (INT64_C(5) * 60 * 1000)

/* --- trails.c --- */

struct key trail_key(struct call *call, struct str account, struct str region, struct str name);
RESULT trail_put(struct call *call, const struct cloudtrail_trail *trail);
/* By name or ARN; fails with TrailNotFoundException. Strings in the arena. */
RESULT trail_find(struct call *call, struct str name, struct cloudtrail_trail *trail);
/* The same, for who changes it: in its home region and account. */
RESULT trail_find_own(struct call *call, struct str name, struct cloudtrail_trail *trail);
struct str trail_arn(struct call *call, const struct cloudtrail_trail *trail);
/* Of all accounts when account is absent. */
RESULT trails_of(struct call *call, struct str account, struct cloudtrail_trail **out,
                 size_t *count);

/* --- selectors.c --- */

bool trail_wants(const struct cloudtrail_trail *trail, const struct cloud_trail_event *event);
bool trail_selects_data(const struct cloudtrail_trail *trail);
/* Data events are collected when any trail of any account wants some. */
RESULT trail_data_switch(struct call *call);

/* --- events.c --- */

RESULT cloudtrail_keep(struct call *call, const struct cloud_trail_event *events, size_t count);
RESULT cloudtrail_deliver_trim(struct call *call, const struct outbox_item *item);

/* --- deliver.c --- */

RESULT trail_enqueue(struct call *call, struct cloudtrail_trail *trail,
                     const struct cloud_trail_event *event);
RESULT cloudtrail_deliver_logs(struct call *call, const struct outbox_item *item);
/* Whether the bucket takes the trail's files, by writing the folder's first, empty object. */
RESULT trail_check_bucket(struct call *call, const struct cloudtrail_trail *trail);
RESULT trail_queue_drop(struct call *call, const struct cloudtrail_trail *trail);

#endif
