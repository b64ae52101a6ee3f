/* Why calls were denied: for `kumoniwa iam explain`. A ring file of fixed size
 * (DIR/denials.ring), mapped and shared as audit.h's, holds the last 512 denials; a long one is
 * cut. Any thread. */
#ifndef KUMONIWA_CLOUD_DENIALS_H
#define KUMONIWA_CLOUD_DENIALS_H

#include "auth/policy.h"
#include "cloud/call.h"

struct denials;

RESULT denials_open(struct arena *arena, struct str path, struct denials **out);
void denials_close(struct denials *denials);
/* Writes down what each policy said of the question. */
void denials_note(struct call *call, const struct policy_question *question,
                  const struct policy_answer *answer);
/* The text for people, in the arena; absent: not among those kept. */
struct str denials_find(struct denials *denials, struct arena *arena, struct str request_id);

#endif
