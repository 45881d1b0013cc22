#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "db/db_private.h"
#include "log/filename.h"

/* ----------------------------------------------------------------------- look */

struct looker {
    struct adb_os *os;
    const char *path;
    const char *shard_path; /* being looked into */
    uint32_t shards_end;    /* larger than the number of any shard's directory */
    bool has_manifest;
    bool has_unfinished;
    bool has_data_files;
    bool has_others;
};

/* A data file without any record may be what an interrupted creation left. */
static armdb_err
look_at_data_file(struct looker *looker, const char *name)
{
    struct adb_file *file;
    char *path;
    uint64_t bytes = 0;
    ADB_TRY(adb_filename_join(looker->shard_path, name, "", &path));
    armdb_err err = adb_os_open(looker->os, path, ADB_OPEN_READ, &file);
    adb_mem_free(path);
    if (err != ARMDB_OK)
        return err == ARMDB_NOT_FOUND ? ARMDB_OK : err;
    err = adb_file_size(file, &bytes);
    adb_file_discard(file);
    looker->has_data_files = looker->has_data_files || bytes > LOG_FILE_HEADER_BYTES;
    return err;
}

static armdb_err
look_at_shard_file(void *context, const char *name, bool is_directory)
{
    struct looker *looker = (struct looker *)context;
    uint64_t file_id;
    if (is_directory)
        looker->has_others = true;
    else if (adb_filename_parse_log(name, &file_id))
        return look_at_data_file(looker, name);
    else if (!adb_filename_is_temporary(name))
        looker->has_others = true;
    return ARMDB_OK;
}

static armdb_err
look_at_name(void *context, const char *name, bool is_directory)
{
    struct looker *looker = (struct looker *)context;
    uint32_t shard;
    if (is_directory && adb_filename_parse_shard(name, &shard))
        looker->shards_end = shard + 1 > looker->shards_end ? shard + 1 : looker->shards_end;
    else if (!is_directory && strcmp(name, FILENAME_MANIFEST) == 0)
        looker->has_manifest = true;
    else if (!is_directory && strcmp(name, FILENAME_UNFINISHED) == 0)
        looker->has_unfinished = true;
    else if (is_directory ? strcmp(name, "lost+found") != 0 /* the root of a file system */
                          : strcmp(name, FILENAME_LOCK) != 0 && !adb_filename_is_temporary(name))
        looker->has_others = true;
    return ARMDB_OK;
}

/* Without a manifest, what is in the shards' directories tells whether there was one. */
static armdb_err
look_into_shards(struct looker *looker)
{
    for (uint32_t shard = 0; shard < looker->shards_end; shard++) {
        char name[FILENAME_BYTES_MAX];
        char *path;
        adb_filename_shard(shard, name);
        ADB_TRY(adb_filename_join(looker->path, name, "", &path));
        looker->shard_path = path;
        armdb_err err = adb_os_list(looker->os, path, look_at_shard_file, looker);
        adb_mem_free(path);
        if (err != ARMDB_OK && err != ARMDB_NOT_FOUND)
            return err;
    }
    return ARMDB_OK;
}

armdb_err
adb_directory_look(struct adb_os *os, const char *path, enum directory_state *state_out)
{
    struct looker looker = {.os = os, .path = path};
    *state_out = DIRECTORY_MISSING;
    armdb_err err = adb_os_list(os, path, look_at_name, &looker);
    if (err == ARMDB_NOT_FOUND)
        return ARMDB_OK;
    if (err != ARMDB_OK && adb_err_detail()->os_errno == ENOTDIR) {
        *state_out = DIRECTORY_FOREIGN;
        return ARMDB_OK;
    }
    ADB_TRY(err);
    if (looker.has_manifest) {
        *state_out = DIRECTORY_DATABASE;
        return ARMDB_OK;
    }
    if (looker.has_unfinished) {
        *state_out = DIRECTORY_UNFINISHED;
        return ARMDB_OK;
    }
    ADB_TRY(look_into_shards(&looker));
    if (looker.has_data_files)
        *state_out = DIRECTORY_HEADLESS;
    else
        *state_out = looker.has_others ? DIRECTORY_FOREIGN : DIRECTORY_EMPTY;
    return ARMDB_OK;
}

