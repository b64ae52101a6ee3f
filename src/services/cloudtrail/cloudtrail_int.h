/* Between the files of CloudTrail. */
#ifndef KUMONIWA_SERVICES_CLOUDTRAIL_CLOUDTRAIL_INT_H
#define KUMONIWA_SERVICES_CLOUDTRAIL_CLOUDTRAIL_INT_H

#include "base/time.h"
#include "cloud/object_io.h"
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

/* A trail's record: by its owner and home region. */
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

/* organization: of the event's account; absent: none. */
bool trail_wants(const struct cloudtrail_trail *trail, const struct cloud_trail_event *event,
                 struct str organization);
bool trail_selects_data(const struct cloudtrail_trail *trail);
/* Data events are collected when any trail of any account wants some: from before the commit of
 * who wants them (a few that nobody wants do no harm), until after the commit of who was the last.
 */
RESULT trail_data_switch(struct call *call);
RESULT cloudtrail_deliver_switch(struct call *call, const struct outbox_item *item);

/* --- events.c --- */

/* The receiver of cloud/trail.h: management events go to the history, and each event to the trails
 * that want it. records: the texts of the events, as many. */
RESULT cloudtrail_keep(struct call *call, const struct cloud_trail_event *events,
                       const struct str *records, size_t count);
/* What is older than the history goes, some hundreds at a time. */
RESULT cloudtrail_deliver_trim(struct call *call, const struct outbox_item *item);

/* --- deliver.c --- */

/* The event waits for the trail's next delivery, which is scheduled when none is. One that is kept
 * again after a crash takes its own place. */
RESULT trail_enqueue(struct call *call, struct cloudtrail_trail *trail,
                     const struct cloud_trail_event *event);
RESULT cloudtrail_deliver_logs(struct call *call, const struct outbox_item *item);
/* Whether the bucket takes the trail's files, by writing the folder's first, empty object. */
RESULT trail_check_bucket(struct call *call, const struct cloudtrail_trail *trail);
/* The trail goes, with what waits for its next delivery; or for a digest, below. */
RESULT trail_queue_drop(struct call *call, const struct cloudtrail_trail *trail);
/* Where events come from: a region, and of an organization's trail "REGION ACCOUNT" of a member. */
struct str trail_place(struct call *call, const struct cloudtrail_trail *trail, struct str account,
                       struct str region);
void trail_place_parts(const struct cloudtrail_trail *trail, struct str place, struct str *account,
                       struct str *region);
/* "PREFIX/AWSLogs/ACCOUNT/", of an organization's trail "PREFIX/AWSLogs/o-ID/ACCOUNT/". */
struct str trail_folder(struct call *call, const struct cloudtrail_trail *trail,
                        struct str account);
/* Who writes to the trail's bucket: the service, for the trail's account. */
struct object_io_caller trail_caller(struct call *call, const struct cloudtrail_trail *trail);

/* --- digest.c --- */

/* Logging or validation was turned on: the first hour begins, if none has. The caller puts the
 * trail. */
RESULT trail_digest_begin(struct call *call, struct cloudtrail_trail *trail);
/* A log file was delivered, with its object and event times; plain: what it holds. */
RESULT trail_digest_note(struct call *call, const struct cloudtrail_trail *trail, struct str place,
                         struct cloudtrail_log_file *file, struct str plain);
RESULT trail_digest_drop(struct call *call, const struct cloudtrail_trail *trail);
RESULT cloudtrail_deliver_digest(struct call *call, const struct outbox_item *item);

/* --- signing.c --- */

/* The region's key that is valid then. When there is none a pair is made on another thread, for
 * whoever asks next: *later, and there is no key yet. */
RESULT signing_key_at(struct call *call, struct str region, int64_t at_ms,
                      struct cloudtrail_signing_key *out, bool *later);
struct signing_spare;
struct signing_spare *signing_spare_new(void);
void signing_spare_free(struct signing_spare *spare);
struct signing_spare *signing_spare_of(struct call *call); /* limits.c */
/* Hexadecimal. */
RESULT signing_sign(struct call *call, struct str region, const struct cloudtrail_signing_key *key,
                    struct str text, struct str *signature);

/* --- organization.c: trails of organizations --- */

/* Makes it one, or fails as AWS does. */
RESULT trail_take_organization(struct call *call, struct cloudtrail_trail *trail);
/* The organization that an account is in; absent: none. In the arena. */
RESULT organization_of(struct call *call, struct str account, struct str *id, struct str *master);
/* Whose a new trail is: the caller's, and of an organization the management account's also when who
 * administers for CloudTrail makes it. */
RESULT trail_owner(struct call *call, bool of_organization, struct str *account);
/* The trails that an account sees: its own, and those of its organization. */
RESULT trails_seen(struct call *call, struct str account, struct cloudtrail_trail **out,
                   size_t *count);

/* --- limits.c --- */

/* ThrottlingException beyond two LookupEvents a second, by account and region. */
RESULT lookup_limit(struct call *call);
void *limits_new(void);
void limits_free(void *memory);

#endif
