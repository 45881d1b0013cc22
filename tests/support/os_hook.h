/*
 * os_hook.h: an operating system in front of another one, that tells a test of each call.
 *
 * The test may look (which file was synced, and when), refuse (a read-only file system), or stop a
 * thread in the middle of a call until another one has come to a certain point. Everything else is
 * passed on.
 *
 * Threads: hooks are called in the thread that makes the call.
 */
#ifndef TEST_SUPPORT_OS_HOOK_H
#define TEST_SUPPORT_OS_HOOK_H

#include "support/os_sim.h"

/** A call that is about to be made, or has been. */
struct os_call {
    enum sim_op op;
    enum adb_open_how how; /* of SIM_OP_OPEN and SIM_OP_CREATE */
    const char *path;      /* of the file or directory */
    uint64_t offset;       /* of reads and writes */
};

struct os_hook {
    struct adb_os base;   /* what the engine is given */
    struct adb_os *inner; /* borrowed */
    /* Before the call; anything but ARMDB_OK refuses it (the hook has raised it). May be NULL. */
    armdb_err (*before)(void *context, const struct os_call *call);
    /* After the call, with its result; returns the result that the caller gets. May be NULL. */
    armdb_err (*after)(void *context, const struct os_call *call, armdb_err err);
    void *context;
};

/** Fills `hook`, without hooks, in front of `inner`; has_threads says what the engine sees. */
void os_hook_init(struct os_hook *hook, struct adb_os *inner, bool has_threads);

#endif
