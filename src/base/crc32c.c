#include "base/crc32c.h"

#include <stdatomic.h>
#include <stdbool.h>

#include "base/attr.h"
#include "base/bytes.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

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

static inline uint64_t
copy_word(const _Atomic uint64_t *words, size_t i, unsigned char *to)
{
    uint64_t word = atomic_load_explicit(&words[i], memory_order_acquire);
    adb_store_u64(to + 8 * i, word);
    return word;
}

/* In two passes. */
static uint32_t
copy_first(uint32_t crc, uint64_t before, const _Atomic uint64_t *words, size_t n_words,
           unsigned char *to)
{
    unsigned char bytes[8];
    const _Atomic uint64_t *end = words + n_words;
    unsigned char *copied = to;
    adb_store_u64(bytes, before);
    for (; words != end; words++, copied += 8)
        (void)copy_word(words, 0, copied);
    return adb_crc32c(adb_crc32c(crc, bytes, sizeof bytes), to + 4, (size_t)(copied - to) - 4);
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

/* The instruction takes one word a cycle, but gives its result after three: so long inputs are cut
 * into blocks of three streams of equal length, whose chains run side by side. */
struct streams {
    size_t bytes;      /* of one stream; a block has three */
    uint32_t skip_one; /* x^(8 * bytes - 33) mod P */
    uint32_t skip_two; /* x^(16 * bytes - 33) mod P */
};

enum {
    LONG_STREAM_BYTES = 1024,
    SHORT_STREAM_BYTES = 128,
    MIN_BLOCK_BYTES = 3 * SHORT_STREAM_BYTES
};

/* Powers are reflected as the checksum is: x^0 is 0x80000000, and times x is one step of the loop
 * over bits in build_tables(). */
static const struct streams long_streams = {LONG_STREAM_BYTES, 0x170076fa, 0xa51b6135};
static const struct streams short_streams = {SHORT_STREAM_BYTES, 0x0d3b6092, 0xb9e02b86};

/* The state after one block. A stream followed by n bytes counts times x^(8n). The carry-less
 * product of two reflected numbers is one power of x too high, and the instruction, which reduces
 * it modulo P, multiplies by x^32: hence the 33. */
__attribute__((target("sse4.2,pclmul"))) static uint64_t
crc32c_block(uint64_t state, const unsigned char *p, const struct streams *streams)
{
    const size_t bytes = streams->bytes;
    uint64_t second = 0;
    uint64_t third = 0;
    for (const unsigned char *end = p + bytes; p < end; p += 8) {
        state = __builtin_ia32_crc32di(state, adb_load_u64(p));
        second = __builtin_ia32_crc32di(second, adb_load_u64(p + bytes));
        third = __builtin_ia32_crc32di(third, adb_load_u64(p + 2 * bytes));
    }
    __m128i skips = _mm_set_epi64x(streams->skip_one, streams->skip_two);
    __m128i sum =
        _mm_xor_si128(_mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)state), skips, 0x00),
                      _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)second), skips, 0x10));
    return __builtin_ia32_crc32di(0, (uint64_t)_mm_cvtsi128_si64(sum)) ^ third;
}

__attribute__((target("sse4.2,pclmul"))) static uint32_t
crc32c_streams(uint32_t crc, const void *data, size_t len)
{
    const unsigned char *p = (const unsigned char *)data;
    uint64_t state = (uint32_t)~crc;
    for (; len >= 3 * long_streams.bytes; len -= 3 * long_streams.bytes) {
        state = crc32c_block(state, p, &long_streams);
        p += 3 * long_streams.bytes;
    }
    for (; len >= 3 * short_streams.bytes; len -= 3 * short_streams.bytes) {
        state = crc32c_block(state, p, &short_streams);
        p += 3 * short_streams.bytes;
    }
    return crc32c_instruction(~(uint32_t)state, p, len);
}

/* Carry-less multiplication of 64 bytes at once is half as fast again. A part of the input that is
 * followed by d more bits counts times x^d: its two halves are multiplied by x^(d + 32) and
 * x^(d - 32) mod P, reflected, one bit up as the product is one power too low; what comes out is
 * added to what lies d bits further on. In the end 64 bytes stand for all of it. */
struct fold {
    long long first; /* for the half that comes first */
    long long second;
};

enum { WIDE_BYTES = 64, WIDE_LANES = 4, WIDE_BLOCK_BYTES = WIDE_LANES * WIDE_BYTES };
enum { MIN_WIDE_BYTES = 4 * WIDE_BLOCK_BYTES }; /* below, the streams are as fast */

static const struct fold fold_2048 = {0xdcb17aa4, 0xb9e02b86};
static const struct fold fold_512 = {0x740eef02, 0x9e4addf8};

#define WIDE_TARGET __attribute__((target("avx512f,vpclmulqdq,sse4.2")))

WIDE_TARGET static inline __m512i
fold_wide(__m512i from, const struct fold *fold, __m512i to)
{
    const __m512i by = _mm512_set4_epi64(fold->second, fold->first, fold->second, fold->first);
    const __m512i product = _mm512_xor_si512(_mm512_clmulepi64_epi128(from, by, 0x00),
                                             _mm512_clmulepi64_epi128(from, by, 0x11));
    return _mm512_xor_si512(product, to);
}

