/* Which service and operation a request is for. What says most goes first: the protocol header of
 * rpc-v2-cbor, X-Amz-Target, the Action parameter, and then method and path of the service that the
 * credential scope or the host names. What nothing else claims is S3's. */
#include <stdatomic.h>

#include "base/encode.h"
#include "base/map.h"
#include "wire/wire_int.h"

/* The operations of a model by name: indices + 1, open addressing. */
struct operation_table {
    size_t mask;
    uint16_t slots[];
};

/* Immutable but for the tables, each of which is set once. */
struct wire_index {
    const struct wire_model *const *models;
    size_t count;
    size_t s3;          /* count: no S3 among the models */
    struct map targets; /* position + 1 by target prefix */
    struct map scopes;  /* position + 1 of the first model by signing name */
    uint16_t *next;     /* position + 1 of the next model of the same signing name; 0: none */
    _Atomic(struct operation_table *) *tables;
};

struct wire_index *wire_index_new(const struct wire_model *const *models, size_t count)
{
    struct wire_index *index = heap_alloc(sizeof(*index));
    ASSERT(count < UINT16_MAX);
    *index = (struct wire_index){.models = models, .count = count, .s3 = count};
    index->next = heap_alloc((count + 1) * sizeof(*index->next));
    index->tables = heap_alloc((count + 1) * sizeof(*index->tables));
    map_init(&index->targets, NULL);
    map_init(&index->scopes, NULL);
    for (size_t i = count; i-- > 0;) {
        const struct wire_model *model = models[i];
        struct str target = model->target_prefix;
        struct str scope = model->signing_name;
        if (wire_is_s3(model))
            index->s3 = i;
        if (!str_is_absent(target))
            (void)map_put(&index->targets, target, (void *)(uintptr_t)(i + 1));
        if (!str_is_absent(scope))
            index->next[i] =
                (uint16_t)(uintptr_t)map_put(&index->scopes, scope, (void *)(uintptr_t)(i + 1));
    }
    return index;
}

void wire_index_free(struct wire_index *index)
{
    for (size_t i = 0; i < index->count; i++)
        heap_free(atomic_load(&index->tables[i]));
    map_release(&index->targets);
    map_release(&index->scopes);
    heap_free(index->next);
    heap_free(index->tables);
    heap_free(index);
}

bool wire_index_has_prefix(const struct wire_index *index, struct str endpoint_prefix)
{
    for (size_t i = 0; i < index->count; i++)
        if (str_eq(index->models[i]->endpoint_prefix, endpoint_prefix))
            return true;
    return false;
}

static struct operation_table *table_new(const struct wire_model *model)
{
    size_t slots = 4;
    while (slots < 2 * (size_t)model->operation_count)
        slots *= 2;
    struct operation_table *table = heap_alloc(sizeof(*table) + slots * sizeof(table->slots[0]));
    table->mask = slots - 1;
    for (uint32_t i = 0; i < model->operation_count; i++) {
        size_t slot = str_hash(wire_string(model, model->operations[i].name), 0) & table->mask;
        while (table->slots[slot] != 0)
            slot = (slot + 1) & table->mask;
        table->slots[slot] = (uint16_t)(i + 1);
    }
    return table;
}

static const struct operation_table *table_of(const struct wire_index *index, size_t position)
{
    _Atomic(struct operation_table *) *place = &index->tables[position];
    struct operation_table *there = atomic_load_explicit(place, memory_order_acquire);
    if (there != NULL)
        return there;
    struct operation_table *made = table_new(index->models[position]);
    if (atomic_compare_exchange_strong(place, &there, made))
        return made;
    heap_free(made);
    return there;
}

/* -1: the model has no such operation. */
static int find_operation(const struct wire_index *index, size_t position, struct str name)
{
    const struct wire_model *model = index->models[position];
    const struct operation_table *table = table_of(index, position);
    for (size_t slot = str_hash(name, 0) & table->mask; table->slots[slot] != 0;
         slot = (slot + 1) & table->mask) {
        int operation = table->slots[slot] - 1;
        if (str_eq(wire_string(model, model->operations[operation].name), name))
            return operation;
    }
    return -1;
}

/* --- the request, looked at once --- */

struct routing {
    struct arena *arena;
    const struct wire_index *index;
    const struct wire_request *request;
    struct str bucket;
    struct wire_route *out;
    size_t first; /* position + 1 of the first model of the scope; 0: none */
};

static const uint32_t form_protocols = WIRE_PROTOCOL_QUERY | WIRE_PROTOCOL_EC2;
static const uint32_t rest_protocols = WIRE_PROTOCOL_REST_JSON | WIRE_PROTOCOL_REST_XML;

static bool choose(struct routing *r, size_t position, int operation, enum wire_protocol protocol)
{
    *r->out = (struct wire_route){
        .model = r->index->models[position], .operation = operation, .protocol = protocol};
    return true;
}

/* The lowest of the model's protocols among those given. */
static enum wire_protocol one_of(const struct wire_model *model, uint32_t protocols)
{
    uint32_t common = model->protocols & protocols;
    return (enum wire_protocol)(common & (0 - common));
}

