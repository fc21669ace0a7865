/* fuzz_lwaftr_command -- what a client of the control socket may ask of a relay. Whatever it is, the table stays one: every entry is
 * found, the counts of addresses, port sets and relay addresses are those of its entries.
 *
 *      requests: two bytes with the length, low first, and the bytes; the magic number is set unless the length is odd */
#include "apps/lwaftr/command.h"
#include "apps/lwaftr/lwaftr.h"

#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

static const char TABLE[] = "softwire { ipv4 1.2.3.4; psid 0; b4-ipv6 ::1; br-address ::2; port-set { psid-length 0; } }"
	"softwire { ipv4 1.2.3.5; psid 1; b4-ipv6 ::1; br-address ::2; port-set { psid-length 4; } }"
	"softwire { ipv4 1.2.3.5; psid 2; b4-ipv6 ::3; br-address ::4; port-set { psid-length 4; } }";

static void check_table(const struct lwaftr_binding *binding)
{
	struct lwaftr_softwire softwire, found;
	uint64_t position = 0, count = 0, users = 0, addresses = 0;
	uint32_t shapes = 0;

	while (lwaftr_binding_next(binding, &position, &softwire)) {
		nf_assert(lwaftr_binding_get(binding, softwire.ipv4, softwire.psid, &found) && memcmp(&softwire, &found, sizeof(found)) == 0,
			"an entry is not found");
		nf_assert(softwire.psid_length + softwire.reserved <= 16 && softwire.psid >> softwire.psid_length == 0, "no port set");
		count++;
	}
	for (uint32_t i = 0; i < binding->br_count; i++)
		users += binding->br[i].users;
	for (uint32_t i = 0; i < sizeof(binding->shape_users) / sizeof(binding->shape_users[0]); i++) {
		addresses += binding->shape_users[i];
		shapes += binding->shape_users[i] > 0;
	}
	nf_assert(count == binding->softwire.count && users == count && addresses == binding->address.count && shapes == binding->shapes,
		"%llu entries, %llu users, %llu addresses", (unsigned long long)count, (unsigned long long)users, (unsigned long long)addresses);
}

static void ask(struct lwaftr *lwaftr, struct engine *engine, const uint8_t *bytes, size_t length)
{
	struct command command = { .length = length, .engine = engine, .reply = memfd_create("reply", MFD_CLOEXEC) };
	const uint32_t magic = LWAFTR_MAGIC;
	uint8_t *copy = malloc(length + 1);

	nf_assert(copy != NULL && command.reply >= 0, "out of memory");
	memcpy(copy, bytes, length);
	if (length % 2 == 0 && length >= sizeof(magic))
		memcpy(copy, &magic, sizeof(magic));
	command.request = copy;
	if (lwaftr_command(&lwaftr->app, &command) == 0)
		nf_assert(command.written >= sizeof(struct lwaftr_reply), "no answer");
	close(command.reply);
	free(copy);
	check_table(&lwaftr->binding);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	struct lwaftr lwaftr = { .app = { .name = "fuzz" } };
	struct engine *engine = engine_new();
	const uint8_t *end = data + length;
	struct lwaftr_config config;

	nf_assert(engine != NULL && lwaftr_config_parse(&config, "x", TABLE, sizeof(TABLE) - 1, LWAFTR_SOFTWIRES_ALONE) == 0, "no table");
	nf_assert(lwaftr_binding_init(&lwaftr.binding, &config, 1, LWAFTR_RESERVED_RFC7597) == 0, "%s", nf_error());
	while (end - data >= 2) {
		size_t n = data[0] | (size_t)data[1] << 8;

		data += 2;
		n = n > (size_t)(end - data) ? (size_t)(end - data) : n;
		ask(&lwaftr, engine, data, n);
		data += n;
	}
	lwaftr_binding_fini(&lwaftr.binding);
	lwaftr_config_fini(&config);
	engine_free(engine);
	return 0;
}
