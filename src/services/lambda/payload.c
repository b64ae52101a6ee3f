/* What is wrong with a payload that is no JSON, in the words in which AWS says it: those of its
 * JSON parser (Jackson), with the place. */
#include "services/lambda/payload.h"

#include "wire/json_text.h"

enum { NESTED_MAX = 64, SHOWN_MAX = 500 };

struct place {
    size_t line, column;
};

struct reader {
    struct arena *arena;
    struct str text;
    size_t at;
    size_t open[NESTED_MAX + 1]; /* where the containers that are open begin */
    size_t depth;
    size_t seen; /* up to where the complaint has read */
    struct str problem;
};

static struct place place_of(struct str text, size_t at)
{
    struct place place = {1, 1};
    for (size_t i = 0; i < at && i < text.len; i++) {
        place.column++;
        if (text.ptr[i] == '\n')
            place = (struct place){place.line + 1, 1};
    }
    return place;
}

/* [Source: (byte[])"{'a'"; line: 1, column: 3] */
static struct str source(const struct reader *reader, size_t at)
{
    struct place place = place_of(reader->text, at);
    struct str shown = str_slice(reader->text, 0, SHOWN_MAX);
    while (!str_is_utf8(shown) && shown.len > 0)
        shown.len--;
    struct str rest =
        reader->text.len > shown.len
            ? str_format(reader->arena, "[truncated %zu bytes]", reader->text.len - shown.len)
            : STR("");
    return str_format(reader->arena, "[Source: (byte[])\"%.*s\"%.*s; line: %zu, column: %zu]",
                      PRSTR(shown), PRSTR(rest), place.line, place.column);
}

static bool complain(struct reader *reader, size_t at, struct str problem)
{
    reader->seen = at;
    reader->problem = problem;
    return false;
}

static bool unexpected(struct reader *reader, const char *expected)
{
    unsigned char c = (unsigned char)reader->text.ptr[reader->at];
    struct str name = c < ' ' ? str_format(reader->arena, "(CTRL-CHAR, code %u)", c)
                              : str_format(reader->arena, "('%c' (code %u))", c < 127 ? c : '?', c);
    return complain(reader, reader->at + 1,
                    str_format(reader->arena, "%s %.*s: %s",
                               c < ' ' ? "Illegal character" : "Unexpected character", PRSTR(name),
                               expected));
}

static bool ended(struct reader *reader)
{
    if (reader->depth == 0)
        return complain(reader, reader->text.len, STR("No content to map due to end-of-input"));
    size_t start = reader->open[reader->depth - 1];
    return complain(reader, reader->text.len,
                    str_format(reader->arena,
                               "Unexpected end-of-input: expected close marker for %s (start "
                               "marker at %.*s)",
                               reader->text.ptr[start] == '{' ? "Object" : "Array",
                               PRSTR(source(reader, start))));
}

/* To the next character that says something; false: there is none. */
static bool space(struct reader *reader)
{
    while (reader->at < reader->text.len &&
           str_find_char(STR(" \t\r\n"), reader->text.ptr[reader->at]) != SIZE_MAX)
        reader->at++;
    return reader->at < reader->text.len;
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '$';
}

static bool read_string(struct reader *reader)
{
    for (reader->at++; reader->at < reader->text.len; reader->at++) {
        char c = reader->text.ptr[reader->at];
        if (c == '"') {
            reader->at++;
            return true;
        }
        if ((unsigned char)c < ' ')
            return unexpected(reader, "has to be escaped using backslash to be included in string "
                                      "value");
        if (c == '\\')
            reader->at++;
    }
    return complain(reader, reader->text.len,
                    STR("Unexpected end-of-input: was expecting closing quote for a string value"));
}

/* A number, or a word. */
static bool read_plain(struct reader *reader)
{
    size_t from = reader->at;
    char first = reader->text.ptr[from];
    bool number = first == '-' || (first >= '0' && first <= '9');
    if (!number && !is_word(first))
        return unexpected(reader, "expected a valid value (JSON String, Number, Array, Object or "
                                  "token 'null', 'true' or 'false')");
    while (reader->at < reader->text.len &&
           (is_word(reader->text.ptr[reader->at]) ||
            (number && str_find_char(STR("+-."), reader->text.ptr[reader->at]) != SIZE_MAX)))
        reader->at++;
    struct str word = str_slice(reader->text, from, reader->at);
    if (json_is_valid(word))
        return true;
    return complain(reader, reader->at,
                    str_format(reader->arena,
                               "Unrecognized token '%.*s': was expecting (JSON String, Number, "
                               "Array, Object or token 'null', 'true' or 'false')",
                               PRSTR(word)));
}

static bool read_value(struct reader *reader);

static bool read_name(struct reader *reader)
{
    if (!space(reader))
        return ended(reader);
    if (reader->text.ptr[reader->at] != '"')
        return unexpected(reader, "was expecting double-quote to start field name");
    if (!read_string(reader))
        return false;
    if (!space(reader))
        return ended(reader);
    if (reader->text.ptr[reader->at] != ':')
        return unexpected(reader, "was expecting a colon to separate field name and value");
    reader->at++;
    return true;
}

static bool read_container(struct reader *reader, bool object)
{
    char close = object ? '}' : ']';
    if (reader->depth == NESTED_MAX)
        return complain(reader, reader->at, STR("Document nesting depth exceeds the maximum"));
    reader->open[reader->depth++] = reader->at++;
    if (space(reader) && reader->text.ptr[reader->at] == close) {
        reader->at++;
        reader->depth--;
        return true;
    }
    for (;;) {
        if ((object && !read_name(reader)) || !read_value(reader))
            return false;
        if (!space(reader))
            return ended(reader);
        char c = reader->text.ptr[reader->at];
        if (c != close && c != ',')
            return unexpected(reader, object ? "was expecting comma to separate Object entries"
                                             : "was expecting comma to separate Array entries");
        reader->at++;
        if (c == close) {
            reader->depth--;
            return true;
        }
    }
}

static bool read_value(struct reader *reader)
{
    if (!space(reader))
        return ended(reader);
    char c = reader->text.ptr[reader->at];
    if (c == '"')
        return read_string(reader);
    return c == '{' || c == '[' ? read_container(reader, c == '{') : read_plain(reader);
}

struct str payload_problem(struct arena *arena, struct str text)
{
    struct reader reader = {.arena = arena, .text = text};
    if (!str_is_utf8(text))
        return STR("Invalid UTF-8");
    if (read_value(&reader) && space(&reader))
        (void)unexpected(&reader, "was expecting the end of the text");
    if (str_is_absent(reader.problem))
        reader.problem = STR("Invalid escape in a string value");
    return str_format(arena, "%.*s\n at %.*s", PRSTR(reader.problem),
                      PRSTR(source(&reader, reader.seen)));
}
