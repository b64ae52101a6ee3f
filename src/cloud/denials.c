#include "cloud/denials.h"

#include <stdatomic.h>
#include <sys/mman.h>

#include "base/buf.h"
#include "cloud/ring.h"

/* The file: SLOTS entries of 8 KiB. An entry's number is written last: a torn one shows an old
 * number or 0. */
enum { DENIAL_SLOTS = 512, DENIAL_TEXT = 8192 - 8 - 4 - 36 };

struct denial_slot {
    _Atomic uint64_t number; /* from 1 */
    uint32_t len;
    char request_id[36];
    char text[DENIAL_TEXT];
};
_Static_assert(sizeof(struct denial_slot) == 8192, "the ring file's format");

struct denials {
    struct denial_slot *slots;
    _Atomic uint64_t last;
};

RESULT denials_open(struct arena *arena, struct str path, struct denials **out)
{
    void *map;
    TRY(ring_map(arena, path, DENIAL_SLOTS * sizeof(struct denial_slot), &map));
    struct denials *denials = ARENA_NEW(arena, struct denials);
    denials->slots = map;
    for (size_t i = 0; i < DENIAL_SLOTS && denials->slots[i].number != 0; i++)
        if (denials->slots[i].number > denials->last)
            denials->last = denials->slots[i].number;
    *out = denials;
    return RESULT_OK;
}

void denials_close(struct denials *denials)
{
    munmap(denials->slots, DENIAL_SLOTS * sizeof(struct denial_slot));
}

/* --- writing --- */

struct telling {
    struct buf *out;
    const struct policy_attached *policy; /* of the last line */
    bool allows[POLICY_KINDS];
    bool there[POLICY_KINDS];
};

static void tell_statement(void *self, const struct policy_attached *policy,
                           const struct policy_reason *reason)
{
    struct telling *telling = self;
    struct str sid = policy_statement_sid(reason->statement);
    telling->there[policy->kind] = true;
    if (policy != telling->policy)
        buf_append_format(telling->out, "%.*s %.*s\n", PRSTR(policy_kind_name(policy->kind)),
                          PRSTR(policy->name));
    telling->policy = policy;
    buf_append_format(telling->out,
                      "  statement %zu%s%.*s%s, %s: ", policy_statement_position(reason->statement),
                      sid.len > 0 ? " \"" : "", PRSTR(sid), sid.len > 0 ? "\"" : "",
                      reason->deny ? "Deny" : "Allow");
    switch (reason->miss) {
    case POLICY_MISS_NONE:
        buf_append_c(telling->out, reason->deny ? "DENIES this\n" : "allows this\n");
        telling->allows[policy->kind] |= !reason->deny;
        return;
    case POLICY_MISS_ACTION:
        buf_append_c(telling->out, "is about other actions\n");
        return;
    case POLICY_MISS_RESOURCE:
        buf_append_c(telling->out, "is about other resources\n");
        return;
    case POLICY_MISS_PRINCIPAL:
        buf_append_c(telling->out, "is about other principals\n");
        return;
    case POLICY_MISS_CONDITION:
        buf_append_format(telling->out, "its condition on %.*s does not hold%s\n",
                          PRSTR(reason->key),
                          reason->key_is_there ? "" : " (the request has no such key)");
        return;
    }
}

/* What would have helped. */
static void tell_missing(struct telling *telling, const struct policy_question *question,
                         const struct policy_answer *answer)
{
    struct str kind = policy_kind_name(answer->kind);
    if (answer->verdict == POLICY_DENIED_EXPLICITLY) {
        buf_append_format(telling->out,
                          "missing: nothing; an explicit deny in %s %.*s overrides every allow\n",
                          answer->kind == POLICY_IDENTITY ? "an" : "a", PRSTR(kind));
        return;
    }
    buf_append_format(telling->out, "missing: %s %.*s that allows %.*s on %.*s%s\n",
                      answer->kind == POLICY_IDENTITY ? "an" : "a", PRSTR(kind),
                      PRSTR(question->action), PRSTR(question->resource),
                      telling->there[answer->kind] ? "" : " (there is none of that kind)");
    if (answer->kind == POLICY_IDENTITY && telling->allows[POLICY_RESOURCE])
        buf_append_c(telling->out, "         (the resource's policy allows it to the account, "
                                   "which must allow it to the principal in turn)\n");
}

void denials_note(struct call *call, const struct policy_question *question,
                  const struct policy_answer *answer)
{
    struct denials *denials = call->cloud->denials;
    struct buf text;
    struct telling telling = {.out = &text};
    struct str who = question->principal.kind == POLICY_BY_SERVICE ? question->principal.service
                                                                   : question->principal.arn;
    if (denials == NULL || call->request_id.len != 36)
        return;
    buf_init(&text, call->arena, DENIAL_TEXT);
    buf_append_format(&text, "principal %.*s\naction    %.*s\nresource  %.*s\nverdict   %s\n\n",
                      PRSTR(who), PRSTR(question->action), PRSTR(question->resource),
                      answer->verdict == POLICY_DENIED_EXPLICITLY ? "denied explicitly"
                                                                  : "denied implicitly");
    policy_explain(call->arena, question, tell_statement, &telling);
    if (question->count == 0)
        buf_append_c(&text, "no policy speaks of this principal or resource\n");
    tell_missing(&telling, question, answer);
    uint64_t number = atomic_fetch_add(&denials->last, 1) + 1;
    struct denial_slot *slot = &denials->slots[(number - 1) % DENIAL_SLOTS];
    atomic_store_explicit(&slot->number, 0, memory_order_release);
    memcpy(slot->request_id, call->request_id.ptr, sizeof slot->request_id);
    memcpy(slot->text, text.ptr, text.len);
    slot->len = (uint32_t)text.len;
    atomic_store_explicit(&slot->number, number, memory_order_release);
}

struct str denials_find(struct denials *denials, struct arena *arena, struct str request_id)
{
    for (size_t i = 0; i < DENIAL_SLOTS; i++) {
        const struct denial_slot *slot = &denials->slots[i];
        uint64_t number = atomic_load_explicit(&slot->number, memory_order_acquire);
        uint32_t len = slot->len < DENIAL_TEXT ? slot->len : DENIAL_TEXT;
        if (number == 0 || !str_eq(str_make(slot->request_id, sizeof slot->request_id), request_id))
            continue;
        struct str text = str_copy(arena, str_make(slot->text, len));
        if (atomic_load_explicit(&slot->number, memory_order_acquire) == number)
            return text;
    }
    return (struct str){0};
}
