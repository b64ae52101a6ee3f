/* Instants are int64_t milliseconds since 1970-01-01T00:00:00Z. The cloud's clock (which can be
 * advanced) is call_now() / clock_now() in src/cloud; what is here is the machine's and the
 * calendar's. */
#ifndef KUMONIWA_BASE_TIME_H
#define KUMONIWA_BASE_TIME_H

#include "base/str.h"

struct buf;

struct civil_time {
    int year, month, day, hour, minute, second, millisecond; /* month and day from 1 */
    int weekday;                                             /* 0: Sunday */
};

int64_t time_wall_ms(void);
uint64_t time_monotonic_ns(void);

struct civil_time time_to_civil(int64_t ms);
int64_t time_from_civil(const struct civil_time *civil);

/* 2026-11-21T05:15:00Z, with .mmm when milliseconds are not zero. */
void time_format_iso8601(struct buf *out, int64_t ms);
/* Sat, 21 Nov 2026 05:15:00 GMT (RFC 9110); .mmm after the seconds when not zero. */
void time_format_http(struct buf *out, int64_t ms);
/* 20261121T051500Z, as SigV4 writes it. */
void time_format_basic(struct buf *out, int64_t ms);

/* Each takes the whole string; false when it is not of the form, *ms untouched. iso8601 takes
 * offsets
 * (+09:00) and fractions; digits beyond milliseconds are cut. */
bool time_parse_iso8601(struct str s, int64_t *ms);
bool time_parse_http(struct str s, int64_t *ms);
bool time_parse_basic(struct str s, int64_t *ms);

#endif
