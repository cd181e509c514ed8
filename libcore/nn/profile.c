/* Slates of counters, one a worker, added up when somebody asks. */
#include "libcore/nn/profile.h"

#include <stdlib.h>
#include <string.h>

struct counter {
	double seconds, images;
};

struct slate {
	struct counter phase[NST_PHASES];
	struct counter *op; /* (nops) forward, then (nops) backward */
	char apart[NST_ALIGN]; /* workers write to lines of their own */
};

struct nst_profile {
	double (*now)(void);
	double start;
	unsigned workers;
	struct slate *slate;
	const struct nst_net *net;
};

static const char *const names[NST_PHASES] = { "decode",   "augment", "forward", "loss",
					       "backward", "reduce",  "update",  "write" };

const char *nst_phase_name(enum nst_phase phase)
{
	return names[phase];
}

int nst_profile_new(double (*now)(void), unsigned workers, struct nst_profile **out,
		    struct nst_err *err)
{
	struct nst_profile *p = nst_zalloc(1, sizeof(*p), err);

	*out = NULL;
	if (!p)
		return err->code;
	p->now = now;
	p->workers = workers;
	p->slate = nst_zalloc(workers, sizeof(*p->slate), err);
	if (!p->slate) {
		nst_profile_free(p);
		return err->code;
	}
	p->start = now();
	*out = p;
	return 0;
}

void nst_profile_free(struct nst_profile *p)
{
	if (!p)
		return;
	for (unsigned w = 0; p->slate && w < p->workers; w++)
		free(p->slate[w].op);
	free(p->slate);
	free(p);
}

int nst_profile_net(struct nst_profile *p, const struct nst_net *net, struct nst_err *err)
{
	if (!p || p->net)
		return 0;
	for (unsigned w = 0; w < p->workers; w++) {
		p->slate[w].op = nst_zalloc(2 * net->nops, sizeof(*p->slate[w].op), err);
		if (!p->slate[w].op)
			return err->code;
	}
	p->net = net;
	return 0;
}

double nst_profile_now(const struct nst_profile *p)
{
	return p ? p->now() : 0;
}

static double count(const struct nst_profile *p, struct counter *c, size_t images, double since)
{
	double now = p->now();

	c->seconds += now - since;
	c->images += (double)images;
	return now;
}

double nst_profile_add(struct nst_profile *p, unsigned worker, enum nst_phase phase, size_t images,
		       double since)
{
	return p ? count(p, &p->slate[worker].phase[phase], images, since) : 0;
}

double nst_profile_add_op(struct nst_profile *p, unsigned worker, enum nst_phase phase,
			  const struct nst_net *net, size_t op, size_t images, double since)
{
	if (!p)
		return 0;
	if (net != p->net)
		return nst_profile_add(p, worker, phase, images, since);
	if (phase == NST_PHASE_BACKWARD)
		op += net->nops;
	return count(p, &p->slate[worker].op[op], images, since);
}

/* ---- lines --------------------------------------------------------------------------------- */

static size_t floats_of(const struct nst_net *net, size_t tensor)
{
	const struct nst_tensor *t = &net->tensor[tensor];

	return t->h * t->w * t->c;
}

/* Operations and the least traffic with memory for one image, weights left out.  Backward, a
 * convolution does its work twice, for the weights and for the input (the first one only once), and
 * reads its input and the gradient of its output to write that of the input; a norm reads the two
 * in each of its passes. */
static void work_of(const struct nst_net *net, const struct nst_op *o, int backward, double *flops,
		    double *bytes)
{
	double in = (double)floats_of(net, o->in), out = (double)floats_of(net, o->out);
	double residual = o->residual == NST_NONE ? 0 : out;

	*flops = 2 * (double)nst_op_macs(net, o) * (backward && o->in != 0 ? 2 : 1);
	*bytes = sizeof(float) * (in + out + residual + (backward ? in : 0));
	if (backward && o->kind == NST_OP_BN)
		*bytes += sizeof(float) * (in + out);
}

static void row_fill(const struct nst_profile *p, size_t op, int backward,
		     struct nst_profile_row *row)
{
	const struct nst_op *o = &p->net->op[op];

	row->phase = backward ? NST_PHASE_BACKWARD : NST_PHASE_FORWARD;
	nst_op_name(p->net, o, row->op);
	work_of(p->net, o, backward, &row->flops, &row->bytes);
	row->flops *= row->images;
	row->bytes *= row->images;
}

static void sum(struct nst_profile_row *row, const struct counter *c)
{
	row->seconds += c->seconds;
	row->images += c->images;
}

int nst_profile_rows(const struct nst_profile *p, struct nst_profile_row **out, size_t *n,
		     struct nst_err *err)
{
	size_t nops = p->net ? p->net->nops : 0;
	struct nst_profile_row *row = nst_zalloc(NST_PHASES + 2 * nops, sizeof(*row), err);

	*out = row;
	*n = 0;
	if (!row)
		return err->code;
	for (int phase = 0; phase < NST_PHASES; phase++) {
		int backward = phase == NST_PHASE_BACKWARD;

		for (unsigned w = 0; w < p->workers; w++)
			sum(&row[*n], &p->slate[w].phase[phase]);
		row[*n].phase = (enum nst_phase)phase;
		*n += row[*n].seconds > 0;
		if (!backward && phase != NST_PHASE_FORWARD)
			continue;
		for (size_t i = 0; i < nops; i++) {
			for (unsigned w = 0; w < p->workers; w++)
				sum(&row[*n], &p->slate[w].op[i + (backward ? nops : 0)]);
			if (row[*n].seconds > 0)
				row_fill(p, i, backward, &row[(*n)++]);
		}
	}
	return 0;
}

double nst_profile_capacity(const struct nst_profile *p)
{
	return (p->now() - p->start) * p->workers;
}
