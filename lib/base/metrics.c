/*
 * metrics.c - counters of all processes in one shared array, and the text for Prometheus.
 * Every process counts here on the way of a message; the parent writes the text. It must never
 * wait, never fail its caller and never keep anything that came with a message.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/metrics.h"

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "counters are shared between processes");

/* "# TYPE" of a row, and what a row counts in. */
enum kind { COUNTER, GAUGE, HISTOGRAM };

static const uint64_t bounds_us[] = {
#define BOUND(us) us,
    METRIC_BUCKETS(BOUND)
#undef BOUND
};
#define BOUNDS (sizeof(bounds_us) / sizeof(bounds_us[0]))
/* A histogram: a cell for each bound, one for what is above, and the sum in microseconds. */
#define HISTOGRAM_CELLS (unsigned int)(BOUNDS + 2)

/* The labels and their values. */
#define TEXT(id, text) text,
#define LABEL_TEXTS(id, name) static const char *const values_##id[] = {METRIC_VALUES_##id(TEXT)};
METRIC_LABELS(LABEL_TEXTS)
#undef LABEL_TEXTS
#undef TEXT

enum label_id {
#define LABEL_ENUM(id, name) LABEL_##id,
	METRIC_LABELS(LABEL_ENUM)
#undef LABEL_ENUM
};

static const struct label {
	const char *name;
	const char *const *values;
	unsigned int count;
} labels[] = {
#define VALUES(id) (sizeof(values_##id) / sizeof(values_##id[0]))
#define LABEL(id, name) [LABEL_##id] = {name, values_##id, VALUES(id)},
    METRIC_LABELS(LABEL)
#undef LABEL
};

/* Where the cells of each metric begin: those of gauges in each process, the others in common. */
#define CELLS_COUNTER(first, second) VALUES(first) * VALUES(second)
#define CELLS_GAUGE(first, second) 0
#define CELLS_HISTOGRAM(first, second) HISTOGRAM_CELLS *VALUES(first)
#define GAUGE_CELLS_COUNTER(first) 0
#define GAUGE_CELLS_GAUGE(first) VALUES(first)
#define GAUGE_CELLS_HISTOGRAM(first) 0
enum {
#define CELL(id, kind, name, help, first, second)                                                  \
	CELL_##id, CELL_LAST_##id = CELL_##id + (int)(CELLS_##kind(first, second)) - 1,
	METRICS(CELL)
#undef CELL
	    CELLS
};
enum {
#define GAUGE_CELL(id, kind, name, help, first, second)                                            \
	GAUGE_CELL_##id,                                                                           \
	    GAUGE_CELL_LAST_##id = GAUGE_CELL_##id + (int)(GAUGE_CELLS_##kind(first)) - 1,
	METRICS(GAUGE_CELL)
#undef GAUGE_CELL
	    GAUGE_CELLS
};

