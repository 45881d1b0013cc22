#include "log/deadlines.h"

#include <stddef.h>

#include "log/log_format.h"

enum { UNIT_BITS = 14, SPANS_OF_AN_OCTAVE = 4 }; /* the first spans are of 2^14 ms each */

#define WAIT_MS UINT64_C(60000) /* of a file of which everything has expired */

/* The span that a moment belongs to. */
static uint32_t
span_of(const struct deadlines *deadlines, uint64_t moment_ms)
{
    if (moment_ms <= deadlines->since_ms)
        return 0;
    uint64_t units = (moment_ms - deadlines->since_ms) >> UNIT_BITS;
    if (units < SPANS_OF_AN_OCTAVE)
        return (uint32_t)units;
    uint32_t octave = 63 - (uint32_t)__builtin_clzll(units); /* 2 or more */
    uint32_t span = SPANS_OF_AN_OCTAVE * (octave - 2) + (uint32_t)(units >> (octave - 2));
    return span < DEADLINE_SPANS ? span : DEADLINE_SPANS - 1;
}

static void
add_units(uint32_t *span, uint64_t units)
{
    *span = units < UINT32_MAX - *span ? *span + (uint32_t)units : UINT32_MAX;
}

void
adb_deadlines_count(struct deadlines *deadlines, uint64_t now_ms, uint64_t deadline_ms,
                    uint64_t bytes)
{
    if (deadlines->since_ms == 0)
        deadlines->since_ms = now_ms;
    add_units(&deadlines->spans[span_of(deadlines, deadline_ms)], bytes / LOG_RECORD_ALIGNMENT);
    if (deadlines->earliest_ms == 0 || deadline_ms < deadlines->earliest_ms)
        deadlines->earliest_ms = deadline_ms;
}

void
adb_deadlines_add(struct deadlines *deadlines, const struct deadlines *other)
{
    deadlines->is_unknown = deadlines->is_unknown || other->is_unknown;
    if (other->earliest_ms == 0)
        return;
    deadlines->since_ms = other->since_ms;
    if (deadlines->earliest_ms == 0 || other->earliest_ms < deadlines->earliest_ms)
        deadlines->earliest_ms = other->earliest_ms;
    for (size_t i = 0; i < DEADLINE_SPANS; i++)
        add_units(&deadlines->spans[i], other->spans[i]);
}

uint64_t
adb_deadlines_expired_bytes(const struct deadlines *deadlines, uint64_t now_ms)
{
    uint64_t units = 0;
    uint32_t span_now = span_of(deadlines, now_ms);
    for (uint32_t i = 0; i < span_now; i++)
        units += deadlines->spans[i];
    return units * LOG_RECORD_ALIGNMENT;
}

bool
adb_deadlines_are_due(const struct deadlines *deadlines, uint64_t now_ms, uint64_t file_bytes)
{
    if (deadlines->is_unknown)
        return true;
    if (deadlines->earliest_ms == 0 || now_ms < deadlines->earliest_ms + WAIT_MS ||
        deadlines->earliest_ms > UINT64_MAX - WAIT_MS)
        return false;
    uint64_t expired_bytes = adb_deadlines_expired_bytes(deadlines, now_ms);
    return expired_bytes != 0 &&
           now_ms - deadlines->earliest_ms >= file_bytes * WAIT_MS / expired_bytes;
}
