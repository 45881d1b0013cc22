/*
 * mapping.h: large pieces of memory straight from the system: zeros, costing nothing until touched.
 *
 * For memory that stays readable while it is not used: late readers of it may find zeros, never a
 * fault. Mapping counts as an allocation for adb_mem_fail_at().
 * Threads: any.
 */
#ifndef ADB_OS_MAPPING_H
#define ADB_OS_MAPPING_H

#include <stddef.h>

/**
 * Maps `bytes` of zeros at a multiple of `alignment` (a power of two, at least a page). Their
 * memory comes with the first touch. End it with adb_mapping_free().
 *
 * Returns:  NULL if the system refuses; nothing is raised.
 */
void *adb_mapping_new(size_t bytes, size_t alignment);

/** Unmaps what adb_mapping_new() mapped. NULL is allowed. */
void adb_mapping_free(void *map, size_t bytes);

/**
 * Asks for large system pages, or for small ones, in part of a mapping. Only advice: the system may
 * not follow it.
 */
void adb_mapping_use_large_pages(void *from, size_t bytes);
void adb_mapping_use_small_pages(void *from, size_t bytes);

/** Sees to the memory of whole pages that will be touched soon; where the system can't, nothing is
 * done. */
void adb_mapping_populate(void *from, size_t bytes);

/**
 * Gives the memory of whole pages back; the addresses stay mapped and read as zeros. If the system
 * refuses (locked memory), the bytes stay as they are.
 */
void adb_mapping_discard(void *from, size_t bytes);

#endif
