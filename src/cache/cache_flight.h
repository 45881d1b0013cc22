/*
 * cache_flight.h: reads that are under way, so that a block that several threads miss is read once.
 *
 * The first thread to miss a block leads: it reads, puts the block into the cache, and ends the
 * flight. Others wait for that and look into the cache again; what the leader met, and whether it
 * left the block there, they are not told: if they do not find it they read by themselves, and so
 * get an error of their own.
 *
 * Nobody waits while it leads, so waiting can not go round in a circle; the leader takes no lock
 * that a waiter may hold, as its read is a read of a file and no more. A wait is as long as that
 * read. At first it spins, for about as long as a read takes that the system answers from memory:
 * to be woken takes a hundred times longer. Then it sleeps.
 *
 * Threads: any.
 */
#ifndef ADB_CACHE_CACHE_FLIGHT_H
#define ADB_CACHE_CACHE_FLIGHT_H

#include "cache/cache_frame.h"
#include "os/thread.h"

enum { CACHE_FLIGHT_STRIPES = 16 };

/* One read under way; the leader keeps it. */
struct cache_flight {
    struct cache_id id;
    struct cache_flight *next; /* in its stripe */
    uint64_t number;           /* of its stripe's flights: never used again */
};

struct cache_flight_stripe {
    struct adb_mutex lock;
    struct adb_cond some_ended;
    /* guarded by lock */
    struct cache_flight *first; /* borrowed from the leaders */
    uint64_t n_begun;
    uint64_t n_asleep;
    /* atomic: stored under lock, read by who spins */
    _Atomic uint64_t n_ended;
};

struct cache_flights {
    struct cache_flight_stripe stripe[CACHE_FLIGHT_STRIPES];
};

void adb_cache_flights_init(struct cache_flights *flights);

/** No flight may be under way. */
void adb_cache_flights_fini(struct cache_flights *flights);

/**
 * Begins a flight, unless one of that block is under way: then flight->number is that one's. Does
 * not wait.
 *
 * Returns:  whether the caller leads; it keeps `flight` until it has called adb_cache_flight_end().
 */
bool adb_cache_flight_begin(struct cache_flights *flights, struct cache_id id,
                            struct cache_flight *flight);

/** Ends a flight that the caller leads; the block is in the cache, or will not be. */
void adb_cache_flight_end(struct cache_flights *flights, struct cache_flight *flight);

/** Waits until the flight that adb_cache_flight_begin() found in its way has ended. */
void adb_cache_flight_wait(struct cache_flights *flights, const struct cache_flight *flight);

/** For tests: how many threads sleep. */
uint64_t adb_cache_flights_asleep(struct cache_flights *flights);

#endif
