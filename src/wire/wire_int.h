/* Between the files of wire/: the formats under wire.h's face. Readers fill *value, zeroed by the
 * caller, with what the body holds; members bound elsewhere (header, query, uri, status) are
 * skipped both ways. RESULT_ERROR always comes with *failure. */
#ifndef KUMONIWA_WIRE_WIRE_INT_H
#define KUMONIWA_WIRE_WIRE_INT_H

#include "wire/wire.h"

/* Nesting deeper than this is refused. (A value of DynamoDB nests 32 deep, which is 64 of JSON,
 * within a request's own seven.) */
enum { WIRE_DEPTH_MAX = 128 };

/* A reply's body in memory. */
enum { WIRE_BODY_MAX = 256 << 20 };

/* Failure with WIRE_SERIALIZATION or the error named; always yields RESULT_ERROR. */
RESULT wire_fail(struct arena *arena, struct wire_failure *failure, enum wire_common_error error,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));

/* What decoding may take of the arena beyond the text itself, so that a small body of many empty
 * items cannot become a large structure: 64 times the body and a little, never more than 256 MiB.
 */
size_t wire_decode_budget(size_t body_len);
/* Room for one more item, zeroed, the list's len as before; NULL: more than what *budget allows. */
void *wire_list_grow(struct arena *arena, struct wire_list *list, size_t *cap, size_t size,
                     size_t *budget);

/* number.c: the shortest decimal that reads back as the same value (single: as the same float);
 * "NaN", "Infinity" and "-Infinity" without quotes. */
void wire_write_double(struct buf *out, double value, bool single);
/* Those three words and every decimal number; false for anything else. */
bool wire_read_double(struct str text, double *value);
/* False for a finite number that a member of this type, a float or a double, would hold as
 * infinite. */
bool wire_double_fits(const struct wire_shape *shape, double value);

/* json.c: empty text is an empty structure. */
RESULT wire_json_read(struct arena *arena, const struct wire_model *model, uint16_t shape,
                      struct str text, void *value, struct wire_failure *failure);
RESULT wire_json_write(struct buf *out, const struct wire_model *model, uint16_t shape,
                       const void *value);
/* The members alone, ',' before each that is not the first of the object. *first is kept up to
 * date. */
RESULT wire_json_write_members(struct buf *out, const struct wire_model *model, uint16_t shape,
                               const void *value, bool *first);

/* cbor.c */
RESULT wire_cbor_read(struct arena *arena, const struct wire_model *model, uint16_t shape,
                      struct str bytes, void *value, struct wire_failure *failure);
RESULT wire_cbor_write(struct buf *out, const struct wire_model *model, uint16_t shape,
                       const void *value);
/* An error's map: __type, the message under its name (absent: none) and the members of shape (value
 * NULL: none). */
RESULT wire_cbor_write_error(struct buf *out, const struct wire_model *model, struct str type,
                             struct str message_name, struct str message, uint16_t shape,
                             const void *value);

/* xml.c: reader takes any root element. The writer writes <root xmlns=...> around the members (root
 * 0: the members alone); ec2 says how ec2's lists are written (<item>). */
RESULT wire_xml_read(struct arena *arena, const struct wire_model *model, uint16_t shape,
                     struct str text, void *value, struct wire_failure *failure);
RESULT wire_xml_write(struct buf *out, const struct wire_model *model, uint16_t shape,
                      uint32_t root, uint32_t namespace_uri, const void *value);
/* One member as an element of its own (a payload); namespace_uri: where the member names none. */
RESULT wire_xml_write_member(struct buf *out, const struct wire_model *model,
                             const struct wire_member *member, uint32_t namespace_uri,
                             const void *structure);
void wire_xml_escape(struct buf *out, struct str s);

/* query.c: query and ec2. */
RESULT wire_query_read(struct arena *arena, const struct wire_route *route,
                       const struct wire_request *request, void *value,
                       struct wire_failure *failure);
RESULT wire_query_write(struct arena *arena, const struct wire_route *route, const void *value,
                        struct str request_id, struct wire_response *response);

/* rest.c: bindings of rest-json and rest-xml, bodies by the formats above. */
RESULT wire_rest_read(struct arena *arena, const struct wire_route *route,
                      const struct wire_request *request, void *value,
                      struct wire_failure *failure);
RESULT wire_rest_write(struct arena *arena, const struct wire_route *route, const void *value,
                       struct wire_response *response);
/* The operation that method, path, query and headers choose, or -1. */
int wire_rest_match(const struct wire_model *model, const struct wire_request *request,
                    struct str path);

/* timestamp.c: text forms (ISO 8601, HTTP date, epoch seconds with fraction). Every form is read,
 * the one named first; the format decides the output (WIRE_TIME_DEFAULT: ISO 8601). */
bool wire_time_read(struct str text, enum wire_time_format format, int64_t *ms);
void wire_time_write(struct buf *out, enum wire_time_format format, int64_t ms);

/* error.c: x-amzn-RequestId and the like; appends to response->headers. */
void wire_add_header(struct arena *arena, struct wire_response *response, struct str name,
                     struct str value);

/* x-amzn-RequestId, or S3's pair, and the body's checksum where the service sends it;
 * wire_encode_response() and wire_encode_error() add them for all protocols. */
void wire_add_own_headers(struct arena *arena, const struct wire_model *model,
                          struct str request_id, struct wire_response *response);
bool wire_is_s3(const struct wire_model *model);

#endif
