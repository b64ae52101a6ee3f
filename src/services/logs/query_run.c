/* Logs Insights QL: the commands of a query, one after another. A row goes from command to command
 * until one keeps it: sort, stats, the result. Those that keep rows give them on at the end. */
#include <stdlib.h>

#include "base/map.h"
#include "base/vec.h"
#include "services/logs/query.h"
#include "wire/json_text.h"

enum { MEASURE_EVERY = 512 };

/* A row that outlives its event. */
struct kept {
    struct arena *arena;
    struct query_event event;
    struct row row;
    struct value *keys; /* of sort */
    uint64_t number;    /* rows that are alike stay in the order in which they came */
};
struct stage {
    const struct command *command;
    struct map seen;     /* of dedup */
    struct stats *stats; /* of stats */
    struct kept **kept;  /* of sort: a heap, the last one at the top when only some are wanted */
    size_t count, cap;
    size_t wanted; /* of sort: so many; SIZE_MAX: all */
    size_t passed; /* of limit */
};
struct query_run {
    struct arena *arena, *scratch;
    struct stage *stages;
    size_t count;
    size_t limit;
    int64_t now_ms;
    struct str *names; /* of the result's columns */
    size_t name_count;
    bool of_events; /* the result's rows are events: they have @ptr */
    struct query_row *rows;
    size_t row_count, row_cap;
    uint64_t matched, events, number;
    size_t match_at; /* an event that comes to this command has matched */
    bool enough;
};

static void name_add(struct query_run *run, size_t *cap, struct str name)
{
    for (size_t i = 0; i < run->name_count; i++)
        if (str_eq(run->names[i], name))
            return;
    VEC_PUSH(run->arena, run->names, run->name_count, *cap, name);
}

/* What the result shows: what display says; else what all fields since the last stats say, behind
 * what that yields. */
static void find_names(struct query_run *run)
{
    size_t cap = 0;
    bool displayed = false;
    run->of_events = true;
    for (size_t i = 0; i < run->count; i++) {
        const struct command *command = run->stages[i].command;
        if (command->kind == COMMAND_STATS || command->kind == COMMAND_DISPLAY) {
            run->name_count = 0;
            displayed = command->kind == COMMAND_DISPLAY;
        }
        if (command->kind == COMMAND_STATS) {
            run->of_events = false;
            for (size_t at = 0; at < command->by_count; at++)
                name_add(run, &cap, command->by[at].name);
        }
        if (command->kind == COMMAND_STATS || command->kind == COMMAND_DISPLAY ||
            ((command->kind == COMMAND_FIELDS || command->kind == COMMAND_UNNEST) && !displayed))
            for (size_t at = 0; at < command->count; at++)
                name_add(run, &cap, command->items[at].name);
    }
    if (run->name_count == 0) {
        name_add(run, &cap, STR("@timestamp"));
        name_add(run, &cap, STR("@message"));
    }
    if (run->of_events)
        name_add(run, &cap, STR("@ptr"));
}

/* How many rows a sort needs to keep. */
static size_t wanted_of(const struct query_run *run, size_t from)
{
    for (size_t i = from; i < run->count; i++) {
        const struct command *command = run->stages[i].command;
        if (command->kind == COMMAND_LIMIT)
            return command->limit < run->limit ? command->limit : run->limit;
        if (command->kind == COMMAND_FILTER || command->kind == COMMAND_STATS ||
            command->kind == COMMAND_DEDUP || command->kind == COMMAND_SORT ||
            command->kind == COMMAND_UNNEST)
            return SIZE_MAX;
    }
    return run->limit;
}

struct query_run *query_run_new(struct arena *arena, const struct query *query, size_t limit,
                                int64_t now_ms)
{
    struct query_run *run = ARENA_NEW(arena, struct query_run);
    run->arena = arena_new_child(arena);
    run->scratch = arena_new_child(run->arena);
    run->stages = ARENA_ARRAY(run->arena, query->count + 1, struct stage);
    run->count = query->count;
    run->limit = limit;
    run->now_ms = now_ms;
    for (size_t i = 0; i < query->count; i++) {
        struct stage *stage = &run->stages[i];
        stage->command = &query->commands[i];
        if (stage->command->kind == COMMAND_DEDUP)
            map_init(&stage->seen, run->arena);
        if (stage->command->kind == COMMAND_STATS)
            stage->stats = stats_new(arena_new_child(run->arena), stage->command);
    }
    for (size_t i = 0; i < query->count; i++)
        run->stages[i].wanted = wanted_of(run, i + 1);
    for (size_t i = 0; i < query->count && query->commands[i].kind != COMMAND_STATS; i++)
        if (query->commands[i].kind == COMMAND_FILTER)
            run->match_at = i + 1;
    find_names(run);
    return run;
}

