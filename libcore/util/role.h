/* The two kinds of training rows; the numbers stand in files. */
#ifndef NST_UTIL_ROLE_H
#define NST_UTIL_ROLE_H

enum nst_role {
	NST_ROLE_LABELED = 0, /* its class is known */
	NST_ROLE_PSEUDO = 1,  /* its target is what a teacher said */
};

#endif
