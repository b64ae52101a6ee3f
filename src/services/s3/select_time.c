/* Points in time: as ISO 8601 writes them, of any precision from the year on. */
#include "base/time.h"
#include "services/s3/select_int.h"

static bool take_digits(struct str *text, size_t count, int64_t *out)
{
    int64_t value = 0;
    if (text->len < count)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (text->ptr[i] < '0' || text->ptr[i] > '9')
            return false;
        value = value * 10 + (text->ptr[i] - '0');
    }
    *out = value;
    *text = str_slice(*text, count, text->len);
    return true;
}

static bool take_char(struct str *text, char c)
{
    if (text->len == 0 || text->ptr[0] != c)
        return false;
    *text = str_slice(*text, 1, text->len);
    return true;
}

/* "Z", "+09:00" */
static bool take_offset(struct str *text, int32_t *minutes)
{
    int64_t hour, minute;
    bool west = text->len > 0 && text->ptr[0] == '-';
    *minutes = 0;
    if (take_char(text, 'Z'))
        return true;
    if (!take_char(text, '+') && !take_char(text, '-'))
        return false;
    if (!take_digits(text, 2, &hour) || !take_char(text, ':') || !take_digits(text, 2, &minute) ||
        hour > 23 || minute > 59)
        return false;
    *minutes = (int32_t)(hour * 60 + minute) * (west ? -1 : 1);
    return true;
}

static bool take_fraction(struct str *text, struct civil_time *t)
{
    int64_t scale = 100, ms = 0;
    size_t n = 0;
    while (n < text->len && text->ptr[n] >= '0' && text->ptr[n] <= '9') {
        ms += (text->ptr[n] - '0') * scale;
        scale /= 10;
        n++;
    }
    t->millisecond = (int)ms;
    *text = str_slice(*text, n, text->len);
    return n > 0;
}

