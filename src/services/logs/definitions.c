/* Saved queries: PutQueryDefinition, DescribeQueryDefinitions, DeleteQueryDefinition. */
#include "base/rng.h"
#include "base/vec.h"
#include "cloud/paging.h"
#include "services/logs/logs_int.h"
#include "store/record.h"

enum { DEFINITIONS_PAGE = 1000 };

static struct key definition_key(struct call *call, struct str id)
{
    struct key key = call_key(call, STR("query-definition"));
    if (!str_is_absent(id))
        key_str(&key, id);
    return key;
}

static RESULT refuse_language(struct call *call, struct str language)
{
    if (str_is_absent(language) || str_eq(language, LOGS_QUERY_LANGUAGE_CWLI))
        return RESULT_OK;
    return call_fail(call, LOGS_NOT_IMPLEMENTED,
                     "The query language %.*s is not implemented: only CWLI is.", PRSTR(language));
}

static RESULT definition_find(struct call *call, struct str id, struct logs_definition *definition)
{
    struct key key = definition_key(call, id);
    bool found;
    TRY(call_get_record_copy(call, &key, &logs_model, LOGS_SHAPE_definition, definition, &found));
    return found ? RESULT_OK
                 : call_fail(call, LOGS_RESOURCE_NOT_FOUND,
                             "The specified query definition does not exist.");
}

/* An id of the client's token, so that a repeated request is the same definition. */
static struct str new_id(struct call *call, struct str token)
{
    char *id = arena_alloc(call->arena, 36);
    rng_uuid(id);
    return token.len == 36 ? token : str_make(id, 36);
}

RESULT logs_PutQueryDefinition(struct call *call, const struct logs_PutQueryDefinitionRequest *in,
                               struct logs_PutQueryDefinitionResponse *out)
{
    struct logs_definition old;
    TRY(refuse_language(call, in->queryLanguage));
    if (!str_is_absent(in->queryDefinitionId))
        TRY(definition_find(call, in->queryDefinitionId, &old));
    const struct logs_definition definition = {
        .id = str_is_absent(in->queryDefinitionId) ? new_id(call, in->clientToken)
                                                   : in->queryDefinitionId,
        .name = in->name,
        .text = in->queryString,
        .groups = in->logGroupNames,
        .modified_ms = call->now_ms,
        .parameters = in->parameters,
    };
    struct key key = definition_key(call, definition.id);
    out->queryDefinitionId = definition.id;
    return call_put_record(call, &key, &logs_model, LOGS_SHAPE_definition, &definition);
}

RESULT logs_DeleteQueryDefinition(struct call *call,
                                  const struct logs_DeleteQueryDefinitionRequest *in,
                                  struct logs_DeleteQueryDefinitionResponse *out)
{
    struct logs_definition definition;
    TRY(definition_find(call, in->queryDefinitionId, &definition));
    struct key key = definition_key(call, in->queryDefinitionId);
    out->success = opt_bool(true);
    return kv_delete(call->txn, key_bytes(&key), NULL);
}

RESULT logs_DescribeQueryDefinitions(struct call *call,
                                     const struct logs_DescribeQueryDefinitionsRequest *in,
                                     struct logs_DescribeQueryDefinitionsResponse *out)
{
    size_t limit = in->maxResults.set ? (size_t)in->maxResults.value : DEFINITIONS_PAGE, cap = 1;
    struct key all = definition_key(call, (struct str){0});
    struct kv_cursor *cursor;
    struct str key, value, after, last = {0};
    TRY(refuse_language(call, in->queryLanguage));
    TRY(logs_page(call, in->nextToken, &after));
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&all), false, &cursor));
    out->queryDefinitions.items = ARENA_NEW(call->arena, struct logs_QueryDefinition);
    for (;;) {
        struct logs_definition found;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        TRY(record_decode_copy(call->arena, &logs_model, LOGS_SHAPE_definition, value, &found));
        if ((!str_is_absent(after) && str_cmp(found.id, after) <= 0) ||
            (!str_is_absent(in->queryDefinitionNamePrefix) &&
             !str_starts_with(found.name, in->queryDefinitionNamePrefix)))
            continue;
        if (out->queryDefinitions.len == limit) {
            out->nextToken = paging_token(call, last);
            return RESULT_OK;
        }
        const struct logs_QueryDefinition shown = {
            .queryLanguage = LOGS_QUERY_LANGUAGE_CWLI,
            .queryDefinitionId = last = found.id,
            .name = found.name,
            .queryString = found.text,
            .lastModified = opt_long(found.modified_ms),
            .logGroupNames = found.groups,
            .parameters = found.parameters,
        };
        VEC_PUSH(call->arena, out->queryDefinitions.items, out->queryDefinitions.len, cap, shown);
    }
}
