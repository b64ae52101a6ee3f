/* Logs Insights: what queries yield, refuse, and survive. */
#include <time.h>

#include "cloud/call.h"
#include "service/logs_support.h"

static void group(struct loopback *lo)
{
    LOGS_DO(lo, CreateLogGroup, .logGroupName = STR("g"));
    LOGS_DO(lo, CreateLogStream, .logGroupName = STR("g"), .logStreamName = STR("s"));
}

static struct str start(struct loopback *lo, const char *text)
{
    return LOGS_OK(lo, StartQuery, .logGroupName = STR("g"), .queryString = str_from_c(text),
                   .startTime = opt_long(LOOPBACK_NOW / 1000 - 86400),
                   .endTime = opt_long(LOOPBACK_NOW / 1000))
        ->queryId;
}

static const struct logs_GetQueryResultsResponse *results(struct loopback *lo, struct str id)
{
    return LOGS_OK(lo, GetQueryResults, .queryId = id);
}

/* "name=value,name=value;..." without @ptr. */
static struct str rows_of(struct loopback *lo, const struct logs_GetQueryResultsResponse *found)
{
    struct buf out;
    buf_init(&out, lo->arena, SIZE_MAX);
    for (size_t i = 0; i < found->results.len; i++) {
        bool first = true;
        for (size_t at = 0; at < found->results.items[i].len; at++) {
            const struct logs_ResultField *field = &found->results.items[i].items[at];
            if (str_eq(field->field, STR("@ptr")))
                continue;
            buf_append_format(&out, "%s%.*s=%.*s", first ? "" : ",", PRSTR(field->field),
                              PRSTR(field->value));
            first = false;
        }
        buf_append_char(&out, ';');
    }
    return buf_str(&out);
}

static void check(struct loopback *lo, const char *text, const char *expected)
{
    struct str id = start(lo, text);
    loopback_deliver(lo);
    const struct logs_GetQueryResultsResponse *found = results(lo, id);
    struct str rows = rows_of(lo, found);
    if (!str_eq(found->status, STR("Complete")) || !str_eq(rows, str_from_c(expected)))
        fail_msg("%s: %.*s: %.*s", text, PRSTR(found->status), PRSTR(rows));
}

