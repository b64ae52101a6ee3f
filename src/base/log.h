/* The process's log: one line an event on standard error, "TIME LEVEL [REQUEST-ID] text".
 * Thread safe; a line is written with one write(2). The sink can be redirected once at start. */
#ifndef KUMONIWA_BASE_LOG_H
#define KUMONIWA_BASE_LOG_H

#include "base/str.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Lines above this level are dropped. Default LOG_INFO. */
void log_set_level(enum log_level level);

/* The request id that this thread's lines carry until it is set to (struct str){0}. Borrowed: must
 * outlive the setting. */
void log_set_request(struct str request_id);

/* Also append every line to this descriptor (-1: none). The descriptor stays the caller's. */
void log_set_file(int fd);

#endif
