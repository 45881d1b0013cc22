#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { KEY_BYTES_SHOWN = 40 };

static _Thread_local armdb_error_detail thread_detail;

/* Keeps the tail of a text that is too long: of a path, the end tells more. */
static void
copy_tail(char *to, size_t capacity, const char *text)
{
    size_t len = strlen(text);
    const char *from = len < capacity ? text : text + (len - capacity + 1);
    memcpy(to, from, strlen(from) + 1);
}

ADB_PRINTF(5, 0)
static armdb_err
record(armdb_err code, const char *operation, const char *file, uint64_t offset, const char *format,
       va_list args)
{
    armdb_error_detail *detail = &thread_detail;
    memset(detail, 0, sizeof *detail);
    detail->code = code;
    detail->offset = offset;
    copy_tail(detail->operation, sizeof detail->operation, operation);
    if (file != NULL)
        copy_tail(detail->file, sizeof detail->file, file);
    vsnprintf(detail->message, sizeof detail->message, format, args);
    return code;
}

armdb_err
adb_fail(armdb_err code, const char *operation, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    armdb_err err = record(code, operation, NULL, 0, format, args);
    va_end(args);
    return err;
}

armdb_err
adb_fail_at(armdb_err code, const char *operation, const char *file, uint64_t offset,
            const char *format, ...)
{
    va_list args;
    va_start(args, format);
    armdb_err err = record(code, operation, file, offset, format, args);
    va_end(args);
    return err;
}

static armdb_err
code_of_errno(int os_errno)
{
    switch (os_errno) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return ARMDB_NO_SPACE;
    case ENOMEM:
        return ARMDB_NO_MEMORY;
    case EROFS:
    case EACCES:
    case EPERM:
        return ARMDB_READ_ONLY;
    default:
        return ARMDB_IO;
    }
}

armdb_err
adb_fail_errno(int os_errno, const char *operation, const char *file, uint64_t offset)
{
    char text[96];
    const char *reason = strerror_r(os_errno, text, sizeof text);
    armdb_err err = adb_fail_at(code_of_errno(os_errno), operation, file, offset, "%s: %s",
                                operation, reason);
    thread_detail.os_errno = os_errno;
    return err;
}

void
adb_err_name_key(armdb_slice key)
{
    const unsigned char *bytes = (const unsigned char *)key.data;
    size_t shown = key.len < KEY_BYTES_SHOWN ? key.len : KEY_BYTES_SHOWN;
    bool is_text = true;
    for (size_t i = 0; i < shown; i++)
        is_text = is_text && bytes[i] >= 0x20 && bytes[i] < 0x7f;
    char text[2 * KEY_BYTES_SHOWN + 1];
    if (is_text)
        snprintf(text, sizeof text, "%.*s", (int)shown, (const char *)bytes);
    for (size_t i = 0; i < shown && !is_text; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    size_t len = strlen(thread_detail.message);
    snprintf(thread_detail.message + len, sizeof thread_detail.message - len, ", key %s%s%s",
             is_text ? "" : "0x", text, shown < key.len ? "..." : "");
}

const armdb_error_detail *
adb_err_detail(void)
{
    return &thread_detail;
}

armdb_err
adb_err_restore(const armdb_error_detail *detail)
{
    thread_detail = *detail;
    return detail->code;
}

void
adb_err_keep(struct adb_err_kept *kept, armdb_err err)
{
    if (err == ARMDB_OK || kept->err != ARMDB_OK)
        return;
    kept->err = err;
    kept->detail = thread_detail;
}

armdb_err
adb_err_kept(const struct adb_err_kept *kept)
{
    return kept->err == ARMDB_OK ? ARMDB_OK : adb_err_restore(&kept->detail);
}
