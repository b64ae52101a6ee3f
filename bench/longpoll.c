/* Many polls parked on one queue, and how fast a message wakes one of them.
 *
 * 1. Every connection is opened, answered once (so that the server has really accepted it) and
 * counted.
 * 2. Every connection sends a ReceiveMessage with WaitTimeSeconds=20.
 * 3. Round after round: a SendMessage on a connection of its own; one poll must answer with that
 * message. The message is deleted and the poll parked again before the next round. A poll that ends
 * empty after its 20 seconds is parked again. */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/time.h"
#include "process.h"
#include "report.h"

enum {
    EVENTS = 512,
    OPENING_MAX = 64, /* connections that open at the same time: no listen queue overflows */
    WAIT_SECONDS = 20,
    ROUND_TIMEOUT_MS = 5000,
    SETTLE_MS = 1000,
    PAUSE_MS = 5, /* between rounds */
    ERRORS_MAX = 100,
};

enum phase { PHASE_OPEN, PHASE_PARK };

struct longpoll {
    struct load *load;
    struct longpoll_result result;
    enum phase phase;
    size_t opened, answered;
    struct conn control;
    bool control_answered;
    int control_status;
    struct conn *woken; /* answered with a message in this round */
    uint64_t woken_ns;
};

static void count_error(struct longpoll *poll, struct conn *conn, const struct reply *reply)
{
    if (reply != NULL)
        load_show_error(poll->load, conn == &poll->control ? "the control connection" : "a poll",
                        reply);
    if (++poll->result.errors > ERRORS_MAX)
        die("too many polls fail; the last: %s", reply != NULL ? "a wrong reply" : strerror(errno));
}

static void open_conn(struct longpoll *poll, struct conn *conn)
{
    if (!conn_open(conn, &poll->load->endpoint, poll->load->epoll_fd))
        die("cannot connect to %s: %s", poll->load->options.endpoint, strerror(errno));
}

static void receive(struct longpoll *poll, struct conn *conn, unsigned wait_seconds)
{
    struct request request;
    build_receive(poll->load, conn, &request, wait_seconds);
    if (!conn_send(conn, &poll->load->signer, &request)) {
        count_error(poll, conn, NULL);
        open_conn(poll, conn);
    }
}

static void take_poll_reply(struct longpoll *poll, struct conn *conn, const struct reply *reply)
{
    struct str handle = load_json_member(reply->body, STR("\"ReceiptHandle\""));
    if (reply->status != 200)
        count_error(poll, conn, reply);
    if (poll->phase == PHASE_OPEN) {
        poll->answered++;
    } else if (!str_is_absent(handle)) {
        if (poll->woken != NULL) {
            poll->result.surplus++;
        } else {
            poll->woken = conn;
            poll->woken_ns = time_monotonic_ns();
            conn->handle.len = 0;
            bytes_append(&conn->handle, handle);
        }
    } else if (reply->status == 200) {
        poll->result.timeouts++;
    }
    if (reply->close) {
        open_conn(poll, conn);
        return;
    }
    if (poll->phase == PHASE_PARK && conn != poll->woken)
        receive(poll, conn, WAIT_SECONDS);
}

static void take_event(struct longpoll *poll, struct conn *conn, uint32_t events)
{
    struct reply reply;
    switch (conn_event(conn, events, &reply)) {
    case PROGRESS_MORE:
        break;
    case PROGRESS_READY:
        if (conn != &poll->control)
            receive(poll, conn, poll->phase == PHASE_OPEN ? 0 : WAIT_SECONDS);
        break;
    case PROGRESS_REPLY:
        if (conn != &poll->control) {
            take_poll_reply(poll, conn, &reply);
            break;
        }
        poll->control_answered = true;
        poll->control_status = reply.status;
        if (reply.status != 200)
            count_error(poll, conn, &reply);
        if (reply.close)
            open_conn(poll, conn);
        break;
    case PROGRESS_FAILED:
        count_error(poll, conn, NULL);
        if (conn == &poll->control)
            die("the control connection broke");
        open_conn(poll, conn);
        break;
    }
}

