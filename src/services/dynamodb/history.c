#include "services/dynamodb/history.h"

enum { TRIM_PORTION = 1000, SEQUENCE_SIZE = 8, TIME_SIZE = 8 };
#define DAY_MS (INT64_C(24) * 3600 * 1000)
#define TRIM_EVERY_MS (INT64_C(3600) * 1000)

/* --- keys and values
 * -------------------------------------------------------------------------------------------------
 */

static struct key id_key(struct call *call, const char *kind, int64_t id)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, str_from_c(kind));
    key_u64(&key, (uint64_t)id);
    return key;
}

static struct str big_endian(struct arena *arena, uint64_t n)
{
    char *bytes = arena_alloc_raw(arena, 8);
    for (int i = 0; i < 8; i++)
        bytes[i] = (char)(n >> (8 * (7 - i)));
    return str_make(bytes, 8);
}

static uint64_t read_big_endian(struct str bytes)
{
    uint64_t n = 0;
    for (size_t i = 0; i < 8; i++)
        n = n << 8 | (unsigned char)bytes.ptr[i];
    return n;
}

/* item, sequence, behind the log's prefix. */
static struct str entry_key(struct call *call, int64_t log, struct str item, uint64_t sequence)
{
    struct key prefix = id_key(call, "ddb-p", log);
    struct buf out;
    buf_init(&out, call->arena, KV_KEY_MAX);
    buf_append(&out, key_bytes(&prefix));
    buf_append(&out, item);
    buf_append(&out, big_endian(call->arena, sequence));
    return buf_str(&out);
}

static struct key time_key(struct call *call, int64_t log, int64_t time_ms, uint64_t sequence)
{
    struct key key = id_key(call, "ddb-q", log);
    key_i64(&key, time_ms);
    key_u64(&key, sequence);
    return key;
}

/* --- writing
 * -------------------------------------------------------------------------------------------------
 */

RESULT history_write(struct call *call, const struct change *change)
{
    const struct place place = {call, change->table, NULL};
    struct key prefix = place_prefix(&place);
    struct key at = place_item(&place, change->new != NULL ? change->new : &change->old->item);
    size_t prefix_len = key_bytes(&prefix).len;
    struct str item = str_slice(key_bytes(&at), prefix_len, key_bytes(&at).len);
    struct str old = change->old->found ? change->old->bytes : STR("");
    uint64_t sequence;
    TRY(call_sequence(call, &sequence));
    struct str value =
        str_concat(call->arena, big_endian(call->arena, (uint64_t)call->now_ms), old);
    TRY(kv_put(call->txn, entry_key(call, change->table->log_id, item, sequence), value));
    struct key when = time_key(call, change->table->log_id, call->now_ms, sequence);
    return kv_put(call->txn, key_bytes(&when), item);
}

RESULT history_begin(struct call *call, struct dynamodb_table *table)
{
    uint64_t id;
    if (table->log_id != 0)
        return RESULT_OK;
    TRY(call_sequence(call, &id));
    table->log_id = (int64_t)id;
    return RESULT_OK;
}

RESULT history_release(struct call *call, struct dynamodb_table *table)
{
    if (table->pitr || table->copies > 0 || table->log_id == 0)
        return RESULT_OK;
    struct str payload = str_format(call->arena, "%lld", (long long)table->log_id);
    table->log_id = 0;
    return outbox_post(call, STR("dynamodb.forget"), (struct str){0}, payload);
}

RESULT history_deliver_forget(struct call *call, const struct outbox_item *item)
{
    static const char *const kinds[] = {"ddb-p", "ddb-q"};
    int64_t id;
    size_t deleted = 0;
    if (!str_to_i64(item->payload, &id))
        return FAULT("dynamodb.forget: \"%.*s\" is not its payload", PRSTR(item->payload));
    for (size_t i = 0; i < 2 && deleted < TRIM_PORTION; i++) {
        struct key prefix = id_key(call, kinds[i], id);
        TRY(kv_delete_prefix(call->txn, key_bytes(&prefix), TRIM_PORTION, &deleted));
    }
    if (deleted < TRIM_PORTION)
        return RESULT_OK;
    return outbox_post(call, STR("dynamodb.forget"), (struct str){0}, item->payload);
}

/* --- forgetting by age
 * -------------------------------------------------------------------------------------------------
 */

RESULT history_want_trim(struct call *call, const struct dynamodb_table *table)
{
    struct str payload =
        str_format(call->arena, "%lld %.*s", (long long)table->log_id, PRSTR(table->name));
    return job_schedule(call, STR("dynamodb.history"), call->now_ms + TRIM_EVERY_MS, payload, NULL);
}

