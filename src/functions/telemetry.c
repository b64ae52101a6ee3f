/* "Accessing real-time telemetry data for extensions using the Telemetry API". */
#include "functions/functions_int.h"

bool telemetry_wanted(const struct environment *environment, enum line_source source)
{
    (void)environment;
    (void)source;
    return false;
}

void telemetry_put(struct environment *environment, const char *type, struct str record,
                   int64_t time_ms)
{
    (void)environment;
    (void)type;
    (void)record;
    (void)time_ms;
}

void telemetry_subscribe(struct environment *environment, struct http_exchange *exchange,
                         struct str name, struct api_reply *reply)
{
    (void)environment;
    (void)exchange;
    (void)name;
    api_error(reply, 501, "NotImplemented", "The Telemetry API is not built");
}

void telemetry_tick(struct environment *environment, uint64_t now_ns)
{
    (void)environment;
    (void)now_ns;
}

void telemetry_ready(struct environment *environment)
{
    (void)environment;
}

void telemetry_free(struct environment *environment)
{
    (void)environment;
}

uint64_t telemetry_due_ns(const struct environment *environment)
{
    (void)environment;
    return 0;
}
