/*
 * admin_words.c - the words that speak to signpost-admind, what stands behind them and their
 * options. Read by admin.c. A new one is a row here; what it means is said by the operation it
 * names.
 */
#include "config.h"

#include <string.h>

#include "tools/admin.h"

#define FIELDS(list) list, sizeof(list) / sizeof((list)[0])
#define NO_FIELDS NULL, 0
#define ONE(argument)                                                                              \
	{                                                                                          \
		{                                                                                  \
			argument, ADMIN_TEXT, false                                                \
		}                                                                                  \
	}
#define TWO(first, second)                                                                         \
	{                                                                                          \
		{first, ADMIN_TEXT, false},                                                        \
		{                                                                                  \
			second, ADMIN_TEXT, false                                                  \
		}                                                                                  \
	}
#define MAYBE(argument)                                                                            \
	{                                                                                          \
		{                                                                                  \
			argument, ADMIN_TEXT, true                                                 \
		}                                                                                  \
	}
#define NONE                                                                                       \
	{                                                                                          \
		{                                                                                  \
			NULL, ADMIN_TEXT, true                                                     \
		}                                                                                  \
	}

#define F_ENABLE                                                                                   \
	{                                                                                          \
		"enable", 0, NULL, "enabled", ADMIN_ON, "mail of it is signed"                     \
	}
#define F_DISABLE                                                                                  \
	{                                                                                          \
		"disable", 0, NULL, "enabled", ADMIN_OFF, "mail of it is not signed"               \
	}
#define F_FAILURE                                                                                  \
	{                                                                                          \
		"failure", 'f', "TEXT", "failure", ADMIN_TEXT,                                     \
		    "what is done when mail cannot be signed"                                      \
	}
#define F_TENANT                                                                                   \
	{                                                                                          \
		"tenant", 't', "TENANT", "tenant", ADMIN_TEXT, "only what this tenant has"         \
	}
#define F_REASON                                                                                   \
	{                                                                                          \
		"reason", 'r', "TEXT", "reason", ADMIN_TEXT, "why; for the log"                    \
	}
#define F_REVISION                                                                                 \
	{                                                                                          \
		"revision", 0, "N", "revision", ADMIN_NUMBER,                                      \
		    "refuse if the row has another revision"                                       \
	}
#define F_POLICY                                                                                   \
	{                                                                                          \
		"policy", 'p', "POLICY", "policy", ADMIN_TEXT, "a policy of its tenant"            \
	}
#define F_SIGNS_AS                                                                                 \
	{                                                                                          \
		"signs-as", 0, "DOMAIN", "signs_as", ADMIN_TEXT, "sign as this domain"             \
	}
#define F_SUBDOMAINS                                                                               \
	{                                                                                          \
		"subdomains", 0, NULL, "subdomains", ADMIN_ON, "senders below it, too"             \
	}
#define F_NOTATION                                                                                 \
	{                                                                                          \
		"notation", 'f', "NAME", "notation", ADMIN_TEXT,                                   \
		    "single, rfc1035, bind, nsupdate, route53, terraform, json"                    \
	}

/* clang-format off */
static const struct admin_field tenant_fields[] = {F_ENABLE, F_DISABLE, F_FAILURE,
    {"max-domains", 0, "N|none", "quota.domains", ADMIN_LIMIT, "so many domains at most"},
    {"max-keys", 0, "N|none", "quota.keys", ADMIN_LIMIT, "so many keys that are not destroyed"},
    {"max-rotations", 0, "N|none", "quota.rotations_per_day", ADMIN_LIMIT, "so many rotations in a day of UTC"},
    {"max-requests", 0, "N|none", "quota.requests_per_minute", ADMIN_LIMIT, "so many requests of its tokens in a minute"}};
static const struct admin_field policy_fields[] = {
    {"plan", 'P', "FILE", "plan", ADMIN_JSON, "JSON: what its keys should be like; \"-\": stdin"},
    F_FAILURE,
    {"signature-ttl", 0, "SECONDS", "signature_ttl", ADMIN_NUMBER, "x= of signatures"},
    {"no-signature-ttl", 0, NULL, "no_signature_ttl", ADMIN_ON, "x= as configured"}};