static int days_of(int64_t year, int64_t month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

static bool parse_clock(struct str *text, struct civil_time *t, struct select_value *out)
{
    int64_t hour, minute, second = 0;
    if (!take_digits(text, 2, &hour) || !take_char(text, ':') || !take_digits(text, 2, &minute))
        return false;
    out->precision = SELECT_MINUTE;
    if (take_char(text, ':')) {
        out->precision = SELECT_SECOND;
        if (!take_digits(text, 2, &second))
            return false;
        if (take_char(text, '.')) {
            out->fraction = true;
            if (!take_fraction(text, t))
                return false;
        }
    }
    t->hour = (int)hour;
    t->minute = (int)minute;
    t->second = (int)second;
    return hour < 24 && minute < 60 && second < 60 && take_offset(text, &out->offset);
}

/* 2007T, 2007-02T, 2007-02-23T, 2007-02-23, 2007-02-23T12:14Z, ...:33.079-08:00 */
bool select_parse_time(struct str text, struct select_value *out)
{
    int64_t year, month = 1, day = 1;
    struct civil_time t = {0};
    struct select_value value = {.type = SELECT_TIME, .precision = SELECT_YEAR};
    if (!take_digits(&text, 4, &year) || year == 0)
        return false;
    if (take_char(&text, '-')) {
        value.precision = SELECT_MONTH;
        if (!take_digits(&text, 2, &month) || month < 1 || month > 12)
            return false;
        if (take_char(&text, '-')) {
            value.precision = SELECT_DAY;
            if (!take_digits(&text, 2, &day) || day < 1 || day > days_of(year, month))
                return false;
        }
    }
    if (take_char(&text, 'T')) {
        if (text.len > 0 && (value.precision != SELECT_DAY || !parse_clock(&text, &t, &value)))
            return false;
    } else if (value.precision != SELECT_DAY) {
        return false;
    }
    if (text.len > 0)
        return false;
    t.year = (int)year;
    t.month = (int)month;
    t.day = (int)day;
    value.integer = time_from_civil(&t) - INT64_C(60000) * value.offset;
    *out = value;
    return true;
}

static struct civil_time local(const struct select_value *time)
{
    return time_to_civil(time->integer + INT64_C(60000) * time->offset);
}

static void put_offset(struct buf *out, int32_t offset, const char *zero, bool colon)
{
    int32_t minutes = offset < 0 ? -offset : offset;
    if (offset == 0 && zero != NULL)
        buf_append_c(out, zero);
    else
        buf_append_format(out, "%c%02d%s%02d", offset < 0 ? '-' : '+', minutes / 60,
                          colon ? ":" : "", minutes % 60);
}

struct str select_format_time(struct arena *arena, const struct select_value *time)
{
    struct civil_time t = local(time);
    struct buf out;
    buf_init(&out, arena, 64);
    buf_append_format(&out, "%04d", t.year);
    if (time->precision >= SELECT_MONTH)
        buf_append_format(&out, "-%02d", t.month);
    if (time->precision >= SELECT_DAY)
        buf_append_format(&out, "-%02d", t.day);
    buf_append_char(&out, 'T');
    if (time->precision >= SELECT_MINUTE)
        buf_append_format(&out, "%02d:%02d", t.hour, t.minute);
    if (time->precision >= SELECT_SECOND)
        buf_append_format(&out, ":%02d", t.second);
    if (time->fraction)
        buf_append_format(&out, ".%03d", t.millisecond);
    if (time->precision >= SELECT_MINUTE)
        put_offset(&out, time->offset, "Z", true);
    return buf_str(&out);
}

/* --- TO_STRING's patterns --- */

static const char *const months[] = {"January",   "February", "March",    "April",
                                     "May",       "June",     "July",     "August",
                                     "September", "October",  "November", "December"};

static void put_year(struct buf *out, const struct civil_time *t, size_t run)
{
    if (run == 2)
        buf_append_format(out, "%02d", t->year % 100);
    else
        buf_append_format(out, run == 4 ? "%04d" : "%d", t->year);
}

static bool put_month(struct buf *out, const struct civil_time *t, size_t run)
{
    struct str name = str_from_c(months[t->month - 1]);
    if (run <= 2)
        buf_append_format(out, run == 1 ? "%d" : "%02d", t->month);
    else if (run <= 5)
        buf_append(out, run == 4 ? name : str_slice(name, 0, run == 3 ? 3 : 1));
    return run <= 5;
}

static bool put_two(struct buf *out, int value, size_t run)
{
    buf_append_format(out, run == 1 ? "%d" : "%02d", value);
    return run <= 2;
}

static bool put_symbol(struct buf *out, const struct select_value *time, const struct civil_time *t,
                       char symbol, size_t run)
{
    int hour = t->hour % 12 == 0 ? 12 : t->hour % 12;
    switch (symbol) {
    case 'y':
        put_year(out, t, run);
        return run <= 4 && run != 3;
    case 'M':
        return put_month(out, t, run);
    case 'd':
        return put_two(out, t->day, run);
    case 'a':
        buf_append_c(out, t->hour < 12 ? "AM" : "PM");
        return run == 1;
    case 'h':
        return put_two(out, hour, run);
    case 'H':
        return put_two(out, t->hour, run);
    case 'm':
        return put_two(out, t->minute, run);
    case 's':
        return put_two(out, t->second, run);
    case 'S':
        for (size_t i = 0, ms = (size_t)t->millisecond; i < run; i++, ms = ms % 100 * 10)
            buf_append_char(out, i < 3 ? (char)('0' + ms / 100) : '0');
        return run <= 9;
    case 'n':
        buf_append_format(out, "%d", t->millisecond * 1000000);
        return run == 1;
    case 'X':
        put_offset(out, time->offset, "Z", run == 3 || run == 5);
        return run <= 5;
    case 'x':
        put_offset(out, time->offset, NULL, run == 3 || run == 5);
        return run <= 5;
    default:
        return false;
    }
}

bool select_format_pattern(struct arena *arena, const struct select_value *time, struct str pattern,
                           struct str *out)
{
    struct civil_time t = local(time);
    struct buf text;
    buf_init(&text, arena, 16 * pattern.len + 64);
    for (size_t i = 0; i < pattern.len;) {
        char c = pattern.ptr[i];
        size_t run = 1;
        if (c == '\'') {
            size_t end = str_find_char(str_slice(pattern, i + 1, pattern.len), '\'');
            if (end == SIZE_MAX)
                return false;
            buf_append(&text, end == 0 ? STR("'") : str_slice(pattern, i + 1, i + 1 + end));
            i += end + 2;
            continue;
        }
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) || c == 'T') {
            buf_append_char(&text, c);
            i++;
            continue;
        }
        while (i + run < pattern.len && pattern.ptr[i + run] == c)
            run++;
        if (!put_symbol(&text, time, &t, c, run))
            return false;
        i += run;
    }
    *out = buf_str(&text);
    return !buf_is_full(&text);
}

