/* Decimal numbers as DynamoDB has them: parsing, canonical text, order, exact sums, keys. */
#include "services/dynamodb/number.h"

#include "base/result.h"

enum {
    EXPONENT_CLAMP = 100000, /* of what is written after an "e"; far outside the range either way */
    SUM_PLACES = 2 * NUMBER_DIGITS_MAX + 6,
    KEY_NEGATIVE = 1,
    KEY_ZERO = 2,
    KEY_POSITIVE = 3,
    KEY_NEGATIVE_END = 0xFF,
    KEY_EXPONENT_BIAS = -NUMBER_EXPONENT_MIN,
};

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

/* --- text ------------------------------------------------------------------------------------- */

/* The digits and the point, up to the exponent; *at moves behind them. False: no digit at all. */
static bool parse_digits(struct str text, size_t *at, struct number *out, int *exponent,
                         bool *precise)
{
    bool any = false;
    bool point = false;
    size_t zeros = 0; /* after the last digit kept, not known yet to be trailing */
    for (; *at < text.len; (*at)++) {
        char c = text.ptr[*at];
        if (c == '.' && !point) {
            point = true;
            continue;
        }
        if (!is_digit(c))
            break;
        any = true;
        if (out->count == 0 && c == '0') {
            *exponent -= point;
            continue;
        }
        *exponent += !point;
        if (c == '0') {
            zeros++;
        } else if (out->count + zeros + 1 > NUMBER_DIGITS_MAX) {
            *precise = false;
        } else {
            while (zeros > 0) {
                out->digits[out->count++] = 0;
                zeros--;
            }
            out->digits[out->count++] = (uint8_t)(c - '0');
        }
    }
    return any;
}

static bool parse_exponent(struct str text, size_t *at, int *exponent)
{
    if (*at == text.len)
        return true;
    if (text.ptr[*at] != 'e' && text.ptr[*at] != 'E')
        return false;
    (*at)++;
    bool negative = false;
    if (*at < text.len && (text.ptr[*at] == '-' || text.ptr[*at] == '+'))
        negative = text.ptr[(*at)++] == '-';
    if (*at == text.len)
        return false;
    int n = 0;
    for (; *at < text.len; (*at)++) {
        if (!is_digit(text.ptr[*at]))
            return false;
        n = n * 10 + (text.ptr[*at] - '0');
        if (n > EXPONENT_CLAMP)
            n = EXPONENT_CLAMP;
    }
    *exponent += negative ? -n : n;
    return true;
}

/* Sets the exponent of a number whose digits are there, if it is in range. */
static enum number_status finish(struct number *out, int exponent)
{
    if (out->count == 0) {
        out->negative = false;
        out->exponent = 0;
        return NUMBER_OK;
    }
    if (exponent > NUMBER_EXPONENT_MAX)
        return NUMBER_OVERFLOW;
    if (exponent < NUMBER_EXPONENT_MIN)
        return NUMBER_UNDERFLOW;
    out->exponent = (int16_t)exponent;
    return NUMBER_OK;
}

