/*
 * fuzz_main.c: replays inputs through a fuzz target without libFuzzer.
 *
 *     fuzz_NAME FILE_OR_DIRECTORY...
 *
 * Each file, and each file in a directory (not in those below it), is one input; then the empty
 * input is tried. Fails if there was nothing to replay, so that a corpus cannot get lost unnoticed.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned long n_replayed;

static void
fail(const char *path)
{
    fprintf(stderr, "fuzz_main: %s: %s\n", path, strerror(errno));
    exit(1);
}

/* An input in memory of exactly its size, so that a sanitizer sees each byte read beyond it. */
static void
replay_file(const char *path, size_t size)
{
    uint8_t *data = (uint8_t *)malloc(size > 0 ? size : 1);
    FILE *file = fopen(path, "rb");
    if (data == NULL || file == NULL || fread(data, 1, size, file) != size)
        fail(path);
    fclose(file);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    n_replayed++;
}

static void
replay_directory(const char *path)
{
    struct dirent **entries;
    int n_entries = scandir(path, &entries, NULL, alphasort);
    if (n_entries < 0)
        fail(path);
    for (int i = 0; i < n_entries; i++) {
        char file[4096];
        struct stat info;
        snprintf(file, sizeof file, "%s/%s", path, entries[i]->d_name);
        if (stat(file, &info) != 0)
            fail(file);
        if (S_ISREG(info.st_mode))
            replay_file(file, (size_t)info.st_size);
        free(entries[i]);
    }
    free(entries);
}

int
main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        struct stat info;
        if (stat(argv[i], &info) != 0)
            fail(argv[i]);
        if (S_ISDIR(info.st_mode))
            replay_directory(argv[i]);
        else
            replay_file(argv[i], (size_t)info.st_size);
    }
    if (n_replayed == 0) {
        fprintf(stderr, "fuzz_main: nothing to replay\n");
        return 1;
    }
    uint8_t *empty = (uint8_t *)malloc(1);
    if (empty == NULL)
        fail("no memory");
    LLVMFuzzerTestOneInput(empty, 0);
    free(empty);
    printf("%lu inputs replayed\n", n_replayed);
    return 0;
}
