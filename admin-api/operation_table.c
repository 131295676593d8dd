/*
 * operation_table.c - the names of all operations, and what each may be given.
 * Read by operations.c, and shown to whoever asks. A new operation is a function in a file
 * operation_*.c and a row here; nothing else knows it.
 */
#include "config.h"

#include <string.h>

#include "admin-api/operation_call.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define NEEDED true
#define OPTIONAL false

#define A_DOMAIN                                                                                   \
	{                                                                                          \
		"domain", OPERATION_TEXT, NEEDED, "the domain, U-labels or A-labels"               \
	}
#define A_SELECTOR                                                                                 \
	{                                                                                          \
		"selector", OPERATION_TEXT, NEEDED, "the selector of the key, or its id"           \
	}
#define A_TENANT                                                                                   \
	{                                                                                          \
		"tenant", OPERATION_TEXT, NEEDED, "the tenant"                                     \
	}
#define A_REVISION                                                                                 \
	{                                                                                          \
		"revision", OPERATION_NUMBER, OPTIONAL, "refuse if the row has another one"        \
	}
#define A_REASON(need)                                                                             \
	{                                                                                          \
		"reason", OPERATION_TEXT, need, "why, for the log"                                 \
	}
#define A_AFTER                                                                                    \
	{"after", OPERATION_TEXT, OPTIONAL, "\"next\" of the page before"},                        \
	{                                                                                          \
		"limit", OPERATION_NUMBER, OPTIONAL, "rows of a page, at most 500"                 \
	}
#define A_ONE_TENANT                                                                               \
	{                                                                                          \
		"tenant", OPERATION_TEXT, OPTIONAL, "only those of this tenant"                    \
	}

static const struct operation_argument tenant_rows[] = {A_TENANT,
    {"enabled", OPERATION_SWITCH, OPTIONAL, "whether anything of it is signed"},
    {"failure", OPERATION_TEXT, OPTIONAL, "what is done when mail cannot be signed"},
    {"quota", OPERATION_OBJECT, OPTIONAL, "how much it may have and do"}};
static const struct operation_argument tenant_name[] = {A_TENANT};
static const struct operation_argument page[] = {A_AFTER};
static const struct operation_argument policy_name[] = {
    A_TENANT, {"policy", OPERATION_TEXT, NEEDED, "the name of the policy"}};
static const struct operation_argument policy_rows[] = {A_TENANT,
    {"policy", OPERATION_TEXT, NEEDED, "the name of the policy"},
    {"plan", OPERATION_OBJECT, OPTIONAL, "what its keys should be like"},
    {"failure", OPERATION_TEXT, OPTIONAL, "what is done when mail cannot be signed"},
    {"signature_ttl", OPERATION_NUMBER, OPTIONAL, "x= of signatures, seconds"},
    {"no_signature_ttl", OPERATION_SWITCH, OPTIONAL, "x= as configured"},
    {"new", OPERATION_SWITCH, OPTIONAL, "refuse if there is one of that name"}};
static const struct operation_argument some_domains[] = {A_ONE_TENANT, A_AFTER};
static const struct operation_argument list_domains[] = {A_ONE_TENANT, A_AFTER,
    {"due_before", OPERATION_TIME, OPTIONAL, "only those that are looked at before that time"}};
static const struct operation_argument domain_name[] = {A_DOMAIN};
#define DOMAIN_FIELDS                                                                              \
	{"policy", OPERATION_TEXT, OPTIONAL, "a policy of the tenant; \"\": none"},                \
	    {"signs_as", OPERATION_TEXT, OPTIONAL, "sign as this domain; \"\": as itself"},        \
	    {"subdomains", OPERATION_SWITCH, OPTIONAL, "senders below it, too"},                   \
	{                                                                                          \
		"enabled", OPERATION_SWITCH, OPTIONAL, "whether it is signed"                      \
	}
