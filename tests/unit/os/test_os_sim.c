/* The simulator: the promises of os/os.h, and its own: kills, clones, faults, space, tools. */
#include "os_conformance.h"
#include "os_conformance_link.h"
#include "sim_fixture.h"

#include "os/thread.h"

/* Kill and dead handles. */

static void
assert_dead(armdb_err err, const char *operation)
{
    assert_int_equal(err, ARMDB_IO);
    assert_int_equal(adb_err_detail()->os_errno, EIO);
    assert_string_equal(adb_err_detail()->operation, operation);
}

static void
test_os_sim__killed__written_data_stays_and_lock_goes(void **state)
{
    struct sim_fixture *fixture = (struct sim_fixture *)*state;
    struct adb_file *file = open_file(&fixture->base, "a", ADB_OPEN_CREATE_NEW);
    put(file, 0, "abc");
    assert_int_equal(adb_file_lock(file), ARMDB_OK);
    sim_kill(fixture->sim);
    assert_content(fixture->sim, "/db/a", "abc");
    fixture->base.os = sim_os(fixture->sim);
    struct adb_file *again = open_file(&fixture->base, "a", ADB_OPEN_READ_WRITE);
    assert_int_equal(adb_file_lock(again), ARMDB_OK);
    assert_string_equal(take(again, 0), "abc");
    assert_int_equal(sim_open_count(fixture->sim), 1);
    assert_dead(adb_file_close(file), "close");
    close_file(again);
    /* It was never synced: a power cut may still take it. */
    assert_after_cut(fixture->sim, "/db/a", SIM_CUT_LOSE, NULL);
    assert_after_cut(fixture->sim, "/db/a", SIM_CUT_KEEP, "abc");
}

static void
test_os_sim__boot_over__nothing_works_or_counts(void **state)
{
    struct sim_fixture *fixture = (struct sim_fixture *)*state;
    struct adb_os *os = fixture->base.os;
    struct adb_file *file = make_durable_file(fixture, "a", "abc");
    sim_power_cut(fixture->sim, 1);
    uint64_t digest = sim_digest(fixture->sim);
    uint64_t count = sim_op_count(fixture->sim, SIM_ALL);
    struct adb_file *other;
    struct seen seen = {.count = 0};
    char buffer[4];
    struct iovec iov = {buffer, sizeof buffer};
    size_t bytes = 9;
    uint64_t size = 9;
    assert_dead(adb_file_read(file, &iov, 1, 0, &bytes), "read");
    assert_int_equal(bytes, 0);
    assert_dead(write_at(file, "x", 1, 0, &bytes), "write");
    assert_int_equal(bytes, 0);
    assert_dead(adb_file_sync(file), "sync");
    assert_dead(adb_file_size(file, &size), "size");
    assert_int_equal(size, 0);
    assert_dead(adb_file_truncate(file, 0), "truncate");
    assert_dead(adb_file_allocate(file, 0, 10), "allocate");
    assert_dead(adb_file_lock(file), "lock");
    assert_dead(adb_os_open(os, "/db/b", ADB_OPEN_CREATE_NEW, &other), "open");
    assert_dead(adb_os_open(os, "/db/a", ADB_OPEN_READ, &other), "open");
    assert_dead(adb_os_rename(os, "/db/a", "/db/b"), "rename");
    assert_dead(adb_os_link(os, "/db/a", "/db/b"), "link");
    assert_dead(adb_os_unlink(os, "/db/a"), "unlink");
    assert_dead(adb_os_mkdir(os, "/db/d"), "mkdir");
    assert_dead(adb_os_sync_dir(os, "/db"), "sync_dir");
    assert_dead(adb_os_list(os, "/db", note_name, &seen), "list");
    assert_dead(adb_os_entropy(os, buffer, 4), "entropy");
    assert_dead(adb_file_close(file), "close");
    assert_int_equal(sim_digest(fixture->sim), digest);
    assert_int_equal(sim_op_count(fixture->sim, SIM_ALL), count);
}

