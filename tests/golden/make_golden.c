/*
 * make_golden.c: writes the golden database, its files and its dump, into a directory.
 *
 *     cmake --build build/dev --target golden_files
 *
 * does that for tests/golden/v3/ and v3-batches/. Only for a format that nobody has data of yet:
 * once version 3 is released, its files stay as they are, and a new version gets a directory of its
 * own.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/assert.h"
#include "golden/golden_ops.h"

static void
write_file(const char *directory, const char *name, const char *content, size_t len)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    ADB_ASSERT(mkdir(path, 0755) == 0 || errno == EEXIST);
    *slash = '/';
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(content, 1, len, file) != len || fclose(file) != 0) {
        fprintf(stderr, "make_golden: %s: %s\n", path, strerror(errno));
        exit(1);
    }
}

static void
write_dump(struct sim *sim, const char *directory)
{
    char *text = NULL;
    size_t len = 0;
    struct db *db;
    ADB_ASSERT(adb_db_open(sim_os(sim), GOLDEN_PATH, NULL, &db) == ARMDB_OK);
    FILE *to = open_memstream(&text, &len);
    ADB_ASSERT(to != NULL);
    golden_dump(db, to);
    fclose(to);
    adb_db_abandon(db);
    write_file(directory, "golden.txt", text, len);
    free(text);
}

int
main(int argc, char **argv)
{
    bool has_batches = argc == 3 && strcmp(argv[2], "batches") == 0;
    if (argc != 2 && !has_batches) {
        fprintf(stderr, "usage: make_golden DIRECTORY [batches]\n");
        return 2;
    }
    struct sim *sim = sim_new(1);
    golden_write(sim, has_batches ? GOLDEN_BATCHES : GOLDEN_WRITES);
    for (size_t i = 0; golden_files[i] != NULL; i++) {
        char path[256];
        size_t len;
        snprintf(path, sizeof path, GOLDEN_PATH "/%s", golden_files[i]);
        char *content = sim_read_file(sim, path, &len);
        ADB_ASSERT(content != NULL);
        write_file(argv[1], golden_files[i], content, len);
        free(content);
    }
    write_dump(sim, argv[1]);
    sim_free(sim);
    return 0;
}
