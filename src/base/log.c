#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/time.h"

enum { TEXT_MAX = 4096 };

/* Where the process's lines go: the one thing here that is mutable at file scope, because every
 * line of every thread must find it without being handed it. Atomic, so that it may change while
 * threads log. */
static struct {
    _Atomic(enum log_level) level;
    atomic_int fd;
} sink = {.level = LOG_INFO, .fd = -1};

/* Of the thread and not of an object: faults are logged at depths that know nothing of requests. */
static _Thread_local struct str thread_request;

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&sink.level, level, memory_order_relaxed);
}

void log_set_request(struct str request_id)
{
    thread_request = request_id;
}

void log_set_file(int fd)
{
    atomic_store_explicit(&sink.fd, fd, memory_order_relaxed);
}

static const char *level_name(enum log_level level)
{
    switch (level) {
    case LOG_ERROR:
        return "ERROR";
    case LOG_WARN:
        return "WARN";
    case LOG_INFO:
        return "INFO";
    case LOG_DEBUG:
        return "DEBUG";
    }
    return "?";
}

/* Control characters are written as escapes: text that came from a client can neither end the line
 * nor begin another. */
static void append_visible(struct buf *out, struct str text)
{
    size_t plain = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if ((c >= ' ' && c != 0x7f) || c == '\t')
            continue;
        buf_append(out, str_slice(text, plain, i));
        if (c == '\n')
            buf_append(out, STR("\\n"));
        else if (c == '\r')
            buf_append(out, STR("\\r"));
        else
            buf_append_format(out, "\\x%02x", c);
        plain = i + 1;
    }
    buf_append(out, str_slice(text, plain, text.len));
}

/* A second write happens only where the system took less than it was given. */
static void write_line(int fd, struct str line)
{
    while (line.len > 0) {
        ssize_t written = write(fd, line.ptr, line.len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        line = str_slice(line, (size_t)written, line.len);
    }
}

void log_line(enum log_level level, const char *format, ...)
{
    if (level > atomic_load_explicit(&sink.level, memory_order_relaxed))
        return;
    int saved_errno = errno;
    char text[TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    bool cut = len >= TEXT_MAX;
    size_t text_len = len < 0 ? 0 : cut ? TEXT_MAX - 1 : (size_t)len;

    /* Room for every byte as an escape: the buffer never fills, but for an absurd request id. */
    char memory[TEXT_MAX * 4 + 1024];
    struct buf line;
    buf_init_fixed(&line, memory, sizeof(memory) - 1);
    time_format_iso8601(&line, time_wall_ms());
    buf_append_char(&line, ' ');
    buf_append_c(&line, level_name(level));
    if (thread_request.len > 0) {
        buf_append(&line, STR(" ["));
        append_visible(&line, str_slice(thread_request, 0, 128));
        buf_append_char(&line, ']');
    }
    buf_append_char(&line, ' ');
    append_visible(&line, str_make(text, text_len));
    if (cut)
        buf_append(&line, STR("..."));
    memory[line.len++] = '\n';

    write_line(STDERR_FILENO, buf_str(&line));
    int fd = atomic_load_explicit(&sink.fd, memory_order_relaxed);
    if (fd >= 0)
        write_line(fd, buf_str(&line));
    errno = saved_errno;
}