/* Clones. */

static void
test_os_sim__clone__independent_both_ways(void **state)
{
    struct sim_fixture *fixture = (struct sim_fixture *)*state;
    struct adb_file *file = make_durable_file(fixture, "a", "abc");
    put(file, 1, "X");
    sim_set_capacity(fixture->sim, 1 << 20);
    sim_advance_ns(fixture->sim, 5);
    struct sim *clone = sim_clone(fixture->sim);
    assert_int_equal(sim_digest(clone), sim_digest(fixture->sim));
    assert_int_equal(sim_used_bytes(clone), sim_used_bytes(fixture->sim));
    assert_int_equal(adb_os_now_ns(sim_os(clone)), adb_os_now_ns(fixture->base.os));
    assert_int_equal(sim_open_count(clone), 0);
    put(file, 0, "123");
    sync_file(file);
    assert_content(clone, "/db/a", "aXc");
    assert_after_cut(clone, "/db/a", SIM_CUT_LOSE, "abc");
    sim_corrupt(clone, "/db/a", 0, 0xff);
    sim_remove_file(clone, "/db/a");
    assert_content(fixture->sim, "/db/a", "123");
    unsigned char random[2][8];
    assert_int_equal(adb_os_entropy(sim_os(clone), random[0], 8), ARMDB_OK);
    assert_int_equal(adb_os_entropy(fixture->base.os, random[1], 8), ARMDB_OK);
    assert_memory_equal(random[0], random[1], 8);
    sim_free(clone);
    close_file(file);
}

static void
test_os_sim__clone__without_files_that_only_handles_hold(void **state)
{
    struct sim_fixture *fixture = (struct sim_fixture *)*state;
    struct adb_file *file = make_durable_file(fixture, "a", "abc");
    assert_int_equal(adb_os_unlink(fixture->base.os, "/db/a"), ARMDB_OK);
    sync_root(fixture);
    assert_int_equal(sim_used_bytes(fixture->sim), 4096);
    struct sim *clone = sim_clone(fixture->sim);
    assert_int_equal(sim_used_bytes(clone), 0);
    sim_power_cut(clone, 3);
    sim_free(clone);
    close_file(file);
    assert_int_equal(sim_used_bytes(fixture->sim), 0);
}

/* Faults. */

/* Does twelve operations on a new file; returns how many failed, the first one's number first. */
static unsigned
run_operations(struct sim_fixture *fixture, unsigned *first_out)
{
    struct adb_os *os = fixture->base.os;
    struct adb_file *file = NULL;
    char buffer[8];
    struct iovec iov = {buffer, sizeof buffer};
    size_t bytes;
    uint64_t size;
    armdb_err results[12];
    results[0] = adb_os_open(os, "/db/a", ADB_OPEN_CREATE_NEW, &file);
    *first_out = 1;
    if (file == NULL)
        return 12;
    results[1] = write_at(file, "abcdefgh", 8, 0, &bytes);
    results[2] = adb_file_sync(file);
    results[3] = adb_file_read(file, &iov, 1, 0, &bytes);
    results[4] = adb_file_truncate(file, 6);
    results[5] = adb_file_allocate(file, 0, 100);
    results[6] = adb_file_size(file, &size);
    results[7] = adb_file_lock(file);
    results[8] = adb_os_rename(os, "/db/a", "/db/b");
    results[9] = adb_os_sync_dir(os, "/db");
    results[10] = adb_os_mkdir(os, "/db/d");
    results[11] = adb_file_close(file);
    unsigned failed = 0;
    for (unsigned i = 12; i-- > 0;) {
        failed += results[i] != ARMDB_OK ? 1 : 0;
        *first_out = results[i] != ARMDB_OK ? i + 1 : *first_out;
    }
    return failed;
}

