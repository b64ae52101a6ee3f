/* Storage classes whose objects cannot be read until they are restored: GLACIER (Flexible
 * Retrieval) and DEEP_ARCHIVE. "Restoring an archived object", Amazon S3 User Guide. */
#ifndef KUMONIWA_SERVICES_S3_ARCHIVE_H
#define KUMONIWA_SERVICES_S3_ARCHIVE_H

#include "services/s3/s3_int.h"

/* GLACIER and DEEP_ARCHIVE. */
bool archive_is_class(struct str storage_class);
/* Fails with InvalidObjectState unless the object can be read now. copying: in the words of a
 * copy's source. */
RESULT archive_check_read(struct call *call, const struct s3_object *object, bool copying);
/* The header x-amz-restore; absent: nothing to say. */
struct str archive_shown(struct call *call, const struct s3_object *object);
/* RestoreStatus of listings; NULL: nothing to say. */
struct s3_RestoreStatus *archive_status(struct call *call, const struct s3_object *object);
/* OptionalObjectAttributes of a listing: whether RestoreStatus is asked for. */
RESULT archive_read_optional(struct call *call, const struct str_list *asked, bool *wanted);

/* "s3.restore": a restore that is done, or a restored copy that has expired. */
RESULT archive_deliver(struct call *call, const struct outbox_item *item);

#endif
