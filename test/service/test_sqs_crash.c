/* Processes that end at every single write of the store, and disks that fill there: what was
 * acknowledged is kept, once; what was deleted does not return; what was refused has changed
 * nothing. */
#include <unistd.h>

#include "service/sqs_support.h"
#include "support/crash.h"

/* What the child tells before and after each step. */
struct report {
    enum { SENT, DELETING, DELETED, MOVING } kind; /* MOVING: from now on ids change */
    char id[36];
};

enum { REPORTS_MAX = 200 };

/* --- the child
 * -----------------------------------------------------------------------------------------------------
 */

static void tell(int pipe_end, int kind, struct str id)
{
    struct report report = {.kind = (unsigned)kind};
    assert_int_equal(id.len, sizeof report.id);
    memcpy(report.id, id.ptr, sizeof report.id);
    crash_tell(pipe_end, &report, sizeof report);
}

static void send_some(struct loopback *lo, struct str url, const char *group, int count,
                      int pipe_end)
{
    for (int i = 0; i < count; i++) {
        struct sqs_SendMessageRequest in = {
            .QueueUrl = url,
            .MessageBody = str_format(lo->arena, "%s %d", group == NULL ? "" : group, i),
            .MessageGroupId = str_from_c(group)};
        const struct sqs_SendMessageResult *sent =
            loopback_ok(loopback_call(lo, &sqs_model, SQS_OP_SendMessage, &in));
        tell(pipe_end, SENT, sent->MessageId);
    }
}

static void delete_some(struct loopback *lo, struct str url, int count, int pipe_end)
{
    struct sqs_MessageList list = sqs_receive(lo, url, count);
    for (size_t i = 0; i < list.len; i += 2) { /* every other one */
        tell(pipe_end, DELETING, list.items[i].MessageId);
        sqs_delete(lo, url, list.items[i].ReceiptHandle);
        tell(pipe_end, DELETED, list.items[i].MessageId);
    }
}

static void work(struct loopback *lo, int pipe_end)
{
    send_some(lo, STR("source"), NULL, 4, pipe_end);
    send_some(lo, STR("source"), "tenant", 2, pipe_end);
    send_some(lo, STR("line.fifo"), "a", 3, pipe_end);
    send_some(lo, STR("line.fifo"), "b", 2, pipe_end);
    delete_some(lo, STR("source"), 5, pipe_end);
    delete_some(lo, STR("line.fifo"), 10, pipe_end);
    loopback_advance(lo, 31000);
    delete_some(lo, STR("source"), 10, pipe_end); /* moves dead letters on the way */
    delete_some(lo, STR("dead"), 1, pipe_end);
    tell(pipe_end, MOVING, STR("------------------------------------"));
    loopback_ok(SQS_CALL(lo, StartMessageMoveTask, .SourceArn = sqs_arn(lo, "dead")));
    loopback_deliver(lo);
}

/* --- the parent
 * ----------------------------------------------------------------------------------------------------
 */

/* All that is in the queues, deleted as it comes. */
static size_t drain(struct loopback *lo, struct str *ids)
{
    static const char *const names[] = {"source", "dead", "line.fifo"};
    size_t count = 0;
    for (size_t n = 0; n < 3; n++) {
        struct str url = str_from_c(names[n]);
        int64_t expected;
        assert_true(str_to_i64(sqs_attribute(lo, url, "ApproximateNumberOfMessages"), &expected));
        for (;;) {
            struct sqs_MessageList list = sqs_receive(lo, url, 10);
            if (list.len == 0)
                break;
            for (size_t i = 0; i < list.len; i++) {
                ids[count++] = list.items[i].MessageId;
                sqs_delete(lo, url, list.items[i].ReceiptHandle);
            }
        }
        assert_counts(lo, url, 0, 0, 0);
    }
    return count;
}

static size_t count_of(const struct str *ids, size_t count, const struct report *report)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        found += str_eq(ids[i], str_make(report->id, sizeof report->id));
    return found;
}

static bool was_deleted(const struct report *reports, size_t count, const struct report *sent)
{
    for (size_t i = 0; i < count; i++)
        if (reports[i].kind != SENT && memcmp(reports[i].id, sent->id, sizeof sent->id) == 0)
            return true;
    return false;
}

static void verify(struct loopback *lo, struct str told, bool lived)
{
    struct report reports[REPORTS_MAX];
    size_t count = told.len / sizeof reports[0];
    (void)lived;
    assert_true(count <= REPORTS_MAX && told.len % sizeof reports[0] == 0);
    memcpy(reports, told.ptr, told.len);
    struct str ids[REPORTS_MAX];
    size_t sent = 0, deleted = 0, maybe_deleted = 0;
    bool moving = count > 0 && reports[count - 1].kind == MOVING;
    loopback_deliver(lo);
    loopback_advance(lo, 3600 * 1000);
    size_t left = drain(lo, ids);
    for (size_t i = 0; i < count; i++) {
        sent += reports[i].kind == SENT;
        deleted += reports[i].kind == DELETED;
        maybe_deleted += reports[i].kind == DELETING;
        if (reports[i].kind == DELETED)
            assert_int_equal(count_of(ids, left, &reports[i]), 0);
        if (reports[i].kind == SENT && !moving && !was_deleted(reports, count, &reports[i]))
            assert_int_equal(count_of(ids, left, &reports[i]), 1);
    }
    /* One send or one deletion may be unknown. */
    assert_true(left + deleted <= sent + 1);
    assert_true(left + maybe_deleted >= sent);
}

static void make_queues(struct loopback *lo)
{
    sqs_queue(lo, "dead");
    sqs_fifo(lo, "line.fifo");
    sqs_queue_with(lo, "source",
                   PAIRS(lo, "RedrivePolicy",
                         "{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:000000000000:dead\","
                         "\"maxReceiveCount\":1}"));
}

static void test_every_write(void **state)
{
    (void)state;
    crash_at_every_write(20, make_queues, work, verify);
}

/* --- a full disk
 * ---------------------------------------------------------------------------------------------------
 */

/* Writes until one fails; negative: none does. */
static bool fail_here(void *context)
{
    int *left = context;
    if (*left < 0 || (*left)-- > 0)
        return true;
    *left = -1;
    return false;
}

static void test_full_disk(void **state)
{
    struct loopback *lo = *state;
    int left = -1;
    int refused = 0;
    lo->write_hook = fail_here;
    lo->hook_context = &left;
    loopback_reopen(lo);
    struct str url = sqs_queue(lo, "full");
    for (int i = 0; i < 5; i++)
        sqs_send(lo, url, "kept");
    for (int writes = 0; writes < 6; writes++) {
        left = writes;
        struct loopback_reply reply =
            SQS_CALL(lo, SendMessage, .QueueUrl = url, .MessageBody = STR("refused"));
        left = -1;
        if (reply.result == RESULT_OK)
            break;
        loopback_error(reply, "ServiceUnavailable", NULL);
        refused++;
        assert_counts(lo, url, 5, 0, 0);
    }
    assert_true(refused > 0);
    left = 0;
    assert_int_equal(SQS_CALL(lo, ReceiveMessage, .QueueUrl = url).result, RESULT_ERROR);
    left = -1;
    assert_counts(lo, url, 6, 0, 0); /* the last send went through */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_write),
        SQS_TEST(test_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
