/*
 * Every order of put, delete, seal, compact, crash and reopen, for two keys, up to a length:
 * nothing comes back, nothing is lost, and what each file counts as dead is what is dead in it.
 *
 * The orders make a tree. Of those that lead to the same world (orders_world.h) only the first is
 * gone on from; as the search is breadth first, that is the shortest one.
 *
 * Compaction takes any run of sealed files, not only those that the policy would. It is one event;
 * or its steps are events, with others between them; or the power goes at one of its changes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/orders_world.h"
#include "sim/require.h"
#include "support/seed.h"

static const char *const event_names[] = {"put",  "delete", "seal", "compact", "begin",
                                          "step", "finish", "kill", "cut",     "cut in"};

struct search {
    struct order *orders; /* owned: of worlds, in the order in which they were met */
    size_t n_orders;
    size_t capacity;
    uint64_t *seen; /* owned: digests, hashed; 0: free */
    size_t n_slots;
    uint64_t tried;
    uint64_t cuts;
    uint32_t n_keys;
    uint32_t length;     /* of the longest order */
    uint32_t cut_length; /* of the longest that ends in a cut within a compaction */
};

static bool
is_new(struct search *search, uint64_t digest)
{
    size_t at = (size_t)digest & (search->n_slots - 1);
    while (search->seen[at] != 0 && search->seen[at] != digest)
        at = (at + 1) & (search->n_slots - 1);
    if (search->seen[at] == digest)
        return false;
    REQUIRE(search->n_orders < search->n_slots / 2, "no room for more worlds");
    search->seen[at] = digest;
    return true;
}

static void
keep(struct search *search, const struct order *order)
{
    if (search->n_orders == search->capacity) {
        search->capacity = search->capacity == 0 ? 1024 : 2 * search->capacity;
        search->orders = (struct order *)require_memory(search->orders,
                                                        search->capacity * sizeof *search->orders);
    }
    search->orders[search->n_orders++] = *order;
}

static void
set_context(const struct order *order)
{
    char text[64 * ORDER_LENGTH_MAX];
    size_t len = 0;
    for (uint32_t i = 0; i < order->length; i++) {
        const struct event *event = &order->events[i];
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", i == 0 ? "" : ", ",
                                event_names[event->kind]);
        if (event->kind <= EVENT_DELETE)
            len += (size_t)snprintf(text + len, sizeof text - len, " %c", 'a' + event->key);
        if (event->count > 0)
            len += (size_t)snprintf(text + len, sizeof text - len, " files %u..%u",
                                    (unsigned)event->first,
                                    (unsigned)event->first + event->count - 1U);
        if (event->change > 0)
            len += (size_t)snprintf(text + len, sizeof text - len, " at change %u, mode %u",
                                    (unsigned)event->change, (unsigned)event->mode);
    }
    require_context("%s", text);
}

static void
replay(struct world *world, const struct order *order, uint32_t length)
{
    world_begin(world);
    for (uint32_t i = 0; i < length; i++) {
        bool happened = world_apply(world, &order->events[i]);
        REQUIRE(happened, "event %u did not happen again", (unsigned)i);
    }
}

/* Tries an order, of which all but the last event is known. Returns whether that happened. */
static bool
try_order(struct search *search, const struct order *order)
{
    struct world world;
    set_context(order);
    replay(&world, order, order->length - 1);
    bool happened = world_apply(&world, &order->events[order->length - 1]);
    search->tried++;
    if (happened && is_new(search, world_digest(&world))) {
        world_check(&world);
        keep(search, order);
    }
    world_end(&world);
    return happened;
}

static void
try_event(struct search *search, const struct order *order, struct event event)
{
    struct order next = *order;
    next.events[next.length++] = event;
    (void)try_order(search, &next);
}

static void
try_cuts(struct search *search, const struct order *order, struct event event)
{
    static const enum sim_cut modes[] = {SIM_CUT_LOSE, SIM_CUT_KEEP};
    struct order next = *order;
    next.length++;
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        event.kind = EVENT_CUT_IN;
        event.mode = (uint8_t)modes[i];
        event.change = 0;
        do {
            event.change++;
            next.events[next.length - 1] = event;
            search->cuts++;
        } while (try_order(search, &next));
    }
}

