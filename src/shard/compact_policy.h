/*
 * compact_policy.h: which files of a log to compact, from figures alone (docs/compaction.md).
 *
 * Threads: pure.
 */
#ifndef ADB_SHARD_COMPACT_POLICY_H
#define ADB_SHARD_COMPACT_POLICY_H

#include <stdbool.h>
#include <stdint.h>

/** A file of a log. */
struct compact_file {
    uint64_t bytes;           /* of all its records */
    uint64_t dead_bytes;      /* of these, values that no key refers to */
    uint64_t tombstone_bytes; /* and tombstones, needed or not */
    uint64_t group_bytes;     /* and GROUPs, which a copy has none of */
    uint64_t last_sequence;   /* the newest it stands for */
    uint64_t as_of;           /* as in struct data_file */
    bool is_unfit;            /* it can't be copied */
    uint64_t garbage;         /* what compacting it would free; filled here */
};

struct compact_rule {
    uint32_t percent; /* of garbage, from which on something is done, 1..100 */
    uint64_t max_file_bytes;
    /* Not 0: each file with so much garbage is to be compacted, but for those that know of later
     * sequence numbers already (so that it ends). 0: if the whole log has as much. */
    uint64_t thorough_up_to;
    /* Bytes that a copy may have, on a full disk, where no new file is begun either; 0: as many as
     * it needs. */
    uint64_t room;
};

enum compact_what {
    COMPACT_NOTHING,
    COMPACT_RUN, /* `count` files from `first` on */
    COMPACT_SEAL /* go on in a new file, so that the newest can be compacted */
};

struct compact_choice {
    enum compact_what what;
    uint32_t first;
    uint32_t count;
};

/** Whether there can be something to do in the background for a log of so many bytes: most of the
 * time there is not, and this is cheap. `garbage` may be more than there is. */
bool adb_compact_is_worth_looking(uint64_t bytes, uint64_t garbage, uint64_t newest_bytes,
                                  uint32_t n_files, const struct compact_rule *rule);

/**
 * Decides what to do next.
 *
 * @param files  in the order of the log; the last is the newest, which writers fill.
 */
struct compact_choice adb_compact_choose(struct compact_file *files, uint32_t n_files,
                                         const struct compact_rule *rule);

/** How many bytes the copy of `count` files may have, once `garbage` is filled in. */
uint64_t adb_compact_copy_bytes(const struct compact_file *files, uint32_t count);

/** That function, or another one in its place. */
typedef struct compact_choice (*adb_choose_fn)(struct compact_file *files, uint32_t n_files,
                                               const struct compact_rule *rule);

/**
 * Up to which sequence number tombstones are needed no more in a file with `n_older` files before
 * it: those that are newer may hide a value in one of these.
 */
uint64_t adb_compact_tombstone_floor(const struct compact_file *files, uint32_t n_older);

/**
 * How long writers wait for each MiB, ns: not while there is little more garbage than that at
 * which compaction begins, the longer the nearer it comes to a quarter more, and very long beyond.
 */
uint64_t adb_compact_toll_ns(uint64_t bytes, uint64_t garbage, uint32_t percent);

/** Fills `garbage` of each file, and returns the sum. */
uint64_t adb_compact_find_garbage(struct compact_file *files, uint32_t n_files);

#endif
