/* manifest.h: loading MANIFEST, and replacing it atomically. Threads: one writer at a time. */
#ifndef ADB_LOG_MANIFEST_H
#define ADB_LOG_MANIFEST_H

#include "log/manifest_format.h"
#include "os/os.h"

/**
 * Reads `directory`/MANIFEST.
 *
 * Returns:  as adb_manifest_decode(); ARMDB_NOT_FOUND (not raised) if there is no such file;
 *           ARMDB_IO.
 */
ADB_MUST_USE armdb_err adb_manifest_load(struct adb_os *os, const char *directory,
                                         struct manifest *manifest_out);

/**
 * Reads what still makes sense in a `directory`/MANIFEST that adb_manifest_load() found damaged.
 *
 * Returns:  as adb_manifest_guess(); ARMDB_NOT_FOUND (not raised) if there is no such file;
 *           ARMDB_CORRUPT if it is far too long; ARMDB_IO.
 */
ADB_MUST_USE armdb_err adb_manifest_load_damaged(struct adb_os *os, const char *directory,
                                                 struct manifest *manifest_out);

/**
 * Replaces `directory`/MANIFEST: temporary file, sync, rename, sync of the directory.
 *
 * @param is_unsure_out  on error: false if the old one is in force; true if the next open may find
 *                       the old or the new one (either is whole).
 *
 * Returns:  ARMDB_OK: it is on the device. Else ARMDB_NO_SPACE, ARMDB_IO and others.
 */
ADB_MUST_USE armdb_err adb_manifest_store(struct adb_os *os, const char *directory,
                                          const struct manifest *manifest, bool *is_unsure_out);

/** Stores it under another name in the directory, by which that is no database yet. After an error
 * it may be there. Returns as adb_manifest_store(). */
ADB_MUST_USE armdb_err adb_manifest_store_as(struct adb_os *os, const char *directory,
                                             const char *name, const struct manifest *manifest);

#endif
