/*
 * leaderboard.c: players by their number, and an index of them by score.
 *
 * The index is a collection of its own whose keys are (score, player), descending, with nothing as
 * values: the best player is its first key, and two of the same score are two keys. A walk over its
 * keys reads no file.
 */
#include <armdb/typed.h>

#include "example.h"

struct player {
    uint32_t score;
    char name[28];
};

ARMDB_DEFINE_TYPED(players, u64, struct player, 4 + 28);
ARMDB_DEFINE_KEY_PAIR(score_player, u32, u64);

struct board {
    players by_number;
    armdb_collection *by_score; /* borrowed from the database */
};

static void
open_board(armdb_db *db, struct board *board)
{
    armdb_collection_options options = ARMDB_COLLECTION_OPTIONS_INIT;
    options.key_bytes = ARMDB_KEY_BYTES_score_player;
    options.order = ARMDB_DESCENDING;
    check(players_open(db, "players", ARMDB_UNORDERED, &board->by_number));
    armdb_err err = armdb_collection_create(db, "by-score", &options, &board->by_score);
    if (err == ARMDB_EXISTS)
        err = armdb_collection_open(db, "by-score", &options, &board->by_score);
    check(err);
}

/* Stores a player, and keeps the index right. A kill in between leaves an entry of an old score,
 * which print_best() passes over. */
static void
store(struct board *board, uint64_t number, const struct player *player)
{
    unsigned char key[ARMDB_KEY_BYTES_score_player];
    armdb_key_score_player entry = {player->score, number};
    struct player old;
    armdb_err err = players_get(board->by_number, number, &old);
    armdb_key_score_player_encode(key, entry);
    check(armdb_put(board->by_score, armdb_bytes(key, sizeof key), armdb_str(""), NULL));
    check(players_put(board->by_number, number, player, NULL));
    if (err == ARMDB_NOT_FOUND)
        return;
    check(err);
    if (old.score != player->score) {
        entry.first = old.score;
        armdb_key_score_player_encode(key, entry);
        check(armdb_delete(board->by_score, armdb_bytes(key, sizeof key), NULL));
    }
}

/* Prints the best players; says how many there were. */
static int
print_best(struct board *board, int most)
{
    armdb_cursor_options options = ARMDB_CURSOR_OPTIONS_INIT;
    armdb_cursor *cursor;
    int found = 0;
    armdb_err err = ARMDB_OK;
    options.keys_only = 1;
    check(armdb_cursor_open(board->by_score, &options, &cursor));
    while (found < most && (err = armdb_cursor_next(cursor)) == ARMDB_OK) {
        const armdb_key_score_player entry =
            armdb_key_score_player_decode((const unsigned char *)armdb_cursor_key(cursor).data);
        struct player player;
        err = players_get(board->by_number, entry.second, &player);
        if (err == ARMDB_NOT_FOUND || (err == ARMDB_OK && player.score != entry.first))
            continue;
        check(err);
        printf("%d. %s, %u\n", ++found, player.name, player.score);
    }
    armdb_cursor_close(cursor);
    check(err == ARMDB_END ? ARMDB_OK : err);
    return found;
}

int
main(void)
{
    static const struct player all[] = {
        {120, "Ada"}, {300, "Grace"}, {90, "Alan"}, {300, "Edsger"}};
    const struct player better = {310, "Alan"};
    struct board board;
    armdb_db *db;
    uint64_t entries;
    check(armdb_open("leaderboard.db", NULL, &db));
    open_board(db, &board);

    for (uint64_t i = 0; i < 4; i++)
        store(&board, i, &all[i]);
    store(&board, 2, &better);
    int found = print_best(&board, 3);
    check(armdb_count(board.by_score, &entries));

    check(armdb_close(db));
    return found == 3 && entries == 4 ? 0 : 1;
}
