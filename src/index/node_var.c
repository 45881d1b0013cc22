/*
 * Nodes whose keys differ in length.
 *
 *   word 0        version
 *   word 1        meta (count, level, last)
 *   word 2        space: where the heap starts, dead bytes in it, where the prefix is, its length
 *   word 3        child 0 of an inner node
 *   word 4 + 2i   slot i: head (40 bits) | length (12) | heap offset (12)
 *   word 5 + 2i   its location, or the child to its right
 *   ... free ...
 *   heap          byte packed, up to the end of the page: the prefix, and of each entry the tail of
 *                 its key and then, in a leaf of a tree with values, its inline value
 *
 * All keys of a node start with its prefix, which is kept once. Of the rest of a key, the first 5
 * bytes are its head, in the slot itself (padded with zeros); what is beyond them is its tail. The
 * length in the slot is that of head and tail. Heads compare as numbers; most searches look at no
 * tail. Heap bytes are big-endian within their words, so that tails compare as numbers too.
 *
 * A key without the prefix sorts before or after all others. To put it in, the node is built anew
 * with a shorter prefix, if that fits. Nodes are also built anew, with the longest prefix possible,
 * when they are full or split or merged (node_var_build.c).
 */
#include "index/node_var_private.h"

#include <string.h>

#include "base/assert.h"

struct adb_var_space
adb_var_space(const struct adb_page *page)
{
    struct adb_node_meta meta = adb_node_meta(page);
    uint64_t word = adb_node_word(page, VAR_SPACE_AT);
    struct adb_var_space space = {.count = meta.count,
                                  .heap_at = (uint32_t)(word & 0xffff),
                                  .dead = (uint32_t)(word >> 16 & 0xffff),
                                  .prefix_at = (uint32_t)(word >> 32 & 0xffff),
                                  .prefix_len = (uint32_t)(word >> 48),
                                  .value_bytes = meta.value_bytes};
    bool is_sane = space.count <= NODE_COUNT_MAX && space.heap_at <= ADB_PAGE_BYTES &&
                   VAR_SLOTS_BYTES + space.count * VAR_SLOT_BYTES <= space.heap_at &&
                   space.prefix_len <= ARMDB_KEY_MAX &&
                   space.prefix_at + space.prefix_len <= ADB_PAGE_BYTES;
    if (ADB_UNLIKELY(!is_sane)) {
        /* A mixture of two states: nothing that is read from it will count. */
        space = (struct adb_var_space){.heap_at = ADB_PAGE_BYTES};
    }
    return space;
}

void
adb_var_set_space(struct adb_page *page, struct adb_var_space space)
{
    adb_node_set_word(page, VAR_SPACE_AT,
                      (uint64_t)space.heap_at | (uint64_t)space.dead << 16 |
                          (uint64_t)space.prefix_at << 32 | (uint64_t)space.prefix_len << 48);
}

/* 8 heap bytes from `at`, as a number; bytes beyond the page read as zeros. */
static inline uint64_t
load_heap(const struct adb_page *page, uint32_t at)
{
    uint32_t i = at / 8;
    uint32_t shift = at % 8 * 8;
    uint64_t word = adb_node_word(page, i) << shift;
    if (shift != 0 && i + 1 < NODE_WORDS)
        word |= adb_node_word(page, i + 1) >> (64 - shift);
    return word;
}

static void
read_heap(const struct adb_page *page, uint32_t at, unsigned char *bytes_out, uint32_t len)
{
    uint32_t done = 0;
    for (; done + 8 <= len; done += 8)
        adb_node_store_bytes(bytes_out + done, load_heap(page, at + done));
    if (done < len) {
        uint64_t word = load_heap(page, at + done);
        for (; done < len; done++, word <<= 8)
            bytes_out[done] = (unsigned char)(word >> 56);
    }
}

static void
write_heap(struct adb_page *page, uint32_t at, const unsigned char *bytes, uint32_t len)
{
    while (len != 0) {
        uint32_t first = at % 8;
        uint32_t n = len < 8 - first ? len : 8 - first;
        uint64_t mask = (n == 8 ? UINT64_MAX : ~(UINT64_MAX >> (8 * n))) >> (8 * first);
        uint64_t word = adb_node_load_bytes(bytes, n) >> (8 * first);
        adb_node_set_word(page, at / 8, (adb_node_word(page, at / 8) & ~mask) | (word & mask));
        at += n;
        bytes += n;
        len -= n;
    }
}