static void test_commands(void **state)
{
    struct loopback *lo = *state;
    group(lo);
    logs_put(lo, "s", LOOPBACK_NOW - 600000,
             "{\"level\":\"info\",\"ms\":12,\"u\":{\"n\":\"anna\"}}");
    logs_put(lo, "s", LOOPBACK_NOW - 400000,
             "{\"level\":\"error\",\"ms\":30,\"u\":{\"n\":\"bert\"}}");
    logs_put(lo, "s", LOOPBACK_NOW - 200000, "{\"level\":\"info\",\"ms\":8.5,\"l\":[4,{\"x\":5}]}");
    logs_put(lo, "s", LOOPBACK_NOW - 100000, "user=carl, took 90 ms");
    check(lo, "fields @timestamp, level | filter level = \"info\"",
          "@timestamp=2026-11-20 23:56:40.000,level=info;"
          "@timestamp=2026-11-20 23:50:00.000,level=info;");
    check(lo, "fields ms * 2 as double, u.n | filter ms > 9 | sort double desc",
          "double=60,u.n=bert;double=24,u.n=anna;");
    check(lo, "stats count(*) as n, sum(ms), avg(ms) as mean by level | sort n desc, level asc",
          "level=info,n=2,sum(ms)=20.5,mean=10.25;n=1;level=error,n=1,sum(ms)=30,mean=30;");
    check(lo, "stats count(*) by bin(5m)",
          "bin(5m)=2026-11-20 23:55:00.000,count(*)=2;bin(5m)=2026-11-20 23:50:00.000,count(*)=2;");
    check(lo, "stats count(*) by bin(5m) as b | sort count(*) asc, b asc | limit 1",
          "b=2026-11-20 23:50:00.000,count(*)=2;");
    check(lo,
          "parse @message \"user=*, took * ms\" as who, took | filter ispresent(who) | display "
          "who, took",
          "who=carl,took=90;");
    check(lo, "parse @message /user=(?<who>[a-z]+)/ | filter who like \"ar\" | display who",
          "who=carl;");
    check(lo, "fields l.0 as first, l.1.x as second | filter ispresent(l.0)", "first=4,second=5;");
    check(lo, "fields level | dedup level | filter ispresent(level)", "level=info;level=error;");
    check(lo, "fields level | filter level in [\"error\", \"fatal\"]", "level=error;");
    check(lo, "fields level | filter level not in [\"error\"] and ms < 10", "level=info;");
    check(lo, "fields @message | filter @message like /took \\d+/ | limit 5",
          "@message=user=carl, took 90 ms;");
    check(lo, "filter @message =~ /(?i)BERT/ | display u.n", "u.n=bert;");
    check(lo,
          "stats max(ms), min(ms), median(ms), pct(ms, 50) as p, stddev(ms) as d, "
          "count_distinct(level) as l, earliest(ms) as e, latest(ms) as t, sortsFirst(u.n) as f",
          "max(ms)=30,min(ms)=8.5,median(ms)=12,p=12,d=9.419247433963195,l=2,e=12,t=8.5,f=anna;");
    check(lo, "fields @message | limit 1 # a comment\n", "@message=user=carl, took 90 ms;");
    check(lo, "stats sum(ms) as s by level | stats max(s) as most", "most=30;");
    check(lo, "fields @logStream, @log | limit 1", "@logStream=s,@log=000000000000:g;");
    check(lo, "filter level = \"fatal\" | stats count(*) as n", "n=0;");
    check(lo, "filter level = \"fatal\" | stats count(*) as n by level", "");
}

static void test_functions(void **state)
{
    struct loopback *lo = *state;
    group(lo);
    logs_put(lo, "s", LOOPBACK_NOW - 1000, "{\"s\":\" Abc \",\"n\":-2.5,\"ip\":\"10.1.2.3\"}");
    check(lo,
          "fields abs(n) as a, ceil(n) as b, floor(n) as c, sqrt(16) as d, greatest(1, n, 7) as e, "
          "least(1, n) as f | display a, b, c, d, e, f",
          "a=2.5,b=-2,c=-3,d=4,e=7,f=-2.5;");
    check(
        lo,
        "fields trim(s) as a, toupper(s) as b, strlen(s) as c, substr(s, 1, 2) as d, "
        "replace(s, \"b\", \"xx\") as e, concat(\"<\", n, \">\") as f, strcontains(s, \"Ab\") as g",
        "a=Abc,b= ABC ,c=5,d=Ab,e= Axxc ,f=<-2.5>,g=1;");
    check(
        lo,
        "fields isIpInSubnet(ip, \"10.0.0.0/8\") as a, isIpv4InSubnet(ip, \"10.2.0.0/16\") as b, "
        "isValidIp(ip) as c, isValidIpv6(ip) as d, isIpv6InSubnet(\"fe80::1\", \"fe80::/10\") as e",
        "a=1,b=0,c=1,d=0,e=1;");
    check(lo,
          "fields coalesce(x, n) as a, isempty(x) as b, isblank(\"  \") as c, ispresent(x) as d",
          "a=-2.5,b=1,c=1,d=0;");
    check(lo, "fields 2 + 3 * 4 ^ 2 as a, (2 + 3) * 4 as b, 7 % 4 as c, 1 / 0 as d, -n as e",
          "a=50,b=20,c=3,e=2.5;");
    check(lo,
          "fields datefloor(@timestamp, 1h) as a, dateceil(@timestamp, 1h) as b, "
          "toMillis(@timestamp) as c, fromMillis(0) as d, now() as e",
          "a=2026-11-20 23:00:00.000,b=2026-11-21 00:00:00.000,c=1795219199000,"
          "d=1970-01-01 00:00:00.000,e=1795219200;");
}

