/* The tree, the map, and what they are measured against. A further index is one more entry of the
 * table. */
#include "micro_subjects.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/map.h"
#include "index/tree.h"
#include "skiplist.h"

static void
check(armdb_err err)
{
    if (err == ARMDB_OK)
        return;
    fprintf(stderr, "micro: no memory\n");
    exit(1);
}

static void *
allocate(size_t bytes)
{
    void *memory = calloc(1, bytes);
    check(memory != NULL ? ARMDB_OK : ARMDB_NO_MEMORY);
    return memory;
}

/* ------------------------------------------------------------------ tree */

struct tree {
    struct adb_pages *pages;
    struct adb_tree *tree;
};

static void *
tree_open(uint32_t key_bytes)
{
    struct tree *index = (struct tree *)allocate(sizeof *index);
    const struct adb_tree_config config = {.key_bytes = key_bytes};
    check(adb_pages_new(&index->pages));
    check(adb_tree_new(index->pages, &config, &index->tree));
    return index;
}

static void
tree_close(void *index)
{
    struct tree *it = (struct tree *)index;
    adb_tree_free(it->tree);
    adb_pages_free(it->pages);
    free(it);
}

static void *
spare_begin_writing(void *index)
{
    (void)index;
    return allocate(sizeof(struct adb_spare));
}

static void
tree_end_writing(void *index, void *writer)
{
    adb_spare_fini((struct adb_spare *)writer, ((struct tree *)index)->pages);
    free(writer);
}

static uint64_t
tree_put(void *index, void *writer, armdb_slice key, uint64_t location)
{
    struct adb_tree *tree = ((struct tree *)index)->tree;
    struct adb_spare *spare = (struct adb_spare *)writer;
    check(adb_tree_prepare(tree, spare));
    return adb_tree_put(tree, key, location, NULL, spare);
}

static uint64_t
tree_get(void *index, armdb_slice key)
{
    return adb_tree_get(((struct tree *)index)->tree, key, NULL);
}

static void
tree_get_batch(void *index, const armdb_slice *keys, size_t n, uint64_t *locations_out)
{
    adb_tree_get_batch(((struct tree *)index)->tree, keys, n, locations_out, NULL);
}

static void
tree_walk(void *index, micro_visit_fn visit, void *context)
{
    const struct adb_tree *tree = ((struct tree *)index)->tree;
    struct adb_tree_position position;
    memset(&position, 0, sizeof position);
    bool found = adb_tree_seek(tree, ADB_SEEK_FIRST, (armdb_slice){.data = "", .len = 0},
                               &position);
    for (; found; found = adb_tree_next(tree, &position))
        visit(context, (armdb_slice){.data = position.key, .len = position.key_len},
              position.location);
}

static uint64_t
tree_remove(void *index, armdb_slice key)
{
    return adb_tree_remove(((struct tree *)index)->tree, key);
}

static uint64_t
tree_bytes(void *index)
{
    return adb_tree_bytes(((struct tree *)index)->tree);
}

static bool
tree_tend(void *index)
{
    return adb_pages_tend(((struct tree *)index)->pages);
}

/* ------------------------------------------------------------------ skip list */

static void *
list_open(uint32_t key_bytes)
{
    (void)key_bytes;
    return skiplist_new();
}

static void
list_close(void *index)
{
    skiplist_free((struct skiplist *)index);
}

static void *
list_begin_writing(void *index)
{
    return index;
}

static void
list_end_writing(void *index, void *writer)
{
    (void)index;
    (void)writer;
}

static uint64_t
list_put(void *index, void *writer, armdb_slice key, uint64_t location)
{
    (void)writer;
    return skiplist_put((struct skiplist *)index, key, location);
}

static uint64_t
list_get(void *index, armdb_slice key)
{
    return skiplist_get((const struct skiplist *)index, key);
}

static void
list_get_batch(void *index, const armdb_slice *keys, size_t n, uint64_t *locations_out)
{
    for (size_t i = 0; i < n; i++)
        locations_out[i] = skiplist_get((const struct skiplist *)index, keys[i]);
}

