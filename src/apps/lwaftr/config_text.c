/* config_text -- the text form of a configuration: words, quotes, comments, blocks. After a mistake the reader goes on where a
 * statement may begin, so that all mistakes of a file are found. */
#include "apps/lwaftr/config_decode.h"

enum { KNOWN = 16 };                    /* deeper blocks are not in the model */

struct reader {
	struct config_decoder *decoder;
	const char *begin, *at, *limit;
	uint64_t depth;
	uint64_t opened[KNOWN];         /* where the outermost open blocks begin */
	char *buffer;                   /* a quoted argument without its quotes */
	uint32_t used, room;
	bool ends_early;                /* a comment or string has no end */
};

enum { BLANK = 1, KEYWORD = 2, FIRST = 4, SPECIAL = 8 };
static uint8_t kinds[256];

/* What kind of character each byte is. */
static void classify(void)
{
	for (uint32_t c = 0; c < 256; c++) {
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
		bool inner = letter || (c >= '0' && c <= '9') || c == '.' || c == '-';
		bool special = c == ';' || c == '{' || c == '}' || c == '"' || c == '\'';

		kinds[c] = (uint8_t)((c == ' ' || (c >= '\t' && c <= '\r') ? BLANK : 0) | (inner ? KEYWORD : 0) | (letter ? FIRST : 0) |
			(special ? SPECIAL : 0));
	}
}

static inline uint8_t kind(const struct reader *r, const char *at)
{
	return at < r->limit ? kinds[(uint8_t)*at] : 0;
}

static uint64_t place(const struct reader *r, const char *at)
{
	return (uint64_t)(at - r->begin);
}

#define mistake(r, at, ...) lwaftr_config_mistake((r)->decoder->config, place(r, at), __VA_ARGS__)

static bool is_comment(const struct reader *r, const char *at)
{
	return r->limit - at >= 2 && at[0] == '/' && (at[1] == '/' || at[1] == '*');
}

/* Pass a comment. */
static void skip_comment(struct reader *r)
{
	const char *begin = r->at;

	if (begin[1] == '/') {
		r->at = memchr(begin, '\n', (size_t)(r->limit - begin));
		if (r->at == NULL)
			r->at = r->limit;
		return;
	}
	r->at = memmem(begin + 2, (size_t)(r->limit - begin - 2), "*/", 2);
	if (r->at != NULL) {
		r->at += 2;
		return;
	}
	mistake(r, begin, "a comment without its end");
	r->ends_early = true;
	r->at = r->limit;
}

/* Pass whitespace and comments. */
static inline void skip(struct reader *r)
{
	for (;;) {
		while (kind(r, r->at) & BLANK)
			r->at++;
		if (r->at == r->limit || *r->at != '/' || !is_comment(r, r->at))
			return;
		skip_comment(r);
	}
}

/* Of what is too long no more is kept than shows that. */
static void keep(struct reader *r, char c)
{
	if (r->used > CONFIG_VALUE)
		return;
	if (r->used == r->room) {
		uint32_t room = r->room * 2 + 256;
		char *buffer = realloc(r->buffer, room);

		if (buffer == NULL)
			return;
		r->buffer = buffer;
		r->room = room;
	}
	r->buffer[r->used++] = c;
}

/* How far right of its line's beginning a place is. */
static uint32_t column(const struct reader *r, const char *at)
{
	const char *line = at;

	while (line > r->begin && line[-1] != '\n')
		line--;
	return (uint32_t)(at - line);
}

/* Read a quoted string; blanks at the beginning of its further lines, up to the column of its quote, are indentation.
 *   gives: false when it has no end; source: RFC 7950, section 6.1.3 */
static bool read_quoted(struct reader *r)
{
	const char *begin = r->at;
	char quote = *r->at++;
	uint32_t margin = column(r, begin) + 1;

	while (r->at < r->limit && *r->at != quote) {
		char c = *r->at++;

		if (c == '\\' && quote == '"' && r->at < r->limit) {
			static const char from[] = "nt\"\\", to[] = "\n\t\"\\";
			const char *found = *r->at != '\0' ? strchr(from, *r->at) : NULL;

			if (found != NULL) {
				keep(r, to[found - from]);
				r->at++;
				continue;
			}
		}
		keep(r, c);
		if (c == '\n' && quote == '"')
			for (uint32_t i = 0; i < margin && r->at < r->limit && (*r->at == ' ' || *r->at == '\t'); i++)
				r->at++;
	}
	if (r->at == r->limit) {
		mistake(r, begin, "a string without its closing %c", quote);
		r->ends_early = true;
		return false;
	}
	r->at++;
	return true;
}

/* The length of a word that ends at `end`; no name or value is so long that a longer one must be told from it. */
static uint32_t length_of(const struct config_word *word, const char *end)
{
	return end - word->text > CONFIG_VALUE ? CONFIG_VALUE + 1 : (uint32_t)(end - word->text);
}

