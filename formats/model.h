/* Kind `model`: an architecture, its tensors, and what is needed to go on training.
 *
 * Columns, T tensors of P numbers in all; rows of the file = T:
 *	arch/spec     str (*)     the architecture as text
 *	class/name    str (K)
 *	param/name    str (T)
 *	param/shape   u32 (T,4)   padded with 0; tensor t has the product of the non-zero numbers
 *	param/data    f32 (P)     all tensors in order, batch norm's running statistics included
 *	param/ema     f32 (P)     their exponential moving average; optional
 *	param/slot    f32 (S,P)   optimizer state, S slots for every number; optional
 *	train/option  str (*)     "name=value", the options it was trained with; optional
 *	train/log     str (*)     one line an epoch; optional
 * Attributes:
 *	architecture   str        name in the table of architectures
 *	preprocessing  str        "input=32x32x3 cropping=central crop=1 interpolation=bicubic mean=..."
 *	progress       u64 (3)    epochs done, steps done, seed */
#ifndef NST_FORMATS_MODEL_H
#define NST_FORMATS_MODEL_H

#include "formats/input.h"
#include "formats/output.h"

#define NST_TENSOR_RANK 4

struct nst_model_tensor {
	const char *name;
	uint32_t shape[NST_TENSOR_RANK]; /* padded with 0 */
	uint64_t offset;                 /* first number in data, ema and each slot; set by the view */
	uint64_t count;                  /* numbers; set by the view */
};

struct nst_model {
	const char *architecture;
	const char *preprocessing; /* words that libcore/image writes and reads; only text here */
	uint64_t epoch, step, seed;

	const char *const *spec;
	uint64_t spec_lines;
	const char *const *class_name;
	uint64_t classes;
	const char *const *option;
	uint64_t options;
	const char *const *log;
	uint64_t log_lines;

	struct nst_model_tensor *tensor;
	uint64_t tensors;          /* T */
	uint64_t count;            /* P */
	const float *data;         /* (P) */
	const float *ema;          /* (P) or NULL */
	const float *slot;         /* (S,P) or NULL */
	uint64_t slots;            /* S */
};

/* Look at an image as a model.  Every pointer belongs to the image.  The checksums of data, ema and
 * slot, most of a file, are left to nst_model_verify. */
int nst_model_view(struct nst_image *im, struct nst_model *m, struct nst_err *err) NST_MUST_CHECK;

enum nst_model_vector { NST_MODEL_DATA, NST_MODEL_EMA, NST_MODEL_SLOT };

/* Verify a vector before its numbers are used: NST_EFORMAT when its checksum is wrong.  One that is
 * not there is well, and so is one that has been verified. */
int nst_model_verify(struct nst_image *im, enum nst_model_vector which, struct nst_err *err)
	NST_MUST_CHECK;

/* Tensor of a name, or NULL. */
const struct nst_model_tensor *nst_model_find(const struct nst_model *m, const char *name);

/* Build one; tensor[].offset and .count are ignored and follow from the shapes.  data, ema and slot
 * are borrowed until the put. */
int nst_model_build(struct nst_build **b, const struct nst_model *m, struct nst_err *err)
	NST_MUST_CHECK;

/* The same with every tensor where it lies: part has T pointers for data, as many for ema, if that
 * is not NULL, and for each slot; data, ema and slot only say what there is.  The array is not
 * needed afterwards, the numbers are borrowed until the put. */
int nst_model_build_parts(struct nst_build **b, const struct nst_model *m,
			  const float *const *part, struct nst_err *err) NST_MUST_CHECK;

#endif