static void
test_os_sim__fault_at_each_operation__strikes_there(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= 13; n++) {
        for (int is_persistent = 0; is_persistent < 2; is_persistent++) {
            void *inner;
            set_up(&inner);
            struct sim_fixture *fixture = (struct sim_fixture *)inner;
            struct sim_fault fault = {.kind = SIM_FAULT_ERROR,
                                      .fail_at = n,
                                      .is_persistent = is_persistent != 0,
                                      .os_errno = EMFILE};
            sim_set_fault(fixture->sim, &fault);
            unsigned first;
            unsigned failed = run_operations(fixture, &first);
            unsigned expected = n == 1 ? 12 : (n == 13 ? 0 : (is_persistent ? 13 - n : 1));
            assert_int_equal(failed, expected);
            assert_true(failed == 0 || first == n);
            assert_int_equal(sim_fault_fired(fixture->sim), n <= 12);
            if (n == 13) {
                assert_int_equal(sim_op_count(fixture->sim, SIM_ALL), 12);
                assert_int_equal(sim_op_count(fixture->sim, SIM_SYNCS), 2);
                assert_int_equal(sim_op_count(fixture->sim, SIM_METADATA), 4);
            } else {
                assert_int_equal(adb_err_detail()->os_errno, EMFILE);
            }
            tear_down(&inner);
        }
    }
}

static void
test_os_sim__fault_for_some_operations__only_they_count(void **state)
{
    struct sim_fixture *fixture = (struct sim_fixture *)*state;
    struct sim_fault fault = {.kind = SIM_FAULT_ERROR, .fail_at = 2, .ops = SIM_SYNCS | SIM_WRITES};
    sim_set_fault(fixture->sim, &fault);
    unsigned first;
    assert_int_equal(run_operations(fixture, &first), 1);
    assert_int_equal(first, 3);
    fault = (struct sim_fault){.kind = SIM_FAULT_READ, .fail_at = 1};
    sim_set_fault(fixture->sim, &fault);
    assert_false(sim_fault_fired(fixture->sim));
    assert_int_equal(run_operations(fixture, &first), 2); /* "/db/d" is there, too */
    assert_int_equal(first, 4);
    sim_set_fault(fixture->sim, &fault);
    sim_clear_fault(fixture->sim);
    assert_int_equal(adb_os_unlink(fixture->base.os, "/db/b"), ARMDB_OK);
    assert_int_equal(run_operations(fixture, &first), 1);
    assert_int_equal(first, 11);
}

static void
test_os_sim__short_write__front_part_and_no_more_reported(void **state)
{
    struct sim_fixture *fixture = (struct sim_fixture *)*state;
    bool seen_some = false;
    bool seen_unsure = false;
    for (uint64_t seed = 0; seed < 100; seed++) {
        sim_write_file(fixture->sim, "/db/a", "", 0);
        struct adb_file *file = open_file(&fixture->base, "a", ADB_OPEN_READ_WRITE);
        struct sim_fault fault = {.kind = SIM_FAULT_SHORT_WRITE, .fail_at = 1, .seed = seed};
        sim_set_fault(fixture->sim, &fault);
        assert_int_equal(size_of(file), 0);
        size_t written = 99;
        assert_int_equal(write_at(file, "0123456789", 10, 0, &written), ARMDB_IO);
        assert_true(sim_fault_fired(fixture->sim));
        uint64_t there = size_of(file);
        assert_true(written <= there && there <= 10);
        assert_memory_equal(take(file, 0), "0123456789", there);
        seen_some = seen_some || (written > 0 && written < 10);
        seen_unsure = seen_unsure || written < there;
        put(file, 0, "0123456789");
        close_file(file);
    }
    assert_true(seen_some && seen_unsure);
}

