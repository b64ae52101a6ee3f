/* How often, and how much: "Service, account, and table quotas in Amazon DynamoDB". */
#include "base/time.h"
#include "services/dynamodb/dynamodb_int.h"
#include "store/record.h"

#define HOUR_MS (INT64_C(3600) * 1000)
#define DAY_MS (24 * HOUR_MS)
enum { FREE_DECREASES = 4, CLASS_CHANGES = 2, CLASS_DAYS = 30, MODE_CHANGES = 4 };

/* "Wednesday, July 25, 2018 8:48:14 AM UTC" */
static struct str limit_date(struct arena *arena, int64_t ms)
{
    static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                       "Thursday", "Friday", "Saturday"};
    static const char *const months[] = {"January",   "February", "March",    "April",
                                         "May",       "June",     "July",     "August",
                                         "September", "October",  "November", "December"};
    struct civil_time t = time_to_civil(ms);
    int hour = t.hour % 12 == 0 ? 12 : t.hour % 12;
    return str_format(arena, "%s, %s %d, %d %d:%02d:%02d %s UTC", days[t.weekday],
                      months[t.month - 1], t.day, t.year, hour, t.minute, t.second,
                      t.hour < 12 ? "AM" : "PM");
}

/* --- provisioned throughput
 * ------------------------------------------------------------------------------------------- */

bool limit_is_today(const struct call *call, int64_t ms)
{
    return ms / DAY_MS == call->now_ms / DAY_MS;
}

RESULT limit_change_units(struct call *call, struct limit_units *units, int64_t read, int64_t write)
{
    bool less = read < *units->read || write < *units->write;
    if (read > *units->read || write > *units->write)
        *units->increased_ms = call->now_ms;
    int64_t today = limit_is_today(call, *units->decreased_ms) ? *units->decreases : 0;
    /* "up to four decreases any time per day; ... if there was no decrease in the past hour, an
     * additional decrease is allowed" */
    if (less && today >= FREE_DECREASES && call->now_ms < *units->decreased_ms + HOUR_MS)
        return call_fail(
            call, DYNAMODB_LIMIT_EXCEEDED,
            "Subscriber limit exceeded: Provisioned throughput decreases are limited within a "
            "given UTC day. After the first 4 decreases, each subsequent decrease in the same UTC "
            "day can be performed at most once every 3600 seconds. Number of decreases today: "
            "%lld. Last decrease at %.*s. Next decrease can be made at %.*s",
            (long long)today, PRSTR(limit_date(call->arena, *units->decreased_ms)),
            PRSTR(limit_date(call->arena, *units->decreased_ms + HOUR_MS)));
    if (less) {
        *units->decreases = today + 1;
        *units->decreased_ms = call->now_ms;
    }
    *units->read = read;
    *units->write = write;
    return RESULT_OK;
}

/* --- a few times in a while
 * ------------------------------------------------------------------------------------------- */

/* times: "MS MS ...", the oldest first; those before `since_ms` are dropped and now is added.
 * False: there are `most` already. */
static bool times_add(struct call *call, struct str *times, int64_t since_ms, size_t most)
{
    struct str rest = *times, one;
    struct buf kept;
    size_t count = 0;
    buf_init(&kept, call->arena, 1024);
    while (!str_is_empty(rest)) {
        int64_t ms;
        str_cut(rest, ' ', &one, &rest);
        if (!str_to_i64(one, &ms) || ms <= since_ms)
            continue;
        buf_append(&kept, one);
        buf_append_char(&kept, ' ');
        count++;
    }
    if (count >= most)
        return false;
    buf_append_i64(&kept, call->now_ms);
    *times = buf_str(&kept);
    return true;
}

/* "two table class updates in a 30-day trailing period" ("DynamoDB table classes"). */
RESULT limit_change_class(struct call *call, struct dynamodb_table *table, struct str class)
{
    struct str before = str_is_absent(table->class) ? DYNAMODB_TABLE_CLASS_STANDARD : table->class;
    if (str_eq(class, before))
        return RESULT_OK;
    if (!times_add(call, &table->class_changes, call->now_ms - CLASS_DAYS * DAY_MS, CLASS_CHANGES))
        return call_fail(call, DYNAMODB_LIMIT_EXCEEDED,
                         "Subscriber limit exceeded: Updates to TableClass are limited to %d times "
                         "in %d day(s). Last update at %.*s.",
                         CLASS_CHANGES, CLASS_DAYS,
                         PRSTR(limit_date(call->arena, table->class_changed_ms)));
    table->class = class;
    table->class_changed_ms = call->now_ms;
    return RESULT_OK;
}

/* "You can switch tables from provisioned capacity mode to on-demand mode up to four times in a
 * 24-hour rolling window" ("Considerations when switching capacity modes"). */
RESULT limit_change_mode(struct call *call, struct dynamodb_table *table)
{
    if (!times_add(call, &table->mode_changes, call->now_ms - DAY_MS, MODE_CHANGES))
        return call_fail(call, DYNAMODB_LIMIT_EXCEEDED,
                         "Subscriber limit exceeded: Update to PayPerRequest mode are limited to "
                         "%d times in 1 day(s). Last update at %.*s.",
                         MODE_CHANGES, PRSTR(limit_date(call->arena, table->on_demand_ms)));
    table->on_demand_ms = call->now_ms;
    return RESULT_OK;
}

