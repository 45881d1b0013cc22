/*
 * Building tables anew: larger when a segment is full, two of them when it would get too large,
 * smaller when few entries are left, one for two neighbours when both are small.
 *
 * It always goes the same way. The segment is held, so that its entries stay; readers go on. All
 * memory is taken, and nothing else can fail. The entries are copied into new pages that nobody
 * knows. Then, with the segment locked, the new pages take the place of the old ones, which go back
 * to the pool.
 *
 * A table is built 77 % full and replaced when it is 90 % full. Since all segments fill evenly,
 * the whole map goes through the same cycle: the first figure is what bounds its memory.
 */
#include "base/assert.h"
#include "base/err.h"
#include "index/map.h"
#include "index/map_private.h"

enum {
    PERCENT_BUILT = 77,
    PERCENT_EXPECTED = 83, /* where all keys come at once; how many is known to some percent */
    PERCENT_FULL = 90,
    PERCENT_MOST = 97,                    /* after a split that left all on one side */
    JOINED_PAGES_MAX = MAP_PAGES_MAX / 2, /* so that it is not split again soon */
    SMALL_PAGES = MAP_PAGES_MAX / 8,
    SMALL_EVERY = 16, /* removals from a small segment until it looks at its neighbour */
    DEPTH_MAX = 22    /* of the directory: enough for some thousand million keys */
};

/* A table that is being built. */
struct build {
    struct adb_map_table table;
    uint64_t count;
    uint32_t heap_at; /* words used */
    _Atomic uint64_t page[MAP_TABLE_MAX];
};

/* What a table must hold. */
struct content {
    uint64_t count;
    uint64_t heap_words;
};

static uint32_t
main_pages_for(const struct adb_map *map, uint64_t count)
{
    uint64_t page_slots = map->layout.page_slots;
    uint64_t built = count * 100 / (PERCENT_BUILT * page_slots);
    uint64_t least = count * 100 / (PERCENT_FULL * page_slots) + 1;
    return (uint32_t)(built > least ? built : least);
}

static uint32_t
heap_pages_for(uint64_t words)
{
    return (uint32_t)((words + MAP_PAGE_WORDS - 1) / MAP_PAGE_WORDS);
}

static uint32_t
pages_for(const struct adb_map *map, struct content content)
{
    return main_pages_for(map, content.count) + heap_pages_for(content.heap_words);
}

static uint32_t
pages_of(const struct adb_map_table *table)
{
    return table->n_main + table->n_stash + table->n_heap;
}

static struct content
content_of(const struct adb_map_view *view)
{
    uint64_t heap = adb_map_word(&view->segment->heap);
    struct content content = {.count = adb_map_word(&view->segment->count),
                              .heap_words = (heap & UINT32_MAX) - (heap >> 32)};
    return content;
}

bool
adb_map_is_full(const struct adb_map *map, const struct adb_map_view *view, uint32_t heap_words)
{
    const struct adb_map_table *table = &view->table;
    uint64_t count = adb_map_word(&view->segment->count);
    if (count * 100 >= (uint64_t)table->n_main * map->layout.page_slots * PERCENT_FULL ||
        table->n_stash != 0)
        return true;
    uint64_t heap = adb_map_word(&view->segment->heap);
    uint64_t used = heap & UINT32_MAX;
    if (used + heap_words <= (uint64_t)table->n_heap * MAP_PAGE_WORDS)
        return false;
    /* The put would add a page to the heap. Rather build it anew if much of it is garbage. */
    uint64_t garbage = heap >> 32;
    return pages_of(table) >= MAP_PAGES_MAX || (garbage != 0 && garbage >= used / 8);
}

/* ------------------------------------------------------------------ building */

static void
give_pages(struct adb_map *map, const struct adb_map_table *table)
{
    for (uint32_t i = 0; i < table->n_main + table->n_stash; i++)
        adb_map_give_page(map, adb_map_page(table, i));
    for (uint32_t i = 0; i < table->n_heap; i++)
        adb_map_give_page(map, adb_map_page(table, adb_map_heap_index(table, i)));
}

