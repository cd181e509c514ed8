/* The backward pass of a grain, organised as grain.c says.  A file of its own, so that tools that
 * only go forward do without OpenBLAS. */
#include "libcore/nn/grain_pass.h"

#include "libcore/nn/blas.h"
#include "libcore/nn/shortcut.h"

/* Pass 1 of norm `i`: the gradient behind its activation, also that of the residual, and its two
 * sums.  dy has the lines of the gradient of its output, `behind` those of the output, or of the
 * slopes there.  What it makes takes the place of dy or, unless NULL, goes far. */
static void norm_sums(const struct pass *p, size_t i, struct lines l, float *dy,
		      const float *behind, float *far)
{
	const struct nst_op *o = &p->net->op[i];
	const struct nst_tensor *t = &p->net->tensor[o->in];
	struct nst_bn bn = bn_of(p, i, l.count);
	struct norm_state s = norm_of(p, i);
	float *dgamma = p->g->sum_scratch, *dbeta = dgamma + NST_ROUND16(t->c);
	size_t at = line_at(p, o->in, l.first);
	int first = p->from == 0 && l.first == 0;

	bn.far = far;
	if (feeds_se(p->net, i)) {
		struct se_back back = se_back_of(p, i + 1);

		bn.times = back.times;
		bn.plus = back.plus;
	}
	p->k->bn_backward_sums(&bn, dy, behind, act_at(p, o->in) + at, s.mean, s.istd, dgamma,
			       dbeta);
	if (o->residual != NST_NONE && !p->plan->op[i].alias_residual)
		p->k->add(p->m * l.count * t->w * t->c, far ? far : dy,
			  grad_at(p, o->residual) + at);
	for (size_t c = 0; c < t->c; c++) {
		if (first)
			s.sum_a[c] = s.sum_b[c] = 0;
		s.sum_a[c] += dgamma[c];
		s.sum_b[c] += dbeta[c];
	}
}

/* Pass 1 of norm `i` is done for all of the grain: its gradients, and the factors of pass 2.  With
 * fixed statistics (frozen BN) these do not depend on z, and pass 2 only scales. */
static void norm_sums_finish(const struct pass *p, size_t i, double share)
{
	const struct nst_op *o = &p->net->op[i];
	const struct nst_tensor *t = &p->net->tensor[o->in];
	struct norm_state s = norm_of(p, i);
	float *dgamma = param_grad(p, o, 0), *dbeta = param_grad(p, o, 1);
	float *mean = param_grad(p, o, 2), *var = param_grad(p, o, 3);
	double rows = (double)(p->n * t->h * t->w);

	for (size_t c = 0; c < t->c; c++) {
		double scale = s.scale[c] / rows;

		s.slope[c] = (float)(-scale * s.istd[c] * s.sum_a[c]);
		s.offset[c] = (float)(-scale * s.sum_b[c]);
		dgamma[c] = (float)s.sum_a[c];
		dbeta[c] = (float)s.sum_b[c];
		mean[c] = (float)(s.mean[c] * share);
		var[c] = (float)(s.var[c] * share);
	}
}

/* Pass 2 of norm `i`: lines dx of the gradient of its input. */
static void norm_data(const struct pass *p, size_t i, struct lines l, float *dx)
{
	const struct nst_op *o = &p->net->op[i];
	const struct op_plan *q = &p->plan->op[i];
	const struct nst_tensor *t = &p->net->tensor[o->in];
	struct nst_bn bn = bn_of(p, i, l.count);
	struct norm_state s = norm_of(p, i);
	size_t at = line_at(p, o->in, l.first);
	float *dz = q->add_in ? p->g->tensor_scratch : dx;
	const float *g = grad_at(p, o->out) + at, *z = act_at(p, o->in) + at;

	if (q->frozen) {
		bn.act = NST_ACT_NONE;
		p->k->bn_forward(&bn, g, s.scale, p->g->zero, NULL, dz);
	} else {
		p->k->bn_backward_data(&bn, g, z, s.mean, s.scale, s.slope, s.offset, dz);
	}
	if (q->add_in)
		p->k->add(p->m * l.count * t->w * t->c, dz, dx);
}

