/*
 * api_fixture.h: a database on the real system, in a directory of its own.
 *
 * The state of each test is a struct api_fixture. The database has one shard and no background
 * thread, so that a test may fork.
 */
#ifndef TEST_API_FIXTURE_H
#define TEST_API_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "armdb/armdb.h"
#include "support/seed.h"
#include "support/tmpdir.h"

struct api_fixture {
    char *root;     /* owned: an empty directory */
    char path[400]; /* of the database in it */
    armdb_options options;
    armdb_db *db; /* NULL while closed */
    armdb_collection *collection;
};

#define assert_ok(expression) assert_int_equal((expression), ARMDB_OK)

/*
 * A call on a handle that is closed or of another kind: debug builds stop the process, so it is
 * made in a child; release builds return `err`.
 */
#ifdef NDEBUG
#define expect_refused(expression, err) assert_int_equal((expression), (err))
#else
#define expect_refused(expression, err)                                                            \
    do {                                                                                           \
        pid_t child = fork();                                                                      \
        if (child == 0) {                                                                          \
            be_silent();                                                                           \
            _exit((expression) == (err) ? 0 : 1);                                                  \
        }                                                                                          \
        expect_abort(child);                                                                       \
    } while (0)
#endif

static inline void
be_silent(void)
{
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (fd >= 0)
        (void)dup2(fd, STDERR_FILENO);
}

static inline void
expect_abort(pid_t child)
{
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

/* The status that a child ended with. */
static inline int
exit_status_of(pid_t child)
{
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* The newest error of this thread has `code`, and its message holds `text`. */
static inline void
expect_message(armdb_err code, const char *text)
{
    armdb_error_detail detail;
    armdb_last_error(&detail);
    assert_int_equal(detail.code, code);
    if (strstr(detail.message, text) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", detail.message, text);
}

static inline void
open_db(struct api_fixture *fixture)
{
    armdb_error_detail detail;
    if (armdb_open(fixture->path, &fixture->options, &fixture->db) != ARMDB_OK) {
        armdb_last_error(&detail);
        fail_msg("open: %s", detail.message);
    }
    fixture->collection = armdb_default(fixture->db);
    assert_non_null(fixture->collection);
}

static inline void
close_db(struct api_fixture *fixture)
{
    assert_ok(armdb_close(fixture->db));
    fixture->db = NULL;
}

static inline int
set_up_directory(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->root = tmpdir_make();
    snprintf(fixture->path, sizeof fixture->path, "%s/db", fixture->root);
    fixture->options = (armdb_options)ARMDB_OPTIONS_INIT;
    fixture->options.shards = 1;
    fixture->options.flush_interval_ms = ARMDB_NEVER;
    *state = fixture;
    return 0;
}

static inline int
set_up_db(void **state)
{
    set_up_directory(state);
    open_db((struct api_fixture *)*state);
    return 0;
}

static inline int
tear_down_db(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    (void)!armdb_close(fixture->db);
    tmpdir_remove(fixture->root);
    free(fixture);
    return 0;
}

static inline void
put(armdb_collection *collection, const char *key, const char *value)
{
    assert_ok(armdb_put(collection, armdb_str(key), armdb_str(value), NULL));
}

static inline void
expect_get(armdb_collection *collection, const char *key, const char *value)
{
    armdb_value found;
    assert_ok(armdb_get_value(collection, armdb_str(key), &found));
    assert_int_equal(found.len, strlen(value));
    assert_memory_equal(armdb_value_bytes(&found).data, value, strlen(value));
    armdb_value_release(&found);
}

/* A slice that can not be: no bytes, but a length. */
static inline armdb_slice
bad_slice(void)
{
    return armdb_bytes(NULL, 5);
}

#define API_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_db, tear_down_db)
#define DIRECTORY_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_directory, tear_down_db)

#endif
