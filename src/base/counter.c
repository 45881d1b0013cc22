#include "base/counter.h"

static _Atomic(uint32_t) next_stripe;
/* + 1; 0 = none yet. Four bytes of what the loader keeps for libraries that it loads late: reading
 * them needs no call then. */
static _Thread_local uint32_t own_stripe __attribute__((tls_model("initial-exec")));

uint32_t
adb_counter_stripe_of_thread(void)
{
    if (ADB_UNLIKELY(own_stripe == 0))
        own_stripe =
            atomic_fetch_add_explicit(&next_stripe, 1, memory_order_relaxed) % COUNTER_STRIPES + 1;
    return own_stripe - 1;
}
