#include "os/rcu.h"

#include <pthread.h>
#include <urcu-bp.h>

#include "base/assert.h"

#if defined(__SANITIZE_THREAD__)
#define ADB_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ADB_TSAN 1
#endif
#endif

#ifdef ADB_TSAN
void __tsan_acquire(void *address);
void __tsan_release(void *address);
static char scopes_ended; /* stands for "all scopes that ended so far" */
#endif

void
adb_rcu_init(void)
{
    ADB_ASSERT(pthread_atfork(urcu_bp_before_fork, urcu_bp_after_fork_parent,
                              urcu_bp_after_fork_child) == 0);
}

void
adb_rcu_enter(void)
{
    rcu_read_lock();
}

void
adb_rcu_leave(void)
{
#ifdef ADB_TSAN
    __tsan_release(&scopes_ended);
#endif
    rcu_read_unlock();
}

void
adb_rcu_wait(void)
{
    synchronize_rcu();
#ifdef ADB_TSAN
    __tsan_acquire(&scopes_ended);
#endif
}
