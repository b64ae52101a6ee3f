/* Small things that the files about configurations share. */
#ifndef KUMONIWA_SERVICES_S3_FLOW_INT_H
#define KUMONIWA_SERVICES_S3_FLOW_INT_H

#include "services/s3/s3_int.h"

/* 400 MalformedXML. */
RESULT flow_fail_xml(struct call *call);
/* 400 InvalidArgument, with a fixed text. */
RESULT flow_fail_argument(struct call *call, const char *message);
/* 400 InvalidRequest, with a fixed text. */
RESULT flow_fail_request(struct call *call, const char *message);
/* words: with one blank between them and none at the ends. */
bool flow_is_one_of(struct str word, struct str words);
/* A job whose payload is a record. */
RESULT flow_job(struct call *call, struct str topic, int64_t due_ms, uint16_t shape,
                const void *record);
/* The next step of a job that has more to do: an event in a lane of the bucket's own, so that
 * others have their turn between steps. */
RESULT flow_go_on(struct call *call, struct str topic, int64_t bucket_id, uint16_t shape,
                  const void *record);
/* An id for a rule that was given none. */
struct str flow_make_id(struct arena *arena);

#endif
