/* Normalising: from 8-bit pixels to the floats that a net takes. */
#ifndef NST_PIXEL_NORMALISE_H
#define NST_PIXEL_NORMALISE_H

#include <stddef.h>
#include <stdint.h>

/* Values that are normalised at a time: whole pixels, and so many vectors that the compiler does not
 * take them apart (with half as many values it took twice as long). */
enum { NST_NORMALISER_STEP = 96 };

/* Set by nst_normaliser_init; owns no memory.  Value i is of channel i % 3. */
struct nst_normaliser {
	float mean[NST_NORMALISER_STEP], std[NST_NORMALISER_STEP], inverse[NST_NORMALISER_STEP];
};

/* What means (to either side) and standard deviations must be within. */
#define NST_NORMALISER_MOST  1e6f
#define NST_NORMALISER_LEAST 1e-6f

void nst_normaliser_init(struct nst_normaliser *n, const float mean[3], const float std[3]);

/* (x / 255 - mean) / std of `pixels` pixels, (pixels,3) -> out (pixels,3), each of the three operations
 * rounded to float. */
void nst_normalise(const struct nst_normaliser *n, const uint8_t *in, size_t pixels, float *out);

#endif
