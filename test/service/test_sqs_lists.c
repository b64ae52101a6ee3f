/* ListQueues and its pages; TagQueue, UntagQueue, ListQueueTags. */
#include "service/sqs_support.h"

static const struct sqs_ListQueuesResult *list(struct loopback *lo, const char *prefix, int max,
                                               struct str token)
{
    return SQS_OK(lo, ListQueues, .QueueNamePrefix = str_from_c(prefix),
                  .MaxResults = max == 0 ? (struct opt_int){0} : opt_int(max), .NextToken = token);
}

static void test_list(void **state)
{
    struct loopback *lo = *state;
    static const char *const names[] = {"b", "a-1", "a", "ab", "A"};
    struct str none = {0};
    assert_null(list(lo, NULL, 0, none)->QueueUrls.items);
    for (size_t i = 0; i < 5; i++)
        sqs_queue(lo, names[i]);
    lo->region = STR("eu-west-1");
    sqs_queue(lo, "elsewhere");
    lo->region = STR("us-east-1");
    const struct sqs_ListQueuesResult *all = list(lo, NULL, 0, none);
    assert_int_equal(all->QueueUrls.len, 5);
    assert_str(all->QueueUrls.items[0], STR("http://localhost:4566/000000000000/A"));
    assert_str(all->QueueUrls.items[4], STR("http://localhost:4566/000000000000/b"));
    assert_int_equal(list(lo, "a", 0, none)->QueueUrls.len, 3);
    assert_int_equal(list(lo, "a-", 0, none)->QueueUrls.len, 1);
    assert_int_equal(list(lo, "", 0, none)->QueueUrls.len, 5);
    assert_int_equal(list(lo, "c", 0, none)->QueueUrls.len, 0);
}

static void test_pages(void **state)
{
    struct loopback *lo = *state;
    struct str none = {0}, token = {0};
    for (int i = 0; i < 7; i++)
        sqs_queue(lo, str_to_c(lo->arena, str_format(lo->arena, "q-%d", i)));
    sqs_queue(lo, "z");
    size_t seen = 0, pages = 0;
    do {
        const struct sqs_ListQueuesResult *page = list(lo, "q-", 3, token);
        for (size_t i = 0; i < page->QueueUrls.len; i++)
            assert_str(page->QueueUrls.items[i],
                       str_format(lo->arena, "http://localhost:4566/000000000000/q-%zu", seen++));
        token = page->NextToken;
        pages++;
        loopback_reopen(lo); /* tokens outlive the process */
    } while (!str_is_absent(token));
    assert_int_equal(seen, 7);
    assert_int_equal(pages, 3);
    assert_true(str_is_absent(list(lo, "q-", 7, none)->NextToken));
    assert_true(str_is_absent(list(lo, NULL, 0, none)->NextToken));
    /* The last one seen is gone: the next page goes on behind it. */
    token = list(lo, "q-", 3, none)->NextToken;
    loopback_ok(SQS_CALL(lo, DeleteQueue, .QueueUrl = STR("q-2")));
    assert_str(list(lo, "q-", 3, token)->QueueUrls.items[0],
               STR("http://localhost:4566/000000000000/q-3"));
    SQS_FAILS(lo, "InvalidParameterValueException", "Invalid or expired next token.", ListQueues,
              .MaxResults = opt_int(3), .NextToken = STR("nonsense"));
    lo->account = STR("111111111111");
    SQS_FAILS(lo, "InvalidParameterValueException", "Invalid or expired next token.", ListQueues,
              .MaxResults = opt_int(3), .NextToken = token);
    static const int wrong[] = {0, 1001, -1};
    for (size_t i = 0; i < 3; i++)
        SQS_FAILS(
            lo, "InvalidParameterValueException",
            str_to_c(lo->arena,
                     str_format(lo->arena,
                                "Value %d for parameter MaxResults is invalid. Reason: Must be "
                                "between 1 and 1000, if provided.",
                                wrong[i])),
            ListQueues, .MaxResults = opt_int(wrong[i]));
}

