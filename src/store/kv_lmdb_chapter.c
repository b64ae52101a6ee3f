/* Get, put and delete, with keys longer than LMDB's: a key of KV_SEGMENT bytes or more is cut. Its
 * first segment is a *marker* in the main tree, whose value is the id of a chapter; in the tree of
 * chapters the id and the rest of the key are the entry, cut again when the rest is as long. An
 * entry's length alone says what it is: a marker's segment has KV_SEGMENT bytes, any other has
 * fewer. */
#include "store/kv_lmdb_int.h"

enum { VALUE_MAX = 1 << 30 };

/* A level of the way to a key: its tree, and its key there. */
struct step {
    enum kv_tree tree;
    struct kv_chapter_key key;
    struct str bytes; /* the tree's key: of the caller (main), or in `key` */
};

void kv_chapter_key(struct kv_chapter_key *key, const char id[KV_ID], struct str segment)
{
    memcpy(key->bytes, id, KV_ID);
    memcpy(key->bytes + KV_ID, segment.ptr, segment.len);
    key->len = KV_ID + segment.len;
}

bool kv_find_chapter(MDB_val marker, char id[KV_ID])
{
    if (marker.mv_size != KV_ID)
        return false;
    memcpy(id, marker.mv_data, KV_ID);
    return true;
}

static RESULT check_key(struct str key)
{
    if (key.ptr == NULL || key.len == 0 || key.len > KV_KEY_MAX)
        return FAULT("a key of %zu bytes", key.len);
    return RESULT_OK;
}

int kv_raw_get(struct kv_txn *txn, enum kv_tree tree, struct str key, MDB_val *value)
{
    MDB_val k = kv_val(key);
    return mdb_get(txn->txn, txn->kv->trees[tree], &k, value);
}

RESULT kv_raw_put(struct kv_txn *txn, enum kv_tree tree, struct str key, struct str value,
                  bool deleting)
{
    TRY(kv_hook(txn->kv));
    TRY(kv_space_before(txn, tree, value.len, deleting));
    MDB_val k = kv_val(key), v = kv_val(value);
    txn->writes++;
    int code = mdb_put(txn->txn, txn->kv->trees[tree], &k, &v, 0);
    if (code != 0)
        return kv_result("putting", code);
    txn->changed_trees = true;
    return kv_space_after(txn, tree, value.len);
}

RESULT kv_raw_delete(struct kv_txn *txn, enum kv_tree tree, struct str key, bool *existed)
{
    TRY(kv_hook(txn->kv));
    TRY(kv_space_before(txn, tree, 0, true));
    MDB_val k = kv_val(key);
    txn->writes++;
    int code = mdb_del(txn->txn, txn->kv->trees[tree], &k, NULL);
    if (code != 0 && code != MDB_NOTFOUND)
        return kv_result("deleting", code);
    *existed = code == 0;
    txn->changed_trees = txn->changed_trees || *existed;
    return kv_space_after(txn, tree, 0);
}

/* The entry of `rest` at this level. */
static void make_step(struct step *step, bool top, const char id[KV_ID], struct str segment)
{
    step->tree = top ? KV_MAIN : KV_CHAPTERS;
    step->bytes = segment;
    if (!top) {
        kv_chapter_key(&step->key, id, segment);
        step->bytes = str_make(step->key.bytes, step->key.len);
    }
}

/* Walks from marker to marker towards the level of the key's last segment: steps[0..*count) are the
 * markers passed, steps[*count] is the entry itself. MDB_NOTFOUND: the marker steps[*count] is not
 * there. */
static int descend(struct kv_txn *txn, struct str key, struct step steps[KV_LEVELS], size_t *count)
{
    char id[KV_ID] = {0};
    *count = 0;
    for (;;) {
        bool marker = key.len >= KV_SEGMENT;
        struct step *step = &steps[*count];
        make_step(step, *count == 0, id, marker ? str_make(key.ptr, KV_SEGMENT) : key);
        if (!marker)
            return 0;
        MDB_val value;
        int code = kv_raw_get(txn, step->tree, step->bytes, &value);
        if (code != 0)
            return code;
        if (!kv_find_chapter(value, id))
            return MDB_CORRUPTED;
        key = str_make(key.ptr + KV_SEGMENT, key.len - KV_SEGMENT);
        ++*count;
    }
}

