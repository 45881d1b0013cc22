/*
 * mem.h: the only way to the heap.
 *
 * Every allocation of the library goes through here, so that a test can make the n-th one fail
 * (adb_mem_fail_at) and count what is left behind. All return NULL when memory is out, without a
 * detail record: the caller raises ARMDB_NO_MEMORY where it knows what the memory was for.
 *
 * Threads: any.
 */
#ifndef ADB_BASE_MEM_H
#define ADB_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Zeroed memory for `count` elements of `bytes`; NULL also if the product overflows. Free with
 * adb_mem_free(). */
void *adb_mem_zalloc(size_t count, size_t bytes);

/** `bytes` of memory, not zeroed, 16-aligned. Free with adb_mem_free(). */
void *adb_mem_alloc(size_t bytes);

/** Grows or shrinks; on failure NULL, and `memory` is as it was. */
void *adb_mem_realloc(void *memory, size_t bytes);

/** NULL is allowed. */
void adb_mem_free(void *memory);

/** A copy of a C string; NULL when memory is out. Free with adb_mem_free(). */
char *adb_mem_strdup(const char *text);

/**
 * Tests only: the `countdown`-th allocation from now fails (1 = the next one); with `persistent`,
 * all later ones too. 0 ends it.
 */
void adb_mem_fail_at(uint64_t countdown, bool persistent);

/**
 * Counts as an allocation: whether adb_mem_fail_at() wants this one to fail. For memory that does
 * not come from here.
 */
bool adb_mem_must_fail(void);

/** Tests only: whether the failure that adb_mem_fail_at() asked for has happened. */
bool adb_mem_has_failed(void);

#define adb_new(type) ((type *)adb_mem_zalloc(1, sizeof(type)))
#define adb_new_array(type, count) ((type *)adb_mem_zalloc((count), sizeof(type)))

#endif