static void column_sums(size_t rows, size_t c, const float *x, int accumulate, float *sum)
{
	if (!accumulate)
		memset(sum, 0, c * sizeof(*sum));
	for (size_t r = 0; r < rows; r++)
		for (size_t j = 0; j < c; j++)
			sum[j] += x[r * c + j];
}

/* Add the share of x and dy, which geo describes, to the weight gradient of operation i; the first
 * one is set. */
static void conv_weights(const struct pass *p, size_t i, const struct nst_conv *geo, int first,
			 const float *x, const float *dy)
{
	const struct nst_op *o = &p->net->op[i];
	float *dw = param_grad(p, o, 0);

	if (o->kind == NST_OP_DW)
		p->k->dw_weight_grad(geo, x, dy, !first, dw, p->g->kernel_scratch);
	else
		p->k->conv_weight_grad(geo, x, dy, !first, dw, p->g->kernel_scratch);
}

/* The gradient dx of the input of operation i, or of the part of it that geo describes. */
static void conv_data(const struct pass *p, size_t i, const struct nst_conv *geo, const float *dy,
		      float *dx)
{
	const struct nst_op *o = &p->net->op[i];
	int add = p->plan->op[i].add_in;
	float *to = add ? p->g->tensor_scratch : dx;

	if (o->kind == NST_OP_DW)
		p->k->dw_data_grad(geo, dy, param_of(p, o, 0), to, p->g->kernel_scratch);
	else
		p->k->conv_data_grad(geo, dy, nst_pack_gradient(p->pack, i), to,
				     p->g->kernel_scratch);
	if (add)
		p->k->add(geo->n * geo->h * geo->w * geo->cin, to, dx);
}

/* With weights v = f*w, row by row: the gradient of w is f times that of v, that of f the product of
 * the rows of w with those of it. */
static void scaled_backward(const struct pass *p, size_t i)
{
	const struct nst_op *o = &p->net->op[i];
	size_t in = floats_of(&p->net->tensor[o->in]), out = floats_of(&p->net->tensor[o->out]);
	float *dw = param_grad(p, o, 0);

	for (size_t image = 0; image < p->m; image++) {
		struct scaled s = scaled_of(p, i, image);
		const float *dy = grad_at(p, o->out) + image * out;
		float *dfactor = se_back_of(p, p->plan->op[i].scaled_by).times + image * s.rows;
		int more = p->from + image > 0;

		p->k->conv_weight_grad(&s.geo, s.x, dy, 0, s.product, p->g->kernel_scratch);
		for (size_t r = 0; r < s.rows; r++) {
			const float *w = s.w + r * s.columns, *dv = s.product + r * s.columns;
			float *to = dw + r * s.columns, sum = 0;

			for (size_t j = 0; j < s.columns; j++) {
				sum += w[j] * dv[j];
				to[j] = (more ? to[j] : 0) + dv[j] * s.factor[r];
			}
			dfactor[r] = sum;
		}
		p->k->conv_pack_grad(&s.geo, s.weight, s.packed);
		p->k->conv_data_grad(&s.geo, dy, s.packed, grad_at(p, o->in) + image * in,
				     p->g->kernel_scratch);
	}
}

static void conv_backward(const struct pass *p, size_t i)
{
	const struct nst_op *o = &p->net->op[i];
	struct nst_conv geo = conv_of(p, o);
	const float *dy = grad_at(p, o->out);

	if (p->plan->op[i].scaled_by != NST_NONE) {
		scaled_backward(p, i);
		return;
	}
	conv_weights(p, i, &geo, p->from == 0, act_at(p, o->in), dy);
	if (o->in != 0)
		conv_data(p, i, &geo, dy, grad_at(p, o->in));
}

