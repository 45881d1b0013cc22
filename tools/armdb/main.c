/*
 * main.c: the command armdb. The table of subcommands, with their usage; man/armdb.1 says more.
 *
 * It uses the library through its public headers only.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "armdb/armdb.h"
#include "commands.h"
#include "print.h"
#include "report.h"

struct command {
    const char *name;
    const char *summary;
    const char *help;
    struct args_syntax syntax;
    int (*run)(const struct args *args);
};

#define BIT OPTION_BIT

static const struct command COMMANDS[] = {
    {"create",
     "make a database, or a collection in it",
     "Without --collection it makes the database DIR, and --key-size, --value and --order are\n"
     "those of its default collection. With --collection it makes that collection (and the\n"
     "database, if it is not there), of schema version --schema. What is made is fixed for good.\n"
     "It is an error if it is there already.\n",
     {BIT(OPTION_SHARDS) | BIT(OPTION_KEY_SIZE) | BIT(OPTION_VALUE) | BIT(OPTION_ORDER) |
          BIT(OPTION_SCHEMA) | BIT(OPTION_COLLECTION),
      1, 1, "DIR"},
     cmd_create},
    {"put",
     "store a value under a key",
     "Replaces the value that the key had. Makes database and collection if they are not there.\n"
     "The VALUE - stands for standard input, byte by byte. Default durability: synced.\n"
     "With --ttl the key is gone after that time, with --expires-at at that time; without either,\n"
     "it stays.\n",
     {BIT(OPTION_COLLECTION) | BIT(OPTION_ESCAPED) | BIT(OPTION_DURABILITY) | BIT(OPTION_TTL) |
          BIT(OPTION_EXPIRES_AT),
      3, 3, "DIR KEY VALUE"},
     cmd_put},
    {"get",
     "print the value of a key",
     "Prints it with escapes and a newline behind it; with --raw, its bytes alone.\n",
     {BIT(OPTION_COLLECTION) | BIT(OPTION_ESCAPED) | BIT(OPTION_RAW), 2, 2, "DIR KEY"},
     cmd_get},
    {"ttl",
     "print how long a key will be there",
     "Prints milliseconds and ms, as put --ttl takes them; none, if the key stays.\n",
     {BIT(OPTION_COLLECTION) | BIT(OPTION_ESCAPED), 2, 2, "DIR KEY"},
     cmd_ttl},
    {"del",
     "remove a key",
     "Status 1 if it was not there.\n",
     {BIT(OPTION_COLLECTION) | BIT(OPTION_ESCAPED), 2, 2, "DIR KEY"},
     cmd_del},
    {"cas",
     "store a value if the key has the expected one",
     "Compare and swap. The key keeps its deadline, unless --ttl gives it another one. Status 1\n"
     "if the key is not there, 6 if it has another value. Default durability: synced.\n",
     {BIT(OPTION_COLLECTION) | BIT(OPTION_ESCAPED) | BIT(OPTION_DURABILITY) | BIT(OPTION_TTL) |
          BIT(OPTION_ABSENT) | BIT(OPTION_DELETE),
      3, 4, "DIR KEY EXPECTED VALUE"},
     cmd_cas},
    {"incr",
     "add to a number",
     "Adds DELTA, or 1, to the value of the key, and prints the sum. A key that is not there\n"
     "counts as 0. Values of the collection must have 1, 2, 4 or 8 bytes (as of create --value\n"
     "const:8): signed numbers, the lowest byte first. The key keeps its deadline, unless --ttl\n"
     "gives it another one. Default durability: synced.\n",
     {BIT(OPTION_COLLECTION) | BIT(OPTION_ESCAPED) | BIT(OPTION_DURABILITY) | BIT(OPTION_TTL), 2, 3,
      "DIR KEY [DELTA]"},
     cmd_incr},
    {"scan",
     "print the records of a range or prefix, in order",
     "Prints KEY, a tab, VALUE and a newline for each record, in the order of the collection.\n"
     "In a descending collection --from is the larger key.\n",
     {BIT(OPTION_COLLECTION) | BIT(OPTION_ESCAPED) | BIT(OPTION_PREFIX) | BIT(OPTION_FROM) |
          BIT(OPTION_TO) | BIT(OPTION_REVERSE) | BIT(OPTION_LIMIT) | BIT(OPTION_KEYS),
      1, 1, "DIR"},
     cmd_scan},
    {"load",
     "store the records of a file",
     "Reads FILE, or standard input. Makes database and collection if they are not there. A line\n"
     "that is wrong ends it; those before it stay loaded. Default durability: buffered, with a\n"
     "sync at the end.\n",
     {BIT(OPTION_COLLECTION) | BIT(OPTION_FORMAT) | BIT(OPTION_DURABILITY) |
          BIT(OPTION_ACKNOWLEDGE),
      1, 2, "DIR [FILE]"},
     cmd_load},
    {"dump",
     "print all records, for load to take back",
     "Prints the whole collection. load, with the same --format, makes the same records of it.\n",
     {BIT(OPTION_COLLECTION) | BIT(OPTION_FORMAT), 1, 1, "DIR"},
     cmd_dump},
    {"stat",
     "print figures of the database",
     "Prints what the database holds and takes, its shards and its collections; with --files each\n"
     "data file.\n",
     {BIT(OPTION_COLLECTION) | BIT(OPTION_JSON) | BIT(OPTION_FILES), 1, 1, "DIR"},
     cmd_stat},
    {"verify",
     "check every byte of the database",
     "Prints each damage as FILE: offset N: MESSAGE, and a summary. Changes nothing. Status 3 if\n"
     "there is damage. With --open the database is opened, as programs do to use it, and checked\n"
     "with its indexes; a damage may then name the key. With --collection it also looks whether\n"
     "that collection is there.\n",
     {BIT(OPTION_COLLECTION) | BIT(OPTION_OPEN), 1, 1, "DIR"},
     cmd_verify},
    {"compact",
     "give back the space of what was overwritten or deleted",
     "Copies what is live out of data files of which some is not, and removes these. Prints how\n"
     "far it is, if standard error is a terminal, and what it did.\n",
     {BIT(OPTION_COLLECTION) | BIT(OPTION_PERCENT), 1, 1, "DIR"},
     cmd_compact},
    {"backup",
     "copy the database as it is",
     "Makes the database DEST, the same as DIR: by links to data files that do not change any\n"
     "more, and copies of the others, or of all if DEST is on another file system. DEST must be\n"
     "missing or empty. After an error it is no database.\n",
     {BIT(OPTION_COLLECTION), 2, 2, "DIR DEST"},
     cmd_backup},
    {"repair",
     "save what is whole in a damaged database",
     "Makes the new database DEST of all records in DIR whose bytes are whole. DIR is only read.\n"
     "DEST must be missing or empty. Prints what was lost, ignored or assumed, and a summary.\n"
     "Status 3 if anything was lost: DEST has the rest. After other errors it is no database.\n"
     "With --collection it also looks whether that collection was saved.\n",
     {BIT(OPTION_COLLECTION), 2, 2, "DIR DEST"},
     cmd_repair},
    {"time",
     "time gets of random keys",
     "Gets keys that are there, drawn at random, and prints the rate and the times.\n",
     {BIT(OPTION_COLLECTION) | BIT(OPTION_GETS), 1, 1, "DIR"},
     cmd_time},
    {"collections",
     "list the collections",
     "Prints name, id, key size, order, number of keys and value of each, between tabs.\n",
     {BIT(OPTION_COLLECTION), 1, 1, "DIR"},
     cmd_collections},
    {"drop",
     "remove a collection with all its keys",
     "The default collection cannot be dropped.\n",
     {BIT(OPTION_COLLECTION), 1, 1, "DIR"},
     cmd_drop},
};

#undef BIT

enum { COMMAND_COUNT = sizeof COMMANDS / sizeof COMMANDS[0] };

static const char EXIT_STATUS[] =
    "Exit status: 0 done, 1 not there, 2 usage, 3 damage found, 4 input/output error or no space,\n"
    "5 locked by another process, 6 another value (cas). The manual page armdb(1) says more.\n";

static void
print_usage(FILE *to)
{
    fputs("usage: armdb COMMAND DIR ...\n"
          "\n"
          "Works on the database in the directory DIR. Commands:\n"
          "\n",
          to);
    for (int i = 0; i < COMMAND_COUNT; i++)
        fprintf(to, "  %-12s %-15s %s\n", COMMANDS[i].name, COMMANDS[i].syntax.positionals,
                COMMANDS[i].summary);
    fputs("\n"
          "armdb COMMAND --help tells the options of a command, armdb --version the version.\n",
          to);
    fputs(EXIT_STATUS, to);
}

static void
print_command_usage(const struct command *command)
{
    printf("usage: armdb %s %s [OPTION...]\n\n%s\nOptions:\n", command->name,
           command->syntax.positionals, command->help);
    args_print_options(command->syntax.options);
    printf("  %-20s  this text\n  %-20s  the version of armdb\n\n%s", "--help", "--version",
           EXIT_STATUS);
}

static int
print_version(void)
{
    printf("armdb %s\n", armdb_version());
    return print_finish(STATUS_DONE);
}

/*
 * A database file must never get the number of a standard stream that is closed: what is printed
 * would go into it. Each gets a stand-in that refuses, as a closed one does.
 */
