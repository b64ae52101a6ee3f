#include "base/time.h"
#include "base/vec.h"
#include "cloud/authorize_int.h"

static bool key_set(struct authorize_request *request, struct str value, struct policy_values *out)
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
    return key_set(request, value ? STR("true") : STR("false"), out);
}

/* --- the request's tags: whatever the model calls them --- */

static const struct wire_member *input_member(const struct call *call, struct str name)
{
    const struct wire_model *model = call->model;
    const struct wire_shape *shape = &model->shapes[model->operations[call->operation].input];
    for (size_t i = 0; i < shape->member_count; i++) {
        const struct wire_member *member = &model->members[shape->members + i];
        if (str_eq_nocase(wire_string(model, member->name), name))
            return member;
    }
    return NULL;
}

static const void *member_at(const void *in, const struct wire_member *member)
{
    return (const char *)in + member->offset;
}

static const struct wire_member *input_tags(const struct call *call)
{
    static const struct str names[] = {STR_INIT("Tags"), STR_INIT("TagList"), STR_INIT("TagSet")};
    const struct wire_member *member = NULL;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && member == NULL; i++)
        member = input_member(call, names[i]);
    return member;
}

/* Where the key (value: false) or the value stands in an item of a list of tags; NULL: the list is
 * of something else. */
static const struct wire_member *tag_part(const struct wire_model *model,
                                          const struct wire_shape *item, bool value)
{
    for (size_t i = 0; i < item->member_count; i++) {
        const struct wire_member *part = &model->members[item->members + i];
        struct str name = wire_string(model, part->name);
        bool right = value
                         ? str_eq_nocase(name, STR("Value")) || str_eq_nocase(name, STR("TagValue"))
                         : str_eq_nocase(name, STR("Key")) || str_eq_nocase(name, STR("TagKey"));
        if (right && model->shapes[part->shape].type == WIRE_STRING)
            return part;
    }
    return NULL;
}

static struct str text_at(const void *base, const struct wire_member *part)
{
    return part == NULL ? STR("")
                        : *(const struct str *)(const void *)((const char *)base + part->offset);
}

/* The i-th tag of the request; false behind the last. */
static bool request_tag(const struct authorize_request *request, size_t i, struct str *key,
                        struct str *value)
{
    const struct wire_model *model = request->call->model;
    const struct wire_member *member = input_tags(request->call);
    if (member == NULL)
        return false;
    const struct wire_shape *shape = &model->shapes[member->shape];
    const struct wire_list *list = member_at(request->in, member);
    const struct wire_member *items = &model->members[shape->members];
    if (shape->type == WIRE_MAP && model->shapes[items[1].shape].type == WIRE_STRING) {
        const struct str_map *map = member_at(request->in, member);
        if (i >= map->len)
            return false;
        *key = map->items[i].key;
        *value = map->items[i].value;
        return true;
    }
    if (shape->type != WIRE_LIST || i >= list->len)
        return false;
    const struct wire_shape *item = &model->shapes[items->shape];
    const struct wire_member *part =
        item->type == WIRE_STRUCT ? tag_part(model, item, false) : NULL;
    if (part == NULL)
        return false;
    const char *base = (const char *)list->items + i * item->size;
    *key = text_at(base, part);
    *value = text_at(base, tag_part(model, item, true));
    return true;
}

static bool key_request_tag(struct authorize_request *request, struct str name,
                            struct policy_values *out)
{
    struct str key, value;
    for (size_t i = 0; request_tag(request, i, &key, &value); i++)
        if (str_eq_nocase(key, name))
            return key_set(request, str_is_absent(value) ? STR("") : value, out);
    return false;
}

