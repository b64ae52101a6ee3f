/* SelectObjectContent, between its parts. */
#ifndef KUMONIWA_SERVICES_S3_SELECT_H
#define KUMONIWA_SERVICES_S3_SELECT_H

#include "services/s3/s3_int.h"
#include "services/s3/select_int.h"

/* Bytes of an object, plain, from anywhere, decompressed: select_input.c */
enum select_compression { SELECT_NONE, SELECT_GZIP, SELECT_BZIP2 };
struct select_input;
/* pieces: open ones (crypt.h), copied. Released with the arena. */
struct select_input *select_input_new(struct arena *arena, struct blob_store *blobs,
                                      const struct s3_manifest *pieces,
                                      enum select_compression compression);
/* Reading goes on at this byte; not of what is compressed. */
void select_input_seek(struct select_input *input, uint64_t offset);
/* The next plain bytes, borrowed until the next call; empty: the end. RESULT_ERROR: *failure. */
RESULT select_input_read(struct select_input *input, struct str *bytes,
                         struct select_failure *failure);
/* Of the object, as it is stored. */
uint64_t select_input_scanned(const struct select_input *input);

/* What is to be done, settled: select_run.c. Lives in an arena of its own. */
struct select_plan {
    struct arena *arena;
    struct cloud *cloud;
    enum wire_protocol protocol;
    int64_t now_ms;
    struct select_query query;
    const struct s3_InputSerialization *input;
    const struct s3_OutputSerialization *output;
    enum select_compression compression;
    struct s3_manifest pieces;
    bool progress;
    bool ranged;
    uint64_t first, last; /* of the scan range: where records may begin */
};
/* Takes the plan's arena over. */
struct call_source select_source(const struct select_plan *plan);

#endif
