/*
 * Measures parts of the write path alone, in a directory of its own that is removed at the end:
 *
 *     micro_parts [APPENDS]
 *
 * Prints what one operation costs, in ns. What is computed or written is checked.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "log/log_writer.h"

enum { KEY_BYTES = 16, VALUE_BYTES = 100, TAIL_BYTES = 1 << 20, CHECKSUM_RUNS = 20, ROUNDS = 3 };

#define MAX_FILE_BYTES (UINT64_C(2) << 30)

static uint64_t
now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void
check(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "micro_parts: %s\n", what);
    exit(1);
}

static void
report(const char *what, uint64_t n, uint64_t ns)
{
    printf("%-32s %9.1f ns  (%llu operations)\n", what, (double)ns / (double)n,
           (unsigned long long)n);
}

/* ------------------------------------------------------------------ checksums */

/* Not inlined, so that profilers see it. Each checksum goes into the next. */
__attribute__((noinline)) static uint32_t
loop_checksum(const unsigned char *bytes, size_t len, uint64_t n)
{
    uint32_t crc = 0;
    for (uint64_t i = 0; i < n; i++)
        crc = adb_crc32c(crc, bytes, len);
    return crc;
}

static void
measure_checksum(size_t len, uint64_t n)
{
    static unsigned char bytes[4096];
    char what[64];
    uint64_t best = UINT64_MAX;
    for (size_t i = 0; i < len; i++)
        bytes[i] = (unsigned char)(i * 7);
    check(adb_crc32c(5, bytes, len) == adb_crc32c_portable(5, bytes, len), "a wrong checksum");
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t start = now_ns();
        uint32_t crc = loop_checksum(bytes, len, n);
        uint64_t ns = now_ns() - start;
        check(n == 0 || crc != 0, "a checksum of nothing");
        best = ns < best ? ns : best;
    }
    snprintf(what, sizeof what, "checksum of %zu B", len);
    report(what, n, best);
}

/* ------------------------------------------------------------------ appending */

struct log {
    char directory[64];
    struct data_file *file;
    struct log_writer writer;
};

static void
open_log(struct log *log)
{
    const struct log_file_header header = {.shard = 0, .file_id = 1, .base_sequence = 1};
    snprintf(log->directory, sizeof log->directory, "/var/tmp/armdb-micro-XXXXXX");
    check(mkdtemp(log->directory) != NULL, "no temporary directory");
    check(adb_data_file_create(adb_os_posix(), log->directory, &header, &log->file) == ARMDB_OK,
          "no data file");
    check(adb_log_writer_init(&log->writer, MAX_FILE_BYTES, TAIL_BYTES) == ARMDB_OK, "no writer");
    adb_log_writer_use(&log->writer, log->file);
}

static void
close_log(struct log *log)
{
    check(unlink(log->file->path) == 0, "the file was not removed");
    check(adb_data_file_close(log->file) == ARMDB_OK, "the file was not closed");
    adb_log_writer_fini(&log->writer);
    check(rmdir(log->directory) == 0, "the directory was not removed");
}

__attribute__((noinline)) static void
loop_append(struct log_writer *writer, uint64_t n, bool flushes_each)
{
    unsigned char key[KEY_BYTES] = {0};
    unsigned char value[VALUE_BYTES] = {0};
    const struct log_entry entry = {.collection_id = 1,
                                    .key = {.data = key, .len = KEY_BYTES},
                                    .value = {.data = value, .len = VALUE_BYTES}};
    uint64_t offset;
    for (uint64_t i = 0; i < n; i++) {
        memcpy(key, &i, sizeof i);
        memcpy(value, &i, sizeof i);
        check(adb_log_writer_append(writer, &entry, &offset) == ARMDB_OK, "an append failed");
        check(!flushes_each || adb_log_writer_flush(writer) == ARMDB_OK, "a flush failed");
    }
    check(adb_log_writer_flush(writer) == ARMDB_OK, "a flush failed");
}

static void
measure_append(const char *what, uint64_t n, bool flushes_each)
{
    struct log log;
    open_log(&log);
    check(n * 256 < MAX_FILE_BYTES, "too many appends for one file");
    uint64_t begin = log.file->end;
    uint64_t start = now_ns();
    loop_append(&log.writer, n, flushes_each);
    uint64_t ns = now_ns() - start;
    check(log.file->end - begin >= n * (KEY_BYTES + VALUE_BYTES), "records are missing");
    report(what, n, ns);
    close_log(&log);
}

int
main(int argc, char **argv)
{
    uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    if (argc > 2 || n < 100) {
        fprintf(stderr, "usage: micro_parts [APPENDS, at least 100]\n");
        return 2;
    }
    measure_checksum(32, n * CHECKSUM_RUNS);
    measure_checksum(136, n * CHECKSUM_RUNS / 2);
    measure_checksum(4096, n);
    measure_append("append of 16 B + 100 B", n, false);
    measure_append("append and flush each", n / 10, true);
    return 0;
}