static void test_thousand(void **state)
{
    struct loopback *lo = *state;
    struct str none = {0};
    for (int i = 0; i < 1003; i++)
        sqs_queue(lo, str_to_c(lo->arena, str_format(lo->arena, "q-%04d", i)));
    assert_int_equal(list(lo, NULL, 0, none)->QueueUrls.len, 1000);
    const struct sqs_ListQueuesResult *page = list(lo, NULL, 1000, none);
    assert_int_equal(page->QueueUrls.len, 1000);
    assert_int_equal(list(lo, NULL, 1000, page->NextToken)->QueueUrls.len, 3);
}

/* --- tags
 * ----------------------------------------------------------------------------------------------------------
 */

static struct str tag(struct loopback *lo, struct str url, const char *key)
{
    const struct sqs_ListQueueTagsResult *result = SQS_OK(lo, ListQueueTags, .QueueUrl = url);
    for (size_t i = 0; i < result->Tags.len; i++)
        if (str_eq(result->Tags.items[i].key, str_from_c(key)))
            return result->Tags.items[i].value;
    return (struct str){0};
}

static void test_tags(void **state)
{
    struct loopback *lo = *state;
    struct str url = SQS_OK(lo, CreateQueue, .QueueName = STR("tagged"),
                            .tags = PAIRS(lo, "team", "garden", "empty", ""))
                         ->QueueUrl;
    assert_str(tag(lo, url, "team"), STR("garden"));
    assert_str(tag(lo, url, "empty"), STR(""));
    loopback_ok(SQS_CALL(lo, TagQueue, .QueueUrl = url,
                         .Tags = PAIRS(lo, "team", "cloud", "Team", "other")));
    assert_str(tag(lo, url, "team"), STR("cloud"));
    assert_str(tag(lo, url, "Team"), STR("other"));
    loopback_ok(SQS_CALL(lo, UntagQueue, .QueueUrl = url, .TagKeys = NAMES(lo, "team", "unknown")));
    assert_true(str_is_absent(tag(lo, url, "team")));
    loopback_reopen(lo);
    assert_int_equal(SQS_OK(lo, ListQueueTags, .QueueUrl = url)->Tags.len, 2);
    loopback_ok(SQS_CALL(lo, UntagQueue, .QueueUrl = url, .TagKeys = NAMES(lo, "Team", "empty")));
    assert_null(SQS_OK(lo, ListQueueTags, .QueueUrl = url)->Tags.items);
}

static void test_tags_refused(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "tagged");
    static const char *const wrong[][2] = {
        {"", "v"}, {"aws:x", "v"}, {"AWS:x", "v"}, {"a*b", "v"}, {"k", "v*"}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        SQS_FAILS(lo, "InvalidParameterValueException", NULL, TagQueue, .QueueUrl = url,
                  .Tags = PAIRS(lo, wrong[i][0], wrong[i][1]));
        SQS_FAILS(lo, "InvalidParameterValueException", NULL, CreateQueue, .QueueName = STR("new"),
                  .tags = PAIRS(lo, wrong[i][0], wrong[i][1]));
    }
    SQS_FAILS(lo, "MissingRequiredParameterException",
              "The request must contain the parameter Tags.", TagQueue, .QueueUrl = url);
    SQS_FAILS(lo, "InvalidParameterValueException",
              "Tag keys must be between 1 and 128 characters in length.", UntagQueue,
              .QueueUrl = url);
    struct str_map many = {.items = ARENA_ARRAY(lo->arena, 51, struct str_map_entry), .len = 50};
    for (size_t i = 0; i < 51; i++)
        many.items[i] = (struct str_map_entry){str_format(lo->arena, "k%zu", i), STR("v")};
    loopback_ok(SQS_CALL(lo, TagQueue, .QueueUrl = url, .Tags = many));
    SQS_FAILS(lo, "InvalidParameterValueException", "Too many tags added for queue tagged.",
              TagQueue, .QueueUrl = url, .Tags = PAIRS(lo, "one", "more"));
    loopback_ok(SQS_CALL(lo, TagQueue, .QueueUrl = url, .Tags = PAIRS(lo, "k0", "again")));
    many.len = 51;
    SQS_FAILS(lo, "InvalidParameterValueException", "Too many tags added for queue new.",
              CreateQueue, .QueueName = STR("new"), .tags = many);
    assert_str(sqs_queue(lo, "new"), STR("http://localhost:4566/000000000000/new"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQS_TEST(test_list), SQS_TEST(test_pages),        SQS_TEST(test_thousand),
        SQS_TEST(test_tags), SQS_TEST(test_tags_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
