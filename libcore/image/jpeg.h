/* JPEG in and out.  The one file behind this header knows the codec (libjpeg-turbo).
 *
 * Decoding defaults are those of Pillow (accurate integer DCT, smooth upsampling).  Grey becomes
 * three equal channels.  CMYK and YCCK are taken as Adobe stores them, inverted, and become
 * R = K' - round((255 - C') * K' / 255), which is Pillow's convert("RGB"); G and B likewise.
 * Refused with a sentence: other than 8 bits a sample, arithmetic coding, lossless and hierarchical
 * files, a height given after the scan (DNL), more than NST_JPEG_SCANS scans, no end marker. */
#ifndef NST_IMAGE_JPEG_H
#define NST_IMAGE_JPEG_H

#include <stddef.h>
#include <stdint.h>

#include "libcore/image/entries.h"
#include "libcore/pixel/pixels.h"
#include "libcore/pixel/resize.h"
#include "libcore/util/err.h"
#include "libcore/util/mem.h"

#define NST_JPEG_SCANS   500       /* a hostile progressive file repeats scans at little cost */
#define NST_IMAGE_PIXELS 178956970 /* default cap: where Pillow refuses, too */

enum nst_jpeg_space { NST_JPEG_GRAY, NST_JPEG_YCC, NST_JPEG_RGB, NST_JPEG_CMYK, NST_JPEG_YCCK };
enum nst_jpeg_sampling {
	NST_JPEG_444,
	NST_JPEG_422,
	NST_JPEG_420,
	NST_JPEG_440,
	NST_JPEG_411,
	NST_JPEG_OTHER, /* decoded, but never written */
};

struct nst_jpeg_info {
	uint32_t width, height;          /* as stored */
	int components;                  /* 1, 3 or 4 */
	enum nst_jpeg_space space;
	enum nst_jpeg_sampling sampling; /* NST_JPEG_444 for one component */
	unsigned mcu_h, mcu_w;           /* 8 times the largest sampling factors: pixels */
	int progressive;                 /* 0 or 1 */
	int scans;                       /* found, up to NST_JPEG_SCANS + 1 */
	int complete;                    /* 0: the end marker is missing */
	int orientation;                 /* EXIF, 1...8 */
};

/* Walk through the markers of a JPEG: no decoding, no allocation.  Returns 0, NST_EFORMAT when it
 * cannot be decoded here, NST_ELIMIT above max_pixels (0 = NST_IMAGE_PIXELS).  A missing end and
 * too many scans are left to the caller (info->complete, info->scans). */
int nst_jpeg_info(const uint8_t *data, size_t n, uint64_t max_pixels, struct nst_jpeg_info *info,
		  struct nst_err *err) NST_MUST_CHECK;

/* Codec state and working memory, one a thread.  free(NULL) is fine. */
struct nst_jpeg;
struct nst_jpeg *nst_jpeg_new(struct nst_err *err) NST_MUST_CHECK;
void nst_jpeg_free(struct nst_jpeg *j);

/* Accept pictures that end early or have damaged data (missing parts are grey), as most viewers do.
 * Off at first.  Harmless oddities, such as stray bytes between segments, are accepted always. */
void nst_jpeg_lenient(struct nst_jpeg *j, int on);

/* Pictures of more pixels are refused; 0 sets NST_IMAGE_PIXELS, the value at first. */
void nst_jpeg_limit(struct nst_jpeg *j, uint64_t max_pixels);

/* Decode to RGB, not turned.  reduce: 0 or 1 = full size; otherwise the picture may come out at
 * 1/2, 1/4 or 1/8 (rounded up), the smallest at which both sides still have at least 1/reduce of
 * their length.  *info is filled as by nst_jpeg_info.  Returns 0 or an error. */
int nst_jpeg_decode(struct nst_jpeg *j, const uint8_t *data, size_t n, double reduce,
		    struct nst_jpeg_info *info, struct nst_pixels *out, struct nst_err *err)
	NST_MUST_CHECK;

/* The same when only a part is needed, given in pixels at full size (NULL = everything).  entries are
 * the picture's entry points (NULL or none = not known): with them, code outside the part is jumped
 * over.  out has the size of the whole picture; what lies more than a pixel of out outside
 * the part is undefined, the rest is as nst_jpeg_decode makes it, and so are the errors, except that
 * damage below the part, and with entries anywhere outside it, may be left undiscovered; that
 * the picture ends early is not.  NST_EFORMAT also when entries are not those of the picture, as far
 * as that is seen. */
int nst_jpeg_decode_part(struct nst_jpeg *j, const uint8_t *data, size_t n,
			 const struct nst_entries *entries, double reduce,
			 const struct nst_box *part, struct nst_jpeg_info *info,
			 struct nst_pixels *out, struct nst_err *err) NST_MUST_CHECK;

/* The same, with the rows handed on as they are decoded; what is undefined there may be left out or
 * handed on here.  After an error those that came are worth nothing. */
int nst_jpeg_decode_rows(struct nst_jpeg *j, const uint8_t *data, size_t n,
			 const struct nst_entries *entries, double reduce,
			 const struct nst_box *part, struct nst_jpeg_info *info,
			 const struct nst_rows *to, struct nst_err *err) NST_MUST_CHECK;

/* Encode rgb (h,w,3), baseline, quality 1...100, appending to out.  sampling: 444, 422, 420, 440
 * or 411.  Equal pixels give equal bytes on one version of the codec. */
int nst_jpeg_encode(struct nst_jpeg *j, const uint8_t *rgb, size_t h, size_t w, int quality,
		    enum nst_jpeg_sampling sampling, struct nst_buf *out, struct nst_err *err)
	NST_MUST_CHECK;

/* Compress rgb (h,w,3) with 4:2:0 at a quality and decompress it again, in place.  ctx is a struct
 * nst_jpeg: the callback of libcore/augment/corrupt.h. */
int nst_jpeg_recompress(void *ctx, uint8_t *rgb, size_t h, size_t w, int quality,
			struct nst_err *err) NST_MUST_CHECK;

#endif
