/*
 * fuzz_input.h: taking an input apart.
 *
 * Reading behind the end gives zeros, so that every input means something.
 */
#ifndef TEST_FUZZ_INPUT_H
#define TEST_FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz_input {
    const uint8_t *data; /* borrowed; what is left */
    size_t size;
};

static inline uint32_t
take_u8(struct fuzz_input *input)
{
    if (input->size == 0)
        return 0;
    input->size--;
    return *input->data++;
}

static inline uint32_t
take_u16(struct fuzz_input *input)
{
    uint32_t low = take_u8(input);
    return low | take_u8(input) << 8;
}

static inline uint32_t
take_u32(struct fuzz_input *input)
{
    uint32_t low = take_u16(input);
    return low | take_u16(input) << 16;
}

/** A number below `limit`, which is not 0. */
static inline uint64_t
take_below(struct fuzz_input *input, uint64_t limit)
{
    uint64_t number = limit <= 256     ? take_u8(input)
                      : limit <= 65536 ? take_u16(input)
                                       : take_u32(input);
    return number % limit;
}

#endif
