/* The protocol engine's face: one decoder and one encoder for every service and protocol, driven by
 * descriptors (wire/desc.h). Nothing here knows a socket or a service.
 *
 *   json.c cbor.c xml.c query.c   the formats          rest.c        HTTP bindings and routing
 *   validate.c                    model constraints    error.c       error replies
 *   eventstream.c                 event stream frames  timestamp.c   the timestamp formats */
#ifndef KUMONIWA_WIRE_WIRE_H
#define KUMONIWA_WIRE_WIRE_H

#include "base/arena.h"
#include "base/buf.h"
#include "wire/desc.h"

struct wire_header {
    struct str name; /* as it came; compared without case */
    struct str value;
};

/* A request as the wire saw it; everything borrowed. */
struct wire_request {
    struct str method;
    struct str path;  /* before '?', still percent-encoded */
    struct str query; /* after '?', still encoded; absent when there is none */
    struct str host;  /* without port */
    const struct wire_header *headers;
    size_t header_count;
    struct str body; /* whole, decoded from aws-chunked and gzip; absent for streamed payloads */
};

/* The first header of that name, absent when there is none. */
struct str wire_request_header(const struct wire_request *request, struct str name);

/* Why a request cannot be what it should be: one of the common errors and its message. */
struct wire_failure {
    enum wire_common_error error;
    struct str message; /* in the arena */
    struct str code;    /* goes before the error's own code on the wire; absent: none does */
    struct str argument_name, argument_value; /* S3's InvalidArgument shows them; absent: none */
};

struct wire_response {
    uint16_t status;
    struct wire_header *headers; /* in the arena, content-type included */
    size_t header_count;
    struct str body; /* absent when the operation streams its payload */
};

/* Where a request goes. Operation is -1 with RESULT_OK when the service is known and the operation
 * is not. */
struct wire_route {
    const struct wire_model *model;
    int operation;
    enum wire_protocol protocol;
    struct str
        path; /* REST: the path that matched, the virtual-host bucket before it; else absent */
};

/* What routing knows of the models: made once at start, shared by all threads. Operations of a
 * service are indexed when its first request comes. */
struct wire_index;
struct wire_index *wire_index_new(const struct wire_model *const *models, size_t count);
void wire_index_free(struct wire_index *index);
/* Whether hosts of a service begin so: "sqs", "api.ecr". */
bool wire_index_has_prefix(const struct wire_index *index, struct str endpoint_prefix);

/* Finds service, operation and protocol from X-Amz-Target, the rpc-v2-cbor path, the Action
 * parameter (query string or form body, with Version), the credential scope's service name (absent:
 * unsigned), the host's first labels and for REST the method, path, query literals and required
 * headers. S3 is what remains: any path on any host that nothing else claims. `bucket_in_host` is
 * the virtual-host bucket (absent: path style): it is then put before the path for matching, and
 * for decoding. False: nothing matches at all. */
bool wire_route(struct arena *arena, const struct wire_index *index,
                const struct wire_request *request, struct str scope_service,
                struct str bucket_in_host, struct wire_route *out);

/* The same for a request of which the service is known, and that goes by method and path alone:
 * `path` stands in the place of its own, for matching and for decoding. Operation is -1 when there
 * is none. */
void wire_route_rest(const struct wire_model *model, const struct wire_request *request,
                     struct str path, struct wire_route *out);

/* Decodes the request into the operation's input struct (a new one in the arena, strings borrowed
 * from the request where nothing must be unescaped). RESULT_ERROR: *failure says why
 * (SerializationException and its kin). The streaming payload member stays absent. */
RESULT wire_decode_request(struct arena *arena, const struct wire_route *route,
                           const struct wire_request *request, const void **in,
                           struct wire_failure *failure);

/* Checks the model's constraints in the service's style; RESULT_ERROR: *failure is set. Idempotency
 * tokens that are absent have been filled by the decoder. */
