#pragma once
/* softwire -- what `nf lwaftr softwire ...` is made of: the relays of an instance, questions to them. */
#include "apps/lwaftr/command.h"

enum { RELAYS = 64, RELAY_NAME = 64 };

/* The apps lwaftr.lwaftr of an instance: several when several queues are served. */
struct relays {
	const char *instance;
	uint32_t count;
	struct { char worker[RELAY_NAME], app[RELAY_NAME]; } relay[RELAYS];
};

/* Find them; app: those of this name alone, NULL: all. fails: -errno with nf_error(): there are none */
int relays_find(struct relays *relays, const char *instance, const char *app) __attribute__((warn_unused_result));

struct relay_answer {
	struct lwaftr_reply reply;
	uint8_t *rest;                  /* what follows it; aligned as malloc does */
	uint64_t rest_bytes;
};

/* Ask one of them; `more` follows the request. gives: 0 and an answer, which is freed by relay_answer_free
 *   fails: -errno with nf_error(): what the instance or the relay said; nothing to free */
int relay_ask(const struct relays *relays, uint32_t number, const struct lwaftr_request *request, const void *more, uint64_t bytes,
	struct relay_answer *answer) __attribute__((warn_unused_result));
void relay_answer_free(struct relay_answer *answer);
