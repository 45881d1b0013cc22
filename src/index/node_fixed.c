/*
 * Nodes whose keys all have one length. A key is W 64-bit numbers; the node keeps an array of all
 * first words, one of all second words, and so on, then the locations (or children):
 *
 *   word 0        version
 *   word 1        meta
 *   word 2 ..     samples: the first key of each group of 8 but the first group
 *   key_at ..     word 0 of each key; word 1 of each key; ...
 *   target_at ..  locations, each with its inline value (if there are any) after it; or children
 *
 * A search reads the samples (in the lines next to the meta word, which are fetched together), then
 * one group: two rounds to memory instead of one for each step of a binary search.
 *
 * Keys of one node often start alike. `skip` in the meta word counts the first words that all keys
 * of the node share; samples and search use the word after them.
 */
#include "index/node_fixed.h"

#include <string.h>

#include "base/assert.h"

enum {
    GROUP = 8,
    SAMPLE_AT = 2,
    ALIGN_FROM = 64 /* entries */
};

static uint32_t
words_of(uint32_t bytes)
{
    return (bytes + 7) / 8;
}

/* As many entries as fit, each with a key and a target; `more` words come after the last. */
static struct adb_node_shape
make_shape(uint32_t words, uint32_t stride, uint32_t more)
{
    struct adb_node_shape shape = {.capacity = NODE_COUNT_MAX + 1, .stride = stride};
    do {
        shape.capacity--;
        shape.key_at = SAMPLE_AT + (shape.capacity - 1) / GROUP;
        /* Groups of small keys lie within one cache line; with few large keys room counts more. */
        if (shape.capacity >= ALIGN_FROM) {
            shape.capacity = shape.capacity / GROUP * GROUP;
            shape.key_at = (shape.key_at + GROUP - 1) / GROUP * GROUP;
        }
        shape.target_at = shape.key_at + words * shape.capacity;
    } while (shape.target_at + shape.capacity * stride + more > NODE_WORDS);
    ADB_ASSERT(shape.capacity >= 3);
    return shape;
}

void
adb_node_fixed_layout_init(struct adb_node_layout *layout)
{
    layout->words = words_of(layout->key_bytes);
    layout->shape[0] = make_shape(layout->words, 1 + words_of(layout->value_bytes), 0);
    layout->shape[1] = make_shape(layout->words, 1, 1);
}

void
adb_node_fixed_clear(struct adb_page *page, uint32_t level)
{
    adb_node_set_meta(page, (struct adb_node_meta){.level = level, .last = NODE_NO_LAST});
}