static const struct row {
	enum kind kind;
	const char *name, *help;
	enum label_id first, second;
	unsigned int at;       /* its first cell */
	unsigned int gauge_at; /* its first one of each process */
} rows[METRIC_COUNT] = {
#define ROW(id, kind, name, help, first, second)                                                   \
	[METRIC_##id] = {                                                                          \
	    kind, name, help, LABEL_##first, LABEL_##second, CELL_##id, GAUGE_CELL_##id},
    METRICS(ROW)
#undef ROW
};

/* A gauge is the sum over the processes that live: one that is killed takes its part with it. */
struct process {
	_Atomic int pid; /* 0: free */
	_Atomic int64_t gauges[GAUGE_CELLS];
};

struct shared {
	_Atomic uint64_t cells[CELLS];
	struct process processes[METRICS_PROCESSES_MAX];
};

/* Of this process. Set before threads start. */
static struct shared *shared;
static struct process *process;

enum status
metrics_open(struct err *err)
{
	void *mapped;

	if (shared != NULL)
		return ST_OK;
	mapped =
	    mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (mapped == MAP_FAILED) {
		err_set(err, "no memory for metrics: %s; nothing is counted", strerror(errno));
		return ST_FAILED;
	}
	shared = mapped; /* all zero */
	return ST_OK;
}

void
metrics_close(void)
{
	if (shared != NULL)
		(void)munmap(shared, sizeof(*shared));
	shared = NULL;
	process = NULL;
}

bool
metrics_are_open(void)
{
	return shared != NULL;
}

void
metrics_process_began(void)
{
	process = NULL;
	for (size_t i = 0; shared != NULL && i < METRICS_PROCESSES_MAX; i++) {
		int nobody = 0;

		if (!atomic_compare_exchange_strong(
			&shared->processes[i].pid, &nobody, (int)getpid()))
			continue;
		process = &shared->processes[i];
		return;
	}
}

void
metrics_process_ended(pid_t pid)
{
	for (size_t i = 0; shared != NULL && i < METRICS_PROCESSES_MAX; i++) {
		struct process *ended = &shared->processes[i];

		if (atomic_load(&ended->pid) != (int)pid)
			continue;
		for (size_t k = 0; k < GAUGE_CELLS; k++)
			atomic_store(&ended->gauges[k], 0);
		atomic_store(&ended->pid, 0);
	}
}

static void
cell_add(unsigned int cell, uint64_t by)
{
	atomic_fetch_add_explicit(&shared->cells[cell], by, memory_order_relaxed);
}

static uint64_t
cell_read(unsigned int cell)
{
	return atomic_load_explicit(&shared->cells[cell], memory_order_relaxed);
}

void
metrics_add(enum metric metric, unsigned int first, unsigned int second, uint64_t by)
{
	const struct row *row = &rows[metric];

	if (shared == NULL || row->kind != COUNTER || first >= labels[row->first].count ||
	    second >= labels[row->second].count)
		return;
	cell_add(row->at + first * labels[row->second].count + second, by);
}

uint64_t
metrics_value(enum metric metric, unsigned int first, unsigned int second)
{
	const struct row *row = &rows[metric];

	if (shared == NULL || row->kind != COUNTER || first >= labels[row->first].count ||
	    second >= labels[row->second].count)
		return 0;
	return cell_read(row->at + first * labels[row->second].count + second);
}

int64_t
metrics_quantile_us(enum metric metric, unsigned int per_mille)
{
	const struct row *row = &rows[metric];
	uint64_t counts[BOUNDS + 1], all = 0, sum = 0;

	if (shared == NULL || row->kind != HISTOGRAM)
		return -1;
	for (unsigned int i = 0; i <= BOUNDS; i++)
		all += counts[i] = cell_read(row->at + i);
	if (all == 0)
		return -1;
	for (unsigned int i = 0; i < BOUNDS; i++) {
		sum += counts[i];
		if (sum * 1000 >= all * per_mille)
			return (int64_t)bounds_us[i];
	}
	return (int64_t)bounds_us[BOUNDS - 1];
}

const char *
metrics_label_value(enum metric metric, unsigned int first)
{
	const struct label *label = &labels[rows[metric].first];

	return first < label->count ? label->values[first] : NULL;
}

void
metrics_count(enum metric metric, unsigned int first, unsigned int second)
{
	metrics_add(metric, first, second, 1);
}

void
metrics_observe_at(enum metric metric, unsigned int first, int64_t microseconds)
{
	const struct row *row = &rows[metric];
	uint64_t us = microseconds > 0 ? (uint64_t)microseconds : 0;
	unsigned int bucket = 0, at = row->at + first * HISTOGRAM_CELLS;

	if (shared == NULL || row->kind != HISTOGRAM || first >= labels[row->first].count)
		return;
	while (bucket < BOUNDS && us > bounds_us[bucket])
		bucket++;
	cell_add(at + bucket, 1);
	cell_add(at + BOUNDS + 1, us);
}

void
metrics_observe(enum metric metric, int64_t microseconds)
{
	metrics_observe_at(metric, METRIC_NONE, microseconds);
}

void
metrics_gauge_add_at(enum metric metric, unsigned int first, int64_t by)
{
	const struct row *row = &rows[metric];

	if (process != NULL && row->kind == GAUGE && first < labels[row->first].count)
		atomic_fetch_add_explicit(
		    &process->gauges[row->gauge_at + first], by, memory_order_relaxed);
}

void
metrics_gauge_add(enum metric metric, int64_t by)
{
	metrics_gauge_add_at(metric, METRIC_NONE, by);
}

void
metrics_store_opened(enum metric_store_kind kind, int64_t by)
{
	metrics_gauge_add_at(METRIC_STORES, kind, by);
}

void
metrics_store_away(enum metric_store_kind kind, atomic_bool *was, bool away)
{
	if (atomic_exchange(was, away) != away)
		metrics_gauge_add_at(METRIC_STORES_AWAY, kind, away ? 1 : -1);
}

const char *
metrics_name(enum metric metric)
{
	return rows[metric].name;
}

void
metrics_label_escape(struct buf *out, struct span value)
{
	for (size_t i = 0; i < value.n; i++) {
		char c = value.p[i];

		if (c == '\\' || c == '"' || c == '\n')
			buf_add_char(out, '\\');
		buf_add_char(out, c == '\n' ? 'n' : c);
	}
}

/* 2500 as 0.0025: no locale, no zeros at the end. */
static void
seconds_add(struct buf *out, uint64_t us)
{
	char fraction[8];
	size_t n = 6;

	buf_add_u64(out, us / 1000000);
	(void)snprintf(fraction, sizeof(fraction), "%06u", (unsigned int)(us % 1000000));
	while (n > 0 && fraction[n - 1] == '0')
		n--;
	if (n > 0) {
		buf_add_char(out, '.');
		buf_add(out, span_of(fraction, n));
	}
}

static void
label_add(struct buf *out, char before, const struct label *label, unsigned int value)
{
	buf_add_char(out, before);
	buf_add_str(out, label->name);
	buf_add_str(out, "=\"");
	metrics_label_escape(out, span_str(label->values[value]));
	buf_add_char(out, '"');
}

static void
counter_write(const struct row *row, struct buf *out)
{
	const struct label *first = &labels[row->first], *second = &labels[row->second];
	unsigned int cell = row->at;

	for (unsigned int i = 0; i < first->count; i++) {
		for (unsigned int k = 0; k < second->count; k++) {
			buf_add_str(out, row->name);
			if (row->first != LABEL_NONE)
				label_add(out, '{', first, i);
			if (row->second != LABEL_NONE)
				label_add(out, ',', second, k);
			buf_add_str(out, row->first != LABEL_NONE ? "} " : " ");
			buf_add_u64(out, cell_read(cell++));
			buf_add_char(out, '\n');
		}
	}
}

static int64_t
gauge_read(const struct row *row, unsigned int value)
{
	int64_t sum = 0;

	for (size_t i = 0; i < METRICS_PROCESSES_MAX; i++)
		sum += atomic_load_explicit(
		    &shared->processes[i].gauges[row->gauge_at + value], memory_order_relaxed);
	return sum;
}

static void
gauge_write(const struct row *row, struct buf *out)
{
	for (unsigned int value = 0; value < labels[row->first].count; value++) {
		int64_t sum = gauge_read(row, value);

		buf_add_str(out, row->name);
		if (row->first != LABEL_NONE)
			label_add(out, '{', &labels[row->first], value);
		buf_add_fmt(out, "%s %lld\n", row->first != LABEL_NONE ? "}" : "", (long long)sum);
	}
}

/* NAME_SUFFIX{label="value" */
static void
histogram_name(const struct row *row, const char *suffix, unsigned int value, struct buf *out)
{
	buf_add_fmt(out, "%s_%s", row->name, suffix);
	if (row->first != LABEL_NONE)
		label_add(out, '{', &labels[row->first], value);
}

/* The count is what the buckets have, so that it always fits the last of them. */
static void
histogram_write_one(const struct row *row, unsigned int value, struct buf *out)
{
	unsigned int at = row->at + value * HISTOGRAM_CELLS;
	const char *end = row->first != LABEL_NONE ? "}" : "";
	uint64_t count = 0;

	for (unsigned int i = 0; i <= BOUNDS; i++) {
		count += cell_read(at + i);
		histogram_name(row, "bucket", value, out);
		buf_add_str(out, row->first != LABEL_NONE ? ",le=\"" : "{le=\"");
		if (i < BOUNDS)
			seconds_add(out, bounds_us[i]);
		else
			buf_add_str(out, "+Inf");
		buf_add_str(out, "\"} ");
		buf_add_u64(out, count);
		buf_add_char(out, '\n');
	}
	histogram_name(row, "sum", value, out);
	buf_add_fmt(out, "%s ", end);
	seconds_add(out, cell_read(at + BOUNDS + 1));
	buf_add_char(out, '\n');
	histogram_name(row, "count", value, out);
	buf_add_fmt(out, "%s %llu\n", end, (unsigned long long)count);
}

static void
histogram_write(const struct row *row, struct buf *out)
{
	for (unsigned int value = 0; value < labels[row->first].count; value++)
		histogram_write_one(row, value, out);
}

/* What is not open has no value: an alert waits for 0. */
static void
store_up_write(struct buf *out)
{
	const struct label *kinds = &labels[LABEL_STORE_KIND];

	buf_add_str(out, "# HELP signpost_store_up Did every store of this kind that is open "
			 "answer when it was asked last?\n# TYPE signpost_store_up gauge\n");
	for (unsigned int kind = 0; kind < kinds->count; kind++) {
		if (gauge_read(&rows[METRIC_STORES], kind) <= 0)
			continue;
		buf_add_str(out, "signpost_store_up");
		label_add(out, '{', kinds, kind);
		buf_add_str(
		    out, gauge_read(&rows[METRIC_STORES_AWAY], kind) > 0 ? "} 0\n" : "} 1\n");
	}
}

enum status
metrics_write(struct buf *out)
{
	static const char *const kinds[] = {"counter", "gauge", "histogram"};

	if (shared == NULL)
		return ST_ABSENT;
	for (int m = 0; m < METRIC_COUNT; m++) {
		const struct row *row = &rows[m];

		buf_add_fmt(out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name,
		    kinds[row->kind]);
		if (row->kind == COUNTER)
			counter_write(row, out);
		else if (row->kind == GAUGE)
			gauge_write(row, out);
		else
			histogram_write(row, out);
	}
	store_up_write(out);
	return buf_status(out);
}

/* All of text into a new file that everybody may read. errno tells why not. */
static bool
file_fill(const char *path, struct span text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	bool ok = fd >= 0 && fchmod(fd, 0644) == 0;
	int error;

	while (ok && text.n > 0) {
		ssize_t n = write(fd, text.p, text.n);

		if (n > 0)
			text = span_from(text, (size_t)n);
		else
			ok = n < 0 && errno == EINTR;
	}
	error = errno;
	if (fd >= 0 && close(fd) != 0 && ok)
		return false;
	errno = error;
	return ok;
}

/* The name beside it is fixed, so that a process that is killed leaves one file at most; O_EXCL
 * follows nobody's link. */
static enum status
file_replace(const char *path, struct span text, struct err *err)
{
	char beside[PATH_MAX];
	int length = snprintf(beside, sizeof(beside), "%s.new", path);

	if (length < 0 || (size_t)length >= sizeof(beside)) {
		err_set(err, "metrics cannot be written to %.200s: the name is too long", path);
		return ST_FAILED;
	}
	(void)unlink(beside);
	if (file_fill(beside, text) && rename(beside, path) == 0)
		return ST_OK;
	err_set(err, "metrics cannot be written to %.200s (by way of %.200s): %s", path, beside,
	    strerror(errno));
	(void)unlink(beside);
	return ST_FAILED;
}

enum status
metrics_file_write(const char *path, struct err *err)
{
	struct buf text;
	enum status status;

	buf_init(&text, METRICS_TEXT_MAX);
	status = metrics_write(&text);
	if (status == ST_OK)
		status = file_replace(path, buf_span(&text), err);
	else
		err_set(err, "no metrics are kept");
	buf_free(&text);
	return status;
}
