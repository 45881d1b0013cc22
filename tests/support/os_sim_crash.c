#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "support/os_sim_private.h"

/* Settling: what of a file's pending changes reaches the device. */

/* Applies the first `count` changes, and of the next, if it is a write, a part up to a sector. */
static void
settle_prefix(struct sim_node *node, size_t count, struct test_rng *rng)
{
    for (size_t i = 0; i < count; i++)
        sim_node_apply(node, &node->changes[i], node->changes[i].len);
    if (count == node->change_count || node->changes[count].is_truncate)
        return;
    const struct sim_change *torn = &node->changes[count];
    uint64_t sector = node->sim->sector_bytes;
    uint64_t first = torn->offset / sector + 1; /* the first boundary behind the start */
    uint64_t end = torn->offset + torn->len;
    uint64_t boundaries = end <= first * sector ? 0 : (end - 1) / sector - first + 1;
    uint64_t chosen = test_rng_below(rng, boundaries + 1);
    if (chosen > 0)
        sim_node_apply(node, torn, (first + chosen - 1) * sector - torn->offset);
}

/*
 * The change up to which the device saw a sector: 0 for none of them, change_count for all. Written
 * back once, a sector holds all that had been written to it by then, so earlier writes to it cannot
 * be missing where later ones are present; another sector may have been written back at any other
 * time.
 */
static size_t
sector_version(const struct sim_node *node, uint64_t seed, uint64_t sector)
{
    struct test_rng rng = test_rng_fork(seed, sector);
    switch (test_rng_below(&rng, 3)) {
    case 0:
        return 0;
    case 1:
        return node->change_count;
    default:
        return (size_t)test_rng_below(&rng, node->change_count + 1);
    }
}

/* Applies those sectors of a write, the `index`-th change, that the device saw in time. */
static void
settle_sectors_of(struct sim_node *node, size_t index, uint64_t seed)
{
    const struct sim_change *change = &node->changes[index];
    const unsigned char *data = node->pending_data + change->data_at;
    uint64_t sector_bytes = node->sim->sector_bytes;
    uint64_t end = change->offset + change->len;
    uint64_t at = change->offset;
    while (at < end) {
        uint64_t sector = at / sector_bytes;
        uint64_t next = (sector + 1) * sector_bytes;
        next = next < end ? next : end;
        if (sector_version(node, seed, sector) > index)
            sim_bytes_write(&node->durable, at, data + (at - change->offset), next - at);
        at = next;
    }
}

static void
settle_sectors(struct sim_node *node, struct test_rng *rng)
{
    uint64_t seed = test_rng_next(rng);
    size_t truncates_kept_before = (size_t)test_rng_below(rng, node->change_count + 1);
    uint64_t base_size = sim_bytes_len(node->durable); /* after the last truncation kept */
    uint64_t full_size = base_size;                    /* with all writes after it */
    for (size_t i = 0; i < node->change_count; i++) {
        const struct sim_change *change = &node->changes[i];
        if (!change->is_truncate) {
            uint64_t end = change->offset + change->len;
            full_size = end > full_size ? end : full_size;
            settle_sectors_of(node, i, seed);
        } else if (i < truncates_kept_before) {
            sim_bytes_resize(&node->durable, change->offset);
            base_size = full_size = change->offset;
        }
    }
    uint64_t size = full_size;
    switch (test_rng_below(rng, 4)) {
    case 0:
        size = base_size;
        break;
    case 1:
        size = base_size + test_rng_below(rng, full_size - base_size + 1);
        break;
    default:
        break;
    }
    sim_bytes_resize(&node->durable, size);
}

