/*
 * Nodes whose keys all have one length. A key is W 64-bit numbers; the node keeps an array of all
 * first words, one of all second words, and so on, then the locations (or children):
 *
 *   word 0        version
 *   word 1        meta
 *   word 2 ..     samples: the first key of each group of 8 but the first group
 *   key_at ..     word 0 of each key; word 1 of each key; ...
 *   value_at ..   locations or children
 *
 * A search reads the samples (in the lines next to the meta word, which are fetched together), then
 * one group: two rounds to memory instead of one for each step of a binary search.
 *
 * Keys of one node often start alike. `skip` in the meta word counts the first words that all keys
 * of the node share; samples and search use the word after them.
 */
#include "index/node_fixed.h"

#include "base/assert.h"

enum {
    GROUP = 8,
    SAMPLE_AT = 2,
    ALIGN_FROM = 64 /* entries */
};

void
adb_node_fixed_layout_init(struct adb_node_layout *layout, uint32_t key_bytes)
{
    uint32_t words = (key_bytes + 7) / 8;
    uint32_t capacity = NODE_COUNT_MAX + 1;
    uint32_t key_at;
    do {
        capacity--;
        key_at = SAMPLE_AT + (capacity - 1) / GROUP;
        /* Groups of small keys lie within one cache line; with few large keys room counts more. */
        if (capacity >= ALIGN_FROM) {
            capacity = capacity / GROUP * GROUP;
            key_at = (key_at + GROUP - 1) / GROUP * GROUP;
        }
    } while (key_at + words * capacity + capacity + 1 > NODE_WORDS);
    ADB_ASSERT(capacity >= 3);
    layout->words = words;
    layout->capacity = capacity;
    layout->key_at = key_at;
    layout->value_at = key_at + words * capacity;
}

void
adb_node_fixed_clear(struct adb_page *page, uint32_t level)
{
    adb_node_set_meta(page, (struct adb_node_meta){.level = level, .last = NODE_NO_LAST});
}

static inline uint32_t
key_word_at(const struct adb_node_layout *layout, uint32_t word, uint32_t slot)
{
    return layout->key_at + word * layout->capacity + slot;
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
    uint32_t word; /* the first in which they may differ */
    uint32_t from;
    uint32_t to;
};

