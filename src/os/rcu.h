/*
 * rcu.h: read-copy-update, from liburcu's bulletproof flavour (threads register themselves).
 *
 * A reader's scope (enter .. leave) keeps alive whatever it reaches from a published pointer: data
 * files, dropped indexes. Whoever unpublished such a thing calls adb_rcu_wait() before freeing or
 * reusing it, outside any scope of its own. Scopes nest; keep them short.
 *
 * ThreadSanitizer does not know liburcu's barriers, so under it the end of each scope and the
 * return of adb_rcu_wait() are told to it: everything done inside scopes that ended happens before
 * what follows the wait, which is exactly what RCU promises.
 */
#ifndef ADB_OS_RCU_H
#define ADB_OS_RCU_H

/** Once in a process, before anything else: keeps a forked child from waiting for threads that
 * exist only in its parent. */
void adb_rcu_init(void);

void adb_rcu_enter(void);
void adb_rcu_leave(void);

/** Waits until every scope that was open when it was called has ended. Not from inside a scope. */
void adb_rcu_wait(void);

#endif
