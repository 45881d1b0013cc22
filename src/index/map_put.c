/*
 * Putting keys in and taking them out.
 *
 * All that may fail is done when a writer prepares: the key's segment grows if it is full. Until
 * that writer puts, others that had prepared may have filled the segment: then the put adds a page
 * from the spare list. So a segment has room for that many addresses of pages, but no free memory
 * needs to be kept in it.
 */
#include "base/assert.h"
#include "base/err.h"
#include "index/map.h"
#include "index/map_private.h"

armdb_err
adb_map_prepare(struct adb_map *map, armdb_slice slice, struct adb_spare *spare)
{
    ADB_ASSERT(adb_map_can_hold(map, slice));
    ADB_TRY(adb_spare_fill(spare, map->pages, MAP_SPARE_PAGES));
    struct adb_map_key key = adb_map_key_of(map, slice);
    uint32_t heap_words = adb_map_heap_words(map, key.len);
    struct adb_map_view view;
    for (uint32_t tries = 0;; adb_node_wait(&tries)) {
        if (!adb_map_view(map, key.hash, &view))
            continue;
        /* The put will need it soon. */
        adb_map_prefetch_home(&map->layout, &view.table, key.hash);
        bool is_full = adb_map_is_full(map, &view, heap_words);
        if (!adb_map_is_unchanged(&view))
            continue;
        if (!is_full)
            return ARMDB_OK;
        if (!adb_map_try_hold(map, &view))
            continue;
        armdb_err err = ARMDB_OK;
        if (adb_map_is_full(map, &view, heap_words))
            err = adb_map_grow(map, &view, heap_words);
        adb_map_release(&view);
        return err;
    }
}

/* ------------------------------------------------------------------ put */

/* Adds a page from the spare list to a segment that is held: to the stash, or to the heap. */
static void
add_page(struct adb_map *map, struct adb_map_view *view, bool is_heap, struct adb_spare *spare)
{
    struct adb_map_table *table = &view->table;
    ADB_ASSERT(table->n_main + table->n_stash + table->n_heap < table->capacity);
    struct adb_page *page = adb_spare_take(spare);
    adb_map_page_init(&map->layout, page, adb_pages_clock(map->pages));
    atomic_fetch_add_explicit(&map->n_pages, 1, memory_order_relaxed);
    if (is_heap)
        adb_map_set_page(table, adb_map_heap_index(table, table->n_heap++), page);
    else
        adb_map_set_page(table, table->n_main + table->n_stash++, page);
    adb_map_set_word(&view->segment->shape, adb_map_pack_shape(table));
}

/* Takes room in the heap of a segment that is held. Returns its first word. */
static uint32_t
take_heap(struct adb_map *map, struct adb_map_view *view, uint32_t words, struct adb_spare *spare)
{
    uint64_t heap = adb_map_word(&view->segment->heap);
    uint32_t at = (uint32_t)heap;
    if (at + words > view->table.n_heap * MAP_PAGE_WORDS)
        add_page(map, view, true, spare);
    adb_map_set_word(&view->segment->heap, heap + words);
    return at;
}

static void
insert(struct adb_map *map, struct adb_map_view *view, const struct adb_map_key *key,
       uint64_t location, const void *value, struct adb_spare *spare)
{
    const struct adb_map_layout *layout = &map->layout;
    struct adb_map_place place;
    if (!adb_map_find_room(layout, &view->table, key->hash, &place)) {
        add_page(map, view, false, spare);
        bool has_room = adb_map_find_room(layout, &view->table, key->hash, &place);
        ADB_ASSERT(has_room);
    }
    uint32_t words = adb_map_heap_words(map, key->len);
    uint32_t heap_at = words != 0 ? take_heap(map, view, words, spare) : 0;
    adb_map_set_key(layout, &view->table, &place, key, heap_at);
    adb_map_set_location(layout, &view->table, &place, location);
    adb_map_set_value(layout, &view->table, &place, value);
    adb_map_show(layout, &view->table, key->hash, &place);
    adb_map_set_word(&view->segment->count, adb_map_word(&view->segment->count) + 1);
}

/* In a segment that is held. Returns as adb_map_put(). */
static uint64_t
put_held(struct adb_map *map, struct adb_map_view *view, const struct adb_map_key *key,
         uint64_t location, const void *value, struct adb_spare *spare)
{
    const struct adb_map_layout *layout = &map->layout;
    struct adb_map_place place;
    if (!adb_map_find(layout, &view->table, key, &place)) {
        insert(map, view, key, location, value, spare);
        return 0;
    }
    uint64_t old = adb_map_location(layout, &view->table, &place);
    if (layout->value_bytes == 0) {
        adb_map_set_location(layout, &view->table, &place, location);
    } else {
        /* A reader must not see half of the value, nor the location of another one. */
        adb_map_lock(view);
        if (location != 0)
            adb_map_set_location(layout, &view->table, &place, location);
        adb_map_set_value(layout, &view->table, &place, value);
        adb_map_unlock(view);
    }
    return old;
}

