#include "os/copy_file.h"

#include "base/mem.h"

enum { PIECE_BYTES = 1024 * 1024 };

static armdb_err
copy_piece(struct adb_file *from, struct adb_file *to, uint64_t offset, struct iovec piece,
           const char *path)
{
    size_t done;
    ADB_TRY(adb_file_read(from, &piece, 1, offset, &done));
    if (done < piece.iov_len)
        return adb_fail_at(ARMDB_IO, "copy", path, offset + done, "the file is too short");
    return adb_file_write(to, &piece, 1, offset, &done);
}

static armdb_err
copy_bytes(struct adb_file *from, struct adb_file *to, uint64_t bytes, const char *path)
{
    unsigned char *memory = (unsigned char *)adb_mem_alloc(PIECE_BYTES);
    armdb_err err = ARMDB_OK;
    if (memory == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "copy", "no memory for %d bytes", PIECE_BYTES);
    for (uint64_t at = 0; err == ARMDB_OK && at < bytes; at += PIECE_BYTES) {
        uint64_t left = bytes - at;
        const struct iovec piece = {memory, left < PIECE_BYTES ? (size_t)left : PIECE_BYTES};
        err = copy_piece(from, to, at, piece, path);
    }
    adb_mem_free(memory);
    return err;
}

static armdb_err
copy_to_new(struct adb_os *os, struct adb_file *from, const char *path, const char *to,
            uint64_t bytes)
{
    struct adb_file *file;
    armdb_err err = adb_os_open(os, to, ADB_OPEN_CREATE_NEW, &file);
    if (err == ARMDB_EXISTS)
        return adb_fail_at(ARMDB_EXISTS, "copy", to, 0, "there is such a file already");
    ADB_TRY(err);
    err = copy_bytes(from, file, bytes, path);
    if (err == ARMDB_OK)
        err = adb_file_sync(file);
    if (err == ARMDB_OK)
        return adb_file_close(file);
    adb_file_discard(file);
    return err;
}

armdb_err
adb_copy_file(struct adb_os *os, const char *from, const char *to, uint64_t bytes)
{
    struct adb_file *file;
    armdb_err err = adb_os_open(os, from, ADB_OPEN_READ, &file);
    if (err == ARMDB_NOT_FOUND)
        return adb_fail_at(ARMDB_IO, "copy", from, 0, "the file is missing");
    ADB_TRY(err);
    if (bytes == ADB_COPY_WHOLE)
        err = adb_file_size(file, &bytes);
    if (err == ARMDB_OK)
        err = copy_to_new(os, file, from, to, bytes);
    adb_file_discard(file);
    return err;
}
