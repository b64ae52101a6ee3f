/* Values and items written as DynamoDB's JSON, for tests of DynamoDB's pure parts. */
#ifndef KUMONIWA_TEST_SERVICE_DYNAMODB_TEXT_H
#define KUMONIWA_TEST_SERVICE_DYNAMODB_TEXT_H

#include "services/dynamodb/expression.h"

/* {"a": {"S": "x"}, ...}; the test fails when it is not JSON. Apostrophes stand for quotation
 * marks. */
struct dynamodb_AttributeMap dynamodb_item(struct arena *arena, const char *json);
/* {"S": "x"} */
struct dynamodb_AttributeValue dynamodb_value(struct arena *arena, const char *json);
/* Any shape of the model, by its number. */
void dynamodb_read(struct arena *arena, uint16_t shape, const char *json, void *out);
/* JSON with apostrophes, members in the item's order. */
struct str dynamodb_text(struct arena *arena, const struct dynamodb_AttributeMap *item);
struct str dynamodb_value_text(struct arena *arena, const struct dynamodb_AttributeValue *value);

#endif