static const struct admin_field domain_add_fields[] = {F_POLICY, F_SIGNS_AS, F_SUBDOMAINS, F_DISABLE};
static const struct admin_field domain_set_fields[] = {F_POLICY, F_SIGNS_AS, F_SUBDOMAINS, F_ENABLE,
    F_DISABLE,
    {"pause", 0, NULL, "paused", ADMIN_ON, "begin no new key and no activation"},
    {"resume", 0, NULL, "paused", ADMIN_OFF, "the end of --pause"}, F_REVISION};
static const struct admin_field tenant_only[] = {F_TENANT};
static const struct admin_field domain_list_fields[] = {F_TENANT,
    {"due-before", 0, "TIME", "due_before", ADMIN_TEXT, "only those that are looked at before that time"}};
static const struct admin_field token_fields[] = {
    {"scopes", 's', "SCOPES", "scopes", ADMIN_TEXT, "\"keys:read role:operator\" and the like; needed"},
    {"tenant", 't', "TENANT", "tenant", ADMIN_TEXT, "what it may see; default: all"},
    {"domains", 'D', "PATTERNS", "domains", ADMIN_TEXT, "\"*.example.org\"; default: all"},
    {"networks", 'N', "NETWORKS", "networks", ADMIN_TEXT, "from where it may be used"},
    {"name", 'm', "WORDS", "name", ADMIN_TEXT, "what it is for"},
    {"certificate", 'C', "NAME", "certificate", ADMIN_TEXT, "the name of a client certificate instead"},
    {"expires", 'e', "TIME", "expires", ADMIN_TEXT, "default: in 90 days"}};
#define F_SECRET                                                                                   \
	{                                                                                          \
		"secret-file", 's', "FILE", "secret", ADMIN_KEY,                                   \
		    "one line: the secret of the key in base64, or the key of the API"             \
	}
static const struct admin_field provider_add_fields[] = {
    {"address", 'a', "ADDRESS", "address", ADMIN_TEXT, "where, as signpost-publishers(5) has it, without files"},
    F_SECRET,
    {"allow-private", 0, NULL, "allow_private", ADMIN_ON, "it may be a host inside"}};
static const struct admin_field provider_set_fields[] = {
    {"address", 'a', "ADDRESS", "address", ADMIN_TEXT, "another one; the secret is given with it"},
    F_SECRET,
    {"allow-private", 0, NULL, "allow_private", ADMIN_ON, "it may be a host inside"},
    {"no-private", 0, NULL, "allow_private", ADMIN_OFF, "it may not"}};
static const struct admin_field audit_fields[] = {F_TENANT,
    {"object", 'o', "NAME", "object", ADMIN_TEXT, "only what was done to this one"},
    {"actor", 'a', "ACTOR", "actor", ADMIN_TEXT, "only what this one did"},
    {"newest-first", 'r', NULL, "newest_first", ADMIN_ON, "from the last one back"}};
static const struct admin_field destroyed[] = {
    {"destroyed", 'a', NULL, "destroyed", ADMIN_ON, "keys that are destroyed, too"}};
static const struct admin_field notation[] = {F_NOTATION};
static const struct admin_field format[] = {
    {"format", 'f', "NAME", "format", ADMIN_TEXT, "rfc1035, single, bind, nsupdate, route53, terraform, json"}};
static const struct admin_field domain_show_fields[] = {
    {"look", 'l', NULL, "look", ADMIN_ON, "ask DNS for the CNAMEs of its slots"}, F_NOTATION};
static const struct admin_field generate_fields[] = {
    {"selector", 's', "NAME", "selector", ADMIN_TEXT, "a new one; default: by the policy"},
    {"algorithm", 'a', "NAME", "algorithm", ADMIN_TEXT, "rsa-sha256 or ed25519-sha256"},
    {"bits", 'b', "N", "bits", ADMIN_NUMBER, "of RSA"}};
