/* EXIF orientation: how a camera says that the picture lies on its side. */
#ifndef NST_IMAGE_EXIF_H
#define NST_IMAGE_EXIF_H

#include <stddef.h>
#include <stdint.h>

#include "libcore/pixel/pixels.h"
#include "libcore/util/err.h"

/* Orientation (1...8) found in the payload of an APP1 segment ("Exif\0\0" and a TIFF directory of
 * either byte order).  1 when there is none or when it makes no sense. */
int nst_exif_orientation(const uint8_t *app1, size_t n);

/* 1 when the orientation exchanges height and width (5...8), else 0. */
int nst_orientation_turns(int orientation);

/* Turn src (h,w,3) upright into out, as Pillow's ImageOps.exif_transpose does.  Any orientation
 * outside 2...8 copies. */
int nst_orientation_apply(int orientation, const uint8_t *src, size_t h, size_t w,
			  struct nst_pixels *out, struct nst_err *err) NST_MUST_CHECK;

#endif