static void
test_os_sim__no_space_fault__where_space_is_needed(void **state)
{
    struct sim_fixture *fixture = (struct sim_fixture *)*state;
    struct adb_file *file = make_durable_file(fixture, "a", "abc");
    struct sim_fault fault = {.kind = SIM_FAULT_NO_SPACE, .fail_at = 1, .is_persistent = true};
    sim_set_fault(fixture->sim, &fault);
    size_t written;
    struct adb_file *other;
    assert_int_equal(write_at(file, "xyz", 3, 3, &written), ARMDB_NO_SPACE);
    assert_int_equal(adb_err_detail()->os_errno, ENOSPC);
    assert_int_equal(adb_file_allocate(file, 0, 1), ARMDB_NO_SPACE);
    assert_int_equal(adb_os_open(fixture->base.os, "/db/b", ADB_OPEN_CREATE_NEW, &other),
                     ARMDB_NO_SPACE);
    assert_int_equal(adb_os_mkdir(fixture->base.os, "/db/d"), ARMDB_NO_SPACE);
    assert_int_equal(adb_file_truncate(file, 3), ARMDB_OK);
    assert_string_equal(take(file, 0), "abc");
    close_file(file);
    assert_int_equal(adb_os_unlink(fixture->base.os, "/db/a"), ARMDB_OK);
}

static void
test_os_sim__failed_sync__drops_what_the_next_does_not_bring(void **state)
{
    struct sim_fixture *fixture = (struct sim_fixture *)*state;
    unsigned lost = 0;
    for (uint64_t seed = 0; seed < 50; seed++) {
        sim_write_file(fixture->sim, "/db/a", "old", 3);
        struct adb_file *file = open_file(&fixture->base, "a", ADB_OPEN_READ_WRITE);
        struct sim_fault fault = {.kind = SIM_FAULT_SYNC, .fail_at = 1, .seed = seed};
        put(file, 0, "new");
        sim_set_fault(fixture->sim, &fault);
        assert_int_equal(adb_file_sync(file), ARMDB_IO);
        assert_string_equal(take(file, 0), "new");
        sync_file(file);
        put(file, 3, "er");
        sync_file(file);
        assert_string_equal(take(file, 0), "newer");
        size_t bytes;
        char *content = read_after_cut(fixture->sim, "/db/a", SIM_CUT_KEEP, seed, &bytes);
        assert_non_null(content);
        bool is_lost = strcmp(content, "older") == 0;
        assert_true(is_lost || strcmp(content, "newer") == 0);
        lost += is_lost ? 1 : 0;
        free(content);
        close_file(file);
    }
    assert_in_range(lost, 1, 49);
}

static void
test_os_sim__failed_sync_dir__drops_names(void **state)
{
    struct sim_fixture *fixture = (struct sim_fixture *)*state;
    unsigned lost = 0;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct sim_fault fault = {.kind = SIM_FAULT_SYNC, .fail_at = 1, .seed = seed};
        make_file(&fixture->base, "a", "");
        sim_set_fault(fixture->sim, &fault);
        assert_int_equal(adb_os_sync_dir(fixture->base.os, "/db"), ARMDB_IO);
        assert_true(sim_file_exists(fixture->sim, "/db/a"));
        sync_root(fixture);
        size_t bytes;
        char *content = read_after_cut(fixture->sim, "/db/a", SIM_CUT_KEEP, seed, &bytes);
        lost += content == NULL ? 1 : 0;
        free(content);
        sim_remove_file(fixture->sim, "/db/a");
    }
    assert_in_range(lost, 1, 19);
}

static void
test_os_sim__machine_off__nothing_works_until_power_cut(void **state)
{
    struct sim_fixture *fixture = (struct sim_fixture *)*state;
    struct adb_file *file = make_durable_file(fixture, "a", "abc");
    uint64_t digest = sim_digest(fixture->sim);
    struct sim_fault fault = {.kind = SIM_FAULT_CUT, .fail_at = 2};
    sim_set_fault(fixture->sim, &fault);
    assert_string_equal(take(file, 0), "abc");
    size_t written;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(write_at(file, "xyz", 3, 0, &written), ARMDB_IO);
        assert_int_equal(written, 0);
        assert_int_equal(adb_file_sync(file), ARMDB_IO);
        assert_int_equal(adb_os_unlink(fixture->base.os, "/db/a"), ARMDB_IO);
    }
    assert_true(sim_fault_fired(fixture->sim));
    assert_int_equal(adb_file_close(file), ARMDB_IO);
    assert_int_equal(sim_open_count(fixture->sim), 0);
    sim_power_cut(fixture->sim, 1);
    assert_int_equal(sim_digest(fixture->sim), digest);
    fixture->base.os = sim_os(fixture->sim);
    file = open_file(&fixture->base, "a", ADB_OPEN_READ_WRITE);
    put(file, 0, "ok");
    close_file(file);
}

