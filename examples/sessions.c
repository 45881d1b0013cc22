/*
 * sessions.c: user sessions: a C struct by a random token, gone when nobody has used it for long.
 *
 * A map over const values: no order is wanted, and a get touches no file. Each request stores the
 * session anew, with a new deadline.
 */
#include <armdb/typed.h>

#include "example.h"

struct session {
    uint64_t user;
    int64_t last_seen_ms;
    uint32_t requests;
    uint32_t flags; /* without it there would be a hole at the end: the sizes would not add up */
};

ARMDB_DEFINE_KEY_BYTES(token, 16);
ARMDB_DEFINE_TYPED(sessions, token, struct session, 8 + 8 + 4 + 4);

enum { HALF_AN_HOUR_MS = 30 * 60 * 1000 };

/* Says which user has sent a request; 0: nobody knows that token, or not any more. */
static uint64_t
authenticate(sessions view, armdb_key_token token, int64_t now_ms)
{
    struct session session;
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    armdb_err err = sessions_get(view, token, &session);
    if (err == ARMDB_NOT_FOUND)
        return 0;
    check(err);
    session.last_seen_ms = now_ms;
    session.requests++;
    options.ttl_ms = HALF_AN_HOUR_MS;
    check(sessions_put(view, token, &session, &options));
    return session.user;
}

int
main(void)
{
    const armdb_key_token token = {"0123456789abcde"}, stranger = {"somebody else.."};
    const struct session fresh = {.user = 42};
    armdb_db *db;
    sessions view;
    struct session session;
    check(armdb_open("sessions.db", NULL, &db));
    check(sessions_open(db, "sessions", ARMDB_UNORDERED, &view));

    check(sessions_put(view, token, &fresh, NULL)); /* somebody logs in */
    uint64_t user = authenticate(view, token, 1000);
    user = authenticate(view, token, 2000);
    check(sessions_get(view, token, &session));
    printf("user %llu, %u requests; a stranger: %llu\n", (unsigned long long)user, session.requests,
           (unsigned long long)authenticate(view, stranger, 3000));
    check(sessions_delete(view, token, NULL)); /* logs out */

    check(armdb_close(db));
    return user == 42 && session.requests == 2 && session.last_seen_ms == 2000 ? 0 : 1;
}
