/* Time-based one-time passwords: RFC 6238 with SHA-1, 30 seconds, six digits. */
#ifndef KUMONIWA_SERVICES_IAM_TOTP_H
#define KUMONIWA_SERVICES_IAM_TOTP_H

#include "base/str.h"

struct str totp_new_seed(struct arena *arena, size_t size);
/* RFC 4648, 6, without padding. */
struct str totp_base32(struct arena *arena, struct str bytes);
int64_t totp_step(int64_t now_ms);
/* Whether this is the code of that step; false for everything that is no six digits. */
bool totp_matches(struct str seed, int64_t step, struct str code);

#endif