static void
test_os_sim__power_cut__ends_a_fault_but_a_kill_does_not(void **state)
{
    struct sim_fixture *fixture = (struct sim_fixture *)*state;
    struct sim_fault fault = {.kind = SIM_FAULT_ERROR, .fail_at = 1};
    sim_set_fault(fixture->sim, &fault);
    sim_power_cut(fixture->sim, 1);
    fixture->base.os = sim_os(fixture->sim);
    make_file(&fixture->base, "a", "");
    assert_false(sim_fault_fired(fixture->sim));
    sim_set_fault(fixture->sim, &fault);
    sim_kill(fixture->sim);
    fixture->base.os = sim_os(fixture->sim);
    assert_int_equal(adb_os_unlink(fixture->base.os, "/db/a"), ARMDB_IO);
    assert_true(sim_fault_fired(fixture->sim));
}

/* Space. */

static void
test_os_sim__disk_full__written_in_part_and_space_returns(void **state)
{
    struct sim_fixture *fixture = (struct sim_fixture *)*state;
    static char data[20000];
    struct adb_file *file = open_file(&fixture->base, "a", ADB_OPEN_CREATE_NEW);
    sim_set_capacity(fixture->sim, 3 * 4096 + 100);
    size_t written;
    assert_int_equal(write_at(file, data, sizeof data, 100, &written), ARMDB_NO_SPACE);
    assert_int_equal(written, 3 * 4096 - 100);
    assert_int_equal(adb_err_detail()->offset, 3 * 4096);
    assert_int_equal(size_of(file), 3 * 4096);
    assert_int_equal(sim_used_bytes(fixture->sim), 3 * 4096);
    put(file, 0, "in place");
    make_file(&fixture->base, "b", "");
    struct adb_file *other = open_file(&fixture->base, "b", ADB_OPEN_READ_WRITE);
    assert_int_equal(write_at(other, "x", 1, 0, &written), ARMDB_NO_SPACE);
    assert_int_equal(written, 0);
    assert_int_equal(adb_file_truncate(file, 2 * 4096), ARMDB_OK);
    put(other, 0, "x");
    assert_int_equal(adb_os_unlink(fixture->base.os, "/db/a"), ARMDB_OK);
    assert_int_equal(sim_used_bytes(fixture->sim), 3 * 4096);
    close_file(file);
    assert_int_equal(sim_used_bytes(fixture->sim), 4096);
    sim_set_capacity(fixture->sim, 10);
    put(other, 1, "y");
    assert_int_equal(write_at(other, "x", 1, 4096, &written), ARMDB_NO_SPACE);
    close_file(other);
}

