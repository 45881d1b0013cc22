/*
 * Walking through all keys.
 *
 * The walk goes through the hashes in ascending order, and through keys of the same hash in that of
 * their bytes: an order that does not depend on what the map looks like. Where it stands is a hash
 * and a key. Since a home group is that of an interval of hashes, a step looks at one home group:
 * it makes a list of all keys at home there that are still ahead. While the segment's version
 * stays, the next key is the next of the list, and is read where it was. When it changed the list
 * is made again.
 *
 * So each key that is there throughout is in the list when the walk comes to its hash, and none is
 * met twice, because each step goes to a greater hash or key.
 */
#include <string.h>

#include "base/assert.h"
#include "index/map.h"
#include "index/map_private.h"

/* ------------------------------------------------------------------ hashes and homes */

/* The first hash that is at home in a group of a table; or 0, for the one behind the last group,
 * if the segment is the last one. */
static uint64_t
first_hash_of(const struct adb_map_layout *layout, const struct adb_map_table *table,
              uint64_t start, struct adb_map_place home)
{
    if (home.page >= table->n_main)
        return start + ((uint64_t)1 << 63 >> table->depth << 1);
    ADB_ASSERT(layout->groups != 0 && table->n_main != 0);
    /* Undoes adb_map_home(): the least x with x * n_main at or behind the group's part. */
    uint64_t part = (((uint64_t)home.group << 32) + layout->groups - 1) / layout->groups;
    uint64_t product = ((uint64_t)home.page << 32) + part;
    uint64_t x = (product + table->n_main - 1) / table->n_main;
    return start + (x << 32 >> table->depth);
}

/* ------------------------------------------------------------------ the list */

/* Keys at home in one group, while they are looked for. */
struct search {
    const struct adb_map *map;
    const struct adb_map_view *view;
    struct adb_map_place home;
    struct adb_map_walk *walk;
};

/* The order of keys with the same hash. */
static int
compare_keys(const unsigned char *a, uint32_t a_len, const unsigned char *b, uint32_t b_len)
{
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);
    return order != 0 ? order : (int)a_len - (int)b_len;
}

static uint32_t
copy_item_key(const struct search *search, const struct adb_map_walk_item *item,
              unsigned char *bytes_out)
{
    struct adb_map_place place = {.page = item->page, .group = item->group, .slot = item->slot};
    return adb_map_copy_key(&search->map->layout, &search->view->table, &place, bytes_out);
}

static bool
is_before(const struct search *search, uint64_t hash, const unsigned char *key, uint32_t key_len,
          const struct adb_map_walk_item *item)
{
    unsigned char other[ARMDB_KEY_MAX];
    if (ADB_LIKELY(hash != item->hash))
        return hash < item->hash;
    uint32_t other_len = copy_item_key(search, item, other);
    return compare_keys(key, key_len, other, other_len) < 0;
}

/* Enters the key at `place` into the list if it is at home there and still ahead. */
static void
look_at(const struct search *search, const struct adb_map_place *place)
{
    const struct adb_map_layout *layout = &search->map->layout;
    const struct adb_map_table *table = &search->view->table;
    struct adb_map_walk *walk = search->walk;
    unsigned char key[ARMDB_KEY_MAX];
    uint32_t key_len = adb_map_copy_key(layout, table, place, key);
    if (key_len == 0)
        return;
    uint64_t hash = adb_map_hash(search->map, key, key_len);
    struct adb_map_place home = adb_map_home(layout, table, hash);
    if (home.page != search->home.page || home.group != search->home.group || hash < walk->hash)
        return;
    if (walk->is_after_key && hash == walk->hash &&
        compare_keys(key, key_len, walk->key, walk->key_len) <= 0)
        return;
    uint32_t i = walk->n;
    while (i > 0 && is_before(search, hash, key, key_len, &walk->item[i - 1]))
        i--;
    if (walk->n == ADB_MAP_WALK_LIST) {
        walk->is_cut = true;
        if (i == walk->n)
            return;
        walk->n--;
    }
    memmove(&walk->item[i + 1], &walk->item[i], (walk->n - i) * sizeof walk->item[0]);
    walk->item[i] = (struct adb_map_walk_item){.hash = hash,
                                               .page = place->page,
                                               .group = (uint16_t)place->group,
                                               .slot = (uint16_t)place->slot};
    walk->n++;
}

