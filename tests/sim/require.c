#include "sim/require.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/seed.h"

#if defined(__SANITIZE_THREAD__)
enum { SLOWNESS = 16 };
#elif defined(__SANITIZE_ADDRESS__)
enum { SLOWNESS = 4 };
#else
enum { SLOWNESS = 1 };
#endif

static char context[512];

void
require_context(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(context, sizeof context, format, arguments);
    va_end(arguments);
}

void
require_fail(const char *file, int line, const char *expression, const char *format, ...)
{
    armdb_error_detail detail;
    va_list arguments;
    armdb_last_error(&detail);
    fprintf(stderr, "%s:%d: REQUIRE(%s) failed: ", file, line, expression);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\n  run: %s\n  newest error record: %s, errno %d, %s %s at %" PRIu64 ": %s\n",
            context, armdb_err_name(detail.code), detail.os_errno, detail.operation, detail.file,
            detail.offset, detail.message);
    fprintf(stderr, "  repeat with ARMDB_SEED=%" PRIu64 "\n", test_seed());
    fflush(stderr);
    _Exit(1);
}

uint64_t
require_rounds(uint64_t plain)
{
    uint64_t rounds = plain * test_scale() / SLOWNESS;
    return rounds > 0 ? rounds : 1;
}

void *
require_memory(void *memory, size_t bytes)
{
    void *grown = realloc(memory, bytes == 0 ? 1 : bytes);
    if (grown == NULL) {
        fprintf(stderr, "out of memory\n");
        _Exit(1);
    }
    return grown;
}
