/* utf8.h: what is text and what is not. Pure functions. */
#ifndef UTF8_H
#define UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * Length (1..4) of the character that `data` begins with; 0 if it is none: overlong forms,
 * surrogates, numbers over 10FFFF and characters that are cut off are none.
 */
size_t utf8_len(const unsigned char *data, size_t len);

/** Whether all of it is UTF-8. */
bool utf8_is_valid(const unsigned char *data, size_t len);

/** Writes the character `code` (at most 10FFFF, no surrogate); returns its length, 1..4. */
size_t utf8_encode(uint32_t code, unsigned char to[4]);

#endif
