/* What both layouts share: their choice, how to split, and which key separates two nodes. */
#include "index/node.h"

#include <string.h>

#include "base/assert.h"

/* So many inserts one beside the other make it likely that more will come. */
enum { RUN = 2 };

void
adb_node_layout_init(struct adb_node_layout *layout, uint32_t key_bytes, uint32_t value_bytes)
{
    ADB_ASSERT(key_bytes <= ARMDB_FIXED_KEY_MAX && value_bytes <= NODE_VALUE_MAX);
    *layout = (struct adb_node_layout){.key_bytes = key_bytes, .value_bytes = value_bytes};
    if (key_bytes != 0)
        adb_node_fixed_layout_init(layout);
}

void
adb_node_clear(const struct adb_node_layout *layout, struct adb_page *page, uint32_t level)
{
    if (layout->words != 0)
        adb_node_fixed_clear(page, level);
    else
        adb_node_var_clear(page, level, level == 0 ? layout->value_bytes : 0);
}

void
adb_node_init(const struct adb_node_layout *layout, struct adb_page *page, uint32_t level,
              uint64_t clock)
{
    uint64_t version = (clock & ~(NODE_VERSION_STEP - 1)) + NODE_VERSION_STEP;
    adb_node_set_word(page, NODE_VERSION_AT, version);
    adb_node_clear(layout, page, level);
}

void
adb_node_copy(struct adb_page *to, const struct adb_page *from)
{
    ADB_ASSERT(to != from);
    for (uint32_t at = NODE_META_AT; at < NODE_WORDS; at++)
        adb_node_set_word(to, at, adb_node_word(from, at));
}

/* Of two numbers of the same length, a < b, makes one above a and at most b, in the middle. */
static void
make_middle(const unsigned char *a, const unsigned char *b, uint32_t len, unsigned char *middle)
{
    /* (a + b) / 2, rounded up. */
    uint32_t carry = 1;
    for (uint32_t i = len; i-- > 0;) {
        carry += (uint32_t)a[i] + b[i];
        middle[i] = (unsigned char)carry;
        carry >>= 8;
    }
    for (uint32_t i = 0; i < len; i++) {
        uint32_t number = carry << 8 | middle[i];
        middle[i] = (unsigned char)(number >> 1);
        carry = number & 1;
    }
}

/* Makes a + 1 where there is a larger number of this length. */
static void
make_successor(const unsigned char *a, uint32_t len, unsigned char *successor)
{
    uint32_t carry = 1;
    for (uint32_t i = len; i-- > 0;) {
        carry += a[i];
        successor[i] = (unsigned char)carry;
        carry >>= 8;
    }
}

/* The bytes of a key. */
struct bytes {
    uint32_t len;
    unsigned char at[ARMDB_KEY_MAX];
};

/* Makes a key that is above `below`, at most `above`, and among those a short one. */
static void
separate(const struct adb_node_layout *layout, const struct bytes *below, const struct bytes *above,
         struct adb_node_split *split)
{
    unsigned char *middle = split->middle.bytes;
    uint32_t shared = adb_node_shared_bytes(below->at, below->len, above->at, above->len);
    uint32_t len = layout->key_bytes != 0 ? layout->key_bytes : shared + 1;
    ADB_ASSERT(shared < above->len);
    bool is_counted = layout->key_bytes != 0 || shared < below->len;
    if (split->bias == NODE_BIAS_HIGH) {
        memcpy(middle, above->at, len);
    } else if (is_counted && split->bias == NODE_BIAS_MIDDLE) {
        make_middle(below->at, above->at, len, middle);
    } else if (is_counted) {
        make_successor(below->at, len, middle);
    } else {
        /* `below` is the beginning of `above`. */
        uint32_t next = split->bias == NODE_BIAS_LOW ? 0 : (above->at[shared] + 1u) / 2;
        memcpy(middle, below->at, shared);
        middle[shared] = (unsigned char)next;
    }
    adb_node_key_set(layout, &split->middle.key, middle, len);
}