/* Compares `len` heap bytes with `bytes`: below, equal or above 0. */
static int
compare_heap(const struct adb_page *page, uint32_t at, const unsigned char *bytes, uint32_t len)
{
    for (uint32_t done = 0; done < len; done += 8) {
        uint32_t left = len - done;
        uint64_t mine = load_heap(page, at + done);
        uint64_t other = adb_node_load_bytes(bytes + done, left);
        if (left < 8)
            mine &= ~(UINT64_MAX >> (8 * left));
        if (mine != other)
            return mine < other ? -1 : 1;
    }
    return 0;
}

/* Compares an entry with a key, both without the prefix, whose heads are equal. */
static int
compare_tail(const struct adb_page *page, uint64_t slot, const unsigned char *rest, uint32_t len)
{
    uint32_t slot_len = adb_var_slot_len(slot);
    uint32_t at = adb_var_slot_heap(slot);
    uint32_t min = slot_len < len ? slot_len : len;
    if (min > VAR_HEAD && at + slot_len - VAR_HEAD <= ADB_PAGE_BYTES) {
        int order = compare_heap(page, at, rest + VAR_HEAD, min - VAR_HEAD);
        if (order != 0)
            return order;
    }
    return slot_len == len ? 0 : slot_len < len ? -1 : 1;
}

/* ------------------------------------------------------------------ search */

/*
 * A search goes to memory in rounds, and each round names what the next one will read:
 *   begin      the slots that the first three steps may look at, and the prefix
 *   narrow 0   compares the prefix; three steps; the few slots that are left
 *   narrow 1   the first slot whose head is not below that of the key; its tail
 *   end        compares tails, if the head is equal
 */
enum { FEW_SLOTS = 16 }; /* what three steps leave of most nodes */

void
adb_node_var_begin_find(const struct adb_page *page, struct adb_node_place *place_out)
{
    struct adb_var_space space = adb_var_space(page);
    place_out->count = space.count;
    for (uint32_t i = 1; i < 8; i++)
        adb_node_prefetch(page, adb_var_slot_at(space.count * i / 8));
    if (space.prefix_len != 0)
        adb_node_prefetch(page, space.prefix_at / 8);
}

/* Halves [from, to), which the first head not below `head` is in or at the end of, to at most
 * `most` slots. */
static inline void
halve(const struct adb_page *page, uint64_t head, uint32_t most, struct adb_node_place *place)
{
    uint32_t from = place->from;
    uint32_t n = place->to - from;
    while (n > most) {
        uint32_t half = n / 2;
        uint64_t slot = adb_node_word(page, adb_var_slot_at(from + half));
        bool is_below = adb_var_slot_head(slot) < head;
        from = is_below ? from + half + 1 : from;
        n = is_below ? n - half - 1 : half;
    }
    place->from = from;
    place->to = from + n;
}

static inline void
narrow_first(const struct adb_page *page, const struct adb_node_key *key,
             struct adb_node_place *place)
{
    struct adb_var_space space = adb_var_space(page);
    uint32_t prefix_len = space.prefix_len;
    *place = (struct adb_node_place){.count = space.count, .skip = prefix_len, .is_final = true};
    if (prefix_len != 0) {
        uint32_t min = prefix_len < key->len ? prefix_len : key->len;
        int order = compare_heap(page, space.prefix_at, key->bytes, min);
        if (order != 0 || key->len < prefix_len) {
            place->from = order < 0 ? space.count : 0;
            return;
        }
    }
    place->is_final = false;
    place->to = space.count;
    place->head = adb_var_head(key->bytes + prefix_len, key->len - prefix_len);
    halve(page, place->head, FEW_SLOTS, place);
    for (uint32_t slot = place->from; slot < place->to; slot += 4)
        adb_node_prefetch(page, adb_var_slot_at(slot));
}

static inline void
narrow_second(const struct adb_page *page, struct adb_node_place *place)
{
    if (place->is_final)
        return;
    halve(page, place->head, 0, place);
    place->is_final = place->from == place->count;
    if (place->is_final)
        return;
    uint64_t slot = adb_node_word(page, adb_var_slot_at(place->from));
    place->is_final = adb_var_slot_head(slot) != place->head;
    if (!place->is_final && adb_var_slot_len(slot) > VAR_HEAD)
        adb_node_prefetch(page, adb_var_slot_heap(slot) / 8);
}

void
adb_node_var_narrow_find(const struct adb_page *page, const struct adb_node_key *key,
                         uint32_t round, struct adb_node_place *place)
{
    if (round == 0)
        narrow_first(page, key, place);
    else
        narrow_second(page, place);
}

