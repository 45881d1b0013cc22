#include "utf8.h"

/* The first byte tells the length, and the range of the second byte; further ones are 80..bf. */
struct lead {
    unsigned char first;
    unsigned char last;
    unsigned char len;
    unsigned char second_min;
    unsigned char second_max;
};

static const struct lead LEADS[] = {
    {0xc2, 0xdf, 2, 0x80, 0xbf}, {0xe0, 0xe0, 3, 0xa0, 0xbf}, {0xe1, 0xec, 3, 0x80, 0xbf},
    {0xed, 0xed, 3, 0x80, 0x9f}, {0xee, 0xef, 3, 0x80, 0xbf}, {0xf0, 0xf0, 4, 0x90, 0xbf},
    {0xf1, 0xf3, 4, 0x80, 0xbf}, {0xf4, 0xf4, 4, 0x80, 0x8f},
};

static size_t
len_after_lead(const struct lead *lead, const unsigned char *data, size_t len)
{
    if (len < lead->len || data[1] < lead->second_min || data[1] > lead->second_max)
        return 0;
    for (size_t i = 2; i < lead->len; i++) {
        if ((data[i] & 0xc0) != 0x80)
            return 0;
    }
    return lead->len;
}

size_t
utf8_len(const unsigned char *data, size_t len)
{
    if (len == 0)
        return 0;
    if (data[0] < 0x80)
        return 1;
    for (size_t i = 0; i < sizeof LEADS / sizeof LEADS[0]; i++) {
        if (data[0] >= LEADS[i].first && data[0] <= LEADS[i].last)
            return len_after_lead(&LEADS[i], data, len);
    }
    return 0;
}

bool
utf8_is_valid(const unsigned char *data, size_t len)
{
    size_t at = 0;
    while (at < len) {
        size_t step = utf8_len(data + at, len - at);
        if (step == 0)
            return false;
        at += step;
    }
    return true;
}

size_t
utf8_encode(uint32_t code, unsigned char to[4])
{
    if (code < 0x80) {
        to[0] = (unsigned char)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (unsigned char)(0xc0 | code >> 6);
        to[1] = (unsigned char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        to[0] = (unsigned char)(0xe0 | code >> 12);
        to[1] = (unsigned char)(0x80 | (code >> 6 & 0x3f));
        to[2] = (unsigned char)(0x80 | (code & 0x3f));
        return 3;
    }
    to[0] = (unsigned char)(0xf0 | code >> 18);
    to[1] = (unsigned char)(0x80 | (code >> 12 & 0x3f));
    to[2] = (unsigned char)(0x80 | (code >> 6 & 0x3f));
    to[3] = (unsigned char)(0x80 | (code & 0x3f));
    return 4;
}
