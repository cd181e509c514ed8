/* What a net is made of and what its training takes, as a table: a row each layer, and totals. */
#ifndef NST_DATA_SUMMARY_H
#define NST_DATA_SUMMARY_H

#include "libcore/data/settings.h"
#include "libcore/util/table.h"

/* The rows of a tool's option table that go with it; targets: two int, an int64_t. */
#define NST_SUMMARY_OPTIONS(summary, json, classes) \
	NST_OPT_FLAG(0, "summary", summary, \
		     "print the layers of the net, its size and the memory it takes, and end"), \
	NST_OPT_FLAG(0, "json", json, "with --summary, print one JSON object instead of text"), \
	NST_OPT_INT(0, "classes", "N", classes, 1, 1 << 24, \
		    "with --summary and no rows; unless given, 1000, or 10 for small images")

/* Fill *t, which is zero-initialised or released: rows "layers" with name, kind, kernel, stride,
 * height, width and channels of the output, trained parameters, and multiply-adds for an image;
 * facts: the net, batch and grain, sums of parameters and multiply-adds, and the bytes that
 * training with these options, steps of `batch` rows, and inference allocate on so many threads,
 * besides images and what they are read from.  Nothing of that is allocated here.  The options'
 * grain is at most the batch. */
int nst_summary_fill(struct nst_table *t, const struct nst_net *net,
		     const struct nst_train_options *o, size_t batch, unsigned threads,
		     struct nst_err *err) NST_MUST_CHECK;

/* The same of settings, for labeled rows of so many classes; 0: 1000, or 10 for architectures that
 * are made for small images, as ImageNet and CIFAR-10 have.  threads: 0 is one a processor. */
int nst_summary_of(struct nst_table *t, const struct nst_settings *s, size_t classes,
		   unsigned threads, struct nst_err *err) NST_MUST_CHECK;

#endif
