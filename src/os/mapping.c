#include "os/mapping.h"

#include <stdint.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "base/mem.h"

enum { SYSTEM_PAGE_BYTES = 4096 };

/* Maps more than asked for, and cuts off what sticks out of the aligned middle. */
void *
adb_mapping_new(size_t bytes, size_t alignment)
{
    size_t spare = alignment > SYSTEM_PAGE_BYTES ? alignment : 0;
    if (bytes > SIZE_MAX - spare || adb_mem_must_fail())
        return NULL;
    void *mapped = mmap(NULL, bytes + spare, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED)
        return NULL;
    unsigned char *start = (unsigned char *)mapped;
    size_t before = (size_t)(-(uintptr_t)start & (alignment - 1));
    ADB_ASSERT(before <= spare);
    if (before != 0)
        ADB_ASSERT(munmap(start, before) == 0);
    unsigned char *end = start + before + bytes;
    end += -(uintptr_t)end & (SYSTEM_PAGE_BYTES - 1);
    if (spare - before >= SYSTEM_PAGE_BYTES)
        ADB_ASSERT(munmap(end, spare - before) == 0);
    return start + before;
}

void
adb_mapping_free(void *map, size_t bytes)
{
    if (map != NULL)
        ADB_ASSERT(munmap(map, bytes) == 0);
}

void
adb_mapping_use_large_pages(void *from, size_t bytes)
{
    (void)madvise(from, bytes, MADV_HUGEPAGE);
}

void
adb_mapping_use_small_pages(void *from, size_t bytes)
{
    (void)madvise(from, bytes, MADV_NOHUGEPAGE);
}

void
adb_mapping_populate(void *from, size_t bytes)
{
    (void)madvise(from, bytes, MADV_POPULATE_WRITE);
}

void
adb_mapping_discard(void *from, size_t bytes)
{
    (void)madvise(from, bytes, MADV_DONTNEED);
}