/* --- parts --- */

bool select_part_named(struct str name, enum select_part *part)
{
    static const struct str names[SELECT_PARTS] = {
        STR_INIT("year"),          STR_INIT("month"),          STR_INIT("day"),
        STR_INIT("hour"),          STR_INIT("minute"),         STR_INIT("second"),
        STR_INIT("timezone_hour"), STR_INIT("timezone_minute")};
    for (size_t i = 0; i < SELECT_PARTS; i++)
        if (str_eq_nocase(name, names[i])) {
            *part = (enum select_part)i;
            return true;
        }
    return false;
}

int64_t select_extract(const struct select_value *time, enum select_part part)
{
    struct civil_time t = local(time);
    const int64_t all[SELECT_PARTS] = {
        t.year, t.month, t.day, t.hour, t.minute, t.second, time->offset / 60, time->offset % 60};
    return all[part];
}

static const int64_t part_ms[SELECT_PARTS] = {
    [SELECT_PART_DAY] = INT64_C(86400000),
    [SELECT_PART_HOUR] = INT64_C(3600000),
    [SELECT_PART_MINUTE] = INT64_C(60000),
    [SELECT_PART_SECOND] = INT64_C(1000),
};

bool select_date_add(enum select_part part, int64_t count, struct select_value *time)
{
    enum { MOST = 10000 * 366 };
    static const enum select_precision least[SELECT_PARTS] = {
        SELECT_YEAR,   SELECT_MONTH,  SELECT_DAY,    SELECT_MINUTE,
        SELECT_MINUTE, SELECT_SECOND, SELECT_MINUTE, SELECT_MINUTE};
    if (time->precision < least[part])
        time->precision = least[part];
    if (part_ms[part] != 0) {
        int64_t most = INT64_C(86400000) * MOST / part_ms[part];
        if (count > most || count < -most)
            return false;
        time->integer += count * part_ms[part];
    } else {
        struct civil_time t = local(time);
        if (count > 120000 || count < -120000)
            return false;
        int64_t month =
            t.year * INT64_C(12) + t.month - 1 + count * (part == SELECT_PART_YEAR ? 12 : 1);
        t.year = (int)(month / 12);
        t.month = (int)(month % 12) + 1;
        if (month < 12 || t.year > 9999)
            return false;
        int last = days_of(t.year, t.month);
        t.day = t.day > last ? last : t.day;
        time->integer = time_from_civil(&t) - INT64_C(60000) * time->offset;
    }
    int year = local(time).year;
    return year >= 1 && year <= 9999;
}

/* Whole parts that lie between. */
int64_t select_date_diff(enum select_part part, const struct select_value *from,
                         const struct select_value *to)
{
    if (part_ms[part] != 0)
        return (to->integer - from->integer) / part_ms[part];
    struct civil_time a = time_to_civil(from->integer), b = time_to_civil(to->integer);
    int64_t months_between = (b.year - a.year) * INT64_C(12) + b.month - a.month;
    struct select_value moved = *from;
    moved.offset = 0;
    if (select_date_add(SELECT_PART_MONTH, months_between, &moved)) {
        if (months_between > 0 && moved.integer > to->integer)
            months_between--;
        else if (months_between < 0 && moved.integer < to->integer)
            months_between++;
    }
    return part == SELECT_PART_YEAR ? months_between / 12 : months_between;
}
