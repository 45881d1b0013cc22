/*
 * transfer.c: amounts that move between the accounts of one customer, and never more than there is.
 *
 * The key is the customer, then the account; shard_prefix_bits keeps the accounts of a customer on
 * one shard, so that a group can read and change several of them with nobody in between.
 */
#include <armdb/typed.h>

#include "example.h"

ARMDB_DEFINE_KEY_PAIR(account, u32, u32);

/* What moves from where to where. */
struct transfer {
    armdb_collection *accounts;
    armdb_slice from;
    armdb_slice to;
    int64_t amount;
};

static armdb_err
move(void *context, armdb_group *group)
{
    const struct transfer *transfer = (const struct transfer *)context;
    int64_t left;
    armdb_err err = armdb_group_add(group, transfer->accounts, transfer->from, -transfer->amount,
                                    &left);
    if (err == ARMDB_OK && left < 0)
        err = ARMDB_OVERFLOW; /* not so much: nothing is changed */
    if (err == ARMDB_OK)
        err = armdb_group_add(group, transfer->accounts, transfer->to, transfer->amount, NULL);
    return err;
}

/* Moves an amount, and says whether there was enough. */
static bool
transfer(armdb_collection *accounts, armdb_key_account from, armdb_key_account to, int64_t amount)
{
    unsigned char from_bytes[ARMDB_KEY_BYTES_account], to_bytes[ARMDB_KEY_BYTES_account];
    armdb_key_account_encode(from_bytes, from);
    armdb_key_account_encode(to_bytes, to);
    struct transfer what = {.accounts = accounts,
                            .from = armdb_bytes(from_bytes, sizeof from_bytes),
                            .to = armdb_bytes(to_bytes, sizeof to_bytes),
                            .amount = amount};
    armdb_err err = armdb_group_run(accounts, what.from, move, &what, NULL);
    check(err == ARMDB_OVERFLOW ? ARMDB_OK : err);
    return err == ARMDB_OK;
}

int
main(void)
{
    armdb_db *db;
    armdb_collection *accounts;
    armdb_options options = ARMDB_OPTIONS_INIT;
    armdb_collection_options kind = ARMDB_COLLECTION_OPTIONS_INIT;
    const armdb_key_account current = {7, 1}, savings = {7, 2}; /* of customer 7 */
    unsigned char key[ARMDB_KEY_BYTES_account];
    int64_t sum;
    armdb_err err;
    options.shard_prefix_bits = 32; /* the customer */
    check(armdb_open("transfer.db", &options, &db));
    err = armdb_collection_drop(db, "accounts"); /* begin anew, each time the example is run */
    check(err == ARMDB_NO_COLLECTION ? ARMDB_OK : err);
    kind.key_bytes = ARMDB_KEY_BYTES_account;
    kind.value_bytes = 8;
    check(armdb_collection_create(db, "accounts", &kind, &accounts));

    armdb_key_account_encode(key, current);
    check(armdb_add(accounts, armdb_bytes(key, sizeof key), 100, NULL, NULL));
    bool has_moved = transfer(accounts, current, savings, 70);
    bool has_moved_more = transfer(accounts, current, savings, 70); /* there are 30 left */
    check(armdb_add(accounts, armdb_bytes(key, sizeof key), 0, NULL, &sum));
    printf("70 moved: %d, 70 more: %d; left: %lld\n", has_moved, has_moved_more, (long long)sum);

    check(armdb_close(db));
    return has_moved && !has_moved_more && sum == 30 ? 0 : 1;
}