enum number_status number_parse(struct str text, struct number *out)
{
    out->negative = false;
    out->count = 0;
    out->exponent = 0;
    size_t at = 0;
    int exponent = 0;
    bool precise = true;
    if (text.len > INT16_MAX)
        return NUMBER_SYNTAX;
    if (text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+'))
        out->negative = text.ptr[at++] == '-';
    if (!parse_digits(text, &at, out, &exponent, &precise) || !parse_exponent(text, &at, &exponent))
        return NUMBER_SYNTAX;
    if (!precise)
        return NUMBER_PRECISION;
    return finish(out, exponent);
}

size_t number_format(const struct number *number, char *out)
{
    size_t n = 0;
    if (number->count == 0) {
        out[n++] = '0';
        return n;
    }
    if (number->negative)
        out[n++] = '-';
    if (number->exponent <= 0) {
        out[n++] = '0';
        out[n++] = '.';
        for (int i = number->exponent; i < 0; i++)
            out[n++] = '0';
    }
    for (int i = 0; i < number->count; i++) {
        if (i > 0 && i == number->exponent)
            out[n++] = '.';
        out[n++] = (char)('0' + number->digits[i]);
    }
    for (int i = number->count; i < number->exponent; i++)
        out[n++] = '0';
    return n;
}

/* Whether the text is what number_format() would write; true only when that is plain to see. */
static bool is_canonical(struct str text)
{
    size_t at = text.len > 0 && text.ptr[0] == '-';
    size_t first = at;
    if (text.len - at > NUMBER_DIGITS_MAX || text.len == at)
        return false;
    while (at < text.len && is_digit(text.ptr[at]))
        at++;
    if (at == first || (text.ptr[first] == '0' && at - first > 1))
        return false;
    if (at == text.len) /* a whole number; "-0" is not canonical */
        return text.ptr[first] != '0' || first == 0;
    if (text.ptr[at++] != '.' || at == text.len)
        return false;
    while (at < text.len && is_digit(text.ptr[at]))
        at++;
    return at == text.len && text.ptr[at - 1] != '0';
}

enum number_status number_normalize(struct arena *arena, struct str text, struct str *out)
{
    if (is_canonical(text)) {
        *out = text;
        return NUMBER_OK;
    }
    struct number number;
    enum number_status status = number_parse(text, &number);
    if (status != NUMBER_OK)
        return status;
    char buffer[NUMBER_TEXT_MAX];
    *out = str_copy(arena, str_make(buffer, number_format(&number, buffer)));
    return NUMBER_OK;
}

struct number number_from_u64(uint64_t n)
{
    char text[24];
    size_t at = sizeof(text);
    do {
        text[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    struct number number;
    enum number_status status = number_parse(str_make(text + at, sizeof(text) - at), &number);
    ASSERT(status == NUMBER_OK);
    return number;
}

/* --- order ------------------------------------------------------------------------------------ */

static int compare_magnitude(const struct number *a, const struct number *b)
{
    if (a->count == 0 || b->count == 0)
        return (a->count > 0) - (b->count > 0);
    if (a->exponent != b->exponent)
        return a->exponent < b->exponent ? -1 : 1;
    size_t common = a->count < b->count ? a->count : b->count;
    int order = memcmp(a->digits, b->digits, common);
    if (order != 0)
        return order < 0 ? -1 : 1;
    return (a->count > b->count) - (a->count < b->count);
}

int number_compare(const struct number *a, const struct number *b)
{
    if (a->negative != b->negative)
        return a->negative ? -1 : 1;
    int order = compare_magnitude(a, b);
    return a->negative ? -order : order;
}

int number_compare_text(struct str a, struct str b)
{
    if (str_eq(a, b))
        return 0;
    struct number x;
    struct number y;
    enum number_status status_x = number_parse(a, &x);
    enum number_status status_y = number_parse(b, &y);
    ASSERT(status_x == NUMBER_OK && status_y == NUMBER_OK);
    return number_compare(&x, &y);
}

/* --- sums ------------------------------------------------------------------------------------- */

/* Adds sign * number into `places`, where places[0] stands for 10^(top-1), places[1] for
 * 10^(top-2), ... */
static void add_digits(int8_t *places, int top, const struct number *number, int sign)
{
    for (int i = 0; i < number->count; i++)
        places[top - number->exponent + i] += (int8_t)(sign * number->digits[i]);
}

/* Makes every place 0-9; the sum of all is not negative. */
static void carry(int8_t *places)
{
    for (int i = SUM_PLACES - 1; i > 0; i--) {
        if (places[i] < 0) {
            places[i] += 10;
            places[i - 1]--;
        } else if (places[i] > 9) {
            places[i] -= 10;
            places[i - 1]++;
        }
    }
}

static enum number_status add(const struct number *a, const struct number *b, struct number *out)
{
    if (a->count == 0 || b->count == 0) {
        *out = a->count == 0 ? *b : *a;
        return NUMBER_OK;
    }
    int order = compare_magnitude(a, b);
    const struct number *large = order >= 0 ? a : b;
    const struct number *small = order >= 0 ? b : a;
    int top = large->exponent + 1;
    int bottom_large = large->exponent - large->count;
    int bottom_small = small->exponent - small->count;
    int bottom = bottom_large < bottom_small ? bottom_large : bottom_small;
    /* Then the two do not touch, and both ends of the sum are there: too many digits. */
    if (top - bottom > SUM_PLACES)
        return NUMBER_PRECISION;

    int8_t places[SUM_PLACES] = {0};
    add_digits(places, top, large, 1);
    add_digits(places, top, small, large->negative == small->negative ? 1 : -1);
    carry(places);
    int first = 0;
    int end = SUM_PLACES;
    while (first < end && places[first] == 0)
        first++;
    while (end > first && places[end - 1] == 0)
        end--;
    if (end - first > NUMBER_DIGITS_MAX)
        return NUMBER_PRECISION;
    struct number sum = {.negative = large->negative, .count = (uint8_t)(end - first)};
    for (int i = first; i < end; i++)
        sum.digits[i - first] = (uint8_t)places[i];
    enum number_status status = finish(&sum, top - first);
    if (status == NUMBER_OK)
        *out = sum;
    return status;
}

static enum number_status subtract_from(const struct number *a, const struct number *b,
                                        struct number *out)
{
    struct number negated = *b;
    negated.negative = b->count > 0 && !b->negative;
    return add(a, &negated, out);
}

enum number_status number_add_text(struct arena *arena, struct str a, struct str b, bool subtract,
                                   struct str *out)
{
    struct number x;
    struct number y;
    struct number sum;
    enum number_status status = number_parse(a, &x);
    if (status == NUMBER_OK)
        status = number_parse(b, &y);
    if (status == NUMBER_OK)
        status = subtract ? subtract_from(&x, &y, &sum) : add(&x, &y, &sum);
    if (status != NUMBER_OK)
        return status;
    char buffer[NUMBER_TEXT_MAX];
    *out = str_copy(arena, str_make(buffer, number_format(&sum, buffer)));
    return NUMBER_OK;
}

/* --- bytes ------------------------------------------------------------------------------------ */

size_t number_size(struct str canonical)
{
    enum { SIZE_MAX_BYTES = 21 };
    struct number number;
    if (number_parse(canonical, &number) != NUMBER_OK || number.count == 0)
        return 1;
    /* Two digits a byte, in pairs that do not straddle the decimal point; one for the exponent, one
     * for a minus. */
    size_t odd = (size_t)(number.exponent & 1);
    size_t size = (number.count + odd + 1) / 2 + 1 + number.negative;
    return size < SIZE_MAX_BYTES ? size : SIZE_MAX_BYTES;
}

void number_key_encode(struct buf *out, const struct number *number)
{
    char bytes[2 + NUMBER_DIGITS_MAX / 2 + 1];
    size_t n = 0;
    if (number->count == 0) {
        buf_append_char(out, KEY_ZERO);
        return;
    }
    int exponent = number->exponent + KEY_EXPONENT_BIAS;
    bytes[n++] = number->negative ? KEY_NEGATIVE : KEY_POSITIVE;
    bytes[n++] = (char)(number->negative ? 255 - exponent : exponent);
    for (int i = 0; i < number->count; i += 2) {
        int low = i + 1 < number->count ? number->digits[i + 1] : 0;
        int pair = number->digits[i] * 10 + low;
        bytes[n++] = (char)(number->negative ? 100 - pair : 1 + pair);
    }
    if (number->negative)
        bytes[n++] = (char)KEY_NEGATIVE_END;
    buf_append(out, str_make(bytes, n));
}

bool number_key_decode(struct str bytes, struct number *out)
{
    *out = (struct number){0};
    if (bytes.len == 1 && bytes.ptr[0] == KEY_ZERO)
        return true;
    if (bytes.len < 3 || (bytes.ptr[0] != KEY_NEGATIVE && bytes.ptr[0] != KEY_POSITIVE))
        return false;
    out->negative = bytes.ptr[0] == KEY_NEGATIVE;
    int exponent = (unsigned char)bytes.ptr[1];
    out->exponent = (int16_t)((out->negative ? 255 - exponent : exponent) - KEY_EXPONENT_BIAS);
    size_t end = bytes.len - out->negative;
    if ((end - 2) * 2 > NUMBER_DIGITS_MAX)
        return false;
    for (size_t i = 2; i < end; i++) {
        int byte = (unsigned char)bytes.ptr[i];
        int pair = out->negative ? 100 - byte : byte - 1;
        if (pair < 0 || pair > 99)
            return false;
        out->digits[out->count++] = (uint8_t)(pair / 10);
        out->digits[out->count++] = (uint8_t)(pair % 10);
    }
    while (out->count > 0 && out->digits[out->count - 1] == 0)
        out->count--;
    return out->count > 0;
}

struct str number_problem(struct arena *arena, enum number_status status, struct str text)
{
    switch (status) {
    case NUMBER_OK:
        break;
    case NUMBER_SYNTAX:
        if (text.len == 0)
            return STR("The parameter cannot be converted to a numeric value");
        return str_format(arena, "The parameter cannot be converted to a numeric value: %.*s",
                          PRSTR(text));
    case NUMBER_PRECISION:
        return STR("Attempting to store more than 38 significant digits in a Number");
    case NUMBER_OVERFLOW:
        return STR("Number overflow. Attempting to store a number with magnitude larger than "
                   "supported range");
    case NUMBER_UNDERFLOW:
        return STR("Number underflow. Attempting to store a number with magnitude smaller than "
                   "supported range");
    }
    return STR("");
}
