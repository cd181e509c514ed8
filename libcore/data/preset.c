/* The table of presets. */
#include "libcore/data/preset.h"

#include <string.h>

#include "libcore/util/mem.h"

enum { WORDS = 28 };

/* Section 3.1: 2048 labeled images a step at rate 0.128, 5 epochs of warm-up, RMSProp, final
 * survival probability 0.8; the repository: decay 0.9 and momentum 0.9 of RMSProp with 0.001 in the
 * root, weight decay, label smoothing, moving average. */
#define IMAGENET \
	"--batch=2048", "--lr=0.128", "--schedule=staircase", "--decay-rate=0.97", "--warmup=5", \
		"--optimizer=rmsprop-tf", "--momentum=0.9", "--beta2=0.9", "--eps=0.001", \
		"--weight-decay=1e-5", "--ema=0.9999", "--label-smoothing=0.1", "--drop-path=0.2", \
		"--crop=resized", "--cutout=0"
/* Students up to B4 train for 700 epochs, larger ones for 350. */
#define LONG  "--epochs=700", "--decay-epochs=4.8"
#define SHORT "--epochs=350", "--decay-epochs=2.4"

static const struct {
	const char *name;
	const char *option[WORDS];
} preset[] = {
	{"noisy-student-b0", {"--arch=efficientnet-b0", "--size=224", IMAGENET, LONG, "--ratio=1",
			      "--dropout=0.2", "--randaugment=none"}},
	{"noisy-student-b1", {"--arch=efficientnet-b1", "--size=240", IMAGENET, LONG, "--ratio=3",
			      "--dropout=0.2", "--randaugment=none"}},
	{"noisy-student-b2", {"--arch=efficientnet-b2", "--size=260", IMAGENET, LONG, "--ratio=3",
			      "--dropout=0.3", "--randaugment=n2,m6,form=tf"}},
	{"noisy-student-b3", {"--arch=efficientnet-b3", "--size=300", IMAGENET, LONG, "--ratio=3",
			      "--dropout=0.3", "--randaugment=n2,m12,form=tf"}},
	{"noisy-student-b4", {"--arch=efficientnet-b4", "--size=380", IMAGENET, LONG, "--ratio=3",
			      "--dropout=0.4", "--randaugment=n2,m15,form=tf"}},
	{"noisy-student-b5", {"--arch=efficientnet-b5", "--size=456", IMAGENET, SHORT, "--ratio=3",
			      "--dropout=0.4", "--randaugment=n2,m18,form=tf"}},
	{"noisy-student-b6", {"--arch=efficientnet-b6", "--size=528", IMAGENET, SHORT, "--ratio=3",
			      "--dropout=0.5", "--randaugment=n2,m24,form=tf"}},
	{"noisy-student-b7", {"--arch=efficientnet-b7", "--size=600", IMAGENET, SHORT, "--ratio=3",
			      "--dropout=0.5", "--randaugment=n2,m27,form=tf"}},
	/* The first two of the paper's three iterations; the third has ratio 28. */
	{"noisy-student-l2", {"--arch=efficientnet-l2", "--size=475", IMAGENET, SHORT, "--ratio=14",
			      "--dropout=0.5", "--randaugment=n2,m27,form=tf"}},
	/* 109474 steps of 128 are 202.3 passes over 69257 labeled images; 640 others a step. */
	{"noisy-student-svhn", {"--arch=efficientnet-b0-32", "--size=32", "--batch=128",
				"--ratio=5", "--epochs=202.33", "--lr=0.008",
				"--schedule=staircase", "--decay-rate=0.97", "--final-lr=0.0001",
				"--warmup=5", "--optimizer=rmsprop-tf", "--momentum=0.9",
				"--beta2=0.9", "--eps=0.001", "--weight-decay=1e-4", "--ema=0.9999",
				"--label-smoothing=0.1", "--temperature=1", "--dropout=0.2",
				"--drop-path=0.2", "--crop=shift", "--no-flip",
				"--randaugment=n2,m5,form=tf,translate=4,cutout=4", "--cutout=8",
				"--mean=0.4376821,0.4437697,0.47280442",
				"--std=0.19803012,0.20101562,0.19703614"}},
};

int nst_preset_find(const char *name, const char *const **options, struct nst_err *err)
{
	for (size_t i = 0; i < sizeof(preset) / sizeof(*preset); i++) {
		if (strcmp(preset[i].name, name))
			continue;
		*options = preset[i].option;
		return 0;
	}
	return nst_fail(err, NST_EINVAL, "there is no preset '%s', --list-presets shows them", name);
}

static int add_line(const char *name, struct nst_list *lines, struct nst_err *err)
{
	const char *const *option = NULL;
	struct nst_buf text = {0};
	int r = nst_preset_find(name, &option, err);

	if (r == 0)
		r = nst_buf_printf(&text, err, "%s", name);
	for (; r == 0 && *option; option++)
		r = nst_buf_printf(&text, err, " %s", *option);
	if (r == 0)
		r = nst_list_add(lines, (const char *)text.data, err);
	nst_buf_release(&text);
	return r;
}

int nst_preset_lines(const char *name, struct nst_list *lines, struct nst_err *err)
{
	int r = name ? add_line(name, lines, err) : 0;

	for (size_t i = 0; !name && r == 0 && i < sizeof(preset) / sizeof(*preset); i++)
		r = add_line(preset[i].name, lines, err);
	return r;
}
