/*
 * session.h: the database that a subcommand works on. Whatever goes wrong here has been reported
 * when it returns; statuses are those of report.h.
 */
#ifndef SESSION_H
#define SESSION_H

#include "args.h"
#include "armdb/armdb.h"

struct session {
    const char *path;             /* borrowed */
    armdb_db *db;                 /* owned; NULL: not open */
    armdb_collection *collection; /* belongs to db; NULL: none is open */
};

/** Opens the database DIR (the first positional) with `options`. End it with session_close(). */
int session_open(struct session *session, const struct args *args, const armdb_options *options);

/** Opens DIR, which must be there, and the collection that is named. */
int session_open_collection(struct session *session, const struct args *args);

/** Opens DIR and the collection that is named, creating either if it is not there. */
int session_make_collection(struct session *session, const struct args *args);

/** Closes the database. Returns `status`, or if that is STATUS_DONE, how the closing went. */
int session_close(struct session *session, int status);

/** Reports that a key is not there; returns STATUS_NOT_THERE. */
int session_report_no_key(const struct args *args, armdb_slice key);

#endif