/* Takes the pages of an empty table. On error there is nothing to give back. */
static armdb_err
begin_build(struct adb_map *map, struct build *build, uint32_t depth, struct content content)
{
    build->table =
        (struct adb_map_table){.page = build->page, .capacity = map->capacity, .depth = depth};
    build->count = 0;
    build->heap_at = 0;
    uint32_t n_main = main_pages_for(map, content.count);
    uint32_t n_heap = heap_pages_for(content.heap_words);
    struct adb_map_table *table = &build->table;
    /* If a split left all on one side, that side is built as full as it was, and split again. */
    if (n_main + n_heap > map->built_pages_max && n_heap < map->built_pages_max)
        n_main = map->built_pages_max - n_heap;
    if (n_main + n_heap > map->built_pages_max ||
        content.count * 100 > (uint64_t)n_main * map->layout.page_slots * PERCENT_MOST)
        return adb_fail(ARMDB_NO_MEMORY, "index", "too many keys with the same hash");
    while (table->n_main < n_main || table->n_heap < n_heap) {
        struct adb_page *page;
        armdb_err err = adb_map_take_page(map, &page);
        if (err != ARMDB_OK) {
            give_pages(map, table);
            return err;
        }
        if (table->n_main < n_main)
            adb_map_set_page(table, table->n_main++, page);
        else
            adb_map_set_page(table, adb_map_heap_index(table, table->n_heap++), page);
    }
    return ARMDB_OK;
}

/* One entry on its way from a table to another. */
struct moving {
    const struct adb_map_table *from;
    struct adb_map_place place;
    struct adb_map_key key;
    unsigned char bytes[ARMDB_KEY_MAX];
};

static void
add_entry(const struct adb_map *map, struct build *build, const struct moving *moving)
{
    const struct adb_map_layout *layout = &map->layout;
    struct adb_map_place to;
    bool has_room = adb_map_find_room(layout, &build->table, moving->key.hash, &to);
    ADB_ASSERT(has_room);
    adb_map_set_key(layout, &build->table, &to, &moving->key, build->heap_at);
    build->heap_at += adb_map_heap_words(map, moving->key.len);
    const struct adb_page *from_page = adb_map_page(moving->from, moving->place.page);
    struct adb_page *to_page = adb_map_page(&build->table, to.page);
    uint32_t from_at = adb_map_entry_at(layout, moving->place.group, moving->place.slot);
    uint32_t to_at = adb_map_entry_at(layout, to.group, to.slot);
    adb_node_set_word(to_page, to_at, adb_node_word(from_page, from_at));
    for (uint32_t i = 1 + layout->key_words; i < layout->entry_words; i++)
        adb_node_set_word(to_page, to_at + i, adb_node_word(from_page, from_at + i));
    adb_map_show(layout, &build->table, moving->key.hash, &to);
    build->count++;
}

static void
load_moving(const struct adb_map *map, struct moving *moving)
{
    moving->key.bytes = moving->bytes;
    moving->key.len = adb_map_copy_key(&map->layout, moving->from, &moving->place, moving->bytes);
    ADB_ASSERT(moving->key.len != 0);
    moving->key.hash = adb_map_hash(map, moving->bytes, moving->key.len);
}

/* Goes on to the next entry of a table; from the start, if `is_started` is false. */
static bool
next_entry(const struct adb_map *map, struct moving *moving, bool is_started)
{
    const struct adb_map_layout *layout = &map->layout;
    const struct adb_map_table *from = moving->from;
    struct adb_map_place *place = &moving->place;
    place->slot += is_started;
    for (; place->page < from->n_main + from->n_stash; place->page++, place->group = 0) {
        const struct adb_page *page = adb_map_page(from, place->page);
        for (; place->group < layout->groups; place->group++, place->slot = 0) {
            while (place->slot < layout->slots &&
                   adb_map_tag(layout, page, place->group, place->slot) == 0)
                place->slot++;
            if (place->slot < layout->slots)
                return true;
        }
    }
    return false;
}

