/*
 * report.h: what the command says when it could not do its work, and its exit status.
 *
 * Each error is one line on standard error that says what, where and what to do. Bytes in it that
 * would break the line, or the terminal, are escaped.
 */
#ifndef REPORT_H
#define REPORT_H

#include "armdb/error.h"

enum status {
    STATUS_DONE = 0,
    STATUS_NOT_THERE = 1, /* key, collection, database or input file */
    STATUS_USAGE = 2,     /* arguments, input or settings that cannot be */
    STATUS_DAMAGE = 3,
    STATUS_IO = 4, /* input/output, no space, no memory, no right to write */
    STATUS_LOCKED = 5,
    STATUS_CHANGED = 6 /* the key has another value than the expected one */
};

/** The subcommand that later lines name; a static string. NULL: none. */
void report_set_command(const char *name);

/** Prints "armdb: COMMAND: TEXT"; returns `status`. */
int report(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** The exit status of an error of the library. */
int report_status_of(armdb_err err);

/** What to do about an error of the library: a clause without a full stop. */
const char *report_advice(armdb_err err);

/**
 * Prints an error of the library, with the detail record of this thread.
 *
 * @param where  named if the record names no file: the database's directory.
 *
 * Returns: its exit status.
 */
int report_library(armdb_err err, const char *where);

/** Likewise with a record that was copied when the error happened, and with more to say. */
int report_detail(const armdb_error_detail *detail, const char *where, const char *more);

#endif
