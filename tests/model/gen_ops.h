/*
 * gen_ops.h: seeded operations for the model test: the settings of a run, and one call after the
 * other, with arguments that meet each other often (few keys, shared prefixes, lengths at limits).
 */
#ifndef TEST_MODEL_GEN_OPS_H
#define TEST_MODEL_GEN_OPS_H

#include "armdb/armdb.h"
#include "support/seed.h"

enum op_kind {
    OP_PUT,
    OP_INSERT,
    OP_DELETE,
    OP_MODIFY, /* compare and swap, update, add */
    OP_BATCH,
    OP_GET,
    OP_GET_VALUE,
    OP_CONTAINS,
    OP_VALUE_LEN,
    OP_MULTI_GET,
    OP_COUNT,
    OP_ENDS, /* first and last */
    OP_WALK, /* a cursor with a range or prefix, moved about */
    OP_FLUSH,
    OP_SYNC,
    OP_CREATE,
    OP_DROP,
    OP_OPEN_COLLECTION,
    OP_BAD, /* a call that must be refused */
    OP_REOPEN,
    OP_KINDS
};

enum {
    GEN_VALUE_MAX = 700 * 1024,
    GEN_MOVES_MAX = 24,
    GEN_COLLECTIONS = 5, /* names */
    GEN_READS_MAX = 70   /* keys of a multi-get */
};

/** What a run is about. */
struct gen_profile {
    armdb_options options;
    uint32_t key_count;     /* about so many different keys in a collection */
    uint32_t value_len_max; /* of most values */
    uint32_t large_one_in;  /* so often a value is of 16 KiB and more */
    uint32_t alphabet;      /* different bytes in variable keys: few make long common prefixes */
    uint32_t reopen_one_in;
};

enum gen_move { GEN_NEXT, GEN_PREV, GEN_FIRST, GEN_LAST, GEN_SEEK };

struct gen_walk {
    bool keys_only;
    bool has_prefix;
    armdb_bound_kind from;
    armdb_bound_kind to;
    enum gen_move moves[GEN_MOVES_MAX];
    uint32_t move_count;
};

struct gen {
    struct test_rng rng;
    struct gen_profile profile;
};

/** The settings of a run, drawn from its seed. */
struct gen gen_make(uint64_t seed);
enum op_kind gen_kind(struct gen *gen);
/** A key for a collection with such keys; `room` takes ARMDB_KEY_MAX bytes. */
armdb_slice gen_key(struct gen *gen, uint32_t key_bytes, unsigned char *room);
/** A bound: a key, or the front of one, or a key with something behind. */
armdb_slice gen_bound(struct gen *gen, uint32_t key_bytes, unsigned char *room);
/** A value for a collection with such values, in a buffer of GEN_VALUE_MAX bytes. */
armdb_slice gen_value(struct gen *gen, uint32_t value_bytes, unsigned char *room);
armdb_durability gen_durability(struct gen *gen);
void gen_collection(struct gen *gen, armdb_collection_options *options_out);
struct gen_walk gen_walk(struct gen *gen);
/** Changes what may change from open to open. */
void gen_retune(struct gen *gen, armdb_options *options);

#endif
