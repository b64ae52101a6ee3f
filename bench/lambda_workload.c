/* Lambda: the function --queue, which is there already (bench/functions.py makes it), invoked with
 * an empty event; --messages: this many functions, --queue followed by their numbers, in turn. */
#include "load.h"

bool build_invoke(struct load *load, struct conn *conn, struct request *request)
{
    conn->sequence = load->sequence++;
    conn->handle.len = 0;
    bytes_append(&conn->handle, STR("/2015-03-31/functions/"));
    bytes_append(&conn->handle, str_from_c(load->options.queue));
    if (load->options.messages > 1)
        bytes_append_u64(&conn->handle, conn->sequence % load->options.messages);
    bytes_append(&conn->handle, STR("/invocations"));
    *request = (struct request){
        .method = STR("POST"),
        .path = bytes_str(&conn->handle),
        .query = STR(""),
        .content_type = STR(""),
        .target = STR(""),
        .body = STR("{}"),
    };
    return true;
}

enum outcome check_invoke(struct load *load, struct conn *conn, const struct reply *reply,
                          uint64_t *messages)
{
    (void)load;
    (void)conn;
    *messages += 1;
    return reply->status == 200 && str_eq(reply->body, STR("{}")) ? OUTCOME_OK : OUTCOME_ERROR;
}
