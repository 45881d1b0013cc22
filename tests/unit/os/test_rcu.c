/* Scopes keep alive what was published when they began, and waiting waits for them. */
#include "os/rcu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/os.h"
#include "os/thread.h"
#include "support/seed.h"

enum { READERS = 3 };

/* ----------------------------------------------------- one scope and one wait */

struct steps {
    atomic_bool is_inside;
    atomic_bool may_leave;
    atomic_bool has_left;
    atomic_bool has_waited;
};

static void *
stay_inside(void *context)
{
    struct steps *steps = (struct steps *)context;
    adb_rcu_enter();
    atomic_store(&steps->is_inside, true);
    while (!atomic_load(&steps->may_leave))
        sched_yield();
    atomic_store(&steps->has_left, true);
    adb_rcu_leave();
    return NULL;
}

static void *
wait_for_scopes(void *context)
{
    struct steps *steps = (struct steps *)context;
    adb_rcu_wait();
    /* Whoever was inside when the wait began has left. */
    if (!atomic_load(&steps->has_left))
        abort();
    atomic_store(&steps->has_waited, true);
    return NULL;
}

static void
test_rcu__wait__lasts_until_open_scopes_have_ended(void **state)
{
    (void)state;
    struct steps steps = {false};
    struct adb_thread reader, waiter;
    assert_int_equal(adb_thread_start(&reader, stay_inside, &steps), ARMDB_OK);
    while (!atomic_load(&steps.is_inside))
        sched_yield();
    assert_int_equal(adb_thread_start(&waiter, wait_for_scopes, &steps), ARMDB_OK);
    for (int i = 0; i < 1000; i++) {
        assert_false(atomic_load(&steps.has_waited));
        sched_yield();
    }
    atomic_store(&steps.may_leave, true);
    adb_thread_join(&waiter);
    adb_thread_join(&reader);
    assert_true(atomic_load(&steps.has_waited));
}

static void
test_rcu__nested_scopes__end_with_the_outermost(void **state)
{
    (void)state;
    adb_rcu_enter();
    adb_rcu_enter();
    adb_rcu_leave();
    adb_rcu_enter();
    adb_rcu_leave();
    adb_rcu_leave();
    adb_rcu_wait(); /* would never end if a scope were left */
}

static void
test_rcu__wait_without_readers__returns(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++)
        adb_rcu_wait();
}

static void *
enter_once(void *context)
{
    adb_rcu_enter();
    adb_rcu_leave();
    return context;
}

static void
test_rcu__threads_that_come_and_go__need_no_registration(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        struct adb_thread thread;
        assert_int_equal(adb_thread_start(&thread, enter_once, NULL), ARMDB_OK);
        if (i % 10 == 0)
            adb_rcu_wait();
        adb_thread_join(&thread);
    }
    adb_rcu_wait();
}

/* --------------------------------------------------- publish, replace, reuse */

/* Two boxes: one is published, the other is filled anew after a wait. Plain memory on purpose: the
 * sanitizer must believe in the order, too. */
struct box {
    uint64_t number;
    uint64_t mirrored;
};

struct exchange {
    struct box boxes[2];
    _Atomic(struct box *) published;
    atomic_bool is_over;
};

static void *
look(void *context)
{
    struct exchange *exchange = (struct exchange *)context;
    uint64_t last = 0;
    while (!atomic_load_explicit(&exchange->is_over, memory_order_relaxed)) {
        adb_rcu_enter();
        const struct box *box = atomic_load_explicit(&exchange->published, memory_order_acquire);
        uint64_t number = box->number;
        if (box->mirrored != ~number || number < last)
            abort();
        last = number;
        adb_rcu_leave();
    }
    return NULL;
}

static void
test_rcu__memory_reused_after_a_wait__is_never_seen_changing(void **state)
{
    (void)state;
    struct exchange exchange = {.boxes = {{0, ~UINT64_C(0)}}};
    struct adb_thread readers[READERS];
    uint64_t rounds = 2000 * (uint64_t)test_scale();
    atomic_store(&exchange.published, &exchange.boxes[0]);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(adb_thread_start(&readers[i], look, &exchange), ARMDB_OK);
    for (uint64_t number = 1; number <= rounds; number++) {
        struct box *box = &exchange.boxes[number % 2];
        adb_rcu_wait(); /* it was unpublished one round ago */
        box->number = number;
        box->mirrored = ~number;
        atomic_store_explicit(&exchange.published, box, memory_order_release);
    }
    atomic_store(&exchange.is_over, true);
    for (int i = 0; i < READERS; i++)
        adb_thread_join(&readers[i]);
}

/* A child that was forked while another thread was inside does not wait for that thread, which it
 * does not have. */
static void
test_rcu__forked_while_a_thread_is_inside__does_not_wait_for_it(void **state)
{
    (void)state;
    struct steps steps = {0};
    struct adb_thread reader;
    int status = 0;
    (void)adb_os_posix(); /* prepares for forks */
    assert_int_equal(adb_thread_start(&reader, stay_inside, &steps), ARMDB_OK);
    while (!atomic_load(&steps.is_inside))
        sched_yield();
    pid_t child = fork();
    if (child == 0) {
        sigset_t none;
        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        (void)alarm(20); /* in place of a hang */
        adb_rcu_enter();
        adb_rcu_leave();
        adb_rcu_wait();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    atomic_store(&steps.may_leave, true);
    adb_thread_join(&reader);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rcu__forked_while_a_thread_is_inside__does_not_wait_for_it),
        cmocka_unit_test(test_rcu__wait__lasts_until_open_scopes_have_ended),
        cmocka_unit_test(test_rcu__nested_scopes__end_with_the_outermost),
        cmocka_unit_test(test_rcu__wait_without_readers__returns),
        cmocka_unit_test(test_rcu__threads_that_come_and_go__need_no_registration),
        cmocka_unit_test(test_rcu__memory_reused_after_a_wait__is_never_seen_changing),
    };
    return cmocka_run_group_tests_name("os/rcu", tests, NULL, NULL);
}
