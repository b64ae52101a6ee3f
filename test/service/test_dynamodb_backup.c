/* Backups, point-in-time recovery, restores: what was is there again, of one moment. */
#include "service/dynamodb_support.h"

#include "base/rng.h"

enum { SEED = 35, ITEMS = 1300, STEPS = 400, MOMENTS = 8 };
#define DAY_MS (INT64_C(24) * 3600 * 1000)

/* The text between `before` and the next apostrophe. */
static const char *part(struct loopback *lo, struct str answer, const char *before)
{
    size_t at = str_find(answer, str_from_c(before));
    if (at == SIZE_MAX)
        fail_msg("no %s in %.*s", before, PRSTR(answer));
    struct str rest = str_slice(answer, at + strlen(before), answer.len);
    return str_to_c(lo->arena, str_slice(rest, 0, str_find_char(rest, '\'')));
}

static void put(struct loopback *lo, int partition, int sort, int value)
{
    assert_answer(DDB(lo, PutItem,
                      "{'TableName':'tab','Item':{'pk':{'S':'p%d'},'sk':{'N':'%d'},'g':{'S':'x%d'},"
                      "'h':{'N':'1'},'v':{'N':'%d'}}}",
                      partition, sort, value % 3, value),
                  "{}");
}

/* All of a table or index as one text: every page. */
static struct str scan(struct loopback *lo, const char *table, const char *more)
{
    struct str answer = DDB(lo, Scan, "{'TableName':'%s'%s}", table, more);
    assert_int_equal(str_find(answer, STR("LastEvaluatedKey")), SIZE_MAX);
    return answer;
}

static const char *backup(struct loopback *lo, const char *name)
{
    struct str answer = DDB(lo, CreateBackup, "{'TableName':'tab','BackupName':'%s'}", name);
    assert_holds(answer, "'BackupStatus':'CREATING'");
    return part(lo, answer, "'BackupArn':'");
}

static void test_backup_is_of_one_moment(void **state)
{
    struct loopback *lo = *state;
    ddb_table(lo);
    for (int i = 0; i < ITEMS; i++)
        put(lo, i % 40, i, i);
    struct str then = scan(lo, "tab", ""), index = scan(lo, "tab", ",'IndexName':'global'");
    const char *arn = backup(lo, "one");
    for (int i = 0; i < ITEMS; i += 3) /* before the first item is copied */
        put(lo, i % 40, i, i + 1);
    for (int i = 1; i < ITEMS; i += 3)
        DDB(lo, DeleteItem, "{'TableName':'tab','Key':{'pk':{'S':'p%d'},'sk':{'N':'%d'}}}", i % 40,
            i);
    put(lo, 1, 5000, 1);
    assert_holds(DDB(lo, DescribeBackup, "{'BackupArn':'%s'}", arn), "'BackupStatus':'CREATING'");
    assert_holds(DDB(lo, DeleteBackup, "{'BackupArn':'%s'}", arn), "BackupInUseException");
    loopback_deliver(lo);
    assert_holds(DDB(lo, DescribeBackup, "{'BackupArn':'%s'}", arn), "'BackupStatus':'AVAILABLE'");
    assert_int_equal(ddb_stored(lo, "ddb-p"), 0); /* nobody needs what was before */
    assert_int_equal(ddb_stored(lo, "ddb-q"), 0);
    struct str answer =
        DDB(lo, RestoreTableFromBackup, "{'TargetTableName':'again','BackupArn':'%s'}", arn);
    assert_holds(answer, "'TableStatus':'CREATING'");
    assert_holds(answer, "'RestoreInProgress':true");
    assert_holds(DDB(lo, Scan, "{'TableName':'again'}"), "ResourceNotFoundException");
    loopback_deliver(lo);
    answer = DDB(lo, DescribeTable, "{'TableName':'again'}");
    assert_holds(answer, "'TableStatus':'ACTIVE'");
    assert_holds(answer, "'RestoreInProgress':false");
    assert_holds(answer, "'ItemCount':1300");
    assert_answer(scan(lo, "again", ""), str_to_c(lo->arena, then));
    assert_answer(scan(lo, "again", ",'IndexName':'global'"), str_to_c(lo->arena, index));
}

