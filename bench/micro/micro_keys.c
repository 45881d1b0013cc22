/* Making keys. */
#include "micro_keys.h"

#include <string.h>

enum { FIXED_BYTES = 16, PREFIX_BYTES = 200, SHORTEST = 12, LENGTHS = 21 };

const char *
micro_kind_name(enum micro_kind kind)
{
    static const char *const names[MICRO_KINDS] = {
        [MICRO_FIXED] = "16 B random",         [MICRO_VARIABLE] = "variable random",
        [MICRO_SORTED] = "16 B sorted",        [MICRO_REVERSE] = "16 B reverse",
        [MICRO_LAST] = "16 B, last byte only", [MICRO_PREFIX] = "200 B prefix",
    };
    return names[kind];
}

uint32_t
micro_kind_key_bytes(enum micro_kind kind)
{
    return kind == MICRO_VARIABLE || kind == MICRO_PREFIX ? 0 : FIXED_BYTES;
}

uint64_t
micro_scatter(uint64_t n)
{
    n = (n + 1) * UINT64_C(0x9e3779b97f4a7c15);
    n = (n ^ (n >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    n = (n ^ (n >> 27)) * UINT64_C(0x94d049bb133111eb);
    return n ^ (n >> 31);
}

static size_t
variable_length(uint64_t number)
{
    return SHORTEST + (micro_scatter(number) >> 32) % LENGTHS;
}

uint64_t
micro_kind_bytes(enum micro_kind kind, uint64_t count)
{
    if (kind == MICRO_PREFIX)
        return count * (PREFIX_BYTES + 8);
    if (kind != MICRO_VARIABLE)
        return count * FIXED_BYTES;
    uint64_t bytes = 0;
    for (uint64_t number = 0; number < count; number++)
        bytes += variable_length(number);
    return bytes;
}

static void
store_big_endian(unsigned char *bytes, uint64_t word)
{
    for (uint32_t i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(word >> (56 - 8 * i));
}

static void
fill_random(unsigned char *bytes, size_t len, uint64_t number)
{
    uint64_t word = micro_scatter(number);
    for (size_t done = 0; done < len; done += 8) {
        memcpy(bytes + done, &word, len - done < 8 ? len - done : 8);
        word = micro_scatter(word);
    }
}

void
micro_chunk_clear(struct micro_chunk *chunk)
{
    chunk->n = 0;
    chunk->used = 0;
}

void
micro_chunk_add(struct micro_chunk *chunk, enum micro_kind kind, uint64_t number, uint64_t count)
{
    unsigned char *bytes = chunk->bytes + chunk->used;
    size_t len = FIXED_BYTES;
    uint64_t groups = count / 256 + 1;
    switch (kind) {
    case MICRO_VARIABLE:
        len = variable_length(number);
        fill_random(bytes, len, number);
        break;
    case MICRO_SORTED:
    case MICRO_REVERSE:
        memset(bytes, 0, FIXED_BYTES);
        store_big_endian(bytes + 8, kind == MICRO_SORTED ? number : 2 * count - number);
        break;
    case MICRO_LAST:
        fill_random(bytes, FIXED_BYTES - 1, number % groups + (number >= count ? groups : 0));
        bytes[FIXED_BYTES - 1] = (unsigned char)(number / groups);
        break;
    case MICRO_PREFIX:
        len = PREFIX_BYTES + 8;
        memset(bytes, 'p', PREFIX_BYTES);
        store_big_endian(bytes + PREFIX_BYTES, micro_scatter(number));
        break;
    case MICRO_FIXED:
    case MICRO_KINDS:
        fill_random(bytes, FIXED_BYTES, number);
        break;
    }
    chunk->keys[chunk->n] = (armdb_slice){.data = bytes, .len = len};
    chunk->numbers[chunk->n] = number;
    chunk->used += len;
    chunk->n++;
}
