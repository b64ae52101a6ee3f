/* Filters of event sources, against the examples and rules of the documentation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "services/lambda/filter.h"
#include "support/loopback.h"

struct row {
    const char *pattern, *event;
    bool matches;
};

static const struct row rows[] = {
    {"{}", "{\"a\":1}", true},
    {"{\"a\":[\"x\"]}", "{\"a\":\"x\"}", true},
    {"{\"a\":[\"x\"]}", "{\"a\":\"X\"}", false},
    {"{\"a\":[\"x\",\"y\"]}", "{\"a\":\"y\"}", true},
    {"{\"a\":[\"x\"]}", "{\"b\":\"x\"}", false},
    {"{\"a\":[1]}", "{\"a\":1}", true},
    {"{\"a\":[300]}", "{\"a\":300.0}", false},
    {"{\"a\":[300]}", "{\"a\":3.0e2}", false},
    {"{\"a\":[{\"numeric\":[\"=\",300]}]}", "{\"a\":3.0e2}", true},
    {"{\"a\":[{\"anything-but\":[300]}]}", "{\"a\":300}", false},
    {"{\"a\":[{\"anything-but\":[300]}]}", "{\"a\":\"300\"}", true},
    {"{\"a\":[\"\"]}", "{\"a\":\"\"}", true},
    {"{\"a\":[\"\"]}", "{\"a\":null}", false},
    {"{\"a\":[1]}", "{\"a\":\"1\"}", false},
    {"{\"a\":[null]}", "{\"a\":null}", true},
    {"{\"a\":[null]}", "{}", false},
    {"{\"a\":[true]}", "{\"a\":true}", true},
    {"{\"a\":[\"x\"]}", "{\"a\":[\"w\",\"x\"]}", true},
    {"{\"a\":{\"b\":[\"x\"]}}", "{\"a\":{\"b\":\"x\",\"c\":1}}", true},
    {"{\"a\":{\"b\":[\"x\"]}}", "{\"a\":[{\"b\":\"w\"},{\"b\":\"x\"}]}", true},
    {"{\"a\":{\"b\":[\"x\"]}}", "{\"a\":\"x\"}", false},
    {"{\"a\":[\"x\"],\"b\":[\"y\"]}", "{\"a\":\"x\",\"b\":\"z\"}", false},
    {"{\"a\":[{\"prefix\":\"ab\"}]}", "{\"a\":\"abc\"}", true},
    {"{\"a\":[{\"prefix\":\"bc\"}]}", "{\"a\":\"abc\"}", false},
    {"{\"a\":[{\"prefix\":{\"equals-ignore-case\":\"AB\"}}]}", "{\"a\":\"abc\"}", true},
    {"{\"a\":[{\"suffix\":\"bc\"}]}", "{\"a\":\"abc\"}", true},
    {"{\"a\":[{\"suffix\":\"abcd\"}]}", "{\"a\":\"abc\"}", false},
    {"{\"a\":[{\"equals-ignore-case\":\"ALICE\"}]}", "{\"a\":\"alice\"}", true},
    {"{\"a\":[{\"anything-but\":\"x\"}]}", "{\"a\":\"y\"}", true},
    {"{\"a\":[{\"anything-but\":[\"x\",\"y\"]}]}", "{\"a\":\"y\"}", false},
    {"{\"a\":[{\"anything-but\":[1,2]}]}", "{\"a\":3}", true},
    {"{\"a\":[{\"anything-but\":{\"prefix\":\"in\"}}]}", "{\"a\":\"init\"}", false},
    {"{\"a\":[{\"anything-but\":{\"prefix\":\"in\"}}]}", "{\"a\":\"run\"}", true},
    {"{\"a\":[{\"anything-but\":{\"suffix\":[\".png\",\".jpg\"]}}]}", "{\"a\":\"x.txt\"}", true},
    {"{\"a\":[{\"anything-but\":\"x\"}]}", "{}", false},
    {"{\"a\":[{\"numeric\":[\"=\",5]}]}", "{\"a\":5}", true},
    {"{\"a\":[{\"numeric\":[\">\",0,\"<=\",5]}]}", "{\"a\":5}", true},
    {"{\"a\":[{\"numeric\":[\">\",0,\"<\",5]}]}", "{\"a\":5}", false},
    {"{\"a\":[{\"numeric\":[\">\",0]}]}", "{\"a\":\"5\"}", false},
    {"{\"a\":[{\"exists\":true}]}", "{\"a\":null}", true},
    {"{\"a\":[{\"exists\":true}]}", "{\"a\":[[1]]}", true},
    /* "only work on leaf nodes" */
    {"{\"a\":[{\"exists\":true}]}", "{\"a\":{\"b\":1}}", false},
    {"{\"a\":[{\"exists\":false}]}", "{\"a\":{\"b\":1}}", true},
    {"{\"a\":[{\"exists\":false}]}", "{\"a\":[]}", true},
    {"{\"a\":{\"b\":[{\"exists\":false}]}}", "{\"a\":1}", true},
    {"{\"a\":[{\"anything-but\":\"x\"}]}", "{\"a\":{\"b\":1}}", false},
    {"{\"a\":[{\"anything-but\":{\"wildcard\":\"*/lib/*\"}}]}", "{\"a\":\"/usr/lib/x\"}", false},
    {"{\"a\":[{\"anything-but\":{\"wildcard\":\"*/lib/*\"}}]}", "{\"a\":\"/usr/bin/x\"}", true},
    {"{\"a\":[{\"anything-but\":{\"equals-ignore-case\":[\"INIT\"]}}]}", "{\"a\":\"init\"}", false},
    {"{\"$or\":[{\"a\":[{\"prefix\":\"x\"}]},{\"b\":{\"c\":[2]}}]}", "{\"b\":{\"c\":2}}", true},
    {"{\"$or\":[{\"a\":[1],\"d\":[4]},{\"b\":[2]}]}", "{\"a\":1}", false},
    {"{\"a\":[{\"exists\":true}]}", "{}", false},
    {"{\"a\":[{\"exists\":false}]}", "{}", true},
    {"{\"a\":[{\"exists\":false}]}", "{\"a\":1}", false},
    {"{\"a\":[{\"exists\":false},\"x\"]}", "{\"a\":\"x\"}", true},
    {"{\"a\":{\"b\":[{\"exists\":false}]}}", "{}", true},
    {"{\"a\":[{\"cidr\":\"10.0.0.0/24\"}]}", "{\"a\":\"10.0.0.255\"}", true},
    {"{\"a\":[{\"cidr\":\"10.0.0.0/24\"}]}", "{\"a\":\"10.0.1.0\"}", false},
    {"{\"a\":[{\"cidr\":\"2001:db8::/33\"}]}", "{\"a\":\"2001:db8:7fff::1\"}", true},
    {"{\"a\":[{\"cidr\":\"2001:db8::/33\"}]}", "{\"a\":\"2001:db8:8000::1\"}", false},
    {"{\"a\":[{\"wildcard\":\"x*z\"}]}", "{\"a\":\"xyyz\"}", true},
    {"{\"a\":[{\"wildcard\":\"x\\\\*z\"}]}", "{\"a\":\"xyz\"}", false},
    {"{\"a\":[{\"wildcard\":\"x\\\\*z\"}]}", "{\"a\":\"x*z\"}", true},
    {"{\"$or\":[{\"a\":[1]},{\"b\":[2]}]}", "{\"b\":2}", true},
    {"{\"$or\":[{\"a\":[1]},{\"b\":[2]}],\"c\":[3]}", "{\"b\":2,\"c\":4}", false},
    {"{\"dynamodb\":{\"NewImage\":{\"k\":{\"S\":[\"v\"]}}}}",
     "{\"dynamodb\":{\"NewImage\":{\"k\":{\"S\":\"v\"}}}}", true},
};

