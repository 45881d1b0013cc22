/*
 * The hash that routes keys to shards is part of the disk format: its values never change. The
 * first one is published (XXH3 of nothing); the others were pinned with format version 1.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hash.h"

enum { BYTES_MAX = 256, SEEDS = 3 };

static const uint64_t SEED[SEEDS] = {0, 1, UINT64_C(0x9e3779b97f4a7c15)};

/* One length at least in each branch of the algorithm. */
static const struct {
    size_t len;
    uint64_t hash[SEEDS];
} PINNED[] = {
    {0, {UINT64_C(0x2d06800538d394c2), UINT64_C(0x4dc5b0cc826f6703), UINT64_C(0x602b0e2cd6662c8b)}},
    {1, {UINT64_C(0xe12ef9d2eb86ceeb), UINT64_C(0x0e08a51c8536156c), UINT64_C(0x439a256d3da4e7e3)}},
    {3, {UINT64_C(0x5c83885a0fb5d516), UINT64_C(0x97acfd5701abcbad), UINT64_C(0x8840137a8295d79b)}},
    {4, {UINT64_C(0x244f36de481e7522), UINT64_C(0xea29946261678ed7), UINT64_C(0x89af97f4a1e8d1fc)}},
    {8, {UINT64_C(0x96cc97a6768fd7a9), UINT64_C(0x33857bda8733699e), UINT64_C(0x7f7986a4ac5342b6)}},
    {9, {UINT64_C(0x4781d83b8e99d495), UINT64_C(0x0530727d785782f7), UINT64_C(0xa9fd0dd2db7e1fc7)}},
    {16,
     {UINT64_C(0x913bd4a8038027a7), UINT64_C(0x565af978e0b859bb), UINT64_C(0xcdf0cbaa77afe281)}},
    {17,
     {UINT64_C(0x2bf6f66973a6179d), UINT64_C(0x7cf9c82b695c7dda), UINT64_C(0x51290e3ab460cf3f)}},
    {64,
     {UINT64_C(0x13886553e7dc3fa3), UINT64_C(0xdbf797fb06ccfa61), UINT64_C(0x20cffc72fc760dfe)}},
    {128,
     {UINT64_C(0xc4399c7829d0628f), UINT64_C(0xe705a35575ed324c), UINT64_C(0xb4852aec21eb5644)}},
    {129,
     {UINT64_C(0x8433489056750b32), UINT64_C(0x298216ce16626944), UINT64_C(0xeea48e728c6ca28a)}},
    {240,
     {UINT64_C(0x3c0bb96864e543a1), UINT64_C(0x4ac4835a402c1cba), UINT64_C(0xfdbbfb1fa843fe64)}},
    {241,
     {UINT64_C(0xbff7215089202d8f), UINT64_C(0x4db569223fff2747), UINT64_C(0xdbbc9f7c061b0878)}},
    {256,
     {UINT64_C(0xc03402b5dce3dbfa), UINT64_C(0xb1b10e4a1cfd0a97), UINT64_C(0x0163e40bd2d2ed56)}},
};

static void
test_hash__pinned_vectors__match(void **state)
{
    (void)state;
    unsigned char bytes[BYTES_MAX];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 7 + 1);
    for (size_t i = 0; i < sizeof PINNED / sizeof PINNED[0]; i++) {
        for (int seed = 0; seed < SEEDS; seed++)
            assert_true(adb_hash(bytes, PINNED[i].len, SEED[seed]) == PINNED[i].hash[seed]);
    }
}

static void
test_hash__any_alignment__same_value(void **state)
{
    (void)state;
    unsigned char bytes[BYTES_MAX + 8];
    for (size_t from = 0; from < 8; from++) {
        for (size_t i = 0; i < BYTES_MAX; i++)
            bytes[from + i] = (unsigned char)(i * 7 + 1);
        assert_true(adb_hash(bytes + from, 241, 1) == UINT64_C(0x4db569223fff2747));
        assert_true(adb_hash(bytes + from, 9, 1) == UINT64_C(0x0530727d785782f7));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash__pinned_vectors__match),
        cmocka_unit_test(test_hash__any_alignment__same_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