static const struct operation_argument domain_add[] = {A_DOMAIN, A_TENANT, DOMAIN_FIELDS};
static const struct operation_argument domain_set[] = {A_DOMAIN, DOMAIN_FIELDS, A_REVISION,
    {"paused", OPERATION_SWITCH, OPTIONAL, "begin nothing new; what was begun ends"}};
static const struct operation_argument domain_put[] = {A_DOMAIN, A_TENANT, DOMAIN_FIELDS,
    {"new", OPERATION_SWITCH, OPTIONAL, "refuse if there is one of that name"}};
static const struct operation_argument domain_policy[] = {
    A_DOMAIN, {"policy", OPERATION_TEXT, NEEDED, "another policy of the tenant; \"\": none"}};
static const struct operation_argument domain_show[] = {A_DOMAIN,
    {"look", OPERATION_SWITCH, OPTIONAL, "ask DNS for the CNAMEs of its slots"},
    {"notation", OPERATION_TEXT, OPTIONAL,
	"of those CNAMEs: single, rfc1035, bind, nsupdate, route53, terraform or json"}};
static const struct operation_argument domain_records[] = {
    A_DOMAIN, {"format", OPERATION_TEXT, OPTIONAL,
		  "rfc1035, single, bind, nsupdate, route53, terraform or json"}};
static const struct operation_argument key_list[] = {
    A_DOMAIN, {"destroyed", OPERATION_SWITCH, OPTIONAL, "those that are destroyed, too"}};
static const struct operation_argument some_keys[] = {A_ONE_TENANT, A_AFTER,
    {"destroyed", OPERATION_SWITCH, OPTIONAL, "those that are destroyed, too"},
    {"state", OPERATION_TEXT, OPTIONAL, "only those in it: ACTIVE, FAILED, DESTROYED, ..."},
    {"algorithm", OPERATION_TEXT, OPTIONAL, "only those of it: rsa-sha256 or ed25519-sha256"},
    {"condition", OPERATION_TEXT, OPTIONAL,
	"only those in it: stuck (something is in the way), drifted (DNS has something else) or "
	"suspect (signatures do not verify)"}};
static const struct operation_argument key_record[] = {A_DOMAIN, A_SELECTOR,
    {"notation", OPERATION_TEXT, OPTIONAL,
	"single, rfc1035, bind, nsupdate, route53, terraform or json"}};
static const struct operation_argument key_name[] = {A_DOMAIN, A_SELECTOR};
static const struct operation_argument key_generate[] = {A_DOMAIN,
    {"selector", OPERATION_TEXT, OPTIONAL, "a new one; default: by the policy"},
    {"algorithm", OPERATION_TEXT, OPTIONAL, "rsa-sha256 or ed25519-sha256"},
    {"bits", OPERATION_NUMBER, OPTIONAL, "of RSA, 1024 to 8192"}};
static const struct operation_argument key_import[] = {A_DOMAIN,
    {"selector", OPERATION_TEXT, NEEDED, "a new one, or where its record is already"},
    {"pem", OPERATION_LONG, NEEDED, "the private key"},
    {"published", OPERATION_SWITCH, OPTIONAL, "its record is in DNS: it is PUBLISHED at once"},
    {"active", OPERATION_SWITCH, OPTIONAL,
	"and it signs elsewhere until now: it is ACTIVE at once"},
    {"unproven", OPERATION_SWITCH, OPTIONAL, "nobody looks whether its record is in DNS"}};
static const struct operation_argument key_step[] = {
    A_DOMAIN, A_SELECTOR, A_REVISION, A_REASON(OPTIONAL)};
static const struct operation_argument rotate[] = {
    {"domain", OPERATION_TEXT, OPTIONAL, "one domain"},
    {"tenant", OPERATION_TEXT, OPTIONAL, "all domains of a tenant"},
    {"due", OPERATION_SWITCH, OPTIONAL, "all whose keys are as old as their policy wants"},
    {"not_before", OPERATION_TIME, OPTIONAL, "new keys are not ACTIVE before"}, A_REASON(NEEDED)};