uint64_t
adb_map_put(struct adb_map *map, armdb_slice slice, uint64_t location, const void *value,
            struct adb_spare *spare)
{
    ADB_ASSERT((location != 0 || map->layout.value_bytes != 0) && adb_map_can_hold(map, slice));
    ADB_ASSERT(value != NULL || map->layout.value_bytes == 0);
    struct adb_map_key key = adb_map_key_of(map, slice);
    struct adb_map_view view;
    adb_map_hold(map, key.hash, &view);
    uint64_t old = put_held(map, &view, &key, location, value, spare);
    adb_map_release(&view);
    if (old == 0)
        adb_counter_add(&map->keys, 1);
    return old;
}

/* ------------------------------------------------------------------ many */

/* So many keys tell how far apart they are. */
enum { TELLING = 64 };

/* A segment that many keys in a row go to. */
struct stay {
    struct adb_map_view view;
    bool is_held;
    bool is_new;         /* it was not looked at for room ahead */
    uint64_t gap;        /* between hashes; 0: not known */
    uint64_t heap_words; /* of ADB_MAP_HEAP_KEYS keys */
    uint64_t n_added;    /* keys */
};

static void
leave(struct stay *stay)
{
    if (stay->is_held)
        adb_map_release(&stay->view);
    stay->is_held = false;
}

/* Comes to hold the segment of a key, with room for it. */
static armdb_err
reach(struct adb_map *map, const struct adb_map_key *key, struct adb_spare *spare,
      struct stay *stay)
{
    struct adb_map_view *view = &stay->view;
    uint32_t heap_words = adb_map_heap_words(map, key->len);
    bool is_done = false;
    ADB_TRY(adb_spare_fill(spare, map->pages, MAP_SPARE_PAGES));
    while (!is_done) {
        if (stay->is_held && !adb_map_covers(view, key->hash))
            leave(stay);
        if (!stay->is_held) {
            adb_map_hold(map, key->hash, view);
            stay->is_held = true;
            stay->is_new = stay->gap != 0;
        }
        is_done = !stay->is_new;
        if (stay->is_new) {
            ADB_TRY(adb_map_expect(map, view, stay->gap, stay->heap_words, &is_done));
            stay->is_new = !is_done;
        }
        if (is_done && adb_map_is_full(map, view, heap_words)) {
            ADB_TRY(adb_map_grow(map, view, heap_words));
            is_done = adb_map_covers(view, key->hash);
        }
    }
    return ARMDB_OK;
}

/* Finds how far apart the hashes of neighbours are, on average, and how long keys are. */
static void
survey(const struct adb_map *map, const struct adb_change *changes, size_t n, struct stay *stay)
{
    *stay = (struct stay){.gap = 0};
    if (n < TELLING)
        return;
    uint64_t first = adb_map_key_of(map, changes[0].key).hash;
    uint64_t last = adb_map_key_of(map, changes[n - 1].key).hash;
    if (last > first)
        stay->gap = (last - first) / (n - 1);
    for (size_t i = 0; i < n; i++)
        stay->heap_words += adb_map_heap_words(map, (uint32_t)changes[i].key.len);
    stay->heap_words = stay->heap_words * ADB_MAP_HEAP_KEYS / n;
}

static armdb_err
apply_one(struct adb_map *map, struct adb_change *change, struct adb_spare *spare,
          struct stay *stay)
{
    ADB_ASSERT(adb_map_can_hold(map, change->key));
    struct adb_map_key key = adb_map_key_of(map, change->key);
    if (change->location == 0) {
        leave(stay);
        change->old = adb_map_remove(map, change->key);
        return ARMDB_OK;
    }
    ADB_TRY(reach(map, &key, spare, stay));
    change->old = put_held(map, &stay->view, &key, change->location, change->value, spare);
    stay->n_added += change->old == 0 ? 1 : 0;
    return ARMDB_OK;
}

armdb_err
adb_map_apply(struct adb_map *map, struct adb_change *changes, size_t n, struct adb_spare *spare)
{
    struct stay stay;
    armdb_err err = ARMDB_OK;
    survey(map, changes, n, &stay);
    for (size_t i = 0; err == ARMDB_OK && i < n; i++)
        err = apply_one(map, &changes[i], spare, &stay);
    leave(&stay);
    adb_counter_add(&map->keys, stay.n_added);
    return err;
}

/* ------------------------------------------------------------------ remove */

uint64_t
adb_map_remove(struct adb_map *map, armdb_slice slice)
{
    const struct adb_map_layout *layout = &map->layout;
    if (!adb_map_can_hold(map, slice))
        return 0;
    struct adb_map_key key = adb_map_key_of(map, slice);
    struct adb_map_view view;
    struct adb_map_place place;
    adb_map_hold(map, key.hash, &view);
    if (!adb_map_find(layout, &view.table, &key, &place)) {
        adb_map_release(&view);
        return 0;
    }
    uint64_t old = adb_map_location(layout, &view.table, &place);
    uint64_t garbage = adb_map_heap_words(map, key.len);
    adb_map_lock(&view);
    adb_map_hide(layout, &view.table, key.hash, &place);
    adb_map_set_word(&view.segment->count, adb_map_word(&view.segment->count) - 1);
    adb_map_set_word(&view.segment->heap, adb_map_word(&view.segment->heap) + (garbage << 32));
    adb_map_unlock(&view);
    adb_map_shrink(map, &view);
    adb_map_release(&view);
    adb_counter_add(&map->keys, UINT64_MAX);
    return old;
}
