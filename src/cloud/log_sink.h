/* Lines that other parts of the cloud log (Lambda for its functions, API Gateway for its access
 * logs, ...) on their way to CloudWatch Logs. Any thread puts a line: it is copied into a mapped
 * file (log_spool.h) of at most LOG_SINK_BYTES and the caller goes on. A thread of the sink's own
 * takes what has come at least every LOG_SINK_WAIT_MS and hands it to the service that keeps logs
 * (service_hooks.log_keeper), one transaction a batch; it makes groups and streams that are
 * missing.
 *
 * What does not fit is lost, never silently: it is counted by stream, and a line in that stream
 * says how many were lost. kill -9 loses nothing: the next start keeps what a file has, once. A
 * loss of power loses what came within the last LOG_SINK_WAIT_MS. Where the disk has no room for
 * the file, lines wait in memory, and kill -9 loses those.
 *
 *     log_sink_put(cloud->log_sink, &(struct log_line){
 *         .account = account, .region = region, .group = STR("/aws/lambda/f"), .create_group =
 * true, .stream = stream, .time_ms = clock_now(cloud->clock), .text = text});
 */
#ifndef KUMONIWA_CLOUD_LOG_SINK_H
#define KUMONIWA_CLOUD_LOG_SINK_H

#include "cloud/call.h"

enum {
    LOG_SINK_BYTES = 8 << 20,
    LOG_SINK_WAIT_MS = 100,
    /* A longer text becomes several events. ("PutLogEvents", CloudWatch Logs API Reference: an
     * event is at most 1 MiB, 26 bytes of it for itself.) */
    LOG_SINK_EVENT_MAX = (1 << 20) - 26,
};

/* One event. Borrowed: it is copied. */
struct log_line {
    struct str account, region;
    struct str group, stream; /* names that CreateLogGroup and CreateLogStream would take */
    int64_t time_ms;          /* cloud time */
    struct str text;          /* without the line's end; empty: nothing is logged */
    /* Make the group when there is none. False: where there is none, the line goes nowhere. Whether
     * the role behind it may log at all is the caller's to decide, before. */
    bool create_group;
};

/* Many lines of one stream, as the service that keeps logs is told of them. Texts are good until it
 * returns. */
struct log_sink_event {
    int64_t time_ms;
    struct str text;
};
struct log_sink_stream {
    struct str account, region, group, stream;
    bool create_group;
    const struct log_sink_event *events; /* as they came */
    size_t count;
};

/* Who keeps logs, in service_hooks. Runs in a writing transaction as logs.amazonaws.com, with
 * call->account and region those of the stream. */
struct log_keeper {
    RESULT (*keep)(struct call *call, const struct log_sink_stream *lines);
};

struct log_sink;

RESULT log_sink_open(struct cloud *cloud, struct log_sink **out);
RESULT log_sink_start(struct log_sink *sink); /* the thread */
void log_sink_stop(struct log_sink *sink);    /* ends it; what is put goes on to be gathered */
void log_sink_close(struct log_sink *sink);   /* what is there is kept first; NULL is fine */

/* Any thread; never waits for the store. NULL is fine: nobody keeps logs. */
void log_sink_put(struct log_sink *sink, const struct log_line *line);
/* What was put before is kept when this returns RESULT_OK. Any thread that is in no transaction of
 * its own (it waits for one); a test's. */
RESULT log_sink_flush(struct log_sink *sink);

#endif