#define A_ROTATION                                                                                 \
	{                                                                                          \
		"rotation", OPERATION_TEXT, NEEDED, "its name"                                     \
	}
static const struct operation_argument rotation_name[] = {A_DOMAIN, A_ROTATION};
static const struct operation_argument rotation_step[] = {A_DOMAIN, A_ROTATION, A_REASON(OPTIONAL)};
static const struct operation_argument emergency[] = {A_DOMAIN,
    {"selector", OPERATION_TEXT, OPTIONAL, "the key that others know; default: the ACTIVE one"},
    {"force", OPERATION_SWITCH, OPTIONAL, "also if nothing can sign then"}, A_REVISION,
    A_REASON(NEEDED)};
static const struct operation_argument one_or_all[] = {
    {"domain", OPERATION_TEXT, OPTIONAL, "one domain"}, A_ONE_TENANT};
static const struct operation_argument one_tenant[] = {A_ONE_TENANT};
static const struct operation_argument rules_replace[] = {
    A_TENANT, {"rules", OPERATION_LIST, NEEDED, "all of them: those that are not among them go"}};
static const struct operation_argument rules_change[] = {A_TENANT,
    {"rules", OPERATION_LIST, OPTIONAL, "new ones, and others in place of those of that name"},
    {"remove", OPERATION_LIST, OPTIONAL, "names of those that go"}};
static const struct operation_argument resolve[] = {
    {"from", OPERATION_TEXT, OPTIONAL, "the address in From:, which decides"},
    {"mail_from", OPERATION_TEXT, OPTIONAL, "the address of MAIL FROM, where there is no other"},
    {"client", OPERATION_TEXT, OPTIONAL, "the client's address"},
    {"macros", OPERATION_OBJECT, OPTIONAL,
	"of the MTA: auth_authen, daemon_name, client_addr, client_name"},
    {"tenant", OPERATION_TEXT, OPTIONAL, "the session speaks for this tenant, whatever its facts"}};
static const struct operation_argument gateway_name[] = {
    {"gateway", OPERATION_TEXT, NEEDED, "the name under which it reports"}};
static const struct operation_argument operation_name[] = {
    {"operation", OPERATION_TEXT, NEEDED, "its name, as the answer had it that began it"}};

static const struct operation_argument audit_list[] = {A_ONE_TENANT, A_AFTER,
    {"since", OPERATION_NUMBER, OPTIONAL, "rows behind this seq"},
    {"newest_first", OPERATION_SWITCH, OPTIONAL, "from the last one back"},
    {"actor", OPERATION_TEXT, OPTIONAL, "only what this one did"},
    {"object", OPERATION_TEXT, OPTIONAL, "only what was done to this one"}};
#define A_PROVIDER                                                                                 \
	{                                                                                          \
		"provider", OPERATION_TEXT, NEEDED, "its name, as plans have it: \"publisher\""    \
	}
#define PROVIDER_FIELDS                                                                            \
	{"secret", OPERATION_LONG, OPTIONAL,                                                       \
	    "rfc2136: that of the key, in base64; powerdns: the key of the API. Never shown"},     \
	{                                                                                          \
		"allow_private", OPERATION_SWITCH, OPTIONAL,                                       \
		    "it may be a host inside; only the operator says so"                           \
	}
static const struct operation_argument provider_name[] = {A_TENANT, A_PROVIDER};
static const struct operation_argument provider_list[] = {A_TENANT, A_AFTER};
static const struct operation_argument provider_add[] = {A_TENANT, A_PROVIDER,
    {"kind", OPERATION_TEXT, NEEDED, "rfc2136, powerdns or manual"},
    {"address", OPERATION_TEXT, OPTIONAL, "as signpost-publishers(5) has it, without files"},
    PROVIDER_FIELDS};
static const struct operation_argument provider_set[] = {A_TENANT, A_PROVIDER,
    {"address", OPERATION_TEXT, OPTIONAL, "another one; the secret is to be given with it"},
    PROVIDER_FIELDS};
