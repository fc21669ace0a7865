/* supervisor_watchdog -- find workers that hang, and end them.
 *
 * A worker's packet thread counts its breaths in the statistics, ten a second when it waits. Looks are counted, not time: a
 * supervisor that was stopped together with its workers must not find them dead. A thread that is ready to run and gets no
 * processor does not hang: the machine has too much to do, and ending the worker would make it more. Nor does one that waits for
 * a page of its program to come from a disk.
 * source: proc(5), /proc/PID/task/TID/stat */
#include "core/supervisor_state.h"

#include <ctype.h>
#include <dirent.h>
#include <signal.h>
#include <unistd.h>

#define LOOK_NS 125000000ULL
enum {
	LOOKS_MOST = 8,                 /* in vain: a second */
	STARVED_MOST = 80,              /* looks that found it without a processor: ten seconds */
	STARVED_SHARE = 4               /* less than a quarter of a processor */
};

/* How the packet thread of a worker is. */
struct activity {
	char state;                     /* 'R' ready or running, 'S' and 'D' blocked, 'T' stopped; '?' when nobody knows */
	uint64_t ticks;                 /* processor time that it has had */
};

/* Is this a packet thread? Read its state and times, which come behind its name in brackets. */
static bool read_packet_thread(const char *path, struct activity *activity)
{
	unsigned long long user, system;
	char text[1024], *name, *at;
	FILE *file = fopen(path, "re");
	size_t length;

	if (file == NULL)
		return false;
	length = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[length] = '\0';
	name = strchr(text, '(');
	at = strrchr(text, ')');
	if (name == NULL || at == NULL || (size_t)(at - name - 1) != strlen(worker_thread) ||
		strncmp(name + 1, worker_thread, strlen(worker_thread)) != 0)
		return false;
	if (sscanf(at + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &activity->state, &user, &system) != 3)
		return false;
	activity->ticks = user + system;
	return true;
}

/* What the packet thread of a process does; it has threads that wait for something to do, too. */
static struct activity activity_of(pid_t pid)
{
	struct activity activity = { .state = '?' };
	char path[sizeof("/proc//task//stat") + 2 * 20];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		int tid = isdigit((unsigned char)entry->d_name[0]) ? atoi(entry->d_name) : 0;

		snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", (int)pid, tid);
		if (tid != 0 && read_packet_thread(path, &activity))
			break;
	}
	if (dir != NULL)
		closedir(dir);
	return activity;
}

/* Has this worker taken a breath since the last look? One that has not begun, that has ended, or is just going over to a new
 * graph's statistics, is left alone. */
static bool is_breathing(struct supervisor *s, uint32_t number)
{
	struct child *child = &s->child[number];
	const struct stats_block *block = stats_block(s->result->stats, number);
	uint64_t breaths = __atomic_load_n(&block->breaths, __ATOMIC_RELAXED);
	uint32_t state = __atomic_load_n(&block->state, __ATOMIC_RELAXED);

	/* One that ends may wait for a disk; the user decides how long. */
	if (child->pid == 0 || !child->released || child->ended || s->reload.phase == RELOAD_COMMITTING ||
		breaths != child->breaths || state == ENGINE_DRAINING || state == ENGINE_ENDED) {
		child->breathes = child->breathes || (child->released && breaths != child->breaths);
		child->breaths = breaths;
		return true;
	}
	return !child->breathes;
}

/* One look at a worker; gives whether it hangs. */
static bool hangs(struct supervisor *s, uint32_t number)
{
	const uint64_t look_ticks = LOOK_NS * (uint64_t)sysconf(_SC_CLK_TCK) / 1000000000;
	struct child *child = &s->child[number];
	struct activity activity;
	bool wants;
	uint64_t had;

	if (is_breathing(s, number)) {
		child->breathless = child->starved = 0;
		return false;
	}
	activity = activity_of(child->pid);
	had = activity.ticks - child->ticks;
	child->ticks = activity.ticks;
	wants = activity.state == 'R' || activity.state == 'D';
	if (child->breathless > 0 && wants && had < look_ticks / STARVED_SHARE && child->starved < STARVED_MOST) {
		child->starved++;
		return false;
	}
	if (++child->breathless < LOOKS_MOST)
		return false;
	log_error("worker '%s' has not breathed for a second; it is ended%s", s->graph->worker[number].name,
		child->starved > 0 ? " (nor did it get a processor)" : activity.state == 'R' ? " (it ran all the time)" :
		activity.state == 'T' ? " (it was stopped)" : activity.state == 'S' ? " (it was blocked)" : "");
	child->breathless = child->starved = 0;
	return true;
}

int supervisor_watchdog(struct supervisor *s)
{
	uint64_t now = clock_system_ns();

	for (uint32_t i = 0; now >= s->watchdog_ns && i < s->graph->worker_count; i++)
		if (hangs(s, i))
			kill(s->child[i].pid, SIGKILL);
	if (now >= s->watchdog_ns)
		s->watchdog_ns = now + LOOK_NS;
	return (int)((s->watchdog_ns - now) / 1000000) + 1;
}
