#include "lin/lin_check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim/require.h"

/* States that lead nowhere: which calls were done, and what the register held then. */
struct dead_end {
    uint64_t done;
    uint64_t value;
};

enum { DEAD_ENDS = 1 << 14 }; /* a table without collisions kept: forgetting costs time only */

struct search {
    const struct lin_call *calls;
    size_t n_calls;
    uint64_t all; /* a bit for each call */
    struct dead_end *dead_ends;
    uint64_t final;
};

static struct dead_end *
place_of(const struct search *search, uint64_t done, uint64_t value)
{
    uint64_t hash = (done * UINT64_C(0x9e3779b97f4a7c15)) ^ (value * UINT64_C(0xbf58476d1ce4e5b9));
    hash ^= hash >> 29;
    return &search->dead_ends[hash % DEAD_ENDS];
}

/* Whether a call can take effect when the register holds `value`; what it holds then. */
static bool
apply(const struct lin_call *call, uint64_t value, uint64_t *value_out)
{
    bool does = true;
    *value_out = value;
    switch (call->kind) {
    case LIN_GET:
        return call->result == value;
    case LIN_PUT:
        *value_out = call->argument;
        return call->result == value;
    case LIN_SET:
        *value_out = call->argument;
        return true;
    case LIN_INSERT:
        does = value == 0;
        break;
    case LIN_REMOVE:
        *value_out = 0;
        return call->result == value;
    case LIN_DELETE:
        *value_out = 0;
        return call->result == (value != 0);
    case LIN_CAS:
        does = value == call->expected;
        break;
    case LIN_ADD:
        *value_out = call->result;
        return call->result == value + call->argument;
    }
    if (does)
        *value_out = call->argument;
    return call->result == does;
}

/* When the first of the calls still to be done returned. */
static uint64_t
first_end(const struct search *search, uint64_t done)
{
    uint64_t first = UINT64_MAX;
    for (size_t i = 0; i < search->n_calls; i++) {
        if ((done >> i & 1) == 0 && search->calls[i].end < first)
            first = search->calls[i].end;
    }
    return first;
}

static bool
go_on(struct search *search, uint64_t done, uint64_t value)
{
    struct dead_end *known = place_of(search, done, value);
    uint64_t limit = first_end(search, done);
    if (done == search->all) {
        search->final = value;
        return true;
    }
    if (done != 0 && known->done == done && known->value == value)
        return false;
    for (size_t i = 0; i < search->n_calls; i++) {
        uint64_t next;
        if ((done >> i & 1) == 0 && search->calls[i].begin < limit &&
            apply(&search->calls[i], value, &next) && go_on(search, done | UINT64_C(1) << i, next))
            return true;
    }
    *known = (struct dead_end){done, value};
    return false;
}

bool
lin_check(const struct lin_call *calls, size_t n_calls, uint64_t initial, uint64_t *final_out)
{
    struct search search = {.calls = calls, .n_calls = n_calls};
    REQUIRE(n_calls <= LIN_CALLS_MAX, "a history of %zu calls", n_calls);
    search.all = n_calls == LIN_CALLS_MAX ? UINT64_MAX : (UINT64_C(1) << n_calls) - 1;
    search.dead_ends = (struct dead_end *)calloc(DEAD_ENDS, sizeof *search.dead_ends);
    REQUIRE(search.dead_ends != NULL, "no memory");
    bool is_linearizable = go_on(&search, 0, initial);
    free(search.dead_ends);
    *final_out = is_linearizable ? search.final : 0;
    return is_linearizable;
}

void
lin_print(const struct lin_call *calls, size_t n_calls, uint64_t initial)
{
    static const char *const names[] = {"get",    "put",    "set", "insert",
                                        "remove", "delete", "cas", "add"};
    fprintf(stderr, "the register holds %" PRIu64 "\n", initial);
    for (size_t i = 0; i < n_calls; i++)
        fprintf(stderr,
                "%8" PRIu64 " .. %8" PRIu64 "  %s argument %" PRIu64 " expected %" PRIu64
                " result %" PRIu64 "\n",
                calls[i].begin, calls[i].end, names[calls[i].kind], calls[i].argument,
                calls[i].expected, calls[i].result);
}
