/*
 * escape.h: bytes as text. A byte that is not printable ASCII, and the backslash, is written \xNN
 * with two hexadecimal digits; every other byte stands for itself. Pure functions.
 */
#ifndef ESCAPE_H
#define ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

/** How many of the first bytes stand for themselves. */
size_t escape_plain_len(const unsigned char *data, size_t len);

/** Writes one byte as \xNN (without an end). */
void escape_byte(unsigned char byte, char to[4]);

/** The value of a hexadecimal digit of either case, or -1. */
int escape_hex_digit(unsigned char c);

/**
 * Replaces the escapes in `data` by their bytes, in place. Bytes that are not printable are taken
 * as they are; a backslash must begin an escape.
 *
 * @param len     in: bytes of text; out: bytes that are left.
 * @param bad_at_out  where the first bad escape begins, if there is one.
 *
 * Returns: whether all escapes were good; if not, `data` is spoilt.
 */
bool escape_undo(unsigned char *data, size_t *len, size_t *bad_at_out);

#endif
