/*
 * model_cursor.h: a cursor on the model. It keeps the key it stands on, and looks for its
 * neighbours anew at each move, so that it is right whatever was written in between.
 */
#ifndef TEST_MODEL_MODEL_CURSOR_H
#define TEST_MODEL_MODEL_CURSOR_H

#include "armdb/armdb.h"
#include "model/model_kv.h"

enum model_place { MODEL_FRESH, MODEL_BELOW, MODEL_ON, MODEL_ABOVE };

struct model_cursor {
    const struct model_collection *model; /* borrowed */
    armdb_cursor_options options;         /* its keys are borrowed */
    enum model_place place;
    unsigned char key[ARMDB_KEY_MAX];
    size_t key_len;
};

void model_cursor_init(struct model_cursor *cursor, const struct model_collection *model,
                       const armdb_cursor_options *options);
/** The pair it stands on after the move; NULL beyond the end. In the collection's order. */
const struct model_pair *model_cursor_step(struct model_cursor *cursor, bool is_forward);
/** To the first or last pair. */
const struct model_pair *model_cursor_end(struct model_cursor *cursor, bool is_forward);
const struct model_pair *model_cursor_seek(struct model_cursor *cursor, armdb_slice key);

#endif
