/* cmd_key.c: put, get, ttl, del. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "line_reader.h"
#include "print.h"
#include "report.h"
#include "session.h"

static int
store(const struct args *args, armdb_slice key, armdb_slice value)
{
    struct session session;
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    if (args->is_set[OPTION_TTL] && args->is_set[OPTION_EXPIRES_AT])
        return report(STATUS_USAGE, "--ttl and --expires-at are both given: leave one out");
    options.durability = args_durability(args, ARMDB_SYNCED);
    options.ttl_ms = args->number[OPTION_TTL];
    options.expires_at_ms = args->number[OPTION_EXPIRES_AT];
    int status = session_make_collection(&session, args);
    if (status != STATUS_DONE)
        return status;
    armdb_err err = armdb_put(session.collection, key, value, &options);
    if (err != ARMDB_OK)
        status = report_library(err, session.path);
    return session_close(&session, status);
}

/* The value is read before the database is opened: whoever types it does not keep others out. */
static int
store_input(const struct args *args, armdb_slice key)
{
    char text[96];
    unsigned char *data;
    size_t len;
    switch (line_read_all(STDIN_FILENO, ARMDB_VALUE_MAX, &data, &len)) {
    case LINE_OK:
        break;
    case LINE_TOO_LONG:
        return report(STATUS_USAGE,
                      "standard input: over %u bytes, the longest value: store it in "
                      "pieces",
                      ARMDB_VALUE_MAX);
    case LINE_NO_MEMORY:
        return report(STATUS_IO, "standard input: no memory for so long a value");
    case LINE_FAILED:
    case LINE_END:
        return report(STATUS_IO, "standard input: %s (nothing was stored)",
                      strerror_r(errno, text, sizeof text));
    }
    int status = store(args, key, (armdb_slice){data, len});
    free(data);
    return status;
}

int
cmd_put(const struct args *args)
{
    armdb_slice key;
    armdb_slice value;
    if (!args_bytes(args, "KEY", args->positionals[1], &key))
        return STATUS_USAGE;
    if (strcmp(args->positionals[2], "-") == 0)
        return store_input(args, key);
    if (!args_bytes(args, "VALUE", args->positionals[2], &value))
        return STATUS_USAGE;
    return store(args, key, value);
}

int
cmd_get(const struct args *args)
{
    struct session session;
    armdb_slice key;
    armdb_value value;
    if (!args_bytes(args, "KEY", args->positionals[1], &key))
        return STATUS_USAGE;
    int status = session_open_collection(&session, args);
    if (status != STATUS_DONE)
        return status;
    armdb_err err = armdb_get_value(session.collection, key, &value);
    if (err == ARMDB_NOT_FOUND) {
        status = session_report_no_key(args, key);
    } else if (err != ARMDB_OK) {
        status = report_library(err, session.path);
    } else {
        armdb_slice bytes = armdb_value_bytes(&value);
        if (args->is_set[OPTION_RAW]) {
            fwrite(bytes.data, 1, bytes.len, stdout);
        } else {
            print_escaped(stdout, bytes);
            putchar('\n');
        }
        armdb_value_release(&value);
    }
    return session_close(&session, status);
}

static void
print_time_left(uint64_t deadline_ms)
{
    struct timespec now;
    if (deadline_ms == 0) {
        puts("none");
        return;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    printf("%" PRIu64 "ms\n", deadline_ms > now_ms ? deadline_ms - now_ms : 0);
}

int
cmd_ttl(const struct args *args)
{
    struct session session;
    armdb_slice key;
    uint64_t deadline_ms;
    if (!args_bytes(args, "KEY", args->positionals[1], &key))
        return STATUS_USAGE;
    int status = session_open_collection(&session, args);
    if (status != STATUS_DONE)
        return status;
    armdb_err err = armdb_deadline(session.collection, key, &deadline_ms);
    if (err == ARMDB_NOT_FOUND)
        status = session_report_no_key(args, key);
    else if (err != ARMDB_OK)
        status = report_library(err, session.path);
    else
        print_time_left(deadline_ms);
    return session_close(&session, status);
}

int
cmd_del(const struct args *args)
{
    struct session session;
    armdb_slice key;
    if (!args_bytes(args, "KEY", args->positionals[1], &key))
        return STATUS_USAGE;
    int status = session_open_collection(&session, args);
    if (status != STATUS_DONE)
        return status;
    armdb_err err = armdb_delete(session.collection, key, NULL);
    if (err == ARMDB_NOT_FOUND)
        status = session_report_no_key(args, key);
    else if (err != ARMDB_OK)
        status = report_library(err, session.path);
    return session_close(&session, status);
}
