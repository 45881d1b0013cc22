/*
 * json_line.h: one line of the load format jsonl: {"key": STRING, "value": STRING}, where either
 * name may end in _hex and its string then is hexadecimal digits, two for each byte. A third
 * member, "expires_at_ms": NUMBER, may be there: the deadline, milliseconds since the epoch.
 *
 * A strict reader of this format, not of JSON at large: members come in any order, each once;
 * others are refused, and so are other numbers than digits, bytes that are not UTF-8, lone
 * surrogates, and anything behind the object. Pure functions.
 */
#ifndef JSON_LINE_H
#define JSON_LINE_H

#include "line_record.h"

/**
 * Decodes a line (without its newline) in place.
 *
 * @param line  spoilt; the record lies in it.
 *
 * Returns: whether it is a record; if not, problem_out is filled.
 */
bool json_line_parse(unsigned char *line, size_t len, struct line_record *record_out,
                     struct line_problem *problem_out);

#endif
