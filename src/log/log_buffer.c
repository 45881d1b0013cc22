#include "log/log_buffer.h"

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/plant.h"
#include "log/filename.h"

_Static_assert(16 + ADB_BOOT_ID_BYTES + 8 == LOG_BUFFER_HEADER_BYTES, "all has room");

/*
 * In front of each window, 64 bytes: checksum of the rest (4), bytes of the window (4), file offset
 * that the window begins at (8), boot in which the file was made (40), zeros. The checksum starts
 * from the seed of the data file, so that a window of another file, shard or database is never
 * taken for one of this.
 */

enum {
    HEADER_CRC = 0,
    HEADER_CAPACITY = 4,
    HEADER_BASE = 8,
    HEADER_BOOT = 16,
    HEADER_ZEROS = HEADER_BOOT + ADB_BOOT_ID_BYTES,
    PAGE_BYTES = 4096,
    ZERO_BYTES = 64 * 1024
};

/* No buffer file is larger: 64 MiB a window, see armdb_options.write_buffer_bytes. */
#define FILE_BYTES_MAX (LOG_BUFFER_WINDOWS * ((UINT64_C(64) << 20) + PAGE_BYTES))

/* --------------------------------------------------------------------- layout */

static uint64_t
stride_of(uint64_t window_bytes)
{
    return adb_round_up(LOG_BUFFER_HEADER_BYTES + window_bytes, PAGE_BYTES);
}

static unsigned char *
header_of(const struct log_tail *window)
{
    return window->bytes - LOG_BUFFER_HEADER_BYTES;
}

static void
place_windows(struct log_buffer *buffer, unsigned char *memory, uint32_t window_bytes)
{
    buffer->memory = memory;
    buffer->memory_bytes = LOG_BUFFER_WINDOWS * stride_of(window_bytes);
    for (int i = 0; i < LOG_BUFFER_WINDOWS; i++) {
        buffer->windows[i].base = 0;
        buffer->windows[i].capacity = window_bytes;
        buffer->windows[i].bytes = memory + (uint64_t)i * stride_of(window_bytes) +
                                   LOG_BUFFER_HEADER_BYTES;
    }
}

static uint32_t
header_crc(uint32_t seed, const unsigned char *header)
{
    return adb_crc32c(seed, header + 4, LOG_BUFFER_HEADER_BYTES - 4);
}

/* ----------------------------------------------------------------------- life */

armdb_err
adb_log_buffer_init(struct log_buffer *buffer, uint32_t window_bytes)
{
    uint64_t bytes = LOG_BUFFER_WINDOWS * stride_of(window_bytes);
    *buffer = (struct log_buffer){0};
    unsigned char *memory = (unsigned char *)adb_mem_alloc((size_t)bytes);
    if (memory == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "open log", "no memory for a write buffer of %llu bytes",
                        (unsigned long long)bytes);
    place_windows(buffer, memory, window_bytes);
    return ARMDB_OK;
}

static void
free_memory(struct log_buffer *buffer)
{
    if (buffer->file != NULL)
        adb_file_unmap(buffer->file, buffer->memory, buffer->memory_bytes);
    else
        adb_mem_free(buffer->memory);
    buffer->memory = NULL;
}

void
adb_log_buffer_fini(struct log_buffer *buffer)
{
    if (buffer->memory != NULL)
        free_memory(buffer);
    adb_file_discard(buffer->file);
    buffer->file = NULL;
}

/* Writes zeros over the whole file, so that its blocks are there, and syncs it. */
static armdb_err
fill_with_zeros(struct adb_file *file, uint64_t bytes)
{
    static unsigned char zeros[ZERO_BYTES]; /* not const: it would lie in the library's file */
    for (uint64_t at = 0; at < bytes;) {
        uint64_t left = bytes - at;
        size_t written;
        /* struct iovec is for both directions, so it cannot say that a write only reads. */
        const struct iovec iov = {zeros, left < ZERO_BYTES ? (size_t)left : ZERO_BYTES};
        ADB_TRY(adb_file_write(file, &iov, 1, at, &written));
        at += iov.iov_len;
    }
    return adb_file_sync(file);
}

/* Makes the file under its temporary name and maps it; *memory_out is NULL if that cannot be. */
static armdb_err
make_file(struct adb_os *os, const char *temporary, uint64_t bytes, struct adb_file **file_out,
          void **memory_out)
{
    *memory_out = NULL;
    *file_out = NULL;
    armdb_err err = adb_os_unlink(os, temporary); /* of a crash; usually there is none */
    if (err != ARMDB_OK && err != ARMDB_NOT_FOUND)
        return err;
    ADB_TRY(adb_os_open(os, temporary, ADB_OPEN_CREATE_NEW, file_out));
    ADB_TRY(fill_with_zeros(*file_out, bytes));
    return adb_file_map(*file_out, bytes, memory_out);
}

