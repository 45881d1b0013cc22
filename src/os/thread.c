#include "os/thread.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/err.h"

void
adb_mutex_init(struct adb_mutex *mutex)
{
    ADB_ASSERT(pthread_mutex_init(&mutex->raw, NULL) == 0);
}

void
adb_mutex_fini(struct adb_mutex *mutex)
{
    ADB_ASSERT(pthread_mutex_destroy(&mutex->raw) == 0);
}

void
adb_mutex_lock(struct adb_mutex *mutex)
{
    ADB_ASSERT(pthread_mutex_lock(&mutex->raw) == 0);
}

void
adb_mutex_unlock(struct adb_mutex *mutex)
{
    ADB_ASSERT(pthread_mutex_unlock(&mutex->raw) == 0);
}

void
adb_cond_init(struct adb_cond *cond)
{
    pthread_condattr_t attr;
    ADB_ASSERT(pthread_condattr_init(&attr) == 0);
    ADB_ASSERT(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    ADB_ASSERT(pthread_cond_init(&cond->raw, &attr) == 0);
    ADB_ASSERT(pthread_condattr_destroy(&attr) == 0);
}

void
adb_cond_fini(struct adb_cond *cond)
{
    ADB_ASSERT(pthread_cond_destroy(&cond->raw) == 0);
}

void
adb_cond_wait(struct adb_cond *cond, struct adb_mutex *mutex)
{
    ADB_ASSERT(pthread_cond_wait(&cond->raw, &mutex->raw) == 0);
}

void
adb_cond_wait_for(struct adb_cond *cond, struct adb_mutex *mutex, uint64_t timeout_ns)
{
    struct timespec until;
    ADB_ASSERT(clock_gettime(CLOCK_MONOTONIC, &until) == 0);
    uint64_t ns = (uint64_t)until.tv_nsec + timeout_ns;
    until.tv_sec += (time_t)(ns / 1000000000u);
    until.tv_nsec = (long)(ns % 1000000000u);
    (void)pthread_cond_timedwait(&cond->raw, &mutex->raw, &until);
}

void
adb_cond_wake_one(struct adb_cond *cond)
{
    ADB_ASSERT(pthread_cond_signal(&cond->raw) == 0);
}

void
adb_cond_wake_all(struct adb_cond *cond)
{
    ADB_ASSERT(pthread_cond_broadcast(&cond->raw) == 0);
}

_Static_assert(sizeof(_Atomic(uint32_t)) == sizeof(uint32_t), "the kernel looks at the plain word");

void
adb_word_wait(_Atomic(uint32_t) *word, uint32_t expected)
{
    /* Another value, a signal, a wake: the caller looks again in each case. */
    (void)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL);
}

void
adb_word_wake_all(_Atomic(uint32_t) *word)
{
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX);
}

armdb_err
adb_thread_start(struct adb_thread *thread, void *(*run)(void *), void *context)
{
    int os_errno = pthread_create(&thread->raw, NULL, run, context);
    if (os_errno != 0)
        return adb_fail(ARMDB_NO_MEMORY, "start thread", "the system refused a new thread");
    return ARMDB_OK;
}

void
adb_thread_join(struct adb_thread *thread)
{
    ADB_ASSERT(pthread_join(thread->raw, NULL) == 0);
}

struct crew {
    armdb_err (*job)(void *context, uint32_t item);
    void *context;
    uint32_t n;
    _Atomic(uint32_t) next; /* item that nobody has taken yet */
    struct adb_mutex lock;
    struct adb_err_kept kept; /* guarded by lock */
};

static void *
take_items(void *context)
{
    struct crew *crew = (struct crew *)context;
    for (;;) {
        uint32_t item = atomic_fetch_add_explicit(&crew->next, 1, memory_order_relaxed);
        if (item >= crew->n)
            return NULL;
        armdb_err err = crew->job(crew->context, item);
        if (err == ARMDB_OK)
            continue;
        adb_mutex_lock(&crew->lock);
        adb_err_keep(&crew->kept, err);
        adb_mutex_unlock(&crew->lock);
    }
}

armdb_err
adb_thread_for_each(uint32_t n_threads, uint32_t n, armdb_err (*job)(void *context, uint32_t item),
                    void *context)
{
    struct crew crew = {.job = job, .context = context, .n = n};
    struct adb_thread threads[ADB_CREW_MAX];
    uint32_t want = n_threads < n ? n_threads : n;
    uint32_t started = 0;
    adb_mutex_init(&crew.lock);
    while (started + 1 < want && started + 1 < ADB_CREW_MAX &&
           adb_thread_start(&threads[started], take_items, &crew) == ARMDB_OK)
        started++;
    (void)take_items(&crew);
    while (started > 0)
        adb_thread_join(&threads[--started]);
    adb_mutex_fini(&crew.lock);
    return adb_err_kept(&crew.kept);
}
