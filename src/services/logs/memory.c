#include "services/logs/memory.h"

#include "services/logs/queries.h"
#include "services/logs/tail.h"

struct logs_memory *logs_memory_of(const struct cloud *cloud)
{
    return cloud_memory(cloud, &logs_model);
}

void *logs_memory_new(void)
{
    struct logs_memory *memory = heap_alloc(sizeof *memory);
    memory->queries = query_table_new();
    memory->tails = tail_table_new();
    return memory;
}

void logs_memory_free(void *context)
{
    struct logs_memory *memory = context;
    query_table_free(memory->queries);
    tail_table_free(memory->tails);
    heap_free(memory);
}
