/* The noise of a noised teacher: what the student's training would put on the model and its input.
 *
 * What is not asked for is what the model was trained with, by the settings stored in it; a model
 * without them has the rates of its architecture, random crops and flips. */
#ifndef NST_DATA_NOISE_H
#define NST_DATA_NOISE_H

#include <math.h>

#include "libcore/augment/augment.h"
#include "libcore/data/modelfile.h"

/* NaN, -1 and NULL mean: not said.  Start from NST_NOISE_REQUEST_NONE. */
struct nst_noise_request {
	const char *randaugment;
	double dropout, drop_path;
	int crop, flip; /* enum nst_view_kind, 0/1 */
	int64_t cutout;
	uint64_t seed;
};

#define NST_NOISE_REQUEST_NONE \
	{.dropout = NAN, .drop_path = NAN, .crop = -1, .flip = -1, .cutout = -1}

/* The rows of a tool's option table (libcore/cli/opt.h) that fill a request; the names are those of
 * nst-train. */
#define NST_NOISE_OPTIONS(r) \
	NST_OPT_DOUBLE(0, "dropout", "P", &(r)->dropout, 0, 1, NST_OPEN_HIGH, \
		       "before the classifier; this and the next five: unless given, as the " \
		       "model was trained"), \
	NST_OPT_DOUBLE(0, "drop-path", "P", &(r)->drop_path, 0, 1, NST_OPEN_HIGH, \
		       "stochastic depth of the last block"), \
	NST_OPT_STRING(0, "randaugment", "nN,mM[,...]", &(r)->randaugment, \
		       "N random operations of magnitude M on each image, or none"), \
	NST_OPT_ENUM(0, "crop", "KIND", &(r)->crop, nst_crop_words, \
		     "central, random resized, or shifted crops"), \
	NST_OPT_INT(0, "cutout", "PIXELS", &(r)->cutout, 0, 4096, \
		    "half side of a grey square in each image"), \
	NST_OPT_SET(0, "flip", &(r)->flip, 1, "mirror images at random"), \
	NST_OPT_SET(0, "no-flip", &(r)->flip, 0, "do not mirror images"), \
	NST_OPT_SEED(&(r)->seed)

struct nst_noise {
	double dropout, drop_path;
	struct nst_augment augment;
	uint64_t seed;
};

/* 1 when anything but the seed is asked for. */
int nst_noise_asked(const struct nst_noise_request *r);

/* The noise for one model.  Fails with a sentence when a word or a stored setting makes none. */
int nst_noise_resolve(const struct nst_noise_request *r, const struct nst_modelfile *m,
		      struct nst_noise *out, struct nst_err *err) NST_MUST_CHECK;

#endif
