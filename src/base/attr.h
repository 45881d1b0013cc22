/* attr.h: compiler attributes, by meaning. */
#ifndef ADB_BASE_ATTR_H
#define ADB_BASE_ATTR_H

#define ADB_MUST_USE __attribute__((warn_unused_result))
/* For a result that may be ignored here, because the reader is told why, or nobody is left to
 * tell. */
#define ADB_IGNORE(call) ((void)!(call))
#define ADB_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#define ADB_ALWAYS_INLINE inline __attribute__((always_inline))
#define ADB_NO_INLINE __attribute__((noinline))
#define ADB_COLD __attribute__((cold))
#define ADB_NORETURN __attribute__((noreturn))
#define ADB_LIKELY(x) __builtin_expect(!!(x), 1)
#define ADB_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define ADB_CACHE_LINE 64

#endif
