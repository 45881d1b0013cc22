/*
 * fuzz_db.h: pairs that prove themselves, for targets that change the files under a database.
 *
 * A value holds the number of its collection and of its key, its version and its length, and bytes
 * that follow from these: whatever is read is either something that was written for that key, or it
 * is caught here.
 */
#ifndef TEST_FUZZ_DB_H
#define TEST_FUZZ_DB_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/err.h"
#include "db/db.h"

enum { FUZZ_KEY_BYTES = 4, FUZZ_KEYS = 1000, FUZZ_VALUE_HEAD = 16, FUZZ_VALUE_MAX = 8192 };

/** "k007" for key 7; keys of variable length get "-" up to 9 times behind. */
static inline armdb_slice
fuzz_key(uint32_t number, bool is_fixed, char room[32])
{
    int len = snprintf(room, 32, "k%03u%.*s", number % FUZZ_KEYS, is_fixed ? 0 : (int)(number % 10),
                       "---------");
    const armdb_slice key = {room, (size_t)len};
    return key;
}

/** Fills a value of `len` bytes; the empty one, and those too short for a head, say less. */
static inline void
fuzz_value(uint32_t collection, uint32_t number, uint32_t version, unsigned char *to, size_t len)
{
    unsigned char head[FUZZ_VALUE_HEAD];
    adb_store_u32(head, collection);
    adb_store_u32(head + 4, number);
    adb_store_u32(head + 8, version);
    adb_store_u32(head + 12, (uint32_t)len);
    for (size_t i = 0; i < len; i++)
        to[i] = i < sizeof head ? head[i]
                                : (unsigned char)(number * 31 + version * 7 + i * (i >> 6 | 1));
}

/** Whether a value is one that fuzz_value() made for that key. */
static inline bool
fuzz_value_is_good(uint32_t collection, uint32_t number, const void *value, size_t len)
{
    const unsigned char *bytes = (const unsigned char *)value;
    unsigned char expected[FUZZ_VALUE_MAX];
    if (len > sizeof expected)
        return false;
    if (len == 0)
        return true;
    fuzz_value(collection, number, len >= 12 ? adb_load_u32(bytes + 8) : 0, expected, len);
    /* Of a head that is cut short, what comes before the version counts. */
    return memcmp(expected, bytes, len < 12 && len > 8 ? 8 : len) == 0;
}

/** Whether a key comes before another one in an order. */
static inline bool
fuzz_is_before(const unsigned char *before, size_t before_len, armdb_slice key, armdb_order order)
{
    size_t common = before_len < key.len ? before_len : key.len;
    int difference = memcmp(before, key.data, common);
    bool is_less = difference != 0 ? difference < 0 : before_len < key.len;
    return is_less == (order == ARMDB_ASCENDING);
}

/** Walks over a collection, in both directions if it has an order: each key once and in order,
 * values good. Returns the count, which keys that have expired are not in. */
static inline uint64_t
fuzz_walk_collection(struct collection *collection, uint32_t id)
{
    const armdb_cursor_options options = ARMDB_CURSOR_OPTIONS_INIT;
    armdb_collection_info info;
    struct cursor *cursor;
    bool is_met[FUZZ_KEYS] = {false};
    unsigned char last[32];
    size_t last_len = 0;
    uint64_t count = 0, back = 0;
    armdb_err err;
    ADB_ASSERT(adb_collection_get_info(collection, &info) == ARMDB_OK);
    ADB_ASSERT(adb_cursor_open(collection, &options, &cursor) == ARMDB_OK);
    while ((err = adb_cursor_move(cursor, CURSOR_NEXT)) == ARMDB_OK) {
        char room[32];
        armdb_slice key = adb_cursor_key(cursor);
        armdb_slice value = adb_cursor_value(cursor);
        ADB_ASSERT(key.len >= FUZZ_KEY_BYTES && key.len < sizeof room);
        memcpy(room, key.data, key.len);
        room[FUZZ_KEY_BYTES] = '\0';
        uint32_t number = (uint32_t)strtoul(room + 1, NULL, 10);
        armdb_slice expected = fuzz_key(number, info.key_bytes != ARMDB_KEY_VARIABLE, room);
        ADB_ASSERT(key.len == expected.len && memcmp(key.data, expected.data, key.len) == 0);
        ADB_ASSERT(fuzz_value_is_good(id, number, value.data, value.len));
        ADB_ASSERT(info.value_bytes == ARMDB_VALUE_VARIABLE || value.len == info.value_bytes);
        ADB_ASSERT(!is_met[number]);
        is_met[number] = true;
        if (count > 0 && info.order != ARMDB_UNORDERED)
            ADB_ASSERT(fuzz_is_before(last, last_len, key, info.order));
        memcpy(last, key.data, key.len);
        last_len = key.len;
        count++;
    }
    ADB_ASSERT(err == ARMDB_END && count <= info.keys);
    while ((err = adb_cursor_move(cursor, CURSOR_PREV)) == ARMDB_OK)
        back++;
    if (info.order == ARMDB_UNORDERED)
        ADB_ASSERT(err == ARMDB_UNSUPPORTED && back == 0);
    else
        ADB_ASSERT(err == ARMDB_END && back == count);
    adb_cursor_close(cursor);
    return count;
}

/** The same for a collection without deadlines. */
static inline uint64_t
fuzz_check_collection(struct collection *collection, uint32_t id)
{
    uint64_t keys;
    uint64_t count = fuzz_walk_collection(collection, id);
    ADB_ASSERT(adb_db_count(collection, &keys) == ARMDB_OK && count == keys);
    return count;
}

#endif
