/* Tags: "Using tags on Lambda functions", Developer Guide. */
#include "cloud/tags.h"

#include "services/lambda/lambda_int.h"

RESULT tags_fail(struct call *call, const struct str_map *tags)
{
    size_t which;
    switch (tags_check(tags, 50, &which)) {
    case TAGS_OK:
        return RESULT_OK;
    case TAGS_TOO_MANY:
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Number of tags exceeds resource tag limit.");
    case TAGS_KEY_RESERVED:
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Tag key begins with aws: which is reserved.");
    case TAGS_KEY_LENGTH:
    case TAGS_KEY_CHARACTERS:
    case TAGS_KEY_TWICE:
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE, "The tag key %.*s is not valid.",
                         PRSTR(tags->items[which].key));
    case TAGS_VALUE_LENGTH:
    case TAGS_VALUE_CHARACTERS:
        break;
    }
    return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                     "The value of the tag %.*s is not valid.", PRSTR(tags->items[which].key));
}
