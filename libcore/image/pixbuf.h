/* Pictures other than JPEG: PNG, GIF (first frame), BMP, TIFF, WebP, PNM, TGA, as far as gdk-pixbuf
 * has a loader installed.
 *
 * Everything becomes 8-bit RGB as Pillow's convert("RGB") does it: alpha is dropped, not blended;
 * palettes are looked up; of 16-bit samples the high byte is kept.  (Transparent pixels of a GIF
 * have no colour in gdk-pixbuf and come out black.)  An orientation the file states is applied. */
#ifndef NST_IMAGE_PIXBUF_H
#define NST_IMAGE_PIXBUF_H

#include <stddef.h>
#include <stdint.h>

#include "libcore/image/sniff.h"
#include "libcore/pixel/pixels.h"
#include "libcore/util/err.h"
#include "libcore/util/mem.h"

/* Decode data of a type that nst_sniff found (not JPEG).  Pictures above max_pixels (0 =
 * NST_IMAGE_PIXELS of jpeg.h) are refused when their header was read, before they are allocated. */
int nst_pixbuf_decode(const uint8_t *data, size_t n, enum nst_file_type type, uint64_t max_pixels,
		      struct nst_pixels *out, struct nst_err *err) NST_MUST_CHECK;

/* Append rgb (h,w,3) as a PNG to out. */
int nst_pixbuf_encode_png(const uint8_t *rgb, size_t h, size_t w, struct nst_buf *out,
			  struct nst_err *err) NST_MUST_CHECK;

#endif
