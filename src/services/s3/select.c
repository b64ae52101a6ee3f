/* SelectObjectContent: what a request may say. The query itself runs while the answer is sent
 * (select_run.c). */
#include "services/s3/select.h"

#include "services/s3/archive.h"
#include "services/s3/crypt.h"
#include "services/s3/select_int.h"

enum { EXPRESSION_MAX = 256 * 1024 };

static RESULT fail_select(struct call *call, const struct select_failure *failure)
{
    static const struct {
        const char *code;
        uint32_t error;
    } errors[] = {
        {"EvaluatorInvalidArguments", S3_EVALUATOR_INVALID_ARGUMENTS},
        {"InvalidDataSource", S3_INVALID_DATA_SOURCE},
        {"LexerInvalidChar", S3_LEXER_INVALID_CHAR},
        {"LexerInvalidLiteral", S3_LEXER_INVALID_LITERAL},
        {"ParseAsteriskIsNotAloneInSelectList", S3_PARSE_ASTERISK_IS_NOT_ALONE_IN_SELECT_LIST},
        {"ParseEmptySelect", S3_PARSE_EMPTY_SELECT},
        {"ParseExpectedDatePart", S3_PARSE_EXPECTED_DATE_PART},
        {"ParseExpectedIdentForAlias", S3_PARSE_EXPECTED_IDENT_FOR_ALIAS},
        {"ParseExpectedTypeName", S3_PARSE_EXPECTED_TYPE_NAME},
        {"ParseInvalidPathComponent", S3_PARSE_INVALID_PATH_COMPONENT},
        {"ParseSelectMissingFrom", S3_PARSE_SELECT_MISSING_FROM},
        {"ParseUnexpectedToken", S3_PARSE_UNEXPECTED_TOKEN},
        {"ParseUnsupportedSyntax", S3_PARSE_UNSUPPORTED_SYNTAX},
        {"UnsupportedFunction", S3_UNSUPPORTED_FUNCTION},
        {"UnsupportedSqlStructure", S3_UNSUPPORTED_SQL_STRUCTURE},
    };
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        if (str_eq(str_from_c(errors[i].code), str_from_c(failure->code)))
            return call_fail(call, errors[i].error, "%.*s", PRSTR(failure->message));
    return FAULT("a failure of a query that has no error: %s", failure->code);
}

static bool is_one_of(struct str text, const char *a, const char *b, const char *c)
{
    return str_is_absent(text) || str_eq_nocase(text, str_from_c(a)) ||
           str_eq_nocase(text, str_from_c(b)) || (c != NULL && str_eq_nocase(text, str_from_c(c)));
}

static RESULT check_input(struct call *call, const struct s3_InputSerialization *input)
{
    if (input == NULL)
        return call_fail(call, S3_MISSING_REQUIRED_PARAMETER,
                         "The SelectRequest entity is missing a required parameter. Check the "
                         "service documentation and try again.");
    if (input->Parquet != NULL)
        return call_fail(call, S3_UNBUILT_HEADER, "S3 Select over Parquet is not implemented.");
    if ((input->CSV == NULL) == (input->JSON == NULL))
        return call_fail(call, S3_INVALID_DATA_SOURCE,
                         "Invalid data source type. Only CSV, JSON, and Parquet are supported.");
    if (!is_one_of(input->CompressionType, "NONE", "GZIP", "BZIP2"))
        return call_fail(call, S3_INVALID_COMPRESSION_FORMAT,
                         "The file is not in a supported compression format. Only GZIP and BZIP2 "
                         "are supported.");
    if (input->JSON != NULL) {
        if (str_is_absent(input->JSON->Type) ||
            !is_one_of(input->JSON->Type, "DOCUMENT", "LINES", NULL))
            return call_fail(call, S3_INVALID_JSON_TYPE,
                             "The JsonType is not valid. Only DOCUMENT and LINES are supported.");
        return RESULT_OK;
    }
    const struct s3_CSVInput *csv = input->CSV;
    if (!is_one_of(csv->FileHeaderInfo, "NONE", "USE", "IGNORE"))
        return call_fail(call, S3_INVALID_FILE_HEADER_INFO,
                         "The FileHeaderInfo is not valid. Only NONE, USE, and IGNORE are "
                         "supported.");
    if (csv->RecordDelimiter.len > 2 || csv->FieldDelimiter.len > 1 ||
        csv->QuoteCharacter.len > 1 || csv->QuoteEscapeCharacter.len > 1 || csv->Comments.len > 1)
        return call_fail(call, S3_INVALID_REQUEST_PARAMETER,
                         "The value of a parameter in the SelectRequest element is not valid.");
    return RESULT_OK;
}

static RESULT check_output(struct call *call, const struct s3_OutputSerialization *output)
{
    if (output == NULL || (output->CSV == NULL) == (output->JSON == NULL))
        return call_fail(call, S3_MISSING_REQUIRED_PARAMETER,
                         "The SelectRequest entity is missing a required parameter. Check the "
                         "service documentation and try again.");
    if (output->CSV != NULL && !is_one_of(output->CSV->QuoteFields, "ALWAYS", "ASNEEDED", NULL))
        return call_fail(call, S3_INVALID_QUOTE_FIELDS,
                         "The QuoteFields is not valid. Only ALWAYS and ASNEEDED are supported.");
    return RESULT_OK;
}

