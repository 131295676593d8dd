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
	{                                                                                          \
		"after", OPERATION_TEXT, OPTIONAL, "\"next\" of the page before"                   \
	}
#define A_ONE_TENANT                                                                               \
	{                                                                                          \
		"tenant", OPERATION_TEXT, OPTIONAL, "only those of this tenant"                    \
	}

static const struct operation_argument tenant_rows[] = {A_TENANT,
    {"enabled", OPERATION_SWITCH, OPTIONAL, "whether anything of it is signed"},
    {"failure", OPERATION_TEXT, OPTIONAL, "what is done when mail cannot be signed"}};
static const struct operation_argument tenant_name[] = {A_TENANT};
static const struct operation_argument page[] = {A_AFTER};
static const struct operation_argument policy_name[] = {
    A_TENANT, {"policy", OPERATION_TEXT, NEEDED, "the name of the policy"}};
static const struct operation_argument policy_rows[] = {A_TENANT,
    {"policy", OPERATION_TEXT, NEEDED, "the name of the policy"},
    {"plan", OPERATION_OBJECT, OPTIONAL, "what its keys should be like"},
    {"failure", OPERATION_TEXT, OPTIONAL, "what is done when mail cannot be signed"},
    {"signature_ttl", OPERATION_NUMBER, OPTIONAL, "x= of signatures, seconds"},
    {"no_signature_ttl", OPERATION_SWITCH, OPTIONAL, "x= as configured"}};
static const struct operation_argument some_domains[] = {A_ONE_TENANT, A_AFTER};
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
static const struct operation_argument key_list[] = {
    A_DOMAIN, {"destroyed", OPERATION_SWITCH, OPTIONAL, "those that are destroyed, too"}};
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
    {"published", OPERATION_SWITCH, OPTIONAL, "its record is in DNS: it is PUBLISHED at once"}};
static const struct operation_argument key_step[] = {
    A_DOMAIN, A_SELECTOR, A_REVISION, A_REASON(OPTIONAL)};
static const struct operation_argument rotate[] = {
    {"domain", OPERATION_TEXT, OPTIONAL, "one domain"},
    {"tenant", OPERATION_TEXT, OPTIONAL, "all domains of a tenant"},
    {"due", OPERATION_SWITCH, OPTIONAL, "all whose keys are as old as their policy wants"},
    {"not_before", OPERATION_TIME, OPTIONAL, "new keys are not ACTIVE before"}, A_REASON(NEEDED)};
static const struct operation_argument emergency[] = {A_DOMAIN,
    {"selector", OPERATION_TEXT, OPTIONAL, "the key that others know; default: the ACTIVE one"},
    {"force", OPERATION_SWITCH, OPTIONAL, "also if nothing can sign then"}, A_REVISION,
    A_REASON(NEEDED)};
static const struct operation_argument one_or_all[] = {
    {"domain", OPERATION_TEXT, OPTIONAL, "one domain"}, A_ONE_TENANT};
static const struct operation_argument gateway_name[] = {
    {"gateway", OPERATION_TEXT, NEEDED, "the name under which it reports"}};

#define ROW(name, list, changes, run, help)                                                        \
	{                                                                                          \
		name, list, COUNT(list), changes, run, help                                        \
	}
#define CHANGES true
#define READS false

static const struct operation operations[] = {
    ROW("domain.add", domain_add, CHANGES, operation_domain_add, "a new domain of a tenant"),
    ROW("domain.list", some_domains, READS, operation_domain_list, "domains, a page"),
    ROW("domain.remove", domain_name, CHANGES, operation_domain_remove,
	"a domain that never published a key"),
    ROW("domain.set", domain_set, CHANGES, operation_domain_set, "policy, alias, enabled, paused"),
    ROW("domain.show", domain_name, READS, operation_domain_show, "a domain and its keys"),
    ROW("drift", one_or_all, READS, operation_drift, "compare what is published with DNS"),
    ROW("emergency", emergency, CHANGES, operation_emergency,
	"a key is known to others: the stand-by key signs at once"),
    ROW("gateway.forget", gateway_name, CHANGES, operation_gateway_forget,
	"a gateway that is gone for good"),
    {"gateway.list", NULL, 0, READS, operation_gateway_list, "gateways that report"},
    ROW("key.activate", key_step, CHANGES, operation_key_activate, "the stand-by key signs"),
    ROW("key.generate", key_generate, CHANGES, operation_key_generate, "a new key, PREPARED"),
    ROW("key.hold", key_step, CHANGES, operation_key_hold, "a key that shall not sign"),
    ROW("key.import", key_import, CHANGES, operation_key_import, "a key from elsewhere"),
    ROW("key.list", key_list, READS, operation_key_list, "the keys of a domain"),
    ROW("key.publish", key_name, CHANGES, operation_key_publish, "publish now, and look"),
    ROW("key.record", key_record, READS, operation_key_record, "its record, in a notation"),
    ROW("key.release", key_step, CHANGES, operation_key_release, "the end of key.hold"),
    ROW("key.retire", key_step, CHANGES, operation_key_retire, "a key signs no more"),
    ROW("key.revoke", key_step, CHANGES, operation_key_revoke,
	"the record of a retired key becomes empty"),
    ROW("key.rollback", key_step, CHANGES, operation_key_rollback,
	"the key that signs is held, the one before signs again"),
    ROW("key.show", key_record, READS, operation_key_show, "a key, and what it waits for"),
    ROW("key.verify", key_name, READS, operation_key_verify, "what the DNS servers have of it"),
    ROW("policy.list", some_domains, READS, operation_policy_list, "policies, a page"),
    ROW("policy.remove", policy_name, CHANGES, operation_policy_remove, "a policy nobody has"),
    ROW("policy.set", policy_rows, CHANGES, operation_policy_set, "a new policy, or another plan"),
    ROW("policy.show", policy_name, READS, operation_policy_show, "a policy, with all defaults"),
    ROW("rotate", rotate, CHANGES, operation_rotate, "ask for new keys"),
    ROW("status", one_or_all, READS, operation_status, "what all is like"),
    ROW("tenant.add", tenant_rows, CHANGES, operation_tenant_add, "a new tenant"),
    ROW("tenant.list", page, READS, operation_tenant_list, "tenants, a page"),
    ROW("tenant.remove", tenant_name, CHANGES, operation_tenant_remove, "a tenant without domains"),
    ROW("tenant.set", tenant_rows, CHANGES, operation_tenant_set, "enabled, failure policy"),
    ROW("tenant.show", tenant_name, READS, operation_tenant_show, "a tenant"),
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
