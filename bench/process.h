/* process.h: what a process and a directory weigh, and what machine this is. */
#ifndef BENCH_PROCESS_H
#define BENCH_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Anonymous memory of this process that is resident, bytes. */
uint64_t bench_resident_bytes(void);

/** Bytes that this process has caused to be written to a device (pages made dirty count). */
uint64_t bench_written_bytes(void);

/** Bytes that this process has caused to be read from a device. */
uint64_t bench_read_bytes(void);

/** Bytes that the files below a directory occupy on the device. */
uint64_t bench_directory_bytes(const char *path);

/** Removes a directory and all below it; not finding it is fine. */
void bench_directory_remove(const char *path);

/** Touches so many bytes of fresh memory and gives them back: the first touch of a page that the
 * host took away is many times dearer, and nobody's merit. */
void bench_memory_warm(size_t bytes);

/** What this machine is: for the report. */
struct bench_machine {
    char cpu[128];
    char kernel[160];
    char file_system[64]; /* of the scratch directory */
    char date[32];        /* UTC */
    uint64_t memory_bytes;
    uint32_t cpus;
    bool is_memory_file_system;
};

void bench_machine_describe(const char *scratch, struct bench_machine *machine_out);

#endif