static int get_long(struct kv_txn *txn, struct str key, MDB_val *value)
{
    struct step steps[KV_LEVELS];
    size_t count;
    int code = descend(txn, key, steps, &count);
    if (code != 0)
        return code;
    return kv_raw_get(txn, steps[count].tree, steps[count].bytes, value);
}

RESULT kv_get(struct kv_txn *txn, struct str key, struct str *value)
{
    TRY(check_key(key));
    MDB_val v = {0};
    int code = key.len < KV_SEGMENT ? kv_raw_get(txn, KV_MAIN, key, &v) : get_long(txn, key, &v);
    if (code == MDB_NOTFOUND) {
        *value = (struct str){0};
        return RESULT_OK;
    }
    TRY(kv_result("getting", code));
    return kv_apart_resolve(txn, v, value);
}

static void next_id(char id[KV_ID])
{
    for (int i = KV_ID - 1; i >= 0; i--) {
        id[i] = (char)((unsigned char)id[i] + 1);
        if (id[i] != 0)
            break;
    }
}

/* An id that no chapter has: one more than the last, which stands at the end of the tree. */
static RESULT new_chapter(struct kv_txn *txn, char id[KV_ID])
{
    MDB_cursor *cursor;
    int code = mdb_cursor_open(txn->txn, txn->kv->trees[KV_CHAPTERS], &cursor);
    if (code != 0)
        return kv_result("opening a cursor", code);
    MDB_val key, value;
    code = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
    if (code == 0 && key.mv_size < KV_ID)
        code = MDB_CORRUPTED;
    if (code == 0)
        memcpy(id, key.mv_data, KV_ID);
    else
        memset(id, 0, KV_ID);
    mdb_cursor_close(cursor);
    if (code != 0 && code != MDB_NOTFOUND)
        return kv_result("looking for a chapter's id", code);
    next_id(id);
    return RESULT_OK;
}

/* The markers that are missing from this level on, each with a new chapter, and the entry in the
 * last one. */
static RESULT put_new(struct kv_txn *txn, struct str key, const struct step *first,
                      struct str value)
{
    char id[KV_ID];
    TRY(new_chapter(txn, id));
    struct step step = *first;
    if (step.tree == KV_CHAPTERS)
        step.bytes.ptr = step.key.bytes;
    for (;;) {
        TRY(kv_raw_put(txn, step.tree, step.bytes, str_make(id, KV_ID), false));
        key = str_make(key.ptr + KV_SEGMENT, key.len - KV_SEGMENT);
        bool marker = key.len >= KV_SEGMENT;
        make_step(&step, false, id, marker ? str_make(key.ptr, KV_SEGMENT) : key);
        if (!marker)
            return kv_raw_put(txn, step.tree, step.bytes, value, false);
        next_id(id);
    }
}

static RESULT put_long(struct kv_txn *txn, struct str key, struct str value)
{
    struct step steps[KV_LEVELS];
    size_t count;
    int code = descend(txn, key, steps, &count);
    if (code == 0)
        return kv_raw_put(txn, steps[count].tree, steps[count].bytes, value, false);
    if (code != MDB_NOTFOUND)
        return kv_result("putting", code);
    return put_new(txn, str_make(key.ptr + count * KV_SEGMENT, key.len - count * KV_SEGMENT),
                   &steps[count], value);
}

static RESULT check_writing(const struct kv_txn *txn)
{
    if (!txn->writing)
        return RESULT_RESTART;
    return txn->failed;
}

