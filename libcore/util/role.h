/* The two kinds of training rows; the numbers stand in files. */
#ifndef NST_UTIL_ROLE_H
#define NST_UTIL_ROLE_H

enum nst_role {
	NST_ROLE_LABELED = 0, /* its class is known */
	NST_ROLE_PSEUDO = 1,  /* its target is what a teacher said */
};

/* What noise pseudo-labeled rows get: the rows of Noisy Student's table 6, which takes noise from
 * them and leaves it to the labeled ones. */
enum nst_pseudo_noise {
	NST_PSEUDO_FULL,           /* what labeled rows get */
	NST_PSEUDO_NO_RANDAUGMENT, /* crop, flip and model noise (the published code's unl_aug) */
	NST_PSEUDO_NO_AUGMENT,     /* seen as in evaluation, with model noise */
	NST_PSEUDO_NONE,           /* neither dropout nor stochastic depth */
};

#endif
