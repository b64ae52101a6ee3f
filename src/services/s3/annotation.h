/* Annotations: named texts that stand beside a version of an object ("Annotating your objects",
 * Amazon S3 User Guide). A version names its set by number; copies and replicas have sets of their
 * own. */
#ifndef KUMONIWA_SERVICES_S3_ANNOTATION_H
#define KUMONIWA_SERVICES_S3_ANNOTATION_H

#include "services/s3/crypt.h"

/* Removes a version's annotations for good. */
RESULT annotations_drop(struct call *call, const struct s3_object *object);
/* Gives `to` (not yet written) a new set with what `from` has, sealed anew. Fails when `to` is
 * encrypted with a customer's key, and `from` has any. */
RESULT annotations_copy(struct call *call, const struct s3_object *from, const struct crypt *opened,
                        const struct crypt *wanted, struct s3_object *to);

#endif
