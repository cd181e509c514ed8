/* What a training run reads.  Teachers come first and in full, the rest stays mapped. */
#include "libcore/data/inputs.h"

static struct nst_classes classes_known(const struct nst_inputs *in,
					const struct nst_input_names *names)
{
	struct nst_classes c = {0};

	if (names->init && !names->new_classifier)
		return (struct nst_classes){in->init.model.class_name,
					    (size_t)in->init.model.classes,
					    nst_image_name(in->init.image)};
	return in->teacher ? nst_labeler_classes(in->teacher) : c;
}

static int open_all(struct nst_inputs *in, const struct nst_input_names *names,
		    struct nst_pool *pool, struct nst_err *err)
{
	const unsigned shards = NST_KIND_BIT(NST_SHARD);
	struct nst_classes known;

	if (names->new_classifier && !names->init)
		return nst_fail(err, NST_EINVAL, "--new-classifier goes with --init: there is no other "
				"classifier");
	if (names->validate_every && !names->nvalidation)
		return nst_fail(err, NST_EINVAL, "--val-every goes with --val");
	if (names->init && nst_modelfile_open(&in->init, names->init, err) < 0)
		return err->code;
	if (names->nteachers &&
	    nst_labeler_new(&in->teacher, names->teacher, names->nteachers, NST_WEIGHTS_BEST, 1,
			    NST_FLOAT32, pool, err) < 0)
		return err->code;
	known = classes_known(in, names);
	if (nst_dataset_open(&in->rows, names->rows, names->nrows, shards | NST_KIND_BIT(NST_MIX),
			     known.name, known.n, known.n ? known.file : NULL, err) < 0)
		return err->code;
	if (in->teacher)
		nst_dataset_use_unlabeled(in->rows);
	if (!names->nvalidation)
		return 0;
	return nst_dataset_open(&in->validation, names->validation, names->nvalidation, shards,
				nst_dataset_class_names(in->rows), nst_dataset_classes(in->rows),
				nst_image_name(nst_dataset_image(in->rows, 0)), err);
}

int nst_inputs_open(struct nst_inputs *in, const struct nst_input_names *names,
		    struct nst_training_options *o, struct nst_err *err)
{
	if (open_all(in, names, o->pool, err) < 0) {
		nst_inputs_release(in);
		return err->code;
	}
	o->rows = in->rows;
	o->validation = in->validation;
	o->init = names->init ? &in->init : NULL;
	o->init_classifier = !names->new_classifier;
	o->teacher = in->teacher;
	o->validate_every = names->validate_every ? names->validate_every : 1;
	return 0;
}

void nst_inputs_release(struct nst_inputs *in)
{
	nst_dataset_free(in->validation);
	nst_dataset_free(in->rows);
	nst_labeler_free(in->teacher);
	nst_modelfile_release(&in->init);
	*in = (struct nst_inputs){0};
}
