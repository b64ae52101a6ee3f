/* Bodies too large for the store, as files beside it: written aside, then published under an id,
 * atomically. A blob is alive while a record names it: the record is written in the same
 * transaction that calls blob_retain(), and blob_release() in a transaction forgets it. A crash
 * between the file and the transaction leaves an orphan, which blob_sweep() finds at the next
 * start: a file without its entry in the store's blob table.
 *
 * Layout: DIR/tmp/N while written, DIR/xx/ID when published (xx: two hex digits of the id). */
#ifndef KUMONIWA_STORE_BLOB_H
#define KUMONIWA_STORE_BLOB_H

#include "store/kv.h"

struct blob_store;
struct blob_writer;

/* A published blob: 128 random bits. */
struct blob_id {
    uint8_t bytes[16];
};

RESULT blob_store_open(struct str directory, enum kv_durability durability,
                       struct blob_store **out);
void blob_store_close(struct blob_store *store);

/* What the bytes of a blob are sealed with: AES-256-GCM over chunks, and with two layers
 * AES-256-CTR over that. A key is made for one blob and never used for another. */
struct blob_key {
    unsigned layers; /* 0: the bytes stand as they are; 1, 2 */
    uint8_t bytes[2][32];
};
/* Drawn at random. */
void blob_key_make(struct blob_key *key, unsigned layers);

/* Writing. RESULT_FULL: the disk is full; discard. */
RESULT blob_create(struct blob_store *store, struct blob_writer **out);
/* The same; what is appended is sealed on its way to the disk. Sizes are those of the plain bytes.
 */
RESULT blob_create_sealed(struct blob_store *store, const struct blob_key *key,
                          struct blob_writer **out);
RESULT blob_append(struct blob_writer *writer, struct str bytes);
/* Ends the writing; the file is in place but not yet alive. Frees the writer, whatever the result.
 */
RESULT blob_publish(struct blob_writer *writer, struct blob_id *id, uint64_t *size);
void blob_discard(struct blob_writer *writer);

/* In the transaction that makes the record: the blob lives from its commit on. */
RESULT blob_retain(struct blob_store *store, struct kv_txn *txn, const struct blob_id *id);
/* In the transaction that drops the record; the file goes once the commit is through, when
 * blob_collect() runs. */
RESULT blob_release(struct blob_store *store, struct kv_txn *txn, const struct blob_id *id);
/* For whoever empties the store key by key: an entry of the table of blobs is not deleted, but its
 * blob released (then *kept is true, as it is for those that are released already). */
RESULT blob_clear_entry(struct blob_store *store, struct kv_txn *txn, struct str key, bool *kept);
/* Removes up to limit files that were released, and their entries. Called by the clean-up job. A
 * file stays for some seconds after its release: a reader that began before it may be about to open
 * it. */
RESULT blob_collect(struct blob_store *store, struct kv *kv, size_t limit, size_t *removed);
/* Tests: how long that is. Default 5000. */
void blob_store_set_grace(struct blob_store *store, int64_t ms);
/* A published blob whose transaction failed: removes the file. */
void blob_drop(struct blob_store *store, const struct blob_id *id);

/* A descriptor for reading (the caller closes it): an open blob stays readable after its release.
 */
RESULT blob_open(struct blob_store *store, const struct blob_id *id, int *fd);

/* Reads plain bytes from anywhere in a blob, sealed or not (key absent: NULL or no layers). The
 * reader keeps one chunk. blob_read(): at least one byte, at most `size`; a fault when the blob
 * ends before or was altered: no byte of an altered chunk is given out. Not for two threads at
 * once. */
struct blob_reader;
RESULT blob_reader_open(struct blob_store *store, const struct blob_id *id,
                        const struct blob_key *key, struct blob_reader **out);
RESULT blob_read(struct blob_reader *reader, uint64_t offset, char *out, size_t size, size_t *read);
void blob_reader_close(struct blob_reader *reader); /* NULL is fine */
/* How many plain bytes a chunk has: what is read in such steps, from such offsets, is not copied.
 */
enum { BLOB_CHUNK = 64 * 1024 - 16 };

/* At start, before serving: removes tmp files and every file that the store does not know. */
RESULT blob_sweep(struct blob_store *store, struct kv *kv, size_t *removed);

#endif
