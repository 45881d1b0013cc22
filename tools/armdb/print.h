/*
 * print.h: records on their way out, in the three forms that there are.
 *
 * These write to any stream; errors stay with the stream. For standard output, print_is_broken()
 * tells early that there is no use going on, and print_finish() at the end whether all of it went
 * out.
 */
#ifndef PRINT_H
#define PRINT_H

#include <stdbool.h>
#include <stdio.h>

#include "armdb/types.h"

/** The bytes, with the escapes of escape.h. */
void print_escaped(FILE *to, armdb_slice bytes);

/** KEY, a tab, VALUE and a newline, with escapes; behind VALUE the deadline, unless it is 0. */
void print_tsv(FILE *to, armdb_slice key, armdb_slice value, uint64_t deadline_ms);

/** One line of jsonl. */
void print_jsonl(FILE *to, armdb_slice key, armdb_slice value, uint64_t deadline_ms);

/** "NAME":"TEXT", or "NAME_hex":"DIGITS" for bytes that are not UTF-8. */
void print_json_member(FILE *to, const char *name, armdb_slice bytes);

/** Whether standard output took no more. */
bool print_is_broken(void);

/** Flushes standard output; returns `status`, or reports and returns STATUS_IO if it failed. */
int print_finish(int status);

#endif
