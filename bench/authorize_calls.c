/* What authorisation costs a call, and what sessions cost: CPU time of authorize_call() within a
 * transaction, of making and of reading session tokens, and memory that sessions leave behind.
 *
 *     build/bench/authorize_calls [ROUNDS [SESSIONS]]
 *
 * ROUNDS of each (200000), SESSIONS live at once (1000000). The principal has 10 attached policies
 * of 20 statements each; the last statement of the last one is the one that allows. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "alone.h"
#include "cloud/authorize.h"
#include "cloud/clock.h"
#include "cloud/credentials.h"
#include "gen/iam.h"
#include "gen/sqs.h"

enum { POLICIES = 10, STATEMENTS = 20 };

static void bench_do(const struct alone *alone, const struct wire_model *model, uint32_t operation,
                     const void *in)
{
    struct call call = alone_call(alone, model, operation, &alone_root);
    void *out =
        arena_alloc(alone->arena, model->shapes[model->operations[operation].output].size + 16);
    alone_run(&call, in, out);
}

/* Names of a queue, prefixes, conditions: what policies are made of. */
static struct str bench_document(struct arena *arena, size_t policy)
{
    struct buf out;
    buf_init(&out, arena, 64 * 1024);
    buf_append_c(&out, "{\"Version\":\"2012-10-17\",\"Statement\":[");
    for (size_t s = 0; s < STATEMENTS; s++) {
        bool last = policy == POLICIES - 1 && s == STATEMENTS - 1;
        buf_append_format(&out,
                          "%s{\"Effect\":\"Allow\",\"Action\":[\"sqs:%s\",\"sqs:Get*\","
                          "\"dynamodb:PutItem\"],\"Resource\":\"arn:aws:sqs:*:000000000000:%s\","
                          "\"Condition\":{\"Bool\":{\"aws:SecureTransport\":\"%s\"},"
                          "\"StringLike\":{\"aws:PrincipalTag/team\":\"*\"}}}",
                          s == 0 ? "" : ",", s % 2 == 0 ? "SendMessage" : "Send*",
                          last ? "bench" : "other-*", "false");
    }
    buf_append_c(&out, "]}");
    return buf_str(&out);
}

static void bench_attach(const struct alone *alone)
{
    for (size_t i = 0; i < POLICIES; i++) {
        struct str name = str_format(alone->arena, "p%zu", i);
        struct iam_CreatePolicyRequest made = {.PolicyName = name,
                                               .PolicyDocument = bench_document(alone->arena, i)};
        bench_do(alone, &iam_model, IAM_OP_CreatePolicy, &made);
        struct str arn =
            str_format(alone->arena, "arn:aws:iam::000000000000:policy/%.*s", PRSTR(name));
        struct iam_AttachUserPolicyRequest user = {.UserName = STR("alice"), .PolicyArn = arn};
        struct iam_AttachRolePolicyRequest role = {.RoleName = STR("worker"), .PolicyArn = arn};
        bench_do(alone, &iam_model, IAM_OP_AttachUserPolicy, &user);
        bench_do(alone, &iam_model, IAM_OP_AttachRolePolicy, &role);
    }
}

static void bench_prepare(const struct alone *alone)
{
    struct iam_Tag tag = {.Key = STR("team"), .Value = STR("blue")};
    struct iam_CreateUserRequest user = {.UserName = STR("alice"), .Tags = {&tag, 1}};
    struct iam_CreateRoleRequest role = {
        .RoleName = STR("worker"),
        .Tags = {&tag, 1},
        .AssumeRolePolicyDocument =
            STR("{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\",\"Principal\":"
                "{\"AWS\":\"000000000000\"},\"Action\":\"sts:AssumeRole\"}}")};
    struct sqs_CreateQueueRequest queue = {.QueueName = STR("bench")};
    bench_do(alone, &iam_model, IAM_OP_CreateUser, &user);
    bench_do(alone, &iam_model, IAM_OP_CreateRole, &role);
    bench_do(alone, &sqs_model, SQS_OP_CreateQueue, &queue);
    bench_attach(alone);
    arena_reset(alone->arena);
}

/* us for each call of authorize_call() for SendMessage; the cost of what happens around it (a root
 * user is let through at once) is printed for itself. */