static size_t position_of(const struct map *map, struct str key)
{
    return (size_t)(uintptr_t)map_get(map, key);
}

/* "s3express" and "s3-outposts" sign for S3's operations. */
static size_t position_of_scope(const struct wire_index *index, struct str scope)
{
    if (str_is_absent(scope))
        return 0;
    size_t first = position_of(&index->scopes, scope);
    if (first == 0 && str_starts_with(scope, STR("s3")))
        first = position_of(&index->scopes, STR("s3"));
    return first;
}

/* /service/NAME/operation/OPERATION, "Smithy RPC v2 CBOR protocol" */
static bool route_cbor(struct routing *r)
{
    struct str path = r->request->path;
    size_t at = str_find(path, STR("/service/"));
    if (at == SIZE_MAX)
        return false;
    struct str name = str_slice(path, at + sizeof("/service/") - 1, path.len);
    struct str rest;
    if (!str_cut(name, '/', &name, &rest) || !str_starts_with(rest, STR("operation/")))
        return false;
    struct str operation = str_slice(rest, sizeof("operation/") - 1, rest.len);
    size_t position = position_of(&r->index->targets, name);
    if (position == 0)
        position = r->first;
    if (position == 0 || !(r->index->models[position - 1]->protocols & WIRE_PROTOCOL_CBOR))
        return false;
    position--;
    return choose(r, position, find_operation(r->index, position, operation), WIRE_PROTOCOL_CBOR);
}

/* X-Amz-Target: PREFIX.OPERATION; the prefix may hold dots. */
static bool route_target(struct routing *r, struct str target)
{
    size_t dot = str_find_last_char(target, '.');
    if (dot == SIZE_MAX)
        return false;
    size_t position = position_of(&r->index->targets, str_slice(target, 0, dot));
    if (position == 0 || !(r->index->models[position - 1]->protocols & WIRE_PROTOCOL_JSON))
        return false;
    position--;
    return choose(r, position,
                  find_operation(r->index, position, str_slice(target, dot + 1, target.len)),
                  WIRE_PROTOCOL_JSON);
}

/* --- Action
 * --------------------------------------------------------------------------------------------------
 */

struct action {
    struct str name;
    struct str version;
};

static void find_action(struct routing *r, struct str parameters, struct action *action)
{
    struct str rest = parameters;
    while (!str_is_empty(rest) && (str_is_absent(action->name) || str_is_absent(action->version))) {
        struct str pair;
        struct str value;
        (void)str_cut(rest, '&', &pair, &rest);
        if (pair.len < 7 || (pair.ptr[0] != 'A' && pair.ptr[0] != 'V'))
            continue;
        if (!str_cut(pair, '=', &pair, &value))
            continue;
        if (str_eq(pair, STR("Action")))
            (void)percent_decode(r->arena, value, true, &action->name);
        else if (str_eq(pair, STR("Version")))
            (void)percent_decode(r->arena, value, true, &action->version);
    }
}

static bool is_form(const struct wire_request *request)
{
    struct str type = wire_request_header(request, STR("content-type"));
    struct str form = STR("application/x-www-form-urlencoded");
    return type.len >= form.len && str_eq_nocase(str_slice(type, 0, form.len), form);
}

/* "sqs.us-east-1.amazonaws.com", "123.s3-control.localhost": the prefix stands first or second. */
static bool host_names(struct str host, struct str prefix)
{
    for (int label = 0; label < 2 && !str_is_absent(host); label++) {
        if (host.len > prefix.len && host.ptr[prefix.len] == '.' && str_starts_with(host, prefix))
            return true;
        struct str head;
        (void)str_cut(host, '.', &head, &host);
    }
    return false;
}

static bool is_hosted(const struct routing *r, const struct wire_model *model)
{
    struct str prefix = model->endpoint_prefix;
    return !str_is_empty(prefix) && host_names(r->request->host, prefix);
}

/* How well a query model fits: the version counts more than the host. 0: not at all. */
static int fitness(struct routing *r, size_t position, const struct action *action, bool scoped)
{
    const struct wire_model *model = r->index->models[position];
    if (!(model->protocols & form_protocols))
        return 0;
    bool version = str_eq(model->api_version, action->version);
    bool host = is_hosted(r, model);
    if (!scoped && !version && !host)
        return 0;
    if (find_operation(r->index, position, action->name) < 0)
        return 0;
    return 1 + 2 * version + host;
}

static bool choose_action(struct routing *r, const struct action *action)
{
    bool scoped = r->first != 0;
    size_t best = 0;
    int best_fitness = 0;
    size_t position = scoped ? r->first - 1 : 0;
    while (position < r->index->count) {
        int fits = fitness(r, position, action, scoped);
        if (fits > best_fitness) {
            best = position;
            best_fitness = fits;
        }
        if (!scoped)
            position++;
        else if (r->index->next[position] == 0)
            break;
        else
            position = r->index->next[position] - 1u;
    }
    if (best_fitness == 0)
        return false;
    return choose(r, best, find_operation(r->index, best, action->name),
                  one_of(r->index->models[best], form_protocols));
}

