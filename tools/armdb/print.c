#include "print.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "escape.h"
#include "report.h"
#include "utf8.h"

static int broken_errno; /* of the write to standard output that failed first */

void
print_escaped(FILE *to, armdb_slice bytes)
{
    const unsigned char *data = (const unsigned char *)bytes.data;
    size_t at = 0;
    while (at < bytes.len) {
        char escaped[4];
        size_t plain = escape_plain_len(data + at, bytes.len - at);
        fwrite_unlocked(data + at, 1, plain, to);
        at += plain;
        if (at == bytes.len)
            break;
        escape_byte(data[at++], escaped);
        fwrite_unlocked(escaped, 1, sizeof escaped, to);
    }
}

void
print_tsv(FILE *to, armdb_slice key, armdb_slice value, uint64_t deadline_ms)
{
    print_escaped(to, key);
    putc_unlocked('\t', to);
    print_escaped(to, value);
    if (deadline_ms != 0)
        fprintf(to, "\\@%" PRIu64, deadline_ms);
    putc_unlocked('\n', to);
}

static void
print_json_char(FILE *to, unsigned char c)
{
    static const char bytes[] = "\"\\\b\f\n\r\t";
    static const char letters[] = "\"\\bfnrt";
    const char *found = c != '\0' ? strchr(bytes, c) : NULL;
    if (found != NULL) {
        putc_unlocked('\\', to);
        putc_unlocked(letters[found - bytes], to);
    } else {
        fprintf(to, "\\u%04x", (unsigned)c);
    }
}

static void
print_json_text(FILE *to, const unsigned char *data, size_t len)
{
    size_t at = 0;
    while (at < len) {
        size_t begin = at;
        while (at < len && data[at] >= 0x20 && data[at] != '"' && data[at] != '\\')
            at++;
        fwrite_unlocked(data + begin, 1, at - begin, to);
        if (at < len)
            print_json_char(to, data[at++]);
    }
}

static void
print_hex(FILE *to, const unsigned char *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        putc_unlocked(digits[data[i] >> 4], to);
        putc_unlocked(digits[data[i] & 15], to);
    }
}

void
print_json_member(FILE *to, const char *name, armdb_slice bytes)
{
    const unsigned char *data = (const unsigned char *)bytes.data;
    bool is_text = utf8_is_valid(data, bytes.len);
    fprintf(to, "\"%s%s\":\"", name, is_text ? "" : "_hex");
    if (is_text)
        print_json_text(to, data, bytes.len);
    else
        print_hex(to, data, bytes.len);
    putc_unlocked('"', to);
}

void
print_jsonl(FILE *to, armdb_slice key, armdb_slice value, uint64_t deadline_ms)
{
    putc_unlocked('{', to);
    print_json_member(to, "key", key);
    putc_unlocked(',', to);
    print_json_member(to, "value", value);
    if (deadline_ms != 0)
        fprintf(to, ",\"expires_at_ms\":%" PRIu64, deadline_ms);
    fputs_unlocked("}\n", to);
}

bool
print_is_broken(void)
{
    if (ferror_unlocked(stdout) == 0)
        return false;
    if (broken_errno == 0)
        broken_errno = errno;
    return true;
}

int
print_finish(int status)
{
    char text[96];
    if (!print_is_broken() && fflush(stdout) == 0)
        return status;
    (void)print_is_broken(); /* notes what fflush() met */
    const char *reason = strerror_r(broken_errno, text, sizeof text);
    int broken = report(STATUS_IO, "standard output: %s (the output is not complete)", reason);
    return status == STATUS_DONE ? broken : status;
}
