/* What functions print: lines and frames, the tail, and how much at once. */
#include "functions/functions_int.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/time.h"
#include "wire/json_text.h"

enum { PIECE = 16 << 10, ROUNDS = 4, ROUNDS_ALL = 16 };

/* Bytes are paid for in time: 32 MiB a second. Who prints more than BURST_NS are worth waits for
 * his pipe to be read. */
#define BYTE_NS 30
#define BURST_NS (SECOND_NS / 8)

/* The descriptor for framed text (_LAMBDA_TELEMETRY_LOG_FD): a kind, a length, and, but for the
 * first kind, a time in microseconds; all big-endian. */
enum { FRAME_SHORT = 8, FRAME_LONG = 16 };
#define FRAME_MAGIC 0xa55a0000U

void output_open(struct environment *environment, enum output_kind kind, int fd)
{
    struct output *output = &environment->outputs[kind];
    output->fd = fd;
    output->watched =
        engine_add(environment->functions, environment->id, WATCH_OUTPUT + (int)kind, fd);
}

/* --- one line --- */

static void tail_add(struct environment *environment, struct str text)
{
    if (text.len > TAIL_BYTES)
        text = str_slice(text, text.len - TAIL_BYTES, text.len);
    for (size_t i = 0; i < text.len; i++) {
        environment->tail[environment->tail_at] = text.ptr[i];
        environment->tail_at = (environment->tail_at + 1) % TAIL_BYTES;
    }
    environment->tail_length += text.len;
    if (environment->tail_length > TAIL_BYTES)
        environment->tail_length = TAIL_BYTES;
}

struct str tail_text(const struct environment *environment, struct arena *arena)
{
    char *text = arena_alloc_raw(arena, TAIL_BYTES);
    size_t from = (environment->tail_at + TAIL_BYTES - environment->tail_length) % TAIL_BYTES;
    for (size_t i = 0; i < environment->tail_length; i++)
        text[i] = environment->tail[(from + i) % TAIL_BYTES];
    return str_make(text, environment->tail_length);
}

/* Logs hold UTF-8: what is none becomes U+FFFD, byte by byte. */
static struct str clean(struct arena *arena, struct str text)
{
    if (str_is_utf8(text))
        return text;
    struct buf out;
    buf_init(&out, arena, 3 * text.len + 1);
    while (text.len > 0) {
        size_t length = 1;
        while (length <= 4 && length <= text.len && !str_is_utf8(str_make(text.ptr, length)))
            length++;
        bool good = length <= 4 && length <= text.len;
        buf_append(&out, good ? str_make(text.ptr, length) : STR("\xef\xbf\xbd"));
        text = str_slice(text, good ? length : 1, text.len);
    }
    return buf_str(&out);
}

void environment_line(struct environment *environment, enum line_source source, int64_t time_ms,
                      struct str text)
{
    const struct function_spec *spec = &environment->held->spec;
    const struct functions_config *config = &environment->functions->config;
    struct arena *arena = NULL;
    if (source != LINE_PLATFORM && !str_is_utf8(text)) {
        arena = arena_new(0);
        text = clean(arena, text);
    }
    if (environment->tailing) {
        tail_add(environment, text);
        tail_add(environment, STR("\n"));
    }
    if (telemetry_wanted(environment, source) && source != LINE_PLATFORM)
        telemetry_put(environment, source == LINE_FUNCTION ? "function" : "extension", text,
                      time_ms);
    if (config->log != NULL && spec->logged && text.len > 0)
        config->log(config->context, &(struct function_log){
                                         .account = spec->account,
                                         .region = spec->region,
                                         .group = spec->log_group,
                                         .stream = environment->stream,
                                         .create_group = spec->makes_group,
                                         .time_ms = time_ms,
                                         .text = text,
                                     });
    if (arena != NULL)
        arena_free(arena);
}

