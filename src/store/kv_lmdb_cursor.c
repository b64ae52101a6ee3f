/* Walking the keys in order, through the chapters of long ones (see kv_lmdb_chapter.c). A cursor
 * stands on a level: the main tree (0), or a chapter that the markers above led to. Entering a
 * chapter pushes a level, its end pops one. */
#include "store/kv_lmdb_int.h"

enum where {
    AT_TARGET, /* before the first step: to be sought */
    AT_KEY,
    AT_END,
};

struct kv_cursor {
    struct kv_txn *txn;
    struct kv_cursor *next;
    struct kv_cursor **link; /* what points to this one */
    struct arena *arena;
    struct str prefix;
    struct str target; /* absent: the end of the range that the walk begins at */
    bool backward;
    enum where where;
    uint64_t writes; /* of the transaction, when it was positioned */
    MDB_cursor *trees[KV_TREES];
    unsigned level;
    char ids[KV_LEVELS][KV_ID]; /* the chapters above, [0] of level 1 */
    char *stem;                 /* the markers' segments, one after another */
    struct str last;            /* the key yielded last */
    MDB_val found;              /* its value, as the tree has it */
    char saved[KV_SEGMENT];     /* its bytes, when the transaction may write over them */
};

RESULT kv_cursor_open(struct kv_txn *txn, struct arena *arena, struct str prefix, bool backward,
                      struct kv_cursor **out)
{
    struct kv_cursor *cursor = arena_alloc_raw(arena, sizeof(*cursor));
    cursor->txn = txn;
    cursor->arena = arena;
    cursor->prefix = prefix.len == 0 ? STR("") : str_copy(arena, prefix);
    cursor->target = (struct str){0};
    cursor->backward = backward;
    cursor->where = prefix.len > KV_KEY_MAX ? AT_END : AT_TARGET;
    cursor->writes = txn->writes;
    cursor->level = 0;
    cursor->stem = NULL;
    cursor->last = (struct str){0};
    cursor->found = (MDB_val){0};
    cursor->trees[KV_CHAPTERS] = NULL;
    int code = mdb_cursor_open(txn->txn, txn->kv->trees[KV_MAIN], &cursor->trees[KV_MAIN]);
    if (code != 0)
        return kv_result("opening a cursor", code);
    cursor->next = txn->cursors;
    cursor->link = &txn->cursors;
    if (cursor->next != NULL)
        cursor->next->link = &cursor->next;
    txn->cursors = cursor;
    *out = cursor;
    return RESULT_OK;
}

void kv_cursor_close(struct kv_cursor *cursor)
{
    if (cursor->link == NULL)
        return;
    for (int i = 0; i < KV_TREES; i++)
        if (cursor->trees[i] != NULL)
            mdb_cursor_close(cursor->trees[i]);
    *cursor->link = cursor->next;
    if (cursor->next != NULL)
        cursor->next->link = cursor->link;
    cursor->link = NULL;
}

void kv_cursors_close(struct kv_txn *txn)
{
    while (txn->cursors != NULL)
        kv_cursor_close(txn->cursors);
}

/* Is the entry one of the level that we stand on? */
static bool in_level(const struct kv_cursor *cursor, MDB_val key)
{
    if (cursor->level == 0)
        return key.mv_size <= KV_SEGMENT; /* longer: LMDB's name of the tree of chapters */
    return key.mv_size >= KV_ID && memcmp(key.mv_data, cursor->ids[cursor->level - 1], KV_ID) == 0;
}

static struct str segment_of(const struct kv_cursor *cursor, MDB_val key)
{
    struct str segment = kv_str(key);
    return cursor->level == 0 ? segment : str_make(segment.ptr + KV_ID, segment.len - KV_ID);
}

static MDB_cursor *tree_of(const struct kv_cursor *cursor)
{
    return cursor->trees[cursor->level == 0 ? KV_MAIN : KV_CHAPTERS];
}

/* To the level's first entry >= segment. *past: none is, but the tree has an entry behind the
 * level. */
static int seek_level(struct kv_cursor *cursor, struct str segment, MDB_val *key, MDB_val *value,
                      bool *past)
{
    struct kv_chapter_key bytes;
    *past = false;
    if (cursor->level > 0) {
        kv_chapter_key(&bytes, cursor->ids[cursor->level - 1], segment);
        *key = kv_val(str_make(bytes.bytes, bytes.len));
    } else {
        *key = kv_val(segment);
    }
    /* MDB_SET_RANGE takes no empty key. */
    int code =
        mdb_cursor_get(tree_of(cursor), key, value, key->mv_size == 0 ? MDB_FIRST : MDB_SET_RANGE);
    if (code == 0 && !in_level(cursor, *key)) {
        *past = true;
        return MDB_NOTFOUND;
    }
    return code;
}

/* To the entry before: of where the tree's cursor stands, or (at_end) the tree's last. */
static int step_back(struct kv_cursor *cursor, bool at_end, MDB_val *key, MDB_val *value)
{
    int code = mdb_cursor_get(tree_of(cursor), key, value, at_end ? MDB_LAST : MDB_PREV);
    if (code == 0 && cursor->level == 0 && !in_level(cursor, *key))
        code = mdb_cursor_get(tree_of(cursor), key, value, MDB_PREV);
    if (code == 0 && !in_level(cursor, *key))
        return MDB_NOTFOUND;
    return code;
}