/* Copies the new key, or if it is NULL, that at `slot`. */
static void
copy_key(const struct adb_node_layout *layout, const struct adb_page *page, uint32_t slot,
         const struct adb_node_key *new_key, struct bytes *copy_out)
{
    if (new_key != NULL) {
        copy_out->len = new_key->len;
        memcpy(copy_out->at, new_key->bytes, new_key->len);
    } else {
        copy_out->len = adb_node_read_key(layout, page, slot, copy_out->at);
    }
}

/* Whether the entries [from, to) and the key, which is strictly inside the node, fit in one. */
static bool
fits_part(const struct adb_node_layout *layout, const struct adb_page *page, uint32_t from,
          uint32_t to, const struct adb_node_key *key)
{
    if (layout->words == 0)
        return adb_node_var_fits_part(page, from, to, key);
    return to - from < adb_node_fixed_shape(layout, adb_node_meta(page).level)->capacity;
}

/*
 * Chooses all but the separator. Keys that come in order shall leave full nodes behind: then the
 * node is not cut in half, but where the new key belongs.
 */
static void
choose_place(const struct adb_node_layout *layout, const struct adb_page *page, uint32_t slot,
             const struct adb_node_key *key, struct adb_node_edges edges,
             struct adb_node_split *split)
{
    struct adb_node_meta meta = adb_node_meta(page);
    bool must_be_alone = layout->words == 0 && !adb_node_var_keeps_prefix(page, key);
    bool is_ascending = slot == meta.last + 1 && meta.ascents >= RUN;
    bool is_descending = slot == meta.last && meta.descents >= RUN;
    split->at = slot;
    if (slot == meta.count && (must_be_alone || is_ascending || edges.is_rightmost)) {
        split->into_right = true;
        split->bias = NODE_BIAS_LOW;
    } else if (slot == 0 && (must_be_alone || is_descending || edges.is_leftmost)) {
        split->into_right = false;
        split->bias = NODE_BIAS_HIGH;
    } else if (is_ascending && fits_part(layout, page, 0, slot, key)) {
        split->into_right = false;
        split->bias = NODE_BIAS_HIGH;
    } else if (is_descending && fits_part(layout, page, slot, meta.count, key)) {
        split->into_right = true;
        split->bias = NODE_BIAS_LOW;
    } else {
        /* Keys may also come from both sides towards a point: then it is there that we cut. */
        uint32_t half = layout->words != 0 ? meta.count / 2 : adb_node_var_middle(page);
        bool to_right = slot == meta.last + 1;
        bool is_at_point = slot - meta.last <= 1 && slot > half / 2 && slot < half + half / 2 &&
                           fits_part(layout, page, to_right ? slot : 0,
                                     to_right ? meta.count : slot, key);
        split->at = is_at_point ? slot : half;
        split->into_right = is_at_point ? to_right : slot > half;
        split->bias = NODE_BIAS_MIDDLE;
    }
}

void
adb_node_plan_split(const struct adb_node_layout *layout, const struct adb_page *page,
                    uint32_t slot, const struct adb_node_key *key, struct adb_node_edges edges,
                    struct adb_node_split *split)
{
    struct adb_node_meta meta = adb_node_meta(page);
    choose_place(layout, page, slot, key, edges, split);
    if (meta.level != 0) {
        /* A separator moves up: the one after the place, or the one before it if the new one is to
         * be the first on the right. */
        if (split->into_right && split->at == slot)
            split->at--;
        ADB_ASSERT(split->at < meta.count);
        uint32_t len = adb_node_read_key(layout, page, split->at, split->middle.bytes);
        adb_node_key_set(layout, &split->middle.key, split->middle.bytes, len);
        return;
    }
    struct bytes below;
    struct bytes above;
    const struct adb_node_key *at_place = slot == split->at ? key : NULL;
    copy_key(layout, page, split->at - 1, split->into_right ? NULL : at_place, &below);
    copy_key(layout, page, split->at, split->into_right ? at_place : NULL, &above);
    separate(layout, &below, &above, split);
}
