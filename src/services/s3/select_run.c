/* A query that runs while its answer is sent: in slices of some milliseconds on the threads for
 * long work, each of which reads until there is something to send. "SelectObjectContent", Response:
 * the events are Records, Progress, Cont, Stats and End, or an error. */
#include <pthread.h>

#include "cloud/work.h"
#include "services/s3/select.h"
#include "wire/json_text.h"
#include "wire/wire.h"

/* A slice ends after as much input, or when as much can be sent. */
enum { SLICE_INPUT = 2 * 1024 * 1024, SLICE_OUTPUT = 128 * 1024 };

/* The members of the union of events, in the model's order. */
enum event { EVENT_RECORDS, EVENT_STATS, EVENT_PROGRESS, EVENT_CONT, EVENT_END };

struct select_run {
    struct select_plan plan;
    struct work_slice slice;
    struct select_input *input;
    struct select_reader *reader;
    struct select_total *totals;
    struct select_value *values;
    struct arena *scratch; /* of a slice */
    struct arena *row;     /* of a record */
    struct buf records;    /* to become an event */
    uint64_t base;         /* where what the reader is fed begins in the object */
    uint64_t processed, returned;
    int64_t count; /* results */
    bool input_end, done;
    struct select_failure failure;

    pthread_mutex_t lock;
    bool busy, closed, broken, finished;
    struct arena *frames; /* of `ready` */
    struct buf ready;     /* frames to send */
    size_t sent;
    void (*wake)(void *waker);
    void *waker;
};

static void run_free(struct select_run *run)
{
    pthread_mutex_destroy(&run->lock);
    arena_free(run->scratch);
    arena_free(run->row);
    arena_free(run->frames);
    arena_free(run->plan.arena); /* the run is in it */
}

/* --- events --- */

static RESULT put_event(struct select_run *run, struct buf *out, enum event which,
                        const void *value)
{
    const struct wire_route route = {
        .model = &s3_model,
        .operation = S3_OP_SelectObjectContent,
        .protocol = run->plan.protocol,
    };
    struct str frame;
    TRY(wire_encode_event(run->scratch, &route, S3_SHAPE_SelectObjectContentEventStream,
                          (uint16_t)which, value, &frame));
    buf_append(out, frame);
    return RESULT_OK;
}

static RESULT put_records(struct select_run *run, struct buf *out)
{
    struct str all = buf_str(&run->records);
    while (all.len > 0) {
        const struct s3_RecordsEvent event = {.Payload = str_slice(all, 0, SLICE_OUTPUT)};
        TRY(put_event(run, out, EVENT_RECORDS, &event));
        all = str_slice(all, event.Payload.len, all.len);
        run->returned += event.Payload.len;
    }
    buf_clear(&run->records);
    return RESULT_OK;
}

static RESULT put_progress(struct select_run *run, struct buf *out, bool at_end)
{
    const struct s3_Progress numbers = {
        .BytesScanned = opt_long((int64_t)select_input_scanned(run->input)),
        .BytesProcessed = opt_long((int64_t)run->processed),
        .BytesReturned = opt_long((int64_t)run->returned),
    };
    struct s3_Progress copy = numbers;
    const struct s3_ProgressEvent progress = {.Details = &copy};
    if (!at_end)
        return put_event(run, out, EVENT_PROGRESS, &progress);
    struct s3_Stats stats = {numbers.BytesScanned, numbers.BytesProcessed, numbers.BytesReturned};
    const struct s3_StatsEvent event = {.Details = &stats};
    return put_event(run, out, EVENT_STATS, &event);
}

/* --- records --- */

static bool keep_failure(struct select_run *run, const struct select_evaluation *e)
{
    run->failure = e->failure;
    run->failure.message = str_copy(run->plan.arena, e->failure.message);
    return false;
}

static bool show(struct select_run *run, struct select_evaluation *e)
{
    const struct select_query *query = &run->plan.query;
    for (size_t i = 0; i < query->item_count; i++)
        if (!select_evaluate(e, query->items[i].node, &run->values[i]))
            return keep_failure(run, e);
    select_write_row(&run->records, run->plan.output, e->arena, query, e->row, run->values);
    run->count++;
    return true;
}

