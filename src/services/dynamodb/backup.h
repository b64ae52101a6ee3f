/* Backups, and tables made from them or from a moment of another table. */
#ifndef KUMONIWA_SERVICES_DYNAMODB_BACKUP_H
#define KUMONIWA_SERVICES_DYNAMODB_BACKUP_H

#include "services/dynamodb/dynamodb_int.h"

RESULT backup_get(struct call *call, struct str arn, struct dynamodb_backup *backup);
RESULT backup_put(struct call *call, const struct dynamodb_backup *backup);
/* A table, in the words of the operations on backups. */
RESULT backup_table_get(struct call *call, struct str name, struct dynamodb_table *table);
/* The key of what stands under a table by name: "...:table/NAME/KIND/ID" gives (KIND, NAME, ID).
 * *valid: it is such an ARN, of this account and region. */
RESULT table_child_key(struct call *call, struct str text, struct str kind, struct key *key,
                       bool *valid);
/* "01489602797149-73d8d5bc": the moment and something random. */
struct str backup_make_id(struct call *call);
/* A table with point-in-time recovery that goes leaves one behind, which keeps its items where they
 * are. */
RESULT backup_of_deleted(struct call *call, const struct dynamodb_table *table);

/* --- restore.c: point-in-time recovery
 * -------------------------------------------------------------------------------------------------
 */

/* RestoreTableToPointInTime's source: a name or an ARN, of any region; absent: the request names
 * none. */
struct str restore_source_name(const struct dynamodb_RestoreTableToPointInTimeInput *in);
/* Of an index that another table's is copied from: nothing has happened to it yet. */
void index_begin_anew(struct dynamodb_index *index);
RESULT pitr_check(struct call *call, const struct dynamodb_table *table);
/* Whether the table can be had as it was then. */
bool pitr_covers(const struct call *call, const struct dynamodb_table *table, int64_t time_ms);

/* --- jobs
 * -------------------------------------------------------------------------------------------------
 */

RESULT backup_deliver(struct call *call, const struct outbox_item *item);
RESULT backup_deliver_expire(struct call *call, const struct outbox_item *item);
RESULT restore_deliver(struct call *call, const struct outbox_item *item);
RESULT copying_post(struct call *call, struct str topic, const struct dynamodb_copying *copying);

#endif
