/* Descriptors: AWS's service models as constant tables, one set per service, written by
 * tools/generate.py into build/gen/NAME.c and interpreted by everything in wire/ and by the store's
 * record codec.
 *
 * Tables hold indices, not pointers, so that they need no relocation and cost nothing at start. A
 * string is an index into the model's pool, where two bytes of length (little-endian) stand before
 * the bytes and a NUL after them; index 0 is "no string". Shapes, members, constraints and
 * operations are indices into their tables. Shape 0 is the empty structure. */
#ifndef KUMONIWA_WIRE_DESC_H
#define KUMONIWA_WIRE_DESC_H

#include "base/result.h"
#include "wire/types.h"

enum wire_type {
    WIRE_STRING,
    WIRE_BLOB,
    WIRE_BOOL,
    WIRE_BYTE, /* struct opt_int, as are short and int; the width decides the range */
    WIRE_SHORT,
    WIRE_INT,
    WIRE_LONG,
    WIRE_FLOAT, /* struct opt_double */
    WIRE_DOUBLE,
    WIRE_TIMESTAMP,
    WIRE_DOCUMENT,
    WIRE_BIG_NUMBER, /* bigInteger, bigDecimal: struct str of its text */
    WIRE_LIST,
    WIRE_MAP,
    WIRE_STRUCT,
};

enum wire_shape_flag {
    WIRE_SHAPE_UNION = 1 << 0,
    WIRE_SHAPE_EVENT_STREAM = 1 << 1,
    WIRE_SHAPE_EVENT = 1 << 2,
    WIRE_SHAPE_FLATTENED = 1 << 3, /* list or map */
    WIRE_SHAPE_STREAMING = 1 << 4, /* blob */
    WIRE_SHAPE_EXCEPTION = 1 << 5,
    WIRE_SHAPE_SPARSE = 1 << 6,
    WIRE_SHAPE_SENSITIVE = 1 << 7,
};

enum wire_location {
    WIRE_IN_BODY,
    WIRE_IN_HEADER,
    WIRE_IN_HEADERS, /* a map; wire_name is the prefix */
    WIRE_IN_QUERY,   /* a scalar, a list, or a map (querystring of a map: all that no other member
                        takes) */
    WIRE_IN_URI,
    WIRE_IN_STATUS, /* output: the HTTP status */
};

enum wire_time_format {
    WIRE_TIME_DEFAULT, /* what the protocol and the location say */
    WIRE_TIME_UNIX,
    WIRE_TIME_ISO8601,
    WIRE_TIME_RFC822,
};

enum wire_member_flag {
    WIRE_MEMBER_REQUIRED = 1 << 0,
    WIRE_MEMBER_FLATTENED = 1 << 1, /* "flattened" on the member's reference or on its shape */
    WIRE_MEMBER_XML_ATTRIBUTE = 1 << 2,
    WIRE_MEMBER_IDEMPOTENCY_TOKEN = 1 << 3,
    WIRE_MEMBER_JSON_VALUE = 1 << 4, /* JSON in a header (base64) or a string in the body */
    WIRE_MEMBER_HOST_LABEL = 1 << 5,
    WIRE_MEMBER_STREAMING = 1 << 6,
    WIRE_MEMBER_EVENT_PAYLOAD = 1 << 7,
    WIRE_MEMBER_EVENT_HEADER = 1 << 8,
    WIRE_MEMBER_GREEDY = 1 << 9, /* the label is {Name+} */
    WIRE_MEMBER_PLAIN =
        1 << 10, /* hand-declared records: int64_t, bool, double without `set`; 0 when missing */
};

struct wire_member {
    uint32_t name; /* the key in JSON and CBOR bodies of whatever protocol, and in messages: the
                      model's name (rest-json: of a body member the locationName where given) */
    uint32_t wire_name;  /* XML, query, headers, labels: locationName where given, else the name, of
                            a list's item  "member"; rest-xml: of a structure that is the payload the
                            root element, else the  shape's name */
    uint32_t query_name; /* ec2: queryName, else locationName with its first letter upper, else the
                            name with its first letter upper; other protocols: as wire_name, but a
                            flattened list without locationName takes its item's */
    uint32_t namespace_uri;    /* xmlNamespace of the member or its shape; 0: none */
    uint32_t namespace_prefix; /* 0: default namespace */
    uint32_t tag;    /* for records: given by hand, or a 28-bit hash of the name for model shapes */
    uint32_t offset; /* offsetof in the C struct; map value: in the entry; list item: 0 */
    uint16_t shape;
    uint16_t flags;      /* enum wire_member_flag */
    uint8_t location;    /* enum wire_location */
    uint8_t time_format; /* enum wire_time_format, of the member or its shape */
};

