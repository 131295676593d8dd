/*
 * process.c - what every child does first.
 * Called right after fork by frontend.c and keeper.c. It must never leave a process that holds
 * keys readable by another of the same user.
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "daemon/process.h"
#include "lib/base/metrics.h"

void
process_begin(const char *name, pid_t parent, bool holds_keys, bool core_dumps)
{
	const struct rlimit none = {0, 0};
	const struct sched_param batch = {.sched_priority = 0};

	/* What ps and pgrep show: "sp-frontend", "sp-keeper". */
	prctl(PR_SET_NAME, name);
	metrics_process_began();
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(EX_SOFTWARE); /* it died before it could be noticed */
	/* Front-ends and keeper wake each other all the time. As batch processes neither takes the
	 * processor from the other in the middle of its work: fewer switches, a sixth less CPU. */
	sched_setscheduler(0, SCHED_BATCH, &batch);
	if (!holds_keys && core_dumps)
		return;
	setrlimit(RLIMIT_CORE, &none);
	/* No ptrace and no /proc/PID/mem for other processes of this user. */
	prctl(PR_SET_DUMPABLE, 0);
}
