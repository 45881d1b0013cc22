/*
 * The map: making, reading, changing locations. map_put.c puts keys in and takes them out,
 * map_grow.c builds tables anew, map_walk.c walks; map_private.h has the rules by which segments
 * are shared, map_table.h their tables.
 */
#include "index/map.h"

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "index/map_private.h"

/* ------------------------------------------------------------------ life */

/* Pages that the puts of all writers may add to a table before one of them prepares again. */
static uint32_t
late_pages_for(const struct adb_map_layout *layout, uint32_t n_writers)
{
    uint32_t stash = n_writers / layout->page_slots + 1;
    uint32_t key_words = layout->key_bytes != 0 ? 0 : ARMDB_KEY_MAX / 8;
    return stash + (n_writers * key_words + MAP_PAGE_WORDS - 1) / MAP_PAGE_WORDS;
}

/* How large tables may get. One with late pages is split into two that are larger than they should
 * be if those pages were many; they may get late pages themselves. */
static void
set_limits(struct adb_map *map, uint32_t n_writers)
{
    uint32_t late_pages = late_pages_for(&map->layout, n_writers);
    uint32_t head = sizeof(struct adb_map_segment) / 8;
    uint32_t line = MAP_SEGMENT_ALIGN / 8;
    uint32_t capacity = MAP_PAGES_MAX + 2 * late_pages;
    map->built_pages_max = MAP_PAGES_MAX + late_pages;
    map->capacity = (capacity + head + line - 1) / line * line - head;
    map->segment_bytes = 8 * (head + map->capacity);
    ADB_ASSERT(map->capacity <= MAP_TABLE_MAX);
    ADB_ASSERT(MAP_SEGMENT_ALIGN + map->segment_bytes <= ADB_PAGE_BYTES);
}

struct adb_map_directory *
adb_map_new_directory(uint32_t depth)
{
    size_t bytes = sizeof(struct adb_map_directory) + (sizeof(uint64_t) << depth);
    struct adb_map_directory *directory = (struct adb_map_directory *)adb_mem_zalloc(1, bytes);
    if (directory != NULL)
        directory->depth = depth;
    return directory;
}

/* The first segment, for all hashes, with one page. */
static armdb_err
add_first_segment(struct adb_map *map)
{
    struct adb_map_segment *segment;
    struct adb_page *page;
    ADB_TRY(adb_map_take_segment_locked(map, &segment));
    ADB_TRY(adb_map_take_page(map, &page));
    adb_map_set_word(&segment->page[0], (uint64_t)(uintptr_t)page);
    struct adb_map_table table = {.n_main = 1};
    adb_map_set_word(&segment->shape, adb_map_pack_shape(&table));
    adb_map_set_word(&adb_map_directory(map)->segment[0], (uint64_t)(uintptr_t)segment);
    return ARMDB_OK;
}

armdb_err
adb_map_new(struct adb_pages *pages, const struct adb_map_config *config, struct adb_map **map_out)
{
    ADB_ASSERT(config->key_bytes <= ARMDB_FIXED_KEY_MAX);
    ADB_ASSERT(config->value_bytes <= ADB_MAP_VALUE_MAX);
    ADB_ASSERT(config->n_writers >= 1 && config->n_writers <= ADB_MAP_WRITERS_MAX);
    *map_out = NULL;
    struct adb_map *map = adb_new(struct adb_map);
    struct adb_map_directory *directory = adb_map_new_directory(0);
    if (map == NULL || directory == NULL) {
        adb_mem_free(map);
        adb_mem_free(directory);
        return adb_fail(ARMDB_NO_MEMORY, "index", "no memory for a map");
    }
    map->pages = pages;
    map->seed = config->seed;
    map->hash_mask = UINT64_MAX;
    adb_map_layout_init(&map->layout, config->key_bytes, config->value_bytes);
    set_limits(map, config->n_writers);
    adb_mutex_init(&map->directory_lock);
    adb_map_set_directory_locked(map, directory);
    armdb_err err = add_first_segment(map);
    if (err != ARMDB_OK) {
        adb_map_free(map);
        return err;
    }
    *map_out = map;
    return ARMDB_OK;
}

void
adb_map_set_directory_locked(struct adb_map *map, struct adb_map_directory *directory)
{
    directory->older = adb_map_directory(map);
    atomic_fetch_add_explicit(&map->directory_bytes,
                              sizeof *directory + (sizeof(uint64_t) << directory->depth),
                              memory_order_relaxed);
    /* Release: publishes its entries. */
    adb_map_set_word(&map->directory, (uint64_t)(uintptr_t)directory);
}

armdb_err
adb_map_take_page(struct adb_map *map, struct adb_page **page_out)
{
    ADB_TRY(adb_pages_take(map->pages, page_out));
    adb_map_page_init(&map->layout, *page_out, adb_pages_clock(map->pages));
    atomic_fetch_add_explicit(&map->n_pages, 1, memory_order_relaxed);
    return ARMDB_OK;
}

void
adb_map_give_page(struct adb_map *map, struct adb_page *page)
{
    atomic_fetch_sub_explicit(&map->n_pages, 1, memory_order_relaxed);
    adb_pages_give(map->pages, page, adb_node_word(page, NODE_VERSION_AT));
}

static void
free_segment(struct adb_map *map, struct adb_map_segment *segment)
{
    struct adb_map_view view = {.segment = segment};
    adb_map_view_shape(map, &view);
    for (uint32_t i = 0; i < view.table.n_main + view.table.n_stash; i++)
        adb_map_give_page(map, adb_map_page(&view.table, i));
    for (uint32_t i = 0; i < view.table.n_heap; i++)
        adb_map_give_page(map, adb_map_page(&view.table, adb_map_heap_index(&view.table, i)));
    adb_map_set_word(&segment->shape, 0);
}

