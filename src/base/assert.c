#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

void
adb_assert_fail(const char *expression, const char *file, int line)
{
    fprintf(stderr, "armdb: assertion failed: %s (%s:%d)\n", expression, file, line);
    abort();
}