static const struct operation_argument provider_test[] = {A_TENANT, A_PROVIDER,
    {"zone", OPERATION_TEXT, NEEDED, "where a record _signpost-test-... is put, and removed"}};
static const struct operation_argument token_name[] = {
    {"token", OPERATION_TEXT, NEEDED, "the id of the token"}};
static const struct operation_argument token_add[] = {
    {"scopes", OPERATION_TEXT, NEEDED, "scopes and roles: \"keys:read role:operator\""},
    {"tenant", OPERATION_TEXT, OPTIONAL, "what it may see; default: as who asks"},
    {"domains", OPERATION_TEXT, OPTIONAL, "patterns: \"*.example.org\"; default: all"},
    {"networks", OPERATION_TEXT, OPTIONAL, "from where it may be used; default: anywhere"},
    {"name", OPERATION_TEXT, OPTIONAL, "what it is for"},
    {"certificate", OPERATION_TEXT, OPTIONAL, "the name of a client certificate in its place"},
    {"expires", OPERATION_TIME, OPTIONAL, "default: in 90 days; at most 400"}};

#define ROW(name, list, changes, scope, run, help)                                                 \
	{                                                                                          \
		name, list, COUNT(list), changes, scope, run, help                                 \
	}
#define CHANGES true
#define READS false