uint64_t query_run_matched(const struct query_run *run)
{
    return run->matched;
}

/* --- commands --- */

static struct evaluation evaluation_of(struct query_run *run, struct row *row)
{
    return (struct evaluation){.arena = run->scratch, .row = row, .now_ms = run->now_ms};
}

static void row_set(struct query_run *run, struct row *row, struct str name, struct value value)
{
    struct named_value named = {name, value};
    VEC_PUSH(run->scratch, row->values, row->count, row->cap, named);
}

static void do_fields(struct query_run *run, const struct command *command, struct row *row)
{
    struct evaluation evaluation = evaluation_of(run, row);
    for (size_t i = 0; i < command->count; i++) {
        const struct named *item = &command->items[i];
        if (item->expr->kind != EXPR_FIELD || !str_eq(item->expr->name, item->name))
            row_set(run, row, item->name, query_evaluate(&evaluation, item->expr));
    }
}

/* Each * takes as little as it can, the last one at the end all. */
static bool glob_take(struct str glob, struct str text, struct str *values)
{
    struct str part;
    size_t count = 0, at;
    bool more = str_cut(glob, '*', &part, &glob);
    if ((at = str_find(text, part)) == SIZE_MAX)
        return false;
    text = str_slice(text, at + part.len, text.len);
    while (more) {
        more = str_cut(glob, '*', &part, &glob);
        if (part.len == 0 && !more) {
            values[count++] = text;
            return true;
        }
        if ((at = str_find(text, part)) == SIZE_MAX)
            return false;
        values[count++] = str_slice(text, 0, at);
        text = str_slice(text, at + part.len, text.len);
    }
    return true;
}

static void do_parse(struct query_run *run, const struct command *command, struct row *row)
{
    struct evaluation evaluation = evaluation_of(run, row);
    struct value from = query_evaluate(&evaluation, command->expr);
    struct str text = value_text(run->scratch, &from);
    struct regex_group *groups;
    size_t count;
    if (str_is_absent(text))
        return;
    if (command->regex != NULL) {
        if (!regex_groups(command->regex, run->scratch, text, &groups, &count))
            return;
        for (size_t i = 0, named = 0; i < count; i++) {
            struct str name = groups[i].name;
            if (str_is_absent(name) && named < command->count)
                name = command->items[named++].name;
            if (!str_is_absent(name))
                row_set(run, row, name, value_of_text(groups[i].text));
        }
        return;
    }
    struct str *values = ARENA_ARRAY(run->scratch, command->count + 1, struct str);
    if (!glob_take(command->glob, text, values))
        return;
    for (size_t i = 0; i < command->count; i++)
        row_set(run, row, command->items[i].name, value_of_text(values[i]));
}

/* Rows that lack one of the fields are no duplicates. */
static bool do_dedup(struct query_run *run, struct stage *stage, struct row *row)
{
    struct evaluation evaluation = evaluation_of(run, row);
    struct buf key;
    buf_init(&key, run->scratch, SIZE_MAX);
    for (size_t i = 0; i < stage->command->count; i++) {
        struct value value = query_evaluate(&evaluation, stage->command->items[i].expr);
        struct str text = value_text(run->scratch, &value);
        if (str_is_absent(text))
            return true;
        buf_append_u64(&key, text.len);
        buf_append_char(&key, ':');
        buf_append(&key, text);
    }
    if (map_get(&stage->seen, buf_str(&key)) != NULL)
        return false;
    map_put(&stage->seen, str_copy(run->arena, buf_str(&key)), stage);
    return true;
}

/* --- sort --- */

static int kept_cmp(const struct command *command, const struct kept *a, const struct kept *b,
                    struct arena *scratch)
{
    for (size_t i = 0; i < command->count; i++) {
        int order = value_cmp(scratch, &a->keys[i], &b->keys[i]);
        if (order != 0)
            return command->descending[i] ? -order : order;
    }
    return a->number < b->number ? -1 : a->number > b->number;
}

