/* link -- see link.h. */
#include "core/core.h"

extern inline uint32_t link_waiting(const struct link *l);
extern inline uint32_t link_room(const struct link *l);
extern inline uint32_t link_slot(const struct link *l, uint64_t total);
extern inline void link_advance(struct link *l, uint32_t n);
extern inline void link_list(struct packet **__restrict to, struct packet *const *__restrict from, uint32_t n);
extern inline struct packet *const *link_front(const struct link *l, uint32_t *n);
extern inline void link_send(struct link *l, struct packet *p);
extern inline void link_send_burst(struct link *l, struct packet *const *burst, uint32_t n);
extern inline void link_send_known(struct link *l, struct packet *const *burst, uint32_t n, uint64_t bytes);
extern inline struct packet *link_receive(struct link *l);
extern inline uint32_t link_receive_burst(struct link *l, struct packet **burst, uint32_t n);
extern inline struct packet *link_peek(const struct link *l, uint32_t i);
extern inline uint32_t link_move(struct link *from, struct link *to, uint32_t n);
extern inline void link_pass(struct link *from, struct link *to, uint32_t n, uint64_t bytes);
extern inline uint32_t link_copy(const struct link *from, struct link *to, uint32_t n);
extern inline uint32_t link_free(struct link *l, uint32_t n);

void link_drop(struct link *l, struct packet *p)
{
	l->dropped++;
	packet_free(p);
}