static void test_json(void **state)
{
    struct loopback *lo = *state;
    group(lo);
    logs_put(lo, "s", LOOPBACK_NOW - 1000,
             "{\"code\":200,\"raw\":\"{ \\\"a\\\": [ 1, {\\\"b c\\\": \\\"x y\\\"} ] "
             "}\",\"m\":{\"a.b\":7}}");
    check(lo, "fields jsonParse(@message) as j | display j.code, j.m.`a.b`",
          "j.code=200,j.m.a.b=7;");
    check(
        lo,
        "fields jsonParse(raw) as r | fields r.a[0] as one, r.a[1].`b c` as two | display one, two",
        "one=1,two=x y;");
    check(lo,
          "fields jsonStringify(jsonParse(raw)) as t, jsonStringify(code) as u, jsonParse('nope') "
          "as v"
          " | display t, u, v",
          "t={\"a\":[1,{\"b c\":\"x y\"}]};");
    check(lo, "fields jsonParse(raw) as r, r.a as list, list[0] as one | display one", "one=1;");
    check(lo, "fields jsonParse(@message) as j | stats count(*) as n by j.code", "j.code=200,n=1;");
    check(lo, "fields jsonParse(@message) as j | sort @timestamp | display j.code + 1 as k",
          "k=201;");
    check(lo, "fields code as c, c.x as d, raw.a as e | display c, d, e", "c=200;");
}

static void refuses(struct loopback *lo, const char *text, int from);

static void test_unnest(void **state)
{
    struct loopback *lo = *state;
    group(lo);
    logs_put(lo, "s", LOOPBACK_NOW - 2000,
             "{\"id\":1,\"events\":[{\"name\":\"a\",\"n\":2},{\"name\":\"b\",\"n\":3}]}");
    logs_put(lo, "s", LOOPBACK_NOW - 1000,
             "{\"id\":2,\"events\":[{\"name\":\"c\",\"n\":4},5,null]}");
    logs_put(lo, "s", LOOPBACK_NOW - 500, "{\"id\":3,\"events\":[]}");
    logs_put(lo, "s", LOOPBACK_NOW - 400, "nothing");
#define UNNEST "fields jsonParse(@message) as j | unnest j.events into e | "
    check(lo, UNNEST "display id, e.name", "id=2,e.name=c;id=2;id=2;id=1,e.name=a;id=1,e.name=b;");
    check(lo, UNNEST "filter e.n >= 3 | fields e.n * 2 as m | display id, m", "id=2,m=8;id=1,m=6;");
    check(lo, UNNEST "stats sum(e.n) as s, count(*) as n by id | sort id asc",
          "id=1,s=5,n=2;id=2,s=4,n=3;");
    check(lo, UNNEST "sort e.n desc | limit 2 | display e.name", "e.name=c;e.name=b;");
    check(lo, UNNEST "limit 2 | display e", "e={\"name\":\"c\",\"n\":4};e=5;");
    check(lo, "filter id = 1 | unnest id into one | display one", "one=1;");
    refuses(lo, "unnest x", 8);
    refuses(lo, "unnest x as y", 9);
}

/* On the cloud's own threads, after the delivery that began it is long gone. */
static void test_on_workers(void **state)
{
    struct loopback *lo = *state;
    struct str status = {0};
    group(lo);
    for (int i = 0; i < 50; i++)
        logs_put(lo, "s", LOOPBACK_NOW - 1000 + i, "{\"n\":1}");
    assert_int_equal(cloud_start(lo->cloud), RESULT_OK);
    struct str id = start(lo, "stats sum(n) as s");
    for (int tries = 0; tries < 3000 && !str_eq(status, STR("Complete")); tries++) {
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
        status = results(lo, id)->status;
    }
    assert_true(str_eq(rows_of(lo, results(lo, id)), STR("s=50;")));
}

