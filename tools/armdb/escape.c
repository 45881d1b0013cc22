#include "escape.h"

#include <string.h>

size_t
escape_plain_len(const unsigned char *data, size_t len)
{
    size_t i = 0;
    while (i < len && data[i] >= 0x20 && data[i] < 0x7f && data[i] != '\\')
        i++;
    return i;
}

void
escape_byte(unsigned char byte, char to[4])
{
    static const char digits[] = "0123456789abcdef";
    to[0] = '\\';
    to[1] = 'x';
    to[2] = digits[byte >> 4];
    to[3] = digits[byte & 15];
}

int
escape_hex_digit(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Moves the text before the next backslash to its place; returns its length. */
static size_t
move_plain(unsigned char *data, size_t from, size_t to, size_t len)
{
    const void *found = memchr(data + from, '\\', len - from);
    size_t plain = found != NULL ? (size_t)((const unsigned char *)found - (data + from))
                                 : len - from;
    if (from != to)
        memmove(data + to, data + from, plain);
    return plain;
}

bool
escape_undo(unsigned char *data, size_t *len, size_t *bad_at_out)
{
    size_t from = 0;
    size_t to = 0;
    while (from < *len) {
        size_t plain = move_plain(data, from, to, *len);
        from += plain;
        to += plain;
        if (from == *len)
            break;
        *bad_at_out = from;
        if (*len - from < 4 || data[from + 1] != 'x')
            return false;
        int high = escape_hex_digit(data[from + 2]);
        int low = escape_hex_digit(data[from + 3]);
        if (high < 0 || low < 0)
            return false;
        data[to++] = (unsigned char)(high * 16 + low);
        from += 4;
    }
    *len = to;
    return true;
}
