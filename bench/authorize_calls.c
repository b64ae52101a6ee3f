/* What authorisation costs a call, and what sessions cost: CPU time of authorize_call() within a
 * transaction, of making and of reading session tokens, and memory that sessions leave behind.
 *
 *     build/bench/authorize_calls [ROUNDS [SESSIONS]]
 *
 * ROUNDS of each (200000), SESSIONS live at once (1000000). The principal has 10 attached policies
 * of 20 statements each; the last statement of the last one is the one that allows. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "cloud/authorize.h"
#include "cloud/clock.h"
#include "cloud/credentials.h"
#include "gen/iam.h"
#include "gen/sqs.h"
#include "server/server.h"

enum { POLICIES = 10, STATEMENTS = 20 };

struct bench {
    struct cloud *cloud;
    struct arena *arena; /* of one call */
    struct principal who;
};

static double now_us(void)
{
    struct timespec at;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
    return (double)at.tv_sec * 1e6 + (double)at.tv_nsec / 1e3;
}

static const struct principal root = {
    .kind = PRINCIPAL_ROOT,
    .account = STR_INIT("000000000000"),
    .arn = STR_INIT("arn:aws:iam::000000000000:root"),
    .user_id = STR_INIT("000000000000"),
};

static struct call bench_call(struct bench *bench, const struct wire_model *model,
                              uint32_t operation, const struct principal *who)
{
    return (struct call){
        .arena = bench->arena,
        .cloud = bench->cloud,
        .model = model,
        .operation = operation,
        .protocol = WIRE_PROTOCOL_JSON,
        .account = who->account,
        .region = STR("us-east-1"),
        .partition = STR("aws"),
        .endpoint = bench->cloud->endpoint,
        .source_ip = STR("127.0.0.1"),
        .now_ms = clock_now(bench->cloud->clock),
        .principal = *who,
    };
}

static void bench_do(struct bench *bench, const struct wire_model *model, uint32_t operation,
                     const void *in)
{
    struct call call = bench_call(bench, model, operation, &root);
    void *out =
        arena_alloc(bench->arena, model->shapes[model->operations[operation].output].size + 16);
    if (call_run(&call, in, out, NULL) == RESULT_OK)
        return;
    fprintf(stderr, "operation %u: %.*s\n", operation, PRSTR(call.message));
    exit(1);
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

static void bench_attach(struct bench *bench)
{
    for (size_t i = 0; i < POLICIES; i++) {
        struct str name = str_format(bench->arena, "p%zu", i);
        struct iam_CreatePolicyRequest made = {.PolicyName = name,
                                               .PolicyDocument = bench_document(bench->arena, i)};
        bench_do(bench, &iam_model, IAM_OP_CreatePolicy, &made);
        struct str arn =
            str_format(bench->arena, "arn:aws:iam::000000000000:policy/%.*s", PRSTR(name));
        struct iam_AttachUserPolicyRequest user = {.UserName = STR("alice"), .PolicyArn = arn};
        struct iam_AttachRolePolicyRequest role = {.RoleName = STR("worker"), .PolicyArn = arn};
        bench_do(bench, &iam_model, IAM_OP_AttachUserPolicy, &user);
        bench_do(bench, &iam_model, IAM_OP_AttachRolePolicy, &role);
    }
}

static void bench_prepare(struct bench *bench)
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
    bench_do(bench, &iam_model, IAM_OP_CreateUser, &user);
    bench_do(bench, &iam_model, IAM_OP_CreateRole, &role);
    bench_do(bench, &sqs_model, SQS_OP_CreateQueue, &queue);
    bench_attach(bench);
    arena_reset(bench->arena);
}

/* us for each call of authorize_call() for SendMessage; the cost of what happens around it (a root
 * user is let through at once) is printed for itself. */
