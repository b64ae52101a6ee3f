/* Plain bytes to records: lines of CSV, values of JSON. What is not a whole record yet waits in a
 * buffer; where its search stands is kept, so that a long record is looked at once. */
#include "base/arena.h"
#include "base/vec.h"
#include "services/s3/select_int.h"
#include "wire/json_text.h"

/* "The maximum length of a record in the input or result is 1 MB"; a JSON document is one record as
 * it comes. */
enum { RECORD_MAX = 1024 * 1024, DOCUMENT_MAX = 16 * 1024 * 1024, COLUMNS_MAX = 8192 };

struct select_reader {
    struct arena *arena;
    bool is_json;
    struct str delimiter; /* of CSV's records */
    char field, quote, escape, comment;
    bool quoted_delimiters, header_used, header_there;
    struct str *names;
    size_t name_count;
    size_t limit;
    /* What is at hand. */
    char *data;
    size_t start, end, cap;
    uint64_t base; /* of `start`, in all that was fed */
    bool ended, skip, wants_header;
    /* Where the search for the record's end stands. */
    size_t scanned;
    bool in_quotes, escaped, scalar;
    size_t depth;
};

static char first_of(struct str text, char otherwise)
{
    return text.len > 0 ? text.ptr[0] : otherwise;
}

static void free_data(void *context)
{
    struct select_reader *reader = context;
    heap_free(reader->data);
}

struct select_reader *select_reader_new(struct arena *arena,
                                        const struct s3_InputSerialization *input)
{
    struct select_reader *reader = ARENA_NEW(arena, struct select_reader);
    reader->arena = arena;
    arena_on_reset(arena, free_data, reader);
    reader->limit = RECORD_MAX;
    if (input->JSON != NULL) {
        reader->is_json = true;
        reader->limit =
            str_eq_nocase(input->JSON->Type, STR("DOCUMENT")) ? DOCUMENT_MAX : RECORD_MAX;
        return reader;
    }
    const struct s3_CSVInput *csv = input->CSV;
    reader->delimiter = str_is_empty(csv->RecordDelimiter) ? STR("\n") : csv->RecordDelimiter;
    reader->field = first_of(csv->FieldDelimiter, ',');
    reader->quote = first_of(csv->QuoteCharacter, '"');
    reader->escape = first_of(csv->QuoteEscapeCharacter, '"');
    reader->comment = first_of(csv->Comments, '#');
    reader->quoted_delimiters = csv->AllowQuotedRecordDelimiter.value;
    reader->header_used = str_eq_nocase(csv->FileHeaderInfo, STR("USE"));
    reader->header_there = reader->header_used || str_eq_nocase(csv->FileHeaderInfo, STR("IGNORE"));
    reader->wants_header = reader->header_there;
    return reader;
}

bool select_wants_header(const struct select_reader *reader)
{
    return reader->wants_header;
}

void select_restart(struct select_reader *reader, bool skip)
{
    reader->start = reader->end = reader->scanned = 0;
    reader->base = 0;
    reader->skip = skip;
    reader->in_quotes = reader->escaped = reader->scalar = false;
    reader->depth = 0;
}

bool select_feed(struct select_reader *reader, struct str bytes, struct select_failure *failure)
{
    size_t kept = reader->end - reader->start;
    if (kept > reader->limit) {
        *failure = (struct select_failure){"OverMaxRecordSize",
                                           STR("The length of a record in the input or result is "
                                               "greater than the maxCharsPerRecord "
                                               "limit of 1 MB.")};
        return false;
    }
    if (reader->start > 0) {
        memmove(reader->data, reader->data + reader->start, kept);
        reader->scanned -= reader->start;
        reader->start = 0;
        reader->end = kept;
    }
    if (kept + bytes.len > reader->cap) {
        reader->cap = 2 * (kept + bytes.len);
        reader->data = heap_grow(reader->data, reader->cap);
    }
    memcpy(reader->data + reader->end, bytes.ptr, bytes.len);
    reader->end += bytes.len;
    return true;
}

