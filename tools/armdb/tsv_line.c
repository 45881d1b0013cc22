#include "tsv_line.h"

#include <stdio.h>
#include <string.h>

#include "escape.h"

static bool
refuse(struct line_problem *problem, size_t column, const char *text)
{
    problem->column = column;
    snprintf(problem->text, sizeof problem->text, "%s", text);
    return false;
}

/* Cuts the deadline off a value, if there is one. */
static bool
take_deadline(const unsigned char *value, size_t *len, uint64_t *deadline_ms_out,
              size_t *bad_at_out)
{
    const unsigned char *mark = (const unsigned char *)memmem(value, *len, "\\@", 2);
    *deadline_ms_out = 0;
    if (mark == NULL)
        return true;
    *bad_at_out = (size_t)(mark - value);
    for (const unsigned char *at = mark + 2; at < value + *len; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (*at < '0' || *at > '9' || *deadline_ms_out > (UINT64_MAX - digit) / 10)
            return false;
        *deadline_ms_out = *deadline_ms_out * 10 + digit;
    }
    *len = *bad_at_out;
    return *deadline_ms_out != 0;
}

bool
tsv_line_parse(unsigned char *line, size_t len, struct line_record *record_out,
               struct line_problem *problem_out)
{
    static const char bad_escape[] = "a backslash that is not followed by x and two hexadecimal "
                                     "digits (write \\x5c for a backslash)";
    unsigned char *tab = len > 0 ? (unsigned char *)memchr(line, '\t', len) : NULL;
    if (tab == NULL)
        return refuse(problem_out, len + 1,
                      len > 0 && line[0] == '{' ? "no tab in this line (give --format jsonl if "
                                                  "these are JSON lines)"
                                                : "no tab in this line");
    unsigned char *value = tab + 1;
    size_t key_len = (size_t)(tab - line);
    size_t value_len = len - key_len - 1;
    size_t value_column = key_len + 2;
    size_t bad_at;
    if (!escape_undo(line, &key_len, &bad_at))
        return refuse(problem_out, bad_at + 1, bad_escape);
    uint64_t deadline_ms;
    if (!take_deadline(value, &value_len, &deadline_ms, &bad_at))
        return refuse(problem_out, value_column + bad_at,
                      "\\@ without a deadline, milliseconds since the epoch, behind it");
    if (!escape_undo(value, &value_len, &bad_at))
        return refuse(problem_out, value_column + bad_at, bad_escape);
    *record_out =
        (struct line_record){{line, key_len}, {value, value_len}, deadline_ms, 1, value_column};
    return true;
}
