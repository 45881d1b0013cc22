#include "log/manifest.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/plant.h"
#include "log/filename.h"

enum { MANIFEST_BYTES_MAX = 512 * 1024 * 1024 };

/* Reads a whole file; free *bytes_out with adb_mem_free(). */
static armdb_err
read_bytes(struct adb_file *file, const char *path, unsigned char **bytes_out, size_t *len_out)
{
    uint64_t size;
    *bytes_out = NULL;
    ADB_TRY(adb_file_size(file, &size));
    if (size > MANIFEST_BYTES_MAX)
        return adb_fail_at(ARMDB_CORRUPT, "read manifest", path, 0, "file too long for a manifest");
    unsigned char *bytes = (unsigned char *)adb_mem_alloc((size_t)size + 1);
    if (bytes == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "read manifest", "no memory for the manifest");
    const struct iovec iov = {bytes, (size_t)size};
    armdb_err err = adb_file_read(file, &iov, 1, 0, len_out);
    if (err == ARMDB_OK)
        *bytes_out = bytes;
    else
        adb_mem_free(bytes);
    return err;
}

/* Opens, reads, and decodes or guesses. */
static armdb_err
load(struct adb_os *os, const char *directory, bool is_damaged, struct manifest *manifest_out)
{
    char *path;
    struct adb_file *file = NULL;
    unsigned char *bytes = NULL;
    size_t len = 0;
    *manifest_out = (struct manifest){0};
    ADB_TRY(adb_filename_join(directory, FILENAME_MANIFEST, "", &path));
    armdb_err err = adb_os_open(os, path, ADB_OPEN_READ, &file);
    if (err == ARMDB_OK)
        err = read_bytes(file, path, &bytes, &len);
    if (err == ARMDB_OK)
        err = is_damaged ? adb_manifest_guess(bytes, len, manifest_out)
                         : adb_manifest_decode(bytes, len, path, manifest_out);
    adb_mem_free(bytes);
    adb_file_discard(file);
    adb_mem_free(path);
    return err;
}

armdb_err
adb_manifest_load(struct adb_os *os, const char *directory, struct manifest *manifest_out)
{
    return load(os, directory, false, manifest_out);
}

armdb_err
adb_manifest_load_damaged(struct adb_os *os, const char *directory, struct manifest *manifest_out)
{
    return load(os, directory, true, manifest_out);
}

/* Writes and syncs a new file; on failure it is removed again. */
static armdb_err
write_temporary(struct adb_os *os, const char *path, const unsigned char *bytes, size_t len)
{
    struct adb_file *file;
    const struct iovec iov = {(void *)(uintptr_t)bytes, len};
    size_t written;
    armdb_err err = adb_os_unlink(os, path); /* what a crash left; usually there is none */
    if (err != ARMDB_OK && err != ARMDB_NOT_FOUND)
        return err;
    ADB_TRY(adb_os_open(os, path, ADB_OPEN_CREATE_NEW, &file));
    err = adb_file_write(file, &iov, 1, 0, &written);
    if (err == ARMDB_OK && !ADB_PLANTED(PLANT_RENAMED_FIRST))
        err = adb_file_sync(file);
    if (err == ARMDB_OK)
        err = adb_file_close(file);
    else
        adb_file_discard(file);
    if (err != ARMDB_OK) {
        const armdb_error_detail detail = *adb_err_detail();
        (void)adb_os_unlink(os, path);
        return adb_err_restore(&detail);
    }
    return ARMDB_OK;
}

static armdb_err
store_bytes(struct adb_os *os, const char *directory, const char *temporary, const char *path,
            const struct manifest *manifest, bool *is_unsure_out)
{
    size_t len = adb_manifest_bytes(manifest);
    unsigned char *bytes = (unsigned char *)adb_mem_alloc(len);
    if (bytes == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "write manifest", "no memory for the manifest");
    adb_manifest_encode(manifest, bytes);
    armdb_err err = write_temporary(os, temporary, bytes, len);
    adb_mem_free(bytes);
    ADB_TRY(err);
    *is_unsure_out = true;
    ADB_TRY(adb_os_rename(os, temporary, path));
    return adb_os_sync_dir(os, directory);
}

static armdb_err
store_under(struct adb_os *os, const char *directory, const char *name,
            const struct manifest *manifest, bool *is_unsure_out)
{
    *is_unsure_out = false;
    char *path = NULL;
    char *temporary = NULL;
    armdb_err err = adb_filename_join(directory, name, "", &path);
    if (err != ARMDB_OK)
        goto out;
    err = adb_filename_join(directory, name, FILENAME_TEMPORARY_SUFFIX, &temporary);
    if (err != ARMDB_OK)
        goto out;
    err = store_bytes(os, directory, temporary, path, manifest, is_unsure_out);
out:
    adb_mem_free(temporary);
    adb_mem_free(path);
    return err;
}

armdb_err
adb_manifest_store(struct adb_os *os, const char *directory, const struct manifest *manifest,
                   bool *is_unsure_out)
{
    return store_under(os, directory, FILENAME_MANIFEST, manifest, is_unsure_out);
}

armdb_err
adb_manifest_store_as(struct adb_os *os, const char *directory, const char *name,
                      const struct manifest *manifest)
{
    bool is_unsure;
    return store_under(os, directory, name, manifest, &is_unsure);
}