/* Removes a file that nobody needs; the calling thread's detail record stays. */
static void
remove_quietly(struct adb_os *os, const char *path)
{
    const armdb_error_detail detail = *adb_err_detail();
    (void)adb_os_unlink(os, path);
    ADB_IGNORE(adb_err_restore(&detail));
}

static armdb_err
share_at(struct log_buffer *buffer, struct adb_os *os, const char *directory, const char *temporary,
         const char *path)
{
    struct adb_file *file;
    void *memory;
    uint32_t window_bytes = buffer->windows[0].capacity;
    armdb_err err = make_file(os, temporary, buffer->memory_bytes, &file, &memory);
    if (err == ARMDB_OK && memory != NULL) {
        err = adb_os_rename(os, temporary, path);
        if (err == ARMDB_OK)
            err = adb_os_sync_dir(os, directory);
        if (err == ARMDB_OK) {
            free_memory(buffer);
            place_windows(buffer, (unsigned char *)memory, window_bytes);
            buffer->file = file;
            adb_os_boot_id(os, buffer->boot_id);
            return ARMDB_OK;
        }
        adb_file_unmap(file, memory, buffer->memory_bytes);
    }
    adb_file_discard(file);
    remove_quietly(os, temporary);
    if (err != ARMDB_OK && err != ARMDB_NO_SPACE)
        return err;
    /* It goes without. But the file of an earlier life must never come back: what is in it may fit
     * to the log's end again one day. */
    err = adb_os_unlink(os, path);
    if (err == ARMDB_NOT_FOUND)
        return ARMDB_OK;
    return err == ARMDB_OK ? adb_os_sync_dir(os, directory) : err;
}

/* The paths of the buffer file and of what it is made from; free both with adb_mem_free(). */
static armdb_err
join_paths(const char *directory, char **path_out, char **temporary_out)
{
    *temporary_out = NULL;
    ADB_TRY(adb_filename_join(directory, FILENAME_BUFFER, "", path_out));
    armdb_err err = adb_filename_join(directory, FILENAME_BUFFER, FILENAME_TEMPORARY_SUFFIX,
                                      temporary_out);
    if (err != ARMDB_OK) {
        adb_mem_free(*path_out);
        *path_out = NULL;
    }
    return err;
}

armdb_err
adb_log_buffer_share(struct log_buffer *buffer, struct adb_os *os, const char *directory)
{
    char *path, *temporary;
    ADB_TRY(join_paths(directory, &path, &temporary));
    armdb_err err = share_at(buffer, os, directory, temporary, path);
    adb_mem_free(temporary);
    adb_mem_free(path);
    return err;
}

void
adb_log_buffer_remove(struct adb_os *os, const char *directory)
{
    const armdb_error_detail detail = *adb_err_detail();
    char *path;
    if (adb_filename_join(directory, FILENAME_BUFFER, "", &path) == ARMDB_OK) {
        (void)adb_os_unlink(os, path);
        adb_mem_free(path);
    }
    ADB_IGNORE(adb_err_restore(&detail));
}

/* -------------------------------------------------------------------- windows */

void
adb_log_buffer_begin(struct log_buffer *buffer, struct log_tail *window,
                     const struct data_file *file, uint64_t base)
{
    unsigned char *header = header_of(window);
    window->base = base;
    if (!adb_log_buffer_is_shared(buffer))
        return;
    /* A kill may come between any two of these stores, and those of records. It does not matter: a
     * record is promised when the shard's lock is given back, which is a release; and what has a
     * checksum that fits is whole. */
    memset(header, 0, LOG_BUFFER_HEADER_BYTES);
    adb_store_u32(header + HEADER_CAPACITY, window->capacity);
    adb_store_u64(header + HEADER_BASE, base);
    memcpy(header + HEADER_BOOT, buffer->boot_id, sizeof buffer->boot_id);
    adb_store_u32(header + HEADER_CRC, header_crc(file->seed, header));
}

void
adb_log_buffer_forget(struct log_buffer *buffer, unsigned char *at, size_t bytes)
{
    if (!adb_log_buffer_is_shared(buffer))
        return;
    memset(at, 0, bytes);
    /* The system may have written the record back while it was there. If the zeros do not reach the
     * device either, power loss may bring the record back: so much is said of any write that fails
     * because a device does. */
    const armdb_error_detail detail = *adb_err_detail();
    ADB_IGNORE(adb_file_sync(buffer->file));
    ADB_IGNORE(adb_err_restore(&detail));
}

void
adb_log_buffer_wipe(struct log_buffer *buffer)
{
    adb_log_buffer_forget(buffer, buffer->memory, (size_t)buffer->memory_bytes);
}

