/* "Reserved words in DynamoDB". */
#ifndef KUMONIWA_SERVICES_DYNAMODB_RESERVED_H
#define KUMONIWA_SERVICES_DYNAMODB_RESERVED_H

#include "base/str.h"

/* Whatever its case. */
bool reserved_word(struct str name);

#endif
