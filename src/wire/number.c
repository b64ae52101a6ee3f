/* Floating point numbers as text. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "wire/wire_int.h"

/* Decimals with few digits, which nearly all numbers on the wire are: value * 10^k is a whole
 * number that a double holds exactly, and dividing it by the exact 10^k rounds once, so an equal
 * quotient proves the text. The smallest such k gives the shortest text. */
static bool write_short(struct buf *out, double value)
{
    static const double powers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};
    enum { POWERS = sizeof(powers) / sizeof(powers[0]) };
    static const double limit = 1e15;
    double magnitude = fabs(value);
    if (magnitude >= limit)
        return false;
    for (size_t k = 0; k < POWERS; k++) {
        double scaled = magnitude * powers[k];
        if (scaled >= limit || scaled != floor(scaled) || scaled / powers[k] != magnitude)
            continue;
        if (signbit(value))
            buf_append_char(out, '-');
        uint64_t whole = (uint64_t)scaled;
        uint64_t power = (uint64_t)powers[k];
        buf_append_u64(out, whole / power);
        if (k == 0)
            return true;
        buf_append_char(out, '.');
        for (uint64_t rest = whole % power, unit = power / 10; unit > 0; unit /= 10)
            buf_append_char(out, (char)('0' + rest / unit % 10));
        return true;
    }
    return false;
}

void wire_write_double(struct buf *out, double value, bool single)
{
    if (isnan(value)) {
        buf_append(out, STR("NaN"));
        return;
    }
    if (single)
        value = (double)(float)value;
    if (isinf(value)) {
        buf_append(out, value < 0 ? STR("-Infinity") : STR("Infinity"));
        return;
    }
    if (write_short(out, value))
        return;
    /* 9 digits tell floats apart, 17 doubles; the first that reads back is the shortest (but for
     * some powers of two, whose shortest form is not the nearest one of its length). */
    char text[40];
    int last = single ? 9 : 17;
    bool subnormal = fabs(value) < (single ? (double)FLT_MIN : DBL_MIN); /* few digits are enough */
    for (int digits = subnormal ? 1 : single ? 6 : 15; digits <= last; digits++) {
        (void)snprintf(text, sizeof(text), "%.*g", digits, value);
        bool same = single ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value;
        if (same)
            break;
    }
    buf_append_c(out, text);
}

bool wire_read_double(struct str text, double *value)
{
    if (str_eq(text, STR("NaN")))
        *value = (double)NAN;
    else if (str_eq(text, STR("Infinity")))
        *value = (double)INFINITY;
    else if (str_eq(text, STR("-Infinity")))
        *value = -(double)INFINITY;
    else
        return str_to_double(text, value);
    return true;
}

bool wire_double_fits(const struct wire_shape *shape, double value)
{
    return shape->type != WIRE_FLOAT || isinf(value) || !isinf((float)value);
}
