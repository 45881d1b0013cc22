/*
 * schema.c: scores whose form has changed with the program, twice.
 *
 * Values of one length, kept in the index: 4 bytes in the first version of the program, 8 since the
 * second. Who has a database of any older version opens it, and has the newest.
 */
#include "example.h"

static armdb_err
widen(void *context, armdb_slice key, const armdb_slice *old, armdb_verdict *verdict_out)
{
    static int64_t score; /* stays until the next call; one thread does the steps */
    int32_t points;
    (void)context;
    (void)key;
    memcpy(&points, old->data, sizeof points);
    score = points;
    verdict_out->kind = points == 0 ? ARMDB_REMOVE : ARMDB_REPLACE;
    verdict_out->value = armdb_bytes(&score, sizeof score);
    return ARMDB_OK;
}

static armdb_err
to_tenths(void *context, armdb_slice key, const armdb_slice *old, armdb_verdict *verdict_out)
{
    static int64_t score;
    (void)context;
    (void)key;
    memcpy(&score, old->data, sizeof score);
    score *= 10;
    verdict_out->kind = ARMDB_REPLACE;
    verdict_out->value = armdb_bytes(&score, sizeof score);
    return ARMDB_OK;
}

/* Version 1 had a score of 4 bytes. Since 2 it has 8, and players without points are no more kept.
 * Version 3 means the same bytes, but in tenths of a point. */
static const armdb_schema_step STEPS[] = {
    {.from = 1, .fn = widen, .value_bytes = sizeof(int64_t)},
    {.from = 2, .fn = to_tenths},
};

static armdb_collection *
open_scores(armdb_db *db)
{
    armdb_collection_options options = ARMDB_COLLECTION_OPTIONS_INIT;
    armdb_schema schema = ARMDB_SCHEMA_INIT;
    armdb_collection *scores;
    schema.n_steps = sizeof STEPS / sizeof STEPS[0];
    schema.steps = STEPS;
    options.schema_version = 3;
    options.schema = &schema;
    options.value_bytes = sizeof(int64_t);
    armdb_err err = armdb_collection_open(db, "scores", &options, &scores);
    if (err == ARMDB_NO_COLLECTION)
        err = armdb_collection_create(db, "scores", &options, &scores);
    check(err);
    return scores;
}

/* What a program of the first version leaves behind, unless it has been here before. */
static void
be_the_first_version(void)
{
    armdb_collection_options options = ARMDB_COLLECTION_OPTIONS_INIT;
    const int32_t points[] = {7, 0};
    armdb_collection *scores;
    armdb_db *db;
    options.schema_version = 1;
    options.value_bytes = sizeof points[0];
    check(armdb_open("scores", NULL, &db));
    armdb_err err = armdb_collection_create(db, "scores", &options, &scores);
    if (err == ARMDB_OK) {
        check(armdb_put(scores, armdb_str("ann"), armdb_bytes(&points[0], 4), NULL));
        check(armdb_put(scores, armdb_str("ben"), armdb_bytes(&points[1], 4), NULL));
    } else if (err != ARMDB_EXISTS) {
        check(err);
    }
    check(armdb_close(db));
}

int
main(void)
{
    armdb_db *db;
    int64_t score;
    size_t len;
    be_the_first_version();
    check(armdb_open("scores", NULL, &db));
    armdb_collection *scores = open_scores(db);
    check(armdb_get(scores, armdb_str("ann"), &score, sizeof score, &len));
    armdb_err of_ben = armdb_get(scores, armdb_str("ben"), NULL, 0, &len);
    check(armdb_close(db));
    printf("ann has %.1f points\n", (double)score / 10);
    return score == 70 && of_ben == ARMDB_NOT_FOUND ? 0 : 1;
}
