/*
 * rules.c: rules of a firewall by their number, gone through in order for each packet.
 *
 * A tree over objects: a rule is parsed once ("10.1.0.0/16 accept"). A walk over the keys alone
 * reads no file, and neither does pinning the object of a key.
 */
#include <armdb/typed.h>

#include "example.h"

struct rule {
    uint32_t network;
    uint32_t mask;
    bool accepts;
};

static int
decode(void *context, armdb_slice key, armdb_slice bytes, void **object_out)
{
    char text[64] = "", verdict[8] = "";
    unsigned part[4], bits;
    struct rule *rule = (struct rule *)malloc(sizeof *rule);
    (void)context;
    (void)key;
    memcpy(text, bytes.data, bytes.len < sizeof text ? bytes.len : sizeof text - 1);
    if (rule == NULL ||
        sscanf(text, "%3u.%3u.%3u.%3u/%2u %7s", &part[0], &part[1], &part[2], &part[3], &bits,
               verdict) != 6 ||
        bits > 32) {
        free(rule);
        return 1;
    }
    rule->network = part[0] << 24 | part[1] << 16 | part[2] << 8 | part[3];
    rule->mask = bits == 0 ? 0 : UINT32_MAX << (32 - bits);
    rule->accepts = strcmp(verdict, "accept") == 0;
    *object_out = rule;
    return 0;
}

/* Rules are only stored as text, so the two that encode are never called. */
static size_t
encoded_size(void *context, const void *object)
{
    (void)context;
    (void)object;
    return 0;
}

static int
encode(void *context, const void *object, void *to, size_t bytes)
{
    (void)context;
    (void)object;
    (void)to;
    (void)bytes;
    return 1;
}

static void
free_rule(void *context, void *object)
{
    (void)context;
    free(object);
}

/* A rule that was stored before the codec refused such: say so, and go on without it. */
static int
on_failure(void *context, armdb_slice key, armdb_err err)
{
    (void)context;
    fprintf(stderr, "rule %u: %s\n", armdb_key_u32_decode((const unsigned char *)key.data),
            armdb_strerror(err));
    return 0;
}

static armdb_collection *
open_rules(armdb_db *db)
{
    armdb_collection *rules;
    armdb_collection_options options = ARMDB_COLLECTION_OPTIONS_INIT;
    armdb_codec codec = ARMDB_CODEC_INIT;
    codec.decode = decode;
    codec.size = encoded_size;
    codec.encode = encode;
    codec.free = free_rule;
    codec.on_failure = on_failure;
    options.key_bytes = ARMDB_KEY_BYTES_u32;
    options.value_bytes = ARMDB_VALUE_OBJECT;
    options.codec = &codec;
    armdb_err err = armdb_collection_create(db, "rules", &options, &rules);
    if (err == ARMDB_EXISTS)
        err = armdb_collection_open(db, "rules", &options, &rules);
    check(err);
    return rules;
}

static armdb_err
put_rule(armdb_collection *rules, uint32_t number, const char *text)
{
    unsigned char key[ARMDB_KEY_BYTES_u32];
    armdb_key_u32_encode(key, number);
    return armdb_put(rules, armdb_bytes(key, sizeof key), armdb_str(text), NULL);
}

/* The first rule that fits an address decides; none: refused. */
static bool
accepts(armdb_collection *rules, uint32_t address)
{
    armdb_cursor_options options = ARMDB_CURSOR_OPTIONS_INIT;
    armdb_cursor *cursor;
    armdb_object pinned = {NULL, NULL};
    bool is_accepted = false;
    armdb_err err;
    options.keys_only = 1;
    check(armdb_cursor_open(rules, &options, &cursor));
    while ((err = armdb_cursor_next(cursor)) == ARMDB_OK) {
        err = armdb_object_get(rules, armdb_cursor_key(cursor), &pinned);
        if (err == ARMDB_NOT_FOUND) /* deleted a moment ago */
            continue;
        check(err);
        const struct rule *rule = (const struct rule *)pinned.object;
        bool fits = (address & rule->mask) == rule->network;
        is_accepted = fits && rule->accepts;
        armdb_object_release(&pinned);
        if (fits)
            break;
    }
    armdb_cursor_close(cursor);
    check(err == ARMDB_END ? ARMDB_OK : err);
    return is_accepted;
}

int
main(void)
{
    armdb_db *db;
    check(armdb_open("rules.db", NULL, &db));
    armdb_collection *rules = open_rules(db);

    check(put_rule(rules, 20, "10.1.0.0/16 refuse"));
    check(put_rule(rules, 100, "10.0.0.0/8 accept"));
    check(put_rule(rules, 10, "10.1.2.3/32 accept"));
    armdb_err bad = put_rule(rules, 30, "anybody accept");
    bool is_right = accepts(rules, 0x0a010203) && !accepts(rules, 0x0a010204) &&
                    accepts(rules, 0x0a020304) && !accepts(rules, 0x0b000001);
    printf("%s; a rule that is none: %s\n", is_right ? "right" : "wrong", armdb_strerror(bad));

    check(armdb_close(db));
    return is_right && bad == ARMDB_CODEC ? 0 : 1;
}
