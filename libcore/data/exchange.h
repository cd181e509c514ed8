/* Models to and from safetensors files with timm's names of tensors.
 *
 * A file carries, besides the tensors in the layout of PyTorch (nn/torch.h), in its metadata:
 *	architecture, arch_spec   name and spec of the net (nn/arch.h)
 *	label_names               ["cat", "dog"], the classes
 *	history                   what programs it went through
 *	format                    "pt", for readers of PyTorch
 * and the preprocessing under timm's keys (timm.h).  Files of others may lack all of it. */
#ifndef NST_DATA_EXCHANGE_H
#define NST_DATA_EXCHANGE_H

#include "formats/safetensors.h"
#include "libcore/data/modelfile.h"

/* 1 when the file begins as a model of ours does (HDF5), 0 when not, or a negative code. */
int nst_exchange_is_model(const char *path, struct nst_err *err) NST_MUST_CHECK;

/* What the user says; it goes before what the file says. */
struct nst_import_options {
	const char *arch;      /* name, ours or timm's, or NULL */
	const char *arch_file; /* file with a spec, or NULL */
	const char *classes;   /* file with a class name on each line, or NULL */
	size_t size;           /* side in pixels, 0: not given */
	double crop_fraction;  /* timm's form; NaN: not given */
	double crop_padding;   /* pixels, the form of noisy student; NaN: not given */
	int filter;            /* enum nst_filter, -1: not given */
	const float *mean, *std; /* 3 each, or NULL */
};

/* A net with weights that was read.  Zero-initialise, release with nst_imported_release. */
struct nst_imported {
	struct nst_net *net;
	float *params; /* flat, as in net.h */
	struct nst_preprocess preprocess;
	struct nst_list classes; /* net->classes names */
	char *history;           /* lines, "" without */
};

/* Read a file.  Its tensors must be exactly those of the architecture, in shape and name; the
 * counters num_batches_tracked beside norms are left out.  The number of classes is that of the
 * classifier.  Names of classes are those of the user, else of the file, else numbers from 0.
 * Returns 0 or a code whose sentence names file and tensor; nothing is left to release then. */
int nst_exchange_import(const char *path, const struct nst_import_options *o,
			struct nst_imported *out, struct nst_err *err) NST_MUST_CHECK;
void nst_imported_release(struct nst_imported *m);

/* Build the model file of it; with_history: with its history. */
int nst_imported_build(const struct nst_imported *m, int with_history,
		       struct nst_modelfile_build *b, struct nst_err *err) NST_MUST_CHECK;

/* Write weights of a model to a file (NULL or "-": standard output), as numbers of a type.  run is
 * a line for the history, NULL to leave the history out. */
int nst_exchange_export(const struct nst_modelfile *m, enum nst_weights which, enum nst_dtype dtype,
			const char *run, const char *path, struct nst_err *err) NST_MUST_CHECK;

#endif