struct wire_patterns;
struct wire_patterns *
wire_patterns_new(void); /* compiled patterns, shared by all threads, process lifetime */
void wire_patterns_free(struct wire_patterns *patterns);
RESULT wire_validate(struct arena *arena, struct wire_patterns *patterns,
                     const struct wire_route *route, const void *in, struct wire_failure *failure);

/* Encodes the operation's output. request_id goes where the protocol wants it (x-amzn-RequestId,
 * ResponseMetadata, requestId). The streaming payload member is skipped. */
RESULT wire_encode_response(struct arena *arena, const struct wire_route *route, const void *out,
                            struct str request_id, struct wire_response *response);

/* An error reply. detail: the error shape's struct with its further members, or NULL. status 0: the
 * error's own. resource: S3's <Resource>; further fields of S3 errors come as extra name/value
 * pairs. */
struct wire_error_reply {
    uint32_t error; /* index into model->errors */
    struct str message;
    const void *detail;
    struct str request_id;
    struct str resource;             /* rest-xml of S3 only; absent otherwise */
    const struct wire_header *extra; /* rest-xml: further elements of <Error> */
    size_t extra_count;
    struct str code; /* overrides the code on the wire; absent: the model's */
};
RESULT wire_encode_error(struct arena *arena, const struct wire_model *model,
                         enum wire_protocol protocol, const struct wire_error_reply *reply,
                         struct wire_response *response);

/* S3's x-amz-id-2 of a request: 57 bytes that nobody can read anything from, in base64. */
struct str wire_s3_host_id(struct arena *arena, struct str request_id);

/* A quoted JSON string. */
void wire_json_write_string(struct buf *out, struct str s);
/* JSON of a shape, both ways, for documents stored or sent inside other messages. */
RESULT wire_json_encode(struct buf *out, const struct wire_model *model, uint16_t shape,
                        const void *value);
/* As CloudTrail tells of a request: all members wherever they travel, names with a small first
 * letter, secrets hidden, streams left out. */
RESULT wire_json_describe(struct buf *out, const struct wire_model *model, uint16_t shape,
                          const void *value);
RESULT wire_json_decode(struct arena *arena, const struct wire_model *model, uint16_t shape,
                        struct str text, void *value, struct wire_failure *failure);

/* One event of an output event stream, framed (prelude, headers, CRCs). member: index within the
 * event stream union; value: the member's struct. A member that is an exception becomes an
 * exception frame. */
RESULT wire_encode_event(struct arena *arena, const struct wire_route *route, uint16_t union_shape,
                         uint16_t member, const void *value, struct str *frame);
/* The frame that goes before all events in JSON and CBOR: the output's members beside the stream.
 */
RESULT wire_encode_initial_response(struct arena *arena, const struct wire_route *route,
                                    const void *out, struct str *frame);
/* An error that the stream's union does not name. */
RESULT wire_encode_event_error(struct arena *arena, struct str code, struct str message,
                               struct str *frame);

/* One frame of a client's event stream. Values are as they came, big-endian; booleans have none. */
struct wire_frame_header {
    struct str name;
    struct str value;
    uint8_t type; /* 0 true, 1 false, 2-5 numbers of 1-8 bytes, 6 bytes, 7 string, 8 timestamp, 9
                     UUID */
};
struct wire_frame {
    struct wire_frame_header *headers;
    size_t header_count;
    struct str payload;
};
enum wire_frame_state {
    WIRE_FRAME_WHOLE,
    WIRE_FRAME_PARTIAL, /* more bytes are needed */
    WIRE_FRAME_BROKEN,  /* a length or checksum is wrong: the connection is of no use any more */
};
/* The first frame of bytes, borrowed from them; *used: its length. */
enum wire_frame_state wire_decode_frame(struct arena *arena, struct str bytes,
                                        struct wire_frame *frame, size_t *used);
/* The string header of that name, or absent. */
struct str wire_frame_string(const struct wire_frame *frame, struct str name);

#endif
