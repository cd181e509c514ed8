/* The operations of RandAugment and AutoAugment, each with its arguments spelled out; randaugment.h
 * and autoaugment.h choose them.
 *
 * All work in place on 8-bit RGB (h,w,3) of less than 2^31 bytes.  Two flavours exist where the
 * sources differ:
 * - NST_OPS_TF: TensorFlow, as the Noisy Student code used it.  Fractions are cut off; geometry
 *   measures from pixel to pixel (the top left pixel's centre is (0,0)) and takes the nearest
 *   pixel, halves away from zero; grey is .2989 R + .5870 G + .1140 B times 255.5 / 255, cut off;
 *   the grey level that contrast works around is the number of pixels / 256, at most 255 (an
 *   oversight of the original that its results contain).
 * - NST_OPS_PIL: Pillow, pixel for pixel.  Geometry counts from the picture's corner (the first
 *   pixel's centre is (.5,.5)) in 16.16 fixed point; grey and its mean are rounded. */
#ifndef NST_AUGMENT_OPS_H
#define NST_AUGMENT_OPS_H

#include <stddef.h>
#include <stdint.h>

#define NST_OPS_FILL 128 /* grey that geometry and cutout show where there is no picture */

enum nst_ops_flavour { NST_OPS_TF, NST_OPS_PIL };

/* Pointwise.  autocontrast and equalize treat every channel by itself; a channel of one value stays
 * as it is.  posterize keeps the upper `bits` bits: none below 1, all from 8 on.  solarize inverts
 * values >= threshold, which is not wrapped here.  solarize_add adds to values below 128. */
void nst_op_autocontrast(uint8_t *img, size_t h, size_t w);
void nst_op_equalize(uint8_t *img, size_t h, size_t w);
void nst_op_invert(uint8_t *img, size_t h, size_t w);
void nst_op_posterize(uint8_t *img, size_t h, size_t w, int bits);
void nst_op_solarize(uint8_t *img, size_t h, size_t w, int threshold);
void nst_op_solarize_add(uint8_t *img, size_t h, size_t w, int add);

/* Blends: degenerate + factor * (image - degenerate), cut off and clipped to 0...255; factor 1
 * changes nothing.  The degenerate is the grey picture, one grey level, black, and the picture
 * smoothed by a 3x3 kernel (centre 5, others 1, borders kept).  |factor| is at most a million.
 * tmp: 3 * h * w bytes. */
void nst_op_color(uint8_t *img, size_t h, size_t w, double factor, enum nst_ops_flavour fl);
void nst_op_contrast(uint8_t *img, size_t h, size_t w, double factor, enum nst_ops_flavour fl);
void nst_op_brightness(uint8_t *img, size_t h, size_t w, double factor);
void nst_op_sharpness(uint8_t *img, size_t h, size_t w, double factor, enum nst_ops_flavour fl,
		      uint8_t *tmp);

/* Geometry.  The pixel shown at (x,y) is the one at (x + shear * y, y), (x, y + shear * x),
 * (x + pixels, y), (x, y + pixels); rotation is about the middle, positive degrees turn the picture
 * counter-clockwise.  tmp: 3 * h * w bytes. */
void nst_op_rotate(uint8_t *img, size_t h, size_t w, double degrees, enum nst_ops_flavour fl,
		   uint8_t *tmp);
void nst_op_shear_x(uint8_t *img, size_t h, size_t w, double shear, enum nst_ops_flavour fl,
		    uint8_t *tmp);
void nst_op_shear_y(uint8_t *img, size_t h, size_t w, double shear, enum nst_ops_flavour fl,
		    uint8_t *tmp);
void nst_op_translate_x(uint8_t *img, size_t h, size_t w, double pixels, enum nst_ops_flavour fl,
			uint8_t *tmp);
void nst_op_translate_y(uint8_t *img, size_t h, size_t w, double pixels, enum nst_ops_flavour fl,
			uint8_t *tmp);

/* Geometry as Pillow's transform and rotate do it with a filter, to the last bit: in double,
 * measured from the picture's corner (the first pixel's centre is (.5,.5)); neighbours beyond the
 * border are the border's; what lies outside altogether is `fill`; fractions are cut off.  Nothing
 * is antialiased, and the cubic is Pillow's own for this (a = -1).
 *
 * transform: at (x,y) is shown the pixel at (m[0] x + m[1] y + m[2], m[3] x + m[4] y + m[5]).
 * turn: as rotate; whole turns, half turns and quarters of a square only move pixels. */
enum nst_ops_filter { NST_OPS_BILINEAR, NST_OPS_BICUBIC };

void nst_op_transform(uint8_t *img, size_t h, size_t w, const double m[6],
		      enum nst_ops_filter filter, const uint8_t fill[3], uint8_t *tmp);
void nst_op_turn(uint8_t *img, size_t h, size_t w, double degrees, enum nst_ops_filter filter,
		 const uint8_t fill[3], uint8_t *tmp);

/* Fill the square of side 2 * half around (cy,cx), as far as it lies inside: rows cy - half up to
 * but not including cy + half, columns likewise. */
void nst_op_cutout(uint8_t *img, size_t h, size_t w, size_t cy, size_t cx, size_t half);

#endif
