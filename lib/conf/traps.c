/*
 * traps.c - values that are legal and do not mean what they seem to mean: a warning for each, at
 * its line. Called when a value is kept. It must never refuse a value.
 */
#include <string.h>

#include "lib/conf/private.h"
#include "lib/conf/values.h"

struct trap {
	enum conf_parameter parameter; /* CONF_COUNT: every data set */
	bool (*sees)(const char *text);
	const char *sentence;
};

static bool
sees_one_word(const char *text)
{
	return span_ieq_str(span_str(text), "relaxed");
}

static bool
sees_capital_m(const char *text)
{
	return span_ends(span_str(text), SPAN_LIT("M"));
}

static bool
sees_decimal_mask(const char *text)
{
	return text[0] >= '1' && text[0] <= '9' && text[1] != '\0';
}

static bool
sees_quotes(const char *text)
{
	return text[0] == '"' || text[0] == '\'';
}

static bool
sees_always(const char *text)
{
	(void)text;
	return true;
}

/* "+Name" or "-Name" changes the default list only when "*" is an item of the list. */
static bool
sees_delta_without_star(const char *text)
{
	struct span rest = span_str(text), item;
	bool delta = false, star = false;

	while (conf_list_next(&rest, &item)) {
		delta = delta || item.p[0] == '+' || item.p[0] == '-';
		star = star || span_eq_str(item, "*");
	}
	return delta && !star;
}

static const struct trap traps[] = {
    {CONF_CANONICALIZATION, sees_one_word,
	"one word is for the header only and the body stays \"simple\"; write "
	"\"relaxed/relaxed\" or \"relaxed/simple\""},
    {CONF_AUTO_RESTART_RATE, sees_capital_m,
	"\"M\" is minutes, as \"m\" is; there is no unit for months"},
    {CONF_UMASK, sees_decimal_mask, "without a leading 0 the mask is a decimal number"},
    {CONF_SIGN_HEADERS, sees_delta_without_star,
	"\"+\" and \"-\" change the default list only when \"*\" is in the list; here they are "
	"part of the names"},
    {CONF_OMIT_HEADERS, sees_delta_without_star,
	"\"+\" and \"-\" change the default list only when \"*\" is in the list; here they are "
	"part of the names"},
    {CONF_X_HEADER, sees_always, "this is the old name of \"SoftwareHeader\"; use that one"},
    {CONF_COUNT, sees_quotes,
	"nothing is quoted here: the quotes are part of the first and the last item; remove them"},
};

void
conf_warn_traps(enum conf_parameter parameter, const char *text, struct conf_place place,
    struct conf_report *report)
{
	for (size_t i = 0; i < sizeof(traps) / sizeof(traps[0]); i++) {
		const struct trap *trap = &traps[i];
		bool meant =
		    trap->parameter == parameter ||
		    (trap->parameter == CONF_COUNT && conf_type_of(parameter) == CONF_TYPE_DATASET);

		if (meant && trap->sees(text))
			conf_report_add(report, CONF_WARNING, place.file, place.line, "\"%s\": %s",
			    conf_name(parameter), trap->sentence);
	}
}
