/*
 * workload_private.h: what the files of the workload share.
 */
#ifndef TEST_SIM_WORKLOAD_PRIVATE_H
#define TEST_SIM_WORKLOAD_PRIVATE_H

#include "sim/workload.h"

enum { WORK_VALUE_MAX = 600 * 1024 };

_Static_assert(CONTRACT_COLLECTIONS_MAX <= 64, "a set of collections is a word");

/** Passes on an error that may come; any other ends the test. */
armdb_err workload_tolerate(const struct workload *work, const char *what, armdb_err err);
/** The place of a collection that is there. */
uint32_t workload_draw_collection(struct workload *work);

uint32_t workload_draw_value_len(struct workload *work);
/** A deadline: one that will pass soon, if the plan has such, or never. */
uint64_t workload_draw_deadline(struct workload *work, uint32_t stamp);
/** What a level comes to that may be the default. */
armdb_durability workload_settle_level(const struct workload *work, armdb_durability level);
/** Whether a synced write that was taken failed because what its sync takes along found no space:
 * then all goes on, and nothing is promised. */
bool workload_note_unsynced(struct workload *work, armdb_err err, armdb_durability level);
armdb_shard_info workload_shard_info(const struct workload *work, uint32_t shard);
/** The bit of a collection of which a drop has failed, else 0. */
uint64_t workload_unsure(const struct workload *work, uint32_t place);
/** A synced write keeps collections of which a drop had failed. */
void workload_settle_drops(struct workload *work, uint64_t unsure);
/** Remembers a ticket, in place of the oldest one if there are many. */
void workload_keep_ticket(struct workload *work, const struct work_ticket *held);
bool workload_is_no_ticket(const armdb_ticket *ticket);

/* workload_batch.c */

/** One step: a batch. */
armdb_err workload_batch(struct workload *work);

/* workload_cas.c */

/** A compare and swap of what is planned; it may become a removal. *is_refused_out: the key had
 * something else, and that is right. */
armdb_err workload_cas(struct workload *work, armdb_slice key, struct contract_write *write,
                       armdb_write_options *options, bool *is_refused_out);

/** The same for an update, which may also leave the key as it is. */
armdb_err workload_update(struct workload *work, armdb_slice key, struct contract_write *write,
                          const armdb_write_options *options, bool *is_refused_out);

/* workload_read.c: one step each. */
armdb_err workload_get(struct workload *work, enum work_kind kind);
armdb_err workload_multi_get(struct workload *work);
armdb_err workload_scan(struct workload *work);

#endif