static void test_lambda(void **state)
{
    struct loopback *lo = *state;
    group(lo);
    logs_put(lo, "s", LOOPBACK_NOW - 3000,
             "START RequestId: 8f507cfc-0000-4d3b-8a5c-000000000001 Version: $LATEST\n");
    logs_put(lo, "s", LOOPBACK_NOW - 2000,
             "REPORT RequestId: 8f507cfc-0000-4d3b-8a5c-000000000001\tDuration: 12.34 "
             "ms\tBilled Duration: 13 ms\tMemory Size: 128 MB\tMax Memory Used: 45 MB\tInit "
             "Duration: 101.50 ms\t\n");
    check(lo,
          "filter @type = \"REPORT\" | fields @requestId, @duration, @billedDuration, "
          "@memorySize / 1000000 as size, @maxMemoryUsed, @initDuration",
          "@requestId=8f507cfc-0000-4d3b-8a5c-000000000001,@duration=12.34,@billedDuration=13,"
          "size=128,@maxMemoryUsed=45000000,@initDuration=101.5;");
    check(lo, "stats count(*) by @requestId",
          "@requestId=8f507cfc-0000-4d3b-8a5c-000000000001,count(*)=2;");
}

static void test_figures_and_pages(void **state)
{
    struct loopback *lo = *state;
    group(lo);
    for (int i = 0; i < 100; i++) {
        char text[40];
        snprintf(text, sizeof text, "{\"n\":%d}", i);
        logs_put(lo, "s", LOOPBACK_NOW - 100000 + i * 1000, text);
    }
    struct str id = start(lo, "filter n >= 50 | fields n | sort n asc");
    assert_true(str_eq(results(lo, id)->status, STR("Scheduled")));
    loopback_deliver(lo);
    const struct logs_GetQueryResultsResponse *found =
        LOGS_OK(lo, GetQueryResults, .queryId = id, .maxItems = opt_int(30));
    assert_int_equal(found->results.len, 30);
    assert_true(found->statistics->recordsScanned.value >= 100);
    assert_true(found->statistics->recordsMatched.value >= 50 &&
                found->statistics->recordsMatched.value <= 50);
    assert_true(found->statistics->bytesScanned.value >= 790);
    assert_true(str_eq(found->results.items[0].items[0].value, STR("50")));
    found = LOGS_OK(lo, GetQueryResults, .queryId = id, .maxItems = opt_int(30),
                    .nextToken = found->nextToken);
    assert_int_equal(found->results.len, 20);
    assert_true(str_is_absent(found->nextToken));
    /* A record by its pointer. */
    struct str pointer = found->results.items[0].items[1].value;
    const struct logs_GetLogRecordResponse *record =
        LOGS_OK(lo, GetLogRecord, .logRecordPointer = pointer);
    assert_true(str_eq(record->logRecord.items[1].value, STR("{\"n\":80}")));
    assert_true(str_eq(record->logRecord.items[6].key, STR("n")));
    LOGS_FAILS(lo, "InvalidParameterException", NULL, GetLogRecord, .logRecordPointer = STR("x"));
    /* What a group's events have. */
    const struct logs_GetLogGroupFieldsResponse *fields =
        LOGS_OK(lo, GetLogGroupFields, .logGroupName = STR("g"));
    assert_int_equal(fields->logGroupFields.len, 7);
    assert_true(str_eq(fields->logGroupFields.items[6].name, STR("n")));
    assert_int_equal(fields->logGroupFields.items[6].percent.value, 100);
    /* The list. */
    const struct logs_DescribeQueriesResponse *queries =
        LOGS_OK(lo, DescribeQueries, .logGroupName = STR("g"), .status = STR("Complete"));
    assert_int_equal(queries->queries.len, 1);
    loopback_advance(lo, INT64_C(8) * 86400000);
    loopback_deliver(lo);
    LOGS_FAILS(lo, "ResourceNotFoundException", NULL, GetQueryResults, .queryId = id);
    assert_int_equal(LOGS_OK(lo, DescribeQueries, .logGroupName = STR("g"))->queries.len, 0);
}