void select_feed_end(struct select_reader *reader)
{
    reader->ended = true;
}

/* What was looked at is used up. */
static void consume(struct select_reader *reader, size_t to)
{
    reader->base += to - reader->start;
    reader->start = reader->scanned = to;
    reader->in_quotes = reader->escaped = reader->scalar = false;
    reader->depth = 0;
}

/* --- CSV --- */

static bool at_delimiter(const struct select_reader *reader, size_t i)
{
    return reader->data[i] == reader->delimiter.ptr[0] &&
           reader->end - i >= reader->delimiter.len &&
           memcmp(reader->data + i, reader->delimiter.ptr, reader->delimiter.len) == 0;
}

/* The end of the line that begins at start; SIZE_MAX: it is not there yet. */
static size_t find_line(struct select_reader *reader, bool quotes)
{
    size_t i = reader->scanned;
    for (; i < reader->end; i++) {
        char c = reader->data[i];
        if (reader->escaped) {
            reader->escaped = false;
        } else if (quotes && reader->in_quotes && c == reader->escape &&
                   reader->escape != reader->quote) {
            reader->escaped = true;
        } else if (quotes && c == reader->quote) {
            reader->in_quotes = !reader->in_quotes;
        } else if (!reader->in_quotes && c == reader->delimiter.ptr[0]) {
            if (reader->end - i < reader->delimiter.len && !reader->ended)
                break; /* half a delimiter, perhaps */
            if (at_delimiter(reader, i))
                return i;
        }
    }
    reader->scanned = i;
    return SIZE_MAX;
}

/* A field in quotes: up to the closing one; what is escaped counts as it is. */
static struct str read_quoted(const struct select_reader *reader, struct arena *arena,
                              struct str line, size_t *at)
{
    struct buf out;
    size_t i = *at + 1;
    buf_init(&out, arena, line.len + 1);
    for (; i < line.len; i++) {
        char c = line.ptr[i], next = i + 1 < line.len ? line.ptr[i + 1] : '\0';
        if (c == reader->escape && i + 1 < line.len &&
            (next == reader->quote ||
             (reader->escape != reader->quote && next == reader->escape))) {
            buf_append_char(&out, next);
            i++;
        } else if (c == reader->quote) {
            i++;
            break;
        } else {
            buf_append_char(&out, c);
        }
    }
    while (i < line.len && line.ptr[i] != reader->field)
        buf_append_char(&out, line.ptr[i++]);
    *at = i;
    return buf_str(&out);
}

static bool split(const struct select_reader *reader, struct arena *arena, struct str line,
                  struct select_row *row, struct select_failure *failure)
{
    size_t cap = 0, i = 0;
    *row = (struct select_row){0};
    for (;;) {
        struct str field;
        if (i < line.len && line.ptr[i] == reader->quote) {
            field = read_quoted(reader, arena, line, &i);
        } else {
            size_t length = str_find_char(str_slice(line, i, line.len), reader->field);
            size_t end = length == SIZE_MAX ? line.len : i + length;
            field = str_slice(line, i, end);
            i = end;
        }
        VEC_PUSH(arena, row->fields, row->count, cap, field);
        if (i >= line.len)
            return true;
        if (row->count == COLUMNS_MAX) {
            *failure = (struct select_failure){
                "OverMaxColumn", STR("The number of columns in the result is greater than the "
                                     "maximum allowable number of columns.")};
            return false;
        }
        i++;
    }
}

static enum select_next next_line(struct select_reader *reader, struct str *line, uint64_t *offset)
{
    for (;;) {
        size_t end = find_line(reader, reader->quoted_delimiters && !reader->skip);
        size_t to;
        if (end == SIZE_MAX) {
            if (!reader->ended)
                return SELECT_MORE;
            if (reader->start == reader->end)
                return SELECT_DONE;
            end = to = reader->end;
        } else {
            to = end + reader->delimiter.len;
        }
        *line = str_make(reader->data + reader->start, end - reader->start);
        *offset = reader->base;
        consume(reader, to);
        if (line->len > 0 && str_eq(reader->delimiter, STR("\n")) &&
            line->ptr[line->len - 1] == '\r')
            line->len--;
        bool skipped = reader->skip;
        reader->skip = false;
        if (!skipped && line->len > 0 && line->ptr[0] != reader->comment)
            return SELECT_ROW;
    }
}

