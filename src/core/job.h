#pragma once
/* job -- work that may block, done for an app by the worker's house-keeping thread: reading and writing files, asking the
 * supervisor. The packet thread starts a job and looks later whether it is done; it never waits. */

enum job_state { JOB_IDLE, JOB_WAITING, JOB_DONE };

struct job {
	void (*run)(struct job *job);   /* house-keeping thread; embed struct job in a larger struct for its data */
	struct job *next;
	uint32_t state;                 /* enum job_state, atomic */
};

/* Give a job to the house-keeping thread. Without one (virtual clock, tests, no job_start) it runs here and now, so that a
 * run is repeatable.
 *   needs: job_is_idle(job) or job_is_done(job)
 *   cost:  a system call when the thread sleeps */
void job_submit(struct job *job);

/* True once after job_submit when run has returned: what it wrote is visible. Makes the job idle. */
bool job_finished(struct job *job);

/* Not submitted, or finished and seen. */
bool job_is_idle(const struct job *job);

/* Wait until a submitted job has run; for stop and retire only. Makes the job idle. */
void job_wait(struct job *job);

/* Start the worker's house-keeping thread, and end it when all that was submitted has run. fails: -errno */
int job_start(void) __attribute__((warn_unused_result));
void job_stop(void);

/* Readable when a job has finished, for an engine that waits; -1 without the thread. */
int job_event_fd(void);
