#include "base/time.h"

#include <time.h>

#include "base/buf.h"

enum { DAY_MS = 86400000, DAYS_IN_ERA = 146097, DAYS_TO_EPOCH = 719468 };

static const char weekday_names[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char month_names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

int64_t time_wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

uint64_t time_monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* The calendar repeats every 400 years (an era). Years are counted from March, so that the leap day
 * is a year's last and month lengths follow one formula: (153 m + 2) / 5 days before month m. */
static int64_t days_from_civil(int64_t year, int64_t month, int64_t day)
{
    year += floor_div(month - 1, 12);
    month -= floor_div(month - 1, 12) * 12;
    year -= month <= 2;
    int64_t era = floor_div(year, 400);
    int64_t year_of_era = year - era * 400;
    int64_t month_from_march = month > 2 ? month - 3 : month + 9;
    int64_t day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * DAYS_IN_ERA + day_of_era - DAYS_TO_EPOCH;
}

struct civil_time time_to_civil(int64_t ms)
{
    int64_t days = floor_div(ms, DAY_MS);
    int64_t in_day = ms % DAY_MS + (ms % DAY_MS < 0 ? DAY_MS : 0);
    int64_t shifted = days + DAYS_TO_EPOCH;
    int64_t era = floor_div(shifted, DAYS_IN_ERA);
    int64_t day_of_era = shifted - era * DAYS_IN_ERA;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    int64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    int64_t weekday = (days + 4) - floor_div(days + 4, 7) * 7;
    return (struct civil_time){
        .year = (int)(era * 400 + year_of_era + (month <= 2)),
        .month = (int)month,
        .day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1),
        .hour = (int)(in_day / 3600000),
        .minute = (int)(in_day / 60000 % 60),
        .second = (int)(in_day / 1000 % 60),
        .millisecond = (int)(in_day % 1000),
        .weekday = (int)weekday,
    };
}

int64_t time_from_civil(const struct civil_time *civil)
{
    int64_t days = days_from_civil(civil->year, civil->month, civil->day);
    int64_t seconds = civil->hour * INT64_C(3600) + civil->minute * INT64_C(60) + civil->second;
    return days * DAY_MS + seconds * 1000 + civil->millisecond;
}

/* ---- writing ---- */

