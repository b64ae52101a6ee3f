/* What the data protection policies of a group hide: "Help protect sensitive log data with
 * masking", User Guide. An event is masked by the policy that there was when it came; what is
 * masked is replaced by as many asterisks when it leaves. */
#ifndef KUMONIWA_SERVICES_LOGS_MASK_H
#define KUMONIWA_SERVICES_LOGS_MASK_H

#include "services/logs/event.h"

/* Finds one kind of data. */
struct data_identifier;
/* By the name of a managed one; NULL: it is not built, or there is none. Lives in the arena. */
const struct data_identifier *data_identifier_managed(struct arena *arena, struct str name);
/* By a regular expression; NULL: *problem. */
const struct data_identifier *data_identifier_custom(struct arena *arena, struct str expression,
                                                     struct str *problem);

/* Those of one group, as they followed one another. */
struct log_masks;
struct log_masks *log_masks_new(struct arena *arena);
/* From this moment on; count 0: nothing is hidden. Moments come in order. What the account's
 * policies hide is hidden beside what the group's own do. */
void log_masks_add(struct log_masks *masks, bool of_account, int64_t since_ms,
                   const struct data_identifier *const *identifiers, size_t count);
/* The event's message as it may be seen: itself, or a copy in the arena. masks NULL: itself. */
struct str log_mask(const struct log_masks *masks, struct arena *arena,
                    const struct log_event *event);

/* Of a group of this account and region; NULL: there never was a policy. (protection.c) */
struct logs_group;
RESULT log_masks_load(struct arena *arena, struct kv_txn *txn, struct str account,
                      struct str region, const struct logs_group *group, struct log_masks **out);

#endif
