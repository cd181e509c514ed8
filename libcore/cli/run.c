/* The command line as provenance.  Words that a shell would change are put in single quotes, so that
 * the line can be pasted; the path of the program is left out, for it differs between machines. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "libcore/cli/run.h"
#include "libcore/cli/tty.h"
#include "libcore/util/mem.h"
#include "libcore/util/version.h"

static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			    "%+,-./:=@_";

static int append_word(struct nst_buf *b, const char *word, struct nst_err *err)
{
	if (*word && word[strspn(word, plain)] == '\0')
		return nst_buf_printf(b, err, " %s", word);
	if (nst_buf_append(b, " '", 2, err) < 0)
		return err->code;
	for (; *word; word++) {
		const char *as = *word == '\'' ? "'\\''" : word;

		if (nst_buf_append(b, as, *word == '\'' ? 4 : 1, err) < 0)
			return err->code;
	}
	return nst_buf_append(b, "'", 1, err);
}

char *nst_run_line(const char *program, int argc, char *const *argv, struct nst_err *err)
{
	struct nst_buf b = {0};

	if (nst_buf_printf(&b, err, "%s %s: %s", program, NST_VERSION, program) < 0)
		goto failed;
	for (int i = 1; i < argc; i++) {
		if (append_word(&b, argv[i], err) < 0)
			goto failed;
	}
	if (nst_buf_append(&b, "", 1, err) < 0)
		goto failed;
	return (char *)b.data;
failed:
	nst_buf_release(&b);
	return NULL;
}

const char **nst_run_inputs(const char *const *operands, size_t n, const struct nst_words *more,
			    struct nst_err *err)
{
	const char **all = nst_alloc(n + more->n, sizeof(*all), err);

	for (size_t i = 0; all && i < n + more->n; i++)
		all[i] = i < n ? operands[i] : more->word[i - n];
	return all;
}

int nst_run_refuse_input(const char *output, const char *const *inputs, size_t n,
			 struct nst_err *err)
{
	struct stat out, in;

	if (nst_is_stdout(output) || stat(output, &out) < 0)
		return 0;
	for (size_t i = 0; i < n; i++) {
		int known = strcmp(inputs[i], "-") == 0 ? fstat(0, &in) : stat(inputs[i], &in);

		if (known == 0 && in.st_dev == out.st_dev && in.st_ino == out.st_ino)
			return nst_fail(err, NST_EINVAL, "the output '%s' is also an input", output);
	}
	return 0;
}

void nst_run_checkpoints(struct nst_checkpoints *c, const char *output)
{
	static char name[PATH_MAX];
	int piped = nst_is_stdout(output);

	if (!c->file && c->resume && *c->resume)
		c->file = c->resume;
	if (c->resume && !c->file && piped)
		nst_usage_error("--resume needs -o FILE or --checkpoint=FILE");
	if (c->file && !piped && !strcmp(c->file, output))
		nst_usage_error("the checkpoint cannot have the name of the model");
	if (!c->file && piped && (c->keep || !isnan(c->every)))
		nst_usage_error("--checkpoint-every and --keep-checkpoint need -o FILE or "
				"--checkpoint=FILE");
	if (isnan(c->every))
		c->every = 120;
	if (c->file || piped)
		return;
	if ((size_t)snprintf(name, sizeof(name), "%s.ckpt", output) >= sizeof(name))
		nst_usage_error("the name of the output is too long");
	c->file = name;
}

int nst_run_reads_stdin(const char *const *paths, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(paths[i], "-") == 0)
			return 1;
	}
	return 0;
}
