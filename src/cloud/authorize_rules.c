/* What operations need: the lines of iam.list, and the resources that they mean. */
#include <stdatomic.h>

#include "base/vec.h"
#include "cloud/arn.h"
#include "cloud/authorize_int.h"

/* The rules of one service, read when its first request comes: a service that is never called costs
 * no memory. */
struct authorize_table {
    struct arena *arena;
    const struct authorize_rules *operations; /* by index */
};
struct authorize_service {
    const struct service_hooks *hooks;
    _Atomic(struct authorize_table *) table;
};
struct authorize_services {
    struct authorize_service *items;
    size_t len;
};

static struct authorize_rules authorize_read_rules(struct arena *arena, struct str text)
{
    struct authorize_rule *rules = NULL;
    size_t len = 0, cap = 0;
    while (!str_is_empty(text)) {
        struct str line, keys;
        struct authorize_rule rule;
        str_cut(text, '\n', &line, &text);
        str_cut(line, ' ', &rule.action, &rule.resource);
        str_cut(rule.resource, ' ', &rule.resource, &keys);
        rule.lists = str_find(rule.resource, STR("[]")) != SIZE_MAX;
        VEC_PUSH(arena, rules, len, cap, rule);
    }
    return (struct authorize_rules){rules, len};
}

static struct authorize_table *authorize_table_new(const struct wire_model *model)
{
    struct arena *arena = arena_new(0);
    struct authorize_table *table = ARENA_NEW(arena, struct authorize_table);
    struct authorize_rules *operations =
        ARENA_ARRAY(arena, model->operation_count, struct authorize_rules);
    for (size_t o = 0; o < model->operation_count; o++)
        operations[o] = authorize_read_rules(arena, wire_string(model, model->operations[o].iam));
    *table = (struct authorize_table){arena, operations};
    return table;
}

const struct authorize_rules *authorize_rules_of(struct authorize_service *service,
                                                 uint32_t operation)
{
    struct authorize_table *table = atomic_load_explicit(&service->table, memory_order_acquire);
    if (table == NULL) {
        struct authorize_table *made = authorize_table_new(service->hooks->model);
        if (atomic_compare_exchange_strong(&service->table, &table, made))
            table = made;
        else
            arena_free(made->arena);
    }
    return &table->operations[operation];
}

struct authorize_services *authorize_services_new(struct arena *arena,
                                                  const struct service_hooks *const *hooks)
{
    struct authorize_services *services = ARENA_NEW(arena, struct authorize_services);
    while (hooks[services->len] != NULL)
        services->len++;
    services->items = ARENA_ARRAY(arena, services->len, struct authorize_service);
    for (size_t i = 0; i < services->len; i++)
        services->items[i].hooks = hooks[i];
    return services;
}

void authorize_services_free(struct authorize_services *services)
{
    for (size_t i = 0; i < services->len; i++)
        if (services->items[i].table != NULL)
            arena_free(services->items[i].table->arena);
}

struct authorize_service *authorize_service_of(struct authorize_services *services,
                                               const struct wire_model *model)
{
    for (size_t i = 0; i < services->len; i++)
        if (services->items[i].hooks->model == model)
            return &services->items[i];
    return NULL;
}

const struct service_hooks *authorize_hooks(const struct authorize_service *service)
{
    return service->hooks;
}

/* --- resources --- */

static struct str resource_part(const struct call *call, const void *in, struct str name)
{
    if (str_eq(name, STR("partition")))
        return call->partition;
    if (str_eq(name, STR("region")))
        return call->region;
    if (str_eq(name, STR("account")))
        return call->account;
    return authorize_member(call, in, name);
}

/* `item` is what stands for the part that names a list. */
static struct str resource_make(const struct call *call, const void *in, struct str template,
                                struct str item)
{
    struct buf out;
    buf_init(&out, call->arena, 4096);
    while (!str_is_empty(template)) {
        struct str before, name, rest;
        bool found = str_cut(template, '{', &before, &rest);
        buf_append(&out, before);
        if (!found || !str_cut(rest, '}', &name, &template))
            break;
        bool list = str_find(name, STR("[]")) != SIZE_MAX;
        struct str value = list ? item : resource_part(call, in, name);
        struct arn arn;
        if (str_starts_with(value, STR("arn:")) && arn_parse(value, &arn))
            buf_clear(&out);
        buf_append(&out, str_is_empty(value) ? STR("*") : value);
    }
    return buf_str(&out);
}

struct str_list authorize_resources(const struct call *call, const void *in, struct str template)
{
    struct str before, name, rest;
    struct str_list out = {0}, items = {0};
    size_t cap = 0;
    bool lists = false;
    for (rest = template; !lists && str_cut(rest, '{', &before, &rest);) {
        str_cut(rest, '}', &name, &rest);
        lists = str_find(name, STR("[]")) != SIZE_MAX;
    }
    if (lists && in != NULL)
        items = authorize_members(call, in, name);
    for (size_t i = 0; i < items.len; i++)
        VEC_PUSH(call->arena, out.items, out.len, cap,
                 resource_make(call, in, template, items.items[i]));
    if (!lists)
        VEC_PUSH(call->arena, out.items, out.len, cap,
                 resource_make(call, in, template, (struct str){0}));
    return out;
}
