/*
 * finding.c - the list of sentences that an audit writes.
 * Called by the audits of key, SPF and DMARC records and by signpost check. What it keeps goes to a
 * terminal: it must never pass on an octet of a record that is not printable.
 */
#include <stdarg.h>
#include <stdio.h>

#include "lib/base/buf.h"
#include "lib/base/mem.h"
#include "lib/mailauth/finding.h"

static char *
printable(struct span text)
{
	struct buf out;

	buf_init(&out, text.n * 4 + 1);
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (c >= ' ' && c < 0x7f)
			buf_add_char(&out, (char)c);
		else
			buf_add_fmt(&out, "\\x%02x", c);
	}
	buf_add_char(&out, '\0');
	return out.p;
}

static struct finding *
next_slot(struct findings *findings)
{
	if (findings->count == FINDINGS_MAX) {
		findings->left_out++;
		return NULL;
	}
	if (findings->count == findings->room) {
		findings->room = findings->room == 0 ? 16 : findings->room * 2;
		findings->items =
		    mem_resize(findings->items, findings->room, sizeof(*findings->items));
	}
	return &findings->items[findings->count++];
}

void
findings_add(
    struct findings *findings, enum severity severity, struct span about, const char *fmt, ...)
{
	char text[FINDING_TEXT_MAX];
	struct finding *slot;
	va_list args;
	int n;

	findings->errors += severity == SEVERITY_ERROR;
	slot = next_slot(findings);
	if (slot == NULL)
		return;
	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (n >= (int)sizeof(text))
		snprintf(text + sizeof(text) - 4, 4, "...");
	slot->severity = severity;
	slot->about = printable(about);
	slot->text = printable(span_str(text));
}

void
findings_free(struct findings *findings)
{
	for (size_t i = 0; i < findings->count; i++) {
		mem_free(findings->items[i].about);
		mem_free(findings->items[i].text);
	}
	mem_free(findings->items);
	*findings = FINDINGS_NONE;
}

const char *
severity_name(enum severity severity)
{
	static const char *const names[] = {"ok", "note", "warning", "error"};

	return names[severity];
}