uint32_t
adb_node_var_end_find(const struct adb_page *page, const struct adb_node_key *key,
                      const struct adb_node_place *place, bool *found_out)
{
    *found_out = false;
    if (place->is_final)
        return place->from;
    const unsigned char *rest = key->bytes + place->skip;
    uint32_t len = key->len - place->skip;
    uint32_t from = place->from;
    uint32_t to = place->count;
    /* Others may have the same head; mostly it is this one alone, or those next to it. */
    for (uint32_t middle = from; from < to; middle = (from + to) / 2) {
        uint64_t slot = adb_node_word(page, adb_var_slot_at(middle));
        int order = adb_var_slot_head(slot) == place->head ? compare_tail(page, slot, rest, len)
                                                           : 1;
        if (order == 0) {
            *found_out = true;
            return middle;
        }
        if (order < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

uint32_t
adb_node_var_find(const struct adb_page *page, const struct adb_node_key *key, bool *found_out)
{
    struct adb_node_place place;
    adb_node_var_begin_find(page, &place);
    narrow_first(page, key, &place);
    narrow_second(page, &place);
    return adb_node_var_end_find(page, key, &place, found_out);
}

/* ------------------------------------------------------------------ entries */

uint32_t
adb_node_var_read_key(const struct adb_page *page, uint32_t slot_index, unsigned char *bytes_out)
{
    struct adb_var_space space = adb_var_space(page);
    if (ADB_UNLIKELY(slot_index >= space.count))
        return 0;
    uint64_t slot = adb_node_word(page, adb_var_slot_at(slot_index));
    uint32_t len = adb_var_slot_len(slot);
    uint32_t tail = adb_var_tail(len);
    if (ADB_UNLIKELY(space.prefix_len + len > ARMDB_KEY_MAX ||
                     adb_var_slot_heap(slot) + tail > ADB_PAGE_BYTES))
        return 0;
    read_heap(page, space.prefix_at, bytes_out, space.prefix_len);
    unsigned char *rest = bytes_out + space.prefix_len;
    uint64_t head = adb_var_slot_head(slot);
    for (uint32_t i = 0; i < VAR_HEAD && i < len; i++)
        rest[i] = (unsigned char)(head >> (8 * (VAR_HEAD - 1 - i)));
    if (tail != 0)
        read_heap(page, adb_var_slot_heap(slot), rest + VAR_HEAD, tail);
    return space.prefix_len + len;
}

/* Where the inline value of an entry is in the heap; for a racy reader, maybe beyond the page. */
static inline uint32_t
value_heap_at(const struct adb_page *page, uint32_t slot_index)
{
    uint64_t slot = adb_node_word(page, adb_var_slot_at(slot_index) % NODE_WORDS);
    return adb_var_slot_heap(slot) + adb_var_tail(adb_var_slot_len(slot));
}

void
adb_node_var_read_value(const struct adb_page *page, uint32_t slot, unsigned char *value_out,
                        uint32_t value_bytes)
{
    uint32_t at = value_heap_at(page, slot);
    if (ADB_LIKELY(at + value_bytes <= ADB_PAGE_BYTES))
        read_heap(page, at, value_out, value_bytes);
}

void
adb_node_var_set_value(struct adb_page *page, uint32_t slot, const void *value)
{
    write_heap(page, value_heap_at(page, slot), (const unsigned char *)value,
               adb_node_meta(page).value_bytes);
}

void
adb_node_var_clear(struct adb_page *page, uint32_t level, uint32_t value_bytes)
{
    struct adb_node_meta meta = {.level = level, .last = NODE_NO_LAST, .value_bytes = value_bytes};
    struct adb_var_space space = {.heap_at = ADB_PAGE_BYTES};
    adb_node_set_meta(page, meta);
    adb_var_set_space(page, space);
}

bool
adb_node_var_keeps_prefix(const struct adb_page *page, const struct adb_node_key *key)
{
    struct adb_var_space space = adb_var_space(page);
    return key->len >= space.prefix_len &&
           compare_heap(page, space.prefix_at, key->bytes, space.prefix_len) == 0;
}

/* Whether `key` goes into the free bytes between slots and heap, without anything being moved. */
static bool
fits_in_place(const struct adb_page *page, const struct adb_node_key *key)
{
    struct adb_var_space space = adb_var_space(page);
    return adb_node_var_keeps_prefix(page, key) && space.count < NODE_COUNT_MAX &&
           VAR_SLOTS_BYTES + (space.count + 1) * VAR_SLOT_BYTES +
                   adb_var_tail(key->len - space.prefix_len) + space.value_bytes <=
               space.heap_at;
}

bool
adb_node_var_fits(const struct adb_page *page, const struct adb_node_key *key)
{
    return fits_in_place(page, key) || adb_var_fits_rebuilt(page, key);
}

void
adb_node_var_insert(struct adb_page *page, uint32_t slot, const struct adb_node_entry *entry)
{
    const struct adb_node_key *key = entry->key;
    if (!fits_in_place(page, key)) {
        adb_var_insert_rebuilding(page, slot, entry);
        return;
    }
    struct adb_node_meta meta = adb_node_meta(page);
    struct adb_var_space space = adb_var_space(page);
    ADB_ASSERT(slot <= meta.count);
    const unsigned char *rest = key->bytes + space.prefix_len;
    uint32_t len = key->len - space.prefix_len;
    uint32_t tail = adb_var_tail(len);
    space.heap_at -= tail + space.value_bytes;
    if (tail != 0)
        write_heap(page, space.heap_at, rest + VAR_HEAD, tail);
    if (space.value_bytes != 0)
        write_heap(page, space.heap_at + tail, (const unsigned char *)entry->value,
                   space.value_bytes);
    for (uint32_t at = adb_var_slot_at(meta.count) + 1; at > adb_var_slot_at(slot) + 1; at--)
        adb_node_set_word(page, at, adb_node_word(page, at - 2));
    adb_node_set_word(page, adb_var_slot_at(slot),
                      adb_var_slot(adb_var_head(rest, len), len, space.heap_at));
    adb_node_set_word(page, adb_var_slot_at(slot) + 1, entry->target);
    adb_node_note_insert(&meta, slot);
    adb_var_set_space(page, space);
    adb_node_set_meta(page, meta);
}

void
adb_node_var_remove(struct adb_page *page, uint32_t slot)
{
    struct adb_node_meta meta = adb_node_meta(page);
    struct adb_var_space space = adb_var_space(page);
    ADB_ASSERT(slot < meta.count);
    space.dead += adb_var_tail(adb_var_slot_len(adb_node_word(page, adb_var_slot_at(slot)))) +
                  space.value_bytes;
    for (uint32_t at = adb_var_slot_at(slot); at < adb_var_slot_at(meta.count - 1); at++)
        adb_node_set_word(page, at, adb_node_word(page, at + 2));
    adb_node_note_remove(&meta);
    if (meta.count == 0)
        space = (struct adb_var_space){.heap_at = ADB_PAGE_BYTES};
    adb_var_set_space(page, space);
    adb_node_set_meta(page, meta);
}

/* Bytes of the page that are really needed. */
static uint32_t
live_bytes(const struct adb_page *page)
{
    struct adb_var_space space = adb_var_space(page);
    return VAR_SLOTS_BYTES + space.count * VAR_SLOT_BYTES + ADB_PAGE_BYTES - space.heap_at -
           space.dead;
}

bool
adb_node_var_is_underfull(const struct adb_page *page)
{
    return live_bytes(page) < ADB_PAGE_BYTES / 4;
}

static uint32_t
entry_bytes(const struct adb_page *page, uint32_t value_bytes, uint32_t slot)
{
    uint64_t word = adb_node_word(page, adb_var_slot_at(slot));
    return VAR_SLOT_BYTES + adb_var_tail(adb_var_slot_len(word)) + value_bytes;
}

uint32_t
adb_node_var_middle(const struct adb_page *page)
{
    struct adb_var_space space = adb_var_space(page);
    uint32_t n = space.count;
    uint32_t all = 0;
    for (uint32_t i = 0; i < n; i++)
        all += entry_bytes(page, space.value_bytes, i);
    uint32_t left = 0;
    uint32_t at = 0;
    /* Stop where left and right are as equal as they can be. */
    for (; at < n - 1; at++) {
        uint32_t bytes = entry_bytes(page, space.value_bytes, at);
        if (2 * left + bytes > all)
            break;
        left += bytes;
    }
    return at == 0 ? 1 : at;
}

bool
adb_node_var_fits_part(const struct adb_page *page, uint32_t from, uint32_t to,
                       const struct adb_node_key *key)
{
    struct adb_var_space space = adb_var_space(page);
    /* The key is strictly inside the node, so it has the prefix. */
    uint32_t bytes = VAR_SLOTS_BYTES + space.prefix_len + VAR_SLOT_BYTES +
                     adb_var_tail(key->len - space.prefix_len) + space.value_bytes;
    for (uint32_t i = from; i < to; i++)
        bytes += entry_bytes(page, space.value_bytes, i);
    /* A longer prefix costs at most its own bytes in slots' heads. */
    return bytes + VAR_HEAD <= ADB_PAGE_BYTES;
}
