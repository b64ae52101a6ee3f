/* Exports to S3 and imports from it. */
#ifndef KUMONIWA_SERVICES_DYNAMODB_TRANSFER_H
#define KUMONIWA_SERVICES_DYNAMODB_TRANSFER_H

#include "cloud/object_io.h"
#include "services/dynamodb/dynamodb_int.h"

/* --- requests that their token makes once, for eight hours --- */

/* *arn: what the token has made already; absent: nothing. A request that differs from the one that
 * made it fails with `mismatch`. */
RESULT once_meet(struct call *call, struct str token, uint16_t shape, const void *in,
                 uint32_t mismatch, struct str *arn);
RESULT once_note(struct call *call, struct str token, uint16_t shape, const void *in,
                 struct str arn);
RESULT once_deliver(struct call *call, const struct outbox_item *item);

/* In whose name S3 is asked, as the record has it. */
RESULT transfer_caller(struct call *call, struct str kept, struct str source_arn,
                       struct object_io_caller *out);
/* "Lists ... within the past 90 days." */
bool transfer_is_listed(const struct call *call, int64_t start_ms);
/* As FailureCode has it: "S3NoSuchBucket"; what S3 did not say stands as it is. */
#define TRANSFER_INVALID STR("ItemValidationError")
struct str transfer_failure(struct call *call, const struct object_io_problem *problem);
/* A page of what stands under (kind, table): visit until it says that the page is full. */
struct transfer_list {
    struct str kind, table_arn, token;
    bool (*visit)(void *context, struct str value, enum result *result);
    void *context;
};
RESULT transfer_list(struct call *call, const struct transfer_list *list, struct str *next);

RESULT export_deliver(struct call *call, const struct outbox_item *item);
RESULT import_deliver(struct call *call, const struct outbox_item *item);
RESULT import_notes_deliver(struct call *call, const struct outbox_item *item);

/* --- export_filter.c
 * -------------------------------------------------------------------------------------------------
 */

struct export_filter {
    const struct condition *keys, *filter; /* NULL: all */
    const struct projection *projection;   /* NULL: whole */
};
/* in: NULL for none. */
RESULT export_filter_parse(struct call *call, const struct dynamodb_table *table,
                           const struct dynamodb_FilterSpecification *in,
                           struct export_filter *out);
/* True: *item is what is exported of it. */
bool export_filter_takes(struct arena *arena, const struct export_filter *filter,
                         struct dynamodb_AttributeMap *item);

/* --- import_text.c: lines of DynamoDB JSON and records of CSV
 * -------------------------------------------------------------------------------------------------
 */

/* Where the first line or record of the text ends, its line feed included; 0: it does not end
 * here. */
size_t import_line_end(struct str text, bool csv);
/* The fields of one record, without the line's end. */
RESULT import_csv_fields(struct arena *arena, struct str line, char delimiter,
                         struct str_list *fields);
/* Every column has a name of its own. */
bool import_header_is_valid(const struct str_list *header);
/* The item that a line means; RESULT_ERROR: it means none, and *reason says why. */
RESULT import_json_item(struct arena *arena, struct str line, struct dynamodb_AttributeMap *item,
                        struct str *reason);
RESULT import_csv_item(struct arena *arena, const struct dynamodb_table *table,
                       const struct str_list *header, const struct str_list *fields,
                       struct dynamodb_AttributeMap *item, struct str *reason);

#endif