/* The first model of the scope that speaks one of the protocols: position + 1, or 0. */
static size_t scope_model(const struct routing *r, uint32_t protocols)
{
    for (size_t at = r->first; at != 0; at = r->index->next[at - 1])
        if (r->index->models[at - 1]->protocols & protocols)
            return at;
    return 0;
}

static bool route_action(struct routing *r)
{
    const struct wire_request *request = r->request;
    struct action action = {0};
    bool form = is_form(request);
    size_t scoped = scope_model(r, form_protocols);
    if ((r->first != 0 && scoped == 0) || (!form && str_is_empty(request->query)))
        return false;
    find_action(r, request->query, &action);
    if (form)
        find_action(r, request->body, &action);
    if (!str_is_absent(action.name) && choose_action(r, &action))
        return true;
    if (scoped == 0 || (str_is_absent(action.name) && scope_model(r, rest_protocols) != 0))
        return false;
    return choose(r, scoped - 1, -1, one_of(r->index->models[scoped - 1], form_protocols));
}

/* --- method and path --- */

/* S3 Control shares S3's scope and any path could be a bucket's: its requests name the account, and
 * its version in the path. */
static bool may_match(const struct routing *r, const struct wire_model *model)
{
    if (!str_eq(model->endpoint_prefix, STR("s3-control")))
        return true;
    return str_starts_with(r->request->path, STR("/v20180820/")) &&
           (is_hosted(r, model) ||
            !str_is_absent(wire_request_header(r->request, STR("x-amz-account-id"))));
}

static struct str rest_path(const struct routing *r, const struct wire_model *model)
{
    struct str path = r->request->path;
    if (str_is_absent(r->bucket) || !wire_is_s3(model))
        return path;
    if (str_eq(path, STR("/")))
        path = STR("");
    return str_format(r->arena, "/%.*s%.*s", PRSTR(r->bucket), PRSTR(path));
}

static bool match_rest(struct routing *r, size_t position)
{
    const struct wire_model *model = r->index->models[position];
    if (!(model->protocols & rest_protocols) || !may_match(r, model))
        return false;
    struct str path = rest_path(r, model);
    int operation = wire_rest_match(model, r->request, path);
    if (operation < 0)
        return false;
    (void)choose(r, position, operation, one_of(model, rest_protocols));
    r->out->path = path;
    return true;
}

static bool route_scoped_rest(struct routing *r)
{
    size_t s3 = 0;
    for (size_t at = r->first; at != 0; at = r->index->next[at - 1]) {
        if (at - 1 == r->index->s3)
            s3 = at;
        else if (match_rest(r, at - 1))
            return true;
    }
    return s3 != 0 && match_rest(r, s3 - 1);
}

/* Unsigned requests: the longest endpoint prefix that the host begins with. */
static bool route_host(struct routing *r)
{
    size_t best = r->index->count;
    size_t best_len = 0;
    for (size_t i = 0; i < r->index->count; i++) {
        const struct wire_model *model = r->index->models[i];
        size_t len = model->endpoint_prefix.len;
        if (len > best_len && i != r->index->s3 && is_hosted(r, model)) {
            best = i;
            best_len = len;
        }
    }
    if (best == r->index->count)
        return false;
    if (match_rest(r, best))
        return true;
    const struct wire_model *model = r->index->models[best];
    return choose(r, best, -1, (enum wire_protocol)(1u << model->own_protocol));
}

bool wire_route(struct arena *arena, const struct wire_index *index,
                const struct wire_request *request, struct str scope_service,
                struct str bucket_in_host, struct wire_route *out)
{
    struct routing r = {
        .arena = arena,
        .index = index,
        .request = request,
        .bucket = bucket_in_host,
        .out = out,
        .first = position_of_scope(index, scope_service),
    };
    struct str target = wire_request_header(request, STR("x-amz-target"));
    if (!str_is_absent(target) && route_target(&r, target))
        return true;
    if (str_eq_nocase(wire_request_header(request, STR("smithy-protocol")), STR("rpc-v2-cbor")) &&
        route_cbor(&r))
        return true;
    if (str_is_absent(bucket_in_host) && route_action(&r))
        return true;
    if (r.first != 0) {
        if (route_scoped_rest(&r))
            return true;
        const struct wire_model *model = index->models[r.first - 1];
        return choose(&r, r.first - 1, -1, (enum wire_protocol)(1u << model->own_protocol));
    }
    if (!str_is_absent(scope_service) && !str_is_empty(scope_service))
        return false;
    if (str_is_absent(bucket_in_host) && route_host(&r))
        return true;
    if (index->s3 == index->count)
        return false;
    if (match_rest(&r, index->s3))
        return true;
    return choose(&r, index->s3, -1, WIRE_PROTOCOL_REST_XML);
}

void wire_route_rest(const struct wire_model *model, const struct wire_request *request,
                     struct str path, struct wire_route *out)
{
    *out = (struct wire_route){
        .model = model,
        .operation = wire_rest_match(model, request, path),
        .protocol = one_of(model, rest_protocols),
        .path = path,
    };
}
