/*
 * armdb/error.h: what can go wrong, and how to learn where it did.
 *
 * Every function that can fail returns armdb_err. Numbers are stable: they are never changed or
 * reused. Include <armdb/armdb.h>; it brings this header.
 */
#ifndef ARMDB_ERROR_H
#define ARMDB_ERROR_H

#include "armdb/types.h"

/*
 * X(name, number, text)
 *   answers            (-1 ..): the call worked, and this is what it found; no detail is recorded
 *   the caller's doing (-20 ..): fix the call; nothing was changed
 *   the environment    (-40 ..): disk, memory, damage; the detail record says where
 */
#define ARMDB_ERROR_MAP(X)                                                                         \
    X(ARMDB_OK, 0, "ok")                                                                           \
    X(ARMDB_NOT_FOUND, -1, "no such key")                                                          \
    X(ARMDB_EXISTS, -2, "exists already")                                                          \
    X(ARMDB_END, -3, "no more keys in this direction")                                             \
    X(ARMDB_CHANGED, -4, "the value is not the one expected")                                      \
    X(ARMDB_INVALID, -20, "invalid argument")                                                      \
    X(ARMDB_KEY_LENGTH, -21, "key length not allowed here")                                        \
    X(ARMDB_TOO_BIG, -22, "value over the limit")                                                  \
    X(ARMDB_BUFFER_TOO_SMALL, -23, "the caller's buffer is too small")                             \
    X(ARMDB_MISMATCH, -24, "setting differs from the stored one")                                  \
    X(ARMDB_NO_COLLECTION, -25, "no such collection")                                              \
    X(ARMDB_NO_DATABASE, -26, "no database there")                                                 \
    X(ARMDB_BUSY, -27, "in use")                                                                   \
    X(ARMDB_CLOSED, -28, "closed or foreign handle")                                               \
    X(ARMDB_VALUE_LENGTH, -29, "value length not allowed here")                                    \
    X(ARMDB_UNSUPPORTED, -30, "not possible in a collection of this kind")                         \
    X(ARMDB_OVERFLOW, -31, "the number would not fit its value")                                   \
    X(ARMDB_CODEC, -35, "the codec of the collection refused")                                     \
    X(ARMDB_IO, -40, "input/output error")                                                         \
    X(ARMDB_NO_SPACE, -41, "no space left on the device")                                          \
    X(ARMDB_NO_MEMORY, -42, "out of memory")                                                       \
    X(ARMDB_CORRUPT, -43, "damaged data")                                                          \
    X(ARMDB_FORMAT, -44, "format version not known to this library")                               \
    X(ARMDB_READ_ONLY, -45, "read-only, or not permitted")                                         \
    X(ARMDB_FAILED, -46, "shard refuses writes after an earlier failure")                          \
    X(ARMDB_LIMIT, -47, "a limit of the database is reached")

typedef enum armdb_err {
#define ARMDB_ERROR_ENUM(name, number, text) name = number,
    ARMDB_ERROR_MAP(ARMDB_ERROR_ENUM)
#undef ARMDB_ERROR_ENUM
} armdb_err;

/** Where and why the newest failure of the calling thread happened. */
typedef struct armdb_error_detail {
    armdb_err code;     /* ARMDB_OK if this thread has seen no failure */
    int os_errno;       /* errno of the system call, 0 if none was involved */
    uint64_t offset;    /* bytes into `file`; meaningful only if `file` is not empty */
    char operation[32]; /* what was being done: "open", "append", "sync" ...; "" if unknown */
    char file[256];     /* the file concerned, "" if none; the tail of a longer path */
    char message[256];  /* one line for people: what, the value, the allowed range */
} armdb_error_detail;

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The text of an error code.
 *
 * Returns:  a static string; "unknown error" for a number that is not an armdb_err.
 * Threads:  any.
 */
ARMDB_API const char *armdb_strerror(armdb_err err);

/**
 * The name of an error code, as in this header ("ARMDB_NOT_FOUND").
 *
 * Returns:  a static string; "ARMDB_UNKNOWN" for a number that is not an armdb_err.
 * Threads:  any.
 */
ARMDB_API const char *armdb_err_name(armdb_err err);

/**
 * Copies the detail record of the calling thread's newest failure.
 *
 * Answers (ARMDB_NOT_FOUND, ARMDB_EXISTS, ARMDB_END, ARMDB_CHANGED) leave the record as it was; so
 * do calls that succeed. Read it right after the call that failed.
 *
 * @param detail_out  filled; owned by the caller.
 *
 * Threads:  any; each thread has its own record.
 */
ARMDB_API void armdb_last_error(armdb_error_detail *detail_out);

#ifdef __cplusplus
}
#endif

#endif
