/*
 * diagnose.c - what is looked at for a signature that does not pass, and what was found.
 * Called for those who ask what happened to their mail; no mail waits for it. It must never say
 * that a signature verifies: all it says is what would have to be different.
 */
#include "lib/dkim/diagnose_private.h"

#include <stdarg.h>
#include <stdio.h>

#include "lib/base/mem.h"

void
diagnose_begin(struct diagnose *diagnose)
{
	*diagnose = (struct diagnose){.left = DIAGNOSE_OCTETS_MAX};
}

bool
diagnose_spend(struct diagnose *d, uint64_t octets)
{
	if (d->left < octets) {
		d->left = 0;
		d->exhausted = true;
		return false;
	}
	d->left -= octets;
	return true;
}

void
diagnose_add(struct diagnose *d, const char *what, bool certain, size_t line, const char *fmt, ...)
{
	struct diagnose_finding *finding = &d->findings[d->count];
	va_list args;

	if (d->count == DIAGNOSE_FINDINGS_MAX)
		return;
	d->count++;
	*finding = (struct diagnose_finding){.what = what, .certain = certain, .line = line};
	va_start(args, fmt);
	vsnprintf(finding->detail, sizeof(finding->detail), fmt, args);
	va_end(args);
	for (char *p = finding->detail; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
}

size_t
diagnose_field_line(const struct header_list *list, size_t header_line, size_t index)
{
	size_t line = header_line;

	for (size_t i = 0; i < index && i < list->count; i++) {
		struct span rest = list->fields[i].value, part;

		line++;
		while (span_cut(&rest, '\n', &part))
			line++;
	}
	return line;
}

/* Is there a key that could say whether the header fits? */
static bool
has_key(const struct diagnose_case *given)
{
	return given->signature->key_known && given->key->status == ST_OK;
}

static void
look_at_header(struct diagnose *d, const struct diagnose_case *given)
{
	struct trial *trial = mem_zalloc(1, sizeof(*trial));

	if (trial_begin(trial, d, given) == ST_OK) {
		if (!has_key(given))
			diagnose_copied(trial);
		else if (given->signature->reason == VERIFY_SIGNATURE_BAD ||
			 !trial_fits(trial, NULL, 0))
			diagnose_header(trial);
	}
	trial_free(trial);
	mem_free(trial);
}

void
diagnose_signature(struct diagnose *diagnose, const struct diagnose_case *given)
{
	const struct verify_signature *signature = given->signature;

	diagnose->count = 0;
	if (!signature->chosen || signature->field.name_count == 0 ||
	    signature->result == VERIFY_PASS || signature->body_hash == NULL)
		return;
	if (signature->reason == VERIFY_BODY_SHORT)
		diagnose_add(diagnose, "body-truncated", false, 0,
		    "the body has %llu octets, and %lld of it were signed: its end is missing",
		    (unsigned long long)signature->body_octets,
		    (long long)signature->field.body_length);
	if (signature->reason == VERIFY_BODY_MISMATCH)
		diagnose_body(diagnose, given);
	look_at_header(diagnose, given);
}
