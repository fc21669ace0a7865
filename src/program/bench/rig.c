/* rig -- see rig.h. */
#include "program/bench/rig.h"

int rig_memory(uint32_t standard, uint32_t jumbo)
{
	const uint32_t wanted[PACKET_SIZES] = { [PACKET_STANDARD] = standard, [PACKET_JUMBO] = jumbo };
	int code = memory_reserve();

	for (uint32_t size = 0; size < PACKET_SIZES && code >= 0; size++)
		if (wanted[size] > 0)
			code = memory_segment_add(0, (enum packet_size)size, wanted[size], -1);
	return code < 0 ? code : memory_worker_start(0);
}

struct packet *rig_packet(uint32_t length)
{
	struct packet *p = packet_alloc_length(length);

	for (uint32_t i = 0; p != NULL && i < length; i++)
		p->data[i] = (uint8_t)i;
	return p;
}