static RESULT history_trim(struct call *call, const struct dynamodb_table *table, bool *more)
{
    struct key prefix = id_key(call, "ddb-q", table->log_id);
    struct kv_cursor *cursor;
    struct str key, value;
    size_t prefix_len = key_bytes(&prefix).len;
    int64_t oldest_ms = call->now_ms - table->pitr_days * DAY_MS;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (size_t n = 0; n < TRIM_PORTION; n++) {
        int64_t time_ms;
        uint64_t sequence;
        *more = false;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        struct key_reader reader = key_read(call->arena, str_slice(key, prefix_len, key.len));
        if (!key_next_i64(&reader, &time_ms) || !key_next_u64(&reader, &sequence))
            return FAULT("a key of a table's history is broken");
        if (time_ms >= oldest_ms)
            return RESULT_OK;
        struct str own = str_copy(call->arena, key);
        TRY(kv_delete(call->txn, entry_key(call, table->log_id, value, sequence), NULL));
        TRY(kv_delete(call->txn, own, NULL));
    }
    *more = true;
    return RESULT_OK;
}

RESULT history_deliver_trim(struct call *call, const struct outbox_item *item)
{
    struct str id_text, name;
    struct dynamodb_table table;
    int64_t id;
    bool found, more = false;
    if (!str_cut(item->payload, ' ', &id_text, &name) || !str_to_i64(id_text, &id))
        return FAULT("dynamodb.history: \"%.*s\" is not its payload", PRSTR(item->payload));
    TRY(table_find(call, name, &table, &found));
    if (!found || table.log_id != id || !table.pitr)
        return RESULT_OK;
    if (table.copies == 0) /* who copies may need what is old */
        TRY(history_trim(call, &table, &more));
    if (more)
        return job_schedule(call, STR("dynamodb.history"), call->now_ms, item->payload, NULL);
    return history_want_trim(call, &table);
}

/* --- views
 * -------------------------------------------------------------------------------------------------
 */

RESULT history_view_now(struct call *call, const struct dynamodb_table *table,
                        struct dynamodb_view *view)
{
    uint64_t sequence;
    TRY(call_sequence(call, &sequence));
    *view = (struct dynamodb_view){table->id, table->log_id, (int64_t)sequence};
    return RESULT_OK;
}

RESULT history_view_at(struct call *call, const struct dynamodb_table *table, int64_t time_ms,
                       struct dynamodb_view *view)
{
    struct key prefix = id_key(call, "ddb-q", table->log_id);
    struct key from = time_key(call, table->log_id, time_ms + 1, 0);
    struct kv_cursor *cursor;
    struct str key, value;
    int64_t at_ms;
    uint64_t sequence;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    TRY(kv_cursor_seek(cursor, key_bytes(&from)));
    TRY(kv_next(cursor, &key, &value));
    if (str_is_absent(key))
        return history_view_now(call, table, view);
    struct key_reader reader =
        key_read(call->arena, str_slice(key, key_bytes(&prefix).len, key.len));
    if (!key_next_i64(&reader, &at_ms) || !key_next_u64(&reader, &sequence))
        return FAULT("a key of a table's history is broken");
    *view = (struct dynamodb_view){table->id, table->log_id, (int64_t)sequence - 1};
    return RESULT_OK;
}

/* A cursor whose key and value are kept, behind its prefix. */
struct side {
    struct call *call;
    struct kv_cursor *cursor; /* NULL: nothing there */
    struct str prefix, key, value;
};

static RESULT side_next(struct side *side)
{
    struct str key, value;
    side->key = (struct str){0};
    if (side->cursor == NULL)
        return RESULT_OK;
    TRY(kv_next(side->cursor, &key, &value));
    if (str_is_absent(key))
        return RESULT_OK;
    side->key = str_copy(side->call->arena, str_slice(key, side->prefix.len, key.len));
    side->value = str_copy(side->call->arena, value);
    return RESULT_OK;
}

static RESULT side_seek(struct side *side, struct str from)
{
    if (side->cursor == NULL)
        return RESULT_OK;
    if (!str_is_absent(from))
        TRY(kv_cursor_seek(side->cursor, str_concat(side->call->arena, side->prefix, from)));
    return side_next(side);
}

static RESULT side_open(struct side *side, struct call *call, struct key prefix, struct str from)
{
    *side = (struct side){.call = call, .prefix = str_copy(call->arena, key_bytes(&prefix))};
    TRY(kv_cursor_open(call->txn, call->arena, side->prefix, false, &side->cursor));
    return side_seek(side, from);
}

/* The item that a log's entry is about. */
static struct str side_item(const struct side *log)
{
    return str_is_absent(log->key) ? log->key
                                   : str_slice(log->key, 0, log->key.len - SEQUENCE_SIZE);
}

static uint64_t side_sequence(const struct side *log)
{
    return read_big_endian(str_slice(log->key, log->key.len - SEQUENCE_SIZE, log->key.len));
}

static RESULT side_seek_entry(struct side *log, struct str item, uint64_t sequence)
{
    struct arena *arena = log->call->arena;
    return side_seek(log, str_concat(arena, item, big_endian(arena, sequence)));
}

/* The log stands at the item's first entry that is seen: moves it to the first one beyond sequence.
 * *image is absent when there is none, empty when there was no item then. */