struct wire_shape {
    uint8_t type;          /* enum wire_type */
    uint8_t flags;         /* enum wire_shape_flag */
    uint16_t member_count; /* structure: its members; list: 1 (the item); map: 2 (key, value) */
    uint32_t name;
    uint32_t members;    /* index of the first */
    uint32_t size;       /* sizeof the C form as it stands in a list; structure: of the struct */
    uint16_t payload;    /* structure: 1 + index within its members of the HTTP payload; 0: none */
    uint16_t constraint; /* 0: none */
    uint32_t namespace_uri; /* structure: xmlNamespace; 0: none */
};

enum wire_constraint_flag {
    WIRE_HAS_MIN = 1 << 0,
    WIRE_HAS_MAX = 1 << 1,
};

/* Length of strings (code points), blobs (bytes), lists and maps; range of numbers. */
struct wire_constraint {
    double min, max;
    uint32_t
        pattern; /* string; 0: none. A model pattern is Java's and must match the whole value */
    uint32_t enum_first; /* index into enum_values */
    uint16_t enum_count; /* 0: no enumeration */
    uint16_t flags;
};

enum wire_operation_flag {
    WIRE_OP_NO_AUTH = 1 << 0,   /* authtype none */
    WIRE_OP_STREAM_IN = 1 << 1, /* the payload is a streaming blob: not in memory, see call.h */
    WIRE_OP_STREAM_OUT = 1 << 2,
    WIRE_OP_EVENT_OUT = 1 << 3, /* the output holds an event stream */
    WIRE_OP_EVENT_IN = 1 << 4,
    WIRE_OP_READ_ONLY = 1 << 5, /* begins in a read-only transaction (by name, or services.list) */
    WIRE_OP_CHECKSUM_REQUIRED = 1 << 6,
    WIRE_OP_UNSIGNED_PAYLOAD = 1 << 7,
    WIRE_OP_QUERY_LITERAL = 1 << 8, /* the template has a query string, which a request must have */
};

struct wire_operation {
    uint32_t name;
    uint32_t method; /* "POST" where the protocol has no say */
    uint32_t uri;    /* "/" where the protocol has no say; may hold labels and a query literal */
    uint32_t
        input_root; /* rest-xml: element name of the request body (locationName of the input) */
    uint32_t input_namespace;
    uint32_t output_root; /* query: resultWrapper; rest-xml: locationName of the output; 0: none */
    uint32_t host_prefix; /* "{AccountId}." or 0 */
    uint32_t iam;         /* "action resource-template [condition keys]" lines of iam.list, or 0 */
    uint16_t input, output; /* shapes */
    uint16_t status;        /* HTTP status of success */
    uint16_t flags;         /* enum wire_operation_flag */
};

/* An error that the service may answer. The first WIRE_COMMON_ERRORS of every model are the common
 * ones in the order of models/overlays/common.json, so that one index names the same error
 * everywhere. */
struct wire_error {
    uint32_t name; /* the shape's name: JSON's __type, CBOR's */
    uint32_t code; /* the code on XML and query wires (error.code of the model), else the name */
    uint32_t query_code; /* awsQueryCompatible: x-amzn-query-error; 0: none */
    uint16_t shape;      /* its members beyond the message; 0: none */
    uint16_t status;
    bool server_fault; /* Receiver, not Sender */
};

enum wire_protocol {
    WIRE_PROTOCOL_QUERY = 1 << 0,
    WIRE_PROTOCOL_EC2 = 1 << 1,
    WIRE_PROTOCOL_JSON = 1 << 2, /* json 1.0 or 1.1: model->json_version */
    WIRE_PROTOCOL_REST_JSON = 1 << 3,
    WIRE_PROTOCOL_REST_XML = 1 << 4,
    WIRE_PROTOCOL_CBOR = 1 << 5,
};

/* How validation failures read. */
enum wire_validation {
    WIRE_VALIDATE_SMITHY, /* "N validation errors detected: ..." with ValidationException /
                             ValidationError */
    WIRE_VALIDATE_QUERY, /* "The request must contain the parameter X." MissingParameter (ec2, older
                            sqs) */
    WIRE_VALIDATE_NONE,  /* the service checks for itself (s3, sqs, dynamodb's own forms) */
};

