/* The numbers of RFC 8949, for the reader and the writer. */
#ifndef KUMONIWA_WIRE_CBOR_INT_H
#define KUMONIWA_WIRE_CBOR_INT_H

enum cbor_major {
    CBOR_UNSIGNED,
    CBOR_NEGATIVE,
    CBOR_BYTES,
    CBOR_TEXT,
    CBOR_LIST,
    CBOR_MAP,
    CBOR_TAG,
    CBOR_SIMPLE,
};

/* Additional information. */
enum {
    CBOR_FALSE = 20,
    CBOR_TRUE = 21,
    CBOR_HALF = 25,
    CBOR_SINGLE = 26,
    CBOR_DOUBLE = 27,
    CBOR_INDEFINITE = 31,
};

/* Whole bytes, and the tag of seconds since 1970. */
enum { CBOR_NULL = 0xf6, CBOR_UNDEFINED = 0xf7, CBOR_BREAK = 0xff, CBOR_TAG_EPOCH = 1 };

#endif