static double bench_authorize(struct bench *bench, const struct principal *who, unsigned rounds)
{
    struct sqs_SendMessageRequest in = {.QueueUrl = STR("http://localhost:4566/000000000000/bench"),
                                        .MessageBody = STR("x")};
    struct call call = bench_call(bench, &sqs_model, SQS_OP_SendMessage, who);
    struct kv_txn *txn;
    if (kv_begin(bench->cloud->kv, false, &txn) != RESULT_OK)
        exit(1);
    double begin = now_us();
    for (unsigned i = 0; i < rounds; i++) {
        call.txn = txn;
        if (authorize_call(&call, &in) != RESULT_OK) {
            fprintf(stderr, "refused: %.*s\n", PRSTR(call.message));
            exit(1);
        }
        arena_reset(bench->arena);
    }
    double took = now_us() - begin;
    kv_abort(txn);
    return took / rounds;
}

static struct credentials bench_session(struct bench *bench, struct arena *arena)
{
    struct kv_txn *txn;
    struct credentials made;
    struct call call = bench_call(bench, &sqs_model, SQS_OP_SendMessage, &root);
    struct session_for_service request = {
        .role_arn = STR("arn:aws:iam::000000000000:role/worker"),
        .session_name = STR("bench"),
        .service = STR("lambda.amazonaws.com"),
        .duration_s = 3600,
    };
    bool found;
    call.arena = arena;
    if (kv_begin(bench->cloud->kv, false, &txn) != RESULT_OK)
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

static void bench_sessions(struct bench *bench, unsigned sessions)
{
    struct arena *kept = arena_new(0);
    struct credentials one = bench_session(bench, kept);
    double open = 0;
    long before = resident_kib();
    double begin = now_us();
    for (unsigned i = 0; i < sessions; i++) {
        (void)bench_session(bench, bench->arena);
        arena_reset(bench->arena);
    }
    double made = (now_us() - begin) / sessions;
    long after = resident_kib();
    begin = now_us();
    for (unsigned i = 0; i < sessions; i++) {
        struct credentials found;
        if (session_open(bench->cloud, bench->arena, one.principal.access_key, one.session_token,
                         clock_now(bench->cloud->clock), &found) != SESSION_OK)
            exit(1);
        arena_reset(bench->arena);
    }
    open = (now_us() - begin) / sessions;
    printf("%u sessions of a role: %.2f us each to make and read, %.2f us to read a token of %zu "
           "bytes; memory grew by %ld KiB\n",
           sessions, made, open, one.session_token.len, after - before);
    arena_free(kept);
}

static void bench_run(struct bench *bench, unsigned rounds, unsigned sessions)
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
    struct principal session = bench_session(bench, kept).principal;
    printf("%u rounds; CPU us of authorize_call():\n", rounds);
    double base = bench_authorize(bench, &root, rounds);
    double of_user = bench_authorize(bench, &user, rounds);
    double of_role = bench_authorize(bench, &session, rounds);
    printf("  root, let through at once %.2f\n", base);
    printf("  user with %d policies of %d statements %.2f (adds %.2f)\n", POLICIES, STATEMENTS,
           of_user, of_user - base);
    printf("  session of a role with the same %.2f (adds %.2f)\n", of_role, of_role - base);
    bench_sessions(bench, sessions);
    arena_free(kept);
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 200000;
    unsigned sessions = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1000000;
    char directory[] = "/tmp/kumoniwa-bench-XXXXXX", command[64];
    if (mkdtemp(directory) == NULL)
        return 1;
    struct arena *arena = arena_new(0);
    struct str message;
    struct cloud_config config = {
        .directory = str_from_c(directory),
        .default_region = STR("us-east-1"),
        .endpoint = STR("http://localhost:4566"),
        .hooks = server_services,
    };
    struct bench bench = {.arena = arena_new(16 * 1024)};
    log_set_level(LOG_ERROR);
    if (cloud_open(arena, &config, &bench.cloud, &message) != RESULT_OK)
        return 1;
    bench_prepare(&bench);
    bench_run(&bench, rounds, sessions);
    cloud_close(bench.cloud);
    arena_free(bench.arena);
    arena_free(arena);
    snprintf(command, sizeof command, "rm -rf %s", directory);
    return system(command) == 0 ? 0 : 1;
}