/* -------------------------------------------------------------------- salvage */

/* How many bytes of whole records, each the successor of the one before, stand at `from`, which is
 * at `offset` of the file. */
static uint64_t
chain_bytes(const struct data_file *file, const unsigned char *from, uint64_t bytes,
            uint64_t offset, uint64_t sequence)
{
    uint64_t done = 0;
    while (bytes - done >= LOG_PAD_RECORD_BYTES_MIN) {
        struct log_record record;
        adb_log_decode_record(from + done, &record);
        uint64_t record_bytes = adb_log_record_bytes(&record);
        if (!adb_log_record_is_sane(&record) || record_bytes > bytes - done)
            break;
        sequence += record.flags == LOG_FLAG_META ? 0 : 1;
        if (record.sequence != sequence ||
            record.crc !=
                adb_log_record_crc(file->seed, offset + done, from + done, record_bytes) ||
            !adb_log_decode_deadline(file->seed, offset + done, from + done, &record))
            break;
        done += record_bytes;
    }
    return done;
}

/* Records that go on behind the end of a file. */
struct continuation {
    const unsigned char *from; /* in a window; NULL: there are none */
    uint64_t bytes;
    const unsigned char *header; /* of the window */
};

static struct continuation
find_continuation(const struct data_file *file, const struct log_scan_result *result,
                  const unsigned char *memory, uint64_t memory_bytes)
{
    uint64_t stride = memory_bytes / LOG_BUFFER_WINDOWS;
    struct continuation found = {0};
    for (uint64_t i = 0; i < LOG_BUFFER_WINDOWS && stride > LOG_BUFFER_HEADER_BYTES; i++) {
        const unsigned char *header = memory + i * stride;
        uint64_t capacity = adb_load_u32(header + HEADER_CAPACITY);
        uint64_t base = adb_load_u64(header + HEADER_BASE);
        if (adb_load_u32(header + HEADER_CRC) != header_crc(file->seed, header) ||
            capacity > stride - LOG_BUFFER_HEADER_BYTES || base > result->end ||
            result->end - base >= capacity)
            continue;
        uint64_t skip = result->end - base;
        const unsigned char *from = header + LOG_BUFFER_HEADER_BYTES + skip;
        uint64_t bytes = chain_bytes(file, from, capacity - skip, result->end, result->sequence);
        if (bytes > found.bytes)
            found = (struct continuation){from, bytes, header};
    }
    return found;
}

/* Whether the machine has been started anew since a window was in use: then nothing in it was
 * promised. */
static bool
is_of_another_boot(struct adb_os *os, const unsigned char *header)
{
    char now[ADB_BOOT_ID_BYTES], then[ADB_BOOT_ID_BYTES];
    adb_os_boot_id(os, now);
    memcpy(then, header + HEADER_BOOT, sizeof then);
    then[sizeof then - 1] = '\0';
    return now[0] != '\0' && then[0] != '\0' && strcmp(now, then) != 0;
}

/* Reads a whole file. One that is not there, or cannot be ours, has no bytes. */
static armdb_err
read_file(struct adb_os *os, const char *path, unsigned char **memory_out, uint64_t *bytes_out)
{
    struct adb_file *file;
    size_t got = 0;
    *memory_out = NULL;
    *bytes_out = 0;
    armdb_err err = adb_os_open(os, path, ADB_OPEN_READ, &file);
    if (err != ARMDB_OK)
        return err == ARMDB_NOT_FOUND ? ARMDB_OK : err;
    err = adb_file_size(file, bytes_out);
    if (err == ARMDB_OK && *bytes_out > 0 && *bytes_out <= FILE_BYTES_MAX) {
        *memory_out = (unsigned char *)adb_mem_alloc((size_t)*bytes_out);
        const struct iovec iov = {*memory_out, (size_t)*bytes_out};
        err = *memory_out == NULL
                  ? adb_fail(ARMDB_NO_MEMORY, "recover", "no memory for a write buffer")
                  : adb_file_read(file, &iov, 1, 0, &got);
        *bytes_out = got;
    }
    adb_file_discard(file);
    if (err != ARMDB_OK) {
        adb_mem_free(*memory_out);
        *memory_out = NULL;
    }
    return err;
}

armdb_err
adb_log_buffer_find(struct adb_os *os, const char *directory, const struct data_file *file,
                    const struct log_scan_result *result, struct log_salvage *salvage_out)
{
    char *path;
    uint64_t memory_bytes;
    struct log_salvage *salvage = salvage_out;
    *salvage = (struct log_salvage){0};
    ADB_TRY(adb_filename_join(directory, FILENAME_BUFFER, "", &path));
    armdb_err err = read_file(os, path, &salvage->memory, &memory_bytes);
    adb_mem_free(path);
    if (err != ARMDB_OK || salvage->memory == NULL)
        return err;
    const struct continuation found = find_continuation(file, result, salvage->memory,
                                                        memory_bytes);
    if (found.from != NULL) {
        salvage->from = found.from;
        salvage->bytes = found.bytes;
        salvage->is_of_another_boot = is_of_another_boot(os, found.header);
    }
    return ARMDB_OK;
}

