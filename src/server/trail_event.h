/* What a request comes to as an event of CloudTrail ("CloudTrail record contents", AWS CloudTrail
 * User Guide). */
#ifndef KUMONIWA_SERVER_TRAIL_EVENT_H
#define KUMONIWA_SERVER_TRAIL_EVENT_H

#include "server/request.h"

/* While the operation's output is there: notes what the event tells of it. */
void trail_event_reply(struct request *request, const void *out);
/* When the answer's status is known: to the spool, if it is an event at all. error absent: none. */
void trail_event_end(struct request *request, struct str error);

#endif
