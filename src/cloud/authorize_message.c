#include "cloud/authorize_message.h"

#include "base/cipher.h"
#include "base/encode.h"
#include "wire/wire.h"

enum { JSON_MAX = 6 * 1024, MESSAGE_MAX = 10240 };

static const struct str about = STR_INIT("authorization message");

/* What is told of the request's context: what policies most often ask for. */
static const struct str shown_keys[] = {
    STR_INIT("aws:Region"),          STR_INIT("aws:RequestedRegion"),
    STR_INIT("aws:SourceIp"),        STR_INIT("aws:PrincipalAccount"),
    STR_INIT("aws:SecureTransport"), STR_INIT("aws:MultiFactorAuthPresent"),
    STR_INIT("aws:TagKeys"),         STR_INIT("aws:TokenIssueTime"),
};

static void put_text(struct buf *out, struct str text)
{
    wire_json_write_string(out, str_is_absent(text) ? STR("") : text);
}

static void put_member(struct buf *out, const char *name, struct str text)
{
    buf_append_format(out, "\"%s\":", name);
    put_text(out, text);
}

static void put_conditions(struct buf *out, const struct policy_question *question)
{
    bool first = true;
    buf_append_c(out, "\"conditions\":{\"items\":[");
    for (size_t i = 0; i < sizeof shown_keys / sizeof shown_keys[0]; i++) {
        struct policy_values values;
        if (!question->context.find(question->context.self, shown_keys[i], &values))
            continue;
        buf_append_c(out, first ? "{" : ",{");
        first = false;
        put_member(out, "key", shown_keys[i]);
        buf_append_c(out, ",\"values\":{\"items\":[");
        for (size_t v = 0; v < values.len; v++) {
            buf_append_c(out, v == 0 ? "{" : ",{");
            put_member(out, "value", values.items[v]);
            buf_append_c(out, "}");
        }
        buf_append_c(out, "]}}");
    }
    buf_append_c(out, "]}");
}

static void put_statement(struct buf *out, const struct policy_answer *answer)
{
    buf_append_c(out, "\"matchedStatements\":{\"items\":[");
    if (answer->statement != NULL) {
        buf_append_c(out, "{");
        put_member(out, "statementId", policy_statement_sid(answer->statement));
        buf_append_c(out, ",\"effect\":\"DENY\",");
        put_member(out, "policy", answer->policy->name);
        buf_append_c(out, ",");
        put_member(out, "policyType", policy_kind_name(answer->kind));
        buf_append_c(out, "}");
    }
    buf_append_c(out, "]}");
}

struct str authorize_message(struct call *call, const struct policy_question *question,
                             const struct policy_answer *answer)
{
    uint8_t key[SHA256_SIZE];
    struct buf json, text;
    buf_init(&json, call->arena, JSON_MAX);
    buf_append_format(&json, "{\"allowed\":false,\"explicitDeny\":%s,",
                      answer->verdict == POLICY_DENIED_EXPLICITLY ? "true" : "false");
    put_statement(&json, answer);
    buf_append_c(&json, ",\"failures\":{\"items\":[]},\"context\":{\"principal\":{");
    put_member(&json, "id", question->principal.user_id);
    buf_append_c(&json, ",");
    put_member(&json, "name", call->principal.name);
    buf_append_c(&json, ",");
    put_member(&json, "arn", question->principal.arn);
    buf_append_c(&json, "},");
    put_member(&json, "action", question->action);
    buf_append_c(&json, ",");
    put_member(&json, "resource", question->resource);
    buf_append_c(&json, ",");
    put_conditions(&json, question);
    buf_append_c(&json, "}}");
    cloud_derive(call->cloud, about, key);
    buf_init(&text, call->arena, MESSAGE_MAX);
    base64url_encode(&text, cipher_box(call->arena, key, about, buf_str(&json)));
    return buf_str(&text);
}

bool authorize_message_open(struct call *call, struct str message, struct str *json)
{
    uint8_t key[SHA256_SIZE];
    struct str sealed;
    cloud_derive(call->cloud, about, key);
    return base64url_decode(call->arena, message, &sealed) &&
           cipher_unbox(call->arena, key, about, sealed, json);
}
