#include "model/gen_ops.h"

#include <string.h>

static uint32_t
below(struct gen *gen, uint32_t limit)
{
    return (uint32_t)test_rng_below(&gen->rng, limit);
}

void
gen_collection(struct gen *gen, armdb_collection_options *options_out)
{
    static const uint32_t key_bytes[] = {1, 4, 8, 16, 33, 256};
    static const uint32_t value_bytes[] = {1, 8, 20, 64, 255, ARMDB_CONST_VALUE_MAX};
    *options_out = (armdb_collection_options)ARMDB_COLLECTION_OPTIONS_INIT;
    options_out->key_bytes = below(gen, 2) == 0 ? ARMDB_KEY_VARIABLE : key_bytes[below(gen, 6)];
    options_out->order = (armdb_order)(ARMDB_ASCENDING + below(gen, 3));
    if (below(gen, 3) == 0)
        options_out->value_bytes = value_bytes[below(gen, 6)];
    else if (below(gen, 3) == 0)
        options_out->value_bytes = ARMDB_VALUE_OBJECT;
}

void
gen_retune(struct gen *gen, armdb_options *options)
{
    static const uint64_t file_bytes[] = {65536, 65536, 300000, 0};
    static const uint32_t buffer_bytes[] = {16384, 16384, 40000, 65536};
    static const uint32_t flush_ms[] = {0, 1, ARMDB_NEVER};
    static const uint64_t cache_bytes[] = {1 << 20, 16 << 20, ARMDB_CACHE_NONE};
    options->max_file_bytes = file_bytes[below(gen, 4)];
    options->write_buffer_bytes = buffer_bytes[below(gen, 4)];
    options->durability = (armdb_durability)below(gen, 4);
    options->flush_interval_ms = flush_ms[below(gen, 3)];
    options->sync_interval_ms = below(gen, 2) == 0 ? ARMDB_NEVER : 50;
    options->cache_bytes = cache_bytes[below(gen, 3)];
}

struct gen
gen_make(uint64_t seed)
{
    static const uint32_t key_counts[] = {12, 80, 500, 3000};
    static const uint32_t prefix_bits[] = {0, 0, 1, 8, 13, 40, 8192};
    static const uint32_t value_lens[] = {24, 150, 150, 1500};
    struct gen gen = {.rng = test_rng_make(seed)};
    struct gen_profile *profile = &gen.profile;
    profile->options = (armdb_options)ARMDB_OPTIONS_INIT;
    profile->options.shards = 1 + below(&gen, 5);
    profile->options.shard_prefix_bits = prefix_bits[below(&gen, 7)];
    gen_collection(&gen, &profile->options.default_collection);
    gen_retune(&gen, &profile->options);
    profile->key_count = key_counts[below(&gen, 4)];
    profile->value_len_max = value_lens[below(&gen, 4)];
    profile->large_one_in = 100 + below(&gen, 900);
    profile->alphabet = below(&gen, 3) == 0 ? 2 : 26;
    profile->reopen_one_in = 60 + below(&gen, 600);
    return gen;
}

enum op_kind
gen_kind(struct gen *gen)
{
    static const uint8_t weights[OP_KINDS] = {
        [OP_PUT] = 100,      [OP_INSERT] = 30,   [OP_DELETE] = 50,    [OP_GET] = 40,
        [OP_GET_VALUE] = 30, [OP_CONTAINS] = 15, [OP_VALUE_LEN] = 15, [OP_COUNT] = 10,
        [OP_MULTI_GET] = 20, [OP_ENDS] = 10,     [OP_WALK] = 25,      [OP_FLUSH] = 4,
        [OP_SYNC] = 3,       [OP_CREATE] = 2,    [OP_DROP] = 1,       [OP_OPEN_COLLECTION] = 3,
        [OP_BAD] = 5,        [OP_MODIFY] = 40,   [OP_BATCH] = 12};
    uint32_t sum = 0;
    int kind = 0;
    if (test_rng_one_in(&gen->rng, gen->profile.reopen_one_in))
        return OP_REOPEN;
    for (int i = 0; i < OP_KINDS; i++)
        sum += weights[i];
    uint32_t draw = below(gen, sum);
    while (draw >= weights[kind])
        draw -= weights[kind++];
    return (enum op_kind)kind;
}

