#include "json_line.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "escape.h"
#include "utf8.h"

/* A line being read. A decoded string is never longer than its text, so it is put in its place. */
struct reader {
    unsigned char *line; /* borrowed */
    size_t len;
    size_t at;
    struct line_problem *problem; /* borrowed */
};

/* The two things a record has; a member sets one. */
enum part { PART_KEY, PART_VALUE, PART_COUNT };

struct member {
    const char *name;
    enum part part;
    bool is_hex;
};

static const struct member MEMBERS[] = {
    {"key", PART_KEY, false},
    {"key_hex", PART_KEY, true},
    {"value", PART_VALUE, false},
    {"value_hex", PART_VALUE, true},
};

static const char *const PART_NAMES[PART_COUNT] = {"key", "value"};

struct parsed {
    bool is_set[PART_COUNT];
    armdb_slice bytes[PART_COUNT];
    size_t column[PART_COUNT];
    uint64_t deadline_ms; /* 0: there is none */
};

static bool refuse(struct reader *reader, size_t at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool
refuse(struct reader *reader, size_t at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    reader->problem->column = at + 1;
    vsnprintf(reader->problem->text, sizeof reader->problem->text, format, args);
    va_end(args);
    return false;
}

static void
skip_space(struct reader *reader)
{
    while (reader->at < reader->len &&
           (reader->line[reader->at] == ' ' || reader->line[reader->at] == '\t' ||
            reader->line[reader->at] == '\r'))
        reader->at++;
}

/* Whether the next character is `c`; if so, it is passed. */
static bool
accept(struct reader *reader, unsigned char c)
{
    skip_space(reader);
    if (reader->at == reader->len || reader->line[reader->at] != c)
        return false;
    reader->at++;
    return true;
}

static bool
expect(struct reader *reader, unsigned char c, const char *where)
{
    return accept(reader, c) || refuse(reader, reader->at, "expected %c %s", c, where);
}

/* The four digits of \uXXXX, which `at` stands before. */
static bool
read_unit(struct reader *reader, uint32_t *unit_out)
{
    uint32_t unit = 0;
    for (int i = 0; i < 4; i++, reader->at++) {
        int digit = reader->at < reader->len ? escape_hex_digit(reader->line[reader->at]) : -1;
        if (digit < 0)
            return refuse(reader, reader->at, "\\u needs four hexadecimal digits");
        unit = unit << 4 | (uint32_t)digit;
    }
    *unit_out = unit;
    return true;
}

/* What follows "\u"; of a surrogate pair, both halves. */
static bool
read_code(struct reader *reader, uint32_t *code_out)
{
    size_t begin = reader->at - 2;
    uint32_t unit = 0;
    uint32_t low = 0;
    if (!read_unit(reader, &unit))
        return false;
    *code_out = unit;
    if (unit < 0xd800 || unit > 0xdfff)
        return true;
    if (unit > 0xdbff || reader->len - reader->at < 2 || reader->line[reader->at] != '\\' ||
        reader->line[reader->at + 1] != 'u')
        return refuse(reader, begin, "half a surrogate pair");
    reader->at += 2;
    if (!read_unit(reader, &low))
        return false;
    if (low < 0xdc00 || low > 0xdfff)
        return refuse(reader, begin, "half a surrogate pair");
    *code_out = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
    return true;
}

/* What follows a backslash, which `at` stands behind; its bytes go to line[*to]. */
static bool
read_escape(struct reader *reader, size_t *to)
{
    static const char from[] = "\"\\/bfnrt";
    static const char bytes[] = "\"\\/\b\f\n\r\t";
    unsigned char c = reader->at < reader->len ? reader->line[reader->at] : '\0';
    uint32_t code = 0;
    const char *found = c != '\0' ? strchr(from, c) : NULL;
    if (found == NULL && c != 'u')
        return refuse(reader, reader->at - 1, "an escape that JSON does not have");
    reader->at++;
    if (found != NULL) {
        reader->line[(*to)++] = (unsigned char)bytes[found - from];
        return true;
    }
    if (!read_code(reader, &code))
        return false;
    *to += utf8_encode(code, reader->line + *to);
    return true;
}

static bool
is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* Characters of a string as they stand, at least one, moved to line[*to]. */
static bool
read_plain(struct reader *reader, size_t *to)
{
    unsigned char *line = reader->line;
    size_t begin = reader->at;
    while (reader->at < reader->len && is_plain(line[reader->at]))
        line[(*to)++] = line[reader->at++];
    if (reader->at > begin)
        return true;
    size_t step = utf8_len(line + begin, reader->len - begin);
    if (step == 0)
        return refuse(reader, begin, "bytes that are not UTF-8 (write them as _hex)");
    if (line[begin] < 0x20)
        return refuse(reader, begin, "a control character in a string (write it as \\u%04x)",
                      (unsigned)line[begin]);
    for (size_t i = 0; i < step; i++)
        line[(*to)++] = line[reader->at++];
    return true;
}

static bool
read_string(struct reader *reader, const char *what, armdb_slice *bytes_out)
{
    if (!accept(reader, '"'))
        return refuse(reader, reader->at, "expected a string as %s", what);
    size_t begin = reader->at;
    size_t to = begin;
    while (reader->at < reader->len && reader->line[reader->at] != '"') {
        bool is_escape = reader->line[reader->at] == '\\';
        if (is_escape)
            reader->at++;
        if (!(is_escape ? read_escape(reader, &to) : read_plain(reader, &to)))
            return false;
    }
    if (reader->at == reader->len)
        return refuse(reader, begin - 1, "a string without its end");
    reader->at++;
    *bytes_out = (armdb_slice){reader->line + begin, to - begin};
    return true;
}

/* Turns digits into bytes, in place. */
static bool
undo_hex(struct reader *reader, const char *name, size_t begin, armdb_slice *bytes)
{
    unsigned char *data = reader->line + begin;
    if (bytes->len % 2 != 0)
        return refuse(reader, begin, "%s has an odd number of digits", name);
    for (size_t i = 0; i < bytes->len / 2; i++) {
        int high = escape_hex_digit(data[2 * i]);
        int low = escape_hex_digit(data[2 * i + 1]);
        if (high < 0 || low < 0)
            return refuse(reader, begin + 2 * i,
                          "%s has characters that are not hexadecimal "
                          "digits",
                          name);
        data[i] = (unsigned char)(high * 16 + low);
    }
    bytes->len /= 2;
    return true;
}

static const struct member *
find_member(armdb_slice name)
{
    for (size_t i = 0; i < sizeof MEMBERS / sizeof MEMBERS[0]; i++) {
        if (strlen(MEMBERS[i].name) == name.len &&
            memcmp(MEMBERS[i].name, name.data, name.len) == 0)
            return &MEMBERS[i];
    }
    return NULL;
}

static const char DEADLINE_NAME[] = "expires_at_ms";

/* The rest of that member. */
static bool
read_deadline(struct reader *reader, size_t name_at, uint64_t *deadline_ms)
{
    if (*deadline_ms != 0)
        return refuse(reader, name_at, "a second %s", DEADLINE_NAME);
    if (!expect(reader, ':', "behind the name of a member"))
        return false;
    skip_space(reader);
    size_t begin = reader->at;
    bool is_good = true;
    for (; reader->at < reader->len && reader->line[reader->at] >= '0' &&
           reader->line[reader->at] <= '9';
         reader->at++) {
        uint64_t digit = (uint64_t)(reader->line[reader->at] - '0');
        is_good = is_good && *deadline_ms <= (UINT64_MAX - digit) / 10;
        *deadline_ms = *deadline_ms * 10 + digit;
    }
    return (is_good && *deadline_ms != 0) ||
           refuse(reader, begin, "expected digits as %s, milliseconds since the epoch",
                  DEADLINE_NAME);
}

static bool
read_member(struct reader *reader, struct parsed *parsed)
{
    armdb_slice name = {"", 0};
    armdb_slice bytes = {"", 0};
    skip_space(reader);
    size_t name_at = reader->at;
    if (!read_string(reader, "the name of a member", &name))
        return false;
    if (name.len == strlen(DEADLINE_NAME) && memcmp(name.data, DEADLINE_NAME, name.len) == 0)
        return read_deadline(reader, name_at, &parsed->deadline_ms);
    const struct member *member = find_member(name);
    if (member == NULL)
        return refuse(reader, name_at,
                      "unknown member \"%.*s\" (known are key, key_hex, value, "
                      "value_hex, expires_at_ms)",
                      (int)(name.len < 64 ? name.len : 64), (const char *)name.data);
    if (parsed->is_set[member->part])
        return refuse(reader, name_at, "a second %s", PART_NAMES[member->part]);
    if (!expect(reader, ':', "behind the name of a member"))
        return false;
    skip_space(reader);
    size_t string_at = reader->at;
    if (!read_string(reader, member->name, &bytes) ||
        (member->is_hex && !undo_hex(reader, member->name, string_at + 1, &bytes)))
        return false;
    parsed->is_set[member->part] = true;
    parsed->bytes[member->part] = bytes;
    parsed->column[member->part] = string_at + 1;
    return true;
}

static bool
read_object(struct reader *reader, struct parsed *parsed)
{
    if (!expect(reader, '{', "at the beginning of the line"))
        return false;
    do {
        if (!read_member(reader, parsed))
            return false;
    } while (accept(reader, ','));
    if (!expect(reader, '}', "or , behind a member"))
        return false;
    skip_space(reader);
    if (reader->at != reader->len)
        return refuse(reader, reader->at, "something behind the object");
    for (int part = 0; part < PART_COUNT; part++) {
        if (!parsed->is_set[part])
            return refuse(reader, reader->len, "no %s in this line", PART_NAMES[part]);
    }
    return true;
}

bool
json_line_parse(unsigned char *line, size_t len, struct line_record *record_out,
                struct line_problem *problem_out)
{
    struct reader reader = {line, len, 0, problem_out};
    struct parsed parsed = {{false, false}, {{NULL, 0}, {NULL, 0}}, {0, 0}, 0};
    if (!read_object(&reader, &parsed))
        return false;
    *record_out = (struct line_record){parsed.bytes[PART_KEY], parsed.bytes[PART_VALUE],
                                       parsed.deadline_ms, parsed.column[PART_KEY],
                                       parsed.column[PART_VALUE]};
    return true;
}
