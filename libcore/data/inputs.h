/* The files that a training run reads, opened together: rows, validation rows, the model it starts
 * from, its teachers. */
#ifndef NST_DATA_INPUTS_H
#define NST_DATA_INPUTS_H

#include "libcore/data/training.h"

/* The rows of a tool's option table for the models among them; targets: a const char *, an int, a
 * struct nst_words. */
#define NST_INPUTS_OPTIONS(init, new_classifier, teacher) \
	NST_OPT_STRING(0, "init", "MODEL", init, "start from the weights of MODEL"), \
	NST_OPT_FLAG(0, "new-classifier", new_classifier, \
		     "with --init, start the last layer anew, for other classes"), \
	NST_OPT_LIST(0, "teacher", "MODEL", teacher, \
		     "label unlabeled and pseudo-labeled rows with MODEL while training")

/* Names, "-" for standard input; borrowed. */
struct nst_input_names {
	const char *const *rows, *const *validation, *const *teacher;
	size_t nrows, nvalidation, nteachers;
	const char *init;   /* or NULL */
	int new_classifier; /* the classes are those of the rows, not of init */
	uint64_t validate_every; /* epochs; 0 = not said */
};

/* Zero-initialise, release after the training. */
struct nst_inputs {
	struct nst_modelfile init;
	struct nst_dataset *rows, *validation;
	struct nst_labeler *teacher;
};

/* Open them and set them in o, whose pool is used.  The table of classes is that of the model to
 * start from, else that of the teachers, else that of the rows. */
int nst_inputs_open(struct nst_inputs *in, const struct nst_input_names *names,
		    struct nst_training_options *o, struct nst_err *err) NST_MUST_CHECK;
void nst_inputs_release(struct nst_inputs *in);

#endif