/* "Log-level filtering": a JSON line with a level below the application's is not kept. */
static int level_rank(struct str level)
{
    static const struct str names[] = {STR_INIT("TRACE"), STR_INIT("DEBUG"), STR_INIT("INFO"),
                                       STR_INIT("WARN"),  STR_INIT("ERROR"), STR_INIT("FATAL")};
    for (int i = 0; i < 6; i++)
        if (str_eq_nocase(level, names[i]))
            return i;
    return 2;
}

static bool is_wanted(const struct function_spec *spec, struct str line)
{
    if (!spec->log_json || str_is_empty(spec->log_level) || line.len == 0 || line.ptr[0] != '{' ||
        !json_is_valid(line))
        return true;
    struct arena *arena = arena_new(0);
    struct str raw, level = {0};
    if (json_member(arena, line, STR("level"), &raw))
        (void)json_string(arena, raw, &level);
    bool wanted = level_rank(level) >= level_rank(spec->log_level);
    arena_free(arena);
    return wanted;
}

static void tell(struct environment *environment, enum output_kind kind, struct str line)
{
    const struct functions_config *config = &environment->functions->config;
    if (is_wanted(&environment->held->spec, line))
        environment_line(environment, kind == OUTPUT_EXTENSIONS ? LINE_EXTENSION : LINE_FUNCTION,
                         config->now_ms(config->context), line);
}

/* --- pieces --- */

static void keep(struct output *output, struct str text)
{
    if (output->length + text.len > output->room) {
        size_t room = output->room == 0 ? 256 : output->room;
        while (room < output->length + text.len)
            room *= 2;
        output->part = heap_grow(output->part, room);
        output->room = room;
    }
    if (text.len > 0)
        memcpy(output->part + output->length, text.ptr, text.len);
    output->length += text.len;
}

static void drop(struct output *output, size_t count)
{
    output->length -= count;
    if (output->length > 0)
        memmove(output->part, output->part + count, output->length);
    if (output->length == 0 && output->room > 4096) {
        heap_free(output->part);
        output->part = NULL;
        output->room = 0;
    }
}

/* Long lines are cut. */
static void feed_lines(struct environment *environment, enum output_kind kind, struct str text)
{
    struct output *output = &environment->outputs[kind];
    while (text.len > 0) {
        size_t end = str_find_char(text, '\n');
        size_t room = LINE_BYTES - output->length;
        size_t take = end == SIZE_MAX ? text.len : end;
        bool cut = take >= room;
        if (cut)
            take = room;
        struct str line = str_make(text.ptr, take);
        if (end == SIZE_MAX && !cut) {
            keep(output, line);
            return;
        }
        if (output->length > 0) {
            keep(output, line);
            tell(environment, kind, str_make(output->part, output->length));
            drop(output, output->length);
        } else {
            tell(environment, kind, line);
        }
        text = str_slice(text, take + !cut, text.len);
    }
}

