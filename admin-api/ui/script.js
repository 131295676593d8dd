"use strict";
// The dashboard of signpost-admind. It asks the API as whoever signed in. The token is in the variable
// "token" and nowhere else. What the API says becomes text (textContent), never markup.
(function () {
	const TEXTS = {
		skip: ["Skip to the content", "本文へ移動"],
		sign_in: ["Sign in", "サインイン"],
		sign_out: ["Sign out", "サインアウト"],
		token: ["Token", "トークン"],
		token_note: ["It is kept in the memory of this page alone, until the page is closed or loaded again. Leave it empty if your browser has a client certificate.",
			"トークンはこの画面のメモリーだけに置かれ、画面を閉じるか再読み込みすると消えます。クライアント証明書を使う場合は空のままにしてください。"],
		refused: ["This token is not accepted.", "このトークンは使えません。"],
		health: ["Health", "状態"],
		all_good: ["All {0} domains signed and proven", "全 {0} ドメインが署名・確認済み"],
		none: ["No domain has a key yet", "鍵を持つドメインはまだありません"],
		not_good: ["{0} things need somebody", "対応が必要な項目: {0}"],
		unknown: ["What all is like is not known", "全体の状態は不明です"],
		r_unsigned: ["{0} domains have no key that signs: {1}", "署名できる鍵のないドメイン {0} 件: {1}"],
		r_stuck: ["{0} keys are stuck: {1}", "停滞している鍵 {0} 件: {1}"],
		r_drift: ["{0} keys differ from DNS", "DNS と異なる鍵 {0} 件"],
		r_overdue: ["{0} domains are overdue: {1}", "期限を過ぎたドメイン {0} 件: {1}"],
		r_frozen: ["Nothing is changed now: {0}", "変更は停止中です: {0}"],
		r_failing: ["Gateways cannot verify {0} keys", "ゲートウェイで検証できない鍵 {0} 件"],
		r_store: ["The daemon is not ready", "デーモンの準備ができていません"],
		l_signing: ["Signing", "署名"],
		l_dns: ["DNS matches", "DNS の一致"],
		l_nodes: ["Gateways up to date", "ゲートウェイの同期"],
		l_store: ["Store healthy", "ストア"],
		good: ["good", "正常"], bad: ["not good", "異常"], dunno: ["not known", "不明"],
		no_nodes: ["no gateway reports", "報告しているゲートウェイはありません"],
		active_keys: ["{0} keys sign", "署名中の鍵 {0} 件"],
		behind: ["{0} of {1} are behind or silent", "{1} 台中 {0} 台が遅延または無応答"],
		n_nodes: ["{0} report", "{0} 台が報告中"],
		n_drift: ["{0} differ", "{0} 件が不一致"],
		domains: ["Domains", "ドメイン"], domain: ["Domain", "ドメイン"],
		filter: ["Filter this page, or the name of a domain to open", "このページの絞り込み、または開くドメイン名"],
		open: ["Open", "開く"], first: ["First page", "最初のページ"], next_page: ["Next page", "次のページ"],
		back: ["All domains", "ドメイン一覧"],
		tenant: ["Tenant", "テナント"], policy: ["Policy", "ポリシー"], enabled: ["Enabled", "有効"],
		due: ["Looked at next", "次の確認"], due_list: ["Due in 30 days", "30 日以内の予定"],
		overdue: ["overdue", "期限超過"],
		mail: ["Mail of the last hour that was not signed, or deferred", "直近 1 時間に署名されなかった、または遅延したメール"],
		mail_sum: ["{0} went unsigned, {1} were deferred", "未署名 {0} 通、遅延 {1} 通"],
		mail_none: ["None: all that should be signed was", "なし: 署名すべきメールはすべて署名されました"],
		mail_of: ["Gateways that say so: {0}.", "報告したゲートウェイ: {0} 台。"],
		mail_silent: ["Silent, and not counted: {0}.", "応答がなく含まれないもの: {0} 台。"],
		what: ["What", "結果"], cause: ["Cause", "原因"], messages: ["Messages", "通数"],
		unsigned: ["unsigned", "未署名"], deferred: ["deferred", "遅延"],
		nobody: ["not known, or not told apart", "不明またはその他"], by_conf: ["as configured", "設定どおり"],
		c_not_ours: ["from elsewhere: nothing of ours", "外部からのメール(署名対象外)"],
		c_no_domain: ["the sender's domain is none of ours", "送信者のドメインが対象外"],
		c_no_rule: ["no rule for the sender", "送信者に合う規則がない"], c_rule: ["no rule for the sender", "送信者に合う規則がない"],
		c_no_sender: ["no readable From:", "From: が読めない"],
		c_exempt: ["the domain is exempt", "除外ドメイン"], c_recipient: ["the recipient is not signed for", "署名しない宛先"],
		c_peer: ["a peer", "署名しない接続元 (PeerList)"], c_mode: ["the mode does not sign", "署名しないモード"],
		c_error: ["an error in the service", "サービス内のエラー"],
		c_tenant: ["the client may not send as this sender", "この送信者として送る権限がない"],
		c_no_key: ["the domain has no key that signs", "署名できる鍵がない"], c_key: ["no key, or it cannot be opened", "鍵がない、または開けない"],
		c_store: ["the store does not answer", "ストアが応答しない"], c_table: ["the store or a table does not answer", "ストアまたは表が応答しない"],
		c_unreadable: ["the key cannot be read", "鍵を読み込めない"],
		c_lease: ["the lease of the key is over", "鍵の使用期限切れ"],
		c_crypto: ["the signature could not be made", "署名の計算に失敗"], c_signature: ["the signature could not be made", "署名の計算に失敗"],
		c_keeper: ["the keeper of keys does not answer", "鍵プロセスが応答しない"], c_dns: ["DNS does not answer", "DNS が応答しない"],
		c_verify: ["a signature of somebody else", "受信した署名の検証"], c_size: ["the message is too big", "メールが大きすぎる"],
		c_internal: ["an error in the service", "サービス内のエラー"],
		figures: ["Ages and sizes of keys in use", "使用中の鍵の経過日数と長さ"],
		up_to: ["≤ {0} days", "{0} 日以内"], older: ["older", "それ以上"], n_keys: ["Keys", "鍵の数"], share: ["Share", "割合"],
		others: ["others", "その他"],
		weak: ["RSA keys shorter than 2048 bits (red): {0}. Rotate them.", "2048 ビット未満の RSA 鍵が {0} 件あります(赤)。ローテーションしてください。"],
		ed25519: ["Ed25519: receivers that do not know it say neutral or permerror of that signature, and DMARC reports repeat it. That is noise as long as an RSA signature on the same message passes.",
			"Ed25519: 未対応の受信側はこの署名を neutral や permerror と判定し、DMARC レポートにもそう載ります。同じメールの RSA 署名が pass であれば問題ありません。"],
		explain: ["What would sign this sender?", "この送信者には何が署名しますか"], explain_it: ["Explain", "調べる"],
		address: ["Address in From:", "From: のアドレス"], client: ["Address of the client, if it matters", "接続元の IP アドレス(任意)"],
		sender: ["Sender", "送信者"], answer: ["Answer", "結果"], why: ["Why", "理由"], rule: ["Rule", "規則"], row: ["Row of the domain", "ドメインの行"],
		signs_as: ["Signs as", "署名ドメイン (d=)"], identity: ["Identity", "識別子 (i=)"], canonicalization: ["Canonicalization", "正規化"],
		speaks_for: ["The client speaks for", "接続元のテナント"],
		a_sign: ["it is signed", "署名されます"], a_no_rule: ["not signed: nothing is about this sender", "署名されません: 該当する規則がありません"],
		a_tenant: ["not signed: the client may not send as this sender", "署名されません: この送信者として送る権限がありません"],
		a_no_key: ["not signed: there is no key", "署名されません: 鍵がありません"], a_lease_over: ["not signed: the lease of the key is over", "署名されません: 鍵の使用期限が切れています"],
		a_invalid: ["not signed: what the store says cannot be", "署名されません: ストアの内容に誤りがあります"],
		verify: ["Verify a message", "メールの検証"], verify_it: ["Verify", "検証"], file: ["Or its file", "またはファイル"],
		message: ["The whole message with its header; white space counts, so a file is safer than what was copied from a screen",
			"ヘッダーを含むメール全体。空白も検証の対象なので、画面からのコピーよりファイルが確実です"],
		no_message: ["There is no message.", "メールがありません。"], no_signatures: ["It has no signature.", "署名がありません。"],
		verifying: ["Verifying…", "検証中…"], differs: ["What differs", "相違点"], line: ["line {0}", "{0} 行目"],
		maybe: ["perhaps", "おそらく"], dns: ["DNS", "DNS"],
		not_ours_dns: ["The record in DNS is not that of the key here.", "DNS のレコードがここの鍵と一致しません。"],
		log: ["What was done last", "最近の操作"], object: ["Of what", "対象"],
		yes: ["yes", "はい"], no: ["no", "いいえ"], nothing: ["Nothing", "なし"],
		not_seen: ["Not for this token to see", "このトークンでは見られません"],
		stuck: ["Stuck keys", "停滞している鍵"], nodes: ["Gateways", "ゲートウェイ"],
		node: ["Gateway", "ゲートウェイ"], version: ["Version", "版"], epoch: ["Epoch", "エポック"], lag: ["Behind", "遅れ"],
		silent: ["Silent for", "無応答"], offset: ["Clock", "時計のずれ"], failing: ["What is wrong", "問題"],
		cache: ["Cache hits", "キャッシュ命中率"], sign_p99: ["99 of 100 signatures", "署名時間 (99%)"],
		selector: ["Selector", "セレクター"], state: ["State", "状態"], since: ["Since", "開始"],
		algorithm: ["Algorithm", "アルゴリズム"], tries: ["Tries", "試行"], next_try: ["Next try", "次の試行"],
		trouble: ["What is wrong", "問題"], next: ["Next step", "次の動作"], earliest: ["Earliest", "最短の時刻"],
		blocked_by: ["Waits for", "待っているもの"], actions: ["Actions", "操作"], now: ["now", "現在"],
		timeline: ["Timeline", "時系列"], keys: ["Keys", "鍵"], reason: ["Reason, for the audit", "理由(監査に記録)"],
		managed: ["Managed", "自動管理"], rotation: ["Rotation", "ローテーション"], asked: ["asked for at {0}: {1}", "{0} に依頼: {1}"],
		paused: ["Paused since", "停止"],
		published: ["published", "公開"], active: ["active", "使用中"], retiring: ["retiring", "引退中"], revoked: ["revoked", "失効"],
		rotate: ["Rotate now", "今すぐローテーション"], emergency: ["Emergency revocation", "緊急失効"],
		hold: ["Hold", "保留"], release: ["Release", "保留解除"], rollback: ["Roll back", "元に戻す"], show_record: ["Record", "レコード"],
		record_of: ["The record of {0}", "{0} のレコード"], record_text: ["What belongs into DNS", "DNS に書く内容"],
		notation: ["Notation", "表記"], copy: ["Copy", "コピー"], check: ["Check now", "今すぐ確認"],
		copied: ["Copied.", "コピーしました。"], not_copied: ["It is selected: copy it with the keyboard.", "選択しました。キーボードでコピーしてください。"],
		checking: ["Asking the authoritative servers…", "権威サーバーに問い合わせ中…"],
		seen: ["{0}: {1} of {2} servers have it. {3}", "{0}: {2} 台中 {1} 台にあります。{3}"],
		audit: ["What was done to it last", "最近の操作"], at: ["At", "時刻"], actor: ["Who", "実行者"], action: ["What", "操作"],
		detail: ["Details", "詳細"], result: ["Result", "結果"],
		show_plan: ["Show the plan", "計画を表示"], do_it: ["Do it", "実行"], cancel: ["Cancel", "中止"],
		plan: ["This would change:", "変更される内容:"], plan_none: ["Nothing would change.", "変更はありません。"],
		more: ["… and {0} more", "ほか {0} 件"],
		n_rotate: ["New keys are made, published and proven before they sign. The old ones sign until then.",
			"新しい鍵を作り、公開と確認を終えてから署名に使います。それまでは今の鍵で署名します。"],
		n_emergency: ["A key is known to others: the stand-by key signs at once, and the record of the other is revoked.",
			"鍵が漏れた場合: 予備の鍵で直ちに署名し、漏れた鍵のレコードを失効させます。"],
		n_hold: ["The key {0} does not sign until it is released.", "鍵 {0} は保留解除まで署名に使いません。"],
		n_release: ["The key {0} may sign again.", "鍵 {0} を再び使えるようにします。"],
		n_rollback: ["The key {0} is held, and the one before it signs again.", "鍵 {0} を保留し、前の鍵で署名します。"],
		type_domain: ["Type {0} to confirm", "確認のため {0} と入力"],
		done: ["Done: {0}", "完了: {0}"], failed: ["Refused: {0}", "拒否: {0}"],
		no_server: ["The daemon does not answer.", "デーモンが応答しません。"],
	};
	const NOTATIONS = ["single", "rfc1035", "bind", "nsupdate", "route53", "terraform", "json"];
	const LIMIT = 500, SILENT_S = 300, LATE_MS = 60000, DOMAIN_MS = 3000, OVERVIEW_MS = 15000, DAY_MS = 86400000;
	const late = new Map(); // of gateways
	let token = "", signed = false, japanese = (navigator.language || "").toLowerCase().startsWith("ja");
	let cursor = "", nextCursor = "", rows = [], whole = null, ready = null, mail = null, log = null;
	let shown = null; // the domain on screen: {tenant, domain, etag, body, text}
	let recordOf = "", asked = null, turn = 0;

	// ---- text and elements ----

	const get = (id) => document.getElementById(id);

	function t(name, ...values) {
		const text = (TEXTS[name] || [name, name])[japanese ? 1 : 0];
		return text.replace(/\{(\d)\}/g, (_, i) => String(values[i]));
	}

	// An element; children are elements or texts.
	function el(name, fields, ...children) {
		const out = document.createElement(name);
		for (const [key, value] of Object.entries(fields || {}))
			if (key === "click")
				out.addEventListener("click", value);
			else if (value !== undefined && value !== null)
				out.setAttribute(key, value);
		for (const child of children)
			out.append(child instanceof Node ? child : document.createTextNode(String(child)));
		return out;
	}

	// Replaces what is in it; what had the focus has it afterwards.
	function fill(id, ...children) {
		const held = document.activeElement && document.activeElement.id;
		get(id).replaceChildren(...children);
		if (held && document.activeElement.id !== held && get(held))
			get(held).focus();
	}

	function table(names, lines) {
		if (lines.length === 0)
			return el("p", {class: "faint"}, t("nothing"));
		const cells = (line) => line.map((cell) => el("td", {class: typeof cell === "number" ? "number" : null}, cell === null || cell === undefined ? "" : cell));
		return el("table", {}, el("thead", {}, el("tr", {}, ...names.map((n, i) => el("th", {scope: "col", class: typeof lines[0][i] === "number" ? "number" : null}, t(n))))),
			el("tbody", {}, ...lines.map((line) => el("tr", {}, ...cells(line)))));
	}

	const time = (text) => text ? el("time", {datetime: text}, text.replace("T", " ")) : "";
	const button = (id, text, click, kind) => el("button", {type: "button", id: id, click: click, class: kind}, text);

	function say(text, bad) {
		get("say").textContent = text;
		get("say").className = bad ? "bad" : "";
	}

	// ---- the API ----

	async function ask(method, path, more) {
		const head = {Accept: "application/json"}, extra = more || {};
		if (token !== "")
			head.Authorization = "Bearer " + token;
		if (extra.body)
			head["Content-Type"] = extra.type || "application/json";
		if (extra.etag)
			head["If-Match"] = extra.etag;
		if (extra.key)
			head["Idempotency-Key"] = extra.key;
		try {
			const answer = await fetch(path, {method: method, headers: head, body: extra.type ? extra.body : extra.body ? JSON.stringify(extra.body) : undefined,
				cache: "no-store", credentials: "same-origin", redirect: "error", referrerPolicy: "no-referrer"});
			let body = {};
			try {
				body = JSON.parse(await answer.text());
			} catch (e) { /* no JSON: as if it were empty */ }
			return {ok: answer.ok, status: answer.status, etag: answer.headers.get("ETag"), body: body};
		} catch (e) {
			return {ok: false, status: 0, etag: null, body: {detail: t("no_server")}};
		}
	}

	function why(answer) {
		const errors = (answer.body.errors || []).map((e) => (e.pointer || e.parameter || "") + " " + e.detail);
		return [answer.body.detail || String(answer.status), ...errors].join("; ");
	}

	const part = encodeURIComponent;
	const domainPath = (row) => "/v1/tenants/" + part(row.tenant) + "/domains/" + part(row.domain);
	const keyPath = (selector) => domainPath(shown) + "/keys/" + part(selector);

	function newKey() {
		const octets = crypto.getRandomValues(new Uint8Array(16));
		return "ui-" + Array.from(octets, (o) => o.toString(16).padStart(2, "0")).join("");
	}

	// ---- what all is like ----

	function problems() {
		const out = [], few = (list, name) => list.slice(0, 5).map(name).join(", ") + (list.length > 5 ? ", …" : "");
		if (ready === false)
			out.push(t("r_store"));
		if (whole.reconciler && whole.reconciler.frozen)
			out.push(t("r_frozen", whole.reconciler.frozen));
		if (whole.unsigned_domains > 0)
			out.push(t("r_unsigned", whole.unsigned_domains, few(whole.unsigned, (d) => d)));
		if (whole.stuck_keys > 0)
			out.push(t("r_stuck", whole.stuck_keys, few(whole.stuck, (k) => k.selector + "._domainkey." + k.domain)));
		if (whole.drifted_keys > 0)
			out.push(t("r_drift", whole.drifted_keys));
		if (whole.overdue && whole.overdue.length > 0)
			out.push(t("r_overdue", whole.overdue.length, few(whole.overdue, (d) => d.domain)));
		if (failing() > 0)
			out.push(t("r_failing", failing()));
		return out;
	}

	const failing = () => (whole.gateways || []).reduce((sum, g) => sum + (g.failing_keys || 0), 0);
	const isBehind = (g) => g.silent_s > SILENT_S || (late.get(g.gateway) || {}).late === true;

	// A gateway is behind that has the same old epoch for a while: each is for a moment, after a change.
	function noteEpochs() {
		for (const g of (whole && whole.store && whole.gateways) || []) {
			const before = late.get(g.gateway), same = before && before.epoch === g.epoch && g.epoch < whole.store.epoch;
			const since = same && before.behind ? before.since : Date.now();
			late.set(g.gateway, {epoch: g.epoch, since: since, behind: g.epoch < whole.store.epoch, late: Boolean(same) && Date.now() - since > LATE_MS});
		}
	}

	function light(name, good, detail) {
		const word = good === null ? "dunno" : good ? "good" : "bad";
		return el("li", {class: word}, (good === null ? "? " : good ? "✓ " : "✕ ") + t(name) + ": " + t(word), el("small", {}, detail));
	}

	function lights() {
		const active = (whole.states || {}).ACTIVE || 0, gateways = whole.gateways;
		const slow = (gateways || []).filter(isBehind).length;
		return [light("l_signing", whole.keys === 0 ? null : whole.unsigned_domains === 0 && failing() === 0, t("active_keys", active)),
			light("l_dns", whole.drifted_keys === 0, t("n_drift", whole.drifted_keys)),
			light("l_nodes", !gateways || gateways.length === 0 ? null : slow === 0, !gateways ? t("not_seen") :
				gateways.length === 0 ? t("no_nodes") : slow > 0 ? t("behind", slow, gateways.length) : t("n_nodes", gateways.length)),
			light("l_store", ready, whole.store ? whole.store.where : "")];
	}

	function drawHealth() {
		if (whole === null) {
			get("top").textContent = t("unknown");
			get("top").className = "warn";
			fill("red");
			fill("lights");
			return;
		}
		const wrong = problems();
		get("top").textContent = wrong.length > 0 ? t("not_good", wrong.length) : whole.domains === 0 ? t("none") : t("all_good", whole.domains);
		get("top").className = wrong.length > 0 ? "bad" : whole.domains === 0 ? "warn" : "good";
		fill("red", ...wrong.map((text) => el("li", {}, text)));
		fill("lights", ...lights());
	}

	const opener = (name, tenant, kind) => button("open-" + kind + "-" + name, name, () => openDomain(name, tenant), "link");

	function drawStuck() {
		fill("stuck", whole === null ? el("p", {class: "faint"}, t("not_seen")) : table(["domain", "selector", "state", "tries", "next_try", "trouble"],
			whole.stuck.map((k) => [opener(k.domain, "", "stuck" + k.selector), k.selector, k.state, k.tries, time(k.next_try), k.trouble])));
	}

	function drawDue() {
		const over = new Set(((whole && whole.overdue) || []).map((d) => d.domain));
		const soon = rows.filter((d) => d.due && !over.has(d.domain) && Date.parse(d.due) < Date.now() + 30 * DAY_MS);
		soon.sort((a, b) => Date.parse(a.due) - Date.parse(b.due));
		fill("due", table(["domain", "due", "state"], [
			...((whole && whole.overdue) || []).map((d) => [opener(d.domain, "", "late"), time(d.due), el("strong", {class: "bad"}, t("overdue"))]),
			...soon.map((d) => [opener(d.domain, d.tenant, "due"), time(d.due), ""])]));
	}

	function drawNodes() {
		if (!whole || !whole.gateways) {
			fill("nodes", el("p", {class: "faint"}, t("not_seen")));
			return;
		}
		fill("nodes", table(["node", "version", "epoch", "lag", "silent", "offset", "cache", "sign_p99", "failing"], whole.gateways.map((g) => [
			g.gateway, g.version, g.epoch, el("span", {class: isBehind(g) ? "bad" : "good"}, whole.store ? whole.store.epoch - g.epoch : "?"),
			g.silent_s + " s", g.offset_ms + " ms", g.cache_per_mille === null ? "?" : (g.cache_per_mille / 10).toFixed(1) + " %",
			g.sign_p99_us === null ? "?" : "≤ " + g.sign_p99_us / 1000 + " ms", [...(g.failing || []).map((f) => f.domain + ": " + f.why), g.failed].filter((x) => x).join("; ")])));
	}

	// ---- mail ----

	function drawMail() {
		if (!mail) {
			fill("mail", el("p", {class: "faint"}, t("not_seen")));
			return;
		}
		const bad = mail.unsigned + mail.deferred > 0, lines = [...mail.mail].sort((a, b) => a.as_configured - b.as_configured);
		const list = table(["what", "tenant", "cause", "messages"], lines.map((m) => [t(m.what), m.tenant || el("span", {class: "faint"}, t("nobody")),
			t("c_" + m.cause) + (m.as_configured ? " (" + t("by_conf") + ")" : ""), m.messages]));
		lines.forEach((m, i) => { list.rows[i + 1].className = m.as_configured ? "faint" : ""; });
		fill("mail", mail.gateways === 0 ? el("p", {class: "warn"}, t("no_nodes")) :
			el("p", {class: bad ? "bad" : "good"}, bad ? t("mail_sum", mail.unsigned, mail.deferred) : t("mail_none")), lines.length > 0 ? list : "",
		el("p", {class: "note"}, t("mail_of", mail.gateways), " ", mail.silent > 0 ? t("mail_silent", mail.silent) : ""));
	}

	// ---- ages and sizes ----

	function drawAges(ages) {
		const most = Math.max(1, ...ages.map((a) => a.keys)), high = 110, wide = 74, days = (a) => a.days ? t("up_to", a.days) : t("older");
		const picture = svg("svg", {viewBox: "0 0 " + ages.length * wide + " " + (high + 40), width: ages.length * wide, height: high + 40, role: "img"},
			svg("title", {}, ages.map((a) => days(a) + ": " + a.keys).join("; ")));
		ages.forEach((a, i) => {
			const size = (n) => n > 0 ? Math.max(2, n / most * high) : 0, box = {x: i * wide + 12, width: wide - 24}, middle = {x: i * wide + wide / 2, "text-anchor": "middle"};
			picture.append(svg("rect", {...box, y: 18 + high - size(a.keys), height: size(a.keys), class: "keys"}),
				svg("rect", {...box, y: 18 + high - size(a.weak), height: size(a.weak), class: "weak"}),
				svg("text", {...middle, y: 14 + high - size(a.keys)}, String(a.keys)), svg("text", {...middle, y: high + 34}, days(a)));
		});
		picture.append(svg("line", {x1: 0, x2: ages.length * wide, y1: high + 18, y2: high + 18, class: "axis"}));
		return picture;
	}

	function drawFigures() {
		if (!whole) {
			fill("figures", el("p", {class: "faint"}, t("not_seen")));
			return;
		}
		const {ages, sizes} = whole.figures, all = sizes.reduce((sum, s) => sum + s.keys, 0), weak = ages.reduce((sum, a) => sum + a.weak, 0);
		const name = (s) => (s.algorithm || t("others")) + (s.bits && s.algorithm.startsWith("rsa") ? " " + s.bits : "");
		const list = [...sizes].sort((a, b) => b.keys - a.keys).map((s) => [el("span", {class: s.algorithm.startsWith("rsa") && s.bits > 0 && s.bits < 2048 ? "bad" : null}, name(s)),
			s.keys, (s.keys / all * 100).toFixed(1) + " %"]);
		fill("figures", drawAges(ages), table(["algorithm", "n_keys", "share"], list), weak > 0 ? el("p", {class: "bad"}, t("weak", weak)) : "",
			sizes.some((s) => s.algorithm.startsWith("ed25519")) ? el("p", {class: "note"}, t("ed25519")) : "");
	}

	// ---- what would sign, and what is wrong with a message ----

	const list = (facts) => el("dl", {}, ...facts.filter((f) => f[1]).flatMap(([name, value]) => [el("dt", {}, t(name)), el("dd", {}, value)]));
	const good = (yes, text) => el("strong", {class: yes ? "good" : "bad"}, text);

	async function explainIt() {
		const body = {from: get("address").value.trim()};
		if (get("client").value.trim())
			body.client = get("client").value.trim();
		const answer = await ask("POST", "/v1/resolve", {body: body}), a = answer.body;
		if (!answer.ok) {
			fill("explain", el("p", {class: "bad"}, t("failed", why(answer))));
			return;
		}
		fill("explain", list([["answer", good(a.answer === "sign", t("a_" + a.answer.replace("-", "_")))], ["why", a.why], ["sender", a.sender],
			["speaks_for", a.session_tenant], ["tenant", a.tenant], ["rule", a.rule && a.rule.rule + ": " + a.rule.kind + " " + a.rule.subject], ["row", a.row],
			["signs_as", a.domain], ["identity", a.identity], ["keys", a.keys.map((k) => k.selector + " (" + k.algorithm + " " + k.bits + ", " + k.state + ")").join(", ")],
			["canonicalization", a.answer === "sign" && a.canonicalization]]));
	}

	async function verifyIt() {
		const file = get("file").files[0], text = get("message").value;
		if (!file && text.trim() === "") {
			fill("verified", el("p", {class: "bad"}, t("no_message")));
			get("message").focus();
			return;
		}
		fill("verified", t("verifying"));
		const answer = await ask("POST", "/v1/verify", {type: "message/rfc822", body: file ? await file.arrayBuffer() : text.replace(/\r?\n/g, "\r\n")});
		if (!answer.ok) {
			fill("verified", el("p", {class: "bad"}, t("failed", why(answer))));
			return;
		}
		const found = answer.body.signatures, differs = (s) => el("ul", {}, ...(s.differs || []).map((d) =>
			el("li", {}, (d.certain === false ? t("maybe") + " " : "") + d.what + (d.line ? " (" + t("line", d.line) + ")" : "") + ": " + d.detail)));
		fill("verified", found.length === 0 ? el("p", {class: "warn"}, t("no_signatures")) : el("p", {}, answer.body.summary),
			...found.map((s) => list([["signs_as", s.domain], ["selector", s.selector], ["answer", good(s.result === "pass", s.result + (s.reason ? " — " + s.reason : ""))],
				["detail", s.detail], ["dns", s.key && s.key.matches_store === false && el("span", {class: "bad"}, t("not_ours_dns"))], ["differs", s.differs && s.differs.length > 0 && differs(s)]])));
	}

	// ---- lists ----

	function drawLog() {
		fill("log", log === null ? el("p", {class: "faint"}, t("not_seen")) : table(["at", "actor", "action", "object", "detail", "result"],
			log.map((a) => [time(a.at), a.actor, a.action, a.object, a.detail, a.result])));
	}

	function drawDomains() {
		const wanted = get("filter").value.trim().toLowerCase();
		const some = rows.filter((d) => (d.domain + " " + d.tenant).toLowerCase().includes(wanted));
		fill("domains", table(["domain", "tenant", "policy", "enabled", "due"], some.map((d) =>
			[opener(d.domain, d.tenant, "row"), d.tenant, d.policy || d.signs_as, t(d.enabled ? "yes" : "no"), time(d.due)])));
		get("first").disabled = cursor === "";
		get("next").disabled = nextCursor === "";
	}

	function drawOverview() {
		drawHealth();
		drawMail();
		drawDomains();
		drawStuck();
		drawDue();
		drawFigures();
		drawNodes();
		drawLog();
	}

	// A page may have no row for this token, and others behind it.
	async function readDomains() {
		let from = cursor, answer;
		for (let i = 0; i < 20; i++) {
			answer = await ask("GET", "/v1/domains?limit=" + LIMIT + (from ? "&cursor=" + part(from) : ""));
			if (!answer.ok || answer.body.domains.length > 0 || !answer.body.next)
				break;
			from = answer.body.next;
		}
		if (answer.ok) {
			rows = answer.body.domains;
			nextCursor = answer.body.next || "";
		}
		return answer;
	}

	async function readOverview() {
		const mine = turn, list = await readDomains(), all = await ask("GET", "/v1/status"), word = await ask("GET", "/readyz");
		const hour = await ask("GET", "/v1/unsigned"), done = await ask("GET", "/v1/audit?newest_first=true&limit=10");
		if (mine !== turn)
			return list;
		whole = all.ok ? all.body : null;
		mail = hour.ok ? hour.body : null;
		log = done.ok ? done.body.audit : null;
		noteEpochs();
		ready = word.status === 0 ? false : word.body.ready === true;
		drawOverview();
		if (!list.ok)
			say(t("failed", why(list)), true);
		return list;
	}

	async function goPage(to) {
		cursor = to;
		const answer = await readDomains();
		if (!answer.ok)
			say(t("failed", why(answer)), true);
		drawDomains();
		drawDue();
		get("domains").focus();
	}

	// ---- one domain ----

	async function openDomain(name, tenant) {
		let row = {domain: name, tenant: tenant};
		if (!tenant) {
			const found = await ask("GET", "/v1/status?domain=" + part(name));
			if (!found.ok) {
				say(t("failed", why(found)), true);
				return;
			}
			row = found.body.domain;
		}
		turn++;
		shown = {tenant: row.tenant, domain: row.domain, etag: null, body: null, text: ""};
		recordOf = "";
		get("record").hidden = true;
		say("");
		await readDomain();
		if (shown.body === null) {
			shown = null;
			return;
		}
		show();
		get("domain-title").focus();
	}

	async function readDomain() {
		const mine = shown, answer = await ask("GET", domainPath(shown));
		if (mine !== shown)
			return;
		if (!answer.ok) {
			say(t("failed", why(answer)), true);
			return;
		}
		const text = JSON.stringify(answer.body);
		shown.etag = answer.etag;
		shown.body = answer.body;
		if (text !== shown.text) {
			shown.text = text;
			drawDomain();
			await readAudit();
		} else {
			drawTimeline();
		}
	}

	function drawDomain() {
		const d = shown.body.domain, facts = [["tenant", d.tenant], ["policy", d.policy || "-"], ["enabled", t(d.enabled ? "yes" : "no")],
			["managed", t(shown.body.managed ? "yes" : "no")], ["due", time(d.due)]];
		if (d.rotate_asked)
			facts.push(["rotation", t("asked", d.rotate_asked.replace("T", " "), d.reason)]);
		if (d.paused)
			facts.push(["paused", time(d.paused)]);
		if (shown.body.new_key)
			facts.push(["next", shown.body.new_key.action + " " + shown.body.new_key.blocked_by.join(", ")]);
		if (shown.body.trouble || d.trouble)
			facts.push(["trouble", shown.body.trouble || d.trouble]);
		get("domain-title").textContent = d.domain;
		fill("facts", el("dl", {}, ...facts.flatMap(([name, value]) => [el("dt", {}, t(name)), el("dd", {}, value)])));
		drawTimeline();
		drawKeys();
	}

	function keyButtons(key) {
		const id = (what) => "key-" + what + "-" + key.selector, out = el("span");
		const add = (what, click) => out.append(button(id(what), t(what), click));
		if (key.p_sha256 && key.state !== "REMOVED" && key.state !== "DESTROYED")
			add("show_record", () => openRecord(key.selector, true));
		if (key.state === "HELD")
			add("release", () => askStep("release", key.selector));
		else if (["PUBLISHED", "PROVEN", "LOADED", "ACTIVE"].includes(key.state))
			add("hold", () => askStep("hold", key.selector));
		if (key.state === "ACTIVE")
			add("rollback", () => askStep("rollback", key.selector));
		return out;
	}

	function drawKeys() {
		fill("keys", table(["selector", "algorithm", "state", "since", "next", "earliest", "blocked_by", "trouble", "actions"], shown.body.keys.map((k) => [
			k.selector, k.algorithm + " " + k.bits, el("strong", {class: k.signs ? "good" : k.state === "FAILED" || k.state === "COMPROMISED" ? "bad" : ""}, k.state),
			time(k.state_since), k.next ? k.next.action : "", k.next ? time(k.next.earliest) : "", k.next ? k.next.blocked_by.join(", ") : "",
			[k.trouble, k.failure].filter((x) => x).join("; "), keyButtons(k)])));
	}

	async function readAudit() {
		const mine = shown, answer = await ask("GET", "/v1/audit?newest_first=true&limit=20&object=" + part(shown.domain));
		if (mine !== shown)
			return;
		fill("audit", answer.ok ? table(["at", "actor", "action", "detail", "result"], answer.body.audit.map((a) =>
			[time(a.at), a.actor, a.action, a.detail, a.result])) : el("p", {class: "faint"}, t("not_seen")));
	}

	// ---- the timeline ----

	function svg(name, fields, ...children) {
		const out = document.createElementNS("http://www.w3.org/2000/svg", name);
		for (const [key, value] of Object.entries(fields))
			out.setAttribute(key, String(value));
		out.append(...children);
		return out;
	}

	// From when to when it was, or is, what: [name, from, to]; to may be the end of the picture.
	function phases(key, now, end) {
		const at = (name) => key.times[name] ? Date.parse(key.times[name]) : 0;
		const marks = [["published", at("published") || at("publishing")], ["active", at("active")],
			["retiring", at("retiring") || at("held") || at("compromised")], ["revoked", at("revoked")],
			["", at("removed") || at("failed") || at("destroyed")]].filter((m) => m[1] > 0);
		marks.sort((a, b) => a[1] - b[1]);
		const out = marks.map((m, i) => [m[0], m[1], i + 1 < marks.length ? marks[i + 1][1] : m[0] === "active" ? end : now]);
		return out.filter((m) => m[0] !== "" && m[2] > m[1]);
	}

	function words(key) {
		return key.selector + ": " + key.state + (key.next ? "; " + key.next.action + (key.next.earliest ? " " + key.next.earliest : "") +
			(key.next.blocked_by.length > 0 ? " (" + t("blocked_by") + ": " + key.next.blocked_by.join(", ") + ")" : "") : "");
	}

	function drawTimeline() {
		const keys = shown.body.keys, now = Date.now(), high = 26;
		const width = Math.max(300, Math.min(760, document.documentElement.clientWidth - 40)), left = width < 600 ? 120 : 150;
		const all = keys.flatMap((k) => Object.entries(k.times).filter(([name]) => name !== "sign_until").map(([, at]) => Date.parse(at)));
		const ahead = keys.map((k) => k.next && k.next.earliest ? Date.parse(k.next.earliest) : 0);
		const begin = Math.min(now - 60000, ...all), span = now - begin, end = Math.min(Math.max(now + span / 5, ...ahead), now + 2 * span);
		const x = (at) => left + (Math.min(at, end) - begin) / (end - begin) * (width - left), bottom = keys.length * high + 6;
		const picture = svg("svg", {viewBox: "0 0 " + width + " " + (bottom + 22), width: width, height: bottom + 22, role: "img"});
		picture.append(svg("title", {}, t("timeline") + ". " + keys.map(words).join(". ")));
		picture.append(svg("line", {x1: left, x2: width, y1: bottom, y2: bottom, class: "axis"}));
		keys.forEach((key, i) => {
			picture.append(svg("text", {x: 0, y: i * high + 18}, key.selector.slice(0, 22)));
			for (const [name, from, to] of phases(key, now, end)) {
				const bar = svg("rect", {x: x(from), y: i * high + 5, width: Math.max(2, x(to) - x(from)), height: high - 8, class: name});
				bar.append(svg("title", {}, t(name) + " — " + words(key)));
				picture.append(bar);
			}
		});
		picture.append(svg("line", {x1: x(now), x2: x(now), y1: 0, y2: bottom, class: "now"}));
		picture.append(svg("text", {x: x(now), y: bottom + 15, "text-anchor": "middle"}, t("now")));
		picture.append(svg("text", {x: left, y: bottom + 15}, new Date(begin).toISOString().slice(0, 16) + "Z"));
		fill("timeline", picture, el("ul", {class: "legend"}, ...["published", "active", "retiring", "revoked"].map((name) =>
			el("li", {}, svg("svg", {width: 14, height: 14, "aria-hidden": "true"}, svg("rect", {width: 14, height: 14, class: name})), " " + t(name)))));
		get("timeline").setAttribute("aria-label", t("timeline"));
	}

	// ---- the record ----

	async function openRecord(selector, focus) {
		const answer = await ask("GET", keyPath(selector) + "/record?notation=" + part(get("notation").value));
		if (!answer.ok) {
			say(t("failed", why(answer)), true);
			return;
		}
		if (recordOf !== selector)
			fill("check-answer");
		recordOf = selector;
		get("record").hidden = false;
		get("record-title").textContent = t("record_of", selector);
		get("record-text").value = answer.body.record.text;
		if (focus)
			get("record-title").focus();
	}

	async function copyRecord() {
		const box = get("record-text");
		try {
			await navigator.clipboard.writeText(box.value);
			say(t("copied"));
		} catch (e) {
			box.focus();
			box.select();
			say(t("not_copied"));
		}
	}

	async function checkRecord() {
		get("check").disabled = true;
		fill("check-answer", t("checking"));
		const answer = await ask("POST", keyPath(recordOf) + ":verify", {body: {}});
		get("check").disabled = false;
		if (!answer.ok) {
			fill("check-answer", el("p", {class: "bad"}, t("failed", why(answer))));
			return;
		}
		const dns = answer.body.dns;
		fill("check-answer", el("p", {class: dns.seen === "right" ? "good" : "bad"}, t("seen", dns.seen, dns.right, dns.servers, dns.why || "")),
			el("ul", {}, ...dns.texts.map((x) => el("li", {}, x.text + (x.explained ? " — " + x.explained : "")))));
	}

	// ---- what changes something: the plan first ----

	// what: {name, note, path, etagPath, typed, body}
	function openAsk(what) {
		asked = {...what, etag: null, key: null, plan: false, back: document.activeElement};
		get("ask-title").textContent = t(what.name) + ": " + shown.domain;
		get("ask-note").textContent = what.note;
		get("reason").value = "";
		get("typed").value = "";
		get("typed-row").hidden = !what.typed;
		get("typed").required = Boolean(what.typed);
		get("typed-label").textContent = what.typed ? t("type_domain", what.typed) : "";
		forgetPlan();
		get("ask").showModal();
		get("reason").focus();
	}

	const askRotate = () => openAsk({name: "rotate", note: t("n_rotate"), path: domainPath(shown) + "/rotations", etagPath: domainPath(shown), body: {}});
	const askEmergency = () => openAsk({name: "emergency", note: t("n_emergency"), path: domainPath(shown) + ":emergency-revoke",
		etagPath: domainPath(shown), typed: shown.domain, body: {}});
	const askStep = (step, selector) => openAsk({name: step, note: t("n_" + step, selector), path: keyPath(selector) + ":" + step,
		etagPath: keyPath(selector), body: {}});

	function forgetPlan() {
		asked.plan = false;
		get("do-it").disabled = true;
		fill("plan");
	}

	const plain = (value) => value === null || value === undefined ? "-" : typeof value === "object" ? JSON.stringify(value) : String(value);

	function changes(line) {
		const before = line.before || {}, after = line.after || {}, out = [];
		for (const name of new Set([...Object.keys(before), ...Object.keys(after)]))
			if (plain(before[name]) !== plain(after[name]))
				out.push(name + ": " + plain(before[name]) + " → " + plain(after[name]));
		return out;
	}

	function drawPlan(body) {
		const lines = body.plan || [];
		const items = lines.map((line) => {
			const row = line.after || line.before || {};
			return el("li", {}, line.row + " " + [row.selector, row.domain].filter((x) => x).join("._domainkey."),
				el("ul", {}, ...changes(line).map((text) => el("li", {}, text))));
		});
		if (body.plan_left)
			items.push(el("li", {}, t("more", body.plan_left)));
		fill("plan", el("strong", {}, t(lines.length > 0 ? "plan" : "plan_none")), el("ul", {}, ...items));
	}

	const refusal = (text) => fill("plan", el("p", {class: "bad"}, t("failed", text)));
	const request = () => ({...asked.body, reason: get("reason").value});

	async function showPlan() {
		const mine = asked;
		if (mine.typed && get("typed").value.trim() !== mine.typed) {
			refusal(t("type_domain", mine.typed));
			return;
		}
		get("show-plan").disabled = true;
		const now = await ask("GET", mine.etagPath);
		const answer = now.ok ? await ask("POST", mine.path + "?dry_run=true", {body: request(), etag: now.etag}) : now;
		get("show-plan").disabled = false;
		if (mine !== asked)
			return;
		if (!answer.ok) {
			refusal(why(answer));
			return;
		}
		asked.etag = now.etag;
		asked.key = newKey();
		asked.plan = true;
		drawPlan(answer.body);
		get("do-it").disabled = false;
		get("do-it").focus();
	}

	// The same key as long as the same plan is on screen: pressed twice, it is done once.
	async function doIt() {
		const mine = asked;
		if (!mine.plan)
			return;
		get("do-it").disabled = true;
		const answer = await ask("POST", mine.path, {body: request(), etag: mine.etag, key: mine.key});
		if (mine !== asked)
			return;
		if (!answer.ok) {
			get("do-it").disabled = answer.status !== 0 && answer.status !== 503;
			refusal(why(answer));
			get("plan").focus();
			return;
		}
		get("ask").close();
		say(t("done", t(mine.name) + " " + shown.domain));
		shown.text = "";
		await readDomain();
	}

	// ---- which part of the page ----

	function show() {
		get("sign-in").hidden = signed;
		get("sign-out").hidden = !signed;
		get("overview").hidden = !signed || shown !== null;
		get("domain").hidden = !signed || shown === null;
	}

	function translate() {
		document.documentElement.lang = japanese ? "ja" : "en";
		for (const node of document.querySelectorAll("[data-t]"))
			node.textContent = t(node.dataset.t);
		get("language").textContent = japanese ? "English" : "日本語";
		get("language").lang = japanese ? "en" : "ja";
		if (signed)
			drawOverview();
		if (shown && shown.body) {
			drawDomain();
			readAudit();
			get("record-title").textContent = t("record_of", recordOf);
		}
	}

	async function signIn() {
		token = get("token").value.trim();
		get("token").value = "";
		const answer = await ask("GET", "/v1/domains?limit=1");
		if (!answer.ok) {
			token = "";
			say(answer.status === 401 ? t("refused") : t("failed", why(answer)), true);
			get("token").focus();
			return;
		}
		signed = true;
		say("");
		await readOverview();
		show();
		get("main").focus();
	}

	function signOut() {
		token = "";
		signed = false;
		turn++;
		shown = whole = ready = mail = log = null;
		rows = [];
		cursor = nextCursor = recordOf = "";
		for (const id of ["red", "lights", "domains", "stuck", "due", "mail", "figures", "nodes", "explain", "verified", "log", "facts", "timeline", "keys", "audit", "check-answer"])
			fill(id);
		for (const id of ["top", "domain-title", "record-title"])
			get(id).textContent = "";
		for (const id of ["record-text", "address", "client", "message", "file", "filter"])
			get(id).value = "";
		say("");
		show();
		get("token").focus();
	}

	async function goBack() {
		const name = shown.domain;
		turn++;
		shown = null;
		say("");
		show();
		await readOverview();
		(get("open-row-" + name) || get("main")).focus();
	}

	// One look after the other; none while nobody sees the page.
	async function lookAgain() {
		const begun = Date.now();
		if (signed && !document.hidden && !get("ask").open) {
			if (shown)
				await readDomain();
			else
				await readOverview();
		}
		// A store that needs long for an answer is asked the less.
		setTimeout(lookAgain, Math.max(shown ? DOMAIN_MS : OVERVIEW_MS, 20 * (Date.now() - begun)));
	}

	const on = (id, event, what) => get(id).addEventListener(event, (e) => {
		if (event === "submit")
			e.preventDefault();
		what(e);
	});

	NOTATIONS.forEach((name) => get("notation").append(el("option", {value: name}, name)));
	on("language", "click", () => { japanese = !japanese; translate(); });
	on("sign-in-form", "submit", signIn);
	on("sign-out", "click", signOut);
	on("filter-form", "submit", () => { if (get("filter").value.trim()) openDomain(get("filter").value.trim(), ""); });
	on("filter", "input", drawDomains);
	on("first", "click", () => goPage(""));
	on("next", "click", () => goPage(nextCursor));
	on("explain-form", "submit", explainIt);
	on("verify-form", "submit", verifyIt);
	on("back", "click", goBack);
	on("rotate", "click", askRotate);
	on("emergency", "click", askEmergency);
	on("notation", "change", () => openRecord(recordOf, false));
	on("copy", "click", copyRecord);
	on("check", "click", checkRecord);
	on("ask-form", "submit", showPlan);
	on("reason", "input", forgetPlan);
	on("typed", "input", forgetPlan);
	on("do-it", "click", doIt);
	on("cancel", "click", () => get("ask").close());
	on("ask", "close", () => { const back = asked && asked.back; asked = null; if (back) (get(back.id) || get("domain-title")).focus(); });
	translate();
	show();
	setTimeout(lookAgain, DOMAIN_MS);
	get("token").focus();
})();
