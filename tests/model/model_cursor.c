#include "model/model_cursor.h"

#include <string.h>

void
model_cursor_init(struct model_cursor *cursor, const struct model_collection *model,
                  const armdb_cursor_options *options)
{
    *cursor = (struct model_cursor){.model = model, .options = *options};
}

/* The first place whose key is above `key`. */
static size_t
upper_bound(const struct model_collection *model, armdb_slice key)
{
    return model_lower_bound(model, key) + (model_find(model, key) != NULL ? 1 : 0);
}

static bool
has_prefix(const struct model_pair *pair, armdb_slice prefix)
{
    return pair->key_len >= prefix.len && memcmp(pair->key, prefix.data, prefix.len) == 0;
}

/* The pairs of the range as they are now: from *low_out up to before *high_out, ascending. */
static void
find_range(const struct model_cursor *cursor, size_t *low_out, size_t *high_out)
{
    const struct model_collection *model = cursor->model;
    const armdb_cursor_options *options = &cursor->options;
    const armdb_bound *low = model->is_descending ? &options->to : &options->from;
    const armdb_bound *high = model->is_descending ? &options->from : &options->to;
    *low_out = 0;
    *high_out = model->count;
    if (options->prefix.len > 0) {
        *low_out = *high_out = model_lower_bound(model, options->prefix);
        while (*high_out < model->count && has_prefix(&model->pairs[*high_out], options->prefix))
            (*high_out)++;
        return;
    }
    if (low->kind == ARMDB_INCLUDED)
        *low_out = model_lower_bound(model, low->key);
    if (low->kind == ARMDB_EXCLUDED)
        *low_out = upper_bound(model, low->key);
    if (high->kind == ARMDB_INCLUDED)
        *high_out = upper_bound(model, high->key);
    if (high->kind == ARMDB_EXCLUDED)
        *high_out = model_lower_bound(model, high->key);
}

/* To the first pair of the range at place `at` or above. */
static const struct model_pair *
land_up(struct model_cursor *cursor, size_t at)
{
    size_t low, high;
    find_range(cursor, &low, &high);
    if (at < low)
        at = low;
    if (at >= high) {
        cursor->place = MODEL_ABOVE;
        return NULL;
    }
    const struct model_pair *pair = &cursor->model->pairs[at];
    cursor->place = MODEL_ON;
    memcpy(cursor->key, pair->key, pair->key_len);
    cursor->key_len = pair->key_len;
    return pair;
}

/* To the last pair of the range below place `end`. */
static const struct model_pair *
land_down(struct model_cursor *cursor, size_t end)
{
    size_t low, high;
    find_range(cursor, &low, &high);
    if (end > high)
        end = high;
    if (end <= low) {
        cursor->place = MODEL_BELOW;
        return NULL;
    }
    return land_up(cursor, end - 1);
}

static const struct model_pair *
step_up(struct model_cursor *cursor)
{
    const armdb_slice key = {cursor->key, cursor->key_len};
    if (cursor->place == MODEL_ABOVE)
        return NULL;
    return land_up(cursor, cursor->place == MODEL_ON ? upper_bound(cursor->model, key) : 0);
}

static const struct model_pair *
step_down(struct model_cursor *cursor)
{
    const armdb_slice key = {cursor->key, cursor->key_len};
    if (cursor->place == MODEL_BELOW)
        return NULL;
    return land_down(cursor,
                     cursor->place == MODEL_ON ? model_lower_bound(cursor->model, key) : SIZE_MAX);
}

const struct model_pair *
model_cursor_step(struct model_cursor *cursor, bool is_forward)
{
    return is_forward != cursor->model->is_descending ? step_up(cursor) : step_down(cursor);
}

const struct model_pair *
model_cursor_end(struct model_cursor *cursor, bool is_forward)
{
    return is_forward != cursor->model->is_descending ? land_up(cursor, 0)
                                                      : land_down(cursor, SIZE_MAX);
}

const struct model_pair *
model_cursor_seek(struct model_cursor *cursor, armdb_slice key)
{
    if (cursor->model->is_descending)
        return land_down(cursor, upper_bound(cursor->model, key));
    return land_up(cursor, model_lower_bound(cursor->model, key));
}