armdb_err
adb_directory_refuse(const char *path, enum directory_state state)
{
    switch (state) {
    case DIRECTORY_MISSING:
        return adb_fail_at(ARMDB_NO_DATABASE, "open", path, 0, "there is no such directory");
    case DIRECTORY_EMPTY:
        return adb_fail_at(ARMDB_NO_DATABASE, "open", path, 0, "the directory is empty");
    case DIRECTORY_FOREIGN:
        return adb_fail_at(ARMDB_NO_DATABASE, "open", path, 0,
                           "not a database: no MANIFEST, but other files");
    case DIRECTORY_UNFINISHED:
        return adb_fail_at(ARMDB_NO_DATABASE, "open", path, 0,
                           "not a database: a checkpoint that did not come to its end");
    case DIRECTORY_HEADLESS:
    case DIRECTORY_DATABASE:
        break;
    }
    return adb_fail_at(ARMDB_CORRUPT, "open", path, 0,
                       "the MANIFEST is missing, but there are data files");
}

/* ----------------------------------------------------------------------- lock */

static armdb_err
open_lock_file(struct adb_os *os, const char *path, struct adb_file **file_out)
{
    armdb_err err = adb_os_open(os, path, ADB_OPEN_READ_WRITE, file_out);
    if (err != ARMDB_NOT_FOUND)
        return err;
    err = adb_os_open(os, path, ADB_OPEN_CREATE_NEW, file_out);
    if (err != ARMDB_EXISTS)
        return err;
    /* Somebody else was faster. */
    err = adb_os_open(os, path, ADB_OPEN_READ_WRITE, file_out);
    return err == ARMDB_NOT_FOUND
               ? adb_fail_at(ARMDB_BUSY, "lock", path, 0, "the lock file comes and goes")
               : err;
}

/* What stands in a lock file: the pid of the newest holder, and the boot in which its logs were
 * last known to be whole. */
struct lock_text {
    char pid[24];
    char boot_id[ADB_BOOT_ID_BYTES];
};

/* Copies the line at `*at` and moves behind it. */
static void
take_line(const char **at, char *to, size_t capacity)
{
    size_t len = strcspn(*at, "\n");
    snprintf(to, capacity, "%.*s", (int)len, *at);
    *at += len + ((*at)[len] == '\n');
}

static armdb_err
read_lock_text(struct adb_file *file, struct lock_text *text_out)
{
    char bytes[sizeof *text_out + 2] = "";
    const struct iovec iov = {bytes, sizeof bytes - 1};
    const char *at = bytes;
    size_t len;
    *text_out = (struct lock_text){{0}, {0}};
    ADB_TRY(adb_file_read(file, &iov, 1, 0, &len));
    bytes[len] = '\0';
    take_line(&at, text_out->pid, sizeof text_out->pid);
    take_line(&at, text_out->boot_id, sizeof text_out->boot_id);
    return ARMDB_OK;
}

/* On a full disk it stays empty: the lock itself is the kernel's, and ends with the process; and
 * where no boot is named, none is believed. */
static armdb_err
write_lock_text(struct adb_os *os, struct adb_file *file, const char *boot_id)
{
    char bytes[sizeof(struct lock_text) + 2];
    int len = snprintf(bytes, sizeof bytes, "%" PRIu32 "\n%s%s", adb_os_process_id(os), boot_id,
                       boot_id[0] != '\0' ? "\n" : "");
    const struct iovec iov = {bytes, (size_t)len};
    const armdb_error_detail detail = *adb_err_detail();
    size_t written;
    armdb_err err = adb_file_truncate(file, 0);
    if (err == ARMDB_OK)
        err = adb_file_write(file, &iov, 1, 0, &written);
    if (err != ARMDB_NO_SPACE)
        return err;
    ADB_IGNORE(adb_err_restore(&detail));
    return ARMDB_OK;
}

/* Raises ARMDB_BUSY with what the holder wrote into the file. */
static armdb_err
name_holder(struct adb_file *file, const char *path)
{
    struct lock_text text;
    if (read_lock_text(file, &text) != ARMDB_OK)
        text.pid[0] = '\0';
    text.pid[strspn(text.pid, "0123456789")] = '\0';
    return adb_fail_at(ARMDB_BUSY, "lock", path, 0, "the database is in use by process %s",
                       text.pid[0] != '\0' ? text.pid : "(unknown)");
}

static armdb_err
sign(struct adb_os *os, struct adb_file *file)
{
    struct lock_text text;
    ADB_TRY(read_lock_text(file, &text));
    return write_lock_text(os, file, text.boot_id);
}

armdb_err
adb_directory_is_same_boot(struct adb_os *os, struct adb_file *lock_file, bool *is_same_out)
{
    struct lock_text text;
    char boot_id[ADB_BOOT_ID_BYTES];
    *is_same_out = false;
    ADB_TRY(read_lock_text(lock_file, &text));
    adb_os_boot_id(os, boot_id);
    *is_same_out = boot_id[0] != '\0' && strcmp(text.boot_id, boot_id) == 0;
    return ARMDB_OK;
}