static void
reserve_standard_streams(void)
{
    static const int refusing[3] = {O_WRONLY, O_RDONLY, O_RDONLY};
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)open("/dev/null", refusing[fd]);
    }
}

static const struct command *
find_command(const char *name)
{
    for (int i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(COMMANDS[i].name, name) == 0)
            return &COMMANDS[i];
    }
    return NULL;
}

static int
run_command(const struct command *command, int argc, char **argv)
{
    struct args args;
    report_set_command(command->name);
    switch (args_parse(&command->syntax, argc, argv, &args)) {
    case ARGS_HELP:
        print_command_usage(command);
        return print_finish(STATUS_DONE);
    case ARGS_VERSION:
        return print_version();
    case ARGS_BAD:
        return STATUS_USAGE;
    case ARGS_OK:
        break;
    }
    return print_finish(command->run(&args));
}

int
main(int argc, char **argv)
{
    static char out_buffer[1 << 16];
    reserve_standard_streams();
    signal(SIGPIPE, SIG_IGN); /* a reader that went away is a write error like others */
    setvbuf(stdout, out_buffer, _IOFBF, sizeof out_buffer);
    if (argc < 2) {
        print_usage(stderr);
        return STATUS_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0) {
        print_usage(stdout);
        return print_finish(STATUS_DONE);
    }
    if (strcmp(argv[1], "--version") == 0)
        return print_version();
    const struct command *command = find_command(argv[1]);
    if (command == NULL)
        return report(STATUS_USAGE, "no command '%.300s': armdb --help lists them", argv[1]);
    return run_command(command, argc - 2, argv + 2);
}
