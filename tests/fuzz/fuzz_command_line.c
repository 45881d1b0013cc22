/*
 * fuzz_command_line.c: the words of the command line.
 *
 * The first bytes say which options a subcommand takes, and how many words; the others are the
 * words, each up to a zero byte. What is accepted must be what the syntax allows; what is refused
 * must be reported, once; and the escapes of a positional, undone, must be the same bytes when they
 * are written as escapes and read again.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "escape.h"
#include "fuzz/fuzz_input.h"
#include "report.h"
#include "utf8.h"

enum { WORDS_MAX = 24 };

static unsigned n_reports;

static void
check(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "fuzz_command_line: %s\n", what);
    abort();
}

/* In place of the command's, which would print it. */
int
report(int status, const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    check(len > 0, "an empty report");
    n_reports++;
    return status;
}

/* The next word, in memory of exactly its size. */
static char *
take_word(struct fuzz_input *input)
{
    const uint8_t *end = (const uint8_t *)memchr(input->data, '\0', input->size);
    size_t len = end != NULL ? (size_t)(end - input->data) : input->size;
    char *word = (char *)malloc(len + 1);
    check(word != NULL, "no memory");
    memcpy(word, input->data, len);
    word[len] = '\0';
    input->data += len + (end != NULL ? 1 : 0);
    input->size -= len + (end != NULL ? 1 : 0);
    return word;
}

static bool
is_one_of(const char *word, char **words, int n_words)
{
    for (int i = 0; i < n_words; i++) {
        if (word >= words[i] && word <= words[i] + strlen(words[i]))
            return true;
    }
    return false;
}

static void
check_name(const char *name)
{
    size_t len = strlen(name);
    check(len >= 1 && len <= ARMDB_NAME_MAX, "a name of this length");
    check(utf8_is_valid((const unsigned char *)name, len), "a name that is not UTF-8");
}

static void
check_accepted(const struct args_syntax *syntax, const struct args *args, char **words, int n_words)
{
    check(args->n_positionals >= syntax->n_required && args->n_positionals <= syntax->n_positionals,
          "a wrong number of words");
    for (int i = 0; i < args->n_positionals; i++)
        check(is_one_of(args->positionals[i], words, n_words), "a word that nobody gave");
    for (int i = 0; i < OPTION_COUNT; i++) {
        check(!args->is_set[i] || (syntax->options & OPTION_BIT(i)) != 0, "an unknown option");
        check(args->text[i] == NULL ||
                  (args->is_set[i] && is_one_of(args->text[i], words, n_words)),
              "a text that nobody gave");
        check(args->is_set[i] || args->number[i] == 0, "a number that nobody gave");
    }
    check_name(args_collection(args));
    if (args->is_set[OPTION_SHARDS])
        check(args->number[OPTION_SHARDS] >= 1 && args->number[OPTION_SHARDS] <= ARMDB_SHARDS_MAX,
              "a number out of its range");
    if (args->is_set[OPTION_TTL])
        check(args->number[OPTION_TTL] >= 1, "a duration out of its range");
}

/* Bytes, written as escapes and read again, are the same. */
static void
check_escapes(armdb_slice bytes)
{
    unsigned char *text = (unsigned char *)malloc(4 * bytes.len + 1);
    size_t len = 0;
    size_t bad_at;
    check(text != NULL, "no memory");
    for (size_t i = 0; i < bytes.len; i++, len += 4)
        escape_byte(((const unsigned char *)bytes.data)[i], (char *)text + len);
    check(escape_undo(text, &len, &bad_at), "an escape that cannot be read again");
    check(len == bytes.len && memcmp(text, bytes.data, len) == 0, "other bytes came back");
    free(text);
}

static void
check_parse(const struct args_syntax *syntax, char **words, int n_words)
{
    struct args args;
    n_reports = 0;
    enum args_result result = args_parse(syntax, n_words, words, &args);
    check(n_reports == (result == ARGS_BAD ? 1u : 0u), "refused without a word, or with two");
    if (result != ARGS_OK)
        return;
    check_accepted(syntax, &args, words, n_words);
    for (int i = 0; i < args.n_positionals; i++) {
        armdb_slice bytes;
        bool is_good = args_bytes(&args, "KEY", args.positionals[i], &bytes);
        check(n_reports == (is_good ? 0u : 1u), "bad escapes without a word");
        if (!is_good)
            return;
        check_escapes(bytes);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    char *words[WORDS_MAX];
    int n_words = 0;
    struct args_syntax syntax = {.options = take_u32(&input), .positionals = "DIR KEY"};
    syntax.n_positionals = (int)take_below(&input, ARGS_POSITIONALS_MAX + 1);
    syntax.n_required = (int)take_below(&input, (uint64_t)syntax.n_positionals + 1);
    while (n_words < WORDS_MAX && input.size > 0)
        words[n_words++] = take_word(&input);
    check_parse(&syntax, words, n_words);
    for (int i = 0; i < n_words; i++)
        free(words[i]);
    return 0;
}
