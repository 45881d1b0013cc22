/*
 * model_modify.h: changing a key by what it has, in the engine and in the model: compare and swap,
 * update, add. They must agree.
 */
#ifndef TEST_MODEL_MODEL_MODIFY_H
#define TEST_MODEL_MODEL_MODIFY_H

#include "model/gen_ops.h"
#include "model/model_kv.h"

struct collection;

/** One change. All pointers are borrowed. */
struct modify {
    struct collection *opened;
    struct model_collection *model; /* of that */
    struct gen *gen;                /* chooses what to do */
    armdb_slice key;
    const armdb_write_options *options;
    uint64_t deadline_ms;  /* that the options ask for; 0: none */
    uint64_t now_ms;       /* time of day */
    unsigned char *value;  /* room, GEN_VALUE_MAX */
    unsigned char *buffer; /* the same */
};

/** Makes it, and ends the program if the two differ. */
void model_modify(const struct modify *modify);

#endif