static const struct admin_field import_fields[] = {
    {"published", 0, NULL, "published", ADMIN_ON, "its record is in DNS already: look, and go on"},
    {"active", 'a', NULL, "active", ADMIN_ON, "it signs elsewhere with that record: it signs here at once"},
    {"unproven", 0, NULL, "unproven", ADMIN_ON, "of --active: nobody looks for the record"}};
static const struct admin_field step_fields[] = {F_REASON, F_REVISION};
static const struct admin_field explain_fields[] = {
    {"client", 'c', "ADDRESS", "client", ADMIN_TEXT, "the client's address"},
    {"macros", 'm', "FILE", "macros", ADMIN_JSON, "JSON: auth_authen, daemon_name and the like"},
    {"tenant", 't', "TENANT", "tenant", ADMIN_TEXT, "the session speaks for it, whatever its facts"}};
static const struct admin_field reason_only[] = {F_REASON};
static const struct admin_field rotate_fields[] = {
    {"tenant", 't', "TENANT", "tenant", ADMIN_TEXT, "all domains of this tenant"},
    {"due", 'd', NULL, "due", ADMIN_ON, "all whose keys are as old as their policy wants"},
    {"not-before", 0, "TIME", "not_before", ADMIN_TEXT, "\"2026-12-31T12:00:00Z\": not ACTIVE before"},
    F_REASON};
static const struct admin_field emergency_fields[] = {
    {"selector", 's', "NAME", "selector", ADMIN_TEXT, "the key; default: the ACTIVE one"},
    {"force", 0, NULL, "force", ADMIN_ON, "also if nothing can sign then"},
    F_REASON, F_REVISION};
static const struct admin_field bulk_fields[] = {
    {"idempotency-key", 'k', "KEY", "idempotency_key", ADMIN_TEXT, "that of an attempt that was cut off; default: a new one"}};
static const struct admin_field events_fields[] = {
    {"types", 't', "TYPES", "types", ADMIN_TEXT, "\"key.activated,rotation.*\"; default: all"},
    {"since", 's', "ID", "since", ADMIN_TEXT, "all behind this one; default: from now on"}};
static const struct admin_field wait_fields[] = {
    {"timeout", 't', "SECONDS", "timeout", ADMIN_NUMBER, "wait no longer; default: until it has ended"}};