/* Where the gradient of the output stands, that of the input is to stand: the norm before it makes it
 * so on its way.  Here is found what with. */
static void se_backward(const struct pass *p, size_t i)
{
	const struct nst_op *o = &p->net->op[i];
	const struct nst_tensor *t = &p->net->tensor[o->in];
	size_t c = t->c, sq = o->squeeze, pixels = t->h * t->w;
	struct se_state s = se_of(p, i);
	struct se_back back = se_back_of(p, i);
	float *dfactor = s.factor, *dmiddle = s.before; /* they take the places */
	int scales = p->plan->op[i].scales;

	/* Where weights were scaled, gradients of the factors are there, and dy is behind them. */
	if (!scales)
		p->k->scale_channels_sums(p->m, pixels, c, act_at(p, o->in), grad_at(p, o->out),
					  back.times);
	for (size_t j = 0; j < p->m * c; j++) {
		float factor = s.factor[j];

		dfactor[j] = back.times[j] * (factor * (1 - factor));
		back.times[j] = scales ? 1 : factor;
	}
	nst_blas_gemm(0, 1, p->m, sq, c, dfactor, param_of(p, o, 2), 0, back.middle);
	p->k->act_backward(p->m * sq, o->act, s.before, back.middle, dmiddle);
	nst_blas_gemm(0, 1, p->m, c, sq, dmiddle, param_of(p, o, 0), 0, back.plus);
	for (size_t j = 0; j < p->m * c; j++)
		back.plus[j] /= (float)pixels;
}

/* Gradients of the weights of squeeze-and-excitation, once all images are through: one by one, they
 * would cost a pass over the weights each. */
static void se_weights(const struct pass *p, size_t i)
{
	const struct nst_op *o = &p->net->op[i];
	size_t c = p->net->tensor[o->in].c, sq = o->squeeze;
	struct se_state s = se_from(p, i, 0);
	const float *dfactor = s.factor, *dmiddle = s.before;

	nst_blas_gemm(1, 0, sq, c, p->n, s.middle, dfactor, 0, param_grad(p, o, 2));
	column_sums(p->n, c, dfactor, 0, param_grad(p, o, 3));
	nst_blas_gemm(1, 0, c, sq, p->n, s.pooled, dmiddle, 0, param_grad(p, o, 0));
	column_sums(p->n, sq, dmiddle, 0, param_grad(p, o, 1));
}

static void add_backward(const struct pass *p, size_t i)
{
	const struct nst_op *o = &p->net->op[i];
	const struct op_plan *q = &p->plan->op[i];
	size_t floats = floats_of(&p->net->tensor[o->in]);
	const float *dy = grad_at(p, o->out);

	if (!q->alias_in) {
		struct nst_bn bn = bn_of(p, i, p->net->tensor[o->in].h);
		float *dx = grad_at(p, o->in);

		p->k->bn_forward(&bn, dy, p->g->one, p->g->zero, q->add_in ? dx : NULL, dx);
	}
	if (!q->alias_residual && q->add_residual)
		p->k->add(p->m * floats, dy, grad_at(p, o->residual));
	else if (!q->alias_residual)
		memcpy(grad_at(p, o->residual), dy, p->m * floats * sizeof(*dy));
}

static void max_pool_backward(const struct pass *p, size_t i)
{
	const struct nst_op *o = &p->net->op[i];
	int add = p->plan->op[i].add_in;
	float *dx = grad_at(p, o->in), *to = add ? p->g->tensor_scratch : dx;
	struct nst_conv geo = conv_of(p, o);

	p->k->max_pool_grad(&geo, grad_at(p, o->out), taken_cells(p, i), to);
	if (add)
		p->k->add(p->m * floats_of(&p->net->tensor[o->in]), to, dx);
}

