/* Reading descriptors and the C forms they describe: what every format needs of desc.h and types.h.
 */
#ifndef KUMONIWA_WIRE_SHAPE_H
#define KUMONIWA_WIRE_SHAPE_H

#include "wire/desc.h"

static inline const struct wire_shape *shape_at(const struct wire_model *model, uint16_t shape)
{
    return &model->shapes[shape];
}

/* A structure's members; a list's item; a map's key and value. */
static inline const struct wire_member *shape_members(const struct wire_model *model,
                                                      const struct wire_shape *shape)
{
    return &model->members[shape->members];
}

static inline struct str member_name(const struct wire_model *model,
                                     const struct wire_member *member)
{
    return wire_string(model, member->name);
}

/* The member's place in its structure (or its map entry). */
static inline void *member_place(const struct wire_member *member, void *structure)
{
    return (char *)structure + member->offset;
}
static inline const void *member_value(const struct wire_member *member, const void *structure)
{
    return (const char *)structure + member->offset;
}

/* Bytes between the items of a list. */
static inline size_t shape_item_size(const struct wire_model *model, const struct wire_shape *list)
{
    return model->shapes[shape_members(model, list)[0].shape].size;
}

/* Bytes between the entries of a map: struct {struct str key; V value;}. */
static inline size_t shape_entry_size(const struct wire_model *model, const struct wire_shape *map)
{
    const struct wire_member *value = &shape_members(model, map)[1];
    size_t size = value->offset + model->shapes[value->shape].size;
    return (size + _Alignof(struct str) - 1) / _Alignof(struct str) * _Alignof(struct str);
}

/* Whether the value at `place` (a member's, an item's or an entry's) is there. Structures that
 * stand by value are. */
static inline bool shape_is_present(const struct wire_shape *shape, const void *place,
                                    bool by_value)
{
    switch ((enum wire_type)shape->type) {
    case WIRE_STRING:
    case WIRE_BLOB:
    case WIRE_DOCUMENT:
    case WIRE_BIG_NUMBER:
        return ((const struct str *)place)->ptr != NULL;
    case WIRE_BOOL:
        return ((const struct opt_bool *)place)->set;
    case WIRE_BYTE:
    case WIRE_SHORT:
    case WIRE_INT:
        return ((const struct opt_int *)place)->set;
    case WIRE_LONG:
        return ((const struct opt_long *)place)->set;
    case WIRE_FLOAT:
    case WIRE_DOUBLE:
        return ((const struct opt_double *)place)->set;
    case WIRE_TIMESTAMP:
        return ((const struct opt_time *)place)->set;
    case WIRE_LIST:
    case WIRE_MAP:
        return ((const struct wire_list *)place)->items != NULL;
    case WIRE_STRUCT:
        return by_value || *(const void *const *)place != NULL;
    }
    return false;
}

/* The same for a member of a structure, plain members of hand-declared records included. */
static inline bool member_is_present(const struct wire_model *model,
                                     const struct wire_member *member, const void *structure)
{
    const struct wire_shape *shape = &model->shapes[member->shape];
    if (member->flags & WIRE_MEMBER_PLAIN)
        return true;
    return shape_is_present(shape, member_value(member, structure), false);
}

/* Whole numbers and booleans, optional or plain. */
static inline int64_t member_integer(const struct wire_shape *shape, uint16_t flags,
                                     const void *place)
{
    if (flags & WIRE_MEMBER_PLAIN)
        return *(const int64_t *)place;
    if (shape->type == WIRE_LONG)
        return ((const struct opt_long *)place)->value;
    return ((const struct opt_int *)place)->value;
}
static inline double member_double(uint16_t flags, const void *place)
{
    if (flags & WIRE_MEMBER_PLAIN)
        return *(const double *)place;
    return ((const struct opt_double *)place)->value;
}
static inline bool member_bool(uint16_t flags, const void *place)
{
    if (flags & WIRE_MEMBER_PLAIN)
        return *(const bool *)place;
    return ((const struct opt_bool *)place)->value;
}
static inline int64_t member_time(uint16_t flags, const void *place)
{
    if (flags & WIRE_MEMBER_PLAIN)
        return *(const int64_t *)place;
    return ((const struct opt_time *)place)->ms;
}

static inline void member_set_integer(const struct wire_shape *shape, uint16_t flags, void *place,
                                      int64_t value)
{
    if (flags & WIRE_MEMBER_PLAIN)
        *(int64_t *)place = value;
    else if (shape->type == WIRE_LONG)
        *(struct opt_long *)place = opt_long(value);
    else
        *(struct opt_int *)place = opt_int((int32_t)value);
}
static inline void member_set_double(uint16_t flags, void *place, double value)
{
    if (flags & WIRE_MEMBER_PLAIN)
        *(double *)place = value;
    else
        *(struct opt_double *)place = opt_double(value);
}
static inline void member_set_bool(uint16_t flags, void *place, bool value)
{
    if (flags & WIRE_MEMBER_PLAIN)
        *(bool *)place = value;
    else
        *(struct opt_bool *)place = opt_bool(value);
}
static inline void member_set_time(uint16_t flags, void *place, int64_t ms)
{
    if (flags & WIRE_MEMBER_PLAIN)
        *(int64_t *)place = ms;
    else
        *(struct opt_time *)place = opt_time(ms);
}

/* The bounds of a whole number's shape. */
static inline bool shape_integer_fits(const struct wire_shape *shape, uint16_t flags, int64_t value)
{
    if (flags & WIRE_MEMBER_PLAIN)
        return true;
    switch (shape->type) {
    case WIRE_BYTE:
        return value >= INT8_MIN && value <= INT8_MAX;
    case WIRE_SHORT:
        return value >= INT16_MIN && value <= INT16_MAX;
    case WIRE_INT:
        return value >= INT32_MIN && value <= INT32_MAX;
    default:
        return true;
    }
}

#endif
