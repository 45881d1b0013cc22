/*
 * sim_fixture.h: what the tests of the simulator share.
 *
 * The state of each test is a struct sim_fixture; its first field is that of os_fixture.h, so that
 * the conformance tests take it too.
 */
#ifndef TEST_SIM_FIXTURE_H
#define TEST_SIM_FIXTURE_H

#include "os_fixture.h"
#include "support/os_sim.h"
#include "support/seed.h"

struct sim_fixture {
    struct os_fixture base;
    struct sim *sim; /* owned; its directory "/db" is durable and empty */
};

static inline int
set_up(void **state)
{
    struct sim_fixture *fixture = (struct sim_fixture *)calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->sim = sim_new(7);
    sim_make_dir(fixture->sim, "/db");
    fixture->base.os = sim_os(fixture->sim);
    fixture->base.root = "/db";
    *state = fixture;
    return 0;
}

static inline int
tear_down(void **state)
{
    struct sim_fixture *fixture = (struct sim_fixture *)*state;
    sim_free(fixture->sim);
    free(fixture);
    return 0;
}

static inline void
sync_file(struct adb_file *file)
{
    assert_int_equal(adb_file_sync(file), ARMDB_OK);
}

static inline void
sync_root(struct sim_fixture *fixture)
{
    assert_int_equal(adb_os_sync_dir(fixture->base.os, fixture->base.root), ARMDB_OK);
}

/* A new file whose name and content are durable. */
static inline struct adb_file *
make_durable_file(struct sim_fixture *fixture, const char *name, const char *text)
{
    struct adb_file *file = open_file(&fixture->base, name, ADB_OPEN_CREATE_NEW);
    put(file, 0, text);
    sync_file(file);
    sync_root(fixture);
    return file;
}

/* What a file would hold after a power cut, from a clone; NULL if it would be gone. */
static inline char *
read_after_cut(struct sim *sim, const char *path, enum sim_cut mode, uint64_t seed,
               size_t *bytes_out)
{
    struct sim *clone = sim_clone(sim);
    sim_power_cut_as(clone, mode, seed);
    char *content = sim_read_file(clone, path, bytes_out);
    sim_free(clone);
    return content;
}

static inline void
assert_content(struct sim *sim, const char *path, const char *expected)
{
    size_t bytes;
    char *content = sim_read_file(sim, path, &bytes);
    assert_non_null(content);
    assert_int_equal(bytes, strlen(expected));
    assert_string_equal(content, expected);
    free(content);
}

static inline void
assert_after_cut(struct sim *sim, const char *path, enum sim_cut mode, const char *expected)
{
    size_t bytes;
    char *content = read_after_cut(sim, path, mode, 1, &bytes);
    if (expected == NULL) {
        assert_null(content);
        return;
    }
    assert_non_null(content);
    assert_int_equal(bytes, strlen(expected));
    assert_string_equal(content, expected);
    free(content);
}

#endif
