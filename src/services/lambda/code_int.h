/* Between code.c and code_serve.c. */
#ifndef KUMONIWA_SERVICES_LAMBDA_CODE_INT_H
#define KUMONIWA_SERVICES_LAMBDA_CODE_INT_H

#include "cloud/call.h"

/* DATA/functions/KIND/ID */
struct str code_folder(struct arena *arena, const struct cloud *cloud, struct str kind,
                       struct str id);
RESULT code_folders_make(const struct cloud *cloud, struct arena *arena);
bool code_folder_exists(struct arena *arena, struct str folder);
/* A new folder beside it, to be renamed when it is complete. */
RESULT code_folder_begin(struct arena *arena, struct str folder, struct str *temporary);
RESULT code_folder_end(struct arena *arena, struct str temporary, struct str folder);

#endif
