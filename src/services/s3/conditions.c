/* Conditional requests: "Conditional requests", Amazon S3 User Guide; RFC 9110, 13. */
#include "base/time.h"
#include "services/s3/s3_int.h"

/* A list of entity tags, weak ones too, or "*". */
bool conditions_match(struct str list, struct str etag)
{
    struct str one, rest = list;
    while (!str_is_absent(rest)) {
        str_cut(rest, ',', &one, &rest);
        one = str_trim(one);
        if (str_starts_with(one, STR("W/")))
            one = str_slice(one, 2, one.len);
        if (str_eq(one, STR("*")) || str_eq(s3_unquote(one), etag))
            return true;
    }
    return false;
}

/* RFC 9110, 13.1.3: what is no date is passed over. ISO 8601 is what some clients send. */
struct opt_time conditions_time(struct str header)
{
    int64_t ms;
    struct str text = str_is_absent(header) ? STR("") : str_trim(header);
    if (time_parse_http(text, &ms) || time_parse_iso8601(text, &ms))
        return opt_time(ms);
    return (struct opt_time){0};
}

/* RFC 9110, 13.1.5: an entity tag, or the very date of the last change. */
bool conditions_range(struct str if_range, const struct s3_object *object)
{
    int64_t when;
    if (str_is_absent(if_range))
        return true;
    if (time_parse_http(if_range, &when))
        return when == object->modified_ms;
    return !str_starts_with(if_range, STR("W/")) && str_eq(s3_unquote(if_range), object->etag);
}

RESULT conditions_read(struct call *call, const struct s3_conditions *conditions,
                       const struct s3_object *object, bool *not_modified)
{
    *not_modified = false;
    if (!str_is_absent(conditions->if_match)) {
        if (!conditions_match(conditions->if_match, object->etag))
            return s3_precondition_failed(
                call, conditions->of_copy ? STR("x-amz-copy-source-If-Match") : STR("If-Match"));
    } else if (conditions->if_unmodified_since.set &&
               object->modified_ms > conditions->if_unmodified_since.ms) {
        return s3_precondition_failed(call, conditions->of_copy
                                                ? STR("x-amz-copy-source-If-Unmodified-Since")
                                                : STR("If-Unmodified-Since"));
    }
    if (!str_is_absent(conditions->if_none_match))
        *not_modified = conditions_match(conditions->if_none_match, object->etag);
    else if (conditions->if_modified_since.set)
        *not_modified = object->modified_ms <= conditions->if_modified_since.ms;
    return RESULT_OK;
}

RESULT conditions_write(struct call *call, const struct s3_bucket *bucket, struct str key,
                        struct str if_match, struct str if_none_match)
{
    if (str_is_absent(if_match) && str_is_absent(if_none_match))
        return RESULT_OK;
    if (!str_is_absent(if_none_match) && !str_eq(str_trim(if_none_match), STR("*")))
        return call_fail(call, S3_UNBUILT_HEADER,
                         "A header you provided implies functionality that is not implemented");
    struct object_place place;
    TRY(object_latest(call, bucket, key, &place));
    bool exists = place.found && !place.object.delete_marker;
    if (!str_is_absent(if_none_match) && exists)
        return s3_precondition_failed(call, STR("If-None-Match"));
    if (str_is_absent(if_match))
        return RESULT_OK;
    if (!exists)
        return s3_no_such_key(call, key);
    if (!conditions_match(if_match, place.object.etag))
        return s3_precondition_failed(call, STR("If-Match"));
    return RESULT_OK;
}
