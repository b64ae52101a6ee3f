#include "base/time.h"
#include "base/vec.h"
#include "cloud/authorize_int.h"

bool authorize_set(struct authorize_request *request, struct str value, struct policy_values *out)
{
    if (str_is_absent(value))
        return false;
    struct str *kept = ARENA_NEW(request->call->arena, struct str);
    *kept = value;
    *out = (struct policy_values){kept, 1};
    return true;
}

static bool key_set_bool(struct authorize_request *request, bool value, struct policy_values *out)
{
    return authorize_set(request, value ? STR("true") : STR("false"), out);
}

/* --- global keys --- */

static struct str principal_type(const struct principal *principal)
{
    switch (principal->kind) {
    case PRINCIPAL_ANONYMOUS:
        return STR("Anonymous");
    case PRINCIPAL_ROOT:
        return STR("Account");
    case PRINCIPAL_USER:
        return STR("User");
    case PRINCIPAL_ROLE_SESSION:
        return STR("AssumedRole");
    case PRINCIPAL_FEDERATED:
        return STR("FederatedUser");
    case PRINCIPAL_SERVICE:
        break;
    }
    return (struct str){0};
}

enum global_key {
    KEY_CURRENT_TIME,
    KEY_EPOCH_TIME,
    KEY_PRINCIPAL_ACCOUNT,
    KEY_PRINCIPAL_ARN,
    KEY_PRINCIPAL_IS_SERVICE,
    KEY_PRINCIPAL_SERVICE_NAME,
    KEY_PRINCIPAL_TYPE,
    KEY_REFERER,
    KEY_REGION,
    KEY_RESOURCE_ACCOUNT,
    KEY_SECURE_TRANSPORT,
    KEY_SOURCE_ACCOUNT,
    KEY_SOURCE_ARN,
    KEY_SOURCE_IP,
    KEY_TAG_KEYS,
    KEY_USER_AGENT,
    KEY_USER_ID,
    KEY_USER_NAME,
    KEY_CALLED_VIA,
    KEY_CALLED_VIA_FIRST,
    KEY_CALLED_VIA_LAST,
    KEY_VIA_SERVICE,
    KEYS,
};

static const struct str global_keys[KEYS] = {
    [KEY_CURRENT_TIME] = STR_INIT("aws:CurrentTime"),
    [KEY_EPOCH_TIME] = STR_INIT("aws:EpochTime"),
    [KEY_PRINCIPAL_ACCOUNT] = STR_INIT("aws:PrincipalAccount"),
    [KEY_PRINCIPAL_ARN] = STR_INIT("aws:PrincipalArn"),
    [KEY_PRINCIPAL_IS_SERVICE] = STR_INIT("aws:PrincipalIsAWSService"),
    [KEY_PRINCIPAL_SERVICE_NAME] = STR_INIT("aws:PrincipalServiceName"),
    [KEY_PRINCIPAL_TYPE] = STR_INIT("aws:PrincipalType"),
    [KEY_REFERER] = STR_INIT("aws:Referer"),
    [KEY_REGION] = STR_INIT("aws:RequestedRegion"),
    [KEY_RESOURCE_ACCOUNT] = STR_INIT("aws:ResourceAccount"),
    [KEY_SECURE_TRANSPORT] = STR_INIT("aws:SecureTransport"),
    [KEY_SOURCE_ACCOUNT] = STR_INIT("aws:SourceAccount"),
    [KEY_SOURCE_ARN] = STR_INIT("aws:SourceArn"),
    [KEY_SOURCE_IP] = STR_INIT("aws:SourceIp"),
    [KEY_TAG_KEYS] = STR_INIT("aws:TagKeys"),
    [KEY_USER_AGENT] = STR_INIT("aws:UserAgent"),
    [KEY_USER_ID] = STR_INIT("aws:userid"),
    [KEY_USER_NAME] = STR_INIT("aws:username"),
    [KEY_CALLED_VIA] = STR_INIT("aws:CalledVia"),
    [KEY_CALLED_VIA_FIRST] = STR_INIT("aws:CalledViaFirst"),
    [KEY_CALLED_VIA_LAST] = STR_INIT("aws:CalledViaLast"),
    [KEY_VIA_SERVICE] = STR_INIT("aws:ViaAWSService"),
};

static bool key_of_header(struct authorize_request *request, struct str name,
                          struct policy_values *out)
{
    const struct wire_request *wire = request->call->request;
    return wire != NULL && authorize_set(request, wire_request_header(wire, name), out);
}

static bool key_of_time(struct authorize_request *request, bool epoch, struct policy_values *out)
{
    struct call *call = request->call;
    struct buf text;
    buf_init(&text, call->arena, 64);
    if (epoch)
        buf_append_i64(&text, call->now_ms / 1000);
    else
        time_format_iso8601(&text, call->now_ms / 1000 * 1000);
    return authorize_set(request, buf_str(&text), out);
}

