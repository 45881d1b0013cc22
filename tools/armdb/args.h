/*
 * args.h: the words of the command line: options and positionals in any order, `--` ends options.
 *
 * Options are written --name VALUE or --name=VALUE. A single - is a positional.
 */
#ifndef ARGS_H
#define ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "armdb/options.h"

enum option {
    OPTION_COLLECTION,
    OPTION_SHARDS,
    OPTION_KEY_SIZE,
    OPTION_ORDER,
    OPTION_VALUE,
    OPTION_SCHEMA,
    OPTION_ESCAPED,
    OPTION_RAW,
    OPTION_PREFIX,
    OPTION_FROM,
    OPTION_TO,
    OPTION_REVERSE,
    OPTION_LIMIT,
    OPTION_KEYS,
    OPTION_FORMAT,
    OPTION_DURABILITY,
    OPTION_TTL,
    OPTION_ABSENT,
    OPTION_DELETE,
    OPTION_EXPIRES_AT,
    OPTION_ACKNOWLEDGE,
    OPTION_GETS,
    OPTION_PERCENT,
    OPTION_JSON,
    OPTION_FILES,
    OPTION_OPEN,
    OPTION_COUNT
};

/** One option as a bit of args_syntax.options. */
#define OPTION_BIT(option) (UINT32_C(1) << (option))

/** Numbers of OPTION_FORMAT. */
enum args_format { FORMAT_TSV, FORMAT_JSONL };

/** What a subcommand takes. */
struct args_syntax {
    uint32_t options; /* OPTION_BIT of each */
    int n_required;
    int n_positionals; /* at most ARGS_POSITIONALS_MAX; those behind n_required may be left out */
    const char *positionals; /* their names, for people */
};

enum { ARGS_POSITIONALS_MAX = 4 };

struct args {
    int n_positionals;
    char *positionals[ARGS_POSITIONALS_MAX]; /* borrowed from argv */
    bool is_set[OPTION_COUNT];
    char *text[OPTION_COUNT];      /* borrowed from argv; NULL unless set */
    uint64_t number[OPTION_COUNT]; /* of a number, of a duration in ms, or of the word that was
                                    * chosen; 0 unless set */
};

enum args_result { ARGS_OK, ARGS_HELP, ARGS_VERSION, ARGS_BAD };

/**
 * Reads the words behind the name of a subcommand.
 *
 * Returns: ARGS_HELP, ARGS_VERSION as soon as that is asked for; ARGS_BAD when it has reported what
 *          is wrong.
 */
enum args_result args_parse(const struct args_syntax *syntax, int argc, char **argv,
                            struct args *args_out);

/** Prints the options of a bit set, one a line, for --help. */
void args_print_options(uint32_t options);

/**
 * The bytes that a key, value or bound on the command line stands for: itself, or with --escaped
 * what its escapes say (then `text` is spoilt).
 *
 * @param name  what it is, for people.
 *
 * Returns: whether the escapes were good; if not, it has reported so.
 */
bool args_bytes(const struct args *args, const char *name, char *text, armdb_slice *bytes_out);

/** The collection that is meant; "default" if none was named. */
const char *args_collection(const struct args *args);

/** The durability that is asked for, or else `otherwise`. */
armdb_durability args_durability(const struct args *args, armdb_durability otherwise);

#endif
