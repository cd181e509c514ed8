/* Where the time of a run goes: seconds by phase, and in the net by operation.
 *
 * Every worker has a slate of its own and adds to it without locks.  The clock is given by who
 * wants the profile, since this room has none.  NULL is a profile that is off: its functions then
 * return at once. */
#ifndef NST_NN_PROFILE_H
#define NST_NN_PROFILE_H

#include "libcore/nn/net.h"

enum nst_phase {
	NST_PHASE_DECODE,   /* stored bytes to pixels */
	NST_PHASE_AUGMENT,  /* crop, resize, noise, normalise */
	NST_PHASE_FORWARD,  /* by operation */
	NST_PHASE_LOSS,
	NST_PHASE_BACKWARD, /* by operation */
	NST_PHASE_REDUCE,   /* gradients of grains added and checked */
	NST_PHASE_UPDATE,   /* weights packed, optimizer, moving average */
	NST_PHASE_WRITE,    /* output, checkpoints */
	NST_PHASES
};

struct nst_profile;

/* New profile for `workers` threads, running from now on; now() gives seconds and may be called by
 * several threads at once.  Returns 0 or NST_ENOMEM. */
int nst_profile_new(double (*now)(void), unsigned workers, struct nst_profile **out,
		    struct nst_err *err) NST_MUST_CHECK;
void nst_profile_free(struct nst_profile *p);

/* The operations that are told apart from now on are those of this net, which must outlive the
 * profile.  Once; a second net is counted without operations.  Returns 0 or NST_ENOMEM. */
int nst_profile_net(struct nst_profile *p, const struct nst_net *net,
		    struct nst_err *err) NST_MUST_CHECK;

/* Seconds of the clock, 0 when off: what `since` is in the next call. */
double nst_profile_now(const struct nst_profile *p);

/* What worker has done since then was this phase, for `images` images, which may be 0.  Returns the
 * present time. */
double nst_profile_add(struct nst_profile *p, unsigned worker, enum nst_phase phase, size_t images,
		       double since);
/* The same of one operation of `net`, given by its number. */
double nst_profile_add_op(struct nst_profile *p, unsigned worker, enum nst_phase phase,
			  const struct nst_net *net, size_t op, size_t images, double since);

/* A line of the profile; sums over the workers. */
struct nst_profile_row {
	enum nst_phase phase;
	char op[NST_OP_NAME]; /* "blocks.0.0.conv_dw"; empty for a phase without operations */
	double seconds;       /* of one thread */
	double images;
	double flops, bytes;  /* that the operation must do and must move; 0: not known */
};

/* Lines in order of phases and of the net, those without time left out.  Returns 0 with an array of
 * *n rows to be freed, or NST_ENOMEM. */
int nst_profile_rows(const struct nst_profile *p, struct nst_profile_row **rows, size_t *n,
		     struct nst_err *err) NST_MUST_CHECK;

/* Seconds since the start times the workers: what the rows would add up to without waiting. */
double nst_profile_capacity(const struct nst_profile *p);

/* "decode", "forward" ... */
const char *nst_phase_name(enum nst_phase phase);

#endif
