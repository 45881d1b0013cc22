/*
 * line_reader.h: a file, line by line, of any length up to a limit, with any bytes in them.
 */
#ifndef LINE_READER_H
#define LINE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "armdb/types.h"

struct line_reader {
    int fd;                /* borrowed */
    unsigned char *buffer; /* owned */
    size_t capacity;
    size_t begin; /* of what was not handed out yet */
    size_t end;   /* of what was read */
    bool is_at_end;
    uint64_t line_number;    /* of the line handed out last, from 1; 0: none yet */
    uint64_t consumed_bytes; /* handed out, newlines included */
};

enum line_result {
    LINE_OK,
    LINE_END,      /* no more lines */
    LINE_FAILED,   /* errno says why */
    LINE_TOO_LONG, /* over LINE_BYTES_MAX */
    LINE_NO_MEMORY
};

/** Longest line: the largest record, each byte of it as \u00NN. */
#define LINE_BYTES_MAX (6 * ((size_t)ARMDB_VALUE_MAX + ARMDB_KEY_MAX) + 256)

/** Starts reading `fd`; end it with line_reader_fini(). */
void line_reader_init(struct line_reader *reader, int fd);

/** Gives its memory back; the file stays open. */
void line_reader_fini(struct line_reader *reader);

/**
 * Hands out the next line without its newline. The last line needs none.
 *
 * @param line_out  in the reader's memory, which the caller may change: valid until the next call.
 */
enum line_result line_reader_next(struct line_reader *reader, unsigned char **line_out,
                                  size_t *len_out);

/**
 * Reads a whole file.
 *
 * @param len_max   bytes; one more is LINE_TOO_LONG.
 * @param data_out  end it with free(); NULL unless LINE_OK.
 */
enum line_result line_read_all(int fd, size_t len_max, unsigned char **data_out, size_t *len_out);

#endif
