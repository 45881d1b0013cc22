#include "armdb/error.h"
#include "base/err.h"

const char *
armdb_strerror(armdb_err err)
{
    switch (err) {
#define TEXT(name, number, text)                                                                   \
    case name:                                                                                     \
        return text;
        ARMDB_ERROR_MAP(TEXT)
#undef TEXT
    }
    return "unknown error";
}

const char *
armdb_err_name(armdb_err err)
{
    switch (err) {
#define NAME(name, number, text)                                                                   \
    case name:                                                                                     \
        return #name;
        ARMDB_ERROR_MAP(NAME)
#undef NAME
    }
    return "ARMDB_UNKNOWN";
}

void
armdb_last_error(armdb_error_detail *detail_out)
{
    *detail_out = *adb_err_detail();
}
