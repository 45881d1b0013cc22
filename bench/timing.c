#include "timing.h"

#include <stddef.h>

static double ns_per_tick = 1;

void
bench_ticks_init(void)
{
    const uint64_t start_ns = bench_now_ns(), start = bench_ticks();
    uint64_t end_ns;
    do {
        end_ns = bench_now_ns();
    } while (end_ns - start_ns < 50000000);
    ns_per_tick = (double)(end_ns - start_ns) / (double)(bench_ticks() - start);
}

double
bench_ticks_ns(double ticks)
{
    return ticks * ns_per_tick;
}

uint64_t
bench_seconds_ticks(double seconds)
{
    return (uint64_t)(seconds * 1e9 / ns_per_tick);
}

void
bench_histogram_merge(struct bench_histogram *into, const struct bench_histogram *from)
{
    into->count += from->count;
    if (from->max > into->max)
        into->max = from->max;
    for (size_t i = 0; i < sizeof into->classes / sizeof into->classes[0]; i++)
        into->classes[i] += from->classes[i];
}

/* The middle of a class. */
static double
class_ticks(size_t class_)
{
    if (class_ < 32)
        return (double)class_;
    const size_t shift = class_ / 32 - 1;
    return ((double)(32 + class_ % 32) + 0.5) * (double)(UINT64_C(1) << shift);
}

double
bench_histogram_at(const struct bench_histogram *histogram, double share)
{
    const double wanted = share * (double)histogram->count;
    double seen = 0;
    for (size_t i = 0; i < sizeof histogram->classes / sizeof histogram->classes[0]; i++) {
        seen += (double)histogram->classes[i];
        if (seen >= wanted && histogram->classes[i] > 0) {
            const double ticks = class_ticks(i);
            return ticks < (double)histogram->max ? ticks : (double)histogram->max;
        }
    }
    return 0;
}
