#include "line_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CAPACITY_MIN = 1 << 18 };

void
line_reader_init(struct line_reader *reader, int fd)
{
    *reader = (struct line_reader){.fd = fd};
}

void
line_reader_fini(struct line_reader *reader)
{
    free(reader->buffer);
    *reader = (struct line_reader){.fd = -1};
}

/* Makes room behind `end`, by moving what is there to the front or into a larger buffer. */
static bool
make_room(struct line_reader *reader)
{
    size_t len = reader->end - reader->begin;
    if (reader->begin > 0) {
        memmove(reader->buffer, reader->buffer + reader->begin, len);
        reader->begin = 0;
        reader->end = len;
    }
    if (len < reader->capacity)
        return true;
    size_t capacity = reader->capacity > 0 ? 2 * reader->capacity : CAPACITY_MIN;
    unsigned char *buffer = (unsigned char *)realloc(reader->buffer, capacity);
    if (buffer == NULL)
        return false;
    reader->buffer = buffer;
    reader->capacity = capacity;
    return true;
}

static enum line_result
read_more(struct line_reader *reader)
{
    ssize_t bytes;
    if (!make_room(reader))
        return LINE_NO_MEMORY;
    do {
        bytes = read(reader->fd, reader->buffer + reader->end, reader->capacity - reader->end);
    } while (bytes < 0 && errno == EINTR);
    if (bytes < 0)
        return LINE_FAILED;
    reader->end += (size_t)bytes;
    reader->is_at_end = bytes == 0;
    return LINE_OK;
}

static void
hand_out(struct line_reader *reader, size_t len, bool has_newline, unsigned char **line_out,
         size_t *len_out)
{
    size_t bytes = len + (has_newline ? 1 : 0);
    *line_out = reader->buffer + reader->begin;
    *len_out = len;
    reader->begin += bytes;
    reader->consumed_bytes += bytes;
    reader->line_number++;
}

/* Looks for a newline behind the first `searched` bytes; `*len` becomes the length before it. */
static bool
find_newline(const struct line_reader *reader, size_t searched, size_t *len)
{
    if (*len == searched) /* nothing new; there may be no buffer yet */
        return false;
    const unsigned char *line = reader->buffer + reader->begin;
    const void *newline = memchr(line + searched, '\n', *len - searched);
    if (newline == NULL)
        return false;
    *len = (size_t)((const unsigned char *)newline - line);
    return true;
}

enum line_result
line_reader_next(struct line_reader *reader, unsigned char **line_out, size_t *len_out)
{
    size_t searched = 0; /* bytes from `begin` that hold no newline */
    *line_out = NULL;
    *len_out = 0;
    for (;;) {
        size_t len = reader->end - reader->begin;
        bool has_newline = find_newline(reader, searched, &len);
        if (len > LINE_BYTES_MAX)
            return LINE_TOO_LONG;
        if (has_newline || (reader->is_at_end && len > 0)) {
            hand_out(reader, len, has_newline, line_out, len_out);
            return LINE_OK;
        }
        if (reader->is_at_end)
            return LINE_END;
        searched = len;
        enum line_result result = read_more(reader);
        if (result != LINE_OK)
            return result;
    }
}

enum line_result
line_read_all(int fd, size_t len_max, unsigned char **data_out, size_t *len_out)
{
    struct line_reader reader;
    enum line_result result = LINE_OK;
    *data_out = NULL;
    *len_out = 0;
    line_reader_init(&reader, fd);
    while (result == LINE_OK && !reader.is_at_end && reader.end <= len_max)
        result = read_more(&reader);
    if (result == LINE_OK && reader.end > len_max)
        result = LINE_TOO_LONG;
    if (result != LINE_OK) {
        line_reader_fini(&reader);
        return result;
    }
    *data_out = reader.buffer;
    *len_out = reader.end;
    return LINE_OK;
}
