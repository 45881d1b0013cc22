#include "index/index.h"

#include "base/assert.h"
#include "base/err.h"

armdb_err
adb_index_init(struct adb_index *index, const struct adb_index_config *config)
{
    const uint32_t value_bytes = config->has_pointers ? 8 : config->value_bytes;
    const struct adb_tree_config tree = {config->key_bytes, value_bytes};
    const struct adb_map_config map = {config->key_bytes, value_bytes, config->n_writers,
                                       config->seed};
    ADB_ASSERT(!config->has_pointers || config->value_bytes == 0);
    *index = (struct adb_index){.value_bytes = config->value_bytes,
                                .has_pointers = config->has_pointers,
                                .is_hashed = !config->is_ordered,
                                .seed = config->seed};
    return config->is_ordered ? adb_tree_new(config->pages, &tree, &index->tree)
                              : adb_map_new(config->pages, &map, &index->map);
}

void
adb_index_fini(struct adb_index *index)
{
    adb_tree_free(index->tree);
    adb_map_free(index->map);
    *index = (struct adb_index){0};
}

void
adb_index_swap(struct adb_index *a, struct adb_index *b)
{
    const struct adb_index held = *a;
    ADB_ASSERT(a->value_bytes == b->value_bytes && (a->tree == NULL) == (b->tree == NULL));
    a->tree = b->tree;
    a->map = b->map;
    b->tree = held.tree;
    b->map = held.map;
}

void
adb_index_each(const struct adb_index *index, adb_index_fn fn, void *context)
{
    struct adb_tree_position position = {0};
    struct adb_map_walk walk = {0};
    if (index->map != NULL) {
        while (adb_map_walk_next(index->map, &walk))
            fn(context, (armdb_slice){walk.key, walk.key_len}, walk.location);
        return;
    }
    bool is_on = adb_tree_seek(index->tree, ADB_SEEK_FIRST, (armdb_slice){NULL, 0}, &position);
    while (is_on) {
        fn(context, (armdb_slice){position.key, position.key_len}, position.location);
        is_on = adb_tree_next(index->tree, &position);
    }
}

armdb_err
adb_index_apply(struct adb_index *index, struct adb_change *changes, size_t n,
                struct adb_spare *spare)
{
    static const uint64_t none = 0;
    for (size_t i = 0; index->has_pointers && i < n; i++)
        changes[i].value = &none;
    if (index->tree != NULL)
        return adb_tree_apply(index->tree, changes, n, spare);
    return adb_map_apply(index->map, changes, n, spare);
}
