/*
 * example.h: what every example needs and none is about: what to do when something fails.
 */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include <armdb/armdb.h>
#include <stdio.h>
#include <stdlib.h>

/** Ends the program, and says why, unless `err` is ARMDB_OK. */
static inline void
check(armdb_err err)
{
    armdb_error_detail why;
    if (err == ARMDB_OK)
        return;
    armdb_last_error(&why);
    fprintf(stderr, "%s: %s\n", armdb_strerror(err), why.message);
    exit(1);
}

#endif
