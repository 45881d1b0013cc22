/*
 * os_sim.h: an operating system in memory, that can lose power.
 *
 * Implements os/os.h with files and directories in memory, a clock that only tests move, and
 * randomness from a seed. It knows what is durable and what is not yet, and can kill the process,
 * cut the power, run full, and make the n-th operation fail. Everything follows from the seeds.
 *
 * The model:
 *  1. A file has its durable content and a list of later writes and truncations. sync makes them
 *     durable, not the file's name. A directory has its durable entries and a list of later
 *     changes; sync_dir makes them durable. Each file and each directory goes its own way.
 *  2. A power cut keeps of each list what its mode says (enum sim_cut), by the seed.
 *  3. A failed sync is like Linux's: a seeded part of what was pending becomes durable, the rest
 *     never will; reads still show it until the power is cut; the next sync succeeds.
 *  4. A running instance of the engine belongs to one boot: the struct adb_os that sim_os() gave
 *     it. sim_kill() and sim_power_cut() end the boot: through the old struct adb_os and its files
 *     every operation fails with EIO and does nothing (close frees its handle all the same), so
 *     that the old instance can still be closed to free its memory. Call sim_os() anew to go on.
 *  5. Space is counted in blocks of 4 KiB that a file has written or allocated. A write that runs
 *     out of it is done in part; so is an allocation. Names take no space. A file ends at 1 GiB.
 *  6. What is stored into a mapped file counts as written: with the system when the process is
 *     killed, not durable when the power is cut (but for what it has written back by itself: all
 *     there is at each sync of anything may be).
 *  7. rename works inside one directory; across directories it fails with EXDEV, because the model
 *     of 1 could not keep it atomic.
 *
 * Paths start at the root directory, which always exists; "/a/b" and "a/b" are the same.
 *
 * Threads: one mutex guards a simulator, so its operations may come from any thread. Clones share
 * nothing that is not synchronised.
 */
#ifndef TEST_SUPPORT_OS_SIM_H
#define TEST_SUPPORT_OS_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "os/os.h"

struct sim;

/** The operations that are counted and can fail. */
enum sim_op {
    SIM_OP_OPEN, /* of a file that must exist */
    SIM_OP_CREATE,
    SIM_OP_CLOSE,
    SIM_OP_READ,
    SIM_OP_WRITE,
    SIM_OP_SYNC,
    SIM_OP_SIZE,
    SIM_OP_TRUNCATE,
    SIM_OP_ALLOCATE,
    SIM_OP_LOCK,
    SIM_OP_RENAME,
    SIM_OP_LINK,
    SIM_OP_UNLINK,
    SIM_OP_MKDIR,
    SIM_OP_SYNC_DIR,
    SIM_OP_LIST,
    SIM_OP_ENTROPY,
    SIM_OP_COUNT
};

/* Sets of operations, for faults and counters. */
#define SIM_BIT(op) (UINT32_C(1) << (op))
#define SIM_READS (SIM_BIT(SIM_OP_READ) | SIM_BIT(SIM_OP_SIZE) | SIM_BIT(SIM_OP_LIST))
#define SIM_WRITES SIM_BIT(SIM_OP_WRITE)
#define SIM_SYNCS (SIM_BIT(SIM_OP_SYNC) | SIM_BIT(SIM_OP_SYNC_DIR))
#define SIM_OPENS (SIM_BIT(SIM_OP_OPEN) | SIM_BIT(SIM_OP_CREATE))
#define SIM_METADATA                                                                               \
    (SIM_BIT(SIM_OP_TRUNCATE) | SIM_BIT(SIM_OP_ALLOCATE) | SIM_BIT(SIM_OP_RENAME) |                \
     SIM_BIT(SIM_OP_LINK) | SIM_BIT(SIM_OP_UNLINK) | SIM_BIT(SIM_OP_MKDIR))
#define SIM_ALL (SIM_BIT(SIM_OP_COUNT) - 1)
/** All that change the disk or its durable part: where a cut makes a difference. */
#define SIM_CHANGES (SIM_WRITES | SIM_SYNCS | SIM_METADATA | SIM_BIT(SIM_OP_CREATE))

/** What a power cut leaves of the changes that were not durable. */
enum sim_cut {
    SIM_CUT_ANY,     /* all lost, all kept, or each file in a mode of its own, by the seed */
    SIM_CUT_LOSE,    /* nothing */
    SIM_CUT_PREFIX,  /* the first ones; the last write among them torn at a sector boundary */
    SIM_CUT_SECTORS, /* each sector as it was after some write, independently of the others (so
                        later data may be there and earlier data not); the size anywhere between
                        the durable one and the last. Truncations: a prefix of them */
    SIM_CUT_KEEP     /* everything */
};

enum sim_fault_kind {
    SIM_FAULT_ERROR,       /* fails with os_errno and has no effect; a sync as SIM_FAULT_SYNC */
    SIM_FAULT_SHORT_WRITE, /* writes only: some bytes are written, perhaps more than reported */
    SIM_FAULT_NO_SPACE,    /* ENOSPC where that can be; of a write, some bytes may be written */
    SIM_FAULT_SYNC,        /* syncs only: see 3. above */
    SIM_FAULT_READ,        /* reads only */
    SIM_FAULT_CUT          /* from here on the machine is off: everything fails with EIO and has no
                              effect, until sim_power_cut() */
};