armdb_err
adb_log_buffer_salvage(struct adb_os *os, const char *directory, struct data_file *file,
                       const struct log_scan_result *result, uint64_t *bytes_out)
{
    struct log_salvage salvage;
    *bytes_out = 0;
    ADB_TRY(adb_log_buffer_find(os, directory, file, result, &salvage));
    armdb_err err = ARMDB_OK;
    if (salvage.bytes > 0) {
        size_t written;
        const struct iovec iov = {(void *)(uintptr_t)salvage.from, (size_t)salvage.bytes};
        err = adb_file_write(file->file, &iov, 1, result->end, &written);
        *bytes_out = err == ARMDB_OK ? salvage.bytes : 0;
        /* What a power cut has left by chance need not keep the rest of the log away; but then what
         * there was room for must not come back later, either. */
        if (err == ARMDB_NO_SPACE && salvage.is_of_another_boot)
            err = ADB_PLANTED(PLANT_BUFFER_IN_PART) ? ARMDB_OK
                                                    : adb_file_truncate(file->file, result->end);
    }
    adb_mem_free(salvage.memory);
    return err;
}

/* --------------------------------------------------------------------- repair */

armdb_err
adb_log_buffer_read(struct adb_os *os, const char *directory, unsigned char **memory_out,
                    uint64_t *bytes_out)
{
    char *path;
    *memory_out = NULL;
    ADB_TRY(adb_filename_join(directory, FILENAME_BUFFER, "", &path));
    armdb_err err = read_file(os, path, memory_out, bytes_out);
    adb_mem_free(path);
    return err;
}

/* Whether what stands at `at` says that the second window begins there: its size is that of the
 * first. */
static bool
is_second(const unsigned char *memory, uint64_t bytes, uint64_t at)
{
    if (at > bytes - LOG_BUFFER_HEADER_BYTES)
        return false;
    const unsigned char *header = memory + at;
    uint32_t capacity = adb_load_u32(header + HEADER_CAPACITY);
    return capacity > 0 && stride_of(capacity) == at &&
           adb_load_u64(header + HEADER_BASE) % LOG_RECORD_ALIGNMENT == 0 &&
           adb_load_u64(header + HEADER_ZEROS) == 0;
}

uint64_t
adb_log_buffer_header_at(const unsigned char *memory, uint64_t bytes, uint32_t number)
{
    uint64_t middle = bytes / LOG_BUFFER_WINDOWS;
    ADB_ASSERT(number < LOG_BUFFER_WINDOWS);
    if (number == 0)
        return 0;
    if (bytes < LOG_BUFFER_HEADER_BYTES || is_second(memory, bytes, middle))
        return middle;
    uint64_t behind_first = stride_of(adb_load_u32(memory + HEADER_CAPACITY));
    if (is_second(memory, bytes, behind_first))
        return behind_first;
    for (uint64_t at = PAGE_BYTES; at < bytes; at += PAGE_BYTES) {
        if (is_second(memory, bytes, at))
            return at;
    }
    return middle;
}

bool
adb_log_buffer_is_used(const unsigned char *memory, uint64_t bytes, uint64_t header_at)
{
    static const unsigned char zeros[LOG_BUFFER_HEADER_BYTES] = {0};
    return header_at + LOG_BUFFER_HEADER_BYTES <= bytes &&
           memcmp(memory + header_at, zeros, sizeof zeros) != 0;
}

bool
adb_log_buffer_look(const unsigned char *memory, uint64_t bytes, uint64_t header_at, uint32_t seed,
                    struct log_buffer_window *window_out)
{
    *window_out = (struct log_buffer_window){0};
    if (header_at + LOG_BUFFER_HEADER_BYTES > bytes)
        return false;
    const unsigned char *header = memory + header_at;
    if (adb_load_u32(header + HEADER_CRC) != header_crc(seed, header))
        return false;
    uint64_t capacity = adb_load_u32(header + HEADER_CAPACITY);
    uint64_t there = bytes - header_at - LOG_BUFFER_HEADER_BYTES;
    window_out->bytes = header + LOG_BUFFER_HEADER_BYTES;
    window_out->capacity = capacity < there ? capacity : there;
    window_out->base = adb_load_u64(header + HEADER_BASE);
    return window_out->base % LOG_RECORD_ALIGNMENT == 0 &&
           window_out->base <= UINT64_MAX - window_out->capacity;
}