/* The first slot of [from, to) whose word, `base` being that of slot 0, is not below `wanted`. */
static uint32_t
lower_bound(const struct adb_page *page, uint32_t base, uint64_t wanted, uint32_t from, uint32_t to)
{
    while (from < to) {
        uint32_t middle = (from + to) / 2;
        if (adb_node_word(page, base + middle) < wanted)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

/* The first slot of [from, to) whose word is above `wanted`. */
static uint32_t
upper_bound(const struct adb_page *page, uint32_t base, uint64_t wanted, uint32_t from, uint32_t to)
{
    return wanted == UINT64_MAX ? to : lower_bound(page, base, wanted + 1, from, to);
}

/* The slots [from, to) hold all keys that agree with the one looked for in some of its words. */
struct equals {
    const struct adb_node_shape *shape;
    uint32_t word; /* the first in which they may differ */
    uint32_t from;
    uint32_t to;
};

static uint32_t
find_among_equals(const struct adb_node_layout *layout, const struct adb_page *page,
                  const struct adb_node_key *key, struct equals equals, bool *found_out)
{
    for (; equals.word < layout->words; equals.word++) {
        uint32_t base = adb_node_fixed_key_at(equals.shape, equals.word, 0);
        uint64_t wanted = key->word[equals.word];
        equals.from = lower_bound(page, base, wanted, equals.from, equals.to);
        if (equals.from == equals.to || adb_node_word(page, base + equals.from) != wanted)
            return equals.from;
        if (equals.to - equals.from > 1)
            equals.to = upper_bound(page, base, wanted, equals.from + 1, equals.to);
    }
    *found_out = true;
    return equals.from;
}

/* 1 if a word is above `wanted`, or below it. */
static inline size_t
is_above(const _Atomic uint64_t *word, uint64_t wanted)
{
    return wanted < atomic_load_explicit(word, memory_order_acquire);
}

static inline size_t
is_below(const _Atomic uint64_t *word, uint64_t wanted)
{
    return atomic_load_explicit(word, memory_order_acquire) < wanted;
}

/* How many of `n` words are above `wanted`. In most nodes of a way down the words are near, so that
 * it is instructions that count: hence no branches, and pointers. */
static inline size_t
count_above(const struct adb_page *page, size_t n, uint64_t wanted)
{
    const _Atomic uint64_t *word = &page->word[SAMPLE_AT];
    const _Atomic uint64_t *end = word + n;
    size_t above = 0;
    for (; end - word >= 4; word += 4)
        above += is_above(word, wanted) + is_above(word + 1, wanted) + is_above(word + 2, wanted) +
                 is_above(word + 3, wanted);
    for (; word != end; word++)
        above += is_above(word, wanted);
    return above;
}

/* How many words of a whole group are below `wanted`. */
static inline size_t
count_below(const _Atomic uint64_t *word, uint64_t wanted)
{
    size_t below = is_below(word, wanted);
    below += is_below(word + 1, wanted);
    below += is_below(word + 2, wanted);
    below += is_below(word + 3, wanted);
    below += is_below(word + 4, wanted);
    below += is_below(word + 5, wanted);
    below += is_below(word + 6, wanted);
    return below + is_below(word + 7, wanted);
}

/* The first half of a search: finds the group by the first lines of the node, and fetches what the
 * second half will read. */
static inline __attribute__((always_inline)) struct adb_node_place
begin_find(const struct adb_node_layout *layout, const struct adb_page *page,
           const struct adb_node_key *key, uint32_t words)
{
    struct adb_node_meta meta = adb_node_meta(page);
    const struct adb_node_shape *shape = adb_node_fixed_shape(layout, meta.level);
    struct adb_node_place place = {
        .shape = shape, .count = meta.count, .skip = meta.skip, .is_final = true};
    if (meta.count == 0 || ADB_UNLIKELY(meta.count > shape->capacity || meta.skip >= words))
        return place;
    for (uint32_t word = 0; word < meta.skip; word++) {
        uint64_t shared = adb_node_word(page, adb_node_fixed_key_at(shape, word, 0));
        if (key->word[word] != shared) {
            place.from = key->word[word] < shared ? 0 : meta.count;
            return place;
        }
    }
    /* The group whose first word is the last that is not above what is wanted. */
    uint32_t n_samples = (meta.count - 1) / GROUP;
    place.from = (n_samples - (uint32_t)count_above(page, n_samples, key->word[meta.skip])) * GROUP;
    place.is_final = false;
    adb_node_prefetch(page, adb_node_fixed_key_at(shape, meta.skip, place.from));
    adb_node_prefetch(page, shape->target_at + place.from * shape->stride);
    if (words > 1)
        adb_node_prefetch(page, adb_node_fixed_key_at(shape, words - 1, place.from));
    return place;
}

/* The second half. A key whose words from place->skip on are equal to what is at `slot` may have
 * neighbours with the same first of these words, even in other groups. */
static uint32_t
end_find_far(const struct adb_node_layout *layout, const struct adb_page *page,
             const struct adb_node_key *key, const struct adb_node_place *place, uint32_t slot,
             bool *found_out)
{
    struct equals equals = {.shape = place->shape, .word = place->skip + 1, .to = slot + 1};
    uint64_t wanted = key->word[place->skip];
    uint32_t base = adb_node_fixed_key_at(place->shape, place->skip, 0);
    equals.from = slot;
    if (slot != 0 && adb_node_word(page, base + slot - 1) == wanted)
        equals.from = lower_bound(page, base, wanted, 0, slot - 1);
    if (equals.to < place->count && adb_node_word(page, base + equals.to) == wanted)
        equals.to = upper_bound(page, base, wanted, equals.to, place->count);
    return find_among_equals(layout, page, key, equals, found_out);
}

static inline __attribute__((always_inline)) uint32_t
end_find(const struct adb_node_layout *layout, const struct adb_page *page,
         const struct adb_node_key *key, uint32_t words, const struct adb_node_place *place,
         bool *found_out)
{
    *found_out = false;
    if (place->is_final)
        return place->from;
    uint64_t wanted = key->word[place->skip];
    uint32_t base = adb_node_fixed_key_at(place->shape, place->skip, 0);
    uint32_t n = place->count;
    uint32_t slot;
    if (ADB_LIKELY(n >= GROUP)) {
        /* Always a whole group: the last one begins earlier than it should. */
        uint32_t from = place->from + GROUP <= n ? place->from : n - GROUP;
        slot = from + (uint32_t)count_below(&page->word[base + from], wanted);
    } else {
        slot = lower_bound(page, base, wanted, 0, n);
    }
    if (slot >= n || adb_node_word(page, base + slot) != wanted)
        return slot;
    /* Mostly it is this one: then its neighbours, which may be in other lines, do not matter. */
    uint32_t word = place->skip + 1;
    while (word < words &&
           adb_node_word(page, adb_node_fixed_key_at(place->shape, word, slot)) == key->word[word])
        word++;
    if (word >= words) {
        *found_out = true;
        return slot;
    }
    return end_find_far(layout, page, key, place, slot, found_out);
}

void
adb_node_fixed_begin_find(const struct adb_node_layout *layout, const struct adb_page *page,
                          const struct adb_node_key *key, struct adb_node_place *place_out)
{
    if (layout->words == 2)
        *place_out = begin_find(layout, page, key, 2);
    else
        *place_out = begin_find(layout, page, key, layout->words);
}

uint32_t
adb_node_fixed_end_find(const struct adb_node_layout *layout, const struct adb_page *page,
                        const struct adb_node_key *key, const struct adb_node_place *place,
                        bool *found_out)
{
    if (layout->words == 2)
        return end_find(layout, page, key, 2, place, found_out);
    return end_find(layout, page, key, layout->words, place, found_out);
}

static inline __attribute__((always_inline)) uint32_t
find_words(const struct adb_node_layout *layout, const struct adb_page *page,
           const struct adb_node_key *key, uint32_t words, bool *found_out)
{
    struct adb_node_place place = begin_find(layout, page, key, words);
    return end_find(layout, page, key, words, &place, found_out);
}

uint32_t
adb_node_fixed_find(const struct adb_node_layout *layout, const struct adb_page *page,
                    const struct adb_node_key *key, bool *found_out)
{
    switch (layout->words) {
    case 1:
        return find_words(layout, page, key, 1, found_out);
    case 2:
        return find_words(layout, page, key, 2, found_out);
    default:
        return find_words(layout, page, key, layout->words, found_out);
    }
}

uint32_t
adb_node_fixed_find_from(const struct adb_node_layout *layout, const struct adb_page *page,
                         const struct adb_node_key *key, uint32_t from, bool *found_out)
{
    struct adb_node_meta meta = adb_node_meta(page);
    const struct adb_node_shape *shape = adb_node_fixed_shape(layout, meta.level);
    uint32_t skip = meta.skip;
    *found_out = false;
    for (uint32_t word = 0; word < skip; word++) {
        if (adb_node_word(page, adb_node_fixed_key_at(shape, word, 0)) != key->word[word])
            return adb_node_fixed_find(layout, page, key, found_out);
    }
    /* In steps that double: it is mostly near. */
    uint64_t wanted = key->word[skip];
    uint32_t base = adb_node_fixed_key_at(shape, skip, 0);
    uint32_t step = 1;
    while (from + step <= meta.count && adb_node_word(page, base + from + step - 1) < wanted) {
        from += step;
        step *= 2;
    }
    uint32_t to = from + step <= meta.count ? from + step - 1 : meta.count;
    uint32_t slot = lower_bound(page, base, wanted, from, to);
    if (slot == meta.count || adb_node_word(page, base + slot) != wanted)
        return slot;
    return adb_node_fixed_find(layout, page, key, found_out);
}

uint32_t
adb_node_fixed_read_key(const struct adb_node_layout *layout, const struct adb_page *page,
                        uint32_t slot, unsigned char *bytes_out)
{
    const struct adb_node_shape *shape = adb_node_fixed_shape(layout, adb_node_meta(page).level);
    if (ADB_UNLIKELY(slot >= shape->capacity))
        slot = 0;
    for (uint32_t word = 0; word < layout->words; word++)
        adb_node_store_bytes(bytes_out + 8 * word,
                             adb_node_word(page, adb_node_fixed_key_at(shape, word, slot)));
    return layout->key_bytes;
}

void
adb_node_fixed_read_value(const struct adb_node_layout *layout, const struct adb_page *page,
                          uint32_t slot, unsigned char *value_out)
{
    uint32_t at = adb_node_fixed_location_at(layout, slot) + 1;
    for (uint32_t done = 0; done < layout->value_bytes; done += 8, at++) {
        uint64_t word = adb_node_word(page, at % NODE_WORDS);
        uint32_t left = layout->value_bytes - done;
        memcpy(value_out + done, &word, left < 8 ? left : 8);
    }
}

void
adb_node_fixed_set_value(const struct adb_node_layout *layout, struct adb_page *page, uint32_t slot,
                         const void *value)
{
    const unsigned char *bytes = (const unsigned char *)value;
    uint32_t at = adb_node_fixed_location_at(layout, slot) + 1;
    for (uint32_t done = 0; done < layout->value_bytes; done += 8, at++) {
        uint64_t word = 0;
        uint32_t left = layout->value_bytes - done;
        memcpy(&word, bytes + done, left < 8 ? left : 8);
        adb_node_set_word(page, at, word);
    }
}

/* Sets the meta word, and the samples from the one that entry `from` is part of. */
static void
finish(const struct adb_node_layout *layout, struct adb_page *page, struct adb_node_meta meta,
       uint32_t from)
{
    const struct adb_node_shape *shape = adb_node_fixed_shape(layout, meta.level);
    uint32_t skip = 0;
    if (meta.count != 0 && (from == 0 || from + 1 == meta.count)) {
        /* The smallest or largest key is new: how many words do these two, and so all, share? */
        while (skip + 1 < layout->words &&
               adb_node_word(page, adb_node_fixed_key_at(shape, skip, 0)) ==
                   adb_node_word(page, adb_node_fixed_key_at(shape, skip, meta.count - 1)))
            skip++;
        if (skip != meta.skip)
            from = 0;
        meta.skip = skip;
    }
    uint32_t base = adb_node_fixed_key_at(shape, meta.skip, 0);
    for (uint32_t i = from == 0 ? 0 : (from - 1) / GROUP; (i + 1) * GROUP < meta.count; i++)
        adb_node_set_word(page, SAMPLE_AT + i, adb_node_word(page, base + (i + 1) * GROUP));
    adb_node_set_meta(page, meta);
}

/* Moves the words [from, to) up by so many. */
static inline void
shift_up(struct adb_page *page, uint32_t from, uint32_t to, uint32_t by)
{
    for (uint32_t at = to; at > from; at--)
        adb_node_set_word(page, at + by - 1, adb_node_word(page, at - 1));
}

/* Moves the words [from + by, to) down by so many. */
static inline void
shift_down(struct adb_page *page, uint32_t from, uint32_t to, uint32_t by)
{
    for (uint32_t at = from; at + by < to; at++)
        adb_node_set_word(page, at, adb_node_word(page, at + by));
}

bool
adb_node_fixed_fits(const struct adb_node_layout *layout, const struct adb_page *page)
{
    struct adb_node_meta meta = adb_node_meta(page);
    return meta.count < adb_node_fixed_shape(layout, meta.level)->capacity;
}

bool
adb_node_fixed_is_underfull(const struct adb_node_layout *layout, const struct adb_page *page)
{
    struct adb_node_meta meta = adb_node_meta(page);
    return meta.count * 4 < adb_node_fixed_shape(layout, meta.level)->capacity;
}

void
adb_node_fixed_insert(const struct adb_node_layout *layout, struct adb_page *page, uint32_t slot,
                      const struct adb_node_entry *entry)
{
    struct adb_node_meta meta = adb_node_meta(page);
    const struct adb_node_shape *shape = adb_node_fixed_shape(layout, meta.level);
    ADB_DEBUG_ASSERT(meta.count < shape->capacity && slot <= meta.count);
    for (uint32_t word = 0; word < layout->words; word++) {
        uint32_t base = adb_node_fixed_key_at(shape, word, 0);
        shift_up(page, base + slot, base + meta.count, 1);
        adb_node_set_word(page, base + slot, entry->key->word[word]);
    }
    uint32_t is_inner = meta.level != 0;
    uint32_t base = shape->target_at + is_inner;
    uint32_t at = base + slot * shape->stride;
    shift_up(page, at, base + meta.count * shape->stride, shape->stride);
    adb_node_set_word(page, at, entry->target);
    if (shape->stride > 1)
        adb_node_fixed_set_value(layout, page, slot, entry->value);
    adb_node_note_insert(&meta, slot);
    finish(layout, page, meta, slot);
}

/* From the back, so that each word moves once. */
void
adb_node_fixed_insert_sorted(const struct adb_node_layout *layout, struct adb_page *page,
                             const struct adb_node_arrival *arrivals, uint32_t n)
{
    struct adb_node_meta meta = adb_node_meta(page);
    const struct adb_node_shape *shape = adb_node_fixed_shape(layout, 0);
    ADB_ASSERT(meta.level == 0 && n != 0 && meta.count + n <= shape->capacity);
    for (uint32_t word = 0; word < layout->words; word++) {
        uint32_t base = adb_node_fixed_key_at(shape, word, 0);
        uint32_t left = layout->key_bytes - 8 * word;
        uint32_t end = meta.count;
        for (uint32_t i = n; i-- > 0; end = arrivals[i].slot) {
            uint32_t slot = arrivals[i].slot;
            shift_up(page, base + slot, base + end, i + 1);
            adb_node_set_word(page, base + slot + i,
                              adb_node_load_bytes(arrivals[i].key + 8 * word, left));
        }
    }
    uint32_t stride = shape->stride;
    uint32_t end = meta.count;
    for (uint32_t i = n; i-- > 0; end = arrivals[i].slot) {
        uint32_t slot = arrivals[i].slot;
        uint32_t at = shape->target_at + slot * stride;
        shift_up(page, at, shape->target_at + end * stride, (i + 1) * stride);
        adb_node_set_word(page, at + i * stride, arrivals[i].target);
        if (stride > 1)
            adb_node_fixed_set_value(layout, page, slot + i, arrivals[i].value);
    }
    bool is_ascent = arrivals[0].slot == meta.count;
    meta.count += n;
    meta.last = is_ascent ? meta.count - 1 : NODE_NO_LAST;
    meta.ascents = is_ascent ? (n < 15 ? n : 15) : 0;
    meta.descents = 0;
    finish(layout, page, meta, 0);
}

void
adb_node_fixed_remove(const struct adb_node_layout *layout, struct adb_page *page, uint32_t slot)
{
    struct adb_node_meta meta = adb_node_meta(page);
    const struct adb_node_shape *shape = adb_node_fixed_shape(layout, meta.level);
    ADB_DEBUG_ASSERT(slot < meta.count);
    for (uint32_t word = 0; word < layout->words; word++) {
        uint32_t base = adb_node_fixed_key_at(shape, word, 0);
        shift_down(page, base + slot, base + meta.count, 1);
    }
    uint32_t is_inner = meta.level != 0;
    uint32_t base = shape->target_at + is_inner;
    shift_down(page, base + slot * shape->stride, base + meta.count * shape->stride, shape->stride);
    adb_node_note_remove(&meta);
    finish(layout, page, meta, slot);
}

/* Copies `n` entries from slot `from` to slot `to` of another node; of an inner node, each with the
 * child to its right. */
static void
copy_entries(const struct adb_node_layout *layout, struct adb_page *to_page, uint32_t to,
             const struct adb_page *page, uint32_t from, uint32_t n)
{
    uint32_t level = adb_node_meta(page).level;
    const struct adb_node_shape *shape = adb_node_fixed_shape(layout, level);
    for (uint32_t word = 0; word < layout->words; word++) {
        for (uint32_t i = 0; i < n; i++)
            adb_node_set_word(to_page, adb_node_fixed_key_at(shape, word, to + i),
                              adb_node_word(page, adb_node_fixed_key_at(shape, word, from + i)));
    }
    uint32_t base = shape->target_at + (level != 0);
    for (uint32_t i = 0; i < n * shape->stride; i++)
        adb_node_set_word(to_page, base + to * shape->stride + i,
                          adb_node_word(page, base + from * shape->stride + i));
}

void
adb_node_fixed_split(const struct adb_node_layout *layout, struct adb_page *left,
                     struct adb_page *right, uint32_t at)
{
    struct adb_node_meta meta = adb_node_meta(left);
    uint32_t is_inner = meta.level != 0;
    ADB_ASSERT(at + is_inner <= meta.count);
    uint32_t first = at + is_inner;
    struct adb_node_meta moved = {
        .count = meta.count - first, .level = meta.level, .last = NODE_NO_LAST};
    if (is_inner)
        adb_node_set_word(right, adb_node_fixed_child_at(layout, 0),
                          adb_node_word(left, adb_node_fixed_child_at(layout, first)));
    copy_entries(layout, right, 0, left, first, moved.count);
    finish(layout, right, moved, 0);
    struct adb_node_meta kept = {.count = at, .level = meta.level, .last = NODE_NO_LAST};
    finish(layout, left, kept, 0);
}

bool
adb_node_fixed_merge_fits(const struct adb_node_layout *layout, const struct adb_page *left,
                          const struct adb_page *right)
{
    uint32_t n_left = adb_node_meta(left).count;
    uint32_t n_right = adb_node_meta(right).count;
    uint32_t level = adb_node_meta(left).level;
    uint32_t n_middle = level != 0;
    uint32_t capacity = adb_node_fixed_shape(layout, level)->capacity;
    /* Some room is left, so that the next insert does not split it again; an empty one must go. */
    uint32_t limit = n_left == 0 || n_right == 0 ? capacity : capacity - capacity / 8;
    return n_left + n_middle + n_right <= limit;
}

void
adb_node_fixed_merge(const struct adb_node_layout *layout, struct adb_page *left,
                     const struct adb_page *right, const struct adb_node_key *middle)
{
    struct adb_node_meta meta = adb_node_meta(left);
    struct adb_node_meta added = adb_node_meta(right);
    const struct adb_node_shape *shape = adb_node_fixed_shape(layout, meta.level);
    if (meta.level != 0) {
        for (uint32_t word = 0; word < layout->words; word++)
            adb_node_set_word(left, adb_node_fixed_key_at(shape, word, meta.count),
                              middle->word[word]);
        adb_node_set_word(left, adb_node_fixed_child_at(layout, meta.count + 1),
                          adb_node_word(right, adb_node_fixed_child_at(layout, 0)));
        meta.count++;
    }
    ADB_ASSERT(meta.count + added.count <= shape->capacity);
    copy_entries(layout, left, meta.count, right, 0, added.count);
    meta.count += added.count;
    meta.last = NODE_NO_LAST;
    finish(layout, left, meta, 0);
}
