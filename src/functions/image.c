#include "functions/image.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/vec.h"
#include "wire/json_text.h"

/* "Limits": manifests of 4 MiB are what registries take. */
enum { TEXT_MAX = 4 << 20, LAYERS_MAX = 127, NESTED_MAX = 3, BLOCK = 256 * 1024 };

#define SHA256_HEX (2 * SHA256_SIZE)

int image_open_at(int root, const char *path, int flags)
{
    struct open_how how = {.flags = (unsigned)(flags | O_CLOEXEC),
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

int image_open(const char *root, const char *path, int flags)
{
    int at = open(root[0] == '\0' ? "/" : root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (at < 0)
        return -1;
    int found = image_open_at(at, path, flags);
    int error = errno;
    close(at);
    errno = error;
    return found;
}

/* --- reading a layout --- */

struct layout {
    struct arena *arena;
    int root;
    struct str tag;
    struct str machine; /* "amd64", as images name it */
    enum image_answer answer;
    struct str problem;
};

static bool stop(struct layout *layout, enum image_answer answer, struct str problem)
{
    layout->answer = answer;
    layout->problem = problem;
    return false;
}

static struct str hex_of(struct arena *arena, const uint8_t sum[SHA256_SIZE])
{
    struct buf text;
    buf_init(&text, arena, 128);
    hex_encode(&text, str_make((const char *)sum, SHA256_SIZE));
    return buf_str(&text);
}

static struct str sha256_hex(struct arena *arena, struct str bytes)
{
    uint8_t sum[SHA256_SIZE];
    digest_sha256(bytes, sum);
    return hex_of(arena, sum);
}

/* A small file below the layout's folder; absent: there is none. */
static struct str read_text(struct layout *layout, struct str path)
{
    struct stat about;
    int fd = image_open_at(layout->root, str_to_c(layout->arena, path), O_RDONLY | O_NONBLOCK);
    if (fd < 0)
        return (struct str){0};
    struct str text = {0};
    if (fstat(fd, &about) == 0 && S_ISREG(about.st_mode) && about.st_size <= TEXT_MAX) {
        size_t size = (size_t)about.st_size, done = 0;
        char *room = arena_alloc(layout->arena, size + 1);
        ssize_t got = 0;
        while (done < size && (got = read(fd, room + done, size - done)) > 0)
            done += (size_t)got;
        if (done == size)
            text = str_make(room, size);
    }
    close(fd);
    return text;
}

static struct str member_text(const struct layout *layout, struct str object, struct str name)
{
    struct str raw, text = {0};
    if (json_member(layout->arena, object, name, &raw))
        (void)json_string(layout->arena, raw, &text);
    return text;
}

static struct str member_raw(const struct layout *layout, struct str object, struct str name)
{
    struct str raw;
    return json_member(layout->arena, object, name, &raw) ? raw : (struct str){0};
}

static bool parse_digest(struct str digest, struct str *hex)
{
    *hex = str_slice(digest, 7, digest.len);
    bool good = str_starts_with(digest, STR("sha256:")) && hex->len == SHA256_HEX;
    for (size_t i = 0; good && i < hex->len; i++)
        good = memchr("0123456789abcdef", hex->ptr[i], 16) != NULL;
    return good;
}

/* What a descriptor names, if it is what its digest says. */
static bool read_described(struct layout *layout, struct str descriptor, struct str *hex,
                           struct str *text)
{
    struct str digest = member_text(layout, descriptor, STR("digest"));
    if (!parse_digest(digest, hex))
        return stop(
            layout, IMAGE_UNSUPPORTED,
            str_format(layout->arena, "the digest \"%.*s\" is not of SHA-256", PRSTR(digest)));
    *text = read_text(layout, str_concat(layout->arena, STR("blobs/sha256/"), *hex));
    if (str_is_absent(*text) || !str_eq(sha256_hex(layout->arena, *text), *hex))
        return stop(
            layout, IMAGE_BROKEN,
            str_format(layout->arena, "blobs/sha256/%.*s is missing or damaged", PRSTR(*hex)));
    if (!json_is_valid(*text))
        return stop(layout, IMAGE_BROKEN,
                    str_format(layout->arena, "blobs/sha256/%.*s is not JSON", PRSTR(*hex)));
    return true;
}

static bool is_index(struct str type)
{
    return str_eq(type, STR("application/vnd.oci.image.index.v1+json")) ||
           str_eq(type, STR("application/vnd.docker.distribution.manifest.list.v2+json"));
}

static bool is_manifest(struct str type)
{
    return str_eq(type, STR("application/vnd.oci.image.manifest.v1+json")) ||
           str_eq(type, STR("application/vnd.docker.distribution.manifest.v2+json"));
}

static bool is_layer(struct str type)
{
    static const char *const types[] = {
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.oci.image.layer.v1.tar+zstd",
        "application/vnd.docker.image.rootfs.diff.tar",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
        "application/vnd.docker.image.rootfs.diff.tar.zstd",
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (str_eq(type, str_from_c(types[i])))
            return true;
    return false;
}

static bool has_tag(const struct layout *layout, struct str descriptor)
{
    struct str notes = member_raw(layout, descriptor, STR("annotations"));
    struct str name = member_text(layout, notes, STR("org.opencontainers.image.ref.name"));
    struct str full = member_text(layout, notes, STR("io.containerd.image.name"));
    return str_eq(name, layout->tag) || str_eq(full, layout->tag);
}

/* Neither another machine's nor an attestation ("unknown"). */
static bool is_for_us(const struct layout *layout, struct str descriptor)
{
    struct str platform = member_raw(layout, descriptor, STR("platform"));
    return str_is_absent(platform) ||
           (str_eq(member_text(layout, platform, STR("os")), STR("linux")) &&
            str_eq(member_text(layout, platform, STR("architecture")), layout->machine));
}

/* The one descriptor of an index that is meant. */
static bool choose(struct layout *layout, struct str index, bool top, struct str *chosen)
{
    struct str rest = member_raw(layout, index, STR("manifests")), one;
    size_t found = 0, all = 0;
    while (json_next_item(&rest, &one)) {
        all++;
        if ((top && !str_is_absent(layout->tag) && !has_tag(layout, one)) ||
            !is_for_us(layout, one))
            continue;
        *chosen = one;
        found++;
    }
    if (found == 1)
        return true;
    if (found > 1)
        return stop(layout, IMAGE_ABSENT,
                    STR("it holds several images: name one as oci:/FOLDER:TAG"));
    if (!str_is_absent(layout->tag) && top)
        return stop(layout, IMAGE_ABSENT,
                    str_format(layout->arena, "it holds no image tagged %.*s", PRSTR(layout->tag)));
    return all == 0 ? stop(layout, IMAGE_ABSENT, STR("it holds no image"))
                    : stop(layout, IMAGE_UNSUPPORTED,
                           str_format(layout->arena, "it holds no image for linux/%.*s",
                                      PRSTR(layout->machine)));
}

/* --- what an image is --- */

static struct str_list text_list(const struct layout *layout, struct str object, struct str name)
{
    struct str_list list = {0};
    struct str rest = member_raw(layout, object, name), raw, text;
    size_t cap = 0;
    while (json_next_item(&rest, &raw))
        if (json_string(layout->arena, raw, &text))
            VEC_PUSH(layout->arena, list.items, list.len, cap, text);
    return list;
}

static bool take_config(struct layout *layout, struct str config, struct image *image)
{
    struct str system = member_text(layout, config, STR("os"));
    struct str machine = member_text(layout, config, STR("architecture"));
    if (!str_eq(system, STR("linux")) || !str_eq(machine, layout->machine))
        return stop(layout, IMAGE_UNSUPPORTED,
                    str_format(layout->arena, "it is for %.*s/%.*s, this machine is linux/%.*s",
                               PRSTR(system), PRSTR(machine), PRSTR(layout->machine)));
    struct str inner = member_raw(layout, config, STR("config"));
    image->entry_point = text_list(layout, inner, STR("Entrypoint"));
    image->command = text_list(layout, inner, STR("Cmd"));
    image->env = text_list(layout, inner, STR("Env"));
    image->workdir = member_text(layout, inner, STR("WorkingDir"));
    return true;
}

static bool take_layers(struct layout *layout, struct str manifest, struct image *image)
{
    struct str rest = member_raw(layout, manifest, STR("layers")), one, hex;
    struct image_layer *layers = ARENA_ARRAY(layout->arena, LAYERS_MAX, struct image_layer);
    while (json_next_item(&rest, &one)) {
        struct str type = member_text(layout, one, STR("mediaType"));
        if (!is_layer(type) || image->layer_count == LAYERS_MAX ||
            !parse_digest(member_text(layout, one, STR("digest")), &hex))
            return stop(layout, IMAGE_UNSUPPORTED,
                        str_format(layout->arena, "a layer of type \"%.*s\"", PRSTR(type)));
        layers[image->layer_count++] = (struct image_layer){
            .path = str_concat(layout->arena, STR("blobs/sha256/"), hex), .digest = hex};
    }
    image->layers = layers;
    return true;
}

static bool find_in_layout(struct layout *layout, struct str index, struct image *image)
{
    struct str descriptor = {0}, text = index, type, hex = {0};
    for (int depth = 0; depth < NESTED_MAX; depth++) {
        if (!choose(layout, text, depth == 0, &descriptor) ||
            !read_described(layout, descriptor, &hex, &text))
            return false;
        type = member_text(layout, descriptor, STR("mediaType"));
        if (is_index(type))
            continue;
        if (!is_manifest(type))
            return stop(layout, IMAGE_UNSUPPORTED,
                        str_format(layout->arena, "a manifest of type \"%.*s\"", PRSTR(type)));
        struct str config_hex, config;
        image->digest = hex;
        return read_described(layout, member_raw(layout, text, STR("config")), &config_hex,
                              &config) &&
               take_config(layout, config, image) && take_layers(layout, text, image);
    }
    return stop(layout, IMAGE_UNSUPPORTED, STR("an index of indexes of indexes"));
}

/* "docker save" before version 25: a list of images, whose layers are plain archives with their
 * digests in the config. */
static bool find_in_archive(struct layout *layout, struct str list, struct image *image)
{
    struct str rest = list, one, name, path, digest, hex;
    if (!json_next_item(&rest, &one))
        return stop(layout, IMAGE_ABSENT, STR("it holds no image"));
    struct str config = read_text(layout, member_text(layout, one, STR("Config")));
    if (str_is_absent(config) || !json_is_valid(config))
        return stop(layout, IMAGE_BROKEN, STR("its config is missing or is not JSON"));
    image->digest = sha256_hex(layout->arena, config);
    struct str digests =
        member_raw(layout, member_raw(layout, config, STR("rootfs")), STR("diff_ids"));
    struct str layers = member_raw(layout, one, STR("Layers"));
    struct image_layer *made = ARENA_ARRAY(layout->arena, LAYERS_MAX, struct image_layer);
    while (json_next_item(&layers, &name)) {
        if (image->layer_count == LAYERS_MAX || !json_string(layout->arena, name, &path) ||
            !json_next_item(&digests, &digest) || !json_string(layout->arena, digest, &digest) ||
            !parse_digest(digest, &hex))
            return stop(layout, IMAGE_BROKEN, STR("its layers and their digests do not match"));
        made[image->layer_count++] = (struct image_layer){.path = path, .digest = hex};
    }
    image->layers = made;
    return take_config(layout, config, image);
}

static struct str machine_name(struct arena *arena)
{
    struct utsname about;
    if (uname(&about) != 0)
        return STR("unknown");
    struct str name = str_from_c(about.machine);
    if (str_eq(name, STR("x86_64")))
        return STR("amd64");
    return str_eq(name, STR("aarch64")) ? STR("arm64") : str_copy(arena, name);
}

RESULT image_find(struct arena *arena, struct str folder, struct str tag, struct image *out,
                  enum image_answer *answer, struct str *problem)
{
    struct layout layout = {.arena = arena, .tag = tag, .machine = machine_name(arena)};
    struct image image = {0};
    layout.root = open(str_to_c(arena, folder), O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct str text = {0};
    if (layout.root < 0) {
        (void)stop(&layout, IMAGE_ABSENT, STR("there is no such folder"));
    } else if (text = read_text(&layout, STR("index.json")), !str_is_absent(text)) {
        if (!json_is_valid(text))
            (void)stop(&layout, IMAGE_BROKEN, STR("index.json is not JSON"));
        else
            (void)find_in_layout(&layout, text, &image);
    } else if (text = read_text(&layout, STR("manifest.json")), !str_is_absent(text)) {
        if (!json_is_valid(text))
            (void)stop(&layout, IMAGE_BROKEN, STR("manifest.json is not JSON"));
        else
            (void)find_in_archive(&layout, text, &image);
    } else {
        (void)stop(&layout, IMAGE_ABSENT, STR("it has no index.json: it is no OCI image layout"));
    }
    if (layout.root >= 0)
        close(layout.root);
    *answer = layout.answer;
    *problem = layout.problem;
    *out = image;
    return RESULT_OK;
}

/* --- packing --- */

/* "kumoniwa-image 1", the layers' sizes, a line each, an empty line; then the layers. */
static RESULT pack_head(struct arena *arena, int root, const struct image *image,
                        const struct image_sink *sink, struct str *problem)
{
    struct buf head;
    buf_init(&head, arena, 16 << 10);
    buf_append(&head, STR("kumoniwa-image 1\n"));
    for (size_t i = 0; i < image->layer_count; i++) {
        struct stat about;
        int fd = image_open_at(root, str_to_c(arena, image->layers[i].path), O_PATH);
        bool good = fd >= 0 && fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
        if (fd >= 0)
            close(fd);
        if (!good) {
            *problem = str_concat(arena, image->layers[i].path, STR(" is missing"));
            return RESULT_ERROR;
        }
        buf_append_format(&head, "%lld\n", (long long)about.st_size);
    }
    buf_append_char(&head, '\n');
    return sink->write(sink->context, buf_str(&head));
}

static RESULT pack_layer(struct arena *arena, int root, const struct image_layer *layer,
                         const struct image_sink *sink, char *room, struct str *problem)
{
    struct digest digest;
    uint8_t sum[SHA256_SIZE];
    ssize_t got;
    int fd = image_open_at(root, str_to_c(arena, layer->path), O_RDONLY);
    if (fd < 0)
        return FAULT("open %.*s: %s", PRSTR(layer->path), strerrordesc_np(errno));
    enum result result = RESULT_OK;
    digest_begin(&digest, DIGEST_SHA256);
    while (result == RESULT_OK && (got = read(fd, room, BLOCK)) > 0) {
        digest_update(&digest, str_make(room, (size_t)got));
        result = sink->write(sink->context, str_make(room, (size_t)got));
        if (result == RESULT_OK && sink->cancelled != NULL && atomic_load(sink->cancelled))
            result = FAULT("cancelled");
    }
    close(fd);
    digest_end(&digest, sum);
    if (result == RESULT_OK && !str_eq(hex_of(arena, sum), layer->digest)) {
        *problem = str_concat(arena, layer->path, STR(" is not what its digest says"));
        return RESULT_ERROR;
    }
    return result;
}

RESULT image_pack(struct arena *arena, struct str folder, const struct image *image,
                  const struct image_sink *sink, enum image_answer *answer, struct str *problem)
{
    int root = open(str_to_c(arena, folder), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return FAULT("open %.*s: %s", PRSTR(folder), strerrordesc_np(errno));
    char *room = arena_alloc_raw(arena, BLOCK);
    enum result result = pack_head(arena, root, image, sink, problem);
    for (size_t i = 0; result == RESULT_OK && i < image->layer_count; i++)
        result = pack_layer(arena, root, &image->layers[i], sink, room, problem);
    close(root);
    *answer = result == RESULT_ERROR ? IMAGE_BROKEN : IMAGE_GOOD;
    return result == RESULT_ERROR ? RESULT_OK : result;
}