/* Of a session its role ("aws:PrincipalArn"). */
static struct str principal_arn(const struct principal *who)
{
    return who->kind == PRINCIPAL_ROLE_SESSION && who->session != NULL ? who->session->role_arn
                                                                       : who->arn;
}

static bool key_of_principal(struct authorize_request *request, enum global_key key,
                             struct policy_values *out)
{
    const struct principal *who = request->who;
    bool service = who->kind == PRINCIPAL_SERVICE;
    switch ((int)key) {
    case KEY_PRINCIPAL_ACCOUNT:
        return !service && authorize_set(request, who->account, out);
    case KEY_PRINCIPAL_ARN:
        return !service && authorize_set(request, principal_arn(who), out);
    case KEY_PRINCIPAL_IS_SERVICE:
        return key_set_bool(request, service, out);
    case KEY_PRINCIPAL_SERVICE_NAME:
        return service && authorize_set(request, who->name, out);
    case KEY_PRINCIPAL_TYPE:
        return authorize_set(request, principal_type(who), out);
    case KEY_USER_ID:
        return authorize_set(request, who->user_id, out);
    default:
        return who->kind == PRINCIPAL_USER && authorize_set(request, who->name, out);
    }
}

/* By way of which services the call came. */
static bool key_of_way(struct authorize_request *request, enum global_key key,
                       struct policy_values *out)
{
    const struct str_list *via = &request->call->called_via;
    if (key == KEY_VIA_SERVICE)
        return key_set_bool(
            request, request->call->request == NULL && request->who->kind != PRINCIPAL_SERVICE,
            out);
    if (via->len == 0)
        return false;
    if (key == KEY_CALLED_VIA_FIRST)
        return authorize_set(request, via->items[0], out);
    if (key == KEY_CALLED_VIA_LAST)
        return authorize_set(request, via->items[via->len - 1], out);
    *out = (struct policy_values){via->items, via->len};
    return true;
}

static bool key_global(struct authorize_request *request, enum global_key key,
                       struct policy_values *out)
{
    struct call *call = request->call;
    switch (key) {
    case KEY_CURRENT_TIME:
    case KEY_EPOCH_TIME:
        return key_of_time(request, key == KEY_EPOCH_TIME, out);
    case KEY_PRINCIPAL_ACCOUNT:
    case KEY_PRINCIPAL_ARN:
    case KEY_PRINCIPAL_IS_SERVICE:
    case KEY_PRINCIPAL_SERVICE_NAME:
    case KEY_PRINCIPAL_TYPE:
    case KEY_USER_ID:
    case KEY_USER_NAME:
        return key_of_principal(request, key, out);
    case KEY_REFERER:
        return key_of_header(request, STR("referer"), out);
    case KEY_USER_AGENT:
        return key_of_header(request, STR("user-agent"), out);
    case KEY_REGION:
        return authorize_set(request, call->region, out);
    case KEY_RESOURCE_ACCOUNT:
        return authorize_set(request,
                             str_is_absent(request->owner) ? call->account : request->owner, out);
    case KEY_SECURE_TRANSPORT:
        return key_set_bool(request, call->secure_transport, out);
    case KEY_SOURCE_ACCOUNT:
        return authorize_set(request, call->source_account, out);
    case KEY_SOURCE_ARN:
        return authorize_set(request, call->source_arn, out);
    case KEY_SOURCE_IP:
        return authorize_set(request, call->source_ip, out);
    case KEY_TAG_KEYS:
        return authorize_tag_keys(request, out);
    case KEY_CALLED_VIA:
    case KEY_CALLED_VIA_FIRST:
    case KEY_CALLED_VIA_LAST:
    case KEY_VIA_SERVICE:
        return key_of_way(request, key, out);
    case KEYS:
        break;
    }
    return false;
}

bool authorize_key(void *self, struct str key, struct policy_values *out)
{
    struct authorize_request *request = self;
    struct str tag = STR("aws:RequestTag/");
    if (request->find != NULL && request->find(request->self, key, out))
        return true;
    for (size_t i = 0; i < KEYS; i++)
        if (str_eq_nocase(key, global_keys[i]))
            return key_global(request, (enum global_key)i, out);
    if (str_eq_nocase(str_slice(key, 0, tag.len), tag))
        return authorize_request_tag(request, str_slice(key, tag.len, key.len), out);
    if (authorize_session_key(request, key, out) || authorize_organization_key(request, key, out))
        return true;
    const struct service_hooks *hooks = request->hooks;
    struct str value = {0};
    struct str_list values = {0};
    if (hooks == NULL || request->in == NULL)
        return false;
    if (hooks->condition_key != NULL &&
        hooks->condition_key(request->call, request->in, key, &value) == RESULT_OK &&
        authorize_set(request, value, out))
        return true;
    if (hooks->condition_values == NULL ||
        hooks->condition_values(request->call, request->in, key, &values) != RESULT_OK ||
        values.items == NULL)
        return false;
    *out = (struct policy_values){values.items, values.len};
    return true;
}
