/*
 * messages.c: the messages of chats; of one chat the latest 50, newest first.
 *
 * A tree over var values, whose keys are (chat, number of message). A chat, encoded, is a prefix of
 * the keys of its messages; a walk over that prefix begins at its end, and steps backwards: each
 * step costs the same, however many messages there are.
 */
#include <armdb/typed.h>

#include "example.h"

ARMDB_DEFINE_KEY_PAIR(chat_message, u64, u64);

enum { LATEST = 50 };

static armdb_collection *
open_messages(armdb_db *db)
{
    armdb_collection *messages;
    armdb_collection_options options = ARMDB_COLLECTION_OPTIONS_INIT;
    options.key_bytes = ARMDB_KEY_BYTES_chat_message;
    armdb_err err = armdb_collection_create(db, "messages", &options, &messages);
    if (err == ARMDB_EXISTS)
        err = armdb_collection_open(db, "messages", &options, &messages);
    check(err);
    return messages;
}

static void
store(armdb_collection *messages, armdb_key_chat_message number, const char *text)
{
    unsigned char key[ARMDB_KEY_BYTES_chat_message];
    armdb_key_chat_message_encode(key, number);
    check(armdb_put(messages, armdb_bytes(key, sizeof key), armdb_str(text), NULL));
}

/* Prints the latest messages of a chat, newest first; says how many there were. */
static int
print_latest(armdb_collection *messages, uint64_t chat)
{
    unsigned char prefix[ARMDB_KEY_BYTES_u64];
    armdb_cursor_options options = ARMDB_CURSOR_OPTIONS_INIT;
    armdb_cursor *cursor;
    int found = 0;
    armdb_err err = ARMDB_OK;
    armdb_key_u64_encode(prefix, chat);
    options.prefix = armdb_bytes(prefix, sizeof prefix);
    check(armdb_cursor_open(messages, &options, &cursor));
    while (found < LATEST && (err = armdb_cursor_prev(cursor)) == ARMDB_OK) {
        armdb_slice text = armdb_cursor_value(cursor);
        printf("%.*s\n", (int)text.len, (const char *)text.data);
        found++;
    }
    armdb_cursor_close(cursor);
    check(err == ARMDB_END ? ARMDB_OK : err);
    return found;
}

int
main(void)
{
    armdb_db *db;
    check(armdb_open("messages.db", NULL, &db));
    armdb_collection *messages = open_messages(db);

    for (uint64_t i = 0; i < 300; i++) {
        const armdb_key_chat_message number = {i % 3, i};
        char text[64];
        snprintf(text, sizeof text, "message %llu of chat %llu", (unsigned long long)i,
                 (unsigned long long)number.first);
        store(messages, number, text);
    }
    int found = print_latest(messages, 1);
    int none = print_latest(messages, 7);

    check(armdb_close(db));
    return found == LATEST && none == 0 ? 0 : 1;
}