void
adb_map_free(struct adb_map *map)
{
    if (map == NULL)
        return;
    struct adb_map_directory *directory = adb_map_directory(map);
    for (uint64_t i = 0; i < (uint64_t)1 << directory->depth; i++) {
        uint64_t address = adb_map_word(&directory->segment[i]);
        if (address != 0)
            free_segment(map, (struct adb_map_segment *)(uintptr_t)address);
    }
    while (map->segment_pages != NULL) {
        struct adb_page *page = map->segment_pages;
        map->segment_pages = adb_pages_link(page);
        adb_map_give_page(map, page);
    }
    while (directory != NULL) {
        struct adb_map_directory *older = directory->older;
        adb_mem_free(directory);
        directory = older;
    }
    adb_mutex_fini(&map->directory_lock);
    adb_mem_free(map);
}

/* ------------------------------------------------------------------ segments */

static armdb_err
add_segment_page_locked(struct adb_map *map)
{
    struct adb_page *page;
    ADB_TRY(adb_map_take_page(map, &page));
    adb_pages_set_link(page, map->segment_pages);
    map->segment_pages = page;
    /* Late readers of the page's former use may still look: all is stored as atomic words. */
    for (uint32_t at = MAP_SEGMENT_ALIGN / 8; at < NODE_WORDS; at++)
        adb_node_set_word(page, at, 0);
    unsigned char *base = (unsigned char *)page;
    for (uint32_t at = MAP_SEGMENT_ALIGN; at + map->segment_bytes <= ADB_PAGE_BYTES;
         at += map->segment_bytes) {
        struct adb_map_segment *segment = (struct adb_map_segment *)(void *)(base + at);
        adb_map_set_word(&segment->unused, (uint64_t)(uintptr_t)map->first_unused);
        map->first_unused = segment;
    }
    return ARMDB_OK;
}

armdb_err
adb_map_take_segment_locked(struct adb_map *map, struct adb_map_segment **segment_out)
{
    *segment_out = NULL;
    if (map->first_unused == NULL)
        ADB_TRY(add_segment_page_locked(map));
    struct adb_map_segment *segment = map->first_unused;
    map->first_unused = (struct adb_map_segment *)(uintptr_t)adb_map_word(&segment->unused);
    *segment_out = segment;
    return ARMDB_OK;
}

bool
adb_map_try_hold(const struct adb_map *map, struct adb_map_view *view)
{
    uint64_t expected = view->version;
    if ((expected & (NODE_LOCKED | NODE_OBSOLETE)) != 0)
        return false;
    /* Acquire: what the last holder stored. */
    if (!atomic_compare_exchange_strong_explicit(&view->segment->version, &expected,
                                                 expected | NODE_HELD, memory_order_acquire,
                                                 memory_order_relaxed))
        return false;
    /* The last holder may have added a page. */
    adb_map_view_shape(map, view);
    return true;
}

void
adb_map_hold(const struct adb_map *map, uint64_t hash, struct adb_map_view *view)
{
    for (uint32_t tries = 0;; adb_node_wait(&tries)) {
        if (adb_map_view(map, hash, view) && adb_map_try_hold(map, view))
            return;
    }
}

/* ------------------------------------------------------------------ reading */

uint64_t
adb_map_get_key(const struct adb_map *map, const struct adb_map_key *key, bool is_near,
                void *value_out)
{
    const struct adb_map_layout *layout = &map->layout;
    for (uint32_t tries = 0;; adb_node_wait(&tries)) {
        struct adb_map_view view;
        struct adb_map_place place;
        uint64_t location = 0;
        if (!adb_map_view(map, key->hash, &view))
            continue;
        if (!is_near)
            adb_map_prefetch_home(layout, &view.table, key->hash);
        if (adb_map_find(layout, &view.table, key, &place)) {
            location = adb_map_location(layout, &view.table, &place);
            if (value_out != NULL)
                adb_map_copy_value(layout, &view.table, &place, value_out);
        }
        if (adb_map_is_unchanged(&view))
            return location;
    }
}

uint64_t
adb_map_get(const struct adb_map *map, armdb_slice slice, void *value_out)
{
    if (!adb_map_can_hold(map, slice))
        return 0;
    struct adb_map_key key = adb_map_key_of(map, slice);
    return adb_map_get_key(map, &key, false, value_out);
}

bool
adb_map_replace(struct adb_map *map, armdb_slice slice, uint64_t expected, uint64_t desired)
{
    ADB_ASSERT(expected != 0 && desired != 0);
    if (!adb_map_can_hold(map, slice))
        return false;
    struct adb_map_key key = adb_map_key_of(map, slice);
    struct adb_map_view view;
    struct adb_map_place place;
    adb_map_hold(map, key.hash, &view);
    bool is_expected = adb_map_find(&map->layout, &view.table, &key, &place) &&
                       adb_map_location(&map->layout, &view.table, &place) == expected;
    if (is_expected)
        adb_map_set_location(&map->layout, &view.table, &place, desired);
    adb_map_release(&view);
    return is_expected;
}

/* ------------------------------------------------------------------ counters */

uint64_t
adb_map_count(const struct adb_map *map)
{
    return adb_counter_sum(&map->keys);
}

uint64_t
adb_map_bytes(const struct adb_map *map)
{
    return atomic_load_explicit(&map->n_pages, memory_order_relaxed) * ADB_PAGE_BYTES +
           atomic_load_explicit(&map->directory_bytes, memory_order_relaxed) + sizeof *map;
}