void
sim_settle(struct sim_node *node, enum sim_cut mode, struct test_rng *rng)
{
    static const enum sim_cut modes[] = {SIM_CUT_LOSE, SIM_CUT_PREFIX, SIM_CUT_SECTORS,
                                         SIM_CUT_KEEP};
    size_t count = node->is_directory ? node->entry_change_count : node->change_count;
    if (count == 0)
        return;
    size_t prefix = (size_t)test_rng_below(rng, count + 1);
    if (mode == SIM_CUT_ANY)
        mode = modes[test_rng_below(rng, 4)];
    if (mode == SIM_CUT_LOSE || mode == SIM_CUT_KEEP)
        prefix = mode == SIM_CUT_LOSE ? 0 : count;
    if (node->is_directory) {
        sim_dir_settle(node, prefix);
        return;
    }
    node->is_diverged = true;
    if (mode == SIM_CUT_SECTORS)
        settle_sectors(node, rng);
    else if (mode == SIM_CUT_PREFIX)
        settle_prefix(node, prefix, rng);
    else if (mode == SIM_CUT_KEEP)
        sim_node_sync(node);
    sim_node_forget_changes(node);
}

/* Ends of a boot. */

void
sim_end_boot(struct sim *sim)
{
    sim->boots->is_over = true;
    sim_fold_all(sim, true);
    for (struct sim_file *file = sim->files; file != NULL; file = file->next) {
        if (file->node->lock_owner == file)
            file->node->lock_owner = NULL;
        sim_node_closed(file->node);
        file->node = NULL;
    }
    sim->files = NULL;
}

void
sim_kill(struct sim *sim)
{
    adb_mutex_lock(&sim->lock);
    sim_end_boot(sim);
    sim_boot_start(sim);
    adb_mutex_unlock(&sim->lock);
}

static void
hold_all_nodes(struct sim *sim)
{
    for (struct sim_node *node = sim->nodes; node != NULL; node = node->next)
        sim_node_ref(node);
}

/* A node's end can only end others in front of it or still held, never the next one. */
static void
release_all_nodes(struct sim *sim)
{
    struct sim_node *next;
    for (struct sim_node *node = sim->nodes; node != NULL; node = next) {
        next = node->next;
        sim_node_unref(node);
    }
}

/* Makes what readers see equal to what is durable. */
static void
revert(struct sim_node *node)
{
    if (node->is_directory) {
        sim_dir_revert(node);
        return;
    }
    if (!node->is_diverged)
        return;
    sim_bytes_unref(node->latest);
    node->latest = sim_bytes_ref(node->durable);
    node->is_diverged = false;
}

void
sim_power_cut_as(struct sim *sim, enum sim_cut mode, uint64_t seed)
{
    adb_mutex_lock(&sim->lock);
    sim_end_boot(sim);
    sim->power_cuts++;
    hold_all_nodes(sim);
    struct test_rng rng = test_rng_make(seed);
    if (mode == SIM_CUT_ANY && test_rng_one_in(&rng, 4))
        mode = test_rng_one_in(&rng, 2) ? SIM_CUT_LOSE : SIM_CUT_KEEP;
    for (struct sim_node *node = sim->nodes; node != NULL; node = node->next) {
        /* By the node, so that a clone that lacks some nodes comes to the same. */
        struct test_rng own = test_rng_fork(seed, node->id);
        sim_settle(node, mode, &own);
        revert(node);
    }
    release_all_nodes(sim);
    sim_space_recount(sim);
    sim->is_off = false;
    sim->fault_left = 0;
    sim_boot_start(sim);
    adb_mutex_unlock(&sim->lock);
}

void
sim_power_cut(struct sim *sim, uint64_t seed)
{
    sim_power_cut_as(sim, SIM_CUT_ANY, seed);
}

void
sim_sync_all(struct sim *sim)
{
    adb_mutex_lock(&sim->lock);
    sim_fold_all(sim, false);
    hold_all_nodes(sim);
    for (struct sim_node *node = sim->nodes; node != NULL; node = node->next) {
        if (node->is_directory)
            sim_dir_settle(node, node->entry_change_count);
        else
            sim_node_sync(node);
    }
    release_all_nodes(sim);
    adb_mutex_unlock(&sim->lock);
}

/* Clones. */

