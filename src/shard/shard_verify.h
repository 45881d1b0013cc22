/*
 * shard_verify.h: checking a shard that is being used (docs/verify.md). Threads: one for a check.
 */
#ifndef ADB_SHARD_SHARD_VERIFY_H
#define ADB_SHARD_SHARD_VERIFY_H

#include "shard/shard_check.h"

/** A piece of damage, or a contradiction. */
struct shard_finding {
    const armdb_error_detail *detail; /* what and where; borrowed for the call */
    uint32_t collection_id;           /* UINT32_MAX: of none, or not known */
    armdb_slice key;                  /* borrowed for the call; empty: of none, or not known */
};

typedef void (*adb_shard_finding_fn)(void *context, uint32_t shard,
                                     const struct shard_finding *finding);

/** How to check; outlives the check. */
struct shard_verify_how {
    adb_find_index_fn find; /* as for adb_shard_open(), but of collections that are live now */
    void *context;
    adb_shard_finding_fn on_finding; /* called with no lock held */
    void *finding_context;
};

/** A check of a shard that is open. Its files stay in place as long as there is one. */
struct shard_verify;

/*
 * A check goes so: begin; log; then entry for each key of the shard that is in an index; account;
 * sums; and if that says so, entry for each key once more; end. Writers and compaction go on
 * meanwhile. No collection must be in the middle of being dropped during begin and account.
 */

/**
 * @param check       added to.
 * @param verify_out  end it with adb_shard_verify_end().
 *
 * Returns:  ARMDB_OK; ARMDB_NO_MEMORY.
 */
ADB_MUST_USE armdb_err adb_shard_verify_begin(struct shard *shard,
                                              const struct shard_verify_how *how,
                                              struct shard_check *check,
                                              struct shard_verify **verify_out);

/** Reads all records that were with the system at the beginning, and looks their keys up. Returns
 * ARMDB_OK, damage or not; ARMDB_IO, ARMDB_NO_MEMORY. */
ADB_MUST_USE armdb_err adb_shard_verify_log(struct shard_verify *verify);

/** What an index has. */
struct shard_verify_entry {
    uint32_t collection_id;
    armdb_slice key;
    uint64_t location; /* since the check began */
};

/** Takes an entry. Inside an RCU scope or not. Returns as adb_shard_verify_log(). */
ADB_MUST_USE armdb_err adb_shard_verify_entry(struct shard_verify *verify,
                                              const struct shard_verify_entry *entry);

/** Takes the accounts. */
void adb_shard_verify_account(struct shard_verify *verify);

/** Compares the sums of log, index and accounts. Returns whether entries are wanted once more. */
bool adb_shard_verify_sums(struct shard_verify *verify);

/** NULL is allowed. */
void adb_shard_verify_end(struct shard_verify *verify);

#endif
