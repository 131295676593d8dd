// provision.ts - a panel that takes a domain on and rotates its keys, by nothing but the client that was generated from
// openapi.json (client.ts, beside it when this is compiled). Run by tests/integration/test_api_client.py:
//   node provision.js URL TOKEN DOMAIN PLAN      prints what it has seen as one line of JSON
import * as api from "./client.js";

declare const process: { argv: string[]; exitCode: number; pid: number };

const [, , url, token, domain, plan] = process.argv;
const tenant = "panel";

api.defaults.baseUrl = url;
api.defaults.headers = { Authorization: `Bearer ${token}` };

type Answer = { status: number; data?: unknown };

function good<A extends Answer, S extends A["status"]>(answer: A, status: S): Extract<A, { status: S; data: unknown }>["data"] {
	if (answer.status !== status)
		throw new Error(`${status} was wanted: ${JSON.stringify(answer)}`);
	return (answer as Extract<A, { status: S; data: unknown }>).data;
}

// Node.js 18 has no global crypto.
let asked = 0;

function once() {
	return { idempotencyKey: `panel-${process.pid}-${Date.now()}-${++asked}` };
}

async function until<T>(look: () => Promise<T | undefined>, what: string): Promise<T> {
	for (let turns = 0; turns < 2400; turns++) {
		const found = await look();
		if (found !== undefined)
			return found;
		await new Promise((go) => setTimeout(go, 100));
	}
	throw new Error(`never: ${what}`);
}

async function active(but: string): Promise<api.Key | undefined> {
	const { keys } = good(await api.keyList(tenant, domain), 200);
	return keys.find((key) => key.state === "ACTIVE" && key.selector !== but);
}

async function audit(): Promise<string[]> {
	const actions: string[] = [];
	let cursor: string | undefined;
	do {
		const page = good(await api.auditList({ tenant, limit: 3, cursor }), 200);
		actions.push(...page.audit.map((row) => row.action));
		cursor = page.next;
	} while (cursor !== undefined);
	return actions;
}

async function run() {
	const made = good(await api.tenantAdd({ tenant }, once()), 201);
	good(await api.policySet(tenant, "std", { plan: JSON.parse(plan) }, { ifNoneMatch: "*" }), 200);
	const key = once();
	const added = good(await api.domainAdd(tenant, { domain, policy: "std" }, key), 201);
	const again = good(await api.domainAdd(tenant, { domain, policy: "std" }, key), 201);
	const first = await until(() => active(""), "an active key");

	const dry = good(await api.rotateOfDomain(tenant, domain, { reason: "a look" }, { dryRun: true }), 200);
	const begun = good(await api.rotateOfDomain(tenant, domain, { reason: "a new year" }, once()), 202);
	const refused = await api.rotateOfDomain(tenant, domain, { reason: "twice" }, once());
	const problem = good(refused, 409);
	const done = await until<api.Rotation>(async () => {
		const { rotation } = good(await api.rotationShow(tenant, domain, begun.rotation.rotation, {}), 200);
		return rotation.state === "done" ? rotation : undefined;
	}, "a rotation that is done");
	const second = await until(() => active(first.selector), "another active key");
	const record = good(await api.keyRecord(tenant, domain, second.selector, { notation: "single" }), 200).record;

	console.log(JSON.stringify({ made: made.tenant, added: added.domain, again: again.domain, first: first.selector,
		planned: "plan" in dry ? dry.plan.length : 0, code: problem.code, rotation: done.state, second: second.selector, record,
		audit: await audit() }));
}

run().catch((error) => {
	console.error(error);
	process.exitCode = 1;
});
