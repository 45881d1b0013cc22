/*
 * location.h: where a record is, in 64 bits: what the index keeps for each key.
 *
 *     bit 63     0                                   1
 *     62         the record has a deadline           the same
 *     61..48     file slot (14 bits)                 file slot
 *     47..19     record offset / 8 (29 bits)         47..28 record offset / 4096 (20 bits)
 *     18..0      value length (19 bits)              27..0  value length - 2^19 (28 bits)
 *
 * Records with values of LOCATION_LARGE bytes and more start at a multiple of 4096, so both forms
 * reach 4 GiB into a file, and the length of every value is known without reading anything. A slot
 * is a place in the shard's table of open files; it stands for a file id, and is reused only when
 * no location can name the old file any more. 0 is no location (offset 0 is a file's header).
 */
#ifndef ADB_LOG_LOCATION_H
#define ADB_LOG_LOCATION_H

#include <stdbool.h>
#include <stdint.h>

#include "armdb/types.h"
#include "log/log_format.h"

enum {
    LOCATION_SLOTS = 1 << 14,       /* files of one shard at most */
    LOCATION_LARGE = 1 << 19,       /* values of this length and more: second form */
    LOCATION_LARGE_ALIGNMENT = 4096 /* of the records of such values */
};

#define LOCATION_OFFSET_LIMIT (UINT64_C(1) << 32) /* records start below it */

_Static_assert(ARMDB_VALUE_MAX < LOCATION_LARGE + (1u << 28), "value lengths fit a location");

#define LOCATION_DEADLINE (UINT64_C(1) << 62)

static inline bool
adb_location_is_large(uint64_t location)
{
    return location >> 63 != 0;
}

/** `offset` < LOCATION_OFFSET_LIMIT, a multiple of 8 (of 4096 if the value is large). */
static inline uint64_t
adb_location_make(uint32_t slot, uint64_t offset, uint32_t value_len)
{
    uint64_t high = (uint64_t)slot << 48;
    if (value_len < LOCATION_LARGE)
        return high | (offset / 8) << 19 | value_len;
    return UINT64_C(1) << 63 | high | (offset / LOCATION_LARGE_ALIGNMENT) << 28 |
           (value_len - LOCATION_LARGE);
}

/** Of a record with a value. */
static inline uint64_t
adb_location_of(uint32_t slot, uint64_t offset, const struct log_record *record)
{
    uint64_t location = adb_location_make(slot, offset, record->value_len);
    return (record->flags & LOG_FLAG_DEADLINE) != 0 ? location | LOCATION_DEADLINE : location;
}

/** Whether the record has a deadline: then it may have expired. */
static inline bool
adb_location_has_deadline(uint64_t location)
{
    return (location & LOCATION_DEADLINE) != 0;
}

static inline uint32_t
adb_location_slot(uint64_t location)
{
    return (uint32_t)(location >> 48) & (LOCATION_SLOTS - 1);
}

static inline uint64_t
adb_location_offset(uint64_t location)
{
    if (adb_location_is_large(location))
        return ((location >> 28) & 0xfffffu) * LOCATION_LARGE_ALIGNMENT;
    return ((location >> 19) & 0x1fffffffu) * 8;
}

static inline uint32_t
adb_location_value_len(uint64_t location)
{
    if (adb_location_is_large(location))
        return (uint32_t)(location & 0xfffffffu) + LOCATION_LARGE;
    return (uint32_t)(location & 0x7ffffu);
}

/** What the header of the record says, as far as the location tells. */
static inline struct log_record
adb_location_record(uint64_t location, size_t key_len)
{
    return (struct log_record){
        .flags = adb_location_has_deadline(location) ? LOG_FLAG_DEADLINE : 0,
        .key_len = (uint32_t)key_len,
        .value_len = adb_location_value_len(location),
    };
}

/** Bytes of the whole record. */
static inline uint64_t
adb_location_record_bytes(uint64_t location, size_t key_len)
{
    const struct log_record record = adb_location_record(location, key_len);
    return adb_log_record_bytes(&record);
}

#endif
