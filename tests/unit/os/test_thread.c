/* Mutexes, condition variables and threads: thin names that must do what they say. */
#include "os/thread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>

#include <cmocka.h>
#include <sched.h>

#include "os/os.h"

enum { THREADS = 4, ROUNDS = 20000, MS = 1000000 };

static struct adb_mutex static_mutex = ADB_MUTEX_INIT;

struct shared {
    struct adb_mutex *mutex;
    struct adb_cond cond;
    uint64_t count; /* guarded by mutex */
    unsigned waiting;
    unsigned woken;
    bool may_go;
};

static void *
count_up(void *context)
{
    struct shared *shared = (struct shared *)context;
    for (int i = 0; i < ROUNDS; i++) {
        adb_mutex_lock(shared->mutex);
        shared->count++;
        adb_mutex_unlock(shared->mutex);
    }
    return NULL;
}

static void
check_exclusion(struct adb_mutex *mutex)
{
    struct shared shared = {.mutex = mutex};
    struct adb_thread threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(adb_thread_start(&threads[i], count_up, &shared), ARMDB_OK);
    for (int i = 0; i < THREADS; i++)
        adb_thread_join(&threads[i]);
    assert_int_equal(shared.count, (uint64_t)THREADS * ROUNDS);
}

static void
test_thread__mutex__lets_one_in_at_a_time(void **state)
{
    (void)state;
    struct adb_mutex mutex;
    adb_mutex_init(&mutex);
    check_exclusion(&mutex);
    adb_mutex_fini(&mutex);
    check_exclusion(&static_mutex);
}

static void *
wait_for_signal(void *context)
{
    struct shared *shared = (struct shared *)context;
    adb_mutex_lock(shared->mutex);
    shared->waiting++;
    while (!shared->may_go)
        adb_cond_wait(&shared->cond, shared->mutex);
    shared->woken++;
    adb_mutex_unlock(shared->mutex);
    return NULL;
}

static void *
wait_for_a_token(void *context)
{
    struct shared *shared = (struct shared *)context;
    adb_mutex_lock(shared->mutex);
    shared->waiting++;
    while (shared->count == 0)
        adb_cond_wait(&shared->cond, shared->mutex);
    shared->count--;
    shared->woken++;
    adb_mutex_unlock(shared->mutex);
    return NULL;
}

/* Until all threads wait; each holds the mutex until it does. */
static void
await_waiters(struct shared *shared)
{
    unsigned waiting;
    do {
        sched_yield();
        adb_mutex_lock(shared->mutex);
        waiting = shared->waiting;
        adb_mutex_unlock(shared->mutex);
    } while (waiting < THREADS);
}

static void
test_thread__wake_all__wakes_everybody(void **state)
{
    (void)state;
    struct adb_mutex mutex;
    struct shared shared = {.mutex = &mutex};
    struct adb_thread threads[THREADS];
    adb_mutex_init(&mutex);
    adb_cond_init(&shared.cond);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(adb_thread_start(&threads[i], wait_for_signal, &shared), ARMDB_OK);
    await_waiters(&shared);
    adb_mutex_lock(&mutex);
    shared.may_go = true;
    adb_cond_wake_all(&shared.cond);
    adb_mutex_unlock(&mutex);
    for (int i = 0; i < THREADS; i++)
        adb_thread_join(&threads[i]);
    assert_int_equal(shared.woken, THREADS);
    adb_cond_fini(&shared.cond);
    adb_mutex_fini(&mutex);
}

static void
test_thread__wake_one__wakes_one_for_each_call(void **state)
{
    (void)state;
    struct adb_mutex mutex;
    struct shared shared = {.mutex = &mutex};
    struct adb_thread threads[THREADS];
    adb_mutex_init(&mutex);
    adb_cond_init(&shared.cond);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(adb_thread_start(&threads[i], wait_for_a_token, &shared), ARMDB_OK);
    await_waiters(&shared);
    for (int i = 0; i < THREADS; i++) {
        adb_mutex_lock(&mutex);
        shared.count++;
        adb_cond_wake_one(&shared.cond);
        adb_mutex_unlock(&mutex);
    }
    for (int i = 0; i < THREADS; i++)
        adb_thread_join(&threads[i]);
    assert_int_equal(shared.woken, THREADS);
    assert_int_equal(shared.count, 0);
    adb_cond_fini(&shared.cond);
    adb_mutex_fini(&mutex);
}