static RESULT image_beyond(struct side *log, struct str item, int64_t sequence, struct str *image)
{
    *image = (struct str){0};
    if (!str_eq(side_item(log), item))
        return RESULT_OK;
    if (side_sequence(log) <= (uint64_t)sequence)
        TRY(side_seek_entry(log, item, (uint64_t)sequence + 1));
    if (str_eq(side_item(log), item))
        *image = str_slice(log->value, TIME_SIZE, log->value.len);
    return RESULT_OK;
}

static RESULT skip_item(struct side *log, struct str item)
{
    return str_eq(side_item(log), item) ? side_seek_entry(log, item, UINT64_MAX) : RESULT_OK;
}

RESULT history_walk(const struct history_walk *walk, struct str *next)
{
    struct call *call = walk->call;
    struct side items, log = {.call = call};
    struct key prefix = id_key(call, "ddb", walk->view->items_id);
    key_u64(&prefix, 0);
    TRY(side_open(&items, call, prefix, walk->from));
    if (walk->view->log_id != 0)
        TRY(side_open(&log, call, id_key(call, "ddb-p", walk->view->log_id), walk->from));
    size_t count = 0, bytes = 0;
    for (;;) {
        struct str logged = side_item(&log), image;
        bool stands =
            !str_is_absent(items.key) && (str_is_absent(logged) || str_cmp(items.key, logged) <= 0);
        struct str key = stands ? items.key : logged;
        *next = key;
        if (str_is_absent(key) || count == walk->items_max || bytes >= walk->bytes_max)
            return RESULT_OK;
        TRY(image_beyond(&log, key, walk->view->sequence, &image));
        if (str_is_absent(image))
            image = stands ? items.value : STR("");
        TRY(skip_item(&log, key));
        if (stands)
            TRY(side_next(&items));
        count++;
        bytes += image.len;
        const struct history_item item = {key, image};
        if (image.len > 0)
            TRY(walk->visit(walk->context, &item));
    }
}

static RESULT current_item(struct call *call, const struct dynamodb_view *view, struct str item,
                           struct str *bytes)
{
    struct key prefix = id_key(call, "ddb", view->items_id);
    key_u64(&prefix, 0);
    struct str value;
    TRY(kv_get(call->txn, str_concat(call->arena, key_bytes(&prefix), item), &value));
    *bytes = str_is_absent(value) ? STR("") : str_copy(call->arena, value);
    return RESULT_OK;
}

/* When the item last changed up to sequence `to`. */
static RESULT last_change(struct side *log, struct str item, int64_t to, int64_t *time_ms)
{
    struct arena *arena = log->call->arena;
    struct str prefix = str_concat(arena, log->prefix, item), key, value;
    struct kv_cursor *cursor;
    TRY(kv_cursor_open(log->call->txn, arena, prefix, true, &cursor));
    TRY(kv_cursor_seek(cursor, str_concat(arena, prefix, big_endian(arena, (uint64_t)to))));
    TRY(kv_next(cursor, &key, &value));
    if (str_is_absent(key) || value.len < TIME_SIZE)
        return FAULT("an item's history is broken");
    *time_ms = (int64_t)read_big_endian(value);
    kv_cursor_close(cursor);
    return RESULT_OK;
}

RESULT history_diff(const struct history_diff *diff, struct str *next)
{
    struct call *call = diff->call;
    struct side log;
    int64_t to = diff->after->sequence;
    TRY(side_open(&log, call, id_key(call, "ddb-p", diff->after->log_id), diff->from));
    for (size_t count = 0, bytes = 0;;) {
        struct history_change change = {.key = side_item(&log)};
        *next = change.key;
        if (str_is_absent(change.key) || count >= diff->items_max || bytes >= diff->bytes_max)
            return RESULT_OK;
        TRY(image_beyond(&log, change.key, diff->before->sequence, &change.before));
        bool changed = !str_is_absent(change.before) && side_sequence(&log) <= (uint64_t)to;
        if (changed) {
            TRY(last_change(&log, change.key, to, &change.time_ms));
            TRY(image_beyond(&log, change.key, to, &change.after));
            if (str_is_absent(change.after))
                TRY(current_item(call, diff->after, change.key, &change.after));
        }
        TRY(skip_item(&log, change.key));
        count++;
        bytes += change.before.len + change.after.len;
        if (changed && change.before.len + change.after.len > 0)
            TRY(diff->visit(diff->context, &change));
    }
}

/* --- holding
 * -------------------------------------------------------------------------------------------------
 */

RESULT history_hold(struct call *call, struct dynamodb_table *table)
{
    TRY(history_begin(call, table));
    table->copies++;
    return table_put(call, table);
}

RESULT history_let_go(struct call *call, struct str table_name)
{
    struct dynamodb_table table;
    bool found;
    TRY(table_find(call, table_name, &table, &found));
    if (!found || table.copies == 0)
        return FAULT("a table that was held is not there: %.*s", PRSTR(table_name));
    table.copies--;
    TRY(history_release(call, &table));
    return table_put(call, &table);
}