static void
test_os_sim__allocated_range__writable_on_a_full_disk(void **state)
{
    struct sim_fixture *fixture = (struct sim_fixture *)*state;
    static char data[8192];
    struct adb_file *file = open_file(&fixture->base, "a", ADB_OPEN_CREATE_NEW);
    sim_set_capacity(fixture->sim, 4 * 4096);
    assert_int_equal(adb_file_allocate(file, 4096, 8192), ARMDB_OK);
    assert_int_equal(size_of(file), 0);
    assert_int_equal(sim_used_bytes(fixture->sim), 8192);
    sim_set_capacity(fixture->sim, 0);
    size_t written;
    assert_int_equal(write_at(file, data, sizeof data, 4096, &written), ARMDB_OK);
    assert_int_equal(write_at(file, data, 1, 0, &written), ARMDB_NO_SPACE);
    assert_int_equal(adb_file_allocate(file, 0, 1), ARMDB_NO_SPACE);
    assert_int_equal(adb_file_truncate(file, 4097), ARMDB_OK);
    assert_int_equal(sim_used_bytes(fixture->sim), 4096);
    close_file(file);
    sim_power_cut_as(fixture->sim, SIM_CUT_KEEP, 1);
    assert_int_equal(sim_used_bytes(fixture->sim), 8192); /* a hole counts from then on */
}

/* Tools. */

static void
test_os_sim__tools__see_and_change_the_disk(void **state)
{
    struct sim_fixture *fixture = (struct sim_fixture *)*state;
    struct sim *sim = fixture->sim;
    sim_make_dir(sim, "/db/x/y/");
    sim_write_file(sim, "db//b", "hello", 5);
    sim_write_file(sim, "/db/./a", "", 0);
    char **names;
    assert_int_equal(sim_list(sim, "/db", &names), 3);
    assert_string_equal(names[0], "a");
    assert_string_equal(names[1], "b");
    assert_string_equal(names[2], "x/");
    free(names);
    assert_int_equal(sim_list(sim, "/no", &names), 0);
    free(names);
    sim_corrupt(sim, "/db/b", 1, 0x20);
    assert_content(sim, "/db/b", "hEllo");
    assert_after_cut(sim, "/db/b", SIM_CUT_LOSE, "hEllo");
    sim_truncate_file(sim, "/db/b", 2);
    assert_int_equal(sim_file_size(sim, "/db/b"), 2);
    assert_after_cut(sim, "/db/b", SIM_CUT_LOSE, "hE");
    sim_write_file(sim, "/db/b", "HE", 2);
    uint64_t digest = sim_digest(sim);
    sim_remove_file(sim, "/db/b");
    assert_false(sim_file_exists(sim, "/db/b"));
    assert_int_not_equal(sim_digest(sim), digest);
    sim_write_file(sim, "/db/b", "HE", 2);
    assert_int_equal(sim_digest(sim), digest);
    assert_int_equal(sim_file_size(sim, "/db/x"), 0);
    assert_int_equal(sim_op_count(sim, SIM_ALL), 0);
}

static void
test_os_sim__rename_across_directories__refused(void **state)
{
    struct sim_fixture *fixture = (struct sim_fixture *)*state;
    sim_make_dir(fixture->sim, "/db/x");
    sim_write_file(fixture->sim, "/db/a", "", 0);
    assert_int_equal(adb_os_rename(fixture->base.os, "/db/a", "/db/x/a"), ARMDB_IO);
    assert_int_equal(adb_err_detail()->os_errno, EXDEV);
    assert_true(sim_file_exists(fixture->sim, "/db/a"));
}

static void
test_os_sim__clock_and_settings__as_set(void **state)
{
    struct sim_fixture *fixture = (struct sim_fixture *)*state;
    uint64_t now_ns = adb_os_now_ns(fixture->base.os);
    assert_int_equal(adb_os_now_ns(fixture->base.os), now_ns);
    sim_advance_ns(fixture->sim, 12345);
    assert_int_equal(adb_os_now_ns(fixture->base.os), now_ns + 12345);
    assert_false(fixture->base.os->has_threads);
    assert_int_equal(fixture->base.os->cpu_count, 2);
    sim_set_cpu_count(fixture->sim, 5);
    sim_kill(fixture->sim);
    assert_int_equal(sim_os(fixture->sim)->cpu_count, 5);
}