static void test_stopped_and_resumed(void **state)
{
    struct loopback *lo = *state;
    group(lo);
    logs_put(lo, "s", LOOPBACK_NOW, "x");
    struct str stopped = start(lo, "fields @message"), other = start(lo, "fields @message");
    assert_true(LOGS_OK(lo, StopQuery, .queryId = stopped)->success.value);
    loopback_reopen(lo); /* a crash before it ran */
    loopback_deliver(lo);
    assert_true(str_eq(results(lo, stopped)->status, STR("Cancelled")));
    assert_true(str_eq(results(lo, other)->status, STR("Complete")));
    LOGS_FAILS(lo, "InvalidParameterException", NULL, StopQuery, .queryId = other);
}

static void refuses(struct loopback *lo, const char *text, int from)
{
    struct loopback_reply reply =
        LOGS_CALL(lo, StartQuery, .logGroupName = STR("g"), .queryString = str_from_c(text),
                  .startTime = opt_long(0), .endTime = opt_long(1));
    loopback_error(reply, "MalformedQueryException", NULL);
    const struct logs_MalformedQueryException *detail = reply.detail;
    if (detail->queryCompileError->location->startCharOffset.value != from)
        fail_msg("%s: at %d: %.*s", text,
                 detail->queryCompileError->location->startCharOffset.value,
                 PRSTR(detail->queryCompileError->message));
}

static void test_refused(void **state)
{
    struct loopback *lo = *state;
    group(lo);
    refuses(lo, "fields @message | filtre x", 18);
    refuses(lo, "filter x = ", 11);
    refuses(lo, "stats x by y", 8);
    refuses(lo, "fields nope(x)", 12);
    refuses(lo, "filter x like /(/", 17);
    refuses(lo, "limit 0", 6);
    LOGS_FAILS(lo, "NotImplemented", NULL, StartQuery, .logGroupName = STR("g"),
               .queryString = STR("pattern @message"), .startTime = opt_long(0),
               .endTime = opt_long(1));
    LOGS_FAILS(lo, "ResourceNotFoundException", NULL, StartQuery, .logGroupName = STR("h"),
               .queryString = STR("fields x"), .startTime = opt_long(0), .endTime = opt_long(1));
    LOGS_FAILS(lo, "InvalidParameterException", NULL, StartQuery, .logGroupName = STR("g"),
               .queryString = STR("fields x"), .startTime = opt_long(2), .endTime = opt_long(1));
}

/* More distinct texts than memory is allowed for. */
static void test_too_much_memory(void **state)
{
    struct loopback *lo = *state;
    enum { SIZE = 1000000, COUNT = 110 };
    char *text = arena_alloc(lo->arena, SIZE + 1);
    memset(text, 'x', SIZE);
    group(lo);
    for (int i = 0; i < COUNT; i++) {
        snprintf(text, SIZE, "%06d", i);
        text[6] = 'x';
        logs_put(lo, "s", LOOPBACK_NOW - i, text);
    }
    struct str id = start(lo, "stats count(*) by @message");
    loopback_deliver(lo);
    assert_true(str_eq(results(lo, id)->status, STR("Failed")));
    check(lo, "stats count_distinct(substr(@message, 0, 7)) as n", "n=110;");
}

static void test_definitions(void **state)
{
    struct loopback *lo = *state;
    struct str id = LOGS_OK(lo, PutQueryDefinition, .name = STR("mine/one"),
                            .queryString = STR("fields @message"))
                        ->queryDefinitionId;
    LOGS_OK(lo, PutQueryDefinition, .name = STR("other"), .queryString = STR("fields x"));
    LOGS_OK(lo, PutQueryDefinition, .name = STR("mine/two"), .queryDefinitionId = id,
            .queryString = STR("fields y"));
    const struct logs_DescribeQueryDefinitionsResponse *found =
        LOGS_OK(lo, DescribeQueryDefinitions, .queryDefinitionNamePrefix = STR("mine/"));
    assert_int_equal(found->queryDefinitions.len, 1);
    assert_true(str_eq(found->queryDefinitions.items[0].queryString, STR("fields y")));
    assert_true(LOGS_OK(lo, DeleteQueryDefinition, .queryDefinitionId = id)->success.value);
    LOGS_FAILS(lo, "ResourceNotFoundException", NULL, DeleteQueryDefinition,
               .queryDefinitionId = id);
}