struct sleeper {
    _Atomic(uint32_t) word;    /* 0: sleep */
    _Atomic(uint32_t) waiting; /* have seen the 0 */
};

static void *
sleep_on_word(void *context)
{
    struct sleeper *sleeper = (struct sleeper *)context;
    atomic_fetch_add(&sleeper->waiting, 1);
    while (atomic_load(&sleeper->word) == 0)
        adb_word_wait(&sleeper->word, 0);
    return NULL;
}

static void
test_thread__word__wakes_all_who_sleep_and_who_are_about_to(void **state)
{
    (void)state;
    for (int round = 0; round < 50; round++) {
        struct sleeper sleeper = {0};
        struct adb_thread threads[THREADS];
        for (int i = 0; i < THREADS; i++)
            assert_int_equal(adb_thread_start(&threads[i], sleep_on_word, &sleeper), ARMDB_OK);
        while (atomic_load(&sleeper.waiting) < (uint32_t)(round % 2 == 0 ? THREADS : 1))
            sched_yield();
        atomic_store(&sleeper.word, 1);
        adb_word_wake_all(&sleeper.word);
        for (int i = 0; i < THREADS; i++)
            adb_thread_join(&threads[i]);
    }
}

static void
test_thread__word_has_changed__does_not_sleep(void **state)
{
    (void)state;
    _Atomic(uint32_t) word = 2;
    adb_word_wait(&word, 1);
    adb_word_wake_all(&word); /* nobody there */
}

static void
test_thread__wait_with_a_limit__comes_back(void **state)
{
    static const uint64_t limits_ns[] = {0, 1, 999999999, 2 * MS, UINT64_C(1000000001)};
    (void)state;
    struct adb_mutex mutex;
    struct adb_cond cond;
    adb_mutex_init(&mutex);
    adb_cond_init(&cond);
    adb_mutex_lock(&mutex);
    for (int i = 0; i < 5; i++) {
        uint64_t start_ns = adb_os_now_ns(adb_os_posix());
        uint64_t limit_ns = limits_ns[i] > 100 * MS ? limits_ns[i] % (100 * MS) : limits_ns[i];
        uint64_t passed_ns;
        do { /* it may come back early */
            adb_cond_wait_for(&cond, &mutex, limit_ns);
            passed_ns = adb_os_now_ns(adb_os_posix()) - start_ns;
        } while (passed_ns < limit_ns);
        assert_true(passed_ns < UINT64_C(60000) * MS);
    }
    adb_mutex_unlock(&mutex);
    adb_cond_fini(&cond);
    adb_mutex_fini(&mutex);
}

static void *
give_back(void *context)
{
    atomic_store((_Atomic(int) *)context, 17);
    return NULL;
}

static void
test_thread__join__sees_all_that_the_thread_did(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        _Atomic(int) done = 0;
        struct adb_thread thread;
        assert_int_equal(adb_thread_start(&thread, give_back, &done), ARMDB_OK);
        adb_thread_join(&thread);
        assert_int_equal(done, 17);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_thread__mutex__lets_one_in_at_a_time),
        cmocka_unit_test(test_thread__wake_all__wakes_everybody),
        cmocka_unit_test(test_thread__wake_one__wakes_one_for_each_call),
        cmocka_unit_test(test_thread__word__wakes_all_who_sleep_and_who_are_about_to),
        cmocka_unit_test(test_thread__word_has_changed__does_not_sleep),
        cmocka_unit_test(test_thread__wait_with_a_limit__comes_back),
        cmocka_unit_test(test_thread__join__sees_all_that_the_thread_did),
    };
    return cmocka_run_group_tests_name("os/thread", tests, NULL, NULL);
}