static void
test_os_sim__trace__one_line_an_operation(void **state)
{
    struct sim_fixture *fixture = (struct sim_fixture *)*state;
    char *text;
    size_t bytes;
    FILE *to = open_memstream(&text, &bytes);
    assert_non_null(to);
    sim_set_trace(fixture->sim, to);
    make_file(&fixture->base, "a", "abc");
    sim_set_trace(fixture->sim, NULL);
    sync_root(fixture);
    assert_int_equal(fclose(to), 0);
    assert_string_equal(text, "     1 open     /db/a 0+0\n"
                              "     2 write    /db/a 0+3\n"
                              "     3 close    /db/a 0+0\n");
    free(text);
}

static void *
write_many(void *context)
{
    struct adb_file *file = (struct adb_file *)context;
    for (uint64_t i = 0; i < 500; i++) {
        char text[] = "0123456789";
        struct iovec iov = {text, 10};
        size_t written;
        if (adb_file_write(file, &iov, 1, i * 10, &written) != ARMDB_OK ||
            (i % 50 == 0 && adb_file_sync(file) != ARMDB_OK))
            return file;
    }
    return NULL;
}

static void
test_os_sim__threads__share_it(void **state)
{
    struct sim_fixture *fixture = (struct sim_fixture *)*state;
    struct adb_file *files[2];
    struct adb_thread threads[2];
    files[0] = open_file(&fixture->base, "a", ADB_OPEN_CREATE_NEW);
    files[1] = open_file(&fixture->base, "b", ADB_OPEN_CREATE_NEW);
    for (int i = 0; i < 2; i++)
        assert_int_equal(adb_thread_start(&threads[i], write_many, files[i]), ARMDB_OK);
    for (int i = 0; i < 20; i++) {
        struct sim *clone = sim_clone(fixture->sim);
        sim_power_cut(clone, (uint64_t)i);
        sim_free(clone);
    }
    for (int i = 0; i < 2; i++) {
        adb_thread_join(&threads[i]);
        assert_int_equal(size_of(files[i]), 5000);
        close_file(files[i]);
    }
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        OS_CONFORMANCE_TESTS(set_up, tear_down),
        OS_LINK_TESTS(set_up, tear_down),
        OS_TEST(test_os_sim__killed__written_data_stays_and_lock_goes, set_up, tear_down),
        OS_TEST(test_os_sim__boot_over__nothing_works_or_counts, set_up, tear_down),
        OS_TEST(test_os_sim__clone__independent_both_ways, set_up, tear_down),
        OS_TEST(test_os_sim__clone__without_files_that_only_handles_hold, set_up, tear_down),
        OS_TEST(test_os_sim__fault_at_each_operation__strikes_there, set_up, tear_down),
        OS_TEST(test_os_sim__fault_for_some_operations__only_they_count, set_up, tear_down),
        OS_TEST(test_os_sim__short_write__front_part_and_no_more_reported, set_up, tear_down),
        OS_TEST(test_os_sim__no_space_fault__where_space_is_needed, set_up, tear_down),
        OS_TEST(test_os_sim__failed_sync__drops_what_the_next_does_not_bring, set_up, tear_down),
        OS_TEST(test_os_sim__failed_sync_dir__drops_names, set_up, tear_down),
        OS_TEST(test_os_sim__machine_off__nothing_works_until_power_cut, set_up, tear_down),
        OS_TEST(test_os_sim__power_cut__ends_a_fault_but_a_kill_does_not, set_up, tear_down),
        OS_TEST(test_os_sim__disk_full__written_in_part_and_space_returns, set_up, tear_down),
        OS_TEST(test_os_sim__allocated_range__writable_on_a_full_disk, set_up, tear_down),
        OS_TEST(test_os_sim__tools__see_and_change_the_disk, set_up, tear_down),
        OS_TEST(test_os_sim__rename_across_directories__refused, set_up, tear_down),
        OS_TEST(test_os_sim__clock_and_settings__as_set, set_up, tear_down),
        OS_TEST(test_os_sim__trace__one_line_an_operation, set_up, tear_down),
        OS_TEST(test_os_sim__threads__share_it, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("os_sim", tests, NULL, NULL);
}
