/*
 * fuzz_load.c: the formats that `armdb load` reads.
 *
 * The input is a file for load. Each of its lines is read as tsv and as jsonl; what is a record is
 * printed in both formats and read again, and must be the same. The line itself is then taken as
 * key and value, which any bytes can be. The lines must be the input, cut at its newlines.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "json_line.h"
#include "line_reader.h"
#include "print.h"
#include "tsv_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef bool (*parse_fn)(unsigned char *line, size_t len, struct line_record *record_out,
                         struct line_problem *problem_out);
typedef void (*print_fn)(FILE *to, armdb_slice key, armdb_slice value, uint64_t deadline_ms);

static void
check(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "fuzz_load: %s\n", what);
    abort();
}

/* In memory of exactly its size, so that a sanitizer sees each byte read beyond it. */
static unsigned char *
copy_bytes(const unsigned char *data, size_t len)
{
    unsigned char *copy = (unsigned char *)malloc(len > 0 ? len : 1);
    check(copy != NULL, "no memory");
    if (len > 0)
        memcpy(copy, data, len);
    return copy;
}

static bool
is_same(armdb_slice a, armdb_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* What is printed is one line, and reading it gives the same record. */
static void
check_round_trip(print_fn print, parse_fn parse, armdb_slice key, armdb_slice value,
                 uint64_t deadline_ms)
{
    char *text = NULL;
    size_t len = 0;
    struct line_record record;
    struct line_problem problem;
    FILE *to = open_memstream(&text, &len);
    check(to != NULL, "no memory");
    print(to, key, value, deadline_ms);
    check(fclose(to) == 0, "printing failed");
    check(len > 0 && memchr(text, '\n', len) == text + len - 1, "not one line was printed");
    unsigned char *line = copy_bytes((const unsigned char *)text, len - 1);
    check(parse(line, len - 1, &record, &problem), "what was printed is refused");
    check(is_same(record.key, key), "another key came back");
    check(is_same(record.value, value), "another value came back");
    check(record.deadline_ms == deadline_ms, "another deadline came back");
    free(line);
    free(text);
}

static void
check_record(armdb_slice key, armdb_slice value, uint64_t deadline_ms)
{
    check_round_trip(print_tsv, tsv_line_parse, key, value, deadline_ms);
    check_round_trip(print_jsonl, json_line_parse, key, value, deadline_ms);
}

static void
check_line(parse_fn parse, const unsigned char *data, size_t len)
{
    struct line_record record;
    struct line_problem problem;
    unsigned char *line = copy_bytes(data, len);
    if (parse(line, len, &record, &problem)) {
        check(record.key.len + record.value.len <= len, "a record longer than its line");
        check(record.key_column >= 1 && record.key_column <= len, "no column of the key");
        check(record.value_column >= 1 && record.value_column <= len + 1, "no column of the value");
        check_record(record.key, record.value, record.deadline_ms);
    } else {
        check(problem.column >= 1 && problem.column <= len + 1, "a column outside of the line");
        check(problem.text[0] != '\0', "refused, but not said why");
    }
    free(line);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct line_reader reader;
    unsigned char *line;
    size_t len;
    size_t at = 0;
    int fd = memfd_create("fuzz_load", 0);
    check(fd >= 0 && write(fd, data, size) == (ssize_t)size && lseek(fd, 0, SEEK_SET) == 0,
          "no file in memory");
    line_reader_init(&reader, fd);
    enum line_result result;
    while ((result = line_reader_next(&reader, &line, &len)) == LINE_OK) {
        check(len <= size - at && (len == 0 || memcmp(line, data + at, len) == 0),
              "a line that is not in the input");
        at += len;
        check(at == size || data[at] == '\n', "a line that ends early");
        at += at < size ? 1 : 0;
        check_line(tsv_line_parse, line, len);
        check_line(json_line_parse, line, len);
        check_record((armdb_slice){line, len}, (armdb_slice){line, len}, len);
    }
    check(result == LINE_END && at == size && reader.consumed_bytes == size,
          "the reader stopped early");
    line_reader_fini(&reader);
    close(fd);
    return 0;
}