/* Copies all entries; with `upper`, those of hashes that go on with a 1 there. */
static void
copy_entries(const struct adb_map *map, const struct adb_map_table *from, struct build *lower,
             struct build *upper)
{
    struct moving moving = {.from = from};
    for (bool found = next_entry(map, &moving, false); found;
         found = next_entry(map, &moving, true)) {
        load_moving(map, &moving);
        bool is_upper = upper != NULL && (moving.key.hash >> (63 - from->depth) & 1) != 0;
        add_entry(map, is_upper ? upper : lower, &moving);
    }
}

/* What of a table would go to the upper half; and the bits in which its hashes are not the same. */
static struct content
content_of_upper(const struct adb_map *map, const struct adb_map_table *from,
                 uint64_t *differences_out)
{
    struct content content = {0};
    struct moving moving = {.from = from};
    uint64_t seen = 0;
    uint64_t seen_not = 0;
    for (bool found = next_entry(map, &moving, false); found;
         found = next_entry(map, &moving, true)) {
        load_moving(map, &moving);
        seen |= moving.key.hash;
        seen_not |= ~moving.key.hash;
        if ((moving.key.hash >> (63 - from->depth) & 1) != 0) {
            content.count++;
            content.heap_words += adb_map_heap_words(map, moving.key.len);
        }
    }
    *differences_out = seen & seen_not;
    return content;
}

/* A table's addresses, to give its pages back when another one took its place. */
static void
keep_old(const struct adb_map_table *table, struct build *old)
{
    old->table = *table;
    old->table.page = old->page;
    for (uint32_t i = 0; i < table->capacity; i++)
        adb_map_set_page(&old->table, i, adb_map_page(table, i));
}

/* Makes the table that of a locked segment. */
static void
publish(struct adb_map_view *view, const struct build *build, uint64_t start)
{
    struct adb_map_segment *segment = view->segment;
    struct adb_map_table *table = &view->table;
    *table = build->table;
    table->page = segment->page;
    for (uint32_t i = 0; i < table->n_main; i++)
        adb_map_set_page(table, i, adb_map_page(&build->table, i));
    for (uint32_t i = 0; i < table->n_heap; i++) {
        uint32_t at = adb_map_heap_index(table, i);
        adb_map_set_page(table, at, adb_map_page(&build->table, at));
    }
    adb_map_set_word(&segment->count, build->count);
    adb_map_set_word(&segment->heap, build->heap_at);
    adb_map_set_word(&segment->start, start);
    /* After the addresses: a late reader that sees this shape finds them all. */
    adb_map_set_word(&segment->shape, adb_map_pack_shape(table));
}

static armdb_err
rebuild(struct adb_map *map, struct adb_map_view *view, struct content content)
{
    struct build build;
    struct build old;
    ADB_TRY(begin_build(map, &build, view->table.depth, content));
    copy_entries(map, &view->table, &build, NULL);
    keep_old(&view->table, &old);
    adb_map_lock(view);
    publish(view, &build, adb_map_word(&view->segment->start));
    adb_map_unlock(view);
    give_pages(map, &old.table);
    return ARMDB_OK;
}

/* ------------------------------------------------------------------ splitting */

static uint64_t
half_of(uint32_t depth)
{
    return (uint64_t)1 << (63 - depth);
}

/* Enters a segment for all hashes of its range. */
static void
enter_locked(struct adb_map *map, const struct adb_map_view *view, uint64_t start, uint32_t depth)
{
    struct adb_map_directory *directory = adb_map_directory(map);
    uint64_t first = start >> 1 >> (63 - directory->depth);
    uint64_t n = (uint64_t)1 << (directory->depth - depth);
    for (uint64_t i = 0; i < n; i++)
        adb_map_set_word(&directory->segment[first + i], (uint64_t)(uintptr_t)view->segment);
}

/* Makes the directory deep enough. */
static armdb_err
deepen_locked(struct adb_map *map, uint32_t depth)
{
    const struct adb_map_directory *directory = adb_map_directory(map);
    if (depth <= directory->depth)
        return ARMDB_OK;
    ADB_ASSERT(depth == directory->depth + 1);
    struct adb_map_directory *deeper = depth <= DEPTH_MAX ? adb_map_new_directory(depth) : NULL;
    if (deeper == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "index", "no memory for a larger directory of a map");
    for (uint64_t i = 0; i < (uint64_t)1 << depth; i++)
        adb_map_set_word(&deeper->segment[i], adb_map_word(&directory->segment[i / 2]));
    adb_map_set_directory_locked(map, deeper);
    return ARMDB_OK;
}

