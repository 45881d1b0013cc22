/*
 * templates.c: texts with blanks, taken apart once, filled in often.
 *
 * A map over objects: the codec takes a template apart when it is stored, or when the database is
 * opened. Whoever uses one pins it, and needs neither a lock nor a copy: if it is replaced then,
 * the pinned one stays until it is released.
 */
#include "example.h"

/* A template, taken apart: the pieces of text around its blanks ("Dear %, ..."). */
struct letter {
    size_t bytes;
    size_t blanks;
    char pieces[]; /* one after the other, each ended by 0 */
};

static int
decode(void *context, armdb_slice key, armdb_slice bytes, void **object_out)
{
    struct letter *made = (struct letter *)malloc(sizeof *made + bytes.len + 1);
    (void)context;
    (void)key;
    if (made == NULL || memchr(bytes.data, 0, bytes.len) != NULL) {
        free(made);
        return 1;
    }
    *made = (struct letter){.bytes = bytes.len};
    memcpy(made->pieces, bytes.data, bytes.len);
    made->pieces[bytes.len] = '\0';
    for (char *at = strchr(made->pieces, '%'); at != NULL; at = strchr(at + 1, '%')) {
        *at = '\0';
        made->blanks++;
    }
    *object_out = made;
    return 0;
}

static size_t
encoded_size(void *context, const void *object)
{
    (void)context;
    return ((const struct letter *)object)->bytes;
}

static int
encode(void *context, const void *object, void *to, size_t bytes)
{
    char *text = (char *)to;
    (void)context;
    memcpy(text, ((const struct letter *)object)->pieces, bytes);
    for (size_t i = 0; i < bytes; i++)
        text[i] = text[i] == '\0' ? '%' : text[i];
    return 0;
}

static void
free_letter(void *context, void *object)
{
    (void)context;
    free(object);
}

static armdb_collection *
open_templates(armdb_db *db)
{
    armdb_collection *templates;
    armdb_collection_options options = ARMDB_COLLECTION_OPTIONS_INIT;
    armdb_codec codec = ARMDB_CODEC_INIT;
    codec.decode = decode;
    codec.size = encoded_size;
    codec.encode = encode;
    codec.free = free_letter;
    options.order = ARMDB_UNORDERED;
    options.value_bytes = ARMDB_VALUE_OBJECT;
    options.codec = &codec;
    armdb_err err = armdb_collection_create(db, "templates", &options, &templates);
    if (err == ARMDB_EXISTS)
        err = armdb_collection_open(db, "templates", &options, &templates);
    check(err);
    return templates;
}

/* Prints a template with one word in all its blanks. */
static size_t
fill_in(armdb_collection *templates, const char *name, const char *word)
{
    armdb_object pinned;
    check(armdb_object_get(templates, armdb_str(name), &pinned));
    const struct letter *letter = (const struct letter *)pinned.object;
    const char *piece = letter->pieces;
    size_t blanks = letter->blanks;
    for (size_t i = 0; i < blanks; i++) {
        printf("%s%s", piece, word);
        piece += strlen(piece) + 1;
    }
    printf("%s\n", piece);
    armdb_object_release(&pinned);
    return blanks;
}

int
main(void)
{
    armdb_db *db;
    check(armdb_open("templates.db", NULL, &db));
    armdb_collection *templates = open_templates(db);

    check(armdb_put(templates, armdb_str("hello"), armdb_str("Dear %, your order, %, is here."),
                    NULL));
    size_t blanks = fill_in(templates, "hello", "Ada");
    armdb_err bad = armdb_put(templates, armdb_str("bad"), armdb_bytes("a\0b", 3), NULL);

    check(armdb_close(db));
    return blanks == 2 && bad == ARMDB_CODEC ? 0 : 1;
}