WIDE_TARGET static uint32_t
crc32c_wide(uint32_t crc, const void *data, size_t len)
{
    const unsigned char *p = (const unsigned char *)data;
    uint64_t state = 0;
    __m512i sum[WIDE_LANES];
    _Alignas(WIDE_BYTES) unsigned char last[WIDE_BYTES];
    for (int i = 0; i < WIDE_LANES; i++)
        sum[i] = _mm512_loadu_si512(p + i * WIDE_BYTES);
    sum[0] = _mm512_xor_si512(sum[0], _mm512_zextsi128_si512(_mm_cvtsi32_si128((int)~crc)));
    p += WIDE_BLOCK_BYTES;
    len -= WIDE_BLOCK_BYTES;
    for (; len >= WIDE_BLOCK_BYTES; len -= WIDE_BLOCK_BYTES, p += WIDE_BLOCK_BYTES) {
        for (int i = 0; i < WIDE_LANES; i++)
            sum[i] = fold_wide(sum[i], &fold_2048, _mm512_loadu_si512(p + i * WIDE_BYTES));
    }
    for (int i = 1; i < WIDE_LANES; i++)
        sum[i] = fold_wide(sum[i - 1], &fold_512, sum[i]);
    _mm512_store_si512(last, sum[WIDE_LANES - 1]);
    for (size_t i = 0; i < WIDE_BYTES; i += 8)
        state = __builtin_ia32_crc32di(state, adb_load_u64(last + i));
    return crc32c_instruction(~(uint32_t)state, p, len);
}

/* Words go from the register where they were loaded to both. */
__attribute__((target("sse4.2"))) static uint32_t
copy_instruction(uint32_t crc, uint64_t before, const _Atomic uint64_t *words, size_t n_words,
                 unsigned char *to)
{
    const _Atomic uint64_t *end = words + n_words;
    uint32_t start = (uint32_t)__builtin_ia32_crc32di(~crc, before);
    uint64_t state = __builtin_ia32_crc32si(start, (uint32_t)(copy_word(words, 0, to) >> 32));
    words++;
    to += 8;
    for (; end - words >= 4; words += 4, to += 32) {
        state = __builtin_ia32_crc32di(state, copy_word(words, 0, to));
        state = __builtin_ia32_crc32di(state, copy_word(words, 1, to));
        state = __builtin_ia32_crc32di(state, copy_word(words, 2, to));
        state = __builtin_ia32_crc32di(state, copy_word(words, 3, to));
    }
    for (; words != end; words++, to += 8)
        state = __builtin_ia32_crc32di(state, copy_word(words, 0, to));
    return ~(uint32_t)state;
}

/* What the processor can do; the compiler's own table of it is 4.5 KB of code. */
enum { KNOWN = 1, HAS_CRC32 = 2, HAS_PCLMUL = 4, HAS_WIDE = 8 };

static _Atomic(unsigned) features; /* relaxed: each thread finds the same; 0: not looked yet */

/* Whether the system saves registers of 512 bits when it changes threads. */
static ADB_COLD bool
keeps_wide_registers(void)
{
    enum { WIDE_STATE = 0xe6 };
    uint32_t low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & WIDE_STATE) == WIDE_STATE;
}

static ADB_COLD unsigned
find_features(void)
{
    unsigned a, b, c, d, found = KNOWN;
    if (__get_cpuid(1, &a, &b, &c, &d) != 0) {
        found |= (c & bit_SSE4_2) != 0 ? HAS_CRC32 : 0;
        found |= (c & bit_PCLMUL) != 0 ? HAS_PCLMUL : 0;
        if ((c & bit_OSXSAVE) != 0 && keeps_wide_registers() &&
            __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0)
            found |= (b & bit_AVX512F) != 0 && (c & bit_VPCLMULQDQ) != 0 ? HAS_WIDE : 0;
    }
    atomic_store_explicit(&features, found, memory_order_relaxed);
    return found;
}

static inline bool
has(unsigned wanted)
{
    unsigned found = atomic_load_explicit(&features, memory_order_relaxed);
    if (ADB_UNLIKELY(found == 0))
        found = find_features();
    return (found & wanted) != 0;
}

uint32_t
adb_crc32c_copy(uint32_t crc, uint64_t before, const _Atomic uint64_t *words, size_t n_words,
                unsigned char *to)
{
    if (n_words < MIN_BLOCK_BYTES / 8 && has(HAS_CRC32))
        return copy_instruction(crc, before, words, n_words, to);
    return copy_first(crc, before, words, n_words, to);
}

uint32_t
adb_crc32c(uint32_t crc, const void *data, size_t len)
{
    if (len >= MIN_WIDE_BYTES && has(HAS_WIDE))
        return crc32c_wide(crc, data, len);
    return adb_crc32c_narrow(crc, data, len);
}

uint32_t
adb_crc32c_narrow(uint32_t crc, const void *data, size_t len)
{
    if (!has(HAS_CRC32))
        return adb_crc32c_portable(crc, data, len);
    if (len >= MIN_BLOCK_BYTES && has(HAS_PCLMUL))
        return crc32c_streams(crc, data, len);
    return crc32c_instruction(crc, data, len);
}

#else

uint32_t
adb_crc32c(uint32_t crc, const void *data, size_t len)
{
    return adb_crc32c_portable(crc, data, len);
}

uint32_t
adb_crc32c_narrow(uint32_t crc, const void *data, size_t len)
{
    return adb_crc32c_portable(crc, data, len);
}

uint32_t
adb_crc32c_copy(uint32_t crc, uint64_t before, const _Atomic uint64_t *words, size_t n_words,
                unsigned char *to)
{
    return copy_first(crc, before, words, n_words, to);
}

#endif