/** What shall go wrong, and when. */
struct sim_fault {
    enum sim_fault_kind kind;
    uint64_t fail_at;   /* the n-th operation from now that `ops` and the kind allow; 1 = next */
    uint32_t ops;       /* SIM_* sets; 0 = all */
    bool is_persistent; /* all later ones fail too, until sim_clear_fault() */
    int os_errno;       /* errno to fail with; 0 = EIO, or ENOSPC for SIM_FAULT_NO_SPACE */
    uint64_t seed;      /* decides how much of a write or sync comes through */
};

/* Life. */

/** An empty disk without limit. Free with sim_free(). */
struct sim *sim_new(uint64_t seed);
/** After this no handle may be used, nor closed. NULL is allowed. */
void sim_free(struct sim *sim);
/** The operating system of the current boot; borrowed, valid until sim_free(). */
struct adb_os *sim_os(struct sim *sim);
/**
 * An independent copy of disk, clock, settings and randomness, without the open files, locks and
 * faults: as if the process had just been killed. Cheap: content is shared until it is written.
 * Free with sim_free().
 */
struct sim *sim_clone(struct sim *sim);

/* Settings. */

void sim_advance_ns(struct sim *sim, uint64_t ns);
/** Sets the time of day, back or forth; it goes on with sim_advance_ns(). */
void sim_set_wall_ms(struct sim *sim, uint64_t wall_ms);
/** Bytes that files may take; UINT64_MAX, the default, for no limit. May fall below what is used:
 * then nothing more can be added. */
void sim_set_capacity(struct sim *sim, uint64_t bytes);
uint64_t sim_used_bytes(struct sim *sim);
/** The unit in which a cut tears and reorders writes: 512, the default, or 4096. */
void sim_set_sector_bytes(struct sim *sim, uint32_t bytes);
/** Whether files can be mapped; false if not set. */
void sim_set_can_map(struct sim *sim, bool can_map);
/** 2 if not set. For the current and later boots. */
void sim_set_cpu_count(struct sim *sim, uint32_t count);
/** Writes a line for each operation to `to` (borrowed); NULL ends it. */
void sim_set_trace(struct sim *sim, FILE *to);

/* Events. */

/** The process dies: all written data stays, locks are released, the boot ends. Faults stay. */
void sim_kill(struct sim *sim);
/** The power goes and comes back: only what was durable is sure to stay. The boot ends; a fault
 * that was set is cleared. */
void sim_power_cut(struct sim *sim, uint64_t seed);
void sim_power_cut_as(struct sim *sim, enum sim_cut mode, uint64_t seed);
/** Makes everything durable, as if the system had written it back in time; what a failed sync has
 * dropped stays lost. */
void sim_sync_all(struct sim *sim);

/* Faults and counters. */

/** Replaces the fault that was set before, if any. */
void sim_set_fault(struct sim *sim, const struct sim_fault *fault);
void sim_clear_fault(struct sim *sim);
/** Whether SIM_FAULT_CUT has struck: stores into mappings have no effect any more either. */
bool sim_is_off(struct sim *sim);
/** Whether the fault set last has happened; stays true after it is cleared, until the next. */
bool sim_fault_fired(struct sim *sim);
/** Operations of the set `ops` since sim_new(), in all boots; those of ended boots, or while the
 * machine is off, are not counted. */
uint64_t sim_op_count(struct sim *sim, uint32_t ops);
/** Handles of the current boot that are not closed. */
size_t sim_open_count(struct sim *sim);

/*
 * Looking at and changing the disk from outside: not counted, never fail for faults or space. What
 * is done durably takes along all pending changes of the same file, and of names in the same
 * directory.
 */

/** Makes a directory and its parents, durably; nothing happens if it is there. */
void sim_make_dir(struct sim *sim, const char *path);
/** Writes a whole file, durably with its name; replaces one that exists, keeping its identity. */
void sim_write_file(struct sim *sim, const char *path, const void *data, size_t bytes);
/** A copy of what a reader would see, to be freed with free(); NULL if there is no such file. One
 * zero byte follows the content. */
char *sim_read_file(struct sim *sim, const char *path, size_t *bytes_out);
bool sim_file_exists(struct sim *sim, const char *path);
/** 0 also if there is no such file. */
uint64_t sim_file_size(struct sim *sim, const char *path);
/** Cuts or extends a file, durably. */
void sim_truncate_file(struct sim *sim, const char *path, uint64_t bytes);
/** Removes a file, durably. */
void sim_remove_file(struct sim *sim, const char *path);
/** Bit rot: changes one byte, for readers and on the device. Asserts that it exists. */
void sim_corrupt(struct sim *sim, const char *path, uint64_t offset, uint8_t xor_byte);
/**
 * The names in a directory, sorted, those of directories with a "/" behind; 0 if there is no such
 * directory. *names_out is one block, to be freed with free(); never NULL.
 */
size_t sim_list(struct sim *sim, const char *path, char ***names_out);
/** A number that is equal for equal trees of names and contents, as readers see them. */
uint64_t sim_digest(struct sim *sim);

#endif