/* All that can happen next. */
struct choices {
    bool can_seal;
    bool has_pass;
    uint32_t n_sealed;
    bool is_there[ORDER_KEYS];
    bool is_known[ORDER_KEYS]; /* the second key comes after the first: they are alike */
};

static struct choices
look(const struct order *order)
{
    struct choices choices;
    struct world world;
    struct data_file *files[ORDER_FILES_MAX];
    set_context(order);
    replay(&world, order, order->length);
    const struct shard *shard = world.shard;
    const struct data_file *active = shard->writer.active;
    choices.can_seal = !active->is_sealed && active->end > LOG_FILE_HEADER_BYTES;
    choices.has_pass = world.has_pass;
    choices.n_sealed = world_list(shard, files) - 1;
    for (uint32_t key = 0; key < ORDER_KEYS; key++) {
        choices.is_there[key] = world.history[shard->writer.sequence][key] != 0;
        choices.is_known[key] = key == 0 || shard->writer.sequence > 0;
    }
    world_end(&world);
    return choices;
}

static void
try_runs(struct search *search, const struct order *order, uint32_t n_sealed)
{
    for (uint8_t first = 0; first < n_sealed; first++) {
        for (uint8_t count = 1; first + count <= n_sealed; count++) {
            struct event event = {.kind = EVENT_COMPACT, .first = first, .count = count};
            try_event(search, order, event);
            event.kind = EVENT_BEGIN;
            try_event(search, order, event);
            if (order->length < search->cut_length)
                try_cuts(search, order, event);
        }
    }
}

static void
go_on(struct search *search, const struct order *order)
{
    const struct choices choices = look(order);
    for (uint8_t key = 0; key < search->n_keys; key++) {
        if (choices.is_known[key])
            try_event(search, order, (struct event){.kind = EVENT_PUT, .key = key});
        if (choices.is_there[key])
            try_event(search, order, (struct event){.kind = EVENT_DELETE, .key = key});
    }
    if (choices.can_seal)
        try_event(search, order, (struct event){.kind = EVENT_SEAL});
    try_event(search, order, (struct event){.kind = EVENT_KILL});
    try_event(search, order, (struct event){.kind = EVENT_CUT});
    if (choices.has_pass) {
        try_event(search, order, (struct event){.kind = EVENT_STEP});
        try_event(search, order, (struct event){.kind = EVENT_FINISH});
    } else {
        try_runs(search, order, choices.n_sealed);
    }
}

static void
explore(struct search search)
{
    const struct order nothing = {.length = 0};
    if (require_rounds(100) < 100) { /* an instrumented build */
        search.length -= 2;
        search.cut_length -= 2;
    } else if (test_scale() >= 10) {
        search.length++;
        search.cut_length++;
    }
    search.n_slots = (size_t)1 << 22;
    search.seen = (uint64_t *)require_memory(NULL, search.n_slots * sizeof *search.seen);
    memset(search.seen, 0, search.n_slots * sizeof *search.seen);
    keep(&search, &nothing);
    for (size_t i = 0; i < search.n_orders; i++) {
        const struct order order = search.orders[i];
        if (order.length < search.length)
            go_on(&search, &order);
    }
    fprintf(stderr,
            "orders of up to %u events for %u keys: %llu, %llu of them power cuts in a compaction; "
            "%zu worlds\n",
            (unsigned)search.length, (unsigned)search.n_keys, (unsigned long long)search.tried,
            (unsigned long long)search.cuts, search.n_orders);
    free(search.orders);
    free(search.seen);
}

static void
test_orders__all_for_two_keys__nothing_comes_back_or_is_lost(void **state)
{
    (void)state;
    explore((struct search){.n_keys = 2, .length = 7, .cut_length = 6});
}

static void
test_orders__longer_for_one_key__nothing_comes_back_or_is_lost(void **state)
{
    (void)state;
    explore((struct search){.n_keys = 1, .length = 8, .cut_length = 6});
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_orders__all_for_two_keys__nothing_comes_back_or_is_lost),
        cmocka_unit_test(test_orders__longer_for_one_key__nothing_comes_back_or_is_lost),
    };
    /* Memory is asked for and given back all the time. */
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
