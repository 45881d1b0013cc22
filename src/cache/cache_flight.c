#include "cache/cache_flight.h"

#include "base/assert.h"
#include "cache/cache_table.h"

enum { SPINS = 128 }; /* some microseconds */

void
adb_cache_flights_init(struct cache_flights *flights)
{
    for (uint32_t i = 0; i < CACHE_FLIGHT_STRIPES; i++) {
        struct cache_flight_stripe *stripe = &flights->stripe[i];
        adb_mutex_init(&stripe->lock);
        adb_cond_init(&stripe->some_ended);
        stripe->first = NULL;
        stripe->n_begun = 0;
        stripe->n_asleep = 0;
        atomic_init(&stripe->n_ended, 0);
    }
}

void
adb_cache_flights_fini(struct cache_flights *flights)
{
    for (uint32_t i = 0; i < CACHE_FLIGHT_STRIPES; i++) {
        struct cache_flight_stripe *stripe = &flights->stripe[i];
        ADB_ASSERT(stripe->first == NULL);
        adb_cond_fini(&stripe->some_ended);
        adb_mutex_fini(&stripe->lock);
    }
}

static struct cache_flight_stripe *
stripe_of(struct cache_flights *flights, struct cache_id id)
{
    return &flights->stripe[adb_cache_hash(id) % CACHE_FLIGHT_STRIPES];
}

bool
adb_cache_flight_begin(struct cache_flights *flights, struct cache_id id,
                       struct cache_flight *flight)
{
    struct cache_flight_stripe *stripe = stripe_of(flights, id);
    flight->id = id;
    adb_mutex_lock(&stripe->lock);
    const struct cache_flight *other = stripe->first;
    while (other != NULL && !adb_cache_id_is(other->id, id))
        other = other->next;
    flight->number = other != NULL ? other->number : ++stripe->n_begun;
    if (other == NULL) {
        flight->next = stripe->first;
        stripe->first = flight;
    }
    adb_mutex_unlock(&stripe->lock);
    return other == NULL;
}

void
adb_cache_flight_end(struct cache_flights *flights, struct cache_flight *flight)
{
    struct cache_flight_stripe *stripe = stripe_of(flights, flight->id);
    adb_mutex_lock(&stripe->lock);
    struct cache_flight **at = &stripe->first;
    while (*at != flight)
        at = &(*at)->next;
    *at = flight->next;
    /* Relaxed: whoever sees it change looks again under the lock. */
    atomic_fetch_add_explicit(&stripe->n_ended, 1, memory_order_relaxed);
    if (stripe->n_asleep != 0)
        adb_cond_wake_all(&stripe->some_ended);
    adb_mutex_unlock(&stripe->lock);
}

static bool
is_under_way_locked(const struct cache_flight_stripe *stripe, uint64_t number)
{
    const struct cache_flight *flight = stripe->first;
    while (flight != NULL && flight->number != number)
        flight = flight->next;
    return flight != NULL;
}

/* Until one flight of the stripe has ended, or for a while. */
static void
spin(const struct cache_flight_stripe *stripe)
{
    uint64_t n_ended = atomic_load_explicit(&stripe->n_ended, memory_order_relaxed);
    for (uint32_t i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&stripe->n_ended, memory_order_relaxed) != n_ended)
            return;
        adb_thread_relax();
    }
}

void
adb_cache_flight_wait(struct cache_flights *flights, const struct cache_flight *flight)
{
    struct cache_flight_stripe *stripe = stripe_of(flights, flight->id);
    spin(stripe);
    adb_mutex_lock(&stripe->lock);
    while (is_under_way_locked(stripe, flight->number)) {
        stripe->n_asleep++;
        adb_cond_wait(&stripe->some_ended, &stripe->lock);
        stripe->n_asleep--;
    }
    adb_mutex_unlock(&stripe->lock);
}

uint64_t
adb_cache_flights_asleep(struct cache_flights *flights)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < CACHE_FLIGHT_STRIPES; i++) {
        adb_mutex_lock(&flights->stripe[i].lock);
        n += flights->stripe[i].n_asleep;
        adb_mutex_unlock(&flights->stripe[i].lock);
    }
    return n;
}