static void
list_walk(void *index, micro_visit_fn visit, void *context)
{
    const struct skiplist_node *node = skiplist_first((const struct skiplist *)index);
    for (; node != NULL; node = skiplist_next(node))
        visit(context, skiplist_key(node), skiplist_location(node));
}

static uint64_t
list_bytes(void *index)
{
    return skiplist_bytes((const struct skiplist *)index);
}

/* ------------------------------------------------------------------ map */

struct map {
    struct adb_pages *pages;
    struct adb_map *map;
};

static void *
map_open(uint32_t key_bytes)
{
    struct map *index = (struct map *)allocate(sizeof *index);
    const struct adb_map_config config = {.key_bytes = key_bytes, .n_writers = 16, .seed = 1};
    check(adb_pages_new(&index->pages));
    check(adb_map_new(index->pages, &config, &index->map));
    return index;
}

static void
map_close(void *index)
{
    struct map *it = (struct map *)index;
    adb_map_free(it->map);
    adb_pages_free(it->pages);
    free(it);
}

static void
map_end_writing(void *index, void *writer)
{
    adb_spare_fini((struct adb_spare *)writer, ((struct map *)index)->pages);
    free(writer);
}

static uint64_t
map_put(void *index, void *writer, armdb_slice key, uint64_t location)
{
    struct adb_map *map = ((struct map *)index)->map;
    struct adb_spare *spare = (struct adb_spare *)writer;
    check(adb_map_prepare(map, key, spare));
    return adb_map_put(map, key, location, NULL, spare);
}

static uint64_t
map_get(void *index, armdb_slice key)
{
    return adb_map_get(((struct map *)index)->map, key, NULL);
}

static void
map_get_batch(void *index, const armdb_slice *keys, size_t n, uint64_t *locations_out)
{
    adb_map_get_batch(((struct map *)index)->map, keys, n, locations_out, NULL);
}

static void
map_walk(void *index, micro_visit_fn visit, void *context)
{
    const struct adb_map *map = ((struct map *)index)->map;
    struct adb_map_walk walk;
    memset(&walk, 0, sizeof walk);
    while (adb_map_walk_next(map, &walk))
        visit(context, (armdb_slice){.data = walk.key, .len = walk.key_len}, walk.location);
}

static uint64_t
map_remove(void *index, armdb_slice key)
{
    return adb_map_remove(((struct map *)index)->map, key);
}

static uint64_t
map_bytes(void *index)
{
    return adb_map_bytes(((struct map *)index)->map);
}

static bool
map_tend(void *index)
{
    return adb_pages_tend(((struct map *)index)->pages);
}

/* ------------------------------------------------------------------ table */

const struct micro_subject micro_subjects[] = {
    {.name = "tree",
     .open = tree_open,
     .close = tree_close,
     .begin_writing = spare_begin_writing,
     .end_writing = tree_end_writing,
     .put = tree_put,
     .get = tree_get,
     .get_batch = tree_get_batch,
     .walk = tree_walk,
     .is_ordered = true,
     .remove = tree_remove,
     .bytes = tree_bytes,
     .tend = tree_tend},
    {.name = "skiplist",
     .open = list_open,
     .close = list_close,
     .begin_writing = list_begin_writing,
     .end_writing = list_end_writing,
     .put = list_put,
     .get = list_get,
     .get_batch = list_get_batch,
     .walk = list_walk,
     .is_ordered = true,
     .remove = NULL,
     .bytes = list_bytes,
     .tend = NULL},
    {.name = "map",
     .open = map_open,
     .close = map_close,
     .begin_writing = spare_begin_writing,
     .end_writing = map_end_writing,
     .put = map_put,
     .get = map_get,
     .get_batch = map_get_batch,
     .walk = map_walk,
     .is_ordered = false,
     .remove = map_remove,
     .bytes = map_bytes,
     .tend = map_tend},
};
const size_t micro_subjects_count = sizeof micro_subjects / sizeof micro_subjects[0];
