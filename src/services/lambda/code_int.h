/* Between code.c, images.c and code_serve.c. */
#ifndef KUMONIWA_SERVICES_LAMBDA_CODE_INT_H
#define KUMONIWA_SERVICES_LAMBDA_CODE_INT_H

#include "cloud/call.h"
#include "cloud/work.h"
#include "functions/image.h"
#include "gen/lambda.h"

/* DATA/functions/KIND/ID */
struct str code_folder(struct arena *arena, const struct cloud *cloud, struct str kind,
                       struct str id);
RESULT code_folders_make(const struct cloud *cloud, struct arena *arena);
/* A new folder beside it, to be renamed when it is complete. */
RESULT code_folder_begin(struct arena *arena, struct str folder, struct str *temporary);
RESULT code_folder_end(struct arena *arena, struct str temporary, struct str folder);

/* --- images.c --- */

extern const struct unpack_limits image_limits;

struct image_taken {
    struct image image;
    struct str source; /* "podman", "docker"; absent: a folder */
    enum image_answer answer;
    struct str problem; /* for people */
    struct unpack_result unpacked;
    int64_t size;
};
/* On a thread for work: finds the image, writes it to a blob, unpacks it to its folder. What the
 * image lacks is in `out`, not in the result. */
RESULT image_take(struct work *work, struct str uri, struct blob_id *blob, bool *published,
                  struct image_taken *out);
/* The error of what was found wrong. */
RESULT image_judge(struct call *call, struct str uri, const struct image_taken *taken);
/* What the record of it says besides. */
void image_keep(const struct image_taken *taken, struct lambda_code *code);

#endif
