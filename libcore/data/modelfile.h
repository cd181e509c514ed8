/* Model files as nets: the flat vectors of libcore/nn to and from the tensors of a file. */
#ifndef NST_DATA_MODELFILE_H
#define NST_DATA_MODELFILE_H

#include "formats/model.h"
#include "libcore/image/preprocess.h"
#include "libcore/nn/net.h"

/* A model that was read.  Zero-initialise, release with nst_modelfile_release. */
struct nst_modelfile {
	struct nst_image *image;
	struct nst_model model;           /* class names, options, log ...; belongs to image */
	struct nst_net *net;              /* built from the spec in the file */
	struct nst_preprocess preprocess; /* evaluation path */
};

/* Which weights of a file are meant. */
enum nst_weights {
	NST_WEIGHTS_BEST, /* the moving average where there is one, else the raw ones */
	NST_WEIGHTS_RAW,
	NST_WEIGHTS_EMA,  /* NST_EINVAL where there is none */
};

/* Read a file ("-": standard input) and build its net; the tensors of the file must be exactly
 * those of the net. */
int nst_modelfile_open(struct nst_modelfile *m, const char *path, struct nst_err *err)
	NST_MUST_CHECK;
void nst_modelfile_release(struct nst_modelfile *m);

/* Where each parameter of the model's own net lies: param has room for net->nparams.  The floats are
 * the model's and live as long as it.  Returns 0, NST_EINVAL (there is no moving average) or
 * NST_EFORMAT (their checksum is wrong). */
int nst_modelfile_find(const struct nst_modelfile *m, enum nst_weights which, const float **param,
		       struct nst_err *err) NST_MUST_CHECK;

/* Can another net start from these weights?  A tensor that the file lacks or has in another shape is
 * an error that names it.  Without `classifier` the last dense layer is left out. */
int nst_modelfile_fits(const struct nst_modelfile *m, const struct nst_net *net, int classifier,
		       struct nst_err *err) NST_MUST_CHECK;

/* Fill the tensors of a net that fits by name, from the best weights.  Without `classifier` the last
 * dense layer keeps its present values.  NST_EFORMAT when the checksum of the weights is wrong. */
int nst_modelfile_init(const struct nst_modelfile *m, const struct nst_net *net, int classifier,
		       float *params, struct nst_err *err) NST_MUST_CHECK;

/* Copy one of the file's vectors (model.data, .ema, a slot), which has been verified, into the flat
 * layout of m->net; the gaps are left alone. */
void nst_modelfile_unpack(const struct nst_modelfile *m, const float *stored, float *flat);

/* What goes into a file.  Vectors are in the flat layout of net and, like the names of classes,
 * options and log, borrowed until it is written; lines as in formats/model.h. */
struct nst_modelfile_content {
	const struct nst_net *net;
	const struct nst_preprocess *preprocess;
	const char *const *class_name;    /* net->classes of them */
	const float *params;
	const float *ema;                 /* or NULL */
	const float *slot[2];             /* or NULL */
	uint64_t epoch, step, seed;
	const char *const *option;
	size_t options;
	const char *const *log;
	size_t log_lines;
};

/* A built image together with the memory it borrows. */
struct nst_modelfile_build {
	struct nst_build *build;
	void *memory;
};

int nst_modelfile_build(struct nst_modelfile_build *b, const struct nst_modelfile_content *c,
			struct nst_err *err) NST_MUST_CHECK;
void nst_modelfile_build_release(struct nst_modelfile_build *b);

#endif
