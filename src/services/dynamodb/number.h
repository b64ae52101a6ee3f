/* DynamoDB's numbers: decimal, up to 38 significant digits, magnitudes from 1E-130 to 9.99...E+125,
 * and zero. Exact: nothing is ever rounded silently. The canonical text is what AWS returns: plain
 * notation, no exponent, no leading or trailing zeros, "-" but never "+", and one zero ("0"). */
#ifndef KUMONIWA_SERVICES_DYNAMODB_NUMBER_H
#define KUMONIWA_SERVICES_DYNAMODB_NUMBER_H

#include "base/arena.h"
#include "base/buf.h"

enum {
    NUMBER_DIGITS_MAX = 38,
    NUMBER_EXPONENT_MIN = -129, /* of 0.d1d2d3... * 10^exponent */
    NUMBER_EXPONENT_MAX = 126,
    NUMBER_TEXT_MAX = 176, /* "-0." 129 zeros and 38 digits */
};

enum number_status {
    NUMBER_OK,
    NUMBER_SYNTAX,    /* not a number */
    NUMBER_PRECISION, /* more than 38 significant digits */
    NUMBER_OVERFLOW,
    NUMBER_UNDERFLOW,
};

/* 0.d1d2d3... * 10^exponent, d1 and the last digit not zero. Zero: count 0, not negative. */
struct number {
    bool negative;
    uint8_t count;
    int16_t exponent;
    uint8_t digits[NUMBER_DIGITS_MAX]; /* 0-9 */
};

enum number_status number_parse(struct str text, struct number *out);
/* Writes at most NUMBER_TEXT_MAX bytes; returns how many. */
size_t number_format(const struct number *number, char *out);
/* The canonical text; `text` itself when it is already. */
enum number_status number_normalize(struct arena *arena, struct str text, struct str *out);
struct number number_from_u64(uint64_t n);

int number_compare(const struct number *a, const struct number *b);
/* The same of two canonical texts. */
int number_compare_text(struct str a, struct str b);
/* The exact sum or difference of two canonical texts, or why it cannot be stored. */
enum number_status number_add_text(struct arena *arena, struct str a, struct str b, bool subtract,
                                   struct str *out);

/* Bytes it takes in an item ("DynamoDB item sizes and formats"). */
size_t number_size(struct str canonical);

/* Bytes whose order is the numbers' order. */
void number_key_encode(struct buf *out, const struct number *number);
bool number_key_decode(struct str bytes, struct number *out);

/* AWS's words for a status that is not NUMBER_OK. */
struct str number_problem(struct arena *arena, enum number_status status, struct str text);

#endif
