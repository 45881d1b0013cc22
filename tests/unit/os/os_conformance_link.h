/* os_conformance_link.h: the part of os_conformance.h about second names of files. */
#ifndef TEST_OS_CONFORMANCE_LINK_H
#define TEST_OS_CONFORMANCE_LINK_H

#include "os_fixture.h"

static void
test_os_link__a_file__has_two_names(void **state)
{
    struct os_fixture *fixture = (struct os_fixture *)*state;
    make_file(fixture, "a", "abc");
    assert_int_equal(adb_os_mkdir(fixture->os, path_of(fixture, "d")), ARMDB_OK);
    const char *from = path_of(fixture, "a");
    assert_int_equal(adb_os_link(fixture->os, from, path_of(fixture, "d/b")), ARMDB_OK);
    struct adb_file *file = open_file(fixture, "a", ADB_OPEN_READ_WRITE);
    put(file, 0, "x");
    close_file(file);
    assert_int_equal(adb_os_unlink(fixture->os, path_of(fixture, "a")), ARMDB_OK);
    file = open_file(fixture, "d/b", ADB_OPEN_READ);
    assert_string_equal(take(file, 0), "xbc");
    close_file(file);
}

static void
test_os_link__impossible__raised_or_unsupported(void **state)
{
    struct os_fixture *fixture = (struct os_fixture *)*state;
    make_file(fixture, "a", "abc");
    make_file(fixture, "b", "def");
    assert_int_equal(adb_os_mkdir(fixture->os, path_of(fixture, "d")), ARMDB_OK);
    const char *from = path_of(fixture, "a");
    const char *to = path_of(fixture, "b");
    assert_int_not_equal(adb_os_link(fixture->os, from, to), ARMDB_OK);
    assert_int_equal(adb_err_detail()->os_errno, EEXIST);
    assert_string_equal(adb_err_detail()->file, to);
    to = path_of(fixture, "c");
    assert_int_equal(adb_os_link(fixture->os, path_of(fixture, "no"), to), ARMDB_IO);
    assert_record(ARMDB_IO, ENOENT, "link", to);
    assert_int_equal(adb_os_link(fixture->os, path_of(fixture, "d"), to), ARMDB_UNSUPPORTED);
    struct adb_file *file = open_file(fixture, "b", ADB_OPEN_READ);
    assert_string_equal(take(file, 0), "def");
    close_file(file);
}

#define OS_LINK_TESTS(s, t)                                                                        \
    cmocka_unit_test_setup_teardown(test_os_link__a_file__has_two_names, s, t),                    \
        cmocka_unit_test_setup_teardown(test_os_link__impossible__raised_or_unsupported, s, t)

#endif
