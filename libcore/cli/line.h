/* The last line of the terminal, shared by messages and progress: inside this room only. */
#ifndef NST_CLI_LINE_H
#define NST_CLI_LINE_H

#include <stddef.h>

/* Write n bytes to standard error in one go; a failure has nobody to be told to. */
void nst_line_write(const char *s, size_t n);

/* Draw text over the progress line, or wipe it if there is one. */
void nst_line_draw(const char *s, size_t n);
void nst_line_wipe(void);

#endif