static const struct admin_word words[] = {
    {"audit", "head", "audit.head", NONE, "", NO_FIELDS, false, NULL, NULL, "the end of the chain"},
    {"audit", "list", "audit.list", NONE, "", FIELDS(audit_fields), false, "audit", NULL,
	"what was done"},
    {"bulk", NULL, NULL, ONE("file"), "FILE|-", FIELDS(bulk_fields), true, NULL, NULL,
	"Runs the operations of a file of JSON, one in each line."},
    {"domain", "add", "domain.add", TWO("domain", "tenant"), "DOMAIN TENANT", FIELDS(domain_add_fields),
	true, NULL, NULL, "a new domain of a tenant"},
    {"domain", "list", "domain.list", NONE, "", FIELDS(domain_list_fields), false, "domains", NULL,
	"all domains"},
    {"domain", "records", "domain.records", ONE("domain"), "DOMAIN", FIELDS(format), false, NULL,
	admin_show_text, "all that should be in DNS for it now"},
    {"domain", "remove", "domain.remove", ONE("domain"), "DOMAIN", NO_FIELDS, true, NULL, NULL,
	"a domain that never published a key"},
    {"domain", "selftest", "domain.selftest", ONE("domain"), "DOMAIN", NO_FIELDS, false, NULL,
	admin_show_selftest, "sign a message with each key, and verify it by DNS"},
    {"domain", "set", "domain.set", ONE("domain"), "DOMAIN", FIELDS(domain_set_fields), true, NULL, NULL,
	"another policy or alias; enable, disable, pause, resume"},
    {"domain", "show", "domain.show", ONE("domain"), "DOMAIN", FIELDS(domain_show_fields), false, NULL, NULL,
	"a domain, its keys, and the CNAMEs of its slots"},
    {"domain", "stats", "domain.stats", ONE("domain"), "DOMAIN", NO_FIELDS, false, NULL, NULL,
	"what became of its mail of the last hour"},
    {"drift", NULL, "drift", MAYBE("domain"), "[DOMAIN]", FIELDS(tenant_only), false, NULL, NULL,
	"Compares what is published with what the DNS servers have."},
    {"emergency", NULL, "emergency", ONE("domain"), "DOMAIN", FIELDS(emergency_fields), true, NULL, NULL,
	"A key is known to others: the stand-by key signs at once, and it is revoked."},
    {"events", NULL, NULL, NONE, "", FIELDS(events_fields), false, NULL, NULL,
	"Shows what happens, as it happens, until it is ended."},
    {"explain", NULL, "resolve", ONE("from"), "ADDRESS", FIELDS(explain_fields), false, NULL, NULL,
	"Says what would sign for a sender, and why not, by the store alone."},
    {"gateway", "forget", "gateway.forget", ONE("gateway"), "GATEWAY", NO_FIELDS, true, NULL, NULL,
	"a gateway that is gone for good"},
    {"gateway", "list", "gateway.list", NONE, "", NO_FIELDS, false, "gateways", NULL,
	"gateways that report"},
    {"gateway", "show", "gateway.show", ONE("gateway"), "GATEWAY", NO_FIELDS, false, NULL, NULL,
	"a gateway, and the keys that it cannot verify"},
    {"key", "activate", "key.activate", TWO("domain", "selector"), "DOMAIN SELECTOR",
	FIELDS(step_fields), true, NULL, NULL, "the stand-by key signs; the one before retires"},
    {"key", "generate", "key.generate", ONE("domain"), "DOMAIN", FIELDS(generate_fields), true, NULL,
	NULL, "a new key"},
    {"key", "hold", "key.hold", TWO("domain", "selector"), "DOMAIN SELECTOR", FIELDS(step_fields), true,
	NULL, NULL, "a key that shall not sign for now"},
    {"key", "import", "key.import",
	{{"domain", ADMIN_TEXT, false}, {"selector", ADMIN_TEXT, false}, {"pem", ADMIN_KEY, false}},
	"DOMAIN SELECTOR FILE", FIELDS(import_fields), true, NULL, NULL, "a private key from a file"},
    {"key", "list", "key.list", ONE("domain"), "DOMAIN", FIELDS(destroyed), false, "keys", NULL,
	"the keys of a domain, and what they wait for"},
    {"key", "publish", "key.publish", TWO("domain", "selector"), "DOMAIN SELECTOR", NO_FIELDS, true,
	NULL, admin_show_result, "publish it now, and look"},
    {"key", "record", "key.record", TWO("domain", "selector"), "DOMAIN SELECTOR", FIELDS(notation),
	false, NULL, admin_show_record, "its DNS record, as a provider wants it"},
    {"key", "release", "key.release", TWO("domain", "selector"), "DOMAIN SELECTOR", FIELDS(step_fields),
	true, NULL, NULL, "the end of hold"},
    {"key", "remove", "key.remove", TWO("domain", "selector"), "DOMAIN SELECTOR", FIELDS(step_fields),
	true, NULL, NULL, "a key of which nothing is in DNS is destroyed"},
    {"key", "retire", "key.retire", TWO("domain", "selector"), "DOMAIN SELECTOR", FIELDS(step_fields),
	true, NULL, NULL, "a key signs no more; it stays published"},
    {"key", "revoke", "key.revoke", TWO("domain", "selector"), "DOMAIN SELECTOR", FIELDS(step_fields),
	true, NULL, NULL, "the record of a retired key becomes empty, for good"},
    {"key", "rollback", "key.rollback", TWO("domain", "selector"), "DOMAIN SELECTOR",
	FIELDS(step_fields), true, NULL, NULL, "the key that signs is held, the one before signs again"},
    {"key", "show", "key.show", TWO("domain", "selector"), "DOMAIN SELECTOR", FIELDS(notation), false,
	NULL, NULL, "one key, what it waits for, and its record"},
    {"key", "verify", "key.verify", TWO("domain", "selector"), "DOMAIN SELECTOR", NO_FIELDS, false, NULL,
	NULL, "what the DNS servers have of it now"},
    {"operations", "cancel", "operation.cancel", ONE("operation"), "OPERATION", NO_FIELDS, true, NULL,
	NULL, "a rotation is not wanted any more; no key of it signs yet"},
    {"operations", "list", "rotation.list", ONE("domain"), "DOMAIN", NO_FIELDS, false, NULL, NULL,
	"the rotations of a domain, by the names of their operations"},
    {"operations", "show", "operation.show", ONE("operation"), "OPERATION", NO_FIELDS, false, NULL, NULL,
	"what was begun: its state, its steps, and what they wait for"},
    {"operations", "wait", "operation.show", ONE("operation"), "OPERATION", FIELDS(wait_fields), false,
	NULL, NULL, "the same, when it has ended"},
    {"policy", "list", "policy.list", NONE, "", FIELDS(tenant_only), false, "policies", NULL,
	"all policies"},
    {"policy", "remove", "policy.remove", TWO("tenant", "policy"), "TENANT POLICY", NO_FIELDS, true,
	NULL, NULL, "a policy that no domain has"},
    {"policy", "set", "policy.set", TWO("tenant", "policy"), "TENANT POLICY", FIELDS(policy_fields), true,
	NULL, NULL, "a new policy, or another plan"},
    {"policy", "show", "policy.show", TWO("tenant", "policy"), "TENANT POLICY", NO_FIELDS, false, NULL,
	NULL, "a policy, with all that it leaves out"},
    {"provider", "add", "provider.add",
	{{"tenant", ADMIN_TEXT, false}, {"provider", ADMIN_TEXT, false}, {"kind", ADMIN_TEXT, false}},
	"TENANT PROVIDER KIND", FIELDS(provider_add_fields), true, NULL, NULL, "a new DNS provider of a tenant"},
    {"provider", "list", "provider.list", ONE("tenant"), "TENANT", NO_FIELDS, false, "providers", NULL,
	"DNS providers of a tenant, and the operator's"},
    {"provider", "remove", "provider.remove", TWO("tenant", "provider"), "TENANT PROVIDER", NO_FIELDS,
	true, NULL, NULL, "one that nothing names"},
    {"provider", "set", "provider.set", TWO("tenant", "provider"), "TENANT PROVIDER",
	FIELDS(provider_set_fields), true, NULL, NULL, "another address or secret"},
    {"provider", "show", "provider.show", TWO("tenant", "provider"), "TENANT PROVIDER", NO_FIELDS, false,
	NULL, NULL, "one of them, without its secret"},
    {"provider", "test", "provider.test",
	{{"tenant", ADMIN_TEXT, false}, {"provider", ADMIN_TEXT, false}, {"zone", ADMIN_TEXT, false}},
	"TENANT PROVIDER ZONE", NO_FIELDS, true, NULL, admin_show_result, "write a record, look, and remove it"},
    {"rotate", NULL, "rotate", MAYBE("domain"), "[DOMAIN]", FIELDS(rotate_fields), true, NULL, NULL,
	"Asks for new keys: of a domain, of all of a tenant, or of all that are due."},
    {"rotation", "abort", "rotation.abort", TWO("domain", "rotation"), "DOMAIN ROTATION",
	FIELDS(reason_only), true, NULL, NULL, "it is not wanted any more; no key of it signs yet"},
    {"rotation", "list", "rotation.list", ONE("domain"), "DOMAIN", NO_FIELDS, false, "rotations", NULL,
	"those of a domain"},
    {"rotation", "pause", "rotation.pause", TWO("domain", "rotation"), "DOMAIN ROTATION",
	FIELDS(reason_only), true, NULL, NULL, "begin nothing new in its domain; what was begun ends"},
    {"rotation", "resume", "rotation.resume", TWO("domain", "rotation"), "DOMAIN ROTATION",
	FIELDS(reason_only), true, NULL, NULL, "the end of pause"},
    {"rotation", "rollback", "rotation.rollback", TWO("domain", "rotation"), "DOMAIN ROTATION",
	FIELDS(reason_only), true, NULL, NULL, "its keys are held, those before sign again"},
    {"rotation", "show", "rotation.show", TWO("domain", "rotation"), "DOMAIN ROTATION", NO_FIELDS, false,
	NULL, NULL, "its steps, and what they wait for"},
    {"rules", "change", "rules.change", {{"tenant", ADMIN_TEXT, false}, {"rules", ADMIN_JSON, false}},
	"TENANT FILE", NO_FIELDS, true, NULL, NULL, "add the rules of a file, or put them in place of theirs"},
    {"rules", "replace", "rules.replace", {{"tenant", ADMIN_TEXT, false}, {"rules", ADMIN_JSON, false}},
	"TENANT FILE", NO_FIELDS, true, NULL, NULL, "the rules of a file in place of all"},
    {"rules", "show", "rules.show", ONE("tenant"), "TENANT", NO_FIELDS, false, NULL, NULL,
	"all signing rules of a tenant"},
    {"status", NULL, "status", MAYBE("domain"), "[DOMAIN]", FIELDS(tenant_only), false, NULL, NULL,
	"What all keys are like, or those of a domain: states, what is stuck or overdue, gateways."},
    {"tenant", "add", "tenant.add", ONE("tenant"), "TENANT", FIELDS(tenant_fields), true, NULL, NULL,
	"a new tenant"},
    {"tenant", "list", "tenant.list", NONE, "", NO_FIELDS, false, "tenants", NULL, "all tenants"},
    {"tenant", "remove", "tenant.remove", ONE("tenant"), "TENANT", NO_FIELDS, true, NULL, NULL,
	"a tenant without domains"},
    {"tenant", "set", "tenant.set", ONE("tenant"), "TENANT", FIELDS(tenant_fields), true, NULL, NULL,
	"enable, disable; its failure policy"},
    {"tenant", "show", "tenant.show", ONE("tenant"), "TENANT", NO_FIELDS, false, NULL, NULL, "a tenant"},
    {"token", "add", "token.add", NONE, "", FIELDS(token_fields), true, NULL, NULL,
	"a new token; its secret is shown once"},
    {"token", "list", "token.list", NONE, "", NO_FIELDS, false, "tokens", NULL, "all tokens"},
    {"token", "revoke", "token.revoke", ONE("token"), "TOKEN", NO_FIELDS, true, NULL, NULL,
	"a token ends at once"},
    {"token", "rotate", "token.rotate", ONE("token"), "TOKEN", NO_FIELDS, true, NULL, NULL,
	"another secret; the old one ends at once"},
    {"token", "show", "token.show", ONE("token"), "TOKEN", NO_FIELDS, false, NULL, NULL, "a token"},
    {"unsigned", NULL, "unsigned", NONE, "", FIELDS(tenant_only), false, NULL, NULL,
	"Says how much mail of the last hour was not signed or was deferred, and why."},
    {"verify", NULL, "verify", {{"message", ADMIN_MESSAGE, false}}, "FILE|-", NO_FIELDS, false, NULL,
	admin_show_verify, "Says which signatures of a message verify, and what broke the others."},
};
/* clang-format on */

admin_ask_function *
admin_word_ask(const struct admin_word *word)
{
	static const struct {
		const char *command, *name; /* NULL: the command has no words */
		admin_ask_function *ask;
	} known[] = {{"bulk", NULL, admin_bulk}, {"events", NULL, admin_events},
	    {"operations", "list", admin_operations_list},
	    {"operations", "wait", admin_operations_wait}};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(known[i].command, word->command) == 0 &&
		    (known[i].name == NULL || strcmp(known[i].name, word->name) == 0))
			return known[i].ask;
	return NULL;
}

const struct admin_word *
admin_words(size_t *count_out)
{
	*count_out = sizeof(words) / sizeof(words[0]);
	return words;
}
