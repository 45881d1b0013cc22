/* filename.h: the name of every file of a database, made and parsed here only. */
#ifndef ADB_LOG_FILENAME_H
#define ADB_LOG_FILENAME_H

#include <stdbool.h>
#include <stdint.h>

#include "armdb/error.h"
#include "base/attr.h"

#define FILENAME_LOCK "LOCK"
#define FILENAME_MANIFEST "MANIFEST"
#define FILENAME_UNFINISHED "MANIFEST.unfinished" /* of a copy that is being made */
#define FILENAME_BUFFER "buffer"
#define FILENAME_RESERVE "reserve" /* with the suffix below */
#define FILENAME_TEMPORARY_SUFFIX ".tmp"

enum { FILENAME_BYTES_MAX = 32 }; /* room for any name below, its end included */

/** "0000000001.log". */
void adb_filename_log(uint64_t file_id, char name_out[FILENAME_BYTES_MAX]);

/** "0000000001.hint": of the data file with that id. */
void adb_filename_hint(uint64_t file_id, char name_out[FILENAME_BYTES_MAX]);

/** "shard-000". */
void adb_filename_shard(uint32_t shard, char name_out[FILENAME_BYTES_MAX]);

/** Whether `name` is exactly a data file's name; then its id (never 0). */
bool adb_filename_parse_log(const char *name, uint64_t *file_id_out);

/** The same of a hint's. */
bool adb_filename_parse_hint(const char *name, uint64_t *file_id_out);

/** Whether `name` is exactly a shard directory's name; then its number. */
bool adb_filename_parse_shard(const char *name, uint32_t *shard_out);

/** Whether `name` ends in ".tmp": what a crash may leave behind, swept at open. */
bool adb_filename_is_temporary(const char *name);

/** "directory/name" with `suffix` (may be ""); free with adb_mem_free(). ARMDB_NO_MEMORY is
 * raised. */
ADB_MUST_USE armdb_err adb_filename_join(const char *directory, const char *name,
                                         const char *suffix, char **path_out);

#endif
