/*
 * soak.h: lives of a database in the simulator, in which everything goes wrong.
 *
 * A life is a script: a plan by its seed, and events, each with a seed of its own, so that any of
 * them can be dropped and the others stay what they are. Events are the steps of a workload (a new
 * one of these is one more name in soak_script.c), and what befalls it. After each step and each
 * recovery the contract says what may be there.
 *
 * Threads: one for all lives.
 */
#ifndef TEST_SIM_SOAK_H
#define TEST_SIM_SOAK_H

#include <stdio.h>

#include "sim/workload.h"

/** Behind the kinds of steps (enum work_kind): what befalls a database. */
enum soak_kind {
    SOAK_CRASH = WORK_KINDS, /* kill or power cut, here; then recovery */
    SOAK_CRASH_SOON,         /* the same at one of the next changes of the disk */
    SOAK_FAULT,              /* an operation fails soon, once or from then on */
    SOAK_MEMORY,             /* an allocation does */
    SOAK_FULL,               /* the disk takes little more */
    SOAK_ROOM,               /* and has room again */
    SOAK_CALM,               /* nothing fails from here on */
    SOAK_ROT,                /* a byte or a block of the disk goes bad, in a copy of this world */
    SOAK_KINDS
};

struct soak_event {
    uint8_t kind; /* enum work_kind or enum soak_kind */
    uint64_t seed;
};

struct soak_script {
    uint64_t seed;             /* of the plan */
    struct soak_event *events; /* owned, [count] */
    size_t count;
};

/** The faults of the system that lives meet, in the order of soak_totals.faults. */
enum soak_fault {
    SOAK_ERROR,       /* of a change */
    SOAK_READ_ERROR,  /* of a read */
    SOAK_SHORT_WRITE, /* some bytes of a write */
    SOAK_NO_SPACE,    /* ENOSPC at one call */
    SOAK_FAILED_SYNC, /* what was pending is dropped */
    SOAK_NO_MEMORY,
    SOAK_DISK_FULL, /* refusals by a disk that is full */
    SOAK_FAULTS
};

struct soak_totals {
    uint64_t lives;
    uint64_t operations; /* steps of workloads */
    uint64_t cuts;
    uint64_t kills;
    uint64_t recoveries;
    uint64_t interrupted; /* recoveries that a cut or kill ended */
    uint64_t failed_opens;
    uint64_t faults[SOAK_FAULTS];
    uint64_t rotten;  /* worlds in which something had gone bad */
    uint64_t noticed; /* those in which an open or a read said so */
};

/* soak_script.c */

/** A script drawn from a seed. Free with soak_script_free(). */
struct soak_script soak_script_draw(uint64_t seed);
void soak_script_free(struct soak_script *script);
void soak_script_print(const struct soak_script *script, FILE *to);
/** Reads what soak_script_print() wrote, with comments (#) and empty lines; ends the program with a
 * message if that can't be done. */
struct soak_script soak_script_read(const char *path);
/** How a script calls it: "put", "crash". */
const char *soak_kind_name(uint32_t kind);

/* soak_life.c */

/** Lives one life, and adds to the totals. A contract that is not kept ends the program. */
void soak_live(const struct soak_script *script, struct soak_totals *totals);

/* soak_run.c */

/** Lives a life in a process of its own; whether the contract was kept. What was met is added to
 * `totals`, which processes share; if that is NULL, nothing is counted, or told. */
bool soak_is_well(const struct soak_script *script, struct soak_totals *totals);
/** Drops events from a script that fails, as long as it does. */
void soak_shrink(struct soak_script *script);

/* soak_rot.c */

/** What has become of a copy of a world in which something has gone bad. */
void soak_rot(const struct workload *work, struct test_rng *rng, struct soak_totals *totals);

/* soak_hook.c */

/** What a hook was told of a change. */
struct soak_heard {
    armdb_change_kind kind;
    uint32_t shard;
    uint64_t sequence;
    uint32_t key;
    uint32_t value_len;
    uint32_t digest; /* of the value */
};

/** A hook of the default collection. Zeros to begin with. */
struct soak_ear {
    struct contract *contract; /* borrowed */
    struct soak_heard *heard;  /* owned, [count]: since the last look */
    size_t count;
    size_t next[CONTRACT_SHARDS_MAX]; /* so many writes were told, or were of others */
    bool is_met[CONTRACT_KEYS];       /* told of when it was set */
};

/** Sets the hook of a database that was just opened, and checks what it is told of then. */
void soak_ear_open(struct soak_ear *ear, struct contract *contract, struct db *db);
/** Compares what it was told with the writes that were accepted. */
void soak_ear_check(struct soak_ear *ear);
void soak_ear_fini(struct soak_ear *ear);

/* soak_life.c, for soak_rot.c */

/** Ends the boot by a kill, or by a power cut in some mode. */
void soak_end_boot(struct sim *sim, enum contract_end end, struct test_rng *rng);

#endif
