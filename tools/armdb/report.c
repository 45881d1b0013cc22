#include "report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "escape.h"

static const char *command_name;

void
report_set_command(const char *name)
{
    command_name = name;
}

/* Text as it is, UTF-8 included, but nothing that would begin a new line or steer the terminal. */
static void
print_line(const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        char escaped[4];
        escape_byte(c, escaped);
        if (c < 0x20 || c == 0x7f)
            fwrite(escaped, 1, sizeof escaped, stderr);
        else
            putc(c, stderr);
    }
    putc('\n', stderr);
}

int
report(int status, const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fputs("armdb: ", stderr);
    if (command_name != NULL)
        fprintf(stderr, "%s: ", command_name);
    print_line(text);
    return status;
}

int
report_status_of(armdb_err err)
{
    switch (err) {
    case ARMDB_OK:
        return STATUS_DONE;
    case ARMDB_NOT_FOUND:
    case ARMDB_NO_COLLECTION:
    case ARMDB_NO_DATABASE:
        return STATUS_NOT_THERE;
    case ARMDB_EXISTS:
    case ARMDB_END:
    case ARMDB_CHANGED:
    case ARMDB_INVALID:
    case ARMDB_KEY_LENGTH:
    case ARMDB_TOO_BIG:
    case ARMDB_BUFFER_TOO_SMALL:
    case ARMDB_MISMATCH:
    case ARMDB_CLOSED:
    case ARMDB_VALUE_LENGTH:
    case ARMDB_UNSUPPORTED:
    case ARMDB_OVERFLOW:
    case ARMDB_CODEC:
    case ARMDB_FORMAT:
        return STATUS_USAGE;
    case ARMDB_CORRUPT:
        return STATUS_DAMAGE;
    case ARMDB_BUSY:
        return STATUS_LOCKED;
    case ARMDB_IO:
    case ARMDB_NO_SPACE:
    case ARMDB_NO_MEMORY:
    case ARMDB_READ_ONLY:
    case ARMDB_FAILED:
    case ARMDB_LIMIT:
        break;
    }
    return STATUS_IO;
}

const char *
report_advice(armdb_err err)
{
    switch (err) {
    case ARMDB_NO_DATABASE:
        return "check the path, or make one with armdb create";
    case ARMDB_NO_COLLECTION:
        return "armdb collections lists those there are";
    case ARMDB_KEY_LENGTH:
        return "armdb collections tells the key size";
    case ARMDB_VALUE_LENGTH:
    case ARMDB_UNSUPPORTED:
        return "armdb collections tells what kind it is";
    case ARMDB_TOO_BIG:
        return "store it in pieces";
    case ARMDB_MISMATCH:
        return "leave the option out to take what is stored";
    case ARMDB_BUSY:
        return "wait for that process, or end it";
    case ARMDB_IO:
        return "check the path and the disk, then try again";
    case ARMDB_NO_SPACE:
        return "make room, then try again";
    case ARMDB_NO_MEMORY:
        return "all keys live in memory: use a machine with more of it";
    case ARMDB_CORRUPT:
        return "armdb verify lists all damage; put the file back from a copy";
    case ARMDB_FORMAT:
        return "use the armdb that wrote it, or a newer one";
    case ARMDB_READ_ONLY:
        return "directory and files must be writable for this user";
    case ARMDB_FAILED:
        return "check the disk, then open the database anew";
    case ARMDB_LIMIT:
        return "dump it and load it into a new database";
    case ARMDB_OK:
    case ARMDB_NOT_FOUND:
    case ARMDB_EXISTS:
    case ARMDB_END:
    case ARMDB_CHANGED:
    case ARMDB_INVALID:
    case ARMDB_OVERFLOW:
    case ARMDB_BUFFER_TOO_SMALL:
    case ARMDB_CODEC:
    case ARMDB_CLOSED:
        break;
    }
    return "armdb --help lists what can be asked";
}

int
report_detail(const armdb_error_detail *detail, const char *where, const char *more)
{
    char place[512];
    const char *text = detail->message[0] != '\0' ? detail->message : armdb_strerror(detail->code);
    if (detail->file[0] == '\0')
        snprintf(place, sizeof place, "%s", where);
    else if (detail->code == ARMDB_CORRUPT || detail->offset != 0)
        snprintf(place, sizeof place, "%s: offset %" PRIu64, detail->file, detail->offset);
    else
        snprintf(place, sizeof place, "%s", detail->file);
    return report(report_status_of(detail->code), "%s: %s%s (%s)", place, text, more,
                  report_advice(detail->code));
}

int
report_library(armdb_err err, const char *where)
{
    armdb_error_detail detail;
    armdb_last_error(&detail);
    if (detail.code != err)
        detail = (armdb_error_detail){.code = err};
    return report_detail(&detail, where, "");
}