static uint32_t read_u32(const char *at)
{
    const unsigned char *bytes = (const unsigned char *)at;
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* The longest part that ends with a whole character. */
static struct str cut_text(struct str text, size_t most)
{
    if (text.len <= most)
        return text;
    text.len = most;
    while (text.len > most - 4 && ((unsigned char)text.ptr[text.len] & 0xc0U) == 0x80)
        text.len--;
    return text;
}

/* Texts of frames are whole events, with their newlines; the last one is not told. Long ones are
 * cut. */
static void feed_frames(struct environment *environment, struct str text)
{
    struct output *output = &environment->outputs[OUTPUT_FRAMES];
    size_t over = text.len < output->skip ? text.len : output->skip;
    output->skip -= over;
    keep(output, str_slice(text, over, text.len));
    while (output->length >= FRAME_SHORT) {
        uint32_t kind = read_u32(output->part);
        size_t head = kind == (FRAME_MAGIC | 1) ? FRAME_SHORT : FRAME_LONG;
        size_t length = read_u32(output->part + 4);
        if ((kind & 0xffff0000U) != FRAME_MAGIC) {
            /* Not frames: the text as it is. */
            struct str all = str_copy(environment->arena, str_make(output->part, output->length));
            drop(output, output->length);
            feed_lines(environment, OUTPUT_FRAMES, all);
            drop(output, output->length);
            return;
        }
        bool cut = length > LINE_BYTES;
        size_t wanted = head + (cut ? LINE_BYTES + 1 : length);
        if (output->length < wanted)
            return;
        struct str event = cut_text(str_make(output->part + head, wanted - head), LINE_BYTES);
        if (!cut && event.len > 0 && event.ptr[event.len - 1] == '\n')
            event.len--;
        const struct functions_config *config = &environment->functions->config;
        environment_line(environment, LINE_FUNCTION, config->now_ms(config->context), event);
        /* Of what is too long the rest is thrown away, as far as it is here already. */
        size_t rest = cut ? length - (wanted - head) : 0;
        size_t here = rest < output->length - wanted ? rest : output->length - wanted;
        output->skip = rest - here;
        drop(output, wanted + here);
    }
}

static void forget(struct environment *environment, enum output_kind kind)
{
    struct output *output = &environment->outputs[kind];
    if (output->watched)
        (void)epoll_ctl(environment->functions->epoll, EPOLL_CTL_DEL, output->fd, NULL);
    output->watched = output->paused = false;
    if (output->fd >= 0 && (kind == OUTPUT_FRAMES || kind == OUTPUT_EXTENSIONS))
        close(output->fd);
    output->fd = -1;
}

/* Whether this much may be read now. */
static bool pay(struct environment *environment, size_t bytes)
{
    uint64_t now = time_monotonic_ns();
    if (environment->budget_ns < now)
        environment->budget_ns = now;
    environment->budget_ns += bytes * BYTE_NS;
    return environment->budget_ns < now + BURST_NS;
}

static void pause_output(struct environment *environment, enum output_kind kind, bool on)
{
    struct output *output = &environment->outputs[kind];
    if (output->paused != on && output->watched)
        engine_watch(environment, kind, !on);
    output->paused = on;
    if (on)
        engine_wake(environment->functions);
}

void output_read(struct environment *environment, enum output_kind kind, bool all)
{
    struct output *output = &environment->outputs[kind];
    char piece[PIECE];
    if (!all && !pay(environment, 0)) {
        pause_output(environment, kind, true);
        return;
    }
    for (int round = 0; output->fd >= 0 && round < (all ? ROUNDS_ALL : ROUNDS); round++) {
        ssize_t got = read(output->fd, piece, sizeof piece);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            break;
        if (got <= 0) {
            forget(environment, kind);
            return;
        }
        bool paid = pay(environment, (size_t)got);
        if (kind == OUTPUT_FRAMES)
            feed_frames(environment, str_make(piece, (size_t)got));
        else
            feed_lines(environment, kind, str_make(piece, (size_t)got));
        if (!paid && !all) {
            pause_output(environment, kind, true);
            return;
        }
        if ((size_t)got < sizeof piece)
            break;
    }
    if (output->paused)
        pause_output(environment, kind, false);
}

void outputs_drain(struct environment *environment)
{
    for (int kind = 0; kind < OUTPUT_EXTENSIONS; kind++)
        output_read(environment, (enum output_kind)kind, true);
}

void outputs_close(struct environment *environment)
{
    for (int kind = 0; kind < OUTPUT_KINDS; kind++) {
        struct output *output = &environment->outputs[kind];
        output_read(environment, (enum output_kind)kind, true);
        if (output->length > 0 && kind != OUTPUT_FRAMES)
            tell(environment, (enum output_kind)kind, str_make(output->part, output->length));
        forget(environment, (enum output_kind)kind);
        heap_free(output->part);
        *output = (struct output){.fd = -1};
    }
}
