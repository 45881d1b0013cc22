/*
 * tsv_line.h: one line of the load format tsv: the key, a tab, the value, with the escapes of
 * escape.h; and if the key has a deadline, a backslash, an @ and its milliseconds since the epoch.
 * Everything else behind the first tab is value. Pure functions.
 */
#ifndef TSV_LINE_H
#define TSV_LINE_H

#include "line_record.h"

/**
 * Decodes a line (without its newline) in place.
 *
 * @param line  spoilt; the record lies in it.
 *
 * Returns: whether it is a record; if not, problem_out is filled.
 */
bool tsv_line_parse(unsigned char *line, size_t len, struct line_record *record_out,
                    struct line_problem *problem_out);

#endif
