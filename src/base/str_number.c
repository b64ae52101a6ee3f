/* Numbers from text: the strict readers of str.h. */
#include "base/str.h"

#include <math.h>
#include <stdlib.h>

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

bool str_to_u64(struct str s, uint64_t *out)
{
    if (s.len == 0)
        return false;
    uint64_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (!is_digit(s.ptr[i]) || __builtin_mul_overflow(n, UINT64_C(10), &n) ||
            __builtin_add_overflow(n, (uint64_t)(s.ptr[i] - '0'), &n))
            return false;
    }
    *out = n;
    return true;
}

bool str_to_i64(struct str s, int64_t *out)
{
    bool negative = s.len > 0 && s.ptr[0] == '-';
    uint64_t magnitude;
    if (!str_to_u64(negative ? str_slice(s, 1, s.len) : s, &magnitude))
        return false;
    if (magnitude > (uint64_t)INT64_MAX + negative)
        return false;
    *out = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return true;
}

/* A decimal number as digits * 10^exponent. 768 significant digits decide how any decimal rounds to
 * a double; what follows them only matters as "something more", which one last digit 1 keeps. */
enum { DIGITS_KEPT = 770 };
struct decimal {
    bool negative;
    size_t len; /* no leading zero; 0: the number is zero */
    int64_t exponent;
    char digits[DIGITS_KEPT + 1];
};

static void take_digit(struct decimal *decimal, char c, bool fraction)
{
    if (decimal->len == 0 && c == '0') {
        decimal->exponent -= fraction;
    } else if (decimal->len < DIGITS_KEPT) {
        decimal->digits[decimal->len++] = c;
        decimal->exponent -= fraction;
    } else {
        if (c != '0')
            decimal->digits[DIGITS_KEPT - 1] = '1';
        decimal->exponent += !fraction;
    }
}

static size_t take_digits(struct decimal *decimal, struct str s, size_t i, bool fraction)
{
    while (i < s.len && is_digit(s.ptr[i]))
        take_digit(decimal, s.ptr[i++], fraction);
    return i;
}

static bool take_exponent(struct decimal *decimal, struct str s, size_t i)
{
    static const int64_t beyond_any = INT64_C(1000000000000000);
    if (i == s.len)
        return true;
    if (s.ptr[i] != 'e' && s.ptr[i] != 'E')
        return false;
    i++;
    bool negative = i < s.len && s.ptr[i] == '-';
    if (i < s.len && (s.ptr[i] == '-' || s.ptr[i] == '+'))
        i++;
    if (i == s.len)
        return false;
    int64_t exponent = 0;
    for (; i < s.len; i++) {
        if (!is_digit(s.ptr[i]))
            return false;
        if (exponent < beyond_any)
            exponent = exponent * 10 + (s.ptr[i] - '0');
    }
    decimal->exponent += negative ? -exponent : exponent;
    return true;
}

/* -?DIGITS(.DIGITS)?([eE][+-]?DIGITS)?; no hexadecimal, infinity or NaN. */
static bool read_decimal(struct str s, struct decimal *decimal)
{
    *decimal = (struct decimal){.negative = s.len > 0 && s.ptr[0] == '-'};
    size_t begin = decimal->negative;
    size_t i = take_digits(decimal, s, begin, false);
    if (i == begin)
        return false;
    if (i < s.len && s.ptr[i] == '.') {
        size_t end = take_digits(decimal, s, i + 1, true);
        if (end == i + 1)
            return false;
        i = end;
    }
    return take_exponent(decimal, s, i);
}

/* Both numbers are exact as doubles, so one operation rounds once: the right double. */
static bool small_decimal(const struct decimal *decimal, double *out)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (decimal->len > 15 || decimal->exponent < -22 || decimal->exponent > 22)
        return false;
    uint64_t n = 0;
    for (size_t i = 0; i < decimal->len; i++)
        n = n * 10 + (uint64_t)(decimal->digits[i] - '0');
    *out = decimal->exponent < 0 ? (double)n / powers[-decimal->exponent]
                                 : (double)n * powers[decimal->exponent];
    return true;
}

static double large_decimal(const struct decimal *decimal)
{
    /* No point in the text: strtod's depends on the locale. */
    char text[DIGITS_KEPT + 16];
    memcpy(text, decimal->digits, decimal->len);
    int64_t exponent = decimal->exponent;
    exponent = exponent < -99999 ? -99999 : exponent > 99999 ? 99999 : exponent;
    char *p = text + decimal->len;
    *p++ = 'e';
    if (exponent < 0) {
        *p++ = '-';
        exponent = -exponent;
    }
    for (int64_t unit = 10000; unit > 0; unit /= 10)
        *p++ = (char)('0' + exponent / unit % 10);
    *p = '\0';
    return strtod(text, NULL);
}

bool str_to_double(struct str s, double *out)
{
    struct decimal decimal;
    if (!read_decimal(s, &decimal))
        return false;
    double value = 0;
    if (decimal.len > 0 && !small_decimal(&decimal, &value))
        value = large_decimal(&decimal);
    if (isinf(value))
        return false;
    *out = decimal.negative ? -value : value;
    return true;
}
