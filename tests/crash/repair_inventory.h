/*
 * repair_inventory.h: every whole record of a database, before it is damaged, found byte by byte.
 *
 * Threads: one.
 */
#ifndef TEST_CRASH_REPAIR_INVENTORY_H
#define TEST_CRASH_REPAIR_INVENTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "log/manifest.h"
#include "support/os_sim.h"

enum { FILES_MAX = 96 };

/** A file of the database before it was damaged. */
struct file {
    char path[64];
    char now[64];         /* where it is now; empty: removed */
    unsigned char *bytes; /* owned */
    size_t len;
    bool is_log;
    struct log_file_header header; /* of a log */
    bool is_empty;                 /* it has META records only */
};

/** A whole record, META ones excepted. */
struct entry {
    uint32_t file;   /* in files */
    uint64_t offset; /* in it */
    uint64_t bytes;
    uint64_t window; /* in a buffer: where its window begins; else UINT64_MAX */
    uint32_t shard;
    uint64_t file_id; /* of the data file that it is in, or would be */
    struct log_record record;
};

struct inventory {
    struct file files[2 * FILES_MAX]; /* copies are behind the others */
    uint32_t file_count;
    uint32_t copy_count;
    struct entry *entries; /* owned */
    size_t entry_count;
    size_t entry_capacity;
    struct manifest manifest;
    uint32_t manifest_file;
};

/** What is in the database at WORK_PATH. End it with free_inventory(). */
struct inventory *take_inventory(struct sim *sim);
void free_inventory(struct inventory *inventory);

/** Makes all files lie where they lay, and forgets copies. */
void restore_names(struct inventory *inventory);

#endif
