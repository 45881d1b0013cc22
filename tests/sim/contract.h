/*
 * contract.h: what a database must and may hold after it was killed, cut off or closed.
 *
 * A contract is the history of one database: for each shard the writes that it accepted, in order,
 * and how many of them must survive a killed process or a power cut; and what became of each
 * collection. After the next open, contract_check() demands that each shard holds exactly the
 * first so many of its writes, no fewer than promised, and that nothing else is there. It then goes
 * on from what was found: what was lost must not come back.
 *
 * A write counts as accepted when the shard's sequence number grew, acknowledged or not. Of the
 * writes of a batch all are there after the open, in all shards, or none.
 *
 * A value with a deadline must be there before it, and must not be there from then on. If the clock
 * is set back behind it, either may be: the engine deletes expired keys when it likes. The records
 * by which it does so are counted (CONTRACT_EXPIRY), but not told apart.
 */
#ifndef TEST_SIM_CONTRACT_H
#define TEST_SIM_CONTRACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/db.h"
#include "support/os_sim.h"

enum {
    CONTRACT_SHARDS_MAX = 8,
    CONTRACT_COLLECTIONS_MAX = 40,
    CONTRACT_KEYS = 28,      /* numbers of keys: 0 .. CONTRACT_KEYS - 1 */
    CONTRACT_KEY_BYTES = 256 /* of the longest */
};

/** In place of a collection: a record by which the engine has deleted some expired key. */
#define CONTRACT_EXPIRY UINT32_MAX

/** One write of a key; stamps are never used twice, and decide the bytes of the value. */
struct contract_write {
    uint32_t collection; /* place in contract.collections, or CONTRACT_EXPIRY */
    uint32_t key;
    uint32_t value_len;
    uint32_t stamp;       /* 0: deleted */
    uint64_t deadline_ms; /* 0: none */
};

struct contract_shard {
    struct contract_write *writes; /* owned, [count + unsure] */
    size_t count;
    size_t capacity;
    size_t killed_floor;  /* so many of the first must survive a kill */
    size_t cut_floor;     /* and so many a power cut */
    size_t unsure;        /* so many failed at last: all of them may be there, or none */
    uint64_t newest_file; /* id of the newest data file that was there at the last open */
};

enum contract_truth { CONTRACT_NO, CONTRACT_MAYBE, CONTRACT_YES };

struct contract_value {
    uint32_t stamp; /* 0: the key is not there */
    uint32_t len;
    uint64_t deadline_ms;         /* 0: none */
    enum contract_truth is_there; /* for readers, at this time of day */
};

struct contract_collection {
    char name[16];
    uint32_t id; /* 0 for the default collection, and if is_created is not CONTRACT_YES */
    uint32_t key_bytes;
    armdb_order order;
    uint32_t value_bytes; /* or ARMDB_VALUE_VARIABLE */
    enum contract_truth is_created;
    enum contract_truth is_dropped;
    struct contract_value live[CONTRACT_KEYS]; /* what a reader must see now */
};

/** A batch has the writes from..to-1 of each shard. */
struct contract_batch {
    size_t from[CONTRACT_SHARDS_MAX];
    size_t to[CONTRACT_SHARDS_MAX];
};

struct contract {
    uint32_t shard_count; /* 0 as long as no open was successful */
    struct contract_shard shards[CONTRACT_SHARDS_MAX];
    struct contract_collection collections[CONTRACT_COLLECTIONS_MAX];
    uint32_t collection_count;      /* the default one is the first */
    struct contract_batch *batches; /* owned, [batch_count]: since the last open */
    size_t batch_count;
    uint32_t newest_id;
    uint64_t now_ms;     /* the time of day; 0 where no deadline ever passes */
    uint64_t highest_ms; /* that it ever was */
    bool is_compacted;   /* records that nothing needs may be gone */
    bool may_keep_hints; /* an open left hints of no data file that it could not remove */
};