/* Whatever happens, in whatever order: each moment can be had again. */
static void test_any_moment(void **state)
{
    struct loopback *lo = *state;
    struct str texts[MOMENTS];
    int64_t times[MOMENTS];
    ddb_table(lo);
    print_message("seed %d\n", SEED);
    rng_set_seed(SEED);
    for (int i = 0; i < 30; i++)
        put(lo, i % 5, i, -1);
    DDB(lo, UpdateContinuousBackups,
        "{'TableName':'tab','PointInTimeRecoverySpecification':{'PointInTimeRecoveryEnabled':true}"
        "}");
    for (int m = 0; m < MOMENTS; m++) {
        for (int i = 0; i < STEPS / MOMENTS; i++) {
            int n = (int)rng_below(40);
            loopback_advance(lo, (int64_t)rng_below(700));
            if (rng_below(3) == 0)
                DDB(lo, DeleteItem, "{'TableName':'tab','Key':{'pk':{'S':'p%d'},'sk':{'N':'%d'}}}",
                    n % 5, n);
            else
                put(lo, n % 5, n, m * 1000 + i);
        }
        loopback_advance(lo, 1000 - loopback_now(lo) % 1000);
        times[m] = loopback_now(lo);
        texts[m] = scan(lo, "tab", "");
        loopback_advance(lo, 1);
    }
    for (int m = 0; m < MOMENTS; m++) {
        DDB(lo, RestoreTableToPointInTime,
            "{'SourceTableName':'tab','TargetTableName':'at%d','RestoreDateTime':%lld}", m,
            (long long)(times[m] / 1000));
        put(lo, 1, 1, 77777); /* while it is being copied */
        loopback_deliver(lo);
        char name[16];
        snprintf(name, sizeof name, "at%d", m);
        assert_answer(scan(lo, name, ""), str_to_c(lo->arena, texts[m]));
    }
    struct str now = scan(lo, "tab", "");
    DDB(lo, RestoreTableToPointInTime,
        "{'SourceTableName':'tab','TargetTableName':'now','UseLatestRestorableTime':true}");
    loopback_deliver(lo);
    assert_answer(scan(lo, "now", ""), str_to_c(lo->arena, now));
}

static void test_window(void **state)
{
    struct loopback *lo = *state;
    ddb_table(lo);
    assert_answer(DDB(lo, DescribeContinuousBackups, "{'TableName':'tab'}"),
                  "{'ContinuousBackupsDescription':{'ContinuousBackupsStatus':'ENABLED',"
                  "'PointInTimeRecoveryDescription':{'PointInTimeRecoveryStatus':'DISABLED'}}}");
    assert_holds(DDB(lo, RestoreTableToPointInTime,
                     "{'SourceTableName':'tab','TargetTableName':'x12',"
                     "'UseLatestRestorableTime':true}"),
                 "PointInTimeRecoveryUnavailableException: Point in time recovery is not enabled "
                 "for table 'tab'");
    put(lo, 1, 1, 1);
    assert_holds(DDB(lo, UpdateContinuousBackups,
                     "{'TableName':'tab','PointInTimeRecoverySpecification':"
                     "{'PointInTimeRecoveryEnabled':true,'RecoveryPeriodInDays':2}}"),
                 "'RecoveryPeriodInDays':2");
    int64_t enabled = loopback_now(lo);
    assert_holds(DDB(lo, RestoreTableToPointInTime,
                     "{'SourceTableName':'tab','TargetTableName':'x12','RestoreDateTime':%lld}",
                     (long long)(enabled / 1000 - 1)),
                 "InvalidRestoreTimeException");
    assert_holds(DDB(lo, RestoreTableToPointInTime,
                     "{'SourceTableName':'tab','TargetTableName':'x12','RestoreDateTime':%lld}",
                     (long long)(enabled / 1000 + 1)),
                 "InvalidRestoreTimeException");
    for (int day = 0; day < 5; day++) {
        put(lo, 1, 1, day + 10);
        loopback_advance(lo, DAY_MS);
        loopback_deliver(lo);
    }
    assert_true(ddb_stored(lo, "ddb-p") <= 3); /* what is older than two days is gone */
    assert_int_equal(ddb_stored(lo, "ddb-q"), ddb_stored(lo, "ddb-p"));
    assert_holds(DDB(lo, RestoreTableToPointInTime,
                     "{'SourceTableName':'tab','TargetTableName':'x12','RestoreDateTime':%lld}",
                     (long long)((loopback_now(lo) - 3 * DAY_MS) / 1000)),
                 "InvalidRestoreTimeException");
    DDB(lo, RestoreTableToPointInTime,
        "{'SourceTableName':'tab','TargetTableName':'x12','RestoreDateTime':%lld}",
        (long long)((loopback_now(lo) - DAY_MS - 1000) / 1000));
    loopback_deliver(lo);
    assert_holds(scan(lo, "x12", ""), "'v':{'N':'13'}");
    DDB(lo, UpdateContinuousBackups,
        "{'TableName':'tab','PointInTimeRecoverySpecification':{'PointInTimeRecoveryEnabled':false}"
        "}");
    loopback_deliver(lo);
    assert_int_equal(ddb_stored(lo, "ddb-p") + ddb_stored(lo, "ddb-q"), 0);
}