struct call;
/* An operation's function, arguments untyped; made by the generator around NAME_Operation(). */
typedef RESULT wire_function(struct call *call, const void *in, void *out);

struct wire_model {
    const char *strings;
    const struct wire_shape *shapes;
    const struct wire_member *members;
    const struct wire_constraint *constraints;
    const uint32_t *enum_values;
    const struct wire_operation *operations;
    const struct wire_error *errors;
    wire_function *const *functions; /* by operation; NULL entry: not implemented */
    uint32_t shape_count, member_count, operation_count, error_count;
    struct str name;            /* the folder: "sqs", "cognito_idp" */
    struct str service_id;      /* "SQS", "Cognito Identity Provider" */
    struct str title;           /* serviceAbbreviation or serviceFullName */
    struct str signing_name;    /* "sqs": the credential scope's service */
    struct str endpoint_prefix; /* "sqs": the first label of the host */
    struct str api_version;     /* "2012-11-05" */
    struct str target_prefix;   /* "AmazonSQS": X-Amz-Target before the dot; CBOR's service name in
                                   the path */
    uint32_t namespace_uri;     /* xmlNamespace of the service */
    uint32_t error_namespace;   /* what stands before '#' in JSON's __type ("com.amazonaws.sqs"); 0:
                                   the name alone */
    uint32_t protocols;         /* all that are accepted: enum wire_protocol */
    uint8_t own_protocol;       /* the bit number of the one the model names first */
    uint8_t json_version;       /* 10 or 11 */
    uint8_t validation;         /* enum wire_validation */
    bool query_compatible;      /* awsQueryCompatible */
    bool body_crc32;            /* replies bear x-amz-crc32, of their body */
    bool implemented;           /* has a folder under src/services */
};

static inline struct str wire_string(const struct wire_model *model, uint32_t index)
{
    if (index == 0)
        return (struct str){0};
    const unsigned char *p = (const unsigned char *)model->strings + index;
    return (struct str){.ptr = model->strings + index, .len = (size_t)(p[-2] | p[-1] << 8)};
}

/* All models, in the order of models/services.list (build/gen/registry.c). */
extern const struct wire_model *const wire_models[];
extern const size_t wire_model_count;

/* The common errors, the same index in every model. */
enum wire_common_error {
    WIRE_ACCESS_DENIED,           /* AccessDenied(Exception), 403 */
    WIRE_EXPIRED_TOKEN,           /* ExpiredToken(Exception), 403 */
    WIRE_INCOMPLETE_SIGNATURE,    /* IncompleteSignature(Exception), 403 (query: 400) */
    WIRE_INTERNAL_FAILURE,        /* InternalFailure / InternalError, 500 */
    WIRE_INVALID_ACTION,          /* InvalidAction / UnknownOperationException, 400 */
    WIRE_INVALID_CLIENT_TOKEN,    /* InvalidClientTokenId / UnrecognizedClientException, 403 (JSON:
                                     400) */
    WIRE_INVALID_PARAMETER_VALUE, /* InvalidParameterValue, 400 */
    WIRE_MALFORMED_QUERY_STRING,  /* MalformedQueryString, 404 */
    WIRE_MISSING_ACTION,          /* MissingAction, 400 */
    WIRE_MISSING_AUTHENTICATION_TOKEN, /* MissingAuthenticationToken(Exception), 403 */
    WIRE_MISSING_PARAMETER,            /* MissingParameter, 400 */
    WIRE_NOT_IMPLEMENTED,              /* NotImplemented, 501 */
    WIRE_OPT_IN_REQUIRED,              /* OptInRequired, 403 */
    WIRE_REQUEST_EXPIRED,              /* RequestExpired, 400 */
    WIRE_REQUEST_TOO_LARGE,            /* RequestEntityTooLarge(Exception), 413 */
    WIRE_SERIALIZATION,            /* SerializationException / MalformedInput / MalformedXML, 400 */
    WIRE_SERVICE_UNAVAILABLE,      /* ServiceUnavailable, 503 */
    WIRE_SIGNATURE_DOES_NOT_MATCH, /* SignatureDoesNotMatch / InvalidSignatureException, 403 */
    WIRE_THROTTLING,               /* Throttling(Exception), 400 */
    WIRE_VALIDATION,               /* ValidationError / ValidationException, 400 */
    WIRE_COMMON_ERRORS,
};

#endif