/* Form lines y of the output of norm i as the forward pass did, and the slopes there. */
static void norm_redo(const struct pass *p, size_t i, struct lines l, float *y, float *slope)
{
	const struct nst_op *o = &p->net->op[i];
	struct nst_bn bn = bn_of(p, i, l.count);
	struct norm_state s = norm_of(p, i);
	const float *x = act_at(p, o->in) + line_at(p, o->in, l.first);

	if (has_slope(o))
		p->k->bn_forward_slope(&bn, x, s.scale, s.shift, y, slope);
	else
		p->k->bn_forward(&bn, x, s.scale, s.shift, NULL, y);
}

static void op_redo(const struct pass *p, size_t i)
{
	const struct nst_op *o = &p->net->op[i];

	if (o->kind == NST_OP_SE)
		se_apply(p, i, act_at(p, o->in), act_at(p, o->out));
	else
		norm_redo(p, i, all_lines(p, o->in), act_at(p, o->out),
			  has_slope(o) ? slope_at(p, o->out) : NULL);
}

/* A segment of a norm and a convolution by bands, for an image, together with pass 2 of the norm
 * behind.  A line of the convolution's input is done with when all outputs that read it are. */
static double bands_backward(const struct pass *p, const struct segment *s, double since)
{
	size_t i = s->first, conv = i + 1, done = 0;
	const struct nst_op *o = &p->net->op[conv], *norm = &p->net->op[i];
	const struct nst_conv *whole = &o->geo;
	struct window y = window_of(p, p->plan->again, o->in);
	struct window dy = window_of(p, p->plan->grad, o->out);
	struct window slopes = window_of(p, p->plan->slope, o->in);
	struct window *behind = has_slope(norm) ? &slopes : &y; /* what pass 1 of the norm reads */
	int far = s->far_in && !p->plan->op[conv].add_in;

	for (size_t at = 0, lines; at < whole->ho; at += lines) {
		size_t from, end, ready, dy_from;
		struct nst_conv geo;

		lines = whole->ho - at < s->band ? whole->ho - at : s->band;
		nst_conv_lines_grad(whole, done, 1, &dy_from);
		window_drop(&dy, dy_from);
		norm_data(p, s->end, (struct lines){ at, lines }, window_line(&dy, at));
		dy.end = at + lines;
		since = counted(p, NST_PHASE_BACKWARD, s->end, 0, since);

		geo = nst_conv_lines(whole, at, lines, &from);
		end = at + lines == whole->ho ? whole->h : from + geo.h;
		window_drop(&y, from < done ? from : done);
		if (behind != &y)
			window_drop(behind, from < done ? from : done);
		if (p->plan->op[i].redo)
			norm_redo(p, i, (struct lines){ y.end, end - y.end },
				  window_line(&y, y.end), window_line(behind, y.end));
		y.end = behind->end = end;
		since = counted(p, NST_PHASE_BACKWARD, i, 0, since);

		geo.ahead = p->ahead;
		ask_for_band(p, s, at + lines, end);
		conv_weights(p, conv, &geo, p->from == 0 && at == 0, window_line(&y, from),
			     window_line(&dy, at));
		ready = (at + lines) * whole->stride;
		ready = ready > whole->pad_top ? ready - whole->pad_top : 0;
		if (at + lines == whole->ho || ready > whole->h)
			ready = whole->h;
		if (ready > done) {
			struct lines l = { done, ready - done };
			float *dx = grad_at(p, o->in) + line_at(p, o->in, done);
			float *to = far ? p->g->band : dx;

			geo = nst_conv_lines_grad(whole, l.first, l.count, &dy_from);
			geo.ahead = p->ahead;
			conv_data(p, conv, &geo, window_line(&dy, dy_from), to);
			since = counted(p, NST_PHASE_BACKWARD, conv, at == 0, since);
			norm_sums(p, i, l, to, window_line(behind, done), far ? dx : NULL);
			done = ready;
		}
		since = counted(p, NST_PHASE_BACKWARD, i, at == 0, since);
	}
	return since;
}

