/* Architectures as data: a short text, one line per stage, legible in h5dump.
 *
 *   net size=32 pad=symmetric bn-eps=1e-05 bn-momentum=0.9 init=he dropout=0 drop-path=0
 *   conv k=3 s=1 c=16 act=relu
 *   basic k=3 s=1 c=16 n=3 shortcut=pad act=relu
 *   basic k=3 s=2 c=32 n=3 shortcut=pad act=relu
 *   basic k=3 s=2 c=64 n=3 shortcut=pad act=relu
 *
 * The first line holds what the whole net shares, every further one is a stage of n blocks, of
 * which only the first has the stride s and changes the number of channels.  After the last stage
 * always come the mean over all pixels, dropout and the dense classifier.
 *
 *   conv        convolution, batch norm, act   (bn=0: the convolution alone; no n)
 *   maxpool     the largest of each window     (only behind the first conv; no c, n, act)
 *   mbconv      EfficientNet's block: expand (e times the input; absent for e=1), depthwise,
 *               squeeze-and-excitation to se * input channels, project; residual where the shape
 *               allows
 *   basic       ResNet's block: conv, conv, residual; shortcut=pad sub-samples and appends zero
 *               channels (option A of He et al. 2015, section 4.2: no parameters), shortcut=conv
 *               is a 1x1 convolution with a norm (option B)
 *   bottleneck  ResNet's block of three: 1x1 to c/4 channels, k x k with the stride (torchvision's
 *               form, "v1.5"), 1x1 to c; residual as in basic
 *   preact      WideResNet's block: norm before each convolution; with shortcut=conv that of the
 *               first block is a 1x1 convolution of the activated input (Zagoruyko & Komodakis
 *               2016)
 *   norm        batch norm, act                (the end of a pre-activation net)
 *
 * pad=same is TensorFlow's padding: for stride 2 the odd row and column go to the bottom and right;
 * pad=symmetric is k/2 on every side.  Empty lines, and lines that begin with #, mean nothing. */
#ifndef NST_NN_ARCH_H
#define NST_NN_ARCH_H

#include <stddef.h>

#include "libcore/nn/kernels/kernels.h"
#include "libcore/util/err.h"
#include "libcore/util/mem.h"

enum {
	NST_ARCH_STAGES = 32, /* most stages of a spec */
	NST_ARCH_TEXT = 8192, /* most bytes of a spec */
	NST_ARCH_NAME = 40,   /* bytes of a name with its end */
	NST_ARCH_SIDE = 4096, /* largest input side */
	NST_ARCH_CHANNELS = 65536,
};

enum nst_stage_kind {
	NST_STAGE_CONV,
	NST_STAGE_MAXPOOL,
	NST_STAGE_MBCONV,
	NST_STAGE_BASIC,
	NST_STAGE_BOTTLENECK,
	NST_STAGE_PREACT,
	NST_STAGE_NORM
};
enum nst_pad { NST_PAD_SAME, NST_PAD_SYMMETRIC };
enum nst_shortcut { NST_SHORTCUT_PAD, NST_SHORTCUT_CONV };

/* How weights start; biases and beta at 0, gamma and running variance at 1, running mean at 0.
 *
 *   tf  convolutions normal with deviation sqrt(2/(k*k*out)), out = 1 for depthwise; the
 *       classifier uniform within 1/sqrt(classes)  (noisystudent efficientnet_model.py)
 *   he  convolutions the same (the backward form of He et al. 2015, as WideResNet has it); the
 *       classifier uniform within 1/sqrt(inputs) */
enum nst_init { NST_INIT_TF, NST_INIT_HE };

struct nst_stage {
	enum nst_stage_kind kind;
	size_t k, stride, channels, repeats;
	size_t expand;              /* mbconv */
	double se;                  /* mbconv: 0 = none */
	int bn;                     /* conv */
	enum nst_shortcut shortcut; /* basic, bottleneck, preact */
	enum nst_act act;
};

/* Whether a stage is a run of blocks, which have numbers, repeats and a shortcut. */
static inline int nst_stage_is_block(enum nst_stage_kind kind)
{
	return kind == NST_STAGE_MBCONV || kind == NST_STAGE_BASIC ||
	       kind == NST_STAGE_BOTTLENECK || kind == NST_STAGE_PREACT;
}

struct nst_arch {
	char name[NST_ARCH_NAME];
	size_t size; /* default input side */
	enum nst_pad pad;
	double bn_eps, bn_momentum; /* running = momentum * running + (1 - momentum) * batch */
	enum nst_init init;
	double dropout, drop_path; /* defaults for training */
	size_t nstages;
	struct nst_stage stage[NST_ARCH_STAGES];
};

/* Look up a name: efficientnet-b0 ... b8, l0, l1, l2, the same with -32 behind (form for 32-pixel
 * images: strides of stages 2 and 3 are 1), resnet18, 34, 50, 101, 152 (ImageNet form, as
 * torchvision has them), resnetD with any other D = 6n+2 up to 1202 (CIFAR form), wrn-D-K with
 * D = 6n+4.  Returns 0, or NST_EINVAL with a sentence that names close names. */
int nst_arch_find(const char *name, struct nst_arch *out, struct nst_err *err) NST_MUST_CHECK;

/* Names for a listing, in order; NULL behind the last.  Families without end are listed by their
 * usual members. */
const char *nst_arch_listed(size_t i);

/* Parse a spec, strictly: unknown, repeated, missing or out-of-range words are errors that name the
 * line.  `name` is what the net is called.  Returns 0, NST_EFORMAT or NST_ELIMIT. */
int nst_arch_parse(const char *name, const char *text, struct nst_arch *out,
		   struct nst_err *err) NST_MUST_CHECK;

/* Append the spec to b (terminated by a 0 byte that is not counted in b->len); parsing it gives the
 * same arch.  Returns 0 or NST_ENOMEM. */
int nst_arch_print(const struct nst_arch *a, struct nst_buf *b, struct nst_err *err) NST_MUST_CHECK;

/* Channels and repeats of a scaled EfficientNet (Tan & Le 2019; the published code): channels are
 * rounded to the nearest multiple of 8, never below 90 % of channels * width; repeats are rounded
 * up. */
size_t nst_arch_round_channels(size_t channels, double width);
size_t nst_arch_round_repeats(size_t repeats, double depth);

#endif