static uint32_t
find_among_equals(const struct adb_node_layout *layout, const struct adb_page *page,
                  const struct adb_node_key *key, struct equals equals, bool *found_out)
{
    for (; equals.word < layout->words; equals.word++) {
        uint32_t base = key_word_at(layout, equals.word, 0);
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

static inline __attribute__((always_inline)) uint32_t
find_words(const struct adb_node_layout *layout, const struct adb_page *page,
           const struct adb_node_key *key, uint32_t words, bool *found_out)
{
    struct adb_node_meta meta = adb_node_meta(page);
    uint32_t n = meta.count;
    uint32_t skip = meta.skip;
    *found_out = false;
    if (n == 0 || ADB_UNLIKELY(n > layout->capacity || skip >= words))
        return 0;
    for (uint32_t word = 0; word < skip; word++) {
        uint64_t shared = adb_node_word(page, key_word_at(layout, word, 0));
        if (key->word[word] != shared)
            return key->word[word] < shared ? 0 : n;
    }
    /* The group whose first word is the last that is not above what is wanted. */
    uint64_t wanted = key->word[skip];
    uint32_t group = 0;
    for (uint32_t i = 0; i < (n - 1) / GROUP; i++)
        group += adb_node_word(page, SAMPLE_AT + i) <= wanted;
    uint32_t from = group * GROUP;
    uint32_t to = from + GROUP < n ? from + GROUP : n;
    uint32_t base = key_word_at(layout, skip, 0);
    /* What will be read after the group comes along with it. */
    adb_node_prefetch(page, layout->value_at + from);
    if (words > 1)
        adb_node_prefetch(page, key_word_at(layout, words - 1, from));
    uint32_t slot = from;
    for (uint32_t i = from; i < to; i++)
        slot += adb_node_word(page, base + i) < wanted;
    if (slot >= to || adb_node_word(page, base + slot) != wanted)
        return slot;
    if (skip + 1 == words) {
        *found_out = true;
        return slot;
    }
    /* The neighbours may have the same word too, even those in other groups. */
    struct equals equals = {.word = skip + 1, .from = slot, .to = slot + 1};
    if (slot == from)
        equals.from = lower_bound(page, base, wanted, 0, from);
    if (equals.to < n && adb_node_word(page, base + equals.to) == wanted)
        equals.to = upper_bound(page, base, wanted, equals.to, n);
    return find_among_equals(layout, page, key, equals, found_out);
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
adb_node_fixed_read_key(const struct adb_node_layout *layout, const struct adb_page *page,
                        uint32_t slot, unsigned char *bytes_out)
{
    if (ADB_UNLIKELY(slot >= layout->capacity))
        slot = 0;
    for (uint32_t word = 0; word < layout->words; word++)
        adb_node_store_bytes(bytes_out + 8 * word,
                             adb_node_word(page, key_word_at(layout, word, slot)));
    return layout->key_bytes;
}

/* Sets the meta word, and the samples from the one that entry `from` is part of. */
static void
finish(const struct adb_node_layout *layout, struct adb_page *page, struct adb_node_meta meta,
       uint32_t from)
{
    uint32_t skip = 0;
    if (meta.count != 0 && (from == 0 || from + 1 == meta.count)) {
        /* The smallest or largest key is new: how many words do these two, and so all, share? */
        while (skip + 1 < layout->words &&
               adb_node_word(page, key_word_at(layout, skip, 0)) ==
                   adb_node_word(page, key_word_at(layout, skip, meta.count - 1)))
            skip++;
        if (skip != meta.skip)
            from = 0;
        meta.skip = skip;
    }
    uint32_t base = key_word_at(layout, meta.skip, 0);
    for (uint32_t i = from == 0 ? 0 : (from - 1) / GROUP; (i + 1) * GROUP < meta.count; i++)
        adb_node_set_word(page, SAMPLE_AT + i, adb_node_word(page, base + (i + 1) * GROUP));
    adb_node_set_meta(page, meta);
}

/* Moves the words [from, to) up by one. */
static inline void
shift_up(struct adb_page *page, uint32_t from, uint32_t to)
{
    for (uint32_t at = to; at > from; at--)
        adb_node_set_word(page, at, adb_node_word(page, at - 1));
}

/* Moves the words [from + 1, to) down by one. */
static inline void
shift_down(struct adb_page *page, uint32_t from, uint32_t to)
{
    for (uint32_t at = from; at + 1 < to; at++)
        adb_node_set_word(page, at, adb_node_word(page, at + 1));
}

void
adb_node_fixed_insert(const struct adb_node_layout *layout, struct adb_page *page, uint32_t slot,
                      const struct adb_node_key *key, uint64_t value)
{
    struct adb_node_meta meta = adb_node_meta(page);
    ADB_DEBUG_ASSERT(meta.count < layout->capacity && slot <= meta.count);
    for (uint32_t word = 0; word < layout->words; word++) {
        uint32_t base = key_word_at(layout, word, 0);
        shift_up(page, base + slot, base + meta.count);
        adb_node_set_word(page, base + slot, key->word[word]);
    }
    uint32_t is_inner = meta.level != 0;
    uint32_t base = layout->value_at + is_inner;
    shift_up(page, base + slot, base + meta.count);
    adb_node_set_word(page, base + slot, value);
    adb_node_note_insert(&meta, slot);
    finish(layout, page, meta, slot);
}

void
adb_node_fixed_remove(const struct adb_node_layout *layout, struct adb_page *page, uint32_t slot)
{
    struct adb_node_meta meta = adb_node_meta(page);
    ADB_DEBUG_ASSERT(slot < meta.count);
    for (uint32_t word = 0; word < layout->words; word++) {
        uint32_t base = key_word_at(layout, word, 0);
        shift_down(page, base + slot, base + meta.count);
    }
    uint32_t is_inner = meta.level != 0;
    uint32_t base = layout->value_at + is_inner;
    shift_down(page, base + slot, base + meta.count);
    adb_node_note_remove(&meta);
    finish(layout, page, meta, slot);
}

/* Copies `n` entries from slot `from` to slot `to` of another node; of an inner node, each with the
 * child to its right. */
static void
copy_entries(const struct adb_node_layout *layout, struct adb_page *to_page, uint32_t to,
             const struct adb_page *page, uint32_t from, uint32_t n)
{
    for (uint32_t word = 0; word < layout->words; word++) {
        for (uint32_t i = 0; i < n; i++)
            adb_node_set_word(to_page, key_word_at(layout, word, to + i),
                              adb_node_word(page, key_word_at(layout, word, from + i)));
    }
    uint32_t base = layout->value_at + (adb_node_meta(page).level != 0);
    for (uint32_t i = 0; i < n; i++)
        adb_node_set_word(to_page, base + to + i, adb_node_word(page, base + from + i));
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
        adb_node_set_word(right, layout->value_at, adb_node_word(left, layout->value_at + first));
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
    uint32_t n_middle = adb_node_meta(left).level != 0;
    /* Some room is left, so that the next insert does not split it again; an empty one must go. */
    uint32_t limit = n_left == 0 || n_right == 0 ? layout->capacity
                                                 : layout->capacity - layout->capacity / 8;
    return n_left + n_middle + n_right <= limit;
}

void
adb_node_fixed_merge(const struct adb_node_layout *layout, struct adb_page *left,
                     const struct adb_page *right, const struct adb_node_key *middle)
{
    struct adb_node_meta meta = adb_node_meta(left);
    struct adb_node_meta added = adb_node_meta(right);
    if (meta.level != 0) {
        for (uint32_t word = 0; word < layout->words; word++)
            adb_node_set_word(left, key_word_at(layout, word, meta.count), middle->word[word]);
        adb_node_set_word(left, layout->value_at + meta.count + 1,
                          adb_node_word(right, layout->value_at));
        meta.count++;
    }
    ADB_ASSERT(meta.count + added.count <= layout->capacity);
    copy_entries(layout, left, meta.count, right, 0, added.count);
    meta.count += added.count;
    meta.last = NODE_NO_LAST;
    finish(layout, left, meta, 0);
}
