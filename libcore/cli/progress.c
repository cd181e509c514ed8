/* The progress line.  It is redrawn in place with a carriage return; messages wipe it first and
 * the next update draws it again below them. */
#include "libcore/cli/progress.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "libcore/cli/clock.h"
#include "libcore/cli/line.h"
#include "libcore/cli/msg.h"

#define DELAY    1.0       /* seconds before the first drawing: short work stays silent */
#define INTERVAL (1.0 / 6) /* seconds between drawings */
#define BAR      24        /* characters of the bar */

static atomic_int visible; /* a progress line stands on the terminal */

void nst_line_write(const char *s, size_t n)
{
	while (n) {
		ssize_t w = write(STDERR_FILENO, s, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return;
		s += w;
		n -= (size_t)w;
	}
}

void nst_line_draw(const char *s, size_t n)
{
	atomic_store(&visible, 1);
	nst_line_write(s, n);
}

void nst_line_wipe(void)
{
	if (atomic_exchange(&visible, 0))
		nst_line_write("\r\033[K", 4);
}

/* A terminal that understands "erase to the end of the line". */
static int can_draw(void)
{
	const char *term = getenv("TERM");

	return nst_verbosity() >= 0 && isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
}

static size_t columns(void)
{
	struct winsize w;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col ? w.ws_col : 80;
}

void nst_progress_start(struct nst_progress *p, const char *what, const char *unit, uint64_t total)
{
	*p = (struct nst_progress){.what = what, .unit = unit, .total = total};
	p->enabled = can_draw();
	if (p->enabled)
		p->start = nst_now();
}

/* "1:05:09", "5:09", "0:09". */
static void format_time(double seconds, char out[24])
{
	unsigned long s = seconds < 1e9 ? (unsigned long)(seconds + 0.5) : 999999999;

	if (s >= 3600)
		snprintf(out, 24, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60, s % 60);
	else
		snprintf(out, 24, "%lu:%02lu", s / 60, s % 60);
}

static void draw(const struct nst_progress *p, double elapsed)
{
	double rate = (double)p->done / elapsed;
	char line[320], bar[BAR + 1], left[24] = "";
	size_t n, width = columns();
	int len;

	if (p->total) {
		uint64_t todo = p->done < p->total ? p->total - p->done : 0;
		double part = 1 - (double)todo / (double)p->total;
		size_t full = (size_t)(part * BAR);

		memset(bar, '.', BAR);
		memset(bar, '#', full);
		bar[BAR] = '\0';
		if (p->done)
			format_time((double)todo / rate, left);
		len = snprintf(line, sizeof(line), "\r%s [%s] %3.0f%%  %.*f %s/s%s%s%s%s", p->what,
			       bar, 100 * part, rate < 10, rate, p->unit, left[0] ? "  left " : "",
			       left, p->note[0] ? "  " : "", p->note);
	} else {
		len = snprintf(line, sizeof(line), "\r%s %llu %s  %.*f %s/s%s%s", p->what,
			       (unsigned long long)p->done, p->unit, rate < 10, rate, p->unit,
			       p->note[0] ? "  " : "", p->note);
	}
	if (len < 0)
		return;
	n = (size_t)len < sizeof(line) - 4 ? (size_t)len : sizeof(line) - 4;
	if (n > width) /* the carriage return takes no column; the last one stays free */
		n = width;
	memcpy(line + n, "\033[K", 3);
	nst_line_draw(line, n + 3);
}

void nst_progress_at(struct nst_progress *p, uint64_t done)
{
	double t;

	p->done = done;
	if (!p->enabled)
		return;
	t = nst_now();
	if (t - p->start < DELAY || t - p->drawn < INTERVAL)
		return;
	p->drawn = t;
	draw(p, t - p->start);
}

void nst_progress_note(struct nst_progress *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->note, sizeof(p->note), fmt, ap);
	va_end(ap);
}

void nst_progress_end(struct nst_progress *p)
{
	if (p->enabled)
		nst_line_wipe();
	p->enabled = 0;
}
