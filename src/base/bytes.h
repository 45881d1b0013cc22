/* bytes.h: little-endian numbers at any address, and rounding. */
#ifndef ADB_BASE_BYTES_H
#define ADB_BASE_BYTES_H

#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ADB_LE16(x) (x)
#define ADB_LE32(x) (x)
#define ADB_LE64(x) (x)
#else
#define ADB_LE16(x) __builtin_bswap16(x)
#define ADB_LE32(x) __builtin_bswap32(x)
#define ADB_LE64(x) __builtin_bswap64(x)
#endif

static inline uint16_t
adb_load_u16(const void *from)
{
    uint16_t value;
    memcpy(&value, from, sizeof value);
    return ADB_LE16(value);
}

static inline uint32_t
adb_load_u32(const void *from)
{
    uint32_t value;
    memcpy(&value, from, sizeof value);
    return ADB_LE32(value);
}

static inline uint64_t
adb_load_u64(const void *from)
{
    uint64_t value;
    memcpy(&value, from, sizeof value);
    return ADB_LE64(value);
}

static inline void
adb_store_u16(void *to, uint16_t value)
{
    value = ADB_LE16(value);
    memcpy(to, &value, sizeof value);
}

static inline void
adb_store_u32(void *to, uint32_t value)
{
    value = ADB_LE32(value);
    memcpy(to, &value, sizeof value);
}

static inline void
adb_store_u64(void *to, uint64_t value)
{
    value = ADB_LE64(value);
    memcpy(to, &value, sizeof value);
}

/** `n` rounded up to a multiple of `unit`, a power of two. */
static inline uint64_t
adb_round_up(uint64_t n, uint64_t unit)
{
    return (n + unit - 1) & ~(unit - 1);
}

#endif
