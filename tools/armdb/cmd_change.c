/* cmd_change.c: cas, incr: changing a key by what it has. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "commands.h"
#include "report.h"
#include "session.h"

/* Options of a write at the level that is asked for. */
static armdb_write_options
write_options(const struct args *args)
{
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    options.durability = args_durability(args, ARMDB_SYNCED);
    options.ttl_ms = args->number[OPTION_TTL];
    return options;
}

/* What the words behind KEY say. */
static bool
take_values(const struct args *args, armdb_slice *expected_out, armdb_slice *desired_out)
{
    const bool is_new = args->is_set[OPTION_ABSENT];
    const bool is_deleted = args->is_set[OPTION_DELETE];
    const int n_values = args->n_positionals - 2;
    *expected_out = *desired_out = armdb_absent();
    if (is_new && is_deleted) {
        (void)report(STATUS_USAGE, "--absent and --delete are both given: leave one out");
        return false;
    }
    if (n_values != (is_new || is_deleted ? 1 : 2)) {
        (void)report(STATUS_USAGE,
                     "%d values are given: allowed are EXPECTED and VALUE, or one of "
                     "them and --delete or --absent",
                     n_values);
        return false;
    }
    if (!is_new && !args_bytes(args, "EXPECTED", args->positionals[2], expected_out))
        return false;
    return is_deleted || args_bytes(args, "VALUE", args->positionals[n_values + 1], desired_out);
}

int
cmd_cas(const struct args *args)
{
    struct session session;
    armdb_slice key, expected, desired;
    const armdb_write_options options = write_options(args);
    if (!args_bytes(args, "KEY", args->positionals[1], &key) ||
        !take_values(args, &expected, &desired))
        return STATUS_USAGE;
    int status = session_open_collection(&session, args);
    if (status != STATUS_DONE)
        return status;
    armdb_err err = armdb_cas(session.collection, key, expected, desired, &options, NULL);
    if (err == ARMDB_NOT_FOUND)
        status = session_report_no_key(args, key);
    else if (err == ARMDB_CHANGED)
        status = report(STATUS_CHANGED,
                        "%s: the key has another value than that (armdb get "
                        "prints it)",
                        session.path);
    else if (err != ARMDB_OK)
        status = report_library(err, session.path);
    return session_close(&session, status);
}

int
cmd_incr(const struct args *args)
{
    struct session session;
    armdb_slice key;
    int64_t sum, delta = 1;
    char *end = "";
    const armdb_write_options options = write_options(args);
    if (!args_bytes(args, "KEY", args->positionals[1], &key))
        return STATUS_USAGE;
    if (args->n_positionals > 2) {
        errno = 0;
        delta = strtoll(args->positionals[2], &end, 10);
        if (errno != 0 || end == args->positionals[2] || *end != '\0')
            return report(STATUS_USAGE,
                          "DELTA is '%s', allowed are whole numbers %" PRId64 "..%" PRId64,
                          args->positionals[2], INT64_MIN, INT64_MAX);
    }
    int status = session_open_collection(&session, args);
    if (status != STATUS_DONE)
        return status;
    armdb_err err = armdb_add(session.collection, key, delta, &options, &sum);
    if (err != ARMDB_OK)
        status = report_library(err, session.path);
    else
        printf("%" PRId64 "\n", sum);
    return session_close(&session, status);
}
