/*
 * workload_private.h: what the files of the workload share.
 */
#ifndef TEST_SIM_WORKLOAD_PRIVATE_H
#define TEST_SIM_WORKLOAD_PRIVATE_H

#include "sim/workload.h"

enum { WORK_VALUE_MAX = 600 * 1024 };

/** Passes on an error that may come; any other ends the test. */
armdb_err workload_tolerate(const struct workload *work, const char *what, armdb_err err);
/** The place of a collection that is there. */
uint32_t workload_draw_collection(struct workload *work);

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
