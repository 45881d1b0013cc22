/*
 * thread.h: threads, mutexes and condition variables.
 *
 * Thin names over pthreads, so that the rest of the engine has one vocabulary and every failure of
 * a lock (which would be a bug of ours) stops the process. Condition variables use the monotonic
 * clock.
 */
#ifndef ADB_OS_THREAD_H
#define ADB_OS_THREAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "armdb/error.h"
#include "base/attr.h"

struct adb_mutex {
    pthread_mutex_t raw;
};

/* For a mutex with static storage, instead of adb_mutex_init(). */
#define ADB_MUTEX_INIT                                                                             \
    {                                                                                              \
        PTHREAD_MUTEX_INITIALIZER                                                                  \
    }

struct adb_cond {
    pthread_cond_t raw;
};

struct adb_thread {
    pthread_t raw;
};

void adb_mutex_init(struct adb_mutex *mutex);
void adb_mutex_fini(struct adb_mutex *mutex);
void adb_mutex_lock(struct adb_mutex *mutex);
void adb_mutex_unlock(struct adb_mutex *mutex);

void adb_cond_init(struct adb_cond *cond);
void adb_cond_fini(struct adb_cond *cond);
void adb_cond_wait(struct adb_cond *cond, struct adb_mutex *mutex);
/** Waits at most `timeout_ns`; may return early. */
void adb_cond_wait_for(struct adb_cond *cond, struct adb_mutex *mutex, uint64_t timeout_ns);
void adb_cond_wake_one(struct adb_cond *cond);
void adb_cond_wake_all(struct adb_cond *cond);

/**
 * Sleeps until woken, unless `word` is not `expected` any more. May return early: look again.
 * Whoever changes the word and then calls adb_word_wake_all() wakes all who sleep on it.
 */
void adb_word_wait(_Atomic(uint32_t) *word, uint32_t expected);
void adb_word_wake_all(_Atomic(uint32_t) *word);

/** Starts a thread; end it with adb_thread_join(). ARMDB_NO_MEMORY if the system refuses one. */
ADB_MUST_USE armdb_err adb_thread_start(struct adb_thread *thread, void *(*run)(void *),
                                        void *context);
void adb_thread_join(struct adb_thread *thread);

enum { ADB_CREW_MAX = 16 };

/**
 * Calls `job` for each of `n` items, in this thread and in as many others as make up `n_threads`
 * (ADB_CREW_MAX at most), and returns when all have ended. If the system gives no other threads,
 * this one does it all.
 *
 * Returns:  the first error, with its record in this thread; the other items are done all the same.
 */
ADB_MUST_USE armdb_err adb_thread_for_each(uint32_t n_threads, uint32_t n,
                                           armdb_err (*job)(void *context, uint32_t item),
                                           void *context);

/** A moment of spinning: tells the processor that this thread is waiting for another. */
static inline void
adb_thread_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

#endif
