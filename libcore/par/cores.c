/* How many threads are worth starting.  The affinity mask alone is not the answer in a container:
 * `docker run --cpus=2` shows all processors of the host and limits time by a quota, and threads
 * beyond it only take turns.  The quota is read where control groups (version 2) put it. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "libcore/par/pool.h"

/* Processors of the affinity mask; the mask grows until it is large enough for the kernel. */
static unsigned affinity(void)
{
	for (int cpus = 1024; cpus <= 1 << 16; cpus *= 2) {
		cpu_set_t *set = CPU_ALLOC((size_t)cpus);
		size_t bytes = CPU_ALLOC_SIZE((size_t)cpus);
		int n = 0, refused;

		if (!set)
			break;
		refused = sched_getaffinity(0, bytes, set);
		if (!refused)
			n = CPU_COUNT_S(bytes, set);
		CPU_FREE(set);
		if (!refused)
			return n > 0 ? (unsigned)n : 1;
		if (errno != EINVAL)
			break;
	}
	return 1;
}

/* "max 100000" or "QUOTA PERIOD" in microseconds: the quota in whole processors, rounded up, or 0
 * when there is none. */
static unsigned quota(void)
{
	char text[64], *end;
	int fd = open("/sys/fs/cgroup/cpu.max", O_RDONLY | O_CLOEXEC);
	unsigned long time, period;
	ssize_t n;

	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0 || text[0] < '0' || text[0] > '9')
		return 0;
	text[n] = '\0';
	time = strtoul(text, &end, 10);
	period = strtoul(end, NULL, 10);
	if (!time || !period)
		return 0;
	time = (time - 1) / period + 1;
	return time < 1u << 16 ? (unsigned)time : 0;
}

unsigned nst_cores(void)
{
	unsigned n = affinity(), limit = quota();

	return limit && limit < n ? limit : n;
}
