/* sim_eeprom -- see sim_eeprom.h.
 * source: 82599 datasheet 3.1.3 on the EEPROM's interface, 6.4.5.4 "Software Checksum", 8.2.3.2.1 "EEPROM/Flash Control Register",
 * 8.2.3.2.2 "EEPROM Read Register"; 82576 datasheet 6.9 "Checksum Word Calculation" */
#include "nicsim/sim_eeprom.h"

enum { EERD_START = 1, EERD_DONE = 2 };
enum { EEC_CLOCK = 1, EEC_SELECT = 2, EEC_IN = 4, EEC_OUT = 8, EEC_REQUEST = 1 << 6, EEC_GRANT = 1 << 7, EEC_PRESENT = 1 << 8, EEC_READ = 1 << 9,
	EEC_WIDE = 1 << 10 };
enum { WORDS = 128, CHECKED = 0x3f };
/* The 82599's firmware: its module, in that the place of its pass-through patch, in that the version, which is to be above 5.
 * source: 82599 specification update on the EEPROM's version; drivers look there */
enum { FIRMWARE = 0x0f, FIRMWARE_AT = 0x40, PATCH = FIRMWARE_AT + 4, PATCH_AT = 0x50, PATCH_VERSION = PATCH_AT + 7, VERSION = 6 };
/* Commands of SPI EEPROMs; a chip with addresses of 8 bits has the ninth in its command. */
enum { SPI_READ = 3, SPI_NINTH = 8 };

/* Words 0 to 0x3f sum up to 0xBABA; the pointers among them point nowhere, but for that to the firmware. */
void sim_eeprom_fill(struct sim_card *card)
{
	uint16_t sum = 0;

	for (uint32_t i = 0; i < WORDS; i++)
		card->eeprom[i] = 0xffff;
	for (uint32_t i = 0; i < 3; i++)
		card->eeprom[i] = (uint16_t)(card->mac[2 * i] | card->mac[2 * i + 1] << 8);
	if (card->kind == &sim_82599_kind) {
		card->eeprom[FIRMWARE] = FIRMWARE_AT;
		card->eeprom[PATCH] = PATCH_AT;
		card->eeprom[PATCH_VERSION] = VERSION;
	}
	for (uint32_t i = 0; i < CHECKED; i++)
		sum = (uint16_t)(sum + card->eeprom[i]);
	card->eeprom[CHECKED] = (uint16_t)(0xbaba - sum);
}

static uint16_t word_at(const struct sim_card *card, uint32_t i)
{
	return i < WORDS ? card->eeprom[i] : 0xffff;
}

uint32_t sim_eeprom_eerd(const struct sim_card *card, uint32_t value)
{
	uint32_t i = sim_bits(value, 2, 14);

	return value & EERD_START ? (uint32_t)word_at(card, i) << 16 | i << 2 | EERD_DONE : value;
}

/* The bit that the chip puts out next: bytes of words, the low one first, each from its highest bit. Of another command 0: its
 * status reads ready. */
static bool next_bit(const struct sim_card *card)
{
	const struct sim_spi *spi = &card->spi;
	uint32_t address_bits = sim_get(card, card->kind->eec) & EEC_WIDE ? 16 : 8, command = sim_bits(spi->in, address_bits, 8), at, bit;

	if ((command & ~(uint32_t)SPI_NINTH) != SPI_READ)
		return false;
	bit = spi->bits - 8 - address_bits;
	at = sim_bits(spi->in, 0, address_bits) + (command & SPI_NINTH ? 256 : 0) + bit / 8;
	return word_at(card, at / 2) >> (at % 2 * 8) >> (7 - bit % 8) & 1;
}

/* A rising clock: the chip takes a bit of the command and its address, then gives one for each. */
static void clock_in(struct sim_card *card, bool in)
{
	struct sim_spi *spi = &card->spi;
	uint32_t address_bits = sim_get(card, card->kind->eec) & EEC_WIDE ? 16 : 8;

	if (spi->bits < 8 + address_bits) {
		spi->in = spi->in << 1 | in;
	} else {
		spi->out = next_bit(card);
	}
	spi->bits++;
}

uint32_t sim_eeprom_eec(struct sim_card *card, uint32_t value)
{
	struct sim_spi *spi = &card->spi;
	bool granted = value & EEC_REQUEST;

	/* Not selected is high. */
	if (!granted || value & EEC_SELECT)
		*spi = (struct sim_spi){ 0 };
	else if (value & EEC_CLOCK && !spi->clock)
		clock_in(card, value & EEC_IN);
	spi->clock = value & EEC_CLOCK;
	value &= ~(uint32_t)(EEC_OUT | EEC_GRANT);
	return value | EEC_PRESENT | EEC_READ | (granted ? EEC_GRANT : 0) | (spi->out ? EEC_OUT : 0);
}
