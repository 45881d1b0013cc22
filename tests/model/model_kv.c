#include "model/model_kv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/require.h"

void
model_init(struct model_collection *model, const char *name,
           const armdb_collection_options *options)
{
    *model = (struct model_collection){
        .key_bytes = options->key_bytes,
        .is_descending = options->order == ARMDB_DESCENDING,
        .is_unordered = options->order == ARMDB_UNORDERED,
        .value_bytes = options->value_bytes != 0 ? options->value_bytes : ARMDB_VALUE_VARIABLE,
    };
    snprintf(model->name, sizeof model->name, "%s", name);
}

void
model_fini(struct model_collection *model)
{
    for (size_t i = 0; i < model->count; i++) {
        free(model->pairs[i].key);
        free(model->pairs[i].value);
    }
    free(model->pairs);
    model->pairs = NULL;
    model->count = model->capacity = 0;
}

int
model_compare(armdb_slice a, armdb_slice b)
{
    const unsigned char *left = (const unsigned char *)a.data;
    const unsigned char *right = (const unsigned char *)b.data;
    for (size_t i = 0; i < a.len && i < b.len; i++) {
        if (left[i] != right[i])
            return left[i] < right[i] ? -1 : 1;
    }
    if (a.len == b.len)
        return 0;
    return a.len < b.len ? -1 : 1;
}

size_t
model_lower_bound(const struct model_collection *model, armdb_slice key)
{
    size_t low = 0;
    size_t high = model->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (model_compare(model_key(&model->pairs[middle]), key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct model_pair *
model_find(const struct model_collection *model, armdb_slice key)
{
    size_t at = model_lower_bound(model, key);
    if (at == model->count || model_compare(model_key(&model->pairs[at]), key) != 0)
        return NULL;
    return &model->pairs[at];
}

static unsigned char *
copy(armdb_slice bytes)
{
    unsigned char *to = (unsigned char *)require_memory(NULL, bytes.len);
    if (bytes.len > 0)
        memcpy(to, bytes.data, bytes.len);
    return to;
}

void
model_put(struct model_collection *model, armdb_slice key, armdb_slice value)
{
    size_t at = model_lower_bound(model, key);
    bool is_there = at < model->count && model_compare(model_key(&model->pairs[at]), key) == 0;
    if (is_there) {
        free(model->pairs[at].value);
    } else {
        if (model->count == model->capacity) {
            model->capacity = model->capacity * 2 + 16;
            model->pairs = (struct model_pair *)require_memory(
                model->pairs, model->capacity * sizeof *model->pairs);
        }
        memmove(&model->pairs[at + 1], &model->pairs[at],
                (model->count - at) * sizeof *model->pairs);
        model->count++;
        model->pairs[at].key = copy(key);
        model->pairs[at].key_len = key.len;
    }
    model->pairs[at].value = copy(value);
    model->pairs[at].value_len = value.len;
    model->pairs[at].deadline_ms = 0;
}

void
model_put_until(struct model_collection *model, armdb_slice key, armdb_slice value,
                uint64_t deadline_ms, uint64_t now_ms)
{
    model_put(model, key, value);
    model->pairs[model_lower_bound(model, key)].deadline_ms = deadline_ms;
    if (deadline_ms != 0 && deadline_ms <= now_ms) {
        (void)model_delete(model, key);
        model->expired++;
    }
}

void
model_expire(struct model_collection *model, uint64_t now_ms)
{
    size_t kept = 0;
    for (size_t i = 0; i < model->count; i++) {
        struct model_pair *pair = &model->pairs[i];
        if (pair->deadline_ms == 0 || pair->deadline_ms > now_ms) {
            model->pairs[kept++] = *pair;
            continue;
        }
        free(pair->key);
        free(pair->value);
        model->expired++;
    }
    model->count = kept;
}

bool
model_delete(struct model_collection *model, armdb_slice key)
{
    size_t at = model_lower_bound(model, key);
    if (at == model->count || model_compare(model_key(&model->pairs[at]), key) != 0)
        return false;
    free(model->pairs[at].key);
    free(model->pairs[at].value);
    model->count--;
    memmove(&model->pairs[at], &model->pairs[at + 1], (model->count - at) * sizeof *model->pairs);
    return true;
}
