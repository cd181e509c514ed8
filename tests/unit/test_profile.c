/* Profiles: what is counted where, with a clock that moves only when told to. */
#include "tests/unit/nn_twin.h"

#include "libcore/data/profiling.h"

static double time_now = 100;

static double now(void)
{
	return time_now;
}

static struct nst_profile *profile_new(unsigned workers, const struct nst_net *net)
{
	struct nst_profile *p;
	struct nst_err err = { 0 };

	assert_int_equal(nst_profile_new(now, workers, &p, &err), 0);
	assert_int_equal(nst_profile_net(p, net, &err), 0);
	return p;
}

/* Worker w was busy for so long. */
static void busy_op(struct nst_profile *p, unsigned w, enum nst_phase phase,
		    const struct nst_net *net, size_t op, size_t images, double seconds)
{
	double since = nst_profile_now(p);

	time_now += seconds;
	assert_true(nst_profile_add_op(p, w, phase, net, op, images, since) == time_now);
}

static void busy(struct nst_profile *p, unsigned w, enum nst_phase phase, size_t images,
		 double seconds)
{
	double since = nst_profile_now(p);

	time_now += seconds;
	assert_true(nst_profile_add(p, w, phase, images, since) == time_now);
}

static void test_off(void **state)
{
	struct nst_err err = { 0 };

	(void)state;
	assert_int_equal(nst_profile_net(NULL, NULL, &err), 0);
	assert_true(nst_profile_now(NULL) == 0);
	assert_true(nst_profile_add(NULL, 7, NST_PHASE_WRITE, 1, 0) == 0);
	assert_true(nst_profile_add_op(NULL, 7, NST_PHASE_FORWARD, NULL, 3, 1, 0) == 0);
	nst_profile_free(NULL);
}

/* Rows come in the order of phases and of the net, workers added up, with the work of so many
 * images. */
static void test_rows(void **state)
{
	struct nst_net *net = tiny_net(1, 5), *other = tiny_net(0, 5);
	const struct nst_conv *g = &net->op[2].geo;
	double out = (double)(g->ho * g->wo * g->cout), in = (double)(g->h * g->w * g->cin);
	struct nst_profile *p = profile_new(2, net);
	struct nst_profile_row *row;
	struct nst_err err = { 0 };
	size_t n;

	(void)state;
	assert_int_equal(net->op[2].kind, NST_OP_CONV);
	busy(p, 1, NST_PHASE_WRITE, 0, 0.5);
	busy_op(p, 0, NST_PHASE_BACKWARD, net, 2, 3, 0.25);
	busy_op(p, 0, NST_PHASE_FORWARD, net, 2, 3, 1);
	busy_op(p, 1, NST_PHASE_FORWARD, net, 2, 1, 2);
	busy_op(p, 1, NST_PHASE_FORWARD, net, 1, 1, 4);
	busy_op(p, 1, NST_PHASE_FORWARD, other, 2, 1, 8); /* not its net */
	busy(p, 0, NST_PHASE_DECODE, 9, 16);
	assert_true(nst_profile_capacity(p) == 2 * 31.75);
	assert_int_equal(nst_profile_rows(p, &row, &n, &err), 0);
	assert_int_equal(n, 6);
	assert_int_equal(row[0].phase, NST_PHASE_DECODE);
	assert_true(row[0].seconds == 16 && row[0].images == 9 && row[0].flops == 0);
	assert_int_equal(row[1].phase, NST_PHASE_FORWARD);
	assert_string_equal(row[1].op, "");
	assert_true(row[1].seconds == 8);
	assert_string_equal(row[2].op, "bn1");
	assert_true(row[2].seconds == 4 && row[2].flops == 0);
	assert_string_equal(row[3].op, "layer1.0.conv1");
	assert_true(row[3].seconds == 3 && row[3].images == 4);
	assert_true(row[3].flops == 4 * 2 * out * (double)(g->k * g->k * g->cin));
	assert_true(row[3].bytes == 4 * 4 * (in + out));
	assert_int_equal(row[4].phase, NST_PHASE_BACKWARD);
	assert_true(row[4].flops == 3 * 4 * out * (double)(g->k * g->k * g->cin));
	assert_true(row[4].bytes == 3 * 4 * (2 * in + out));
	assert_int_equal(row[5].phase, NST_PHASE_WRITE);
	free(row);
	nst_profile_free(p);
	nst_net_free(net);
	nst_net_free(other);
}

/* Every operation of the small nets has a name of its own. */
static void test_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < NTINY; i++) {
		struct nst_net *net = tiny_net(i, 5);
		struct nst_profile *p = profile_new(1, net);
		struct nst_profile_row *row;
		struct nst_err err = { 0 };
		size_t n;

		for (size_t op = 0; op < net->nops; op++)
			busy_op(p, 0, NST_PHASE_FORWARD, net, op, 1, 1);
		assert_int_equal(nst_profile_rows(p, &row, &n, &err), 0);
		assert_int_equal(n, net->nops);
		for (size_t a = 0; a < n; a++)
			for (size_t b = 0; b < a; b++)
				if (!row[a].op[0] || !strcmp(row[a].op, row[b].op))
					fail_msg("%s: '%s' stands twice", net->arch.name, row[a].op);
		free(row);
		nst_profile_free(p);
		nst_net_free(net);
	}
}

static void test_texts(void **state)
{
	struct nst_net *net = tiny_net(1, 5);
	struct nst_profile *p = profile_new(2, net);
	struct nst_buf text = { 0 };
	struct nst_err err = { 0 };

	(void)state;
	busy_op(p, 0, NST_PHASE_FORWARD, net, 2, 1, 0.5);
	busy(p, 1, NST_PHASE_UPDATE, 0, 0.5);
	assert_int_equal(nst_profiling_fold(p, "nst-train", &text, &err), 0);
	assert_string_equal((const char *)text.data, "nst-train;forward;layer1.0.conv1 500000\n"
						     "nst-train;update 500000\n");
	text.len = 0;
	assert_int_equal(nst_profiling_table(p, &text, &err), 0);
	assert_non_null(strstr((const char *)text.data, "forward                          0.500   25.0%\n"));
	assert_non_null(strstr((const char *)text.data, "waiting and other                1.000   50.0%\n"));
	assert_non_null(strstr((const char *)text.data, "layer1.0.conv1               |     0.500 "));
	assert_null(strstr((const char *)text.data, "layer1.0.conv2"));
	nst_buf_release(&text);
	nst_profile_free(p);
	nst_net_free(net);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_off),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_texts),
	};

	return cmocka_run_group_tests_name("profile", tests, NULL, NULL);
}