static int last_of_level(struct kv_cursor *cursor, MDB_val *key, MDB_val *value)
{
    if (cursor->level == 0)
        return step_back(cursor, true, key, value);
    /* No id is all ones: they are counted from 1. */
    char after[KV_ID];
    memcpy(after, cursor->ids[cursor->level - 1], KV_ID);
    for (int i = KV_ID - 1; i >= 0; i--) {
        after[i] = (char)((unsigned char)after[i] + 1);
        if (after[i] != 0)
            break;
    }
    *key = kv_val(str_make(after, KV_ID));
    int code = mdb_cursor_get(tree_of(cursor), key, value, MDB_SET_RANGE);
    if (code != 0 && code != MDB_NOTFOUND)
        return code;
    return step_back(cursor, code == MDB_NOTFOUND, key, value);
}

/* Enters the chapter of the marker that we stand on. */
static int push(struct kv_cursor *cursor, MDB_val key, MDB_val value)
{
    if (cursor->level + 1 >= KV_LEVELS)
        return MDB_CORRUPTED;
    if (cursor->stem == NULL)
        cursor->stem = arena_alloc_raw(cursor->arena, KV_KEY_MAX);
    memcpy(cursor->stem + (size_t)cursor->level * KV_SEGMENT, segment_of(cursor, key).ptr,
           KV_SEGMENT);
    if (!kv_find_chapter(value, cursor->ids[cursor->level]))
        return MDB_CORRUPTED;
    cursor->level++;
    if (cursor->trees[KV_CHAPTERS] != NULL)
        return 0;
    return mdb_cursor_open(cursor->txn->txn, cursor->txn->kv->trees[KV_CHAPTERS],
                           &cursor->trees[KV_CHAPTERS]);
}

/* From a marker down to the first key (the last one, backward) of its chapter. */
static int settle(struct kv_cursor *cursor, MDB_val *key, MDB_val *value)
{
    while (segment_of(cursor, *key).len == KV_SEGMENT) {
        bool past;
        int code = push(cursor, *key, *value);
        if (code == 0)
            code = cursor->backward ? last_of_level(cursor, key, value)
                                    : seek_level(cursor, STR(""), key, value, &past);
        if (code != 0)
            return code == MDB_NOTFOUND ? MDB_CORRUPTED : code; /* no chapter is empty */
    }
    return 0;
}

/* One entry on, on this level or, at its end, behind the markers above. */
static int step_on(struct kv_cursor *cursor, MDB_val *key, MDB_val *value)
{
    for (;;) {
        int code;
        if (cursor->backward) {
            code = step_back(cursor, false, key, value);
        } else {
            code = mdb_cursor_get(tree_of(cursor), key, value, MDB_NEXT);
            if (code == 0 && !in_level(cursor, *key))
                code = MDB_NOTFOUND;
        }
        if (code == 0)
            return settle(cursor, key, value);
        if (code != MDB_NOTFOUND || cursor->level == 0)
            return code;
        cursor->level--;
        /* The main tree's cursor still stands on the marker; that of the chapters has gone on. */
        bool past;
        if (cursor->level > 0) {
            struct str marker =
                str_make(cursor->stem + (size_t)cursor->level * KV_SEGMENT, KV_SEGMENT);
            code = seek_level(cursor, marker, key, value, &past);
            if (code != 0)
                return code == MDB_NOTFOUND ? MDB_CORRUPTED : code;
        }
    }
}

/* From the end of a level without a key for us: on behind the marker above. */
static int leave_level(struct kv_cursor *cursor, MDB_val *key, MDB_val *value)
{
    if (cursor->level == 0)
        return MDB_NOTFOUND;
    cursor->level--;
    if (cursor->level > 0) {
        bool past;
        struct str marker = str_make(cursor->stem + (size_t)cursor->level * KV_SEGMENT, KV_SEGMENT);
        int code = seek_level(cursor, marker, key, value, &past);
        if (code != 0)
            return code == MDB_NOTFOUND ? MDB_CORRUPTED : code;
    }
    return step_on(cursor, key, value);
}

/* To the first key >= target, or, backward, to the last <= target. */
static int seek(struct kv_cursor *cursor, struct str target, MDB_val *key, MDB_val *value)
{
    cursor->level = 0;
    for (;;) {
        bool past;
        bool deep = target.len >= KV_SEGMENT;
        struct str segment = deep ? str_make(target.ptr, KV_SEGMENT) : target;
        int code = seek_level(cursor, segment, key, value, &past);
        if (code != 0 && code != MDB_NOTFOUND)
            return code;
        bool found = code == 0;
        bool equal = found && str_eq(segment_of(cursor, *key), segment);
        if (equal && deep) {
            code = push(cursor, *key, *value);
            if (code != 0)
                return code;
            target = str_make(target.ptr + KV_SEGMENT, target.len - KV_SEGMENT);
            continue;
        }
        if (cursor->backward && !equal) {
            code = step_back(cursor, !found && !past, key, value);
            if (code != 0 && code != MDB_NOTFOUND)
                return code;
            found = code == 0;
        }
        return found ? settle(cursor, key, value) : leave_level(cursor, key, value);
    }
}

