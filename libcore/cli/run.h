/* What a run was: its command line as a line of history, and the files it reads. */
#ifndef NST_CLI_RUN_H
#define NST_CLI_RUN_H

#include <math.h>
#include <stddef.h>

#include "libcore/cli/opt.h"
#include "libcore/util/err.h"

/* "nst-filter 0.1.0: nst-filter --per-class=100 -o 'a b.h5'": program, version and the command line
 * as a shell would take it.  Call it before nst_opt_parse, which reorders argv.  The caller frees;
 * NULL on lack of memory. */
char *nst_run_line(const char *program, int argc, char *const *argv, struct nst_err *err)
	NST_MUST_CHECK;

/* The operands and the words of an option as one array of n + more->n names: what an output must not
 * be.  The caller frees the array, not the names; NULL on lack of memory. */
const char **nst_run_inputs(const char *const *operands, size_t n, const struct nst_words *more,
			    struct nst_err *err) NST_MUST_CHECK;

/* Fails when a file that is to be written (NULL or "-": none) is one of the inputs.  Outputs of
 * formats/output.h look for themselves; this is for reports. */
int nst_run_refuse_input(const char *output, const char *const *inputs, size_t n,
			 struct nst_err *err) NST_MUST_CHECK;

/* Where and when a run saves its state. */
struct nst_checkpoints {
	const char *file;   /* NULL: nowhere */
	const char *resume; /* NULL: not asked for; "": from `file` */
	double every;       /* seconds */
	int keep;           /* at the end */
};
#define NST_CHECKPOINTS_UNSET {.every = NAN}

/* The rows of the option table that fill it. */
#define NST_RUN_CHECKPOINT_OPTIONS(c) \
	NST_OPT_OPTIONAL(0, "resume", "FILE", &(c)->resume, \
			 "continue from the checkpoint, where there is one"), \
	NST_OPT_STRING(0, "checkpoint", "FILE", &(c)->file, \
		       "where to save the state; unless given, the output's name with .ckpt"), \
	NST_OPT_DOUBLE(0, "checkpoint-every", "SECONDS", &(c)->every, 0, 1e6, NST_CLOSED, \
		       "at the next step after that time; 0 is every step; unless given, 120"), \
	NST_OPT_FLAG(0, "keep-checkpoint", &(c)->keep, "do not remove it at the end")

/* What was not said: the file is that of --resume, else named as the output with .ckpt, else, where
 * that is standard output, none.  Exits with a usage error for what cannot be. */
void nst_run_checkpoints(struct nst_checkpoints *c, const char *output);

/* 1 when standard input is among these names. */
int nst_run_reads_stdin(const char *const *paths, size_t n);

#endif