armdb_err
adb_directory_note_boot(struct adb_os *os, struct adb_file *lock_file)
{
    char boot_id[ADB_BOOT_ID_BYTES];
    adb_os_boot_id(os, boot_id);
    return write_lock_text(os, lock_file, boot_id);
}

armdb_err
adb_directory_lock(struct adb_os *os, const char *path, struct adb_file **lock_out)
{
    char *lock_path;
    struct adb_file *file = NULL;
    *lock_out = NULL;
    ADB_TRY(adb_filename_join(path, FILENAME_LOCK, "", &lock_path));
    armdb_err err = open_lock_file(os, lock_path, &file);
    if (err != ARMDB_OK)
        goto out;
    err = adb_file_lock(file);
    if (err == ARMDB_BUSY)
        err = name_holder(file, lock_path);
    else if (err == ARMDB_OK)
        err = sign(os, file);
    if (err == ARMDB_OK) {
        *lock_out = file;
        file = NULL;
    }
out:
    adb_file_discard(file);
    adb_mem_free(lock_path);
    return err;
}

armdb_err
adb_directory_lock_unchanged(struct adb_os *os, const char *path, struct adb_file **lock_out)
{
    char *lock_path;
    *lock_out = NULL;
    ADB_TRY(adb_filename_join(path, FILENAME_LOCK, "", &lock_path));
    armdb_err err = adb_os_open(os, lock_path, ADB_OPEN_READ, lock_out);
    if (err == ARMDB_OK) {
        err = adb_file_lock(*lock_out);
        if (err == ARMDB_BUSY)
            err = name_holder(*lock_out, lock_path);
    } else if (err == ARMDB_NOT_FOUND) {
        err = ARMDB_OK;
    }
    adb_mem_free(lock_path);
    if (err != ARMDB_OK) {
        adb_file_discard(*lock_out);
        *lock_out = NULL;
    }
    return err;
}

/* ---------------------------------------------------------------- destination */

/* Whether `path` is `directory`, or lies in it; both absolute. */
static bool
is_inside(const char *path, const char *directory)
{
    size_t len = strlen(directory);
    while (len > 0 && directory[len - 1] == '/')
        len--;
    return strncmp(path, directory, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* Cuts a path to the directory above it; "" if it names none. */
static void
cut_to_parent(char *path)
{
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    while (len > 0 && path[len - 1] != '/')
        len--;
    while (len > 1 && path[len - 1] == '/')
        len--;
    path[len] = '\0';
}

static char *
parent_of(const char *path)
{
    char *parent = adb_mem_strdup(path);
    if (parent != NULL)
        cut_to_parent(parent);
    return parent;
}

/* The absolute path of a directory that is there, or of the one above one that is not. */
static armdb_err
resolve_destination(struct adb_os *os, const char *operation, const char *destination,
                    bool is_there, char **absolute_out)
{
    if (is_there)
        return adb_os_resolve(os, destination, absolute_out);
    char *parent = parent_of(destination);
    if (parent == NULL)
        return adb_fail(ARMDB_NO_MEMORY, operation, "no memory for a path");
    armdb_err err = adb_os_resolve(os, parent[0] != '\0' ? parent : ".", absolute_out);
    adb_mem_free(parent);
    if (err != ARMDB_OK && adb_err_detail()->os_errno == ENOENT)
        return adb_fail_at(ARMDB_NO_DATABASE, operation, destination, 0,
                           "the directory above it does not exist");
    return err;
}

armdb_err
adb_directory_check_destination(struct adb_os *os, const char *operation, const char *destination,
                                const char *source)
{
    enum directory_state state;
    char *absolute;
    ADB_TRY(adb_directory_look(os, destination, &state));
    if (state != DIRECTORY_MISSING && state != DIRECTORY_EMPTY)
        return adb_fail_at(ARMDB_EXISTS, operation, destination, 0,
                           "it must be missing or empty, to take the new database");
    ADB_TRY(resolve_destination(os, operation, destination, state == DIRECTORY_EMPTY, &absolute));
    bool is_bad = is_inside(absolute, source);
    adb_mem_free(absolute);
    if (is_bad)
        return adb_fail_at(ARMDB_INVALID, operation, destination, 0,
                           "it lies in the database that it is to be made of");
    return ARMDB_OK;
}

/* --------------------------------------------------------------------- parent */

armdb_err
adb_directory_sync_parent(struct adb_os *os, const char *path)
{
    char *parent = parent_of(path);
    if (parent == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "open", "no memory for a path");
    armdb_err err = adb_os_sync_dir(os, parent[0] != '\0' ? parent : ".");
    adb_mem_free(parent);
    return err;
}
