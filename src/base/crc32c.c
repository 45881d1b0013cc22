#include "base/crc32c.h"

#include <stdatomic.h>
#include <stdbool.h>

#include "base/bytes.h"

enum { TABLES = 8 };

static uint32_t tables[TABLES][256];
static atomic_bool tables_ready;

/* Slicing by eight. Every thread that comes first builds the same tables; the words are stored
 * through atomics so that this is no race. */
static void
build_tables(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (0x82f63b78u & (0u - (crc & 1u)));
        __atomic_store_n(&tables[0][byte], crc, __ATOMIC_RELAXED);
    }
    for (int k = 1; k < TABLES; k++) {
        for (uint32_t byte = 0; byte < 256; byte++) {
            uint32_t crc = __atomic_load_n(&tables[k - 1][byte], __ATOMIC_RELAXED);
            uint32_t low = __atomic_load_n(&tables[0][crc & 0xff], __ATOMIC_RELAXED);
            __atomic_store_n(&tables[k][byte], (crc >> 8) ^ low, __ATOMIC_RELAXED);
        }
    }
    atomic_store_explicit(&tables_ready, true, memory_order_release);
}

static uint32_t
table(int k, uint64_t byte)
{
    return __atomic_load_n(&tables[k][byte & 0xff], __ATOMIC_RELAXED);
}

uint32_t
adb_crc32c_portable(uint32_t crc, const void *data, size_t len)
{
    if (!atomic_load_explicit(&tables_ready, memory_order_acquire))
        build_tables();
    const unsigned char *p = (const unsigned char *)data;
    crc = ~crc;
    for (; len >= 8; len -= 8, p += 8) {
        uint64_t word = adb_load_u64(p) ^ crc;
        crc = 0;
        for (int k = 0; k < TABLES; k++)
            crc ^= table(TABLES - 1 - k, word >> (8 * k));
    }
    for (; len > 0; len--, p++)
        crc = (crc >> 8) ^ table(0, crc ^ *p);
    return ~crc;
}

#if defined(__x86_64__)

__attribute__((target("sse4.2"))) static uint32_t
crc32c_instruction(uint32_t crc, const void *data, size_t len)
{
    const unsigned char *p = (const unsigned char *)data;
    uint64_t state = ~crc;
    for (; len >= 8; len -= 8, p += 8)
        state = __builtin_ia32_crc32di(state, adb_load_u64(p));
    uint32_t small = (uint32_t)state;
    if ((len & 4) != 0) {
        small = __builtin_ia32_crc32si(small, adb_load_u32(p));
        p += 4;
    }
    if ((len & 2) != 0) {
        small = __builtin_ia32_crc32hi(small, adb_load_u16(p));
        p += 2;
    }
    if ((len & 1) != 0)
        small = __builtin_ia32_crc32qi(small, *p);
    return ~small;
}

uint32_t
adb_crc32c(uint32_t crc, const void *data, size_t len)
{
    if (__builtin_cpu_supports("sse4.2"))
        return crc32c_instruction(crc, data, len);
    return adb_crc32c_portable(crc, data, len);
}

#else

uint32_t
adb_crc32c(uint32_t crc, const void *data, size_t len)
{
    return adb_crc32c_portable(crc, data, len);
}

#endif
