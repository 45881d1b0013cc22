/* operations.h: the operations of the workloads, each one call or two of the engine. */
#ifndef BENCH_OPERATIONS_H
#define BENCH_OPERATIONS_H

#include "workload.h"

bool bench_op_fill(struct bench_worker *worker);
bool bench_op_put_ticket(struct bench_worker *worker);
bool bench_op_overwrite_uniform(struct bench_worker *worker);
bool bench_op_overwrite_zipf(struct bench_worker *worker);
bool bench_op_get_uniform(struct bench_worker *worker);
bool bench_op_get_zipf(struct bench_worker *worker);
bool bench_op_get_missing(struct bench_worker *worker);
bool bench_op_multi_get(struct bench_worker *worker);
bool bench_op_scan(struct bench_worker *worker);
bool bench_op_scan_keys(struct bench_worker *worker);
bool bench_op_scan_back(struct bench_worker *worker);
bool bench_op_prefix_scan(struct bench_worker *worker);
bool bench_op_delete(struct bench_worker *worker);
bool bench_op_rmw(struct bench_worker *worker);
bool bench_op_cas(struct bench_worker *worker);
bool bench_op_add(struct bench_worker *worker);
bool bench_op_batch(struct bench_worker *worker);
bool bench_op_fill_batch(struct bench_worker *worker);
bool bench_op_ycsb_a(struct bench_worker *worker);
bool bench_op_ycsb_b(struct bench_worker *worker);
bool bench_op_ycsb_c(struct bench_worker *worker);
bool bench_op_ycsb_d(struct bench_worker *worker);
bool bench_op_ycsb_e(struct bench_worker *worker);
bool bench_op_ycsb_f(struct bench_worker *worker);

#endif
