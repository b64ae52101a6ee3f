/* Global tables ("Global tables: multi-Region replication", Developer Guide): tables of one name in
 * several regions. Every change of a member is posted to each other one, in order per item, in the
 * transaction that makes it; the last writer wins, by the order of commits.
 *
 *   ("ddb-r", table id) item  -> sequence of the item's last change (8 bytes); of a deleted item
 * for an hour more */
#ifndef KUMONIWA_SERVICES_DYNAMODB_REPLICA_H
#define KUMONIWA_SERVICES_DYNAMODB_REPLICA_H

#include "services/dynamodb/dynamodb_int.h"

/* In the transaction of a change of a table with replicas. */
RESULT replica_write(struct call *call, const struct change *change);
/* UpdateTable's ReplicaUpdates; the caller puts the table. */
RESULT replica_update(struct call *call, struct dynamodb_ReplicationGroupUpdateList updates,
                      struct dynamodb_table *table);
/* The table goes: the others no longer know it. */
RESULT replica_leave(struct call *call, const struct dynamodb_table *table);
/* global.c: the same for one that CreateGlobalTable has joined. */
RESULT global_leave(struct call *call, const struct dynamodb_table *table);
/* Fails with GlobalTableNotFoundException. */
RESULT global_get(struct call *call, struct str name, struct dynamodb_global *global);
bool global_has(const struct dynamodb_global *global, struct str region);
/* update.c: what UpdateTable changes, of one member alone; *table is as it is after that. */
RESULT update_member(struct call *call, struct str region,
                     const struct dynamodb_UpdateTableInput *in, struct dynamodb_table *table);
/* What a member has of its own stands over what all share. */
RESULT replica_override(struct call *call, const struct dynamodb_replica *replica,
                        struct dynamodb_table *table);
/* The index goes: no member has anything of its own about it any more. */
void replica_forget_index(struct dynamodb_table *table, struct str index);
/* "KMSMasterKeyId must be specified for each replica ..." */
RESULT replica_key_missing(struct call *call);
void replica_describe(struct call *call, const struct dynamodb_table *table,
                      struct dynamodb_TableDescription *out);
/* The member of that region, whatever region the call is of. */
RESULT replica_table(struct call *call, struct str region, struct str name,
                     struct dynamodb_table *table, bool *found);
/* Adds a member to the table's list of the others. */
void replica_list_add(struct call *call, struct dynamodb_table *table,
                      const struct dynamodb_replica *replica);

RESULT replica_deliver(struct call *call, const struct outbox_item *item);
RESULT replica_deliver_copy(struct call *call, const struct outbox_item *item);
RESULT replica_deliver_forget(struct call *call, const struct outbox_item *item);

#endif
