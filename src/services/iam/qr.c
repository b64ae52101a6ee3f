#include "services/iam/qr.h"

#include <dlfcn.h>
#include <qrencode.h>
#include <string.h>
#include <zlib.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/result.h"

enum { PIXELS = 4, MARGIN = 4, PNG_MAX = 64 * 1024 };

static void put_u32(struct buf *out, uint32_t n)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        buf_append_char(out, (char)(n >> shift));
}

/* Length, type, data, CRC of type and data. */
static void put_chunk(struct buf *out, const char *type, struct str data)
{
    put_u32(out, (uint32_t)data.len);
    size_t from = out->len;
    buf_append(out, str_make(type, 4));
    buf_append(out, data);
    put_u32(out, (uint32_t)crc32(0, (const Bytef *)out->ptr + from, (uInt)(4 + data.len)));
}

static bool is_dark(const QRcode *code, int x, int y)
{
    int width = code->width;
    if (x < 0 || y < 0 || x >= width || y >= width)
        return false;
    return (code->data[y * width + x] & 1) != 0;
}

/* Rows of one bit a pixel (1: white), each behind the filter byte 0. */
static struct str picture(struct arena *arena, const QRcode *code, int side)
{
    struct buf rows;
    buf_init(&rows, arena, PNG_MAX * 4);
    for (int y = 0; y < side; y++) {
        buf_append_char(&rows, 0);
        for (int x = 0; x < side; x += 8) {
            unsigned byte = 0;
            for (int bit = 0; bit < 8; bit++)
                if (!is_dark(code, (x + bit) / PIXELS - MARGIN, y / PIXELS - MARGIN))
                    byte |= 0x80U >> bit;
            buf_append_char(&rows, (char)byte);
        }
    }
    return buf_str(&rows);
}

static struct str png(struct arena *arena, struct str rows, int side)
{
    struct buf header, out;
    uLongf size = compressBound((uLong)rows.len);
    char *packed = arena_alloc_raw(arena, size);
    ASSERT(compress2((Bytef *)packed, &size, (const Bytef *)rows.ptr, (uLong)rows.len, 9) == Z_OK);
    buf_init(&header, arena, 64);
    put_u32(&header, (uint32_t)side);
    put_u32(&header, (uint32_t)side);
    buf_append(&header, str_make("\x01\0\0\0\0", 5)); /* 1 bit, grey, no interlacing */
    buf_init(&out, arena, PNG_MAX);
    buf_append(&out, str_make("\x89PNG\r\n\x1a\n", 8));
    put_chunk(&out, "IHDR", buf_str(&header));
    put_chunk(&out, "IDAT", str_make(packed, size));
    put_chunk(&out, "IEND", STR(""));
    return buf_str(&out);
}

static bool qr_symbol(void *library, const char *name, void *place)
{
    void *symbol = dlsym(library, name);
    memcpy(place, &symbol, sizeof symbol);
    return symbol != NULL;
}

/* The library comes when the first device is made: few servers ever make one. */
struct str qr_png(struct arena *arena, struct str text)
{
    QRcode *(*encode)(const char *string, int version, QRecLevel level);
    void (*release)(QRcode * code);
    void *library = dlopen("libqrencode.so.4", RTLD_NOW | RTLD_LOCAL); /* counted: loaded once */
    if (library == NULL || !qr_symbol(library, "QRcode_encodeString8bit", &encode) ||
        !qr_symbol(library, "QRcode_free", &release)) {
        log_line(LOG_WARN, "no picture of a device's seed: libqrencode.so.4 is not there");
        return (struct str){0};
    }
    QRcode *code = encode(str_to_c(arena, text), 0, QR_ECLEVEL_L);
    if (code == NULL)
        return (struct str){0};
    int side = (code->width + 2 * MARGIN) * PIXELS;
    struct str image = png(arena, picture(arena, code, side), side);
    release(code);
    return image;
}
