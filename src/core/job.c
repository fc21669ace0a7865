/* job -- see job.h. A list under a lock; the packet thread holds it for a few instructions once per block of a file. */
#include "core/core.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct job *first, **last = &first;
static pthread_t thread;
static bool running, stopping;
static int event = -1;

/* Body of the thread: run what is waiting, in order; at stop finish everything first. */
static void *serve(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&lock);
	running = true;
	pthread_cond_broadcast(&changed);
	for (;;) {
		struct job *job = first;

		if (job == NULL) {
			if (stopping)
				break;
			pthread_cond_wait(&changed, &lock);
			continue;
		}
		first = job->next;
		if (first == NULL)
			last = &first;
		pthread_mutex_unlock(&lock);
		job->run(job);
		pthread_mutex_lock(&lock);
		__atomic_store_n(&job->state, JOB_DONE, __ATOMIC_RELEASE);
		pthread_cond_broadcast(&changed);
		eventfd_write(event, 1);
	}
	pthread_mutex_unlock(&lock);
	return NULL;
}

int job_start(void)
{
	int code;

	if (running)
		return 0;
	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (event < 0)
		return nf_fail(errno, "no event descriptor: %s", strerror(errno));
	stopping = false;
	code = pthread_create(&thread, NULL, serve, NULL);
	if (code != 0) {
		close(event);
		event = -1;
		return nf_fail(code, "no house-keeping thread: %s", strerror(code));
	}
	/* Until it runs: what the C library calls at the start of a thread, a sandbox would not allow any more. */
	pthread_mutex_lock(&lock);
	while (!running)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
	return 0;
}

void job_stop(void)
{
	if (!running)
		return;
	pthread_mutex_lock(&lock);
	stopping = true;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	pthread_join(thread, NULL);
	close(event);
	event = -1;
	running = false;
}

int job_event_fd(void)
{
	return event;
}

void job_submit(struct job *job)
{
	if (!running || clock_virtual) {
		job->run(job);
		__atomic_store_n(&job->state, JOB_DONE, __ATOMIC_RELEASE);
		return;
	}
	job->next = NULL;
	__atomic_store_n(&job->state, JOB_WAITING, __ATOMIC_RELAXED);
	pthread_mutex_lock(&lock);
	*last = job;
	last = &job->next;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

bool job_finished(struct job *job)
{
	if (__atomic_load_n(&job->state, __ATOMIC_ACQUIRE) != JOB_DONE)
		return false;
	job->state = JOB_IDLE;
	return true;
}

bool job_is_idle(const struct job *job)
{
	return __atomic_load_n(&job->state, __ATOMIC_ACQUIRE) == JOB_IDLE;
}

void job_wait(struct job *job)
{
	pthread_mutex_lock(&lock);
	while (__atomic_load_n(&job->state, __ATOMIC_ACQUIRE) == JOB_WAITING)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
	job->state = JOB_IDLE;
}
