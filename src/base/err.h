/*
 * err.h: raising an error at its origin, and passing it up.
 *
 * Every environment or caller error is raised exactly once, by adb_fail*(), which fills the calling
 * thread's detail record and returns the code; whoever passes it on leaves the record alone.
 * Answers (ARMDB_NOT_FOUND, ARMDB_EXISTS, ARMDB_END, ARMDB_CHANGED) are returned as they are.
 *
 * Threads: the record is per thread. Failures of background work are kept by their owner, as a copy
 * of the record (adb_err_detail), and handed to a later caller with adb_err_restore().
 */
#ifndef ADB_BASE_ERR_H
#define ADB_BASE_ERR_H

#include "armdb/error.h"
#include "base/attr.h"

/** Raises `code` with a one-line message; no file, no errno. Returns `code`. */
ADB_MUST_USE ADB_COLD armdb_err adb_fail(armdb_err code, const char *operation, const char *format,
                                         ...) ADB_PRINTF(3, 4);

/** Raises `code` for a place in a file. Returns `code`. */
ADB_MUST_USE ADB_COLD armdb_err adb_fail_at(armdb_err code, const char *operation, const char *file,
                                            uint64_t offset, const char *format, ...)
    ADB_PRINTF(5, 6);

/**
 * Raises the error that a system call's errno stands for: ENOSPC, EDQUOT, EFBIG -> ARMDB_NO_SPACE;
 * ENOMEM -> ARMDB_NO_MEMORY; EROFS, EACCES, EPERM -> ARMDB_READ_ONLY; everything else ARMDB_IO.
 * Returns it.
 */
ADB_MUST_USE ADB_COLD armdb_err adb_fail_errno(int os_errno, const char *operation,
                                               const char *file, uint64_t offset);

/** Adds to the message of the calling thread's record which key it is about: as text, or as hex if
 * not all of it can be printed; the first bytes of a long one. */
ADB_COLD void adb_err_name_key(armdb_slice key);

/** The calling thread's record, to be read or copied. Never NULL. */
const armdb_error_detail *adb_err_detail(void);

/** Makes `detail` the calling thread's record, as if it had been raised here; returns its code. */
armdb_err adb_err_restore(const armdb_error_detail *detail);

/** The first of two results that is not ARMDB_OK: for closing several things. */
static inline armdb_err
adb_err_first(armdb_err first, armdb_err second)
{
    return first != ARMDB_OK ? first : second;
}

/** The first of many results that is not ARMDB_OK, with its record. All zero: none yet. */
struct adb_err_kept {
    armdb_err err;
    armdb_error_detail detail;
};

/** Keeps a result that the calling thread has just got, if it is the first error. */
void adb_err_keep(struct adb_err_kept *kept, armdb_err err);

/** Returns what was kept, as if it had been raised here. */
armdb_err adb_err_kept(const struct adb_err_kept *kept);

/** Returns from the calling function with an error; only where nothing is owned yet. */
#define ADB_TRY(expression)                                                                        \
    do {                                                                                           \
        armdb_err adb_try_err = (expression);                                                      \
        if (ADB_UNLIKELY(adb_try_err != ARMDB_OK))                                                 \
            return adb_try_err;                                                                    \
    } while (0)

#endif