static void heap_down(struct query_run *run, struct stage *stage, size_t at)
{
    for (;;) {
        size_t last = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < stage->count; child++)
            if (kept_cmp(stage->command, stage->kept[child], stage->kept[last], run->scratch) > 0)
                last = child;
        if (last == at)
            return;
        struct kept *moved = stage->kept[at];
        stage->kept[at] = stage->kept[last];
        stage->kept[last] = moved;
        at = last;
    }
}

static void heap_up(struct query_run *run, struct stage *stage, size_t at)
{
    while (at > 0) {
        size_t parent = (at - 1) / 2;
        if (kept_cmp(stage->command, stage->kept[at], stage->kept[parent], run->scratch) <= 0)
            return;
        struct kept *moved = stage->kept[at];
        stage->kept[at] = stage->kept[parent];
        stage->kept[parent] = moved;
        at = parent;
    }
}

static struct kept *keep(struct query_run *run, const struct kept *from, size_t keys)
{
    struct arena *arena = arena_new_child(run->arena);
    struct kept *kept = ARENA_NEW(arena, struct kept);
    kept->arena = arena;
    kept->number = from->number;
    kept->keys = ARENA_ARRAY(arena, keys + 1, struct value);
    for (size_t i = 0; i < keys; i++)
        kept->keys[i] = value_copy(arena, &from->keys[i]);
    for (size_t i = 0; i < from->row.count; i++) {
        struct named_value value = {str_copy(arena, from->row.values[i].name),
                                    value_copy(arena, &from->row.values[i].value)};
        VEC_PUSH(arena, kept->row.values, kept->row.count, kept->row.cap, value);
    }
    if (from->row.event == NULL)
        return kept;
    kept->event = *from->row.event;
    bool masked = kept->event.plain.ptr != kept->event.message.ptr;
    kept->event.message = str_copy(arena, kept->event.message);
    kept->event.plain = masked ? str_copy(arena, kept->event.plain) : kept->event.message;
    kept->event.pointer = str_copy(arena, kept->event.pointer);
    kept->event.stream = str_copy(arena, kept->event.stream);
    kept->row.event = &kept->event;
    return kept;
}

static void do_sort(struct query_run *run, struct stage *stage, struct row *row)
{
    const struct command *command = stage->command;
    struct evaluation evaluation = evaluation_of(run, row);
    struct kept now = {.row = *row, .number = run->number++};
    now.keys = ARENA_ARRAY(run->scratch, command->count + 1, struct value);
    for (size_t i = 0; i < command->count; i++)
        now.keys[i] = query_evaluate(&evaluation, command->items[i].expr);
    if (stage->count < stage->wanted) {
        struct kept *kept = keep(run, &now, command->count);
        VEC_PUSH(run->arena, stage->kept, stage->count, stage->cap, kept);
        if (stage->wanted != SIZE_MAX)
            heap_up(run, stage, stage->count - 1);
    } else if (kept_cmp(command, &now, stage->kept[0], run->scratch) < 0) {
        arena_free(stage->kept[0]->arena);
        stage->kept[0] = keep(run, &now, command->count);
        heap_down(run, stage, 0);
    }
}

/* --- rows --- */

static void do_result(struct query_run *run, struct row *row)
{
    struct evaluation evaluation = evaluation_of(run, row);
    struct query_row shown = {ARENA_ARRAY(run->arena, run->name_count, struct str)};
    for (size_t i = 0; i < run->name_count; i++) {
        struct value value = query_field(&evaluation, run->names[i]);
        struct str text = value_text(run->scratch, &value);
        shown.values[i] = str_is_absent(text) ? text : str_copy(run->arena, text);
    }
    VEC_PUSH(run->arena, run->rows, run->row_count, run->row_cap, shown);
}

/* Nothing that comes later is shown when only commands that pass rows on stand before. */
static bool is_streaming(const struct query_run *run, size_t to)
{
    for (size_t i = 0; i < to; i++)
        if (run->stages[i].command->kind == COMMAND_SORT ||
            run->stages[i].command->kind == COMMAND_STATS)
            return false;
    return true;
}

static void row_go(struct query_run *run, struct row *row, size_t from);