static void test_deleted_table_leaves_a_backup(void **state)
{
    struct loopback *lo = *state;
    ddb_table(lo);
    DDB(lo, UpdateContinuousBackups,
        "{'TableName':'tab','PointInTimeRecoverySpecification':{'PointInTimeRecoveryEnabled':true}"
        "}");
    for (int i = 0; i < 20; i++)
        put(lo, i, i, i);
    struct str then = scan(lo, "tab", "");
    DDB(lo, DeleteTable, "{'TableName':'tab'}");
    loopback_deliver(lo);
    assert_answer(DDB(lo, ListBackups, "{}"), "{'BackupSummaries':[]}");
    struct str list = DDB(lo, ListBackups, "{'BackupType':'SYSTEM'}");
    assert_holds(list, "'BackupName':'tab$DeletedTableBackup'");
    const char *arn = part(lo, list, "'BackupArn':'");
    ddb_table(lo);
    put(lo, 99, 99, 99);
    DDB(lo, RestoreTableFromBackup, "{'TargetTableName':'back','BackupArn':'%s'}", arn);
    loopback_deliver(lo);
    assert_answer(scan(lo, "back", ""), str_to_c(lo->arena, then));
    loopback_advance(lo, 36 * DAY_MS);
    loopback_deliver(lo);
    assert_answer(DDB(lo, ListBackups, "{'BackupType':'ALL'}"), "{'BackupSummaries':[]}");
    DDB(lo, DeleteTable, "{'TableName':'back'}");
    DDB(lo, DeleteTable, "{'TableName':'tab'}");
    loopback_deliver(lo);
    assert_int_equal(ddb_stored(lo, "ddb") + ddb_stored(lo, "ddb-n"), 0);
}

static void test_a_table_waits_for_its_copy(void **state)
{
    struct loopback *lo = *state;
    ddb_table(lo);
    for (int i = 0; i < ITEMS; i++)
        put(lo, i, i, i);
    const char *arn = backup(lo, "last");
    DDB(lo, DeleteTable, "{'TableName':'tab'}");
    loopback_deliver(lo);
    loopback_advance(lo, 60);
    loopback_deliver(lo);
    assert_holds(DDB(lo, DescribeTable, "{'TableName':'tab'}"), "ResourceNotFoundException");
    DDB(lo, RestoreTableFromBackup, "{'TargetTableName':'back','BackupArn':'%s'}", arn);
    assert_holds(DDB(lo, DeleteBackup, "{'BackupArn':'%s'}", arn), "BackupInUseException");
    loopback_deliver(lo);
    assert_holds(DDB(lo, DescribeTable, "{'TableName':'back'}"), "'ItemCount':1300");
    assert_holds(DDB(lo, DeleteBackup, "{'BackupArn':'%s'}", arn), "'BackupStatus':'DELETED'");
    assert_holds(DDB(lo, DescribeBackup, "{'BackupArn':'%s'}", arn),
                 "BackupNotFoundException: Backup not found: arn:aws:dynamodb:us-east-1:");
    DDB(lo, DeleteTable, "{'TableName':'back'}");
    loopback_deliver(lo);
    assert_int_equal(ddb_stored(lo, "ddb") + ddb_stored(lo, "ddb-n"), 0);
}