/* Groups found by the query itself, and fields that are to be indexed. */
static void test_source_and_indexes(void **state)
{
    struct loopback *lo = *state;
    group(lo);
    for (int i = 0; i < 3; i++) {
        struct str name = str_format(lo->arena, i < 2 ? "/app/%d" : "/other/%d", i);
        struct logs_InputLogEvent event = {.timestamp = opt_long(LOOPBACK_NOW - 1000),
                                           .message = STR("{\"a\":1}")};
        LOGS_DO(lo, CreateLogGroup, .logGroupName = name);
        LOGS_DO(lo, CreateLogStream, .logGroupName = name, .logStreamName = STR("s"));
        LOGS_OK(lo, PutLogEvents, .logGroupName = name, .logStreamName = STR("s"),
                .logEvents = {&event, 1});
    }
    struct str id = LOGS_OK(lo, StartQuery,
                            .queryString = STR("SOURCE logGroups(namePrefix: ['/app/'], class: "
                                               "'STANDARD') | filterIndex a = 1 | stats count(*)"),
                            .startTime = opt_long(LOOPBACK_NOW / 1000 - 60),
                            .endTime = opt_long(LOOPBACK_NOW / 1000))
                        ->queryId;
    loopback_deliver(lo);
    assert_true(str_eq(rows_of(lo, results(lo, id)), STR("count(*)=2;")));
    assert_int_equal(LOGS_OK(lo, ListLogGroupsForQuery, .queryId = id)->logGroupIdentifiers.len, 2);
    LOGS_FAILS(lo, "InvalidParameterException", NULL, StartQuery, .logGroupName = STR("g"),
               .queryString = STR("SOURCE logGroups() | fields a"), .startTime = opt_long(0),
               .endTime = opt_long(1));
    struct str_list one = {&STR("/app/0"), 1};
    LOGS_FAILS(lo, "InvalidParameterException", NULL, PutIndexPolicy,
               .logGroupIdentifier = one.items[0], .policyDocument = STR("{\"Fields\":\"a\"}"));
    LOGS_OK(lo, PutIndexPolicy, .logGroupIdentifier = one.items[0],
            .policyDocument = STR("{\"Fields\":[\"a\",\"@requestId\"]}"));
    const struct logs_DescribeFieldIndexesResponse *indexes =
        LOGS_OK(lo, DescribeFieldIndexes, .logGroupIdentifiers = one);
    assert_int_equal(indexes->fieldIndexes.len, 2);
    assert_true(str_eq(indexes->fieldIndexes.items[1].fieldIndexName, STR("@requestId")));
    assert_int_equal(
        LOGS_OK(lo, DescribeIndexPolicies, .logGroupIdentifiers = one)->indexPolicies.len, 1);
    LOGS_OK(lo, DeleteIndexPolicy, .logGroupIdentifier = one.items[0]);
    LOGS_FAILS(lo, "ResourceNotFoundException", NULL, DeleteIndexPolicy,
               .logGroupIdentifier = one.items[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOGS_TEST(test_commands),
        LOGS_TEST(test_functions),
        LOGS_TEST(test_json),
        LOGS_TEST(test_unnest),
        LOGS_TEST(test_on_workers),
        LOGS_TEST(test_lambda),
        LOGS_TEST(test_figures_and_pages),
        LOGS_TEST(test_stopped_and_resumed),
        LOGS_TEST(test_refused),
        LOGS_TEST(test_too_much_memory),
        LOGS_TEST(test_definitions),
        LOGS_TEST(test_source_and_indexes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
