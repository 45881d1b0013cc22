#include "base/mem.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Countdown to the failing allocation; 0 = off. Written by tests only, so relaxed is enough. */
static atomic_uint_fast64_t fail_countdown;
static atomic_bool fail_persistent;
static atomic_bool fail_happened;

bool
adb_mem_must_fail(void)
{
    uint_fast64_t left = atomic_load_explicit(&fail_countdown, memory_order_relaxed);
    if (left == 0)
        return false;
    if (left > 1) {
        atomic_store_explicit(&fail_countdown, left - 1, memory_order_relaxed);
        return false;
    }
    atomic_store_explicit(&fail_happened, true, memory_order_relaxed);
    if (!atomic_load_explicit(&fail_persistent, memory_order_relaxed))
        atomic_store_explicit(&fail_countdown, 0, memory_order_relaxed);
    return true;
}

void *
adb_mem_zalloc(size_t count, size_t bytes)
{
    return adb_mem_must_fail() ? NULL : calloc(count, bytes);
}

void *
adb_mem_alloc(size_t bytes)
{
    return adb_mem_must_fail() ? NULL : malloc(bytes);
}

void *
adb_mem_realloc(void *memory, size_t bytes)
{
    return adb_mem_must_fail() ? NULL : realloc(memory, bytes);
}

void
adb_mem_free(void *memory)
{
    free(memory);
}

char *
adb_mem_strdup(const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = (char *)adb_mem_alloc(bytes);
    if (copy != NULL)
        memcpy(copy, text, bytes);
    return copy;
}

void
adb_mem_fail_at(uint64_t countdown, bool persistent)
{
    atomic_store_explicit(&fail_happened, false, memory_order_relaxed);
    atomic_store_explicit(&fail_persistent, persistent, memory_order_relaxed);
    atomic_store_explicit(&fail_countdown, countdown, memory_order_relaxed);
}

bool
adb_mem_has_failed(void)
{
    return atomic_load_explicit(&fail_happened, memory_order_relaxed);
}
