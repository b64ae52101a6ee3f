#include "base/result.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

RESULT result_fault(const char *file, int line, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    log_line(LOG_ERROR, "%s:%d: %s", file, line, text);
    return RESULT_FAULT;
}

void result_assertion_failed(const char *file, int line, const char *condition)
{
    log_line(LOG_ERROR, "%s:%d: assertion failed: %s", file, line, condition);
    abort();
}
