#include "log/filename.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

void
adb_filename_log(uint64_t file_id, char name_out[FILENAME_BYTES_MAX])
{
    snprintf(name_out, FILENAME_BYTES_MAX, "%010" PRIu64 ".log", file_id);
}

void
adb_filename_hint(uint64_t file_id, char name_out[FILENAME_BYTES_MAX])
{
    snprintf(name_out, FILENAME_BYTES_MAX, "%010" PRIu64 ".hint", file_id);
}

void
adb_filename_shard(uint32_t shard, char name_out[FILENAME_BYTES_MAX])
{
    snprintf(name_out, FILENAME_BYTES_MAX, "shard-%03" PRIu32, shard);
}

/* Reads 1..19 digits; returns what follows them, or NULL. */
static const char *
parse_digits(const char *text, uint64_t *number_out)
{
    uint64_t number = 0;
    int digits = 0;
    for (; *text >= '0' && *text <= '9'; text++, digits++) {
        if (digits == 19)
            return NULL;
        number = number * 10 + (uint64_t)(*text - '0');
    }
    *number_out = number;
    return digits > 0 ? text : NULL;
}

/* Whether `name` is exactly what `make` makes of the number in it. */
static bool
parse_numbered(const char *name, void (*make)(uint64_t, char[FILENAME_BYTES_MAX]),
               uint64_t *file_id_out)
{
    char again[FILENAME_BYTES_MAX];
    uint64_t id;
    if (parse_digits(name, &id) == NULL || id == 0)
        return false;
    make(id, again);
    *file_id_out = id;
    return strcmp(name, again) == 0;
}

bool
adb_filename_parse_log(const char *name, uint64_t *file_id_out)
{
    return parse_numbered(name, adb_filename_log, file_id_out);
}

bool
adb_filename_parse_hint(const char *name, uint64_t *file_id_out)
{
    return parse_numbered(name, adb_filename_hint, file_id_out);
}

bool
adb_filename_parse_shard(const char *name, uint32_t *shard_out)
{
    char again[FILENAME_BYTES_MAX];
    uint64_t shard;
    if (strncmp(name, "shard-", 6) != 0 || parse_digits(name + 6, &shard) == NULL ||
        shard >= ARMDB_SHARDS_MAX)
        return false;
    adb_filename_shard((uint32_t)shard, again);
    *shard_out = (uint32_t)shard;
    return strcmp(name, again) == 0;
}

bool
adb_filename_is_temporary(const char *name)
{
    size_t len = strlen(name);
    size_t suffix_len = strlen(FILENAME_TEMPORARY_SUFFIX);
    return len > suffix_len && strcmp(name + len - suffix_len, FILENAME_TEMPORARY_SUFFIX) == 0;
}

armdb_err
adb_filename_join(const char *directory, const char *name, const char *suffix, char **path_out)
{
    size_t bytes = strlen(directory) + strlen(name) + strlen(suffix) + 2;
    *path_out = (char *)adb_mem_alloc(bytes);
    if (*path_out == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "make path", "no memory for a path of %zu bytes", bytes);
    snprintf(*path_out, bytes, "%s/%s%s", directory, name, suffix);
    return ARMDB_OK;
}