RESULT kv_put(struct kv_txn *txn, struct str key, struct str value)
{
    TRY(check_writing(txn));
    TRY(check_key(key));
    if (value.len > VALUE_MAX)
        return FAULT("a value of %zu bytes", value.len);
    struct arena *scratch = NULL;
    if (kv_apart_looks_ours(value)) {
        scratch = arena_new(0);
        value = kv_apart_escape(scratch, value);
    }
    enum result result =
        kv_fail(txn, key.len < KV_SEGMENT ? kv_raw_put(txn, KV_MAIN, key, value, false)
                                          : put_long(txn, key, value));
    if (scratch != NULL)
        arena_free(scratch);
    return result;
}

RESULT kv_put_apart(struct kv_txn *txn, struct str key, struct str value)
{
    bool done = false;
    TRY(check_writing(txn));
    TRY(check_key(key));
    if (key.len < KV_SEGMENT)
        TRY(kv_fail(txn, kv_apart_put(txn, key, value, &done)));
    return done ? RESULT_OK : kv_put(txn, key, value);
}

/* Does any entry of the chapter remain? */
static int chapter_is_empty(struct kv_txn *txn, const char *id, bool *empty)
{
    MDB_cursor *cursor;
    int code = mdb_cursor_open(txn->txn, txn->kv->trees[KV_CHAPTERS], &cursor);
    if (code != 0)
        return code;
    MDB_val key = kv_val(str_make(id, KV_ID)), value;
    code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    *empty = code == MDB_NOTFOUND ||
             (code == 0 && (key.mv_size < KV_ID || memcmp(key.mv_data, id, KV_ID) != 0));
    mdb_cursor_close(cursor);
    return code == MDB_NOTFOUND ? 0 : code;
}

static RESULT delete_long(struct kv_txn *txn, struct str key, bool *existed)
{
    struct step steps[KV_LEVELS];
    size_t count;
    int code = descend(txn, key, steps, &count);
    if (code == MDB_NOTFOUND) {
        *existed = false;
        return RESULT_OK;
    }
    TRY(kv_result("deleting", code));
    TRY(kv_raw_delete(txn, steps[count].tree, steps[count].bytes, existed));
    /* A chapter without entries goes, and its marker with it. */
    while (*existed && count > 0) {
        bool empty = false, had;
        TRY(kv_result("deleting", chapter_is_empty(txn, steps[count].key.bytes, &empty)));
        if (!empty)
            break;
        count--;
        TRY(kv_raw_delete(txn, steps[count].tree, steps[count].bytes, &had));
    }
    return RESULT_OK;
}

RESULT kv_delete(struct kv_txn *txn, struct str key, bool *existed)
{
    TRY(check_writing(txn));
    TRY(check_key(key));
    bool had = false;
    if (key.len < KV_SEGMENT)
        TRY(kv_fail(txn, kv_apart_forget(txn, key)));
    TRY(kv_fail(txn, key.len < KV_SEGMENT ? kv_raw_delete(txn, KV_MAIN, key, &had)
                                          : delete_long(txn, key, &had)));
    if (existed != NULL)
        *existed = had;
    return RESULT_OK;
}

static RESULT delete_all(struct kv_txn *txn, struct kv_cursor *cursor, size_t limit,
                         size_t *deleted)
{
    for (size_t count = 0; count < limit; count++) {
        struct str key, value;
        TRY(kv_next(cursor, &key, &value));
        if (key.ptr == NULL) {
            *deleted = count;
            return RESULT_OK;
        }
        char copy[KV_KEY_MAX];
        memcpy(copy, key.ptr, key.len);
        TRY(kv_delete(txn, str_make(copy, key.len), NULL));
    }
    *deleted = limit;
    return RESULT_OK;
}

RESULT kv_delete_prefix(struct kv_txn *txn, struct str prefix, size_t limit, size_t *deleted)
{
    TRY(check_writing(txn));
    struct arena *scratch = arena_new(0);
    struct kv_cursor *cursor;
    enum result result = kv_cursor_open(txn, scratch, prefix, false, &cursor);
    if (result == RESULT_OK) {
        result = delete_all(txn, cursor, limit, deleted);
        kv_cursor_close(cursor);
    }
    arena_free(scratch);
    return result;
}