static const struct operation operations[] = {
    {"audit.head", NULL, 0, READS, SCOPE_AUDIT_READ, operation_audit_head, "the end of the chain"},
    ROW("audit.list", audit_list, READS, SCOPE_AUDIT_READ, operation_audit_list,
	"what was done, a page"),
    ROW("domain.add", domain_add, CHANGES, SCOPE_DOMAINS_WRITE, operation_domain_add,
	"a new domain of a tenant"),
    ROW("domain.list", list_domains, READS, SCOPE_DOMAINS_READ, operation_domain_list,
	"domains, a page"),
    ROW("domain.policy.set", domain_policy, CHANGES, SCOPE_POLICY_WRITE,
	operation_domain_policy_set, "another policy of the tenant for a domain"),
    ROW("domain.policy.show", domain_name, READS, SCOPE_POLICY_READ, operation_domain_policy_show,
	"the policy of a domain, with all defaults"),
    ROW("domain.put", domain_put, CHANGES, SCOPE_DOMAINS_WRITE, operation_domain_put,
	"a domain as it is to be, whole"),
    ROW("domain.records", domain_records, READS, SCOPE_DNS_READ, operation_domain_records,
	"all that should be in DNS for it now"),
    ROW("domain.remove", domain_name, CHANGES, SCOPE_DOMAINS_WRITE, operation_domain_remove,
	"a domain that never published a key"),
    ROW("domain.selftest", domain_name, READS, SCOPE_DNS_TEST, operation_selftest,
	"sign a message with its keys, and verify it with what is in DNS"),
    ROW("domain.set", domain_set, CHANGES, SCOPE_DOMAINS_WRITE, operation_domain_set,
	"policy, alias, enabled, paused"),
    ROW("domain.show", domain_show, READS, SCOPE_DOMAINS_READ, operation_domain_show,
	"a domain, its keys, and the CNAMEs of its slots"),
    ROW("domain.stats", domain_name, READS, SCOPE_DOMAINS_READ, operation_domain_stats,
	"what became of its mail of the last hour"),
    ROW("drift", one_or_all, READS, SCOPE_DNS_TEST, operation_drift,
	"compare what is published with DNS"),
    ROW("emergency", emergency, CHANGES, SCOPE_KEYS_REVOKE, operation_emergency,
	"a key is known to others: the stand-by key signs at once"),
    ROW("gateway.forget", gateway_name, CHANGES, SCOPE_NODES_WRITE, operation_gateway_forget,
	"a gateway that is gone for good"),
    {"gateway.list", NULL, 0, READS, SCOPE_NODES_READ, operation_gateway_list,
	"gateways that report"},
    ROW("gateway.show", gateway_name, READS, SCOPE_NODES_READ, operation_gateway_show,
	"a gateway that reports"),
    ROW("key.activate", key_step, CHANGES, SCOPE_KEYS_ROTATE, operation_key_activate,
	"the stand-by key signs"),
    ROW("key.generate", key_generate, CHANGES, SCOPE_KEYS_WRITE, operation_key_generate,
	"a new key, PREPARED"),
    ROW("key.hold", key_step, CHANGES, SCOPE_KEYS_ROTATE, operation_key_hold,
	"a key that shall not sign"),
    ROW("key.import", key_import, CHANGES, SCOPE_KEYS_WRITE, operation_key_import,
	"a key from elsewhere"),
    ROW("key.list", key_list, READS, SCOPE_KEYS_READ, operation_key_list, "the keys of a domain"),
    ROW("key.publish", key_name, CHANGES, SCOPE_DNS_WRITE, operation_key_publish,
	"publish now, and look"),
    ROW("key.record", key_record, READS, SCOPE_DNS_READ, operation_key_record,
	"its record, in a notation"),
    ROW("key.release", key_step, CHANGES, SCOPE_KEYS_ROTATE, operation_key_release,
	"the end of key.hold"),
    ROW("key.remove", key_step, CHANGES, SCOPE_KEYS_WRITE, operation_key_remove,
	"a key of which nothing is in DNS is destroyed"),
    ROW("key.retire", key_step, CHANGES, SCOPE_KEYS_ROTATE, operation_key_retire,
	"a key signs no more"),
    ROW("key.revoke", key_step, CHANGES, SCOPE_KEYS_REVOKE, operation_key_revoke,
	"the record of a retired key becomes empty"),
    ROW("key.rollback", key_step, CHANGES, SCOPE_KEYS_ROTATE, operation_key_rollback,
	"the key that signs is held, the one before signs again"),
    ROW("key.show", key_record, READS, SCOPE_KEYS_READ, operation_key_show,
	"a key, and what it waits for"),
    ROW("key.verify", key_name, READS, SCOPE_DNS_TEST, operation_key_verify,
	"what the DNS servers have of it"),
    ROW("keys.list", some_keys, READS, SCOPE_KEYS_READ, operation_keys_list,
	"keys of all domains, a page"),
    ROW("operation.cancel", operation_name, CHANGES, SCOPE_KEYS_ROTATE, operation_operation_cancel,
	"what was begun is not wanted any more: a rotation of which no key signs yet"),
    ROW("operation.show", operation_name, READS, SCOPE_KEYS_READ, operation_operation_show,
	"how far what was begun has come"),
    ROW("policy.list", some_domains, READS, SCOPE_POLICY_READ, operation_policy_list,
	"policies, a page"),
    ROW("policy.remove", policy_name, CHANGES, SCOPE_POLICY_WRITE, operation_policy_remove,
	"a policy nobody has"),
    ROW("policy.set", policy_rows, CHANGES, SCOPE_POLICY_WRITE, operation_policy_set,
	"a new policy, or another plan"),
    ROW("policy.show", policy_name, READS, SCOPE_POLICY_READ, operation_policy_show,
	"a policy, with all defaults"),
    ROW("provider.add", provider_add, CHANGES, SCOPE_DNS_WRITE, operation_provider_add,
	"a new DNS provider of a tenant"),
    ROW("provider.list", provider_list, READS, SCOPE_DNS_READ, operation_provider_list,
	"DNS providers of a tenant, a page, and the operator's"),
    ROW("provider.remove", provider_name, CHANGES, SCOPE_DNS_WRITE, operation_provider_remove,
	"a DNS provider that nothing names"),
    ROW("provider.set", provider_set, CHANGES, SCOPE_DNS_WRITE, operation_provider_set,
	"another address or secret"),
    ROW("provider.show", provider_name, READS, SCOPE_DNS_READ, operation_provider_show,
	"a DNS provider, without its secret"),
    ROW("provider.test", provider_test, CHANGES, SCOPE_DNS_TEST, operation_provider_test,
	"write a record, look, and remove it"),
    ROW("resolve", resolve, READS, SCOPE_MAIL_CHECK, operation_resolve,
	"what would sign for a sender, and why not"),
    ROW("rotate", rotate, CHANGES, SCOPE_KEYS_ROTATE, operation_rotate, "ask for new keys"),
    ROW("rotation.abort", rotation_step, CHANGES, SCOPE_KEYS_ROTATE, operation_rotation_abort,
	"a rotation is not wanted any more; no key of it signs yet"),
    ROW("rotation.list", domain_name, READS, SCOPE_KEYS_READ, operation_rotation_list,
	"rotations of a domain, newest first"),
    ROW("rotation.pause", rotation_step, CHANGES, SCOPE_KEYS_ROTATE, operation_rotation_pause,
	"nothing new is begun in its domain; what was begun ends"),
    ROW("rotation.resume", rotation_step, CHANGES, SCOPE_KEYS_ROTATE, operation_rotation_resume,
	"the end of rotation.pause"),
    ROW("rotation.rollback", rotation_step, CHANGES, SCOPE_KEYS_ROTATE, operation_rotation_rollback,
	"its keys are held, those before sign again"),
    ROW("rotation.show", rotation_name, READS, SCOPE_KEYS_READ, operation_rotation_show,
	"a rotation, and what its steps wait for"),
    ROW("rules.change", rules_change, CHANGES, SCOPE_RULES_WRITE, operation_rules_change,
	"add, replace and remove signing rules, all or none"),
    ROW("rules.replace", rules_replace, CHANGES, SCOPE_RULES_WRITE, operation_rules_replace,
	"all signing rules of a tenant in place of those that are there"),
    ROW("rules.show", tenant_name, READS, SCOPE_RULES_READ, operation_rules_show,
	"the signing rules of a tenant"),
    ROW("status", one_or_all, READS, SCOPE_KEYS_READ, operation_status, "what all is like"),
    ROW("tenant.add", tenant_rows, CHANGES, SCOPE_TENANTS_WRITE, operation_tenant_add,
	"a new tenant"),
    ROW("tenant.list", page, READS, SCOPE_TENANTS_READ, operation_tenant_list, "tenants, a page"),
    ROW("tenant.remove", tenant_name, CHANGES, SCOPE_TENANTS_WRITE, operation_tenant_remove,
	"a tenant without domains"),
    ROW("tenant.set", tenant_rows, CHANGES, SCOPE_TENANTS_WRITE, operation_tenant_set,
	"enabled, failure policy, quota"),
    ROW("tenant.show", tenant_name, READS, SCOPE_TENANTS_READ, operation_tenant_show, "a tenant"),
    ROW("token.add", token_add, CHANGES, SCOPE_TOKENS_ADMIN, operation_token_add,
	"a new token; its secret is shown once"),
    ROW("token.list", page, READS, SCOPE_TOKENS_ADMIN, operation_token_list, "tokens, a page"),
    ROW("token.revoke", token_name, CHANGES, SCOPE_TOKENS_ADMIN, operation_token_revoke,
	"a token ends at once"),
    ROW("token.rotate", token_name, CHANGES, SCOPE_TOKENS_ADMIN, operation_token_rotate,
	"a new secret; the old one ends at once"),
    ROW("token.show", token_name, READS, SCOPE_TOKENS_ADMIN, operation_token_show, "a token"),
    ROW("unsigned", one_tenant, READS, SCOPE_NODES_READ, operation_unsigned,
	"mail of the last hour that was not signed, or deferred"),
    {"verify", NULL, 0, READS, SCOPE_MAIL_CHECK, operation_verify,
	"verify a message, and say what is not as it was signed"},
};

const struct operation *
operations_all(size_t *count_out)
{
	*count_out = COUNT(operations);
	return operations;
}

const struct operation *
operation_find(struct span name)
{
	for (size_t i = 0; i < COUNT(operations); i++)
		if (span_eq_str(name, operations[i].name))
			return &operations[i];
	return NULL;
}
