/* Container images as files: OCI image layouts ("OCI Image Format Specification" 1.1: image-layout,
 * manifest, config, layer) and what `docker save` writes. An image is found, packed into one file
 * that is kept, and unpacked from there to a folder that a sandbox has for its root. */
#ifndef KUMONIWA_FUNCTIONS_IMAGE_H
#define KUMONIWA_FUNCTIONS_IMAGE_H

#include "functions/unpack.h"
#include "wire/types.h"

enum image_answer {
    IMAGE_GOOD,
    IMAGE_ABSENT,      /* no such image there */
    IMAGE_BROKEN,      /* something of it is missing or is not what its digest says */
    IMAGE_UNSUPPORTED, /* a media type, or another kind of machine's */
};

struct image_layer {
    struct str path;   /* below the layout's folder */
    struct str digest; /* SHA-256 of the file, hexadecimal */
};

struct image {
    struct str digest; /* SHA-256 of its manifest (docker's archives: of its config), hexadecimal */
    struct str_list entry_point, command, env;
    struct str workdir; /* absent: / */
    const struct image_layer *layers;
    size_t layer_count;
};

/* The image of that tag (absent: the only one, or the one for this kind of machine). *problem is
 * for people. */
RESULT image_find(struct arena *arena, struct str folder, struct str tag, struct image *out,
                  enum image_answer *answer, struct str *problem);

/* Has the machine's podman, or else its docker, write the image that it knows by that reference
 * below `folder`, which exists and is empty: *layout is then image_find()'s. Takes as long as it
 * takes: until *cancelled, or 15 minutes. */
RESULT image_fetch(struct arena *arena, struct str reference, struct str folder,
                   const struct unpack_limits *limits, const _Atomic bool *cancelled,
                   struct str *layout, enum image_answer *answer, struct str *problem);

/* Its layers in order, as one run of bytes; each is compared with its digest. */
struct image_sink {
    RESULT (*write)(void *context, struct str bytes);
    void *context;
    const _Atomic bool *cancelled;
};
RESULT image_pack(struct arena *arena, struct str folder, const struct image *image,
                  const struct image_sink *sink, enum image_answer *answer, struct str *problem);

/* What image_pack() wrote, as a root file system in a directory that exists. Owners are forgotten,
 * as are devices and set-user-id bits; other modes are kept, so that what not everybody may read
 * fails as on AWS. */
RESULT image_unpack(struct arena *arena, int fd, const char *directory,
                    const struct unpack_limits *limits, const _Atomic bool *cancelled,
                    struct unpack_result *out);

/* A tar archive that `docker save` wrote, to a directory that exists. */
RESULT image_unpack_archive(struct arena *arena, int fd, const char *directory,
                            const struct unpack_limits *limits, const _Atomic bool *cancelled,
                            struct unpack_result *out);

/* Opens a path as one whose root is `root` sees it: links never lead out. -1: errno. */
int image_open(const char *root, const char *path, int flags);
int image_open_at(int root, const char *path, int flags);

#endif