/* A row for each item of a list; what is none is its only item. */
static void do_unnest(struct query_run *run, const struct command *command, const struct row *row,
                      size_t next)
{
    struct row from = *row;
    struct evaluation evaluation = evaluation_of(run, &from);
    struct value list = query_evaluate(&evaluation, command->items->expr);
    struct str rest = list.text, raw = {0};
    bool is_list = list.structured && list.text.ptr[0] == '[';
    while (list.kind != VALUE_NONE && (!is_list || json_next_item(&rest, &raw))) {
        struct row one = from;
        one.cap = one.count + 8;
        one.values = ARENA_ARRAY(run->scratch, one.cap, struct named_value);
        for (size_t i = 0; i < from.count; i++)
            one.values[i] = from.values[i];
        one.values[one.count++] = (struct named_value){
            command->items->name, is_list ? query_parse_json(run->scratch, raw) : list};
        row_go(run, &one, next);
        if (!is_list)
            return;
    }
}

static void row_go(struct query_run *run, struct row *row, size_t from)
{
    struct evaluation evaluation = evaluation_of(run, row);
    struct value value;
    for (size_t i = from; i < run->count; i++) {
        struct stage *stage = &run->stages[i];
        const struct command *command = stage->command;
        if (i == run->match_at && row->event != NULL && from == 0)
            run->matched++;
        switch (command->kind) {
        case COMMAND_FIELDS:
        case COMMAND_DISPLAY:
            do_fields(run, command, row);
            break;
        case COMMAND_FILTER:
            value = query_evaluate(&evaluation, command->expr);
            if (!value_is_true(&value))
                return;
            break;
        case COMMAND_PARSE:
            do_parse(run, command, row);
            break;
        case COMMAND_STATS:
            stats_add(stage->stats, &evaluation);
            return;
        case COMMAND_SORT:
            do_sort(run, stage, row);
            return;
        case COMMAND_LIMIT:
            if (stage->passed == command->limit)
                return;
            if (++stage->passed == command->limit && is_streaming(run, i))
                run->enough = true;
            break;
        case COMMAND_DEDUP:
            if (!do_dedup(run, stage, row))
                return;
            break;
        case COMMAND_UNNEST:
            if (from == 0 && run->match_at > i && row->event != NULL)
                run->matched++;
            do_unnest(run, command, row, i + 1);
            return;
        }
    }
    if (run->match_at == run->count && row->event != NULL && from == 0)
        run->matched++;
    if (run->row_count < run->limit)
        do_result(run, row);
    if (run->row_count == run->limit && is_streaming(run, run->count))
        run->enough = true;
}

RESULT query_run_event(struct query_run *run, const struct query_event *event, bool *enough)
{
    struct row row = {.event = event};
    row_go(run, &row, 0);
    arena_reset(run->scratch);
    *enough = run->enough;
    run->events++;
    bool large = event->message.len > 64 * 1024;
    if ((large || run->events % MEASURE_EVERY == 0) && arena_footprint(run->arena) > QUERY_MEMORY)
        return RESULT_FULL;
    return RESULT_OK;
}

/* --- the end --- */

/* The rows of a sort, put in order by taking the last one again and again. */
static void sort_end(struct query_run *run, struct stage *stage, size_t next)
{
    size_t total = stage->count;
    if (stage->wanted == SIZE_MAX)
        for (size_t i = total / 2; i-- > 0;)
            heap_down(run, stage, i);
    while (stage->count > 1) {
        struct kept *last = stage->kept[0];
        stage->kept[0] = stage->kept[--stage->count];
        stage->kept[stage->count] = last;
        heap_down(run, stage, 0);
        arena_reset(run->scratch);
    }
    for (size_t i = 0; i < total; i++) {
        row_go(run, &stage->kept[i]->row, next);
        arena_reset(run->scratch);
    }
}

RESULT query_run_end(struct query_run *run, struct query_result *out)
{
    for (size_t i = 0; i < run->count; i++) {
        struct stage *stage = &run->stages[i];
        struct row row;
        if (stage->command->kind == COMMAND_SORT)
            sort_end(run, stage, i + 1);
        if (stage->command->kind == COMMAND_STATS)
            for (size_t at = 0; stats_next(stage->stats, run->scratch, run->now_ms, &at, &row);) {
                row_go(run, &row, i + 1);
                arena_reset(run->scratch);
            }
        if (arena_footprint(run->arena) > QUERY_MEMORY)
            return RESULT_FULL;
    }
    *out = (struct query_result){run->names, run->name_count, run->rows, run->row_count};
    return RESULT_OK;
}
