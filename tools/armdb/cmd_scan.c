/* cmd_scan.c: scan, dump. */
#include <stdio.h>

#include "commands.h"
#include "print.h"
#include "report.h"
#include "session.h"

enum form { FORM_TSV, FORM_JSONL, FORM_KEYS };

struct walk {
    armdb_cursor_options options;
    enum form form;
    bool is_reverse;
    bool with_deadlines;
    uint64_t limit;
};

static void
print_record(enum form form, const armdb_cursor *cursor, uint64_t deadline_ms)
{
    armdb_slice key = armdb_cursor_key(cursor);
    switch (form) {
    case FORM_TSV:
        print_tsv(stdout, key, armdb_cursor_value(cursor), deadline_ms);
        break;
    case FORM_JSONL:
        print_jsonl(stdout, key, armdb_cursor_value(cursor), deadline_ms);
        break;
    case FORM_KEYS:
        print_escaped(stdout, key);
        putchar_unlocked('\n');
        break;
    }
}

static int
walk_cursor(const struct walk *walk, const struct session *session, armdb_cursor *cursor)
{
    armdb_err err = ARMDB_OK;
    uint64_t deadline_ms = 0;
    for (uint64_t i = 0; i < walk->limit && !print_is_broken(); i++) {
        err = walk->is_reverse ? armdb_cursor_prev(cursor) : armdb_cursor_next(cursor);
        if (err != ARMDB_OK)
            break;
        if (walk->with_deadlines)
            err = armdb_deadline(session->collection, armdb_cursor_key(cursor), &deadline_ms);
        if (err == ARMDB_NOT_FOUND)
            continue; /* it has expired in this moment */
        if (err != ARMDB_OK)
            break;
        print_record(walk->form, cursor, deadline_ms);
    }
    bool is_good = err == ARMDB_OK || err == ARMDB_NOT_FOUND || err == ARMDB_END;
    return is_good ? STATUS_DONE : report_library(err, session->path);
}

static int
run_walk(const struct walk *walk, const struct args *args)
{
    struct session session;
    armdb_cursor *cursor;
    int status = session_open_collection(&session, args);
    if (status != STATUS_DONE)
        return status;
    armdb_err err = armdb_cursor_open(session.collection, &walk->options, &cursor);
    if (err == ARMDB_OK) {
        status = walk_cursor(walk, &session, cursor);
        armdb_cursor_close(cursor);
    } else {
        status = report_library(err, session.path);
    }
    return session_close(&session, status);
}

static bool
take_bound(const struct args *args, enum option option, const char *name, armdb_bound_kind kind,
           armdb_bound *bound_out)
{
    if (!args->is_set[option])
        return true;
    bound_out->kind = kind;
    return args_bytes(args, name, args->text[option], &bound_out->key);
}

int
cmd_scan(const struct args *args)
{
    struct walk walk = {.options = ARMDB_CURSOR_OPTIONS_INIT};
    bool has_bound = args->is_set[OPTION_FROM] || args->is_set[OPTION_TO];
    if (args->is_set[OPTION_PREFIX] && has_bound)
        return report(STATUS_USAGE,
                      "--prefix does not go together with --from or --to: choose one");
    if (!take_bound(args, OPTION_FROM, "--from", ARMDB_INCLUDED, &walk.options.from) ||
        !take_bound(args, OPTION_TO, "--to", ARMDB_EXCLUDED, &walk.options.to))
        return STATUS_USAGE;
    if (args->is_set[OPTION_PREFIX] &&
        !args_bytes(args, "--prefix", args->text[OPTION_PREFIX], &walk.options.prefix))
        return STATUS_USAGE;
    walk.options.keys_only = args->is_set[OPTION_KEYS] ? 1 : 0;
    walk.form = args->is_set[OPTION_KEYS] ? FORM_KEYS : FORM_TSV;
    walk.is_reverse = args->is_set[OPTION_REVERSE];
    walk.limit = args->is_set[OPTION_LIMIT] ? args->number[OPTION_LIMIT] : UINT64_MAX;
    return run_walk(&walk, args);
}

int
cmd_dump(const struct args *args)
{
    const struct walk walk = {
        .options = ARMDB_CURSOR_OPTIONS_INIT,
        .form = args->number[OPTION_FORMAT] == FORMAT_JSONL ? FORM_JSONL : FORM_TSV,
        .with_deadlines = true,
        .limit = UINT64_MAX,
    };
    return run_walk(&walk, args);
}
