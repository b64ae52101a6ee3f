/* Sealed blobs. The file is chunks of 65,520 bytes of ciphertext and 16 of their tag, the last one
 * shorter: a chunk begins at a multiple of 64 KiB, so that any range is found without an index.
 *
 *     chunk i := CTR(key 2, i * 2^64, GCM(key 1, nonce i, plain i))     (CTR with two layers only)
 *
 * A key is made for one blob, so a nonce is used once. Chunks cannot change places; a blob that was
 * cut is shorter than the records say that name it. */
#include "store/blob_seal.h"

#include <errno.h>
#include <unistd.h>

#include "base/cipher.h"
#include "base/rng.h"

enum { SEALED = BLOB_CHUNK + CIPHER_TAG };
_Static_assert(SEALED == 65536, "chunks begin at multiples of a page");

void blob_key_make(struct blob_key *key, unsigned layers)
{
    *key = (struct blob_key){.layers = layers};
    rng_bytes(key->bytes, sizeof key->bytes);
}

static void put_index(uint8_t *out, uint64_t index)
{
    for (size_t i = 0; i < 8; i++)
        out[i] = (uint8_t)(index >> (56 - 8 * i));
}

static void chunk_nonce(uint8_t nonce[CIPHER_NONCE], uint64_t index)
{
    memset(nonce, 0, CIPHER_NONCE);
    put_index(nonce + CIPHER_NONCE - 8, index);
}

static void second_layer(const struct blob_key *key, uint64_t index, char *bytes, size_t size)
{
    uint8_t first[CIPHER_BLOCK] = {0};
    if (key->layers < 2)
        return;
    put_index(first, index);
    cipher_ctr(key->bytes[1], first, bytes, size);
}

/* --- writing --- */

struct blob_seal {
    struct blob_key key;
    struct cipher *cipher;
    uint64_t index;
    size_t filled; /* of the chunk at hand; 0: not begun */
    char chunk[SEALED];
};

struct blob_seal *blob_seal_new(const struct blob_key *key)
{
    struct blob_seal *seal = heap_alloc(sizeof *seal);
    seal->key = *key;
    seal->cipher = cipher_new(key->bytes[0]);
    return seal;
}

void blob_seal_free(struct blob_seal *seal)
{
    if (seal == NULL)
        return;
    cipher_free(seal->cipher);
    cipher_forget(&seal->key, sizeof seal->key);
    heap_free(seal);
}

RESULT blob_seal_end(struct blob_seal *seal, RESULT (*write)(void *context, struct str bytes),
                     void *context)
{
    if (seal->filled == 0)
        return RESULT_OK;
    size_t size = seal->filled + CIPHER_TAG;
    cipher_end_seal(seal->cipher, (uint8_t *)seal->chunk + seal->filled);
    second_layer(&seal->key, seal->index, seal->chunk, size);
    seal->index++;
    seal->filled = 0;
    return write(context, str_make(seal->chunk, size));
}

RESULT blob_seal_append(struct blob_seal *seal, struct str bytes,
                        RESULT (*write)(void *context, struct str bytes), void *context)
{
    while (bytes.len > 0) {
        uint8_t nonce[CIPHER_NONCE];
        size_t room = BLOB_CHUNK - seal->filled, part = bytes.len < room ? bytes.len : room;
        if (seal->filled == 0) {
            chunk_nonce(nonce, seal->index);
            cipher_begin(seal->cipher, true, nonce, (struct str){0});
        }
        cipher_update(seal->cipher, str_slice(bytes, 0, part), seal->chunk + seal->filled);
        seal->filled += part;
        bytes = str_slice(bytes, part, bytes.len);
        if (seal->filled == BLOB_CHUNK)
            TRY(blob_seal_end(seal, write, context));
    }
    return RESULT_OK;
}

/* --- reading --- */

struct blob_reader {
    int fd;
    struct blob_key key;
    struct cipher *cipher; /* NULL: not sealed */
    uint64_t index;        /* of the chunk that is open in `plain` */
    size_t plain_size;     /* 0: none is */
    char *plain;
    char sealed[];
};

RESULT blob_reader_open(struct blob_store *store, const struct blob_id *id,
                        const struct blob_key *key, struct blob_reader **out)
{
    int fd;
    bool sealed = key != NULL && key->layers > 0;
    TRY(blob_open(store, id, &fd));
    struct blob_reader *reader = heap_alloc(sizeof *reader + (sealed ? SEALED : 0));
    reader->fd = fd;
    if (sealed) {
        reader->key = *key;
        reader->cipher = cipher_new(key->bytes[0]);
    }
    *out = reader;
    return RESULT_OK;
}

void blob_reader_close(struct blob_reader *reader)
{
    if (reader == NULL)
        return;
    (void)close(reader->fd);
    cipher_free(reader->cipher);
    cipher_forget(&reader->key, sizeof reader->key);
    heap_free(reader->plain);
    heap_free(reader);
}

/* Up to `size` bytes of the file: less only at its end. */
static RESULT read_file(int fd, uint64_t offset, char *out, size_t size, size_t *read)
{
    *read = 0;
    while (*read < size) {
        ssize_t count = pread(fd, out + *read, size - *read, (off_t)(offset + *read));
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return FAULT("blobs: reading: %s", strerrordesc_np(errno));
        if (count == 0)
            break;
        *read += (size_t)count;
    }
    return RESULT_OK;
}

/* The chunk's plain bytes into out, which has room for them. */
static RESULT open_chunk(struct blob_reader *reader, uint64_t index, char *out, size_t *size)
{
    size_t got;
    uint8_t nonce[CIPHER_NONCE];
    TRY(read_file(reader->fd, index * SEALED, reader->sealed, SEALED, &got));
    if (got <= CIPHER_TAG)
        return FAULT("a blob is shorter than its record says");
    second_layer(&reader->key, index, reader->sealed, got);
    *size = got - CIPHER_TAG;
    chunk_nonce(nonce, index);
    cipher_begin(reader->cipher, false, nonce, (struct str){0});
    cipher_update(reader->cipher, str_make(reader->sealed, *size), out);
    if (!cipher_end_open(reader->cipher, (const uint8_t *)reader->sealed + *size))
        return FAULT("a sealed blob was altered on the disk, in chunk %llu",
                     (unsigned long long)index);
    return RESULT_OK;
}

static RESULT read_sealed(struct blob_reader *reader, uint64_t offset, char *out, size_t size,
                          size_t *read)
{
    uint64_t index = offset / BLOB_CHUNK;
    size_t within = (size_t)(offset % BLOB_CHUNK);
    if (within == 0 && size >= BLOB_CHUNK)
        return open_chunk(reader, index, out, read);
    if (reader->plain == NULL)
        reader->plain = heap_alloc(BLOB_CHUNK);
    if (reader->plain_size == 0 || reader->index != index) {
        reader->plain_size = 0;
        TRY(open_chunk(reader, index, reader->plain, &reader->plain_size));
        reader->index = index;
    }
    if (within >= reader->plain_size)
        return FAULT("a blob is shorter than its record says");
    *read = reader->plain_size - within < size ? reader->plain_size - within : size;
    memcpy(out, reader->plain + within, *read);
    return RESULT_OK;
}

RESULT blob_read(struct blob_reader *reader, uint64_t offset, char *out, size_t size, size_t *read)
{
    if (reader->cipher != NULL)
        return read_sealed(reader, offset, out, size, read);
    TRY(read_file(reader->fd, offset, out, size, read));
    return *read > 0 ? RESULT_OK : FAULT("a blob is shorter than its record says");
}
