/* Numbers as people type them, and half precision as files store it. */
#ifndef NST_UTIL_NUM_H
#define NST_UTIL_NUM_H

#include <stddef.h>
#include <stdint.h>

/* Parse a whole decimal number.  Returns 0, or -1 when s is not one or does not fit. */
int nst_parse_int(const char *s, int64_t *out);

/* Parse a decimal floating-point number, finite.  Returns 0 or -1.  Locale-independent as long as
 * the program never calls setlocale. */
int nst_parse_double(const char *s, double *out);

/* Parse a size: digits and an optional K, M, G, T (powers of 1024; an optional iB or B after).
 * Returns 0 or -1. */
int nst_parse_size(const char *s, uint64_t *out);

/* IEEE binary16 <-> binary32, round to nearest even; exact for every half.  nst_halves_from_floats does so
 * with n numbers f, into h (n), which is elsewhere. */
uint16_t nst_half_from_float(float f);
void nst_halves_from_floats(const float *f, size_t n, uint16_t *h);
float nst_float_from_half(uint16_t h);

#endif
