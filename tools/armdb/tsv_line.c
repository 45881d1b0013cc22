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
    if (!escape_undo(value, &value_len, &bad_at))
        return refuse(problem_out, value_column + bad_at, bad_escape);
    *record_out = (struct line_record){{line, key_len}, {value, value_len}, 1, value_column};
    return true;
}