/* Gives the segment's range to two; the other one is new. */
static armdb_err
publish_split_locked(struct adb_map *map, struct adb_map_view *view, const struct build *lower,
                     const struct build *upper)
{
    uint64_t start = adb_map_word(&view->segment->start);
    uint64_t upper_start = start | half_of(view->table.depth);
    struct adb_map_view other = {0};
    ADB_TRY(deepen_locked(map, lower->table.depth));
    ADB_TRY(adb_map_take_segment_locked(map, &other.segment));
    other.version = adb_map_word(&other.segment->version) & ~NODE_OBSOLETE;
    adb_map_lock(&other);
    adb_map_lock(view);
    publish(&other, upper, upper_start);
    enter_locked(map, &other, upper_start, upper->table.depth);
    publish(view, lower, start);
    adb_map_unlock(view);
    adb_map_unlock(&other);
    adb_map_release(&other);
    return ARMDB_OK;
}

/* Gives the upper half of a segment's range to a new one; each gets room for so much. */
static armdb_err
divide(struct adb_map *map, struct adb_map_view *view, struct content lower_content,
       struct content upper_content)
{
    struct build lower;
    struct build upper;
    struct build old;
    uint32_t depth = view->table.depth + 1;
    ADB_TRY(begin_build(map, &lower, depth, lower_content));
    armdb_err err = begin_build(map, &upper, depth, upper_content);
    if (err != ARMDB_OK) {
        give_pages(map, &lower.table);
        return err;
    }
    copy_entries(map, &view->table, &lower, &upper);
    keep_old(&view->table, &old);
    adb_mutex_lock(&map->directory_lock);
    err = publish_split_locked(map, view, &lower, &upper);
    adb_mutex_unlock(&map->directory_lock);
    if (err != ARMDB_OK) {
        give_pages(map, &lower.table);
        give_pages(map, &upper.table);
        return err;
    }
    give_pages(map, &old.table);
    return ARMDB_OK;
}

/* What of a segment's content is in each half of its range. Returns the bits in which its hashes
 * differ. */
static uint64_t
halve(const struct adb_map *map, const struct adb_map_view *view, struct content content,
      struct content *lower_out, struct content *upper_out)
{
    uint64_t differences;
    *upper_out = content_of_upper(map, &view->table, &differences);
    lower_out->count = content.count - upper_out->count;
    lower_out->heap_words = content.heap_words - upper_out->heap_words;
    return differences;
}

static armdb_err
split(struct adb_map *map, struct adb_map_view *view, struct content content, uint32_t heap_words)
{
    struct content lower;
    struct content upper;
    if (halve(map, view, content, &lower, &upper) >> (64 - DEPTH_MAX) == 0)
        return adb_fail(ARMDB_NO_MEMORY, "index", "too many keys with the same hash");
    lower.heap_words += heap_words;
    upper.heap_words += heap_words;
    return divide(map, view, lower, upper);
}

armdb_err
adb_map_grow(struct adb_map *map, struct adb_map_view *view, uint32_t heap_words)
{
    struct content content = content_of(view);
    struct content needed = {.count = content.count, .heap_words = content.heap_words + heap_words};
    if (pages_for(map, needed) <= MAP_PAGES_MAX)
        return rebuild(map, view, needed);
    return split(map, view, content, heap_words);
}

armdb_err
adb_map_expect(struct adb_map *map, struct adb_map_view *view, uint64_t gap, uint64_t heap_words,
               bool *is_done_out)
{
    const struct adb_map_table *table = &view->table;
    struct content content = content_of(view);
    struct content lower;
    struct content upper;
    uint64_t count = (UINT64_MAX >> table->depth) / gap;
    struct content expected = {count * PERCENT_BUILT / PERCENT_EXPECTED,
                               count * heap_words / ADB_MAP_HEAP_KEYS};
    if (expected.heap_words < content.heap_words)
        expected.heap_words = content.heap_words;
    bool is_wide = count > UINT32_MAX || pages_for(map, expected) > MAP_PAGES_MAX;
    *is_done_out = !is_wide || table->depth == DEPTH_MAX;
    if (!is_wide && expected.count > content.count &&
        count * 100 >= (uint64_t)table->n_main * map->layout.page_slots * PERCENT_FULL)
        return rebuild(map, view, expected);
    if (*is_done_out)
        return ARMDB_OK;
    (void)halve(map, view, content, &lower, &upper);
    return divide(map, view, lower, upper);
}