/* Works on events until one has come or the time is over; returns false when none came. */
static bool step(struct longpoll *poll, int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(poll->load->epoll_fd, events, EVENTS, timeout_ms);
    if (count < 0 && errno != EINTR)
        die("epoll_wait: %s", strerror(errno));
    for (int i = 0; i < count; i++)
        take_event(poll, events[i].data.ptr, events[i].events);
    return count > 0;
}

static void pass_time(struct longpoll *poll, uint64_t ms)
{
    uint64_t end = time_monotonic_ns() + ms * 1000000;
    for (uint64_t now = time_monotonic_ns(); now < end; now = time_monotonic_ns())
        step(poll, (int)((end - now) / 1000000) + 1);
}

static void open_all(struct longpoll *poll)
{
    struct load *load = poll->load;
    poll->phase = PHASE_OPEN;
    while (poll->answered < load->conn_count) {
        while (poll->opened < load->conn_count && poll->opened - poll->answered < OPENING_MAX)
            open_conn(poll, &load->conns[poll->opened++]);
        if (!step(poll, ROUND_TIMEOUT_MS))
            die("only %zu of %zu connections were answered", poll->answered, load->conn_count);
    }
}

static uint64_t count_parked(const struct load *load)
{
    uint64_t parked = 0;
    for (size_t i = 0; i < load->conn_count; i++)
        parked += load->conns[i].state == CONN_WAITING;
    return parked;
}

static void wait_for_control(struct longpoll *poll, bool wants_wake)
{
    uint64_t end = time_monotonic_ns() + ROUND_TIMEOUT_MS * 1000000ULL;
    while (!poll->control_answered || (wants_wake && poll->woken == NULL)) {
        if (!step(poll, ROUND_TIMEOUT_MS) || time_monotonic_ns() > end)
            die("%s", poll->control_answered ? "a message was sent and no poll woke"
                                             : "the control connection is not answered");
    }
}

static void send_control(struct longpoll *poll, const struct request *request)
{
    poll->control_answered = false;
    if (!conn_send(&poll->control, &poll->load->signer, request))
        die("the control connection broke");
}

static void run_round(struct longpoll *poll)
{
    struct load *load = poll->load;
    struct request request;
    poll->woken = NULL;
    build_send_message(load, &poll->control, &request);
    uint64_t start_ns = time_monotonic_ns();
    send_control(poll, &request);
    wait_for_control(poll, true);
    histogram_add(&poll->result.wake, poll->woken_ns - start_ns);

    struct conn *woken = poll->woken;
    build_delete(load, &poll->control, &request, bytes_str(&woken->handle));
    send_control(poll, &request);
    wait_for_control(poll, false);
    poll->woken = NULL;
    if (woken->state == CONN_IDLE)
        receive(poll, woken, WAIT_SECONDS);
    pass_time(poll, PAUSE_MS);
}

int run_longpoll(struct load *load)
{
    struct longpoll *poll = heap_alloc(sizeof *poll);
    uint64_t pid = load->options.server_pid;
    poll->load = load;
    poll->result.rss_idle = process_rss(pid);
    open_all(poll);
    poll->result.rss_connected = process_rss(pid);
    poll->phase = PHASE_PARK;
    open_conn(poll, &poll->control);
    for (size_t i = 0; i < load->conn_count; i++)
        if (load->conns[i].state == CONN_IDLE)
            receive(poll, &load->conns[i], WAIT_SECONDS);
    pass_time(poll, SETTLE_MS);
    if (poll->control.state != CONN_IDLE)
        die("the control connection cannot be opened");
    poll->result.rss_parked = process_rss(pid);
    for (uint64_t i = 0; i < load->options.rounds; i++)
        run_round(poll);
    poll->result.parked = count_parked(load);
    int code = report_longpoll(load, &poll->result);
    conn_release(&poll->control);
    heap_free(poll);
    return code;
}