/* "A record is processed when its first byte is contained by the range." */
static RESULT read_range(struct call *call, const struct s3_SelectObjectContentRequest *in,
                         uint64_t size, struct select_plan *plan)
{
    const struct s3_ScanRange *range = in->ScanRange;
    const struct s3_InputSerialization *input = in->InputSerialization;
    if (range == NULL || (!range->Start.set && !range->End.set))
        return RESULT_OK;
    bool plain = plan->compression == SELECT_NONE;
    bool lines = input->CSV != NULL ? !input->CSV->AllowQuotedRecordDelimiter.value
                                    : str_eq_nocase(input->JSON->Type, STR("LINES"));
    if (!plain || !lines)
        return call_fail(call, S3_UNSUPPORTED_SCAN_RANGE_INPUT,
                         "The scan range is not supported for this type of input.");
    int64_t first = range->Start.set ? range->Start.value : 0;
    int64_t last = range->End.set ? range->End.value : INT64_MAX;
    if (!range->Start.set) { /* the end alone: as many bytes from the object's end */
        first = range->End.value < (int64_t)size ? (int64_t)size - range->End.value : 0;
        last = INT64_MAX;
    }
    if (first < 0 || last < first || (size > 0 && first >= (int64_t)size))
        return call_fail(call, S3_INVALID_SCAN_RANGE, "The value of the scan range is not valid.");
    plan->ranged = true;
    plan->first = (uint64_t)first;
    plan->last = (uint64_t)last;
    return RESULT_OK;
}

static enum select_compression compression_of(const struct s3_InputSerialization *input)
{
    return str_eq_nocase(input->CompressionType, STR("GZIP"))    ? SELECT_GZIP
           : str_eq_nocase(input->CompressionType, STR("BZIP2")) ? SELECT_BZIP2
                                                                 : SELECT_NONE;
}

static RESULT check_query(struct call *call, const struct s3_SelectObjectContentRequest *in)
{
    struct select_query query;
    struct select_failure failure;
    if (str_is_empty(in->Expression) || str_is_absent(in->ExpressionType))
        return call_fail(call, S3_MISSING_REQUIRED_PARAMETER,
                         "The SelectRequest entity is missing a required parameter. Check the "
                         "service documentation and try again.");
    if (!str_eq_nocase(in->ExpressionType, STR("SQL")))
        return call_fail(call, S3_INVALID_EXPRESSION_TYPE,
                         "The ExpressionType is not valid. Only SQL expressions are supported.");
    if (in->Expression.len > EXPRESSION_MAX)
        return call_fail(call, S3_EXPRESSION_TOO_LONG,
                         "The SQL expression is too long. The maximum byte-length for an SQL "
                         "expression is 256 KB.");
    if (!select_parse(call->arena, in->Expression, &query, &failure))
        return fail_select(call, &failure);
    if (query.from_count > 0 && in->InputSerialization->JSON == NULL)
        return call_fail(call, S3_INVALID_DATA_SOURCE,
                         "A path into the records is for JSON alone.");
    return RESULT_OK;
}

/* Everything that outlives the call goes into the plan's own arena. */
static RESULT plan_copy(struct select_plan *plan, const struct s3_SelectObjectContentRequest *in,
                        const struct s3_manifest *pieces)
{
    struct arena *arena = plan->arena;
    struct select_failure failure;
    struct s3_InputSerialization *input = ARENA_NEW(arena, struct s3_InputSerialization);
    struct s3_OutputSerialization *output = ARENA_NEW(arena, struct s3_OutputSerialization);
    struct s3_piece *copies = ARENA_ARRAY(arena, pieces->pieces.len + 1, struct s3_piece);
    TRY(call_copy(arena, &s3_model, S3_SHAPE_InputSerialization, in->InputSerialization, input));
    TRY(call_copy(arena, &s3_model, S3_SHAPE_OutputSerialization, in->OutputSerialization, output));
    for (size_t i = 0; i < pieces->pieces.len; i++) {
        copies[i] = pieces->pieces.items[i];
        copies[i].blob_id = str_copy(arena, copies[i].blob_id);
        copies[i].sealed_key = str_copy(arena, copies[i].sealed_key);
        copies[i].bytes = str_copy(arena, copies[i].bytes);
    }
    plan->input = input;
    plan->output = output;
    plan->pieces.pieces = (struct s3_list_piece){copies, pieces->pieces.len};
    if (!select_parse(arena, str_copy(arena, in->Expression), &plan->query, &failure))
        return FAULT("a query parses once and not again");
    return RESULT_OK;
}

RESULT s3_SelectObjectContent(struct call *call, const struct s3_SelectObjectContentRequest *in,
                              struct s3_SelectObjectContentOutput *out)
{
    (void)out;
    struct s3_bucket bucket;
    struct s3_object object;
    struct s3_manifest pieces;
    struct crypt crypt;
    const struct crypt_customer customer = CRYPT_CUSTOMER(in);
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(s3_check_body(call));
    TRY(check_input(call, in->InputSerialization));
    TRY(check_output(call, in->OutputSerialization));
    TRY(check_query(call, in));
    TRY(object_open(call, &bucket, in->Key, (struct str){0}, &object));
    TRY(archive_check_read(call, &object, false));
    TRY(crypt_open(call, &bucket, in->Key, &object, &customer, &crypt));
    TRY(content_pieces(call, &object, &pieces));
    TRY(crypt_unseal(call, &crypt, &pieces));
    struct select_plan plan = {
        .cloud = call->cloud,
        .protocol = call->protocol,
        .now_ms = call->now_ms,
        .compression = compression_of(in->InputSerialization),
        .progress = in->RequestProgress != NULL && in->RequestProgress->Enabled.value,
    };
    TRY(read_range(call, in, (uint64_t)object.size, &plan));
    plan.arena = arena_new(0);
    enum result result = plan_copy(&plan, in, &pieces);
    if (result != RESULT_OK) {
        arena_free(plan.arena);
        return result;
    }
    call->stream = (struct call_stream){.present = true, .source = select_source(&plan)};
    return RESULT_OK;
}