/* Read an argument: an unquoted token, or quoted strings joined by +. gives: false after a mistake */
static bool read_argument(struct reader *r, struct config_word *word)
{
	const char *begin = r->at;

	word->place = place(r, begin);
	if (*begin != '"' && *begin != '\'') {
		while (r->at < r->limit && !(kind(r, r->at) & (BLANK | SPECIAL)) && !(*r->at == '/' && is_comment(r, r->at)))
			r->at++;
		word->text = begin;
		word->length = length_of(word, r->at);
		return true;
	}
	r->used = 0;
	if (!read_quoted(r))
		return false;
	for (;;) {
		const char *after = r->at;

		skip(r);
		if (r->at == r->limit || *r->at != '+') {
			r->at = after;
			break;
		}
		r->at++;
		skip(r);
		if (r->at == r->limit || (*r->at != '"' && *r->at != '\'')) {
			mistake(r, r->at, "a quoted string is expected behind +");
			return false;
		}
		if (!read_quoted(r))
			return false;
	}
	word->text = r->buffer != NULL ? r->buffer : "";
	word->length = r->used;
	return true;
}

/* What stands at a place, as the user would name it. */
static const char *name(const struct reader *r, const char *at, char text[8])
{
	if (at == r->limit)
		return "the end of the file";
	if (*at > ' ' && *at < 127)
		snprintf(text, 8, "'%c'", *at);
	else
		snprintf(text, 8, "0x%02x", (uint8_t)*at);
	return text;
}

/* Pass what cannot be read: to behind the next ';', or to the next brace. */
static void recover(struct reader *r)
{
	while (r->at < r->limit && *r->at != ';' && *r->at != '{' && *r->at != '}')
		r->at++;
	if (r->at < r->limit && *r->at == ';')
		r->at++;
}

/* Is what stands here likely to be a statement, or the end of a block or file? */
static bool may_begin(const struct reader *r)
{
	const char *at = r->at;

	if (at == r->limit || *at == '}')
		return true;
	if (!(kind(r, at) & FIRST))
		return false;
	while (kind(r, at) & KEYWORD)
		at++;
	while (kind(r, at) & BLANK)
		at++;
	return at < r->limit && *at != ';' && *at != '}';
}

static void open_block(struct reader *r, const struct config_word *keyword)
{
	r->at++;
	if (r->depth < KNOWN)
		r->opened[r->depth] = keyword->place;
	r->depth++;
	config_open(r->decoder, keyword);
}

/* Read what follows a keyword: a block begins, or a value and ';'. */
static void read_rest(struct reader *r, const struct config_word *keyword)
{
	const char *behind = r->at;
	struct config_word value;
	char text[8], shown[CONFIG_SHOWN];

	skip(r);
	if (r->at < r->limit && *r->at == '{') {
		open_block(r, keyword);
		return;
	}
	if (r->at == r->limit || *r->at == ';' || *r->at == '}') {
		mistake(r, r->at, "'%s': a value or { is expected, not %s", config_shown(keyword, shown), name(r, r->at, text));
		if (r->at < r->limit && *r->at == ';')
			r->at++;
		return;
	}
	if (behind == r->at)
		mistake(r, r->at, "'%s': a blank is expected, not %s", config_shown(keyword, shown), name(r, r->at, text));
	if (!read_argument(r, &value)) {
		recover(r);
		return;
	}
	behind = r->at;
	skip(r);
	if (r->at < r->limit && *r->at == '{') {
		mistake(r, behind, "'%s': a value or { is expected, not both", config_shown(keyword, shown));
		open_block(r, keyword);
		return;
	}
	config_leaf(r->decoder, keyword, &value);
	if (r->at < r->limit && *r->at == ';') {
		r->at++;
		return;
	}
	mistake(r, behind, "; is missing behind the value of '%s'", config_shown(keyword, shown));
	if (!may_begin(r))
		recover(r);
}

static void read_statement(struct reader *r)
{
	static const char unknown[] = "";
	struct config_word keyword = { .text = r->at, .place = place(r, r->at) };
	char text[8];

	if (*r->at == '}') {
		if (r->depth == 0)
			mistake(r, r->at, "} without {");
		else
			config_close(r->decoder);
		r->depth -= r->depth > 0;
		r->at++;
	} else if (*r->at == '{') {
		mistake(r, r->at, "{ without a keyword");
		keyword.text = unknown;
		open_block(r, &keyword);
	} else if (*r->at == '#') {
		mistake(r, r->at, "a keyword is expected, not '#': comments begin with //");
		while (r->at < r->limit && *r->at != '\n')
			r->at++;
	} else if (!(kind(r, r->at) & FIRST)) {
		mistake(r, r->at, "a keyword is expected, not %s", name(r, r->at, text));
		recover(r);
	} else {
		while (kind(r, r->at) & KEYWORD)
			r->at++;
		keyword.length = length_of(&keyword, r->at);
		read_rest(r, &keyword);
	}
}

void config_text_read(struct config_decoder *decoder, const char *text, uint64_t length)
{
	struct reader r = { .decoder = decoder, .begin = text, .at = text, .limit = text + length };

	classify();
	for (skip(&r); r.at < r.limit; skip(&r))
		read_statement(&r);
	/* What open blocks lack may be what is cut off. */
	if (r.depth > 0 && !r.ends_early)
		lwaftr_config_mistake(decoder->config, r.opened[r.depth <= KNOWN ? r.depth - 1 : KNOWN - 1], "this block has no }");
	free(r.buffer);
}
