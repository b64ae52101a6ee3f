/* The timestamp formats of Smithy 2.0's "timestampFormat trait": date-time, http-date,
 * epoch-seconds. */
#include <math.h>

#include "base/time.h"
#include "wire/wire_int.h"

/* Year 9999's end and year 1's begin, in seconds: what the other two formats can say. */
static const int64_t last_second = INT64_C(253402300799);
static const int64_t first_second = INT64_C(-62135596800);

static bool read_exponent_form(struct str text, int64_t *ms)
{
    double seconds;
    if (!str_to_double(text, &seconds))
        return false;
    if (seconds < (double)first_second || seconds > (double)last_second)
        return false;
    *ms = llround(seconds * 1000);
    return true;
}

/* Digits decide, not a double: no fraction is bent. Beyond milliseconds digits are cut. */
static bool read_epoch(struct str text, int64_t *ms)
{
    struct str whole;
    struct str fraction;
    bool has_fraction = str_cut(text, '.', &whole, &fraction);
    int64_t seconds;
    if (!str_to_i64(whole, &seconds))
        return read_exponent_form(text, ms);
    if (seconds < first_second || seconds > last_second)
        return false;
    int64_t thousandths = 0;
    if (has_fraction) {
        if (str_is_empty(fraction))
            return false;
        for (size_t i = 0, unit = 100; i < fraction.len; i++, unit /= 10) {
            if (fraction.ptr[i] < '0' || fraction.ptr[i] > '9')
                return read_exponent_form(text, ms);
            thousandths += (int64_t)unit * (fraction.ptr[i] - '0');
        }
    }
    bool negative = whole.ptr[0] == '-';
    *ms = seconds * 1000 + (negative ? -thousandths : thousandths);
    return true;
}

bool wire_time_read(struct str text, enum wire_time_format format, int64_t *ms)
{
    switch (format) {
    case WIRE_TIME_UNIX:
        if (read_epoch(text, ms))
            return true;
        break;
    case WIRE_TIME_RFC822:
        if (time_parse_http(text, ms))
            return true;
        break;
    case WIRE_TIME_DEFAULT:
    case WIRE_TIME_ISO8601:
        break;
    }
    return time_parse_iso8601(text, ms) || time_parse_http(text, ms) || read_epoch(text, ms);
}

static void write_epoch(struct buf *out, int64_t ms)
{
    uint64_t magnitude = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
    if (ms < 0)
        buf_append_char(out, '-');
    buf_append_u64(out, magnitude / 1000);
    unsigned thousandths = (unsigned)(magnitude % 1000);
    if (thousandths == 0)
        return;
    buf_append_char(out, '.');
    for (unsigned unit = 100; thousandths > 0; unit /= 10) {
        buf_append_char(out, (char)('0' + thousandths / unit));
        thousandths %= unit;
    }
}

void wire_time_write(struct buf *out, enum wire_time_format format, int64_t ms)
{
    switch (format) {
    case WIRE_TIME_UNIX:
        write_epoch(out, ms);
        return;
    case WIRE_TIME_RFC822:
        time_format_http(out, ms);
        return;
    case WIRE_TIME_DEFAULT:
    case WIRE_TIME_ISO8601:
        time_format_iso8601(out, ms);
        return;
    }
}