static void op_backward(const struct pass *p, size_t i)
{
	const struct nst_op *o = &p->net->op[i];
	const struct nst_tensor *in = &p->net->tensor[o->in];
	const struct op_plan *q = &p->plan->op[i];
	struct nst_conv geo = conv_of(p, o);
	float *dy = grad_at(p, o->out);

	switch (o->kind) {
	case NST_OP_CONV:
	case NST_OP_DW:
		conv_backward(p, i);
		break;
	case NST_OP_BN:
		norm_sums(p, i, all_lines(p, o->in), dy,
			  has_slope(o) ? slope_at(p, o->out) : act_at(p, o->out), NULL);
		break;
	case NST_OP_SE:
		se_backward(p, i);
		break;
	case NST_OP_SHORTCUT:
		nst_shortcut_backward(&geo, dy, q->add_in, grad_at(p, o->in));
		break;
	case NST_OP_MAXPOOL:
		max_pool_backward(p, i);
		break;
	case NST_OP_ADD:
		add_backward(p, i);
		break;
	case NST_OP_POOL:
		multiply(p->m * in->c, p->g->state + q->state + p->from * in->c, dy);
		p->k->mean_pool_grad(p->m, in->h * in->w, in->c, dy, q->add_in,
				     grad_at(p, o->in));
		break;
	case NST_OP_DENSE:
		nst_blas_gemm(1, 0, in->c, p->net->classes, p->m, act_at(p, o->in), dy,
			      p->from > 0, param_grad(p, o, 0));
		column_sums(p->m, p->net->classes, dy, p->from > 0, param_grad(p, o, 1));
		nst_blas_gemm(0, 1, p->m, in->c, p->net->classes, dy, param_of(p, o, 0), q->add_in,
			      grad_at(p, o->in));
		break;
	}
}

void nst_grain_backward(struct nst_grain *g, size_t n, const float *params,
			const struct nst_pack *pack, double share, float *grad)
{
	const struct nst_grain_plan *plan = g->plan;
	struct nst_ahead ahead;
	struct pass p = { g, plan, plan->net, plan->k, pack, params, grad, n, 0, 0, &ahead };
	double since = nst_profile_now(g->profile);

	for (size_t s = plan->nsegments; s-- > plan->stop;) {
		const struct segment *seg = &plan->segment[s];

		for (size_t from = 0; from < n; from += seg->chunk) {
			next_chunk(&p, seg, from);
			if (seg->band) {
				since = bands_backward(&p, seg, since);
				continue;
			}
			if (s + 1 < plan->nsegments) {
				size_t norm = plan->segment[s + 1].first;
				size_t in = plan->net->op[norm].in;

				norm_data(&p, norm, all_lines(&p, in), grad_at(&p, in));
				since = counted(&p, NST_PHASE_BACKWARD, norm, 0, since);
			}
			for (size_t i = seg->first; i < seg->end; i++) {
				if (!plan->op[i].redo)
					continue;
				op_redo(&p, i);
				since = counted(&p, NST_PHASE_BACKWARD, i, 0, since);
			}
			ask_for_chunk(&p, seg);
			for (size_t i = seg->end; i-- > seg->first;) {
				op_backward(&p, i);
				since = counted(&p, NST_PHASE_BACKWARD, i, p.m, since);
			}
		}
		if (plan->net->op[seg->first].kind == NST_OP_BN)
			norm_sums_finish(&p, seg->first, share);
		for (size_t i = seg->first; i < seg->end; i++) {
			if (plan->net->op[i].kind != NST_OP_SE)
				continue;
			se_weights(&p, i);
			since = counted(&p, NST_PHASE_BACKWARD, i, 0, since);
		}
	}
}