/* The whole key that we stand on. */
static struct str whole_key(struct kv_cursor *cursor, MDB_val key)
{
    struct str segment = segment_of(cursor, key);
    if (cursor->level == 0)
        return segment;
    size_t stem = (size_t)cursor->level * KV_SEGMENT;
    char *bytes = arena_alloc_raw(cursor->arena, stem + segment.len);
    memcpy(bytes, cursor->stem, stem);
    memcpy(bytes + stem, segment.ptr, segment.len);
    return str_make(bytes, stem + segment.len);
}

/* Does a key equal what is known of it, without being put together? */
static bool stands_on(const struct kv_cursor *cursor, MDB_val key, struct str whole)
{
    struct str segment = segment_of(cursor, key);
    size_t stem = (size_t)cursor->level * KV_SEGMENT;
    return whole.len == stem + segment.len &&
           (stem == 0 || memcmp(whole.ptr, cursor->stem, stem) == 0) &&
           (segment.len == 0 || memcmp(whole.ptr + stem, segment.ptr, segment.len) == 0);
}

/* To the last key that begins with the prefix: the last one before the prefix's successor. */
static int seek_range_end(struct kv_cursor *cursor, MDB_val *key, MDB_val *value)
{
    char bytes[KV_KEY_MAX];
    struct str prefix = cursor->prefix;
    size_t len = prefix.len;
    while (len > 0 && (unsigned char)prefix.ptr[len - 1] == 0xff)
        len--;
    if (len == 0) {
        cursor->level = 0;
        int code = last_of_level(cursor, key, value);
        return code != 0 ? code : settle(cursor, key, value);
    }
    memcpy(bytes, prefix.ptr, len);
    bytes[len - 1] = (char)((unsigned char)bytes[len - 1] + 1);
    struct str successor = str_make(bytes, len);
    int code = seek(cursor, successor, key, value);
    if (code == 0 && stands_on(cursor, *key, successor))
        code = step_on(cursor, key, value);
    return code;
}

static int seek_target(struct kv_cursor *cursor, MDB_val *key, MDB_val *value)
{
    struct str target = cursor->target;
    bool outside = target.ptr == NULL || !str_starts_with(target, cursor->prefix);
    if (!cursor->backward) {
        if (outside && (target.ptr == NULL || str_cmp(target, cursor->prefix) < 0))
            target = cursor->prefix;
        return seek(cursor, target, key, value);
    }
    if (outside && (target.ptr == NULL || str_cmp(target, cursor->prefix) > 0))
        return seek_range_end(cursor, key, value);
    return seek(cursor, target, key, value);
}

RESULT kv_cursor_seek(struct kv_cursor *cursor, struct str from)
{
    /* One byte more than the longest key has is as good as all the rest. */
    cursor->target =
        from.ptr == NULL ? from : str_copy(cursor->arena, str_slice(from, 0, KV_KEY_MAX + 1));
    cursor->where = cursor->prefix.len > KV_KEY_MAX ? AT_END : AT_TARGET;
    return RESULT_OK;
}

static int move(struct kv_cursor *cursor, MDB_val *key, MDB_val *value)
{
    uint64_t writes = cursor->txn->writes;
    if (cursor->where == AT_TARGET) {
        cursor->writes = writes;
        return seek_target(cursor, key, value);
    }
    if (cursor->writes == writes)
        return step_on(cursor, key, value);
    /* The transaction wrote: pages may have moved under us. */
    cursor->writes = writes;
    struct str last = cursor->last;
    int code = seek(cursor, last, key, value);
    if (code == 0 && stands_on(cursor, *key, last))
        code = step_on(cursor, key, value);
    return code;
}

RESULT kv_next(struct kv_cursor *cursor, struct str *key, struct str *value)
{
    MDB_val k = {0}, v = {0};
    ASSERT(cursor->link != NULL);
    int code = cursor->where == AT_END ? MDB_NOTFOUND : move(cursor, &k, &v);
    if (code != 0 && code != MDB_NOTFOUND)
        return kv_result("walking", code);
    struct str whole = {0};
    if (code == 0)
        whole = whole_key(cursor, k);
    if (code != 0 || !str_starts_with(whole, cursor->prefix)) {
        cursor->where = AT_END;
        *key = *value = (struct str){0};
        return RESULT_OK;
    }
    cursor->where = AT_KEY;
    cursor->last = whole;
    if (cursor->level == 0 && cursor->txn->writing) {
        memcpy(cursor->saved, whole.ptr, whole.len);
        cursor->last.ptr = cursor->saved;
    }
    cursor->found = v;
    *key = whole;
    return kv_apart_resolve(cursor->txn, v, value);
}

bool kv_cursor_is_apart(const struct kv_cursor *cursor)
{
    return kv_apart_is_reference(cursor->found);
}
