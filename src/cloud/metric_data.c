#include "cloud/metric_data.h"

const struct metric_keeper *metric_keeper_of(const struct cloud *cloud)
{
    for (size_t i = 0; cloud->hooks[i] != NULL; i++)
        if (cloud->hooks[i]->metric_keeper != NULL)
            return cloud->hooks[i]->metric_keeper;
    return NULL;
}
