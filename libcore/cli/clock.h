/* The clock of programs: for rates, times left and profiles, never for results. */
#ifndef NST_CLI_CLOCK_H
#define NST_CLI_CLOCK_H

/* Seconds that only ever grow, from an arbitrary start. */
double nst_now(void);

#endif
