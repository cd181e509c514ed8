/* A progress line on standard error: bar, rate, time left.
 *
 * It is drawn only on a terminal, not with -q, not in the first second, at most six times a
 * second, and is wiped when it ends or when a message is printed.  One at a time, from one
 * thread. */
#ifndef NST_CLI_PROGRESS_H
#define NST_CLI_PROGRESS_H

#include <stdint.h>

struct nst_progress {
	const char *what, *unit;
	uint64_t total, done;
	double start, drawn; /* seconds of the monotonic clock */
	char note[80];
	int enabled; /* something is drawn, so that it is worth finding out about `total` */
};

/* Start: what is done ("decoding"), in which unit ("images"), and how many; 0 when unknown: `total`
 * may be set later.  The strings are borrowed. */
void nst_progress_start(struct nst_progress *p, const char *what, const char *unit, uint64_t total);

/* `done` units are done by now.  Cheap: call it as often as you like. */
void nst_progress_at(struct nst_progress *p, uint64_t done);

/* Text behind the bar, e.g. the current loss. */
void nst_progress_note(struct nst_progress *p, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Wipe the line.  Can be called twice. */
void nst_progress_end(struct nst_progress *p);

#endif
