/* engine.h: which engines there are, and the pieces that their adapters share. */
#ifndef BENCH_ENGINE_H
#define BENCH_ENGINE_H

#include "bench.h"

/* One adapter file each. */
extern const struct bench_engine bench_armdb;
extern const struct bench_engine bench_armdb_map;
extern const struct bench_engine bench_armdb_const;
extern const struct bench_engine bench_armdb_object;
extern const struct bench_engine bench_armdb_idle;   /* for curve.c only: not in the list */
extern const struct bench_engine bench_armdb_direct; /* for cold.c only: likewise */
extern const struct bench_engine bench_lmdb;
extern const struct bench_engine bench_lmdb_writemap;
extern const struct bench_engine bench_leveldb;
extern const struct bench_engine bench_rocksdb;
extern const struct bench_engine bench_rocksdb_nolog;
extern const struct bench_engine bench_tkrzw_hash;
extern const struct bench_engine bench_tkrzw_tree;
extern const struct bench_engine bench_raw_loop;
extern const struct bench_engine bench_raw_group;

/** Adds the engines of a shared library (bench/rust/ makes one) to the list below. Returns false,
 * having said why, if it cannot be loaded. */
bool bench_engines_add(const char *library);

/** All engines that were built or added, in the order of the report. */
const struct bench_engine *const *bench_engines(size_t *count_out);

/** The engine called `name`, or NULL. */
const struct bench_engine *bench_engine_find(const char *name);

/** Names of engines that were not built because their library is not installed, one line each with
 * the Debian package; NULL at the end. */
const char *const *bench_engines_skipped(void);

/** Memory of the benchmark itself, zeroed; free() gives it back. */
void *bench_new(size_t bytes);

#endif