static enum select_next next_csv(struct select_reader *reader, struct arena *arena,
                                 struct select_row *row, uint64_t *offset,
                                 struct select_failure *failure)
{
    for (;;) {
        struct str line;
        enum select_next next = next_line(reader, &line, offset);
        if (next != SELECT_ROW)
            return next;
        if (!str_is_utf8(line)) {
            *failure = (struct select_failure){
                "InvalidTextEncoding", STR("The encoding type is not valid. Only UTF-8 encoding is "
                                           "supported.")};
            return SELECT_FAILED;
        }
        bool header = reader->wants_header;
        struct arena *where = header ? reader->arena : arena;
        if (!split(reader, where, header ? str_copy(where, line) : line, row, failure))
            return SELECT_FAILED;
        if (header) {
            reader->wants_header = false;
            reader->names = row->fields;
            reader->name_count = row->count;
            return next_csv(reader, arena, row, offset, failure);
        }
        if (reader->header_used) {
            row->names = reader->names;
            row->name_count = reader->name_count;
        }
        return SELECT_ROW;
    }
}

/* --- JSON --- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The end of the value that begins at start, or SIZE_MAX. */
static size_t find_value(struct select_reader *reader)
{
    size_t i = reader->scanned;
    for (; i < reader->end; i++) {
        char c = reader->data[i];
        if (reader->in_quotes) {
            if (reader->escaped)
                reader->escaped = false;
            else if (c == '\\')
                reader->escaped = true;
            else if (c == '"')
                reader->in_quotes = false;
            if (!reader->in_quotes && reader->depth == 0)
                return i + 1;
        } else if (c == '"') {
            reader->in_quotes = true;
        } else if (c == '{' || c == '[') {
            reader->depth++;
        } else if (c == '}' || c == ']') {
            if (reader->depth <= 1)
                return i + 1;
            reader->depth--;
        } else if (reader->depth == 0 && is_blank(c)) {
            return i;
        }
    }
    reader->scanned = i;
    return SIZE_MAX;
}

static enum select_next next_json(struct select_reader *reader, struct arena *arena,
                                  struct select_row *row, uint64_t *offset,
                                  struct select_failure *failure)
{
    (void)arena;
    if (reader->skip) {
        char *line = memchr(reader->data + reader->start, '\n', reader->end - reader->start);
        consume(reader, line == NULL ? reader->end : (size_t)(line - reader->data) + 1);
        if (line == NULL)
            return reader->ended ? SELECT_DONE : SELECT_MORE;
        reader->skip = false;
    }
    if (reader->scanned == reader->start)
        while (reader->start < reader->end && is_blank(reader->data[reader->start]))
            consume(reader, reader->start + 1);
    size_t end = find_value(reader);
    if (end == SIZE_MAX && !reader->ended)
        return SELECT_MORE;
    if (end == SIZE_MAX && reader->start == reader->end)
        return SELECT_DONE;
    if (end == SIZE_MAX)
        end = reader->end;
    *row = (struct select_row){.json = str_make(reader->data + reader->start, end - reader->start)};
    *offset = reader->base;
    consume(reader, end);
    if (json_is_valid(row->json))
        return SELECT_ROW;
    *failure = (struct select_failure){
        "JSONParsingError",
        STR("Encountered an error parsing the JSON file. Check the file and try again.")};
    return SELECT_FAILED;
}

enum select_next select_next_row(struct select_reader *reader, struct arena *arena,
                                 struct select_row *row, uint64_t *offset,
                                 struct select_failure *failure)
{
    return reader->is_json ? next_json(reader, arena, row, offset, failure)
                           : next_csv(reader, arena, row, offset, failure);
}
