/* What organizations add to a decision: service control policies of the principal's account,
 * resource control policies of the resource's ("Service control policies (SCPs)", "Resource control
 * policies (RCPs)", AWS Organizations User Guide). */
#include <stdatomic.h>

#include "cloud/authorize_int.h"
#include "cloud/organization.h"

enum { ANY_UNKNOWN, ANY_NONE, ANY_SOME };

/* Most clouds have none; they pay for one look at each start. */
static RESULT organization_any(struct call *call, bool *any)
{
    struct cloud *cloud = call->cloud;
    struct key key;
    struct kv_cursor *cursor;
    struct str found, value;
    int known = atomic_load_explicit(&cloud->organizations, memory_order_acquire);
    if (known == ANY_UNKNOWN) {
        key_init(&key, call->arena);
        key_str(&key, STR("organizations"));
        TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&key), false, &cursor));
        TRY(kv_next(cursor, &found, &value));
        kv_cursor_close(cursor);
        known = str_is_absent(found) ? ANY_NONE : ANY_SOME;
        int expected = ANY_UNKNOWN;
        if (!atomic_compare_exchange_strong(&cloud->organizations, &expected, known))
            known = expected;
    }
    *any = known == ANY_SOME;
    return RESULT_OK;
}

void organization_exists(struct cloud *cloud)
{
    atomic_store_explicit(&cloud->organizations, ANY_SOME, memory_order_release);
}

/* NULL: there are no organizations. */
static RESULT organization_table_of(struct call *call, const struct organization_table **out)
{
    bool any;
    *out = NULL;
    TRY(organization_any(call, &any));
    for (size_t i = 0; any && *out == NULL && call->cloud->hooks[i] != NULL; i++)
        *out = call->cloud->hooks[i]->organization;
    return RESULT_OK;
}

RESULT authorize_view(struct call *call, struct str account, struct organization_view *out)
{
    const struct organization_table *table;
    *out = (struct organization_view){0};
    if (!arn_is_account(account))
        return RESULT_OK;
    TRY(organization_table_of(call, &table));
    return table == NULL ? RESULT_OK : table->view(call, account, out);
}

RESULT organization_standing(struct call *call, struct str account, struct str service,
                             struct organization_standing *out)
{
    const struct organization_table *table;
    *out = (struct organization_standing){0};
    TRY(organization_table_of(call, &table));
    return table == NULL ? RESULT_OK : table->standing(call, account, service, out);
}

RESULT organization_tag_refused(struct call *call, struct str account, struct str type,
                                const struct str_map *tags, struct str *key)
{
    const struct organization_table *table;
    *key = (struct str){0};
    if (tags->len == 0)
        return RESULT_OK;
    TRY(organization_table_of(call, &table));
    return table == NULL ? RESULT_OK : table->tag_refused(call, account, type, tags, key);
}

bool authorize_is_linked(const struct principal *who)
{
    struct arn arn;
    return who->kind == PRINCIPAL_ROLE_SESSION && who->session != NULL &&
           arn_parse(who->session->role_arn, &arn) &&
           str_starts_with(arn.resource, STR("role/aws-service-role/"));
}

/* "List of AWS services that support RCPs". */
static bool rcp_covers(struct str action)
{
    static const struct str services[] = {
        STR_INIT("s3"),
        STR_INIT("sts"),
        STR_INIT("kms"),
        STR_INIT("sqs"),
        STR_INIT("dynamodb"),
        STR_INIT("logs"),
        STR_INIT("ecr"),
        STR_INIT("cognito-identity"),
        STR_INIT("secretsmanager"),
        STR_INIT("cognito-idp"),
    };
    struct str service, name;
    str_cut(action, ':', &service, &name);
    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++)
        if (str_eq(services[i], service))
            return true;
    return false;
}

size_t authorize_view_count(const struct organization_view *view, enum policy_kind kind,
                            struct str action)
{
    size_t count = 0;
    if (kind == POLICY_RCP && !rcp_covers(action))
        return 0;
    for (size_t i = 0; i < view->len; i++)
        count += view->items[i].kind == kind;
    return count;
}

/* --- condition keys --- */

bool authorize_organization_key(struct authorize_request *request, struct str key,
                                struct policy_values *out)
{
    static const struct str prefixes[] = {STR_INIT("aws:principalorg"), STR_INIT("aws:resourceorg"),
                                          STR_INIT("aws:sourceorg")};
    const struct call *call = request->call;
    const struct str accounts[] = {
        request->who->kind == PRINCIPAL_SERVICE ? (struct str){0} : request->who->account,
        str_is_absent(request->owner) ? call->account : request->owner,
        call->source_account,
    };
    struct str name = str_lower(call->arena, key);
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        struct organization_view view;
        if (!str_starts_with(name, prefixes[i]))
            continue;
        if (authorize_view(request->call, accounts[i], &view) != RESULT_OK ||
            str_is_absent(view.id))
            return false;
        struct str what = str_slice(name, prefixes[i].len, name.len);
        return (str_eq(what, STR("id")) && authorize_set(request, view.id, out)) ||
               (str_eq(what, STR("paths")) && authorize_set(request, view.path, out));
    }
    return false;
}