/* --- warm and maximum throughput
 * --------------------------------------------------------------------------------------- */

static RESULT warm_change(struct call *call, const char *what, struct opt_long wanted,
                          int64_t least, int64_t *warm)
{
    int64_t has = *warm > least ? *warm : least;
    if (!wanted.set)
        return RESULT_OK;
    if (wanted.value < has)
        return DYNAMODB_ERROR(call,
                              "One or more parameter values were invalid: Requested %s for "
                              "WarmThroughput is lower than the current %s: %lld. Decreasing warm "
                              "throughput is not supported",
                              what, what, (long long)has);
    if (wanted.value > DYNAMODB_UNITS_MAX)
        return call_fail(call, DYNAMODB_LIMIT_EXCEEDED,
                         "Subscriber limit exceeded: %s of WarmThroughput must not exceed the "
                         "per-table limit of %d",
                         what, DYNAMODB_UNITS_MAX);
    *warm = wanted.value;
    return RESULT_OK;
}

RESULT limit_read_warm(struct call *call, const struct dynamodb_WarmThroughput *in, bool on_demand,
                       int64_t read_units, int64_t write_units, int64_t *warm_read,
                       int64_t *warm_write)
{
    if (in == NULL)
        return RESULT_OK;
    if (!in->ReadUnitsPerSecond.set && !in->WriteUnitsPerSecond.set)
        return DYNAMODB_ERROR(call, "One or more parameter values were invalid: WarmThroughput "
                                    "must give ReadUnitsPerSecond or WriteUnitsPerSecond");
    TRY(warm_change(call, "ReadUnitsPerSecond", in->ReadUnitsPerSecond,
                    on_demand ? DYNAMODB_WARM_READ : read_units, warm_read));
    return warm_change(call, "WriteUnitsPerSecond", in->WriteUnitsPerSecond,
                       on_demand ? DYNAMODB_WARM_WRITE : write_units, warm_write);
}

/* -1: no maximum. */
RESULT limit_read_maximum(struct call *call, const struct dynamodb_OnDemandThroughput *in,
                          int64_t *read, int64_t *write)
{
    const struct {
        const char *name;
        int64_t *to;
    } both[] = {{"MaxReadRequestUnits", read}, {"MaxWriteRequestUnits", write}};
    if (in == NULL)
        return RESULT_OK;
    if (!in->MaxReadRequestUnits.set && !in->MaxWriteRequestUnits.set)
        return DYNAMODB_ERROR(call, "One or more parameter values were invalid: OnDemandThroughput "
                                    "must give MaxReadRequestUnits or MaxWriteRequestUnits");
    for (size_t i = 0; i < 2; i++) {
        struct opt_long wanted = i == 0 ? in->MaxReadRequestUnits : in->MaxWriteRequestUnits;
        if (!wanted.set)
            continue;
        if (wanted.value < 1 && wanted.value != -1)
            return DYNAMODB_ERROR(call,
                                  "One or more parameter values were invalid: %s must be at least "
                                  "1, or -1 for no maximum: %lld",
                                  both[i].name, (long long)wanted.value);
        if (wanted.value > DYNAMODB_UNITS_MAX)
            return call_fail(call, DYNAMODB_LIMIT_EXCEEDED,
                             "Subscriber limit exceeded: %s must not exceed the per-table limit of "
                             "%d",
                             both[i].name, DYNAMODB_UNITS_MAX);
        *both[i].to = wanted.value;
    }
    return RESULT_OK;
}

/* --- the account
 * ------------------------------------------------------------------------------------------------------
 */

static void account_add(const struct dynamodb_table *table, int64_t *read, int64_t *write)
{
    if (table->on_demand)
        return;
    *read += table->read_units;
    *write += table->write_units;
    for (size_t i = 0; i < table->indexes.len; i++) {
        *read += table->indexes.items[i].read_units;
        *write += table->indexes.items[i].write_units;
    }
}

RESULT limit_check_account(struct call *call, const struct dynamodb_table *changed)
{
    struct key prefix = table_prefix(call);
    struct kv_cursor *cursor;
    struct str key, value;
    int64_t read = 0, write = 0;
    size_t tables = 1;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (;;) {
        struct dynamodb_table table;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        TRY(record_decode(call->arena, &dynamodb_model, DYNAMODB_SHAPE_table, value, &table));
        if (str_eq(table.name, changed->name))
            continue;
        tables++;
        account_add(&table, &read, &write);
    }
    account_add(changed, &read, &write);
    if (tables > DYNAMODB_TABLES_MAX)
        return call_fail(call, DYNAMODB_LIMIT_EXCEEDED,
                         "Subscriber limit exceeded: The number of tables exceeds the limit of %d "
                         "per account and region",
                         DYNAMODB_TABLES_MAX);
    if (read > DYNAMODB_ACCOUNT_UNITS_MAX || write > DYNAMODB_ACCOUNT_UNITS_MAX)
        return call_fail(call, DYNAMODB_LIMIT_EXCEEDED,
                         "Subscriber limit exceeded: The requested throughput exceeds the account "
                         "limit of %d read and %d write capacity units in the region",
                         DYNAMODB_ACCOUNT_UNITS_MAX, DYNAMODB_ACCOUNT_UNITS_MAX);
    return RESULT_OK;
}
