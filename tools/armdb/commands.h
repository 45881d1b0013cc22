/*
 * commands.h: the subcommands. Each does its work, reports what goes wrong, and returns its exit
 * status (report.h); standard output is flushed by the caller.
 */
#ifndef COMMANDS_H
#define COMMANDS_H

#include "args.h"

int cmd_create(const struct args *args);
int cmd_put(const struct args *args);
int cmd_get(const struct args *args);
int cmd_ttl(const struct args *args);
int cmd_del(const struct args *args);
int cmd_cas(const struct args *args);
int cmd_incr(const struct args *args);
int cmd_scan(const struct args *args);
int cmd_load(const struct args *args);
int cmd_dump(const struct args *args);
int cmd_stat(const struct args *args);
int cmd_verify(const struct args *args);
int cmd_compact(const struct args *args);
int cmd_backup(const struct args *args);
int cmd_repair(const struct args *args);
int cmd_time(const struct args *args);
int cmd_collections(const struct args *args);
int cmd_drop(const struct args *args);

#endif