static bool take_row(struct select_run *run, const struct select_row *row)
{
    const struct select_query *query = &run->plan.query;
    struct select_evaluation e = {.arena = run->row, .row = row, .now_ms = run->plan.now_ms};
    struct select_value where = select_bool(true);
    if (query->limit >= 0 && run->count >= query->limit && query->aggregates == 0) {
        run->done = true;
        return true;
    }
    if (query->where != NULL && !select_evaluate(&e, query->where, &where))
        return keep_failure(run, &e);
    bool truth = where.type == SELECT_BOOL
                     ? where.truth
                     : where.type == SELECT_STRING && str_eq_nocase(where.text, STR("true"));
    if (!truth)
        return true;
    if (query->aggregates == 0)
        return show(run, &e);
    for (size_t i = 0; i < query->item_count; i++)
        if (!select_count(&e, query->items[i].node, run->totals))
            return keep_failure(run, &e);
    return true;
}

static bool step_matches(const struct select_step *step, struct str name)
{
    return step->quoted ? str_eq(step->name, name) : str_eq_nocase(step->name, name);
}

/* The next value that a step leads to. */
static bool next_of(struct select_run *run, const struct select_step *step, struct str *rest,
                    int64_t *at, struct str *raw)
{
    struct str name;
    bool object = step->members || !str_is_absent(step->name);
    for (;;) {
        if (object ? !json_next_member(run->row, rest, &name, raw) : !json_next_item(rest, raw))
            return false;
        if (step->every || (object ? step_matches(step, name) : step->index == *at))
            return true;
        ++*at;
    }
}

/* FROM S3Object[*].a[*].b: each value that the path comes to is a row; where it comes to nothing
 * there is one row, MISSING ("SELECT command", FROM clause). */
static bool take_path(struct select_run *run, struct str json, size_t step)
{
    struct str rest = json, raw;
    int64_t at = 0;
    if (step == run->plan.query.from_count || str_is_empty(json)) {
        const struct select_row row = {.json = json};
        return take_row(run, &row);
    }
    const struct select_step *wanted = &run->plan.query.from[step];
    bool object = wanted->members || !str_is_absent(wanted->name), found = false;
    if (json_kind_of(json) != (object ? JSON_OBJECT : JSON_ARRAY))
        return take_path(run, STR(""), step);
    while (!run->done && next_of(run, wanted, &rest, &at, &raw)) {
        found = true;
        at++;
        if (!take_path(run, str_trim(raw), step + 1))
            return false;
        if (!wanted->every)
            break;
    }
    return found || run->done || take_path(run, STR(""), step);
}

static bool take_record(struct select_run *run, const struct select_row *row, uint64_t offset)
{
    if (run->plan.ranged && run->base + offset > run->plan.last) {
        run->done = true;
        return true;
    }
    return str_is_absent(row->json) ? take_row(run, row) : take_path(run, row->json, 0);
}

/* The header has been read from the object's beginning: on to the range. What begins before it
 * belongs to another. */
static void begin_range(struct select_run *run)
{
    uint64_t first = run->plan.first;
    if (!run->plan.ranged || first == 0 || select_wants_header(run->reader) || run->base > 0)
        return;
    run->base = first - 1; /* a record that begins at `first` follows the end of one */
    select_restart(run->reader, true);
    select_input_seek(run->input, run->base);
    run->input_end = false;
}

static RESULT run_feed(struct select_run *run)
{
    struct str bytes;
    enum result result = select_input_read(run->input, &bytes, &run->failure);
    if (result == RESULT_ERROR)
        return RESULT_OK; /* the failure is told */
    TRY(result);
    run->processed += bytes.len;
    if (bytes.len == 0) {
        run->input_end = true;
        select_feed_end(run->reader);
    } else {
        (void)select_feed(run->reader, bytes, &run->failure);
    }
    return RESULT_OK;
}

/* Until there is enough to send, or enough was read. */
static RESULT run_some(struct select_run *run)
{
    uint64_t until = run->processed + SLICE_INPUT;
    while (!run->done && run->failure.code == NULL && run->records.len < SLICE_OUTPUT) {
        struct select_row row;
        uint64_t offset;
        bool header = select_wants_header(run->reader);
        arena_reset(run->row);
        enum select_next next =
            select_next_row(run->reader, run->row, &row, &offset, &run->failure);
        if (header && !select_wants_header(run->reader) && run->plan.ranged &&
            run->plan.first > 0) {
            begin_range(run); /* the row at hand comes again if it belongs here */
            continue;
        }
        if (next == SELECT_ROW && !take_record(run, &row, offset))
            return RESULT_OK;
        if (next == SELECT_DONE)
            run->done = true;
        if (next != SELECT_MORE)
            continue;
        if (run->processed >= until)
            return RESULT_OK;
        TRY(run_feed(run));
    }
    return RESULT_OK;
}

