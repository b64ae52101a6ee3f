/* An ordered transactional key-value store: byte-string keys to 4 KiB in memcmp order, values to 1
 * GiB. One writer at a time, any number of readers, each with its snapshot. What kv_commit()
 * acknowledged survives kill -9 of the process (durability `process`), and loss of power too under
 * `power` (fsync, shared by the commits that wait for it).
 *
 * Two makers of the same interface: kv_lmdb.c (embedded), kv_postgres.c (to come). */
#ifndef KUMONIWA_STORE_KV_H
#define KUMONIWA_STORE_KV_H

#include "base/arena.h"
#include "base/result.h"
#include "base/str.h"

enum { KV_KEY_MAX = 4096 };

enum kv_durability { KV_PROCESS, KV_POWER };

struct kv;
struct kv_txn;
struct kv_cursor;

struct kv_config {
    struct str directory; /* exists, is ours alone (locked by the caller); files kv.* */
    enum kv_durability durability;
    size_t map_size; /* bytes of address space; 0: 1 TiB */
    /* Tests: called before every write of a page group, commit included; returning false makes it
     * fail with RESULT_FULL, or the hook ends the process. */
    bool (*write_hook)(void *context);
    void *hook_context;
};

RESULT kv_open(const struct kv_config *config, struct kv **out);
void kv_close(struct kv *kv);

/* A transaction is of the thread that began it until it ends. Writing ones wait for each other. */
RESULT kv_begin(struct kv *kv, bool writing, struct kv_txn **out);
/* Ends the transaction either way. RESULT_FULL: no space; nothing was changed. */
RESULT kv_commit(struct kv_txn *txn);
void kv_abort(struct kv_txn *txn); /* NULL is fine */
bool kv_is_writing(const struct kv_txn *txn);

/* Values are borrowed: valid until the next write in the same transaction or its end. Absent when
 * there is no such key. */
RESULT kv_get(struct kv_txn *txn, struct str key, struct str *value);
/* RESULT_RESTART in a reading transaction; RESULT_FULL when the disk is full (abort the
 * transaction). */
RESULT kv_put(struct kv_txn *txn, struct str key, struct str value);
/* The same, for values of some length that are often written over, among very many keys: writing
 * over such a value costs the same whatever else there is. A key is always put in the same way. */
RESULT kv_put_apart(struct kv_txn *txn, struct str key, struct str value);
RESULT kv_delete(struct kv_txn *txn, struct str key, bool *existed); /* existed may be NULL */
/* Deletes up to `limit` keys that begin with prefix; *deleted counts them (< limit: none are left).
 */
RESULT kv_delete_prefix(struct kv_txn *txn, struct str prefix, size_t limit, size_t *deleted);

/* A cursor walks the keys that begin with prefix, in order; it lives in the arena and must not
 * outlive the transaction; it stays usable when the transaction writes. Key and value are borrowed
 * as above. Seek: to the first key >= `from` (forward) or the last key <= `from` (backward);
 * absent: to the end of the range it walks from. The first kv_next() after opening or a seek yields
 * that key. */
RESULT kv_cursor_open(struct kv_txn *txn, struct arena *arena, struct str prefix, bool backward,
                      struct kv_cursor **out);
RESULT kv_cursor_seek(struct kv_cursor *cursor, struct str from);
/* *key is absent at the end. */
RESULT kv_next(struct kv_cursor *cursor, struct str *key, struct str *value);
void kv_cursor_close(struct kv_cursor *cursor); /* optional: the transaction's end closes it */

/* Bytes used in the file and free on its file system. */
struct kv_usage {
    uint64_t used, free_on_disk;
    uint64_t entries; /* keys; a beginning of 480 bytes that long keys share counts as one more */
};
RESULT kv_usage(struct kv *kv, struct kv_usage *out);

/* A consistent copy into an empty directory, by reflink where the file system can. */
RESULT kv_copy(struct kv *kv, struct str directory);

#endif
