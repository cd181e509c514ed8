/* A net as a table.  Everything follows from shapes: no weight is made, no memory taken. */
#include "libcore/data/summary.h"

#include "libcore/par/pool.h"

enum column { NAME, KIND, KERNEL, STRIDE, HEIGHT, WIDTH, CHANNELS, PARAMETERS, MACS, COLUMNS };

static const struct nst_label columns[COLUMNS] = {
	[NAME] = {"name", "layer"},
	[KIND] = {"kind", "kind"},
	[KERNEL] = {"kernel", "kernel"},
	[STRIDE] = {"stride", "stride"},
	[HEIGHT] = {"height", "height"},
	[WIDTH] = {"width", "width"},
	[CHANNELS] = {"channels", "channels"},
	[PARAMETERS] = {"parameters", "parameters"},
	[MACS] = {"multiply_adds", "multiply-adds"},
};

static const char *const kinds[] = {
	[NST_OP_CONV] = "conv",		[NST_OP_DW] = "depthwise", [NST_OP_BN] = "batchnorm",
	[NST_OP_SE] = "squeeze-excite", [NST_OP_SHORTCUT] = "pad", [NST_OP_MAXPOOL] = "maxpool",
	[NST_OP_ADD] = "add",		[NST_OP_POOL] = "mean",	   [NST_OP_DENSE] = "dense",
};

static int has_window(enum nst_op_kind kind)
{
	return kind == NST_OP_CONV || kind == NST_OP_DW || kind == NST_OP_SHORTCUT ||
	       kind == NST_OP_MAXPOOL;
}

static int add_layer(struct nst_table *t, const struct nst_net *net, const struct nst_op *o,
		     struct nst_err *err)
{
	const struct nst_tensor *out = &net->tensor[o->out];
	struct nst_value *cell = nst_table_row(t, err);
	char name[NST_OP_NAME];

	if (!cell)
		return err->code;
	nst_op_name(net, o, name);
	cell[NAME] = nst_value_text(name);
	cell[KIND] = nst_value_text(kinds[o->kind]);
	if (has_window(o->kind)) {
		cell[KERNEL] = nst_value_number(o->geo.k);
		cell[STRIDE] = nst_value_number(o->geo.stride);
	}
	cell[HEIGHT] = nst_value_number(out->h);
	cell[WIDTH] = nst_value_number(out->w);
	cell[CHANNELS] = nst_value_number(out->c);
	cell[PARAMETERS] = nst_value_number(nst_op_params(net, o));
	cell[MACS] = nst_value_number(nst_op_macs(net, o));
	return 0;
}

int nst_summary_fill(struct nst_table *t, const struct nst_net *net,
		     const struct nst_train_options *o, size_t batch, unsigned threads,
		     struct nst_err *err)
{
	size_t training, inference;

	*t = (struct nst_table){.name = "layers", .column = columns, .columns = COLUMNS};
	if (nst_train_memory(net, o, batch, threads, &training, err) < 0 ||
	    nst_infer_memory(net, NST_FLOAT32, threads, &inference, err) < 0)
		return err->code;
	for (size_t i = 0; i < net->nops; i++) {
		if (add_layer(t, net, &net->op[i], err) < 0) {
			nst_table_release(t);
			return err->code;
		}
	}
	nst_table_fact(t, "architecture", "architecture", nst_value_text(net->arch.name));
	nst_table_fact(t, "size", "size", nst_value_number(net->size));
	nst_table_fact(t, "classes", "classes", nst_value_number(net->classes));
	nst_table_fact(t, "parameters", "parameters", nst_value_number(net->ncounted));
	nst_table_fact(t, "multiply_adds", "multiply-adds for an image", nst_value_number(net->macs));
	nst_table_fact(t, "batch", "rows of a step", nst_value_number(batch));
	nst_table_fact(t, "grain", "rows of a grain", nst_value_number(o->grain));
	nst_table_fact(t, "threads", "threads", nst_value_number(threads));
	nst_table_fact(t, "training_bytes", "memory of training", nst_value_bytes(training));
	nst_table_fact(t, "inference_bytes", "memory of inference", nst_value_bytes(inference));
	return 0;
}

int nst_summary_of(struct nst_table *t, const struct nst_settings *s, size_t classes,
		   unsigned threads, struct nst_err *err)
{
	struct nst_train_options o;
	struct nst_net *net;
	int r;

	if (classes == 0)
		classes = s->arch.size > NST_SMALL_SIDE ? 1000 : 10;
	if (nst_net_new(&s->arch, s->preprocess.size, classes, &net, err) < 0)
		return err->code;
	r = nst_settings_training(s, net, s->batch, &o, err);
	if (r == 0)
		r = nst_summary_fill(t, net, &o, s->batch, threads ? threads : nst_cores(), err);
	nst_net_free(net);
	return r;
}