static RESULT run_end(struct select_run *run, struct buf *out)
{
    const struct s3_EndEvent end = {0};
    if (run->failure.code == NULL && run->plan.query.aggregates > 0 && run->plan.query.limit != 0) {
        const struct select_row none = {0};
        struct select_evaluation e = {
            .arena = run->row, .row = &none, .now_ms = run->plan.now_ms, .totals = run->totals};
        arena_reset(run->row);
        (void)show(run, &e);
    }
    TRY(put_records(run, out));
    if (run->failure.code != NULL) {
        struct str frame;
        TRY(wire_encode_event_error(run->scratch, str_from_c(run->failure.code),
                                    run->failure.message, &frame));
        buf_append(out, frame);
        return RESULT_OK;
    }
    if (run->plan.progress)
        TRY(put_progress(run, out, false));
    TRY(put_progress(run, out, true));
    return put_event(run, out, EVENT_END, &end);
}

/* One slice; what it makes goes to out. */
static RESULT run_slice(struct select_run *run, struct buf *out)
{
    const struct s3_ContinuationEvent cont = {0};
    TRY(run_some(run));
    if (run->done || run->failure.code != NULL)
        return run_end(run, out);
    bool silent = run->records.len == 0;
    TRY(put_records(run, out));
    if (run->plan.progress)
        return put_progress(run, out, false);
    return silent ? put_event(run, out, EVENT_CONT, &cont) : RESULT_OK;
}

static void slice_run(struct work_slice *slice)
{
    struct select_run *run =
        (struct select_run *)(void *)((char *)slice - offsetof(struct select_run, slice));
    struct buf out;
    arena_reset(run->scratch);
    buf_init(&out, run->scratch, SIZE_MAX);
    enum result result = run_slice(run, &out);
    pthread_mutex_lock(&run->lock);
    run->busy = false;
    run->broken = result != RESULT_OK;
    run->finished = run->done || run->failure.code != NULL;
    arena_reset(run->frames);
    buf_init(&run->ready, run->frames, SIZE_MAX);
    buf_append(&run->ready, buf_str(&out));
    run->sent = 0;
    bool closed = run->closed;
    if (!closed && run->wake != NULL)
        run->wake(run->waker);
    pthread_mutex_unlock(&run->lock);
    if (closed)
        run_free(run);
}

/* --- the source --- */

static int64_t run_pull(void *self, char *out, size_t size, void (*wake)(void *waker), void *waker)
{
    struct select_run *run = self;
    for (;;) {
        pthread_mutex_lock(&run->lock);
        size_t left = run->ready.len - run->sent;
        int64_t count = (int64_t)(left < size ? left : size);
        if (count > 0)
            memcpy(out, run->ready.ptr + run->sent, (size_t)count);
        run->sent += (size_t)count;
        bool start = count == 0 && !run->busy && !run->finished && !run->broken;
        bool over = count == 0 && !run->busy && !start;
        run->wake = wake;
        run->waker = waker;
        run->busy = run->busy || start;
        pthread_mutex_unlock(&run->lock);
        if (count > 0)
            return count;
        if (over)
            return run->broken ? -1 : 0;
        if (!start || work_post(run->plan.cloud, &run->slice))
            return CALL_SOURCE_WAIT;
        run->wake = NULL; /* no threads: at once */
        slice_run(&run->slice);
    }
}

static void run_close(void *self)
{
    struct select_run *run = self;
    pthread_mutex_lock(&run->lock);
    run->closed = true;
    run->wake = NULL;
    bool busy = run->busy;
    pthread_mutex_unlock(&run->lock);
    if (!busy)
        run_free(run);
}

struct call_source select_source(const struct select_plan *plan)
{
    struct arena *arena = plan->arena;
    struct select_run *run = ARENA_NEW(arena, struct select_run);
    run->plan = *plan;
    run->slice = (struct work_slice){.run = slice_run};
    run->input = select_input_new(arena, plan->cloud->blobs, &plan->pieces, plan->compression);
    run->reader = select_reader_new(arena, plan->input);
    run->totals = ARENA_ARRAY(arena, plan->query.aggregates + 1, struct select_total);
    run->values = ARENA_ARRAY(arena, plan->query.item_count + 1, struct select_value);
    run->scratch = arena_new(0);
    run->frames = arena_new(0);
    run->row = arena_new(0);
    buf_init(&run->ready, run->frames, SIZE_MAX);
    buf_init(&run->records, arena, SIZE_MAX);
    pthread_mutex_init(&run->lock, NULL);
    begin_range(run);
    return (struct call_source){run_pull, run_close, run};
}
