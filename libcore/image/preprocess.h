/* Preprocessing for evaluation: any picture to size x size, then to normalised floats.
 *
 * The noisy student form takes the central square of side size / (size + 32) * min(h,w) and resizes
 * it; timm resizes the shorter side to floor(size / fraction) and takes the central size x size.
 * With fraction 1 a picture that is size x size already passes unchanged (the 32-pixel form). */
#ifndef NST_IMAGE_PREPROCESS_H
#define NST_IMAGE_PREPROCESS_H

#include <stddef.h>
#include <stdint.h>

#include "libcore/pixel/normalise.h"
#include "libcore/pixel/pixels.h"
#include "libcore/pixel/resize.h"
#include "libcore/util/err.h"
#include "libcore/util/mem.h"

enum nst_cropping {
	NST_CROP_CENTRAL,  /* "central": crop, then resize */
	NST_CROP_SHORTEST, /* "shortest": resize the shorter side, then crop */
	NST_CROP_WHOLE,    /* "whole": resize everything, without regard to the aspect ratio */
};

/* The words above; the parser returns -1 for any other. */
const char *nst_cropping_name(enum nst_cropping c);
int nst_cropping_parse(const char *s, enum nst_cropping *out);

struct nst_preprocess {
	size_t size; /* side in pixels */
	enum nst_cropping cropping;
	double crop; /* fraction of the shorter side, (0,1]; not used by NST_CROP_WHOLE */
	enum nst_filter filter;
	float mean[3], std[3]; /* of values scaled to [0,1] */
};

/* The defaults of an input size: bicubic, mean .485 .456 .406, std .229 .224 .225; crop
 * size / (size + 32), or 1 up to NST_SMALL_SIDE pixels. */
#define NST_SMALL_SIDE 64
void nst_preprocess_init(struct nst_preprocess *p, size_t size);

/* Take the central square of side size / (size + padding) * min(h,w): Noisy Student's crop padding,
 * 32 there. */
void nst_preprocess_crop_padding(struct nst_preprocess *p, size_t padding);

/* The padding that makes p's crop, or -1 where its cropping is another one. */
long nst_preprocess_padding(const struct nst_preprocess *p);

/* Resize the shorter side to floor(size / fraction) and take the central square: timm's crop_pct,
 * which is torchvision's Resize and CenterCrop.  0 < fraction <= 1. */
void nst_preprocess_crop_fraction(struct nst_preprocess *p, double fraction);

/* Write as words ("input=224x224x3 cropping=central crop=0.875 interpolation=bicubic mean=...
 * std=...") and read them back exactly; unknown, repeated or senseless words are NST_EINVAL.  Words
 * left out keep the defaults of the size. */
int nst_preprocess_format(const struct nst_preprocess *p, struct nst_buf *out, struct nst_err *err)
	NST_MUST_CHECK;
int nst_preprocess_parse(const char *text, struct nst_preprocess *p, struct nst_err *err)
	NST_MUST_CHECK;

/* Read three numbers "R,G,B", for mean or std, within the limits of libcore/pixel/normalise.h.  Returns 0
 * or NST_EINVAL. */
int nst_preprocess_mean(const char *word, float mean[3], struct nst_err *err) NST_MUST_CHECK;
int nst_preprocess_std(const char *word, float std[3], struct nst_err *err) NST_MUST_CHECK;

/* How much a h x w picture may be reduced while decoding (nst_jpeg_decode) without being enlarged
 * again here. */
double nst_preprocess_reduce(const struct nst_preprocess *p, size_t h, size_t w);

/* The part of a h x w picture that preprocessing looks at, when it is decoded with that reduction
 * (nst_jpeg_decode_part). */
struct nst_box nst_preprocess_part(const struct nst_preprocess *p, size_t h, size_t w);

/* Working memory, one a thread; zero-initialise. */
struct nst_preprocessor {
	struct nst_resizer resizer;
	struct nst_normaliser normaliser;
	size_t size;
	float *out;
};
void nst_preprocessor_release(struct nst_preprocessor *w);

/* Crop, resize and normalise a picture of height x width that comes a few rows at a time, to out
 * (size,size,3), which is the caller's: begin, then hand its rows (n,width,3) on as with
 * nst_resize_take.  Returns 0 or the errors of nst_resize. */
int nst_preprocess_begin(const struct nst_preprocess *p, struct nst_preprocessor *w, size_t height,
			 size_t width, float *out, struct nst_err *err) NST_MUST_CHECK;
void nst_preprocess_take(struct nst_preprocessor *w, const uint8_t *rows, size_t y, size_t n);

/* (x / 255 - mean) / std of n pixels, out (n,3). */
void nst_preprocess_normalise(const struct nst_preprocess *p, const uint8_t *in, size_t n,
			      float *out);

#endif