static void patterns_match_as_documented(void **unused)
{
    (void)unused;
    struct arena *arena = arena_new(0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct str problem;
        struct str pattern = str_from_c(rows[i].pattern);
        if (!filter_is_valid(arena, pattern, &problem))
            fail_msg("%s: %.*s", rows[i].pattern, PRSTR(problem));
        if (filter_matches(arena, pattern, str_from_c(rows[i].event)) != rows[i].matches)
            fail_msg("%s on %s", rows[i].pattern, rows[i].event);
    }
    arena_free(arena);
}

static void what_is_no_pattern_is_refused(void **unused)
{
    (void)unused;
    static const char *const bad[] = {
        "",
        "x",
        "[]",
        "\"a\"",
        "{\"a\":\"x\"}",
        "{\"a\":[]}",
        "{\"a\":{}}",
        "{\"a\":[[1]]}",
        "{\"a\":[{\"prefix\":1}]}",
        "{\"a\":[{\"prefix\":\"x\",\"suffix\":\"y\"}]}",
        "{\"a\":[{}]}",
        "{\"a\":[{\"likes\":\"x\"}]}",
        "{\"a\":[{\"exists\":\"true\"}]}",
        "{\"a\":[{\"numeric\":[]}]}",
        "{\"a\":[{\"numeric\":[\">\"]}]}",
        "{\"a\":[{\"numeric\":[\"~\",1]}]}",
        "{\"a\":[{\"numeric\":[\">\",\"1\"]}]}",
        "{\"a\":[{\"cidr\":\"10.0.0.0\"}]}",
        "{\"a\":[{\"cidr\":\"10.0.0.0/33\"}]}",
        "{\"a\":[{\"anything-but\":{\"numeric\":[\"=\",1]}}]}",
        "{\"a\":[{\"anything-but\":[true]}]}",
        "{\"a\":[{\"anything-but\":[]}]}",
        "{\"a\":[{\"anything-but\":[\"x\",1]}]}",
        "{\"a\":[{\"numeric\":[\"!=\",1]}]}",
        "{\"a\":[{\"wildcard\":\"a**b\"}]}",
        "{\"a\":[{\"wildcard\":\"a\\\\b\"}]}",
        "{\"$or\":[{\"a\":[1]}]}",
        "{\"$or\":[{\"a\":[1]},{\"b\":2}]}",
    };
    struct arena *arena = arena_new(0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct str problem;
        if (filter_is_valid(arena, str_from_c(bad[i]), &problem))
            fail_msg("%s is taken", bad[i]);
        assert_false(str_is_empty(problem));
    }
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_as_documented),
        cmocka_unit_test(what_is_no_pattern_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