static void
copy_entries(struct sim_entries *to, const struct sim_entries *from, bool is_visible)
{
    to->count = to->capacity = from->count;
    to->at = from->count == 0 ? NULL : (struct sim_entry *)sim_zalloc(from->count, sizeof *to->at);
    for (size_t i = 0; i < from->count; i++) {
        to->at[i] = from->at[i];
        to->at[i].node = sim_node_ref(from->at[i].node->twin);
        to->at[i].node->links += is_visible ? 1 : 0;
    }
}

static void
copy_directory(struct sim_node *to, const struct sim_node *from)
{
    copy_entries(&to->entries, &from->entries, true);
    copy_entries(&to->durable_entries, &from->durable_entries, false);
    sim_reserve((void **)&to->entry_changes, &to->entry_change_capacity, from->entry_change_count,
                sizeof *to->entry_changes);
    to->entry_change_count = from->entry_change_count;
    for (size_t i = 0; i < from->entry_change_count; i++) {
        struct sim_entry_change *change = &to->entry_changes[i];
        *change = from->entry_changes[i];
        if (change->entry.node != NULL)
            change->entry.node = sim_node_ref(change->entry.node->twin);
    }
}

static void
copy_file(struct sim_node *to, const struct sim_node *from)
{
    to->latest = sim_bytes_ref(from->latest);
    to->durable = sim_bytes_ref(from->durable);
    to->is_diverged = from->is_diverged;
    if (from->change_count > 0) {
        to->change_count = to->change_capacity = from->change_count;
        to->changes = (struct sim_change *)sim_zalloc(from->change_count, sizeof *to->changes);
        memcpy(to->changes, from->changes, from->change_count * sizeof *to->changes);
    }
    if (from->pending_len > 0) {
        to->pending_len = to->pending_capacity = from->pending_len;
        to->pending_data = (unsigned char *)sim_zalloc(1, (size_t)from->pending_len);
        memcpy(to->pending_data, from->pending_data, (size_t)from->pending_len);
    }
    if (from->block_count > 0) {
        to->block_count = from->block_count;
        to->used_blocks = from->used_blocks;
        to->blocks = (bool *)sim_zalloc((size_t)from->block_count, sizeof *to->blocks);
        memcpy(to->blocks, from->blocks, (size_t)from->block_count * sizeof *to->blocks);
    }
}

static void
copy_nodes(struct sim *clone, struct sim *sim)
{
    for (struct sim_node *node = sim->nodes; node != NULL; node = node->next) {
        node->twin = sim_node_new(clone, node->is_directory);
        node->twin->id = node->id;
    }
    clone->root = sim_node_ref(sim->root->twin);
    clone->next_node_id = sim->next_node_id;
    for (struct sim_node *node = sim->nodes; node != NULL; node = node->next) {
        if (node->is_directory)
            copy_directory(node->twin, node);
        else
            copy_file(node->twin, node);
    }
    for (struct sim_node *node = clone->nodes; node != NULL; node = node->next)
        if (node->links > 0)
            clone->used_bytes += node->used_blocks * SIM_BLOCK_BYTES;
    release_all_nodes(clone); /* drops the counts of creation, and what only handles held */
}

struct sim *
sim_clone(struct sim *sim)
{
    adb_mutex_lock(&sim->lock);
    sim_fold_all(sim, false);
    struct sim *clone = sim_new_bare();
    clone->now_ns = sim->now_ns;
    clone->wall_start_ms = sim->wall_start_ms;
    clone->entropy = sim->entropy;
    clone->capacity_bytes = sim->capacity_bytes;
    clone->sector_bytes = sim->sector_bytes;
    clone->cpu_count = sim->cpu_count;
    clone->can_map = sim->can_map;
    clone->is_off = sim->is_off;
    memcpy(clone->op_counts, sim->op_counts, sizeof clone->op_counts);
    copy_nodes(clone, sim);
    sim_boot_start(clone);
    adb_mutex_unlock(&sim->lock);
    return clone;
}