/** How the database ended before the open that is to be checked. */
enum contract_end { CONTRACT_CLOSED, CONTRACT_KILLED, CONTRACT_CUT };

/** An empty history; the default collection is as by default. Free with contract_free(). */
struct contract *contract_new(void);
struct contract *contract_copy(const struct contract *contract);
void contract_free(struct contract *contract);

/** The key of a number in a collection; `room` takes CONTRACT_KEY_BYTES. They ascend. */
armdb_slice contract_key(const struct contract_collection *collection, uint32_t number,
                         unsigned char *room);
/** The number of a key of a collection; CONTRACT_KEYS if it is none. */
uint32_t contract_number(const struct contract_collection *collection, armdb_slice key);

/** Fills the value of a write. */
void contract_fill(uint32_t stamp, uint32_t len, unsigned char *to);
/** A deadline for a write, which will not pass; 0: none. */
uint64_t contract_deadline(uint32_t stamp);
/** Whether these are the bytes of that write. */
bool contract_is_value(struct contract_value value, armdb_slice bytes);

/** Takes the time of day. */
void contract_set_time(struct contract *contract, uint64_t now_ms);
/** Whether a deadline has ever passed: then the engine may write records of its own. */
bool contract_has_expired(const struct contract *contract);

/** The shard of a key in an open database. */
uint32_t contract_route(const struct db *db, armdb_slice key);

/** Makes a write what readers must see; it is entered nowhere. */
void contract_apply(struct contract *contract, const struct contract_write *write);
/** Takes a write that the shard accepted. */
void contract_accept(struct contract *contract, uint32_t shard, const struct contract_write *write);
/** Takes the last write of a shard that failed in it: there or not after the next open. Several
 * are those of one batch. */
void contract_doubt(struct contract *contract, uint32_t shard, const struct contract_write *write);
/** Takes that the newest `counts` writes of the shards, accepted or in doubt, are one batch. */
void contract_bind(struct contract *contract, const size_t counts[CONTRACT_SHARDS_MAX]);
/** Whether a shard has a part of a batch over several that is not known to be on the device: it
 * cannot be synced without the others, and fails with them. */
bool contract_is_bound(const struct contract *contract, uint32_t shard);
/** Takes what an acknowledgement of this level promises for all writes of a shard. */
void contract_promise(struct contract *contract, uint32_t shard, armdb_durability level);
void contract_promise_all(struct contract *contract, armdb_durability level);
/** The same, for the first `count` writes of a shard alone. */
void contract_promise_first(struct contract *contract, uint32_t shard, size_t count,
                            armdb_durability level);
/** Raises floors to what the shards of an open database say of themselves, and takes the records by
 * which they have deleted expired keys. */
void contract_observe(struct contract *contract, struct db *db);

/** Takes what the default collection is made as, before the first open; zeros are defaults. */
void contract_describe_default(struct contract *contract, const armdb_collection_options *options);

/** The place of the live collection of that name; UINT32_MAX if there is none. */
uint32_t contract_find(const struct contract *contract, const char *name);
/** Takes a creation or drop that returned; later successes settle what earlier failures left. */
void contract_create(struct contract *contract, const char *name,
                     const armdb_collection_options *options, struct collection *created);
void contract_drop(struct contract *contract, uint32_t place, enum contract_truth is_dropped);

/**
 * Compares an open database, nothing written to it yet, with the history, and cuts the history to
 * what is there. `sim` may be NULL if the database is not on a simulator.
 */
void contract_check(struct contract *contract, struct db *db, enum contract_end end,
                    struct sim *sim, const char *path);

/** The part of contract_check() that needs no reads and no memory: all but the contents. */
void contract_check_shape(struct contract *contract, struct db *db, enum contract_end end,
                          struct sim *sim, const char *path);

/** Compares everything that a running database shows with contract.collections[].live. */
void contract_check_live(const struct contract *contract, struct db *db);

/** Checks a database that is not open; it may be missing if no open was successful. */
void contract_verify(const struct contract *contract, struct adb_os *os, const char *path);

#endif
