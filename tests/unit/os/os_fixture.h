/*
 * os_fixture.h: short names for the operations of os/os.h, for tests of its implementations.
 *
 * They assert that the operation works, except where the name says otherwise.
 */
#ifndef TEST_OS_FIXTURE_H
#define TEST_OS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "os/os.h"

struct os_fixture {
    struct adb_os *os;
    const char *root;   /* an empty directory */
    char paths[4][512]; /* made by path_of(), in turn */
    unsigned next_path;
};

/* Helpers. */

static inline const char *
path_of(struct os_fixture *fixture, const char *name)
{
    char *path = fixture->paths[fixture->next_path++ % 4];
    snprintf(path, sizeof fixture->paths[0], "%s/%s", fixture->root, name);
    return path;
}

static inline struct adb_file *
open_file(struct os_fixture *fixture, const char *name, enum adb_open_how how)
{
    struct adb_file *file;
    assert_int_equal(adb_os_open(fixture->os, path_of(fixture, name), how, &file), ARMDB_OK);
    assert_non_null(file);
    return file;
}

static inline armdb_err
write_at(struct adb_file *file, const void *data, size_t bytes, uint64_t offset,
         size_t *written_out)
{
    char *copy = (char *)malloc(bytes + 1);
    assert_non_null(copy);
    memcpy(copy, data, bytes);
    struct iovec iov = {copy, bytes};
    armdb_err err = adb_file_write(file, &iov, 1, offset, written_out);
    free(copy);
    return err;
}

static inline void
put(struct adb_file *file, uint64_t offset, const char *text)
{
    size_t written;
    assert_int_equal(write_at(file, text, strlen(text), offset, &written), ARMDB_OK);
    assert_int_equal(written, strlen(text));
}

/* Reads at most 255 bytes; the text is valid until the next call. */
static inline const char *
take(struct adb_file *file, uint64_t offset)
{
    static char text[256];
    struct iovec iov = {text, sizeof text - 1};
    size_t bytes;
    assert_int_equal(adb_file_read(file, &iov, 1, offset, &bytes), ARMDB_OK);
    text[bytes] = '\0';
    return text;
}

static inline uint64_t
size_of(struct adb_file *file)
{
    uint64_t bytes;
    assert_int_equal(adb_file_size(file, &bytes), ARMDB_OK);
    return bytes;
}

static inline void
close_file(struct adb_file *file)
{
    assert_int_equal(adb_file_close(file), ARMDB_OK);
}

static inline void
make_file(struct os_fixture *fixture, const char *name, const char *text)
{
    struct adb_file *file = open_file(fixture, name, ADB_OPEN_CREATE_NEW);
    put(file, 0, text);
    close_file(file);
}

/* Replaces the record, so that a test can see whether a call leaves it alone. */
static inline void
mark_record(void)
{
    assert_int_equal(adb_fail(ARMDB_LIMIT, "mark", "mark"), ARMDB_LIMIT);
}

static inline void
assert_no_record(void)
{
    assert_string_equal(adb_err_detail()->operation, "mark");
}

static inline void
assert_record(armdb_err code, int os_errno, const char *operation, const char *path)
{
    const armdb_error_detail *detail = adb_err_detail();
    assert_int_equal(detail->code, code);
    assert_int_equal(detail->os_errno, os_errno);
    assert_string_equal(detail->operation, operation);
    assert_string_equal(detail->file, path);
    assert_true(detail->message[0] != '\0');
}

static inline void
assert_open_fails(struct os_fixture *fixture, const char *name, enum adb_open_how how, int os_errno)
{
    const char *path = path_of(fixture, name);
    struct adb_file *file;
    mark_record();
    assert_int_equal(adb_os_open(fixture->os, path, how, &file), ARMDB_IO);
    assert_null(file);
    assert_record(ARMDB_IO, os_errno, "open", path);
}

static inline void
assert_open_answers(struct os_fixture *fixture, const char *name, enum adb_open_how how,
                    armdb_err answer)
{
    struct adb_file *file;
    mark_record();
    assert_int_equal(adb_os_open(fixture->os, path_of(fixture, name), how, &file), answer);
    assert_null(file);
    assert_no_record();
}

/* What a listing saw: files in lower case, directories in upper case, one letter each. */
struct seen {
    char letters[32];
    size_t count;
    size_t stop_at;
};

static inline armdb_err
note_name(void *context, const char *name, bool is_directory)
{
    struct seen *seen = (struct seen *)context;
    assert_int_equal(strlen(name), 1);
    assert_true(is_directory == (name[0] >= 'A' && name[0] <= 'Z'));
    seen->letters[seen->count++] = name[0];
    return seen->count == seen->stop_at ? ARMDB_LIMIT : ARMDB_OK;
}

#endif
