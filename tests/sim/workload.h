/*
 * workload.h: seeded work on a database in the simulator, with its contract kept beside it.
 *
 * Each step is one call of the engine, or two. Whatever it returns is held against what the
 * history allows; the caller decides what follows an error. The same seed gives the same steps, up
 * to the first that fails.
 *
 * Threads: one for all workloads.
 */
#ifndef TEST_SIM_WORKLOAD_H
#define TEST_SIM_WORKLOAD_H

#include "sim/contract.h"
#include "support/seed.h"

enum work_kind {
    WORK_PUT,
    WORK_INSERT,
    WORK_DELETE,
    WORK_GET,
    WORK_GET_VALUE,
    WORK_MULTI_GET,
    WORK_SCAN,
    WORK_TICKETS, /* some tickets are polled, then waited for */
    WORK_FLUSH_ALL,
    WORK_SYNC_ALL,
    WORK_TIMER,
    WORK_COMPACT, /* some steps of compaction, or to its end */
    WORK_CREATE,
    WORK_DROP,
    WORK_REOPEN,
    WORK_BACKGROUND, /* some steps of the jobs of the background */
    WORK_CLOCK,      /* the time of day jumps */
    WORK_VERIFY,     /* a check of the open database */
    WORK_CHECKPOINT, /* a copy, which is opened */
    WORK_CACHE,      /* the block cache gets another size */
    WORK_CAS,
    WORK_UPDATE,
    WORK_BATCH, /* over several shards and collections, with conditions that hold or not */
    WORK_KINDS
};

/** What a workload is made of. */
struct work_plan {
    uint64_t seed;
    uint32_t steps;
    uint32_t shards;
    bool has_large;  /* values of more than 512 KiB */
    bool has_expiry; /* deadlines that pass */
    armdb_collection_options default_collection;
    uint8_t weights[WORK_KINDS];
};

enum { WORK_TICKETS_MAX = 12 };

/** A write or batch with a ticket, which promises nothing yet. */
struct work_ticket {
    armdb_ticket ticket;
    size_t counts[CONTRACT_SHARDS_MAX]; /* the first so many writes of each shard are behind it */
    uint64_t unsure; /* a bit for each of its collections of which a drop had failed before */
};

struct workload {
    struct sim *sim;           /* borrowed */
    struct contract *contract; /* borrowed */
    struct work_plan plan;
    armdb_options options;
    struct test_rng rng;
    uint32_t next_stamp;
    struct db *db; /* NULL while closed */
    struct collection *opened[CONTRACT_COLLECTIONS_MAX];
    struct work_ticket tickets[WORK_TICKETS_MAX]; /* of the database that is open */
    uint32_t ticket_count;
    uint32_t checkpoint_count;
    bool may_fail;       /* errors of the environment are to be expected */
    bool is_unsynced;    /* the newest write is done, but its sync found no space */
    bool is_half_shown;  /* a batch is there, but not all of it is shown before the next open */
    bool is_check_light; /* opening compares no contents, because reads may fail */
    /* of the newest step */
    enum work_kind kind;
    uint32_t shard;        /* UINT32_MAX: none in particular */
    unsigned char *buffer; /* borrowed: for values */
};

#define WORK_PATH "/db"

/** A plan drawn from a seed. */
struct work_plan workload_plan(uint64_t seed, uint32_t steps);

/** Prepares; nothing is opened. End with workload_fini(). */
void workload_init(struct workload *work, struct sim *sim, struct contract *contract,
                   const struct work_plan *plan);
/** Abandons the database if it is open. */
void workload_fini(struct workload *work);

/** Opens the database, which must be there if it was ever open before, and checks it. */
armdb_err workload_open(struct workload *work, enum contract_end end);
armdb_err workload_close(struct workload *work);
/** One step; the error of the environment that it met, ARMDB_OK for all else. */
armdb_err workload_step(struct workload *work);
/** A step of that kind; all else about it follows from work->rng. */
armdb_err workload_do(struct workload *work, enum work_kind kind);
/** Opens and does all steps, up to the first error. */
armdb_err workload_run(struct workload *work);

/** One write, as a step does it but for tickets; the value of a collection whose values have one
 * length has that. */
armdb_err workload_write(struct workload *work, enum work_kind kind, uint32_t place, uint32_t key,
                         uint32_t value_len, armdb_durability level);

#endif
