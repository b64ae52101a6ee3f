/* What was called: the last 16,384 calls in a ring file of fixed size (DIR/audit.ring), mapped and
 * shared, so that they survive kill -9 and cost a copy of 256 bytes. `kumoniwa logs` reads it. Any
 * thread may append. */
#ifndef KUMONIWA_CLOUD_AUDIT_H
#define KUMONIWA_CLOUD_AUDIT_H

#include "base/arena.h"
#include "base/result.h"
#include "base/str.h"

struct audit;

struct audit_entry {
    int64_t time_ms;
    uint32_t micros;
    uint16_t status;
    struct str request_id, service, operation, region, principal, source_ip, error,
        message; /* cut to fit */
};

RESULT audit_open(struct arena *arena, struct str path, struct audit **out);
void audit_close(struct audit *audit);
void audit_append(struct audit *audit, const struct audit_entry *entry);
/* The newest `limit` entries, oldest first; request_id absent: any. In the arena. */
RESULT audit_read(struct audit *audit, struct arena *arena, struct str request_id, size_t limit,
                  struct audit_entry **entries, size_t *count);

#endif
