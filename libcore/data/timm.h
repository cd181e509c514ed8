/* timm's words: its names of architectures, the preprocessing its weights are evaluated with, and
 * the keys under which its configurations keep that.
 *
 * Keys of the metadata of a safetensors file, all optional:
 *	input_size     [3, H, W] with H = W
 *	crop_pct       fraction of the shorter side, 0.875
 *	crop_mode      center, the only one of timm's that is known here
 *	cropping       ours: central, shortest or whole (image/preprocess.h); shortest is timm's
 *	               center, and meant where the key is absent
 *	interpolation  bicubic, bilinear ...
 *	mean, std      [R, G, B] of values scaled to [0,1] */
#ifndef NST_DATA_TIMM_H
#define NST_DATA_TIMM_H

#include "formats/safetensors.h"
#include "libcore/image/preprocess.h"
#include "libcore/nn/arch.h"

/* Look up an architecture by our name or by timm's of the same net: tf_efficientnet_b0 and its
 * like, also with _ns or .ns_jft_in1k behind; those of tf_efficientnet_l2 are for 800 pixels, with
 * _475 behind for 475.  Returns 0 or NST_EINVAL. */
int nst_timm_find(const char *name, struct nst_arch *out, struct nst_err *err) NST_MUST_CHECK;

/* How timm evaluates its weights of an architecture: the shorter side is resized to size / crop and
 * the middle cut out.  EfficientNets as timm's tf_efficientnet_*_ns: bicubic, crop by the input
 * size of the architecture (.875 at 224 ... .949 at 600); other nets bilinear, crop .875, as
 * torchvision's weights.  Nets for up to NST_SMALL_SIDE pixels keep nst_preprocess_init. */
void nst_timm_preprocess(const struct nst_arch *arch, struct nst_preprocess *p);

/* Replace in p what the metadata of a file says.  Returns 0 or NST_EFORMAT. */
int nst_timm_read(const struct nst_safetensors *st, struct nst_preprocess *p,
		  struct nst_err *err) NST_MUST_CHECK;

/* Put p into the metadata, so that nst_timm_read gives it back exactly. */
int nst_timm_write(struct nst_safetensors_out *out, const struct nst_preprocess *p,
		   struct nst_err *err) NST_MUST_CHECK;

#endif
