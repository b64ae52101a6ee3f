/* The C forms of the model's simple types. Generated structs (build/gen/NAME.h) are made of these:
 *
 *   string, bigInteger, bigDecimal   struct str           absent: ptr == NULL
 *   blob                             struct str           decoded bytes; absent: ptr == NULL
 *   document                         struct str           JSON text
 *   boolean                          struct opt_bool
 *   byte, short, integer             struct opt_int
 *   long                             struct opt_long
 *   float, double                    struct opt_double
 *   timestamp                        struct opt_time      milliseconds since 1970
 *   structure, union                 struct NAME_Shape *  absent: NULL
 *   list of T                        struct {T *items; size_t len;}             absent: items ==
 * NULL map of K to V                    struct {struct {struct str key; V value;} *items; size_t
 * len;}
 *
 * Inside a list or a map a structure stands by value, everything else as above. An empty list that
 * is present has items != NULL. A map keeps the order of the wire. A null in a sparse list or map
 * is an absent item (a sparse list of structures does not occur in AWS's models). */
#ifndef KUMONIWA_WIRE_TYPES_H
#define KUMONIWA_WIRE_TYPES_H

#include "base/str.h"

struct opt_bool {
    bool set;
    bool value;
};
struct opt_int {
    bool set;
    int32_t value;
};
struct opt_long {
    bool set;
    int64_t value;
};
struct opt_double {
    bool set;
    double value;
};
struct opt_time {
    bool set;
    int64_t ms;
};

/* What every generated list and map looks like in memory. */
struct wire_list {
    void *items;
    size_t len;
};

/* The list of strings, which every service has; generated lists of strings are layout-compatible.
 */
struct str_list {
    struct str *items;
    size_t len;
};

/* The map of strings to strings, likewise. */
struct str_map_entry {
    struct str key;
    struct str value;
};
struct str_map {
    struct str_map_entry *items;
    size_t len;
};

static inline struct opt_bool opt_bool(bool value)
{
    return (struct opt_bool){.set = true, .value = value};
}
static inline struct opt_int opt_int(int32_t value)
{
    return (struct opt_int){.set = true, .value = value};
}
static inline struct opt_long opt_long(int64_t value)
{
    return (struct opt_long){.set = true, .value = value};
}
static inline struct opt_double opt_double(double value)
{
    return (struct opt_double){.set = true, .value = value};
}
static inline struct opt_time opt_time(int64_t ms)
{
    return (struct opt_time){.set = true, .ms = ms};
}

#endif