static char *put_digits(char *p, int value, int width)
{
    for (int i = width - 1; i >= 0; i--) {
        p[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return p + width;
}

/* At least four digits; a sign and more outside the years 0 to 9999, as ISO 8601 expands them. */
static char *put_year(char *p, int year)
{
    if (year >= 0 && year <= 9999)
        return put_digits(p, year, 4);
    *p++ = year < 0 ? '-' : '+';
    return put_digits(p, year < 0 ? -year : year, 9);
}

static char *put_millisecond(char *p, int millisecond)
{
    if (millisecond == 0)
        return p;
    *p++ = '.';
    return put_digits(p, millisecond, 3);
}

static char *put_clock(char *p, const struct civil_time *civil)
{
    p = put_digits(p, civil->hour, 2);
    *p++ = ':';
    p = put_digits(p, civil->minute, 2);
    *p++ = ':';
    p = put_digits(p, civil->second, 2);
    return put_millisecond(p, civil->millisecond);
}

void time_format_iso8601(struct buf *out, int64_t ms)
{
    struct civil_time civil = time_to_civil(ms);
    char text[40];
    char *p = put_year(text, civil.year);
    *p++ = '-';
    p = put_digits(p, civil.month, 2);
    *p++ = '-';
    p = put_digits(p, civil.day, 2);
    *p++ = 'T';
    p = put_clock(p, &civil);
    *p++ = 'Z';
    buf_append(out, str_make(text, (size_t)(p - text)));
}

void time_format_http(struct buf *out, int64_t ms)
{
    struct civil_time civil = time_to_civil(ms);
    char text[48];
    char *p = text;
    memcpy(p, weekday_names[civil.weekday], 3);
    memcpy(p + 3, ", ", 2);
    p = put_digits(p + 5, civil.day, 2);
    *p++ = ' ';
    memcpy(p, month_names[civil.month - 1], 3);
    p[3] = ' ';
    p = put_year(p + 4, civil.year);
    *p++ = ' ';
    p = put_clock(p, &civil);
    memcpy(p, " GMT", 4);
    buf_append(out, str_make(text, (size_t)(p + 4 - text)));
}

void time_format_basic(struct buf *out, int64_t ms)
{
    struct civil_time civil = time_to_civil(ms);
    char text[32];
    char *p = put_year(text, civil.year);
    p = put_digits(p, civil.month, 2);
    p = put_digits(p, civil.day, 2);
    *p++ = 'T';
    p = put_digits(p, civil.hour, 2);
    p = put_digits(p, civil.minute, 2);
    p = put_digits(p, civil.second, 2);
    *p++ = 'Z';
    buf_append(out, str_make(text, (size_t)(p - text)));
}

/* ---- reading ---- */

/* What is left to read. Every take_ function answers false, and leaves the cursor anywhere, when
 * the text is not what it wants. */
static bool take_number(struct str *s, size_t width, int low, int high, int *out)
{
    if (s->len < width)
        return false;
    int value = 0;
    for (size_t i = 0; i < width; i++) {
        if (s->ptr[i] < '0' || s->ptr[i] > '9')
            return false;
        value = value * 10 + (s->ptr[i] - '0');
    }
    *s = str_slice(*s, width, s->len);
    *out = value;
    return value >= low && value <= high;
}

static bool take_text(struct str *s, struct str text)
{
    if (!str_starts_with(*s, text))
        return false;
    *s = str_slice(*s, text.len, s->len);
    return true;
}

static bool take_name(struct str *s, const char (*names)[4], int count, int *out)
{
    for (int i = 0; i < count; i++) {
        if (take_text(s, str_make(names[i], 3))) {
            *out = i;
            return true;
        }
    }
    return false;
}

static bool is_day_of_month(const struct civil_time *civil)
{
    static const int lengths[12] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (civil->year % 4 == 0 && civil->year % 100 != 0) || civil->year % 400 == 0;
    return civil->day <= lengths[civil->month - 1] &&
           (civil->day < 29 || civil->month != 2 || leap);
}

static bool take_clock(struct str *s, struct str separator, struct civil_time *civil)
{
    return take_number(s, 2, 0, 23, &civil->hour) && take_text(s, separator) &&
           take_number(s, 2, 0, 59, &civil->minute) && take_text(s, separator) &&
           take_number(s, 2, 0, 59, &civil->second);
}

static bool take_fraction(struct str *s, struct civil_time *civil)
{
    if (!take_text(s, STR(".")))
        return true;
    int unit = 100;
    size_t digits = 0;
    for (; digits < s->len && s->ptr[digits] >= '0' && s->ptr[digits] <= '9'; digits++) {
        civil->millisecond += (s->ptr[digits] - '0') * unit;
        unit /= 10;
    }
    *s = str_slice(*s, digits, s->len);
    return digits > 0;
}

static bool take_offset(struct str *s, int *minutes)
{
    *minutes = 0;
    if (take_text(s, STR("Z")))
        return true;
    bool west = s->len > 0 && s->ptr[0] == '-';
    int hour, minute;
    if (!(west ? take_text(s, STR("-")) : take_text(s, STR("+"))) ||
        !take_number(s, 2, 0, 23, &hour) || !take_text(s, STR(":")) ||
        !take_number(s, 2, 0, 59, &minute))
        return false;
    *minutes = (hour * 60 + minute) * (west ? -1 : 1);
    return true;
}

bool time_parse_iso8601(struct str s, int64_t *ms)
{
    struct civil_time civil = {0};
    int minutes;
    if (!take_number(&s, 4, 0, 9999, &civil.year) || !take_text(&s, STR("-")) ||
        !take_number(&s, 2, 1, 12, &civil.month) || !take_text(&s, STR("-")) ||
        !take_number(&s, 2, 1, 31, &civil.day) || !take_text(&s, STR("T")) ||
        !take_clock(&s, STR(":"), &civil) || !take_fraction(&s, &civil) ||
        !take_offset(&s, &minutes) || s.len > 0 || !is_day_of_month(&civil))
        return false;
    *ms = time_from_civil(&civil) - minutes * INT64_C(60000);
    return true;
}

bool time_parse_http(struct str s, int64_t *ms)
{
    struct civil_time civil = {0};
    int month;
    if (!take_name(&s, weekday_names, 7, &civil.weekday) || !take_text(&s, STR(", ")) ||
        !take_number(&s, 2, 1, 31, &civil.day) || !take_text(&s, STR(" ")) ||
        !take_name(&s, month_names, 12, &month) || !take_text(&s, STR(" ")) ||
        !take_number(&s, 4, 0, 9999, &civil.year) || !take_text(&s, STR(" ")) ||
        !take_clock(&s, STR(":"), &civil) || !take_fraction(&s, &civil) ||
        !take_text(&s, STR(" GMT")) || s.len > 0)
        return false;
    civil.month = month + 1;
    int64_t result = time_from_civil(&civil);
    if (!is_day_of_month(&civil) || time_to_civil(result).weekday != civil.weekday)
        return false;
    *ms = result;
    return true;
}

bool time_parse_basic(struct str s, int64_t *ms)
{
    struct civil_time civil = {0};
    if (!take_number(&s, 4, 0, 9999, &civil.year) || !take_number(&s, 2, 1, 12, &civil.month) ||
        !take_number(&s, 2, 1, 31, &civil.day) || !take_text(&s, STR("T")) ||
        !take_clock(&s, STR(""), &civil) || !take_text(&s, STR("Z")) || s.len > 0 ||
        !is_day_of_month(&civil))
        return false;
    *ms = time_from_civil(&civil);
    return true;
}
