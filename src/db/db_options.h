/* db_options.h: defaults and ranges of all options, and comparing them with what is stored. */
#ifndef ADB_DB_DB_OPTIONS_H
#define ADB_DB_DB_OPTIONS_H

#include "armdb/armdb.h"
#include "base/attr.h"
#include "log/manifest_format.h"
#include "os/os.h"

/** Options with every 0 replaced by what it stands for. */
struct db_settings {
    uint32_t shards;
    uint32_t shard_prefix_bits;
    uint64_t max_file_bytes;
    uint32_t write_buffer_bytes;
    armdb_durability durability;
    uint64_t flush_interval_ns;           /* UINT64_MAX: never */
    uint64_t sync_interval_ns;            /* the same */
    uint64_t cache_bytes;                 /* at open; 0: no cache */
    uint32_t compaction_percent;          /* 0: none in the background */
    uint64_t compaction_bytes_per_second; /* 0: no limit */
    armdb_verify_reads verify_reads;      /* not the default */
    armdb_io_mode io;
};

/** Copies options of any version into `options_out` and checks every range. NULL: all defaults. */
ADB_MUST_USE armdb_err adb_options_check(const armdb_options *options, armdb_options *options_out);

/** The same for a collection. */
ADB_MUST_USE armdb_err adb_collection_options_check(const armdb_collection_options *options,
                                                    armdb_collection_options *options_out);

/** The same for a compaction. */
ADB_MUST_USE armdb_err adb_compact_options_check(const armdb_compact_options *options,
                                                 armdb_compact_options *options_out);

/** Checks the name of a collection to be created. */
ADB_MUST_USE armdb_err adb_collection_name_check(const char *name);

/** Number of shards for checked options of a new database. */
uint32_t adb_options_shards(const armdb_options *options, uint32_t cpu_count);

/** Entry of a new collection with checked options. */
void adb_options_describe(const armdb_collection_options *options, const char *name, uint32_t id,
                          struct manifest_collection *collection_out);

/** ARMDB_MISMATCH, naming setting and values, if checked options ask for other than is stored. */
ADB_MUST_USE armdb_err adb_options_compare(const armdb_options *options,
                                           const struct manifest *manifest);
ADB_MUST_USE armdb_err adb_collection_options_compare(const armdb_collection_options *options,
                                                      const struct manifest_collection *stored);

/** Settings of a database with checked options and its manifest, on a machine with so much memory
 * (0: unknown). */
struct db_settings adb_options_settle(const armdb_options *options, const struct manifest *manifest,
                                      uint64_t memory_bytes);

/** Whether this can be a cache_bytes: ARMDB_INVALID names value and range. */
ADB_MUST_USE armdb_err adb_options_check_cache(uint64_t cache_bytes);

/** The bytes that a checked cache_bytes asks for on a machine with so much memory; 0: no cache. */
uint64_t adb_options_cache_bytes(uint64_t asked, uint64_t memory_bytes);

/** Checks the options of one write, NULL or not, and fills in the level. ARMDB_INVALID names field
 * and value. */
ADB_MUST_USE armdb_err adb_write_options_settle(const armdb_write_options *options,
                                                armdb_durability otherwise,
                                                armdb_durability *durability_out);

/** The deadline that checked options ask for at a time of day, 0: none. */
uint64_t adb_write_options_deadline(const armdb_write_options *options, struct adb_os *os);

#endif
