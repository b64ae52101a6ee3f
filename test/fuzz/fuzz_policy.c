/* Policy documents: what compiles can be asked, and says the same however often. The first byte
 * chooses the form. */
#include "fuzz/fuzz.h"

#include "auth/policy.h"

static const struct str value = STR_INIT("a*b");

static bool find(void *self, struct str key, struct policy_values *out)
{
    (void)self;
    *out = (struct policy_values){&value, key.len % 2};
    return key.len % 3 != 0;
}

static void ask(struct arena *arena, const struct policy *policy, enum policy_kind kind)
{
    struct policy_attached attached[] = {{kind, policy, STR("it"), 0}};
    struct policy_question question = {
        .principal = {.kind = POLICY_BY_USER,
                      .account = STR("111111111111"),
                      .arn = STR("arn:aws:iam::111111111111:user/bob")},
        .action = STR("s3:GetObject"),
        .resource = STR("arn:aws:s3:::a/b"),
        .owner = STR("111111111111"),
        .context = {find, NULL},
        .policies = attached,
        .count = 1,
    };
    struct policy_answer first, second;
    policy_evaluate(arena, &question, &first);
    policy_evaluate(arena, &question, &second);
    ASSERT(first.verdict == second.verdict && first.statement == second.statement);
    ASSERT(first.verdict == POLICY_ALLOWED || policy_denial_text(arena, &question, &first).len > 0);
    ASSERT(first.verdict != POLICY_DENIED_EXPLICITLY ||
           policy_statement_position(first.statement) > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct arena *arena = arena_new(0);
    enum policy_form form = (enum policy_form)(data[0] % 4);
    const struct policy *policy = NULL;
    struct str reason = {0};
    enum result result =
        policy_compile(arena, str_make((const char *)data + 1, size - 1), form, &policy, &reason);
    if (result == RESULT_OK)
        ask(arena, policy,
            form == POLICY_FORM_RESOURCE || form == POLICY_FORM_TRUST ? POLICY_RESOURCE
                                                                      : POLICY_IDENTITY);
    else
        ASSERT(result == RESULT_ERROR && reason.len > 0);
    arena_free(arena);
    return 0;
}
