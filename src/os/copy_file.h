/* copy_file.h: a second file with the bytes of one. Threads: any. */
#ifndef ADB_OS_COPY_FILE_H
#define ADB_OS_COPY_FILE_H

#include "os/os.h"

#define ADB_COPY_WHOLE UINT64_MAX

/**
 * Makes the file `to`, which must not exist, of the first `bytes` of `from`, and syncs it; its name
 * is durable after adb_os_sync_dir(). Another thread may be writing to `from` behind these.
 *
 * @param bytes  ADB_COPY_WHOLE: all there are when it is opened.
 *
 * Returns:  ARMDB_OK; ARMDB_EXISTS (raised), ARMDB_NO_SPACE, ARMDB_IO (also if `from` is missing or
 *           shorter), ARMDB_NO_MEMORY, ARMDB_READ_ONLY: then a part of it may be there.
 */
ADB_MUST_USE armdb_err adb_copy_file(struct adb_os *os, const char *from, const char *to,
                                     uint64_t bytes);

#endif