/* ------------------------------------------------------------------ shrinking */

/* Gives the ranges of two held neighbours to the lower one, and ends the other. */
static void
publish_join_locked(struct adb_map *map, struct adb_map_view *lower, struct adb_map_view *upper,
                    const struct build *build)
{
    uint64_t start = adb_map_word(&lower->segment->start);
    adb_map_lock(lower);
    adb_map_lock(upper);
    publish(lower, build, start);
    enter_locked(map, lower, start, build->table.depth);
    adb_map_unlock(lower);
    adb_map_set_word(&upper->segment->version,
                     (upper->version + NODE_VERSION_STEP) | NODE_OBSOLETE);
    adb_map_set_word(&upper->segment->unused, (uint64_t)(uintptr_t)map->first_unused);
    map->first_unused = upper->segment;
}

/* Both are held. False: they stay as they are. Else `upper` is no longer held, nor in the map. */
static bool
join(struct adb_map *map, struct adb_map_view *lower, struct adb_map_view *upper)
{
    struct build build;
    struct build old_lower;
    struct build old_upper;
    struct content content = content_of(lower);
    struct content upper_content = content_of(upper);
    content.count += upper_content.count;
    content.heap_words += upper_content.heap_words;
    if (pages_for(map, content) > JOINED_PAGES_MAX)
        return false;
    if (begin_build(map, &build, lower->table.depth - 1, content) != ARMDB_OK)
        return false;
    copy_entries(map, &lower->table, &build, NULL);
    copy_entries(map, &upper->table, &build, NULL);
    keep_old(&lower->table, &old_lower);
    keep_old(&upper->table, &old_upper);
    adb_mutex_lock(&map->directory_lock);
    publish_join_locked(map, lower, upper, &build);
    adb_mutex_unlock(&map->directory_lock);
    give_pages(map, &old_lower.table);
    give_pages(map, &old_upper.table);
    return true;
}

/* Joins a held segment with its neighbour, if that is not in use just now. */
static bool
try_join(struct adb_map *map, struct adb_map_view *view)
{
    uint32_t depth = view->table.depth;
    struct adb_map_view other;
    if (depth == 0)
        return false;
    uint64_t start = adb_map_word(&view->segment->start);
    uint64_t other_start = start ^ half_of(depth - 1);
    if (!adb_map_view(map, other_start, &other) || !adb_map_try_hold(map, &other))
        return false;
    bool is_lower = start < other_start;
    bool is_joined = other.table.depth == depth &&
                     join(map, is_lower ? view : &other, is_lower ? &other : view);
    if (!is_joined)
        adb_map_release(&other);
    else if (!is_lower)
        *view = other;
    return is_joined;
}

void
adb_map_shrink(struct adb_map *map, struct adb_map_view *view)
{
    const struct adb_map_table *table = &view->table;
    uint64_t heap = adb_map_word(&view->segment->heap);
    uint64_t count = adb_map_word(&view->segment->count);
    bool is_sparse = (table->n_main > 1 &&
                      count * 2 < (uint64_t)table->n_main * map->layout.page_slots) ||
                     (table->n_heap > 1 && (heap >> 32) * 2 > (heap & UINT32_MAX));
    bool is_small = pages_of(table) <= SMALL_PAGES && count % SMALL_EVERY == 0;
    if (ADB_LIKELY(!is_sparse && !is_small))
        return;
    struct content content = content_of(view);
    bool is_smaller = pages_for(map, content) < pages_of(table);
    if ((is_sparse && !is_smaller) || try_join(map, view))
        return;
    if (is_smaller)
        ADB_IGNORE(rebuild(map, view, content));
}
