/*
 * os_sim_private.h: the insides of the simulator, shared by os_sim*.c only.
 *
 * os_sim.c: the operations. os_sim_disk.c: content, directories, space. os_sim_crash.c: kill, power
 * cut, clone. os_sim_tools.c: what tests see and change from outside. All functions here expect
 * sim->lock to be held, or the simulator to be out of others' reach.
 */
#ifndef TEST_SUPPORT_OS_SIM_PRIVATE_H
#define TEST_SUPPORT_OS_SIM_PRIVATE_H

#include <stdatomic.h>

#include "os/thread.h"
#include "support/os_sim.h"
#include "support/seed.h"

enum {
    SIM_BLOCK_BYTES = 4096,
    SIM_NAME_BYTES = 120 /* with the zero; longer names: ENAMETOOLONG */
};

#define SIM_FILE_BYTES_MAX (UINT64_C(1) << 30)

/* Content of a file. Immutable while shared: refs > 1. NULL stands for an empty one. */
struct sim_bytes {
    atomic_uint refs; /* clones in other threads may hold one */
    uint64_t len;
    uint64_t capacity;
    unsigned char data[];
};

/* A change of a file that is not durable. */
struct sim_change {
    bool is_truncate;
    uint64_t offset;  /* of the write; the new size of a truncation */
    uint64_t len;     /* of the write */
    uint64_t data_at; /* in the node's pending_data */
};

struct sim_node;

struct sim_entry {
    struct sim_node *node; /* counted */
    char name[SIM_NAME_BYTES];
};

struct sim_entries {
    struct sim_entry *at; /* owned */
    size_t count;
    size_t capacity;
};

/* A change of a directory that is not durable: first `gone` goes, then `entry` comes. */
struct sim_entry_change {
    char gone[SIM_NAME_BYTES]; /* "" if none */
    struct sim_entry entry;    /* node NULL if none */
};

/* A file or directory, whatever its names. */
struct sim_node {
    struct sim *sim;
    struct sim_node *prev; /* in sim->nodes, in order of creation */
    struct sim_node *next;
    struct sim_node *twin; /* while cloning */
    uint64_t id;
    uint32_t refs;  /* entries of either kind, entry changes, handles */
    uint32_t links; /* entries that readers see */
    uint32_t opens; /* handles */
    bool is_directory;

    /* file */
    struct sim_bytes *latest;  /* what readers see; counted */
    struct sim_bytes *durable; /* counted */
    bool is_diverged;          /* they differ by more than the pending changes */
    struct sim_change *changes;
    size_t change_count;
    size_t change_capacity;
    unsigned char *pending_data; /* of all changes, one behind the other */
    uint64_t pending_len;
    uint64_t pending_capacity;
    bool *blocks; /* which blocks take space */
    uint64_t block_count;
    uint64_t used_blocks;
    struct sim_file *lock_owner;
    unsigned char *mapped; /* what a boot stores into; borrowed from who mapped it; NULL if none */
    uint64_t mapped_bytes;

    /* directory */
    struct sim_entries entries; /* what readers see */
    struct sim_entries durable_entries;
    struct sim_entry_change *entry_changes;
    size_t entry_change_count;
    size_t entry_change_capacity;
};

/* One life of the process: what sim_os() gives away. */
struct sim_boot {
    struct adb_os base;
    struct sim *sim;
    struct sim_boot *next;
    bool is_over;
};

struct sim_file {
    struct adb_file base;
    struct sim_node *node; /* NULL: its boot is over */
    struct sim_file *prev; /* in sim->files while the boot lasts */
    struct sim_file *next;
    bool is_writable;
    char path[];
};

struct sim {
    struct adb_mutex lock;
    struct sim_boot *boots; /* owned; the newest first */
    struct sim_file *files; /* of the current boot */
    struct sim_node *nodes;
    struct sim_node *nodes_last;
    struct sim_node *root;
    uint64_t next_node_id;
    uint64_t now_ns;
    uint64_t wall_start_ms; /* the time of day when now_ns was 0; may be less than 0, modulo 2^64 */
    uint64_t power_cuts;    /* so far: what tells one start of the machine from another */
    struct test_rng entropy;
    uint64_t capacity_bytes;
    uint64_t used_bytes;
    uint32_t sector_bytes;
    uint32_t cpu_count;
    bool can_map;
    FILE *trace;