static bool key_tag_keys(struct authorize_request *request, struct policy_values *out)
{
    struct call *call = request->call;
    struct str *keys = NULL, key, value;
    size_t len = 0, cap = 0;
    for (size_t i = 0; request_tag(request, i, &key, &value); i++)
        VEC_PUSH(call->arena, keys, len, cap, key);
    const struct wire_member *names = input_member(call, STR("TagKeys"));
    if (names != NULL && call->model->shapes[names->shape].type == WIRE_LIST) {
        const struct str_list *list = member_at(request->in, names);
        for (size_t i = 0; i < list->len; i++)
            VEC_PUSH(call->arena, keys, len, cap, list->items[i]);
    }
    *out = (struct policy_values){keys, len};
    return len > 0;
}

struct str authorize_member(const struct call *call, const void *in, struct str name)
{
    static const struct str endings[] = {STR_INIT(""), STR_INIT("Name"), STR_INIT("Id")};
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        char whole[128];
        struct buf buf;
        buf_init_fixed(&buf, whole, sizeof whole);
        buf_append(&buf, name);
        buf_append(&buf, endings[i]);
        const struct wire_member *member = input_member(call, buf_str(&buf));
        if (member != NULL && call->model->shapes[member->shape].type == WIRE_STRING)
            return *(const struct str *)member_at(in, member);
    }
    return (struct str){0};
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
    [KEY_VIA_SERVICE] = STR_INIT("aws:ViaAWSService"),
};

static bool key_of_header(struct authorize_request *request, struct str name,
                          struct policy_values *out)
{
    const struct wire_request *wire = request->call->request;
    return wire != NULL && key_set(request, wire_request_header(wire, name), out);
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
    return key_set(request, buf_str(&text), out);
}

static bool key_of_principal(struct authorize_request *request, enum global_key key,
                             struct policy_values *out)
{
    const struct principal *who = &request->call->principal;
    bool service = who->kind == PRINCIPAL_SERVICE;
    switch ((int)key) {
    case KEY_PRINCIPAL_ACCOUNT:
        return !service && key_set(request, who->account, out);
    case KEY_PRINCIPAL_ARN:
        return !service && key_set(request, who->arn, out);
    case KEY_PRINCIPAL_IS_SERVICE:
        return key_set_bool(request, service, out);
    case KEY_PRINCIPAL_SERVICE_NAME:
        return service && key_set(request, who->name, out);
    case KEY_PRINCIPAL_TYPE:
        return key_set(request, principal_type(who), out);
    case KEY_USER_ID:
        return key_set(request, who->user_id, out);
    default:
        return who->kind == PRINCIPAL_USER && key_set(request, who->name, out);
    }
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
        return key_set(request, call->region, out);
    case KEY_RESOURCE_ACCOUNT:
        return key_set(request, str_is_absent(request->owner) ? call->account : request->owner,
                       out);
    case KEY_SECURE_TRANSPORT:
        return key_set_bool(request, call->secure_transport, out);
    case KEY_SOURCE_ACCOUNT:
        return key_set(request, call->source_account, out);
    case KEY_SOURCE_ARN:
        return key_set(request, call->source_arn, out);
    case KEY_SOURCE_IP:
        return key_set(request, call->source_ip, out);
    case KEY_TAG_KEYS:
        return key_tag_keys(request, out);
    case KEY_VIA_SERVICE:
        return key_set_bool(
            request, call->request == NULL && call->principal.kind != PRINCIPAL_SERVICE, out);
    case KEYS:
        break;
    }
    return false;
}

bool authorize_key(void *self, struct str key, struct policy_values *out)
{
    struct authorize_request *request = self;
    struct str tag = STR("aws:RequestTag/");
    for (size_t i = 0; i < KEYS; i++)
        if (str_eq_nocase(key, global_keys[i]))
            return key_global(request, (enum global_key)i, out);
    if (str_eq_nocase(str_slice(key, 0, tag.len), tag))
        return key_request_tag(request, str_slice(key, tag.len, key.len), out);
    const struct service_hooks *hooks = request->hooks;
    struct str value = {0};
    return hooks != NULL && hooks->condition_key != NULL &&
           hooks->condition_key(request->call, request->in, key, &value) == RESULT_OK &&
           key_set(request, value, out);
}
