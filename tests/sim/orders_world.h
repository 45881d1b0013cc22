/*
 * orders_world.h: a shard on the simulated disk, events that change it, and what must be true after
 * each. test_orders.c tries all orders of events.
 *
 * A world is what is on the disk, and what the open shard knows. Two worlds with the same digest
 * have the same future. They may differ by the size of sequence numbers and file ids: the engine
 * only compares these.
 */
#ifndef TEST_SIM_ORDERS_WORLD_H
#define TEST_SIM_ORDERS_WORLD_H

#include "shard/shard_private.h"
#include "support/os_sim.h"

enum {
    ORDER_KEYS = 2,
    ORDER_LENGTH_MAX = 16, /* events */
    ORDER_FILES_MAX = 16
};

enum event_kind {
    EVENT_PUT,
    EVENT_DELETE,
    EVENT_SEAL,
    EVENT_COMPACT, /* a run, to its end */
    EVENT_BEGIN,   /* of the compaction of a run */
    EVENT_STEP,    /* of one that was begun */
    EVENT_FINISH,  /* the same to its end */
    EVENT_KILL,    /* and open */
    EVENT_CUT,     /* the power; and open */
    EVENT_CUT_IN   /* the power, at a change of the compaction of a run */
};

struct event {
    uint8_t kind;
    uint8_t key;   /* put, delete */
    uint8_t first; /* of the run */
    uint8_t count;
    uint8_t change; /* at which the power goes */
    uint8_t mode;   /* of that cut: enum sim_cut */
};

struct order {
    struct event events[ORDER_LENGTH_MAX];
    uint32_t length;
};

struct world {
    struct sim *sim; /* owned */
    struct adb_os *os;
    struct adb_pages *pages; /* owned */
    struct shard_index index;
    struct shard *shard; /* owned */
    /* What each key has after the first so many writes: 0, or the sequence number of its value. */
    uint64_t history[ORDER_LENGTH_MAX + 1][ORDER_KEYS];
    uint64_t hidden; /* what the digest can't see: how the pass under way came to be; 0: none is */
    bool has_pass;
};

/** An empty shard; end it with world_end(). */
void world_begin(struct world *world);
void world_end(struct world *world);

/** Lets an event happen. Returns false if it did not: the compaction ended before that change. */
bool world_apply(struct world *world, const struct event *event);

/** Requires that each key has what it must have, and each file counts as dead what is dead in it:
 * now, after a kill, and after a power cut. */
void world_check(struct world *world);

/** A number that is the same for worlds with the same future. */
uint64_t world_digest(struct world *world);

/** The files of the log in its order; how many there are. */
uint32_t world_list(const struct shard *shard, struct data_file *files[ORDER_FILES_MAX]);

#endif