    struct sim_fault fault;
    uint64_t fault_left; /* operations until it strikes, 1 = the next; 0 = none set */
    bool fault_fired;
    bool is_off;
    uint64_t op_counts[SIM_OP_COUNT];
};

/* os_sim.c */
struct sim_boot *sim_boot_start(struct sim *sim);
struct sim *sim_new_bare(void);

/* os_sim_disk.c: memory; never NULL. */
void *sim_zalloc(size_t count, size_t bytes);
/* Makes room for `needed` elements of `bytes` each in the array at *array. */
void sim_reserve(void **array, size_t *capacity, size_t needed, size_t bytes);

/* Content. */
struct sim_bytes *sim_bytes_ref(struct sim_bytes *bytes);
void sim_bytes_unref(struct sim_bytes *bytes);
uint64_t sim_bytes_len(const struct sim_bytes *bytes);
void sim_bytes_write(struct sim_bytes **bytes, uint64_t offset, const void *data, uint64_t len);
void sim_bytes_resize(struct sim_bytes **bytes, uint64_t len);

/* Nodes. */
struct sim_node *sim_node_new(struct sim *sim, bool is_directory);
struct sim_node *sim_node_ref(struct sim_node *node);
void sim_node_unref(struct sim_node *node);
void sim_node_opened(struct sim_node *node);
void sim_node_closed(struct sim_node *node);
/* Returns 0 or ENOENT, ENOTDIR, ENAMETOOLONG. */
int sim_walk(struct sim *sim, const char *path, struct sim_node **node_out);
/* The directory that has, or would have, the last name of the path; name_out has SIM_NAME_BYTES and
 * is "" for the root. Returns as sim_walk(). */
int sim_walk_parent(struct sim *sim, const char *path, char *name_out, struct sim_node **dir_out);

/* Directories. */
struct sim_node *sim_dir_find(const struct sim_node *dir, const char *name);
/* Removes `gone` (if not NULL), then sets `name` to `node` (if not NULL); not durable. */
void sim_dir_change(struct sim_node *dir, const char *gone, const char *name,
                    struct sim_node *node);
/* Makes the first `count` pending changes durable, and forgets all. */
void sim_dir_settle(struct sim_node *dir, size_t count);
/* Makes what readers see equal to what is durable. */
void sim_dir_revert(struct sim_node *dir);

/* Files. */
/* Writes the first `len` bytes of the iovecs; one change. */
void sim_node_write(struct sim_node *node, const struct iovec *iov, uint64_t offset, uint64_t len);
void sim_node_resize(struct sim_node *node, uint64_t len);
/* Applies one pending change to the durable content: of a write only the first `len` bytes. */
void sim_node_apply(struct sim_node *node, const struct sim_change *change, uint64_t len);
void sim_node_forget_changes(struct sim_node *node);
/* Makes all pending changes durable. */
void sim_node_sync(struct sim_node *node);
/* Takes over what was stored into the mapping since, as writes that are not durable. */
void sim_node_fold(struct sim_node *node);
/* The same for all files. With `for_good`, later stores have no effect. */
void sim_fold_all(struct sim *sim, bool for_good);

/* Space. */
/* Backs [offset, offset + len) with blocks; returns how many bytes from `offset` are. */
uint64_t sim_space_take(struct sim_node *node, uint64_t offset, uint64_t len);
void sim_space_cut(struct sim_node *node, uint64_t len);
/* After a cut: every file takes the blocks of its size. */
void sim_space_recount(struct sim *sim);

/* os_sim_crash.c */
/* Makes of the pending changes what `mode` and `rng` say durable, and forgets them. */
void sim_settle(struct sim_node *node, enum sim_cut mode, struct test_rng *rng);
void sim_end_boot(struct sim *sim);

#endif
