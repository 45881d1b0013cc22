#include "session.h"

#include "report.h"

/* The key of an error message is cut here. */
enum { KEY_SHOWN_MAX = 64 };

int
session_open(struct session *session, const struct args *args, const armdb_options *options)
{
    armdb_options quiet = *options;
    *session = (struct session){.path = args->positionals[0]};
    /* A command does what it is asked to, and does not begin what it will not end. */
    quiet.compaction_percent = ARMDB_NEVER;
    armdb_err err = armdb_open(session->path, &quiet, &session->db);
    if (err == ARMDB_EXISTS)
        return report(STATUS_USAGE,
                      "%s: there is a database already: drop the options to use it, "
                      "or choose another directory",
                      session->path);
    return err == ARMDB_OK ? STATUS_DONE : report_library(err, session->path);
}

/* Whatever its keys and values mean to the program that made them. */
static armdb_err
open_collection(struct session *session, const char *name)
{
    armdb_collection_options options = ARMDB_COLLECTION_OPTIONS_INIT;
    options.schema_version = ARMDB_SCHEMA_ANY;
    return armdb_collection_open(session->db, name, &options, &session->collection);
}

int
session_open_collection(struct session *session, const struct args *args)
{
    armdb_options options = ARMDB_OPTIONS_INIT;
    options.open_mode = ARMDB_OPEN_EXISTING;
    int status = session_open(session, args, &options);
    if (status != STATUS_DONE)
        return status;
    armdb_err err = open_collection(session, args_collection(args));
    if (err == ARMDB_OK)
        return STATUS_DONE;
    return session_close(session, report_library(err, session->path));
}

int
session_make_collection(struct session *session, const struct args *args)
{
    const char *name = args_collection(args);
    const armdb_options options = ARMDB_OPTIONS_INIT;
    int status = session_open(session, args, &options);
    if (status != STATUS_DONE)
        return status;
    armdb_err err = open_collection(session, name);
    if (err == ARMDB_NO_COLLECTION)
        err = armdb_collection_create(session->db, name, NULL, &session->collection);
    if (err == ARMDB_OK)
        return STATUS_DONE;
    return session_close(session, report_library(err, session->path));
}

int
session_close(struct session *session, int status)
{
    armdb_err err = armdb_close(session->db);
    session->db = NULL;
    session->collection = NULL;
    if (err == ARMDB_OK || status != STATUS_DONE)
        return status;
    return report_library(err, session->path);
}

int
session_report_no_key(const struct args *args, armdb_slice key)
{
    int len = (int)(key.len < KEY_SHOWN_MAX ? key.len : KEY_SHOWN_MAX);
    return report(STATUS_NOT_THERE,
                  "%s: no key \"%.*s%s\" in collection \"%s\" (armdb scan --keys lists those there "
                  "are)",
                  args->positionals[0], len, (const char *)key.data,
                  key.len > KEY_SHOWN_MAX ? "..." : "", args_collection(args));
}
