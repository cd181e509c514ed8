/* What a tool says on standard error, how it ends, and signals.
 *
 * Every message is one line, "program: sentence", written by one write(2) with control characters
 * replaced by '?', so lines of several threads or processes do not mix and a hostile file name
 * does not drive the terminal.  Exit status: 0 done, 1 failed, 2 wrong usage. */
#ifndef NST_CLI_MSG_H
#define NST_CLI_MSG_H

#include <stddef.h>

#include "libcore/util/err.h"

/* Make the process ready: name for messages, descriptors 0 to 2 in place, SIGPIPE at its default
 * even if the parent ignored it, a full file-size limit (SIGXFSZ) as an error of write, and lost
 * bytes of a mapped input (SIGBUS) as a sentence and exit status 1.
 * nst_opt_parse calls it. */
void nst_start(const char *program);
const char *nst_program(void);

/* How much is said: -1 errors only (-q), 0 also warnings and notes, 1 also information (-v). */
void nst_set_verbosity(int level);
int nst_verbosity(void);

void nst_warn(const char *fmt, ...) NST_PRINTF(1, 2); /* "program: warning: ..." */
void nst_note(const char *fmt, ...) NST_PRINTF(1, 2); /* results and summaries for people */
void nst_info(const char *fmt, ...) NST_PRINTF(1, 2); /* with -v */

/* Whole lines, of a plan or a list: on standard output, or as information. */
void nst_put_lines(char *const *line, size_t n, int to_stdout);

/* Print the error and exit with 1; for NST_EINTERRUPTED, die by the signal that was caught. */
void nst_die(const struct nst_err *err) __attribute__((noreturn));

/* nst_die where r, what a function has returned, is negative; else nothing. */
void nst_must(int r, const struct nst_err *err);

/* As nst_die with another status, for tools that document one; nst_usage_error is for 2. */
void nst_die_status(const struct nst_err *err, int status) __attribute__((noreturn));

/* Flush and close standard output; a failure ends the program with a sentence and 1.  Returns 0,
 * the status of success: `return nst_finish_stdout();` ends main. */
int nst_finish_stdout(void);

/* ---- signals ------------------------------------------------------------------------------ */

/* Have fn, which must be async-signal-safe, called when SIGHUP, SIGINT, SIGTERM or SIGQUIT is
 * about to end the program; it then dies by that signal.  Ignored signals stay ignored.  One fn. */
void nst_on_fatal_signal(void (*fn)(void));

/* From now on the first SIGHUP, SIGINT or SIGTERM only makes nst_interrupted() return its number,
 * for tools that save their state; the second one is fatal.  System calls are restarted. */
void nst_catch_interrupts(void);

/* The signal caught, or 0.  Any thread may ask. */
int nst_interrupted(void);

#endif
