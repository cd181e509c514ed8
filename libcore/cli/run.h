/* The line of history that says which run made a file. */
#ifndef NST_CLI_RUN_H
#define NST_CLI_RUN_H

#include "libcore/util/err.h"

/* "nst-filter 0.1.0: nst-filter --per-class=100 -o 'a b.h5'": program, version and the command line
 * as a shell would take it.  Call it before nst_opt_parse, which reorders argv.  The caller frees;
 * NULL on lack of memory. */
char *nst_run_line(const char *program, int argc, char *const *argv, struct nst_err *err)
	NST_MUST_CHECK;

#endif
