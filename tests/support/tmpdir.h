/* tmpdir.h: a directory of its own for a test that needs real files. */
#ifndef TEST_SUPPORT_TMPDIR_H
#define TEST_SUPPORT_TMPDIR_H

/** Makes a new, empty directory under $TMPDIR or /tmp; stops the test program if it cannot.
 * Returns its path; remove and free it with tmpdir_remove(). */
char *tmpdir_make(void);

/** Removes the directory with all that is in it and frees the path. NULL is allowed. */
void tmpdir_remove(char *path);

#endif