/* Keys follow from a number, so that they come back; some bytes are 0x00 or 0xff. */
armdb_slice
gen_key(struct gen *gen, uint32_t key_bytes, unsigned char *room)
{
    uint32_t number = below(gen, gen->profile.key_count);
    struct test_rng own = test_rng_make(number * UINT64_C(7919));
    size_t len = key_bytes;
    if (key_bytes == ARMDB_KEY_VARIABLE) {
        len = 1 + (size_t)test_rng_below(&own, 24);
        if (test_rng_one_in(&own, 20))
            len = ARMDB_KEY_MAX - (size_t)test_rng_below(&own, 500);
    }
    for (size_t i = 0; i < len; i++)
        room[i] = (unsigned char)('a' + test_rng_below(&own, gen->profile.alphabet));
    if (number % 5 == 0)
        room[0] = 0xff;
    if (number % 7 == 0)
        room[len - 1] = number % 2 == 0 ? 0x00 : 0xff;
    if (number % 11 == 0 && len > 1)
        room[1] = 0xff;
    return (armdb_slice){room, len};
}

armdb_slice
gen_bound(struct gen *gen, uint32_t key_bytes, unsigned char *room)
{
    armdb_slice key = gen_key(gen, key_bytes, room);
    switch (below(gen, 4)) {
    case 0:
        key.len = 1 + below(gen, (uint32_t)key.len);
        break;
    case 1:
        if (key.len < ARMDB_KEY_MAX)
            room[key.len++] = below(gen, 2) == 0 ? 0 : 0xff;
        break;
    default:
        break;
    }
    return key;
}

armdb_slice
gen_value(struct gen *gen, uint32_t value_bytes, unsigned char *room)
{
    uint32_t len = below(gen, gen->profile.value_len_max + 1);
    if (value_bytes <= ARMDB_CONST_VALUE_MAX) {
        len = value_bytes;
    } else if (test_rng_one_in(&gen->rng, gen->profile.large_one_in)) {
        switch (below(gen, 10)) {
        case 0:
            len = 512 * 1024 - 3 + below(gen, 100 * 1024);
            break;
        case 1:
            len = below(gen, 300 * 1024);
            break;
        case 2:
        case 3:
            len = 65536 - 200 + below(gen, 400);
            break;
        default:
            len = 16384 - 200 + below(gen, 400);
            break;
        }
    } else if (below(gen, 8) == 0) {
        len = ARMDB_VALUE_INLINE - 2 + below(gen, 5);
    }
    test_rng_fill(&gen->rng, room, len);
    return (armdb_slice){room, len};
}

armdb_durability
gen_durability(struct gen *gen)
{
    uint32_t draw = below(gen, 20);
    return draw < 17 ? (armdb_durability)(draw % 3) : ARMDB_SYNCED;
}

struct gen_walk
gen_walk(struct gen *gen)
{
    struct gen_walk walk = {.keys_only = below(gen, 3) == 0};
    uint32_t shape = below(gen, 4);
    bool is_long = below(gen, 2) == 0;
    if (shape == 0) {
        walk.has_prefix = true;
    } else if (shape < 3) {
        walk.from = (armdb_bound_kind)below(gen, 3);
        walk.to = (armdb_bound_kind)below(gen, 3);
    }
    walk.move_count = 1 + below(gen, GEN_MOVES_MAX);
    for (uint32_t i = 0; i < walk.move_count; i++) {
        uint32_t draw = below(gen, 20);
        if (draw < 16)
            walk.moves[i] = is_long ? GEN_NEXT : (enum gen_move)(draw % 2);
        else
            walk.moves[i] = (enum gen_move)(draw - 15);
    }
    return walk;
}