static double bench_authorize(const struct alone *alone, const struct principal *who,
                              unsigned rounds)
{
    struct sqs_SendMessageRequest in = {.QueueUrl = STR("http://localhost:4566/000000000000/bench"),
                                        .MessageBody = STR("x")};
    struct call call = alone_call(alone, &sqs_model, SQS_OP_SendMessage, who);
    struct kv_txn *txn;
    if (kv_begin(alone->cloud->kv, false, &txn) != RESULT_OK)
        exit(1);
    double begin = alone_cpu_us();
    for (unsigned i = 0; i < rounds; i++) {
        call.txn = txn;
        if (authorize_call(&call, &in) != RESULT_OK) {
            fprintf(stderr, "refused: %.*s\n", PRSTR(call.message));
            exit(1);
        }
        arena_reset(alone->arena);
    }
    double took = alone_cpu_us() - begin;
    kv_abort(txn);
    return took / rounds;
}

static struct credentials bench_session(const struct alone *alone, struct arena *arena)
{
    struct kv_txn *txn;
    struct credentials made;
    struct call call = alone_call(alone, &sqs_model, SQS_OP_SendMessage, &alone_root);
    struct session_for_service request = {
        .role_arn = STR("arn:aws:iam::000000000000:role/worker"),
        .session_name = STR("bench"),
        .service = STR("lambda.amazonaws.com"),
        .duration_s = 3600,
    };
    bool found;
    call.arena = arena;
    if (kv_begin(alone->cloud->kv, false, &txn) != RESULT_OK)
        exit(1);
    call.txn = txn;
    if (session_for_role(&call, &request, &made, &found) != RESULT_OK || !found)
        exit(1);
    kv_abort(txn);
    return made;
}

static long resident_kib(void)
{
    long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%ld %ld", &pages, &resident) != 2)
        exit(1);
    fclose(file);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static void bench_sessions(const struct alone *alone, unsigned sessions)
{
    struct arena *kept = arena_new(0);
    struct credentials one = bench_session(alone, kept);
    double open = 0;
    long before = resident_kib();
    double begin = alone_cpu_us();
    for (unsigned i = 0; i < sessions; i++) {
        (void)bench_session(alone, alone->arena);
        arena_reset(alone->arena);
    }
    double made = (alone_cpu_us() - begin) / sessions;
    long after = resident_kib();
    begin = alone_cpu_us();
    for (unsigned i = 0; i < sessions; i++) {
        struct credentials found;
        if (session_open(alone->cloud, alone->arena, one.principal.access_key, one.session_token,
                         clock_now(alone->cloud->clock), &found) != SESSION_OK)
            exit(1);
        arena_reset(alone->arena);
    }
    open = (alone_cpu_us() - begin) / sessions;
    printf("%u sessions of a role: %.2f us each to make and read, %.2f us to read a token of %zu "
           "bytes; memory grew by %ld KiB\n",
           sessions, made, open, one.session_token.len, after - before);
    arena_free(kept);
}

static void bench_run(const struct alone *alone, unsigned rounds, unsigned sessions)
{
    struct arena *kept = arena_new(0);
    struct principal user = {
        .kind = PRINCIPAL_USER,
        .account = STR("000000000000"),
        .arn = STR("arn:aws:iam::000000000000:user/alice"),
        .user_id = STR("AIDAXXXXXXXXXXXXXXXXX"),
        .access_key = STR("AKIAXXXXXXXXXXXXXXXX"),
        .name = STR("alice"),
    };
    struct principal session = bench_session(alone, kept).principal;
    printf("%u rounds; CPU us of authorize_call():\n", rounds);
    double base = bench_authorize(alone, &alone_root, rounds);
    double of_user = bench_authorize(alone, &user, rounds);
    double of_role = bench_authorize(alone, &session, rounds);
    printf("  root, let through at once %.2f\n", base);
    printf("  user with %d policies of %d statements %.2f (adds %.2f)\n", POLICIES, STATEMENTS,
           of_user, of_user - base);
    printf("  session of a role with the same %.2f (adds %.2f)\n", of_role, of_role - base);
    bench_sessions(alone, sessions);
    arena_free(kept);
}

int main(int argc, char **argv)
{
    struct alone alone;
    alone_open(&alone);
    bench_prepare(&alone);
    bench_run(&alone, alone_argument(argc, argv, 1, 200000),
              alone_argument(argc, argv, 2, 1000000));
    alone_close(&alone);
    return 0;
}