static void
look_at_group(const struct search *search, struct adb_map_place *place)
{
    const struct adb_map_layout *layout = &search->map->layout;
    const struct adb_page *page = adb_map_page(&search->view->table, place->page);
    for (place->slot = 0; place->slot < layout->slots; place->slot++) {
        if (adb_map_tag(layout, page, place->group, place->slot) != 0)
            look_at(search, place);
    }
}

/* Makes the list of the group that the walk's hash is at home in. False: start over. */
static bool
try_fill_list(const struct adb_map *map, struct adb_map_walk *walk)
{
    const struct adb_map_layout *layout = &map->layout;
    struct adb_map_view view;
    walk->n = 0;
    walk->next = 0;
    walk->is_cut = false;
    if (!adb_map_view(map, walk->hash, &view))
        return false;
    const struct adb_map_table *table = &view.table;
    struct search search = {.map = map, .view = &view, .walk = walk};
    search.home = adb_map_home(layout, table, walk->hash);
    struct adb_map_place place = search.home;
    for (uint32_t n = 0; n < table->n_main * layout->groups; n++) {
        look_at_group(&search, &place);
        if (adb_map_passed(layout, adb_map_page(table, place.page), place.group) == 0)
            break;
        adb_map_next_group(layout, table, &place);
    }
    for (place.page = table->n_main; place.page < table->n_main + table->n_stash; place.page++) {
        for (place.group = 0; place.group < layout->groups; place.group++)
            look_at_group(&search, &place);
    }
    struct adb_map_place behind = search.home;
    if (++behind.group == layout->groups) {
        behind.group = 0;
        behind.page++;
    }
    walk->list_end = first_hash_of(layout, table, adb_map_word(&view.segment->start), behind);
    walk->segment = view.segment;
    walk->version = view.version;
    return adb_map_is_unchanged(&view);
}

/* Reads the next key of the list. False: the segment has changed. */
static bool
try_take_item(const struct adb_map *map, struct adb_map_walk *walk)
{
    const struct adb_map_layout *layout = &map->layout;
    const struct adb_map_walk_item *item = &walk->item[walk->next];
    struct adb_map_view view = {.segment = (struct adb_map_segment *)(uintptr_t)walk->segment,
                                .version = walk->version};
    struct adb_map_place place = {.page = item->page, .group = item->group, .slot = item->slot};
    if (!adb_map_is_unchanged(&view))
        return false;
    unsigned char key[ARMDB_KEY_MAX];
    adb_map_view_shape(map, &view);
    uint32_t key_len = adb_map_copy_key(layout, &view.table, &place, key);
    uint64_t location = adb_map_location(layout, &view.table, &place);
    adb_map_copy_value(layout, &view.table, &place, walk->value);
    if (!adb_map_is_unchanged(&view))
        return false;
    ADB_ASSERT(key_len != 0 && location != 0);
    walk->next++;
    walk->location = location;
    walk->key_len = key_len;
    memcpy(walk->key, key, key_len);
    walk->hash = item->hash;
    walk->is_after_key = true;
    return true;
}

bool
adb_map_walk_next(const struct adb_map *map, struct adb_map_walk *walk)
{
    uint32_t tries = 0;
    while (!walk->is_over) {
        if (walk->next < walk->n) {
            if (try_take_item(map, walk))
                return true;
            walk->n = 0;
        } else if (walk->segment != NULL && !walk->is_cut) {
            /* The list is done: go on behind it. */
            walk->is_over = walk->list_end == 0;
            walk->hash = walk->list_end;
            walk->is_after_key = false;
        }
        while (!walk->is_over && !try_fill_list(map, walk))
            adb_node_wait(&tries);
    }
    return false;
}