static void test_overrides(void **state)
{
    struct loopback *lo = *state;
    ddb_table(lo);
    put(lo, 1, 1, 1);
    DDB(lo, UpdateTimeToLive,
        "{'TableName':'tab','TimeToLiveSpecification':{'AttributeName':'ttl','Enabled':true}}");
    const char *arn = backup(lo, "one");
    loopback_deliver(lo);
    struct str described = DDB(lo, DescribeBackup, "{'BackupArn':'%s'}", arn);
    assert_holds(described, "'BillingMode':'PAY_PER_REQUEST'");
    assert_holds(described, "'TimeToLiveDescription':{'TimeToLiveStatus':'ENABLED',"
                            "'AttributeName':'ttl'}");
    assert_holds(described, "'GlobalSecondaryIndexes':[{'IndexName':'global'");
    assert_holds(described, "'LocalSecondaryIndexes':[{'IndexName':'local'");
    assert_holds(described, "'ItemCount':1");
    struct str answer =
        DDB(lo, RestoreTableFromBackup,
            "{'TargetTableName':'bare','BackupArn':'%s','GlobalSecondaryIndexOverride':[],"
            "'LocalSecondaryIndexOverride':[],'BillingModeOverride':'PROVISIONED',"
            "'ProvisionedThroughputOverride':{'ReadCapacityUnits':3,'WriteCapacityUnits':4},"
            "'SSESpecificationOverride':{'Enabled':true,'SSEType':'KMS'}}",
            arn);
    assert_holds(answer, "'ReadCapacityUnits':3,'WriteCapacityUnits':4");
    assert_holds(answer, "'SSEType':'KMS'");
    assert_int_equal(str_find(answer, STR("IndexName")), SIZE_MAX);
    assert_int_equal(str_find(answer, STR("'AttributeName':'g'")), SIZE_MAX);
    loopback_deliver(lo);
    assert_holds(DDB(lo, DescribeTimeToLive, "{'TableName':'bare'}"), "DISABLED");
    assert_holds(DDB(lo, RestoreTableFromBackup,
                     "{'TargetTableName':'other','BackupArn':'%s','GlobalSecondaryIndexOverride':"
                     "[{'IndexName':'nope','KeySchema':[{'AttributeName':'g','KeyType':'HASH'}],"
                     "'Projection':{'ProjectionType':'ALL'}}]}",
                     arn),
                 "ValidationException");
    assert_holds(DDB(lo, RestoreTableFromBackup, "{'TargetTableName':'tab','BackupArn':'%s'}", arn),
                 "TableAlreadyExistsException: Table already exists: tab");
    assert_holds(DDB(lo, RestoreTableFromBackup,
                     "{'TargetTableName':'other','BackupArn':'%s',"
                     "'BillingModeOverride':'PROVISIONED'}",
                     arn),
                 "ValidationException");
}

static void test_lists(void **state)
{
    struct loopback *lo = *state;
    ddb_table(lo);
    assert_holds(DDB(lo, CreateBackup, "{'TableName':'none','BackupName':'bbb'}"),
                 "TableNotFoundException: Table not found: none");
    for (int i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "b-%d", i);
        backup(lo, name);
        loopback_deliver(lo);
        loopback_advance(lo, 1000);
    }
    struct str first = DDB(lo, ListBackups, "{'TableName':'tab','Limit':2}");
    assert_holds(first, "'BackupName':'b-0'");
    assert_holds(first, "'BackupName':'b-1'");
    struct str rest = DDB(lo, ListBackups, "{'TableName':'tab','ExclusiveStartBackupArn':'%s'}",
                          part(lo, first, "'LastEvaluatedBackupArn':'"));
    assert_holds(rest, "'BackupSummaries':[{'TableName':'tab'");
    assert_holds(rest, "'BackupName':'b-2'");
    assert_int_equal(str_find(rest, STR("LastEvaluated")), SIZE_MAX);
    struct str range =
        DDB(lo, ListBackups, "{'TimeRangeLowerBound':%lld,'TimeRangeUpperBound':%lld}",
            (long long)(LOOPBACK_NOW / 1000 + 1), (long long)(LOOPBACK_NOW / 1000 + 2));
    assert_holds(range, "b-1");
    assert_int_equal(str_find(range, STR("b-2")), SIZE_MAX);
    assert_int_equal(str_find(range, STR("b-0")), SIZE_MAX);
    assert_answer(DDB(lo, ListBackups, "{'TableName':'none'}"), "{'BackupSummaries':[]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DDB_TEST(test_backup_is_of_one_moment),
        DDB_TEST(test_any_moment),
        DDB_TEST(test_window),
        DDB_TEST(test_deleted_table_leaves_a_backup),
        DDB_TEST(test_a_table_waits_for_its_copy),
        DDB_TEST(test_overrides),
        DDB_TEST(test_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
