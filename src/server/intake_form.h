/* A form (multipart/form-data, RFC 7578) that is posted to a bucket: fields first, then the file,
 * which streams on. "POST Object", Amazon S3 API Reference. */
#ifndef KUMONIWA_SERVER_INTAKE_FORM_H
#define KUMONIWA_SERVER_INTAKE_FORM_H

#include "server/request.h"

struct form;

struct form *form_new(struct request *request);

/* What the form is read for. fields: all before the file have been read and stand in place of the
 * request's headers, names in lower case, the file's own name under "file"; store: bytes of the
 * file. */
struct form_reader {
    RESULT (*fields)(struct request *request);
    RESULT (*store)(void *context, struct str bytes);
    void *context;
};
RESULT form_feed(struct form *form, struct str piece, const struct form_reader *reader);
/* RESULT_ERROR when the file or its end never came. */
RESULT form_end(struct form *form);

#endif
